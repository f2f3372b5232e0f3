//! From a path to a data set.

use super::classes::{chosen_rows, of_chosen};
use super::{DataFile, Inner, JetDataset, JetOptions};
use crate::catalogue;
use crate::columns::JetColumns;
use crate::digest::{file_digest, sha256};
use crate::error::DataError;
use crate::readers::{self, NumpyArrays, ParquetFile};
use crate::source::{Plan, Source};
use crate::split::{Part, RowSet, Split, split_by_column, split_rows};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array};
use arrow_schema::DataType;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

/// What was read, for provenance: it changes when a byte of the data does.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint {
    /// Name of the data set.
    pub dataset: String,
    /// Its files, in order.
    pub files: Vec<FileFingerprint>,
}

/// One file of a [`Fingerprint`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileFingerprint {
    /// Name without directories.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// File stems of the parts in a directory, in the order of [`Part::ALL`].
const STEMS: [&[&str]; 3] = [&["train"], &["val", "validation", "valid"], &["test"]];
const EXTENSIONS: [&str; 3] = ["h5", "hdf5", "parquet"];

impl JetDataset {
    /// Opens a `.parquet`, `.h5`, `.npy` or `.npz` file, or a directory with `train`, `val` and `test` files (`.h5` or
    /// `.parquet`). Reads headers only, unless the split or the choice of two classes needs a column.
    ///
    /// # Errors
    /// Files that are missing, damaged or without the columns of jets; a split that does not fit.
    pub fn open(path: &Path, options: &JetOptions) -> Result<Self, DataError> {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("data")
            .to_owned();
        if path.is_dir() {
            return Self::open_directory(name, path, options);
        }
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz")) && options.split.is_none() {
            let (members, _) = NumpyArrays::members(path)?;
            if members.iter().any(|m| m.name == "X_train_0") {
                let flagged = members.iter().any(|m| m.name == "X_train_1" && m.shape.is_empty());
                return Self::open_divided(name, path, flagged, options);
            }
        }
        let source = readers::open(path)?;
        let parts = file_parts(source.as_ref(), &options.split.clone().unwrap_or_default())?;
        let file = DataFile::new(source, Some(path), 0, options)?;
        Ok(Self::assemble(
            name,
            vec![file],
            parts.map(|rows| vec![(0, rows)]),
            String::new(),
            options,
        ))
    }

    /// The sample inside the program: real generated jets, enough to try every command without a download.
    ///
    /// # Errors
    /// None, unless the program itself is damaged.
    pub fn sample() -> Result<Self, DataError> {
        Self::sample_with(&JetOptions::default())
    }

    /// The sample, with options.
    ///
    /// # Errors
    /// Options that do not fit.
    pub fn sample_with(options: &JetOptions) -> Result<Self, DataError> {
        let source = Arc::new(ParquetFile::from_bytes(
            "sample",
            Bytes::from_static(catalogue::SAMPLE_PARQUET),
        )?);
        let parts = file_parts(source.as_ref(), &options.split.clone().unwrap_or_default())?;
        let file = DataFile::new(source, None, 0, options)?;
        Ok(Self::assemble(
            "sample".into(),
            vec![file],
            parts.map(|rows| vec![(0, rows)]),
            String::new(),
            options,
        ))
    }

    /// Jets in the layout of pd4ml (arXiv:2107.00656): training and test jets in one archive. Which of the former
    /// validate is told by the flag `X_train_1` (0 train, 2 validation), or they are the last fifth.
    fn open_divided(name: String, path: &Path, flagged: bool, options: &JetOptions) -> Result<Self, DataError> {
        let open = |part: &str, first_row: u64| {
            let label = format!("y_{part}");
            let names = [format!("X_{part}_0"), label.clone()];
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let source = Arc::new(NumpyArrays::open_arrays(path, Some(&names))?);
            let options = JetOptions {
                label: Some(label),
                ..options.clone()
            };
            DataFile::new(source, Some(path), first_row, &options)
        };
        let train = open("train", 0)?;
        let count = train.source.row_count();
        let test = open("test", count)?;
        let [first, second, other] = if flagged {
            let flags = NumpyArrays::open_arrays(path, Some(&["X_train_1"]))?;
            split_by_column(
                flags.file(),
                "X_train_1",
                split_column(&flags, "X_train_1")?.into_iter(),
            )?
        } else {
            let cut = count * 4 / 5;
            [RowSet::Range(0..cut), RowSet::Range(cut..count), RowSet::Range(0..0)]
        };
        if let Some(row) = other.row(0) {
            return Err(DataError::Value {
                file: path.display().to_string(),
                row,
                column: "X_train_1".into(),
                value: "1".into(),
                allowed: "0 (train) or 2 (validation) among the training jets",
            });
        }
        let rest = RowSet::Range(0..test.source.row_count());
        let parts = [vec![(0, first)], vec![(0, second)], vec![(1, rest)]];
        Ok(Self::assemble(name, vec![train, test], parts, String::new(), options))
    }

    fn open_directory(name: String, path: &Path, options: &JetOptions) -> Result<Self, DataError> {
        if !matches!(options.split, None | Some(Split::Files)) {
            return Err(DataError::Split {
                reason: format!(
                    "{} is a directory, whose files are the split; name a single file to split it otherwise",
                    path.display()
                ),
            });
        }
        let mut files = Vec::new();
        let mut parts: [Vec<(usize, RowSet)>; 3] = Default::default();
        let mut first_row = 0;
        for part in Part::ALL {
            let found = STEMS[part as usize]
                .iter()
                .flat_map(|stem| EXTENSIONS.map(|extension| path.join(format!("{stem}.{extension}"))))
                .find(|candidate| candidate.is_file());
            let Some(file) = found else { continue };
            let data = DataFile::new(readers::open(&file)?, Some(&file), first_row, options)?;
            let rows = data.source.row_count();
            parts[part as usize].push((files.len(), RowSet::Range(0..rows)));
            first_row += rows;
            files.push(data);
        }
        if files.is_empty() {
            return Err(DataError::UnknownFormat {
                file: path.display().to_string(),
                known: "a directory with train.h5, val.h5 and test.h5 (or .parquet)",
            });
        }
        let hint = format!(": {} needs train, val and test files", path.display());
        Ok(Self::assemble(name, files, parts, hint, options))
    }

    fn assemble(
        name: String,
        files: Vec<DataFile>,
        parts: [Vec<(usize, RowSet)>; 3],
        hint: String,
        options: &JetOptions,
    ) -> Self {
        // The part of a row does not depend on which classes are chosen.
        let parts = parts.map(|part| {
            let chosen = |(file, rows): (usize, RowSet)| match &files[file].chosen {
                Some(chosen) => (file, of_chosen(&rows, chosen)),
                None => (file, rows),
            };
            part.into_iter().map(chosen).collect()
        });
        let inner = Inner {
            name,
            files,
            parts,
            hint,
            seed: options.seed,
            empty: options.empty,
            skipped: Default::default(),
            estimates: Default::default(),
            readers: Default::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Sizes and checksums of the files. Reads them whole, a second or two a gigabyte.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, DataError> {
        let files = self.inner.files.iter().map(|file| {
            let rows = file.source.row_count();
            match &file.path {
                None => Ok(FileFingerprint {
                    name: file.source.file().to_owned(),
                    bytes: catalogue::SAMPLE_PARQUET.len() as u64,
                    rows,
                    sha256: sha256(catalogue::SAMPLE_PARQUET),
                }),
                Some(path) => {
                    let (bytes, sha256) = file_digest(path)?;
                    let name = path
                        .file_name()
                        .map(|name| name.to_string_lossy().into_owned())
                        .unwrap_or_default();
                    Ok(FileFingerprint {
                        name,
                        bytes,
                        rows,
                        sha256,
                    })
                }
            }
        });
        Ok(Fingerprint {
            dataset: self.inner.name.clone(),
            files: files.collect::<Result<_, DataError>>()?,
        })
    }
}

impl DataFile {
    fn new(
        source: Arc<dyn Source>,
        path: Option<&Path>,
        first_row: u64,
        options: &JetOptions,
    ) -> Result<Self, DataError> {
        let columns = JetColumns::find(&source.schema(), source.file(), options.labels()?)?;
        let chosen = chosen_rows(source.as_ref(), &columns)?;
        Ok(Self {
            source,
            columns,
            first_row,
            path: path.map(Path::to_owned),
            chosen: chosen.map(Into::into),
        })
    }
}

fn file_parts(source: &dyn Source, split: &Split) -> Result<[RowSet; 3], DataError> {
    match split {
        Split::Column { name } => {
            let values = split_column(source, name)?;
            split_by_column(source.file(), name, values.into_iter())
        }
        Split::Files => Err(DataError::Split {
            reason: format!("{} is one file; a split by files needs their directory", source.file()),
        }),
        by_row => split_rows(by_row, source.row_count()),
    }
}

/// The values of the column that says the part.
fn split_column(source: &dyn Source, name: &str) -> Result<Vec<i64>, DataError> {
    let schema = source.schema();
    // The reference files keep `ttv` beside the label in one block of two.
    let inside = schema
        .field_with_name("values_block_1")
        .ok()
        .filter(|_| name == "ttv" && schema.index_of(name).is_err());
    let (column, position) = match inside {
        Some(field) => {
            let order = field.metadata().get("columns");
            (
                "values_block_1",
                usize::from(order.is_some_and(|order| !order.starts_with("ttv"))),
            )
        }
        None => (name, 0),
    };
    let mut values = Vec::with_capacity(source.row_count() as usize);
    for batch in source.read(&Plan::default().columns(&[column]))? {
        let batch = batch?;
        let array = batch.column(0);
        let wrong = || DataError::WrongType {
            file: source.file().to_owned(),
            column: column.to_owned(),
            found: array.data_type().to_string(),
            allowed: "an integer a row",
        };
        match array.data_type() {
            DataType::FixedSizeList(_, width) => {
                let list = array.as_fixed_size_list();
                let items: &Int64Array = list.values().as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
                values.extend(items.values().iter().skip(position).step_by((*width).max(1) as usize));
            }
            _ => {
                let integers = integers(array.as_ref()).ok_or_else(wrong)?;
                values.extend(integers);
            }
        }
    }
    Ok(values)
}

fn integers(array: &dyn Array) -> Option<Vec<i64>> {
    use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, UInt8Type};
    let whole = |values: &mut dyn Iterator<Item = f64>| -> Vec<i64> {
        values
            .map(|v| if v.fract() == 0.0 { v as i64 } else { i64::MIN })
            .collect()
    };
    Some(match array.data_type() {
        DataType::Int8 => array
            .as_primitive::<Int8Type>()
            .values()
            .iter()
            .map(|&v| v.into())
            .collect(),
        DataType::UInt8 => array
            .as_primitive::<UInt8Type>()
            .values()
            .iter()
            .map(|&v| v.into())
            .collect(),
        DataType::Int16 => array
            .as_primitive::<Int16Type>()
            .values()
            .iter()
            .map(|&v| v.into())
            .collect(),
        DataType::Int32 => array
            .as_primitive::<Int32Type>()
            .values()
            .iter()
            .map(|&v| v.into())
            .collect(),
        DataType::Int64 => array.as_primitive::<Int64Type>().values().to_vec(),
        // Flags are kept as floats beside momenta; what is no whole number is no part's.
        DataType::Float32 => whole(
            &mut array
                .as_primitive::<Float32Type>()
                .values()
                .iter()
                .map(|&v| f64::from(v)),
        ),
        DataType::Float64 => whole(&mut array.as_primitive::<Float64Type>().values().iter().copied()),
        _ => return None,
    })
}
