//! Products of scattered rows with a small matrix: the arithmetic of convolutions.
//!
//! A convolution adds `W_k x` of an input row to an output row for every pair of rows that place `k` of its kernel
//! joins. A general matrix product would want these rows gathered, and their products scattered, in buffers many times
//! the size of the rows; here both are read and written where they lie. The matrix is cut into panels of two vector
//! registers' width, which stay in the nearest cache while all pairs of a tile pass by; eight pairs at a time keep
//! their sums in registers.

use super::workspace::{Buffer, Workspace};
use pulp::Simd;

/// Two rows that a place of a kernel joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Row of the input.
    pub input: u32,
    /// Row of the output.
    pub output: u32,
}

/// Matrices `[rows, columns]`, one a place of a kernel, in panels of the width of two vectors.
#[derive(Debug)]
pub struct Panels {
    data: Buffer,
    rows: usize,
    columns: usize,
    width: usize,
}

/// Columns of a panel on this machine.
fn width() -> usize {
    struct Width;
    impl pulp::WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            2 * S::F32_LANES
        }
    }
    pulp::Arch::new().dispatch(Width)
}

impl Panels {
    /// Packs `count` matrices; `strides`: from one row, and from one column, to the next in `data`.
    pub fn new(
        data: &[f32],
        count: usize,
        [rows, columns]: [usize; 2],
        strides: [usize; 2],
        workspace: &Workspace,
    ) -> Self {
        let width = width();
        let mut packed = workspace.take(count * columns.div_ceil(width) * rows * width);
        let panels = columns.div_ceil(width);
        for (i, panel) in packed.chunks_exact_mut((rows * width).max(1)).enumerate() {
            let (matrix, first) = (&data[i / panels * rows * columns..], i % panels * width);
            for (r, row) in panel.chunks_exact_mut(width).enumerate() {
                for (c, value) in row.iter_mut().enumerate() {
                    *value = match first + c < columns {
                        true => matrix[r * strides[0] + (first + c) * strides[1]],
                        false => 0.0,
                    };
                }
            }
        }
        Self {
            data: packed,
            rows,
            columns,
            width,
        }
    }

    /// Panel `j` of matrix `k`: its first column, its columns, its values `[rows, width]`.
    #[inline(always)]
    fn panel(&self, k: usize, j: usize) -> (usize, usize, &[f32]) {
        let (first, size) = (j * self.width, self.rows * self.width);
        let at = (k * self.columns.div_ceil(self.width) + j) * size;
        (first, (self.columns - first).min(self.width), &self.data[at..at + size])
    }
}

/// Which of a pair is read and which is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From inputs to outputs.
    Forward,
    /// From outputs to inputs.
    Backward,
}

/// `target[r'] += source[r] W_k` for all pairs (r, r') of each list `k`.
///
/// # Panics
/// If a row lies outside: a bug in the caller.
pub fn multiply(target: &mut [f32], source: &[f32], lists: &[Vec<Pair>], panels: &Panels, direction: Direction) {
    struct Multiply<'a>(&'a mut [f32], &'a [f32], &'a [Vec<Pair>], &'a Panels, Direction);
    impl pulp::WithSimd for Multiply<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self(target, source, lists, panels, direction) = self;
            // As many sums as registers hold beside the operands.
            if S::REGISTER_COUNT >= 32 {
                multiply_with::<S, 8>(simd, target, source, lists, panels, direction);
            } else {
                multiply_with::<S, 4>(simd, target, source, lists, panels, direction);
            }
        }
    }
    pulp::Arch::new().dispatch(Multiply(target, source, lists, panels, direction));
}

#[inline(always)]
fn multiply_with<S: Simd, const M: usize>(
    simd: S,
    target: &mut [f32],
    source: &[f32],
    lists: &[Vec<Pair>],
    panels: &Panels,
    direction: Direction,
) {
    let (depth, columns) = (panels.rows, panels.columns);
    let ends = |pair: &Pair| match direction {
        Direction::Forward => (pair.input as usize, pair.output as usize),
        Direction::Backward => (pair.output as usize, pair.input as usize),
    };
    for (k, list) in lists.iter().enumerate() {
        for j in 0..columns.div_ceil(panels.width) {
            let (first, width, panel) = panels.panel(k, j);
            for block in list.chunks(M) {
                // A block that is not full multiplies its first row again and drops the product.
                let row = |i: usize| {
                    let (from, _) = ends(block.get(i).unwrap_or(&block[0]));
                    &source[from * depth..][..depth]
                };
                let sums = products::<S, M>(simd, std::array::from_fn(row), panel);
                for (pair, sums) in block.iter().zip(sums) {
                    let (_, to) = ends(pair);
                    add::<S>(simd, &mut target[to * columns + first..][..width], sums);
                }
            }
        }
    }
}

/// The products of `M` rows with a panel `[rows, 2 lanes]`.
#[inline(always)]
fn products<S: Simd, const M: usize>(simd: S, rows: [&[f32]; M], panel: &[f32]) -> [[S::f32s; 2]; M] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; M];
    let (panel, _) = S::as_simd_f32s(panel);
    let panel = panel.chunks_exact(2);
    assert!(rows.iter().all(|row| row.len() >= panel.len()));
    for (i, panel) in panel.enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            // SAFETY: `i` is below the number of the panel's rows, which no row is shorter than.
            let value = simd.splat_f32s(unsafe { *row.get_unchecked(i) });
            sum[0] = simd.mul_add_e_f32s(value, panel[0], sum[0]);
            sum[1] = simd.mul_add_e_f32s(value, panel[1], sum[1]);
        }
    }
    sums
}

/// `row += sums`, of which a row of fewer columns takes the first.
#[inline(always)]
fn add<S: Simd>(simd: S, row: &mut [f32], sums: [S::f32s; 2]) {
    if row.len() == 2 * S::F32_LANES {
        let (row, _) = S::as_mut_simd_f32s(row);
        row[0] = simd.add_f32s(row[0], sums[0]);
        row[1] = simd.add_f32s(row[1], sums[1]);
    } else {
        for (part, sum) in row.chunks_mut(S::F32_LANES).zip(sums) {
            simd.partial_store_f32s(part, simd.add_f32s(simd.partial_load_f32s(part), sum));
        }
    }
}

/// `W_k += sum of x_r^T d_r'` over all pairs (r, r') of each list `k`: `gradient: [K, rows, columns]`, `x: [.., rows]`,
/// `d: [.., columns]`.
///
/// # Panics
/// If a row lies outside: a bug in the caller.
pub fn outer_products(gradient: &mut [f32], x: &[f32], d: &[f32], lists: &[Vec<Pair>], [rows, columns]: [usize; 2]) {
    struct Outer<'a>(&'a mut [f32], &'a [f32], &'a [f32], &'a [Vec<Pair>], [usize; 2]);
    impl pulp::WithSimd for Outer<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self(gradient, x, d, lists, [rows, columns]) = self;
            for (gradient, list) in gradient.chunks_exact_mut((rows * columns).max(1)).zip(lists) {
                let wide = if S::REGISTER_COUNT >= 32 { 8 } else { 4 };
                let whole = rows - rows % wide;
                for first in (0..whole).step_by(wide) {
                    match wide {
                        8 => outer_rows::<S, 8>(simd, gradient, x, d, list, [rows, columns], first),
                        _ => outer_rows::<S, 4>(simd, gradient, x, d, list, [rows, columns], first),
                    }
                }
                for first in whole..rows {
                    outer_rows::<S, 1>(simd, gradient, x, d, list, [rows, columns], first);
                }
            }
        }
    }
    pulp::Arch::new().dispatch(Outer(gradient, x, d, lists, [rows, columns]));
}

/// Rows `first..first + M` of [`outer_products`] of one list.
#[inline(always)]
fn outer_rows<S: Simd, const M: usize>(
    simd: S,
    gradient: &mut [f32],
    x: &[f32],
    d: &[f32],
    list: &[Pair],
    [rows, columns]: [usize; 2],
    first: usize,
) {
    let full = 2 * S::F32_LANES;
    for column in (0..columns).step_by(full) {
        let width = full.min(columns - column);
        let mut sums = [[simd.splat_f32s(0.0); 2]; M];
        for pair in list {
            let x = &x[pair.input as usize * rows + first..][..M];
            let d = &d[pair.output as usize * columns + column..][..width];
            let d = match S::as_simd_f32s(d).0 {
                &[a, b] => [a, b],
                _ => {
                    let (a, b) = d.split_at(width.min(S::F32_LANES));
                    [simd.partial_load_f32s(a), simd.partial_load_f32s(b)]
                }
            };
            for (sum, &value) in sums.iter_mut().zip(x) {
                let value = simd.splat_f32s(value);
                sum[0] = simd.mul_add_e_f32s(value, d[0], sum[0]);
                sum[1] = simd.mul_add_e_f32s(value, d[1], sum[1]);
            }
        }
        for (m, sums) in sums.into_iter().enumerate() {
            add::<S>(simd, &mut gradient[(first + m) * columns + column..][..width], sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, salt: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + salt * 104_729) % 1000) as f32 / 500.0 - 1.0)
            .collect()
    }

    #[test]
    fn products_along_pairs_equal_plain_loops_at_odd_and_even_sizes() {
        for [rows, columns] in [[1, 1], [7, 5], [8, 32], [9, 33], [20, 64], [64, 100]] {
            let workspace = Workspace::default();
            let (inputs, outputs, k) = (30, 25, 3);
            let weights = numbers(k * rows * columns, 1);
            let (x, d) = (numbers(inputs * rows, 2), numbers(outputs * columns, 3));
            let list = |k: usize| -> Vec<Pair> {
                let pair = |i: usize| Pair {
                    input: (i * 7 % inputs) as u32,
                    output: (i * 3 % outputs) as u32,
                };
                (0..4 + 9 * k).map(pair).collect()
            };
            let lists: Vec<_> = (0..k).map(list).collect();
            let (mut y, mut d_x) = (vec![0.5; outputs * columns], vec![0.5; inputs * rows]);
            let mut gradient = vec![0.5; k * rows * columns];
            let forward = Panels::new(&weights, k, [rows, columns], [columns, 1], &workspace);
            let backward = Panels::new(&weights, k, [columns, rows], [1, columns], &workspace);
            multiply(&mut y, &x, &lists, &forward, Direction::Forward);
            multiply(&mut d_x, &d, &lists, &backward, Direction::Backward);
            outer_products(&mut gradient, &x, &d, &lists, [rows, columns]);
            let (mut y0, mut d_x0) = (vec![0.5f64; y.len()], vec![0.5f64; d_x.len()]);
            let mut gradient0 = vec![0.5f64; gradient.len()];
            for (k, list) in lists.iter().enumerate() {
                for pair in list {
                    let (i, o) = (pair.input as usize * rows, pair.output as usize * columns);
                    for r in 0..rows {
                        for c in 0..columns {
                            let at = (k * rows + r) * columns + c;
                            y0[o + c] += f64::from(x[i + r]) * f64::from(weights[at]);
                            d_x0[i + r] += f64::from(d[o + c]) * f64::from(weights[at]);
                            gradient0[at] += f64::from(x[i + r]) * f64::from(d[o + c]);
                        }
                    }
                }
            }
            for (found, expected) in [(y, y0), (d_x, d_x0), (gradient, gradient0)] {
                for (f, e) in found.iter().zip(expected) {
                    assert!((f64::from(*f) - e).abs() < 1e-4, "{rows} x {columns}: {f}, {e}");
                }
            }
        }
    }
}
