//! Score files of any origin: Parquet, CSV and NumPy, as columns of numbers.
//!
//! A score file has one row a jet: a score, and beside it or in a file of its own the label; optionally a weight and
//! the row of the jet in its data set. Files written by `tagwerk` are such files, and so are those of any other tool.

use crate::failure::Failure;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, types};
use arrow_schema::DataType;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use tagwerk_data::Plan;
use tagwerk_stats::Truth;

/// Names of the columns to look for.
#[derive(Debug, Clone)]
pub struct ColumnNames {
    /// Column with the scores.
    pub score: String,
    /// Column with the labels.
    pub label: String,
}

/// A file's columns, as far as they are there.
#[derive(Debug, Default)]
pub struct ScoreFile {
    /// The file as the user gave it.
    pub name: String,
    /// Scores, higher for signal.
    pub scores: Option<Vec<f64>>,
    /// Labels, 0 or 1.
    pub labels: Option<Vec<u8>>,
    /// Weights, where there are others than 1.
    pub weights: Option<Vec<f64>>,
    /// Rows of the jets in their data set.
    pub rows: Option<Vec<f64>>,
}

const WEIGHT: &str = "weight";
const ROW: &str = "row";

/// What a file that is one nameless column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// Scores.
    Scores,
    /// Labels.
    Labels,
}

impl ScoreFile {
    /// Reads a file by its extension. A `.npy` has one column without a name, which is what is `sought`.
    ///
    /// Values are checked here, because here their file and row are known: labels are 0 or 1, scores are numbers.
    pub fn read(path: &Path, names: &ColumnNames, sought: Sought) -> Result<Self, Failure> {
        let file = path.display().to_string();
        let lower = file.to_ascii_lowercase();
        let nameless = lower.ends_with(".npy");
        let columns = if lower.ends_with(".csv") || lower.ends_with(".csv.gz") {
            csv_columns(path, names)?
        } else {
            source_columns(path, names, nameless)?
        };
        let mut read = Self {
            name: file,
            ..Self::default()
        };
        for (name, values) in columns {
            let role = match (nameless, sought) {
                (true, Sought::Scores) => names.score.as_str(),
                (true, Sought::Labels) => names.label.as_str(),
                (false, _) => name.as_str(),
            };
            read.take(role, names, values)?;
        }
        let found = match sought {
            Sought::Scores => read.scores.is_some(),
            Sought::Labels => read.labels.is_some(),
        };
        if found {
            return Ok(read);
        }
        let (wanted, option) = match sought {
            Sought::Scores => (&names.score, "--score-column"),
            Sought::Labels => (&names.label, "--label-column"),
        };
        Err(Failure::new(format!(
            "{}: no column `{wanted}`; name another with {option}",
            read.name
        )))
    }

    fn take(&mut self, role: &str, names: &ColumnNames, values: Vec<f64>) -> Result<(), Failure> {
        if role == names.score {
            if let Some(row) = values.iter().position(|v| v.is_nan()) {
                return Err(self.wrong(row, role, f64::NAN, "a number"));
            }
            self.scores = Some(values);
        } else if role == names.label {
            let labels = values.iter().enumerate().map(|(row, &value)| match value {
                0.0 => Ok(0),
                1.0 => Ok(1),
                _ => Err(self.wrong(row, role, value, "0 (background) or 1 (signal)")),
            });
            self.labels = Some(labels.collect::<Result<_, _>>()?);
        } else if role == WEIGHT {
            if let Some(row) = values.iter().position(|v| !v.is_finite() || *v < 0.0) {
                return Err(self.wrong(row, role, values[row], "finite and not below 0"));
            }
            self.weights = values.iter().any(|v| *v != 1.0).then_some(values);
        } else if role == ROW {
            self.rows = Some(values);
        }
        Ok(())
    }

    fn wrong(&self, row: usize, column: &str, value: f64, allowed: &str) -> Failure {
        Failure::new(format!(
            "{}: row {row}, column `{column}`: {value}; allowed: {allowed}",
            self.name
        ))
    }

    /// The scores; a file read for its scores has them.
    pub fn scores(&self) -> &[f64] {
        self.scores.as_deref().unwrap_or_default()
    }

    /// Refuses infinite scores, which ensembles cannot be made of.
    pub fn finite(&self) -> Result<(), Failure> {
        match self.scores().iter().position(|score| !score.is_finite()) {
            None => Ok(()),
            Some(row) => Err(self.wrong(
                row,
                "score",
                self.scores()[row],
                "a finite number, to make ensembles of",
            )),
        }
    }

    /// Labels and weights of this file, for statistics.
    pub fn truth(&self) -> Result<Truth, Failure> {
        let labels = self.labels.as_deref().ok_or_else(|| {
            Failure::new(format!(
                "{} has no labels; give a file that has them with --labels",
                self.name
            ))
        })?;
        let truth = match &self.weights {
            Some(weights) => Truth::weighted(labels, weights),
            None => Truth::new(labels),
        };
        truth.map_err(|error| Failure::new(format!("{}: {error}", self.name)))
    }

    /// Refuses files that do not speak of the same jets in the same order, as far as their columns tell.
    pub fn same_jets(&self, other: &Self) -> Result<(), Failure> {
        let differ = |what: &str, at: usize| {
            let (a, b) = (&self.name, &other.name);
            Failure::new(format!(
                "{a} and {b} do not hold the same jets: their {what} differ from row {at} on"
            ))
        };
        if let (Some(a), Some(b)) = (&self.rows, &other.rows)
            && let Some(at) = first_difference(a, b)
        {
            return Err(differ("`row` columns", at));
        }
        if let (Some(a), Some(b)) = (&self.labels, &other.labels)
            && let Some(at) = first_difference(a, b)
        {
            return Err(differ("labels", at));
        }
        Ok(())
    }
}

fn first_difference<T: PartialEq>(a: &[T], b: &[T]) -> Option<usize> {
    let at = a.iter().zip(b).position(|(x, y)| x != y);
    at.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

/// Columns by name.
type Columns = Vec<(String, Vec<f64>)>;

fn wanted(names: &ColumnNames) -> [&str; 4] {
    [&names.score, &names.label, WEIGHT, ROW]
}

fn csv_columns(path: &Path, names: &ColumnNames) -> Result<Columns, Failure> {
    let fault = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let file = BufReader::new(File::open(path).map_err(|e| fault(format!("open: {e}")))?);
    let zipped = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    let text: Box<dyn Read> = if zipped {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let headers = reader.headers().map_err(|e| fault(e.to_string()))?.clone();
    let mut columns: Columns = Vec::new();
    let mut places = Vec::new();
    for (place, name) in headers.iter().enumerate() {
        if wanted(names).contains(&name) && !columns.iter().any(|(taken, _)| taken == name) {
            columns.push((name.to_owned(), Vec::new()));
            places.push(place);
        }
    }
    let mut record = csv::StringRecord::new();
    let mut row = 0;
    while reader.read_record(&mut record).map_err(|e| fault(e.to_string()))? {
        for ((name, values), &place) in columns.iter_mut().zip(&places) {
            let cell = record.get(place).unwrap_or("");
            let value = match cell {
                "true" | "True" => 1.0,
                "false" | "False" => 0.0,
                _ => cell
                    .parse()
                    .map_err(|_| fault(format!("row {row}, column `{name}`: `{cell}`; allowed: a number")))?,
            };
            values.push(value);
        }
        row += 1;
    }
    Ok(columns)
}

fn source_columns(path: &Path, names: &ColumnNames, nameless: bool) -> Result<Columns, Failure> {
    let source = tagwerk_data::open(path).map_err(|error| match error {
        tagwerk_data::DataError::UnknownFormat { file, .. } => Failure::new(format!(
            "{file}: unknown kind of file; score files are .parquet, .csv, .csv.gz, .npy or .npz"
        )),
        other => other.into(),
    })?;
    let schema = source.schema();
    let present: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .filter(|name| nameless || wanted(names).contains(&name.as_str()))
        .collect();
    let mut columns: Columns = present.iter().map(|name| (name.clone(), Vec::new())).collect();
    for batch in source.read(&Plan::default().columns(&present))? {
        let batch = batch?;
        for ((name, values), array) in columns.iter_mut().zip(batch.columns()) {
            let found = numbers(array).ok_or_else(|| {
                let kind = array.data_type();
                Failure::new(format!(
                    "{}: column `{name}` is {kind}; allowed: one number a row",
                    source.file()
                ))
            })?;
            values.extend(found);
        }
    }
    Ok(columns)
}

/// The values of a column of numbers, with NaN for nulls; `None` for other columns.
fn numbers(array: &ArrayRef) -> Option<Vec<f64>> {
    fn all<T: types::ArrowPrimitiveType>(array: &ArrayRef, to: impl Fn(T::Native) -> f64) -> Vec<f64> {
        array
            .as_primitive::<T>()
            .iter()
            .map(|value| value.map_or(f64::NAN, &to))
            .collect()
    }
    Some(match array.data_type() {
        DataType::Float64 => all::<types::Float64Type>(array, |v| v),
        DataType::Float32 => all::<types::Float32Type>(array, f64::from),
        DataType::Int64 => all::<types::Int64Type>(array, |v| v as f64),
        DataType::Int32 => all::<types::Int32Type>(array, f64::from),
        DataType::Int16 => all::<types::Int16Type>(array, f64::from),
        DataType::Int8 => all::<types::Int8Type>(array, f64::from),
        DataType::UInt64 => all::<types::UInt64Type>(array, |v| v as f64),
        DataType::UInt32 => all::<types::UInt32Type>(array, f64::from),
        DataType::UInt16 => all::<types::UInt16Type>(array, f64::from),
        DataType::UInt8 => all::<types::UInt8Type>(array, f64::from),
        DataType::Boolean => array
            .as_boolean()
            .iter()
            .map(|v| v.map_or(f64::NAN, f64::from))
            .collect(),
        // An array of shape [N, 1].
        DataType::FixedSizeList(_, 1) => return numbers(array.as_fixed_size_list().values()),
        _ => return None,
    })
}
