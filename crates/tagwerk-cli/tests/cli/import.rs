//! Weights of PyTorch become a run that scores.

use crate::sandbox::Sandbox;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, UInt64Type};
use std::path::Path;
use tagwerk_data::{ParquetFile, Plan, Source};

const FIXTURES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/reference/data/weaver_particlenet"
);

/// One column of a Parquet file.
fn column(path: &Path, name: &str) -> Vec<arrow_array::ArrayRef> {
    let batches = ParquetFile::open(path)
        .unwrap()
        .read(&Plan::default())
        .unwrap()
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    batches
        .iter()
        .map(|batch| batch.column_by_name(name).unwrap().clone())
        .collect()
}

#[test]
fn imported_weights_score_as_in_pytorch() {
    let sandbox = Sandbox::new();
    let told = sandbox
        .tagwerk(&format!(
            "import {FIXTURES}/general.pt -o run --preprocess {FIXTURES}/general.preprocess.json --signal label_8 \
             --background 0 --neighbors 7 --json -"
        ))
        .json();
    assert_eq!(told["choices"]["signal"], "8 (label_8)");
    assert_eq!(
        (&told["network"]["features"], &told["network"]["classes"]),
        (&7.into(), &10.into())
    );
    let scored = sandbox
        .tagwerk(&format!(
            "score run {FIXTURES}/jets.parquet --part all -o scores.parquet --json -"
        ))
        .json();
    assert_eq!(scored["jets"], 40);
    let found: Vec<f32> = column(&sandbox.path("scores.parquet"), "log_odds")
        .iter()
        .flat_map(|values| values.as_primitive::<Float32Type>().values().to_vec())
        .collect();
    let mut expected = Vec::new();
    for lists in column(&Path::new(FIXTURES).join("scores.parquet"), "general") {
        let lists = lists.as_list::<i32>();
        expected.extend((0..lists.len()).map(|jet| {
            let logits = lists.value(jet).as_primitive::<Float64Type>().values().to_vec();
            logits[8] - logits[0]
        }));
    }
    assert_eq!(expected.len(), found.len());
    for (jet, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error < 1e-4, "jet {jet}: {found} for {expected}");
    }
    let provenance = sandbox.json_file("run/provenance.json");
    assert_eq!(provenance["imported"]["sha256"], told["sha256"]);
    assert_eq!(provenance["imported"]["file"], "general.pt");
}

#[test]
fn an_imported_run_stands_in_a_table_once_it_has_scored_its_test_jets() {
    let sandbox = Sandbox::new();
    let small = "--jets 200 --validation-jets 100 --epochs 1";
    sandbox
        .tagwerk(&format!("train --tagger topodnn {small} -o own"))
        .good();
    sandbox.tagwerk(&format!("import {FIXTURES}/kin.pt -o theirs")).good();
    let left_out = sandbox.tagwerk("report own theirs -o report --json -").good();
    assert!(
        left_out.stderr.contains("theirs has no scores of test jets"),
        "{left_out:#?}"
    );
    sandbox.tagwerk("score theirs sample -o theirs/scores.parquet").good();
    let told = sandbox.tagwerk("report own theirs -o report --json -").json();
    assert_eq!(told["taggers"].as_array().unwrap().len(), 2);
    let sentence = sandbox.tagwerk("resume theirs").sentence();
    assert!(sentence.contains("imported, not trained here"), "{sentence}");
}

#[test]
fn weights_for_jetclass_score_its_files_by_the_classes_they_were_imported_for() {
    let sandbox = Sandbox::new();
    let told = sandbox
        .tagwerk(&format!(
            "import {FIXTURES}/full.pt -o run --signal label_Tbqq --background label_QCD --json -"
        ))
        .json();
    assert_eq!(
        (&told["choices"]["features"], &told["network"]["variant"]),
        (&"full".into(), &"full".into())
    );
    let scored = sandbox
        .tagwerk(&format!(
            "score run {FIXTURES}/jetclass.parquet --part all -o scores.parquet --json -"
        ))
        .json();
    assert_eq!((&scored["jets"], &scored["signal"]), (&46.into(), &"label_Tbqq".into()));
    let mut expected = Vec::new();
    for lists in column(&Path::new(FIXTURES).join("jetclass_scores.parquet"), "full") {
        let lists = lists.as_list::<i32>();
        expected.extend((0..lists.len()).map(|jet| {
            let logits = lists.value(jet).as_primitive::<Float64Type>().values().to_vec();
            logits[8] - logits[0]
        }));
    }
    // Jets of other classes were left out; the rows say which.
    let rows: Vec<u64> = column(&sandbox.path("scores.parquet"), "row")
        .iter()
        .flat_map(|values| values.as_primitive::<UInt64Type>().values().to_vec())
        .collect();
    let found = log_odds(&sandbox, "scores.parquet");
    assert_eq!((expected.len(), rows.len(), found.len()), (48, 46, 46));
    for (&row, found) in rows.iter().zip(&found) {
        let error = (f64::from(*found) - expected[row as usize]).abs();
        assert!(error < 1e-4, "row {row}: {found} for {}", expected[row as usize]);
    }
    // Converted, the jets have a label and keep what the weights read; other classes can be named.
    let classes = "--signal label_Tbqq --background label_QCD";
    sandbox
        .tagwerk(&format!(
            "data convert {FIXTURES}/jetclass.parquet converted.parquet {classes}"
        ))
        .good();
    sandbox
        .tagwerk("score run converted.parquet --part all -o again.parquet")
        .good();
    assert_eq!(log_odds(&sandbox, "again.parquet"), found);
    let other = sandbox
        .tagwerk(&format!(
            "score run {FIXTURES}/jetclass.parquet --part all --signal label_Tbl --background label_QCD -o other.parquet --json -"
        ))
        .json();
    assert_eq!(
        (&other["jets"], &other["evaluation"]["n_signal"]),
        (&24.into(), &1.into())
    );
}

/// The log-odds of a file of scores.
fn log_odds(sandbox: &Sandbox, file: &str) -> Vec<f32> {
    let columns = column(&sandbox.path(file), "log_odds");
    let values = columns.iter();
    values
        .flat_map(|values| values.as_primitive::<Float32Type>().values().to_vec())
        .collect()
}

#[test]
fn jets_that_lack_what_weights_read_are_refused_in_a_sentence() {
    let sandbox = Sandbox::new();
    sandbox
        .tagwerk(&format!(
            "import {FIXTURES}/kinpid.pt -o run --signal label_Tbqq --background label_QCD"
        ))
        .good();
    for (data, words) in [
        ("sample", ["particlenet", "constituent_charge"]),
        (&format!("{FIXTURES}/jets.parquet"), ["jets.parquet", "part_charge"]),
        (
            &format!("{FIXTURES}/jetclass.parquet --signal label_Tbqq --background label_top"),
            ["jetclass.parquet", "label_top"],
        ),
    ] {
        let sentence = sandbox
            .tagwerk(&format!("score run {data} -o scores.parquet"))
            .sentence();
        assert!(words.iter().all(|word| sentence.contains(word)), "{sentence}");
        assert_eq!(sentence.trim_end().lines().count(), 1, "{sentence}");
        assert!(!sandbox.path("scores.parquet").exists());
    }
    let usage = sandbox.tagwerk(&format!(
        "score run {FIXTURES}/jetclass.parquet --signal label_Tbqq -o s.parquet"
    ));
    assert_eq!(usage.code, 2);
    // Without a run that has classes there is none to take.
    let sentence = sandbox
        .tagwerk(&format!(
            "train --tagger topodnn --data {FIXTURES}/jetclass.parquet --epochs 1 -o own"
        ))
        .sentence();
    assert!(
        sentence.contains("choose two of its classes") && sentence.contains("label_Tbqq"),
        "{sentence}"
    );
}

#[test]
fn an_inspection_lists_tensors_also_of_weights_that_cannot_be_imported() {
    let sandbox = Sandbox::new();
    let told = sandbox
        .tagwerk(&format!("import --inspect {FIXTURES}/vertices.pt"))
        .good()
        .stdout;
    for words in [
        "mod.edge_convs.0.convs.0.weight",
        "[4, 12, 1, 1]",
        "6 features",
        "cannot be imported",
        "full (17)",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let sentence = sandbox
        .tagwerk(&format!("import {FIXTURES}/vertices.pt -o run"))
        .sentence();
    assert!(
        sentence.contains("6 features") && sentence.contains("kinpid (13)"),
        "{sentence}"
    );
    assert!(!sandbox.path("run").exists());
}

#[test]
fn damaged_and_foreign_files_are_one_sentence() {
    let sandbox = Sandbox::new();
    let whole = std::fs::read(format!("{FIXTURES}/kin.pt")).unwrap();
    sandbox.write("half.pt", &whole[..whole.len() / 2]);
    let mut flipped = whole.clone();
    let at = whole.len() / 2;
    flipped[at] ^= 0x40;
    sandbox.write("flipped.pt", flipped);
    sandbox.write("text.pt", "weights");
    sandbox.write("empty.pt", "");
    for file in ["half.pt", "flipped.pt", "text.pt", "empty.pt"] {
        for command in [format!("import {file} -o run"), format!("import --inspect {file}")] {
            let sentence = sandbox.tagwerk(&command).sentence();
            assert!(sentence.contains(file), "{command}: {sentence}");
        }
    }
    assert!(!sandbox.path("run").exists());
    assert_eq!(sandbox.tagwerk("import kin.pt").code, 2);
}
