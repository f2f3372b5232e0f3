//! The backward pass: from the output through each normalization down to the nodes.

use super::forward::Saved;
use super::spec::EdgeSpec;
use super::tiles::{Group, edge_range, gather, groups, longest_tile, normalize_relu};
use super::upstream::{Upstream, spread_sums};
use crate::kernels::gemm::{Mat, matmul, transpose, weight_gradient};
use crate::kernels::knn::Neighbors;
use crate::kernels::norm::{Gradient, Sums, gradient_rows, sums};
use crate::kernels::partition::{self, TILE_ROWS};
use crate::kernels::simd;
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

/// The gradients of [`super::forward_training`]: of the packed parameters, and of `x` if `input_gradient`.
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
    for ((d, g), &p) in d_sum.iter_mut().zip(d_out).zip(saved.positive.iter()) {
        *d = if p != 0 { *g } else { 0.0 };
    }

    let norm = |l: usize| stats.layers[l].affine(&parameters[spec.gamma(l)], &parameters[spec.beta(l)]);
    let last_map = norm(layers - 1);
    let mut totals = {
        let mean = &stats.layers[layers - 1].mean;
        let parts = partition::run(groups.iter().collect(), |group: &Group| {
            let mut sums = Sums::zeros(c_out);
            let mut y = workspace.take(if layers == 1 { longest * c_out } else { 0 });
            simd::dispatch(
                #[inline(always)]
                || {
                    for tile in &group.tiles {
                        let y = pre_activation(saved, layers - 1, c_out, graph, tile, &mut y);
                        spread_sums(&mut sums, y, mean, &last_map, &d_sum, graph, tile);
                    }
                },
            );
            sums
        });
        Sums::total(c_out, parts)
    };
    // Through layer l's normalization, given the sums over its edges.
    let through_norm = |l: usize, totals: &Sums, gradient: &mut [f32]| {
        let (through, d_gamma, d_beta) = stats.layers[l].gradient(&parameters[spec.gamma(l)], totals);
        gradient[spec.gamma(l)].copy_from_slice(&d_gamma);
        gradient[spec.beta(l)].copy_from_slice(&d_beta);
        through
    };

    // Gradient after the normalization of the layer below, `[E, C_l]`; that of the last layer comes from `d_sum`.
    let mut d_z = workspace.take(0);
    for l in (1..layers).rev() {
        let c = spec.widths[l];
        let through = through_norm(l, &totals, &mut gradient);
        let source = if l + 1 == layers {
            Upstream::Nodes(&last_map, &d_sum)
        } else {
            Upstream::Edges(&d_z)
        };
        let c_in = spec.c_in(l);
        let map = norm(l - 1);
        let mean = &stats.layers[l - 1].mean;
        let mut weight = workspace.take(c_in * c);
        transpose(&mut weight, &parameters[spec.weight(l)], c_in, c);
        let mut next = workspace.take(graph.edges() * c_in);
        let pieces = partition::split_mut(
            &mut next,
            groups.iter().map(|g| edge_range(graph, &g.rows).len() * c_in),
        );
        let tasks: Vec<_> = groups.iter().zip(pieces).collect();
        let parts = partition::run(tasks, |(group, piece)| {
            // The first tile overwrites it; a group of empty jets has none.
            let mut d_w = workspace.take(c_in * c);
            if group.tiles.is_empty() {
                d_w.fill(0.0);
            }
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
                    for (index, tile) in group.tiles.iter().enumerate() {
                        let range = edge_range(graph, tile);
                        let n = range.len();
                        let y = &saved.edges[l - 1][range.start * c..range.end * c];
                        source.through(&mut d_y, y, &through, graph, tile);
                        let below = pre_activation(saved, l - 1, c_in, graph, tile, &mut y_below);
                        normalize_relu(&mut h, below, &map);
                        weight_gradient(&mut d_w, index > 0, &h, &d_y, n, c_in, c);
                        let d_h = &mut piece[(range.start - first) * c_in..(range.end - first) * c_in];
                        matmul(d_h, false, Mat::new(&d_y, n, c), Mat::new(&weight, c, c_in));
                        sums.mask_and_add_tile(d_h, &h, below, mean);
                    }
                },
            );
            (d_w, sums)
        });
        let (weights, parts): (Vec<Buffer>, Vec<Sums>) = parts.into_iter().unzip();
        partition::sum_in_order(&mut gradient[spec.weight(l)], &weights);
        totals = Sums::total(c_in, parts);
        d_z = next;
    }

    let through = through_norm(0, &totals, &mut gradient);
    let source = if layers == 1 {
        Upstream::Nodes(&last_map, &d_sum)
    } else {
        Upstream::Edges(&d_z)
    };
    let (d_near, d_far) = first_layer(
        saved,
        spec.widths[0],
        graph,
        &groups,
        longest,
        &source,
        &through,
        workspace,
    );
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
    (gradient, d_x)
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

/// Gradients of the two node parts of the first layer: an edge's gradient goes to its row and to its neighbor.
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
                    gather(&mut y, &saved.near, &saved.far, c, graph, tile);
                    source.through(&mut d_y, &y, through, graph, tile);
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
    let shortcut_sums = sums(d_sum, &saved.shortcut, &saved.statistics.shortcut.mean);
    let (through, d_gamma, d_beta) = saved
        .statistics
        .shortcut
        .gradient(&parameters[spec.shortcut_gamma()], &shortcut_sums);
    gradient[spec.shortcut_gamma()].copy_from_slice(&d_gamma);
    gradient[spec.shortcut_beta()].copy_from_slice(&d_beta);

    let (difference, w_b) = spec.node_weights(parameters);
    let transposed = |weight: &[f32], c: usize| {
        let mut buffer = workspace.take(if input_gradient { c_in * c } else { 0 });
        if input_gradient {
            transpose(&mut buffer, weight, c_in, c);
        }
        buffer
    };
    let (w_near, w_far) = (transposed(&difference, c_1), transposed(w_b, c_1));
    let w_shortcut = transposed(&parameters[spec.shortcut()], c_out);
    let mut d_x = vec![0.0; if input_gradient { rows * c_in } else { 0 }];
    let groups = partition::even(rows, partition::group_count(rows, TILE_ROWS));
    let pieces = partition::split_mut(
        &mut d_x,
        groups.iter().map(|g| if input_gradient { g.len() * c_in } else { 0 }),
    );
    let parts = partition::run(
        groups.into_iter().zip(pieces).collect(),
        |(group, d_x): (Range<usize>, &mut [f32])| {
            let mut d_w = workspace.take(2 * c_in * c_1);
            let mut d_w_s = workspace.take(c_in * c_out);
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
                        let more = start > group.start;
                        weight_gradient(d_w_near, more, x, d_near, n, c_in, c_1);
                        weight_gradient(d_w_far, more, x, d_far, n, c_in, c_1);
                        weight_gradient(&mut d_w_s, more, x, &d_s, n, c_in, c_out);
                        if input_gradient {
                            let d_x = &mut d_x[(tile.start - group.start) * c_in..(tile.end - group.start) * c_in];
                            matmul(d_x, false, Mat::new(d_near, n, c_1), Mat::new(&w_near, c_1, c_in));
                            matmul(d_x, true, Mat::new(d_far, n, c_1), Mat::new(&w_far, c_1, c_in));
                            matmul(d_x, true, Mat::new(&d_s, n, c_out), Mat::new(&w_shortcut, c_out, c_in));
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
