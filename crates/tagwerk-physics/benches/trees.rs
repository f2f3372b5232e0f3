//! Medians of the times of trees, Lund planes and words, on jets of 60 constituents, one thread.
//!
//! Plain loops; each figure is the median over repeats of a pass over the same jets. The peer, FastJet on the same
//! jets, is
//! `peers/trees.py` in the root of the repository; the checksums printed beside the times show that both do the same
//! work.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Instant;
use tagwerk_data::Jets;
use tagwerk_physics::{
    ClusterAlgorithm, Declusterer, FourVector, JetDefinition, LdaVocabulary, LdaWordConfig, LundConfig, RobustScaler,
    TREENIN_DEFINITION, TreeLevels, declustering_trees, lda_words, lund_planes, treenin_view,
};

const JETS: usize = 1000;
const CONSTITUENTS: usize = 60;
const REPEATS: usize = 15;

/// The same jets as the peer's and those of `benches/clustering.rs`: a Weyl sequence.
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

/// Median microseconds a jet.
fn median(mut pass: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[REPEATS / 2] / JETS as f64 * 1e6
}

fn main() {
    // One thread, so that figures compare with the peer's.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let vectors = jets();
    for (name, algorithm, radius) in [
        ("tree_kt_60", ClusterAlgorithm::Kt, 0.8),
        ("tree_ca_60", ClusterAlgorithm::CambridgeAachen, 1000.0),
        ("tree_antikt_60", ClusterAlgorithm::AntiKt, 0.8),
    ] {
        let mut declusterer = Declusterer::new(JetDefinition::new(algorithm, radius)).unwrap();
        let (mut nodes, mut sum) = (0, 0.0);
        let micros = median(|| {
            (nodes, sum) = (0, 0.0);
            for jet in &vectors {
                let tree = declusterer.decluster(jet.iter().copied()).unwrap();
                nodes += tree.len();
                let levels = tree.level.iter().zip(tree.momenta);
                sum += levels.map(|(&level, v)| f64::from(level) * v.e).sum::<f64>();
            }
        });
        println!("{name:22} {micros:8.2} us/jet   {nodes} nodes, sum of level x energy {sum:.9e}");
    }
    let jets = table(&vectors);
    let report = |name: &str, micros: f64| println!("{name:22} {micros:8.2} us/jet");
    report(
        "declustering_trees kt",
        median(|| drop(black_box(declustering_trees(&jets, TREENIN_DEFINITION).unwrap()))),
    );
    report(
        "treenin_view",
        median(|| drop(black_box(treenin_view(&jets, TREENIN_DEFINITION).unwrap()))),
    );
    let mut view = treenin_view(&jets, TREENIN_DEFINITION).unwrap();
    report("TreeLevels::of", median(|| drop(black_box(TreeLevels::of(&view)))));
    report(
        "RobustScaler::fit",
        median(|| drop(black_box(RobustScaler::fit(&view.nodes).unwrap()))),
    );
    let scaler = RobustScaler::fit(&view.nodes).unwrap();
    report("RobustScaler::apply", median(|| scaler.apply(&mut view.nodes).unwrap()));
    for (name, depth) in [("lund primary", 0), ("lund all", u32::MAX)] {
        let planes = lund_planes(&jets, &LundConfig { depth }).unwrap();
        let sum: f64 = planes.declusterings.iter().map(|point| point.ln_kt).sum();
        let micros = median(|| drop(black_box(lund_planes(&jets, &LundConfig { depth }).unwrap())));
        println!(
            "{name:22} {micros:8.2} us/jet   {} splittings, sum of ln kt {sum:.6e}",
            planes.declusterings.len()
        );
    }
    for (name, mass_floor) in [("lda_words floor 30", 30.0), ("lda_words floor 0", 0.0)] {
        let config = LdaWordConfig {
            mass_floor,
            ..LdaWordConfig::default()
        };
        let words = lda_words(&jets, &[], &config).unwrap();
        let vocabulary = LdaVocabulary::fit(&words, 1);
        let micros = median(|| drop(black_box(lda_words(&jets, &[], &config).unwrap())));
        println!(
            "{name:22} {micros:8.2} us/jet   {} words, {} different",
            words.words.len(),
            vocabulary.len()
        );
        report(
            "  vocabulary, documents",
            median(|| drop(black_box(LdaVocabulary::fit(&words, 1).documents(&words).unwrap()))),
        );
    }
}
