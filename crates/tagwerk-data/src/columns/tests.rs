use super::*;
use crate::fixtures::{batch, jets, lists};
use crate::parquet_write::jets_to_record_batch;
use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, Float64Builder, LargeListBuilder};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Int8Array, Int64Array};
use arrow_schema::Field;
use std::collections::HashMap;
use std::sync::Arc;

fn labels(values: &[i8]) -> ArrayRef {
    Arc::new(Int8Array::from(values.to_vec()))
}

fn error(columns: Vec<(&str, ArrayRef)>) -> DataError {
    Jets::from_record_batch(&batch(columns), "some.parquet", 100).unwrap_err()
}

#[test]
fn massless_constituents_become_four_vectors() {
    let columns = vec![
        ("label", labels(&[1, 0])),
        ("constituent_pt", lists(&[&[100.0, 2.0], &[50.0]])),
        ("constituent_eta", lists(&[&[0.5, -1.0], &[0.0]])),
        ("constituent_phi", lists(&[&[0.0, 3.0], &[-1.5]])),
    ];
    let jets = Jets::from_record_batch(&batch(columns), "f", 7).unwrap();
    assert_eq!(
        (jets.offsets.as_slice(), jets.labels.as_slice(), jets.rows.as_slice()),
        (&[0, 2, 3][..], &[1, 0][..], &[7, 8][..])
    );
    // 100 cosh(0.5), 100 sinh(0.5); 2 cosh(-1), 2 cos 3, 2 sin 3, 2 sinh(-1)
    for (got, want) in [
        (jets.e[0], 112.762_6),
        (jets.px[0], 100.0),
        (jets.pz[0], 52.109_53),
        (jets.e[1], 3.086_161_3),
        (jets.px[1], -1.979_985),
        (jets.py[1], 0.282_240_02),
        (jets.pz[1], -2.350_402_4),
        (jets.e[2], 50.0),
        (jets.pz[2], 0.0),
    ] {
        assert!((got - want).abs() <= 4e-7 * want.abs(), "{got} {want}");
    }
}

#[test]
fn a_mass_or_an_energy_is_used_when_given() {
    let make = |fourth: &str, value: f32| {
        let columns = vec![
            ("label", labels(&[1])),
            ("constituent_pt", lists(&[&[3.0]])),
            ("constituent_eta", lists(&[&[0.0]])),
            ("constituent_phi", lists(&[&[0.0]])),
            (fourth, lists(&[&[value]])),
        ];
        Jets::from_record_batch(&batch(columns), "f", 0).unwrap().e[0]
    };
    assert_eq!(make("constituent_mass", 4.0), 5.0);
    assert_eq!(make("constituent_e", 7.0), 7.0);
}

#[test]
fn every_list_type_and_both_widths_read_the_same() {
    let wanted = jets(20, 9, 1);
    let canonical = jets_to_record_batch(&wanted).unwrap();
    assert_eq!(Jets::from_record_batch(&canonical, "f", 0).unwrap(), wanted);
    let large = |column: &[f32]| {
        let mut builder = LargeListBuilder::new(Float64Builder::new());
        for b in 0..wanted.len() {
            builder.values().append_slice(
                &column[wanted.range(b)]
                    .iter()
                    .map(|&v| f64::from(v))
                    .collect::<Vec<_>>(),
            );
            builder.append(true);
        }
        Arc::new(builder.finish()) as ArrayRef
    };
    let fixed = |column: &[f32]| {
        let mut builder = FixedSizeListBuilder::new(Float32Builder::new(), 9);
        for b in 0..wanted.len() {
            builder.values().append_slice(&column[wanted.range(b)]);
            builder.values().append_slice(&vec![0.0; 9 - wanted.range(b).len()]);
            builder.append(true);
        }
        Arc::new(builder.finish()) as ArrayRef
    };
    let label = Arc::new(Int64Array::from_iter_values(
        wanted.labels.iter().map(|&l| i64::from(l)),
    )) as ArrayRef;
    for column in [&large as &dyn Fn(&[f32]) -> ArrayRef, &fixed] {
        let columns = vec![
            ("label", label.clone()),
            ("part_energy", column(&wanted.e)),
            ("part_px", column(&wanted.px)),
            ("part_py", column(&wanted.py)),
            ("part_pz", column(&wanted.pz)),
        ];
        let table = batch(columns);
        assert_eq!(Jets::from_record_batch(&table, "f", 0).unwrap(), wanted);
        // A slice starts inside the buffers.
        assert_eq!(
            Jets::from_record_batch(&table.slice(5, 9), "f", 5).unwrap(),
            wanted.slice(5..14)
        );
    }
}

fn block(values: Vec<f32>, width: i32, shape: Option<&str>) -> (Field, ArrayRef) {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let array = FixedSizeListArray::new(item, width, Arc::new(Float32Array::from(values)), None);
    let name = if shape.is_some() { "Pmu" } else { "values_block_0" };
    let field = Field::new(name, array.data_type().clone(), false);
    let metadata = shape
        .map(|shape| HashMap::from([("shape".to_owned(), shape.to_owned())]))
        .unwrap_or_default();
    (field.with_metadata(metadata), Arc::new(array))
}

#[test]
fn zero_padding_is_dropped_and_the_truth_is_not_a_constituent() {
    let mut values = vec![0.0; 2 * 804];
    values[..8].copy_from_slice(&[10.0, 6.0, 8.0, 0.0, 5.0, 3.0, 0.0, 4.0]);
    values[800..804].copy_from_slice(&[1800.0, 1.0, 2.0, 3.0]);
    values[804..808].copy_from_slice(&[2.0, 0.0, 2.0, 0.0]);
    let (field, momenta) = block(values, 804, None);
    let item = Arc::new(Field::new("item", DataType::Int64, false));
    let flags = Arc::new(FixedSizeListArray::new(
        item,
        2,
        Arc::new(Int64Array::from(vec![2, 1, 2, 0])),
        None,
    ));
    let make = |order: &str| {
        let flag = Field::new("values_block_1", flags.data_type().clone(), false)
            .with_metadata(HashMap::from([("columns".to_owned(), order.to_owned())]));
        let schema = Arc::new(Schema::new(vec![field.clone(), flag]));
        RecordBatch::try_new(schema, vec![momenta.clone(), flags.clone()]).unwrap()
    };
    let jets = Jets::from_record_batch(&make("ttv,is_signal_new"), "f", 0).unwrap();
    assert_eq!(
        (jets.offsets, jets.e, jets.labels),
        (vec![0, 2, 3], vec![10.0, 5.0, 2.0], vec![1, 0])
    );
    // The other order makes the 2 of `ttv` a label, which is refused.
    let wrong = Jets::from_record_batch(&make("is_signal_new,ttv"), "f", 0).unwrap_err();
    assert!(matches!(wrong, DataError::Value { row: 0, .. }), "{wrong}");
}

#[test]
fn dense_arrays_are_known_by_their_shape() {
    let (field, momenta) = block(vec![3.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0], 8, Some("2,4"));
    let schema = Arc::new(Schema::new(vec![field, Field::new("y", DataType::Int8, false)]));
    let table = RecordBatch::try_new(schema, vec![momenta, labels(&[1])]).unwrap();
    assert_eq!(Jets::from_record_batch(&table, "f", 0).unwrap().e, [3.0]);
}

#[test]
fn constituents_come_by_falling_pt_whatever_the_file_says() {
    let columns = vec![
        ("label", labels(&[1])),
        ("e", lists(&[&[1.0, 30.0, 20.0]])),
        ("px", lists(&[&[1.0, 30.0, 0.0]])),
        ("py", lists(&[&[0.0, 0.0, 20.0]])),
        ("pz", lists(&[&[0.0, 0.0, 0.0]])),
    ];
    assert_eq!(
        Jets::from_record_batch(&batch(columns), "f", 0).unwrap().e,
        [30.0, 20.0, 1.0]
    );
}

#[test]
fn an_error_names_file_row_column_value_and_limit() {
    let with = |pt: &[f32], eta: &[f32], phi: &[f32], label: i8| {
        error(vec![
            ("label", labels(&[0, label])),
            ("constituent_pt", lists(&[&[1.0], pt])),
            ("constituent_eta", lists(&[&[1.0], eta])),
            ("constituent_phi", lists(&[&[1.0], phi])),
        ])
        .to_string()
    };
    let says = |message: String, words: &[&str]| {
        for word in words.iter().chain(&["some.parquet", "row 101"]) {
            assert!(message.contains(word), "`{message}` lacks `{word}`");
        }
    };
    says(
        with(&[5.0, f32::NAN], &[0.0, 0.0], &[0.0, 0.0], 1),
        &["constituent_pt[1]", "NaN", "finite"],
    );
    says(with(&[-5.0], &[0.0], &[0.0], 1), &["constituent_pt[0]", "-5", ">= 0"]);
    says(
        with(&[5.0], &[f32::INFINITY], &[0.0], 1),
        &["constituent_eta[0]", "inf"],
    );
    says(with(&[5.0], &[500.0], &[0.0], 1), &["constituent_eta[0]", "500"]);
    says(with(&[5.0], &[0.0], &[f32::NAN], 1), &["constituent_phi[0]"]);
    says(
        with(&[5.0], &[0.0], &[0.0], 2),
        &["label", ": 2;", "0 (background) or 1 (signal)"],
    );
    says(
        with(&[5.0, 4.0], &[0.0], &[0.0], 1),
        &["constituent_eta", "1 values", "2"],
    );
    says(with(&[], &[], &[], 1), &["no constituent"]);
    says(with(&[0.0], &[0.0], &[0.0], 1), &["no constituent"]);
}

#[test]
fn negative_and_inconsistent_energies_are_refused() {
    let with = |e: f32, px: f32| {
        error(vec![
            ("label", labels(&[0])),
            ("constituent_e", lists(&[&[e]])),
            ("constituent_px", lists(&[&[px]])),
            ("constituent_py", lists(&[&[0.0]])),
            ("constituent_pz", lists(&[&[0.0]])),
        ])
        .to_string()
    };
    for (message, value) in [
        (with(-1.0, 1.0), "-1"),
        (with(0.0, 1.0), "0"),
        (with(f32::INFINITY, 1.0), "inf"),
    ] {
        assert!(
            message.contains("constituent_e[0]") && message.contains(value),
            "{message}"
        );
    }
    assert!(with(1.0, f32::NAN).contains("constituent_px[0]"));
}

#[test]
fn missing_and_wrong_columns_say_what_there_is() {
    let message = error(vec![("label", labels(&[0])), ("mass", labels(&[0]))]).to_string();
    assert!(
        message.contains("constituent_pt") && message.contains("label, mass"),
        "{message}"
    );
    let momenta = || {
        vec![
            ("e", lists(&[&[1.0]])),
            ("px", lists(&[&[1.0]])),
            ("py", lists(&[&[0.0]])),
            ("pz", lists(&[&[0.0]])),
        ]
    };
    assert!(matches!(error(momenta()), DataError::MissingColumn { column, .. } if column == "label"));
    let mut columns = momenta();
    columns.push(("label", lists(&[&[1.0]])));
    assert!(matches!(error(columns), DataError::WrongType { column, .. } if column == "label"));
    let mut columns = momenta();
    columns[1].1 = labels(&[0]);
    columns.push(("label", labels(&[0])));
    assert!(matches!(error(columns), DataError::WrongType { column, .. } if column == "px"));
    let mut columns = momenta();
    columns.push(("label", Arc::new(Int8Array::from(vec![None]))));
    assert!(matches!(error(columns), DataError::Value { value, .. } if value == "null"));
}

#[test]
fn empty_jets_are_skipped_and_counted_when_asked() {
    let table = batch(vec![
        ("label", labels(&[0, 1, 1])),
        ("e", lists(&[&[1.0], &[], &[2.0]])),
        ("px", lists(&[&[1.0], &[], &[2.0]])),
        ("py", lists(&[&[0.0], &[], &[0.0]])),
        ("pz", lists(&[&[0.0], &[], &[0.0]])),
    ]);
    let columns = JetColumns::find(&table.schema(), "f", None).unwrap();
    let read = columns.read(&table, "f", &[4, 5, 6], EmptyJets::Skip).unwrap();
    assert_eq!(
        (read.skipped, read.jets.rows, read.jets.labels),
        (1, vec![4, 6], vec![0, 1])
    );
    assert!(matches!(
        columns.read(&table, "f", &[4, 5, 6], EmptyJets::Error),
        Err(DataError::EmptyJet { row: 5, .. })
    ));
}
