//! The walk over the edges of the backward pass: tile by tile, everything of an edge computed once more.

use super::forward::{Group, Saved, Tile, gates};
use super::padded::{Folded, Padded};
use super::spec::LorentzEdgeSpec;
use crate::kernels::gemm::{Mat, matmul};
use crate::kernels::simd::{self, channel_blocks};
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

/// Where a group's sums over edges lie in one buffer, in padded rows.
pub(super) struct EdgeSums {
    pub(super) c: usize,
    pub(super) width: usize,
    pub(super) moves: bool,
}

impl EdgeSums {
    /// `hidden^T d_e`, the gradient of `W_2`, `[C, width]`.
    pub(super) fn second(&self) -> Range<usize> {
        0..self.c * self.width
    }

    /// Sums of vectors, `[width]` each: the gradients of `b_2` and `w_g`, and those of `n_ij` and `p_ij` times the
    /// gradient after the normalization.
    pub(super) fn vector(&self, index: usize) -> Range<usize> {
        let start = self.width * (self.c + index);
        start..start + self.width
    }

    /// The gradient of `b_g`, first of a row.
    pub(super) fn gate_bias(&self) -> usize {
        self.vector(4).start
    }

    /// Sum of the gradient of `phi_x` where its hidden layer is positive, `[width]`.
    pub(super) fn open(&self) -> Range<usize> {
        let start = self.vector(4).end;
        start..start + if self.moves { self.width } else { 0 }
    }

    /// The same times the message, `[C, width]`.
    pub(super) fn opened(&self) -> Range<usize> {
        let start = self.open().end;
        start..start + if self.moves { self.c * self.width } else { 0 }
    }
}

/// What the walk reads.
pub(super) struct Walk<'a> {
    pub(super) spec: &'a LorentzEdgeSpec,
    pub(super) parameters: &'a [f32],
    pub(super) x: &'a [f32],
    pub(super) saved: &'a Saved,
    pub(super) d_out: &'a [f32],
    pub(super) folded: Folded,
    pub(super) padded: Padded,
    /// The transposes of `W_2`, and of `W_3` with the weights of `phi_x`, `[C, width]`.
    pub(super) second: Buffer,
    pub(super) shift: Buffer,
    pub(super) sums: EdgeSums,
}

/// What the walk over a group writes: sums of z over a node's edges, z along the weights of the two scalars (edge by
/// edge), and the direct gradient of the four-vectors. The last two are empty where not wanted.
pub(super) struct Target<'a> {
    pub(super) z_near: &'a mut [f32],
    pub(super) z_far: &'a mut [f32],
    pub(super) along: [&'a mut [f32]; 2],
    pub(super) d_x: &'a mut [f32],
}

/// Edges of a tile, `[edges, C]` each: the hidden layer, the message before its gate, two gradients; and the gates.
struct Scratch {
    hidden: Buffer,
    message: Buffer,
    v: Buffer,
    d: Buffer,
    gates: Buffer,
}

impl Walk<'_> {
    /// The edges of a group, tile by tile; returns its [`EdgeSums`].
    pub(super) fn group(&self, group: &Group, mut target: Target, longest: usize, workspace: &Workspace) -> Buffer {
        let take = || workspace.take(longest * self.padded.width);
        let mut sums = workspace.zeros(self.sums.opened().end);
        let mut scratch = Scratch {
            hidden: take(),
            message: take(),
            v: take(),
            d: take(),
            gates: workspace.take(longest),
        };
        simd::dispatch(
            #[inline(always)]
            || {
                for tile in &group.tiles {
                    self.tile(tile, group, &mut target, &mut sums, &mut scratch);
                }
            },
        );
        sums
    }

    #[inline(always)]
    fn tile(&self, tile: &Tile, group: &Group, target: &mut Target, sums: &mut [f32], scratch: &mut Scratch) {
        let (c, width, n) = (self.spec.hidden, self.padded.width, tile.edges());
        // Once more the hidden layer, the message before its gate, and the gate.
        self.folded.activations(&mut scratch.hidden, &self.saved.pairs, tile);
        let hidden = Mat::strided(&scratch.hidden, n, c, width);
        matmul(
            &mut scratch.message,
            false,
            hidden,
            Mat::new(&self.padded.second, c, width),
        );
        gates(&mut scratch.message, &mut scratch.gates, &self.padded, n);
        if self.spec.moves {
            self.through_move(tile, group, target, sums, scratch);
        }
        self.through_gate(tile, sums, scratch);
        let hidden = Mat::strided(&scratch.hidden, n, c, width);
        matmul(
            &mut sums[self.sums.second()],
            true,
            hidden.t(),
            Mat::new(&scratch.d, n, width),
        );
        // The message is done with; its memory takes the gradient of the hidden layer.
        let z = &mut scratch.message[..n * width];
        let d = Mat::strided(&scratch.d, n, c, width);
        matmul(z, false, d, Mat::new(&self.second, c, width));
        for (z, h) in z.iter_mut().zip(scratch.hidden.iter()) {
            *z = if *h > 0.0 { *z } else { 0.0 };
        }
        self.collect(tile, group, target, sums, z);
    }

    /// `d`: the gradient of each message through the move of its row, times its gate.
    #[inline(always)]
    fn through_move(&self, tile: &Tile, group: &Group, target: &mut Target, sums: &mut [f32], scratch: &mut Scratch) {
        let (spec, n, wide) = (self.spec, tile.edges(), self.padded.width);
        let (c, width) = (spec.hidden, spec.output());
        let share = spec.step / tile.degree() as f32;
        let factors = &self.saved.factors[tile.first..][..n];
        let positive = &self.saved.positive[tile.first * wide..][..n * wide];
        let d_open = &mut sums[self.sums.open()][..wide];
        let (gates, v) = (&scratch.gates[..n], &mut scratch.v[..n * wide]);
        tile.each(&self.saved.pairs, |edge, i, j, _| {
            let push = &self.d_out[i * width + c..][..4];
            let (a, b) = (&self.x[4 * i..][..4], &self.x[4 * j..][..4]);
            let (mut d_factor, mut d_apart) = (0.0, [0.0f32; 4]);
            for k in 0..4 {
                let apart = a[k] - b[k];
                let inside = (factors[edge] * apart).abs() <= spec.limit;
                let d_push = if inside { share * push[k] } else { 0.0 };
                d_factor += d_push * apart;
                d_apart[k] = factors[edge] * d_push;
            }
            if !target.d_x.is_empty() {
                for (k, d) in d_apart.iter().enumerate() {
                    target.d_x[4 * (i - group.nodes.start) + k] += d;
                    target.d_x[4 * (j - group.nodes.start) + k] -= d;
                }
            }
            let (v, positive) = (&mut v[edge * wide..][..wide], &positive[edge * wide..][..wide]);
            let gated = gates[edge] * d_factor;
            for k in 0..wide {
                d_open[k] += if positive[k] != 0 { d_factor } else { 0.0 };
                v[k] = if positive[k] != 0 { gated } else { 0.0 };
            }
        });
        // Gate times message before the gate is the message: one product serves both weights of the move.
        let message = Mat::strided(&scratch.message, n, c, wide);
        matmul(
            &mut sums[self.sums.opened()],
            true,
            message.t(),
            Mat::new(&scratch.v, n, wide),
        );
        let v = Mat::strided(&scratch.v, n, c, wide);
        matmul(&mut scratch.d, false, v, Mat::new(&self.shift, c, wide));
    }

    /// `d`: the gradient of the second pre-activation.
    #[inline(always)]
    fn through_gate(&self, tile: &Tile, sums: &mut [f32], scratch: &mut Scratch) {
        let (c, width, wide) = (self.spec.hidden, self.spec.output(), self.padded.width);
        let gate = &self.padded.gate[..wide];
        let mut d_gate_bias = 0.0;
        let (d_bias, d_gate) = sums[self.sums.vector(0).start..self.sums.vector(1).end].split_at_mut(wide);
        let mut edges = scratch
            .d
            .chunks_exact_mut(wide)
            .zip(scratch.message.chunks_exact(wide))
            .zip(scratch.gates.iter());
        for i in tile.rows.clone() {
            let of_sum = &self.d_out[i * width..][..c];
            for ((d, e), &open) in edges.by_ref().take(tile.degree()) {
                if self.spec.moves {
                    d.iter_mut().zip(of_sum).for_each(|(d, s)| *d += open * s);
                } else {
                    d.fill(0.0);
                    d.iter_mut().zip(of_sum).for_each(|(d, s)| *d = open * s);
                }
                // `d` carries the gate; without it, d . e is the gradient of the gate.
                let s = simd::dot(d, e) * (1.0 - open);
                d_gate_bias += s;
                let (d, e) = (&mut d[..wide], &e[..wide]);
                let (d_bias, d_gate) = (&mut d_bias[..wide], &mut d_gate[..wide]);
                for k in 0..wide {
                    d_gate[k] += s * e[k];
                    d[k] = if e[k] > 0.0 { d[k] + s * gate[k] } else { 0.0 };
                    d_bias[k] += d[k];
                }
            }
        }
        sums[self.sums.gate_bias()] += d_gate_bias;
    }

    /// Adds the gradient `z: [edges, width]` after the normalization to what is summed of it.
    #[inline(always)]
    fn collect(&self, tile: &Tile, group: &Group, target: &mut Target, sums: &mut [f32], z: &[f32]) {
        let (wide, pairs, degree) = (self.padded.width, &self.saved.pairs, tile.degree());
        let (of_n, of_p) = sums[self.sums.vector(2).start..self.sums.vector(3).end].split_at_mut(wide);
        let (n, base) = (tile.nodes.len(), tile.nodes.start - group.nodes.start);
        for (i, z) in tile.rows.clone().zip(z.chunks_exact(degree * wide)) {
            let own = i - tile.nodes.start;
            let at = pairs.of(tile.jet, own, n);
            let (distances, products) = (&pairs.distances[at.clone()], &pairs.products[at]);
            let near = &mut target.z_near[(base + own) * wide..][..wide];
            channel_blocks!(wide, |at, W| {
                let (mut sum, mut n_sum, mut p_sum) = ([0.0f32; W], [0.0f32; W], [0.0f32; W]);
                let mut rows = z.chunks_exact(wide);
                for others in [0..own, own + 1..n] {
                    for (j, z) in others.zip(rows.by_ref()) {
                        let z = &z[at..at + W];
                        let far = &mut target.z_far[(base + j) * wide + at..][..W];
                        let (a, b) = (distances[j], products[j]);
                        for k in 0..W {
                            sum[k] += z[k];
                            n_sum[k] += a * z[k];
                            p_sum[k] += b * z[k];
                            far[k] += z[k];
                        }
                    }
                }
                for k in 0..W {
                    near[at + k] += sum[k];
                    of_n[at + k] += n_sum[k];
                    of_p[at + k] += p_sum[k];
                }
            });
        }
        if !target.along[0].is_empty() {
            let at = tile.first - group.edges.start;
            let weights = [&self.folded.w_n[..], &self.folded.w_p];
            for (along, weight) in target.along.iter_mut().zip(weights) {
                for (a, z) in along[at..].iter_mut().zip(z.chunks_exact(wide)) {
                    *a = simd::dot(z, weight);
                }
            }
        }
    }
}
