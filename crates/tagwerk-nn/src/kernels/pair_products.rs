//! Scalar products of all pairs of a jet's vectors.
//!
//! For `M` vectors of `D` components: `y_ij = sum_d x_di x_dj` for i < j, the upper triangle of a Gram matrix row by
//! row. The cosines of Lorentz Boost Networks (arXiv:1812.09722) are these of unit vectors.

use super::partition;
use super::simd;

/// Jets a task.
const TILE: usize = 32;

/// Number of pairs of `m`.
pub fn pairs(m: usize) -> usize {
    m * m.saturating_sub(1) / 2
}

/// `x: [B, D, M]` to `[B, M (M - 1) / 2]`.
pub fn forward(x: &[f32], d: usize, m: usize) -> Vec<f32> {
    let (size, pairs) = (d * m, pairs(m));
    let mut y = vec![0.0; x.len() / size.max(1) * pairs];
    let tasks: Vec<_> = y
        .chunks_mut((TILE * pairs).max(1))
        .zip(x.chunks((TILE * size).max(1)))
        .collect();
    partition::run(tasks, |(y, x)| {
        simd::dispatch(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(pairs).zip(x.chunks_exact(size)) {
                    let mut rest = y;
                    for i in 0..m - 1 {
                        let (row, after) = std::mem::take(&mut rest).split_at_mut(m - 1 - i);
                        for x in x.chunks_exact(m) {
                            let own = x[i];
                            row.iter_mut().zip(&x[i + 1..]).for_each(|(y, x)| *y += own * x);
                        }
                        rest = after;
                    }
                }
            },
        );
    });
    y
}

/// The gradient of [`forward`].
pub fn backward(x: &[f32], d_y: &[f32], d: usize, m: usize) -> Vec<f32> {
    let (size, pairs) = (d * m, pairs(m));
    let mut d_x = vec![0.0; x.len()];
    if pairs == 0 {
        return d_x;
    }
    let rows = x.chunks(TILE * size).zip(d_y.chunks(TILE * pairs));
    let tasks: Vec<_> = d_x.chunks_mut(TILE * size).zip(rows).collect();
    partition::run(tasks, |(d_x, (x, d_y))| {
        simd::dispatch(
            #[inline(always)]
            || {
                let jets = x.chunks_exact(size).zip(d_y.chunks_exact(pairs));
                for (d_x, (x, d_y)) in d_x.chunks_exact_mut(size).zip(jets) {
                    let mut rest = d_y;
                    for i in 0..m - 1 {
                        let (row, after) = rest.split_at(m - 1 - i);
                        for (d_x, x) in d_x.chunks_exact_mut(m).zip(x.chunks_exact(m)) {
                            let own = x[i];
                            d_x[i] += simd::sum_of_products(row, &x[i + 1..], 0.0);
                            d_x[i + 1..]
                                .iter_mut()
                                .zip(row)
                                .for_each(|(d_x, d_y)| *d_x += own * d_y);
                        }
                        rest = after;
                    }
                }
            },
        );
    });
    d_x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_row_by_row() {
        // Three vectors of two components: (1, 4), (2, 5), (3, 6).
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(forward(&x, 2, 3), [2.0 + 20.0, 3.0 + 24.0, 6.0 + 30.0]);
        // d/dx of y_01 + 10 y_02 + 100 y_12.
        assert_eq!(
            backward(&x, &[1.0, 10.0, 100.0], 2, 3),
            [32.0, 301.0, 210.0, 65.0, 604.0, 540.0]
        );
        assert!(forward(&x, 6, 1).is_empty() && backward(&x, &[], 6, 1) == [0.0; 6]);
    }
}
