//! Files with something wrong in them end with code 1 and a sentence that names the place.

use crate::sandbox::Sandbox;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int8Type};
use arrow_array::{Array, ArrayRef, Float32Array, Int8Array, ListArray, RecordBatch};
use std::path::Path;
use std::sync::Arc;
use tagwerk_data::{Packing, ParquetFile, ParquetSink, Plan, Source};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/top_sample.parquet");

/// The first 50 jets of the sample with one column changed.
fn changed(out: &Path, column: &str, change: impl Fn(&ArrayRef) -> ArrayRef) {
    let source = ParquetFile::open(Path::new(SAMPLE)).unwrap();
    let batch = source
        .read(&Plan::default().ranges(std::iter::once(0..50).collect()))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let place = batch.schema().index_of(column).unwrap();
    let mut columns = batch.columns().to_vec();
    columns[place] = change(&columns[place]);
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let mut sink = ParquetSink::create(out, batch.schema(), Packing::Snappy).unwrap();
    sink.write(&batch).unwrap();
    sink.finish().unwrap();
}

/// Every command that reads jets refuses `file` with a sentence that holds all `words`.
fn refused(sandbox: &Sandbox, file: &str, words: &[&str]) {
    for command in [
        format!("train --tagger pfn --data {file} --epochs 1 -o run"),
        format!("landscape --data {file} --taggers pfn --epochs 1 -o land"),
        format!("data convert {file} out.parquet"),
        format!("data inspect {file}"),
    ] {
        let sentence = sandbox.tagwerk(&command).sentence();
        for word in words {
            assert!(sentence.contains(word), "{command}: {word} in {sentence}");
        }
    }
    assert!(!sandbox.path("out.parquet").exists());
}

#[test]
fn a_truncated_file_is_named() {
    let sandbox = Sandbox::new();
    let whole = std::fs::read(SAMPLE).unwrap();
    sandbox.write("half.parquet", &whole[..whole.len() / 2]);
    refused(&sandbox, "half.parquet", &["half.parquet"]);
    sandbox.write("empty.parquet", "");
    refused(&sandbox, "empty.parquet", &["empty.parquet"]);
}

#[test]
fn damaged_pages_are_named_and_nothing_panics() {
    let sandbox = Sandbox::new();
    let mut bytes = std::fs::read(SAMPLE).unwrap();
    for (i, byte) in bytes[1000..200_000].iter_mut().enumerate() {
        *byte ^= (i % 251) as u8;
    }
    sandbox.write("noise.parquet", bytes);
    refused(&sandbox, "noise.parquet", &["noise.parquet"]);
}

#[test]
fn a_momentum_that_is_no_number_is_told_with_row_and_file() {
    let sandbox = Sandbox::new();
    changed(&sandbox.path("nan.parquet"), "constituent_pt", |column| {
        let list = column.as_list::<i32>();
        let mut values = list.values().as_primitive::<Float32Type>().values().to_vec();
        values[list.value_offsets()[7] as usize] = f32::NAN;
        let field = match list.data_type() {
            arrow_schema::DataType::List(field) => field.clone(),
            other => panic!("{other}"),
        };
        Arc::new(ListArray::new(
            field,
            list.offsets().clone(),
            Arc::new(Float32Array::from(values)),
            None,
        ))
    });
    refused(&sandbox, "nan.parquet", &["nan.parquet", "row 7", "constituent_pt"]);
}

#[test]
fn a_label_that_is_none_is_told_with_row_and_file() {
    let sandbox = Sandbox::new();
    changed(&sandbox.path("label.parquet"), "label", |column| {
        let mut labels = column.as_primitive::<Int8Type>().values().to_vec();
        labels[11] = 5;
        Arc::new(Int8Array::from(labels))
    });
    refused(&sandbox, "label.parquet", &["label.parquet", "row 11", "label"]);
}

#[test]
fn a_file_of_one_class_cannot_be_evaluated() {
    let sandbox = Sandbox::new();
    sandbox.write("one.csv", "score,label\n0.5,1\n0.6,1\n");
    let sentence = sandbox.tagwerk("evaluate one.csv").sentence();
    assert!(
        sentence.contains("one.csv") && sentence.contains("no background"),
        "{sentence}"
    );
}

#[test]
fn a_configuration_error_names_file_key_and_line() {
    let sandbox = Sandbox::new();
    sandbox.write("run.toml", "tagger = 'pfn'\n\n[data]\nsorce = 'sample'\n");
    let sentence = sandbox.tagwerk("train run.toml").sentence();
    for word in ["run.toml", "sorce", "line 4"] {
        assert!(sentence.contains(word), "{word} in {sentence}");
    }
    sandbox.write("land.toml", "trainings = 2\ntaggers = ['pfn']\n");
    let sentence = sandbox.tagwerk("landscape land.toml").sentence();
    for word in ["land.toml", "taggers", "line 2"] {
        assert!(sentence.contains(word), "{word} in {sentence}");
    }
    sandbox.write("late.toml", "tagger = 'pfn'\n[training]\nseed = 1\nepoch = 3\n");
    let sentence = sandbox.tagwerk("train late.toml").sentence();
    for word in ["late.toml", "`epoch`", "line 4"] {
        assert!(sentence.contains(word), "{word} in {sentence}");
    }
    sandbox.write("settings.toml", "tagger = 'pfn'\n[settings]\nphy = [10, 10]\n");
    let sentence = sandbox.tagwerk("train settings.toml").sentence();
    for word in ["settings.toml", "`phy`", "line 3"] {
        assert!(sentence.contains(word), "{word} in {sentence}");
    }
    sandbox.write("value.toml", "tagger = 'pfn'\n[training]\nepochs = 'many'\n");
    let sentence = sandbox.tagwerk("train value.toml").sentence();
    assert!(
        sentence.contains("value.toml") && sentence.contains("training"),
        "{sentence}"
    );
    let sentence = sandbox.tagwerk("train none.toml").sentence();
    assert!(sentence.contains("none.toml"), "{sentence}");
}
