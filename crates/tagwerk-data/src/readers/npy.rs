//! NumPy arrays: one `.npy`, or the arrays of a `.npz` as columns.
//!
//! The first axis is the row. `[N]` becomes a number column, `[N, a, b]` a fixed-size list of a x b values whose field
//! says its shape. An `.npy` is read by range. A compressed `.npz` can only be read from the front, so a row range in
//! the middle costs the decoding of all rows before it; such a file says so ([`Source::seekable`]).
//!
//! The header is a Python literal of three known keys; it is read by hand. Pickled objects are refused.

mod header;

use crate::error::DataError;
use crate::source::{Batches, Budgeted, Plan, Source, even_blocks, until_error};
use arrow_array::{ArrayRef, FixedSizeListArray, RecordBatch, types};
use arrow_array::{ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use header::Header;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One array of a `.npz`, from its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumpyMember {
    /// Name, without `.npy`.
    pub name: String,
    /// First axis.
    pub rows: u64,
    /// The other axes.
    pub shape: Vec<usize>,
}

/// The arrays of a `.npy` or `.npz` file with one common length.
#[derive(Debug)]
pub struct NumpyArrays {
    file: String,
    path: PathBuf,
    zipped: bool,
    seekable: bool,
    arrays: Vec<NumpyArray>,
    rows: u64,
    schema: SchemaRef,
}

#[derive(Debug, Clone)]
struct NumpyArray {
    /// Name in the archive; empty for a plain `.npy`.
    entry: String,
    header: Header,
    /// Position of the values: in the file, or in the unpacked entry.
    start: u64,
}

impl NumpyArrays {
    /// Opens a `.npy`, or all arrays of a `.npz`, which must then have the same length.
    ///
    /// # Errors
    /// A file that is missing, truncated or not of that format; types other than numbers; unequal lengths.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Self::open_arrays(path, None)
    }

    /// Opens the named arrays of a `.npz`, for files that mix lengths (`X_train_0`, `X_test_0`, ...).
    ///
    /// # Errors
    /// As [`NumpyArrays::open`], and a name that the archive does not have.
    pub fn open_arrays(path: &Path, names: Option<&[&str]>) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let mut handle = BufReader::new(File::open(path).map_err(DataError::io(path, "open"))?);
        let length = handle.get_ref().metadata().map_err(DataError::io(path, "stat"))?.len();
        let mut magic = [0u8; 4];
        handle
            .read_exact(&mut magic)
            .map_err(|_| bad(&file, "shorter than any header"))?;
        handle.rewind().map_err(DataError::io(path, "read"))?;
        let zipped = &magic == b"PK\x03\x04" || &magic == b"PK\x05\x06";
        let mut seekable = true;
        let mut arrays: Vec<(String, NumpyArray)> = Vec::new();
        let mut found: Vec<String> = Vec::new();
        if zipped {
            let mut archive = zip::ZipArchive::new(handle).map_err(|e| bad_archive(&file, &e))?;
            let mut entries: Vec<String> = archive.file_names().map(str::to_owned).collect();
            entries.sort_unstable();
            for entry in entries {
                let name = entry.strip_suffix(".npy").unwrap_or(&entry).to_owned();
                found.push(name.clone());
                if names.is_some_and(|names| !names.contains(&name.as_str())) {
                    continue;
                }
                let mut member = archive.by_name(&entry).map_err(|e| bad(&file, e))?;
                seekable = false;
                let size = member.size();
                let header = Header::read(&mut member).map_err(|e| bad(&file, format!("{name}: {e}")))?;
                let start = header.bytes_read;
                header
                    .check_length(size)
                    .map_err(|e| bad(&file, format!("{name}: {e}")))?;
                arrays.push((name, NumpyArray { entry, header, start }));
            }
        } else {
            let header = Header::read(&mut handle).map_err(|e| bad(&file, e))?;
            let start = header.bytes_read;
            let expected = header.total_bytes();
            if expected.is_none_or(|expected| length < expected) {
                return Err(DataError::Truncated {
                    file,
                    expected: expected.unwrap_or(u64::MAX),
                    found: length,
                });
            }
            let name = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or("values")
                .to_owned();
            found.push(name.clone());
            arrays.push((
                name,
                NumpyArray {
                    entry: String::new(),
                    header,
                    start,
                },
            ));
        }
        if let Some(missing) =
            names.and_then(|names| names.iter().find(|&&n| !arrays.iter().any(|(name, _)| name == n)))
        {
            return Err(DataError::MissingColumn {
                file,
                column: (*missing).to_owned(),
                found: found.join(", "),
            });
        }
        let Some((_, first)) = arrays.first() else {
            return Err(bad(&file, "no arrays in the archive"));
        };
        let rows = first.header.rows;
        if arrays.iter().any(|(_, array)| array.header.rows != rows) {
            let lengths: Vec<String> = arrays
                .iter()
                .map(|(name, a)| format!("{name}: {}", a.header.rows))
                .collect();
            return Err(bad(
                &file,
                format!("arrays of unequal length ({}); open them by name", lengths.join(", ")),
            ));
        }
        let fields = arrays
            .iter()
            .map(|(name, array)| array.header.field(name))
            .collect::<Vec<Field>>();
        Ok(Self {
            file,
            path: path.to_owned(),
            zipped,
            seekable,
            arrays: arrays.into_iter().map(|(_, array)| array).collect(),
            rows,
            schema: Arc::new(Schema::new(fields)),
        })
    }

    /// The arrays of a `.npz`, in the order of their names, and the archive's comment.
    ///
    /// # Errors
    /// A file that is no such archive; an array that is not readable.
    pub fn members(path: &Path) -> Result<(Vec<NumpyMember>, String), DataError> {
        let file = path.display().to_string();
        let handle = BufReader::new(File::open(path).map_err(DataError::io(path, "open"))?);
        let mut archive = zip::ZipArchive::new(handle).map_err(|e| bad_archive(&file, &e))?;
        let mut entries: Vec<String> = archive.file_names().map(str::to_owned).collect();
        entries.sort_unstable();
        let mut members = Vec::new();
        for entry in entries {
            let name = entry.strip_suffix(".npy").unwrap_or(&entry).to_owned();
            let mut member = archive.by_name(&entry).map_err(|e| bad(&file, e))?;
            let size = member.size();
            let header = Header::read(&mut member).map_err(|e| bad(&file, format!("{name}: {e}")))?;
            header
                .check_length(size)
                .map_err(|e| bad(&file, format!("{name}: {e}")))?;
            members.push(NumpyMember {
                name,
                rows: header.rows,
                shape: header.shape.iter().map(|&axis| axis as usize).collect(),
            });
        }
        let comment = String::from_utf8_lossy(archive.comment()).into_owned();
        Ok((members, comment))
    }

    /// A stream of an array's values from its first row on. Every column of a `.npz` has a handle of its own.
    fn stream(&self, array: &NumpyArray) -> Result<Stream, DataError> {
        let handle = File::open(&self.path).map_err(DataError::io(&self.path, "open"))?;
        let mut handle = BufReader::with_capacity(1 << 18, handle);
        if !self.zipped {
            handle
                .seek(SeekFrom::Start(array.start))
                .map_err(DataError::io(&self.path, "seek"))?;
            return Ok(Stream {
                inner: Inner::Plain(handle),
                row: 0,
                row_bytes: array.header.row_bytes(),
            });
        }
        let archive = zip::ZipArchive::new(handle).map_err(|e| bad_archive(&self.file, &e))?;
        let mut member = Unpacker::new(archive, &array.entry).map_err(|e| bad(&self.file, e))?;
        std::io::copy(&mut (&mut member).take(array.start), &mut std::io::sink()).map_err(|e| bad(&self.file, e))?;
        Ok(Stream {
            inner: Inner::Packed(Box::new(member)),
            row: 0,
            row_bytes: array.header.row_bytes(),
        })
    }
}

impl Source for NumpyArrays {
    fn file(&self) -> &str {
        &self.file
    }

    fn format(&self) -> &'static str {
        if self.zipped { "NPZ" } else { "NPY" }
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn row_count(&self) -> u64 {
        self.rows
    }

    fn read(&self, plan: &Plan) -> Result<Batches, DataError> {
        let (ranges, columns) = plan.check(&self.file, &self.schema, self.rows)?;
        let schema = Arc::new(self.schema.project(&columns).map_err(|e| bad(&self.file, e))?);
        let headers: Vec<Header> = columns.iter().map(|&c| self.arrays[c].header.clone()).collect();
        let mut streams = columns
            .iter()
            .map(|&c| self.stream(&self.arrays[c]))
            .collect::<Result<Vec<_>, _>>()?;
        let row_bytes: u64 = headers.iter().map(Header::row_bytes).sum();
        let step = (plan.budget_bytes as u64 / row_bytes.max(1)).clamp(1, 1 << 20);
        let mut pieces = ranges.into_iter().flat_map(move |range| {
            let (start, end) = (range.start, range.end);
            (0..(end - start).div_ceil(step)).map(move |i| start + i * step..(start + (i + 1) * step).min(end))
        });
        let file = self.file.clone();
        let batches = until_error(move || {
            let rows = pieces.next()?;
            let columns: Result<Vec<ArrayRef>, DataError> = streams
                .iter_mut()
                .zip(&headers)
                .zip(schema.fields())
                .map(|((stream, header), field)| {
                    let bytes = stream
                        .rows(&rows)
                        .map_err(|e| bad(&file, format!("{}: {e}", field.name())))?;
                    array(header, field, &bytes).map_err(|e| bad(&file, e))
                })
                .collect();
            Some(columns.and_then(|columns| RecordBatch::try_new(schema.clone(), columns).map_err(|e| bad(&file, e))))
        });
        Ok(Box::new(Budgeted::new(batches, plan.budget_bytes)))
    }

    fn blocks(&self) -> Vec<Range<u64>> {
        even_blocks(self.rows, if self.seekable { 1_024 } else { self.rows.max(1) })
    }

    fn decoded_bytes(&self, columns: &[String], rows: &Range<u64>) -> u64 {
        let names = self.schema.fields().iter().map(|field| field.name());
        let row: u64 = names
            .zip(&self.arrays)
            .filter(|(n, _)| columns.contains(n))
            .map(|(_, a)| a.header.row_bytes())
            .sum();
        row * (rows.end - rows.start)
    }

    fn seekable(&self) -> bool {
        self.seekable
    }
}

/// Reads rows of one array, forward only.
struct Stream {
    inner: Inner,
    /// Next row.
    row: u64,
    row_bytes: u64,
}

enum Inner {
    Plain(BufReader<File>),
    Packed(Box<Unpacker>),
}

impl Stream {
    fn rows(&mut self, rows: &Range<u64>) -> std::io::Result<Vec<u8>> {
        let skip = (rows.start - self.row) * self.row_bytes;
        match &mut self.inner {
            Inner::Plain(handle) => handle.seek_relative(skip as i64)?,
            Inner::Packed(member) => {
                std::io::copy(&mut member.take(skip), &mut std::io::sink())?;
            }
        }
        let mut bytes = vec![0; ((rows.end - rows.start) * self.row_bytes) as usize];
        match &mut self.inner {
            Inner::Plain(handle) => handle.read_exact(&mut bytes)?,
            Inner::Packed(member) => member.read_exact(&mut bytes)?,
        }
        self.row = rows.end;
        Ok(bytes)
    }
}

/// A member of a zip archive that owns its archive, so that reading can go on from call to call.
///
/// The zip library lends members for as long as the archive is borrowed. The member's compressed bytes are therefore
/// read from their position in the file, through a decoder of our own.
///
/// At its end the bytes are held against the archive's checksum, so that damage is found by whoever reads a member
/// whole.
struct Unpacker {
    decoder: Box<dyn Read + Send>,
    checksum: flate2::Crc,
    expected: u32,
    left: u64,
}

impl Unpacker {
    fn new(mut archive: zip::ZipArchive<BufReader<File>>, entry: &str) -> zip::result::ZipResult<Self> {
        let (start, packed, method, expected, left) = {
            let member = archive.by_name(entry)?;
            let (checksum, size) = (member.crc32(), member.size());
            (
                member.data_start(),
                member.compressed_size(),
                member.compression(),
                checksum,
                size,
            )
        };
        let mut handle = archive.into_inner();
        handle.seek(SeekFrom::Start(start))?;
        let bytes = handle.take(packed);
        let decoder: Box<dyn Read + Send> = match method {
            zip::CompressionMethod::Stored => Box::new(bytes),
            zip::CompressionMethod::Deflated => Box::new(flate2::bufread::DeflateDecoder::new(bytes)),
            _ => {
                return Err(zip::result::ZipError::UnsupportedArchive(
                    "compression other than deflate",
                ));
            }
        };
        Ok(Self {
            decoder,
            checksum: flate2::Crc::new(),
            expected,
            left,
        })
    }
}

impl Read for Unpacker {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.decoder.read(out)?;
        self.checksum.update(&out[..read]);
        self.left = self.left.saturating_sub(read as u64);
        if self.left == 0 && read > 0 && self.checksum.sum() != self.expected {
            let (found, expected) = (self.checksum.sum(), self.expected);
            let message = format!("damaged: checksum {found:08x}, the archive says {expected:08x}");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
        }
        Ok(read)
    }
}

/// The Arrow column of raw little-endian values.
fn array(header: &Header, field: &Field, bytes: &[u8]) -> Result<ArrayRef, ArrowError> {
    let values = match &header.values {
        DataType::Boolean => Arc::new(arrow_array::BooleanArray::from_iter(
            bytes.iter().map(|&b| Some(b != 0)),
        )) as ArrayRef,
        DataType::Int8 => primitive::<types::Int8Type, 1>(bytes, i8::from_le_bytes),
        DataType::UInt8 => primitive::<types::UInt8Type, 1>(bytes, u8::from_le_bytes),
        DataType::Int16 => primitive::<types::Int16Type, 2>(bytes, i16::from_le_bytes),
        DataType::UInt16 => primitive::<types::UInt16Type, 2>(bytes, u16::from_le_bytes),
        DataType::Int32 => primitive::<types::Int32Type, 4>(bytes, i32::from_le_bytes),
        DataType::UInt32 => primitive::<types::UInt32Type, 4>(bytes, u32::from_le_bytes),
        DataType::Int64 => primitive::<types::Int64Type, 8>(bytes, i64::from_le_bytes),
        DataType::UInt64 => primitive::<types::UInt64Type, 8>(bytes, u64::from_le_bytes),
        DataType::Float32 => primitive::<types::Float32Type, 4>(bytes, f32::from_le_bytes),
        _ => primitive::<types::Float64Type, 8>(bytes, f64::from_le_bytes),
    };
    Ok(match field.data_type() {
        DataType::FixedSizeList(item, width) => {
            Arc::new(FixedSizeListArray::try_new(item.clone(), *width, values, None)?) as ArrayRef
        }
        _ => values,
    })
}

fn primitive<T: ArrowPrimitiveType, const W: usize>(bytes: &[u8], decode: impl Fn([u8; W]) -> T::Native) -> ArrayRef {
    let values: Vec<T::Native> = bytes.as_chunks::<W>().0.iter().map(|&chunk| decode(chunk)).collect();
    Arc::new(PrimitiveArray::<T>::new(values.into(), None))
}

impl Header {
    /// The Arrow field: a number, or a fixed-size list that remembers its shape.
    fn field(&self, name: &str) -> Field {
        if self.shape.is_empty() {
            return Field::new(name, self.values.clone(), false);
        }
        let shape: Vec<String> = self.shape.iter().map(u64::to_string).collect();
        let item = Arc::new(Field::new("item", self.values.clone(), false));
        Field::new(name, DataType::FixedSizeList(item, self.width() as i32), false)
            .with_metadata(HashMap::from([("shape".to_owned(), shape.join(","))]))
    }
}

/// What a file that is no whole archive is most often: one whose end is missing, where the list of its members stands.
fn bad_archive(file: &str, error: &zip::result::ZipError) -> DataError {
    bad(file, format!("no whole .npz archive, perhaps cut short ({error})"))
}

fn bad(file: &str, reason: impl std::fmt::Display) -> DataError {
    DataError::Format {
        file: file.to_owned(),
        format: "NumPy",
        reason: reason.to_string(),
    }
}
