//! What the tests share: data folders, and jets and files made on the spot. Nothing of it is in the library.
#![cfg(test)]

use crate::dataset::{JetDataset, JetOptions};
use crate::jets::Jets;
use crate::parquet_write::{Packing, ParquetSink, jets_schema, jets_to_record_batch};
use crate::random;
use crate::split::Split;
use crate::stream::JetStream;
use arrow_array::{ArrayRef, RecordBatch};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of the optional development data; `None`, with a message, where it is absent.
pub(crate) fn shared(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TAGWERK_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(file);
    if !path.exists() {
        eprintln!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}

/// Random jets of 1 to `most` constituents by falling pT; rows count from 0, labels come in runs of ten.
pub(crate) fn jets(count: usize, most: u64, seed: u64) -> Jets {
    let mut rng = random::stream(seed, "test jets", 0);
    let mut jets = Jets::with_capacity(count, 0);
    for row in 0..count {
        let mut pt = 300.0;
        let constituents: Vec<[f32; 4]> = (0..=random::below(&mut rng, most))
            .map(|_| {
                pt *= 0.5 + 0.5 * random::uniform(&mut rng);
                let phi = 6.0 * random::uniform(&mut rng) - 3.0;
                let pz = pt * (2.0 * random::uniform(&mut rng) - 1.0);
                [
                    pt.hypot(pz) as f32,
                    (pt * phi.cos()) as f32,
                    (pt * phi.sin()) as f32,
                    pz as f32,
                ]
            })
            .collect();
        jets.push(&constituents, u8::from(row / 10 % 2 == 1), row as u64);
    }
    jets
}

/// Writes jets as canonical Parquet.
pub(crate) fn write_jets(path: &Path, jets: &Jets) {
    let mut sink = ParquetSink::create(path, jets_schema(), Packing::Zstd).unwrap();
    sink.write(&jets_to_record_batch(jets).unwrap()).unwrap();
    sink.finish().unwrap();
}

/// A batch of named columns.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A list column of f32.
pub(crate) fn lists(rows: &[&[f32]]) -> ArrayRef {
    let rows = rows.iter().map(|row| Some(row.iter().map(|&value| Some(value))));
    Arc::new(arrow_array::ListArray::from_iter_primitive::<
        arrow_array::types::Float32Type,
        _,
        _,
    >(rows))
}

/// Options that put all rows into one part.
pub(crate) fn whole() -> JetOptions {
    JetOptions {
        split: Some(Split::Fractions {
            train: 1.0,
            validation: 0.0,
            test: 0.0,
        }),
        ..JetOptions::default()
    }
}

/// A file of `count` jets, and the jets.
pub(crate) fn file(dir: &Path, count: usize, most: u64) -> (JetDataset, Jets) {
    let path = dir.join("jets.parquet");
    let wanted = jets(count, most, 9);
    write_jets(&path, &wanted);
    (JetDataset::open(&path, &whole()).unwrap(), wanted)
}

/// All chunks of a stream as one table.
pub(crate) fn gather(stream: JetStream) -> Jets {
    let mut all = Jets::default();
    for chunk in stream {
        all.append(&chunk.unwrap());
    }
    all
}
