//! The same operations in ordinary tensor operations, for every backend without fused kernels.
//!
//! Burn differentiates these itself. They are the definition the fused kernels are tested against: written for clarity,
//! with gathered edges `[E, C]` where the CPU kernels use tiles.

// Burn slices one dimension with an array of one range.
#![allow(clippy::single_range_in_vec_init)]

mod lorentz;
mod lorentz_edge;
mod picture;
mod rows;
mod transformer;
mod tree;

pub use lorentz::{lorentz, pair_products};
pub use lorentz_edge::lorentz_edge;
pub use picture::{convolution, max_pool, site_norm_scoring, site_norm_training};
pub use rows::{activate, condition, layer_norm, prelu, sparse_product, weighted_squares};
pub use transformer::{cross_attention, pair_embedding, row_chain, self_attention};
pub use tree::tree_embedding;

use super::AdamStep;
use crate::kernels::chain::ChainSpec;
use crate::kernels::dropout::Drop;
use crate::kernels::edge::{BlockStatistics, EdgeSpec};
use crate::kernels::knn::Neighbors;
use crate::kernels::norm::{EPSILON, Statistics};
use crate::kernels::segment::Reduction;
use crate::segments::Segments;
use burn::tensor::activation::relu;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use std::ops::Range;

fn weight(parameters: &Tensor<1>, range: Range<usize>, c_in: usize, c_out: usize) -> Tensor<2> {
    parameters.clone().slice([range]).reshape([c_in, c_out])
}

pub(super) fn row(parameters: &Tensor<1>, range: Range<usize>) -> Tensor<2> {
    let c = range.len();
    parameters.clone().slice([range]).reshape([1, c])
}

/// See [`super::chain`].
pub fn chain(mut x: Tensor<2>, parameters: Tensor<1>, spec: &ChainSpec, drops: &[Drop]) -> Tensor<2> {
    for l in 0..spec.layers() {
        x = x.matmul(weight(&parameters, spec.weight(l), spec.c_in(l), spec.c_out(l))) + row(&parameters, spec.bias(l));
        if spec.activated(l) {
            x = relu(x);
            if let Some(&drop) = drops.get(l) {
                let (size, device) = (x.dims(), x.device());
                x = x * transformer::factors(drop, 0, size, &device);
            }
        }
    }
    x // [R, C_L]
}

/// See [`super::chain_sum`].
pub fn chain_sum(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &ChainSpec,
    segments: &Segments,
    weights: Option<&[f32]>,
) -> Tensor<2> {
    let device = x.device();
    let mut y = chain(x, parameters, spec, &[]);
    if let Some(weights) = weights {
        y = y * Tensor::<2>::from_data(TensorData::new(weights.to_vec(), [weights.len(), 1]), &device);
    }
    segment_reduce(y, segments, Reduction::Sum)
}

/// See [`super::segment_reduce`].
pub fn segment_reduce(x: Tensor<2>, segments: &Segments, reduction: Reduction) -> Tensor<2> {
    let device = x.device();
    let [_, c] = x.dims();
    match reduction {
        Reduction::Sum | Reduction::Mean => {
            let sum = scatter_sum(x, segments.jet_of_row(&device), segments.len());
            match reduction {
                Reduction::Mean => sum / segments.row_counts(&device),
                _ => sum,
            }
        }
        Reduction::Max => {
            let jets = (0..segments.len())
                .map(|b| {
                    let rows = segments.offsets()[b]..segments.offsets()[b + 1];
                    match rows.is_empty() {
                        true => Tensor::zeros([1, c], &device),
                        false => x.clone().slice([rows, 0..c]).max_dim(0),
                    }
                })
                .collect();
            Tensor::cat(jets, 0)
        }
    }
}

/// `out[index[r]] += x[r]`, `[n, C]`.
pub(super) fn scatter_sum(x: Tensor<2>, index: Tensor<1, Int>, n: usize) -> Tensor<2> {
    let [rows, c] = x.dims();
    let zeros = Tensor::zeros([n, c], &x.device());
    if rows == 0 {
        return zeros;
    }
    zeros.select_assign(0, index, x, IndexingUpdateOp::Add)
}

/// See [`super::batch_norm_training`].
pub fn batch_norm_training(x: Tensor<2>, parameters: Tensor<1>) -> (Tensor<2>, Statistics) {
    let [rows, c] = x.dims();
    let mean = x.clone().mean_dim(0);
    let centered = x - mean.clone();
    let variance = centered.clone().powi_scalar(2).mean_dim(0);
    let y = centered / (variance.clone() + EPSILON).sqrt() * row(&parameters, 0..c) + row(&parameters, c..2 * c);
    let statistics = Statistics {
        mean: super::floats(mean.detach()),
        variance: super::floats(variance.detach()),
        count: rows,
    };
    (y, statistics)
}

/// See [`super::batch_norm_scoring`].
pub fn batch_norm_scoring(x: Tensor<2>, parameters: Tensor<1>, statistics: &Statistics) -> Tensor<2> {
    let device = x.device();
    let [_, c] = x.dims();
    let constant = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [1, c]), &device);
    let inverse = constant((0..c).map(|i| statistics.inverse(i)).collect());
    (x - constant(statistics.mean.clone())) * inverse * row(&parameters, 0..c) + row(&parameters, c..2 * c)
}

/// Gamma and beta of one normalization, in the order of [`batch_norm_training`].
fn norm_parameters(parameters: &Tensor<1>, gamma: Range<usize>, beta: Range<usize>) -> Tensor<1> {
    parameters.clone().slice([gamma.start..beta.end])
}

/// Row indices of both ends of each edge, `[E]`: the row itself and its neighbor.
fn edge_ends(graph: &Neighbors, device: &Device) -> (Tensor<1, Int>, Tensor<1, Int>) {
    let rows = graph.offsets.len() - 1;
    let near: Vec<i32> = (0..rows)
        .flat_map(|i| std::iter::repeat_n(i as i32, graph.offsets[i + 1] - graph.offsets[i]))
        .collect();
    let far: Vec<i32> = graph.sources.iter().map(|&j| j as i32).collect();
    let index = |values: Vec<i32>| {
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n]), device)
    };
    (index(near), index(far))
}

/// The block, with `normalize` deciding where statistics come from.
fn edge_conv(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &EdgeSpec,
    graph: &Neighbors,
    mut normalize: impl FnMut(usize, Tensor<2>, Tensor<1>) -> Tensor<2>,
) -> Tensor<2> {
    let device = x.device();
    let [rows, c_in] = x.dims();
    let shortcut = x
        .clone()
        .matmul(weight(&parameters, spec.shortcut(), c_in, spec.output()));
    let shortcut = normalize(
        spec.layers(),
        shortcut,
        norm_parameters(&parameters, spec.shortcut_gamma(), spec.shortcut_beta()),
    );
    if graph.edges() == 0 {
        // Statistics of nothing: the layers are still asked, so that their number is always the same.
        for l in 0..spec.layers() {
            let nothing = Tensor::zeros([1, spec.widths[l]], &device);
            normalize(l, nothing, norm_parameters(&parameters, spec.gamma(l), spec.beta(l)));
        }
        return relu(shortcut);
    }
    let (near, far) = edge_ends(graph, &device);
    let x_near = x.clone().select(0, near.clone()); // [E, C_in]
    let x_far = x.select(0, far); // [E, C_in]
    let mut h = Tensor::cat(vec![x_near.clone(), x_far - x_near], 1); // [E, 2 C_in]
    for l in 0..spec.layers() {
        let y = h.matmul(weight(&parameters, spec.weight(l), spec.c_in(l), spec.widths[l]));
        h = relu(normalize(
            l,
            y,
            norm_parameters(&parameters, spec.gamma(l), spec.beta(l)),
        )); // [E, C_l]
    }
    let degrees: Vec<f32> = graph.offsets.windows(2).map(|w| (w[1] - w[0]).max(1) as f32).collect();
    let degrees = Tensor::<2>::from_data(TensorData::new(degrees, [rows, 1]), &device);
    relu(scatter_sum(h, near, rows) / degrees + shortcut) // [R, C_out]
}

/// See [`super::edge_conv_training`].
pub fn edge_conv_training(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &EdgeSpec,
    graph: &Neighbors,
) -> (Tensor<2>, BlockStatistics) {
    let mut statistics = vec![Statistics::default(); spec.layers() + 1];
    let empty = graph.edges() == 0;
    let layers = spec.layers();
    let y = edge_conv(x, parameters, spec, graph, |l, x, p| {
        let (y, mut measured) = batch_norm_training(x, p);
        if empty && l < layers {
            measured.count = 0;
        }
        statistics[l] = measured;
        y
    });
    let shortcut = statistics.pop().unwrap_or_default();
    (
        y,
        BlockStatistics {
            layers: statistics,
            shortcut,
        },
    )
}

/// See [`super::edge_conv_scoring`].
pub fn edge_conv_scoring(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &EdgeSpec,
    graph: &Neighbors,
    statistics: &BlockStatistics,
) -> Tensor<2> {
    edge_conv(x, parameters, spec, graph, |l, x, p| {
        batch_norm_scoring(x, p, statistics.layers.get(l).unwrap_or(&statistics.shortcut))
    })
}

/// See [`super::adam`].
pub fn adam(
    parameters: Tensor<1>,
    gradient: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
    step: AdamStep,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let factors = step.factors();
    let first = first * step.beta1 + gradient.clone() * (1.0 - step.beta1);
    let second = second * step.beta2 + gradient.powi_scalar(2) * (1.0 - step.beta2);
    let denominator = second.clone().sqrt() * factors.root + factors.epsilon;
    let parameters = parameters * factors.shrink - first.clone() / denominator * factors.rate;
    (parameters, first, second)
}

/// See [`super::square_sums`]. One wait for the device, whatever the number of gradients.
pub fn square_sums(gradients: &[Tensor<1>]) -> Vec<f64> {
    let sums = gradients.iter().map(|g| (g.clone() * g.clone()).sum()).collect();
    super::floats(Tensor::cat(sums, 0)).into_iter().map(f64::from).collect()
}
