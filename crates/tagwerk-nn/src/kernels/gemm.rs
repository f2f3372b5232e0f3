//! Single-threaded matrix products on slices; parallelism is over tiles, one level up.

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

/// `y = x w + b` for `rows` rows, `x: [rows, c_in]`, `w: [c_in, c_out]`, `y: [rows, c_out]`; no bias if `b` is `None`.
#[inline(always)]
pub fn affine(y: &mut [f32], x: &[f32], w: &[f32], b: Option<&[f32]>, rows: usize, c_in: usize, c_out: usize) {
    for row in y[..rows * c_out].chunks_exact_mut(c_out) {
        match b {
            Some(b) => row.copy_from_slice(b),
            None => row.fill(0.0),
        }
    }
    if c_in <= SMALL {
        for (x, y) in x.chunks_exact(c_in).zip(y[..rows * c_out].chunks_exact_mut(c_out)) {
            for (x, w) in x.iter().zip(w.chunks_exact(c_out)) {
                for (y, w) in y.iter_mut().zip(w) {
                    *y += x * w;
                }
            }
        }
    } else {
        matmul(y, true, Mat::new(x, rows, c_in), Mat::new(w, c_in, c_out));
    }
}

/// Adds the gradient of [`affine`] with respect to `w` and `b`: `dw += x^T dy`, `db += sum over rows of dy`.
#[inline(always)]
pub fn affine_gradient(
    dw: &mut [f32],
    db: Option<&mut [f32]>,
    x: &[f32],
    dy: &[f32],
    rows: usize,
    c_in: usize,
    c_out: usize,
) {
    let dy = &dy[..rows * c_out];
    if let Some(db) = db {
        for dy in dy.chunks_exact(c_out) {
            for (b, d) in db.iter_mut().zip(dy) {
                *b += d;
            }
        }
    }
    if c_in <= SMALL {
        for (x, dy) in x.chunks_exact(c_in).zip(dy.chunks_exact(c_out)) {
            for (x, dw) in x.iter().zip(dw.chunks_exact_mut(c_out)) {
                for (w, d) in dw.iter_mut().zip(dy) {
                    *w += x * d;
                }
            }
        }
    } else {
        matmul(dw, true, Mat::new(x, rows, c_in).t(), Mat::new(dy, rows, c_out));
    }
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
    fn affine_and_its_gradient_equal_the_triple_loop_for_small_and_large_inner_dimensions() {
        for c_in in [1, 3, 8, 9, 40] {
            let (rows, c_out) = (21, 17);
            let (x, w, b) = (numbers(rows * c_in, 1), numbers(c_in * c_out, 2), numbers(c_out, 3));
            let mut y = vec![f32::NAN; rows * c_out];
            affine(&mut y, &x, &w, Some(&b), rows, c_in, c_out);
            let product = naive(&x, &w, rows, c_in, c_out);
            for (i, (y, p)) in y.iter().zip(&product).enumerate() {
                assert!((y - p - b[i % c_out]).abs() < 1e-4, "c_in {c_in}");
            }
            let dy = numbers(rows * c_out, 4);
            let (mut dw, mut db) = (vec![0.0; c_in * c_out], vec![0.0; c_out]);
            affine_gradient(&mut dw, Some(&mut db), &x, &dy, rows, c_in, c_out);
            for i in 0..c_in {
                for j in 0..c_out {
                    let sum: f32 = (0..rows).map(|r| x[r * c_in + i] * dy[r * c_out + j]).sum();
                    assert!((dw[i * c_out + j] - sum).abs() < 1e-4, "c_in {c_in}");
                }
            }
        }
    }
}
