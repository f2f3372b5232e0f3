//! Lists: taggers and data sets; converting and inspecting files.

use crate::sandbox::Sandbox;
use serde_json::Value;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/top_sample.parquet");

#[test]
fn taggers_have_the_published_architectures_and_numbers() {
    let sandbox = Sandbox::new();
    let list = sandbox.tagwerk("taggers --json -").json();
    let find = |name: &str| {
        list.as_array()
            .unwrap()
            .iter()
            .find(|t| t["name"] == name)
            .unwrap_or_else(|| panic!("{name} in {list}"))
            .clone()
    };
    // Parameter counts that follow from the published architectures.
    for (name, parameters) in [
        ("topodnn", 59_323),
        ("pfn", 82_458),
        ("efn", 82_358),
        ("particlenet-lite", 26_416),
        ("resnext", 1_457_314),
        ("part", 2_141_134),
        ("lorentznet", 224_072),
    ] {
        assert_eq!(find(name)["parameters"], parameters, "{name}");
        assert!(find(name)["view"].is_string());
    }
    let published = &find("pfn")["published"];
    assert_eq!(published["auc"], 0.982);
    assert_eq!(published["rejection_single"]["value"], 891.0);
    for key in ["accuracy", "rejection_mean", "rejection_median", "parameters"] {
        assert!(!published[key].is_null(), "{key}");
    }
    let text = sandbox.tagwerk("taggers").good().stdout;
    assert!(text.contains("82,458") && text.contains("891 ± 18"), "{text}");
}

#[test]
fn data_sets_are_listed_and_described() {
    let sandbox = Sandbox::new();
    let list = sandbox.tagwerk("data list --json -").json();
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["name"].as_str())
        .collect();
    assert!(names.contains(&"sample") && names.contains(&"top-tagging"), "{names:?}");
    // Data of the other commands are told where they belong.
    for (name, command) in [
        ("jetclass-scores", "tagwerk surrogate"),
        ("hepmass", "tagwerk parametric"),
    ] {
        assert!(names.contains(&name), "{names:?}");
        let refused = sandbox
            .tagwerk(&format!("train --tagger pfn --data {name} -o run"))
            .sentence();
        assert!(refused.contains(command), "{refused}");
    }
    let scores = sandbox.tagwerk("data info jetclass-scores").good().stdout;
    assert!(
        scores.contains("4,000,000 jets") && scores.contains("jet_p_top_ParT_full"),
        "{scores}"
    );
    assert!(
        sandbox
            .tagwerk("data info top-tagging")
            .good()
            .stdout
            .contains("13163479dee30a5fe546e4536cc3d04d")
    );
    assert_eq!(
        sandbox.tagwerk("data info sample --json -").json()["rows"],
        serde_json::json!([6000, 2000, 2000])
    );
    let told = sandbox.tagwerk("data fetch sample --json -").json();
    assert_eq!(told["files"], serde_json::json!([]));
}

#[test]
fn an_unknown_data_set_is_told_with_the_known_ones() {
    let sandbox = Sandbox::new();
    for words in [
        "data info tops",
        "data fetch tops",
        "train --tagger pfn --data tops",
        "landscape --data tops",
    ] {
        let sentence = sandbox.tagwerk(words).sentence();
        assert!(
            sentence.contains("tops") && sentence.contains("top-tagging"),
            "{words}: {sentence}"
        );
    }
    assert!(!sandbox.path("runs").exists());
}

#[test]
fn a_data_set_without_its_files_is_told_how_to_get_them() {
    let sandbox = Sandbox::new();
    let sentence = sandbox.tagwerk("train --tagger pfn --data top-tagging").sentence();
    assert!(
        sentence.contains("--path") && sentence.contains("tagwerk data fetch top-tagging"),
        "{sentence}"
    );
}

#[test]
fn an_unknown_tagger_is_told_with_the_known_ones() {
    let sandbox = Sandbox::new();
    for words in ["train --tagger pnf", "landscape --taggers pfn,pnf"] {
        let sentence = sandbox.tagwerk(words).sentence();
        assert!(
            sentence.contains("pnf") && sentence.contains("particlenet-lite"),
            "{words}: {sentence}"
        );
    }
    assert!(!sandbox.path("runs").exists());
}

#[test]
fn a_converted_file_holds_the_same_jets() {
    let sandbox = Sandbox::new();
    let told = sandbox
        .tagwerk(&format!("data convert {SAMPLE} jets.parquet --json -"))
        .json();
    assert_eq!(told["jets"], 10_000);
    let before = sandbox.tagwerk(&format!("data inspect {SAMPLE} --json -")).json();
    let after = sandbox.tagwerk("data inspect jets.parquet --json -").json();
    assert_eq!(after["problems"], serde_json::json!([]));
    assert_eq!(
        told["constituents"].as_f64().unwrap(),
        before["jets"]["constituents"][1].as_f64().unwrap() * 10_000.0
    );
    for key in ["jets", "signal", "background"] {
        assert_eq!(before["jets"][key], after["jets"][key], "{key}");
    }
    // Momenta are stored in single precision in both.
    let mean = |summary: &Value| summary["jets"]["pt"][1].as_f64().unwrap();
    assert!(
        (mean(&before) - mean(&after)).abs() < 1e-3,
        "{} {}",
        mean(&before),
        mean(&after)
    );
    let sentence = sandbox.tagwerk("data convert jets.parquet jets.parquet").sentence();
    assert!(sentence.contains("itself"), "{sentence}");
}
