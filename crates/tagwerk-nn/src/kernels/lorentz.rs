//! The Lorentz layer: of each four-vector of a jet its mass, its transverse momentum, and weighted sums and minima over
//! all others.
//!
//! Butter, Kasieczka, Plehn, Russell, arXiv:1707.08966, eq. 6. For the `M` vectors k of a jet, a metric g, distances
//! `d_jm = (k_j - k_m)^2`, and weights that are learned:
//!
//! ```text
//! k_j -> [ k_j^2, pT(k_j), sum_m e_jm E(k_m), sum_m a_jm d_jm, sum_m b_jm d_jm, min_m p_jm d_jm, min_m q_jm d_jm ]
//! ```
//!
//! The distances of a jet, `M^2`, are never stored: each weight row meets the vectors of a tile of jets while both lie
//! in cache, and the backward pass computes them again. Rows are padded to vector registers. A padded distance meets
//! weights of zero, and so does a vector's to itself, which is zero as well: neither sums nor minima see the padding.

use super::partition;
use super::simd;
use super::workspace::Workspace;
use std::ops::Range;

/// Vectors a jet, and whether the metric is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LorentzSpec {
    /// Four-vectors of a jet, `M`.
    pub vectors: usize,
    /// Whether the four entries of the metric are parameters; else they are (1, -1, -1, -1).
    pub learned_metric: bool,
}

/// Values of a vector.
pub const LORENTZ_VALUES: usize = 7;

/// Names of the weights `[M, M]`, in the order of the packed parameters. The metric, if it is learned, is last.
pub const LORENTZ_WEIGHTS: [&str; 5] = ["energy", "sum0", "sum1", "minimum0", "minimum1"];

const MINKOWSKI: [f32; 4] = [1.0, -1.0, -1.0, -1.0];

/// Smallest squared transverse momentum that a root is taken of: at zero, where padding is, a root has no slope.
pub const SMALLEST_PT_SQUARED: f32 = 1e-12;

impl LorentzSpec {
    /// Where the weights of an index of [`LORENTZ_WEIGHTS`] lie in the packed parameters.
    pub fn weight(&self, index: usize) -> Range<usize> {
        let size = self.vectors * self.vectors;
        index * size..(index + 1) * size
    }

    /// Where the metric lies, if it is learned.
    pub fn metric(&self) -> Range<usize> {
        let start = self.weight(LORENTZ_WEIGHTS.len()).start;
        start..start + if self.learned_metric { 4 } else { 0 }
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.metric().end
    }

    /// Values of a jet.
    pub fn output(&self) -> usize {
        LORENTZ_VALUES * self.vectors
    }

    /// The metric in use; `parameters` are looked at only where it is learned.
    pub fn metric_of(&self, parameters: &[f32]) -> [f32; 4] {
        let mut metric = MINKOWSKI;
        if self.learned_metric {
            metric.copy_from_slice(&parameters[self.metric()]);
        }
        metric
    }

    /// Multiply-adds of a jet, forward: four a distance, one a weight.
    pub fn multiply_adds(&self) -> usize {
        self.vectors * self.vectors * (4 + LORENTZ_WEIGHTS.len())
    }
}

const LANES: usize = 16;

/// One vector register, or two.
type Lane = [f32; LANES];

/// Jets a tile: their vectors lie in the first-level cache.
const TILE: usize = 16;

/// Rows of `M` values padded with zeros to whole lanes.
fn padded(rows: &[f32], m: usize) -> Vec<Lane> {
    let blocks = m.div_ceil(LANES);
    let mut lanes = vec![[0.0; LANES]; rows.len() / m * blocks];
    for (lanes, row) in lanes.chunks_exact_mut(blocks).zip(rows.chunks_exact(m)) {
        for (lane, values) in lanes.iter_mut().zip(row.chunks(LANES)) {
            lane[..values.len()].copy_from_slice(values);
        }
    }
    lanes
}

/// Adds the first `M` values of each padded row.
fn add_unpadded(rows: &mut [f32], lanes: &[Lane], m: usize) {
    let padded = m.div_ceil(LANES) * LANES;
    for (row, lanes) in rows.chunks_exact_mut(m).zip(lanes.as_flattened().chunks_exact(padded)) {
        row.iter_mut().zip(lanes).for_each(|(row, value)| *row += value);
    }
}

/// Row `j` of each weight, padded.
fn weight_rows(weights: &[Lane], j: usize, m: usize, blocks: usize) -> [&[Lane]; LORENTZ_WEIGHTS.len()] {
    std::array::from_fn(|w| &weights[(w * m + j) * blocks..][..blocks])
}

/// The four components of a jet, padded.
fn components(jet: &[Lane], blocks: usize) -> [&[Lane]; 4] {
    std::array::from_fn(|c| &jet[c * blocks..][..blocks])
}

/// The distances of a vector to sixteen others.
#[inline(always)]
fn distances(k: &[&[Lane]; 4], own: [f32; 4], metric: [f32; 4], block: usize) -> Lane {
    let mut d = [0.0; LANES];
    for c in 0..4 {
        for i in 0..LANES {
            let difference = k[c][block][i] - own[c];
            d[i] += metric[c] * difference * difference;
        }
    }
    d
}

#[inline(always)]
fn add_product(sum: &mut Lane, a: &Lane, b: &Lane) {
    for i in 0..LANES {
        sum[i] += a[i] * b[i];
    }
}

#[inline(always)]
fn total(lane: &Lane) -> f32 {
    lane.iter().sum()
}

#[inline(always)]
fn smallest(lane: &Lane) -> f32 {
    lane.iter()
        .fold(f32::INFINITY, |least, &v| if v < least { v } else { least })
}

/// Runs the layer: `x: [B, 4, M]` to `[B, 7, M]`, in the order of the formula.
pub fn forward(spec: LorentzSpec, parameters: &[f32], x: &[f32]) -> Vec<f32> {
    let m = spec.vectors;
    let mut out = vec![0.0; x.len() / (4 * m) * spec.output()];
    let metric = spec.metric_of(parameters);
    let weights = padded(&parameters[..spec.metric().start], m);
    let tasks: Vec<_> = out
        .chunks_mut(TILE * spec.output())
        .zip(x.chunks(TILE * 4 * m))
        .collect();
    partition::run(tasks, |(out, x)| {
        let lanes = padded(x, m);
        simd::dispatch(
            #[inline(always)]
            || forward_tile(m, metric, &weights, x, &lanes, out),
        );
    });
    out
}

#[inline(always)]
fn forward_tile(m: usize, metric: [f32; 4], weights: &[Lane], x: &[f32], lanes: &[Lane], out: &mut [f32]) {
    let blocks = m.div_ceil(LANES);
    for j in 0..m {
        let [energy, sum0, sum1, minimum0, minimum1] = weight_rows(weights, j, m, blocks);
        let jets = x.chunks_exact(4 * m).zip(lanes.chunks_exact(4 * blocks));
        for ((x, lanes), out) in jets.zip(out.chunks_exact_mut(LORENTZ_VALUES * m)) {
            let k = components(lanes, blocks);
            let own = std::array::from_fn(|c| x[c * m + j]);
            let (mut e, mut s0, mut s1) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
            let (mut p0, mut p1) = ([f32::INFINITY; LANES], [f32::INFINITY; LANES]);
            for block in 0..blocks {
                let d = distances(&k, own, metric, block);
                add_product(&mut e, &energy[block], &k[0][block]);
                add_product(&mut s0, &sum0[block], &d);
                add_product(&mut s1, &sum1[block], &d);
                for i in 0..LANES {
                    let (a, b) = (minimum0[block][i] * d[i], minimum1[block][i] * d[i]);
                    p0[i] = if a < p0[i] { a } else { p0[i] };
                    p1[i] = if b < p1[i] { b } else { p1[i] };
                }
            }
            let mass: f32 = (0..4).map(|c| metric[c] * own[c] * own[c]).sum();
            let [_, px, py, _] = own;
            let pt = root_of(px * px + py * py);
            let values = [
                mass,
                pt,
                total(&e),
                total(&s0),
                total(&s1),
                smallest(&p0),
                smallest(&p1),
            ];
            for (v, value) in values.into_iter().enumerate() {
                out[v * m + j] = value;
            }
        }
    }
}

/// The root of a squared transverse momentum. What is no number stays none.
#[inline(always)]
fn root_of(pt2: f32) -> f32 {
    if pt2 < SMALLEST_PT_SQUARED {
        SMALLEST_PT_SQUARED.sqrt()
    } else {
        pt2.sqrt()
    }
}

/// The gradients of [`forward`]: of the packed parameters, and of `x`.
pub fn backward(
    spec: LorentzSpec,
    parameters: &[f32],
    x: &[f32],
    d_out: &[f32],
    workspace: &Workspace,
) -> (Vec<f32>, Vec<f32>) {
    let m = spec.vectors;
    let metric = spec.metric_of(parameters);
    let size = spec.metric().start;
    let weights = padded(&parameters[..size], m);
    let jets = x.len() / (4 * m);
    let tiles = jets.div_ceil(TILE);
    let groups: Vec<_> = partition::even(tiles, partition::group_count(tiles, 2))
        .into_iter()
        .map(|tiles| tiles.start * TILE..(tiles.end * TILE).min(jets))
        .collect();
    let mut d_x = vec![0.0; x.len()];
    let pieces = partition::split_mut(&mut d_x, groups.iter().map(|jets| jets.len() * 4 * m));
    let tasks: Vec<_> = groups.into_iter().zip(pieces).collect();
    let shares = partition::run(tasks, |(jets, d_x)| {
        let mut d_weights = vec![[0.0; LANES]; weights.len()];
        let mut d_metric = [[0.0; LANES]; 4];
        let x = &x[jets.start * 4 * m..jets.end * 4 * m];
        let d_out = &d_out[jets.start * spec.output()..jets.end * spec.output()];
        let rows = x.chunks(TILE * 4 * m).zip(d_out.chunks(TILE * spec.output()));
        for ((x, d_out), d_x) in rows.zip(d_x.chunks_mut(TILE * 4 * m)) {
            let lanes = padded(x, m);
            let mut d_lanes = vec![[0.0; LANES]; lanes.len()];
            let tile = Tile {
                m,
                metric,
                weights: &weights,
                x,
                lanes: &lanes,
                d_out,
            };
            simd::dispatch(
                #[inline(always)]
                || tile.backward(&mut d_weights, &mut d_metric, &mut d_lanes, d_x),
            );
            add_unpadded(d_x, &d_lanes, m);
        }
        let mut share = workspace.zeros(spec.parameter_count());
        add_unpadded(&mut share[..size], &d_weights, m);
        for (share, lane) in share[spec.metric()].iter_mut().zip(&d_metric) {
            *share = total(lane);
        }
        share
    });
    let mut gradient = vec![0.0; spec.parameter_count()];
    partition::sum_in_order(&mut gradient, &shares);
    (gradient, d_x)
}

/// Some jets on their way back.
struct Tile<'a> {
    m: usize,
    metric: [f32; 4],
    weights: &'a [Lane],
    x: &'a [f32],
    lanes: &'a [Lane],
    d_out: &'a [f32],
}

impl Tile<'_> {
    /// Adds to the gradients of the weights, the metric and, as padded rows and as values, of the vectors.
    #[inline(always)]
    fn backward(&self, d_weights: &mut [Lane], d_metric: &mut [Lane; 4], d_lanes: &mut [Lane], d_x: &mut [f32]) {
        let (m, metric) = (self.m, self.metric);
        let blocks = m.div_ceil(LANES);
        let mut row: Vec<[Lane; 3]> = vec![[[0.0; LANES]; 3]; blocks];
        for j in 0..m {
            let [energy, sum0, sum1, minimum0, minimum1] = weight_rows(self.weights, j, m, blocks);
            let jets = self.x.chunks_exact(4 * m).zip(self.lanes.chunks_exact(4 * blocks));
            let jets = jets.zip(self.d_out.chunks_exact(LORENTZ_VALUES * m));
            let gradients = d_lanes.chunks_exact_mut(4 * blocks).zip(d_x.chunks_exact_mut(4 * m));
            for (((x, lanes), d_out), (d_lanes, d_x)) in jets.zip(gradients) {
                let k = components(lanes, blocks);
                let own: [f32; 4] = std::array::from_fn(|c| x[c * m + j]);
                let [d_mass, d_pt, d_e, d_s0, d_s1, d_p0, d_p1]: [f32; LORENTZ_VALUES] =
                    std::array::from_fn(|v| d_out[v * m + j]);
                // The distances again, and where their weighted minima lie.
                let (mut least0, mut least1) = ([f32::INFINITY; LANES], [f32::INFINITY; LANES]);
                for (block, [d, a, b]) in row.iter_mut().enumerate() {
                    *d = distances(&k, own, metric, block);
                    for i in 0..LANES {
                        a[i] = minimum0[block][i] * d[i];
                        b[i] = minimum1[block][i] * d[i];
                        least0[i] = if a[i] < least0[i] { a[i] } else { least0[i] };
                        least1[i] = if b[i] < least1[i] { b[i] } else { least1[i] };
                    }
                }
                let (least0, least1) = (smallest(&least0), smallest(&least1));
                let mut d_own = [[0.0; LANES]; 4];
                for (block, [d, a, b]) in row.iter().enumerate() {
                    // Gradient of the distance to each of sixteen vectors. Several minima tie at a distance of zero
                    // only, which hands nothing on.
                    let mut to = [0.0; LANES];
                    let (mut of_p0, mut of_p1) = ([0.0; LANES], [0.0; LANES]);
                    for i in 0..LANES {
                        of_p0[i] = if a[i] == least0 { d_p0 } else { 0.0 };
                        of_p1[i] = if b[i] == least1 { d_p1 } else { 0.0 };
                        to[i] = d_s0 * sum0[block][i]
                            + d_s1 * sum1[block][i]
                            + of_p0[i] * minimum0[block][i]
                            + of_p1[i] * minimum1[block][i];
                    }
                    let at = |w: usize| (w * m + j) * blocks + block;
                    for i in 0..LANES {
                        d_weights[at(0)][i] += d_e * k[0][block][i];
                        d_weights[at(1)][i] += d_s0 * d[i];
                        d_weights[at(2)][i] += d_s1 * d[i];
                        d_weights[at(3)][i] += of_p0[i] * d[i];
                        d_weights[at(4)][i] += of_p1[i] * d[i];
                        d_lanes[block][i] += d_e * energy[block][i];
                    }
                    for c in 0..4 {
                        let d_k = &mut d_lanes[c * blocks + block];
                        for i in 0..LANES {
                            let difference = k[c][block][i] - own[c];
                            let along = to[i] * difference;
                            let step = 2.0 * metric[c] * along;
                            d_k[i] += step;
                            d_own[c][i] -= step;
                            d_metric[c][i] += along * difference;
                        }
                    }
                }
                let pt2 = own[1] * own[1] + own[2] * own[2];
                let inverse_pt = if pt2 < SMALLEST_PT_SQUARED {
                    0.0
                } else {
                    1.0 / pt2.sqrt()
                };
                for c in 0..4 {
                    let transverse = if c == 1 || c == 2 {
                        d_pt * own[c] * inverse_pt
                    } else {
                        0.0
                    };
                    d_x[c * m + j] += total(&d_own[c]) + 2.0 * d_mass * metric[c] * own[c] + transverse;
                    d_metric[c][0] += d_mass * own[c] * own[c];
                }
            }
        }
    }
}
