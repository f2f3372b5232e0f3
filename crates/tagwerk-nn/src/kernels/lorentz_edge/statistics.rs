//! Mean and variance of the first pre-activation over all edges, from sums over nodes.
//!
//! `y_ij = a_i + b_j + s_ij` with `s_ij = n_ij w_n + p_ij w_p`, symmetric in i and j. With capital letters for sums
//! over the nodes of a jet of n, and `S_i = sum_j s_ij`,
//!
//! ```text
//! sum y   = (n - 1)(A + B) + sum s
//! sum y^2 = (n - 1) sum (a_i^2 + b_i^2) + 2 (A B - sum a_i b_i) + 2 sum (a_i + b_i) S_i + sum s^2
//! ```
//!
//! In f64, where the difference of the two costs no digits that f32 has.

use super::pairs::Pairs;
use crate::kernels::norm::Statistics;
use crate::kernels::partition;
use crate::kernels::simd;

/// Sums over the pairs of scalars of one jet, without the diagonal: of n, p, n^2, n p, p^2.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ScalarSums {
    pub(super) n: f64,
    pub(super) p: f64,
    pub(super) nn: f64,
    pub(super) np: f64,
    pub(super) pp: f64,
}

/// Of each node, the sums of both scalars over its edges, `[N]` each; of each jet, [`ScalarSums`].
pub(super) fn scalar_sums(pairs: &Pairs, jets: &[usize]) -> (Vec<[f32; 2]>, Vec<ScalarSums>) {
    let rows = jets[jets.len() - 1];
    let (mut of_node, mut of_jet) = (Vec::with_capacity(rows), Vec::with_capacity(jets.len()));
    for jet in 0..jets.len() - 1 {
        let n = jets[jet + 1] - jets[jet];
        let mut total = ScalarSums::default();
        for i in 0..n {
            let at = pairs.of(jet, i, n);
            let (mut sums, mut squares) = ([0.0f64; 2], [0.0f64; 3]);
            for (&d, &p) in pairs.distances[at.clone()].iter().zip(&pairs.products[at]) {
                let (d, p) = (f64::from(d), f64::from(p));
                sums[0] += d;
                sums[1] += p;
                squares[0] += d * d;
                squares[1] += d * p;
                squares[2] += p * p;
            }
            of_node.push(sums.map(|s| s as f32));
            total.n += sums[0];
            total.p += sums[1];
            total.nn += squares[0];
            total.np += squares[1];
            total.pp += squares[2];
        }
        of_jet.push(total);
    }
    (of_node, of_jet)
}

/// Sums over edges, and scratch for those over the nodes of one jet; `[C]` each.
struct Sums {
    plain: Vec<f64>,
    squares: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
    own: Vec<f64>,
    cross: Vec<f64>,
    along: Vec<f64>,
}

impl Sums {
    fn new(c: usize) -> Self {
        let zeros = || vec![0.0; c];
        Self {
            plain: zeros(),
            squares: zeros(),
            a: zeros(),
            b: zeros(),
            own: zeros(),
            cross: zeros(),
            along: zeros(),
        }
    }

    #[inline(always)]
    fn add_jet(
        &mut self,
        near: &[f32],
        far: &[f32],
        [w_n, w_p]: [&[f32]; 2],
        of_node: &[[f32; 2]],
        scalars: ScalarSums,
    ) {
        let c = w_n.len();
        let [a_sum, b_sum] = [&mut self.a[..c], &mut self.b[..c]];
        let [own, cross, along] = [&mut self.own[..c], &mut self.cross[..c], &mut self.along[..c]];
        for sum in [&mut *a_sum, b_sum, own, cross, along] {
            sum.fill(0.0);
        }
        for ((near, far), &[n, p]) in near.chunks_exact(c).zip(far.chunks_exact(c)).zip(of_node) {
            let (n, p) = (f64::from(n), f64::from(p));
            for k in 0..c {
                let (a, b) = (f64::from(near[k]), f64::from(far[k]));
                a_sum[k] += a;
                b_sum[k] += b;
                own[k] += a * a + b * b;
                cross[k] += a * b;
                along[k] += (a + b) * (n * f64::from(w_n[k]) + p * f64::from(w_p[k]));
            }
        }
        let others = (of_node.len() as f64 - 1.0).max(0.0);
        for k in 0..c {
            let (n, p) = (f64::from(w_n[k]), f64::from(w_p[k]));
            self.plain[k] += others * (a_sum[k] + b_sum[k]) + n * scalars.n + p * scalars.p;
            let of_scalars = n * n * scalars.nn + 2.0 * n * p * scalars.np + p * p * scalars.pp;
            self.squares[k] += others * own[k] + 2.0 * (a_sum[k] * b_sum[k] - cross[k] + along[k]) + of_scalars;
        }
    }
}

/// The statistics over all edges; zeros if there is none. `near`, `far`: `[N, C]`; `weights`: `w_n` and `w_p`, `[C]`.
pub(super) fn statistics(
    near: &[f32],
    far: &[f32],
    weights: [&[f32]; 2],
    jets: &[usize],
    of_node: &[[f32; 2]],
    of_jet: &[ScalarSums],
) -> Statistics {
    let c = weights[0].len();
    let edges: usize = jets
        .windows(2)
        .map(|w| (w[1] - w[0]) * (w[1] - w[0]).saturating_sub(1))
        .sum();
    let groups = partition::by_rows(jets, (jets[jets.len() - 1] / partition::MAX_GROUPS).max(64));
    let parts = partition::run(groups, |group| {
        let mut sums = Sums::new(c);
        simd::dispatch(
            #[inline(always)]
            || {
                for jet in group {
                    let rows = jets[jet]..jets[jet + 1];
                    sums.add_jet(
                        &near[rows.start * c..rows.end * c],
                        &far[rows.start * c..rows.end * c],
                        weights,
                        &of_node[rows],
                        of_jet[jet],
                    );
                }
            },
        );
        sums
    });
    let count = edges.max(1) as f64;
    let mut statistics = Statistics {
        count: edges,
        ..Statistics::default()
    };
    for k in 0..c {
        let (sum, squares) = parts
            .iter()
            .fold((0.0, 0.0), |(s, q), part| (s + part.plain[k], q + part.squares[k]));
        let mean = sum / count;
        let variance = squares / count - mean * mean;
        statistics.mean.push(mean as f32);
        // Rounding may leave a variance of nothing below zero; NaN must stay visible.
        statistics
            .variance
            .push(if variance < 0.0 { 0.0 } else { variance as f32 });
    }
    statistics
}
