//! The reference top-tagging files: a pandas table in HDF5.
//!
//! Layout (Zenodo record 2603256): `/table/table`, one compound record a jet of `index` (int64), `values_block_0`
//! (f32 x 804: E, px, py, pz of 200 constituents, then the four-momentum of the top quark) and `values_block_1`
//! (int64 x 2: `ttv`, `is_signal_new`), in Blosc-compressed chunks of 40 records. The index repeats and means nothing.
//!
//! A batch holds the three columns as they are, 3,240 bytes a jet; the zero padding falls when
//! [`crate::JetColumns`] makes jets of it.

use super::hdf5::{Kind, Member, RECORD, Record, Table};
use crate::error::DataError;
use crate::source::{Batches, Budgeted, Plan, Source, even_blocks, until_error};
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A pandas table in HDF5 with the reference layout.
///
/// Blocks are 25 chunks (1,000 jets).
pub struct PandasTable {
    file: String,
    table: Arc<Table>,
    schema: SchemaRef,
}

impl std::fmt::Debug for PandasTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PandasTable")
            .field("file", &self.file)
            .field("rows", &self.table.rows)
            .finish_non_exhaustive()
    }
}

impl PandasTable {
    /// Opens a file: reads its headers, no rows.
    ///
    /// # Errors
    /// A file that is missing, truncated, not HDF5, without `/table/table`, or with records of another layout.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let table = Table::open(path, "table/table")?;
        if table.record != RECORD {
            return Err(DataError::WrongType {
                file,
                column: "/table/table".into(),
                found: format!("records of {} bytes", table.record),
                allowed: "the reference layout: records of 3240 bytes (index, 804 x f32, 2 x int64)",
            });
        }
        let fields = table
            .members
            .iter()
            .map(|member| {
                let field = field(&file, member)?;
                Ok(match column_names(&table, &member.name) {
                    Some(names) => field.with_metadata(HashMap::from([("columns".to_owned(), names)])),
                    None => field,
                })
            })
            .collect::<Result<Vec<_>, DataError>>()?;
        Ok(Self {
            file,
            table: Arc::new(table),
            schema: Arc::new(Schema::new(fields)),
        })
    }
}

/// The Arrow type of a record's member.
fn field(file: &str, member: &Member) -> Result<Field, DataError> {
    let width = match member.kind {
        Kind::F32 => 4,
        Kind::I64 => 8,
        Kind::F64 | Kind::Other => 0,
    };
    let inside = member
        .count
        .checked_mul(width)
        .and_then(|n| n.checked_add(member.offset))
        .is_some_and(|end| end <= RECORD);
    let values = match member.kind {
        Kind::F32 if inside => DataType::Float32,
        Kind::I64 if inside => DataType::Int64,
        _ => {
            return Err(DataError::WrongType {
                file: file.to_owned(),
                column: member.name.clone(),
                found: format!("{} at byte {}", member.described, member.offset),
                allowed: "little-endian f32 or int64, alone or as an array, inside the record",
            });
        }
    };
    let data_type = match member.count {
        1 => values,
        count => DataType::FixedSizeList(Arc::new(Field::new("item", values, false)), count as i32),
    };
    Ok(Field::new(&member.name, data_type, false))
}

/// Which of the two integer columns is which, from the pickled list of names that pandas keeps beside a block. The
/// pickle is not interpreted; the order in which the two known names occur in it is all that is taken.
fn column_names(table: &Table, member: &str) -> Option<String> {
    let bytes = table.attribute(&format!("{member}_kind"))?;
    let at = |name: &[u8]| bytes.windows(name.len()).position(|window| window == name);
    let (ttv, signal) = (at(b"ttv")?, at(b"is_signal_new")?);
    Some(if ttv < signal {
        "ttv,is_signal_new".into()
    } else {
        "is_signal_new,ttv".into()
    })
}

impl Source for PandasTable {
    fn file(&self) -> &str {
        &self.file
    }

    fn format(&self) -> &'static str {
        "HDF5 (pandas table)"
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn row_count(&self) -> u64 {
        self.table.rows
    }

    fn read(&self, plan: &Plan) -> Result<Batches, DataError> {
        let (ranges, columns) = plan.check(&self.file, &self.schema, self.table.rows)?;
        let members: Vec<Member> = columns.iter().map(|&c| self.table.members[c].clone()).collect();
        let fields: Vec<Field> = columns.iter().map(|&c| self.schema.field(c).clone()).collect();
        let schema = Arc::new(Schema::new(fields));
        // Whole records are decoded, whatever the projection, so they set the rows of a batch. A projection may
        // shrink the batch, never the record.
        let step = (plan.budget_bytes / RECORD).max(1) as u64;
        let mut spans = spans(&ranges, self.table.chunk, step).into_iter();
        let table = self.table.clone();
        let mut records = Vec::new();
        let batches = until_error(move || {
            let span = spans.next()?;
            let read = table.read(span.rows.clone(), &mut records);
            Some(read.and_then(|()| batch(&table, &schema, &members, &records, &span)))
        });
        Ok(Box::new(Budgeted::new(batches, plan.budget_bytes)))
    }

    fn blocks(&self) -> Vec<Range<u64>> {
        even_blocks(self.table.rows, 25 * self.table.chunk.clamp(1, 4_000))
    }

    fn decoded_bytes(&self, columns: &[String], rows: &Range<u64>) -> u64 {
        let bytes: usize = self
            .table
            .members
            .iter()
            .filter(|member| columns.contains(&member.name))
            .map(|member| member.count * if member.kind == Kind::F32 { 4 } else { 8 })
            .sum();
        bytes as u64 * (rows.end - rows.start)
    }
}

/// Rows decoded at a time, and which of them are wanted.
struct Span {
    rows: Range<u64>,
    wanted: Vec<Range<u64>>,
}

/// Cuts ranges at chunk borders into spans of about `step` rows; neighbors inside one chunk share its decoding.
fn spans(ranges: &[Range<u64>], chunk: u64, step: u64) -> Vec<Span> {
    // Fewer rows than a chunk at a time would decode each chunk again and again.
    let step = step.div_ceil(chunk) * chunk;
    let mut spans: Vec<Span> = Vec::new();
    for range in ranges {
        let mut start = range.start;
        while start < range.end {
            let end = ((start / step + 1) * step).min(range.end);
            match spans.last_mut() {
                // The same stretch of `step` rows, and no untouched chunk between.
                Some(span)
                    if span.rows.start / step == start / step && start <= span.rows.end.next_multiple_of(chunk) =>
                {
                    span.rows.end = end;
                    span.wanted.push(start..end);
                }
                _ => spans.push(Span {
                    rows: start..end,
                    wanted: std::iter::once(start..end).collect(),
                }),
            }
            start = end;
        }
    }
    spans
}

fn batch(
    table: &Table,
    schema: &SchemaRef,
    members: &[Member],
    records: &[Record],
    span: &Span,
) -> Result<RecordBatch, DataError> {
    let wanted = || {
        span.wanted.iter().flat_map(|range| {
            &records[(range.start - span.rows.start) as usize..(range.end - span.rows.start) as usize]
        })
    };
    let rows: usize = span.wanted.iter().map(|range| (range.end - range.start) as usize).sum();
    let columns = members
        .iter()
        .zip(schema.fields())
        .map(|(member, field)| {
            // The bytes are copied as they are: `Table` admits little-endian members only, and its library
            // little-endian machines only. `MutableBuffer` is aligned for every number type.
            let width = if member.kind == Kind::F32 { 4 } else { 8 };
            let bytes = member.offset..member.offset + width * member.count;
            let mut copied = MutableBuffer::with_capacity(rows * bytes.len());
            for record in wanted() {
                copied.extend_from_slice(&record.0[bytes.clone()]);
            }
            let (buffer, length) = (Buffer::from(copied), rows * member.count);
            let values: ArrayRef = match member.kind {
                Kind::F32 => Arc::new(Float32Array::new(ScalarBuffer::new(buffer, 0, length), None)),
                _ => Arc::new(Int64Array::new(ScalarBuffer::new(buffer, 0, length), None)),
            };
            Ok(match field.data_type() {
                DataType::FixedSizeList(item, width) => {
                    Arc::new(FixedSizeListArray::try_new(item.clone(), *width, values, None)?) as ArrayRef
                }
                _ => values,
            })
        })
        .collect::<Result<Vec<_>, arrow_schema::ArrowError>>();
    columns
        .and_then(|columns| RecordBatch::try_new(schema.clone(), columns))
        .map_err(|error| DataError::Format {
            file: table.file().to_owned(),
            format: "HDF5",
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scattered_rows_of_one_chunk_decode_it_once() {
        let spans = spans(&[3..4, 7..9, 39..41, 400..401], 40, 80);
        let rows: Vec<_> = spans.iter().map(|span| span.rows.clone()).collect();
        assert_eq!(rows, [3..41, 400..401]);
        assert_eq!(spans[0].wanted, [3..4, 7..9, 39..41]);
    }

    #[test]
    fn long_ranges_are_cut_at_chunk_borders() {
        let rows: Vec<_> = super::spans(&[10..250], 40, 90)
            .into_iter()
            .map(|span| span.rows)
            .collect();
        assert_eq!(rows, [10..120, 120..240, 240..250]);
    }
}
