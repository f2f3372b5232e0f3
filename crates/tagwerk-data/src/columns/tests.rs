use super::*;
use crate::fixtures::{batch, jets, lists};
use crate::parquet_write::jets_to_record_batch;
use arrow_array::builder::{
    BooleanBuilder, FixedSizeListBuilder, Float32Builder, Float64Builder, LargeListBuilder, ListBuilder,
};
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Int8Array, Int64Array, ListArray};
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
    let columns = JetColumns::find(&table.schema(), "f", Labels::Usual).unwrap();
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

/// Lists E, px, py, pz of massless constituents along x.
fn momenta(rows: &[&[f32]]) -> Vec<(&'static str, ArrayRef)> {
    let zeros: Vec<Vec<f32>> = rows.iter().map(|row| vec![0.0; row.len()]).collect();
    let zeros: Vec<&[f32]> = zeros.iter().map(Vec::as_slice).collect();
    vec![
        ("part_energy", lists(rows)),
        ("part_px", lists(rows)),
        ("part_py", lists(&zeros)),
        ("part_pz", lists(&zeros)),
    ]
}

fn read_with(columns: Vec<(&str, ArrayRef)>, names: &[&str]) -> Result<Jets, DataError> {
    let table = batch(columns);
    let columns = JetColumns::find(&table.schema(), "some.parquet", Labels::Ignored)?;
    let columns = columns.with_columns(&table.schema(), "some.parquet", names)?;
    let rows: Vec<u64> = (100..100 + table.num_rows() as u64).collect();
    Ok(columns.read(&table, "some.parquet", &rows, EmptyJets::Error)?.jets)
}

#[test]
fn particle_columns_of_any_type_follow_padding_and_order() {
    // The first jet has padding inside, the second is not ordered.
    let mut columns = momenta(&[&[9.0, 0.0, 5.0], &[1.0, 4.0, 2.0]]);
    let flags =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some([1, 0, 0].map(Some)), Some([0, 1, 1].map(Some))]);
    let mut truths = ListBuilder::new(BooleanBuilder::new());
    let mut doubles = LargeListBuilder::new(Float64Builder::new());
    for (truth, double) in [
        ([true, false, true], [0.5, 0.25, -0.5]),
        ([false, false, true], [1.5, 2.5, 3.5]),
    ] {
        truths.values().append_slice(&truth);
        truths.append(true);
        doubles.values().append_slice(&double);
        doubles.append(true);
    }
    columns.push(("part_isPhoton", Arc::new(flags)));
    columns.push(("constituent_isMuon", Arc::new(truths.finish())));
    columns.push(("part_d0val", Arc::new(doubles.finish())));
    columns.push(("d0val", lists(&[&[], &[]])));
    let jets = read_with(columns.clone(), &["isPhoton", "isMuon", "d0val"]).unwrap();
    assert_eq!(
        (&jets.e[..], &jets.offsets[..]),
        (&[9.0, 5.0, 4.0, 2.0, 1.0][..], &[0, 2, 5][..])
    );
    assert_eq!(jets.column("isPhoton").unwrap(), [1.0, 0.0, 1.0, 1.0, 0.0]);
    assert_eq!(jets.column("isMuon").unwrap(), [1.0, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!(jets.column("d0val").unwrap(), [0.5, -0.5, 2.5, 3.5, 1.5]);
    // What nobody asks for is not read.
    let plain = read_with(columns, &[]).unwrap();
    assert!(plain.columns.is_empty() && plain.e == jets.e);
}

#[test]
fn particle_columns_beside_a_dense_array_lose_its_padding() {
    let (field, dense) = block(
        vec![
            3.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0,
        ],
        8,
        Some("2,4"),
    );
    let charge = lists(&[&[-1.0, 7.0], &[1.0, 0.0]]);
    let fields = vec![field, Field::new("charge", charge.data_type().clone(), true)];
    let table = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![dense, charge]).unwrap();
    let columns = JetColumns::find(&table.schema(), "f", Labels::Ignored).unwrap();
    let columns = columns.with_columns(&table.schema(), "f", &["charge"]).unwrap();
    let jets = columns.read(&table, "f", &[0, 1], EmptyJets::Error).unwrap().jets;
    assert_eq!(jets.column("charge").unwrap(), [-1.0, 1.0, 0.0]);
}

#[test]
fn a_particle_column_that_is_wrong_is_named_with_its_place() {
    let with = |charge: ArrayRef, name: &str| {
        let mut columns = momenta(&[&[9.0], &[5.0, 4.0]]);
        columns.push(("part_charge", charge));
        read_with(columns, &[name]).unwrap_err().to_string()
    };
    let nulls =
        ListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(1.0)]), Some(vec![Some(1.0), None])]);
    for (charge, name, words) in [
        (
            lists(&[&[1.0], &[1.0, f32::NAN]]),
            "charge",
            &["row 101", "part_charge[1]", "NaN", "finite"][..],
        ),
        (
            lists(&[&[1.0], &[1.0]]),
            "charge",
            &["row 101", "part_charge", "1 values", "part_energy", "2"],
        ),
        (Arc::new(nulls), "charge", &["row 101", "part_charge[1]", "null"]),
        (labels(&[0, 0]), "charge", &["part_charge", "Int8", "list"]),
        (
            lists(&[&[1.0], &[1.0, 1.0]]),
            "d0val",
            &["constituent_d0val`, `part_d0val", "the file has"],
        ),
    ] {
        let message = with(charge, name);
        for word in words.iter().chain(&["some.parquet"]) {
            assert!(
                message.contains(word) && !message.contains('\n'),
                "`{message}` lacks `{word}`"
            );
        }
    }
}

#[test]
fn two_classes_are_chosen_among_many() {
    let table = |qcd: &[i8], top: &[i8]| {
        let mut columns = momenta(&[&[1.0], &[2.0], &[3.0]]);
        columns.push(("label_QCD", labels(qcd)));
        columns.push(("label_Tbqq", labels(top)));
        columns.push(("label_", labels(top)));
        batch(columns)
    };
    let read = |table: &RecordBatch, choice: Labels| {
        let columns = JetColumns::find(&table.schema(), "f", choice)?;
        Ok::<_, DataError>(columns.read(table, "f", &[4, 5, 6], EmptyJets::Error)?.jets)
    };
    let chosen = Labels::Classes {
        signal: "label_Tbqq",
        background: "label_QCD",
    };
    let good = table(&[0, 0, 1], &[1, 0, 0]);
    let jets = read(&good, chosen).unwrap();
    assert_eq!(
        (jets.labels, jets.rows, jets.e),
        (vec![1, 0], vec![4, 6], vec![1.0, 3.0])
    );
    // One class against all others.
    assert_eq!(read(&good, Labels::Column("label_QCD")).unwrap().labels, [0, 0, 1]);
    let sentence = read(&good, Labels::Usual).unwrap_err().to_string();
    assert!(
        sentence.ends_with("`signal` and `background`: label_QCD, label_Tbqq"),
        "{sentence}"
    );
    let both = read(&table(&[0, 1, 1], &[0, 1, 0]), chosen).unwrap_err().to_string();
    assert!(both.contains("row 5") && both.contains("both are 1"), "{both}");
    let two = read(&table(&[0, 2, 1], &[0, 1, 0]), chosen).unwrap_err().to_string();
    assert!(two.contains("row 5") && two.contains("label_QCD"), "{two}");
    for (signal, background, word) in [
        ("label_QCD", "label_QCD", "background"),
        ("label_Hbb", "label_QCD", "label_Hbb"),
    ] {
        let error = read(&good, Labels::Classes { signal, background })
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
    }
}
