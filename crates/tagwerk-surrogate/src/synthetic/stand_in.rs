//! A file in the layout of the sample inside the program, with jets and scores of the synthetic classifier: for tests and
//! for trying commands out.

use super::SyntheticClassifier;
use crate::error::SurrogateError;
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use std::path::Path;
use std::sync::Arc;
use tagwerk_data::random::{normal, stream};
use tagwerk_data::{Packing, ParquetSink};
use tagwerk_stats::logistic;

/// Columns of the sample, in order: named as `tagwerk features` names them, beside `row`, `label` and `score`.
pub const COLUMNS: [&str; 12] = [
    "label",
    "score",
    "jet_pt",
    "jet_eta",
    "jet_phi",
    "jet_energy",
    "jet_multiplicity",
    "jet_mass",
    "tau1_beta1",
    "tau2_beta1",
    "tau3_beta1",
    "tau4_beta1",
];

/// Writes `rows` jets of both classes with their scores, in single precision, and a column `row` of ids before them; the
/// N-subjettinesses are noise that falls with N. Of `columns` of [`COLUMNS`], all if there are none.
///
/// # Errors
/// When the disk refuses.
pub fn write_stand_in(path: &Path, rows: usize, seed: u64, columns: &[&str]) -> Result<(), SurrogateError> {
    let table = SyntheticClassifier { seed }.table(rows, 0)?;
    let mut values: Vec<Vec<f32>> = vec![Vec::with_capacity(rows); COLUMNS.len()];
    let mut rng = stream(seed, "synthetic subjets", 0);
    for row in 0..rows {
        let [label, pt, eta, phi, energy, n] = *table.row(row) else {
            continue;
        };
        let mass = (energy * energy - (pt * eta.cosh()).powi(2)).max(0.0).sqrt();
        let mut tau = 0.3;
        let taus = [(); 4].map(|()| {
            tau *= 0.3 + 0.1 * normal(&mut rng).tanh();
            tau
        });
        let score = logistic(table.logits()[row]);
        let jet = [label, score, pt, eta, phi, energy, n, mass];
        for (column, value) in values.iter_mut().zip(jet.into_iter().chain(taus)) {
            column.push(value as f32);
        }
    }
    let wanted = |name: &str| columns.is_empty() || columns.contains(&name);
    let mut fields = vec![Field::new("row", DataType::UInt64, false)];
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from_iter_values(0..rows as u64))];
    for (name, values) in COLUMNS.into_iter().zip(values).filter(|(name, _)| wanted(name)) {
        fields.push(Field::new(name, DataType::Float32, false));
        arrays.push(Arc::new(Float32Array::from(values)));
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(|e| SurrogateError::Table {
        file: path.display().to_string(),
        reason: e.to_string(),
    })?;
    let mut sink = ParquetSink::create(path, schema, Packing::default())?;
    sink.write(&batch)?;
    sink.finish()?;
    Ok(())
}
