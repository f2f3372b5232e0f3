//! Rows to learn from and to answer for: conditions, truth label, scores.
//!
//! A table comes from any file that tagwerk-data reads (Parquet, pandas' HDF5 frames, NumPy) or from text with a header
//! line, by the names of its columns. Every value is looked at once, here: what is not a number that makes sense is an
//! error with file, row, column and value.

mod config;
mod input;
mod text;

pub use config::TableConfig;
pub(crate) use input::sample;

use crate::conditions::Conditions;
use crate::error::SurrogateError;
use crate::score_table::ScoreTable;
use crate::transform::{Clamped, Transform};
use crate::velocity::Real;
use input::{Input, Values, joined};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use tagwerk_data::{RowSet, Split, hexadecimal, split_rows, subset};

/// A file, and with it another one that has the scores, and the column of row ids.
type Given<'a> = (Input<'a>, Option<(Input<'a>, &'a str)>);

/// Which columns a table is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// The inputs of the surrogate, in order; the label among them, where the surrogate is to know it.
    pub conditions: Vec<String>,
    /// The truth label: 0, 1, ... Absent where nothing asks for it.
    pub label: Option<String>,
    /// The scores of the classifier; none for a table of jets to answer for.
    pub scores: Vec<String>,
}

/// Conditions, label and scores of `N` rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: Columns,
    c: Vec<f64>,
    labels: Vec<f64>,
    scores: Vec<f64>,
    /// Row of each row in the data, files laid end to end.
    rows: Vec<u64>,
    /// First row and name of each file.
    files: Vec<(u64, String)>,
}

impl Table {
    /// A table of values in memory: conditions `[N, C]`, labels `[N]` or none, scores `[N, D]` or none.
    ///
    /// # Errors
    /// Lengths that do not fit; a value that is no finite number, or a label that is no whole number.
    pub fn new(
        columns: Columns,
        conditions: Vec<f64>,
        labels: Vec<f64>,
        scores: Vec<f64>,
    ) -> Result<Self, SurrogateError> {
        let width = columns.conditions.len().max(1);
        let n = conditions.len() / width;
        for (what, found, expected) in [
            ("conditions", conditions.len(), n * columns.conditions.len()),
            ("labels", labels.len(), if columns.label.is_some() { n } else { 0 }),
            ("scores", scores.len(), n * columns.scores.len()),
        ] {
            if found != expected {
                return Err(SurrogateError::Length { what, found, expected });
            }
        }
        let table = Self {
            columns,
            c: conditions,
            labels,
            scores,
            rows: (0..n as u64).collect(),
            files: vec![(0, "table".to_owned())],
        };
        table.check()?;
        Ok(table)
    }

    /// Reads the columns of some files, laid end to end.
    ///
    /// # Errors
    /// A file or column that is missing; a value that is no finite number, or a label that is no whole number.
    pub fn read(files: &[PathBuf], columns: &Columns) -> Result<Self, SurrogateError> {
        let inputs: Vec<_> = files.iter().map(|file| (Input::File(file), None)).collect();
        Self::of(&inputs, columns, None)
    }

    /// The sample inside the program: jets with observables, label and the scores of a small tagger.
    ///
    /// # Errors
    /// A program without the sample; a column that it does not have.
    pub fn sample(columns: &Columns) -> Result<Self, SurrogateError> {
        Self::of(&[(Input::Sample, None)], columns, None)
    }

    /// Reads conditions and label from `files` and the scores from `scores_files`, file by file, joined by the row ids in
    /// the column `id`: what `tagwerk features` and `tagwerk score` write.
    ///
    /// # Errors
    /// As [`read`](Self::read); another number of files; ids that are missing, strange or there twice; labels that differ.
    pub fn read_joined(
        files: &[PathBuf],
        scores_files: &[PathBuf],
        id: &str,
        columns: &Columns,
    ) -> Result<Self, SurrogateError> {
        if files.len() != scores_files.len() {
            return Err(SurrogateError::Length {
                what: "data.scores_files, one a file of data.files",
                found: scores_files.len(),
                expected: files.len(),
            });
        }
        let pairs = files.iter().zip(scores_files);
        let inputs: Vec<_> = pairs
            .map(|(file, scores)| (Input::File(file), Some((Input::File(scores), id))))
            .collect();
        Self::of(&inputs, columns, None)
    }

    /// Reads jets to answer for: conditions without scores. `given` is a column that the files do not have, with its value
    /// for all jets: the label of jets of one class.
    ///
    /// # Errors
    /// As [`read`](Self::read); a column that is given and also there.
    pub fn jets(files: &[PathBuf], conditions: &[String], given: Option<(&str, f64)>) -> Result<Self, SurrogateError> {
        let columns = Columns {
            conditions: conditions.to_vec(),
            label: None,
            scores: Vec::new(),
        };
        let inputs: Vec<_> = files.iter().map(|file| (Input::File(file), None)).collect();
        if let Some((name, _)) = given {
            for (input, _) in &inputs {
                if input.has(name)? {
                    return Err(SurrogateError::Table {
                        file: input.name(),
                        reason: format!("it has a column `{name}` of its own: give no other value for it"),
                    });
                }
            }
        }
        Self::of(&inputs, &columns, given)
    }

    fn of(inputs: &[Given<'_>], columns: &Columns, filled: Option<(&str, f64)>) -> Result<Self, SurrogateError> {
        let mut table = Self {
            columns: columns.clone(),
            c: Vec::new(),
            labels: Vec::new(),
            scores: Vec::new(),
            rows: Vec::new(),
            files: Vec::new(),
        };
        for &(input, other) in inputs {
            table.files.push((table.rows.len() as u64, input.name()));
            // A column may serve twice: the label is often a condition.
            let mut wanted: Vec<String> = columns.conditions.clone();
            wanted.extend(columns.label.clone());
            match other {
                Some((_, id)) => wanted.push(id.to_owned()),
                None => wanted.extend(columns.scores.clone()),
            }
            wanted.retain(|name| filled.is_none_or(|(given, _)| given != name));
            let mut values = Values::read(input, wanted)?;
            if let Some((name, value)) = filled {
                values.fill(name, value);
            }
            let n = values.rows();
            let conditions: Vec<&[f64]> = columns.conditions.iter().map(|name| values.column(name)).collect();
            for row in 0..n {
                table.c.extend(conditions.iter().map(|values| values[row]));
            }
            match other {
                Some((scores, id)) => table.scores.extend(joined((input, &values), scores, id, columns)?),
                None => {
                    let scores: Vec<&[f64]> = columns.scores.iter().map(|name| values.column(name)).collect();
                    for row in 0..n {
                        table.scores.extend(scores.iter().map(|values| values[row]));
                    }
                }
            }
            if let Some(label) = &columns.label {
                table.labels.extend(values.column(label));
            }
            let first = table.rows.len() as u64;
            table.rows.extend(first..first + n as u64);
        }
        if table.rows.is_empty() {
            let names: Vec<String> = inputs.iter().map(|(input, _)| input.name()).collect();
            return Err(SurrogateError::Table {
                file: names.join(", "),
                reason: "no rows".to_owned(),
            });
        }
        table.check()?;
        Ok(table)
    }

    fn check(&self) -> Result<(), SurrogateError> {
        let width = self.columns.conditions.len();
        if let Some(at) = self.c.iter().position(|v| !v.is_finite()) {
            let column = &self.columns.conditions[at % width];
            return Err(self.value(at / width, column, self.c[at], "a finite number"));
        }
        if let Some(row) = self.labels.iter().position(|l| !(*l >= 0.0 && l.fract() == 0.0)) {
            let column = self.columns.label.as_deref().unwrap_or_default();
            return Err(self.value(row, column, self.labels[row], "a whole number from 0 on"));
        }
        if let Some(at) = self.scores.iter().position(|v| v.is_nan()) {
            let width = self.columns.scores.len();
            let column = &self.columns.scores[at % width];
            return Err(self.value(at / width, column, self.scores[at], "a number"));
        }
        Ok(())
    }

    /// Checks a condition, by its number.
    ///
    /// # Errors
    /// The first value that is not `allowed`, with its place.
    pub(crate) fn check_column(
        &self,
        number: usize,
        allowed: &'static str,
        good: impl Fn(f64) -> bool,
    ) -> Result<(), SurrogateError> {
        let (width, name) = (self.columns.conditions.len(), &self.columns.conditions[number]);
        let mut values = self.c.iter().skip(number).step_by(width);
        match values.position(|&value| !good(value)) {
            None => Ok(()),
            Some(row) => Err(self.value(row, name, self.c[row * width + number], allowed)),
        }
    }

    /// The error of one value.
    fn value(&self, row: usize, column: &str, value: f64, allowed: &'static str) -> SurrogateError {
        let row = self.rows[row];
        let file = self.files.iter().rev().find(|(first, _)| *first <= row);
        let (first, name) = file.map_or((0, "table"), |(first, name)| (*first, name.as_str()));
        SurrogateError::Value {
            file: name.to_owned(),
            row: row - first,
            column: column.to_owned(),
            value: value.to_string(),
            allowed,
        }
    }

    /// Number of rows, `N`.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Conditions as they are in the file, `[N, C]`.
    pub fn conditions(&self) -> &[f64] {
        &self.c
    }

    /// Labels, `[N]`; empty without a label column.
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// Scores as they are in the file, `[N, D]`; empty without score columns.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// Row of each row in the data, files laid end to end, `[N]`.
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// The table of some of its rows, by position.
    ///
    /// # Panics
    /// If a position is not there: a bug in the caller.
    pub fn select(&self, positions: &[usize]) -> Self {
        let (c, d) = (self.columns.conditions.len(), self.columns.scores.len());
        let of = |values: &[f64], width: usize| -> Vec<f64> {
            let rows = positions
                .iter()
                .flat_map(|&p| values[p * width..(p + 1) * width].iter());
            rows.copied().collect()
        };
        Self {
            columns: self.columns.clone(),
            c: of(&self.c, c),
            labels: of(&self.labels, usize::from(self.columns.label.is_some())),
            scores: of(&self.scores, d),
            rows: positions.iter().map(|&p| self.rows[p]).collect(),
            files: self.files.clone(),
        }
    }

    /// Train, validation and test rows, by position in the data or by hash of (seed, row), as tagwerk-data splits.
    ///
    /// # Errors
    /// Fractions that do not sum to 1; a split by column or by files.
    pub fn split(&self, split: &Split) -> Result<[Self; 3], SurrogateError> {
        let parts = split_rows(split, self.rows.len() as u64)?;
        Ok(parts.map(|set| self.select(&positions(&set))))
    }

    /// `count` rows, chosen by the draw of (seed, row); all where there are no more.
    pub fn subset(&self, count: u64, seed: u64) -> Self {
        let all = [(0, RowSet::Range(0..self.rows.len() as u64))];
        let chosen = subset(&all, &[0], count, seed);
        self.select(&chosen.iter().flat_map(|(_, set)| positions(set)).collect::<Vec<_>>())
    }

    /// Transformed scores, `[N, D]`, and how many were clamped.
    ///
    /// # Errors
    /// A score outside its range, with file, row, column and value.
    pub fn targets<T: Real>(&self, transform: &Transform) -> Result<(Vec<T>, Clamped), SurrogateError> {
        let mut clamped = Clamped::default();
        let width = self.columns.scores.len();
        let mut x = Vec::with_capacity(self.scores.len());
        for (at, &score) in self.scores.iter().enumerate() {
            let Some(value) = transform.to_x(score) else {
                let column = &self.columns.scores[at % width];
                return Err(self.value(at / width, column, score, transform.allowed()));
            };
            transform.count(score, &mut clamped);
            x.push(T::of(value));
        }
        Ok((x, clamped))
    }

    /// The table as one to judge on: labels 0 and 1, the logits of one score as the surrogate's transformation limits them.
    ///
    /// # Errors
    /// Another number of scores than one; a label that is neither 0 nor 1; a score outside its range.
    pub fn score_table(&self, transform: &Transform) -> Result<ScoreTable, SurrogateError> {
        let (Some(label), [_]) = (&self.columns.label, &self.columns.scores[..]) else {
            return Err(SurrogateError::Setting {
                setting: "number of scores",
                value: self.columns.scores.len().to_string(),
                wanted: "1, beside a label: distributions are those of one score",
            });
        };
        if let Some(row) = self.labels.iter().position(|&l| l != 0.0 && l != 1.0) {
            let allowed = "0 for background, 1 for signal";
            return Err(self.value(row, label, self.labels[row], allowed));
        }
        let (x, _) = self.targets::<f64>(transform)?;
        ScoreTable::new(
            self.columns.conditions.clone(),
            self.c.clone(),
            self.labels.iter().map(|&l| u8::from(l == 1.0)).collect(),
            x.into_iter().map(|x| x * transform.scale).collect(),
        )
    }

    /// Standardized conditions, `[N, C]`.
    pub fn inputs<T: Real>(&self, conditions: &Conditions) -> Vec<T> {
        conditions.standardize(&self.c)
    }

    /// SHA-256 over names and values: what a run was begun with.
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        let names = self
            .columns
            .conditions
            .iter()
            .chain(&self.columns.label)
            .chain(&self.columns.scores);
        for name in names {
            digest.update(name.as_bytes());
            digest.update([0]);
        }
        for values in [&self.c, &self.labels, &self.scores] {
            digest.update((values.len() as u64).to_le_bytes());
            for value in values {
                digest.update(value.to_le_bytes());
            }
        }
        hexadecimal(&digest.finalize())
    }
}

fn positions(set: &RowSet) -> Vec<usize> {
    (0..set.len())
        .filter_map(|at| set.row(at))
        .map(|row| row as usize)
        .collect()
}

#[cfg(test)]
mod tests;
