//! What must hold for any scores.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // The test settings of clippy.toml do not reach the free functions of a test file.

use proptest::prelude::*;
use tagwerk_stats::{Roc, Truth, WorkingPoints, delong, evaluate};

/// Labels of both classes with scores from a coarse grid, so that ties are frequent.
fn sample() -> impl Strategy<Value = (Vec<u8>, Vec<f64>, Vec<f64>)> {
    proptest::collection::vec((0..2_u8, -6..=6_i32, 1..5_u32), 2..80).prop_filter_map("one class", |rows| {
        let labels: Vec<u8> = rows.iter().map(|r| r.0).collect();
        let scores = rows.iter().map(|r| f64::from(r.1) / 4.0).collect();
        let weights = rows.iter().map(|r| f64::from(r.2)).collect();
        (labels.contains(&0) && labels.contains(&1)).then_some((labels, scores, weights))
    })
}

/// AUC from all pairs.
fn counted(labels: &[u8], scores: &[f64], weights: &[f64]) -> f64 {
    let (mut wins, mut pairs) = (0.0, 0.0);
    for i in (0..labels.len()).filter(|&i| labels[i] == 1) {
        for j in (0..labels.len()).filter(|&j| labels[j] == 0) {
            let weight = weights[i] * weights[j];
            pairs += weight;
            wins += if scores[i] > scores[j] {
                weight
            } else if scores[i] == scores[j] {
                weight / 2.0
            } else {
                0.0
            };
        }
    }
    wins / pairs
}

proptest! {
    #[test]
    fn the_area_is_the_count_of_ordered_pairs((labels, scores, weights) in sample()) {
        let plain = evaluate(&scores, &Truth::new(&labels).unwrap(), &WorkingPoints::default()).unwrap();
        prop_assert!((plain.auc - counted(&labels, &scores, &vec![1.0; labels.len()])).abs() < 1e-12);
        let weighted = evaluate(&scores, &Truth::weighted(&labels, &weights).unwrap(), &WorkingPoints::default()).unwrap();
        prop_assert!((weighted.auc - counted(&labels, &scores, &weights)).abs() < 1e-12);
    }

    #[test]
    fn integer_weights_are_repetitions((labels, scores, weights) in sample()) {
        let weighted = evaluate(&scores, &Truth::weighted(&labels, &weights).unwrap(), &WorkingPoints::default()).unwrap();
        let repeat = |i: usize| std::iter::repeat_n(i, weights[i] as usize);
        let rows: Vec<usize> = (0..labels.len()).flat_map(repeat).collect();
        let labels: Vec<u8> = rows.iter().map(|&i| labels[i]).collect();
        let scores: Vec<f64> = rows.iter().map(|&i| scores[i]).collect();
        let repeated = evaluate(&scores, &Truth::new(&labels).unwrap(), &WorkingPoints::default()).unwrap();
        prop_assert!((weighted.auc - repeated.auc).abs() < 1e-12);
        prop_assert!((weighted.accuracy - repeated.accuracy).abs() < 1e-12);
        for key in ["0.3", "0.5"] {
            let (w, r) = (&weighted.rejection[key], &repeated.rejection[key]);
            prop_assert_eq!(w.value.is_some(), r.value.is_some());
            if let (Some(w), Some(r)) = (w.value, r.value) {
                prop_assert!((w / r - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_monotone_transformation_changes_nothing((labels, scores, _) in sample()) {
        let truth = Truth::new(&labels).unwrap();
        let sigmoid: Vec<f64> = scores.iter().map(|s| 1.0 / (1.0 + (-3.0 * s).exp())).collect();
        let (a, b) = (Roc::new(&scores, &truth).unwrap(), Roc::new(&sigmoid, &truth).unwrap());
        prop_assert_eq!(a.signal_efficiency(), b.signal_efficiency());
        prop_assert_eq!(a.background_efficiency(), b.background_efficiency());
        prop_assert_eq!(a.auc(), b.auc());
        prop_assert_eq!(delong(&scores, &truth).unwrap(), delong(&sigmoid, &truth).unwrap());
    }

    #[test]
    fn turning_the_scores_round_turns_the_area_round((labels, scores, _) in sample()) {
        let truth = Truth::new(&labels).unwrap();
        let reversed: Vec<f64> = scores.iter().map(|s| -s).collect();
        let (a, b) = (delong(&scores, &truth).unwrap(), delong(&reversed, &truth).unwrap());
        prop_assert!((a.auc + b.auc - 1.0).abs() < 1e-12);
        match (a.error, b.error) {
            (Some(x), Some(y)) => prop_assert!((x - y).abs() < 1e-9),
            (x, y) => prop_assert_eq!(x, y),
        }
    }

    #[test]
    fn curves_rise_and_rows_have_no_order((labels, scores, _) in sample()) {
        let roc = Roc::new(&scores, &Truth::new(&labels).unwrap()).unwrap();
        for axis in [roc.signal_efficiency(), roc.background_efficiency()] {
            prop_assert!(axis.windows(2).all(|w| w[0] <= w[1]));
            prop_assert_eq!((axis[0], axis[axis.len() - 1]), (0.0, 1.0));
        }
        let (mut labels, mut scores) = (labels, scores);
        labels.reverse();
        scores.reverse();
        prop_assert_eq!(roc.auc(), Roc::new(&scores, &Truth::new(&labels).unwrap()).unwrap().auc());
    }

    #[test]
    fn nothing_that_json_lacks_comes_out((labels, scores, _) in sample()) {
        let truth = Truth::new(&labels).unwrap();
        let evaluation = evaluate(&scores, &truth, &WorkingPoints::new(&[1e-6, 0.3, 1.0]).unwrap()).unwrap();
        let json = serde_json::to_string(&evaluation).unwrap();
        let back: tagwerk_stats::Evaluation = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(back, evaluation);
    }
}
