//! One interface for every file: a schema, a number of rows, and record batches on demand.
//!
//! A reader gets a [`Plan`] (which columns, which rows, how many bytes a batch may hold) and answers with an iterator.
//! It never holds the file, only the batch at hand. Reading is sequential inside one iterator; whoever wants speed
//! opens several at once on different blocks ([`Source::blocks`]), which is what [`crate::JetDataset`] does. All
//! readers pass the same contract test (`source/contract.rs`).

use crate::error::DataError;
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use std::ops::Range;

pub(crate) mod contract;

/// Record batches, in row order; after an error nothing more comes.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, DataError>> + Send>;

/// What to read.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Columns by name, in the order wanted; `None` for all.
    pub columns: Option<Vec<String>>,
    /// Row ranges, ascending and disjoint; `None` for all rows. Empty ranges are allowed.
    pub ranges: Option<Vec<Range<u64>>>,
    /// Most bytes of values in one batch; a batch of a single row may hold more. At least 1.
    pub budget_bytes: usize,
}

impl Default for Plan {
    /// Everything, in batches of at most 8 MiB.
    fn default() -> Self {
        Self {
            columns: None,
            ranges: None,
            budget_bytes: 8 << 20,
        }
    }
}

impl Plan {
    /// The same plan for these columns.
    pub fn columns(mut self, columns: &[impl AsRef<str>]) -> Self {
        self.columns = Some(columns.iter().map(|c| c.as_ref().to_owned()).collect());
        self
    }

    /// The same plan for these rows.
    pub fn ranges(mut self, ranges: Vec<Range<u64>>) -> Self {
        self.ranges = Some(ranges);
        self
    }

    /// The same plan with another byte budget a batch.
    pub fn budget(mut self, bytes: usize) -> Self {
        self.budget_bytes = bytes;
        self
    }

    /// Checks the plan against a file: non-empty ranges, and the positions of the wanted columns.
    pub(crate) fn check(
        &self,
        file: &str,
        schema: &Schema,
        rows: u64,
    ) -> Result<(Vec<Range<u64>>, Vec<usize>), DataError> {
        if self.budget_bytes == 0 {
            return Err(DataError::Argument {
                name: "budget_bytes",
                value: "0".into(),
                allowed: "at least 1",
            });
        }
        let ranges = self
            .ranges
            .clone()
            .unwrap_or_else(|| std::iter::once(0..rows).collect());
        let mut end = 0;
        for range in &ranges {
            if range.start > range.end || range.end > rows || range.start < end {
                return Err(DataError::Rows {
                    file: file.to_owned(),
                    range: range.clone(),
                    rows,
                });
            }
            end = range.end;
        }
        let columns = match &self.columns {
            None => (0..schema.fields().len()).collect(),
            Some(names) => names
                .iter()
                .map(|name| schema.index_of(name).map_err(|_| missing(file, name, schema)))
                .collect::<Result<_, _>>()?,
        };
        Ok((ranges.into_iter().filter(|range| !range.is_empty()).collect(), columns))
    }
}

/// A file with rows and columns.
pub trait Source: Send + Sync {
    /// The file as the user gave it; errors name it.
    fn file(&self) -> &str;

    /// Format in a word or two, for people.
    fn format(&self) -> &'static str;

    /// Columns and their types.
    fn schema(&self) -> SchemaRef;

    /// Number of rows.
    fn row_count(&self) -> u64;

    /// Starts reading. Rows come in the order of the plan's ranges, columns in the order of the plan's names.
    ///
    /// # Errors
    /// Here for a plan that does not fit the file; in the iterator for damaged data.
    fn read(&self, plan: &Plan) -> Result<Batches, DataError>;

    /// Ascending ranges that cover all rows, each of which can be read without decoding much of its neighbors.
    fn blocks(&self) -> Vec<Range<u64>>;

    /// About how many bytes the values of these rows and columns take once decoded, not less than they will take on
    /// average. Answered from metadata.
    fn decoded_bytes(&self, columns: &[String], rows: &Range<u64>) -> u64;

    /// Whether a row range can be reached without decoding all rows before it.
    fn seekable(&self) -> bool {
        true
    }
}

/// The error for a column that is not there.
pub(crate) fn missing(file: &str, column: &str, schema: &Schema) -> DataError {
    const SHOWN: usize = 24;
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .take(SHOWN)
        .map(|field| field.name().as_str())
        .collect();
    let mut found = names.join(", ");
    if schema.fields().len() > SHOWN {
        found.push_str(&format!(" and {} more", schema.fields().len() - SHOWN));
    }
    DataError::MissingColumn {
        file: file.to_owned(),
        column: column.to_owned(),
        found,
    }
}

/// Bytes of the values a batch shows, whatever the buffers behind it hold.
pub fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| array_bytes(column.as_ref())).sum()
}

fn array_bytes(array: &dyn Array) -> usize {
    let nulls = if array.nulls().is_some() {
        array.len().div_ceil(8)
    } else {
        0
    };
    nulls
        + match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let (first, last) = (
                    list.value_offsets()[0] as usize,
                    list.value_offsets()[list.len()] as usize,
                );
                4 * array.len() + array_bytes(list.values().slice(first, last - first).as_ref())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                let (first, last) = (
                    list.value_offsets()[0] as usize,
                    list.value_offsets()[list.len()] as usize,
                );
                8 * array.len() + array_bytes(list.values().slice(first, last - first).as_ref())
            }
            DataType::FixedSizeList(_, _) => array_bytes(array.as_fixed_size_list().values().as_ref()),
            DataType::Boolean => array.len().div_ceil(8),
            DataType::Struct(_) => array
                .as_struct()
                .columns()
                .iter()
                .map(|child| array_bytes(child.as_ref()))
                .sum(),
            primitive => match primitive.primitive_width() {
                Some(width) => width * array.len(),
                // Strings and the like: the buffers' size, shared or not.
                None => array.get_array_memory_size(),
            },
        }
}

/// Splits batches that hold more than `budget` bytes, by halving, down to single rows. Splitting copies nothing.
pub(crate) struct Budgeted<I> {
    inner: I,
    budget: usize,
    pending: Vec<RecordBatch>,
}

impl<I> Budgeted<I> {
    pub(crate) fn new(inner: I, budget: usize) -> Self {
        Self {
            inner,
            budget,
            pending: Vec::new(),
        }
    }
}

impl<I: Iterator<Item = Result<RecordBatch, DataError>>> Iterator for Budgeted<I> {
    type Item = Result<RecordBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = match self.pending.pop() {
            Some(batch) => batch,
            None => match self.inner.next()? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        while batch.num_rows() > 1 && batch_bytes(&batch) > self.budget {
            let half = batch.num_rows() / 2;
            self.pending.push(batch.slice(half, batch.num_rows() - half));
            batch = batch.slice(0, half);
        }
        Some(Ok(batch))
    }
}

/// Ends an iterator of results after its first error.
pub(crate) fn until_error<T: Send + 'static>(
    mut inner: impl FnMut() -> Option<Result<T, DataError>> + Send + 'static,
) -> impl Iterator<Item = Result<T, DataError>> + Send {
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let item = inner();
        failed = matches!(item, Some(Err(_)));
        item
    })
}

/// Consecutive blocks of `step` rows covering `rows`.
pub(crate) fn even_blocks(rows: u64, step: u64) -> Vec<Range<u64>> {
    (0..rows.div_ceil(step))
        .map(|i| i * step..((i + 1) * step).min(rows))
        .collect()
}
