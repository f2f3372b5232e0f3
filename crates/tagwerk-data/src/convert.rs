//! Any file of jets to the canonical Parquet columns.

use crate::columns::{EmptyJets, JetColumns};
use crate::dataset::JetOptions;
use crate::error::DataError;
use crate::parquet_write::{Packing, ParquetSink, jets_schema_with, jets_to_record_batch};
use crate::source::{Plan, Source};
use std::path::Path;

/// How to convert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConvertOptions {
    /// Compression of the result.
    pub packing: Packing,
    /// What to do with jets without constituents.
    pub empty: EmptyJets,
    /// Name of the label column, where it is not a usual one.
    pub label: Option<String>,
    /// Of a file with a column a class: that of the signal. Comes with `background`; jets of other classes are left out.
    pub signal: Option<String>,
    /// Of a file with a column a class: that of the background.
    pub background: Option<String>,
}

/// What a conversion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Converted {
    /// Jets written.
    pub jets: u64,
    /// Their constituents.
    pub constituents: u64,
    /// Empty jets left out.
    pub skipped_empty: u64,
}

/// Writes the jets of `source` to `out` with the columns `label`, `row`, `constituent_e`, `_px`, `_py`, `_pz`, and with
/// those of [`crate::PARTICLE_COLUMNS`] that the file has.
///
/// Streams, a few megabytes at a time; `out` appears when it is whole. `progress` is told the rows read, and stops the
/// conversion by returning false.
///
/// # Errors
/// Whatever is wrong in the source, with row, column and value; a full disk; [`DataError::Cancelled`].
pub fn convert(
    source: &dyn Source,
    out: &Path,
    options: &ConvertOptions,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Converted, DataError> {
    let labels = JetOptions {
        label: options.label.clone(),
        signal: options.signal.clone(),
        background: options.background.clone(),
        ..JetOptions::default()
    };
    let schema = source.schema();
    let particles = JetColumns::particle_columns(&schema);
    let columns = JetColumns::find(&schema, source.file(), labels.labels()?)?;
    let columns = columns.with_columns(&schema, source.file(), &particles)?;
    let mut sink = ParquetSink::create(out, jets_schema_with(&particles), options.packing)?;
    let mut done = Converted {
        jets: 0,
        constituents: 0,
        skipped_empty: 0,
    };
    let mut row = 0;
    for batch in source.read(&Plan::default().columns(&columns.names()))? {
        let batch = batch?;
        let rows: Vec<u64> = (row..row + batch.num_rows() as u64).collect();
        row += batch.num_rows() as u64;
        let read = columns.read(&batch, source.file(), &rows, options.empty)?;
        sink.write(&jets_to_record_batch(&read.jets)?)?;
        done.jets += read.jets.len() as u64;
        done.constituents += read.jets.constituents() as u64;
        done.skipped_empty += read.skipped;
        if !progress(row) {
            return Err(DataError::Cancelled);
        }
    }
    sink.finish()?;
    Ok(done)
}
