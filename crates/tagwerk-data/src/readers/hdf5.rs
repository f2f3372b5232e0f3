//! The only file that names the HDF5 library.
//!
//! `rust-hdf5` reads HDF5 without C code. Three things are added here. A file shorter than its own header says is
//! refused (the library reads missing chunks as zeros). The library's panics on damaged files become errors.
//! And rows of a fixed size are read by range, from several handles at once, because one handle is one lock.

use crate::error::{DataError, panic_message};
use rust_hdf5::{ByteOrder, DatatypeMessage, H5Dataset, H5File, H5Type};
use std::io::Read;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Bytes of one record of the reference layout: int64, f32 x 804, int64 x 2.
pub(super) const RECORD: usize = 8 + 4 * 804 + 16;

/// One record, as it lies in the file.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Record(pub(super) [u8; RECORD]);

impl H5Type for Record {
    fn hdf5_type() -> DatatypeMessage {
        DatatypeMessage::Opaque {
            size: RECORD as u32,
            tag: String::new(),
        }
    }

    fn element_size() -> usize {
        RECORD
    }
}

/// What a member of a compound record holds, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 4-byte floats.
    F32,
    /// 8-byte signed integers.
    I64,
    /// Anything else.
    Other,
}

/// One member of a compound record.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) offset: usize,
    pub(super) kind: Kind,
    /// Values a record; 1 for a scalar.
    pub(super) count: usize,
    /// The type in words, for errors.
    pub(super) described: String,
}

/// A one-dimensional compound data set of an HDF5 file.
pub(super) struct Table {
    file: String,
    path: PathBuf,
    dataset: &'static str,
    pub(super) rows: u64,
    pub(super) chunk: u64,
    pub(super) record: usize,
    pub(super) members: Vec<Member>,
    /// Idle handles; a worker takes one or opens another.
    handles: Mutex<Vec<H5File>>,
}

impl Table {
    /// Opens `dataset` of the file at `path`.
    pub(super) fn open(path: &Path, dataset: &'static str) -> Result<Self, DataError> {
        let file = path.display().to_string();
        check_length(path, &file)?;
        let (handle, set) = guard(&file, || {
            let handle = open_handle(path)?;
            let set = handle.dataset(dataset)?;
            Ok((handle, set))
        })
        .map_err(|error| explain_missing(path, &file, dataset, error))?;
        let (shape, datatype, chunk) = guard(&file, || Ok((set.shape(), set.datatype()?, set.chunk_dims())))?;
        let bad = |reason: String| format_error(&file, reason);
        let &[rows] = shape.as_slice() else {
            return Err(bad(format!("/{dataset} has {} dimensions; a table has 1", shape.len())));
        };
        let DatatypeMessage::Compound { size, members } = &datatype else {
            return Err(bad(format!(
                "/{dataset} holds {datatype}; a table holds compound records"
            )));
        };
        let members: Vec<Member> = members
            .iter()
            .map(|m| member(&m.name, m.offset as usize, &m.datatype))
            .collect();
        let chunk = match chunk.as_deref() {
            Some(&[rows]) if rows > 0 => rows as u64,
            _ => 1,
        };
        // A chunk costs at least its index entry, so a damaged row count shows against the length of the file.
        let bytes = std::fs::metadata(path).map_err(DataError::io(path, "stat"))?.len();
        if (rows as u64).div_ceil(chunk) > bytes / 16 + 1 {
            return Err(bad(format!(
                "{rows} rows in chunks of {chunk} do not fit into {bytes} bytes"
            )));
        }
        Ok(Self {
            file: file.clone(),
            path: path.to_owned(),
            dataset,
            rows: rows as u64,
            chunk,
            record: *size as usize,
            members,
            handles: Mutex::new(vec![handle]),
        })
    }

    /// The file as the user gave it.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// An attribute's bytes, if it is there and readable.
    pub(super) fn attribute(&self, name: &str) -> Option<Vec<u8>> {
        self.with_dataset(|set| Ok(set.attr(name).and_then(|attribute| attribute.read_raw()).ok()))
            .ok()
            .flatten()
    }

    /// The records of `rows`, decoded into `out`, which is resized to fit.
    pub(super) fn read(&self, rows: Range<u64>, out: &mut Vec<Record>) -> Result<(), DataError> {
        let count = (rows.end - rows.start) as usize;
        out.resize(count, Record([0; RECORD]));
        self.with_dataset(|set| set.read_slice_into(out, &[rows.start as usize], &[count]))
    }

    fn with_dataset<T>(&self, action: impl FnOnce(&H5Dataset) -> rust_hdf5::Result<T>) -> Result<T, DataError> {
        let idle = self.handles.lock().map(|mut handles| handles.pop()).unwrap_or_default();
        let (result, handle) = guard(&self.file, || {
            let handle = match idle {
                Some(handle) => handle,
                None => open_handle(&self.path)?,
            };
            let set = handle.dataset(self.dataset)?;
            Ok((action(&set)?, handle))
        })?;
        if let Ok(mut handles) = self.handles.lock() {
            handles.push(handle);
        }
        Ok(result)
    }
}

/// A data set of numbers of a fixed shape a row.
#[derive(Debug)]
pub(crate) struct Dense {
    file: String,
    path: PathBuf,
    dataset: &'static str,
    /// First axis.
    pub(crate) rows: u64,
    /// The other axes.
    pub(crate) shape: Vec<usize>,
}

impl Dense {
    /// Opens `dataset` of the file at `path`.
    ///
    /// # Errors
    /// A file that is no HDF5 or has no such data set; a shape whose values no memory holds.
    pub(crate) fn open(path: &Path, dataset: &'static str) -> Result<Self, DataError> {
        /// No compression does better than a thousand; a damaged shape would ask for more memory than there is.
        const MOST_VALUES_A_BYTE: u64 = 1024;
        let file = path.display().to_string();
        check_length(path, &file)?;
        let bytes = std::fs::metadata(path).map_err(DataError::io(path, "stat"))?.len();
        let most = bytes.saturating_mul(MOST_VALUES_A_BYTE);
        let shape = guard(&file, || Ok(open_handle(path)?.dataset(dataset)?.shape()))
            .map_err(|error| explain_missing(path, &file, dataset, error))?;
        let values = shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
        let Some((&rows, rest)) = shape.split_first().filter(|_| values.is_some_and(|n| n as u64 <= most)) else {
            let reason = format!("/{dataset} has the shape {shape:?}, which does not fit into {bytes} bytes");
            return Err(format_error(&file, reason));
        };
        Ok(Self {
            file,
            path: path.to_owned(),
            dataset,
            rows: rows as u64,
            shape: rest.to_vec(),
        })
    }

    /// The values of `rows`, as f64, row-major.
    ///
    /// # Errors
    /// Damaged data; values that are neither f64 nor f32.
    pub(crate) fn read(&self, rows: Range<u64>) -> Result<Vec<f64>, DataError> {
        let starts: Vec<usize> = std::iter::once(rows.start as usize)
            .chain(self.shape.iter().map(|_| 0))
            .collect();
        let counts: Vec<usize> = std::iter::once((rows.end - rows.start) as usize)
            .chain(self.shape.iter().copied())
            .collect();
        guard(&self.file, || {
            let handle = open_handle(&self.path)?;
            let set = handle.dataset(self.dataset)?;
            match set.datatype()? {
                DatatypeMessage::FloatingPoint { size: 4, .. } => Ok(set
                    .read_slice::<f32>(&starts, &counts)?
                    .into_iter()
                    .map(f64::from)
                    .collect()),
                _ => set.read_slice::<f64>(&starts, &counts),
            }
        })
    }
}

fn open_handle(path: &Path) -> rust_hdf5::Result<H5File> {
    // Reading needs no lock, and shared file systems often have none.
    H5File::options().no_locking().open(path)
}

fn member(name: &str, offset: usize, datatype: &DatatypeMessage) -> Member {
    let (base, count) = match datatype {
        DatatypeMessage::Array { dims, base } => (
            base.as_ref(),
            dims.iter().fold(1usize, |n, &d| n.saturating_mul(d as usize)),
        ),
        scalar => (scalar, 1),
    };
    let kind = match base {
        DatatypeMessage::FloatingPoint {
            size: 4,
            byte_order: ByteOrder::LittleEndian,
            ..
        } => Kind::F32,
        DatatypeMessage::FixedPoint {
            size: 8,
            byte_order: ByteOrder::LittleEndian,
            signed: true,
            ..
        } => Kind::I64,
        _ => Kind::Other,
    };
    Member {
        name: name.to_owned(),
        offset,
        kind,
        count,
        described: datatype.to_string(),
    }
}

/// Compares the end-of-file address of the superblock with the length on disk.
fn check_length(path: &Path, file: &str) -> Result<(), DataError> {
    let mut handle = std::fs::File::open(path).map_err(DataError::io(path, "open"))?;
    let found = handle.metadata().map_err(DataError::io(path, "stat"))?.len();
    let mut head = Vec::with_capacity(64);
    handle
        .by_ref()
        .take(64)
        .read_to_end(&mut head)
        .map_err(DataError::io(path, "read"))?;
    if head.len() < 9 || &head[..8] != b"\x89HDF\r\n\x1a\n" {
        return Err(format_error(
            file,
            "the file does not start with the HDF5 signature".into(),
        ));
    }
    // Superblock versions 0 and 1 keep the address behind 24 or 28 fixed bytes and two addresses; 2 and 3 behind 12 and
    // two.
    let at = match head[8] {
        0 => 40,
        1 => 44,
        _ => 28,
    };
    let Some(Ok(bytes)) = head.get(at..at + 8).map(<[u8; 8]>::try_from) else {
        return Err(DataError::Truncated {
            file: file.to_owned(),
            expected: 96,
            found,
        });
    };
    let expected = u64::from_le_bytes(bytes);
    if found < expected {
        return Err(DataError::Truncated {
            file: file.to_owned(),
            expected,
            found,
        });
    }
    Ok(())
}

/// Says what is in a file that lacks the table.
fn explain_missing(path: &Path, file: &str, dataset: &str, error: DataError) -> DataError {
    match guard(file, || Ok(open_handle(path)?.dataset_names())) {
        Ok(names) if !names.iter().any(|name| name.trim_start_matches('/') == dataset) => {
            let mut shown = names.into_iter().take(20).collect::<Vec<_>>().join(", ");
            if shown.is_empty() {
                shown = "no data set".into();
            }
            DataError::MissingColumn {
                file: file.to_owned(),
                column: format!("/{dataset}"),
                found: shown,
            }
        }
        _ => error,
    }
}

fn format_error(file: &str, reason: String) -> DataError {
    DataError::Format {
        file: file.to_owned(),
        format: "HDF5",
        reason,
    }
}

/// Runs a library call. Damaged files make the decoder index out of bounds in places; that must not end the program.
fn guard<T>(file: &str, call: impl FnOnce() -> rust_hdf5::Result<T>) -> Result<T, DataError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format_error(file, error.to_string())),
        Err(panic) => Err(format_error(file, panic_message(&*panic))),
    }
}
