//! The file formats: one file each, all behind [`Source`].

mod csv;
mod hdf5;
mod hdf5_frame;
mod hdf5_table;
mod npy;
mod parquet;

pub use csv::CsvTable;
pub(crate) use hdf5::Dense as DenseHdf5;
pub use hdf5_frame::PandasFrame;
pub use hdf5_table::PandasTable;
pub use npy::{NumpyArrays, NumpyMember};
pub use parquet::ParquetFile;

use crate::error::DataError;
use crate::source::Source;
use std::path::Path;
use std::sync::Arc;

/// Opens a file by its extension: `.parquet`, `.h5`/`.hdf5`, `.npy`, `.npz`, `.csv`/`.tsv`, also gzipped.
///
/// # Errors
/// An unknown extension, and whatever the reader finds.
pub fn open(path: &Path) -> Result<Arc<dyn Source>, DataError> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    let stem = path.file_stem().map(Path::new).and_then(Path::extension);
    let packed_table = extension == "gz" && stem.is_some_and(|e| e == "csv" || e == "tsv");
    Ok(match extension.as_str() {
        "parquet" | "parq" => Arc::new(ParquetFile::open(path)?),
        "h5" | "hdf5" => match PandasFrame::key(path)? {
            Some(key) => Arc::new(PandasFrame::open(path, &key)?),
            None => Arc::new(PandasTable::open(path)?),
        },
        "npy" | "npz" => Arc::new(NumpyArrays::open(path)?),
        "csv" | "tsv" => Arc::new(CsvTable::open(path)?),
        "gz" if packed_table => Arc::new(CsvTable::open(path)?),
        _ => {
            return Err(DataError::UnknownFormat {
                file: path.display().to_string(),
                known: ".parquet, .h5 (the reference top-tagging table, or a pandas frame), .npy, .npz, .csv, .tsv, .csv.gz",
            });
        }
    })
}

#[cfg(test)]
mod tests;
