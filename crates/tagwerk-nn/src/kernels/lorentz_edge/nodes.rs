//! What the backward pass does with sums over the edges of a node: the rest of the gradient is a matter of nodes.

use super::forward::Group;
use super::spec::LorentzEdgeSpec;
use super::walk::Walk;
use crate::kernels::gemm::{Mat, matmul, transpose, weight_gradient};
use crate::kernels::norm::{Gradient, Sums};
use crate::kernels::partition::{self, TILE_ROWS};
use crate::kernels::simd;
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

impl Walk<'_> {
    /// The gradients that are sums over all edges already.
    pub(super) fn finish_weights(&self, totals: &[f32], gradient: &mut [f32]) {
        let (spec, c, width) = (self.spec, self.spec.hidden, self.padded.width);
        let copy = |to: &mut [f32], from: &[f32]| {
            for (to, from) in to.chunks_exact_mut(c).zip(from.chunks_exact(width)) {
                to.copy_from_slice(&from[..c]);
            }
        };
        copy(&mut gradient[spec.second()], &totals[self.sums.second()]);
        copy(&mut gradient[spec.second_bias()], &totals[self.sums.vector(0)]);
        copy(&mut gradient[spec.gate()], &totals[self.sums.vector(1)]);
        gradient[spec.gate_bias().start] = totals[self.sums.gate_bias()];
        if !spec.moves {
            return;
        }
        // With u = relu(W_3 m + b_3) and phi = w_4 . u: of W_3 it is m (d_phi w_4)^T where u is positive, of w_4 the
        // sum of d_phi u, and u is W_3 m + b_3 there.
        let (open, opened) = (&totals[self.sums.open()], &totals[self.sums.opened()]);
        let (weight, bias) = (&self.parameters[spec.shift()], &self.parameters[spec.shift_bias()]);
        let factor = &self.parameters[spec.factor()];
        let mut d_factor: Vec<f32> = bias.iter().zip(open).map(|(b, o)| b * o).collect();
        let rows = weight.chunks_exact(c).zip(opened.chunks_exact(width));
        for ((weight, opened), d_weight) in rows.zip(gradient[spec.shift()].chunks_exact_mut(c)) {
            for k in 0..c {
                d_weight[k] = factor[k] * opened[k];
                d_factor[k] += weight[k] * opened[k];
            }
        }
        for (d, (o, f)) in gradient[spec.shift_bias()].iter_mut().zip(open.iter().zip(factor)) {
            *d = o * f;
        }
        gradient[spec.factor()].copy_from_slice(&d_factor);
    }

    /// The sums over edges of `z` and of `z (y - mean)`, from sums over nodes; `of_n`, `of_p`: sums of `n z` and `p z`.
    pub(super) fn normalization_sums(&self, z_near: &[f32], z_far: &[f32], [of_n, of_p]: [&[f32]; 2]) -> Sums {
        let (c, width) = (self.spec.hidden, self.padded.width);
        let mut sums = Sums::zeros(c);
        let nodes = |x: &[f32], z: &[f32], plain: &mut [f64], along: &mut [f64], count: bool| {
            for (x, z) in x.chunks_exact(c).zip(z.chunks_exact(width)) {
                for k in 0..c {
                    let z = f64::from(z[k]);
                    along[k] += z * f64::from(x[k]);
                    plain[k] += if count { z } else { 0.0 };
                }
            }
        };
        simd::dispatch(
            #[inline(always)]
            || {
                nodes(&self.saved.near, z_near, &mut sums.plain, &mut sums.centered, true);
                nodes(&self.saved.far, z_far, &mut sums.plain, &mut sums.centered, false);
            },
        );
        let [w_n, w_p] = [self.spec.distance(), self.spec.product()].map(|r| &self.parameters[r]);
        for k in 0..c {
            let scalars = f64::from(w_n[k]) * f64::from(of_n[k]) + f64::from(w_p[k]) * f64::from(of_p[k]);
            let mean = f64::from(self.saved.statistics.mean[k]);
            sums.centered[k] += scalars - mean * sums.plain[k];
        }
        sums
    }

    /// The sums over edges of `n y` and of `p y`, `[C]` each.
    pub(super) fn scalar_moments(&self) -> [Vec<f64>; 2] {
        let c = self.spec.hidden;
        let (mut r_n, mut r_p) = (vec![0.0; c], vec![0.0; c]);
        let nodes = self.saved.near.chunks_exact(c).zip(self.saved.far.chunks_exact(c));
        for ((near, far), &[n, p]) in nodes.zip(&self.saved.of_node) {
            for k in 0..c {
                let both = f64::from(near[k]) + f64::from(far[k]);
                r_n[k] += both * f64::from(n);
                r_p[k] += both * f64::from(p);
            }
        }
        let [w_n, w_p] = [self.spec.distance(), self.spec.product()].map(|r| &self.parameters[r]);
        for s in &self.saved.of_jet {
            for k in 0..c {
                let (w_n, w_p) = (f64::from(w_n[k]), f64::from(w_p[k]));
                r_n[k] += w_n * s.nn + w_p * s.np;
                r_p[k] += w_n * s.np + w_p * s.pp;
            }
        }
        [r_n, r_p]
    }

    /// From sums of z to those of the gradient before the normalization, `scale z + constant - slope y`: `[N, C]` each,
    /// over the edges from a node and over those to it.
    pub(super) fn through_normalization(
        &self,
        z_near: &[f32],
        z_far: &[f32],
        jets: &[usize],
        through: &Gradient,
        workspace: &Workspace,
    ) -> [Buffer; 2] {
        let (c, wide, saved) = (self.spec.hidden, self.padded.width, self.saved);
        let [w_n, w_p] = [self.spec.distance(), self.spec.product()].map(|r| &self.parameters[r][..c]);
        let (scale, constant, slope) = (&through.scale[..c], &through.constant[..c], &through.slope[..c]);
        let [mut d_near, mut d_far] = [(); 2].map(|()| workspace.take(saved.near.len()));
        let [mut near_sum, mut far_sum] = [(); 2].map(|()| workspace.take(c));
        simd::dispatch(
            #[inline(always)]
            || {
                for nodes in jets.windows(2).map(|w| w[0]..w[1]) {
                    let others = nodes.len().saturating_sub(1) as f32;
                    for (sum, x) in [(&mut near_sum, &saved.near), (&mut far_sum, &saved.far)] {
                        sum.fill(0.0);
                        for row in x[nodes.start * c..nodes.end * c].chunks_exact(c) {
                            sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
                        }
                    }
                    let (near_sum, far_sum) = (&near_sum[..c], &far_sum[..c]);
                    for i in nodes {
                        let [n, p] = saved.of_node[i];
                        let (near, far) = (&saved.near[i * c..][..c], &saved.far[i * c..][..c]);
                        let (z_near, z_far) = (&z_near[i * wide..][..c], &z_far[i * wide..][..c]);
                        let (d_near, d_far) = (&mut d_near[i * c..][..c], &mut d_far[i * c..][..c]);
                        for k in 0..c {
                            let scalars = n * w_n[k] + p * w_p[k];
                            let y_near = others * near[k] + (far_sum[k] - far[k]) + scalars;
                            let y_far = others * far[k] + (near_sum[k] - near[k]) + scalars;
                            let all = others * constant[k];
                            d_near[k] = scale[k] * z_near[k] + all - slope[k] * y_near;
                            d_far[k] = scale[k] * z_far[k] + all - slope[k] * y_far;
                        }
                    }
                }
            },
        );
        [d_near, d_far]
    }

    /// Adds to the direct gradients of the four-vectors what reaches them through the two scalars, and, where they
    /// move, through themselves. `along`: `sum_c w_c scale_c z_c` of each edge, for both scalars.
    pub(super) fn finish_vectors(
        &self,
        d_x: &mut [f32],
        groups: &[Group],
        jets: &[usize],
        through: &Gradient,
        along: [&[f32]; 2],
        workspace: &Workspace,
    ) {
        let (spec, saved, c, width) = (self.spec, self.saved, self.spec.hidden, self.spec.output());
        let weights = [spec.distance(), spec.product()].map(|r| &self.parameters[r]);
        // The gradient of scalar s of an edge is sum_c w_c (scale z + constant - slope y)_c, and y a sum of two nodes
        // and two scalars: all but z are numbers of nodes.
        let sloped: [Vec<f32>; 2] = weights.map(|w| w.iter().zip(&through.slope).map(|(w, s)| w * s).collect());
        let constant = weights.map(|w| simd::dot(w, &through.constant));
        let of_node = |x: &[f32], i: usize| [0, 1].map(|s| simd::dot(&x[i * c..][..c], &sloped[s]));
        let mixed = [0, 1].map(|s| [0, 1].map(|t| simd::dot(&sloped[s], weights[t])));
        let pieces = partition::split_mut(d_x, groups.iter().map(|g| 4 * g.nodes.len()));
        partition::run(
            groups.iter().zip(pieces).collect(),
            |(group, d_x): (&Group, &mut [f32])| {
                if spec.moves {
                    for (i, d_x) in group.nodes.clone().zip(d_x.chunks_exact_mut(4)) {
                        for (d, o) in d_x.iter_mut().zip(&self.d_out[i * width + c..(i + 1) * width]) {
                            *d += o;
                        }
                    }
                }
                let mut edge = group.edges.start;
                for jet in group.jets.clone() {
                    let nodes = jets[jet]..jets[jet + 1];
                    let n = nodes.len();
                    let mut d = [workspace.take(n * n), workspace.take(n * n)];
                    simd::dispatch(
                        #[inline(always)]
                        || {
                            let near: Vec<[f32; 2]> = nodes.clone().map(|i| of_node(&saved.near, i)).collect();
                            let far: Vec<[f32; 2]> = nodes.clone().map(|i| of_node(&saved.far, i)).collect();
                            for i in 0..n {
                                let at = saved.pairs.of(jet, i, n);
                                for j in (0..n).filter(|&j| j != i) {
                                    let scalars =
                                        [saved.pairs.distances[at.start + j], saved.pairs.products[at.start + j]];
                                    for s in 0..2 {
                                        let of_scalars = mixed[s][0] * scalars[0] + mixed[s][1] * scalars[1];
                                        d[s][i * n + j] =
                                            along[s][edge] + constant[s] - near[i][s] - far[j][s] - of_scalars;
                                    }
                                    edge += 1;
                                }
                            }
                            let own = 4 * (nodes.start - group.nodes.start)..4 * (nodes.end - group.nodes.start);
                            let x = &self.x[4 * nodes.start..4 * nodes.end];
                            saved.pairs.add_gradient(&mut d_x[own], x, jet, &d[0], &d[1]);
                        },
                    );
                }
            },
        );
    }
}

/// The transpose of `weight: [rows, cols]`.
pub(super) fn transposed(weight: &[f32], rows: usize, cols: usize, workspace: &Workspace) -> Buffer {
    let mut buffer = workspace.take(weight.len());
    transpose(&mut buffer, weight, rows, cols);
    buffer
}

/// From the node parts back to their weights and to `h`.
#[allow(clippy::too_many_arguments)]
pub(super) fn node_gradients(
    spec: &LorentzEdgeSpec,
    parameters: &[f32],
    h: &[f32],
    d_near: &[f32],
    d_far: &[f32],
    wanted: bool,
    gradient: &mut [f32],
    workspace: &Workspace,
) -> Option<Vec<f32>> {
    let (c_in, c) = (spec.input, spec.hidden);
    let rows = h.len() / c_in;
    let weights = [spec.near(), spec.far()].map(|r| transposed(&parameters[r], c_in, c, workspace));
    let mut d_h = vec![0.0; if wanted { rows * c_in } else { 0 }];
    let groups = partition::even(rows, partition::group_count(rows, TILE_ROWS));
    let pieces = partition::split_mut(&mut d_h, groups.iter().map(|g| if wanted { g.len() * c_in } else { 0 }));
    let parts = partition::run(
        groups.into_iter().zip(pieces).collect(),
        |(group, d_h): (Range<usize>, &mut [f32])| {
            let mut d_w = workspace.zeros(2 * c_in * c);
            simd::dispatch(
                #[inline(always)]
                || {
                    let (d_w_near, d_w_far) = d_w.split_at_mut(c_in * c);
                    for start in group.clone().step_by(TILE_ROWS) {
                        let tile = start..(start + TILE_ROWS).min(group.end);
                        let (h, n) = (&h[tile.start * c_in..tile.end * c_in], tile.len());
                        let of_edges = tile.start * c..tile.end * c;
                        let (d_near, d_far) = (&d_near[of_edges.clone()], &d_far[of_edges]);
                        weight_gradient(d_w_near, true, h, d_near, n, c_in, c);
                        weight_gradient(d_w_far, true, h, d_far, n, c_in, c);
                        if wanted {
                            let d_h = &mut d_h[(tile.start - group.start) * c_in..(tile.end - group.start) * c_in];
                            matmul(d_h, false, Mat::new(d_near, n, c), Mat::new(&weights[0], c, c_in));
                            matmul(d_h, true, Mat::new(d_far, n, c), Mat::new(&weights[1], c, c_in));
                        }
                    }
                },
            );
            d_w
        },
    );
    partition::sum_in_order(&mut gradient[spec.near().start..spec.far().end], &parts);
    wanted.then_some(d_h)
}
