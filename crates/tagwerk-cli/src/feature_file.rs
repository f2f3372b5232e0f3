//! Observables as Parquet: one row a jet.

use arrow_array::builder::{ListBuilder, UInt64Builder};
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, UInt8Array, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_physics::{FeatureColumn, FeatureKind, FeatureTable, FeatureValues};

/// `row` and `label` of the jet, then the observables; unit and meaning of each stand in its metadata.
pub fn schema(columns: &[FeatureColumn]) -> SchemaRef {
    let mut fields = vec![
        Field::new("row", DataType::UInt64, false),
        Field::new("label", DataType::UInt8, false),
    ];
    fields.extend(columns.iter().map(|column| {
        let metadata = [("unit", &column.unit), ("about", &column.about)];
        let metadata: HashMap<String, String> = metadata.map(|(k, v)| (k.to_owned(), v.clone())).into();
        Field::new(&column.name, data_type(column.kind), false).with_metadata(metadata)
    }));
    Arc::new(Schema::new(fields))
}

fn data_type(kind: FeatureKind) -> DataType {
    match kind {
        FeatureKind::Number => DataType::Float64,
        FeatureKind::Array(width) => DataType::FixedSizeList(number(), width as i32),
        FeatureKind::Words => DataType::List(word()),
    }
}

fn number() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Float32, false))
}

fn word() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::UInt64, false))
}

/// The observables of a chunk of jets as rows of [`schema`].
pub fn batch(schema: &SchemaRef, jets: &Jets, table: FeatureTable) -> Result<RecordBatch, ArrowError> {
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from(jets.rows.clone())),
        Arc::new(UInt8Array::from(jets.labels.clone())),
    ];
    for values in table.values {
        arrays.push(match values {
            FeatureValues::Numbers(values) => Arc::new(Float64Array::from(values)),
            FeatureValues::Array { width, values } => {
                let values = Arc::new(Float32Array::from(values));
                Arc::new(FixedSizeListArray::try_new(number(), width as i32, values, None)?)
            }
            FeatureValues::Words { words, offsets } => {
                let mut lists = ListBuilder::new(UInt64Builder::new()).with_field(word());
                for jet in offsets.windows(2) {
                    lists.values().append_slice(&words[jet[0]..jet[1]]);
                    lists.append(true);
                }
                Arc::new(lists.finish())
            }
        });
    }
    RecordBatch::try_new(schema.clone(), arrays)
}
