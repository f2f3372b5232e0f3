//! Medians of N-subjettiness, energy correlation and pair feature times, microseconds a jet, one thread.
//!
//! The jets are the first 200 of the reference (`tests/reference/data/physics_jets.parquet`), real-sized tops and QCD
//! jets. The peer, FastJet and fastjet-contrib on the same jets, is `peers/substructure.py` in the root of the
//! repository.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "support/measure.rs"]
mod measure;
#[allow(dead_code)]
#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use tagwerk_data::Jets;
use tagwerk_physics::{
    ClusterAlgorithm, Clusterer, EnergyCorrelationConfig, JetDefinition, MAX_RADIUS, MBodyConfig, NsubjettinessConfig,
    OnePass, SubjetAxes, energy_correlations, m_body_view, minkowski_products_view, nsubjettiness, pair_features_view,
};

const JETS: usize = 200;
const REPEATS: usize = 25;

/// Prints the median of a pass, a jet.
fn time(name: &str, jets: &Jets, pass: impl Fn(&Jets) -> f64) {
    let mut checksum = 0.0;
    let seconds = measure::median(REPEATS, || checksum = black_box(pass(black_box(jets))));
    println!(
        "{name:28} {:9.2} us/jet   sum {checksum:.6e}",
        seconds / JETS as f64 * 1e6
    );
}

fn main() {
    // One thread, so that figures compare with the peer's.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let jets = support::reference_jets(JETS);
    println!("{:.1} constituents a jet", jets.e.len() as f64 / JETS as f64);
    let sum = |values: &[f32]| values.iter().copied().map(f64::from).sum::<f64>();

    time("kt clustering alone", &jets, |jets| {
        let mut clusterer = Clusterer::new(JetDefinition::new(ClusterAlgorithm::Kt, MAX_RADIUS)).unwrap();
        (0..JETS)
            .map(|b| clusterer.cluster_jet(jets, b).unwrap().steps()[0].distance)
            .sum()
    });
    for bodies in [6, 8] {
        let config = MBodyConfig {
            bodies,
            ..MBodyConfig::default()
        };
        time(&format!("m_body_{bodies}"), &jets, |jets| {
            sum(&m_body_view(jets, &config).unwrap().values)
        });
    }
    for (name, axes, minimize) in [
        ("tau_1_2_3 kt", SubjetAxes::ExclusiveKt, None),
        (
            "tau_1_2_3 one_pass kt",
            SubjetAxes::ExclusiveKt,
            Some(OnePass::default()),
        ),
        (
            "tau_1_2_3 one_pass wta_kt",
            SubjetAxes::WinnerTakeAllKt,
            Some(OnePass::default()),
        ),
    ] {
        let config = NsubjettinessConfig {
            axes,
            minimize,
            ..NsubjettinessConfig::default()
        };
        time(name, &jets, |jets| nsubjettiness(jets, &config).unwrap().iter().sum());
    }
    for (name, points, generalized) in [("e2 e3", 3, false), ("e2 e3 m2 n2", 3, true), ("e2 e3 e4", 4, false)] {
        let config = EnergyCorrelationConfig {
            beta: 1.0,
            points,
            generalized,
        };
        time(name, &jets, |jets| {
            energy_correlations(jets, config)
                .unwrap()
                .iter()
                .map(|e| e.e2 + e.e3 + e.e4)
                .sum()
        });
    }
    time("pair_features", &jets, |jets| {
        sum(&pair_features_view(jets, 128).unwrap().rows)
    });
    time("minkowski_products", &jets, |jets| {
        sum(&minkowski_products_view(jets, 128, &[]).unwrap().rows)
    });
}
