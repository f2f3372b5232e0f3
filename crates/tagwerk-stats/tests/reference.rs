//! Agreement with numpy and scipy on a small sample with ties, with and without weights.
//!
//! `reference/small.json` was made by `tests/reference/stats_reference.py` at the root of the repository, which counts
//! pairs and thresholds one by one.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // The test settings of clippy.toml do not reach the free functions of a test file.

use serde_json::Value;
use tagwerk_stats::{RejectionColumn, Truth, WorkingPoints, delong, delong_pair, ensembles, evaluate, training_spread};

struct Case {
    json: Value,
    truth: Truth,
    weighted: Truth,
    runs: Vec<Vec<f64>>,
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn case() -> Case {
    let json: Value = serde_json::from_str(include_str!("reference/small.json")).unwrap();
    let labels: Vec<u8> = numbers(&json["labels"]).iter().map(|&v| v as u8).collect();
    let weights = numbers(&json["weights"]);
    Case {
        truth: Truth::new(&labels).unwrap(),
        weighted: Truth::weighted(&labels, &weights).unwrap(),
        runs: json["runs"].as_array().unwrap().iter().map(numbers).collect(),
        json,
    }
}

fn close(ours: f64, reference: &Value, what: &str) {
    let reference = reference.as_f64().unwrap();
    assert!(
        (ours - reference).abs() <= 1e-11 * reference.abs().max(1.0),
        "{what}: {ours} instead of {reference}"
    );
}

#[test]
fn every_run_has_numpys_auc_accuracy_and_rejections() {
    let case = case();
    let points = WorkingPoints::new(&[0.3, 0.4, 0.5]).unwrap();
    for (suffix, truth) in [("", &case.truth), ("_weighted", &case.weighted)] {
        for (i, run) in case.runs.iter().enumerate() {
            let ours = evaluate(run, truth, &points).unwrap();
            close(ours.auc, &case.json[format!("auc{suffix}")][i], "auc");
            close(ours.accuracy, &case.json[format!("accuracy{suffix}")][i], "accuracy");
            for key in ["0.3", "0.4", "0.5"] {
                let reference = &case.json[format!("rejection{suffix}")][i][key];
                close(ours.rejection[key].value.unwrap(), &reference["value"], key);
                close(ours.rejection[key].test_error.unwrap(), &reference["test_error"], key);
            }
        }
    }
}

#[test]
fn delong_errors_and_covariance_are_those_of_all_pairs() {
    let case = case();
    for (key, truth) in [("delong", &case.truth), ("delong_weighted", &case.weighted)] {
        let ours = delong_pair(&case.runs[0], &case.runs[1], truth).unwrap();
        let reference = &case.json[key];
        close(ours.a.auc, &reference["auc_a"], "auc a");
        close(ours.a.error.unwrap(), &reference["error_a"], "error a");
        close(ours.b.error.unwrap(), &reference["error_b"], "error b");
        close(ours.covariance.unwrap(), &reference["covariance"], "covariance");
        close(ours.error.unwrap(), &reference["error"], "error of the difference");
        close(ours.z.unwrap(), &reference["z"], "z");
        close(ours.p_value.unwrap(), &reference["p_value"], "p");
        close(
            delong(&case.runs[0], truth).unwrap().error.unwrap(),
            &reference["error_a"],
            "error alone",
        );
    }
}

#[test]
fn ensembles_of_nine_and_of_four_trainings_are_numpys() {
    let case = case();
    for (key, trainings) in [("ensemble_9", 9), ("ensemble_4", 4)] {
        let columns: Vec<&[f64]> = case.runs[..trainings].iter().map(Vec::as_slice).collect();
        let ours = ensembles(&columns, &case.truth).unwrap();
        for (how, column) in [("mean", &ours.mean), ("median", &ours.median)] {
            let reference = &case.json[key][how];
            assert_eq!(reference["subsets"], ours.rule.subsets);
            close(column.value.unwrap(), &reference["value"], how);
            close(column.spread.unwrap(), &reference["spread"], how);
            let members: &RejectionColumn = column;
            assert_eq!(members.trainings.len(), ours.rule.members);
        }
    }
}

#[test]
fn the_single_column_is_numpys() {
    let case = case();
    let values: Vec<f64> = case
        .runs
        .iter()
        .map(|run| {
            evaluate(run, &case.truth, &WorkingPoints::default()).unwrap().rejection["0.3"]
                .value
                .unwrap()
        })
        .collect();
    let ours = training_spread(&values);
    let kept: Vec<f64> = ours.kept.iter().map(|&i| i as f64).collect();
    assert_eq!(kept, numbers(&case.json["single"]["kept"]));
    close(ours.median.unwrap(), &case.json["single"]["median"], "median");
    close(ours.spread.unwrap(), &case.json["single"]["spread"], "spread");
}
