//! Which columns of a file are label, features, parameters, weight and process.

use super::Events;
use crate::error::DataError;
use crate::source::{Source, missing};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};

/// Names that a label column goes by.
const LABELS: [&str; 6] = ["label", "type", "target", "class", "is_signal", "signal"];

/// The columns of a table of events. The defaults are those of HEPMASS and HEPMASS-IMB.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventColumns {
    /// The label, 1 signal and 0 background. Default: the first of `label`, `type`, `target`, `class`, `is_signal`,
    /// `signal` that there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The features, in this order. Default: all columns of `prefix` and a number, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// What the names of features begin with. Default: `f`.
    pub prefix: String,
    /// The parameters. Default: `mass` if there is such a column, none otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<String>>,
    /// Significant digits to which parameters are rounded: 499.99997 of the HEPMASS files is 500. 0 for as they are.
    /// Default: 6.
    pub parameter_digits: usize,
    /// The weight. Default: `weight` if there is such a column, all 1 otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// The process an event is of. Default: `name` if there is such a column, one process otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
}

impl Default for EventColumns {
    fn default() -> Self {
        Self {
            label: None,
            features: None,
            prefix: "f".to_owned(),
            parameters: None,
            parameter_digits: 6,
            weight: None,
            process: None,
        }
    }
}

/// The columns of one file.
pub(super) struct Found {
    file: String,
    label: String,
    features: Vec<String>,
    parameters: Vec<String>,
    weight: Option<String>,
    process: Option<String>,
    digits: usize,
}

impl Found {
    pub(super) fn new(source: &dyn Source, columns: &EventColumns) -> Result<Self, DataError> {
        Self::in_schema(source.file(), &source.schema(), columns)
    }

    /// The columns of a file of this name and schema.
    pub(super) fn in_schema(file: &str, schema: &Schema, columns: &EventColumns) -> Result<Self, DataError> {
        let has = |name: &str| schema.index_of(name).is_ok();
        let lacking = |name: &str| missing(file, name, schema);
        let usual =
            |given: &Option<String>, usual: &str| given.clone().or_else(|| has(usual).then(|| usual.to_owned()));
        let label = match &columns.label {
            Some(name) => name.clone(),
            None => LABELS
                .into_iter()
                .find(|name| has(name))
                .ok_or_else(|| lacking(&LABELS.join("`, `")))?
                .to_owned(),
        };
        let found = Self {
            file: file.to_owned(),
            features: columns
                .features
                .clone()
                .unwrap_or_else(|| numbered(schema, &columns.prefix, &label)),
            parameters: columns
                .parameters
                .clone()
                .unwrap_or_else(|| has("mass").then(|| "mass".to_owned()).into_iter().collect()),
            weight: usual(&columns.weight, "weight"),
            process: usual(&columns.process, "name"),
            digits: columns.parameter_digits,
            label,
        };
        if found.features.is_empty() {
            return Err(lacking(&format!("{}0`, `{0}1`, ..", columns.prefix)));
        }
        found.one_role_each()?;
        match found.names().iter().find(|name| !has(name)) {
            Some(name) => Err(lacking(name)),
            None => Ok(found),
        }
    }

    /// Refuses a column in two roles: a label or a weight among the features is the answer itself.
    fn one_role_each(&self) -> Result<(), DataError> {
        let features = self.features.iter().map(|name| (name, "feature"));
        let parameters = self.parameters.iter().map(|name| (name, "parameter"));
        let weight = self.weight.iter().map(|name| (name, "weight"));
        let process = self.process.iter().map(|name| (name, "process"));
        let roles = std::iter::once((&self.label, "label")).chain(features);
        let mut seen = std::collections::HashMap::new();
        for (name, role) in roles.chain(parameters).chain(weight).chain(process) {
            if let Some(other) = seen.insert(name, role) {
                return Err(DataError::Argument {
                    name: "columns",
                    value: format!("`{name}` of {} as {other} and as {role}", self.file),
                    allowed: "each column once, in one role",
                });
            }
        }
        Ok(())
    }

    pub(super) fn label_name(&self) -> &str {
        &self.label
    }

    pub(super) fn feature_names(&self) -> Vec<String> {
        self.features.clone()
    }

    pub(super) fn parameter_names(&self) -> Vec<String> {
        self.parameters.clone()
    }

    /// All columns to read, in the order of [`Found::append`].
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = vec![self.label.clone()];
        names.extend(self.features.iter().chain(&self.parameters).cloned());
        names.extend(self.weight.iter().chain(&self.process).cloned());
        names
    }

    /// Adds the rows of a batch, which are the `rows` of the file.
    pub(super) fn append(
        &self,
        batch: &RecordBatch,
        rows: &[u64],
        first_row: u64,
        events: &mut Events,
    ) -> Result<(), DataError> {
        let n = batch.num_rows();
        let place = |i: usize, column: &str, value: f64, allowed| DataError::Value {
            file: self.file.clone(),
            row: rows.get(i).copied().unwrap_or_default(),
            column: column.to_owned(),
            value: value.to_string(),
            allowed,
        };
        let read = |at: usize, name: &str, needed: &dyn Fn(usize) -> bool| -> Result<Vec<f64>, DataError> {
            let array = batch.column(at);
            if let Some(i) = (0..n).find(|&i| array.is_null(i) && needed(i)) {
                return Err(place(i, name, f64::NAN, "a value"));
            }
            let mut values = numbers(array.as_ref()).ok_or_else(|| DataError::WrongType {
                file: self.file.clone(),
                column: name.to_owned(),
                found: array.data_type().to_string(),
                allowed: "numbers",
            })?;
            for (i, value) in values.iter_mut().enumerate() {
                match needed(i) {
                    true if !is_single(*value) => {
                        return Err(place(i, name, *value, "finite numbers of single precision"));
                    }
                    false if array.is_null(i) || !is_single(*value) => *value = f64::NAN,
                    _ => {}
                }
            }
            Ok(values)
        };
        let column = |at: usize, name: &str| read(at, name, &|_| true);
        let labels = column(0, &self.label)?;
        if let Some(i) = labels.iter().position(|&l| l != 0.0 && l != 1.0) {
            return Err(place(i, &self.label, labels[i], "0 (background) and 1 (signal)"));
        }
        events.labels.extend(labels.iter().map(|&l| l as f32));
        let (c, p) = (self.features.len(), self.parameters.len());
        interleave(&mut events.features, n, &self.features, 1, &column, |v| v as f32)?;
        let mut rounding = Rounding::new(self.digits);
        // Background was made at no mass: it may have none.
        let of_signal = |at: usize, name: &str| read(at, name, &|i| labels[i] > 0.5);
        interleave(&mut events.parameters, n, &self.parameters, 1 + c, &of_signal, |v| {
            rounding.of(v) as f32
        })?;
        match (&self.weight, &mut events.weights) {
            (Some(name), weights) => {
                let values = column(1 + c + p, name)?;
                let before = events.rows.len();
                let weights = weights.get_or_insert_with(|| vec![1.0; before]);
                weights.extend(values.iter().map(|&w| w as f32));
            }
            // Another file has weights, this one has none.
            (None, Some(weights)) => weights.resize(weights.len() + n, 1.0),
            (None, None) => {}
        }
        match &self.process {
            Some(name) => {
                let array = batch.column(1 + c + p + usize::from(self.weight.is_some()));
                for (i, text) in texts(array.as_ref()).into_iter().enumerate() {
                    let text = text.ok_or_else(|| place(i, name, f64::NAN, "a name"))?;
                    events.processes.push(number_of(&mut events.process_names, &text));
                }
            }
            None => {
                let number = number_of(&mut events.process_names, "");
                events.processes.resize(events.processes.len() + n, number);
            }
        }
        events.rows.extend(rows.iter().map(|row| first_row + row));
        Ok(())
    }
}

/// The columns `names` of a batch, row by row; `first` is the number of its first row.
///
/// # Shapes
/// - returns `[B, names]`
///
/// # Errors
/// A column that is missing or of another type, a value that is not finite.
pub fn features_of(batch: &RecordBatch, names: &[String], file: &str, first: u64) -> Result<Vec<f32>, DataError> {
    let n = batch.num_rows();
    let schema = batch.schema();
    let mut out = vec![0.0; n * names.len()];
    for (at, name) in names.iter().enumerate() {
        let column = schema.index_of(name).map_err(|_| missing(file, name, &schema))?;
        let array = batch.column(column);
        let values = numbers(array.as_ref()).ok_or_else(|| DataError::WrongType {
            file: file.to_owned(),
            column: name.clone(),
            found: array.data_type().to_string(),
            allowed: "numbers",
        })?;
        for (i, &value) in values.iter().enumerate() {
            if array.is_null(i) || !is_single(value) {
                return Err(DataError::Value {
                    file: file.to_owned(),
                    row: first + i as u64,
                    column: name.clone(),
                    value: value.to_string(),
                    allowed: "finite numbers of single precision",
                });
            }
            out[i * names.len() + at] = value as f32;
        }
    }
    Ok(out)
}

/// Columns `names`, from column `first` on, row by row to the end of `out`.
fn interleave(
    out: &mut Vec<f32>,
    rows: usize,
    names: &[String],
    first: usize,
    column: &impl Fn(usize, &str) -> Result<Vec<f64>, DataError>,
    mut convert: impl FnMut(f64) -> f32,
) -> Result<(), DataError> {
    let (start, width) = (out.len(), names.len());
    out.resize(start + rows * width, 0.0);
    for (at, name) in names.iter().enumerate() {
        let values = column(first + at, name)?;
        for (i, &value) in values.iter().enumerate() {
            out[start + i * width + at] = convert(value);
        }
    }
    Ok(())
}

/// Columns of the prefix and a number, by number.
fn numbered(schema: &Schema, prefix: &str, label: &str) -> Vec<String> {
    let mut found: Vec<(u64, String)> = schema
        .fields()
        .iter()
        .filter(|field| field.name() != label)
        .filter_map(|field| Some((field.name().strip_prefix(prefix)?.parse().ok()?, field.name().clone())))
        .collect();
    found.sort();
    found.into_iter().map(|(_, name)| name).collect()
}

/// A value to so many significant digits; 0 leaves it.
fn rounded(value: f64, digits: usize) -> f64 {
    match digits {
        0 => value,
        // What is printed as a number is read as one.
        digits => format!("{value:.*e}", digits - 1).parse().unwrap_or(value),
    }
}

/// Rounds, and remembers: parameters have few values.
#[derive(Debug, Clone)]
pub(super) struct Rounding {
    digits: usize,
    known: Vec<(f64, f64)>,
}

impl Rounding {
    pub(super) fn new(digits: usize) -> Self {
        Self {
            digits,
            known: Vec::new(),
        }
    }

    pub(super) fn of(&mut self, value: f64) -> f64 {
        const REMEMBERED: usize = 32;
        // Not equal to itself, it would be remembered again and again.
        if value.is_nan() {
            return value;
        }
        if let Some((_, found)) = self.known.iter().find(|(known, _)| *known == value) {
            return *found;
        }
        let found = rounded(value, self.digits);
        if self.known.len() < REMEMBERED {
            self.known.push((value, found));
        }
        found
    }
}

/// The number of a name, new ones at the end.
fn number_of(names: &mut Vec<String>, name: &str) -> u32 {
    let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    at as u32
}

/// A column of any number type.
pub(super) fn numbers(array: &dyn Array) -> Option<Vec<f64>> {
    macro_rules! of {
        ($($kind:ident => $native:ty),*) => {
            match array.data_type() {
                $(DataType::$kind => array.as_primitive::<$native>().values().iter().map(|&v| v as f64).collect(),)*
                DataType::Boolean => array.as_boolean().values().iter().map(|v| f64::from(u8::from(v))).collect(),
                _ => return None,
            }
        };
    }
    Some(of!(
        Float64 => Float64Type, Float32 => Float32Type,
        Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type,
        UInt8 => UInt8Type, UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type
    ))
}

/// A column of names; numbers are names too.
pub(super) fn texts(array: &dyn Array) -> Vec<Option<String>> {
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().map(|t| t.map(str::to_owned)).collect(),
        DataType::Utf8View => array.as_string_view().iter().map(|t| t.map(str::to_owned)).collect(),
        _ => match numbers(array) {
            Some(values) => values.into_iter().map(|v| Some(v.to_string())).collect(),
            None => vec![None; array.len()],
        },
    }
}

/// Whether a value is finite in single precision.
pub(super) fn is_single(value: f64) -> bool {
    value.abs() <= f64::from(f32::MAX)
}
