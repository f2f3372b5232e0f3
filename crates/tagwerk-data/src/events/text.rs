//! Tables of numbers in text, fast: one thread unpacks, all others parse, nothing is read twice.
//!
//! [`crate::CsvTable`] answers any question about a CSV file and walks it once before the first. A conversion asks one
//! question only. Here a file is a stream of blocks that end at a line's end. Members of a zip archive are files too.

mod unpack;

pub(super) use unpack::{Member, members};

use super::columns::is_single;
use crate::error::DataError;
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt8Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use unpack::{AHEAD, Blocks, fault};

/// What a column of the file becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 1 or 0, a byte.
    Label,
    /// Single precision.
    Number,
    /// Single precision, rounded to so many digits.
    Parameter(usize),
    /// A name.
    Text,
}

/// Header of a file: names of its columns, and whether each is text.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) names: Vec<String>,
    pub(super) text: Vec<bool>,
    /// Whether the first line is one.
    pub(super) first: bool,
}

/// Reads the first two lines of a file.
pub(super) fn header(member: &Member) -> Result<Header, DataError> {
    let mut stream = Blocks::open(member.clone());
    let block = stream.next().unwrap_or_else(|| Ok(Vec::new()))?;
    let mut lines = block
        .split(|&b| b == b'\n')
        .map(trimmed)
        .filter(|line| !line.is_empty());
    let first = lines
        .next()
        .ok_or_else(|| fault(member, "the file has no row".to_owned()))?;
    let fields: Vec<&[u8]> = fields(first, member.tabs).collect();
    let head = !fields.iter().all(|field| number(field).is_some());
    let names: Vec<String> = match head {
        true => fields.iter().enumerate().map(|(i, field)| name(i, field)).collect(),
        false => (0..fields.len()).map(|i| format!("c{i}")).collect(),
    };
    if let Some(i) = (0..names.len()).find(|&i| names[..i].contains(&names[i])) {
        return Err(fault(member, format!("two columns are called `{}`", names[i])));
    }
    let row: Vec<bool> = match if head { lines.next() } else { Some(first) } {
        Some(line) => self::fields(line, member.tabs)
            .map(|field| number(field).is_none())
            .collect(),
        None => vec![false; names.len()],
    };
    Ok(Header {
        text: (0..names.len()).map(|i| row.get(i).copied().unwrap_or(false)).collect(),
        names,
        first: head,
    })
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn fields(line: &[u8], tabs: bool) -> impl Iterator<Item = &[u8]> {
    let comma = if tabs { b'\t' } else { b',' };
    line.split(move |&b| b == comma)
}

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

fn unquoted(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    let inner = field.strip_prefix(b"\"").and_then(|f| f.strip_suffix(b"\""));
    inner.unwrap_or(field)
}

/// A column's name: without the comment sign that some headers begin with, numbered if there is none.
fn name(i: usize, field: &[u8]) -> String {
    let text = String::from_utf8_lossy(unquoted(field));
    let text = text.trim_start_matches('\u{feff}').trim();
    let text = if i == 0 {
        text.trim_start_matches('#').trim()
    } else {
        text
    };
    match text {
        "" => format!("c{i}"),
        text => text.to_owned(),
    }
}

/// A column to be made: its name, what it is, and where it stands in the file; without a place it is filled.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) at: Option<usize>,
}

/// The schema of columns.
pub(super) fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| {
        let kind = match column.kind {
            Kind::Label => DataType::UInt8,
            Kind::Number | Kind::Parameter(_) => DataType::Float32,
            Kind::Text => DataType::Utf8,
        };
        Field::new(&column.name, kind, false)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// What is made of a line.
struct Layout {
    member: Member,
    columns: Vec<Column>,
    /// For each column of the file, which column is made of it.
    plan: Vec<Option<usize>>,
    schema: SchemaRef,
}

impl Layout {
    fn parse(&self, first_row: u64, block: &[u8]) -> Result<RecordBatch, DataError> {
        let mut making: Vec<Making> = self.columns.iter().map(|c| Making::new(c.kind)).collect();
        let mut rows = 0;
        for line in lines(block) {
            let mut found = 0;
            for (at, field) in fields(line, self.member.tabs).enumerate() {
                found += 1;
                let Some(Some(column)) = self.plan.get(at) else {
                    continue;
                };
                making[*column].push(field).map_err(|allowed| DataError::Value {
                    file: self.member.name.clone(),
                    row: first_row + rows,
                    column: self.columns[*column].name.clone(),
                    value: format!("`{}`", String::from_utf8_lossy(field)),
                    allowed,
                })?;
            }
            if found != self.plan.len() {
                let row = first_row + rows;
                let reason = format!("row {row} has {found} fields, the first {}", self.plan.len());
                return Err(fault(&self.member, reason));
            }
            rows += 1;
        }
        let arrays = making.into_iter().map(|making| making.finish(rows as usize)).collect();
        RecordBatch::try_new(self.schema.clone(), arrays).map_err(|e| fault(&self.member, e.to_string()))
    }
}

/// Lines that hold something.
fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    block
        .split(|&b| b == b'\n')
        .map(trimmed)
        .filter(|line| !line.is_empty())
}

/// Batches of one file.
pub(super) struct TextRows {
    layout: Layout,
    blocks: Blocks,
    header: bool,
    row: u64,
    ready: VecDeque<RecordBatch>,
    ended: bool,
}

impl TextRows {
    pub(super) fn open(member: &Member, header: &Header, columns: &[Column]) -> Self {
        let mut plan = vec![None; header.names.len()];
        for (i, column) in columns.iter().enumerate() {
            if let Some(at) = column.at {
                plan[at] = Some(i);
            }
        }
        Self {
            blocks: Blocks::open(member.clone()),
            layout: Layout {
                member: member.clone(),
                columns: columns.to_vec(),
                plan,
                schema: schema(columns),
            },
            header: header.first,
            row: 0,
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// Bytes of the file read so far.
    pub(super) fn done(&self) -> u64 {
        self.blocks.count.load(Ordering::Relaxed)
    }

    /// The next rows.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        while self.ready.is_empty() && !self.ended {
            let group = self.group()?;
            let layout = &self.layout;
            let parsed: Vec<Result<RecordBatch, DataError>> = group
                .par_iter()
                .map(|(first, block)| layout.parse(*first, block))
                .collect();
            for batch in parsed {
                let batch = batch?;
                if batch.num_rows() > 0 {
                    self.ready.push_back(batch);
                }
            }
        }
        Ok(self.ready.pop_front())
    }

    /// The blocks that are unpacked, with the number of their first row; the first is waited for.
    fn group(&mut self) -> Result<Vec<(u64, Vec<u8>)>, DataError> {
        let mut group: Vec<(u64, Vec<u8>)> = Vec::new();
        while group.len() < rayon::current_num_threads().clamp(1, AHEAD) {
            let block = match group.is_empty() {
                true => self.blocks.receive.recv().ok(),
                false => match self.blocks.receive.try_recv() {
                    Ok(block) => Some(block),
                    Err(_) => break,
                },
            };
            let Some(block) = block else {
                self.ended = true;
                break;
            };
            let mut block = block?;
            if std::mem::take(&mut self.header) {
                let end = block
                    .iter()
                    .position(|&b| b == b'\n')
                    .map_or(block.len(), |end| end + 1);
                block.drain(..end);
            }
            let first = self.row;
            self.row += lines(&block).count() as u64;
            group.push((first, block));
        }
        Ok(group)
    }
}

/// A column being made.
enum Making {
    Label(Vec<u8>),
    Number(Vec<f32>),
    Parameter(Vec<f32>, super::columns::Rounding),
    Text(StringBuilder),
}

impl Making {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Label => Self::Label(Vec::new()),
            Kind::Number => Self::Number(Vec::new()),
            Kind::Parameter(digits) => Self::Parameter(Vec::new(), super::columns::Rounding::new(digits)),
            Kind::Text => Self::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, field: &[u8]) -> Result<(), &'static str> {
        const NUMBER: &str = "a finite number of single precision";
        let value = || {
            let value = number(field).filter(|v| is_single(*v));
            value.ok_or(NUMBER)
        };
        match self {
            Self::Label(labels) => match value()? {
                0.0 => labels.push(0),
                1.0 => labels.push(1),
                _ => return Err("0 (background) and 1 (signal)"),
            },
            Self::Number(values) => values.push(value()? as f32),
            Self::Parameter(values, rounding) => values.push(rounding.of(value()?) as f32),
            Self::Text(text) => text.append_value(std::str::from_utf8(unquoted(field)).map_err(|_| "text in UTF-8")?),
        }
        Ok(())
    }

    /// The column; what the file does not have is weight 1 and no name.
    fn finish(self, rows: usize) -> ArrayRef {
        match self {
            Self::Label(labels) => Arc::new(UInt8Array::from(labels)),
            Self::Number(mut values) | Self::Parameter(mut values, _) => {
                values.resize(rows, 1.0);
                Arc::new(Float32Array::from(values))
            }
            Self::Text(mut text) => {
                let mut array = text.finish();
                if arrow_array::Array::len(&array) < rows {
                    array = std::iter::repeat_n(Some(""), rows).collect();
                }
                Arc::new(array)
            }
        }
    }
}
