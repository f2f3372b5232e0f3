//! EdgeConv on the edges of real constituents.
//!
//! Wang et al., "Dynamic Graph CNN", arXiv:1801.07829, with the block of Qu, Gouskos, "ParticleNet", arXiv:1902.08570:
//! `y_ij = W_L relu(bn(.. relu(bn(W_1 [x_i, x_j - x_i]))))`, the mean over the neighbours j of i, a shortcut
//! `bn(W_s x_i)`, and a ReLU of the sum.
//!
//! Three things make it cheap:
//! * the first layer is applied to nodes, not edges: `W_1 [x_i, x_j - x_i] = (W_1a - W_1b) x_i + W_1b x_j`, K times less
//!   work, and an edge's first pre-activation is the sum of two node vectors, so it is never stored;
//! * only edges that exist are computed, tile by tile, activations staying in cache between layers;
//! * scoring carries a tile through all layers at once and stores nothing an edge. Training cannot: the normalization of
//!   layer l needs all edges of layer l before layer l + 1 may begin. It keeps the pre-activations of layers 2..L,
//!   `[E, C]` each (recomputing them instead would multiply the matrix products by two); the activations, the first
//!   layer and every gradient live in tiles, the gradients overwriting the pre-activations they no longer need.

use super::gemm::{Mat, affine, affine_gradient, matmul};
use super::knn::Neighbors;
use super::norm::{Affine, Gradient, Statistics, Sums, gradient_rows, sums};
use super::partition::{self, TILE_ROWS};
use super::simd;
use super::workspace::{Buffer, Workspace};
use std::ops::Range;

/// Widths of an EdgeConv block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSpec {
    /// Channels of a node, `C_in`.
    pub input: usize,
    /// Output channels of each layer of the edge function.
    pub widths: Vec<usize>,
}

impl EdgeSpec {
    /// Number of layers, `L`.
    pub fn layers(&self) -> usize {
        self.widths.len()
    }

    /// Output channels of the block.
    pub fn output(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// Input channels of layer `l`: `2 C_in` for the first.
    pub fn c_in(&self, l: usize) -> usize {
        if l == 0 { 2 * self.input } else { self.widths[l - 1] }
    }

    /// Weight `[c_in, c_out]` of layer `l` in the packed parameters; gamma and beta `[c_out]` follow it.
    pub fn weight(&self, l: usize) -> Range<usize> {
        let start: usize = (0..l).map(|i| (self.c_in(i) + 2) * self.widths[i]).sum();
        start..start + self.c_in(l) * self.widths[l]
    }

    /// Gamma of layer `l`'s normalization.
    pub fn gamma(&self, l: usize) -> Range<usize> {
        let end = self.weight(l).end;
        end..end + self.widths[l]
    }

    /// Beta of layer `l`'s normalization.
    pub fn beta(&self, l: usize) -> Range<usize> {
        let end = self.gamma(l).end;
        end..end + self.widths[l]
    }

    /// Weight `[C_in, C_out]` of the shortcut; its gamma and beta follow.
    pub fn shortcut(&self) -> Range<usize> {
        let start = self.beta(self.layers() - 1).end;
        start..start + self.input * self.output()
    }

    /// Gamma of the shortcut's normalization.
    pub fn shortcut_gamma(&self) -> Range<usize> {
        let end = self.shortcut().end;
        end..end + self.output()
    }

    /// Beta of the shortcut's normalization.
    pub fn shortcut_beta(&self) -> Range<usize> {
        let end = self.shortcut_gamma().end;
        end..end + self.output()
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.shortcut_beta().end
    }

    /// Multiply-adds of a forward pass over `rows` nodes and `edges` edges.
    pub fn multiply_adds(&self, rows: usize, edges: usize) -> usize {
        let node = 2 * self.input * self.widths[0] + self.input * self.output();
        let edge: usize = (1..self.layers()).map(|l| self.c_in(l) * self.widths[l]).sum();
        rows * node + edges * edge
    }
}

/// Statistics of all normalizations of a block: one a layer, then the shortcut's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlockStatistics {
    /// One a layer.
    pub layers: Vec<Statistics>,
    /// The shortcut's.
    pub shortcut: Statistics,
}

/// What the backward pass needs of a training forward pass.
#[derive(Debug)]
pub struct Saved {
    /// `[R, C_1]` each: the two node parts of the first pre-activation.
    near: Buffer,
    far: Buffer,
    /// Pre-activations of layers 2..L, `[E, C_l]`.
    edges: Vec<Buffer>,
    /// Shortcut before normalization, `[R, C_out]`.
    shortcut: Buffer,
    /// 1 where the output is positive, `[R, C_out]`.
    positive: Vec<u8>,
    /// Statistics of the batch.
    statistics: BlockStatistics,
}

/// Rows of a group of jets and its tiles, each a run of rows with about [`TILE_ROWS`] edges.
struct Group {
    rows: Range<usize>,
    tiles: Vec<Range<usize>>,
}

/// Jets are never split between groups, so that a group owns the rows its edges point to.
fn groups(jets: &[usize], graph: &Neighbors) -> Vec<Group> {
    let edges_before: Vec<usize> = jets.iter().map(|&r| graph.offsets[r]).collect();
    let count = partition::group_count(graph.edges(), 1024);
    partition::by_rows(&edges_before, graph.edges().div_ceil(count).max(1))
        .into_iter()
        .map(|run| {
            let rows = jets[run.start]..jets[run.end];
            let tiles = partition::by_rows(&graph.offsets[rows.start..=rows.end], TILE_ROWS)
                .into_iter()
                .map(|t| rows.start + t.start..rows.start + t.end)
                .collect();
            Group { rows, tiles }
        })
        .collect()
}

fn edge_range(graph: &Neighbors, rows: &Range<usize>) -> Range<usize> {
    graph.offsets[rows.start]..graph.offsets[rows.end]
}

/// Largest number of edges in a tile.
fn longest_tile(groups: &[Group], graph: &Neighbors) -> usize {
    groups
        .iter()
        .flat_map(|g| &g.tiles)
        .map(|t| edge_range(graph, t).len())
        .max()
        .unwrap_or(0)
}

/// `y_e = near_i + far_j` for the edges of some rows.
#[inline(always)]
fn gather(y: &mut [f32], near: &[f32], far: &[f32], c: usize, graph: &Neighbors, rows: &Range<usize>) {
    let mut y = y.chunks_exact_mut(c);
    for i in rows.clone() {
        let near = &near[i * c..][..c];
        for &j in &graph.sources[graph.offsets[i]..graph.offsets[i + 1]] {
            let far = &far[j as usize * c..][..c];
            if let Some(y) = y.next() {
                for ((y, a), b) in y.iter_mut().zip(near).zip(far) {
                    *y = a + b;
                }
            }
        }
    }
}

/// `h = relu(scale y + shift)`.
#[inline(always)]
fn normalize_relu(h: &mut [f32], y: &[f32], map: &Affine) {
    let c = map.scale.len();
    for (h, y) in h.chunks_exact_mut(c).zip(y.chunks_exact(c)) {
        for (((h, y), a), b) in h.iter_mut().zip(y).zip(&map.scale).zip(&map.shift) {
            *h = (a * y + b).max(0.0);
        }
    }
}

/// The node products of the first layer: `near = x (W_a - W_b)`, `far = x W_b`, `[R, C_1]`, and `x W_s`.
fn node_products(spec: &EdgeSpec, parameters: &[f32], x: &[f32], workspace: &Workspace) -> (Buffer, Buffer, Buffer) {
    let (c_in, c_1, c_out) = (spec.input, spec.widths[0], spec.output());
    let rows = x.len() / c_in;
    let (mut near, mut far) = (workspace.take(rows * c_1), workspace.take(rows * c_1));
    let mut shortcut = workspace.take(rows * c_out);
    let w = &parameters[spec.weight(0)];
    let (w_a, w_b) = w.split_at(c_in * c_1);
    let difference: Vec<f32> = w_a.iter().zip(w_b).map(|(a, b)| a - b).collect();
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
                affine(near, x, &difference, None, n, c_in, c_1);
                affine(far, x, w_b, None, n, c_in, c_1);
                affine(shortcut, x, w_s, None, n, c_in, c_out);
            },
        );
    });
    (near, far, shortcut)
}

/// The mean over neighbours of `relu(scale y + shift)`, the shortcut, and the final ReLU, for the rows of a tile.
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
    let c = map.scale.len();
    let mut at = 0;
    while at + 32 <= c {
        aggregate_block::<32>(out, y, map, shortcut, shortcut_map, graph, rows, at);
        at += 32;
    }
    while at + 4 <= c {
        aggregate_block::<4>(out, y, map, shortcut, shortcut_map, graph, rows, at);
        at += 4;
    }
    while at < c {
        aggregate_block::<1>(out, y, map, shortcut, shortcut_map, graph, rows, at);
        at += 1;
    }
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
                sum[k] += (scale[k] * y[k] + shift[k]).max(0.0);
            }
        }
        let mean = 1.0 / degree.max(1) as f32;
        let shortcut = &shortcut[i * c + at..][..W];
        let out = &mut out[at..at + W];
        for k in 0..W {
            out[k] = (sum[k] * mean + s_scale[k] * shortcut[k] + s_shift[k]).max(0.0);
        }
    }
}

/// Forward with the batch's own statistics: `x: [R, C_in]` to `[R, C_out]`, what [`backward`] needs, and the statistics.
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
        let mut sums = Sums::zeros(c_1);
        let mut y = workspace.take(longest * c_1);
        simd::dispatch(
            #[inline(always)]
            || {
                for tile in &group.tiles {
                    let n = edge_range(graph, tile).len() * c_1;
                    gather(&mut y, &near, &far, c_1, graph, tile);
                    sums.add_tile(&y[..n], &y[..n]);
                }
            },
        );
        sums
    });
    let total = Sums::total(c_1, parts);
    statistics
        .layers
        .push(Statistics::from_sums(&total.plain, &total.weighted, edge_count));

    for l in 1..spec.layers() {
        let (c_in, c) = (spec.c_in(l), spec.widths[l]);
        let map = statistics.layers[l - 1].affine(&parameters[spec.gamma(l - 1)], &parameters[spec.beta(l - 1)]);
        let weight = Mat::new(&parameters[spec.weight(l)], c_in, c);
        let mut y = workspace.take(edge_count * c);
        let pieces = partition::split_mut(&mut y, groups.iter().map(|g| edge_range(graph, &g.rows).len() * c));
        let tasks: Vec<_> = groups.iter().zip(pieces).collect();
        let before = edges.last();
        let parts = partition::run(tasks, |(group, piece)| {
            let mut sums = Sums::zeros(c);
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
                        sums.add_tile(y, y);
                    }
                },
            );
            sums
        });
        let total = Sums::total(c, parts);
        statistics
            .layers
            .push(Statistics::from_sums(&total.plain, &total.weighted, edge_count));
        edges.push(y);
    }

    statistics.shortcut = {
        let total = sums(&shortcut, &shortcut, c_out);
        Statistics::from_sums(&total.plain, &total.weighted, rows)
    };
    let last = spec.layers() - 1;
    let map = statistics.layers[last].affine(&parameters[spec.gamma(last)], &parameters[spec.beta(last)]);
    let shortcut_map = statistics
        .shortcut
        .affine(&parameters[spec.shortcut_gamma()], &parameters[spec.shortcut_beta()]);
    let mut out = vec![0.0; rows * c_out];
    let mut positive = vec![0u8; rows * c_out];
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

/// `h_e = relu(scale (near_i + far_j) + shift)`.
#[inline(always)]
fn gather_normalized(h: &mut [f32], near: &[f32], far: &[f32], map: &Affine, graph: &Neighbors, rows: &Range<usize>) {
    let c = map.scale.len();
    let mut h = h.chunks_exact_mut(c);
    for i in rows.clone() {
        let near = &near[i * c..][..c];
        for &j in &graph.sources[graph.offsets[i]..graph.offsets[i + 1]] {
            let far = &far[j as usize * c..][..c];
            if let Some(h) = h.next() {
                for ((((h, p), q), a), b) in h.iter_mut().zip(near).zip(far).zip(&map.scale).zip(&map.shift) {
                    *h = (a * (p + q) + b).max(0.0);
                }
            }
        }
    }
}

impl Saved {
    /// The statistics of the batch.
    pub fn statistics(&self) -> &BlockStatistics {
        &self.statistics
    }
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

/// The gradients of [`forward_training`]: of the packed parameters, and of `x` if `input_gradient`.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    spec: &EdgeSpec,
    parameters: &[f32],
    x: &[f32],
    jets: &[usize],
    graph: &Neighbors,
    saved: &Saved,
    d_out: &[f32],
    input_gradient: bool,
    workspace: &Workspace,
) -> (Vec<f32>, Option<Vec<f32>>) {
    let (rows, c_out, layers) = (x.len() / spec.input, spec.output(), spec.layers());
    let mut gradient = vec![0.0; spec.parameter_count()];
    let groups = groups(jets, graph);
    let longest = longest_tile(&groups, graph);
    let stats = &saved.statistics;

    // Through the final ReLU; the same gradient enters the shortcut and, divided by the degree, every edge of a row.
    let mut d_sum = workspace.take(rows * c_out);
    for ((d, g), &p) in d_sum.iter_mut().zip(d_out).zip(&saved.positive) {
        *d = if p != 0 { *g } else { 0.0 };
    }

    // `d_z`: gradient after layer l's normalization, `[E, C_l]`, for l = L taken from `d_sum` on the fly.
    let mut d_z: Option<Buffer> = None;
    let mut totals = {
        let c = c_out;
        let map =
            stats.layers[layers - 1].affine(&parameters[spec.gamma(layers - 1)], &parameters[spec.beta(layers - 1)]);
        let parts = partition::run(groups.iter().collect(), |group: &Group| {
            let mut sums = Sums::zeros(c);
            let (mut y, mut d) = (workspace.take(longest * c), workspace.take(longest * c));
            simd::dispatch(
                #[inline(always)]
                || {
                    for tile in &group.tiles {
                        let n = edge_range(graph, tile).len() * c;
                        let y = pre_activation(saved, layers - 1, c, graph, tile, &mut y);
                        spread(&mut d, y, &map, &d_sum, graph, tile);
                        sums.add_tile(&d[..n], y);
                    }
                },
            );
            sums
        });
        Sums::total(c, parts)
    };

    for l in (0..layers).rev() {
        let c = spec.widths[l];
        let (through, d_gamma, d_beta) = stats.layers[l].gradient(&parameters[spec.gamma(l)], &totals);
        gradient[spec.gamma(l)].copy_from_slice(&d_gamma);
        gradient[spec.beta(l)].copy_from_slice(&d_beta);
        let last_map =
            (l + 1 == layers).then(|| stats.layers[l].affine(&parameters[spec.gamma(l)], &parameters[spec.beta(l)]));
        let source = match (&last_map, &d_z) {
            (Some(map), _) => Upstream::Nodes(map, &d_sum),
            (None, Some(d)) => Upstream::Edges(d),
            (None, None) => break,
        };
        if l == 0 {
            let (d_near, d_far) = first_layer(saved, c, graph, &groups, longest, &source, &through, workspace);
            drop(d_z);
            let d_x = node_gradients(
                spec,
                parameters,
                x,
                saved,
                &d_near,
                &d_far,
                &d_sum,
                input_gradient,
                &mut gradient,
                workspace,
            );
            return (gradient, d_x);
        }
        let c_in = spec.c_in(l);
        let map = stats.layers[l - 1].affine(&parameters[spec.gamma(l - 1)], &parameters[spec.beta(l - 1)]);
        let weight = Mat::new(&parameters[spec.weight(l)], c_in, c).t();
        let mut next = workspace.take(graph.edges() * c_in);
        let pieces = partition::split_mut(
            &mut next,
            groups.iter().map(|g| edge_range(graph, &g.rows).len() * c_in),
        );
        let tasks: Vec<_> = groups.iter().zip(pieces).collect();
        let parts = partition::run(tasks, |(group, piece)| {
            let mut d_w = workspace.zeros(c_in * c);
            let mut sums = Sums::zeros(c_in);
            let (mut h, mut d_y, mut y_below) = (
                workspace.take(longest * c_in),
                workspace.take(longest * c),
                workspace.take(longest * c_in),
            );
            let first = graph.offsets[group.rows.start];
            simd::dispatch(
                #[inline(always)]
                || {
                    for tile in &group.tiles {
                        let range = edge_range(graph, tile);
                        let n = range.len();
                        let y = &saved.edges[l - 1][range.start * c..range.end * c];
                        match &source {
                            Upstream::Nodes(map, d_sum) => {
                                spread_through(&mut d_y, y, map, d_sum, &through, graph, tile)
                            }
                            Upstream::Edges(d) => {
                                gradient_rows(&mut d_y[..n * c], &d[range.start * c..range.end * c], y, &through);
                            }
                        }
                        let below = pre_activation(saved, l - 1, c_in, graph, tile, &mut y_below);
                        normalize_relu(&mut h, below, &map);
                        affine_gradient(&mut d_w, None, &h, &d_y, n, c_in, c);
                        let d_h = &mut piece[(range.start - first) * c_in..(range.end - first) * c_in];
                        matmul(d_h, false, Mat::new(&d_y, n, c), weight);
                        for (d, h) in d_h.iter_mut().zip(h.iter()) {
                            *d = if *h > 0.0 { *d } else { 0.0 };
                        }
                        sums.add_tile(d_h, below);
                    }
                },
            );
            (d_w, sums)
        });
        let (weights, parts): (Vec<Buffer>, Vec<Sums>) = parts.into_iter().unzip();
        partition::sum_in_order(&mut gradient[spec.weight(l)], &weights);
        totals = Sums::total(c_in, parts);
        d_z = Some(next);
    }
    unreachable!("the loop returns at the first layer, and a block has at least one")
}

/// Where the gradient after a normalization comes from.
enum Upstream<'a> {
    /// The last layer: a row's gradient over its degree, where the edge's activation is positive.
    Nodes(&'a Affine, &'a [f32]),
    /// Any other layer: stored an edge, already masked.
    Edges(&'a [f32]),
}

/// The pre-activation of layer `l` for a tile: stored, or gathered for the first layer.
#[inline(always)]
fn pre_activation<'a>(
    saved: &'a Saved,
    l: usize,
    c: usize,
    graph: &Neighbors,
    tile: &Range<usize>,
    scratch: &'a mut Buffer,
) -> &'a [f32] {
    let range = edge_range(graph, tile);
    if l == 0 {
        gather(scratch, &saved.near, &saved.far, c, graph, tile);
        &scratch[..range.len() * c]
    } else {
        &saved.edges[l - 1][range.start * c..range.end * c]
    }
}

/// `d_e = d_sum_i / degree_i` where `scale y_e + shift > 0`, else 0.
#[inline(always)]
fn spread(d: &mut [f32], y: &[f32], map: &Affine, d_sum: &[f32], graph: &Neighbors, rows: &Range<usize>) {
    let c = map.scale.len();
    let mut edges = d.chunks_exact_mut(c).zip(y.chunks_exact(c));
    for i in rows.clone() {
        let degree = graph.offsets[i + 1] - graph.offsets[i];
        let share = 1.0 / degree.max(1) as f32;
        let d_sum = &d_sum[i * c..][..c];
        for (d, y) in edges.by_ref().take(degree) {
            for ((((d, y), a), b), s) in d.iter_mut().zip(y).zip(&map.scale).zip(&map.shift).zip(d_sum) {
                *d = if a * y + b > 0.0 { share * s } else { 0.0 };
            }
        }
    }
}

/// [`spread`], then through the normalization, in one pass over the tile.
#[inline(always)]
fn spread_through(
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

/// Gradients of the two node parts of the first layer: an edge's gradient goes to its row and to its neighbour.
#[allow(clippy::too_many_arguments)]
fn first_layer(
    saved: &Saved,
    c: usize,
    graph: &Neighbors,
    groups: &[Group],
    longest: usize,
    source: &Upstream,
    through: &Gradient,
    workspace: &Workspace,
) -> (Buffer, Buffer) {
    let rows = saved.near.len() / c;
    let (mut d_near, mut d_far) = (workspace.zeros(rows * c), workspace.zeros(rows * c));
    let near = partition::split_mut(&mut d_near, groups.iter().map(|g| g.rows.len() * c));
    let far = partition::split_mut(&mut d_far, groups.iter().map(|g| g.rows.len() * c));
    let tasks: Vec<_> = groups.iter().zip(near.into_iter().zip(far)).collect();
    partition::run(tasks, |(group, (d_near, d_far))| {
        let (mut y, mut d_y) = (workspace.take(longest * c), workspace.take(longest * c));
        simd::dispatch(
            #[inline(always)]
            || {
                for tile in &group.tiles {
                    let range = edge_range(graph, tile);
                    gather(&mut y, &saved.near, &saved.far, c, graph, tile);
                    match source {
                        Upstream::Nodes(map, d_sum) => spread_through(&mut d_y, &y, map, d_sum, through, graph, tile),
                        Upstream::Edges(d) => {
                            let n = range.len() * c;
                            gradient_rows(&mut d_y[..n], &d[range.start * c..range.end * c], &y, through);
                        }
                    }
                    let mut d_y = d_y.chunks_exact(c);
                    for i in tile.clone() {
                        let mine = &mut d_near[(i - group.rows.start) * c..][..c];
                        for &j in &graph.sources[graph.offsets[i]..graph.offsets[i + 1]] {
                            let other = &mut d_far[(j as usize - group.rows.start) * c..][..c];
                            if let Some(d) = d_y.next() {
                                for ((m, o), d) in mine.iter_mut().zip(other).zip(d) {
                                    *m += d;
                                    *o += d;
                                }
                            }
                        }
                    }
                }
            },
        );
    });
    (d_near, d_far)
}

/// From the node parts and the shortcut back to their weights and to `x`.
#[allow(clippy::too_many_arguments)]
fn node_gradients(
    spec: &EdgeSpec,
    parameters: &[f32],
    x: &[f32],
    saved: &Saved,
    d_near: &[f32],
    d_far: &[f32],
    d_sum: &[f32],
    input_gradient: bool,
    gradient: &mut [f32],
    workspace: &Workspace,
) -> Option<Vec<f32>> {
    let (c_in, c_1, c_out) = (spec.input, spec.widths[0], spec.output());
    let rows = x.len() / c_in;
    let shortcut_sums = sums(d_sum, &saved.shortcut, c_out);
    let (through, d_gamma, d_beta) = saved
        .statistics
        .shortcut
        .gradient(&parameters[spec.shortcut_gamma()], &shortcut_sums);
    gradient[spec.shortcut_gamma()].copy_from_slice(&d_gamma);
    gradient[spec.shortcut_beta()].copy_from_slice(&d_beta);

    let (w_a, w_b) = parameters[spec.weight(0)].split_at(c_in * c_1);
    let difference: Vec<f32> = w_a.iter().zip(w_b).map(|(a, b)| a - b).collect();
    let w_s = &parameters[spec.shortcut()];
    let mut d_x = vec![0.0; if input_gradient { rows * c_in } else { 0 }];
    let groups = partition::even(rows, partition::group_count(rows, TILE_ROWS));
    let pieces = partition::split_mut(
        &mut d_x,
        groups.iter().map(|g| if input_gradient { g.len() * c_in } else { 0 }),
    );
    let parts = partition::run(
        groups.into_iter().zip(pieces).collect(),
        |(group, d_x): (Range<usize>, &mut [f32])| {
            let mut d_w = workspace.zeros(2 * c_in * c_1);
            let mut d_w_s = workspace.zeros(c_in * c_out);
            let mut d_s = workspace.take(TILE_ROWS * c_out);
            simd::dispatch(
                #[inline(always)]
                || {
                    let (d_w_near, d_w_far) = d_w.split_at_mut(c_in * c_1);
                    for start in group.clone().step_by(TILE_ROWS) {
                        let tile = start..(start + TILE_ROWS).min(group.end);
                        let n = tile.len();
                        let x = &x[tile.start * c_in..tile.end * c_in];
                        let d_near = &d_near[tile.start * c_1..tile.end * c_1];
                        let d_far = &d_far[tile.start * c_1..tile.end * c_1];
                        let nodes = tile.start * c_out..tile.end * c_out;
                        gradient_rows(
                            &mut d_s[..n * c_out],
                            &d_sum[nodes.clone()],
                            &saved.shortcut[nodes],
                            &through,
                        );
                        affine_gradient(d_w_near, None, x, d_near, n, c_in, c_1);
                        affine_gradient(d_w_far, None, x, d_far, n, c_in, c_1);
                        affine_gradient(&mut d_w_s, None, x, &d_s, n, c_in, c_out);
                        if input_gradient {
                            let d_x = &mut d_x[(tile.start - group.start) * c_in..(tile.end - group.start) * c_in];
                            matmul(
                                d_x,
                                false,
                                Mat::new(d_near, n, c_1),
                                Mat::new(&difference, c_in, c_1).t(),
                            );
                            matmul(d_x, true, Mat::new(d_far, n, c_1), Mat::new(w_b, c_in, c_1).t());
                            matmul(d_x, true, Mat::new(&d_s, n, c_out), Mat::new(w_s, c_in, c_out).t());
                        }
                    }
                },
            );
            (d_w, d_w_s)
        },
    );
    let (first, shortcut): (Vec<Buffer>, Vec<Buffer>) = parts.into_iter().unzip();
    partition::sum_in_order(&mut gradient[spec.shortcut()], &shortcut);
    partition::sum_in_order(&mut gradient[spec.weight(0)], &first);
    // near = x (W_a - W_b), far = x W_b: dW_a = x^T d_near, dW_b = x^T d_far - x^T d_near.
    let (d_a, d_b) = gradient[spec.weight(0)].split_at_mut(c_in * c_1);
    d_b.iter_mut().zip(d_a.iter()).for_each(|(b, a)| *b -= a);
    input_gradient.then_some(d_x)
}
