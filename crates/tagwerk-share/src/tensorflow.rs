//! Checkpoints of TensorFlow 2: `NAME.index` and `NAME.data-00000-of-00001`.
//!
//! The index is a table of sorted keys in the format of LevelDB, without compression; its values are small protocol buffers
//! that say type, shape, place and checksum of a tensor, and the data file holds the bytes of all of them. Nothing in either
//! is executed; work and memory are bounded by the sizes of the files, and every checksum is compared.

mod table;

use crate::error::{Result, ShareError, io};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use table::{crc32c, entries, masked};

/// Types of tensors that are read; of others the shape alone is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorFlowType {
    /// 32 bits, floating.
    F32,
    /// 64 bits, floating.
    F64,
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// Anything else, by its number.
    Other(u64),
}

impl TensorFlowType {
    fn of(number: u64) -> Self {
        match number {
            1 => Self::F32,
            2 => Self::F64,
            3 => Self::I32,
            9 => Self::I64,
            other => Self::Other(other),
        }
    }

    fn bytes(self) -> Option<usize> {
        match self {
            Self::F32 | Self::I32 => Some(4),
            Self::F64 | Self::I64 => Some(8),
            Self::Other(_) => None,
        }
    }
}

/// One tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointTensor {
    /// Type.
    pub dtype: TensorFlowType,
    /// Shape.
    pub shape: Vec<usize>,
    /// Values, row by row; absent for types that are not read.
    pub values: Option<Vec<f64>>,
}

/// A checkpoint, read whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// What both files' names begin with.
    pub prefix: PathBuf,
    /// SHA-256 of the data file.
    pub sha256: String,
    /// Bytes of both files.
    pub bytes: u64,
    /// By key.
    pub tensors: BTreeMap<String, CheckpointTensor>,
}

const INDEX: &str = ".index";
const DATA: &str = ".data-00000-of-00001";

impl Checkpoint {
    /// What the names of both files begin with, if `path` is one of them or that.
    pub fn prefix(path: &Path) -> Option<PathBuf> {
        let text = path.to_str()?;
        let prefix = text
            .strip_suffix(INDEX)
            .or_else(|| text.strip_suffix(DATA))
            .unwrap_or(text);
        Path::new(&format!("{prefix}{INDEX}"))
            .is_file()
            .then(|| PathBuf::from(prefix))
    }

    /// Reads a checkpoint by either of its files, or by what their names begin with.
    ///
    /// # Errors
    /// Files that are missing, damaged, compressed or of several shards.
    pub fn read(path: &Path) -> Result<Self> {
        let prefix = Self::prefix(path).ok_or_else(|| ShareError::TensorFlow {
            path: path.to_owned(),
            reason: format!("no checkpoint: there is no `{}{INDEX}`", path.display()),
        })?;
        let named = |suffix: &str| PathBuf::from(format!("{}{suffix}", prefix.display()));
        let (index_path, data_path) = (named(INDEX), named(DATA));
        let index = std::fs::read(&index_path).map_err(io(&index_path, "read"))?;
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |reason: String| ShareError::TensorFlow { path, reason }
        };
        let found = entries(&index).map_err(fault(&index_path))?;
        if let Some((_, header)) = found.iter().find(|(key, _)| key.is_empty()) {
            let shards = field(header, 1).map_err(fault(&index_path))?.unwrap_or(1);
            if shards != 1 {
                let reason = format!("{shards} shards; checkpoints of one are read");
                return Err(fault(&index_path)(reason));
            }
        }
        let data = std::fs::read(&data_path).map_err(io(&data_path, "read"))?;
        let mut tensors = BTreeMap::new();
        for (key, value) in found.iter().filter(|(key, _)| !key.is_empty()) {
            let key = String::from_utf8_lossy(key).into_owned();
            let place = |reason: String| format!("tensor '{key}': {reason}");
            let entry = Entry::parse(value).map_err(|r| fault(&index_path)(place(r)))?;
            let tensor = entry.read(&data).map_err(|r| fault(&data_path)(place(r)))?;
            tensors.insert(key, tensor);
        }
        Ok(Self {
            prefix,
            sha256: tagwerk_data::sha256(&data),
            bytes: (index.len() + data.len()) as u64,
            tensors,
        })
    }
}

type Told<T> = std::result::Result<T, String>;

/// What the index says of a tensor.
#[derive(Debug, Default, PartialEq)]
struct Entry {
    dtype: u64,
    shape: Vec<usize>,
    shard: u64,
    offset: u64,
    size: u64,
    crc: Option<u32>,
}

impl Entry {
    fn parse(bytes: &[u8]) -> Told<Self> {
        let mut entry = Self::default();
        for found in fields(bytes)? {
            match found {
                (1, Value::Number(v)) => entry.dtype = v,
                (2, Value::Bytes(shape)) => {
                    for (number, dimension) in fields(shape)? {
                        if let (2, Value::Bytes(dimension)) = (number, dimension) {
                            let size = field(dimension, 1)?.unwrap_or(0);
                            entry
                                .shape
                                .push(usize::try_from(size).map_err(|_| format!("dimension {size}"))?);
                        }
                    }
                }
                (3, Value::Number(v)) => entry.shard = v,
                (4, Value::Number(v)) => entry.offset = v,
                (5, Value::Number(v)) => entry.size = v,
                (6, Value::Fixed32(v)) => entry.crc = Some(v),
                (7, _) => return Err("a partitioned variable; whole ones are read".to_owned()),
                _ => {}
            }
        }
        match entry.shard {
            0 => Ok(entry),
            shard => Err(format!("it lies in shard {shard}; checkpoints of one are read")),
        }
    }

    fn read(&self, data: &[u8]) -> Told<CheckpointTensor> {
        let dtype = TensorFlowType::of(self.dtype);
        let mut tensor = CheckpointTensor {
            dtype,
            shape: self.shape.clone(),
            values: None,
        };
        let Some(width) = dtype.bytes() else {
            return Ok(tensor);
        };
        let count = self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let expected = count.and_then(|n| n.checked_mul(width)).map(|n| n as u64);
        if expected != Some(self.size) {
            return Err(format!("{} bytes for the shape {:?}", self.size, self.shape));
        }
        let end = self
            .offset
            .checked_add(self.size)
            .filter(|&end| end <= data.len() as u64);
        let Some(end) = end else {
            let length = data.len();
            return Err(format!(
                "bytes {} to {} of {length}",
                self.offset,
                self.offset.saturating_add(self.size)
            ));
        };
        let bytes = &data[self.offset as usize..end as usize];
        if let Some(expected) = self.crc {
            let found = masked(crc32c(bytes));
            if found != expected {
                return Err(format!("checksum {found:08x}, the index says {expected:08x}"));
            }
        }
        let eight = |b: &[u8]| -> [u8; 8] {
            let mut out = [0; 8];
            out.copy_from_slice(b);
            out
        };
        let four = |b: &[u8]| [b[0], b[1], b[2], b[3]];
        let values = bytes.chunks_exact(width);
        tensor.values = Some(match dtype {
            TensorFlowType::F32 => values.map(|b| f64::from(f32::from_le_bytes(four(b)))).collect(),
            TensorFlowType::I32 => values.map(|b| f64::from(i32::from_le_bytes(four(b)))).collect(),
            TensorFlowType::F64 => values.map(|b| f64::from_le_bytes(eight(b))).collect(),
            _ => values.map(|b| i64::from_le_bytes(eight(b)) as f64).collect(),
        });
        Ok(tensor)
    }
}

/// A value of a protocol buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    Number(u64),
    Fixed32(u32),
    Fixed64,
    Bytes(&'a [u8]),
}

/// The fields of a protocol buffer.
fn fields(mut bytes: &[u8]) -> Told<Vec<(u64, Value<'_>)>> {
    let short = || "a protocol buffer ends in the middle".to_owned();
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = table::varint(&mut bytes).ok_or_else(short)?;
        let value = match tag & 7 {
            0 => Value::Number(table::varint(&mut bytes).ok_or_else(short)?),
            1 => {
                table::take(&mut bytes, 8).ok_or_else(short)?;
                Value::Fixed64
            }
            2 => {
                let length = table::varint(&mut bytes).ok_or_else(short)?;
                let length = usize::try_from(length).map_err(|_| short())?;
                Value::Bytes(table::take(&mut bytes, length).ok_or_else(short)?)
            }
            5 => {
                let b = table::take(&mut bytes, 4).ok_or_else(short)?;
                Value::Fixed32(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            }
            kind => return Err(format!("a protocol buffer with a field of kind {kind}")),
        };
        found.push((tag >> 3, value));
    }
    Ok(found)
}

/// A number of a protocol buffer.
fn field(bytes: &[u8], wanted: u64) -> Told<Option<u64>> {
    let found = fields(bytes)?
        .into_iter()
        .rev()
        .find_map(|(number, value)| match value {
            Value::Number(v) if number == wanted => Some(v),
            _ => None,
        });
    Ok(found)
}

#[cfg(test)]
pub(crate) mod writer;

#[cfg(test)]
mod tests {
    use super::writer::{float, write};
    use super::*;
    use proptest::prelude::*;

    fn many() -> Vec<(String, Vec<usize>, Vec<f32>)> {
        // More keys than a block holds, many with long common beginnings.
        (0..300)
            .map(|i| {
                let shape = vec![1 + i % 3, 2];
                let values = (0..shape[0] * 2).map(|k| (i * 10 + k) as f32 * 0.25 - 3.0).collect();
                (
                    format!("layer_with_weights-{}/kernel/{i:04}/.ATTRIBUTES/VARIABLE_VALUE", i % 7),
                    shape,
                    values,
                )
            })
            .collect()
    }

    #[test]
    fn what_was_written_is_read_by_any_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("weights-25-0.957");
        let tensors = many();
        write(
            &prefix,
            &tensors.iter().map(|(n, s, v)| float(n, s, v)).collect::<Vec<_>>(),
        );
        let whole = Checkpoint::read(&prefix).unwrap();
        assert_eq!(whole.tensors.len(), 300);
        for (name, shape, values) in &tensors {
            let found = &whole.tensors[name];
            assert_eq!((&found.shape, found.dtype), (shape, TensorFlowType::F32));
            let expected: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
            assert_eq!(found.values.as_ref().unwrap(), &expected);
        }
        for name in ["weights-25-0.957.index", "weights-25-0.957.data-00000-of-00001"] {
            assert_eq!(Checkpoint::read(&dir.path().join(name)).unwrap(), whole);
        }
        let missing = Checkpoint::read(&dir.path().join("weights-26"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("weights-26.index"), "{missing}");
    }

    #[test]
    fn a_damaged_byte_is_found_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("w");
        write(
            &prefix,
            &[
                float("a/kernel", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
                float("b", &[1], &[5.0]),
            ],
        );
        let path = |suffix: &str| dir.path().join(format!("w{suffix}"));
        for suffix in [".index", ".data-00000-of-00001"] {
            let whole = std::fs::read(path(suffix)).unwrap();
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x10;
                std::fs::write(path(suffix), &damaged).unwrap();
                // The footer's padding is the one place that says nothing.
                if let Ok(found) = Checkpoint::read(&prefix) {
                    assert!(
                        suffix == ".index" && at + 48 >= whole.len() && found.tensors.len() == 2,
                        "{suffix} {at}"
                    );
                }
            }
            std::fs::write(path(suffix), &whole[..whole.len() / 2]).unwrap();
            assert!(Checkpoint::read(&prefix).is_err());
            std::fs::write(path(suffix), &whole).unwrap();
        }
        assert!(Checkpoint::read(&prefix).is_ok());
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4: 32 zeros, 32 ones, and the bytes 0 to 31.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_are_refused_in_words(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = entries(&bytes);
            let _ = Entry::parse(&bytes).map(|entry| entry.read(&bytes));
        }
    }
}
