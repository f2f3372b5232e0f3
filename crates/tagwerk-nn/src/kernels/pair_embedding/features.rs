//! The normalization of the features and the first layer, which together are affine in the features.

use super::spec::PairSpec;
use crate::kernels::norm::{Affine, Statistics};
use crate::kernels::partition::{self, TILE_ROWS};

/// Means `[F]` and covariances `[F, F]` of features `[P, F]`, in f64.
pub(super) fn covariance(x: &[f32], f: usize) -> (Vec<f64>, Vec<f64>) {
    let rows = x.len() / f;
    let groups = partition::even(rows, partition::group_count(rows, 1024));
    let over = |add: &(dyn Fn(&mut [f64], &[f32]) + Sync), length: usize| {
        let parts = partition::run(groups.clone(), |group| {
            let mut sums = vec![0.0f64; length];
            for row in x[group.start * f..group.end * f].chunks_exact(f) {
                add(&mut sums, row);
            }
            sums
        });
        let mut total = vec![0.0; length];
        for part in parts {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
        }
        total.iter_mut().for_each(|t| *t /= rows.max(1) as f64);
        total
    };
    let mean = over(
        &|sums, row| sums.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v)),
        f,
    );
    let covariance = over(
        &|sums, row| {
            for (k, sums) in sums.chunks_exact_mut(f).enumerate() {
                let a = f64::from(row[k]) - mean[k];
                for l in 0..f {
                    sums[l] += a * (f64::from(row[l]) - mean[l]);
                }
            }
        },
        f * f,
    );
    (mean, covariance)
}

/// Scale `gamma / sqrt(variance)` of each feature, in f64.
pub(super) fn scales(spec: &PairSpec, parameters: &[f32], statistics: &Statistics) -> Vec<f64> {
    let gamma = &parameters[spec.gamma(0)];
    (0..spec.features())
        .map(|k| f64::from(gamma[k]) * f64::from(statistics.inverse(k)))
        .collect()
}

/// Of each channel of the first layer, its slope in each feature `[F, C]` before its own normalization.
pub(super) fn slopes(spec: &PairSpec, parameters: &[f32], scales: &[f64]) -> Vec<f64> {
    let c = spec.width(1);
    let rows = parameters[spec.weight(0)].chunks_exact(c).zip(scales);
    rows.flat_map(|(row, s)| row.iter().map(move |w| f64::from(*w) * s))
        .collect()
}

/// Statistics of the first layer (bias included) from those of the features.
pub(super) fn first_statistics(
    spec: &PairSpec,
    parameters: &[f32],
    slopes: &[f64],
    covariance: &[f64],
    count: usize,
) -> Statistics {
    let (f, c) = (spec.features(), spec.width(1));
    let (weight, bias, beta) = (
        &parameters[spec.weight(0)],
        &parameters[spec.bias(0)],
        &parameters[spec.beta(0)],
    );
    let mut statistics = Statistics {
        count,
        ..Statistics::default()
    };
    for k in 0..c {
        // The normalized features have mean beta.
        let mean: f64 = (0..f).map(|a| f64::from(beta[a]) * f64::from(weight[a * c + k])).sum();
        let mut variance = 0.0;
        for a in 0..f {
            for b in 0..f {
                variance += slopes[a * c + k] * covariance[a * f + b] * slopes[b * c + k];
            }
        }
        statistics.mean.push((mean + f64::from(bias[k])) as f32);
        // Rounding may leave a variance of nothing below zero; NaN must stay visible.
        statistics
            .variance
            .push(if variance < 0.0 { 0.0 } else { variance as f32 });
    }
    statistics
}

/// Both normalizations and the layer between them: `z = x A + a`, with `A: [F, C]`.
pub(super) struct First {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl First {
    /// `features`, `layer`: statistics of the two normalizations, that of the layer with its bias.
    pub(super) fn new(spec: &PairSpec, parameters: &[f32], features: &Statistics, layer: &Statistics) -> Self {
        let (f, c) = (spec.features(), spec.width(1));
        let scales = scales(spec, parameters, features);
        let slopes = slopes(spec, parameters, &scales);
        let Affine { scale, shift } = layer.affine(&parameters[spec.gamma(1)], &parameters[spec.beta(1)]);
        let (weight, bias, beta) = (
            &parameters[spec.weight(0)],
            &parameters[spec.bias(0)],
            &parameters[spec.beta(0)],
        );
        let offset = |k: usize| -> f64 {
            let of_features = |a: usize| {
                let shift = f64::from(beta[a]) - scales[a] * f64::from(features.mean[a]);
                shift * f64::from(weight[a * c + k])
            };
            (0..f).map(of_features).sum::<f64>() + f64::from(bias[k])
        };
        Self {
            bias: (0..c)
                .map(|k| (offset(k) * f64::from(scale[k]) + f64::from(shift[k])) as f32)
                .collect(),
            weight: slopes
                .iter()
                .enumerate()
                .map(|(i, s)| (s * f64::from(scale[i % c])) as f32)
                .collect(),
        }
    }

    /// `z = x A + a` for the rows of a tile.
    #[inline(always)]
    pub(super) fn apply(&self, z: &mut [f32], x: &[f32]) {
        let c = self.bias.len();
        let f = self.weight.len() / c;
        for (z, x) in z.chunks_exact_mut(c).zip(x.chunks_exact(f)) {
            z.copy_from_slice(&self.bias);
            for (x, weight) in x.iter().zip(self.weight.chunks_exact(c)) {
                for (z, w) in z.iter_mut().zip(weight) {
                    *z += x * w;
                }
            }
        }
    }
}

/// Statistics of given rows, from [`covariance`].
pub(super) fn feature_statistics(mean: &[f64], covariance: &[f64], count: usize) -> Statistics {
    let f = mean.len();
    Statistics {
        mean: mean.iter().map(|&m| m as f32).collect(),
        variance: (0..f).map(|k| covariance[k * f + k] as f32).collect(),
        count,
    }
}

/// Rows of a tile of `[P, C]`, as ranges of rows within a group.
pub(super) fn tiles(group: &std::ops::Range<usize>) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
    let end = group.end;
    group
        .clone()
        .step_by(TILE_ROWS)
        .map(move |start| start..(start + TILE_ROWS).min(end))
}
