//! The complete graph of four without one edge: the only step that costs n^4.
//!
//! Four polynomials of at most seven edges contain the complete graph of four vertices, which no vertex or pair of
//! vertices takes apart. All four follow from one matrix over the missing edge.

use super::kernels::{Packed, mirror, stride, tile};
use pulp::Simd;

/// Registers of pairs that [`bridge`] treats together.
const BRIDGE_WIDTH: usize = 4;

/// `out`_ij = sum_kl w_k a_kl w_l with w_k = z_k a_ik a_jk, for a symmetric `a`.
///
/// Both (i, j) and (k, l) run over pairs once: a quarter of n^4. Vector lanes hold pairs (i, j).
#[inline(always)]
pub(crate) fn bridge<S: Simd>(simd: S, n: usize, a: &[f64], z: &[f64], packed: &mut Packed, out: &mut [f64]) {
    let stride = stride(n);
    let lanes = BRIDGE_WIDTH * S::F64_LANES;
    packed.left.resize(n * lanes, 0.0);
    packed.weights.resize(lanes, 0.0);
    pack_triangle(n, if S::REGISTER_COUNT >= 32 { 8 } else { 4 }, a, &mut packed.right);
    let (mut i, mut j) = (0, 0);
    while i < n {
        // The next pairs, in runs of equal i: the run begins at pair (i, j) and lane `lane`.
        let begin = (i, j);
        let mut lane = 0;
        while i < n && lane < lanes {
            let run = (n - j).min(lanes - lane);
            let rows = packed.left.chunks_exact_mut(lanes).zip(a.chunks_exact(stride)).zip(z);
            for ((weights, row), z) in rows {
                let factor = z * row[i];
                for (slot, value) in weights[lane..lane + run].iter_mut().zip(&row[j..]) {
                    *slot = factor * value;
                }
            }
            lane += run;
            j += run;
            if j == n {
                i += 1;
                j = i;
            }
        }
        let (weights, _) = S::as_simd_f64s(&packed.left);
        let (totals, _) = S::as_mut_simd_f64s(&mut packed.weights);
        totals.fill(simd.splat_f64s(0.0));
        let mut form = Form {
            simd,
            n,
            triangle: &packed.right,
            weights,
            totals,
            first: 0,
        };
        if S::REGISTER_COUNT >= 32 {
            while form.first + 8 <= n {
                form.rows::<8>();
            }
        } else {
            while form.first + 4 <= n {
                form.rows::<4>();
            }
        }
        match n - form.first {
            0 => {}
            1 => form.rows::<1>(),
            2 => form.rows::<2>(),
            3 => form.rows::<3>(),
            4 => form.rows::<4>(),
            5 => form.rows::<5>(),
            6 => form.rows::<6>(),
            _ => form.rows::<7>(),
        }
        let (mut i, mut j) = begin;
        for total in &packed.weights[..lane] {
            out[i * stride + j] = 2.0 * total;
            j += 1;
            if j == n {
                i += 1;
                j = i;
            }
        }
    }
    for row in out.chunks_exact_mut(stride) {
        row[n..].fill(0.0);
    }
    mirror(n, out);
}

/// Quadratic forms of a block of pairs under way.
struct Form<'a, S: Simd> {
    simd: S,
    n: usize,
    /// What [`pack_triangle`] made.
    triangle: &'a [f64],
    /// `[n, lanes]`.
    weights: &'a [S::f64s],
    totals: &'a mut [S::f64s],
    /// The next l.
    first: usize,
}

impl<S: Simd> Form<'_, S> {
    /// Adds sum_{k <= l} w_k a_kl w_l for the next `ROWS` values of l.
    #[inline(always)]
    fn rows<const ROWS: usize>(&mut self) {
        const VECTORS: usize = 2;
        let first = self.first;
        self.first += ROWS;
        let panel = &self.triangle[first * self.n..][..(first + ROWS) * ROWS];
        for column in (0..BRIDGE_WIDTH).step_by(VECTORS) {
            let (panel, _) = panel.as_chunks::<ROWS>();
            let sums = tile::<S, ROWS, VECTORS>(self.simd, panel, self.weights, BRIDGE_WIDTH, column);
            for vector in 0..VECTORS {
                let mut total = self.totals[column + vector];
                for (row, sums) in sums.iter().enumerate() {
                    let weight = self.weights[(first + row) * BRIDGE_WIDTH + column + vector];
                    total = self.simd.mul_add_e_f64s(sums[vector], weight, total);
                }
                self.totals[column + vector] = total;
            }
        }
    }
}

/// The columns of the upper triangle with half the diagonal (half of a quadratic form), `rows` columns together:
/// the block of columns from `first` on begins at `first * n`, with all its columns of row 0, then of row 1, ..
#[inline(always)]
fn pack_triangle(n: usize, rows: usize, a: &[f64], out: &mut Vec<f64>) {
    let stride = stride(n);
    out.clear();
    out.resize(n * n, 0.0);
    for first in (0..n).step_by(rows) {
        let rows = rows.min(n - first);
        for (k, entry) in out[first * n..][..(first + rows) * rows]
            .chunks_exact_mut(rows)
            .enumerate()
        {
            for (l, slot) in (first..).zip(entry) {
                *slot = match k.cmp(&l) {
                    std::cmp::Ordering::Less => a[k * stride + l],
                    std::cmp::Ordering::Equal => 0.5 * a[k * stride + l],
                    std::cmp::Ordering::Greater => 0.0,
                };
            }
        }
    }
}
