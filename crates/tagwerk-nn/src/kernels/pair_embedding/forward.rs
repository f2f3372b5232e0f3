//! The forward pass: layer by layer while training, tile by tile through all layers while scoring.

use super::features::{First, covariance, feature_statistics, first_statistics, scales, slopes, tiles};
use super::spec::{PairSpec, Places};
use crate::kernels::activation;
use crate::kernels::gemm::{Mat, matmul};
use crate::kernels::norm::{Affine, Moments, Statistics};
use crate::kernels::partition::{self, TILE_ROWS};
use crate::kernels::simd;
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

/// What the backward pass needs of a training forward pass.
#[derive(Debug)]
pub struct Saved {
    /// Products of layers 2 to L without bias, `[P, C_l]` each.
    pub(super) products: Vec<Buffer>,
    /// Means and covariances of the features.
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Vec<f64>,
    pub(super) statistics: Vec<Statistics>,
}

impl Saved {
    /// The statistics used, one a normalization.
    pub fn statistics(&self) -> &[Statistics] {
        &self.statistics
    }
}

/// The normalization of layer `l` as a map of its product without bias.
pub(super) fn map(spec: &PairSpec, parameters: &[f32], l: usize, statistics: &[Statistics]) -> Affine {
    let (gamma, beta) = (&parameters[spec.gamma(l + 1)], &parameters[spec.beta(l + 1)]);
    spec.without_bias(parameters, l, &statistics[l + 1]).affine(gamma, beta)
}

/// `h = gelu(scale y + shift)`.
#[inline(always)]
fn activate(h: &mut [f32], y: &[f32], map: &Affine) {
    let c = map.scale.len();
    let (scale, shift) = (&map.scale[..c], &map.shift[..c]);
    for (h, y) in h.chunks_exact_mut(c).zip(y.chunks_exact(c)) {
        for k in 0..c {
            h[k] = activation::gelu(scale[k] * y[k] + shift[k]).0;
        }
    }
}

/// Runs the embedding: features `[P, F]` to the bias of all ordered pairs, `[H n^2]` a jet. With the batch's statistics
/// unless some are given; those used are returned, one a normalization.
pub fn forward(
    spec: &PairSpec,
    parameters: &[f32],
    features: &[f32],
    places: &Places,
    given: Option<&[Statistics]>,
    workspace: &Workspace,
) -> (Vec<f32>, Saved) {
    let (f, pairs, layers) = (spec.features(), places.pairs(), spec.layers());
    let mut saved = Saved {
        products: Vec::new(),
        mean: Vec::new(),
        covariance: Vec::new(),
        statistics: given.map(<[_]>::to_vec).unwrap_or_default(),
    };
    if given.is_some() {
        let last = score(spec, parameters, features, &saved.statistics, workspace);
        let out = spread(spec, parameters, &last, places, &saved.statistics);
        return (out, saved);
    }
    (saved.mean, saved.covariance) = covariance(features, f);
    let of_features = feature_statistics(&saved.mean, &saved.covariance, pairs);
    let scales = scales(spec, parameters, &of_features);
    let slopes = slopes(spec, parameters, &scales);
    let of_first = first_statistics(spec, parameters, &slopes, &saved.covariance, pairs);
    let first = First::new(spec, parameters, &of_features, &of_first);
    saved.statistics = vec![of_features, of_first];
    let groups = partition::even(pairs, partition::group_count(pairs, 1024));
    for l in 1..layers {
        let (c_in, c) = (spec.width(l), spec.width(l + 1));
        let weight = Mat::new(&parameters[spec.weight(l)], c_in, c);
        let below = (l > 1).then(|| map(spec, parameters, l - 1, &saved.statistics));
        let before = saved.products.last();
        let mut product = workspace.take(pairs * c);
        let pieces = partition::split_mut(&mut product, groups.iter().map(|g| g.len() * c));
        let tasks: Vec<_> = groups.iter().zip(pieces).collect();
        let parts = partition::run(tasks, |(group, piece): (&Range<usize>, &mut [f32])| {
            let mut moments = Moments::zeros(c);
            let mut h = workspace.take(TILE_ROWS * c_in);
            simd::dispatch(
                #[inline(always)]
                || {
                    for tile in tiles(group) {
                        let h = &mut h[..tile.len() * c_in];
                        match (before, &below) {
                            (Some(y), Some(map)) => activate(h, &y[tile.start * c_in..tile.end * c_in], map),
                            _ => {
                                first.apply(h, &features[tile.start * f..tile.end * f]);
                                h.iter_mut().for_each(|h| *h = activation::gelu(*h).0);
                            }
                        }
                        let y = &mut piece[(tile.start - group.start) * c..(tile.end - group.start) * c];
                        matmul(y, false, Mat::new(h, tile.len(), c_in), weight);
                        moments.add_tile(y);
                    }
                },
            );
            moments
        });
        let mut statistics = Moments::total(c, parts).statistics();
        for (mean, bias) in statistics.mean.iter_mut().zip(&parameters[spec.bias(l)]) {
            *mean += bias;
        }
        saved.statistics.push(statistics);
        saved.products.push(product);
    }
    let last = saved.products.last().map_or(&[][..], |last| last);
    let out = spread(spec, parameters, last, places, &saved.statistics);
    (out, saved)
}

/// The product of the last layer, `[P, H]`, with given statistics: a tile runs through all layers.
fn score(
    spec: &PairSpec,
    parameters: &[f32],
    features: &[f32],
    statistics: &[Statistics],
    workspace: &Workspace,
) -> Buffer {
    let (f, layers, heads) = (spec.features(), spec.layers(), spec.heads());
    let pairs = features.len() / f;
    let first = First::new(spec, parameters, &statistics[0], &statistics[1]);
    let maps: Vec<Affine> = (1..layers).map(|l| map(spec, parameters, l, statistics)).collect();
    let widest = (1..=layers).map(|l| spec.width(l)).max().unwrap_or(0);
    let mut last = workspace.take(pairs * heads);
    let groups = partition::even(pairs, partition::group_count(pairs, 1024));
    let pieces = partition::split_mut(&mut last, groups.iter().map(|g| g.len() * heads));
    partition::run(
        groups.iter().zip(pieces).collect(),
        |(group, piece): (&Range<usize>, &mut [f32])| {
            let (mut h, mut y) = (workspace.take(TILE_ROWS * widest), workspace.take(TILE_ROWS * widest));
            simd::dispatch(
                #[inline(always)]
                || {
                    for tile in tiles(group) {
                        let n = tile.len();
                        first.apply(&mut h[..n * spec.width(1)], &features[tile.start * f..tile.end * f]);
                        h[..n * spec.width(1)]
                            .iter_mut()
                            .for_each(|h| *h = activation::gelu(*h).0);
                        for l in 1..layers {
                            let (c_in, c) = (spec.width(l), spec.width(l + 1));
                            if l > 1 {
                                activate(&mut h[..n * c_in], &y[..n * c_in], &maps[l - 2]);
                            }
                            let weight = Mat::new(&parameters[spec.weight(l)], c_in, c);
                            let to = match l + 1 == layers {
                                true => &mut piece[(tile.start - group.start) * c..(tile.end - group.start) * c],
                                false => &mut y[..n * c],
                            };
                            matmul(to, false, Mat::new(&h, n, c_in), weight);
                        }
                    }
                },
            );
        },
    );
    last
}

/// The end: normalization and GELU of the last product `[P, H]`, and both places of each pair.
fn spread(spec: &PairSpec, parameters: &[f32], last: &[f32], places: &Places, statistics: &[Statistics]) -> Vec<f32> {
    let heads = spec.heads();
    let map = map(spec, parameters, spec.layers() - 1, statistics);
    let mut out = vec![0.0; places.values() * heads];
    let runs = partition::by_rows(&places.unordered, (places.pairs() / partition::MAX_GROUPS).max(2048));
    let lengths = runs
        .iter()
        .map(|r| (places.ordered[r.end] - places.ordered[r.start]) * heads);
    let pieces = partition::split_mut(&mut out, lengths);
    partition::run(
        runs.iter().zip(pieces).collect(),
        |(run, piece): (&Range<usize>, &mut [f32])| {
            let first = places.ordered[run.start];
            let mut activated = Vec::new();
            simd::dispatch(
                #[inline(always)]
                || {
                    for jet in run.clone() {
                        let n = places.sizes[jet];
                        let own = places.unordered[jet] * heads..places.unordered[jet + 1] * heads;
                        activated.resize(own.len(), 0.0);
                        activate(&mut activated, &last[own], &map);
                        let out = &mut piece
                            [(places.ordered[jet] - first) * heads..(places.ordered[jet + 1] - first) * heads];
                        for (h, out) in out.chunks_exact_mut((n * n).max(1)).enumerate() {
                            for i in 0..n {
                                for j in 0..=i {
                                    let value = activated[(i * (i + 1) / 2 + j) * heads + h];
                                    out[i * n + j] = value;
                                    out[j * n + i] = value;
                                }
                            }
                        }
                    }
                },
            );
        },
    );
    out
}
