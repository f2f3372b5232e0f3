//! Matrix products on slices, in one thread: parallelism is over tiles, one level up. (A transpose, which is done once
//! for all tiles, has threads of its own.)

use super::partition;
use super::simd::{self, channel_blocks};

/// A matrix view: `data[r * row_stride + c * col_stride]`.
#[derive(Clone, Copy)]
pub struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Mat<'a> {
    /// A row-major `rows x cols` matrix.
    ///
    /// # Panics
    /// If the slice is shorter than the matrix: a bug in the caller.
    #[inline]
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert!(
            data.len() >= rows * cols,
            "a {rows} x {cols} matrix in {} values",
            data.len()
        );
        Self {
            data,
            rows,
            cols,
            row_stride: cols,
            col_stride: 1,
        }
    }

    /// `rows x cols` of a row-major matrix whose rows begin `stride` values apart.
    ///
    /// # Panics
    /// If the slice is shorter than the matrix, or rows overlap: a bug in the caller.
    #[inline]
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(cols <= stride && data.len() >= rows * stride);
        Self {
            row_stride: stride,
            ..Self::new(data, rows, cols)
        }
    }

    /// The transposed view.
    #[inline]
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// `dst = a b`, or `dst += a b`; `dst` is row-major.
///
/// # Panics
/// If shapes do not fit: a bug in the caller.
#[inline]
pub fn matmul(dst: &mut [f32], accumulate: bool, a: Mat, b: Mat) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert_eq!(a.cols, b.rows);
    assert!(dst.len() >= m * n);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !accumulate {
            dst[..m * n].fill(0.0);
        }
        return;
    }
    // SAFETY: the constructors and the asserts above bound every index the product reads or writes, and `dst` is
    // borrowed mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Inner dimensions up to this are multiplied by plain loops: the packing of a general product would cost more.
const SMALL: usize = 8;

/// `y = x w + b`, then a ReLU if `relu`, for `rows` rows: `x: [rows, c_in]`, `w: [c_in, c_out]`, `y: [rows, c_out]`.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub fn affine(y: &mut [f32], x: &[f32], w: &[f32], b: &[f32], relu: bool, rows: usize, c_in: usize, c_out: usize) {
    let y = &mut y[..rows * c_out];
    if c_in <= SMALL {
        product(y, x, w, rows, c_in, c_out);
    } else {
        matmul(y, false, Mat::new(x, rows, c_in), Mat::new(w, c_in, c_out));
    }
    for row in y.chunks_exact_mut(c_out) {
        if relu {
            for (y, b) in row.iter_mut().zip(b) {
                *y = simd::relu(*y + b);
            }
        } else {
            for (y, b) in row.iter_mut().zip(b) {
                *y += b;
            }
        }
    }
}

/// `y = x w`, by plain loops where the inner dimension is small.
#[inline(always)]
pub fn product(y: &mut [f32], x: &[f32], w: &[f32], rows: usize, c_in: usize, c_out: usize) {
    match c_in {
        1 => small_product::<1>(y, x, w, c_out),
        2 => small_product::<2>(y, x, w, c_out),
        3 => small_product::<3>(y, x, w, c_out),
        4 => small_product::<4>(y, x, w, c_out),
        5 => small_product::<5>(y, x, w, c_out),
        6 => small_product::<6>(y, x, w, c_out),
        7 => small_product::<7>(y, x, w, c_out),
        8 => small_product::<8>(y, x, w, c_out),
        _ => matmul(y, false, Mat::new(x, rows, c_in), Mat::new(w, c_in, c_out)),
    }
}

#[inline(always)]
fn small_product<const K: usize>(y: &mut [f32], x: &[f32], w: &[f32], c_out: usize) {
    for (x, y) in x.chunks_exact(K).zip(y.chunks_exact_mut(c_out)) {
        for (j, y) in y.iter_mut().enumerate() {
            let mut sum = 0.0;
            for k in 0..K {
                sum += x[k] * w[k * c_out + j];
            }
            *y = sum;
        }
    }
}

/// The gradient of [`affine`] with respect to `w`: `dw = x^T dy`, or `dw += x^T dy`.
#[inline(always)]
pub fn weight_gradient(
    dw: &mut [f32],
    accumulate: bool,
    x: &[f32],
    dy: &[f32],
    rows: usize,
    c_in: usize,
    c_out: usize,
) {
    let dy = &dy[..rows * c_out];
    if c_in > SMALL {
        matmul(dw, accumulate, Mat::new(x, rows, c_in).t(), Mat::new(dy, rows, c_out));
        return;
    }
    for k in 0..c_in {
        let dw = &mut dw[k * c_out..(k + 1) * c_out];
        if !accumulate {
            dw.fill(0.0);
        }
        channel_blocks!(c_out, |at, W| weighted_column_sum::<W>(dw, x, k, c_in, dy, c_out, at));
    }
}

/// Writes the transpose of `src: [rows, cols]` to `dst: [cols, rows]`.
///
/// A product with a transposed operand gathers it element by element; where many tiles share that operand, it is
/// transposed once for all of them.
pub fn transpose(dst: &mut [f32], src: &[f32], rows: usize, cols: usize) {
    // Sixteen columns at a time: a cache line of the source, and as many open lines of the target.
    const BLOCK: usize = 16;
    let tasks: Vec<_> = dst[..rows * cols].chunks_mut(BLOCK * rows.max(1)).enumerate().collect();
    partition::run(tasks, |(block, dst)| {
        let first = block * BLOCK;
        for (r, row) in src.chunks_exact(cols).take(rows).enumerate() {
            for (dst, v) in dst.chunks_exact_mut(rows).zip(&row[first..]) {
                dst[r] = *v;
            }
        }
    });
}

/// Adds the sums of `W` columns of `dy` weighted by column `k` of `x`, kept in registers.
#[inline(always)]
fn weighted_column_sum<const W: usize>(
    sums: &mut [f32],
    x: &[f32],
    k: usize,
    c_in: usize,
    dy: &[f32],
    c: usize,
    at: usize,
) {
    let mut sum = [0.0f32; W];
    for (x, dy) in x.chunks_exact(c_in).zip(dy.chunks_exact(c)) {
        let (x, dy) = (x[k], &dy[at..at + W]);
        for i in 0..W {
            sum[i] += x * dy[i];
        }
    }
    sums[at..at + W].iter_mut().zip(sum).for_each(|(s, v)| *s += v);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(a: &[f32], b: &[f32], m: usize, k: usize, n: usize) -> Vec<f32> {
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
            }
        }
        c
    }

    fn numbers(n: usize, salt: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + salt * 104_729) % 1000) as f32 / 500.0 - 1.0)
            .collect()
    }

    #[test]
    fn a_transpose_swaps_rows_and_columns() {
        let mut dst = vec![0.0; 6];
        transpose(&mut dst, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3);
        assert_eq!(dst, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn affine_and_its_gradient_equal_the_triple_loop_for_small_and_large_inner_dimensions() {
        for c_in in [1, 3, 8, 9, 40] {
            let (rows, c_out) = (21, 17);
            let (x, w, b) = (numbers(rows * c_in, 1), numbers(c_in * c_out, 2), numbers(c_out, 3));
            let mut y = vec![f32::NAN; rows * c_out];
            affine(&mut y, &x, &w, &b, false, rows, c_in, c_out);
            let product = naive(&x, &w, rows, c_in, c_out);
            for (i, (y, p)) in y.iter().zip(&product).enumerate() {
                assert!((y - p - b[i % c_out]).abs() < 1e-4, "c_in {c_in}");
            }
            let dy = numbers(rows * c_out, 4);
            let mut dw = vec![f32::NAN; c_in * c_out];
            weight_gradient(&mut dw, false, &x, &dy, rows, c_in, c_out);
            weight_gradient(&mut dw, true, &x, &dy, rows, c_in, c_out);
            for i in 0..c_in {
                for j in 0..c_out {
                    let sum: f32 = (0..rows).map(|r| x[r * c_in + i] * dy[r * c_out + j]).sum();
                    assert!((dw[i * c_out + j] - 2.0 * sum).abs() < 2e-4, "c_in {c_in}");
                }
            }
        }
    }
}
