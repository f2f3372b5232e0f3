//! Convolutions of pictures and sequences of which only some pixels are computed; see [`super::sites`].
//!
//! A batch is rows `[R + P, C]`: the pictures' own pixels, then the empty picture. A sequence is a picture of height 1.
//! A convolution is linear before its ReLU, so that a picture's own output is the empty picture's and what the
//! differences of its own inputs to the empty picture's add to that: `W_k (x_r - x_empty)` for every place `k` of the
//! kernel, along pairs of rows ([`super::panel`]). No product is formed with a pixel that is not a picture's own. The
//! backward pass runs along the same pairs; neither gathers patches.

mod grouped;
#[cfg(test)]
mod tests;

use super::panel::{Direction, Pair, Panels, multiply, outer_products};
use super::partition::{self, TILE_ROWS};
use super::simd;
use super::sites::{OUTSIDE, Sites, Window};
use super::workspace::Workspace;
use std::ops::Range;

/// Sizes of a convolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvSpec {
    /// How the kernel moves.
    pub window: Window,
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Groups that input and output channels are divided into; an output sees the inputs of its own group only.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// Whether a ReLU follows.
    pub relu: bool,
}

impl ConvSpec {
    /// Height and width of the output.
    pub fn output(&self) -> [usize; 2] {
        self.window.output()
    }

    /// Input channels that an output sees.
    pub fn group_inputs(&self) -> usize {
        self.c_in / self.groups.max(1)
    }

    /// Values that an output is made of.
    pub fn patch(&self) -> usize {
        self.window.places() * self.group_inputs()
    }

    /// Where the weight `[kernel height, kernel width, C_in / groups, C_out]` lies; a bias follows.
    pub fn weight(&self) -> Range<usize> {
        0..self.patch() * self.c_out
    }

    /// Where the bias lies.
    pub fn bias_range(&self) -> Range<usize> {
        let end = self.weight().end;
        end..end + if self.bias { self.c_out } else { 0 }
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.bias_range().end
    }

    /// Multiply-adds of a picture all of whose pixels are its own, forward.
    pub fn multiply_adds(&self) -> usize {
        self.window.output_pixels() * self.patch() * self.c_out
    }
}

/// Rows of one convolution: what it reads and what it writes.
#[derive(Debug, Clone, Copy)]
pub struct Grids<'a> {
    /// The input's.
    pub from: &'a Sites,
    /// The output's; own wherever an input reaches that differs from the empty picture's.
    pub to: &'a Sites,
}

impl Grids<'_> {
    fn check(&self, spec: &ConvSpec) {
        assert_eq!(self.from.size(), spec.window.input, "pictures of another size");
        assert_eq!(self.to.size(), spec.output(), "output pictures of another size");
        assert_eq!(self.from.len(), self.to.len(), "another number of pictures");
    }

    /// Whether each row of the output is made of the same row of the input.
    fn are_points(&self, spec: &ConvSpec) -> bool {
        spec.window.is_point() && (std::ptr::eq(self.from, self.to) || self.from == self.to)
    }

    /// The pairs of own input rows with own output rows at each place of the kernel, counted from the given first rows;
    /// `x`: the tile's inputs as differences to the empty picture. Only what does not differ may reach an output that
    /// is not own: rows that another layer on the same sites has use for.
    fn own_pairs(&self, lists: &mut [Vec<Pair>], tile: &Range<usize>, first_output: usize, outputs: &[u32], x: &[f32]) {
        lists.iter_mut().for_each(Vec::clear);
        let (offsets, own, k) = (self.from.offsets(), self.to.own(), lists.len());
        let c = x.len() / tile.len().max(1);
        let mut b = offsets.partition_point(|&o| o <= tile.start).saturating_sub(1);
        for (input, row) in tile.clone().enumerate() {
            while row >= offsets[b + 1] {
                b += 1;
            }
            let pixel = self.from.pixel_of_row()[row] as usize;
            let rows = self.to.picture(b);
            for (list, &output) in lists.iter_mut().zip(&outputs[pixel * k..]) {
                if output == OUTSIDE {
                    continue;
                }
                let to = rows[output as usize] as usize;
                if to < own {
                    list.push(Pair {
                        input: input as u32,
                        output: (to - first_output) as u32,
                    });
                } else {
                    let differs = x[input * c..(input + 1) * c].iter().any(|d| d.abs() > 0.0);
                    assert!(!differs, "an output that an own input reaches is not own");
                }
            }
        }
    }

    /// Groups of pictures for one gradient buffer each.
    fn groups(&self) -> Vec<Range<usize>> {
        partition::even(self.from.len(), partition::group_count(self.from.len(), 1))
    }
}

/// Own rows of a group of pictures.
fn rows_of(sites: &Sites, group: &Range<usize>) -> Range<usize> {
    sites.offsets()[group.start]..sites.offsets()[group.end]
}

fn tiles(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(TILE_ROWS)
        .map(move |start| start..(start + TILE_ROWS).min(end))
}

/// Own inputs minus the empty picture's.
#[inline(always)]
fn differences(out: &mut [f32], x: &[f32], from: &Sites, tile: &Range<usize>, c: usize) {
    let (own, empty) = x.split_at(from.own() * c);
    let pixels = &from.pixel_of_row()[tile.clone()];
    let rows = own[tile.start * c..tile.end * c].chunks_exact(c);
    for ((out, row), &pixel) in out.chunks_exact_mut(c).zip(rows).zip(pixels) {
        for ((out, x), e) in out.iter_mut().zip(row).zip(&empty[pixel as usize * c..]) {
            *out = x - e;
        }
    }
}

fn relu(values: &mut [f32]) {
    simd::dispatch(
        #[inline(always)]
        || values.iter_mut().for_each(|v| *v = simd::relu(*v)),
    );
}

fn fill_rows(rows: &mut [f32], row: &[f32]) {
    rows.chunks_exact_mut(row.len()).for_each(|r| r.copy_from_slice(row));
}

/// Runs the convolution: `x: [R + P, C_in]` to `[R' + P', C_out]`.
///
/// # Panics
/// If the sites are not the convolution's: a bug in the caller.
pub fn forward(spec: &ConvSpec, parameters: &[f32], x: &[f32], grids: Grids, workspace: &Workspace) -> Vec<f32> {
    grids.check(spec);
    let mut y = vec![0.0; grids.to.row_count() * spec.c_out];
    if spec.bias {
        let bias = &parameters[spec.bias_range()];
        fill_rows(&mut y[grids.to.own() * spec.c_out..], bias);
    }
    if spec.groups > 1 {
        grouped::forward(spec, parameters, x, &mut y, grids);
    } else {
        let shape = [spec.c_in, spec.c_out];
        let panels = Panels::new(
            &parameters[spec.weight()],
            spec.window.places(),
            shape,
            [spec.c_out, 1],
            workspace,
        );
        if grids.are_points(spec) {
            points(spec, parameters, x, &mut y, &panels);
        } else {
            pictures(spec, x, &mut y, &panels, grids, workspace);
        }
    }
    y
}

/// One product a row.
fn points(spec: &ConvSpec, parameters: &[f32], x: &[f32], y: &mut [f32], panels: &Panels) {
    let tasks: Vec<_> = y
        .chunks_mut(TILE_ROWS * spec.c_out)
        .zip(x.chunks(TILE_ROWS * spec.c_in))
        .collect();
    partition::run(tasks, |(y, x)| {
        if spec.bias {
            fill_rows(y, &parameters[spec.bias_range()]);
        }
        multiply(y, x, &[same_rows(x.len() / spec.c_in)], panels, Direction::Forward);
        if spec.relu {
            relu(y);
        }
    });
}

fn same_rows(n: usize) -> Vec<Pair> {
    (0..n as u32).map(|r| Pair { input: r, output: r }).collect()
}

/// The empty picture, then what the others differ by.
fn pictures(spec: &ConvSpec, x: &[f32], y: &mut [f32], panels: &Panels, grids: Grids, workspace: &Workspace) {
    let (c_in, c_out, k) = (spec.c_in, spec.c_out, spec.window.places());
    let (y, y_empty) = y.split_at_mut(grids.to.own() * c_out);
    let x_empty = &x[grids.from.own() * c_in..];
    let inputs = spec.window.inputs();
    let tasks: Vec<_> = y_empty.chunks_mut(TILE_ROWS * c_out).enumerate().collect();
    partition::run(tasks, |(tile, y)| {
        let mut lists = vec![Vec::new(); k];
        for (row, inputs) in inputs
            .chunks_exact(k)
            .skip(tile * TILE_ROWS)
            .take(TILE_ROWS)
            .enumerate()
        {
            for (list, &input) in lists.iter_mut().zip(inputs).filter(|(_, input)| **input != OUTSIDE) {
                let output = row as u32;
                list.push(Pair { input, output });
            }
        }
        multiply(y, x_empty, &lists, panels, Direction::Forward);
    });
    let outputs = spec.window.outputs();
    let groups = grids.groups();
    let pieces = partition::split_mut(y, groups.iter().map(|g| rows_of(grids.to, g).len() * c_out));
    partition::run(groups.iter().zip(pieces).collect(), |(group, y)| {
        let rows = rows_of(grids.to, group);
        for (y, &pixel) in y.chunks_exact_mut(c_out).zip(&grids.to.pixel_of_row()[rows.clone()]) {
            y.copy_from_slice(&y_empty[pixel as usize * c_out..][..c_out]);
        }
        let mut lists = vec![Vec::new(); k];
        let mut x_tile = workspace.take(TILE_ROWS * c_in);
        for tile in tiles(rows_of(grids.from, group)) {
            let x_tile = &mut x_tile[..tile.len() * c_in];
            simd::dispatch(
                #[inline(always)]
                || differences(x_tile, x, grids.from, &tile, c_in),
            );
            grids.own_pairs(&mut lists, &tile, rows.start, &outputs, x_tile);
            multiply(y, x_tile, &lists, panels, Direction::Forward);
        }
        if spec.relu {
            relu(y);
        }
    });
    if spec.relu {
        relu(y_empty);
    }
}

/// The gradients of [`forward`]: of the packed parameters, and of `x` if `input_gradient`. `y` is what it returned.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    spec: &ConvSpec,
    parameters: &[f32],
    x: &[f32],
    y: &[f32],
    d_y: &[f32],
    grids: Grids,
    input_gradient: bool,
    workspace: &Workspace,
) -> (Vec<f32>, Option<Vec<f32>>) {
    grids.check(spec);
    let masked;
    let d = if spec.relu {
        masked = through_relu(y, d_y, workspace);
        &masked[..]
    } else {
        d_y
    };
    let mut gradient = vec![0.0; spec.parameter_count()];
    let mut d_x = vec![0.0; if input_gradient { x.len() } else { 0 }];
    if spec.bias {
        let d_bias = &mut gradient[spec.bias_range()];
        for d in d.chunks_exact(spec.c_out) {
            d_bias.iter_mut().zip(d).for_each(|(b, d)| *b += d);
        }
    }
    let d_weight = &mut gradient[spec.weight()];
    if spec.groups > 1 {
        grouped::backward(spec, parameters, x, d, grids, d_weight, &mut d_x, workspace);
    } else {
        let shape = [spec.c_out, spec.c_in];
        let panels = Panels::new(
            &parameters[spec.weight()],
            spec.window.places(),
            shape,
            [1, spec.c_out],
            workspace,
        );
        if grids.are_points(spec) {
            points_backward(spec, x, d, d_weight, &mut d_x, &panels, workspace);
        } else {
            pictures_backward(spec, x, d, grids, d_weight, &mut d_x, &panels, workspace);
        }
    }
    (gradient, input_gradient.then_some(d_x))
}

/// `d` where `y` is above zero.
fn through_relu(y: &[f32], d_y: &[f32], workspace: &Workspace) -> super::workspace::Buffer {
    let mut d = workspace.take(y.len());
    let piece = 1 << 16;
    let tasks: Vec<_> = d
        .chunks_mut(piece)
        .zip(y.chunks(piece).zip(d_y.chunks(piece)))
        .collect();
    partition::run(tasks, |(d, (y, d_y))| {
        simd::dispatch(
            #[inline(always)]
            || {
                for ((d, y), d_y) in d.iter_mut().zip(y).zip(d_y) {
                    *d = if *y > 0.0 { *d_y } else { 0.0 };
                }
            },
        );
    });
    d
}

fn points_backward(
    spec: &ConvSpec,
    x: &[f32],
    d: &[f32],
    d_weight: &mut [f32],
    d_x: &mut [f32],
    panels: &Panels,
    workspace: &Workspace,
) {
    let (c_in, c_out) = (spec.c_in, spec.c_out);
    let rows = x.len() / c_in;
    let groups = partition::even(rows, partition::group_count(rows, TILE_ROWS));
    let wanted = !d_x.is_empty();
    let pieces = partition::split_mut(d_x, groups.iter().map(|g| if wanted { g.len() * c_in } else { 0 }));
    let parts = partition::run(groups.into_iter().zip(pieces).collect(), |(group, d_x)| {
        let mut gradient = workspace.zeros(c_in * c_out);
        let first = group.start;
        for tile in tiles(group) {
            let (x, d) = (
                &x[tile.start * c_in..tile.end * c_in],
                &d[tile.start * c_out..tile.end * c_out],
            );
            let lists = [same_rows(tile.len())];
            outer_products(&mut gradient, x, d, &lists, [c_in, c_out]);
            if wanted {
                let d_x = &mut d_x[(tile.start - first) * c_in..][..x.len()];
                multiply(d_x, d, &lists, panels, Direction::Backward);
            }
        }
        gradient
    });
    partition::sum_in_order(d_weight, &parts);
}

/// Most parts that the empty picture's gradient is computed in.
const EMPTY_PARTS: usize = 4;

#[allow(clippy::too_many_arguments)]
fn pictures_backward(
    spec: &ConvSpec,
    x: &[f32],
    d: &[f32],
    grids: Grids,
    d_weight: &mut [f32],
    d_x: &mut [f32],
    panels: &Panels,
    workspace: &Workspace,
) {
    let (c_in, c_out, k) = (spec.c_in, spec.c_out, spec.window.places());
    let (d, d_empty) = d.split_at(grids.to.own() * c_out);
    // An own output holds the empty picture's as well.
    let mut d_total = workspace.take(d_empty.len());
    d_total.copy_from_slice(d_empty);
    add_own(&mut d_total, d, grids.to, c_out, 1.0);
    let x_empty = &x[grids.from.own() * c_in..];
    let outputs = spec.window.outputs();

    enum Part {
        Own(Range<usize>),
        Empty(Range<usize>),
    }
    let groups = grids.groups();
    let empty = partition::even(grids.from.pixels(), EMPTY_PARTS);
    let wanted = !d_x.is_empty();
    let length = |rows: usize| if wanted { rows * c_in } else { 0 };
    let lengths = groups.iter().map(|g| length(rows_of(grids.from, g).len()));
    let pieces = partition::split_mut(d_x, lengths.chain(empty.iter().map(|e| length(e.len()))));
    let kinds = groups
        .into_iter()
        .map(Part::Own)
        .chain(empty.into_iter().map(Part::Empty));
    let parts = partition::run(kinds.zip(pieces).collect(), |(part, d_x)| {
        let mut gradient = workspace.zeros(k * c_in * c_out);
        let mut lists = vec![Vec::new(); k];
        match part {
            Part::Own(group) => {
                let (from, to) = (rows_of(grids.from, &group), rows_of(grids.to, &group));
                let d = &d[to.start * c_out..to.end * c_out];
                let mut x_tile = workspace.take(TILE_ROWS * c_in);
                for tile in tiles(from.clone()) {
                    let x_tile = &mut x_tile[..tile.len() * c_in];
                    simd::dispatch(
                        #[inline(always)]
                        || differences(x_tile, x, grids.from, &tile, c_in),
                    );
                    grids.own_pairs(&mut lists, &tile, to.start, &outputs, x_tile);
                    outer_products(&mut gradient, x_tile, d, &lists, [c_in, c_out]);
                    if wanted {
                        let d_x = &mut d_x[(tile.start - from.start) * c_in..][..x_tile.len()];
                        multiply(d_x, d, &lists, panels, Direction::Backward);
                    }
                }
            }
            Part::Empty(pixels) => {
                for (row, outputs) in outputs
                    .chunks_exact(k)
                    .skip(pixels.start)
                    .take(pixels.len())
                    .enumerate()
                {
                    for (list, &output) in lists.iter_mut().zip(outputs).filter(|(_, output)| **output != OUTSIDE) {
                        let input = row as u32;
                        list.push(Pair { input, output });
                    }
                }
                let x = &x_empty[pixels.start * c_in..pixels.end * c_in];
                outer_products(&mut gradient, x, &d_total, &lists, [c_in, c_out]);
                if wanted {
                    multiply(d_x, &d_total, &lists, panels, Direction::Backward);
                }
            }
        }
        gradient
    });
    partition::sum_in_order(d_weight, &parts);
    if wanted {
        // Own inputs entered as differences.
        let (d_x, d_x_empty) = d_x.split_at_mut(grids.from.own() * c_in);
        add_own(d_x_empty, d_x, grids.from, c_in, -1.0);
    }
}

/// Adds `factor` times every picture's own rows to the empty picture's.
fn add_own(empty: &mut [f32], own: &[f32], sites: &Sites, c: usize, factor: f32) {
    let pixels = sites.pixels().div_ceil(partition::MAX_GROUPS).max(1);
    let tasks: Vec<_> = empty.chunks_mut(pixels * c).enumerate().collect();
    partition::run(tasks, |(chunk, empty)| {
        simd::dispatch(
            #[inline(always)]
            || {
                let first = chunk * pixels;
                for b in 0..sites.len() {
                    let rows = sites.picture(b)[first..].iter();
                    for (empty, &row) in empty.chunks_exact_mut(c).zip(rows) {
                        let row = row as usize;
                        if row < sites.own() {
                            let own = &own[row * c..][..c];
                            empty.iter_mut().zip(own).for_each(|(e, o)| *e += factor * o);
                        }
                    }
                }
            },
        );
    });
}
