//! R-hat and effective sizes against ArviZ (`tests/reference/surrogate_diagnostics.py`).

use serde::Deserialize;
use tagwerk_surrogate::posterior::{STANDING, autocorrelation, diagnose, diagnose_weights};

#[derive(Deserialize)]
struct Case {
    name: String,
    chains: Vec<Vec<f64>>,
    rhat: f64,
    ess_bulk: f64,
    ess_tail: f64,
    autocorrelation: Vec<f64>,
}

#[test]
fn diagnoses_are_those_of_arviz() {
    let text = include_str!("../../../../tests/reference/data/surrogate_diagnostics.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let chains: Vec<&[f64]> = case.chains.iter().map(Vec::as_slice).collect();
        let diagnosis = diagnose(&chains).unwrap();
        // Of fewer than ten draws a chain ArviZ calls all of them independent and more, whatever they are; here a chain is
        // one draw.
        let few = (chains[0].len() < 10).then_some(chains.len() as f64);
        for (what, found, expected) in [
            ("R-hat", diagnosis.rhat, case.rhat),
            ("bulk ESS", diagnosis.ess_bulk, few.unwrap_or(case.ess_bulk)),
            ("tail ESS", diagnosis.ess_tail, few.unwrap_or(case.ess_tail)),
        ] {
            let limit = 1e-9 * expected.abs();
            assert!(
                (found - expected).abs() < limit,
                "{}: {what} {found}, {expected}",
                case.name
            );
        }
        let found = autocorrelation(chains[0], 3);
        for (found, expected) in found.iter().zip(&case.autocorrelation) {
            assert!((found - expected).abs() < 1e-12, "{}", case.name);
        }
    }
}

#[test]
fn what_cannot_be_diagnosed_is_not() {
    assert_eq!(diagnose(&[]), None);
    assert_eq!(diagnose(&[&[1.0, 2.0, 3.0]]), None, "too short");
    assert_eq!(diagnose(&[&[1.0; 8], &[1.0; 8]]), None, "constant");
    assert_eq!(
        diagnose(&[&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0]]),
        None,
        "of two lengths"
    );
    assert_eq!(diagnose(&[&[1.0, f64::NAN, 3.0, 4.0]]), None);
    assert!(autocorrelation(&[1.0; 5], 2).is_empty());
    assert!(autocorrelation(&[1.0, 2.0], 2).is_empty());
    // Chains that stand still at different values have the worst R-hat there is.
    assert_eq!(diagnose(&[&[1.0; 8], &[2.0; 8]]).unwrap().rhat, STANDING);
}

/// A weight in which one chain differs shows in the largest R-hat, and only there.
#[test]
fn one_bad_weight_among_many_is_seen() {
    let chain = |shift: f32, seed| {
        let mut rng = tagwerk_data::random::stream(seed, "test", 0);
        let mut draws: Vec<f32> = (0..50 * 20)
            .map(|_| tagwerk_data::random::normal(&mut rng) as f32)
            .collect();
        draws.chunks_exact_mut(20).for_each(|draw| draw[7] += shift);
        draws
    };
    let good = [chain(0.0, 1), chain(0.0, 2)];
    let bad = [chain(0.0, 1), chain(3.0, 2)];
    let diagnosis = |chains: &[Vec<f32>; 2]| diagnose_weights(&[&chains[0], &chains[1]], 20).unwrap();
    assert!(diagnosis(&good).rhat_largest < 1.15, "{:?}", diagnosis(&good));
    assert!(diagnosis(&bad).rhat_largest > 1.5, "{:?}", diagnosis(&bad));
    assert_eq!(diagnosis(&good).rhat_median, diagnosis(&bad).rhat_median);
}
