//! Agreement with numpy on predictions of a number, and of the analytic errors with a bootstrap.
//!
//! `reference/regression.json` was made by `tests/reference/stats_regression.py` at the root of the repository.
#![allow(clippy::unwrap_used)] // The test settings of clippy.toml do not reach the free functions of a test file.

use serde_json::Value;
use tagwerk_stats::{evaluate_regression, resolution_difference};

fn case() -> (Value, [Vec<f64>; 3]) {
    let json: Value = serde_json::from_str(include_str!("reference/regression.json")).unwrap();
    let column = |name: &str| -> Vec<f64> {
        let values = json[name].as_array().unwrap();
        values.iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let columns = [column("a"), column("b"), column("target")];
    (json, columns)
}

#[test]
fn numbers_and_errors_are_those_of_numpy() {
    let (json, [a, b, target]) = case();
    for (predictions, key) in [(&a, "numbers_a"), (&b, "numbers_b")] {
        let ours = serde_json::to_value(evaluate_regression(predictions, &target).unwrap()).unwrap();
        for (name, reference) in json[key].as_object().unwrap() {
            let (ours, reference) = (ours[name].as_f64().unwrap(), reference.as_f64().unwrap());
            assert!(
                (ours / reference - 1.0).abs() < 1e-11,
                "{key} {name}: {ours} instead of {reference}"
            );
        }
        let spread = json["target_spread"].as_f64().unwrap();
        assert!((ours["target_spread"].as_f64().unwrap() / spread - 1.0).abs() < 1e-12);
    }
}

#[test]
fn analytic_errors_are_those_of_a_bootstrap() {
    let (json, [a, b, target]) = case();
    let own = evaluate_regression(&a, &target).unwrap();
    let difference = resolution_difference(&a, &b, &target).unwrap();
    let told = [own.mse_error, own.bias_error, own.resolution_error, difference.error];
    let drawn = json["bootstrap_errors_of_a_and_of_the_difference"].as_array().unwrap();
    for (told, drawn) in told.into_iter().zip(drawn) {
        let (told, drawn) = (told.unwrap(), drawn.as_f64().unwrap());
        // 4,000 replicas are good to 1 %; the delta method leaves out terms of 1/n, here with a tail.
        assert!((told / drawn - 1.0).abs() < 0.06, "{told} against {drawn}");
    }
}
