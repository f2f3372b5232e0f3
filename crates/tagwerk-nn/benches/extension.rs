//! What Burn costs around a kernel: a fused chain called directly, and the same chain through Burn's dispatch and
//! autodiff.
//!
//!     cargo bench -p tagwerk-nn --bench extension
//!
//! One thread, medians, forward and backward. The sizes are a TopoDNN of 96 jets and the Phi of a PFN over 12,000 rows.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::sync::Arc;
use std::time::Instant;
use tagwerk_nn::kernels::chain::{self, ChainSpec};
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::{Device, Tensor, TensorData, ops};

fn main() {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap()
        .install(|| {
            println!("{:<22}{:>14}{:>14}{:>12}", "chain", "kernel ms", "Burn ms", "overhead");
            for (name, rows, widths) in [
                ("topodnn, 96 rows", 96, vec![90, 300, 102, 12, 6, 1]),
                ("phi, 12000 rows", 12_000, vec![3, 100, 100, 256]),
            ] {
                let spec = Arc::new(ChainSpec::new(widths, false));
                let x: Vec<f32> = (0..rows * spec.input()).map(|i| (i as f32 * 0.37).sin()).collect();
                let p: Vec<f32> = (0..spec.parameter_count())
                    .map(|i| (i as f32 * 0.11).sin() * 0.1)
                    .collect();
                let workspace = Workspace::default();
                let direct = median_ms(|| {
                    let (y, saved) = chain::forward(&spec, &p, &x, None, &[], true, &workspace);
                    let d = vec![1.0; y.len()];
                    chain::backward(&spec, &p, &x, None, &[], &saved.unwrap(), &d, false, &workspace);
                });
                let device = Device::flex().autodiff();
                let leaf = Tensor::<1>::from_data(TensorData::new(p.clone(), [p.len()]), &device).require_grad();
                let through = median_ms(|| {
                    let x = Tensor::from_data(TensorData::new(x.clone(), [rows, spec.input()]), &device);
                    let gradients = ops::chain(x, leaf.clone(), &spec, Vec::new(), &workspace)
                        .sum()
                        .backward();
                    leaf.grad(&gradients).unwrap();
                });
                println!(
                    "{name:<22}{direct:>14.3}{through:>14.3}{:>11.1}%",
                    (through / direct - 1.0) * 100.0
                );
            }
        });
}

fn median_ms(mut f: impl FnMut()) -> f64 {
    (0..5).for_each(|_| f());
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            let begin = Instant::now();
            f();
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[100]
}
