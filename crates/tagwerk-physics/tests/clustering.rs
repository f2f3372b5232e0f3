//! Clustering and soft drop against FastJet (`tests/reference/physics_clustering.py`) on 200 real-sized jets.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Reference, reference_jets};
use tagwerk_physics::{
    ClusterAlgorithm, ClusterHistory, Clusterer, JetDefinition, Recombination, SoftDrop, SoftDropGroomer, constituents,
    jet_observables,
};

const JETS: usize = 200;
const TOLERANCE: f64 = 1e-8;

const CASES: [(&str, ClusterAlgorithm, f64); 3] = [
    ("antikt", ClusterAlgorithm::AntiKt, 0.3),
    ("ca", ClusterAlgorithm::CambridgeAachen, 0.8),
    ("kt", ClusterAlgorithm::Kt, 0.8),
];

#[track_caller]
fn assert_close(found: f64, expected: f64, floor: f64, place: &str) {
    let scale = expected.abs().max(floor);
    assert!(
        (found - expected).abs() <= TOLERANCE * scale,
        "{place}: {found:e}, expected {expected:e}"
    );
}

/// (pt, rapidity, phi, mass) of jets against the flat reference.
#[track_caller]
fn assert_same_jets(history: &ClusterHistory, jets: &[usize], expected: &[f64], place: &str) {
    assert_eq!(jets.len() * 4, expected.len(), "{place}: number of jets");
    for (&jet, expected) in jets.iter().zip(expected.chunks_exact(4)) {
        let v = history.momentum(jet);
        assert_close(v.pt(), expected[0], 0.0, place);
        assert_close(v.rapidity(), expected[1], 1.0, place);
        assert_close(v.phi(), expected[2], 1.0, place);
        // A mass is the root of a difference of squares of the energy: below 1e-7 E it is rounding, whoever computes
        // it.
        let rounding = 1e-14 * v.e * v.e;
        let (found, expected) = (v.mass2(), expected[3] * expected[3].abs());
        let limit = 2.0 * TOLERANCE * expected.abs() + rounding;
        assert!(
            (found - expected).abs() <= limit,
            "{place}: squared mass {found:e}, expected {expected:e}"
        );
    }
}

#[test]
fn every_step_has_fastjets_distance_and_size() {
    let (jets, reference) = (reference_jets(JETS), Reference::open("physics_clustering.parquet"));
    for (name, algorithm, radius) in CASES {
        let distances = reference.lists(&format!("{name}_distance"));
        let sizes = reference.lists(&format!("{name}_size"));
        let mut clusterer = Clusterer::new(JetDefinition::new(algorithm, radius)).unwrap();
        for b in 0..JETS {
            let history = clusterer.cluster_jet(&jets, b).unwrap();
            assert_eq!(history.steps().len(), distances[b].len());
            for (i, step) in history.steps().iter().enumerate() {
                let place = format!("{name}, jet {b}, step {i}");
                let size = step.merged.map_or(0, |node| history.constituents(node).len());
                // Two particles 1e-7 apart: their distance is a difference of angles rounded at 1e-16 to 1e-15, so its
                // own relative error is 1e-8, whoever computes it.
                let separation = step.second.map_or(1.0, |second| {
                    history.momentum(step.first).delta_r(&history.momentum(second))
                });
                let expected = distances[b][i];
                let limit = (TOLERANCE + 4e-15 / separation) * expected;
                let error = (step.distance - expected).abs();
                assert!(error <= limit, "{place}: {:e}, expected {expected:e}", step.distance);
                assert_eq!(size as f64, sizes[b][i], "{place}: particles merged");
            }
        }
    }
}

#[test]
fn inclusive_jets_are_fastjets() {
    let (jets, reference) = (reference_jets(JETS), Reference::open("physics_clustering.parquet"));
    for (name, algorithm, radius) in CASES {
        let expected = reference.lists(&format!("{name}_inclusive"));
        let mut clusterer = Clusterer::new(JetDefinition::new(algorithm, radius)).unwrap();
        for (b, expected) in expected.iter().enumerate() {
            let history = clusterer.cluster_jet(&jets, b).unwrap();
            assert_same_jets(
                history,
                &history.inclusive_jets(0.0),
                expected,
                &format!("{name}, jet {b}"),
            );
        }
    }
}

#[test]
fn exclusive_jets_are_fastjets_in_both_recombination_schemes() {
    let (jets, reference) = (reference_jets(JETS), Reference::open("physics_clustering.parquet"));
    for (column, count, recombination) in [
        ("kt_exclusive3", 3, Recombination::EScheme),
        ("kt_wta_exclusive2", 2, Recombination::WinnerTakeAll),
    ] {
        let expected = reference.lists(column);
        let definition = JetDefinition {
            algorithm: ClusterAlgorithm::Kt,
            radius: 0.8,
            recombination,
        };
        let mut clusterer = Clusterer::new(definition).unwrap();
        for (b, expected) in expected.iter().enumerate() {
            let history = clusterer.cluster_jet(&jets, b).unwrap();
            let subjets = history.exclusive_jets(count).unwrap();
            assert_same_jets(history, &subjets, expected, &format!("{column}, jet {b}"));
        }
    }
}

#[test]
fn soft_drop_masses_are_those_of_fastjets_history() {
    let (jets, reference) = (reference_jets(JETS), Reference::open("physics_clustering.parquet"));
    for (column, beta) in [("soft_drop_mass", 0.0), ("soft_drop_mass_beta1", 1.0)] {
        let expected = reference.column(column);
        let mut groomer = SoftDropGroomer::new(SoftDrop {
            beta,
            ..SoftDrop::default()
        })
        .unwrap();
        for (b, &expected) in expected.iter().enumerate() {
            let groomed = groomer.groom(constituents(&jets, b)).unwrap();
            assert_close(
                groomed.momentum.mass(),
                expected,
                1e-4 * groomed.momentum.e,
                &format!("{column}, jet {b}"),
            );
            if beta == 0.0 {
                let dropped = reference.column("soft_drop_dropped")[b];
                assert_eq!(groomed.dropped as f64, dropped, "jet {b}: branches dropped");
            }
        }
    }
    let observables = jet_observables(&jets).unwrap();
    assert_eq!(observables.soft_drop_mass.len(), JETS);
    for (found, expected) in observables
        .soft_drop_mass
        .iter()
        .zip(reference.column("soft_drop_mass"))
    {
        assert_close(*found, expected, 1e-2, "jet_observables");
    }
}
