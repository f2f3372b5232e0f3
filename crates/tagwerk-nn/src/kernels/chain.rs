//! A chain of dense layers over rows, tile by tile, with an optional sum over each jet's rows at its end.
//!
//! A tile of 256 rows runs through the whole chain while its activations stay in cache; bias and activation are applied
//! where the product has just been written. With [`Pooling`] the last layer's rows are summed into their jet at once,
//! so that the widest activation `[R, C]` (256 channels in a PFN) is never written to memory: the backward pass needs
//! only where it was positive, one byte each.

use super::dropout::Drop;
use super::gemm::{Mat, affine, matmul, product, transpose, weight_gradient};
use super::partition::{self, TILE_ROWS};
use super::simd;
use super::workspace::{Buffer, Workspace};
use std::ops::Range;

/// Widths and activations of a chain. Hidden layers are ReLU; the last is ReLU or linear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSpec {
    widths: Vec<usize>,
    activate_last: bool,
}

impl ChainSpec {
    /// A chain through `widths` (input first).
    ///
    /// # Panics
    /// If there are fewer than two widths or one is zero; configurations are checked before they come here.
    pub fn new(widths: Vec<usize>, activate_last: bool) -> Self {
        assert!(
            widths.len() >= 2 && widths.iter().all(|&w| w > 0),
            "chain widths {widths:?}"
        );
        Self { widths, activate_last }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// Input width of layer `l`.
    pub fn c_in(&self, l: usize) -> usize {
        self.widths[l]
    }

    /// Output width of layer `l`.
    pub fn c_out(&self, l: usize) -> usize {
        self.widths[l + 1]
    }

    /// Width of the input.
    pub fn input(&self) -> usize {
        self.widths[0]
    }

    /// Width of the output.
    pub fn output(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// Whether layer `l` ends in a ReLU.
    pub fn activated(&self, l: usize) -> bool {
        l + 1 < self.layers() || self.activate_last
    }

    /// Where layer `l`'s weight `[c_in, c_out]` lies in the packed parameters; its bias `[c_out]` follows.
    pub fn weight(&self, l: usize) -> Range<usize> {
        let start: usize = (0..l).map(|i| (self.c_in(i) + 1) * self.c_out(i)).sum();
        start..start + self.c_in(l) * self.c_out(l)
    }

    /// Where layer `l`'s bias lies.
    pub fn bias(&self, l: usize) -> Range<usize> {
        let end = self.weight(l).end;
        end..end + self.c_out(l)
    }

    /// Number of parameters, weights and biases.
    pub fn parameter_count(&self) -> usize {
        self.bias(self.layers() - 1).end
    }

    /// Multiply-adds a row, forward.
    pub fn multiply_adds(&self) -> usize {
        (0..self.layers()).map(|l| self.c_in(l) * self.c_out(l)).sum()
    }
}

/// The sum at the end of a chain: `out_b = sum over rows r of jet b of weight_r y_r`.
#[derive(Debug, Clone, Copy)]
pub struct Pooling<'a> {
    /// `[B + 1]` row offsets.
    pub offsets: &'a [usize],
    /// `[R]`; 1 for every row if absent.
    pub weights: Option<&'a [f32]>,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug)]
pub struct Saved {
    /// Hidden activations, `[R, c_out(l)]` each.
    hidden: Vec<Buffer>,
    /// 1 where the last layer's activation was positive, `[R, C]`; empty if it is linear.
    positive: Buffer<u8>,
}

struct Tile {
    segments: Range<usize>,
    rows: Range<usize>,
}

fn tiles(rows: usize, pooling: Option<Pooling>) -> Vec<Tile> {
    match pooling {
        Some(p) => partition::by_rows(p.offsets, TILE_ROWS)
            .into_iter()
            .map(|segments| Tile {
                rows: p.offsets[segments.start]..p.offsets[segments.end],
                segments,
            })
            .collect(),
        None => {
            // Small batches are halved, so that two cores share them.
            let target = rows.div_ceil(2).clamp(16, TILE_ROWS);
            partition::even(rows, rows.div_ceil(target))
                .into_iter()
                .map(|rows| Tile { segments: 0..0, rows })
                .collect()
        }
    }
}

/// The dropout behind layer `l`, if there is one.
#[inline(always)]
fn dropped(spec: &ChainSpec, drops: &[Drop], l: usize) -> Option<Drop> {
    drops.get(l).copied().filter(|_| spec.activated(l))
}

/// Runs the chain: `x: [R, C_0]` to `[R, C_L]`, or `[B, C_L]` with pooling. `drops` holds none, or the dropout behind the
/// activation of each layer that has one; a layer that is summed drops nothing. `keep` saves what [`backward`] needs.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    spec: &ChainSpec,
    parameters: &[f32],
    x: &[f32],
    pooling: Option<Pooling>,
    drops: &[Drop],
    keep: bool,
    workspace: &Workspace,
) -> (Vec<f32>, Option<Saved>) {
    let rows = x.len() / spec.input();
    let (layers, c_last) = (spec.layers(), spec.output());
    let segments = pooling.map(|p| p.offsets.len() - 1);
    let mut out = vec![0.0; segments.unwrap_or(rows) * c_last];
    let mut hidden: Vec<Buffer> = match keep {
        true => (0..layers - 1).map(|l| workspace.take(rows * spec.c_out(l))).collect(),
        false => Vec::new(),
    };
    let mut positive = workspace.take_bytes(if keep && spec.activate_last { rows * c_last } else { 0 });

    let tiles = tiles(rows, pooling);
    let widest = (0..layers).map(|l| spec.c_out(l)).max().unwrap_or(0);
    struct Task<'a> {
        tile: &'a Tile,
        out: &'a mut [f32],
        hidden: Vec<&'a mut [f32]>,
        positive: &'a mut [u8],
    }
    let mut tasks: Vec<Task> = {
        let outs = partition::split_mut(
            &mut out,
            tiles.iter().map(|t| if segments.is_some() { t.segments.len() } else { t.rows.len() } * c_last),
        );
        let mut positive = &mut positive[..];
        tiles
            .iter()
            .zip(outs)
            .map(|(tile, out)| {
                let take = if positive.is_empty() {
                    0
                } else {
                    tile.rows.len() * c_last
                };
                let (mine, rest) = std::mem::take(&mut positive).split_at_mut(take);
                positive = rest;
                Task {
                    tile,
                    out,
                    hidden: Vec::new(),
                    positive: mine,
                }
            })
            .collect()
    };
    for (l, buffer) in hidden.iter_mut().enumerate() {
        let pieces = partition::split_mut(buffer, tiles.iter().map(|t| t.rows.len() * spec.c_out(l)));
        for (task, piece) in tasks.iter_mut().zip(pieces) {
            task.hidden.push(piece);
        }
    }

    partition::run(tasks, |mut task| {
        let n = task.tile.rows.len();
        let needs_scratch = !keep || pooling.is_some();
        let mut ping = workspace.take(if needs_scratch { n * widest } else { 0 });
        let mut pong = workspace.take(if keep { 0 } else { n * widest });
        simd::dispatch(
            #[inline(always)]
            || {
                let x = &x[task.tile.rows.start * spec.input()..task.tile.rows.end * spec.input()];
                for l in 0..layers {
                    let (c_in, c_out) = (spec.c_in(l), spec.c_out(l));
                    let (w, b) = (&parameters[spec.weight(l)], &parameters[spec.bias(l)]);
                    let last = l + 1 == layers;
                    // Where this layer reads and writes: kept buffers while training, two scratch tiles otherwise.
                    let to_out = last && pooling.is_none();
                    let (input, y): (&[f32], &mut [f32]) = if keep {
                        let (before, here) = task.hidden.split_at_mut(l);
                        let input = if l == 0 { x } else { &before[l - 1][..] };
                        match here.first_mut() {
                            Some(here) => (input, &mut here[..]),
                            None if to_out => (input, &mut task.out[..]),
                            None => (input, &mut ping[..n * c_out]),
                        }
                    } else {
                        let (from, to) = if l % 2 == 0 {
                            (&pong[..], &mut ping[..])
                        } else {
                            (&ping[..], &mut pong[..])
                        };
                        let input = if l == 0 { x } else { &from[..n * c_in] };
                        if to_out {
                            (input, &mut task.out[..])
                        } else {
                            (input, &mut to[..n * c_out])
                        }
                    };
                    if last && pooling.is_some() {
                        product(y, input, w, n, c_in, c_out);
                        continue;
                    }
                    affine(y, input, w, b, spec.activated(l), n, c_in, c_out);
                    if let Some(drop) = dropped(spec, drops, l) {
                        drop.apply(y, task.tile.rows.start * c_out);
                    }
                    if last {
                        for (p, v) in task.positive.iter_mut().zip(y.iter()) {
                            *p = u8::from(*v > 0.0);
                        }
                    }
                }
                if let Some(p) = pooling {
                    let y = if keep || layers % 2 == 1 { &ping } else { &pong };
                    let (bias, relu) = (&parameters[spec.bias(layers - 1)], spec.activate_last);
                    pool(task.out, y, bias, relu, task.positive, p, task.tile);
                }
            },
        );
    });
    (out, keep.then_some(Saved { hidden, positive }))
}

/// Ends the last layer of a tile: bias, activation, where it was positive, and the sum over each jet's rows.
#[inline(always)]
fn pool(out: &mut [f32], y: &[f32], bias: &[f32], relu: bool, positive: &mut [u8], pooling: Pooling, tile: &Tile) {
    let c = bias.len();
    for (segment, out) in tile.segments.clone().zip(out.chunks_exact_mut(c)) {
        for r in pooling.offsets[segment]..pooling.offsets[segment + 1] {
            let start = (r - tile.rows.start) * c;
            let y = &y[start..start + c];
            let weight = pooling.weights.map_or(1.0, |w| w[r]);
            let activate = |v: f32| if relu { simd::relu(v) } else { v };
            if positive.is_empty() {
                for ((o, y), b) in out.iter_mut().zip(y).zip(bias) {
                    *o += weight * activate(y + b);
                }
            } else {
                let positive = &mut positive[start..start + c];
                for (((o, p), y), b) in out.iter_mut().zip(positive).zip(y).zip(bias) {
                    let v = activate(y + b);
                    *p = u8::from(v > 0.0);
                    *o += weight * v;
                }
            }
        }
    }
}

/// The gradients of [`forward`]: of the packed parameters, and of `x` if `input_gradient`.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    spec: &ChainSpec,
    parameters: &[f32],
    x: &[f32],
    pooling: Option<Pooling>,
    drops: &[Drop],
    saved: &Saved,
    d_out: &[f32],
    input_gradient: bool,
    workspace: &Workspace,
) -> (Vec<f32>, Option<Vec<f32>>) {
    let rows = x.len() / spec.input();
    let tiles = tiles(rows, pooling);
    let mut d_x = vec![0.0; if input_gradient { rows * spec.input() } else { 0 }];
    let groups = partition::even(tiles.len(), partition::group_count(tiles.len(), 2).max(2));
    let d_x_pieces = partition::split_mut(
        &mut d_x,
        groups.iter().map(|g| match input_gradient {
            true => (tiles[g.end - 1].rows.end - tiles[g.start].rows.start) * spec.input(),
            false => 0,
        }),
    );
    let tasks: Vec<_> = groups.into_iter().zip(d_x_pieces).collect();
    let widest = (0..spec.layers())
        .map(|l| spec.c_out(l).max(spec.c_in(l)))
        .max()
        .unwrap_or(0);
    let longest = tiles.iter().map(|t| t.rows.len()).max().unwrap_or(0);
    let mut transposed = workspace.take(spec.parameter_count());
    for l in usize::from(!input_gradient)..spec.layers() {
        let range = spec.weight(l);
        transpose(
            &mut transposed[range.clone()],
            &parameters[range],
            spec.c_in(l),
            spec.c_out(l),
        );
    }

    let parts = partition::run(tasks, |(group, d_x)| {
        // The first tile overwrites every value.
        let mut gradient = workspace.take(spec.parameter_count());
        let mut d_y = workspace.take(longest * widest);
        let mut d_h = workspace.take(longest * widest);
        let first_row = tiles[group.start].rows.start;
        for (index, tile) in tiles[group].iter().enumerate() {
            simd::dispatch(
                #[inline(always)]
                || {
                    let piece = match input_gradient {
                        true => {
                            let start = (tile.rows.start - first_row) * spec.input();
                            Some(&mut d_x[start..start + tile.rows.len() * spec.input()])
                        }
                        false => None,
                    };
                    backward_tile(
                        spec,
                        &transposed,
                        x,
                        pooling,
                        drops,
                        saved,
                        d_out,
                        tile,
                        &mut gradient,
                        index > 0,
                        (&mut d_y, &mut d_h),
                        piece,
                    )
                },
            );
        }
        gradient
    });
    let mut gradient = vec![0.0; spec.parameter_count()];
    partition::sum_in_order(&mut gradient, &parts);
    (gradient, input_gradient.then_some(d_x))
}

/// One tile backward: its share of the packed gradient is added if `accumulate`, else written.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn backward_tile(
    spec: &ChainSpec,
    transposed: &[f32],
    x: &[f32],
    pooling: Option<Pooling>,
    drops: &[Drop],
    saved: &Saved,
    d_out: &[f32],
    tile: &Tile,
    gradient: &mut [f32],
    accumulate: bool,
    scratch: (&mut [f32], &mut [f32]),
    d_x: Option<&mut [f32]>,
) {
    let n = tile.rows.len();
    let last = spec.layers() - 1;
    let (mut d_y, mut d_h) = scratch;
    if !accumulate {
        for l in 0..spec.layers() {
            gradient[spec.bias(l)].fill(0.0);
        }
    }
    let d_bias = &mut gradient[spec.bias(last)];
    // What is dropped is 0 like what the activation cut: only the factor of what stays is left to apply.
    let kept = |l: usize| dropped(spec, drops, l).map_or(1.0, Drop::kept);
    enter(d_y, d_bias, d_out, pooling, kept(last), &saved.positive, tile);
    for l in (0..=last).rev() {
        let (c_in, c_out) = (spec.c_in(l), spec.c_out(l));
        let input = match l {
            0 => &x[tile.rows.start * c_in..tile.rows.end * c_in],
            _ => &saved.hidden[l - 1][tile.rows.start * c_in..tile.rows.end * c_in],
        };
        weight_gradient(&mut gradient[spec.weight(l)], accumulate, input, d_y, n, c_in, c_out);
        if l > 0 {
            let weight = Mat::new(&transposed[spec.weight(l)], c_out, c_in);
            matmul(d_h, false, Mat::new(d_y, n, c_out), weight);
            let d_bias = &mut gradient[spec.bias(l - 1)];
            mask(&mut d_h[..n * c_in], d_bias, input, kept(l - 1));
            std::mem::swap(&mut d_y, &mut d_h);
        }
    }
    if let Some(d_x) = d_x {
        let (c_in, c_out) = (spec.c_in(0), spec.c_out(0));
        let weight = Mat::new(&transposed[spec.weight(0)], c_out, c_in);
        matmul(d_x, false, Mat::new(d_y, n, c_out), weight);
    }
}

/// The gradient of the last pre-activation of a tile, and its sum over rows; `positive` is empty for a linear layer, and
/// `kept` the factor of a dropout behind it.
#[inline(always)]
fn enter(
    d_y: &mut [f32],
    d_bias: &mut [f32],
    d_out: &[f32],
    pooling: Option<Pooling>,
    kept: f32,
    positive: &[u8],
    tile: &Tile,
) {
    let c = d_bias.len();
    match pooling {
        Some(p) => {
            for segment in tile.segments.clone() {
                let d = &d_out[segment * c..][..c];
                for r in p.offsets[segment]..p.offsets[segment + 1] {
                    let d_y = &mut d_y[(r - tile.rows.start) * c..][..c];
                    enter_row(d_y, d_bias, d, p.weights.map_or(1.0, |w| w[r]), positive, r);
                }
            }
        }
        None => {
            for (r, d_y) in tile.rows.clone().zip(d_y.chunks_exact_mut(c)) {
                enter_row(d_y, d_bias, &d_out[r * c..][..c], kept, positive, r);
            }
        }
    }
}

/// Row `r` of [`enter`].
#[inline(always)]
fn enter_row(d_y: &mut [f32], d_bias: &mut [f32], d: &[f32], weight: f32, positive: &[u8], r: usize) {
    if positive.is_empty() {
        for ((d_y, sum), d) in d_y.iter_mut().zip(d_bias).zip(d) {
            *d_y = weight * d;
            *sum += *d_y;
        }
    } else {
        let positive = &positive[r * d_y.len()..][..d_y.len()];
        for (((d_y, sum), d), p) in d_y.iter_mut().zip(d_bias).zip(d).zip(positive) {
            *d_y = if *p != 0 { weight * d } else { 0.0 };
            *sum += *d_y;
        }
    }
}

/// Backward of a ReLU and of a dropout with factor `kept`, zeroing `d` where `h` is zero, and the sum of `d` over rows.
#[inline(always)]
fn mask(d: &mut [f32], d_bias: &mut [f32], h: &[f32], kept: f32) {
    let c = d_bias.len();
    for (d, h) in d.chunks_exact_mut(c).zip(h.chunks_exact(c)) {
        for ((d, sum), h) in d.iter_mut().zip(d_bias.iter_mut()).zip(h) {
            *d = if *h > 0.0 { *d * kept } else { 0.0 };
            *sum += *d;
        }
    }
}
