//! Which rows train, which validate, which test.

use crate::error::DataError;
use crate::random;
use rand_core::Rng;
use std::ops::Range;
use std::sync::Arc;

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Rows that set the weights.
    Train,
    /// Rows that choose among weights.
    Validation,
    /// Rows that nothing was chosen on.
    Test,
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

    /// Name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}

/// How rows are divided. Every row belongs to exactly one part.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Split {
    /// By position: the first fraction of rows, the next, the rest. Right for shuffled files; the fractions sum to 1.
    Fractions {
        /// Fraction for training.
        train: f64,
        /// Fraction for validation.
        validation: f64,
        /// Fraction for test.
        test: f64,
    },
    /// By a hash of (seed, row): right for files in any order, and the same for a row whatever comes behind it.
    Hash {
        /// Seed.
        seed: u64,
        /// Fraction for training.
        train: f64,
        /// Fraction for validation.
        validation: f64,
        /// Fraction for test.
        test: f64,
    },
    /// By the file's own column, with 0 train, 1 test, 2 validation (`ttv` of the reference files).
    Column {
        /// Its name; inside `values_block_1` of the reference files, `ttv`.
        name: String,
    },
    /// By separate files `train`, `val`, `test` in one directory.
    Files,
}

impl Default for Split {
    /// The first 60 % of rows train, the next 20 % validate, the rest test.
    fn default() -> Self {
        Split::Fractions {
            train: 0.6,
            validation: 0.2,
            test: 0.2,
        }
    }
}

/// Ascending rows of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum RowSet {
    /// All rows of a range.
    Range(Range<u64>),
    /// Single rows, ascending.
    List(Arc<[u64]>),
}

impl RowSet {
    /// Number of rows.
    pub fn len(&self) -> u64 {
        match self {
            RowSet::Range(range) => range.end - range.start,
            RowSet::List(rows) => rows.len() as u64,
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ranges of these rows that lie in `within`, neighbors joined.
    pub fn ranges_within(&self, within: &Range<u64>) -> Vec<Range<u64>> {
        match self {
            RowSet::Range(range) => {
                let (start, end) = (range.start.max(within.start), range.end.min(within.end));
                if start < end {
                    std::iter::once(start..end).collect()
                } else {
                    Vec::new()
                }
            }
            RowSet::List(rows) => {
                let first = rows.partition_point(|&row| row < within.start);
                let mut ranges: Vec<Range<u64>> = Vec::new();
                for &row in rows[first..].iter().take_while(|&&row| row < within.end) {
                    match ranges.last_mut() {
                        Some(last) if last.end == row => last.end += 1,
                        _ => ranges.push(row..row + 1),
                    }
                }
                ranges
            }
        }
    }

    /// The row at position `at`, if there is one.
    pub fn row(&self, at: u64) -> Option<u64> {
        match self {
            RowSet::Range(range) => Some(range.start + at).filter(|row| *row < range.end),
            RowSet::List(rows) => rows.get(at as usize).copied(),
        }
    }
}

/// Train, validation and test rows of one file of `rows` rows, by position or by hash.
///
/// # Errors
/// Fractions that are negative, not finite or do not sum to 1; a split that needs more than the number of rows.
pub fn split_rows(split: &Split, rows: u64) -> Result<[RowSet; 3], DataError> {
    match split {
        Split::Fractions {
            train,
            validation,
            test,
        } => {
            check_fractions(*train, *validation, *test)?;
            let first = (train * rows as f64).round() as u64;
            let second = (((train + validation) * rows as f64).round() as u64).clamp(first, rows);
            Ok([
                RowSet::Range(0..first),
                RowSet::Range(first..second),
                RowSet::Range(second..rows),
            ])
        }
        Split::Hash {
            seed,
            train,
            validation,
            test,
        } => {
            check_fractions(*train, *validation, *test)?;
            let mut rng = random::stream(*seed, "split", 0);
            // Row r takes the r-th draw of the stream: a function of (seed, r) alone.
            let mut parts: [Vec<u64>; 3] = Default::default();
            for row in 0..rows {
                let u = random::uniform(&mut rng);
                let part = if u < *train {
                    0
                } else if u < train + validation {
                    1
                } else {
                    2
                };
                parts[part].push(row);
            }
            Ok(parts.map(|rows| RowSet::List(rows.into())))
        }
        Split::Column { .. } | Split::Files => Err(DataError::Split {
            reason: "this split needs the file's columns or several files".into(),
        }),
    }
}

/// Train, validation and test rows by the values of a `ttv` column (0 train, 1 test, 2 validation).
///
/// # Errors
/// A value other than 0, 1, 2.
pub fn split_by_column(file: &str, column: &str, values: impl Iterator<Item = i64>) -> Result<[RowSet; 3], DataError> {
    let mut parts: [Vec<u64>; 3] = Default::default();
    for (row, value) in values.enumerate() {
        let part = match value {
            0 => 0,
            1 => 2,
            2 => 1,
            _ => {
                return Err(DataError::Value {
                    file: file.to_owned(),
                    row: row as u64,
                    column: column.to_owned(),
                    value: value.to_string(),
                    allowed: "0 (train), 1 (test) or 2 (validation)",
                });
            }
        };
        parts[part].push(row as u64);
    }
    Ok(parts.map(|rows| RowSet::List(rows.into())))
}

fn check_fractions(train: f64, validation: f64, test: f64) -> Result<(), DataError> {
    let all = [train, validation, test];
    if all.iter().any(|f| !f.is_finite() || *f < 0.0) || (train + validation + test - 1.0).abs() > 1e-9 {
        return Err(DataError::Split {
            reason: format!("fractions {train}, {validation}, {test}; allowed: none negative, sum 1"),
        });
    }
    Ok(())
}

/// `count` of the rows, chosen by the draw of (seed, row), ascending. A smaller subset lies inside a larger one.
///
/// Files are often only partly shuffled, so the first rows are no fair sample. `first_row` is the data set's row of
/// the file's row 0.
pub fn subset(rows: &[(usize, RowSet)], first_rows: &[u64], count: u64, seed: u64) -> Vec<(usize, RowSet)> {
    let total: u64 = rows.iter().map(|(_, set)| set.len()).sum();
    if count >= total {
        return rows.to_vec();
    }
    let mut draws: Vec<(u64, usize, u64)> = Vec::with_capacity(total as usize);
    for (file, set) in rows {
        let mut rng = random::stream(seed, "subset", 0);
        let first = first_rows[*file];
        let mut next = u64::MAX;
        for at in 0..set.len() {
            let Some(row) = set.row(at) else { break };
            // Draw r of the stream belongs to row r of the data set; neighbors need no new position.
            if row != next {
                rng.set_word_pos(2 * u128::from(first + row));
            }
            draws.push((rng.next_u64(), *file, row));
            next = row + 1;
        }
    }
    if count > 0 {
        draws.select_nth_unstable(count as usize - 1);
    }
    draws.truncate(count as usize);
    draws.sort_unstable_by_key(|&(_, file, row)| (file, row));
    let mut chosen: Vec<(usize, RowSet)> = Vec::new();
    for group in draws.chunk_by(|a, b| a.1 == b.1) {
        chosen.push((group[0].1, RowSet::List(group.iter().map(|draw| draw.2).collect())));
    }
    chosen
}
