use super::*;
use crate::fixtures::{file, gather, jets, shared, whole, with_particles, write_jets};
use crate::split::Split;
use crate::{JetOptions, convert, inspect};
use std::path::Path;

#[test]
fn parts_are_disjoint_and_complete_and_keep_the_rows_identity() {
    let sample = JetDataset::sample().unwrap();
    assert_eq!(Part::ALL.map(|part| sample.rows(part)), [6_000, 2_000, 2_000]);
    let mut rows = Vec::new();
    for part in Part::ALL {
        let jets = sample.load(part, None).unwrap();
        let signal = jets.labels.iter().filter(|&&l| l == 1).count() as f64 / jets.len() as f64;
        assert!((signal - 0.5).abs() < 0.05, "{signal}");
        rows.extend(jets.rows);
    }
    assert!(rows.into_iter().eq(0..10_000));
    assert_eq!(sample.fingerprint().unwrap().files[0].sha256.len(), 64);
    let summary = inspect(sample.inner.files[0].source.as_ref()).unwrap();
    assert_eq!(summary.problems, [""; 0]);
    let jets = summary.jets.unwrap();
    // The recipe: 550 < pT < 650 GeV, about 47 constituents.
    assert!(jets.pt[0] > 540.0 && jets.pt[2] < 660.0, "{:?}", jets.pt);
    assert!((jets.constituents[1] - 47.0).abs() < 2.0);
    assert_eq!((jets.signal, jets.background), (5_000, 5_000));
}

#[test]
fn a_limit_picks_by_seed_and_row_and_smaller_lies_in_larger() {
    let sample = JetDataset::sample().unwrap();
    let rows = |limit, seed| {
        let options = JetOptions {
            seed,
            ..JetOptions::default()
        };
        JetDataset::sample_with(&options)
            .unwrap()
            .load(Part::Train, Some(limit))
            .unwrap()
            .rows
    };
    let (small, large) = (rows(100, 0), rows(1_000, 0));
    assert_eq!((small.len(), large.len()), (100, 1_000));
    assert!(small.iter().all(|row| large.contains(row)));
    assert_ne!(small, rows(100, 1));
    assert!(small.is_sorted() && small[99] > 3_000, "drawn from all over");
    let limited = sample.stream(
        Part::Train,
        StreamOptions {
            limit: Some(100),
            shuffle: false,
            ..Default::default()
        },
    );
    assert_eq!(gather(limited.unwrap()), sample.load(Part::Train, Some(100)).unwrap());
    assert_eq!(rows(1_000_000, 0).len(), 6_000);
}

#[test]
fn a_directory_of_reference_files_is_three_parts() {
    let Some(path) = shared("formats/top-reference-layout") else {
        return;
    };
    let dataset = JetDataset::open(&path, &JetOptions::default()).unwrap();
    assert_eq!(dataset.name(), "top-reference-layout");
    assert_eq!(Part::ALL.map(|part| dataset.rows(part)), [6_000, 2_000, 2_000]);
    let test = dataset.load(Part::Test, None).unwrap();
    assert_eq!((test.rows[0], test.rows[1_999]), (8_000, 9_999));
    let estimate = dataset.decoded_bytes(Part::Train) as f64 / dataset.load(Part::Train, None).unwrap().bytes() as f64;
    assert!((estimate - 1.0).abs() < 0.15, "{estimate}");
    let streamed = dataset
        .stream(
            Part::Train,
            StreamOptions {
                budget_bytes: 2 << 20,
                ..Default::default()
            },
        )
        .unwrap();
    let mut rows = gather(streamed).rows;
    rows.sort_unstable();
    assert!(rows.into_iter().eq(0..6_000));
    // One file alone is split as one says; its own column has it in one part.
    let column = JetOptions {
        split: Some(Split::Column { name: "ttv".into() }),
        ..JetOptions::default()
    };
    let val = JetDataset::open(&path.join("val.h5"), &column).unwrap();
    assert_eq!(Part::ALL.map(|part| val.rows(part)), [0, 2_000, 0]);
    assert!(
        val.load(Part::Train, None)
            .unwrap_err()
            .to_string()
            .contains("train part")
    );
    let single = JetDataset::open(&path.join("val.h5"), &JetOptions::default()).unwrap();
    assert_eq!(Part::ALL.map(|part| single.rows(part)), [1_200, 400, 400]);
}

#[test]
fn converting_changes_the_file_and_not_the_jets() {
    let Some(path) = shared("formats/top-reference-layout/test.h5") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("test.parquet");
    let source = crate::open(&path).unwrap();
    let mut told = 0;
    let done = convert(source.as_ref(), &out, &Default::default(), &mut |rows| {
        told = rows;
        true
    })
    .unwrap();
    assert_eq!((done.jets, told), (2_000, 2_000));
    let jets = |path: &Path| {
        JetDataset::open(path, &whole())
            .unwrap()
            .load(Part::Train, None)
            .unwrap()
    };
    assert_eq!(jets(&out), jets(&path));
    // Stopped half-way, nothing is left.
    let stopped = dir.path().join("stopped.parquet");
    let result = convert(source.as_ref(), &stopped, &Default::default(), &mut |_| false);
    assert!(matches!(result, Err(DataError::Cancelled)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let summary = inspect(source.as_ref()).unwrap();
    let text = serde_json::to_string(&summary).unwrap();
    assert!(text.contains("\"signal\":") && summary.problems.is_empty(), "{text}");
}

#[test]
fn impossible_requests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, _) = file(dir.path(), 10, 3);
    assert!(matches!(dataset.load(Part::Test, None), Err(DataError::Split { .. })));
    let small = StreamOptions {
        budget_bytes: 1000,
        ..Default::default()
    };
    assert!(matches!(
        dataset.stream(Part::Train, small),
        Err(DataError::Argument { .. })
    ));
    let path = dir.path().join("jets.parquet");
    let bad = |split| {
        JetDataset::open(
            &path,
            &JetOptions {
                split: Some(split),
                ..JetOptions::default()
            },
        )
        .unwrap_err()
    };
    for (train, validation) in [(0.9, 0.2), (-0.1, 0.5), (f64::NAN, 0.5)] {
        assert!(matches!(
            bad(Split::Fractions {
                train,
                validation,
                test: 0.0
            }),
            DataError::Split { .. }
        ));
    }
    assert!(matches!(bad(Split::Files), DataError::Split { .. }));
    assert!(matches!(
        bad(Split::Column { name: "ttv".into() }),
        DataError::MissingColumn { .. }
    ));
    assert!(matches!(
        bad(Split::Column { name: "row".into() }),
        DataError::WrongType { .. }
    ));
    assert!(matches!(
        JetDataset::open(&dir.path().join("none"), &whole()),
        Err(DataError::UnknownFormat { .. })
    ));
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(matches!(
        JetDataset::open(&empty, &JetOptions::default()),
        Err(DataError::UnknownFormat { .. })
    ));
}

#[test]
fn columns_that_are_asked_for_come_along_however_jets_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jets.parquet");
    let wanted = with_particles(jets(30_000, 40, 3));
    write_jets(&path, &wanted);
    let plain = JetDataset::open(&path, &whole()).unwrap();
    assert!(plain.load(Part::Train, None).unwrap().columns.is_empty());
    let dataset = plain.with_columns(&["charge", "d0val"]).unwrap();
    assert_eq!(dataset.load(Part::Train, None).unwrap(), wanted);
    // The budget counts the columns too.
    let estimate = dataset.decoded_bytes(Part::Train) as f64 / wanted.bytes() as f64;
    assert!((estimate - 1.0).abs() < 0.15, "{estimate}");
    let budget = 3 << 20;
    assert!(wanted.bytes() > 4 * budget as usize);
    for shuffle in [false, true] {
        let options = StreamOptions {
            budget_bytes: budget,
            shuffle,
            ..StreamOptions::default()
        };
        let mut stream = dataset.stream(Part::Train, options).unwrap();
        let mut all = Jets::default();
        for chunk in stream.by_ref() {
            all.append(&chunk.unwrap());
        }
        assert!(stream.peak_bytes() as u64 <= budget, "{}", stream.peak_bytes());
        let order: Vec<usize> = all.rows.iter().map(|&row| row as usize).collect();
        assert_eq!(order.is_sorted(), !shuffle);
        assert_eq!(all, wanted.select(&order));
    }
    let error = plain.with_columns(&["charge", "isMuon"]).unwrap_err().to_string();
    assert!(
        error.contains("jets.parquet") && error.contains("constituent_isMuon"),
        "{error}"
    );
}

/// A file of three classes in turn, in the layout of JetClass: row r is of class r mod 3.
fn three_classes(path: &Path, rows: usize) -> Jets {
    let jets = with_particles(jets(rows, 5, 4));
    let canonical = crate::jets_to_record_batch(&jets).unwrap();
    let mut columns: Vec<(String, arrow_array::ArrayRef)> = canonical.schema().fields()[2..]
        .iter()
        .zip(&canonical.columns()[2..])
        .map(|(field, column)| (field.name().clone(), column.clone()))
        .collect();
    for (class, name) in ["label_QCD", "label_Hbb", "label_Tbqq"].into_iter().enumerate() {
        let flags = arrow_array::Int32Array::from_iter_values((0..rows).map(|row| i32::from(row % 3 == class)));
        columns.push((name.to_owned(), Arc::new(flags)));
    }
    let table = arrow_array::RecordBatch::try_from_iter(columns).unwrap();
    let mut sink = crate::ParquetSink::create(path, table.schema(), Default::default()).unwrap();
    sink.write(&table).unwrap();
    sink.finish().unwrap();
    jets
}

fn two_classes(signal: &str, background: &str) -> JetOptions {
    JetOptions {
        signal: Some(signal.into()),
        background: Some(background.into()),
        ..JetOptions::default()
    }
}

#[test]
fn two_classes_of_many_are_all_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("classes.parquet");
    let all = three_classes(&path, 300);
    let dataset = JetDataset::open(&path, &two_classes("label_Tbqq", "label_QCD")).unwrap();
    assert_eq!(Part::ALL.map(|part| dataset.rows(part)), [120, 40, 40]);
    let test = dataset
        .with_columns(&["charge"])
        .unwrap()
        .load(Part::Test, None)
        .unwrap();
    let expected: Vec<u64> = (240..300).filter(|row| row % 3 != 1).collect();
    assert_eq!(test.rows, expected);
    let labels: Vec<u8> = expected.iter().map(|row| u8::from(row % 3 == 2)).collect();
    assert_eq!(test.labels, labels);
    let picked: Vec<usize> = expected.iter().map(|&row| row as usize).collect();
    assert_eq!(test.column("charge"), all.select(&picked).column("charge"));
    // A limit counts jets of the two classes.
    assert_eq!(dataset.load(Part::Train, Some(50)).unwrap().len(), 50);
    assert_eq!(
        gather(dataset.stream(Part::Train, StreamOptions::default()).unwrap()).len(),
        120
    );
    // Another pair of classes, or a split by a hash, moves no jet to another part.
    let split = Split::Hash {
        seed: 1,
        train: 0.5,
        validation: 0.25,
        test: 0.25,
    };
    let of = |signal, background| {
        let options = JetOptions {
            split: Some(split.clone()),
            ..two_classes(signal, background)
        };
        let dataset = JetDataset::open(&path, &options).unwrap();
        Part::ALL.map(|part| dataset.load(part, None).unwrap().rows)
    };
    let (tops, higgs) = (of("label_Tbqq", "label_QCD"), of("label_Hbb", "label_QCD"));
    for (top, higgs) in tops.iter().zip(&higgs) {
        let background = |rows: &[u64]| rows.iter().copied().filter(|row| row % 3 == 0).collect::<Vec<_>>();
        assert_eq!(background(top), background(higgs));
    }
    for (options, word) in [
        (
            JetOptions {
                background: None,
                ..two_classes("label_Tbqq", "label_QCD")
            },
            "with `background` beside it",
        ),
        (
            JetOptions {
                label: Some("label_Hbb".into()),
                ..two_classes("label_Tbqq", "label_QCD")
            },
            "label = label_Hbb",
        ),
        (JetOptions::default(), "choose two of its classes"),
    ] {
        let error = JetDataset::open(&path, &options).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn converting_and_inspecting_keep_what_is_known_of_constituents() {
    let dir = tempfile::tempdir().unwrap();
    let (path, out) = (dir.path().join("classes.parquet"), dir.path().join("out.parquet"));
    three_classes(&path, 90);
    let source = crate::open(&path).unwrap();
    let options = crate::ConvertOptions {
        signal: Some("label_Hbb".into()),
        background: Some("label_QCD".into()),
        ..Default::default()
    };
    let done = convert(source.as_ref(), &out, &options, &mut |_| true).unwrap();
    assert_eq!((done.jets, done.skipped_empty), (60, 0));
    let read = |path: &Path, options| {
        let options = JetOptions {
            split: whole().split,
            ..options
        };
        let dataset = JetDataset::open(path, &options)
            .unwrap()
            .with_columns(&["charge", "d0val"])
            .unwrap();
        dataset.load(Part::Train, None).unwrap()
    };
    let (before, mut after) = (
        read(&path, two_classes("label_Hbb", "label_QCD")),
        read(&out, JetOptions::default()),
    );
    after.rows.clone_from(&before.rows);
    assert_eq!(after, before);
    let summary = inspect(source.as_ref()).unwrap();
    assert!(summary.problems.is_empty(), "{:?}", summary.problems);
    let jets = summary.jets.unwrap();
    assert_eq!(jets.particles, ["charge", "d0val"]);
    let classes: Vec<(&str, u64)> = jets
        .classes
        .iter()
        .map(|class| (class.column.as_str(), class.jets))
        .collect();
    assert_eq!(classes, [("label_QCD", 30), ("label_Hbb", 30), ("label_Tbqq", 30)]);
    assert_eq!((jets.jets, jets.signal, jets.background), (90, 0, 0));
}
