//! The backward pass: from both places of each pair down through the layers to the weights.

use super::features::{First, scales, slopes, tiles};
use super::forward::{Saved, map};
use super::spec::{PairSpec, Places};
use crate::kernels::activation;
use crate::kernels::gemm::{Mat, matmul, transpose, weight_gradient};
use crate::kernels::norm::{Affine, Gradient, Sums, gradient_rows};
use crate::kernels::partition::{self, TILE_ROWS};
use crate::kernels::simd;
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

/// The gradient of the packed parameters, given that of the bias, `[H n^2]` a jet.
pub fn backward(
    spec: &PairSpec,
    parameters: &[f32],
    features: &[f32],
    places: &Places,
    saved: &Saved,
    d_out: &[f32],
    workspace: &Workspace,
) -> Vec<f32> {
    let (f, pairs, layers) = (spec.features(), places.pairs(), spec.layers());
    let mut gradient = vec![0.0; spec.parameter_count()];
    let first = First::new(spec, parameters, &saved.statistics[0], &saved.statistics[1]);
    let groups = partition::even(pairs, partition::group_count(pairs, 1024));
    // The gradient after the normalization of layer l, and its sums.
    let (mut d_z, mut totals) = gather(spec, parameters, places, saved, d_out, workspace);
    for l in (1..layers).rev() {
        let (c_in, c) = (spec.width(l), spec.width(l + 1));
        let statistics = spec.without_bias(parameters, l, &saved.statistics[l + 1]);
        let (through, d_gamma, d_beta) = statistics.gradient(&parameters[spec.gamma(l + 1)], &totals);
        gradient[spec.gamma(l + 1)].copy_from_slice(&d_gamma);
        gradient[spec.beta(l + 1)].copy_from_slice(&d_beta);
        let mut weight = workspace.take(c_in * c);
        transpose(&mut weight, &parameters[spec.weight(l)], c_in, c);
        let below = (l > 1).then(|| {
            let statistics = spec.without_bias(parameters, l - 1, &saved.statistics[l]);
            (map(spec, parameters, l - 1, &saved.statistics), statistics.mean)
        });
        let mut next = workspace.take(if l > 1 { pairs * c_in } else { 0 });
        let pieces = partition::split_mut(&mut next, groups.iter().map(|g| if l > 1 { g.len() * c_in } else { 0 }));
        let step = Step {
            y: &saved.products[l - 1],
            d_z: &d_z,
            through: &through,
            weight: &weight,
            c_in,
            c,
        };
        let parts = partition::run(
            groups.iter().zip(pieces).collect(),
            |(group, piece): (&Range<usize>, &mut [f32])| {
                let mut d_w = workspace.zeros(c_in * c);
                let mut sums = Sums::zeros(c_in);
                // Of the first layer: sums of its gradient and of that times each feature's distance from its mean.
                let mut of_features = workspace.zeros(f * c_in);
                let [mut h, mut slope, mut d_h] = [(); 3].map(|()| workspace.take(TILE_ROWS * c_in));
                let mut d_y = workspace.take(TILE_ROWS * c);
                let mut centered = workspace.take(TILE_ROWS * f);
                simd::dispatch(
                    #[inline(always)]
                    || {
                        for tile in tiles(group) {
                            let own = tile.start * c_in..tile.end * c_in;
                            let (h, slope) = (&mut h[..own.len()], &mut slope[..own.len()]);
                            let x = &features[tile.start * f..tile.end * f];
                            match &below {
                                Some((map, _)) => {
                                    activate_with_slope(h, slope, &saved.products[l - 2][own.clone()], map)
                                }
                                None => {
                                    first.apply(h, x);
                                    for (h, slope) in h.iter_mut().zip(slope.iter_mut()) {
                                        (*h, *slope) = activation::gelu(*h);
                                    }
                                }
                            }
                            match &below {
                                Some((_, mean)) => {
                                    let d_h = &mut piece[own.start - group.start * c_in..own.end - group.start * c_in];
                                    step.tile(&tile, &mut d_y, h, slope, d_h, &mut d_w);
                                    sums.add_tile(d_h, &saved.products[l - 2][own], mean);
                                }
                                None => {
                                    let d_h = &mut d_h[..own.len()];
                                    step.tile(&tile, &mut d_y, h, slope, d_h, &mut d_w);
                                    let centered = &mut centered[..x.len()];
                                    for (to, x) in centered.chunks_exact_mut(f).zip(x.chunks_exact(f)) {
                                        for k in 0..f {
                                            to[k] = x[k] - saved.mean[k] as f32;
                                        }
                                    }
                                    weight_gradient(&mut of_features, true, centered, d_h, tile.len(), f, c_in);
                                    add_columns(&mut sums.plain, d_h);
                                }
                            }
                        }
                    },
                );
                (d_w, sums, of_features)
            },
        );
        let (mut weights, mut sums, mut of_features) = (Vec::new(), Vec::new(), Vec::new());
        for (d_w, sum, features) in parts {
            weights.push(d_w);
            sums.push(sum);
            of_features.push(features);
        }
        partition::sum_in_order(&mut gradient[spec.weight(l)], &weights);
        totals = Sums::total(c_in, sums);
        d_z = next;
        if l == 1 {
            let mut total = vec![0.0; f * c_in];
            partition::sum_in_order(&mut total, &of_features);
            first_layer(spec, parameters, saved, totals.clone(), &total, pairs, &mut gradient);
        }
    }
    gradient
}

/// One layer's way from the gradient after its normalization to that after the one below.
struct Step<'a> {
    y: &'a [f32],
    d_z: &'a [f32],
    through: &'a Gradient,
    weight: &'a [f32],
    c_in: usize,
    c: usize,
}

impl Step<'_> {
    /// `d_h = (d_y W^T) slope`, and `d_w += h^T d_y`.
    #[inline(always)]
    fn tile(&self, tile: &Range<usize>, d_y: &mut [f32], h: &[f32], slope: &[f32], d_h: &mut [f32], d_w: &mut [f32]) {
        let (n, c_in, c) = (tile.len(), self.c_in, self.c);
        let own = tile.start * c..tile.end * c;
        let d_y = &mut d_y[..n * c];
        gradient_rows(d_y, &self.d_z[own.clone()], &self.y[own], self.through);
        weight_gradient(d_w, true, h, d_y, n, c_in, c);
        matmul(d_h, false, Mat::new(d_y, n, c), Mat::new(self.weight, c, c_in));
        d_h.iter_mut().zip(slope).for_each(|(d, s)| *d *= s);
    }
}

/// `h = gelu(scale y + shift)` and the slope of the GELU there.
#[inline(always)]
fn activate_with_slope(h: &mut [f32], slope: &mut [f32], y: &[f32], map: &Affine) {
    let c = map.scale.len();
    let (scale, shift) = (&map.scale[..c], &map.shift[..c]);
    let rows = h.chunks_exact_mut(c).zip(slope.chunks_exact_mut(c));
    for ((h, slope), y) in rows.zip(y.chunks_exact(c)) {
        for k in 0..c {
            (h[k], slope[k]) = activation::gelu(scale[k] * y[k] + shift[k]);
        }
    }
}

/// Adds the sums of columns, in f32 within a tile.
#[inline(always)]
fn add_columns(sums: &mut [f64], d: &[f32]) {
    let c = sums.len();
    crate::kernels::simd::channel_blocks!(c, |at, W| {
        let mut sum = [0.0f32; W];
        for d in d.chunks_exact(c) {
            let d = &d[at..at + W];
            for k in 0..W {
                sum[k] += d[k];
            }
        }
        for k in 0..W {
            sums[at + k] += f64::from(sum[k]);
        }
    });
}

/// The gradient after the last normalization, `[P, H]`, from that of both places of each pair, and its sums.
fn gather(
    spec: &PairSpec,
    parameters: &[f32],
    places: &Places,
    saved: &Saved,
    d_out: &[f32],
    workspace: &Workspace,
) -> (Buffer, Sums) {
    let (heads, last) = (spec.heads(), spec.layers() - 1);
    let map = map(spec, parameters, last, &saved.statistics);
    let mean = spec.without_bias(parameters, last, &saved.statistics[last + 1]).mean;
    let y = &saved.products[last - 1];
    let mut d_z = workspace.take(places.pairs() * heads);
    let runs = partition::by_rows(&places.unordered, (places.pairs() / partition::MAX_GROUPS).max(2048));
    let lengths = runs
        .iter()
        .map(|r| (places.unordered[r.end] - places.unordered[r.start]) * heads);
    let pieces = partition::split_mut(&mut d_z, lengths);
    let parts = partition::run(
        runs.iter().zip(pieces).collect(),
        |(run, piece): (&Range<usize>, &mut [f32])| {
            let mut sums = Sums::zeros(heads);
            let mut h = workspace.take(TILE_ROWS * heads);
            let mut slope = workspace.take(TILE_ROWS * heads);
            simd::dispatch(
                #[inline(always)]
                || {
                    let first = places.unordered[run.start];
                    for jet in run.clone() {
                        let n = places.sizes[jet];
                        let d_out = &d_out[places.ordered[jet] * heads..places.ordered[jet + 1] * heads];
                        let own = (places.unordered[jet] - first) * heads..(places.unordered[jet + 1] - first) * heads;
                        let d = &mut piece[own];
                        for (k, d_out) in d_out.chunks_exact((n * n).max(1)).enumerate() {
                            for i in 0..n {
                                for j in 0..i {
                                    d[(i * (i + 1) / 2 + j) * heads + k] = d_out[i * n + j] + d_out[j * n + i];
                                }
                                d[(i * (i + 1) / 2 + i) * heads + k] = d_out[i * n + i];
                            }
                        }
                    }
                    let y = &y[first * heads..places.unordered[run.end] * heads];
                    for (d, y) in piece.chunks_mut(TILE_ROWS * heads).zip(y.chunks(TILE_ROWS * heads)) {
                        activate_with_slope(&mut h[..y.len()], &mut slope[..y.len()], y, &map);
                        d.iter_mut().zip(slope.iter()).for_each(|(d, s)| *d *= s);
                        sums.add_tile(d, y, &mean);
                    }
                },
            );
            sums
        },
    );
    let totals = Sums::total(heads, parts);
    (d_z, totals)
}

/// The first layer and the normalization of the features, from sums over pairs: `plain`, of the gradient z after the
/// layer's normalization; `of_features: [F, C]`, of z times each feature's distance from its mean.
fn first_layer(
    spec: &PairSpec,
    parameters: &[f32],
    saved: &Saved,
    mut totals: Sums,
    of_features: &[f32],
    pairs: usize,
    gradient: &mut [f32],
) {
    let (f, c) = (spec.features(), spec.width(1));
    let (of_x, of_layer) = (&saved.statistics[0], &saved.statistics[1]);
    let scales = scales(spec, parameters, of_x);
    let slopes = slopes(spec, parameters, &scales);
    for k in 0..c {
        // y - mean is linear in the features' distances from their means.
        totals.centered[k] = (0..f)
            .map(|a| slopes[a * c + k] * f64::from(of_features[a * c + k]))
            .sum();
    }
    let (through, d_gamma, d_beta) = of_layer.gradient(&parameters[spec.gamma(1)], &totals);
    gradient[spec.gamma(1)].copy_from_slice(&d_gamma);
    gradient[spec.beta(1)].copy_from_slice(&d_beta);
    let weight = &parameters[spec.weight(0)];
    let mut d_gamma = vec![0.0f64; f];
    for a in 0..f {
        let inverse = f64::from(of_x.inverse(a));
        for k in 0..c {
            // The sum over pairs of the feature's distance from its mean times the gradient before the normalization,
            // scale z + constant - slope y: distances sum to zero, and with y they make covariances.
            let with_y: f64 = (0..f).map(|b| saved.covariance[a * f + b] * slopes[b * c + k]).sum();
            let moment = f64::from(through.scale[k]) * f64::from(of_features[a * c + k])
                - f64::from(through.slope[k]) * pairs as f64 * with_y;
            gradient[spec.weight(0).start + a * c + k] = (scales[a] * moment) as f32;
            d_gamma[a] += inverse * f64::from(weight[a * c + k]) * moment;
        }
    }
    for (to, d) in gradient[spec.gamma(0)].iter_mut().zip(d_gamma) {
        *to = d as f32;
    }
}
