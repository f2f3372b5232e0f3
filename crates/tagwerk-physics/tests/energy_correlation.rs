//! Energy correlations against fastjet-contrib and energyflow (`tests/reference/physics_energy_correlation.py`) on 100
//! real-sized jets; then what must hold for any jet.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod support;

use proptest::prelude::*;
use support::{Reference, reference_jets};
use tagwerk_physics::{
    EnergyCorrelationConfig, EnergyCorrelator, FourVector, constituents, energy_correlations, wrap_phi,
};

const JETS: usize = 100;
const TOLERANCE: f64 = 1e-8;

fn correlator(beta: f64) -> EnergyCorrelator {
    EnergyCorrelator::new(EnergyCorrelationConfig {
        beta,
        points: 4,
        generalized: true,
    })
    .unwrap()
}

#[track_caller]
fn assert_same(found: &[f64], expected: &[f64], worst: &mut f64, place: &str) {
    assert_eq!(found.len(), expected.len());
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / expected.abs().max(1e-300);
        *worst = worst.max(error);
        assert!(
            error <= TOLERANCE,
            "{place}, value {i}: {found:e}, expected {expected:e}"
        );
    }
}

#[test]
fn correlations_and_ratios_are_fastjet_contribs() {
    let (jets, reference) = (
        reference_jets(JETS),
        Reference::open("physics_energy_correlation.parquet"),
    );
    let mut worst = 0.0;
    for beta in [1.0, 2.0] {
        let expected = reference.lists(&format!("e_b{beta}"));
        let ratios = reference.lists(&format!("ratios_b{beta}"));
        let config = correlator(beta).config();
        for (b, e) in energy_correlations(&jets, config).unwrap().iter().enumerate() {
            let place = format!("beta {beta}, jet {b}");
            let found = [e.e2, e.e3, e.e4, e.e3_one_angle, e.e3_two_angles];
            assert_same(&found, &expected[b], &mut worst, &place);
            let found = [e.c1(), e.c2(), e.c3(), e.d2(), e.m2(), e.n2()];
            assert_same(&found, &ratios[b], &mut worst, &place);
        }
    }
    println!("largest relative error {worst:.1e}");
}

#[test]
fn complete_graphs_and_ratios_are_energyflows() {
    let (jets, reference) = (
        reference_jets(JETS),
        Reference::open("physics_energy_correlation.parquet"),
    );
    let mut worst = 0.0;
    for beta in [1.0, 2.0] {
        let expected = reference.lists(&format!("energyflow_b{beta}"));
        let mut correlator = correlator(beta);
        for (b, expected) in expected.iter().enumerate() {
            let e = correlator.compute(constituents(&jets, b).map(|v| FourVector { e: v.p(), ..v }));
            let found = [e.e2, e.e3, e.e4, e.c2(), e.d2(), e.c3()];
            assert_same(&found, expected, &mut worst, &format!("beta {beta}, jet {b}"));
        }
    }
    println!("largest relative error {worst:.1e}");
}

#[test]
fn small_and_odd_jets_give_finite_numbers() {
    let particle = |pt, phi| FourVector::from_pt_eta_phi_mass(pt, 0.0, phi, 0.0);
    let mut correlator = correlator(1.0);
    assert_eq!(correlator.compute([]).pt_sum, 0.0);
    let lone = correlator.compute([particle(7.0, 1.0)]);
    assert_eq!((lone.ecf(0), lone.ecf(2), lone.ecf(5)), (Some(1.0), Some(0.0), None));
    assert!((lone.ecf(1).unwrap() - 7.0).abs() < 1e-14);
    // An equilateral triangle on the azimuth would not exist; three in a line do: angles 0.1, 0.2, 0.3.
    let line = correlator.compute([particle(1.0, 0.0), particle(1.0, 0.1), particle(1.0, 0.3)]);
    assert!((line.e2 - 0.6 / 9.0).abs() < 1e-12 && (line.e3 - 0.006 / 27.0).abs() < 1e-12);
    assert!((line.e3_one_angle - 0.1 / 27.0).abs() < 1e-12 && (line.e3_two_angles - 0.02 / 27.0).abs() < 1e-12);
    for odd in [
        vec![particle(1.0, 0.5); 6],
        vec![FourVector::new(3.0, 0.0, 0.0, 3.0); 5],
        vec![
            FourVector::new(1e30, 1e-30, 0.0, 1e30),
            FourVector::new(1e30, 0.0, 1e-30, -1e30),
            particle(1.0, 0.0),
        ],
        vec![FourVector::default(); 3],
    ] {
        let e = correlator.compute(odd.clone());
        let numbers = [e.e2, e.e3, e.e4, e.c1(), e.c2(), e.c3(), e.d2(), e.m2(), e.n2()];
        assert!(numbers.iter().all(|value| value.is_finite()), "{odd:?}: {e:?}");
    }
}

#[test]
fn settings_outside_their_limits_are_refused() {
    let good = EnergyCorrelationConfig::default();
    for config in [
        EnergyCorrelationConfig { beta: 0.0, ..good },
        EnergyCorrelationConfig { beta: f64::NAN, ..good },
        EnergyCorrelationConfig { beta: 9.0, ..good },
        EnergyCorrelationConfig { points: 1, ..good },
        EnergyCorrelationConfig { points: 5, ..good },
    ] {
        assert!(EnergyCorrelator::new(config).is_err(), "{config:?}");
    }
}

fn jet() -> impl Strategy<Value = Vec<FourVector>> {
    let particle = (0.1..200.0f64, -0.5..1.1f64, 2.2..3.8f64)
        .prop_map(|(pt, eta, phi)| FourVector::from_pt_eta_phi_mass(pt, eta, wrap_phi(phi), 0.0));
    proptest::collection::vec(particle, 1..14)
}

/// Sums over sets of `points`, straight from the definition.
fn by_definition(jet: &[FourVector], points: usize, beta: f64) -> f64 {
    fn extend(jet: &[FourVector], chosen: &mut Vec<usize>, points: usize, beta: f64) -> f64 {
        if chosen.len() == points {
            let mut term: f64 = chosen.iter().map(|&a| jet[a].pt()).product();
            for (k, &a) in chosen.iter().enumerate() {
                term *= chosen[..k]
                    .iter()
                    .map(|&b| jet[a].delta_r(&jet[b]).powf(beta))
                    .product::<f64>();
            }
            return term;
        }
        let mut total = 0.0;
        for next in chosen.last().map_or(0, |last| last + 1)..jet.len() {
            chosen.push(next);
            total += extend(jet, chosen, points, beta);
            chosen.pop();
        }
        total
    }
    extend(jet, &mut Vec::new(), points, beta)
}

proptest! {
    #[test]
    fn every_size_of_jet_obeys_the_definition(jet in jet(), beta in prop_oneof![Just(0.5), Just(1.0), 0.1..3.0f64]) {
        let e = correlator(beta).compute(jet.clone());
        for points in 1..=4 {
            let (found, expected) = (e.ecf(points).unwrap(), by_definition(&jet, points, beta));
            prop_assert!((found - expected).abs() <= 1e-11 * expected, "{points} points: {found:e}, {expected:e}");
        }
    }

    #[test]
    fn collinear_and_soft_emissions_change_nothing(jet in jet(), share in 0.1..0.9f64, shuffle in 0usize..14) {
        let mut correlator = correlator(1.0);
        let expected = correlator.compute(jet.clone());
        let part = |v: &FourVector, f: f64| FourVector::new(f * v.e, f * v.px, f * v.py, f * v.pz);
        let mut emitted = jet.clone();
        emitted[0] = part(&jet[0], share);
        emitted.push(part(&jet[0], 1.0 - share));
        emitted.push(FourVector::from_pt_eta_phi_mass(1e-13, 0.9, 2.5, 0.0));
        let middle = shuffle % emitted.len();
        emitted.rotate_left(middle);
        let found = correlator.compute(emitted);
        for (found, expected) in [
            (found.e2, expected.e2), (found.e3, expected.e3), (found.e4, expected.e4),
            (found.e3_two_angles, expected.e3_two_angles), (found.e3_one_angle, expected.e3_one_angle),
        ] {
            // Two parts of one particle are at no distance, up to rounding of their directions.
            prop_assert!((found - expected).abs() <= 1e-10, "{found:e}, {expected:e}");
        }
    }
}
