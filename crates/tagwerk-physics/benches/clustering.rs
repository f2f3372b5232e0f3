//! Medians of clustering and view times, on jets of 60 constituents, one thread.
//!
//! Plain loops rather than a framework: each figure is the median over repeats of a pass over the same jets.
//! The peer, FastJet on the same jets, is `peers/clustering.py` in the root of the repository.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "support/measure.rs"]
mod measure;
#[path = "../tests/support/table.rs"]
mod table;

use measure::drawn_jets;
use std::hint::black_box;
use table::table;
use tagwerk_physics::{
    ClusterAlgorithm, Clusterer, ImageConfig, JetDefinition, PfnPreprocessing, image_view, jet_observables,
    particlenet_view, pfn_view, topodnn_view,
};

const JETS: usize = 1000;
const CONSTITUENTS: usize = 60;
const REPEATS: usize = 15;

/// Median seconds of a pass.
fn median(pass: impl FnMut()) -> f64 {
    measure::median(REPEATS, pass)
}

fn main() {
    // One thread, so that figures compare with the peer's.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let vectors = drawn_jets(JETS, CONSTITUENTS);
    for (name, algorithm, radius) in [
        ("antikt_60", ClusterAlgorithm::AntiKt, 0.8),
        ("antikt_r0.2_60", ClusterAlgorithm::AntiKt, 0.2),
        ("cambridge_aachen_60", ClusterAlgorithm::CambridgeAachen, 0.8),
        ("kt_60", ClusterAlgorithm::Kt, 0.8),
    ] {
        let mut clusterer = Clusterer::new(JetDefinition::new(algorithm, radius)).unwrap();
        let mut checksum = 0.0;
        let seconds = median(|| {
            checksum = 0.0;
            for jet in &vectors {
                let history = clusterer.cluster(jet.iter().copied()).unwrap();
                checksum += history.steps().iter().map(|step| step.distance).sum::<f64>();
            }
        });
        println!(
            "{name:22} {:8.2} us/jet   sum of distances {checksum:.9e}",
            seconds / JETS as f64 * 1e6
        );
    }
    let table = table(&vectors);
    let pfn = PfnPreprocessing::default();
    let report = |name: &str, seconds: f64| println!("{name:22} {:8.2} ms/1000 jets", seconds * 1e3);
    report(
        "particlenet_view",
        median(|| drop(black_box(particlenet_view(&table, 100).unwrap()))),
    );
    report("pfn_view", median(|| drop(black_box(pfn_view(&table, &pfn).unwrap()))));
    report(
        "topodnn_view",
        median(|| drop(black_box(topodnn_view(&table).unwrap()))),
    );
    report(
        "image_view cnn",
        median(|| drop(black_box(image_view(&table, &ImageConfig::cnn()).unwrap()))),
    );
    report(
        "image_view resnext",
        median(|| drop(black_box(image_view(&table, &ImageConfig::resnext()).unwrap()))),
    );
    report(
        "jet_observables",
        median(|| drop(black_box(jet_observables(&table).unwrap()))),
    );
}
