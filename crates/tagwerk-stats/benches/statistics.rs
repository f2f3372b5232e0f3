//! Seconds for the numbers of a landscape at the size of the published test set: 404,000 jets.
//!
//!     cargo bench -p tagwerk-stats --bench statistics -- [--threads 2]
//!
//! Scores are made up (a logistic of shifted noise, one part common to all trainings of a tagger), because the time
//! does not depend on what they mean. The processor's sort does not know them either: they come in random order.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Instant;
use tagwerk_stats::{BootstrapOptions, Truth, WorkingPoints, ensembles, evaluate, paired_bootstrap};

const JETS: usize = 404_000;
const TRAININGS: usize = 9;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let threads = args
        .iter()
        .position(|a| a == "--threads")
        .and_then(|i| args.get(i + 1)?.parse().ok());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(2))
        .build()
        .unwrap();
    pool.install(run);
}

fn run() {
    let labels: Vec<u8> = (0..JETS as u64).map(|i| (noise(i, 0) > 0.5) as u8).collect();
    let truth = Truth::new(&labels).unwrap();
    let points = WorkingPoints::default();
    let trainings: Vec<Vec<f32>> = (1..=TRAININGS as u64).map(|t| scores(&labels, 1, t)).collect();
    let views: Vec<&[f32]> = trainings.iter().map(Vec::as_slice).collect();
    let other = scores(&labels, 2, 99);

    println!("{JETS} jets, {} threads", rayon::current_num_threads());
    median("AUC, accuracy and rejections of one training", 5, || {
        black_box(evaluate(views[0], &truth, &points).unwrap());
    });
    median("mean and median ensembles of nine trainings (2 x 84)", 3, || {
        black_box(ensembles(&views, &truth).unwrap());
    });
    let options = BootstrapOptions {
        replicas: 200,
        ..BootstrapOptions::default()
    };
    median("paired bootstrap, 200 replicas", 3, || {
        black_box(paired_bootstrap(views[0], &other, &truth, &points, options).unwrap());
    });
}

/// Prints the median time of `repeats` calls.
fn median(what: &str, repeats: usize, mut f: impl FnMut()) {
    let mut seconds: Vec<f64> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("{what:<54} {:.3} s", seconds[repeats / 2]);
}

/// Uniform in [0, 1), a hash of (row, stream).
fn noise(row: u64, stream: u64) -> f64 {
    let mut h = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..2 {
        h = (h ^ (h >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
    (h >> 11) as f64 / (1u64 << 53) as f64
}

fn scores(labels: &[u8], tagger: u64, training: u64) -> Vec<f32> {
    let gauss = |row: u64, stream: u64| (0..6).map(|i| noise(row, stream * 16 + i)).sum::<f64>() - 3.0;
    labels
        .iter()
        .enumerate()
        .map(|(row, &label)| {
            let x = 4.0 * f64::from(label) - 2.0
                + gauss(row as u64, 100 + tagger)
                + 0.3 * gauss(row as u64, 200 + training);
            (1.0 / (1.0 + (-2.0 * x).exp())) as f32
        })
        .collect()
}
