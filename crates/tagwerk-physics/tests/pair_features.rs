//! Pair features against numpy (`tests/reference/physics_pair_features.py`) on 20 real-sized jets, and their shapes.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod support;
#[path = "support/table.rs"]
mod table;

use support::{Reference, reference_jets};
use table::table;
use tagwerk_physics::{
    FourVector, KINEMATIC_FEATURES, PAIR_FEATURES, minkowski_products_view, pair_features_view, part_view,
    unordered_pair_features,
};

const JETS: usize = 20;
const LEADING: usize = 12;
const SPURIONS: [FourVector; 2] = [
    FourVector {
        e: 1.0,
        px: 0.0,
        py: 0.0,
        pz: 0.0,
    },
    FourVector {
        e: 0.0,
        px: 0.0,
        py: 0.0,
        pz: 1.0,
    },
];

#[test]
fn the_features_of_pairs_agree_with_numpy() {
    let view = pair_features_view(&reference_jets(JETS), LEADING).unwrap();
    assert_eq!(view.width, PAIR_FEATURES.len());
    for (b, expected) in Reference::open("physics_pair_features.parquet")
        .lists("features")
        .iter()
        .enumerate()
    {
        assert_eq!(view.jet(b).len(), expected.len());
        for (i, (&found, &expected)) in view.jet(b).iter().zip(expected).enumerate() {
            // A squared mass is a difference of squared energies, 1e5 GeV^2 and more, of 1e-16 relative rounding;
            // others round to f32.
            let limit = if i % 4 == 3 { 1e-6 + 1e-9 / expected.exp() } else { 2e-6 };
            let error = (f64::from(found) - expected).abs();
            assert!(
                error <= limit * expected.abs().max(1.0),
                "jet {b}, pair {}, {}: {found}, expected {expected}",
                i / 4,
                PAIR_FEATURES[i % 4]
            );
        }
    }
}

#[test]
fn minkowski_products_agree_with_numpy() {
    let jets = reference_jets(JETS);
    let view = minkowski_products_view(&jets, LEADING, &SPURIONS).unwrap();
    for (b, expected) in Reference::open("physics_pair_features.parquet")
        .lists("products")
        .iter()
        .enumerate()
    {
        assert_eq!(view.jet(b).len(), expected.len());
        let largest = expected.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
        for (&found, &expected) in view.jet(b).iter().zip(expected) {
            let error = (f64::from(found) - expected).abs();
            assert!(
                error <= 1e-7 * expected.abs() + 1e-10 * largest,
                "jet {b}: {found}, expected {expected}"
            );
        }
    }
    let plain = minkowski_products_view(&jets, LEADING, &[]).unwrap();
    assert_eq!(plain.jet(3)[1], view.jet(3)[2 * 14 + 3], "spurions stand in front");
}

#[test]
fn every_jet_has_its_own_square_of_rows() {
    let particle = |pt, phi| FourVector::from_pt_eta_phi_mass(pt, 0.1, phi, 0.0);
    let jets = table(&[
        vec![],
        vec![particle(3.0, 3.1), particle(1.0, -3.1), particle(0.5, 0.0)],
        vec![FourVector::default(), FourVector::new(2.0, 0.0, 0.0, 2.0)],
    ]);
    let view = pair_features_view(&jets, 2).unwrap();
    assert_eq!(view.offsets, [0, 0, 4, 8]);
    assert!(view.rows.iter().all(|value| value.is_finite()));
    let floor = 1e-8f32.ln();
    let (alone, pair) = (&view.jet(1)[..4], &view.jet(1)[4..8]);
    assert_eq!(
        (alone[0], alone[1], alone[2]),
        (floor, 0.5f32.ln(), floor),
        "a constituent with itself"
    );
    // Across the seam at pi: 2 pi - 6.2.
    assert!((pair[2] - (std::f32::consts::TAU - 6.2).ln()).abs() < 1e-5 && (pair[1] - 0.25f32.ln()).abs() < 1e-6);
    assert_eq!(pair, &view.jet(1)[8..12], "symmetric");
    assert_eq!(
        minkowski_products_view(&jets, 2, &SPURIONS).unwrap().offsets,
        [0, 4, 20, 36]
    );
    assert!(pair_features_view(&jets, 0).is_err() && minkowski_products_view(&jets, 0, &[]).is_err());
    let endless = FourVector::new(f64::INFINITY, 0.0, 0.0, 0.0);
    assert!(minkowski_products_view(&jets, 2, &[endless]).is_err());
}

#[test]
fn unordered_pairs_are_the_lower_half_of_all_pairs() {
    let jets = reference_jets(JETS);
    let all = pair_features_view(&jets, LEADING).unwrap();
    let rows = part_view(&jets, LEADING).unwrap();
    let half = unordered_pair_features(&rows, KINEMATIC_FEATURES.len());
    let mut half = half.chunks_exact(PAIR_FEATURES.len());
    for b in 0..rows.len() {
        let n = rows.range(b).len();
        for i in 0..n {
            for j in 0..=i {
                assert_eq!(
                    half.next().unwrap(),
                    &all.jet(b)[4 * (i * n + j)..4 * (i * n + j) + 4],
                    "{b} {i} {j}"
                );
            }
        }
    }
    assert!(half.next().is_none());
}
