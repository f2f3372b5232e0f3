//! Rows to learn from and to answer for: conditions, truth label, scores.
//!
//! A table comes from any file that tagwerk-data reads (Parquet, pandas' HDF5 frames, NumPy) or from text with a header
//! line, by the names of its columns. Every value is looked at once, here: what is not a number that makes sense is an
//! error with file, row, column and value.

mod text;

use crate::conditions::Conditions;
use crate::error::SurrogateError;
use crate::transform::{Clamped, Transform};
use crate::velocity::Real;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_schema::DataType;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tagwerk_data::{Part, Plan, RowSet, Split, hexadecimal, split_rows, subset};

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
        let mut table = Self {
            columns: columns.clone(),
            c: Vec::new(),
            labels: Vec::new(),
            scores: Vec::new(),
            rows: Vec::new(),
            files: Vec::new(),
        };
        let mut wanted: Vec<String> = columns.conditions.clone();
        wanted.extend(columns.label.clone());
        wanted.extend(columns.scores.clone());
        // A column may serve twice: the label is often a condition.
        let mut unique = wanted.clone();
        unique.sort();
        unique.dedup();
        for file in files {
            table.files.push((table.rows.len() as u64, file.display().to_string()));
            let values = read_columns(file, &unique)?;
            let column = |name: &String| {
                let at = unique.iter().position(|n| n == name).unwrap_or_default();
                &values[at]
            };
            let n = values.first().map_or(0, Vec::len);
            let conditions: Vec<_> = columns.conditions.iter().map(column).collect();
            let scores: Vec<_> = columns.scores.iter().map(column).collect();
            for row in 0..n {
                table.c.extend(conditions.iter().map(|values| values[row]));
                table.scores.extend(scores.iter().map(|values| values[row]));
            }
            if let Some(label) = &columns.label {
                table.labels.extend(column(label));
            }
            let first = table.rows.len() as u64;
            table.rows.extend(first..first + n as u64);
        }
        if table.rows.is_empty() {
            let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
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

/// Where the rows of a study come from: one list of files that is split, or a list for each part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableConfig {
    /// Files that are split. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
    /// How they are split. Default: by hash of (seed 0, row), 60 % train, 20 % validation, 20 % test.
    pub split: Split,
    /// Files of the training part, where the parts have files of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<PathBuf>,
    /// Files of the validation part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<PathBuf>,
    /// Files of the test part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<PathBuf>,
    /// Most rows of each part, drawn by (seed, row). Default: absent, all rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Columns that the surrogate may see, in order. Default: label, pt, eta, phi, energy, n (jets6).
    pub conditions: Vec<String>,
    /// Column of the truth label. Default: label.
    pub label: String,
    /// Columns of the classifier's scores. Default: score.
    pub scores: Vec<String>,
}

impl Default for TableConfig {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
        Self {
            files: Vec::new(),
            split: Split::Hash {
                seed: 0,
                train: 0.6,
                validation: 0.2,
                test: 0.2,
            },
            train: Vec::new(),
            validation: Vec::new(),
            test: Vec::new(),
            rows: None,
            conditions: names(&["label", "pt", "eta", "phi", "energy", "n"]),
            label: "label".to_owned(),
            scores: names(&["score"]),
        }
    }
}

impl TableConfig {
    /// Columns of the table.
    pub fn columns(&self) -> Columns {
        Columns {
            conditions: self.conditions.clone(),
            label: Some(self.label.clone()),
            scores: self.scores.clone(),
        }
    }

    /// Reads one part.
    ///
    /// # Errors
    /// Both kinds of files, or none; as [`Table::read`].
    pub fn read(&self, part: Part) -> Result<Table, SurrogateError> {
        let own = match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        };
        let wrong = |value: String| SurrogateError::Setting {
            setting: "data.files",
            value,
            wanted: "given, or data.train, data.validation and data.test instead",
        };
        let table = match (self.files.is_empty(), own.is_empty()) {
            (false, true) if [&self.train, &self.validation, &self.test].iter().all(|f| f.is_empty()) => {
                let [train, validation, test] = Table::read(&self.files, &self.columns())?.split(&self.split)?;
                match part {
                    Part::Train => train,
                    Part::Validation => validation,
                    Part::Test => test,
                }
            }
            (true, false) => Table::read(own, &self.columns())?,
            (true, true) => return Err(wrong(format!("empty, as is data.{}", part.name()))),
            _ => return Err(wrong("given beside files of single parts".to_owned())),
        };
        if table.is_empty() {
            return Err(SurrogateError::Table {
                file: "data".to_owned(),
                reason: format!("the {} part has no rows", part.name()),
            });
        }
        let seed = match self.split {
            Split::Hash { seed, .. } => seed,
            _ => 0,
        };
        Ok(match self.rows {
            Some(count) => table.subset(count, seed),
            None => table,
        })
    }
}

/// The named columns of one file, as f64.
fn read_columns(file: &Path, names: &[String]) -> Result<Vec<Vec<f64>>, SurrogateError> {
    if text::is_text(file) {
        return text::read(file, names);
    }
    let source = tagwerk_data::open(file)?;
    let mut columns = vec![Vec::with_capacity(source.row_count() as usize); names.len()];
    for batch in source.read(&Plan::default().columns(names))? {
        let batch = batch?;
        for ((array, name), column) in batch.columns().iter().zip(names).zip(&mut columns) {
            let row = column.len() as u64;
            append(array.as_ref(), column).map_err(|fault| match fault {
                Fault::Type(found) => SurrogateError::Table {
                    file: source.file().to_owned(),
                    reason: format!("column `{name}` is {found}; allowed: a number a row"),
                },
                Fault::Null(at) => SurrogateError::Value {
                    file: source.file().to_owned(),
                    row: row + at as u64,
                    column: name.clone(),
                    value: "null".to_owned(),
                    allowed: "a number",
                },
            })?;
        }
    }
    Ok(columns)
}

enum Fault {
    Type(String),
    Null(usize),
}

/// Appends an Arrow column of any numeric type.
fn append(array: &dyn Array, out: &mut Vec<f64>) -> Result<(), Fault> {
    fn numbers<A: ArrowPrimitiveType>(array: &dyn Array, out: &mut Vec<f64>, wide: impl Fn(A::Native) -> f64) {
        out.extend(array.as_primitive::<A>().values().iter().map(|&v| wide(v)));
    }
    if array.null_count() > 0 {
        return Err(Fault::Null(
            (0..array.len()).find(|&i| array.is_null(i)).unwrap_or_default(),
        ));
    }
    match array.data_type() {
        DataType::Float64 => numbers::<Float64Type>(array, out, |v| v),
        DataType::Float32 => numbers::<Float32Type>(array, out, f64::from),
        DataType::Int8 => numbers::<Int8Type>(array, out, f64::from),
        DataType::Int16 => numbers::<Int16Type>(array, out, f64::from),
        DataType::Int32 => numbers::<Int32Type>(array, out, f64::from),
        DataType::Int64 => numbers::<Int64Type>(array, out, |v| v as f64),
        DataType::UInt8 => numbers::<UInt8Type>(array, out, f64::from),
        DataType::UInt16 => numbers::<UInt16Type>(array, out, f64::from),
        DataType::UInt32 => numbers::<UInt32Type>(array, out, f64::from),
        DataType::UInt64 => numbers::<UInt64Type>(array, out, |v| v as f64),
        DataType::Boolean => out.extend(array.as_boolean().values().iter().map(|v| f64::from(u8::from(v)))),
        other => return Err(Fault::Type(other.to_string())),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
