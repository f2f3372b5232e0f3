//! Weights of PyTorch become a run that scores.

use crate::sandbox::Sandbox;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
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
fn an_inspection_lists_tensors_also_of_weights_that_jets_have_no_columns_for() {
    let sandbox = Sandbox::new();
    let told = sandbox
        .tagwerk(&format!("import --inspect {FIXTURES}/kinpid.pt"))
        .good()
        .stdout;
    for words in [
        "mod.edge_convs.0.convs.0.weight",
        "[4, 26, 1, 1]",
        "13 features (kinpid)",
        "cannot be imported",
        "part_isMuon",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let sentence = sandbox
        .tagwerk(&format!("import {FIXTURES}/kinpid.pt -o run --signal 8 --background 0"))
        .sentence();
    assert!(
        sentence.contains("13 features") && sentence.contains("part_charge"),
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
