//! Writing Parquet: streaming, compressed, and under the final name only once it is whole.

use crate::atomic::AtomicFile;
use crate::error::DataError;
use crate::jets::Jets;
use arrow_array::{ArrayRef, Float32Array, ListArray, RecordBatch, UInt8Array, UInt64Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the pages of a Parquet file are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Packing {
    /// Zstandard, level 3: small. The default.
    #[default]
    Zstd,
    /// Snappy: larger, and every reader on earth knows it.
    Snappy,
    /// None.
    Plain,
}

/// A Parquet file being written beside its final name.
///
/// Row groups hold 8,192 rows, which is what a block-wise shuffle reads at a time. Columns of f32 are stored with
/// their bytes split into four streams before compression, which makes momenta a third smaller than plain pages.
/// Dropped before [`ParquetSink::finish`], it leaves nothing behind.
pub struct ParquetSink {
    writer: ArrowWriter<AtomicFile>,
    path: PathBuf,
    rows: u64,
}

impl std::fmt::Debug for ParquetSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetSink")
            .field("path", &self.path)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl ParquetSink {
    /// Starts a file of these columns.
    ///
    /// # Errors
    /// A directory that is missing or not writable, and column types that Parquet does not have.
    pub fn create(path: &Path, schema: SchemaRef, packing: Packing) -> Result<Self, DataError> {
        let compression = match packing {
            Packing::Zstd => Compression::ZSTD(ZstdLevel::default()),
            Packing::Snappy => Compression::SNAPPY,
            Packing::Plain => Compression::UNCOMPRESSED,
        };
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_created_by(concat!("tagwerk ", env!("CARGO_PKG_VERSION")).to_owned());
        for field in schema.fields() {
            let (path, values) = match field.data_type() {
                DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => (
                    vec![field.name().clone(), "list".into(), item.name().clone()],
                    item.data_type(),
                ),
                scalar => (vec![field.name().clone()], scalar),
            };
            if matches!(values, DataType::Float32 | DataType::Float64) {
                let column = ColumnPath::new(path);
                properties = properties
                    .set_column_dictionary_enabled(column.clone(), false)
                    .set_column_encoding(column, Encoding::BYTE_STREAM_SPLIT);
            }
        }
        let file = AtomicFile::create(path)?;
        let writer = ArrowWriter::try_new(file, schema, Some(properties.build())).map_err(write_error(path))?;
        Ok(Self {
            writer,
            path: path.to_owned(),
            rows: 0,
        })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// A batch of another schema, or a full disk.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), DataError> {
        self.writer.write(batch).map_err(write_error(&self.path))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Writes the footer, syncs and gives the file its name. Returns the number of rows.
    ///
    /// # Errors
    /// A full disk; the final name is then untouched.
    pub fn finish(self) -> Result<u64, DataError> {
        let file = self.writer.into_inner().map_err(write_error(&self.path))?;
        file.commit()?;
        Ok(self.rows)
    }
}

/// Rows a row group.
const ROW_GROUP: usize = 8_192;

fn write_error(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> DataError {
    let path = path.to_owned();
    move |error| DataError::Io {
        path,
        doing: "write Parquet",
        source: std::io::Error::other(error),
    }
}

/// The canonical columns of jets: `label` (u8), `row` (u64), and lists of f32 `constituent_e`, `constituent_px`,
/// `constituent_py`, `constituent_pz` in GeV, by falling transverse momentum.
pub fn jets_schema() -> SchemaRef {
    jets_schema_with(&[])
}

/// [`jets_schema`] and lists of f32 for columns of the constituents beyond momenta: `constituent_charge` for `charge`.
pub fn jets_schema_with(columns: &[&str]) -> SchemaRef {
    let mut fields = vec![
        Field::new("label", DataType::UInt8, false),
        Field::new("row", DataType::UInt64, false),
    ];
    fields.extend(MOMENTA.map(|name| Field::new_list(name, item(), false)));
    fields.extend(
        columns
            .iter()
            .map(|name| Field::new_list(format!("constituent_{name}"), item(), false)),
    );
    Arc::new(Schema::new(fields))
}

const MOMENTA: [&str; 4] = ["constituent_e", "constituent_px", "constituent_py", "constituent_pz"];

fn item() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Float32, false))
}

/// Jets as one batch of the canonical columns, those of [`Jets::columns`] behind them.
///
/// # Errors
/// More than 2^31 constituents in one batch.
pub fn jets_to_record_batch(jets: &Jets) -> Result<RecordBatch, DataError> {
    let too_many = |reason: String| DataError::Argument {
        name: "constituents of a batch",
        value: reason,
        allowed: "below 2^31",
    };
    let mut offsets = Vec::with_capacity(jets.len() + 1);
    offsets.push(0);
    for &offset in jets.offsets.iter().skip(1) {
        offsets.push(i32::try_from(offset).map_err(|_| too_many(offset.to_string()))?);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt8Array::from(jets.labels.clone())),
        Arc::new(UInt64Array::from(jets.rows.clone())),
    ];
    let others = jets.columns.iter().map(|column| &column.values);
    for values in [&jets.e, &jets.px, &jets.py, &jets.pz].into_iter().chain(others) {
        let values = Arc::new(Float32Array::from(values.clone()));
        let list = ListArray::try_new(item(), offsets.clone(), values, None);
        columns.push(Arc::new(list.map_err(|e: ArrowError| too_many(e.to_string()))?));
    }
    let names: Vec<&str> = jets.columns.iter().map(|column| &*column.name).collect();
    RecordBatch::try_new(jets_schema_with(&names), columns).map_err(|e| too_many(e.to_string()))
}
