//! Batch normalization over real rows.
//!
//! Ioffe, Szegedy, arXiv:1502.03167. Padded frameworks average over padding as well, so that the statistics depend on
//! the padding length; here they run over the constituents (or edges) that exist.

use super::{partition, simd};

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
    /// From sums of values and of squares over `count` rows.
    pub fn from_sums(sums: &[f64], squares: &[f64], count: usize) -> Self {
        let n = count.max(1) as f64;
        let mean: Vec<f64> = sums.iter().map(|s| s / n).collect();
        let variance = squares
            .iter()
            .zip(&mean)
            .map(|(q, m)| (q / n - m * m).max(0.0) as f32)
            .collect();
        Self {
            mean: mean.into_iter().map(|m| m as f32).collect(),
            variance,
            count,
        }
    }

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
    /// from the sums over rows of `d_y` and `d_y x`.
    pub fn gradient(&self, gamma: &[f32], sums: &Sums) -> (Gradient, Vec<f32>, Vec<f32>) {
        let n = self.count.max(1) as f64;
        let mut map = Gradient::default();
        let (mut d_gamma, mut d_beta) = (Vec::new(), Vec::new());
        for (c, &gamma) in gamma.iter().enumerate() {
            let inverse = 1.0 / (f64::from(self.variance[c]) + EPSILON).sqrt();
            let mean = f64::from(self.mean[c]);
            let along = inverse * (sums.weighted[c] - mean * sums.plain[c]); // sum of d_y x_hat
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

/// Two sums over rows, a channel each, in f64.
#[derive(Debug, Clone)]
pub struct Sums {
    /// Sum of a value, `[C]`.
    pub plain: Vec<f64>,
    /// Sum of the value times another (itself for a variance), `[C]`.
    pub weighted: Vec<f64>,
}

impl Sums {
    /// Zeros for `c` channels.
    pub fn zeros(c: usize) -> Self {
        Self {
            plain: vec![0.0; c],
            weighted: vec![0.0; c],
        }
    }

    /// Adds `sum a` and `sum a b` over the rows of a tile. In the tile the sums run in f32 (at most a few hundred
    /// rows), across tiles in f64. Blocks of channels are summed in registers.
    #[inline(always)]
    pub fn add_tile(&mut self, a: &[f32], b: &[f32]) {
        let c = self.plain.len();
        let mut at = 0;
        while at + 32 <= c {
            self.add_block::<32>(a, b, at);
            at += 32;
        }
        while at + 4 <= c {
            self.add_block::<4>(a, b, at);
            at += 4;
        }
        while at < c {
            self.add_block::<1>(a, b, at);
            at += 1;
        }
    }

    #[inline(always)]
    fn add_block<const W: usize>(&mut self, a: &[f32], b: &[f32], at: usize) {
        let c = self.plain.len();
        let (mut plain, mut weighted) = ([0.0f32; W], [0.0f32; W]);
        for (a, b) in a.chunks_exact(c).zip(b.chunks_exact(c)) {
            let (a, b) = (&a[at..at + W], &b[at..at + W]);
            for i in 0..W {
                plain[i] += a[i];
                weighted[i] += a[i] * b[i];
            }
        }
        for i in 0..W {
            self.plain[at + i] += f64::from(plain[i]);
            self.weighted[at + i] += f64::from(weighted[i]);
        }
    }

    /// Zeroes `d` where `h` is zero (a ReLU's backward) and adds `sum d` and `sum d y`, in one pass.
    #[inline(always)]
    pub fn mask_and_add_tile(&mut self, d: &mut [f32], h: &[f32], y: &[f32]) {
        let c = self.plain.len();
        let mut at = 0;
        while at + 32 <= c {
            self.mask_and_add_block::<32>(d, h, y, at);
            at += 32;
        }
        while at + 4 <= c {
            self.mask_and_add_block::<4>(d, h, y, at);
            at += 4;
        }
        while at < c {
            self.mask_and_add_block::<1>(d, h, y, at);
            at += 1;
        }
    }

    #[inline(always)]
    fn mask_and_add_block<const W: usize>(&mut self, d: &mut [f32], h: &[f32], y: &[f32], at: usize) {
        let c = self.plain.len();
        let (mut plain, mut weighted) = ([0.0f32; W], [0.0f32; W]);
        for ((d, h), y) in d.chunks_exact_mut(c).zip(h.chunks_exact(c)).zip(y.chunks_exact(c)) {
            let (d, h, y) = (&mut d[at..at + W], &h[at..at + W], &y[at..at + W]);
            for i in 0..W {
                d[i] = if h[i] > 0.0 { d[i] } else { 0.0 };
                plain[i] += d[i];
                weighted[i] += d[i] * y[i];
            }
        }
        for i in 0..W {
            self.plain[at + i] += f64::from(plain[i]);
            self.weighted[at + i] += f64::from(weighted[i]);
        }
    }

    /// The sum of partial sums, in their order.
    pub fn total(c: usize, parts: impl IntoIterator<Item = Sums>) -> Self {
        let mut total = Self::zeros(c);
        for part in parts {
            total.plain.iter_mut().zip(part.plain).for_each(|(t, p)| *t += p);
            total.weighted.iter_mut().zip(part.weighted).for_each(|(t, p)| *t += p);
        }
        total
    }
}

/// Sums of `a` and `a b` over all rows, in parallel over a fixed partition.
pub fn sums(a: &[f32], b: &[f32], c: usize) -> Sums {
    let rows = a.len() / c;
    let groups = partition::even(rows, partition::group_count(rows, 1024));
    Sums::total(
        c,
        partition::run(groups, |group| {
            let mut sums = Sums::zeros(c);
            simd::dispatch(
                #[inline(always)]
                || {
                    for start in group.clone().step_by(partition::TILE_ROWS) {
                        let tile = start * c..(start + partition::TILE_ROWS).min(group.end) * c;
                        sums.add_tile(&a[tile.clone()], &b[tile]);
                    }
                },
            );
            sums
        }),
    )
}

/// The statistics of `x: [R, C]`.
pub fn statistics(x: &[f32], c: usize) -> Statistics {
    let sums = sums(x, x, c);
    Statistics::from_sums(&sums.plain, &sums.weighted, x.len() / c)
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
