//! Named arrays and one text in a safetensors file, there whole or not at all: what chains and draws are saved in.

use crate::SurrogateError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A type of which arrays are made.
pub trait Element: Copy {
    /// Its name in the file.
    const DTYPE: Dtype;
    /// Appends its bytes.
    fn push(self, bytes: &mut Vec<u8>);
    /// From as many bytes as the type has.
    fn of_bytes(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($type:ty, $dtype:expr) => {
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
        }
    };
}

element!(f64, Dtype::F64);
element!(f32, Dtype::F32);
element!(u64, Dtype::U64);

/// One array: type, shape, bytes.
#[derive(Debug)]
struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Arrays by name, on their way to a file or from one. Every value comes back with its bits.
#[derive(Debug, Default)]
pub struct Arrays {
    path: PathBuf,
    arrays: BTreeMap<String, Array>,
}

impl Arrays {
    /// Adds an array of a shape.
    pub fn put<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) {
        let mut bytes = Vec::with_capacity(size_of_val(values));
        values.iter().for_each(|value| value.push(&mut bytes));
        let array = Array {
            dtype: T::DTYPE,
            shape: shape.to_vec(),
            bytes,
        };
        self.arrays.insert(name.to_string(), array);
    }

    /// Adds a vector.
    pub fn vector<T: Element>(&mut self, name: &str, values: &[T]) {
        self.put(name, &[values.len()], values);
    }

    /// Takes an array out, with its shape.
    ///
    /// # Errors
    /// An array that is not there, of another type or of another number of axes.
    pub fn take<T: Element>(&mut self, name: &str, axes: usize) -> Result<(Vec<usize>, Vec<T>), SurrogateError> {
        let Some(array) = self.arrays.remove(name) else {
            return Err(self.fault(format!("has no array `{name}`")));
        };
        if array.dtype != T::DTYPE || array.shape.len() != axes {
            let reason = format!(
                "`{name}` is {:?} {:?}, must be {:?} with {axes} axes",
                array.dtype,
                array.shape,
                T::DTYPE
            );
            return Err(self.fault(reason));
        }
        let values = array.bytes.chunks_exact(size_of::<T>()).map(T::of_bytes).collect();
        Ok((array.shape, values))
    }

    /// Takes a vector of a known length out.
    ///
    /// # Errors
    /// Those of [`take`](Self::take), and another length.
    pub fn take_vector<T: Element>(&mut self, name: &str, length: usize) -> Result<Vec<T>, SurrogateError> {
        let (_, values) = self.take(name, 1)?;
        if values.len() != length {
            return Err(self.fault(format!("`{name}` has length {}, must have {length}", values.len())));
        }
        Ok(values)
    }

    /// Takes a vector of one value out.
    ///
    /// # Errors
    /// Those of [`take_vector`](Self::take_vector).
    pub fn take_one<T: Element>(&mut self, name: &str) -> Result<T, SurrogateError> {
        Ok(self.take_vector(name, 1)?[0])
    }

    /// An error about this file.
    pub fn fault(&self, reason: impl Into<String>) -> SurrogateError {
        fault(&self.path, reason)
    }

    /// Refuses arrays that nobody took.
    ///
    /// # Errors
    /// The name of the first that is left.
    pub(crate) fn finish(&self) -> Result<(), SurrogateError> {
        match self.arrays.keys().next() {
            Some(name) => Err(self.fault(format!("has an array `{name}` that does not belong there"))),
            None => Ok(()),
        }
    }

    /// Writes a file with texts in its header: beside its name first, synced, then renamed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write(&self, path: &Path, texts: &[(&str, &str)]) -> Result<(), SurrogateError> {
        let views = self
            .arrays
            .iter()
            .map(|(name, array)| {
                let view = TensorView::new(array.dtype, array.shape.clone(), &array.bytes);
                Ok((name.as_str(), view.map_err(|e| fault(path, format!("{name}: {e}")))?))
            })
            .collect::<Result<Vec<_>, SurrogateError>>()?;
        let header: HashMap<String, String> = texts.iter().map(|&(k, v)| (k.to_string(), v.to_string())).collect();
        let bytes = safetensors::serialize(views, Some(header)).map_err(|e| fault(path, e.to_string()))?;
        write_whole(path, &bytes)
    }

    /// Reads a file whole, and the text under `name` of its header.
    ///
    /// # Errors
    /// A file that is not there, is no safetensors file, or has no such text.
    pub(crate) fn read(path: &Path, name: &str) -> Result<(Self, String), SurrogateError> {
        let bytes = fs::read(path).map_err(|e| fault(path, format!("cannot be read: {e}")))?;
        let not_safe = |e: safetensors::SafeTensorError| fault(path, format!("is no safetensors file: {e}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(not_safe)?;
        let text = header
            .metadata()
            .as_ref()
            .and_then(|texts| texts.get(name))
            .cloned()
            .ok_or_else(|| fault(path, format!("has no `{name}` in its header")))?;
        let file = SafeTensors::deserialize(&bytes).map_err(not_safe)?;
        let arrays = file
            .iter()
            .map(|(name, view)| {
                let array = Array {
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    bytes: view.data().to_vec(),
                };
                (name.to_string(), array)
            })
            .collect();
        let path = path.to_path_buf();
        Ok((Self { path, arrays }, text))
    }
}

pub(crate) fn fault(path: &Path, reason: impl Into<String>) -> SurrogateError {
    SurrogateError::File {
        path: path.to_path_buf(),
        reason: reason.into(),
    }
}

/// Writes `bytes` under a hidden name beside `path`, syncs, renames. A name left by a killed process is overwritten the
/// next time.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SurrogateError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.partial"));
    let on_disk = || -> std::io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        #[cfg(unix)]
        if let Some(folder) = path.parent() {
            let here = folder.as_os_str().is_empty();
            File::open(if here { Path::new(".") } else { folder })?.sync_all()?;
        }
        Ok(())
    };
    on_disk().map_err(|e| fault(path, format!("cannot be written: {e}")))
}
