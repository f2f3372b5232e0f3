//! Named arrays in one safetensors file: what taggers without a network save.
//!
//! Every array is a vector; every value comes back with its bits. Reading checks names, types, lengths and values, so
//! that a damaged or foreign file is an error that says what does not fit.

use crate::error::TaggerError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A type of which arrays are made.
pub(crate) trait Element: Copy {
    const DTYPE: Dtype;
    fn push(self, bytes: &mut Vec<u8>);
    /// From as many bytes as [`DTYPE`](Self::DTYPE) has.
    fn of_bytes(bytes: &[u8]) -> Self;
    /// What is wrong with a value that no tagger ever saves.
    fn fault(self) -> Option<String>;
}

macro_rules! element {
    ($type:ty, $dtype:expr, $fault:expr) => {
        impl Element for $type {
            const DTYPE: Dtype = $dtype;
            fn push(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
            fn of_bytes(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$type>()];
                own.copy_from_slice(bytes);
                <$type>::from_le_bytes(own)
            }
            fn fault(self) -> Option<String> {
                let fault: fn($type) -> bool = $fault;
                fault(self).then(|| format!("holds the value {self}"))
            }
        }
    };
}

element!(f64, Dtype::F64, |value| !value.is_finite());
element!(f32, Dtype::F32, |value| !value.is_finite());
element!(u64, Dtype::U64, |_| false);

/// Arrays on their way to a file.
#[derive(Debug, Default)]
pub(crate) struct ArrayWriter {
    arrays: BTreeMap<&'static str, (Dtype, usize, Vec<u8>)>,
}

impl ArrayWriter {
    /// Adds an array.
    pub(crate) fn with<T: Element>(mut self, name: &'static str, values: &[T]) -> Self {
        let mut bytes = Vec::with_capacity(size_of_val(values));
        values.iter().for_each(|value| value.push(&mut bytes));
        self.arrays.insert(name, (T::DTYPE, values.len(), bytes));
        self
    }

    /// Writes the file; the caller owns atomicity (a checkpoint folder is renamed as a whole).
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write(&self, path: &Path) -> Result<(), TaggerError> {
        let fault = |reason: String| unreadable(path, reason);
        let views = self
            .arrays
            .iter()
            .map(|(name, (dtype, length, bytes))| {
                let view = TensorView::new(*dtype, vec![*length], bytes).map_err(|e| fault(format!("{name}: {e}")))?;
                Ok((*name, view))
            })
            .collect::<Result<Vec<_>, TaggerError>>()?;
        let file = safetensors::serialize(views, None).map_err(|e| fault(e.to_string()))?;
        std::fs::write(path, file).map_err(|e| fault(format!("write: {e}")))
    }
}

/// Arrays of a file, to be taken one by one.
#[derive(Debug)]
pub(crate) struct ArrayReader {
    path: PathBuf,
    arrays: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl ArrayReader {
    /// Reads a file whole.
    ///
    /// # Errors
    /// A file that is not there or no safetensors file.
    pub(crate) fn open(path: &Path) -> Result<Self, TaggerError> {
        let bytes = std::fs::read(path).map_err(|e| unreadable(path, format!("read: {e}")))?;
        let file =
            SafeTensors::deserialize(&bytes).map_err(|e| unreadable(path, format!("not a safetensors file: {e}")))?;
        let arrays = file
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())));
        Ok(Self {
            path: path.to_path_buf(),
            arrays: arrays.collect(),
        })
    }

    /// Takes an array of this type, of any length.
    ///
    /// # Errors
    /// An array that is missing, of another type or shape, or holds a value that is no number.
    pub(crate) fn take<T: Element>(&mut self, name: &str) -> Result<Vec<T>, TaggerError> {
        let (dtype, shape, bytes) = self
            .arrays
            .remove(name)
            .ok_or_else(|| self.fault(format!("{name} is missing: is this the same tagger?")))?;
        if dtype != T::DTYPE || shape.len() != 1 {
            return Err(self.fault(format!(
                "{name} has shape {shape:?} of {dtype:?}; this tagger needs a vector of {:?}",
                T::DTYPE
            )));
        }
        let values: Vec<T> = bytes.chunks_exact(size_of::<T>()).map(T::of_bytes).collect();
        match values.iter().find_map(|value| value.fault()) {
            Some(fault) => Err(self.fault(format!("{name} {fault}"))),
            None => Ok(values),
        }
    }

    /// Takes an array of this type and length.
    ///
    /// # Errors
    /// As [`take`](Self::take); another length.
    pub(crate) fn take_exactly<T: Element>(&mut self, name: &str, length: usize) -> Result<Vec<T>, TaggerError> {
        let values = self.take(name)?;
        if values.len() != length {
            return Err(self.fault(format!(
                "{name} has shape [{}]; this tagger needs [{length}]",
                values.len()
            )));
        }
        Ok(values)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// An array that was not taken.
    pub(crate) fn finish(self) -> Result<(), TaggerError> {
        match self.arrays.keys().next() {
            Some(name) => Err(self.fault(format!("{name} is not a part of this tagger"))),
            None => Ok(()),
        }
    }

    /// What a tagger finds wrong with the arrays itself.
    pub(crate) fn fault(&self, reason: String) -> TaggerError {
        unreadable(&self.path, reason)
    }
}

fn unreadable(path: &Path, reason: String) -> TaggerError {
    TaggerError::Saved {
        path: path.to_path_buf(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_with_every_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let (wide, narrow, whole) = ([0.1, -0.0, f64::MIN_POSITIVE], [f32::MAX, 1e-40], [u64::MAX, 3]);
        let writer = ArrayWriter::default().with("wide", &wide).with("narrow", &narrow);
        writer.with("whole", &whole).write(&path).unwrap();
        let mut reader = ArrayReader::open(&path).unwrap();
        let found: Vec<f64> = reader.take("wide").unwrap();
        assert_eq!(
            found.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            wide.map(f64::to_bits)
        );
        assert_eq!(reader.take::<f32>("narrow").unwrap(), narrow);
        assert_eq!(reader.take_exactly::<u64>("whole", 2).unwrap(), whole);
        reader.finish().unwrap();
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let write = || {
            let writer = ArrayWriter::default().with("some", &[1.0f64, 2.0]);
            writer.with("bad", &[f64::NAN]).write(&path).unwrap();
            ArrayReader::open(&path).unwrap()
        };
        let message = |e: TaggerError| {
            assert!(e.to_string().contains("a.safetensors"));
            e.to_string()
        };
        assert!(message(write().take::<f64>("other").unwrap_err()).contains("other is missing"));
        assert!(message(write().take::<u64>("some").unwrap_err()).contains("vector of U64"));
        assert!(message(write().take_exactly::<f64>("some", 3).unwrap_err()).contains("needs [3]"));
        assert!(message(write().take::<f64>("bad").unwrap_err()).contains("NaN"));
        assert!(message(write().finish().unwrap_err()).contains("bad is not a part"));
        std::fs::write(&path, "nonsense").unwrap();
        assert!(message(ArrayReader::open(&path).unwrap_err()).contains("not a safetensors file"));
    }
}
