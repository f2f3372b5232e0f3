//! Dense layers, batch normalization and GELU on whole batches, forward and backward.
//!
//! Unlike the flow's network, whose rows know nothing of one another, batch normalization looks at all rows before a layer
//! can go on: activations of the whole batch are kept.

use crate::flow::{groups, sum_in_order};
use crate::velocity::tile;
use rayon::prelude::*;

/// Rows of one task.
const ROWS: usize = 256;
/// Added to variances, as in PyTorch.
const EPS: f64 = 1e-5;
/// Share of a batch in the running statistics, as in PyTorch.
const MOMENTUM: f64 = 0.1;

/// `y = x W^T + b`: `x` `[N, k]`, `weight` `[n, k]`, `bias` `[n]`.
pub(super) fn dense(x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let n = bias.len();
    let k = weight.len() / n;
    let mut transposed = vec![0.0; k * n];
    for (j, row) in weight.chunks_exact(k).enumerate() {
        row.iter().enumerate().for_each(|(i, &w)| transposed[i * n + j] = w);
    }
    let mut y = bias.repeat(x.len() / k);
    y.par_chunks_mut(ROWS * n)
        .zip(x.par_chunks(ROWS * k))
        .for_each(|(y, x)| tile::product(y, x, &transposed, x.len() / k, k, n));
    y
}

/// Adds the gradients of weight and bias and returns that of `x`.
pub(super) fn dense_backward(
    x: &[f32],
    weight: &[f32],
    of_y: &[f32],
    of_weight: &mut [f32],
    of_bias: &mut [f32],
) -> Vec<f32> {
    let n = of_bias.len();
    let k = weight.len() / n;
    let rows = of_y.len() / n;
    let parts: Vec<Vec<f32>> = groups(rows, ROWS)
        .into_par_iter()
        .with_max_len(1)
        .map(|range| {
            let (x, of_y) = (
                &x[range.start * k..range.end * k],
                &of_y[range.start * n..range.end * n],
            );
            let mut sum = vec![0.0; weight.len() + n];
            let (weights, biases) = sum.split_at_mut(weight.len());
            tile::weight_gradient(weights, of_y, x, range.len(), n, k);
            tile::column_sums(biases, of_y);
            sum
        })
        .collect();
    let sum = sum_in_order(&parts);
    let (weights, biases) = sum.split_at(weight.len());
    of_weight.iter_mut().zip(weights).for_each(|(g, d)| *g += d);
    of_bias.iter_mut().zip(biases).for_each(|(g, d)| *g += d);
    let mut of_x = vec![0.0; rows * k];
    of_x.par_chunks_mut(ROWS * k)
        .zip(of_y.par_chunks(ROWS * n))
        .for_each(|(of_x, of_y)| tile::product(of_x, of_y, weight, of_y.len() / n, n, k));
    of_x
}

/// How batch normalization takes mean and variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistics {
    /// Those of the batch.
    Batch,
    /// The running ones.
    Running,
}

/// What a normalization leaves for its backward pass.
#[derive(Debug)]
pub(super) struct Normalized {
    /// (x - mean) / deviation, `[N, n]`.
    unit: Vec<f32>,
    /// 1 / deviation, `[n]`.
    scale: Vec<f32>,
    statistics: Statistics,
}

/// `y = gain (x - mean) / deviation + shift`. `running` holds means `[n]` and variances `[n]`; with the statistics of the
/// batch it is moved towards them.
pub(super) fn normalize(
    x: &[f32],
    gain: &[f32],
    shift: &[f32],
    running: &mut [f32],
    statistics: Statistics,
) -> (Vec<f32>, Normalized) {
    let n = gain.len();
    let rows = x.len() / n;
    if statistics == Statistics::Batch {
        let sums = column_sums_f64(x, n, |v, _| v);
        let mean: Vec<f64> = sums.iter().map(|s| s / rows as f64).collect();
        let squares = column_sums_f64(x, n, |v, j| (v - mean[j]).powi(2));
        let (means, variances) = running.split_at_mut(n);
        for j in 0..n {
            let unbiased = squares[j] / (rows.max(2) - 1) as f64;
            means[j] = ((1.0 - MOMENTUM) * f64::from(means[j]) + MOMENTUM * mean[j]) as f32;
            variances[j] = ((1.0 - MOMENTUM) * f64::from(variances[j]) + MOMENTUM * unbiased) as f32;
        }
        let variance: Vec<f64> = squares.iter().map(|s| s / rows as f64).collect();
        return apply(x, gain, shift, &mean, &variance, statistics);
    }
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    apply(x, gain, shift, &wide(&running[..n]), &wide(&running[n..]), statistics)
}

fn apply(
    x: &[f32],
    gain: &[f32],
    shift: &[f32],
    mean: &[f64],
    variance: &[f64],
    statistics: Statistics,
) -> (Vec<f32>, Normalized) {
    let n = gain.len();
    let scale: Vec<f32> = variance.iter().map(|v| (1.0 / (v + EPS).sqrt()) as f32).collect();
    let mean: Vec<f32> = mean.iter().map(|&m| m as f32).collect();
    let mut unit = vec![0.0; x.len()];
    let mut y = vec![0.0; x.len()];
    let rows = unit.par_chunks_mut(n).zip(y.par_chunks_mut(n)).zip(x.par_chunks(n));
    rows.with_min_len(64).for_each(|((unit, y), x)| {
        for j in 0..n {
            unit[j] = (x[j] - mean[j]) * scale[j];
            y[j] = gain[j] * unit[j] + shift[j];
        }
    });
    let kept = Normalized {
        unit,
        scale,
        statistics,
    };
    (y, kept)
}

impl Normalized {
    /// Adds the gradients of gain and shift and returns that of x.
    pub(super) fn backward(&self, gain: &[f32], of_y: &[f32], of_gain: &mut [f32], of_shift: &mut [f32]) -> Vec<f32> {
        let n = gain.len();
        let rows = of_y.len() / n;
        let shifts = column_sums_f64(of_y, n, |v, _| v);
        let mut products = vec![0.0f64; n];
        // In the order of the rows: few numbers beside the products of the layers.
        for (unit, of_y) in self.unit.chunks_exact(n).zip(of_y.chunks_exact(n)) {
            for j in 0..n {
                products[j] += f64::from(unit[j] * of_y[j]);
            }
        }
        for j in 0..n {
            of_gain[j] += products[j] as f32;
            of_shift[j] += shifts[j] as f32;
        }
        // Mean and deviation of a batch move with x; the running ones do not.
        let share = if self.statistics == Statistics::Batch {
            1.0 / rows as f64
        } else {
            0.0
        };
        let mean: Vec<f32> = shifts.iter().map(|s| (s * share) as f32).collect();
        let slope: Vec<f32> = products.iter().map(|p| (p * share) as f32).collect();
        let mut of_x = vec![0.0; of_y.len()];
        let rows = of_x
            .par_chunks_mut(n)
            .zip(of_y.par_chunks(n))
            .zip(self.unit.par_chunks(n));
        rows.with_min_len(64).for_each(|((of_x, of_y), unit)| {
            for j in 0..n {
                of_x[j] = gain[j] * self.scale[j] * (of_y[j] - mean[j] - unit[j] * slope[j]);
            }
        });
        of_x
    }
}

/// Sums over rows of `f(value, column)`, in pieces whose number the data decide.
fn column_sums_f64(x: &[f32], n: usize, f: impl Fn(f64, usize) -> f64 + Sync) -> Vec<f64> {
    let pieces: Vec<Vec<f64>> = x
        .par_chunks(4 * ROWS * n)
        .map(|x| {
            let mut sums = vec![0.0; n];
            for row in x.chunks_exact(n) {
                for (j, (&v, sum)) in row.iter().zip(&mut sums).enumerate() {
                    *sum += f(f64::from(v), j);
                }
            }
            sums
        })
        .collect();
    (0..n).map(|j| pieces.iter().map(|sums| sums[j]).sum()).collect()
}

/// GELU, `x Phi(x)` (arXiv:1606.08415), in place; returns the slopes.
pub(super) fn gelu(x: &mut [f32]) -> Vec<f32> {
    let mut slopes = vec![0.0; x.len()];
    x.par_chunks_mut(1 << 14)
        .zip(slopes.par_chunks_mut(1 << 14))
        .for_each(|(x, slopes)| {
            for (x, slope) in x.iter_mut().zip(slopes) {
                let below = 0.5 * libm::erfcf(-*x * std::f32::consts::FRAC_1_SQRT_2);
                *slope = below + *x * 0.398_942_3 * (-0.5 * *x * *x).exp();
                *x *= below;
            }
        });
    slopes
}
