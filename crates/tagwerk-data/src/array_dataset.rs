//! A data set of arrays: a file, what its arrays are, and which events train, validate and test.
//!
//! Three kinds of file. **NPZ** as pd4ml has it (arXiv:2107.00656): `X_train_0`, `X_train_1`, .. and `y_train`,
//! `X_test_0`, .. and `y_test`; an array whose first axis is not the number of events belongs to the whole. Someone's
//! own may have one part: `X_0` (or `X`), .. and `y`. **Text**: a line an event, with commas, tabs, semicolons or
//! blanks, gzipped or not.
//! **HDF5** of images, a data set a class. Events are held in memory, not streamed: the largest published set, 100,000
//! air showers, takes 2.6 GB.

mod images;
mod npz;
mod table;

use crate::array_set::ArraySet;
use crate::arrays::{Arrays, NamedArray};
use crate::dataset::{FileFingerprint, Fingerprint, JetOptions};
use crate::digest::file_digest;
use crate::error::DataError;
use crate::readers::NumpyArrays;
use crate::split::{Part, RowSet, Split, split_rows, subset};
use crate::stand_in::StandIn;
use crate::task::Task;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Shape of one array of a data set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ArrayInfo {
    /// Name, without the part: `X_0`.
    pub name: String,
    /// Shape of one event.
    pub shape: Vec<usize>,
}

/// Events on disk, divided into parts. Cloning shares everything.
#[derive(Debug, Clone)]
pub struct ArrayDataset {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    set: ArraySet,
    name: String,
    path: PathBuf,
    stand_in: Option<StandIn>,
    task: Task,
    reader: Box<dyn Reader>,
    arrays: Vec<ArrayInfo>,
    fixed: Vec<NamedArray>,
    /// The data set's row of each segment's first event.
    first_rows: Vec<u64>,
    /// (segment, rows of it) of each part, in the order of [`Part::ALL`].
    parts: [Vec<(usize, RowSet)>; 3],
    seed: u64,
}

/// A file of events. A segment is a run of events that is stored by itself: those of one published part, or one class.
trait Reader: Debug + Send + Sync {
    /// Format in words.
    fn format(&self) -> String;

    /// The arrays of an event.
    fn arrays(&self) -> Vec<ArrayInfo>;

    /// Arrays that are not per event.
    fn fixed(&self) -> Result<Vec<NamedArray>, DataError> {
        Ok(Vec::new())
    }

    /// Events of each segment.
    fn segments(&self) -> Vec<u64>;

    /// Whether the segments are the published training and test events.
    fn has_parts(&self) -> bool {
        false
    }

    /// Adds the events of these rows to the values of each array and to the targets.
    fn read(
        &self,
        segment: usize,
        rows: &RowSet,
        values: &mut [Vec<f32>],
        targets: &mut Vec<f32>,
    ) -> Result<(), DataError>;
}

impl ArrayDataset {
    /// Opens the file of a data set, or the folder that it lies in under its published name. Reads headers only, except
    /// of text, which has none and is read whole, and of [`ArraySet::Other`], whose targets say what is learned.
    ///
    /// Of the options `split`, `seed` and, for [`ArraySet::Other`], `label` mean something here. Without a split a file
    /// with published parts keeps them, and the last fifth of its training events validates; any other is divided
    /// 60/20/20 by (seed, row).
    ///
    /// # Errors
    /// A file that is missing, damaged, or not of this data set; a split that does not fit.
    pub fn open(set: ArraySet, path: &Path, options: &JetOptions) -> Result<Self, DataError> {
        if options.signal.is_some() || options.background.is_some() {
            return Err(DataError::Arrays {
                name: path.display().to_string(),
                reason:
                    "`signal` and `background` choose among classes of jets; these events are arrays with one target"
                        .into(),
            });
        }
        let entry = set.arrays();
        let path = match entry {
            Some(entry) if path.is_dir() => path.join(entry.file),
            _ => path.to_owned(),
        };
        let mut stand_in = None;
        let reader: Box<dyn Reader> = match kind(&path) {
            Some(Kind::Npz) => {
                let (reader, note) = npz::Npz::open(set, &path)?;
                stand_in = note;
                Box::new(reader)
            }
            Some(Kind::Text) => Box::new(table::Table::open(set, &path, options.label.as_deref())?),
            Some(Kind::Hdf5) if matches!(set, ArraySet::JetImages) => Box::new(images::Images::open(&path)?),
            _ => {
                return Err(DataError::UnknownFormat {
                    file: path.display().to_string(),
                    known: "arrays: .npz; tables: .csv, .tsv, .data, .txt, also .gz; jet images: .h5",
                });
            }
        };
        let arrays = reader.arrays();
        if let Some(entry) = entry {
            let expected = entry.arrays.iter().filter(|array| array.per_event);
            let expected: Vec<&[usize]> = expected.map(|array| array.shape).collect();
            let found: Vec<&[usize]> = arrays.iter().map(|array| &array.shape[..]).collect();
            if found != expected {
                return Err(DataError::Arrays {
                    name: path.display().to_string(),
                    reason: format!(
                        "its events have arrays of shape {found:?}; those of {} have {expected:?}",
                        set.name()
                    ),
                });
            }
        }
        let segments = reader.segments();
        let first_rows: Vec<u64> = segments
            .iter()
            .scan(0, |next, &rows| Some(std::mem::replace(next, *next + rows)))
            .collect();
        let parts = parts(set, reader.as_ref(), &segments, &first_rows, options)?;
        let task = match entry {
            Some(entry) => entry.learn,
            None => task_of(reader.as_ref(), &segments)?,
        };
        let stem = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = match (set, &stand_in) {
            (ArraySet::Other, _) => stem().unwrap_or_else(|| set.name().to_owned()),
            (_, Some(_)) => format!("{} (stand-in)", set.name()),
            (_, None) => set.name().to_owned(),
        };
        let inner = Inner {
            set,
            name,
            stand_in,
            task,
            arrays,
            fixed: reader.fixed()?,
            first_rows,
            parts,
            seed: options.seed,
            reader,
            path,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Which data set of arrays a file holds, from its headers; `None` for anything else, files of jets among it.
    ///
    /// A stand-in says so itself; other arrays and tables are [`ArraySet::Other`], since nothing in a file tells one
    /// published set from another.
    ///
    /// # Errors
    /// An archive that is damaged.
    pub fn recognize(path: &Path) -> Result<Option<ArraySet>, DataError> {
        if !path.is_file() {
            return Ok(None);
        }
        match kind(path) {
            Some(Kind::Text) => Ok(Some(ArraySet::Other)),
            Some(Kind::Npz) => {
                let (members, comment) = NumpyArrays::members(path)?;
                if let Some(note) = StandIn::from_comment(&comment) {
                    return Ok(Some(note.set));
                }
                let first = members
                    .iter()
                    .find(|m| ["X_train_0", "X_0", "X"].contains(&m.name.as_str()));
                // A list of four-momenta is a jet.
                let arrays = first.is_some_and(|m| !matches!(m.shape[..], [_, 4]));
                Ok(arrays.then_some(ArraySet::Other))
            }
            _ => Ok(None),
        }
    }

    /// Name in results: the catalogue's, with `(stand-in)` for generated events; that of the file for someone's own.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Which data set it is.
    pub fn set(&self) -> ArraySet {
        self.inner.set
    }

    /// What is learned.
    pub fn task(&self) -> Task {
        self.inner.task
    }

    /// Target and its unit: (`Xmax`, `g/cm^2`).
    pub fn target(&self) -> (&'static str, &'static str) {
        self.inner
            .set
            .arrays()
            .map_or(("target", ""), |entry| (entry.target, entry.unit))
    }

    /// How the events were generated, if they are a stand-in.
    pub fn stand_in(&self) -> Option<&StandIn> {
        self.inner.stand_in.as_ref()
    }

    /// The arrays of an event.
    pub fn arrays(&self) -> &[ArrayInfo] {
        &self.inner.arrays
    }

    /// Bytes of one event in memory.
    pub fn event_bytes(&self) -> u64 {
        let values = self
            .inner
            .arrays
            .iter()
            .map(|a| a.shape.iter().product::<usize>() as u64);
        4 * (values.sum::<u64>() + 1) + 8
    }

    /// Events of a part.
    pub fn rows(&self, part: Part) -> u64 {
        self.inner.parts[part as usize].iter().map(|(_, rows)| rows.len()).sum()
    }

    /// Format and arrays, in words.
    pub fn describe(&self) -> String {
        let shapes: Vec<String> = self
            .inner
            .arrays
            .iter()
            .map(|array| format!("{} {:?}", array.name, array.shape))
            .collect();
        let of = self
            .inner
            .stand_in
            .as_ref()
            .map_or(String::new(), |note| format!(", {}", note.describe()));
        format!("{}, {}{of}", self.inner.reader.format(), shapes.join(", "))
    }

    /// All events of a part, or `limit` of them picked by (the options' seed, row), in the order of the file.
    ///
    /// # Errors
    /// A part without events, and whatever is wrong in the file, with its place.
    pub fn load(&self, part: Part, limit: Option<u64>) -> Result<Arrays, DataError> {
        let inner = &*self.inner;
        let chosen = &inner.parts[part as usize];
        let total = self.rows(part);
        if total == 0 {
            return Err(DataError::Split {
                reason: format!("the {} part of {} has no events", part.name(), inner.name),
            });
        }
        let chosen = match limit {
            Some(count) => subset(chosen, &inner.first_rows, count, inner.seed),
            None => chosen.clone(),
        };
        let count = limit.unwrap_or(total).min(total) as usize;
        let sizes: Vec<usize> = inner.arrays.iter().map(|a| a.shape.iter().product()).collect();
        // Segments announce their events and are checked against their files before; what is reserved is then filled.
        let mut values: Vec<Vec<f32>> = sizes.iter().map(|&size| Vec::with_capacity(size * count)).collect();
        let mut targets = Vec::with_capacity(count);
        let mut rows = Vec::with_capacity(count);
        for (segment, set) in &chosen {
            let from = targets.len();
            inner.reader.read(*segment, set, &mut values, &mut targets)?;
            rows.extend((0..set.len()).filter_map(|at| Some(inner.first_rows[*segment] + set.row(at)?)));
            if inner.task == Task::Classification {
                self.check_labels(&targets[from..], &rows[from..])?;
            }
        }
        let arrays = inner.arrays.iter().zip(values).map(|(info, values)| NamedArray {
            name: info.name.clone(),
            shape: info.shape.clone(),
            values,
        });
        let made = Arrays::new(inner.set, arrays.collect(), inner.fixed.clone(), targets, rows);
        made.map_err(|error| match error {
            // The file is where the user looks for a bad value.
            DataError::Arrays { reason, .. } => DataError::Arrays {
                name: inner.path.display().to_string(),
                reason,
            },
            other => other,
        })
    }

    fn check_labels(&self, labels: &[f32], rows: &[u64]) -> Result<(), DataError> {
        match labels
            .iter()
            .zip(rows)
            .find(|(label, _)| **label != 0.0 && **label != 1.0)
        {
            None => Ok(()),
            Some((label, &row)) => Err(DataError::Value {
                file: self.inner.path.display().to_string(),
                row,
                column: "label".into(),
                value: label.to_string(),
                allowed: "0 and 1",
            }),
        }
    }

    /// Size and checksum of the file. Reads it whole.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, DataError> {
        let path = &self.inner.path;
        let (bytes, sha256) = file_digest(path)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Fingerprint {
            dataset: self.inner.name.clone(),
            files: vec![FileFingerprint {
                name: name.unwrap_or_default(),
                bytes,
                rows: self.inner.reader.segments().iter().sum(),
                sha256,
            }],
        })
    }
}

/// Kinds of file, by extension.
enum Kind {
    Npz,
    Text,
    Hdf5,
}

fn kind(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let stem = name.strip_suffix(".gz");
    let extension = stem.unwrap_or(&name).rsplit_once('.')?.1.to_owned();
    match (extension.as_str(), stem) {
        ("csv" | "tsv" | "data" | "txt", _) => Some(Kind::Text),
        ("npz", None) => Some(Kind::Npz),
        ("h5" | "hdf5", None) => Some(Kind::Hdf5),
        _ => None,
    }
}

/// Events of the whole HIGGS file, and those that its authors test on: the last.
const HIGGS: (u64, u64) = (11_000_000, 500_000);

fn parts(
    set: ArraySet,
    reader: &dyn Reader,
    segments: &[u64],
    first_rows: &[u64],
    options: &JetOptions,
) -> Result<[Vec<(usize, RowSet)>; 3], DataError> {
    let total: u64 = segments.iter().sum();
    let split = match &options.split {
        None if reader.has_parts() => {
            let train = segments[0] * 4 / 5;
            return Ok([
                vec![(0, RowSet::Range(0..train))],
                vec![(0, RowSet::Range(train..segments[0]))],
                vec![(1, RowSet::Range(0..segments[1]))],
            ]);
        }
        None if set == ArraySet::Higgs && total == HIGGS.0 => {
            let (test, validation) = (total - HIGGS.1, total - 2 * HIGGS.1);
            let ranges = [0..validation, validation..test, test..total];
            return Ok(ranges.map(|range| vec![(0, RowSet::Range(range))]));
        }
        None => &Split::Hash {
            seed: options.seed,
            train: 0.6,
            validation: 0.2,
            test: 0.2,
        },
        Some(Split::Files | Split::Column { .. }) => {
            return Err(DataError::Split {
                reason: "events that are arrays are divided by `fractions` or `hash`, or as published".into(),
            });
        }
        Some(split) => split,
    };
    let rows = split_rows(split, total)?;
    // Rows of the data set as rows of its segments.
    Ok(rows.map(|rows| {
        let mut parts = Vec::new();
        for (segment, (&first, &count)) in first_rows.iter().zip(segments).enumerate() {
            let own = match &rows {
                RowSet::Range(range) => {
                    let end = first + count;
                    RowSet::Range(range.start.clamp(first, end) - first..range.end.clamp(first, end) - first)
                }
                RowSet::List(rows) => {
                    let from = rows.partition_point(|&row| row < first);
                    let to = rows.partition_point(|&row| row < first + count);
                    RowSet::List(rows[from..to].iter().map(|row| row - first).collect())
                }
            };
            if !own.is_empty() {
                parts.push((segment, own));
            }
        }
        parts
    }))
}

/// Two classes if every target is 0 or 1, a number otherwise.
fn task_of(reader: &dyn Reader, segments: &[u64]) -> Result<Task, DataError> {
    for (segment, &rows) in segments.iter().enumerate() {
        let mut targets = Vec::new();
        reader.read(segment, &RowSet::Range(0..rows), &mut [], &mut targets)?;
        if targets.iter().any(|&target| target != 0.0 && target != 1.0) {
            return Ok(Task::Regression);
        }
    }
    Ok(Task::Classification)
}

#[cfg(test)]
mod tests;
