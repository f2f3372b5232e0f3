//! Parameters and node parts with rows filled up to whole vector registers.
//!
//! 72 channels are four and a half registers of AVX-512: products and loops over them end in a remainder that costs as
//! much as the rest. Rows of 80, the last eight zero, cost a tenth more arithmetic and none of that. Zeros stay zeros
//! through every layer.

use super::spec::LorentzEdgeSpec;
use crate::kernels::norm::Affine;
use crate::kernels::workspace::{Buffer, Workspace};

/// Values of a vector register.
const LANES: usize = 16;

/// The parameters of the layers after the first, rows of `width` values each.
pub(super) struct Padded {
    /// Channels of a row, zeros included.
    pub(super) width: usize,
    /// `W_2`, `[C, width]`.
    pub(super) second: Buffer,
    pub(super) second_bias: Buffer,
    pub(super) gate: Buffer,
    pub(super) gate_bias: f32,
    /// `W_3`, `[C, width]`; empty if nothing moves.
    pub(super) shift: Buffer,
    pub(super) shift_bias: Buffer,
    pub(super) factor: Buffer,
}

/// Rows of `c` values as rows of `width`.
pub(super) fn pad(x: &[f32], c: usize, width: usize, workspace: &Workspace) -> Buffer {
    let mut y = workspace.zeros(x.len() / c * width);
    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(c)) {
        y[..c].copy_from_slice(x);
    }
    y
}

impl Padded {
    pub(super) fn new(spec: &LorentzEdgeSpec, parameters: &[f32], workspace: &Workspace) -> Self {
        let (c, width) = (spec.hidden, spec.hidden.next_multiple_of(LANES));
        let pad = |range| pad(&parameters[range], c, width, workspace);
        Self {
            width,
            second: pad(spec.second()),
            second_bias: pad(spec.second_bias()),
            gate: pad(spec.gate()),
            gate_bias: parameters[spec.gate_bias().start],
            shift: pad(spec.shift()),
            shift_bias: pad(spec.shift_bias()),
            factor: pad(spec.factor()),
        }
    }
}

/// The first layer with its normalization folded in: `relu(near_i + far_j + n_ij w_n + p_ij w_p)`.
pub(super) struct Folded {
    pub(super) width: usize,
    /// Shift included, `[N, width]`.
    pub(super) near: Buffer,
    pub(super) far: Buffer,
    pub(super) w_n: Vec<f32>,
    pub(super) w_p: Vec<f32>,
}

impl Folded {
    pub(super) fn new(near: &[f32], far: &[f32], weights: [&[f32]; 2], map: &Affine, workspace: &Workspace) -> Self {
        let c = map.scale.len();
        let width = c.next_multiple_of(LANES);
        let none = vec![0.0; c];
        let scaled = |x: &[f32], shift: &[f32]| {
            let mut y = workspace.zeros(x.len() / c * width);
            for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(c)) {
                for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(&map.scale).zip(shift) {
                    *y = scale * x + shift;
                }
            }
            y
        };
        let times = |w: &[f32]| {
            let mut scaled: Vec<f32> = w.iter().zip(&map.scale).map(|(w, s)| w * s).collect();
            scaled.resize(width, 0.0);
            scaled
        };
        Self {
            width,
            near: scaled(near, &map.shift),
            far: scaled(far, &none),
            w_n: times(weights[0]),
            w_p: times(weights[1]),
        }
    }
}
