//! Parquet, on disk or in memory.

use crate::error::{DataError, panic_message};
use crate::source::{Batches, Budgeted, Plan, Source, until_error};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// A Parquet file with list columns.
///
/// Row groups are the blocks. A range inside a row group is reached through the page index where the file has one,
/// else by decoding and dropping the pages before it.
#[derive(Debug)]
pub struct ParquetFile {
    file: String,
    input: Input,
    metadata: ArrowReaderMetadata,
    /// First row of each row group, and the number of rows behind the last.
    starts: Vec<u64>,
}

#[derive(Debug)]
enum Input {
    Disk(PathBuf),
    Memory(Bytes),
}

impl ParquetFile {
    /// Opens a file: reads its footer, nothing else.
    ///
    /// # Errors
    /// A file that is missing, truncated or not Parquet.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let handle = File::open(path).map_err(DataError::io(path, "open"))?;
        let metadata = guard(&file, || ArrowReaderMetadata::load(&handle, options()))?;
        Self::new(file, Input::Disk(path.to_owned()), metadata)
    }

    /// A Parquet file that lies in memory, under a name for errors.
    ///
    /// # Errors
    /// Bytes that are not Parquet.
    pub fn from_bytes(name: &str, bytes: Bytes) -> Result<Self, DataError> {
        let metadata = guard(name, || ArrowReaderMetadata::load(&bytes, options()))?;
        Self::new(name.to_owned(), Input::Memory(bytes), metadata)
    }

    fn new(file: String, input: Input, metadata: ArrowReaderMetadata) -> Result<Self, DataError> {
        let mut starts = vec![0u64];
        for group in metadata.metadata().row_groups() {
            let last = starts.last().copied().unwrap_or(0);
            let next = u64::try_from(group.num_rows())
                .ok()
                .and_then(|rows| last.checked_add(rows));
            starts.push(next.ok_or_else(|| format_error(&file, format!("a row group of {} rows", group.num_rows())))?);
        }
        Ok(Self {
            file,
            input,
            metadata,
            starts,
        })
    }

    /// The reader for ascending ranges of these columns, `batch_rows` rows at a time.
    fn reader(
        &self,
        ranges: &[Range<u64>],
        columns: &[usize],
        batch_rows: usize,
    ) -> Result<ParquetRecordBatchReader, DataError> {
        // Only the row groups that hold wanted rows; the selection counts rows within those.
        let mut groups = Vec::new();
        let mut selected: Vec<Range<usize>> = Vec::new();
        let mut base = 0u64;
        let mut next = 0;
        for (group, bounds) in self.starts.windows(2).enumerate() {
            let (start, end) = (bounds[0], bounds[1]);
            while next < ranges.len() && ranges[next].end <= start {
                next += 1;
            }
            let wanted = ranges[next..].iter().take_while(|range| range.start < end);
            let before = selected.len();
            for range in wanted {
                let from = base + range.start.max(start) - start;
                let to = base + range.end.min(end) - start;
                selected.push(from as usize..to as usize);
            }
            if selected.len() > before {
                groups.push(group);
                base += end - start;
            }
        }
        let whole = selected.iter().map(|range| range.len() as u64).sum::<u64>() == base;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied());
        guard(&self.file, || match &self.input {
            Input::Disk(path) => {
                let handle = File::open(path).map_err(|e| ParquetError::External(Box::new(e)))?;
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, self.metadata.clone())
                    .with_projection(mask)
                    .with_row_groups(groups)
                    .with_batch_size(batch_rows);
                if whole {
                    return builder.build();
                }
                builder
                    .with_row_selection(RowSelection::from_consecutive_ranges(
                        selected.into_iter(),
                        base as usize,
                    ))
                    .build()
            }
            Input::Memory(bytes) => {
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), self.metadata.clone())
                    .with_projection(mask)
                    .with_row_groups(groups)
                    .with_batch_size(batch_rows);
                if whole {
                    return builder.build();
                }
                builder
                    .with_row_selection(RowSelection::from_consecutive_ranges(
                        selected.into_iter(),
                        base as usize,
                    ))
                    .build()
            }
        })
    }

    /// Bytes a row of these root columns takes once decoded, in row group `group`.
    fn row_bytes(&self, group: usize, roots: &[usize]) -> f64 {
        let schema = self.metadata.parquet_schema();
        let group = self.metadata.metadata().row_group(group);
        let rows = group.num_rows().max(1) as f64;
        let mut bytes = 0.0;
        for (leaf, chunk) in group.columns().iter().enumerate() {
            let root = schema.get_column_root_idx(leaf);
            if !roots.contains(&root) {
                continue;
            }
            let values = chunk.num_values() as f64;
            bytes += match chunk.column_type() {
                Type::BOOLEAN => values / 8.0,
                Type::INT32 | Type::FLOAT => 4.0 * values,
                Type::INT64 | Type::DOUBLE => 8.0 * values,
                Type::INT96 => 12.0 * values,
                _ => chunk.uncompressed_size() as f64 + 4.0 * values,
            };
            // List offsets and validity.
            if schema.column(leaf).max_rep_level() > 0 {
                bytes += 8.0 * rows;
            }
        }
        bytes / rows
    }
}

impl Source for ParquetFile {
    fn file(&self) -> &str {
        &self.file
    }

    fn format(&self) -> &'static str {
        "Parquet"
    }

    fn schema(&self) -> SchemaRef {
        self.metadata.schema().clone()
    }

    fn row_count(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    fn read(&self, plan: &Plan) -> Result<Batches, DataError> {
        let (ranges, columns) = plan.check(&self.file, &self.schema(), self.row_count())?;
        if ranges.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let widest = (0..self.starts.len() - 1)
            .map(|group| self.row_bytes(group, &columns))
            .fold(1.0, f64::max);
        let batch_rows = ((plan.budget_bytes as f64 / widest) as usize).clamp(1, 1 << 16);
        let mut reader = self.reader(&ranges, &columns, batch_rows)?;
        // The reader yields columns in file order; the plan's order is restored here.
        let mut sorted = columns.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let order: Vec<usize> = columns
            .iter()
            .filter_map(|c| sorted.iter().position(|s| s == c))
            .collect();
        let in_order = order.iter().copied().eq(0..sorted.len());
        let file = self.file.clone();
        let expected: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let mut seen = 0u64;
        let batches = until_error(move || {
            // A damaged page must not bring the program down: the decoder may panic on what no writer produces.
            let item = catch_unwind(AssertUnwindSafe(|| reader.next()))
                .unwrap_or_else(|panic| Some(Err(arrow_schema::ArrowError::ParquetError(panic_message(&*panic)))));
            match item {
                None if seen < expected => {
                    let reason = format!("{seen} rows decoded where the footer promises {expected}");
                    seen = expected;
                    Some(Err(format_error(&file, reason)))
                }
                None => None,
                Some(Err(error)) => Some(Err(format_error(&file, error.to_string()))),
                Some(Ok(batch)) => {
                    seen += batch.num_rows() as u64;
                    Some(if in_order {
                        Ok(batch)
                    } else {
                        reorder(&file, &batch, &order)
                    })
                }
            }
        });
        Ok(Box::new(Budgeted::new(batches, plan.budget_bytes)))
    }

    fn blocks(&self) -> Vec<Range<u64>> {
        self.starts
            .windows(2)
            .map(|bounds| bounds[0]..bounds[1])
            .filter(|block| !block.is_empty())
            .collect()
    }

    fn decoded_bytes(&self, columns: &[String], rows: &Range<u64>) -> u64 {
        let schema = self.schema();
        let roots: Vec<usize> = columns.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        let mut bytes = 0.0;
        for (group, bounds) in self.starts.windows(2).enumerate() {
            let overlap = rows.end.min(bounds[1]).saturating_sub(rows.start.max(bounds[0]));
            if overlap > 0 {
                bytes += overlap as f64 * self.row_bytes(group, &roots);
            }
        }
        bytes.ceil() as u64
    }
}

fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional)
}

fn reorder(file: &str, batch: &RecordBatch, order: &[usize]) -> Result<RecordBatch, DataError> {
    batch
        .project(order)
        .map_err(|error| format_error(file, error.to_string()))
}

fn format_error(file: &str, reason: String) -> DataError {
    DataError::Format {
        file: file.to_owned(),
        format: "Parquet",
        reason,
    }
}

/// Runs a decoder step; its errors and panics become ours.
fn guard<T>(file: &str, step: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, DataError> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format_error(file, error.to_string())),
        Err(panic) => Err(format_error(file, panic_message(&*panic))),
    }
}
