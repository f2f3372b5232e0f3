//! Writes a report of simulated taggers: `cargo run --release -p tagwerk-report --example toy_report -- FOLDER`.
//!
//! Scores are drawn, not learned; the published lines are those of arXiv:1902.09914 and stand there for their looks
//! only.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use tagwerk_report::{EpochRecord, History, ReportInput, TaggerCurves, write_report};
use tagwerk_stats::{
    BootstrapOptions, Landscape, LandscapeOptions, Published, PublishedValue, ScoringTime, TaggerInput, TrainingInput,
    Truth,
};

const JETS: usize = 100_000;
const TRAININGS: u64 = 5;

type Toy = (&'static str, f64, [(f64, f64); 3], u64);

/// Name, separation, published single / mean / median rejection, parameters.
const TAGGERS: [Toy; 8] = [
    (
        "particlenet",
        2.30,
        [(1298.0, 46.0), (1412.0, 45.0), (1393.0, 41.0)],
        498_000,
    ),
    (
        "resnext",
        2.20,
        [(1122.0, 47.0), (1270.0, 28.0), (1286.0, 31.0)],
        1_460_000,
    ),
    (
        "treenin",
        2.15,
        [(1025.0, 11.0), (1202.0, 23.0), (1188.0, 24.0)],
        34_000,
    ),
    ("pfn", 2.10, [(891.0, 18.0), (1063.0, 21.0), (1052.0, 29.0)], 82_000),
    ("cnn", 2.05, [(914.0, 14.0), (995.0, 15.0), (975.0, 18.0)], 610_000),
    ("nsub8", 2.00, [(867.0, 15.0), (918.0, 20.0), (926.0, 18.0)], 58_000),
    ("efn", 1.85, [(633.0, 31.0), (729.0, 13.0), (726.0, 11.0)], 82_000),
    ("topodnn", 1.55, [(295.0, 5.0), (382.0, 5.0), (378.0, 8.0)], 59_000),
];

/// A bell-shaped deviate from an address: the sum of twelve uniforms.
fn deviate(jet: usize, salt: u64) -> f64 {
    let mut state = (jet as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xd1b5_4a32_d192_ed03);
    let uniform = |state: &mut u64| {
        *state ^= *state >> 31;
        *state = state
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            .wrapping_add(0x94d0_49bb_1331_11eb);
        (*state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..12).map(|_| uniform(&mut state)).sum::<f64>() - 6.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("toy-report"), PathBuf::from);
    let labels: Vec<u8> = (0..JETS).map(|i| (i % 2) as u8).collect();
    let truth = Truth::new(&labels)?;
    let options = LandscapeOptions {
        dataset: "toy".to_owned(),
        counted: "jets",
        published_test_set: false,
        bootstrap: Some(BootstrapOptions { replicas: 100, seed: 1 }),
    };
    let mut landscape = Landscape::new(&truth, options);
    let (mut curves, mut histories) = (Vec::new(), Vec::new());
    for (number, (name, separation, [single, mean, median], parameters)) in (10_u64..).zip(TAGGERS) {
        let score = |jet: usize, seed: u64| {
            let common = 0.85 * deviate(jet, 1) + 0.4 * deviate(jet, number) + 0.35 * deviate(jet, 100 * number + seed);
            let x = 2.0 * (common + (f64::from(labels[jet]) - 0.5) * separation);
            (1.0 / (1.0 + (-x).exp())) as f32
        };
        let runs: Vec<Vec<f32>> = (0..TRAININGS)
            .map(|seed| (0..JETS).map(|jet| score(jet, seed)).collect())
            .collect();
        let value = |(v, s)| Some(PublishedValue::with_spread(v, s));
        let result = landscape.add(TaggerInput {
            name: name.to_owned(),
            parameters: Some(parameters),
            published: Some(Published {
                auc: Some(0.98),
                rejection_single: value(single),
                rejection_mean: value(mean),
                rejection_median: value(median),
                parameters: Some(parameters),
                source: "arXiv:1902.09914".into(),
                ..Published::NONE
            }),
            trainings: (0..)
                .zip(&runs)
                .map(|(seed, scores)| TrainingInput {
                    seed,
                    scores,
                    epochs: 12,
                    seconds: 321.5 * parameters as f64 / 8e4,
                    threads: Some(1),
                    scoring: Some(ScoringTime {
                        jets: JETS,
                        seconds: JETS as f64 * 1e-6 * 100.0 / separation,
                        view_seconds: 1.5,
                        threads: 1,
                    }),
                })
                .collect(),
        })?;
        let columns: Vec<&[f32]> = runs.iter().map(Vec::as_slice).collect();
        curves.push(TaggerCurves::from_scores(
            name,
            &columns,
            result.median_training,
            &truth,
        )?);
        histories.extend((0..TRAININGS).map(|seed| History {
            tagger: name.to_owned(),
            seed,
            epochs: (1..=12).map(|epoch| course(epoch, seed, separation)).collect(),
        }));
    }
    let input = ReportInput {
        title: "Toy landscape".to_owned(),
        landscape: landscape.finish()?,
        curves,
        histories,
        provenance: vec![("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())],
        commands: vec!["cargo run --release -p tagwerk-report --example toy_report".to_owned()],
    };
    println!("{}", tagwerk_report::table_text(&input.landscape));
    println!("{}", tagwerk_report::advice_text(&input.landscape));
    println!("{}", write_report(&input, &folder)?.display());
    Ok(())
}

fn course(epoch: usize, seed: u64, separation: f64) -> EpochRecord {
    let (t, jitter) = (epoch as f64, 0.01 * deviate(epoch, seed));
    EpochRecord {
        epoch,
        training_loss: Some(0.6 / (t + separation) + 0.12),
        validation_loss: Some(0.6 / (t + separation) + 0.14 + 0.3 * jitter),
        validation_auc: Some(0.985 - 0.05 / t + 0.1 * jitter),
        validation_resolution: None,
    }
}
