//! Score files of all formats.

use crate::sandbox::{Sandbox, shared};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt8Array};
use std::sync::Arc;
use tagwerk_data::{Packing, ParquetSink};

/// A NumPy file of one column.
fn npy<const N: usize>(kind: &str, shape: &str, values: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.into_iter().flatten());
    bytes
}

/// 400 jets: scores in [0, 1], those of the signal higher on average.
fn jets() -> (Vec<f64>, Vec<u8>) {
    let labels: Vec<u8> = (0..400).map(|i| (i % 2) as u8).collect();
    let spread = |i: usize| (i * 7919 % 1009) as f64 / 1009.0;
    let scores = labels
        .iter()
        .enumerate()
        .map(|(i, &l)| 0.9 * spread(i) + 0.1 * f64::from(l))
        .collect();
    (scores, labels)
}

#[test]
fn all_formats_give_the_same_numbers() {
    let sandbox = Sandbox::new();
    let (scores, labels) = jets();
    let rows: String = scores.iter().zip(&labels).map(|(s, l)| format!("{l},{s}\n")).collect();
    sandbox.write("a.csv", format!("label,score\n{rows}"));
    sandbox.write("a.npy", npy("<f8", "(400,)", scores.iter().map(|s| s.to_le_bytes())));
    sandbox.write(
        "column.npy",
        npy("<f8", "(400, 1)", scores.iter().map(|s| s.to_le_bytes())),
    );
    sandbox.write("l.npy", npy("|u1", "(400,)", labels.iter().map(|l| l.to_le_bytes())));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("label", Arc::new(UInt8Array::from(labels.clone()))),
        ("tag", Arc::new(Float64Array::from(scores.clone()))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut sink = ParquetSink::create(&sandbox.path("a.parquet"), batch.schema(), Packing::Zstd).unwrap();
    sink.write(&batch).unwrap();
    sink.finish().unwrap();

    let first = sandbox.tagwerk("evaluate a.csv --json -").json();
    assert_eq!((&first["n_signal"], &first["n_background"]), (&200.into(), &200.into()));
    // Pairs in the right order, counted one by one, ties as one half.
    let of = |class: u8| {
        scores
            .iter()
            .zip(&labels)
            .filter(move |(_, l)| **l == class)
            .map(|(s, _)| *s)
    };
    let half_pairs = |s: f64, b: f64| u32::from(s > b) + u32::from(s >= b);
    let right: u32 = of(1).map(|s| of(0).map(|b| half_pairs(s, b)).sum::<u32>()).sum();
    assert!((first["auc"].as_f64().unwrap() - f64::from(right) / 80_000.0).abs() < 1e-12);
    for point in ["0.3", "0.5"] {
        let (value, error) = (
            &first["rejection"][point]["value"],
            &first["rejection"][point]["test_error"],
        );
        let (value, error) = (value.as_f64().unwrap(), error.as_f64().unwrap());
        assert!((error - value * (value / 200.0).sqrt()).abs() < 1e-9 * error);
    }
    for words in [
        "a.npy --labels l.npy",
        "a.npy --labels a.csv",
        "column.npy --labels l.npy",
        "a.parquet --score-column tag",
    ] {
        assert_eq!(
            sandbox.tagwerk(&format!("evaluate {words} --json -")).json(),
            first,
            "{words}"
        );
    }
}

#[test]
fn the_json_file_has_the_numbers_of_the_screen() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "label,score\n1,0.9\n1,0.6\n0,0.7\n0,0.2\n0,0.1\n");
    let ran = sandbox.tagwerk("evaluate a.csv --json out.json").good();
    let json = sandbox.json_file("out.json");
    assert!((json["auc"].as_f64().unwrap() - 5.0 / 6.0).abs() < 1e-15);
    assert!(ran.stdout.contains("0.83 ±"), "{}", ran.stdout);
    // No background passes at 0.3: a limit, not an infinity.
    assert!(
        json["rejection"]["0.3"]["value"].is_null() && json["rejection"]["0.3"]["lower_limit"].as_f64().unwrap() > 1.0
    );
    assert!(ran.stdout.contains("> 1."), "{}", ran.stdout);
}

#[test]
fn several_trainings_make_ensembles() {
    let sandbox = Sandbox::new();
    let (scores, labels) = jets();
    for file in 0..3_usize {
        let rows: String = scores
            .iter()
            .zip(&labels)
            .enumerate()
            .map(|(i, (s, l))| format!("{l},{}\n", s + 0.1 * ((i * (file + 3)) % 17) as f64 / 17.0))
            .collect();
        sandbox.write(&format!("{file}.csv"), format!("label,score\n{rows}"));
    }
    let ran = sandbox.tagwerk("evaluate 0.csv 1.csv 2.csv --json -").json();
    assert_eq!(ran["trainings"].as_array().unwrap().len(), 3);
    for how in ["mean", "median"] {
        assert!(ran["ensemble"][how]["value"].as_f64().unwrap() > 1.0, "{ran}");
    }
    assert!(ran["auc"].is_f64() && ran["rejection"]["0.5"]["value"].is_f64());
}

#[test]
fn files_that_do_not_fit_together_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "label,score\n1,0.9\n0,0.6\n1,0.2\n");
    sandbox.write("b.csv", "label,score\n1,0.9\n1,0.6\n0,0.2\n");
    let sentence = sandbox.tagwerk("evaluate a.csv b.csv").sentence();
    assert!(
        sentence.contains("a.csv and b.csv") && sentence.contains("row 1"),
        "{sentence}"
    );
    sandbox.write("c.npy", npy("<f4", "(2,)", [0.5_f32, 0.25].map(f32::to_le_bytes)));
    sandbox.write("d.csv", "label,score\n1,0.9\n0,inf\n1,0.2\n");
    let sentence = sandbox.tagwerk("evaluate a.csv d.csv").sentence();
    assert!(sentence.contains("d.csv") && sentence.contains("row 1"), "{sentence}");
    let sentence = sandbox.tagwerk("evaluate c.npy --labels a.csv").sentence();
    assert!(sentence.contains("c.npy") && sentence.contains("2 rows"), "{sentence}");
}

#[test]
fn a_wrong_value_is_told_with_file_row_and_column() {
    let sandbox = Sandbox::new();
    for (file, text, words) in [
        (
            "nan.csv",
            "label,score\n1,0.9\n0,nan\n",
            ["nan.csv", "row 1", "`score`"],
        ),
        (
            "label.csv",
            "label,score\n1,0.9\n0,0.1\n2,0.1\n",
            ["label.csv", "row 2", "`label`"],
        ),
        (
            "word.csv",
            "label,score\n1,high\n0,0.1\n",
            ["word.csv", "row 0", "high"],
        ),
        (
            "name.csv",
            "label,scores\n1,0.3\n0,0.1\n",
            ["name.csv", "`score`", "--score-column"],
        ),
        (
            "unlabelled.csv",
            "score\n0.3\n0.1\n",
            ["unlabelled.csv", "no labels", "--labels"],
        ),
        ("short.csv", "label,score\n1,0.3\n0\n", ["short.csv", "fields", "line"]),
    ] {
        sandbox.write(file, text);
        let sentence = sandbox.tagwerk(&format!("evaluate {file}")).sentence();
        for word in words {
            assert!(sentence.contains(word), "{word} in {sentence}");
        }
    }
    assert!(sandbox.tagwerk("evaluate none.csv").sentence().contains("none.csv"));
    sandbox.write("scores.txt", "0.5");
    assert!(sandbox.tagwerk("evaluate scores.txt").sentence().contains(".npy"));
}

#[test]
fn original_tagger_outputs_give_the_published_numbers() {
    let Some(folder) = shared("landscape-scores") else {
        return;
    };
    let sandbox = Sandbox::new();
    // AUC, accuracy, R(0.3), R(0.5) of the original outputs, from the analysis of arXiv:1902.09914.
    for (file, auc, accuracy, at_30, at_50) in [
        ("ResNeXt50_v2", 0.983_715, 0.935_790, 1147.24, 302.27),
        ("topodnn_v2", 0.971_413, 0.915_720, 289.69, 95.51),
    ] {
        let words = format!(
            "evaluate {0}/{file}.npy --labels {0}/labels.npy --json -",
            folder.display()
        );
        let json = sandbox.tagwerk(&words).json();
        let near = |value: &serde_json::Value, expected: f64, tolerance: f64| {
            let value = value.as_f64().unwrap();
            assert!((value - expected).abs() <= tolerance, "{file}: {value} {expected}");
        };
        near(&json["auc"], auc, 5e-7);
        near(&json["accuracy"], accuracy, 5e-7);
        near(&json["rejection"]["0.3"]["value"], at_30, 0.006);
        near(&json["rejection"]["0.5"]["value"], at_50, 0.006);
        assert_eq!(
            (&json["n_signal"], &json["n_background"]),
            (&202_086.into(), &201_914.into())
        );
    }
}
