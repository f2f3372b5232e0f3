//! Convolutions in groups of a few channels: an output sees the inputs of its own group only.
//!
//! A group is too small for a matrix product. Each picture is laid out once more for every input of a group, so that an
//! output finds that input at its own place; an output row is then a sum of products of vectors, kept in registers.

use super::{ConvSpec, Grids};
use crate::kernels::partition;
use crate::kernels::simd::{self, channel_blocks};
use crate::kernels::sites::OUTSIDE;
use crate::kernels::workspace::Workspace;
use std::ops::Range;

/// Channels of a group.
#[derive(Clone, Copy)]
struct Share {
    inputs: usize,
    outputs: usize,
}

impl Share {
    fn of(spec: &ConvSpec) -> Self {
        Self {
            inputs: spec.group_inputs(),
            outputs: spec.c_out / spec.groups,
        }
    }
}

/// Groups of pictures, the empty one, which is the last, included.
fn groups(grids: Grids) -> Vec<Range<usize>> {
    let pictures = grids.from.len() + 1;
    partition::even(pictures, partition::group_count(pictures, 1))
}

/// A picture with each group's inputs at the places of its outputs: `[P, inputs, C_out]`.
#[inline(always)]
fn spread(out: &mut [f32], x: &[f32], rows: &[u32], spec: &ConvSpec, share: Share) {
    for (out, &row) in out.chunks_exact_mut(share.inputs * spec.c_out).zip(rows) {
        let x = &x[row as usize * spec.c_in..][..spec.c_in];
        for (i, out) in out.chunks_exact_mut(spec.c_out).enumerate() {
            for (out, x) in out.chunks_exact_mut(share.outputs).zip(x.chunks_exact(share.inputs)) {
                out.fill(x[i]);
            }
        }
    }
}

/// Adds to `y: [R' + P', C_out]`, where the empty picture's rows hold the bias.
pub(super) fn forward(spec: &ConvSpec, parameters: &[f32], x: &[f32], y: &mut [f32], grids: Grids) {
    let (share, c) = (Share::of(spec), spec.c_out);
    let (k, inputs) = (spec.window.places(), spec.window.inputs());
    let weight = &parameters[spec.weight()];
    let zeros = vec![0.0; c];
    let bias = if spec.bias {
        &parameters[spec.bias_range()]
    } else {
        &zeros
    };
    let groups = groups(grids);
    let offsets = grids.to.offsets();
    let lengths = groups.iter().map(|g| (offsets[g.end] - offsets[g.start]) * c);
    let pieces = partition::split_mut(y, lengths);
    partition::run(groups.iter().zip(pieces).collect(), |(group, y)| {
        let mut picture = vec![0.0; grids.from.pixels() * share.inputs * c];
        for b in group.clone() {
            let own = offsets[b]..offsets[b + 1];
            let first = offsets[group.start];
            let y = &mut y[(own.start - first) * c..(own.end - first) * c];
            simd::dispatch(
                #[inline(always)]
                || {
                    spread(&mut picture, x, grids.from.picture(b), spec, share);
                    for (y, &pixel) in y.chunks_exact_mut(c).zip(&grids.to.pixel_of_row()[own]) {
                        let inputs = &inputs[pixel as usize * k..][..k];
                        channel_blocks!(c, |at, W| {
                            let y =
                                output::<W>(&picture, weight, bias, inputs, share.inputs, c, at, &mut y[at..at + W]);
                            if spec.relu {
                                y.iter_mut().for_each(|y| *y = simd::relu(*y));
                            }
                        });
                    }
                },
            );
        }
    });
}

/// `W` channels of an output row.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn output<'y, const W: usize>(
    picture: &[f32],
    weight: &[f32],
    bias: &[f32],
    inputs: &[u32],
    share: usize,
    c: usize,
    at: usize,
    y: &'y mut [f32],
) -> &'y mut [f32] {
    let mut sum = [0.0f32; W];
    sum.copy_from_slice(&bias[at..at + W]);
    for (place, &input) in inputs.iter().enumerate().filter(|(_, input)| **input != OUTSIDE) {
        for i in 0..share {
            let x = &picture[(input as usize * share + i) * c + at..][..W];
            let w = &weight[(place * share + i) * c + at..][..W];
            for j in 0..W {
                sum[j] += x[j] * w[j];
            }
        }
    }
    y.copy_from_slice(&sum);
    y
}

/// The gradients of [`forward`]: of the weight, and of `x` unless `d_x` is empty.
#[allow(clippy::too_many_arguments)]
pub(super) fn backward(
    spec: &ConvSpec,
    parameters: &[f32],
    x: &[f32],
    d: &[f32],
    grids: Grids,
    d_weight: &mut [f32],
    d_x: &mut [f32],
    workspace: &Workspace,
) {
    let (share, c) = (Share::of(spec), spec.c_out);
    let k = spec.window.places();
    let (inputs, outputs) = (spec.window.inputs(), spec.window.outputs());
    let weight = &parameters[spec.weight()];
    let groups = groups(grids);
    let (offsets, own) = (grids.from.offsets(), grids.from.own());
    let wanted = !d_x.is_empty();
    let (d_own, d_empty) = d_x.split_at_mut(if wanted { own * spec.c_in } else { 0 });
    // The empty picture's rows are everybody's: each group adds up its own part.
    let rows = |g: &Range<usize>| offsets[g.end].min(own) - offsets[g.start].min(own);
    let lengths = groups.iter().map(|g| if wanted { rows(g) * spec.c_in } else { 0 });
    let pieces = partition::split_mut(d_own, lengths);
    let parts = partition::run(groups.into_iter().zip(pieces).collect(), |(group, d_own)| {
        let mut gradient = workspace.zeros(weight.len());
        let mut d_empty = workspace.zeros(if wanted { grids.from.pixels() * spec.c_in } else { 0 });
        let mut picture = workspace.take(grids.from.pixels() * share.inputs * c);
        let mut d_picture = workspace.take(if wanted { share.inputs * c } else { 0 });
        let first = offsets[group.start];
        for b in group {
            let to = grids.to.offsets()[b]..grids.to.offsets()[b + 1];
            simd::dispatch(
                #[inline(always)]
                || {
                    spread(&mut picture, x, grids.from.picture(b), spec, share);
                    let d_rows = &d[to.start * c..to.end * c];
                    let pixels = &grids.to.pixel_of_row()[to.clone()];
                    for place in 0..k {
                        for i in 0..share.inputs {
                            let gradient = &mut gradient[(place * share.inputs + i) * c..][..c];
                            channel_blocks!(c, |at, W| {
                                let mut sum = [0.0f32; W];
                                for (d, &pixel) in d_rows.chunks_exact(c).zip(pixels) {
                                    let input = inputs[pixel as usize * k + place];
                                    if input != OUTSIDE {
                                        let x = &picture[(input as usize * share.inputs + i) * c + at..][..W];
                                        let d = &d[at..at + W];
                                        for j in 0..W {
                                            sum[j] += x[j] * d[j];
                                        }
                                    }
                                }
                                gradient[at..at + W].iter_mut().zip(sum).for_each(|(g, s)| *g += s);
                            });
                        }
                    }
                    if !wanted {
                        return;
                    }
                    let rows = grids.to.picture(b);
                    for (pixel, &row) in grids.from.picture(b).iter().enumerate() {
                        let outputs = &outputs[pixel * k..][..k];
                        for i in 0..share.inputs {
                            channel_blocks!(c, |at, W| {
                                let mut sum = [0.0f32; W];
                                for (place, &output) in outputs.iter().enumerate().filter(|(_, o)| **o != OUTSIDE) {
                                    let row = rows[output as usize] as usize;
                                    // Another picture's row, the empty one's, has its turn with that picture.
                                    if to.contains(&row) {
                                        let d = &d[row * c + at..][..W];
                                        let w = &weight[(place * share.inputs + i) * c + at..][..W];
                                        for j in 0..W {
                                            sum[j] += w[j] * d[j];
                                        }
                                    }
                                }
                                d_picture[i * c + at..][..W].copy_from_slice(&sum);
                            });
                        }
                        let row = row as usize;
                        let d_x = if row < own {
                            &mut d_own[(row - first) * spec.c_in..][..spec.c_in]
                        } else {
                            &mut d_empty[(row - own) * spec.c_in..][..spec.c_in]
                        };
                        for (i, d) in d_picture.chunks_exact(c).enumerate() {
                            let groups = d.chunks_exact(share.outputs);
                            for (d_x, d) in d_x.chunks_exact_mut(share.inputs).zip(groups) {
                                d_x[i] += d.iter().sum::<f32>();
                            }
                        }
                    }
                },
            );
        }
        (gradient, d_empty)
    });
    let (gradients, empties): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    partition::sum_in_order(d_weight, &gradients);
    if wanted {
        partition::sum_in_order(d_empty, &empties);
    }
}
