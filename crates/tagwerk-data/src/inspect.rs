//! A look into a file: what is in it, in which ranges, and what is wrong.

use crate::columns::{EmptyJets, JetColumns, Labels, class_columns};
use crate::error::DataError;
use crate::source::{Plan, Source};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, types};
use arrow_schema::DataType;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FileSummary {
    /// The file.
    pub file: String,
    /// Its format.
    pub format: String,
    /// Its rows.
    pub rows: u64,
    /// Its columns.
    pub columns: Vec<ColumnSummary>,
    /// Its jets, if the columns are those of jets.
    pub jets: Option<JetSummary>,
    /// What is wrong, the first twenty places.
    pub problems: Vec<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ColumnSummary {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: String,
    /// Unit, if the name tells.
    pub unit: Option<&'static str>,
    /// Values, those inside lists counted singly; nulls left out.
    pub values: u64,
    /// Nulls.
    pub nulls: u64,
    /// Values that are not finite.
    pub not_finite: u64,
    /// Smallest finite value.
    pub min: Option<f64>,
    /// Mean of the finite values.
    pub mean: Option<f64>,
    /// Largest finite value.
    pub max: Option<f64>,
}

/// The jets of a file.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct JetSummary {
    /// The columns they are made of.
    pub layout: String,
    /// Jets that are right.
    pub jets: u64,
    /// Jets of class 1; 0 in a file of many classes.
    pub signal: u64,
    /// Jets of class 0; 0 in a file of many classes.
    pub background: u64,
    /// Jets of each class, in a file that has a column a class and no other label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassCount>,
    /// What the file knows of constituents beyond momenta, by names without prefix.
    pub particles: Vec<&'static str>,
    /// Rows that cannot be used, empty jets among them.
    pub unusable: u64,
    /// Jets without constituents.
    pub empty: u64,
    /// Constituents a jet: smallest, mean, largest number.
    pub constituents: [f64; 3],
    /// Transverse momentum of the jets in GeV: smallest, mean, largest.
    pub pt: [f64; 3],
    /// Mass of the jets in GeV: smallest, mean, largest.
    pub mass: [f64; 3],
}

/// One of many classes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ClassCount {
    /// Its column.
    pub column: String,
    /// Jets of it.
    pub jets: u64,
}

const PROBLEMS: usize = 20;

/// Reads a file once, from front to back, and sums it up. Damaged rows become problems, not errors.
///
/// # Errors
/// Only a plan that cannot start; what happens later is told in [`FileSummary::problems`].
pub fn inspect(source: &dyn Source) -> Result<FileSummary, DataError> {
    let schema = source.schema();
    let mut columns: Vec<Running> = schema.fields().iter().map(|_| Running::default()).collect();
    let mut problems = Vec::new();
    let particles = JetColumns::particle_columns(&schema);
    let find = |labels| JetColumns::find(&schema, source.file(), labels);
    let mut classes = Vec::new();
    let jet_columns = match find(Labels::Usual) {
        Ok(found) => Some(found),
        Err(DataError::ManyClasses { .. }) => {
            classes = class_columns(&schema);
            Some(find(Labels::Ignored)?)
        }
        Err(error) => {
            problems.push(error.to_string());
            None
        }
    };
    let layout = jet_columns.as_ref().map(JetColumns::describe);
    let jet_columns = jet_columns
        .map(|found| found.with_columns(&schema, source.file(), &particles))
        .transpose()?;
    let mut jets = JetRunning::default();
    let mut row = 0;
    for batch in source.read(&Plan::default())? {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                problems.push(error.to_string());
                break;
            }
        };
        for (column, running) in batch.columns().iter().zip(&mut columns) {
            running.add(column);
        }
        if let Some(found) = &jet_columns {
            let rows: Vec<u64> = (row..row + batch.num_rows() as u64).collect();
            match found.read(&batch, source.file(), &rows, EmptyJets::Error) {
                Ok(read) => jets.add(&read.jets),
                // Something is wrong in this batch: find each place.
                Err(_) => {
                    for (i, &row) in rows.iter().enumerate() {
                        match found.read(&batch.slice(i, 1), source.file(), &[row], EmptyJets::Error) {
                            Ok(read) => jets.add(&read.jets),
                            Err(error) => {
                                jets.unusable += 1;
                                jets.empty += u64::from(matches!(error, DataError::EmptyJet { .. }));
                                if problems.len() < PROBLEMS {
                                    problems.push(error.to_string());
                                }
                            }
                        }
                    }
                }
            }
        }
        row += batch.num_rows() as u64;
    }
    if jet_columns.is_some() && classes.is_empty() && row > 0 && (jets.signal == 0 || jets.background == 0) {
        problems.push("all jets are of one class".to_owned());
    }
    let columns: Vec<ColumnSummary> = schema
        .fields()
        .iter()
        .zip(columns)
        .map(|(field, running)| running.summary(field.name(), field.data_type()))
        .collect();
    let classes = columns.iter().filter(|column| classes.contains(&column.name.as_str()));
    let classes = classes.map(ClassCount::of).collect();
    Ok(FileSummary {
        file: source.file().to_owned(),
        format: source.format().to_owned(),
        rows: source.row_count(),
        columns,
        jets: layout.map(|layout| jets.summary(layout, classes, particles)),
        problems,
    })
}

impl ClassCount {
    /// Of a column of flags: their sum.
    fn of(column: &ColumnSummary) -> Self {
        let finite = (column.values - column.not_finite) as f64;
        Self {
            column: column.name.clone(),
            jets: (column.mean.unwrap_or(0.0) * finite).round() as u64,
        }
    }
}

/// Smallest, sum, largest, number.
#[derive(Debug, Clone, Copy)]
struct Span {
    min: f64,
    sum: f64,
    max: f64,
    n: u64,
}

impl Default for Span {
    fn default() -> Self {
        Self {
            min: f64::INFINITY,
            sum: 0.0,
            max: f64::NEG_INFINITY,
            n: 0,
        }
    }
}

impl Span {
    fn add(&mut self, value: f64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
        self.n += 1;
    }

    /// Smallest, mean, largest; zeros where there is nothing.
    fn triple(&self) -> [f64; 3] {
        if self.n == 0 {
            [0.0; 3]
        } else {
            [self.min, self.sum / self.n as f64, self.max]
        }
    }
}

#[derive(Debug, Default)]
struct Running {
    span: Span,
    values: u64,
    nulls: u64,
    not_finite: u64,
}

impl Running {
    fn add(&mut self, column: &ArrayRef) {
        self.nulls += column.null_count() as u64;
        match column.data_type() {
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                let (first, last) = (
                    list.value_offsets()[0] as usize,
                    list.value_offsets()[list.len()] as usize,
                );
                self.add(&list.values().slice(first, last - first));
            }
            DataType::LargeList(_) => {
                let list = column.as_list::<i64>();
                let (first, last) = (
                    list.value_offsets()[0] as usize,
                    list.value_offsets()[list.len()] as usize,
                );
                self.add(&list.values().slice(first, last - first));
            }
            DataType::FixedSizeList(_, _) => self.add(column.as_fixed_size_list().values()),
            DataType::Float64 => self.numbers::<types::Float64Type>(column, |v| v),
            DataType::Float32 => self.numbers::<types::Float32Type>(column, f64::from),
            DataType::Int64 => self.numbers::<types::Int64Type>(column, |v| v as f64),
            DataType::Int32 => self.numbers::<types::Int32Type>(column, f64::from),
            DataType::Int16 => self.numbers::<types::Int16Type>(column, f64::from),
            DataType::Int8 => self.numbers::<types::Int8Type>(column, f64::from),
            DataType::UInt64 => self.numbers::<types::UInt64Type>(column, |v| v as f64),
            DataType::UInt32 => self.numbers::<types::UInt32Type>(column, f64::from),
            DataType::UInt16 => self.numbers::<types::UInt16Type>(column, f64::from),
            DataType::UInt8 => self.numbers::<types::UInt8Type>(column, f64::from),
            DataType::Boolean => {
                for value in column.as_boolean().iter().flatten() {
                    self.number(f64::from(value));
                }
            }
            _ => self.values += (column.len() - column.null_count()) as u64,
        }
    }

    fn numbers<T: arrow_array::ArrowPrimitiveType>(&mut self, column: &ArrayRef, to: impl Fn(T::Native) -> f64) {
        let array = column.as_primitive::<T>();
        if array.null_count() == 0 {
            array.values().iter().for_each(|&value| self.number(to(value)));
        } else {
            array.iter().flatten().for_each(|value| self.number(to(value)));
        }
    }

    fn number(&mut self, value: f64) {
        self.values += 1;
        if value.is_finite() {
            self.span.add(value);
        } else {
            self.not_finite += 1;
        }
    }

    fn summary(self, name: &str, kind: &DataType) -> ColumnSummary {
        let shown = (self.span.n > 0).then(|| self.span.triple());
        ColumnSummary {
            name: name.to_owned(),
            kind: kind.to_string(),
            unit: unit(name),
            values: self.values,
            nulls: self.nulls,
            not_finite: self.not_finite,
            min: shown.map(|s| s[0]),
            mean: shown.map(|s| s[1]),
            max: shown.map(|s| s[2]),
        }
    }
}

/// The unit that a column's last word tells.
fn unit(name: &str) -> Option<&'static str> {
    match name.rsplit('_').next().unwrap_or(name) {
        "pt" | "px" | "py" | "pz" | "e" | "energy" | "mass" | "sdmass" => Some("GeV"),
        "phi" | "dphi" => Some("rad"),
        "d0val" | "d0err" | "dzval" | "dzerr" => Some("mm"),
        _ if name == "values_block_0" => Some("GeV"),
        _ => None,
    }
}

#[derive(Debug, Default)]
struct JetRunning {
    signal: u64,
    background: u64,
    unusable: u64,
    empty: u64,
    constituents: Span,
    pt: Span,
    mass: Span,
}

impl JetRunning {
    fn add(&mut self, jets: &crate::Jets) {
        for b in 0..jets.len() {
            let range = jets.range(b);
            self.signal += u64::from(jets.labels[b] == 1);
            self.background += u64::from(jets.labels[b] == 0);
            self.constituents.add(range.len() as f64);
            let sum = |column: &[f32]| column[range.clone()].iter().map(|&v| f64::from(v)).sum::<f64>();
            let (e, px, py, pz) = (sum(&jets.e), sum(&jets.px), sum(&jets.py), sum(&jets.pz));
            self.pt.add(px.hypot(py));
            self.mass.add((e * e - px * px - py * py - pz * pz).max(0.0).sqrt());
        }
    }

    fn summary(self, layout: String, classes: Vec<ClassCount>, particles: Vec<&'static str>) -> JetSummary {
        // Where no column is the label, all jets were counted as background.
        let labeled = |jets: u64| if classes.is_empty() { jets } else { 0 };
        JetSummary {
            layout,
            jets: self.signal + self.background,
            signal: labeled(self.signal),
            background: labeled(self.background),
            particles,
            unusable: self.unusable,
            empty: self.empty,
            constituents: self.constituents.triple(),
            pt: self.pt.triple(),
            mass: self.mass.triple(),
            classes,
        }
    }
}
