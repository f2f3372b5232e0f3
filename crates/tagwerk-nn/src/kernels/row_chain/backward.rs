//! The backward pass: tile by tile, the maps computed once more from what products wrote.

use super::forward::{Saved, apply, load, tiles};
use super::maps::{Bound, bind};
use super::spec::{Residual, RowSpec};
use crate::kernels::gemm::{Mat, matmul, transpose, weight_gradient};
use crate::kernels::partition;
use crate::kernels::simd;
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

/// The gradients of [`super::forward`].
#[derive(Debug)]
pub struct Gradients {
    /// Of the packed parameters.
    pub parameters: Vec<f32>,
    /// Of `x`, `[R, C_0]`, if wanted.
    pub x: Option<Vec<f32>>,
}

/// The gradients, given `d_out: [R, C_L]`. That of a residual that is another tensor is `d_out` itself.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    spec: &RowSpec,
    parameters: &[f32],
    x: &[f32],
    keys: &[[u32; 2]],
    saved: &Saved,
    d_out: &[f32],
    wanted: bool,
    workspace: &Workspace,
) -> Gradients {
    let (rows, layers, c_in) = (x.len() / spec.input(), spec.layers(), spec.input());
    let maps = bind(spec, parameters, keys);
    let transposed: Vec<Buffer> = (0..layers)
        .map(|l| {
            let range = spec.weight(l);
            let mut weight = workspace.take(range.len());
            transpose(&mut weight, &parameters[range], spec.width(l), spec.width(l + 1));
            weight
        })
        .collect();
    let walk = Walk {
        spec,
        parameters,
        x,
        saved,
        d_out,
        maps,
        transposed,
        wanted,
    };
    let tiles = tiles(rows);
    let groups = partition::even(tiles.len(), partition::group_count(tiles.len(), 4).max(2));
    let mut d_x = vec![0.0; if wanted { rows * c_in } else { 0 }];
    let pieces = partition::split_mut(
        &mut d_x,
        groups.iter().map(|g| match wanted {
            true => tiles[g.clone()].iter().map(|t| t.len() * c_in).sum(),
            false => 0,
        }),
    );
    let tasks: Vec<_> = groups.into_iter().zip(pieces).collect();
    let parts = partition::run(tasks, |(group, d_x)| walk.group(&tiles[group], d_x, workspace));
    let mut gradient = vec![0.0; spec.parameter_count()];
    partition::sum_in_order(&mut gradient, &parts);
    Gradients {
        parameters: gradient,
        x: wanted.then_some(d_x),
    }
}

/// What a tile's backward pass reads.
struct Walk<'a> {
    spec: &'a RowSpec,
    parameters: &'a [f32],
    x: &'a [f32],
    saved: &'a Saved,
    d_out: &'a [f32],
    maps: Vec<Bound<'a>>,
    transposed: Vec<Buffer>,
    wanted: bool,
}

impl Walk<'_> {
    /// The tiles of a group; returns their packed gradient.
    fn group(&self, tiles: &[Range<usize>], d_x: &mut [f32], workspace: &Workspace) -> Buffer {
        let spec = self.spec;
        let longest = tiles.iter().map(|t| t.len()).max().unwrap_or(0);
        let widest = (0..=spec.layers()).map(|l| spec.width(l)).max().unwrap_or(0);
        let notes = self.maps.iter().map(Bound::notes).max().unwrap_or(0);
        let mut gradient = workspace.zeros(spec.parameter_count());
        let mut buffers = [(); 3].map(|()| workspace.take(longest * widest));
        let (mut row, mut notes) = (workspace.take(widest), workspace.take(notes));
        let first = tiles.first().map_or(0, |t| t.start);
        simd::dispatch(
            #[inline(always)]
            || {
                for tile in tiles {
                    let d_x = match self.wanted {
                        true => &mut d_x[(tile.start - first) * spec.input()..(tile.end - first) * spec.input()],
                        false => &mut [],
                    };
                    let [d, next, mapped] = &mut buffers;
                    self.tile(tile, d_x, &mut gradient, [d, next, mapped], &mut row, &mut notes);
                }
            },
        );
        gradient
    }

    #[inline(always)]
    fn tile(
        &self,
        tile: &Range<usize>,
        d_x: &mut [f32],
        gradient: &mut [f32],
        [mut d, mut next, mapped]: [&mut [f32]; 3],
        scratch: &mut [f32],
        notes: &mut [f32],
    ) {
        let (spec, n, layers) = (self.spec, tile.len(), self.spec.layers());
        let c_out = spec.output();
        let d_out = &self.d_out[tile.start * c_out..tile.end * c_out];
        let x = &self.x[tile.start * spec.input()..tile.end * spec.input()];
        d[..n * c_out].copy_from_slice(d_out);
        if spec.residual() == Residual::WeightedInput {
            let d_weight = &mut gradient[spec.residual_weight()];
            for (d, x) in d_out.chunks_exact(c_out).zip(x.chunks_exact(c_out)) {
                for ((w, d), x) in d_weight.iter_mut().zip(d).zip(x) {
                    *w += d * x;
                }
            }
        }
        for l in (0..layers).rev() {
            let (c_in, c) = (spec.width(l), spec.width(l + 1));
            // Through the maps after product l.
            let bias = &self.parameters[spec.bias(l)];
            let kept = &self.saved.products[l];
            for (i, d) in d[..n * c].chunks_exact_mut(c).enumerate() {
                let row = tile.start + i;
                let input = &mut scratch[..c];
                if !kept.is_empty() {
                    load(input, &kept[row * c..][..c], Some(bias));
                }
                // Where nothing is kept no map looks at its input.
                self.maps[l + 1].backward(input, row, d, notes, gradient);
                let d_bias = &mut gradient[spec.bias(l)];
                d_bias.iter_mut().zip(d.iter()).for_each(|(s, d)| *s += d);
            }
            // Through the product, whose input is mapped once more.
            let (input, bias) = match l {
                0 => (x, None),
                _ => (
                    &self.saved.products[l - 1][tile.start * c_in..tile.end * c_in],
                    Some(&self.parameters[spec.bias(l - 1)]),
                ),
            };
            let input = if self.maps[l].is_empty() && bias.is_none() {
                input
            } else {
                apply(&mut mapped[..n * c_in], input, bias, &self.maps[l], c_in, tile.start);
                &mapped[..n * c_in]
            };
            weight_gradient(&mut gradient[spec.weight(l)], true, input, d, n, c_in, c);
            if l > 0 || self.wanted || self.maps[0].has_parameters() {
                let weight = Mat::new(&self.transposed[l], c, c_in);
                matmul(next, false, Mat::new(d, n, c), weight);
                std::mem::swap(&mut d, &mut next);
            }
        }
        if !self.wanted && !self.maps[0].has_parameters() {
            return;
        }
        let c_in = spec.input();
        for (i, (d, x)) in d[..n * c_in]
            .chunks_exact_mut(c_in)
            .zip(x.chunks_exact(c_in))
            .enumerate()
        {
            let input = &mut scratch[..c_in];
            input.copy_from_slice(x);
            self.maps[0].backward(input, tile.start + i, d, notes, gradient);
        }
        if self.wanted {
            d_x.copy_from_slice(&d[..n * c_in]);
            if spec.residual() == Residual::WeightedInput {
                let weight = &self.parameters[spec.residual_weight()];
                for (d_x, d) in d_x.chunks_exact_mut(c_in).zip(d_out.chunks_exact(c_in)) {
                    for ((x, d), w) in d_x.iter_mut().zip(d).zip(weight) {
                        *x += d * w;
                    }
                }
            }
        }
    }
}
