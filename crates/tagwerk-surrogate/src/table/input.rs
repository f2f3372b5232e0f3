//! Columns of one file, or of the sample inside the program, and the scores of another file by row id.

use super::{Columns, text};
use crate::error::SurrogateError;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_schema::DataType;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tagwerk_data::{ParquetFile, Plan, Source};

/// The sample inside the program: scores of a small tagger on simulated jets.
#[cfg(surrogate_sample)]
const SAMPLE: Option<&[u8]> = Some(include_bytes!("../../../../samples/surrogate_top.parquet"));
/// A program that was built without the sample.
#[cfg(not(surrogate_sample))]
const SAMPLE: Option<&[u8]> = None;

/// Largest whole number that f64 tells from its neighbors.
const MOST_ID: f64 = 9_007_199_254_740_992.0;

/// The bytes of the sample, where the program has it: for its checksum.
pub(crate) fn sample() -> Option<&'static [u8]> {
    SAMPLE
}

/// Where columns come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input<'a> {
    File(&'a Path),
    Sample,
}

impl Input<'_> {
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Sample => "sample".to_owned(),
        }
    }

    fn open(&self) -> Result<Arc<dyn Source>, SurrogateError> {
        match (self, SAMPLE) {
            (Self::File(path), _) => Ok(tagwerk_data::open(path)?),
            (Self::Sample, Some(bytes)) => Ok(Arc::new(ParquetFile::from_bytes("sample", bytes.into())?)),
            (Self::Sample, None) => Err(SurrogateError::Table {
                file: "sample".to_owned(),
                reason: "this program was built without the sample: give data.files".to_owned(),
            }),
        }
    }

    fn text(&self) -> Option<&Path> {
        match self {
            Self::File(path) if text::is_text(path) => Some(path),
            _ => None,
        }
    }

    /// Whether there is a column of this name.
    pub(super) fn has(&self, name: &str) -> Result<bool, SurrogateError> {
        match self.text() {
            Some(path) => Ok(text::header(path)?.iter().any(|column| column == name)),
            None => Ok(self.open()?.schema().index_of(name).is_ok()),
        }
    }

    /// The named columns, as f64.
    pub(super) fn columns(&self, names: &[String]) -> Result<Vec<Vec<f64>>, SurrogateError> {
        if let Some(path) = self.text() {
            return text::read(path, names);
        }
        let source = self.open()?;
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
}

/// Names and values of columns that were read together.
pub(super) struct Values {
    names: Vec<String>,
    values: Vec<Vec<f64>>,
}

impl Values {
    /// Reads columns, each once however often it is named.
    pub(super) fn read(input: Input<'_>, mut names: Vec<String>) -> Result<Self, SurrogateError> {
        names.sort();
        names.dedup();
        let values = input.columns(&names)?;
        Ok(Self { names, values })
    }

    /// Adds a column of one value.
    pub(super) fn fill(&mut self, name: &str, value: f64) {
        let rows = self.rows();
        self.names.push(name.to_owned());
        self.values.push(vec![value; rows]);
    }

    pub(super) fn rows(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }

    /// A column that was read.
    pub(super) fn column(&self, name: &str) -> &[f64] {
        let at = self.names.iter().position(|n| n == name).unwrap_or_default();
        &self.values[at]
    }
}

/// Row ids of a file, whole numbers and each once: the position of each.
fn positions(input: Input<'_>, id: &str, ids: &[f64]) -> Result<HashMap<u64, usize>, SurrogateError> {
    let mut out = HashMap::with_capacity(ids.len());
    for (row, &value) in ids.iter().enumerate() {
        let wrong = |allowed| SurrogateError::Value {
            file: input.name(),
            row: row as u64,
            column: id.to_owned(),
            value: value.to_string(),
            allowed,
        };
        if !((0.0..=MOST_ID).contains(&value) && value.fract() == 0.0) {
            return Err(wrong("a row id, a whole number from 0 on"));
        }
        if out.insert(value as u64, row).is_some() {
            return Err(wrong("each row id once; this one stood above already"));
        }
    }
    Ok(out)
}

/// The scores of the jets of `own` by row id, `[N, D]`; both files must hold the same jets.
pub(super) fn joined(
    own: (Input<'_>, &Values),
    other: Input<'_>,
    id: &str,
    columns: &Columns,
) -> Result<Vec<f64>, SurrogateError> {
    let mut names = columns.scores.clone();
    names.push(id.to_owned());
    let label = match &columns.label {
        Some(label) if other.has(label)? => Some(label),
        _ => None,
    };
    names.extend(label.cloned());
    let scores = Values::read(other, names)?;
    let (here, there) = (
        positions(own.0, id, own.1.column(id))?,
        positions(other, id, scores.column(id))?,
    );
    let without = |file: Input<'_>, lacking: Input<'_>, number: &u64| SurrogateError::Table {
        file: file.name(),
        reason: format!(
            "the jet with `{id}` {number} is not in {}: both files must hold the same jets",
            lacking.name()
        ),
    };
    // The smallest, so that the sentence is the same each time.
    if let Some(number) = there.keys().filter(|number| !here.contains_key(number)).min() {
        return Err(without(other, own.0, number));
    }
    let wanted: Vec<&[f64]> = columns.scores.iter().map(|name| scores.column(name)).collect();
    let mut out = Vec::with_capacity(here.len() * wanted.len());
    for (row, &value) in own.1.column(id).iter().enumerate() {
        let number = value as u64;
        let at = *there.get(&number).ok_or_else(|| without(own.0, other, &number))?;
        if let Some(label) = label {
            let (mine, theirs) = (own.1.column(label)[row], scores.column(label)[at]);
            if mine != theirs {
                return Err(SurrogateError::Table {
                    file: other.name(),
                    reason: format!(
                        "the jet with `{id}` {number} has `{label}` {theirs}, in {} it has {mine}: these are not the \
                         same jets",
                        own.0.name()
                    ),
                });
            }
        }
        out.extend(wanted.iter().map(|column| column[at]));
    }
    Ok(out)
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
