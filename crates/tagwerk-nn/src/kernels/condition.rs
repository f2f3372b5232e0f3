//! Rows scaled and shifted by linear functions of a few numbers that come with each row, and dropout in the same pass.
//!
//! Anzalone, Diotalevi, Bonacorsi, arXiv:2202.00424: a hypothesis m of P numbers (a resonance mass) conditions C channels,
//! `y = x (m W_s + c_s) + (m W_b + c_b)`. Scaling and biasing are its halves. Three passes over memory become one.

use super::dropout::Drop;
use super::partition::{self, TILE_ROWS};
use super::simd;
use super::workspace::Workspace;
use std::ops::Range;

/// Shape of a conditioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionSpec {
    /// Numbers that come with each row, `P`.
    pub inputs: usize,
    /// Channels, `C`.
    pub channels: usize,
    /// Whether channels are multiplied.
    pub scale: bool,
    /// Whether something is added.
    pub shift: bool,
}

impl ConditionSpec {
    /// Parameters of one map, `(P + 1) C`.
    fn map(&self) -> usize {
        (self.inputs + 1) * self.channels
    }

    /// Weights `[P, C]` of the scale in the packed parameters.
    pub fn scale_weight(&self) -> Range<usize> {
        0..if self.scale { self.inputs * self.channels } else { 0 }
    }

    /// Constant `[C]` of the scale, behind its weights.
    pub fn scale_constant(&self) -> Range<usize> {
        let start = self.scale_weight().end;
        start..start + if self.scale { self.channels } else { 0 }
    }

    /// Weights `[P, C]` of the shift.
    pub fn shift_weight(&self) -> Range<usize> {
        let start = self.scale_constant().end;
        start..start + if self.shift { self.inputs * self.channels } else { 0 }
    }

    /// Constant `[C]` of the shift.
    pub fn shift_constant(&self) -> Range<usize> {
        let start = self.shift_weight().end;
        start..start + if self.shift { self.channels } else { 0 }
    }

    /// Packed parameters: `(P + 1) C` for each map.
    pub fn parameter_count(&self) -> usize {
        self.map() * (usize::from(self.scale) + usize::from(self.shift))
    }
}

/// `out[j] = constant[j] + sum_p m[p] weight[p, j]`.
#[inline(always)]
fn linear(out: &mut [f32], weight: &[f32], constant: &[f32], m: &[f32]) {
    let c = out.len();
    out.copy_from_slice(constant);
    for (p, &m) in m.iter().enumerate() {
        for (o, w) in out.iter_mut().zip(&weight[p * c..(p + 1) * c]) {
            *o += m * w;
        }
    }
}

/// `x: [R, C]` with `m: [R, P]` to `[R, C]`.
pub fn forward(spec: &ConditionSpec, parameters: &[f32], m: &[f32], drop: Option<Drop>, x: &[f32]) -> Vec<f32> {
    let (c, p) = (spec.channels, spec.inputs);
    let rows = x.len() / c.max(1);
    let mut y = vec![0.0; x.len()];
    let tiles = partition::even(rows, rows.div_ceil(TILE_ROWS));
    let pieces = partition::split_mut(&mut y, tiles.iter().map(|t| t.len() * c));
    partition::run(tiles.into_iter().zip(pieces).collect(), |(tile, y)| {
        let (mut scale, mut shift) = (vec![1.0f32; c], vec![0.0f32; c]);
        simd::dispatch(
            #[inline(always)]
            || {
                for (y, r) in y.chunks_exact_mut(c).zip(tile) {
                    let (x, m) = (&x[r * c..(r + 1) * c], &m[r * p..(r + 1) * p]);
                    if spec.scale {
                        let (w, k) = (&parameters[spec.scale_weight()], &parameters[spec.scale_constant()]);
                        linear(&mut scale, w, k, m);
                    }
                    if spec.shift {
                        let (w, k) = (&parameters[spec.shift_weight()], &parameters[spec.shift_constant()]);
                        linear(&mut shift, w, k, m);
                    }
                    let (scale, shift) = (&scale[..c], &shift[..c]);
                    for j in 0..c {
                        y[j] = x[j] * scale[j] + shift[j];
                    }
                    if let Some(drop) = drop {
                        drop.apply(y, r * c);
                    }
                }
            },
        );
    });
    y
}

/// The gradients of [`forward`]: of the parameters, packed as they are, and of `x`. `m` has none.
pub fn backward(
    spec: &ConditionSpec,
    parameters: &[f32],
    m: &[f32],
    drop: Option<Drop>,
    x: &[f32],
    d_y: &[f32],
    workspace: &Workspace,
) -> (Vec<f32>, Vec<f32>) {
    let (c, p) = (spec.channels, spec.inputs);
    let rows = x.len() / c.max(1);
    let mut d_x = vec![0.0; x.len()];
    let groups = partition::even(rows, partition::group_count(rows, TILE_ROWS / 2));
    let pieces = partition::split_mut(&mut d_x, groups.iter().map(|g| g.len() * c));
    let parts = partition::run(groups.into_iter().zip(pieces).collect(), |(group, d_x)| {
        let mut gradient = workspace.zeros(spec.parameter_count());
        let mut scale = vec![1.0f32; c];
        let (mut d, mut along) = (vec![0.0f32; c], vec![0.0f32; c]);
        simd::dispatch(
            #[inline(always)]
            || {
                for (d_x, r) in d_x.chunks_exact_mut(c).zip(group) {
                    let (x, m) = (&x[r * c..(r + 1) * c], &m[r * p..(r + 1) * p]);
                    d.copy_from_slice(&d_y[r * c..(r + 1) * c]);
                    if let Some(drop) = drop {
                        drop.apply(&mut d, r * c);
                    }
                    if spec.scale {
                        let (w, k) = (&parameters[spec.scale_weight()], &parameters[spec.scale_constant()]);
                        linear(&mut scale, w, k, m);
                        for ((a, d), x) in along.iter_mut().zip(&d).zip(x) {
                            *a = d * x;
                        }
                        accumulate(&mut gradient[spec.scale_weight().start..], &along, m);
                    }
                    for ((d_x, d), s) in d_x.iter_mut().zip(&d).zip(&scale) {
                        *d_x = d * s;
                    }
                    if spec.shift {
                        accumulate(&mut gradient[spec.shift_weight().start..], &d, m);
                    }
                }
            },
        );
        gradient
    });
    let mut gradient = vec![0.0; spec.parameter_count()];
    partition::sum_in_order(&mut gradient, &parts);
    (gradient, d_x)
}

/// Adds a row's gradient `d: [C]` to those of a map's weights `[P, C]` and constant `[C]` behind them.
#[inline(always)]
fn accumulate(gradient: &mut [f32], d: &[f32], m: &[f32]) {
    let c = d.len();
    for (p, &m) in m.iter().enumerate() {
        for (g, d) in gradient[p * c..(p + 1) * c].iter_mut().zip(d) {
            *g += m * d;
        }
    }
    let constant = m.len() * c;
    for (g, d) in gradient[constant..constant + c].iter_mut().zip(d) {
        *g += d;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFFINE: ConditionSpec = ConditionSpec {
        inputs: 1,
        channels: 2,
        scale: true,
        shift: true,
    };

    #[test]
    fn a_row_is_scaled_and_shifted_by_its_own_hypothesis() {
        // W_s, c_s, W_b, c_b.
        let parameters = [2.0, 0.0, 1.0, 3.0, 0.5, -1.0, 0.0, 10.0];
        let (x, m) = ([1.0, 1.0, 2.0, -1.0], [0.0, 2.0]);
        let y = forward(&AFFINE, &parameters, &m, None, &x);
        assert_eq!(y, [1.0, 13.0, 2.0 * 5.0 + 1.0, -3.0 + 8.0]);
        // A key that keeps the first and the last of the four values, which grow to the double.
        let drop = (0..)
            .map(|key| Drop::new(0.5, [key, 0]))
            .find(|drop| [0, 1, 2, 3].map(|i| drop.factor(i, 2.0)) == [2.0, 0.0, 0.0, 2.0])
            .unwrap();
        let y = forward(&AFFINE, &parameters, &m, Some(drop), &x);
        assert_eq!(y, [2.0, 0.0, 0.0, 10.0]);
        let (gradient, d_x) = backward(
            &AFFINE,
            &parameters,
            &m,
            Some(drop),
            &x,
            &[1.0; 4],
            &Workspace::default(),
        );
        assert_eq!(d_x, [2.0, 0.0, 0.0, 6.0]);
        assert_eq!(gradient, [0.0, -4.0, 2.0, -2.0, 0.0, 4.0, 2.0, 2.0]);
    }

    #[test]
    fn without_maps_it_is_dropout_alone_and_what_is_no_number_stays_visible() {
        let spec = ConditionSpec {
            scale: false,
            shift: false,
            ..AFFINE
        };
        assert_eq!(spec.parameter_count(), 0);
        let drop = (0..)
            .map(|key| Drop::new(0.75, [key, 0]))
            .find(|drop| [0, 1].map(|i| drop.factor(i, 4.0)) == [4.0, 0.0])
            .unwrap();
        assert_eq!(forward(&spec, &[], &[9.0], Some(drop), &[1.0, 1.0]), [4.0, 0.0]);
        assert!(forward(&spec, &[], &[9.0], Some(drop), &[1.0, f32::NAN])[1].is_nan());
    }
}
