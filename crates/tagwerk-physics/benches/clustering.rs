//! Medians of clustering and view times, on jets of 60 constituents, one thread.
//!
//! Plain loops rather than a framework: each figure is the median over repeats of a pass over the same jets.
//! The peer, FastJet on the same jets, is `peers/clustering.py` in the root of the repository.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Instant;
use tagwerk_data::Jets;
use tagwerk_physics::{
    ClusterAlgorithm, Clusterer, FourVector, ImageConfig, JetDefinition, PfnPreprocessing, image_view, jet_observables,
    particlenet_view, pfn_view, topodnn_view,
};

const JETS: usize = 1000;
const CONSTITUENTS: usize = 60;
const REPEATS: usize = 15;

/// The same jets as the peer's: a Weyl sequence, so that no file needs to be shared.
///
/// pT falls exponentially from 120 GeV, directions scatter to 0.8 about (eta, phi) = (0.5, 1).
fn jets() -> Vec<Vec<FourVector>> {
    let mut counter = 0u64;
    let mut uniform = move || {
        counter += 1;
        (counter as f64 * 0.618_033_988_749_894_9).fract()
    };
    (0..JETS)
        .map(|_| {
            (0..CONSTITUENTS)
                .map(|i| {
                    let pt = 120.0 * (-(i as f64) / 12.0).exp() * (0.5 + uniform());
                    let (radius, angle) = (0.8 * uniform() * uniform(), std::f64::consts::TAU * uniform());
                    let (eta, phi) = (0.5 + radius * angle.cos(), 1.0 + radius * angle.sin());
                    FourVector::from_pt_eta_phi_mass(pt, eta, phi, 0.0)
                })
                .collect()
        })
        .collect()
}

fn table(jets: &[Vec<FourVector>]) -> Jets {
    let flat: Vec<_> = jets.iter().flatten().collect();
    Jets {
        e: flat.iter().map(|v| v.e as f32).collect(),
        px: flat.iter().map(|v| v.px as f32).collect(),
        py: flat.iter().map(|v| v.py as f32).collect(),
        pz: flat.iter().map(|v| v.pz as f32).collect(),
        offsets: (0..=jets.len()).map(|b| b * CONSTITUENTS).collect(),
        labels: vec![0; jets.len()],
        rows: (0..jets.len() as u64).collect(),
    }
}

/// Median seconds of a pass.
fn median(mut pass: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[REPEATS / 2]
}

fn main() {
    // One thread, so that figures compare with the peer's.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let vectors = jets();
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
