//! Score files of a regression: one row an event, Parquet.

use crate::durable;
use crate::error::{Result, TrainError, io};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt64Type};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// Predictions of `B` events with what is needed to evaluate them. Columns of the file: `row` (u64), `target` (f32),
/// `prediction` (f32), both in the target's unit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PredictionTable {
    /// Row of each event in its data set.
    pub rows: Vec<u64>,
    /// Targets.
    pub targets: Vec<f32>,
    /// Predictions.
    pub predictions: Vec<f32>,
}

impl PredictionTable {
    /// Number of events.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the table; the name appears when the file is complete.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("row", DataType::UInt64, false),
            Field::new("target", DataType::Float32, false),
            Field::new("prediction", DataType::Float32, false),
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(self.rows.clone())),
            Arc::new(Float32Array::from(self.targets.clone())),
            Arc::new(Float32Array::from(self.predictions.clone())),
        ];
        let table = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|e| fault(path, &e))?;
        let partial = durable::beside(path, "partial");
        let file = File::create(&partial).map_err(io(&partial, "create"))?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|e| fault(path, &e))?;
        writer.write(&table).map_err(|e| fault(path, &e))?;
        let file = writer.into_inner().map_err(|e| fault(path, &e))?;
        file.sync_all().map_err(io(&partial, "sync"))?;
        fs::rename(&partial, path).map_err(io(path, "rename to the final name"))?;
        durable::sync_folder(path)
    }

    /// Whether a Parquet file has the columns of this table.
    ///
    /// # Errors
    /// A file that cannot be opened, or that is no Parquet.
    pub fn is_one(path: &Path) -> Result<bool> {
        let file = File::open(path).map_err(io(path, "open"))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| fault(path, &e))?;
        Ok(reader.schema().index_of("prediction").is_ok())
    }

    /// Reads a table back.
    ///
    /// # Errors
    /// A file that is no such table.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(io(path, "open"))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|b| b.build())
            .map_err(|e| fault(path, &e))?;
        let mut table = Self::default();
        for batch in reader {
            let batch = batch.map_err(|e| fault(path, &e))?;
            let missing = |name: &str| fault(path, &format!("no column `{name}` of the type that predictions have"));
            let column = |name: &'static str| batch.column_by_name(name).ok_or_else(|| missing(name));
            let rows = column("row")?
                .as_primitive_opt::<UInt64Type>()
                .ok_or_else(|| missing("row"))?;
            let numbers = |name: &'static str| {
                column(name)?
                    .as_primitive_opt::<Float32Type>()
                    .ok_or_else(|| missing(name))
            };
            table.rows.extend_from_slice(rows.values());
            table.targets.extend_from_slice(numbers("target")?.values());
            table.predictions.extend_from_slice(numbers("prediction")?.values());
        }
        Ok(table)
    }
}

fn fault(path: &Path, error: &dyn std::fmt::Display) -> TrainError {
    TrainError::Parse {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ScoreTable, Scored};

    #[test]
    fn either_table_comes_back_with_every_bit_and_is_told_by_its_columns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scores.parquet");
        let values = Scored::Values(PredictionTable {
            rows: vec![7, u64::MAX],
            targets: vec![-3.25, 700.125],
            predictions: vec![f32::MIN_POSITIVE, 1e30],
        });
        values.write(&path).unwrap();
        assert_eq!(Scored::read(&path).unwrap(), values);
        assert!(ScoreTable::read(&path).is_err());
        let classes = Scored::Classes(ScoreTable {
            rows: vec![1],
            labels: vec![1],
            weights: vec![1.0],
            log_odds: vec![0.5],
            ..ScoreTable::default()
        });
        classes.write(&path).unwrap();
        assert_eq!(Scored::read(&path).unwrap(), classes);
        let error = PredictionTable::read(&path).unwrap_err().to_string();
        assert!(error.contains("no column `target`"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no litter");
        fs::write(&path, "nonsense").unwrap();
        assert!(Scored::read(&path).unwrap_err().to_string().contains("scores.parquet"));
    }
}
