//! Products and activations on row-major tiles that stay in cache.
//!
//! A network of width 64 wants one shape of kernel: a few rows times all 64 columns, in registers, with the sum over the
//! inner dimension outside. Forward, backward and weight gradient are that shape. A row's result is the same to the last
//! bit whichever rows stand beside it: sums run over the inner dimension in its order, in every block size. So an answer
//! about one jet does not depend on the batch it was asked in.
//!
//! The loops are plain Rust over fixed-size arrays, which the compiler keeps in vector registers; only the choice of the
//! instruction set at run time needs `unsafe`.

mod activation;

pub(crate) use activation::{elu, elu_backward, elu_backward_with_tangents, elu_tangents, elu_with_tangents};

use super::real::Real;

/// Columns of a vector of accumulators.
const LANES: usize = 16;

/// The instruction set, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// AVX-512 with 32 registers of 16 numbers.
    #[cfg(target_arch = "x86_64")]
    V4,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    V3,
    /// What every machine of this architecture has.
    Base,
}

#[inline]
fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        // Each question is one look at a word that the standard library keeps.
        let v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        if v3
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            return Level::V4;
        }
        if v3 {
            return Level::V3;
        }
    }
    Level::Base
}

/// A kernel: `run` is compiled once for each instruction set.
trait Kernel {
    type Out;
    /// `FMA`: the machine has fused multiply-add. `WIDE`: it has 32 vector registers.
    fn run<const FMA: bool, const WIDE: bool>(self) -> Self::Out;
}

#[inline]
fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2")]
        fn v4<K: Kernel>(kernel: K) -> K::Out {
            kernel.run::<true, true>()
        }
        #[target_feature(enable = "avx2,fma")]
        fn v3<K: Kernel>(kernel: K) -> K::Out {
            kernel.run::<true, false>()
        }
        match level() {
            // SAFETY: `level` has found every instruction that `v4` is compiled for (bmi1 and bmi2 come with AVX2).
            Level::V4 => return unsafe { v4(kernel) },
            // SAFETY: `level` has found every instruction that `v3` is compiled for.
            Level::V3 => return unsafe { v3(kernel) },
            Level::Base => {}
        }
    }
    debug_assert_eq!(level(), Level::Base);
    kernel.run::<false, false>()
}

#[inline(always)]
fn multiply_add<T: Real, const FMA: bool>(a: T, b: T, c: T) -> T {
    if FMA { a.fused(b, c) } else { a * b + c }
}

/// `y += x w` for `rows` rows: `x: [rows, k]`, `w: [k, n]`, `y: [rows, n]`.
///
/// # Panics
/// If a slice is shorter than its matrix: a bug in the caller.
pub(crate) fn product<T: Real>(y: &mut [T], x: &[T], w: &[T], rows: usize, k: usize, n: usize) {
    assert!(y.len() >= rows * n && x.len() >= rows * k && w.len() >= k * n);
    dispatch(Product { y, x, w, rows, k, n });
}

struct Product<'a, T> {
    y: &'a mut [T],
    x: &'a [T],
    w: &'a [T],
    rows: usize,
    k: usize,
    n: usize,
}

impl<T: Real> Kernel for Product<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool, const WIDE: bool>(self) {
        let Self { y, x, w, rows, k, n } = self;
        let mut at = 0;
        while at < n {
            let wide = WIDE && n - at >= 4 * LANES;
            let full = n - at >= LANES;
            let mut row = 0;
            while row < rows {
                let left = rows - row;
                let (y, x) = (&mut y[row * n..], &x[row * k..]);
                row += if wide {
                    blocks::<T, 6, 4, FMA>(y, x, w, left, k, n, at)
                } else if full {
                    blocks::<T, 6, 1, FMA>(y, x, w, left, k, n, at)
                } else {
                    edge_block::<T, FMA>(y, x, w, k, n, at);
                    1
                };
            }
            at += if wide {
                4 * LANES
            } else if full {
                LANES
            } else {
                n - at
            };
        }
    }
}

/// `R` rows, or two, or one, times `16 V` columns; returns the rows done.
#[inline(always)]
fn blocks<T: Real, const R: usize, const V: usize, const FMA: bool>(
    y: &mut [T],
    x: &[T],
    w: &[T],
    left: usize,
    k: usize,
    n: usize,
    at: usize,
) -> usize {
    if left >= R {
        block::<T, R, V, FMA>(y, x, w, k, n, at);
        R
    } else if left >= 2 {
        block::<T, 2, V, FMA>(y, x, w, k, n, at);
        2
    } else {
        block::<T, 1, V, FMA>(y, x, w, k, n, at);
        1
    }
}

#[inline(always)]
fn block<T: Real, const R: usize, const V: usize, const FMA: bool>(
    y: &mut [T],
    x: &[T],
    w: &[T],
    k: usize,
    n: usize,
    at: usize,
) {
    let mut sum = [[[T::ZERO; LANES]; V]; R];
    for r in 0..R {
        for v in 0..V {
            sum[r][v].copy_from_slice(&y[r * n + at + v * LANES..][..LANES]);
        }
    }
    let x: [&[T]; R] = std::array::from_fn(|r| &x[r * k..(r + 1) * k]);
    for (i, w) in w.chunks_exact(n).take(k).enumerate() {
        let w = &w[at..at + LANES * V];
        let mut vectors = [[T::ZERO; LANES]; V];
        for v in 0..V {
            vectors[v].copy_from_slice(&w[v * LANES..][..LANES]);
        }
        for r in 0..R {
            let a = x[r][i];
            for v in 0..V {
                for l in 0..LANES {
                    sum[r][v][l] = multiply_add::<T, FMA>(a, vectors[v][l], sum[r][v][l]);
                }
            }
        }
    }
    for r in 0..R {
        for v in 0..V {
            y[r * n + at + v * LANES..][..LANES].copy_from_slice(&sum[r][v]);
        }
    }
}

/// One row times the last columns, fewer than a vector.
#[inline(always)]
fn edge_block<T: Real, const FMA: bool>(y: &mut [T], x: &[T], w: &[T], k: usize, n: usize, at: usize) {
    for (&a, w) in x[..k].iter().zip(w.chunks_exact(n)) {
        for (y, &w) in y[at..n].iter_mut().zip(&w[at..]) {
            *y = multiply_add::<T, FMA>(a, w, *y);
        }
    }
}

/// `dw += x^T dy`: `x: [rows, k]`, `dy: [rows, n]`, `dw: [k, n]`.
///
/// # Panics
/// If a slice is shorter than its matrix: a bug in the caller.
pub(crate) fn weight_gradient<T: Real>(dw: &mut [T], x: &[T], dy: &[T], rows: usize, k: usize, n: usize) {
    assert!(dw.len() >= k * n && x.len() >= rows * k && dy.len() >= rows * n);
    dispatch(WeightGradient { dw, x, dy, rows, k, n });
}

struct WeightGradient<'a, T> {
    dw: &'a mut [T],
    x: &'a [T],
    dy: &'a [T],
    rows: usize,
    k: usize,
    n: usize,
}

impl<T: Real> Kernel for WeightGradient<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool, const WIDE: bool>(self) {
        let Self { dw, x, dy, rows, k, n } = self;
        let (x, dy) = (&x[..rows * k], &dy[..rows * n]);
        let mut at = 0;
        while at < n {
            let (wide, full) = (WIDE && n - at >= 4 * LANES, n - at >= LANES);
            let mut i = 0;
            while i < k {
                let dw = &mut dw[i * n..];
                i += if wide {
                    gradient_blocks::<T, 4, FMA>(dw, x, dy, k, n, i, at)
                } else if full {
                    gradient_blocks::<T, 1, FMA>(dw, x, dy, k, n, i, at)
                } else {
                    for (x, dy) in x.chunks_exact(k).zip(dy.chunks_exact(n)) {
                        for (d, &dy) in dw[at..n].iter_mut().zip(&dy[at..]) {
                            *d = multiply_add::<T, FMA>(x[i], dy, *d);
                        }
                    }
                    1
                };
            }
            at += if wide {
                4 * LANES
            } else if full {
                LANES
            } else {
                n - at
            };
        }
    }
}

#[inline(always)]
fn gradient_blocks<T: Real, const V: usize, const FMA: bool>(
    dw: &mut [T],
    x: &[T],
    dy: &[T],
    k: usize,
    n: usize,
    i: usize,
    at: usize,
) -> usize {
    if k - i >= 6 {
        gradient_block::<T, 6, V, FMA>(dw, x, dy, k, n, i, at);
        6
    } else if k - i >= 4 {
        gradient_block::<T, 4, V, FMA>(dw, x, dy, k, n, i, at);
        4
    } else {
        gradient_block::<T, 1, V, FMA>(dw, x, dy, k, n, i, at);
        1
    }
}

#[inline(always)]
fn gradient_block<T: Real, const R: usize, const V: usize, const FMA: bool>(
    dw: &mut [T],
    x: &[T],
    dy: &[T],
    k: usize,
    n: usize,
    i: usize,
    at: usize,
) {
    let mut sum = [[[T::ZERO; LANES]; V]; R];
    for (x, dy) in x.chunks_exact(k).zip(dy.chunks_exact(n)) {
        let (x, dy) = (&x[i..i + R], &dy[at..at + LANES * V]);
        let mut vectors = [[T::ZERO; LANES]; V];
        for v in 0..V {
            vectors[v].copy_from_slice(&dy[v * LANES..][..LANES]);
        }
        for r in 0..R {
            for v in 0..V {
                for l in 0..LANES {
                    sum[r][v][l] = multiply_add::<T, FMA>(x[r], vectors[v][l], sum[r][v][l]);
                }
            }
        }
    }
    for r in 0..R {
        for v in 0..V {
            for (d, s) in dw[r * n + at + v * LANES..][..LANES].iter_mut().zip(sum[r][v]) {
                *d += s;
            }
        }
    }
}

/// `db += sum over rows of dy`: `dy: [rows, n]`, `db: [n]`.
pub(crate) fn column_sums<T: Real>(db: &mut [T], dy: &[T]) {
    struct Sums<'a, T>(&'a mut [T], &'a [T]);
    impl<T: Real> Kernel for Sums<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool, const WIDE: bool>(self) {
            for row in self.1.chunks_exact(self.0.len()) {
                self.0.iter_mut().zip(row).for_each(|(d, &v)| *d += v);
            }
        }
    }
    dispatch(Sums(db, dy));
}

/// `v[r] += x[r] . w` for rows of `w.len()` values, each written `stride` places after the one before.
pub(crate) fn row_dots<T: Real>(v: &mut [T], stride: usize, x: &[T], w: &[T]) {
    struct Dots<'a, T>(&'a mut [T], usize, &'a [T], &'a [T]);
    impl<T: Real> Kernel for Dots<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool, const WIDE: bool>(self) {
            let Self(v, stride, x, w) = self;
            for (v, x) in v.iter_mut().step_by(stride).zip(x.chunks_exact(w.len())) {
                let mut lanes = [T::ZERO; LANES];
                let (mut x, mut w) = (x.chunks_exact(LANES), w.chunks_exact(LANES));
                for (x, w) in (&mut x).zip(&mut w) {
                    for l in 0..LANES {
                        lanes[l] = multiply_add::<T, FMA>(x[l], w[l], lanes[l]);
                    }
                }
                let mut sum = *v;
                for (&x, &w) in x.remainder().iter().zip(w.remainder()) {
                    sum = multiply_add::<T, FMA>(x, w, sum);
                }
                let mut half = LANES / 2;
                while half > 0 {
                    for l in 0..half {
                        lanes[l] += lanes[l + half];
                    }
                    half /= 2;
                }
                *v = sum + lanes[0];
            }
        }
    }
    dispatch(Dots(v, stride, x, w));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, salt: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + salt * 104_729) % 1000) as f32 / 500.0 - 1.0)
            .collect()
    }

    /// Sizes on both sides of every block: 64, 16 and fewer columns, 6, 2 and 1 rows.
    const SHAPES: [(usize, usize, usize); 6] = [
        (1, 1, 1),
        (13, 6, 64),
        (6, 12, 64),
        (7, 64, 83),
        (20, 5, 17),
        (9, 64, 130),
    ];

    #[test]
    fn products_and_weight_gradients_equal_the_triple_loop_on_both_sides_of_every_block_size() {
        for (rows, k, n) in SHAPES {
            let (x, w, dy) = (numbers(rows * k, 1), numbers(k * n, 2), numbers(rows * n, 3));
            let mut y = dy.clone();
            product(&mut y, &x, &w, rows, k, n);
            let mut dw = w.clone();
            weight_gradient(&mut dw, &x, &dy, rows, k, n);
            for r in 0..rows {
                for j in 0..n {
                    let sum: f64 = (0..k).map(|i| f64::from(x[r * k + i]) * f64::from(w[i * n + j])).sum();
                    let expected = f64::from(dy[r * n + j]) + sum;
                    assert!((f64::from(y[r * n + j]) - expected).abs() < 1e-4, "{rows} {k} {n}");
                }
            }
            for i in 0..k {
                for j in 0..n {
                    let sum: f64 = (0..rows)
                        .map(|r| f64::from(x[r * k + i]) * f64::from(dy[r * n + j]))
                        .sum();
                    let expected = f64::from(w[i * n + j]) + sum;
                    assert!((f64::from(dw[i * n + j]) - expected).abs() < 1e-4, "{rows} {k} {n}");
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_whatever_stands_beside_it() {
        let (k, n) = (64, 64);
        let (x, w) = (numbers(23 * k, 5), numbers(k * n, 6));
        let mut all = vec![0.5; 23 * n];
        product(&mut all, &x, &w, 23, k, n);
        for row in 0..23 {
            let mut alone = vec![0.5; n];
            product(&mut alone, &x[row * k..], &w, 1, k, n);
            assert_eq!(alone, all[row * n..(row + 1) * n]);
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_numbers_up_to_rounding() {
        let (rows, k, n) = (13, 64, 64);
        let (x, w) = (numbers(rows * k, 1), numbers(k * n, 2));
        let mut best = vec![0.0; rows * n];
        product(&mut best, &x, &w, rows, k, n);
        let mut base = vec![0.0; rows * n];
        Product {
            y: &mut base,
            x: &x,
            w: &w,
            rows,
            k,
            n,
        }
        .run::<false, false>();
        assert!(best.iter().zip(&base).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}
