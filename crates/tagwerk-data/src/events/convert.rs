//! Tables of events to Parquet: label a byte, everything else in single precision, parameters rounded.

use super::columns::{EventColumns, Found, Rounding, is_single, numbers, texts};
use super::recipe::{Choosing, Chosen, Counts, Recipe};
use super::text::{self, Column, Header, Kind, Member, TextRows};
use crate::error::DataError;
use crate::parquet_write::{Packing, ParquetSink};
use crate::readers::open;
use crate::source::{Batches, Plan, Source, missing};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt8Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, UInt8Array};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::filter::filter_record_batch;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to convert.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConvertEventsOptions {
    /// Compression of the result.
    pub packing: Packing,
    /// Which columns are what.
    pub columns: EventColumns,
    /// Which events are kept. Default: all.
    pub recipe: Option<Recipe>,
    /// Seed of the recipe.
    pub seed: u64,
}

/// Signal events of one parameter value.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PointCount {
    /// The first parameter; absent where the file has none.
    pub mass: Option<f64>,
    /// Signal events.
    pub events: u64,
}

/// What a conversion did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ConvertedEvents {
    /// Events written.
    pub events: u64,
    /// Of them background.
    pub background: u64,
    /// Signal by its first parameter, ascending.
    pub signal: Vec<PointCount>,
    /// Events that the recipe left out.
    pub left_out: u64,
}

/// Whether a file is a table of events rather than of jets: it has a label and at least two numbered features.
///
/// # Errors
/// A file that cannot be opened.
pub fn holds_events(path: &Path, columns: &EventColumns) -> Result<bool, DataError> {
    let members = text::members(path)?;
    let schema = match members.first() {
        Some(member) => names_schema(&text::header(member)?),
        None if path.extension().is_some_and(|e| e == "parquet") => (*open(path)?.schema()).clone(),
        None => return Ok(false),
    };
    Ok(Found::in_schema(&path.display().to_string(), &schema, columns)
        .is_ok_and(|found| found.feature_names().len() > 1))
}

fn names_schema(header: &Header) -> Schema {
    let field = |(name, &text): (&String, &bool)| {
        let kind = if text { DataType::Utf8 } else { DataType::Float64 };
        Field::new(name, kind, false)
    };
    Schema::new(header.names.iter().zip(&header.text).map(field).collect::<Vec<_>>())
}

/// Writes the events of all `inputs`, one after the other, to `out`: CSV (also gzipped), a zip archive of CSV, Parquet.
///
/// The label column is called `label` and holds 0 and 1; other columns keep their names. Parameters are rounded as
/// `columns` says: 499.99997 of the HEPMASS files is 500. A column that only some inputs have (`name`, `weight`) is filled with no
/// name and weight 1. Streams; `out` appears when it is whole. `progress` is told bytes read and bytes in all, and stops the
/// conversion by returning false. A recipe reads twice.
///
/// # Errors
/// Whatever is wrong in a file, with row, column and value; inputs of unequal columns; a full disk; [`DataError::Cancelled`].
pub fn convert_events(
    inputs: &[PathBuf],
    out: &Path,
    options: &ConvertEventsOptions,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<ConvertedEvents, DataError> {
    let files = files(inputs)?;
    let layout = layout(&files, &options.columns)?;
    let passes = if options.recipe.is_some() { 2 } else { 1 };
    let total = passes * files.iter().map(File::bytes).sum::<u64>();
    let mut done = 0;
    let mut tell = |now: u64| {
        if progress(now, total) {
            Ok(())
        } else {
            Err(DataError::Cancelled)
        }
    };
    let chosen = match options.recipe {
        None => None,
        Some(recipe) => {
            let parameter = layout.iter().position(|c| matches!(c.kind, Kind::Parameter(_)));
            let parameter = parameter.ok_or_else(|| DataError::Argument {
                name: "recipe",
                value: format!("{} for files without a parameter", recipe.name()),
                allowed: "files with a mass",
            })?;
            let needed = [layout[0].clone(), layout[parameter].clone()];
            let mut choosing = Choosing::new(recipe);
            for file in &files {
                let mut rows = Rows::open(file, &needed, &options.columns)?;
                while let Some(batch) = rows.next_batch()? {
                    let (labels, masses) = (labels(&batch), values(&batch, 1));
                    for (&label, &mass) in labels.iter().zip(masses) {
                        choosing.see(label, mass)?;
                    }
                    tell(done + rows.done())?;
                }
                done += file.bytes();
            }
            Some(choosing.choose(options.seed))
        }
    };
    write(&files, &layout, chosen.as_ref(), out, options, &mut |now| {
        tell(done + now)
    })
}

fn write(
    files: &[File],
    layout: &[Column],
    chosen: Option<&Chosen>,
    out: &Path,
    options: &ConvertEventsOptions,
    tell: &mut dyn FnMut(u64) -> Result<(), DataError>,
) -> Result<ConvertedEvents, DataError> {
    let mut sink = ParquetSink::create(out, text::schema(layout), options.packing)?;
    let parameter = layout.iter().position(|c| matches!(c.kind, Kind::Parameter(_)));
    let mut counts = Counts::default();
    let (mut row, mut left_out, mut before) = (0u64, 0u64, 0u64);
    for file in files {
        let mut rows = Rows::open(file, layout, &options.columns)?;
        while let Some(mut batch) = rows.next_batch()? {
            let first = row;
            row += batch.num_rows() as u64;
            if let Some(chosen) = chosen {
                let kept: BooleanArray = (first..row).map(|row| Some(chosen.keeps(row))).collect();
                left_out += kept.false_count() as u64;
                batch = filter_record_batch(&batch, &kept).map_err(|e| DataError::Format {
                    file: file.name().to_owned(),
                    format: "events",
                    reason: e.to_string(),
                })?;
            }
            let masses = parameter.map(|at| values(&batch, at));
            for (i, &label) in labels(&batch).iter().enumerate() {
                counts.see(label, masses.map(|masses| masses[i]));
            }
            sink.write(&batch)?;
            tell(before + rows.done())?;
        }
        before += file.bytes();
    }
    let events = sink.finish()?;
    Ok(ConvertedEvents {
        events,
        background: counts.background,
        signal: counts.points(),
        left_out,
    })
}

fn labels(batch: &RecordBatch) -> &[u8] {
    batch.column(0).as_primitive::<UInt8Type>().values()
}

fn values(batch: &RecordBatch, at: usize) -> &[f32] {
    batch.column(at).as_primitive::<Float32Type>().values()
}

/// One input.
enum File {
    Text(Member, Header),
    Table(Arc<dyn Source>, u64),
}

impl File {
    fn name(&self) -> &str {
        match self {
            Self::Text(member, _) => &member.name,
            Self::Table(source, _) => source.file(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Text(member, _) => member.bytes,
            Self::Table(_, bytes) => *bytes,
        }
    }

    fn schema(&self) -> Schema {
        match self {
            Self::Text(_, header) => names_schema(header),
            Self::Table(source, _) => (*source.schema()).clone(),
        }
    }
}

fn files(inputs: &[PathBuf]) -> Result<Vec<File>, DataError> {
    let mut files = Vec::new();
    for path in inputs {
        let members = text::members(path)?;
        if members.is_empty() {
            let bytes = path.metadata().map_err(DataError::io(path, "open"))?.len();
            files.push(File::Table(open(path)?, bytes));
        }
        for member in members {
            let header = text::header(&member)?;
            files.push(File::Text(member, header));
        }
    }
    match files.is_empty() {
        true => Err(DataError::Argument {
            name: "inputs",
            value: "none".to_owned(),
            allowed: "at least one file",
        }),
        false => Ok(files),
    }
}

/// The columns to write: label first, then those of all files in the order in which they were met. Places are not set.
fn layout(files: &[File], columns: &EventColumns) -> Result<Vec<Column>, DataError> {
    let mut layout: Vec<Column> = Vec::new();
    let mut first: Option<Found> = None;
    for file in files {
        let schema = file.schema();
        let found = Found::in_schema(file.name(), &schema, columns)?;
        let kind_of = |name: &str, kind: &DataType| match kind {
            _ if found.parameter_names().iter().any(|p| p == name) => Some(Kind::Parameter(columns.parameter_digits)),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Kind::Text),
            kind if kind.is_primitive() || *kind == DataType::Boolean => Some(Kind::Number),
            _ => None,
        };
        if layout.is_empty() {
            layout.push(column("label", Kind::Label));
        }
        for field in schema.fields().iter().filter(|f| *f.name() != found.label_name()) {
            if layout.iter().all(|c| c.name != *field.name())
                && let Some(kind) = kind_of(field.name(), field.data_type())
            {
                layout.push(column(field.name(), kind));
            }
        }
        // Features and parameters must be everywhere.
        let lacking = |wanted: &[String], own: &[String]| wanted.iter().find(|name| !own.contains(name)).cloned();
        if let Some(before) = &first {
            for (wanted, own) in [
                (before.feature_names(), found.feature_names()),
                (before.parameter_names(), found.parameter_names()),
            ] {
                if let Some(name) = lacking(&wanted, &own) {
                    return Err(missing(file.name(), &name, &schema));
                }
                if let Some(name) = lacking(&own, &wanted) {
                    return Err(missing(files[0].name(), &name, &files[0].schema()));
                }
            }
        } else {
            first = Some(found);
        }
    }
    Ok(layout)
}

fn column(name: &str, kind: Kind) -> Column {
    Column {
        name: name.to_owned(),
        kind,
        at: None,
    }
}

/// The columns at their places in a file.
fn placed(file: &File, layout: &[Column], columns: &EventColumns) -> Result<Vec<Column>, DataError> {
    let schema = file.schema();
    let found = Found::in_schema(file.name(), &schema, columns)?;
    let placed = layout
        .iter()
        .map(|column| {
            let at = match column.kind {
                // Called `label` here, whatever the file says.
                Kind::Label => schema.index_of(found.label_name()).ok(),
                _ => schema.index_of(&column.name).ok(),
            };
            Column { at, ..column.clone() }
        })
        .collect();
    Ok(placed)
}

/// Rows of one input, in the columns of the result.
enum Rows {
    Text(Box<TextRows>),
    Table {
        batches: Batches,
        columns: Vec<Column>,
        file: String,
        row: u64,
        rows: u64,
        bytes: u64,
    },
}

impl Rows {
    fn open(file: &File, layout: &[Column], columns: &EventColumns) -> Result<Self, DataError> {
        let columns = placed(file, layout, columns)?;
        Ok(match file {
            File::Text(member, header) => Self::Text(Box::new(TextRows::open(member, header, &columns))),
            File::Table(source, bytes) => {
                let schema = source.schema();
                let names: Vec<&String> = columns
                    .iter()
                    .filter_map(|c| c.at.map(|at| schema.field(at).name()))
                    .collect();
                Self::Table {
                    batches: source.read(&Plan::default().columns(&names))?,
                    columns,
                    file: source.file().to_owned(),
                    row: 0,
                    rows: source.row_count(),
                    bytes: *bytes,
                }
            }
        })
    }

    /// Bytes read, as far as known.
    fn done(&self) -> u64 {
        match self {
            Self::Text(rows) => rows.done(),
            Self::Table { row, rows, bytes, .. } => (*bytes as f64 * *row as f64 / (*rows).max(1) as f64) as u64,
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        match self {
            Self::Text(rows) => rows.next_batch(),
            Self::Table {
                batches,
                columns,
                file,
                row,
                ..
            } => {
                let Some(batch) = batches.next().transpose()? else {
                    return Ok(None);
                };
                let first = *row;
                *row += batch.num_rows() as u64;
                normalized(&batch, columns, file, first).map(Some)
            }
        }
    }
}

/// A batch of a table in the columns of the result.
fn normalized(batch: &RecordBatch, columns: &[Column], file: &str, first: u64) -> Result<RecordBatch, DataError> {
    let n = batch.num_rows();
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    let mut next = 0;
    for column in columns {
        if column.at.is_none() {
            arrays.push(match column.kind {
                Kind::Text => Arc::new(std::iter::repeat_n(Some(""), n).collect::<StringArray>()),
                _ => Arc::new(Float32Array::from(vec![1.0; n])),
            });
            continue;
        }
        let array = batch.column(next);
        next += 1;
        let wrong = |i: usize, value: String, allowed| DataError::Value {
            file: file.to_owned(),
            row: first + i as u64,
            column: column.name.clone(),
            value,
            allowed,
        };
        if let Some(i) = (0..n).find(|&i| array.is_null(i)) {
            return Err(wrong(i, "nothing".to_owned(), "a value"));
        }
        if column.kind == Kind::Text {
            let names: StringArray = texts(array.as_ref()).into_iter().collect();
            arrays.push(Arc::new(names));
            continue;
        }
        let values = numbers(array.as_ref()).ok_or_else(|| DataError::WrongType {
            file: file.to_owned(),
            column: column.name.clone(),
            found: array.data_type().to_string(),
            allowed: "numbers",
        })?;
        if let Some(i) = values.iter().position(|v| !is_single(*v)) {
            return Err(wrong(i, values[i].to_string(), "a finite number of single precision"));
        }
        arrays.push(match column.kind {
            Kind::Label => {
                if let Some(i) = values.iter().position(|&v| v != 0.0 && v != 1.0) {
                    return Err(wrong(i, values[i].to_string(), "0 (background) and 1 (signal)"));
                }
                Arc::new(values.iter().map(|&v| v as u8).collect::<UInt8Array>())
            }
            Kind::Parameter(digits) => {
                let mut rounding = Rounding::new(digits);
                Arc::new(values.iter().map(|&v| rounding.of(v) as f32).collect::<Float32Array>())
            }
            _ => Arc::new(values.iter().map(|&v| v as f32).collect::<Float32Array>()),
        });
    }
    RecordBatch::try_new(text::schema(columns), arrays).map_err(|e| DataError::Format {
        file: file.to_owned(),
        format: "events",
        reason: e.to_string(),
    })
}

#[cfg(test)]
mod tests;
