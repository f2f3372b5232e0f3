//! The forward passes: training, layer by layer over all edges; scoring, tile by tile through all layers.

use super::spec::{BlockStatistics, EdgeSpec};
use super::tiles::{Group, edge_range, gather, gather_normalized, groups, longest_tile, normalize_relu};
use crate::kernels::gemm::{Mat, matmul, product};
use crate::kernels::knn::Neighbors;
use crate::kernels::norm::{self, Affine, Moments};
use crate::kernels::partition::{self, TILE_ROWS};
use crate::kernels::simd::{self, channel_blocks, relu};
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

/// What the backward pass needs of a training forward pass.
#[derive(Debug)]
pub struct Saved {
    /// `[R, C_1]` each: the two node parts of the first pre-activation.
    pub(super) near: Buffer,
    pub(super) far: Buffer,
    /// Pre-activations of layers 2..L, `[E, C_l]`.
    pub(super) edges: Vec<Buffer>,
    /// Shortcut before normalization, `[R, C_out]`.
    pub(super) shortcut: Buffer,
    /// 1 where the output is positive, `[R, C_out]`.
    pub(super) positive: Buffer<u8>,
    /// Statistics of the batch.
    pub(super) statistics: BlockStatistics,
}

impl Saved {
    /// The statistics of the batch.
    pub fn statistics(&self) -> &BlockStatistics {
        &self.statistics
    }
}

/// Forward with the batch's own statistics: `x: [R, C_in]` to `[R, C_out]`, what [`super::backward`] needs, and the
/// statistics.
pub fn forward_training(
    spec: &EdgeSpec,
    parameters: &[f32],
    x: &[f32],
    jets: &[usize],
    graph: &Neighbors,
    workspace: &Workspace,
) -> (Vec<f32>, Saved) {
    let (rows, c_out, edge_count) = (x.len() / spec.input, spec.output(), graph.edges());
    let (near, far, shortcut) = node_products(spec, parameters, x, workspace);
    let groups = groups(jets, graph);
    let longest = longest_tile(&groups, graph);
    let mut statistics = BlockStatistics::default();
    let mut edges: Vec<Buffer> = Vec::new();

    // Statistics of the first pre-activation, gathered and forgotten.
    let c_1 = spec.widths[0];
    let parts = partition::run(groups.iter().collect(), |group: &Group| {
        let mut moments = Moments::zeros(c_1);
        let mut y = workspace.take(longest * c_1);
        simd::dispatch(
            #[inline(always)]
            || {
                for tile in &group.tiles {
                    let n = edge_range(graph, tile).len() * c_1;
                    gather(&mut y, &near, &far, c_1, graph, tile);
                    moments.add_tile(&y[..n]);
                }
            },
        );
        moments
    });
    statistics.layers.push(Moments::total(c_1, parts).statistics());

    for l in 1..spec.layers() {
        let (c_in, c) = (spec.c_in(l), spec.widths[l]);
        let map = statistics.layers[l - 1].affine(&parameters[spec.gamma(l - 1)], &parameters[spec.beta(l - 1)]);
        let weight = Mat::new(&parameters[spec.weight(l)], c_in, c);
        let mut y = workspace.take(edge_count * c);
        let pieces = partition::split_mut(&mut y, groups.iter().map(|g| edge_range(graph, &g.rows).len() * c));
        let tasks: Vec<_> = groups.iter().zip(pieces).collect();
        let before = edges.last();
        let parts = partition::run(tasks, |(group, piece)| {
            let mut moments = Moments::zeros(c);
            let mut h = workspace.take(longest * c_in);
            let first = graph.offsets[group.rows.start];
            simd::dispatch(
                #[inline(always)]
                || {
                    for tile in &group.tiles {
                        let range = edge_range(graph, tile);
                        match before {
                            Some(y) => normalize_relu(&mut h, &y[range.start * c_in..range.end * c_in], &map),
                            None => gather_normalized(&mut h, &near, &far, &map, graph, tile),
                        }
                        let y = &mut piece[(range.start - first) * c..(range.end - first) * c];
                        matmul(y, false, Mat::new(&h, range.len(), c_in), weight);
                        moments.add_tile(y);
                    }
                },
            );
            moments
        });
        statistics.layers.push(Moments::total(c, parts).statistics());
        edges.push(y);
    }

    statistics.shortcut = norm::statistics(&shortcut, c_out);
    let last = spec.layers() - 1;
    let map = statistics.layers[last].affine(&parameters[spec.gamma(last)], &parameters[spec.beta(last)]);
    let shortcut_map = statistics
        .shortcut
        .affine(&parameters[spec.shortcut_gamma()], &parameters[spec.shortcut_beta()]);
    let mut out = vec![0.0; rows * c_out];
    let mut positive = workspace.take_bytes(rows * c_out);
    let outs = partition::split_mut(&mut out, groups.iter().map(|g| g.rows.len() * c_out));
    let mut rest = &mut positive[..];
    let mut tasks = Vec::new();
    for (group, out) in groups.iter().zip(outs) {
        let (mine, tail) = std::mem::take(&mut rest).split_at_mut(out.len());
        rest = tail;
        tasks.push((group, out, mine));
    }
    partition::run(tasks, |(group, out, positive)| {
        let mut scratch = workspace.take(if edges.is_empty() { longest * c_out } else { 0 });
        simd::dispatch(
            #[inline(always)]
            || {
                for tile in &group.tiles {
                    let range = edge_range(graph, tile);
                    let y = match edges.last() {
                        Some(y) => &y[range.start * c_out..range.end * c_out],
                        None => {
                            gather(&mut scratch, &near, &far, c_out, graph, tile);
                            &scratch[..range.len() * c_out]
                        }
                    };
                    let slot = (tile.start - group.rows.start) * c_out..(tile.end - group.rows.start) * c_out;
                    aggregate(&mut out[slot], y, &map, &shortcut, &shortcut_map, graph, tile);
                }
                for (p, o) in positive.iter_mut().zip(out.iter()) {
                    *p = u8::from(*o > 0.0);
                }
            },
        );
    });
    (
        out,
        Saved {
            near,
            far,
            edges,
            shortcut,
            positive,
            statistics,
        },
    )
}

/// Forward with given statistics (scoring): a tile runs through all layers, nothing is stored an edge.
pub fn forward_scoring(
    spec: &EdgeSpec,
    parameters: &[f32],
    x: &[f32],
    jets: &[usize],
    graph: &Neighbors,
    statistics: &BlockStatistics,
    workspace: &Workspace,
) -> Vec<f32> {
    let (rows, c_out) = (x.len() / spec.input, spec.output());
    let (near, far, shortcut) = node_products(spec, parameters, x, workspace);
    let maps: Vec<Affine> = (0..spec.layers())
        .map(|l| statistics.layers[l].affine(&parameters[spec.gamma(l)], &parameters[spec.beta(l)]))
        .collect();
    let shortcut_map = statistics
        .shortcut
        .affine(&parameters[spec.shortcut_gamma()], &parameters[spec.shortcut_beta()]);
    let groups = groups(jets, graph);
    let longest = longest_tile(&groups, graph);
    let widest = spec.widths.iter().copied().max().unwrap_or(0);
    let mut out = vec![0.0; rows * c_out];
    let outs = partition::split_mut(&mut out, groups.iter().map(|g| g.rows.len() * c_out));
    let tasks: Vec<_> = groups.iter().zip(outs).collect();
    partition::run(tasks, |(group, out)| {
        let (mut y, mut h) = (workspace.take(longest * widest), workspace.take(longest * widest));
        simd::dispatch(
            #[inline(always)]
            || {
                for tile in &group.tiles {
                    let n = edge_range(graph, tile).len();
                    gather(&mut y, &near, &far, spec.widths[0], graph, tile);
                    for l in 1..spec.layers() {
                        let (c_in, c) = (spec.c_in(l), spec.widths[l]);
                        normalize_relu(&mut h, &y[..n * c_in], &maps[l - 1]);
                        let weight = Mat::new(&parameters[spec.weight(l)], c_in, c);
                        matmul(&mut y, false, Mat::new(&h, n, c_in), weight);
                    }
                    let slot = (tile.start - group.rows.start) * c_out..(tile.end - group.rows.start) * c_out;
                    let map = &maps[spec.layers() - 1];
                    aggregate(
                        &mut out[slot],
                        &y[..n * c_out],
                        map,
                        &shortcut,
                        &shortcut_map,
                        graph,
                        tile,
                    );
                }
            },
        );
    });
    out
}

/// The node products of the first layer: `near = x (W_a - W_b)`, `far = x W_b`, `[R, C_1]`, and `x W_s`.
fn node_products(spec: &EdgeSpec, parameters: &[f32], x: &[f32], workspace: &Workspace) -> (Buffer, Buffer, Buffer) {
    let (c_in, c_1, c_out) = (spec.input, spec.widths[0], spec.output());
    let rows = x.len() / c_in;
    let (mut near, mut far) = (workspace.take(rows * c_1), workspace.take(rows * c_1));
    let mut shortcut = workspace.take(rows * c_out);
    let (difference, w_b) = spec.node_weights(parameters);
    let w_s = &parameters[spec.shortcut()];
    let tasks: Vec<_> = x
        .chunks(TILE_ROWS * c_in)
        .zip(near.chunks_mut(TILE_ROWS * c_1))
        .zip(
            far.chunks_mut(TILE_ROWS * c_1)
                .zip(shortcut.chunks_mut(TILE_ROWS * c_out)),
        )
        .collect();
    partition::run(tasks, |((x, near), (far, shortcut))| {
        simd::dispatch(
            #[inline(always)]
            || {
                let n = x.len() / c_in;
                product(near, x, &difference, n, c_in, c_1);
                product(far, x, w_b, n, c_in, c_1);
                product(shortcut, x, w_s, n, c_in, c_out);
            },
        );
    });
    (near, far, shortcut)
}

/// The mean over neighbors of `relu(scale y + shift)`, the shortcut, and the final ReLU, for the rows of a tile.
#[inline(always)]
fn aggregate(
    out: &mut [f32],
    y: &[f32],
    map: &Affine,
    shortcut: &[f32],
    shortcut_map: &Affine,
    graph: &Neighbors,
    rows: &Range<usize>,
) {
    channel_blocks!(map.scale.len(), |at, W| aggregate_block::<W>(
        out,
        y,
        map,
        shortcut,
        shortcut_map,
        graph,
        rows,
        at
    ));
}

/// [`aggregate`] for `W` channels, summed in registers.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn aggregate_block<const W: usize>(
    out: &mut [f32],
    y: &[f32],
    map: &Affine,
    shortcut: &[f32],
    shortcut_map: &Affine,
    graph: &Neighbors,
    rows: &Range<usize>,
    at: usize,
) {
    let c = map.scale.len();
    let (scale, shift) = (&map.scale[at..at + W], &map.shift[at..at + W]);
    let (s_scale, s_shift) = (&shortcut_map.scale[at..at + W], &shortcut_map.shift[at..at + W]);
    let mut y = y.chunks_exact(c);
    for (i, out) in rows.clone().zip(out.chunks_exact_mut(c)) {
        let mut sum = [0.0f32; W];
        let degree = graph.offsets[i + 1] - graph.offsets[i];
        for y in y.by_ref().take(degree) {
            let y = &y[at..at + W];
            for k in 0..W {
                sum[k] += relu(scale[k] * y[k] + shift[k]);
            }
        }
        let mean = 1.0 / degree.max(1) as f32;
        let shortcut = &shortcut[i * c + at..][..W];
        let out = &mut out[at..at + W];
        for k in 0..W {
            out[k] = relu(sum[k] * mean + s_scale[k] * shortcut[k] + s_shift[k]);
        }
    }
}
