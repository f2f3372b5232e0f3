//! Medians of the times of trees, Lund planes and words, on jets of 60 constituents, one thread.
//!
//! Plain loops; each figure is the median over repeats of a pass over the same jets. The peer, FastJet on the same
//! jets, is `peers/trees.py` in the root of the repository; the checksums printed beside the times show that both do
//! the same work.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "support/measure.rs"]
mod measure;
#[path = "../tests/support/table.rs"]
mod table;

use measure::drawn_jets;
use std::hint::black_box;
use table::table;
use tagwerk_physics::{
    ClusterAlgorithm, Declusterer, JetDefinition, LdaVocabulary, LdaWordConfig, LundConfig, RobustScaler,
    TREENIN_DEFINITION, TreeLevels, declustering_trees, lda_words, lund_planes, treenin_view,
};

const JETS: usize = 1000;
const CONSTITUENTS: usize = 60;
const REPEATS: usize = 15;

/// Median microseconds a jet.
fn median(pass: impl FnMut()) -> f64 {
    measure::median(REPEATS, pass) / JETS as f64 * 1e6
}

fn main() {
    // One thread, so that figures compare with the peer's.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let vectors = drawn_jets(JETS, CONSTITUENTS);
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
