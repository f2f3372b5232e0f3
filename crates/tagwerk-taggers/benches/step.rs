//! Training steps and scoring of every tagger on real jets, beside the arithmetic floor.
//!
//!     cargo bench -p tagwerk-taggers --bench step -- [--data jets.parquet] [--threads 2] [--json out.json] [--taggers a,b]
//!
//! Without `--data` the embedded sample is used. Times are medians of repetitions after a warm-up. The floor is the
//! multiply-adds on real rows (forward, weight gradients, and input gradients where there are any) over the
//! matrix-product rate measured in the same process, perfectly shared by the threads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::sync::Arc;
use std::time::Instant;
use tagwerk_data::{JetDataset, JetOptions, Part};
use tagwerk_nn::kernels::gemm::{Mat, matmul};
use tagwerk_taggers::{Device, Tagger, registry};
use tagwerk_train::{Batch, Examples, InMemory, Learner, Order, Update, resident_bytes};

/// Taggers that are no network, and the one that reads no jets.
const FITTED: [&str; 4] = ["lda", "efp", "bdt", "goat"];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        args.iter()
            .position(|a| a == name)
            .and_then(|i| args.get(i + 1))
            .cloned()
    };
    let threads: usize = option("--threads").map_or(2, |t| t.parse().expect("a number of threads"));
    let dataset = match option("--data") {
        Some(path) => JetDataset::open(path.as_ref(), &JetOptions::default()).expect("a data set"),
        None => JetDataset::sample().expect("the sample"),
    };
    let wanted: Vec<String> = option("--taggers").map_or_else(
        // Steps of the others collect, and have no floor.
        || {
            registry::names()
                .filter(|name| !FITTED.contains(name))
                .map(String::from)
                .collect()
        },
        |t| t.split(',').map(String::from).collect(),
    );
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads");
    let models = pool.install(|| measure(&dataset, &wanted, threads, args.iter().any(|a| a == "--memory")));
    if let Some(path) = option("--json") {
        let json = serde_json::json!({ "threads": threads, "models": models });
        std::fs::write(path, serde_json::to_string_pretty(&json).unwrap()).expect("a writable file");
    }
}

fn measure(
    dataset: &JetDataset,
    wanted: &[String],
    threads: usize,
    memory: bool,
) -> serde_json::Map<String, serde_json::Value> {
    let jets = dataset.load(Part::Train, Some(8192)).expect("jets");
    let rate = gemm_rate();
    println!(
        "{} jets, {:.1} constituents on average; {threads} threads; matrix products {rate:.1} GFLOP/s a thread",
        jets.len(),
        jets.e.len() as f64 / jets.len() as f64
    );
    println!(
        "{:<18}{:>6}{:>12}{:>12}{:>8}{:>14}{:>12}",
        "tagger", "batch", "step ms", "floor ms", "ratio", "score1024 ms", "floor ms"
    );
    let mut models = serde_json::Map::new();
    for name in wanted {
        let tagger: Arc<dyn Tagger> = registry::tagger(name, &toml::Table::new())
            .expect("a known tagger")
            .into();
        let batch_size = match name.as_str() {
            "topodnn" => 96,
            "lorentznet" => 32,
            "efn" | "pfn" | "lbn" | "nsub6" | "nsub8" | "resnext" => 256,
            "cnn" | "treenin" | "lola" => 128,
            "pcnn" => 1024,
            _ => 64,
        };
        let examples = InMemory::of_jets(&jets, tagger.view(&jets).unwrap()).unwrap();
        let mut learner = tagger.learner(&tagger.training(), &Device::flex()).unwrap();
        learner.prepare(&examples).unwrap();
        let order = Order {
            seed: 1,
            epoch: 0,
            shuffle: true,
        };
        let take = |size: usize, n: usize| -> Vec<Batch> {
            examples.batches(order, size, 0).take(n).map(|b| b.unwrap()).collect()
        };
        let batches = take(batch_size, 16);
        let mut step = 0;
        let mut train = |learner: &mut Box<dyn Learner>, batch: &Batch| {
            learner
                .step(
                    batch,
                    Update {
                        step,
                        learning_rate: 1e-3,
                    },
                )
                .unwrap();
            step += 1;
        };
        let step_ms = median_ms(1.5, |i| train(&mut learner, &batches[i % batches.len()]));
        let large = take(1024, 4);
        let score_ms = median_ms(1.0, |i| {
            learner.score(&large[i % large.len()]).unwrap();
        });
        if memory {
            let before = resident_bytes().unwrap_or(0);
            (0..1000).for_each(|i| train(&mut learner, &batches[i % batches.len()]));
            let after = resident_bytes().unwrap_or(0);
            println!(
                "{name}: resident {:.1} MB before, {:.1} MB after 1000 steps",
                before as f64 / 1e6,
                after as f64 / 1e6
            );
        }
        let constituents = |batches: &[Batch]| {
            let rows: usize = batches
                .iter()
                .map(|b| match &b.view {
                    tagwerk_physics::View::Jagged(v) => v.row_count(),
                    // N leaves, N - 1 inner nodes.
                    tagwerk_physics::View::Tree(v) => (v.nodes.row_count() + v.len()) / 2,
                    tagwerk_physics::View::Dense(_) => 0,
                })
                .sum();
            rows as f64 / batches.iter().map(Batch::len).sum::<usize>() as f64
        };
        let forward = |batches: &[Batch]| tagger.multiply_adds(constituents(batches)) * batches[0].len() as f64;
        let to_ms = |multiply_adds: f64| 2.0 * multiply_adds / (rate * 1e9 * threads as f64) * 1e3;
        let (step_floor, score_floor) = (to_ms(3.0 * forward(&batches)), to_ms(forward(&large)));
        println!(
            "{name:<18}{batch_size:>6}{step_ms:>12.3}{step_floor:>12.3}{:>8.2}{score_ms:>14.3}{score_floor:>12.3}",
            step_ms / step_floor
        );
        models.insert(
            name.clone(),
            serde_json::json!({ "batch": batch_size, "step_ms": step_ms, "floor_ms": step_floor,
                "score_1024_ms": score_ms, "score_floor_ms": score_floor }),
        );
    }
    models
}

/// Median milliseconds of `f`, over at least five repetitions and about `seconds`.
fn median_ms(seconds: f64, mut f: impl FnMut(usize)) -> f64 {
    (0..3).for_each(&mut f);
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 5 || (start.elapsed().as_secs_f64() < seconds && times.len() < 2000) {
        let begin = Instant::now();
        f(times.len());
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// GFLOP/s of one thread in products that stay in cache, `256 x 256 x 256`.
fn gemm_rate() -> f64 {
    let n = 256;
    let (a, b, mut c) = (vec![0.5f32; n * n], vec![0.25f32; n * n], vec![0.0f32; n * n]);
    let ms = median_ms(0.5, |_| matmul(&mut c, false, Mat::new(&a, n, n), Mat::new(&b, n, n)));
    2.0 * (n as f64).powi(3) / (ms * 1e-3) / 1e9
}
