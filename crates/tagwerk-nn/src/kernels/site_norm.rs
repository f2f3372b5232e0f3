//! Batch normalization, with a ReLU if wanted, over pictures of which only some pixels are computed.
//!
//! The statistics are those of all pixels of all pictures: a row of the empty picture counts as often as pictures share
//! it ([`super::sites`]). Its gradient has come together from all of them, so that only the part of the gradient that
//! runs through the statistics needs that number again.

use super::norm::{self, Affine, BlockSums, Gradient, Moments, Statistics, Sums};
use super::partition::{self, TILE_ROWS};
use super::simd::{self, channel_blocks};

/// The statistics of `x: [R + P, C]`, where row `p` of the last `P` occurs `shared[p]` times.
pub fn statistics(x: &[f32], c: usize, shared: &[u32]) -> Statistics {
    let (own, empty) = x.split_at(x.len() - shared.len() * c);
    let mut rest = Moments::zeros(c);
    for (row, &times) in empty.chunks_exact(c).zip(shared) {
        rest.add_repeated(row, times as usize);
    }
    Moments::total(c, [norm::moments(own, c), rest]).statistics()
}

/// `y = scale x + shift`, then a ReLU if `relu`, `[R + P, C]`.
pub fn forward(x: &[f32], map: &Affine, relu: bool) -> Vec<f32> {
    let c = map.scale.len();
    let mut y = vec![0.0; x.len()];
    let tasks: Vec<_> = y.chunks_mut(1024 * c).zip(x.chunks(1024 * c)).collect();
    partition::run(tasks, |(y, x)| {
        simd::dispatch(
            #[inline(always)]
            || {
                let (scale, shift) = (&map.scale[..c], &map.shift[..c]);
                for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                    for i in 0..c {
                        let v = scale[i] * x[i] + shift[i];
                        y[i] = if relu { simd::relu(v) } else { v };
                    }
                }
            },
        );
    });
    y
}

/// What [`backward`] is given.
#[derive(Debug, Clone, Copy)]
pub struct Backward<'a> {
    /// Of the forward pass.
    pub statistics: &'a Statistics,
    /// Whether they are those of the batch, so that a part of the gradient runs through them.
    pub of_batch: bool,
    /// `[C]`.
    pub gamma: &'a [f32],
    /// `[C]`.
    pub beta: &'a [f32],
    /// How often each row of the empty picture occurs, `[P]`.
    pub shared: &'a [u32],
    /// Whether a ReLU followed.
    pub relu: bool,
}

/// The gradients of [`forward`] with its statistics: of gamma and beta `[2 C]`, and of `x`.
pub fn backward(call: Backward, x: &[f32], d_y: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let c = call.gamma.len();
    let affine = call.statistics.affine(call.gamma, call.beta);
    let mean = &call.statistics.mean;
    let parts = norm::over_tiles(
        x.len() / c,
        || Sums::zeros(c),
        |sums, tile| {
            let tile = tile.start * c..tile.end * c;
            simd::dispatch(
                #[inline(always)]
                || {
                    let (d, x) = (&d_y[tile.clone()], &x[tile.clone()]);
                    channel_blocks!(c, |at, W| add::<W>(sums, d, x, mean, &affine, call.relu, at));
                },
            );
        },
    );
    let (mut map, mut d_gamma, d_beta) = call.statistics.gradient(call.gamma, &Sums::total(c, parts));
    if !call.of_batch {
        map.constant.fill(0.0);
        map.slope.fill(0.0);
    }
    d_gamma.extend(d_beta);
    let mut d_x = vec![0.0; x.len()];
    let own = x.len() / c - call.shared.len();
    let tasks: Vec<_> = d_x.chunks_mut(TILE_ROWS * c).enumerate().collect();
    partition::run(tasks, |(tile, d_x)| {
        let first = tile * TILE_ROWS;
        let span = first * c..first * c + d_x.len();
        simd::dispatch(
            #[inline(always)]
            || {
                let rows = x[span.clone()].chunks_exact(c).zip(d_y[span].chunks_exact(c));
                for (row, (d_x, (x, d_y))) in d_x.chunks_exact_mut(c).zip(rows).enumerate() {
                    let times = match (first + row).checked_sub(own) {
                        None => 1.0,
                        Some(pixel) => call.shared[pixel] as f32,
                    };
                    gradient_row(d_x, x, d_y, &map, &affine, times, call.relu);
                }
            },
        );
    });
    (d_gamma, d_x)
}

#[inline(always)]
fn add<const W: usize>(sums: &mut Sums, d: &[f32], x: &[f32], mean: &[f32], affine: &Affine, relu: bool, at: usize) {
    let c = mean.len();
    let (mean, scale, shift) = (&mean[at..at + W], &affine.scale[at..at + W], &affine.shift[at..at + W]);
    let mut block = BlockSums::<W>::default();
    for (d, x) in d.chunks_exact(c).zip(x.chunks_exact(c)) {
        let (d, x) = (&d[at..at + W], &x[at..at + W]);
        for i in 0..W {
            let passes = !relu || scale[i] * x[i] + shift[i] > 0.0;
            block.add(i, if passes { d[i] } else { 0.0 }, x[i] - mean[i]);
        }
    }
    block.add_to(sums, at);
}

#[inline(always)]
fn gradient_row(d_x: &mut [f32], x: &[f32], d_y: &[f32], map: &Gradient, affine: &Affine, times: f32, relu: bool) {
    let c = d_x.len();
    let (x, d_y) = (&x[..c], &d_y[..c]);
    let (scale, constant, slope) = (&map.scale[..c], &map.constant[..c], &map.slope[..c]);
    let (a, b) = (&affine.scale[..c], &affine.shift[..c]);
    for i in 0..c {
        let passes = !relu || a[i] * x[i] + b[i] > 0.0;
        let d = if passes { d_y[i] } else { 0.0 };
        d_x[i] = scale[i] * d + times * (constant[i] - slope[i] * x[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_shared_counts_as_often_as_it_occurs() {
        let x: Vec<f32> = (0..60).map(|i| ((i * 37) % 23) as f32 - 7.0).collect();
        let shared = [3, 0, 2, 1];
        // The same with every row written out.
        let mut all = x[..16 * 3].to_vec();
        for (row, &times) in x[16 * 3..].chunks(3).zip(&shared) {
            (0..times).for_each(|_| all.extend_from_slice(row));
        }
        let (found, expected) = (statistics(&x, 3, &shared), norm::statistics(&all, 3));
        assert_eq!((found.count, expected.count), (22, 22));
        for (a, b) in found
            .mean
            .iter()
            .zip(&expected.mean)
            .chain(found.variance.iter().zip(&expected.variance))
        {
            assert!((a - b).abs() < 1e-5, "{found:?} {expected:?}");
        }
        // A gradient of one for each copy.
        let (gamma, beta) = ([1.5, -0.5, 2.0], [0.1, 0.2, -0.3]);
        let call = |statistics, shared| Backward {
            statistics,
            of_batch: true,
            gamma: &gamma,
            beta: &beta,
            shared,
            relu: true,
        };
        let weight = |row: usize, c: usize| ((row * 5 + c) % 7) as f32 - 3.0;
        let mut d: Vec<f32> = (0..60).map(|i| weight(i / 3, i % 3)).collect();
        let mut d_all = d[..16 * 3].to_vec();
        for (p, &times) in shared.iter().enumerate() {
            for c in 0..3 {
                d[(16 + p) * 3 + c] *= times as f32;
            }
            (0..times).for_each(|_| d_all.extend((0..3).map(|c| weight(16 + p, c))));
        }
        let (g, d_x) = backward(call(&found, &shared), &x, &d);
        let (g_all, d_x_all) = backward(call(&expected, &[]), &all, &d_all);
        for (a, b) in g.iter().zip(&g_all).chain(d_x.iter().zip(&d_x_all).take(16 * 3)) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        for c in 0..3 {
            let copies: f32 = (16..19).map(|row| d_x_all[row * 3 + c]).sum();
            assert!((d_x[16 * 3 + c] - copies).abs() < 1e-4);
            assert_eq!(d_x[17 * 3 + c], 0.0);
        }
    }
}
