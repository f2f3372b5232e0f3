//! The arithmetic of a program: matrix and vector operations on the particles of one jet, with the widest vector
//! instructions of the machine.
//!
//! A matrix of `n` particles has `n` rows of [`stride`]`(n)` entries, a vector one such row; entries past `n` are zero
//! and stay so. Functions are inlined into the one dispatch of [`super::program`] and compiled for its instructions.

use pulp::Simd;

/// Entries a row: whole vector registers of any width.
pub(crate) fn stride(n: usize) -> usize {
    n.next_multiple_of(8)
}

/// A matrix as an operand.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub values: &'a [f64],
    /// Read with rows and columns exchanged. Never set for symmetric matrices.
    pub transposed: bool,
    pub symmetric: bool,
}

/// Memory for packed operands, reused from jet to jet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packed {
    pub left: Vec<f64>,
    pub right: Vec<f64>,
    pub weights: Vec<f64>,
}

/// `out` = left diag(weights) right; where the result is symmetric, half of it is computed.
#[inline(always)]
pub(crate) fn product<S: Simd>(
    simd: S,
    n: usize,
    left: Matrix,
    right: Matrix,
    symmetric: bool,
    packed: &mut Packed,
    out: &mut [f64],
) {
    let Packed {
        left: panel,
        right: turned,
        weights,
    } = packed;
    let right = if right.transposed {
        transpose(n, right.values, turned);
        turned
    } else {
        right.values
    };
    let mut job = Product {
        simd,
        n,
        left,
        right: S::as_simd_f64s(right).0,
        weights,
        symmetric,
        panel,
        out,
        first: 0,
    };
    // As many accumulators as registers hold.
    if S::REGISTER_COUNT >= 32 {
        while job.first + 8 <= n {
            job.rows::<8, 2>();
        }
    } else {
        while job.first + 4 <= n {
            job.rows::<4, 3>();
        }
    }
    match n - job.first {
        0 => {}
        1 => job.rows::<1, 2>(),
        2 => job.rows::<2, 2>(),
        3 => job.rows::<3, 2>(),
        4 => job.rows::<4, 2>(),
        5 => job.rows::<5, 2>(),
        6 => job.rows::<6, 2>(),
        _ => job.rows::<7, 2>(),
    }
    if symmetric {
        mirror(n, out);
    }
}

/// A matrix product under way.
struct Product<'a, S: Simd> {
    simd: S,
    n: usize,
    left: Matrix<'a>,
    right: &'a [S::f64s],
    weights: &'a [f64],
    symmetric: bool,
    panel: &'a mut Vec<f64>,
    out: &'a mut [f64],
    /// The next row.
    first: usize,
}

impl<S: Simd> Product<'_, S> {
    /// The next `ROWS` rows, `VECTORS` registers of columns at a time.
    #[inline(always)]
    fn rows<const ROWS: usize, const VECTORS: usize>(&mut self) {
        let (n, first, stride) = (self.n, self.first, stride(self.n));
        self.first += ROWS;
        self.panel.resize(n * ROWS, 0.0);
        let (panel, _) = self.panel.as_chunks_mut::<ROWS>();
        let values = self.left.values;
        if self.left.symmetric || self.left.transposed {
            for ((entry, row), weight) in panel.iter_mut().zip(values.chunks_exact(stride)).zip(self.weights) {
                for (slot, value) in entry.iter_mut().zip(&row[first..]) {
                    *slot = value * weight;
                }
            }
        } else {
            for row in 0..ROWS {
                let values = &values[(first + row) * stride..][..n];
                for ((entry, value), weight) in panel.iter_mut().zip(values).zip(self.weights) {
                    entry[row] = value * weight;
                }
            }
        }
        let panel = &*panel;
        let width = stride / S::F64_LANES;
        let (out, _) = S::as_mut_simd_f64s(&mut self.out[first * stride..]);
        let mut column = if self.symmetric { first / S::F64_LANES } else { 0 };
        while column + VECTORS <= width {
            let sums = tile::<S, ROWS, VECTORS>(self.simd, panel, self.right, width, column);
            for (row, sums) in sums.iter().enumerate() {
                out[row * width + column..][..VECTORS].copy_from_slice(sums);
            }
            column += VECTORS;
        }
        while column < width {
            let sums = tile::<S, ROWS, 1>(self.simd, panel, self.right, width, column);
            for (row, sums) in sums.iter().enumerate() {
                out[row * width + column] = sums[0];
            }
            column += 1;
        }
    }
}

/// Sums over k of panel[k][row] * right[k][column + vector], for a block of rows and vector registers.
#[inline(always)]
pub(crate) fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    panel: &[[f64; ROWS]],
    right: &[S::f64s],
    width: usize,
    column: usize,
) -> [[S::f64s; VECTORS]; ROWS] {
    let mut sums = [[simd.splat_f64s(0.0); VECTORS]; ROWS];
    for (left, right) in panel.iter().zip(right.chunks_exact(width)) {
        let right = &right[column..column + VECTORS];
        for row in 0..ROWS {
            let value = simd.splat_f64s(left[row]);
            for vector in 0..VECTORS {
                sums[row][vector] = simd.mul_add_e_f64s(value, right[vector], sums[row][vector]);
            }
        }
    }
    sums
}

/// `out` = matrix (weights).
#[inline(always)]
pub(crate) fn apply<S: Simd>(simd: S, n: usize, matrix: Matrix, weights: &[f64], out: &mut [f64]) {
    let stride = stride(n);
    if !(matrix.symmetric || matrix.transposed) {
        out.fill(0.0);
        let (weights, _) = S::as_simd_f64s(weights);
        for (slot, row) in out.iter_mut().zip(matrix.values.chunks_exact(stride)) {
            let (row, _) = S::as_simd_f64s(row);
            let mut sum = simd.splat_f64s(0.0);
            for (&a, &b) in row.iter().zip(weights) {
                sum = simd.mul_add_e_f64s(a, b, sum);
            }
            *slot = simd.reduce_sum_f64s(sum);
        }
        return;
    }
    let (rows, _) = S::as_simd_f64s(matrix.values);
    let (out, _) = S::as_mut_simd_f64s(out);
    let (weights, _) = weights[..n].as_chunks::<1>();
    let width = stride / S::F64_LANES;
    let mut column = 0;
    while column < width {
        // Several independent sums at a time hide the latency of the addition.
        match width - column {
            1 => apply_columns::<S, 1>(simd, weights, rows, width, &mut column, out),
            2 => apply_columns::<S, 2>(simd, weights, rows, width, &mut column, out),
            3 => apply_columns::<S, 3>(simd, weights, rows, width, &mut column, out),
            4 => apply_columns::<S, 4>(simd, weights, rows, width, &mut column, out),
            5 => apply_columns::<S, 5>(simd, weights, rows, width, &mut column, out),
            6 => apply_columns::<S, 6>(simd, weights, rows, width, &mut column, out),
            7 => apply_columns::<S, 7>(simd, weights, rows, width, &mut column, out),
            _ => apply_columns::<S, 8>(simd, weights, rows, width, &mut column, out),
        }
    }
}

#[inline(always)]
fn apply_columns<S: Simd, const VECTORS: usize>(
    simd: S,
    weights: &[[f64; 1]],
    rows: &[S::f64s],
    width: usize,
    column: &mut usize,
    out: &mut [S::f64s],
) {
    let [sums] = tile::<S, 1, VECTORS>(simd, weights, rows, width, *column);
    out[*column..*column + VECTORS].copy_from_slice(&sums);
    *column += VECTORS;
}

/// `out` = (a by elements b) (weights); both symmetric or transposed, or both not.
#[inline(always)]
pub(crate) fn apply_hadamard<S: Simd>(simd: S, n: usize, a: Matrix, b: Matrix, weights: &[f64], out: &mut [f64]) {
    let width = stride(n) / S::F64_LANES;
    let (a_rows, b_rows) = (S::as_simd_f64s(a.values).0, S::as_simd_f64s(b.values).0);
    if (a.symmetric || a.transposed) && (b.symmetric || b.transposed) {
        let (out, _) = S::as_mut_simd_f64s(out);
        let mut column = 0;
        while column < width {
            match width - column {
                1 => hadamard_columns::<S, 1>(simd, &weights[..n], a_rows, b_rows, width, &mut column, out),
                2 => hadamard_columns::<S, 2>(simd, &weights[..n], a_rows, b_rows, width, &mut column, out),
                3 => hadamard_columns::<S, 3>(simd, &weights[..n], a_rows, b_rows, width, &mut column, out),
                4 => hadamard_columns::<S, 4>(simd, &weights[..n], a_rows, b_rows, width, &mut column, out),
                5 => hadamard_columns::<S, 5>(simd, &weights[..n], a_rows, b_rows, width, &mut column, out),
                6 => hadamard_columns::<S, 6>(simd, &weights[..n], a_rows, b_rows, width, &mut column, out),
                _ => hadamard_columns::<S, 7>(simd, &weights[..n], a_rows, b_rows, width, &mut column, out),
            }
        }
        return;
    }
    out.fill(0.0);
    let (weights, _) = S::as_simd_f64s(weights);
    for ((slot, a), b) in out
        .iter_mut()
        .zip(a_rows.chunks_exact(width))
        .zip(b_rows.chunks_exact(width))
        .take(n)
    {
        let mut sum = simd.splat_f64s(0.0);
        for ((&a, &b), &weight) in a.iter().zip(b).zip(weights) {
            sum = simd.mul_add_e_f64s(simd.mul_f64s(a, b), weight, sum);
        }
        *slot = simd.reduce_sum_f64s(sum);
    }
}

#[inline(always)]
fn hadamard_columns<S: Simd, const VECTORS: usize>(
    simd: S,
    weights: &[f64],
    a: &[S::f64s],
    b: &[S::f64s],
    width: usize,
    column: &mut usize,
    out: &mut [S::f64s],
) {
    let mut sums = [simd.splat_f64s(0.0); VECTORS];
    let columns = *column..*column + VECTORS;
    for ((&weight, a), b) in weights.iter().zip(a.chunks_exact(width)).zip(b.chunks_exact(width)) {
        let weight = simd.splat_f64s(weight);
        let (a, b) = (&a[columns.clone()], &b[columns.clone()]);
        for vector in 0..VECTORS {
            sums[vector] = simd.mul_add_e_f64s(simd.mul_f64s(a[vector], b[vector]), weight, sums[vector]);
        }
    }
    out[columns].copy_from_slice(&sums);
    *column += VECTORS;
}

/// `out`_ij = a_ij b_ij.
#[inline(always)]
pub(crate) fn hadamard(n: usize, a: Matrix, b: Matrix, packed: &mut Packed, out: &mut [f64]) {
    let Packed { left, right, .. } = packed;
    let straight = |matrix: Matrix<'_>, memory: &mut Vec<f64>| {
        if matrix.transposed {
            transpose(n, matrix.values, memory);
        }
    };
    straight(a, left);
    straight(b, right);
    let a: &[f64] = if a.transposed { left } else { a.values };
    let b: &[f64] = if b.transposed { right } else { b.values };
    times(a, b, out);
}

/// `out` = a b, element by element.
#[inline(always)]
pub(crate) fn times(a: &[f64], b: &[f64], out: &mut [f64]) {
    for ((slot, a), b) in out.iter_mut().zip(a).zip(b) {
        *slot = a * b;
    }
}

/// Sum of a b c, element by element.
#[inline(always)]
pub(crate) fn triple_sum<S: Simd>(simd: S, a: &[f64], b: &[f64], c: &[f64]) -> f64 {
    let (a, b, c) = (S::as_simd_f64s(a).0, S::as_simd_f64s(b).0, S::as_simd_f64s(c).0);
    let mut sum = simd.splat_f64s(0.0);
    for ((&a, &b), &c) in a.iter().zip(b).zip(c) {
        sum = simd.mul_add_e_f64s(simd.mul_f64s(a, b), c, sum);
    }
    simd.reduce_sum_f64s(sum)
}

/// Sum of a b, element by element.
#[inline(always)]
pub(crate) fn double_sum<S: Simd>(simd: S, a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (S::as_simd_f64s(a).0, S::as_simd_f64s(b).0);
    let mut sum = simd.splat_f64s(0.0);
    for (&a, &b) in a.iter().zip(b) {
        sum = simd.mul_add_e_f64s(a, b, sum);
    }
    simd.reduce_sum_f64s(sum)
}

/// Copies the upper triangle to the lower one.
#[inline(always)]
pub(crate) fn mirror(n: usize, matrix: &mut [f64]) {
    let stride = stride(n);
    for i in 1..n {
        let (above, row) = matrix.split_at_mut(i * stride);
        for (j, slot) in row[..i].iter_mut().enumerate() {
            *slot = above[j * stride + i];
        }
    }
}

#[inline(always)]
fn transpose(n: usize, matrix: &[f64], out: &mut Vec<f64>) {
    let stride = stride(n);
    out.clear();
    out.resize(n * stride, 0.0);
    for (i, row) in matrix.chunks_exact(stride).enumerate().take(n) {
        for (j, value) in row[..n].iter().enumerate() {
            out[j * stride + i] = *value;
        }
    }
}
