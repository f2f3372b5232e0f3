//! A data set of jets: files, their columns, and which rows train, validate and test.

mod classes;
mod either;
mod open;
mod options;
mod reading;

pub use either::Dataset;
pub use open::{FileFingerprint, Fingerprint};
pub use options::JetOptions;
pub(crate) use reading::{Block, Gauge};

use crate::columns::{EmptyJets, JetColumns};
use crate::error::DataError;
use crate::jets::Jets;
use crate::source::{Plan, Source};
use crate::split::{Part, RowSet, subset};
use crate::stream::{JetStream, StreamOptions};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Jets on disk, divided into parts. Cloning shares everything.
#[derive(Debug, Clone)]
pub struct JetDataset {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    name: String,
    pub(crate) files: Vec<DataFile>,
    /// Rows of each part: (file, rows), in the order of [`Part::ALL`].
    parts: [Vec<(usize, RowSet)>; 3],
    /// What is said when a part has no rows.
    hint: String,
    seed: u64,
    empty: EmptyJets,
    skipped: Arc<AtomicU64>,
    estimates: [OnceLock<u64>; 3],
    /// Threads that decode. They are the data set's own: consumers that block on a stream may occupy every thread of
    /// the common pool, and the stream must still go on.
    readers: Arc<OnceLock<Option<rayon::ThreadPool>>>,
}

/// One file of a data set.
#[derive(Clone)]
pub(crate) struct DataFile {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) columns: JetColumns,
    /// The data set's row of the file's row 0.
    pub(crate) first_row: u64,
    pub(crate) path: Option<PathBuf>,
    /// Its rows of the chosen classes, ascending; `None` for all.
    chosen: Option<Arc<[u64]>>,
}

impl std::fmt::Debug for DataFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataFile")
            .field("file", &self.source.file())
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl JetDataset {
    /// Name: of the catalogue, or of the file or directory.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The same data set whose jets come with these columns of the constituents too, by their names without prefix, such
    /// as those of [`crate::PARTICLE_COLUMNS`]. They are read from now on, and are in [`Jets::columns`].
    ///
    /// # Errors
    /// [`DataError::MissingColumn`] with the file and the names looked for.
    pub fn with_columns(&self, names: &[&str]) -> Result<Self, DataError> {
        if names.is_empty() {
            return Ok(self.clone());
        }
        let inner = &self.inner;
        let files = inner.files.iter().map(|file| {
            let columns = file.columns.clone();
            Ok(DataFile {
                columns: columns.with_columns(&file.source.schema(), file.source.file(), names)?,
                ..file.clone()
            })
        });
        let inner = Inner {
            name: inner.name.clone(),
            files: files.collect::<Result<_, DataError>>()?,
            parts: inner.parts.clone(),
            hint: inner.hint.clone(),
            seed: inner.seed,
            empty: inner.empty,
            skipped: inner.skipped.clone(),
            estimates: Default::default(),
            readers: inner.readers.clone(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Jets of a part, empty ones included.
    pub fn rows(&self, part: Part) -> u64 {
        self.inner.parts[part as usize].iter().map(|(_, rows)| rows.len()).sum()
    }

    /// Empty jets left out so far ([`EmptyJets::Skip`]).
    pub fn skipped_empty(&self) -> u64 {
        self.inner.skipped.load(Ordering::Relaxed)
    }

    /// Format and column layout of the files, in words.
    pub fn describe(&self) -> String {
        match self.inner.files.first() {
            Some(file) => format!("{}, {}", file.source.format(), file.columns.describe()),
            None => "no files".into(),
        }
    }

    /// All jets of a part, or `limit` of them, in the order of the files, decoded on all cores.
    ///
    /// A limit picks by (the options' seed, row), because files are often only partly shuffled; a smaller limit picks
    /// among what a larger one does.
    ///
    /// # Errors
    /// A part without rows, and whatever is wrong in the files, with its place.
    pub fn load(&self, part: Part, limit: Option<u64>) -> Result<Jets, DataError> {
        let rows = self.part_rows(part, limit)?;
        let blocks = self.inner.blocks(&rows, u64::MAX);
        let gauge = Gauge::default();
        self.inner.on_readers(|| {
            let pieces: Vec<Result<Jets, DataError>> = blocks
                .par_iter()
                .map(|block| self.inner.read_block(block, LOAD_BATCH, &gauge))
                .collect();
            let pieces = pieces.into_iter().collect::<Result<Vec<Jets>, DataError>>()?;
            Ok(Jets::concat(pieces))
        })
    }

    /// Jets of a part in chunks, read ahead by a thread, within a byte budget; see [`JetStream`].
    ///
    /// # Errors
    /// A part without rows, a budget below 1 MiB, or a file that can only be read from the front and does not fit.
    pub fn stream(&self, part: Part, options: StreamOptions) -> Result<JetStream, DataError> {
        let rows = self.part_rows(part, options.limit)?;
        JetStream::start(self.inner.clone(), &rows, options)
    }

    /// About how many bytes [`JetDataset::load`] of a part will hold, from metadata and, for zero-padded files, from a
    /// look at a few hundred jets.
    pub fn decoded_bytes(&self, part: Part) -> u64 {
        *self.inner.estimates[part as usize].get_or_init(|| self.inner.estimate(&self.inner.parts[part as usize]))
    }

    fn part_rows(&self, part: Part, limit: Option<u64>) -> Result<Vec<(usize, RowSet)>, DataError> {
        let rows = &self.inner.parts[part as usize];
        if self.rows(part) == 0 {
            return Err(DataError::Split {
                reason: format!(
                    "the {} part of {} has no rows{}",
                    part.name(),
                    self.name(),
                    self.inner.hint
                ),
            });
        }
        let first_rows: Vec<u64> = self.inner.files.iter().map(|file| file.first_row).collect();
        Ok(match limit {
            Some(count) => subset(rows, &first_rows, count, self.inner.seed),
            None => rows.clone(),
        })
    }
}

/// Bytes of a decoded batch in [`JetDataset::load`]: small enough to stay in cache until it has become jets.
const LOAD_BATCH: usize = 1 << 20;

impl Inner {
    /// Runs parallel work on the data set's own threads, as many as the common pool has.
    pub(crate) fn on_readers<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let pool = self.readers.get_or_init(|| {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(rayon::current_num_threads());
            builder.thread_name(|i| format!("data reader {i}")).build().ok()
        });
        match pool {
            Some(pool) => pool.install(work),
            // No threads to be had: the work is the same, only slower.
            None => work(),
        }
    }

    /// Bytes of the jets of these rows.
    fn estimate(&self, rows: &[(usize, RowSet)]) -> u64 {
        rows.iter()
            .map(|(file, set)| {
                let upper = self
                    .blocks(&[(*file, set.clone())], u64::MAX)
                    .iter()
                    .map(|block| block.bytes)
                    .sum::<u64>();
                if !self.files[*file].columns.padded() || set.is_empty() {
                    return upper;
                }
                // Padding is invisible to metadata: look at the first jets of four stretches.
                let looked: Vec<(u64, u64)> = (0..4)
                    .filter_map(|quarter| set.row(quarter * set.len() / 4))
                    .filter_map(|row| self.look(*file, row))
                    .collect();
                let (bytes, jets) = looked.iter().fold((0, 0), |sum, look| (sum.0 + look.0, sum.1 + look.1));
                (set.len() * bytes).checked_div(jets).unwrap_or(upper)
            })
            .sum()
    }

    /// Bytes and number of up to 80 jets from `row` on; `None` if they cannot be read (whoever loads them will say
    /// why).
    fn look(&self, file: usize, row: u64) -> Option<(u64, u64)> {
        let data = &self.files[file];
        let end = (row + 80).min(data.source.row_count());
        let plan = Plan::default()
            .columns(&data.columns.names())
            .ranges(std::iter::once(row..end).collect());
        let batch = data.source.read(&plan).ok()?.next()?.ok()?;
        let rows: Vec<u64> = (row..row + batch.num_rows() as u64).collect();
        let jets = data
            .columns
            .read(&batch, data.source.file(), &rows, EmptyJets::Skip)
            .ok()?
            .jets;
        Some((jets.bytes() as u64, rows.len() as u64))
    }
}

#[cfg(test)]
mod tests;
