//! Scores at any hypotheses, written beside the events.

use super::scorer::Scorer;
use crate::error::ParametricError;
use crate::hypotheses::Hypotheses;
use arrow_array::{ArrayRef, BooleanArray, Float32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use tagwerk_data::{Packing, ParquetSink, Plan, features_of, open};
use tagwerk_stats::logistic;

/// A hypothesis that events were scored at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoredPoint {
    /// Its parameters.
    pub point: Vec<f32>,
    /// Name of the column of scores.
    pub column: String,
    /// Whether no training signal was around: whatever the network says there, nobody taught it.
    pub out_of_range: bool,
    /// Whether the training had signal there.
    pub trained: bool,
    /// Mean score of all events.
    pub mean: f64,
}

/// What a scoring did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoredFile {
    /// Events scored.
    pub events: u64,
    /// The hypotheses, as asked for.
    pub points: Vec<ScoredPoint>,
}

impl Scorer {
    /// Scores the events of a file at each of `points` and writes them with all their columns to `out`: a column `score_POINT`
    /// (signal probability) and a column `out_of_range_POINT` a point. No label is needed. Streams; `out` appears when it is
    /// whole. `progress` is told rows done and in all.
    ///
    /// # Errors
    /// No point, the same twice, or one of another number of parameters; `out` being `file`; a file without the run's
    /// features; a stop.
    pub fn score_file(
        &mut self,
        file: &Path,
        points: &[Vec<f32>],
        out: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<ScoredFile, ParametricError> {
        let p = self.description.parameters.len();
        if points.is_empty()
            || points
                .iter()
                .any(|point| point.len() != p || point.iter().any(|v| !v.is_finite()))
        {
            return Err(ParametricError::Setting {
                key: "masses",
                value: format!("{points:?}"),
                allowed: "at least one point, each with as many finite values as the run has parameters",
            });
        }
        if let (Ok(from), Ok(to)) = (std::fs::canonicalize(file), std::fs::canonicalize(out))
            && from == to
        {
            return Err(ParametricError::Events {
                what: out.display().to_string(),
                reason: "it holds the events themselves; scores go to another file".to_owned(),
            });
        }
        let trained = super::Description::hypotheses(&self.description.points)?;
        let source = open(file)?;
        let schema = source.schema();
        let (columns, added) = columns(points, &trained);
        let mut names = std::collections::HashSet::new();
        if let Some(twice) = columns.iter().find(|facts| !names.insert(&facts.column)) {
            return Err(ParametricError::Setting {
                key: "masses",
                value: format!("{:?} twice", twice.point),
                allowed: "every point once",
            });
        }
        let fields: Vec<Field> = schema.fields().iter().map(|f| (**f).clone()).collect();
        if let Some(taken) = added.iter().find(|new| schema.index_of(new.name()).is_ok()) {
            return Err(ParametricError::Events {
                what: file.display().to_string(),
                reason: format!("it has a column `{}` already", taken.name()),
            });
        }
        let whole = Arc::new(Schema::new([fields, added].concat()));
        let mut sink = ParquetSink::create(out, whole.clone(), Packing::Zstd)?;
        let mut told = ScoredFile {
            events: 0,
            points: columns,
        };
        let mut sums = vec![0.0; points.len()];
        for batch in source.read(&Plan::default())? {
            let batch = batch?;
            let features = features_of(&batch, &self.description.features, source.file(), told.events)?;
            let mut arrays: Vec<ArrayRef> = batch.columns().to_vec();
            for ((point, facts), sum) in points.iter().zip(&told.points).zip(&mut sums) {
                let scores = self.log_odds_at(&features, point)?;
                let scores: Vec<f32> = scores.iter().map(|&s| logistic(f64::from(s)) as f32).collect();
                *sum += scores.iter().map(|&s| f64::from(s)).sum::<f64>();
                arrays.push(Arc::new(Float32Array::from(scores)));
                arrays.push(Arc::new(BooleanArray::from(vec![facts.out_of_range; batch.num_rows()])));
            }
            told.events += batch.num_rows() as u64;
            let beside = RecordBatch::try_new(whole.clone(), arrays).map_err(|e| ParametricError::Events {
                what: file.display().to_string(),
                reason: e.to_string(),
            })?;
            sink.write(&beside)?;
            progress(told.events, source.row_count());
        }
        sink.finish()?;
        for (facts, sum) in told.points.iter_mut().zip(sums) {
            facts.mean = sum / told.events.max(1) as f64;
        }
        Ok(told)
    }
}

/// The points with their columns.
fn columns(points: &[Vec<f32>], trained: &Hypotheses) -> (Vec<ScoredPoint>, Vec<Field>) {
    let mut fields = Vec::new();
    let facts = points
        .iter()
        .map(|point| {
            let name = point.iter().map(f32::to_string).collect::<Vec<_>>().join("_");
            let column = format!("score_{name}");
            fields.push(Field::new(&column, DataType::Float32, false));
            fields.push(Field::new(format!("out_of_range_{name}"), DataType::Boolean, false));
            ScoredPoint {
                point: point.clone(),
                column,
                out_of_range: trained.outside(point),
                trained: trained.find(point).is_some(),
                mean: 0.0,
            }
        })
        .collect();
    (facts, fields)
}
