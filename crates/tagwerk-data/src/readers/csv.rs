//! CSV, plain or gzipped.
//!
//! Columns are numbers or text, as the first row says: a later field of a number column that is no number ends the
//! reading with its row and column. A header is recognized by not being all numbers; a leading `#` of it is dropped
//! (HEPMASS begins with `# label`). Text cannot be entered in the middle, so a range is reached by walking to it, and
//! opening walks the file once to count its rows.

use crate::error::DataError;
use crate::source::{Batches, Budgeted, Plan, Source, until_error};
use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use csv::{ByteRecord, Reader, ReaderBuilder};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most rows in a batch.
const BATCH_ROWS: usize = 1 << 14;

/// A table of comma-separated values (tabs where the name ends in `.tsv`).
#[derive(Debug)]
pub struct CsvTable {
    file: String,
    path: PathBuf,
    schema: SchemaRef,
    header: bool,
    rows: u64,
    /// Bytes of the text of each column; 0 for numbers.
    text_bytes: Vec<u64>,
}

impl CsvTable {
    /// Opens a file and walks through it once.
    ///
    /// # Errors
    /// A file that is missing, empty or damaged; rows of unequal length.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let mut reader = reader(path)?;
        let mut record = ByteRecord::new();
        let fault = |reason: String| DataError::Format {
            file: file.clone(),
            format: "CSV",
            reason,
        };
        let mut next = |record: &mut ByteRecord| {
            reader
                .read_byte_record(record)
                .map_err(|error| fault(error.to_string()))
        };
        if !next(&mut record)? || record.iter().all(|field| field.trim_ascii().is_empty()) {
            return Err(fault("the file has no row".to_owned()));
        }
        let header = !record.iter().all(|field| number(field).is_some());
        let names: Vec<String> = if header {
            record.iter().enumerate().map(|(i, field)| name(i, field)).collect()
        } else {
            (0..record.len()).map(|i| format!("c{i}")).collect()
        };
        if let Some(i) = (0..names.len()).find(|&i| names[..i].contains(&names[i])) {
            return Err(fault(format!("two columns are called `{}`", names[i])));
        }
        if header && !next(&mut record)? {
            record.clear();
        }
        let text: Vec<bool> = (0..names.len())
            .map(|i| record.get(i).is_some_and(|field| number(field).is_none()))
            .collect();
        let mut text_bytes = vec![0u64; names.len()];
        let mut rows = 0;
        let mut more = !record.is_empty();
        while more {
            rows += 1;
            for (i, field) in record.iter().enumerate().filter(|&(i, _)| text[i]) {
                text_bytes[i] += field.len() as u64;
            }
            more = next(&mut record)?;
        }
        let fields: Vec<Field> = names
            .into_iter()
            .zip(&text)
            .map(|(name, &text)| Field::new(name, if text { DataType::Utf8 } else { DataType::Float64 }, false))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            schema: Arc::new(Schema::new(fields)),
            header,
            rows,
            text_bytes,
            file,
        })
    }

    /// Bytes a row takes once decoded, on average, in this column.
    fn row_bytes(&self, column: usize) -> f64 {
        match self.schema.field(column).data_type() {
            DataType::Utf8 => self.text_bytes[column] as f64 / self.rows.max(1) as f64 + 4.0,
            _ => 8.0,
        }
    }
}

/// The text behind a path, unpacked if it is gzipped.
fn reader(path: &Path) -> Result<Reader<Box<dyn Read + Send>>, DataError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut file = File::open(path).map_err(DataError::io(path, "open"))?;
    let mut start = [0; 2];
    let mut found = 0;
    while found < start.len() {
        match file.read(&mut start[found..]).map_err(DataError::io(path, "read"))? {
            0 => break,
            n => found += n,
        }
    }
    let whole = std::io::Cursor::new(start[..found].to_vec()).chain(BufReader::with_capacity(1 << 16, file));
    let text: Box<dyn Read + Send> = if start[..found] == GZIP {
        Box::new(MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    };
    let name = path.to_string_lossy();
    let tabs = name.trim_end_matches(".gz").ends_with(".tsv");
    Ok(ReaderBuilder::new()
        .has_headers(false)
        .delimiter(if tabs { b'\t' } else { b',' })
        .buffer_capacity(1 << 16)
        .from_reader(text))
}

/// A field as a number.
fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

/// A column's name: without the comment sign that some headers begin with, numbered if there is none.
fn name(i: usize, field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    let text = text.trim_start_matches('\u{feff}').trim();
    let text = if i == 0 {
        text.trim_start_matches('#').trim()
    } else {
        text
    };
    if text.is_empty() {
        format!("c{i}")
    } else {
        text.to_owned()
    }
}

/// A column being read.
enum Builder {
    Number(Float64Builder),
    Text(StringBuilder),
}

impl Source for CsvTable {
    fn file(&self) -> &str {
        &self.file
    }

    fn format(&self) -> &'static str {
        "CSV"
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn row_count(&self) -> u64 {
        self.rows
    }

    fn read(&self, plan: &Plan) -> Result<Batches, DataError> {
        let (ranges, columns) = plan.check(&self.file, &self.schema, self.rows)?;
        if ranges.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let widest: f64 = columns.iter().map(|&c| self.row_bytes(c)).sum();
        let batch_rows = ((plan.budget_bytes as f64 / widest.max(1.0)) as usize).clamp(1, BATCH_ROWS);
        let mut walk = Walk {
            file: self.file.clone(),
            reader: reader(&self.path)?,
            schema: Arc::new(
                self.schema
                    .project(&columns)
                    .map_err(|error| format_error(&self.file, error.to_string()))?,
            ),
            columns,
            ranges: ranges.into_iter().collect(),
            record: ByteRecord::new(),
            row: 0,
            batch_rows,
            header: self.header,
        };
        Ok(Box::new(Budgeted::new(
            until_error(move || walk.next_batch().transpose()),
            plan.budget_bytes,
        )))
    }

    fn blocks(&self) -> Vec<Range<u64>> {
        if self.rows == 0 {
            return Vec::new();
        }
        vec![0..self.rows]
    }

    fn decoded_bytes(&self, columns: &[String], rows: &Range<u64>) -> u64 {
        let wanted = columns.iter().filter_map(|name| self.schema.index_of(name).ok());
        let a_row: f64 = wanted.map(|c| self.row_bytes(c)).sum();
        (a_row * (rows.end - rows.start) as f64).ceil() as u64
    }

    fn seekable(&self) -> bool {
        false
    }
}

/// A file on the way from row to row.
struct Walk {
    file: String,
    reader: Reader<Box<dyn Read + Send>>,
    schema: SchemaRef,
    columns: Vec<usize>,
    ranges: std::collections::VecDeque<Range<u64>>,
    record: ByteRecord,
    /// Rows read.
    row: u64,
    batch_rows: usize,
    /// Whether a header is still to come.
    header: bool,
}

impl Walk {
    /// The next row into the record, at number `row - 1`.
    fn advance(&mut self) -> Result<(), DataError> {
        let steps = if std::mem::take(&mut self.header) { 2 } else { 1 };
        for _ in 0..steps {
            let found = self.reader.read_byte_record(&mut self.record);
            if !found.map_err(|error| format_error(&self.file, error.to_string()))? {
                let reason = format!("the file ends after {} rows; it had more when it was opened", self.row);
                return Err(format_error(&self.file, reason));
            }
        }
        self.row += 1;
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        let mut builders: Vec<Builder> = self
            .schema
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Utf8 => Builder::Text(StringBuilder::new()),
                _ => Builder::Number(Float64Builder::new()),
            })
            .collect();
        let mut taken = 0;
        while taken < self.batch_rows {
            let Some(range) = self.ranges.front().cloned() else {
                break;
            };
            if self.row >= range.end {
                self.ranges.pop_front();
                continue;
            }
            self.advance()?;
            if self.row <= range.start {
                continue;
            }
            self.take(&mut builders)?;
            taken += 1;
        }
        if taken == 0 {
            return Ok(None);
        }
        let arrays: Vec<ArrayRef> = builders
            .into_iter()
            .map(|builder| match builder {
                Builder::Number(mut builder) => Arc::new(builder.finish()) as ArrayRef,
                Builder::Text(mut builder) => Arc::new(builder.finish()) as ArrayRef,
            })
            .collect();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(taken));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map(Some)
            .map_err(|error| format_error(&self.file, error.to_string()))
    }

    /// Puts the record at hand into the columns.
    fn take(&self, builders: &mut [Builder]) -> Result<(), DataError> {
        for ((builder, &column), field) in builders.iter_mut().zip(&self.columns).zip(self.schema.fields()) {
            let bytes = self.record.get(column).unwrap_or_default();
            let fault = |allowed| DataError::Value {
                file: self.file.clone(),
                row: self.row - 1,
                column: field.name().clone(),
                value: format!("`{}`", String::from_utf8_lossy(bytes)),
                allowed,
            };
            match builder {
                Builder::Number(builder) => {
                    builder.append_value(number(bytes).ok_or_else(|| fault("a number, as in the first row"))?);
                }
                Builder::Text(builder) => {
                    builder.append_value(std::str::from_utf8(bytes).map_err(|_| fault("text in UTF-8"))?);
                }
            }
        }
        Ok(())
    }
}

fn format_error(file: &str, reason: String) -> DataError {
    DataError::Format {
        file: file.to_owned(),
        format: "CSV",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::contract::check;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    use std::io::Write;

    fn written(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        let file = File::create(&path).unwrap();
        if name.ends_with(".gz") {
            let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            packed.finish().unwrap();
        } else {
            let mut file = file;
            file.write_all(text.as_bytes()).unwrap();
        }
        path
    }

    fn table(rows: usize) -> String {
        let mut text = "# label,f0,name,mass\n".to_owned();
        for i in 0..rows {
            text += &format!(
                "{}.000e+00,{},{},{}\n",
                i % 2,
                i as f64 / 7.0,
                ["top", "a \"b\"c"][i % 2].replace('"', ""),
                500
            );
        }
        text
    }

    #[test]
    fn csv_keeps_the_contract_packed_and_plain() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["none.csv", "one.csv", "many.csv", "many.csv.gz"] {
            let rows = match name {
                "none.csv" => 0,
                "one.csv" => 1,
                _ => 3000,
            };
            let path = written(dir.path(), name, &table(rows));
            let source = CsvTable::open(&path).unwrap();
            assert_eq!(source.row_count(), rows as u64);
            assert_eq!(
                source.schema().field(0).name(),
                "label",
                "the comment sign is no part of the name"
            );
            check(&source);
        }
    }

    #[test]
    fn the_first_column_of_a_file_without_header_is_data() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), "a.tsv", "1\t2.5\n0\t-3e2\n");
        let source = CsvTable::open(&path).unwrap();
        check(&source);
        let batch = source
            .read(&Plan::default().columns(&["c1"]))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(batch.column(0).as_primitive::<Float64Type>().values(), &[2.5, -300.0]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let error = |name: &str, text: &str| {
            let source = match CsvTable::open(&written(dir.path(), name, text)) {
                Err(error) => return error.to_string(),
                Ok(source) => source,
            };
            let error = source.read(&Plan::default()).unwrap().find_map(Result::err);
            error.unwrap().to_string()
        };
        let message = error("bad.csv", "label,f0\n1,2\n0,abc\n");
        assert!(message.contains("row 1, column `f0`: `abc`"), "{message}");
        assert!(error("gap.csv", "label,f0\n1,2\n0,\n").contains("row 1, column `f0`: ``"));
        let message = error("short.csv", "label,f0\n1,2\n0\n");
        assert!(message.contains("short.csv") && message.contains("fields"), "{message}");
        assert!(error("empty.csv", "").contains("no row"));
        assert!(error("twice.csv", "f0,f0\n1,2\n").contains("two columns are called `f0`"));
        // Half of a gzip file.
        let path = written(dir.path(), "cut.csv.gz", &table(3000));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(CsvTable::open(&path).unwrap_err().to_string().contains("cut.csv.gz"));
    }
}
