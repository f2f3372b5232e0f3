//! Files in, jets out.
//!
//! # What
//!
//! A file is a [`Source`]: a schema, a number of rows, and Arrow record batches on demand, for chosen columns and row
//! ranges and within a byte budget. Readers exist for Parquet ([`ParquetFile`]), the reference top-tagging files
//! ([`PandasTable`], HDF5) and NumPy arrays ([`NumpyArrays`]); one contract test holds them all. [`JetColumns`] knows
//! the spellings of jets in columns and turns batches into [`Jets`], a jagged table without padding. A [`JetDataset`]
//! is files plus a [`Split`]: it loads a part into memory on all cores, or streams it in the order of an epoch
//! ([`JetStream`]). The [`CATALOGUE`] knows data sets by name, [`fetch`] downloads them, [`convert`] writes the
//! canonical Parquet columns, [`inspect`] says what is in a file.
//!
//! # Why so
//!
//! *Jagged at the door.* A jet of the reference files is 200 slots of which 49 are used. Padding is dropped in the
//! thread that decoded it, while the bytes are still in its cache, and never stored, moved or multiplied again.
//!
//! *Arrow in the middle.* Readers know files, not physics; `JetColumns` knows physics, not files. The price is one copy
//! of each decoded value, about a tenth of the time of reading.
//!
//! *Errors have places.* A value that cannot be right ends the reading with file, row, column, value and what is
//! allowed. Decoders of foreign libraries may panic on damaged files; such panics are caught where the library is
//! called and become errors. (The process's panic hook still sees them.)
//!
//! *Orders are functions.* Splits, subsets and shuffles are pure functions of (seed, row) and (seed, epoch), drawn from
//! addressed streams ([`random`]); nothing depends on the number of threads or on what was read before.
//!
//! # What it costs
//!
//! Measured with `benches/read.rs` against `peers/read_data.py` (pandas and NumPy doing the same work) on two shared
//! cores, processor seconds a reading: 100,000 jets of the reference HDF5 layout 0.25 against 0.81, 120,000 jets of
//! Parquet 0.34 against 1.05 (0.73 with PyArrow's flat lists by hand); elapsed times, the machine being busy with
//! other work, differed by 2.5 to 4. In memory, 100,000 jets are 77 MB; the process that loads them peaks at 240 MB
//! (pandas: 1,030 MB). A stream plans its memory from the files' metadata and keeps a sixth of its budget as slack.

// Lists of row ranges with one range are meant as such here, everywhere.
#![allow(clippy::single_range_in_vec_init)]

mod array_dataset;
mod array_set;
mod arrays;
mod atomic;
mod catalogue;
mod columns;
mod convert;
mod dataset;
mod digest;
mod error;
mod fetch;
mod fixtures;
mod inspect;
mod inspect_arrays;
mod jets;
mod parquet_write;
mod prefetch;
pub mod random;
mod readers;
mod shuffle;
mod source;
mod split;
mod stand_in;
mod stream;
mod task;

pub use array_dataset::{ArrayDataset, ArrayInfo};
pub use array_set::ArraySet;
pub use arrays::{Arrays, NamedArray};
pub use atomic::AtomicFile;
pub use catalogue::{
    ArrayEntry, ArraysEntry, CATALOGUE, CatalogueEntry, ColumnEntry, FileEntry, Holds, find as find_dataset,
};
pub use columns::{EmptyJets, JetColumns, Labels, PARTICLE_COLUMNS, ReadJets};
pub use convert::{ConvertOptions, Converted, convert};
pub use dataset::{Dataset, FileFingerprint, Fingerprint, JetDataset, JetOptions};
pub use digest::{file_digest, hexadecimal, sha256};
pub use error::DataError;
pub use fetch::{FetchEvent, FetchOptions, fetch, fetch_file};
pub use inspect::{ClassCount, ColumnSummary, FileSummary, JetSummary, inspect};
pub use inspect_arrays::{ArraySummary, EventSummary, inspect_arrays};
pub use jets::{ConstituentColumn, Jets};
pub use parquet_write::{Packing, ParquetSink, jets_schema, jets_schema_with, jets_to_record_batch};
pub use prefetch::Prefetch;
pub use readers::{NumpyArrays, NumpyMember, PandasFrame, PandasTable, ParquetFile, open};
pub use shuffle::{Window, Windows, permutation};
pub use source::{Batches, Plan, Source, batch_bytes};
pub use split::{Part, RowSet, Split, split_by_column, split_rows, subset};
pub use stand_in::{StandIn, StandInOptions, stand_in};
pub use stream::{JetStream, StreamOptions};
pub use task::Task;
