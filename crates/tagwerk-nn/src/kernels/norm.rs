//! Batch normalization over real rows.
//!
//! Ioffe, Szegedy, arXiv:1502.03167. Padded frameworks average over padding as well, so that the statistics depend on
//! the padding length; here they run over the constituents (or edges) that exist.

use super::partition;
use super::simd::{self, channel_blocks};
use std::ops::Range;

/// Added to the variance. The value of PyTorch and of the public ParticleNet.
pub const EPSILON: f64 = 1e-5;

/// Mean and variance of each channel of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// `[C]`.
    pub mean: Vec<f32>,
    /// Population variance, `[C]`.
    pub variance: Vec<f32>,
    /// Rows averaged over.
    pub count: usize,
}

impl Statistics {
    /// `1 / sqrt(variance + epsilon)` of channel `c`.
    #[inline]
    pub fn inverse(&self, c: usize) -> f32 {
        (1.0 / (f64::from(self.variance[c]) + EPSILON).sqrt()) as f32
    }

    /// The map `y = scale x + shift` of a normalization with these statistics.
    pub fn affine(&self, gamma: &[f32], beta: &[f32]) -> Affine {
        let scale: Vec<f32> = (0..gamma.len()).map(|c| gamma[c] * self.inverse(c)).collect();
        let shift = (0..gamma.len()).map(|c| beta[c] - self.mean[c] * scale[c]).collect();
        Affine { scale, shift }
    }

    /// The map of the backward pass, `d_x = scale d_y + constant - slope x`, and the gradients of gamma and beta,
    /// from the sums over rows of `d_y` and `d_y (x - mean)`.
    pub fn gradient(&self, gamma: &[f32], sums: &Sums) -> (Gradient, Vec<f32>, Vec<f32>) {
        let n = self.count.max(1) as f64;
        let mut map = Gradient::default();
        let (mut d_gamma, mut d_beta) = (Vec::new(), Vec::new());
        for (c, &gamma) in gamma.iter().enumerate() {
            let inverse = 1.0 / (f64::from(self.variance[c]) + EPSILON).sqrt();
            let mean = f64::from(self.mean[c]);
            let along = inverse * sums.centered[c]; // sum of d_y x_hat
            let scale = f64::from(gamma) * inverse;
            let slope = scale * along / n * inverse;
            map.scale.push(scale as f32);
            map.slope.push(slope as f32);
            map.constant.push((slope * mean - scale * sums.plain[c] / n) as f32);
            d_gamma.push(along as f32);
            d_beta.push(sums.plain[c] as f32);
        }
        (map, d_gamma, d_beta)
    }
}

/// `y = scale x + shift`, a channel each.
#[derive(Debug, Clone, Default)]
pub struct Affine {
    /// `[C]`.
    pub scale: Vec<f32>,
    /// `[C]`.
    pub shift: Vec<f32>,
}

/// `d_x = scale d_y + constant - slope x`, a channel each.
#[derive(Debug, Clone, Default)]
pub struct Gradient {
    /// `[C]`.
    pub scale: Vec<f32>,
    /// `[C]`.
    pub constant: Vec<f32>,
    /// `[C]`.
    pub slope: Vec<f32>,
}

/// Count, mean and sum of squared deviations of each channel over the rows seen so far, in f64.
///
/// A tile's sums run in f32 about the tile's own first row, so that a channel whose mean is large against its spread
/// loses no digits; tiles are joined by the formula of Chan, Golub, LeVeque, The American Statistician 37 (1983) 242.
#[derive(Debug, Clone)]
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Of no rows, `c` channels.
    pub fn zeros(c: usize) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; c],
            squares: vec![0.0; c],
        }
    }

    /// Adds the rows of a tile, at most a few hundred.
    #[inline(always)]
    pub fn add_tile(&mut self, x: &[f32]) {
        let c = self.mean.len();
        let rows = x.len() / c;
        if rows == 0 {
            return;
        }
        channel_blocks!(c, |at, W| self.add_block::<W>(x, rows, at));
        self.count += rows;
    }

    #[inline(always)]
    fn add_block<const W: usize>(&mut self, x: &[f32], rows: usize, at: usize) {
        let c = self.mean.len();
        let (mut plain, mut squares) = ([0.0f32; W], [0.0f32; W]);
        let pivot = &x[at..at + W];
        for x in x.chunks_exact(c) {
            let x = &x[at..at + W];
            for i in 0..W {
                let d = x[i] - pivot[i];
                plain[i] += d;
                squares[i] += d * d;
            }
        }
        for i in 0..W {
            let shift = f64::from(plain[i]) / rows as f64;
            let mean = f64::from(pivot[i]) + shift;
            // `max` would turn NaN into 0 and hide a network that has diverged.
            let squares = f64::from(squares[i]) - f64::from(plain[i]) * shift;
            let squares = if squares < 0.0 { 0.0 } else { squares };
            self.join_channel(at + i, rows, mean, squares);
        }
    }

    /// Adds a row that occurs so many times.
    pub fn add_repeated(&mut self, row: &[f32], times: usize) {
        if times == 0 {
            return;
        }
        for (c, &value) in row.iter().enumerate() {
            self.join_channel(c, times, f64::from(value), 0.0);
        }
        self.count += times;
    }

    /// Joins `rows` rows with the given mean and squared deviations to channel `c`; `count` is updated by the caller.
    #[inline(always)]
    fn join_channel(&mut self, c: usize, rows: usize, mean: f64, squares: f64) {
        let (before, more) = (self.count as f64, rows as f64);
        let delta = mean - self.mean[c];
        let share = more / (before + more);
        self.mean[c] += delta * share;
        self.squares[c] += squares + delta * delta * before * share;
    }

    /// The moments of all rows of all parts, joined in their order.
    pub fn total(c: usize, parts: impl IntoIterator<Item = Moments>) -> Self {
        let mut total = Self::zeros(c);
        for part in parts.into_iter().filter(|p| p.count > 0) {
            for c in 0..c {
                total.join_channel(c, part.count, part.mean[c], part.squares[c]);
            }
            total.count += part.count;
        }
        total
    }

    /// Mean and population variance; zeros for no rows.
    pub fn statistics(&self) -> Statistics {
        let n = self.count.max(1) as f64;
        Statistics {
            mean: self.mean.iter().map(|&m| m as f32).collect(),
            variance: self.squares.iter().map(|&s| (s / n) as f32).collect(),
            count: self.count,
        }
    }
}

/// Sums over rows of a gradient `d` and of `d (x - mean)`, a channel each, in f64.
#[derive(Debug, Clone)]
pub struct Sums {
    /// Sum of `d`, `[C]`.
    pub plain: Vec<f64>,
    /// Sum of `d (x - mean)`, `[C]`.
    pub centered: Vec<f64>,
}

impl Sums {
    /// Zeros for `c` channels.
    pub fn zeros(c: usize) -> Self {
        Self {
            plain: vec![0.0; c],
            centered: vec![0.0; c],
        }
    }

    /// Adds the rows of a tile: in f32 within the tile (at most a few hundred rows), in f64 across tiles.
    #[inline(always)]
    pub fn add_tile(&mut self, d: &[f32], x: &[f32], mean: &[f32]) {
        channel_blocks!(mean.len(), |at, W| self.add_block::<W>(d, x, mean, at));
    }

    #[inline(always)]
    fn add_block<const W: usize>(&mut self, d: &[f32], x: &[f32], mean: &[f32], at: usize) {
        let c = mean.len();
        let mean = &mean[at..at + W];
        let mut block = BlockSums::<W>::default();
        for (d, x) in d.chunks_exact(c).zip(x.chunks_exact(c)) {
            let (d, x) = (&d[at..at + W], &x[at..at + W]);
            for i in 0..W {
                block.add(i, d[i], x[i] - mean[i]);
            }
        }
        block.add_to(self, at);
    }

    /// Zeroes `d` where `h` is zero (a ReLU's backward) and adds its rows, in one pass.
    #[inline(always)]
    pub fn mask_and_add_tile(&mut self, d: &mut [f32], h: &[f32], x: &[f32], mean: &[f32]) {
        channel_blocks!(mean.len(), |at, W| self.mask_and_add_block::<W>(d, h, x, mean, at));
    }

    #[inline(always)]
    fn mask_and_add_block<const W: usize>(&mut self, d: &mut [f32], h: &[f32], x: &[f32], mean: &[f32], at: usize) {
        let c = mean.len();
        let mean = &mean[at..at + W];
        let mut block = BlockSums::<W>::default();
        for ((d, h), x) in d.chunks_exact_mut(c).zip(h.chunks_exact(c)).zip(x.chunks_exact(c)) {
            let (d, h, x) = (&mut d[at..at + W], &h[at..at + W], &x[at..at + W]);
            for i in 0..W {
                d[i] = if h[i] > 0.0 { d[i] } else { 0.0 };
                block.add(i, d[i], x[i] - mean[i]);
            }
        }
        block.add_to(self, at);
    }

    /// The sum of partial sums, in their order.
    pub fn total(c: usize, parts: impl IntoIterator<Item = Sums>) -> Self {
        let mut total = Self::zeros(c);
        for part in parts {
            total.plain.iter_mut().zip(part.plain).for_each(|(t, p)| *t += p);
            total.centered.iter_mut().zip(part.centered).for_each(|(t, p)| *t += p);
        }
        total
    }
}

/// [`Sums`] of `W` channels over a tile, in registers.
pub(super) struct BlockSums<const W: usize> {
    plain: [f32; W],
    centered: [f32; W],
}

impl<const W: usize> Default for BlockSums<W> {
    #[inline(always)]
    fn default() -> Self {
        Self {
            plain: [0.0; W],
            centered: [0.0; W],
        }
    }
}

impl<const W: usize> BlockSums<W> {
    /// Adds a row's value of channel `i`.
    #[inline(always)]
    pub(super) fn add(&mut self, i: usize, d: f32, deviation: f32) {
        self.plain[i] += d;
        self.centered[i] += d * deviation;
    }

    /// Adds the block to the sums of channels `at..at + W`.
    #[inline(always)]
    pub(super) fn add_to(&self, sums: &mut Sums, at: usize) {
        for i in 0..W {
            sums.plain[at + i] += f64::from(self.plain[i]);
            sums.centered[at + i] += f64::from(self.centered[i]);
        }
    }
}

/// Runs `add` on each tile of rows `0..rows` in parallel over a fixed partition; the parts come back in order.
pub(super) fn over_tiles<S: Send>(
    rows: usize,
    zero: impl Fn() -> S + Sync,
    add: impl Fn(&mut S, Range<usize>) + Sync,
) -> Vec<S> {
    let groups = partition::even(rows, partition::group_count(rows, 1024));
    partition::run(groups, |group| {
        let mut sums = zero();
        for start in group.clone().step_by(partition::TILE_ROWS) {
            add(&mut sums, start..(start + partition::TILE_ROWS).min(group.end));
        }
        sums
    })
}

/// The sums of `d` and `d (x - mean)` over all rows `[R, C]`.
pub fn sums(d: &[f32], x: &[f32], mean: &[f32]) -> Sums {
    let c = mean.len();
    let parts = over_tiles(
        d.len() / c,
        || Sums::zeros(c),
        |sums, tile| {
            let tile = tile.start * c..tile.end * c;
            simd::dispatch(
                #[inline(always)]
                || sums.add_tile(&d[tile.clone()], &x[tile.clone()], mean),
            );
        },
    );
    Sums::total(c, parts)
}

/// The statistics of `x: [R, C]`.
pub fn statistics(x: &[f32], c: usize) -> Statistics {
    moments(x, c).statistics()
}

/// The moments of `x: [R, C]`.
pub fn moments(x: &[f32], c: usize) -> Moments {
    let parts = over_tiles(
        x.len() / c,
        || Moments::zeros(c),
        |moments, tile| {
            simd::dispatch(
                #[inline(always)]
                || moments.add_tile(&x[tile.start * c..tile.end * c]),
            );
        },
    );
    Moments::total(c, parts)
}

/// `y = scale x + shift`, `[R, C]`.
pub fn apply(x: &[f32], map: &Affine) -> Vec<f32> {
    let c = map.scale.len();
    let mut y = vec![0.0; x.len()];
    let tasks: Vec<_> = y.chunks_mut(1024 * c).zip(x.chunks(1024 * c)).collect();
    partition::run(tasks, |(y, x)| {
        simd::dispatch(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                    for (((y, x), a), b) in y.iter_mut().zip(x).zip(&map.scale).zip(&map.shift) {
                        *y = a * x + b;
                    }
                }
            },
        );
    });
    y
}

/// `d_x = scale d_y + constant - slope x`, `[R, C]`.
pub fn apply_gradient(d_y: &[f32], x: &[f32], map: &Gradient) -> Vec<f32> {
    let c = map.scale.len();
    let mut d_x = vec![0.0; x.len()];
    let tasks: Vec<_> = d_x
        .chunks_mut(1024 * c)
        .zip(d_y.chunks(1024 * c).zip(x.chunks(1024 * c)))
        .collect();
    partition::run(tasks, |(d_x, (d_y, x))| {
        simd::dispatch(
            #[inline(always)]
            || gradient_rows(d_x, d_y, x, map),
        );
    });
    d_x
}

/// [`apply_gradient`] on one tile.
#[inline(always)]
pub fn gradient_rows(d_x: &mut [f32], d_y: &[f32], x: &[f32], map: &Gradient) {
    let c = map.scale.len();
    let (scale, constant, slope) = (&map.scale[..c], &map.constant[..c], &map.slope[..c]);
    for ((d_x, d_y), x) in d_x.chunks_exact_mut(c).zip(d_y.chunks_exact(c)).zip(x.chunks_exact(c)) {
        for i in 0..c {
            d_x[i] = scale[i] * d_y[i] + constant[i] - slope[i] * x[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_large_against_the_spread_costs_no_digits_of_the_variance() {
        // Mean 1000, values 999 and 1001 in an order without period: the variance is 1 to the last f32 digits.
        let x: Vec<f32> = (0..6000u32)
            .map(|i| {
                if i.wrapping_mul(2_654_435_761) >> 31 == 0 {
                    999.0
                } else {
                    1001.0
                }
            })
            .collect();
        let ones = x.iter().filter(|&&v| v > 1000.0).count() as f64 / 6000.0;
        let stats = statistics(&x, 1);
        assert!(
            (f64::from(stats.variance[0]) - 4.0 * ones * (1.0 - ones)).abs() < 1e-6,
            "{stats:?}"
        );
        let d: Vec<f32> = (0..6000).map(|i| (i % 7) as f32 - 3.0).collect();
        let sums = sums(&d, &x, &stats.mean);
        let exact: f64 = d
            .iter()
            .zip(&x)
            .map(|(d, x)| f64::from(*d) * (f64::from(*x) - f64::from(stats.mean[0])))
            .sum();
        assert!((sums.centered[0] - exact).abs() < 1e-2, "{} {exact}", sums.centered[0]);
    }

    #[test]
    fn values_that_are_no_numbers_stay_visible_in_the_statistics() {
        assert!(statistics(&[1.0, f32::NAN, 2.0], 1).variance[0].is_nan());
    }

    #[test]
    fn a_normalized_batch_has_mean_zero_and_variance_one() {
        let x: Vec<f32> = (0..3000)
            .map(|i| ((i * 7919) % 997) as f32 / 50.0 + (i % 3) as f32 * 10.0)
            .collect();
        let stats = statistics(&x, 3);
        let y = apply(&x, &stats.affine(&[1.0; 3], &[0.0; 3]));
        let after = statistics(&y, 3);
        assert!(after.mean.iter().all(|m| m.abs() < 1e-5), "{after:?}");
        assert!(after.variance.iter().all(|v| (v - 1.0).abs() < 1e-4), "{after:?}");
    }
}
