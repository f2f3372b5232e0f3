//! Observables as a table.

use crate::sandbox::Sandbox;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, UInt64Type};
use serde_json::json;
use tagwerk_data::{JetDataset, JetOptions, Part, Plan, Split};
use tagwerk_physics::{FeaturePlan, FeatureValues};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/top_sample.parquet");

/// The file holds what the library computes, jet by jet, under the library's names.
#[test]
fn the_table_holds_the_librarys_numbers() {
    let sandbox = Sandbox::new();
    let sets = ["kinematics", "nsubjettiness:n=2,beta=0.5/1", "image:pixels=8", "lda"];
    let told = sandbox
        .tagwerk(&format!(
            "features {SAMPLE} {} --jets 3000 -o f.parquet --json -",
            sets.join(" ")
        ))
        .json();
    assert_eq!((&told["jets"], &told["part"]), (&json!(3000), &json!("all")));
    assert_eq!(told["columns"][0]["name"], "jet_pt");
    assert_eq!(told["columns"][0]["unit"], "GeV");

    let source = tagwerk_data::open(&sandbox.path("f.parquet")).unwrap();
    assert_eq!(source.row_count(), 3000);
    let batches: Vec<_> = source.read(&Plan::default()).unwrap().map(Result::unwrap).collect();
    let column = |name: &str| -> Vec<ArrayRef> {
        batches
            .iter()
            .map(|b| b.column_by_name(name).unwrap().clone())
            .collect()
    };

    let options = JetOptions {
        split: Some(Split::Fractions {
            train: 0.0,
            validation: 0.0,
            test: 1.0,
        }),
        ..JetOptions::default()
    };
    let jets = JetDataset::open(SAMPLE.as_ref(), &options)
        .unwrap()
        .load(Part::Test, Some(3000))
        .unwrap();
    let rows: Vec<u64> = column("row")
        .iter()
        .flat_map(|a| a.as_primitive::<UInt64Type>().values().to_vec())
        .collect();
    assert_eq!(rows, jets.rows);
    let plan = FeaturePlan::parse(sets).unwrap();
    let expected = plan.compute(&jets).unwrap();
    assert!(expected.columns.len() > 12);
    for (about, values) in expected.columns.iter().zip(expected.values) {
        match values {
            FeatureValues::Numbers(values) => {
                let found: Vec<f64> = column(&about.name)
                    .iter()
                    .flat_map(|a| a.as_primitive::<Float64Type>().values().to_vec())
                    .collect();
                assert!(found == values, "{}", about.name);
            }
            FeatureValues::Array { values, .. } => {
                let lists = column(&about.name);
                let lists = lists.iter().map(|a| a.as_fixed_size_list().values().clone());
                let found: Vec<f32> = lists
                    .flat_map(|a| a.as_primitive::<Float32Type>().values().to_vec())
                    .collect();
                assert!(found == values, "{}", about.name);
            }
            FeatureValues::Words { words, offsets } => {
                let mut jet = 0;
                for lists in column(&about.name) {
                    for list in lists.as_list::<i32>().iter() {
                        let list = list.unwrap();
                        let found = list.as_primitive::<UInt64Type>().values();
                        assert_eq!(
                            found[..],
                            words[offsets[jet]..offsets[jet + 1]],
                            "{} of jet {jet}",
                            about.name
                        );
                        jet += 1;
                    }
                }
                assert_eq!(jet, 3000);
            }
        }
    }
}

#[test]
fn what_is_not_known_is_named_and_leaves_no_file() {
    let sandbox = Sandbox::new();
    for (set, word) in [
        ("kinematic", "nsubjettiness"),
        ("nsubjettiness:n=0", "n"),
        ("efp:d=99", "d"),
        ("efp:q=1", "kappa"),
    ] {
        let sentence = sandbox
            .tagwerk(&format!("features {SAMPLE} {set} -o f.parquet"))
            .sentence();
        assert!(sentence.contains(word), "{set}: {sentence}");
        assert!(!sandbox.path("f.parquet").exists(), "{set}");
    }
    let twice = sandbox
        .tagwerk(&format!("features {SAMPLE} kinematics kinematics -o f.parquet"))
        .sentence();
    assert!(twice.contains("jet_pt"), "{twice}");
}

#[test]
fn a_part_is_only_its_own_jets() {
    let sandbox = Sandbox::new();
    let told = sandbox
        .tagwerk("features sample kinematics --part validation -o v.parquet --json -")
        .json();
    assert_eq!(told["jets"], 2000);
}
