//! The two invariants of each pair of four-vectors, and their gradient.

use crate::kernels::partition;
use crate::kernels::simd;
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

/// `psi(|x_i - x_j|^2)` and `psi(x_i . x_j)` of all pairs of each jet; zero for i = j, which is no edge.
#[derive(Debug)]
pub(super) struct Pairs {
    /// `[B + 1]`: where a jet's `n^2` pairs begin.
    pub(super) offsets: Vec<usize>,
    /// `[sum n^2]`, pair (i, j) of a jet at `i n + j`.
    pub(super) distances: Buffer,
    /// The same of the products.
    pub(super) products: Buffer,
}

/// `psi(v) = sign(v) ln(1 + |v|)`. Its slope is `1 / (1 + |v|) = exp(-|psi|)`.
#[inline(always)]
fn compress(v: f32) -> f32 {
    simd::ln(1.0 + v.abs()).copysign(v)
}

#[inline(always)]
fn slope(psi: f32) -> f32 {
    simd::exp(-psi.abs())
}

impl Pairs {
    /// Of `x: [N, 4]`, (E, px, py, pz).
    ///
    /// Squares and differences run in f64: |x_i - x_j|^2 of two massless particles is a small difference of large
    /// numbers, and the rounding of x to f32 is error enough.
    pub(super) fn new(x: &[f32], jets: &[usize], workspace: &Workspace) -> Self {
        let mut offsets = vec![0];
        for w in jets.windows(2) {
            offsets.push(offsets[offsets.len() - 1] + (w[1] - w[0]).pow(2));
        }
        let total = offsets[offsets.len() - 1];
        let (mut distances, mut products) = (workspace.take(total), workspace.take(total));
        let runs = partition::by_rows(&offsets, (total / partition::MAX_GROUPS).max(4096));
        let lengths = || runs.iter().map(|r| offsets[r.end] - offsets[r.start]);
        let pieces = partition::split_mut(&mut distances, lengths());
        let pieces = pieces.into_iter().zip(partition::split_mut(&mut products, lengths()));
        let tasks: Vec<_> = runs.iter().zip(pieces).collect();
        partition::run(tasks, |(run, (distances, products))| {
            let mut columns: [Vec<f64>; 4] = Default::default();
            for jet in run.clone() {
                let rows = jets[jet]..jets[jet + 1];
                for (k, column) in columns.iter_mut().enumerate() {
                    column.clear();
                    column.extend(rows.clone().map(|r| f64::from(x[4 * r + k])));
                }
                let piece = offsets[jet] - offsets[run.start]..offsets[jet + 1] - offsets[run.start];
                simd::dispatch(
                    #[inline(always)]
                    || invariants(&columns, &mut distances[piece.clone()], &mut products[piece.clone()]),
                );
            }
        });
        Self {
            offsets,
            distances,
            products,
        }
    }

    /// Where the pairs of row `i` (counted within its jet of `n`) lie.
    #[inline(always)]
    pub(super) fn of(&self, jet: usize, i: usize, n: usize) -> Range<usize> {
        let start = self.offsets[jet] + i * n;
        start..start + n
    }

    /// Adds to `d_x: [n, 4]` of one jet the gradients that reach it through its pairs, given those of `psi` for both
    /// invariants, `[n, n]` (nothing on the diagonal).
    #[inline(always)]
    pub(super) fn add_gradient(&self, d_x: &mut [f32], x: &[f32], jet: usize, d_distance: &[f32], d_product: &[f32]) {
        const METRIC: [f32; 4] = [1.0, -1.0, -1.0, -1.0];
        let n = x.len() / 4;
        for i in 0..n {
            for j in 0..i {
                let (there, back) = (i * n + j, j * n + i);
                let at = self.offsets[jet] + there;
                // Both invariants are symmetric: (i, j) and (j, i) push the same way.
                let d_n = 2.0 * (d_distance[there] + d_distance[back]) * slope(self.distances[at]);
                let d_p = (d_product[there] + d_product[back]) * slope(self.products[at]);
                for k in 0..4 {
                    let (a, b) = (x[4 * i + k], x[4 * j + k]);
                    let along = d_n * METRIC[k] * (a - b);
                    d_x[4 * i + k] += along + d_p * METRIC[k] * b;
                    d_x[4 * j + k] += d_p * METRIC[k] * a - along;
                }
            }
        }
    }
}

/// Both invariants of all pairs of one jet.
#[inline(always)]
fn invariants(columns: &[Vec<f64>; 4], distances: &mut [f32], products: &mut [f32]) {
    let [e, px, py, pz] = columns;
    let n = e.len();
    for i in 0..n {
        let (distances, products) = (&mut distances[i * n..][..n], &mut products[i * n..][..n]);
        let here = [e[i], px[i], py[i], pz[i]];
        for j in 0..n {
            let there = [e[j], px[j], py[j], pz[j]];
            let [a, b, c, d] = [0, 1, 2, 3].map(|k| here[k] - there[k]);
            distances[j] = (a * a - (b * b + c * c + d * d)) as f32;
            products[j] = (here[0] * there[0] - (here[1] * there[1] + here[2] * there[2] + here[3] * there[3])) as f32;
        }
        distances.iter_mut().for_each(|v| *v = compress(*v));
        products.iter_mut().for_each(|v| *v = compress(*v));
        (distances[i], products[i]) = (0.0, 0.0);
    }
}
