//! Where the gradient of an edge comes from: the nodes above the last layer, or the edges of the layer above.

use super::tiles::edge_range;
use crate::kernels::knn::Neighbors;
use crate::kernels::norm::{Affine, BlockSums, Gradient, Sums, gradient_rows};
use crate::kernels::simd::channel_blocks;
use std::ops::Range;

/// Where the gradient after a normalization comes from.
pub(super) enum Upstream<'a> {
    /// The last layer: a row's gradient over its degree, where the edge's activation is positive.
    Nodes(&'a Affine, &'a [f32]),
    /// Any other layer: stored an edge, already masked.
    Edges(&'a [f32]),
}

impl Upstream<'_> {
    /// Through the normalization: `d_y` of the edges of some rows, whose pre-activations are `y`.
    #[inline(always)]
    pub(super) fn through(&self, d_y: &mut [f32], y: &[f32], map: &Gradient, graph: &Neighbors, rows: &Range<usize>) {
        let (range, c) = (edge_range(graph, rows), map.scale.len());
        match self {
            Self::Nodes(last, d_sum) => spread(d_y, y, last, d_sum, map, graph, rows),
            Self::Edges(d) => {
                gradient_rows(&mut d_y[..range.len() * c], &d[range.start * c..range.end * c], y, map);
            }
        }
    }
}

/// Adds the sums of `d_e` and `d_e (y_e - mean)`, where `d_e = d_sum_i / degree_i` if `scale y_e + shift > 0`, else 0.
#[inline(always)]
pub(super) fn spread_sums(
    sums: &mut Sums,
    y: &[f32],
    mean: &[f32],
    map: &Affine,
    d_sum: &[f32],
    graph: &Neighbors,
    rows: &Range<usize>,
) {
    channel_blocks!(mean.len(), |at, W| spread_sums_block::<W>(
        sums, y, mean, map, d_sum, graph, rows, at
    ));
}

/// [`spread_sums`] for `W` channels, summed in registers.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn spread_sums_block<const W: usize>(
    sums: &mut Sums,
    y: &[f32],
    mean: &[f32],
    map: &Affine,
    d_sum: &[f32],
    graph: &Neighbors,
    rows: &Range<usize>,
    at: usize,
) {
    let c = mean.len();
    let (scale, shift, mean) = (&map.scale[at..at + W], &map.shift[at..at + W], &mean[at..at + W]);
    let mut block = BlockSums::<W>::default();
    let mut edges = y.chunks_exact(c);
    for i in rows.clone() {
        let degree = graph.offsets[i + 1] - graph.offsets[i];
        let share = 1.0 / degree.max(1) as f32;
        let d_sum = &d_sum[i * c + at..][..W];
        for y in edges.by_ref().take(degree) {
            let y = &y[at..at + W];
            for k in 0..W {
                let d = if scale[k] * y[k] + shift[k] > 0.0 {
                    share * d_sum[k]
                } else {
                    0.0
                };
                block.add(k, d, y[k] - mean[k]);
            }
        }
    }
    block.add_to(sums, at);
}

/// The gradient of the last pre-activation of a tile: `d_e` of [`spread_sums`] through the normalization.
#[inline(always)]
fn spread(
    d: &mut [f32],
    y: &[f32],
    map: &Affine,
    d_sum: &[f32],
    through: &Gradient,
    graph: &Neighbors,
    rows: &Range<usize>,
) {
    let c = map.scale.len();
    let (scale, shift) = (&map.scale[..c], &map.shift[..c]);
    let (t_scale, constant, slope) = (&through.scale[..c], &through.constant[..c], &through.slope[..c]);
    let mut edges = d.chunks_exact_mut(c).zip(y.chunks_exact(c));
    for i in rows.clone() {
        let degree = graph.offsets[i + 1] - graph.offsets[i];
        let share = 1.0 / degree.max(1) as f32;
        let d_sum = &d_sum[i * c..][..c];
        for (d, y) in edges.by_ref().take(degree) {
            for k in 0..c {
                let d_z = if scale[k] * y[k] + shift[k] > 0.0 {
                    share * d_sum[k]
                } else {
                    0.0
                };
                d[k] = t_scale[k] * d_z + constant[k] - slope[k] * y[k];
            }
        }
    }
}
