//! The file formats: one file each, all behind [`Source`].

mod hdf5;
mod hdf5_frame;
mod hdf5_table;
mod npy;
mod parquet;

pub(crate) use hdf5::Dense as DenseHdf5;
pub use hdf5_frame::PandasFrame;
pub use hdf5_table::PandasTable;
pub use npy::{NumpyArrays, NumpyMember};
pub use parquet::ParquetFile;

use crate::error::DataError;
use crate::source::Source;
use std::path::Path;
use std::sync::Arc;

/// Opens a file by its extension: `.parquet`, `.h5`/`.hdf5`, `.npy`, `.npz`.
///
/// # Errors
/// An unknown extension, and whatever the reader finds.
pub fn open(path: &Path) -> Result<Arc<dyn Source>, DataError> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    Ok(match extension.as_str() {
        "parquet" | "parq" => Arc::new(ParquetFile::open(path)?),
        "h5" | "hdf5" => match PandasFrame::key(path)? {
            Some(key) => Arc::new(PandasFrame::open(path, &key)?),
            None => Arc::new(PandasTable::open(path)?),
        },
        "npy" | "npz" => Arc::new(NumpyArrays::open(path)?),
        _ => {
            return Err(DataError::UnknownFormat {
                file: path.display().to_string(),
                known: ".parquet, .h5 (the reference top-tagging table, or a pandas frame), .npy, .npz",
            });
        }
    })
}

#[cfg(test)]
mod tests;
