//! Reads the reference numbers in `tests/reference/data` of the repository; the scripts that made them lie beside.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;
use tagwerk_data::Jets;

/// One table of reference numbers.
pub struct Reference(Vec<RecordBatch>);

impl Reference {
    pub fn open(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/reference/data")
            .join(name);
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        Self(reader.collect::<Result<_, _>>().unwrap())
    }

    /// A list column, one vector a row.
    pub fn lists(&self, name: &str) -> Vec<Vec<f64>> {
        let mut rows = Vec::new();
        for batch in &self.0 {
            let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
            let lists = column.as_list::<i32>();
            rows.extend((0..lists.len()).map(|row| numbers(&lists.value(row))));
        }
        rows
    }

    /// A column of plain numbers.
    pub fn column(&self, name: &str) -> Vec<f64> {
        self.0
            .iter()
            .flat_map(|batch| numbers(batch.column_by_name(name).unwrap()))
            .collect()
    }
}

fn numbers(array: &ArrayRef) -> Vec<f64> {
    if let Some(values) = array.as_primitive_opt::<Float64Type>() {
        values.values().to_vec()
    } else if let Some(values) = array.as_primitive_opt::<Float32Type>() {
        values.values().iter().map(|&value| f64::from(value)).collect()
    } else {
        array
            .as_primitive::<Int16Type>()
            .values()
            .iter()
            .map(|&value| f64::from(value))
            .collect()
    }
}

/// The first `count` jets of the reference.
pub fn reference_jets(count: usize) -> Jets {
    let table = Reference::open("physics_jets.parquet");
    let mut offsets = vec![0];
    for list in &table.lists("e")[..count] {
        offsets.push(offsets[offsets.len() - 1] + list.len());
    }
    let flat = |name| {
        table.lists(name)[..count]
            .concat()
            .into_iter()
            .map(|value| value as f32)
            .collect()
    };
    Jets {
        e: flat("e"),
        px: flat("px"),
        py: flat("py"),
        pz: flat("pz"),
        offsets,
        labels: vec![0; count],
        rows: (0..count as u64).collect(),
        ..Jets::default()
    }
}
