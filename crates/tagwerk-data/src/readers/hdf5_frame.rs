//! Frames of numbers that pandas wrote to HDF5: one number a row and column.
//!
//! `to_hdf(key="df")` makes a group per frame, in one of two formats. `fixed`: `KEY/block0_values` `[rows, columns]` for the
//! columns of one type, `KEY/block0_items` their names, more blocks for more types, `KEY/axis0` all names in the frame's
//! order. `table`: `KEY/table`, one compound record a row, whose members `values_block_0`, .. hold the columns of one type;
//! their names are in a pickled list beside it, of which only the strings are taken. The index is not read.
//!
//! The records of a `table` cannot be read in part by the HDF5 library unless their length is known when the program is
//! built. So a table is read as a whole, once, and kept as it lies in the file.

use super::hdf5::{self, Dense, Kind, Table};
use crate::error::DataError;
use crate::source::{Batches, Budgeted, Plan, Source, even_blocks, until_error};
use arrow_array::{ArrayRef, Float32Array, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Rows of a block of [`Source::blocks`].
const BLOCK: u64 = 65_536;

/// Columns of one type.
enum Block {
    /// A matrix of the `fixed` format.
    Matrix(Dense),
    /// A member of the records of the `table` format.
    Member {
        table: Arc<Records>,
        offset: usize,
        kind: Kind,
        columns: usize,
    },
}

/// The records of a `table`, read once.
struct Records {
    table: Table,
    bytes: OnceLock<Vec<u8>>,
}

impl Records {
    fn bytes(&self) -> Result<&[u8], DataError> {
        if let Some(bytes) = self.bytes.get() {
            return Ok(bytes);
        }
        let bytes = self.table.read_all()?;
        let expected = self.table.rows * self.table.record as u64;
        if bytes.len() as u64 != expected {
            return Err(DataError::Truncated {
                file: self.table.file().to_owned(),
                expected,
                found: bytes.len() as u64,
            });
        }
        Ok(self.bytes.get_or_init(|| bytes))
    }
}

impl Block {
    fn rows(&self) -> u64 {
        match self {
            Self::Matrix(matrix) => matrix.rows,
            Self::Member { table, .. } => table.table.rows,
        }
    }

    fn columns(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.shape.first().copied().unwrap_or(0),
            Self::Member { columns, .. } => *columns,
        }
    }

    /// The values of `rows`, row-major.
    fn read(&self, rows: &Range<u64>) -> Result<Vec<f64>, DataError> {
        let (table, offset, kind, columns) = match self {
            Self::Matrix(matrix) => return matrix.read_numbers(rows.clone()),
            Self::Member {
                table,
                offset,
                kind,
                columns,
            } => (table, *offset, *kind, *columns),
        };
        let record = table.table.record;
        let bytes = &table.bytes()?[rows.start as usize * record..rows.end as usize * record];
        let size = if kind == Kind::F32 { 4 } else { 8 };
        let value = |bytes: &[u8]| match (kind, bytes) {
            (Kind::F32, &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
            (Kind::I64, &[a, b, c, d, e, f, g, h]) => i64::from_le_bytes([a, b, c, d, e, f, g, h]) as f64,
            (_, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            // The chunks below have 4 or 8 bytes.
            _ => f64::NAN,
        };
        let row = |record: &[u8]| -> Vec<f64> {
            let values = &record[offset..offset + columns * size];
            values.chunks_exact(size).map(value).collect()
        };
        Ok(bytes.chunks_exact(record).flat_map(row).collect())
    }
}

/// A column on its way into the schema: name, block, place in the block, type.
type Column = (String, usize, usize, DataType);

/// A pandas frame of numbers in HDF5, of either format.
///
/// Columns of 4-byte floats are `Float32`, all other numbers `Float64`.
pub struct PandasFrame {
    file: String,
    blocks: Arc<Vec<Block>>,
    /// Block and position in it of each column.
    places: Vec<(usize, usize)>,
    schema: SchemaRef,
    rows: u64,
}

impl std::fmt::Debug for PandasFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PandasFrame")
            .field("file", &self.file)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl PandasFrame {
    /// The key of the frame in a file: `df` where there is one of that name, else the only one. `None` where the file
    /// holds no frame. (The reference top-tagging table is under the key `table`, and is not meant.)
    ///
    /// # Errors
    /// A file that is not readable; several frames, none of which is called `df`.
    pub fn key(path: &Path) -> Result<Option<String>, DataError> {
        let names = hdf5::dataset_names(path)?;
        let of = |name: &'_ String| {
            let key = name
                .strip_suffix("/block0_values")
                .or_else(|| name.strip_suffix("/table"));
            key.filter(|key| *key != "table").map(str::to_owned)
        };
        let mut keys: Vec<String> = names.iter().filter_map(of).collect();
        keys.sort_unstable();
        match keys.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only.clone())),
            several if several.iter().any(|key| key == "df") => Ok(Some("df".to_owned())),
            several => Err(DataError::MissingColumn {
                file: path.display().to_string(),
                column: "/df".to_owned(),
                found: several.join(", "),
            }),
        }
    }

    /// Opens the frame `key` of a file: reads its headers, no rows.
    ///
    /// # Errors
    /// A file that is missing, truncated or no HDF5; a frame whose parts do not fit together, or that holds anything but
    /// numbers.
    pub fn open(path: &Path, key: &str) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let names = hdf5::dataset_names(path)?;
        let (blocks, columns) = if names.contains(&format!("{key}/table")) {
            records(path, &format!("{key}/table"))?
        } else {
            matrices(path, key, &names)?
        };
        let rows = blocks.first().map_or(0, Block::rows);
        if let Some(other) = blocks.iter().find(|block| block.rows() != rows) {
            return Err(bad(path, format!("blocks of {rows} and {} rows", other.rows())));
        }
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, .., kind)| Field::new(name, kind.clone(), false))
            .collect();
        Ok(Self {
            file,
            blocks: Arc::new(blocks),
            places: columns.iter().map(|&(_, block, at, _)| (block, at)).collect(),
            schema: Arc::new(Schema::new(fields)),
            rows,
        })
    }
}

fn bad(path: &Path, reason: String) -> DataError {
    DataError::Format {
        file: path.display().to_string(),
        format: "pandas frame in HDF5",
        reason,
    }
}

/// The blocks of the `fixed` format.
fn matrices(path: &Path, key: &str, names: &[String]) -> Result<(Vec<Block>, Vec<Column>), DataError> {
    let mut blocks = Vec::new();
    let mut columns: Vec<Column> = Vec::new();
    let order = hdf5::strings(path, &format!("{key}/axis0"))?;
    while names.contains(&format!("{key}/block{}_values", blocks.len())) {
        let number = blocks.len();
        let matrix = Dense::open(path, &format!("{key}/block{number}_values"))?;
        let items = hdf5::strings(path, &format!("{key}/block{number}_items"))?;
        if matrix.shape.as_slice() != [items.len()] {
            let shape = &matrix.shape;
            let reason = format!("block {number} has {} names for rows of shape {shape:?}", items.len());
            return Err(bad(path, reason));
        }
        let kind = if matrix.is_single()? {
            DataType::Float32
        } else {
            DataType::Float64
        };
        let of = items.into_iter().enumerate();
        columns.extend(of.map(|(at, name)| (name, number, at, kind.clone())));
        blocks.push(Block::Matrix(matrix));
    }
    let place = |name: &String| order.iter().position(|o| o == name).unwrap_or(usize::MAX);
    columns.sort_by_key(|(name, ..)| place(name));
    Ok((blocks, columns))
}

/// The members of the records of the `table` format, but for the index.
fn records(path: &Path, dataset: &str) -> Result<(Vec<Block>, Vec<Column>), DataError> {
    let table = Table::open(path, dataset)?;
    let records = Arc::new(Records {
        table,
        bytes: OnceLock::new(),
    });
    let mut blocks = Vec::new();
    let mut columns = Vec::new();
    for member in records.table.members.iter().filter(|member| member.name != "index") {
        let size = match member.kind {
            Kind::F32 => 4,
            Kind::F64 | Kind::I64 => 8,
            Kind::Other => {
                return Err(DataError::WrongType {
                    file: path.display().to_string(),
                    column: member.name.clone(),
                    found: member.described.clone(),
                    allowed: "little-endian f32, f64 or int64, alone or as an array",
                });
            }
        };
        let end = member
            .count
            .checked_mul(size)
            .and_then(|n| n.checked_add(member.offset));
        if end.is_none_or(|end| end > records.table.record) {
            return Err(bad(path, format!("member {} reaches beyond its record", member.name)));
        }
        let listed = records.table.attribute(&format!("{}_kind", member.name));
        let listed = listed.map(|pickle| listed_names(&pickle)).unwrap_or_default();
        let names = match listed.len() {
            n if n == member.count => listed,
            // A column that pandas was told to keep by itself.
            _ if member.count == 1 => vec![member.name.clone()],
            n => {
                let reason = format!("{n} names for the {} columns of {}", member.count, member.name);
                return Err(bad(path, reason));
            }
        };
        let kind = if member.kind == Kind::F32 {
            DataType::Float32
        } else {
            DataType::Float64
        };
        let number = blocks.len();
        columns.extend(
            names
                .into_iter()
                .enumerate()
                .map(|(at, name)| (name, number, at, kind.clone())),
        );
        blocks.push(Block::Member {
            table: records.clone(),
            offset: member.offset,
            kind: member.kind,
            columns: member.count,
        });
    }
    Ok((blocks, columns))
}

/// The strings of a list that Python pickled with protocol 0, a text: `(lp0`, then `Vname`, `p1`, `aVname`, ...
fn listed_names(pickle: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(pickle);
    let name = |line: &str| {
        line.strip_prefix('a')
            .unwrap_or(line)
            .strip_prefix('V')
            .map(str::to_owned)
    };
    text.lines().filter_map(name).collect()
}

impl Source for PandasFrame {
    fn file(&self) -> &str {
        &self.file
    }

    fn format(&self) -> &'static str {
        "HDF5 (pandas frame)"
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn row_count(&self) -> u64 {
        self.rows
    }

    fn read(&self, plan: &Plan) -> Result<Batches, DataError> {
        let (ranges, columns) = plan.check(&self.file, &self.schema, self.rows)?;
        let fields: Vec<Field> = columns.iter().map(|&c| self.schema.field(c).clone()).collect();
        let schema = Arc::new(Schema::new(fields));
        let places: Vec<(usize, usize)> = columns.iter().map(|&c| self.places[c]).collect();
        // Whole rows are decoded, whatever the projection, as f64.
        let width: usize = self.blocks.iter().map(|block| 8 * block.columns()).sum();
        let step = (plan.budget_bytes / width.max(1)).max(1) as u64;
        let spans: Vec<Range<u64>> = ranges
            .into_iter()
            .flat_map(|range| {
                let (start, end) = (range.start, range.end);
                (start..end)
                    .step_by(step as usize)
                    .map(move |at| at..(at + step).min(end))
            })
            .collect();
        let mut spans = spans.into_iter();
        let blocks = self.blocks.clone();
        let file = self.file.clone();
        let batches = until_error(move || {
            let span = spans.next()?;
            let read = |number: usize| {
                if places.iter().any(|place| place.0 == number) {
                    blocks[number].read(&span)
                } else {
                    Ok(Vec::new())
                }
            };
            let values: Result<Vec<Vec<f64>>, DataError> = (0..blocks.len()).map(read).collect();
            Some(values.and_then(|values| {
                let column = |(&(block, at), field): (&(usize, usize), &Arc<Field>)| -> ArrayRef {
                    let column = values[block].iter().skip(at).step_by(blocks[block].columns());
                    match field.data_type() {
                        // Back to what the file holds, without loss.
                        DataType::Float32 => Arc::new(column.map(|&v| v as f32).collect::<Float32Array>()),
                        _ => Arc::new(column.copied().collect::<Float64Array>()),
                    }
                };
                let columns = places.iter().zip(schema.fields()).map(column).collect();
                let options =
                    arrow_array::RecordBatchOptions::new().with_row_count(Some((span.end - span.start) as usize));
                RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|e| DataError::Format {
                    file: file.clone(),
                    format: "pandas frame in HDF5",
                    reason: e.to_string(),
                })
            }))
        });
        Ok(Box::new(Budgeted::new(batches, plan.budget_bytes)))
    }

    fn blocks(&self) -> Vec<Range<u64>> {
        even_blocks(self.rows, BLOCK)
    }

    fn decoded_bytes(&self, columns: &[String], rows: &Range<u64>) -> u64 {
        let wanted = self
            .schema
            .fields()
            .iter()
            .filter(|field| columns.contains(field.name()));
        let bytes: u64 = wanted
            .map(|field| if *field.data_type() == DataType::Float32 { 4 } else { 8 })
            .sum();
        bytes * (rows.end - rows.start)
    }
}
