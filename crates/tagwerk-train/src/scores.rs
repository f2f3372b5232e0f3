//! Score files: one row a jet, Parquet.

use crate::durable;
use crate::error::{Result, TrainError, io};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, UInt8Type, UInt64Type};
use arrow_array::{ArrayRef, Float32Array, Float64Array, RecordBatch, UInt8Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// Scores of `B` jets with what is needed to evaluate them. Columns of the file: `row` (u64), `label` (u8), `weight`
/// (f32), `parameter` (f32, null for networks without one), `score` (f64, the signal probability), `log_odds` (f32,
/// what the network gave, which does not saturate).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScoreTable {
    /// Row of each jet in its data set.
    pub rows: Vec<u64>,
    /// 1 for signal, 0 for background.
    pub labels: Vec<u8>,
    /// Weights, 1 where the jets have none.
    pub weights: Vec<f32>,
    /// Hypothesis parameters, where the network has one.
    pub parameters: Option<Vec<f32>>,
    /// Signal log-odds.
    pub log_odds: Vec<f32>,
    /// Whether the jets carry weights other than the 1 that is filled in.
    pub weighted: bool,
}

impl ScoreTable {
    /// Number of jets.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Signal probabilities 1 / (1 + exp(-log-odds)), in f64 so that few of them tie at 1.
    pub fn probabilities(&self) -> Vec<f64> {
        self.log_odds
            .iter()
            .map(|&s| tagwerk_stats::logistic(f64::from(s)))
            .collect()
    }

    /// The labels and weights, checked for statistics.
    ///
    /// # Errors
    /// When a class has no jet.
    pub fn truth(&self) -> std::result::Result<tagwerk_stats::Truth, tagwerk_stats::StatsError> {
        if self.weighted {
            let weights: Vec<f64> = self.weights.iter().map(|&w| f64::from(w)).collect();
            return tagwerk_stats::Truth::weighted(&self.labels, &weights);
        }
        tagwerk_stats::Truth::new(&self.labels)
    }

    /// Writes the table; the name appears when the file is complete.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        let fault = |e: &dyn std::fmt::Display| TrainError::Parse {
            path: path.to_owned(),
            reason: e.to_string(),
        };
        let schema = Arc::new(Schema::new(vec![
            Field::new("row", DataType::UInt64, false),
            Field::new("label", DataType::UInt8, false),
            Field::new("weight", DataType::Float32, false),
            Field::new("parameter", DataType::Float32, true),
            Field::new("score", DataType::Float64, false),
            Field::new("log_odds", DataType::Float32, false),
        ]));
        let parameters = match &self.parameters {
            Some(parameters) => Float32Array::from(parameters.clone()),
            None => Float32Array::new_null(self.len()),
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(self.rows.clone())),
            Arc::new(UInt8Array::from(self.labels.clone())),
            Arc::new(Float32Array::from(self.weights.clone())),
            Arc::new(parameters),
            Arc::new(Float64Array::from(self.probabilities())),
            Arc::new(Float32Array::from(self.log_odds.clone())),
        ];
        let table = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|e| fault(&e))?;
        let partial = durable::beside(path, "partial");
        let file = File::create(&partial).map_err(io(&partial, "create"))?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|e| fault(&e))?;
        writer.write(&table).map_err(|e| fault(&e))?;
        let file = writer.into_inner().map_err(|e| fault(&e))?;
        file.sync_all().map_err(io(&partial, "sync"))?;
        fs::rename(&partial, path).map_err(io(path, "rename to the final name"))?;
        durable::sync_folder(path)
    }

    /// Reads a table back.
    ///
    /// # Errors
    /// A file that is not a score file of this crate.
    pub fn read(path: &Path) -> Result<Self> {
        let fault = |e: &dyn std::fmt::Display| TrainError::Parse {
            path: path.to_owned(),
            reason: e.to_string(),
        };
        let file = File::open(path).map_err(io(path, "open"))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|b| b.build())
            .map_err(|e| fault(&e))?;
        let mut table = Self::default();
        let mut parameters = Vec::new();
        let mut any_parameter = false;
        for batch in reader {
            let batch = batch.map_err(|e| fault(&e))?;
            let column = |name: &'static str| {
                batch
                    .column_by_name(name)
                    .ok_or_else(|| fault(&format!("no column `{name}`")))
            };
            let wrong = |name: &str| fault(&format!("column `{name}` has another type than score files have"));
            let rows = column("row")?
                .as_primitive_opt::<UInt64Type>()
                .ok_or_else(|| wrong("row"))?;
            let labels = column("label")?
                .as_primitive_opt::<UInt8Type>()
                .ok_or_else(|| wrong("label"))?;
            let weights = column("weight")?
                .as_primitive_opt::<Float32Type>()
                .ok_or_else(|| wrong("weight"))?;
            let parameter = column("parameter")?
                .as_primitive_opt::<Float32Type>()
                .ok_or_else(|| wrong("parameter"))?;
            column("score")?
                .as_primitive_opt::<Float64Type>()
                .ok_or_else(|| wrong("score"))?;
            let log_odds = column("log_odds")?
                .as_primitive_opt::<Float32Type>()
                .ok_or_else(|| wrong("log_odds"))?;
            table.rows.extend_from_slice(rows.values());
            table.labels.extend_from_slice(labels.values());
            table.weights.extend_from_slice(weights.values());
            table.log_odds.extend_from_slice(log_odds.values());
            any_parameter |= parameter.iter().any(|p| p.is_some());
            parameters.extend(parameter.iter().map(|p| p.unwrap_or(f32::NAN)));
        }
        table.weighted = table.weights.iter().any(|&w| w != 1.0);
        table.parameters = any_parameter.then_some(parameters);
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ScoreTable {
        ScoreTable {
            rows: vec![7, 3, u64::MAX],
            labels: vec![1, 0, 1],
            weights: vec![1.0, 0.5, 2.0],
            parameters: None,
            log_odds: vec![-0.25, 30.0, f32::MIN_POSITIVE],
            weighted: true,
        }
    }

    #[test]
    fn a_table_comes_back_with_every_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scores.parquet");
        table().write(&path).unwrap();
        assert_eq!(ScoreTable::read(&path).unwrap(), table());
        let with = ScoreTable {
            parameters: Some(vec![500.0, 750.0, 1e3]),
            ..table()
        };
        with.write(&path).unwrap();
        assert_eq!(ScoreTable::read(&path).unwrap(), with);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no litter");
    }

    #[test]
    fn probabilities_of_confident_scores_stay_apart() {
        let table = ScoreTable {
            log_odds: vec![20.0, 20.001, 0.0, -800.0],
            ..ScoreTable::default()
        };
        let p = table.probabilities();
        assert!(p[0] < p[1] && p[1] < 1.0);
        assert_eq!((p[2], p[3]), (0.5, 0.0));
    }

    #[test]
    fn a_file_that_is_no_score_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scores.parquet");
        fs::write(&path, "nonsense").unwrap();
        assert!(
            ScoreTable::read(&path)
                .unwrap_err()
                .to_string()
                .contains("scores.parquet")
        );
    }
}
