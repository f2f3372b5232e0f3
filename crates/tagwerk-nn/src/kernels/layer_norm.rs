//! Layer normalization of rows.
//!
//! Ba, Kiros, Hinton, arXiv:1607.06450: each row is brought to mean 0 and variance 1 over its channels, then scaled and
//! shifted, `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`. A row knows nothing of other rows, so padding
//! could not disturb it.

use super::norm::EPSILON;
use super::partition::{self, TILE_ROWS};
use super::simd;
use super::workspace::{Buffer, Workspace};

/// Mean and `1 / sqrt(variance + epsilon)` of a row.
#[inline(always)]
pub(super) fn statistics(x: &[f32]) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = simd::sum(x) / n;
    let variance = simd::sum_of(x, |v| (v - mean) * (v - mean)) / n;
    (mean, 1.0 / (variance + EPSILON as f32).sqrt())
}

/// `x: [R, C]` to `[R, C]`; `parameters`: gamma then beta, `[2 C]`.
pub fn forward(parameters: &[f32], x: &[f32]) -> Vec<f32> {
    let c = parameters.len() / 2;
    let (gamma, beta) = parameters.split_at(c);
    let mut y = vec![0.0; x.len()];
    let tasks: Vec<_> = y.chunks_mut(TILE_ROWS * c).zip(x.chunks(TILE_ROWS * c)).collect();
    partition::run(tasks, |(y, x)| {
        simd::dispatch(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                    let (mean, inverse) = statistics(x);
                    for (((y, x), g), b) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
                        *y = (x - mean) * inverse * g + b;
                    }
                }
            },
        );
    });
    y
}

/// The gradients of [`forward`]: of gamma and beta `[2 C]`, and of `x`.
pub fn backward(parameters: &[f32], x: &[f32], d_y: &[f32], workspace: &Workspace) -> (Vec<f32>, Vec<f32>) {
    let c = parameters.len() / 2;
    let gamma = &parameters[..c];
    let rows = x.len() / c;
    let mut d_x = vec![0.0; x.len()];
    let groups = partition::even(rows, partition::group_count(rows, TILE_ROWS));
    let pieces = partition::split_mut(&mut d_x, groups.iter().map(|g| g.len() * c));
    let parts: Vec<Buffer> = partition::run(groups.into_iter().zip(pieces).collect(), |(group, d_x)| {
        let mut gradient = workspace.zeros(2 * c);
        simd::dispatch(
            #[inline(always)]
            || {
                let (d_gamma, d_beta) = gradient.split_at_mut(c);
                let span = group.start * c..group.end * c;
                let rows = x[span.clone()].chunks_exact(c).zip(d_y[span].chunks_exact(c));
                for ((x, d_y), d_x) in rows.zip(d_x.chunks_exact_mut(c)) {
                    let (mean, inverse) = statistics(x);
                    // d_x = inverse (g - mean(g) - x_hat mean(g x_hat)) with g = gamma d_y.
                    for ((d, y), g) in d_x.iter_mut().zip(d_y).zip(gamma) {
                        *d = y * g;
                    }
                    let plain = simd::sum(d_x) / c as f32;
                    let along = simd::sum_of_products(d_x, x, mean) * inverse / c as f32;
                    for i in 0..c {
                        let hat = (x[i] - mean) * inverse;
                        d_x[i] = inverse * (d_x[i] - plain - hat * along);
                        d_gamma[i] += d_y[i] * hat;
                        d_beta[i] += d_y[i];
                    }
                }
            },
        );
        gradient
    });
    let mut gradient = vec![0.0; 2 * c];
    partition::sum_in_order(&mut gradient, &parts);
    (gradient, d_x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_normalized_by_itself_and_large_means_cost_no_digits() {
        let x: Vec<f32> = (0..64).map(|i| 1000.0 + ((i * 37) % 17) as f32).collect();
        let parameters = [vec![1.0; 32], vec![0.0; 32]].concat();
        let y = forward(&parameters, &x);
        for y in y.chunks(32) {
            let mean = y.iter().sum::<f32>() / 32.0;
            let variance = y.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 32.0;
            assert!(mean.abs() < 1e-4 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");
        }
    }
}
