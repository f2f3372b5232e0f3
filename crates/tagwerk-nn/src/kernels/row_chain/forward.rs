//! The forward pass: tile by tile through all maps and products.

use super::maps::{Bound, bind};
use super::spec::{Residual, RowSpec};
use crate::kernels::gemm::{Mat, matmul};
use crate::kernels::partition;
use crate::kernels::simd;
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

/// Rows a tile aims at: 128 rows of 512 channels are a quarter of a megabyte, and two such tiles and a weight matrix
/// fit into a second-level cache together.
pub(super) const ROWS: usize = 128;

/// What the backward pass needs of the forward pass: what products wrote, without bias, `[R, C]` each; empty where no
/// map needs it.
#[derive(Debug)]
pub struct Saved {
    pub(super) products: Vec<Buffer>,
}

/// Small batches are halved, so that two cores share them.
pub(super) fn tiles(rows: usize) -> Vec<Range<usize>> {
    partition::even(rows, rows.div_ceil(rows.div_ceil(2).clamp(16, ROWS)))
}

/// Applies maps to the rows of a tile: `to = maps(from + bias)`.
#[inline(always)]
pub(super) fn apply(to: &mut [f32], from: &[f32], bias: Option<&[f32]>, maps: &Bound, width: usize, first: usize) {
    let rows = to.chunks_exact_mut(width).zip(from.chunks_exact(width));
    for (i, (to, from)) in rows.enumerate() {
        load(to, from, bias);
        maps.forward(to, first + i);
    }
}

/// `to = from + bias`.
#[inline(always)]
pub(super) fn load(to: &mut [f32], from: &[f32], bias: Option<&[f32]>) {
    match bias {
        Some(bias) => {
            for ((t, f), b) in to.iter_mut().zip(from).zip(bias) {
                *t = f + b;
            }
        }
        None => to.copy_from_slice(from),
    }
}

/// Runs the chain: `x: [R, C_0]` to `[R, C_L]`; `other: [R, C_L]` is added if the residual is that. `keys`: one a
/// dropout, or none while scoring. `keep` saves what [`super::backward`] needs.
///
/// # Panics
/// If the residual is another tensor and there is none: a bug in the caller.
pub fn forward(
    spec: &RowSpec,
    parameters: &[f32],
    x: &[f32],
    other: Option<&[f32]>,
    keys: &[[u32; 2]],
    keep: bool,
    workspace: &Workspace,
) -> (Vec<f32>, Option<Saved>) {
    let (rows, layers, c_out) = (x.len() / spec.input(), spec.layers(), spec.output());
    let maps = bind(spec, parameters, keys);
    let mut out = vec![0.0; rows * c_out];
    let mut products: Vec<Buffer> = (0..layers)
        .map(|l| {
            let kept = keep && spec.keeps(l);
            workspace.take(if kept { rows * spec.width(l + 1) } else { 0 })
        })
        .collect();
    let tiles = tiles(rows);
    let longest = tiles.iter().map(|t| t.len()).max().unwrap_or(0);
    let widest = (0..=layers).map(|l| spec.width(l)).max().unwrap_or(0);
    let outs = partition::split_mut(&mut out, tiles.iter().map(|t| t.len() * c_out));
    let mut tasks: Vec<_> = tiles
        .iter()
        .zip(outs)
        .map(|(tile, out)| (tile, out, Vec::new()))
        .collect();
    for (l, product) in products.iter_mut().enumerate() {
        let width = if product.is_empty() { 0 } else { spec.width(l + 1) };
        let pieces = partition::split_mut(product, tiles.iter().map(|t| t.len() * width));
        tasks
            .iter_mut()
            .zip(pieces)
            .for_each(|(task, piece)| task.2.push(piece));
    }
    partition::run(tasks, |(tile, out, mut products): (_, &mut [f32], Vec<&mut [f32]>)| {
        let n = tile.len();
        let (mut mapped, mut scratch) = (workspace.take(longest * widest), workspace.take(longest * widest));
        simd::dispatch(
            #[inline(always)]
            || {
                let x = &x[tile.start * spec.input()..tile.end * spec.input()];
                for l in 0..layers {
                    let (c_in, c) = (spec.width(l), spec.width(l + 1));
                    let bias = (l > 0).then(|| &parameters[spec.bias(l.saturating_sub(1))]);
                    let (before, here) = products.split_at_mut(l);
                    let input = match before.last() {
                        None => x,
                        Some(kept) if !kept.is_empty() => &kept[..],
                        Some(_) => &scratch[..n * c_in],
                    };
                    // Without maps and bias the product reads its input where it lies.
                    let plain = maps[l].is_empty() && bias.is_none();
                    if !plain {
                        apply(&mut mapped[..n * c_in], input, bias, &maps[l], c_in, tile.start);
                    }
                    let input = if plain { input } else { &mapped[..n * c_in] };
                    let weight = Mat::new(&parameters[spec.weight(l)], c_in, c);
                    let kept = here.first_mut().filter(|kept| !kept.is_empty());
                    match kept {
                        Some(kept) => matmul(kept, false, Mat::new(input, n, c_in), weight),
                        None if l + 1 == layers => matmul(out, false, Mat::new(input, n, c_in), weight),
                        None => {
                            // A plain input is `x` here: only the first layer has none before it.
                            let input = if plain { x } else { &mapped[..n * c_in] };
                            matmul(&mut scratch[..n * c], false, Mat::new(input, n, c_in), weight);
                        }
                    }
                }
                let bias = &parameters[spec.bias(layers - 1)];
                let kept = products.last().filter(|kept| !kept.is_empty());
                for (i, out) in out.chunks_exact_mut(c_out).enumerate() {
                    match kept {
                        Some(kept) => load(out, &kept[i * c_out..][..c_out], Some(bias)),
                        None => out.iter_mut().zip(bias).for_each(|(o, b)| *o += b),
                    }
                    let row = tile.start + i;
                    maps[layers].forward(out, row);
                    match spec.residual() {
                        Residual::None => {}
                        Residual::Other => {
                            let other = other.map_or(&[][..], |other| &other[row * c_out..][..c_out]);
                            assert_eq!(other.len(), c_out, "a residual that is another tensor needs one");
                            out.iter_mut().zip(other).for_each(|(o, r)| *o += r);
                        }
                        Residual::WeightedInput => {
                            let weight = &parameters[spec.residual_weight()];
                            for ((o, r), w) in out.iter_mut().zip(&x[i * c_out..]).zip(weight) {
                                *o += r * w;
                            }
                        }
                    }
                }
            },
        );
    });
    (out, keep.then_some(Saved { products }))
}
