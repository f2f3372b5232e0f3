//! Multi-head attention within each jet, with an optional bias a pair and head.
//!
//! Vaswani et al., arXiv:1706.03762, eq. 1, with the pair bias of Qu, Li, Qian, "Particle Transformer",
//! arXiv:2202.03772, eq. 4: `softmax(Q K^T / sqrt(D) + U) V`. Queries and keys are jagged rows: a jet of `n` constituents
//! has `n^2` scores a head, and padding has none. The scores of one jet and head live in cache and are computed again in
//! the backward pass; kept is one number a row and head, the logarithm of its normalization.

use super::gemm::{Mat, matmul};
use super::partition;
use super::simd;
use super::workspace::{Buffer, Workspace};
use std::ops::Range;

/// Heads and their width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionSpec {
    /// Number of heads, `H`.
    pub heads: usize,
    /// Channels a head, `D`.
    pub width: usize,
}

impl AttentionSpec {
    /// Channels of queries, keys, values and output, `H D`.
    pub fn channels(&self) -> usize {
        self.heads * self.width
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }
}

/// Which queries meet which keys: those of the same jet.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// `[B + 1]` query rows.
    pub queries: &'a [usize],
    /// `[B + 1]` key rows.
    pub keys: &'a [usize],
}

impl Pairs<'_> {
    /// `[B + 1]`: where a jet's pairs begin, queries before keys (pair of query i and key j: `i n_keys + j`).
    pub fn offsets(&self) -> Vec<usize> {
        let mut offsets = vec![0];
        for (q, k) in self.queries.windows(2).zip(self.keys.windows(2)) {
            offsets.push(offsets[offsets.len() - 1] + (q[1] - q[0]) * (k[1] - k[0]));
        }
        offsets
    }
}

/// The tensors of an attention, as slices.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// `[R_q, H D]`.
    pub q: &'a [f32],
    /// `[R_k, H D]`.
    pub k: &'a [f32],
    /// `[R_k, H D]`.
    pub v: &'a [f32],
    /// Bias `[P, H]` of each pair, in the order of [`Pairs::offsets`].
    pub bias: Option<&'a [f32]>,
}

/// Gradients of [`Inputs`].
#[derive(Debug)]
pub struct InputGradients {
    /// `[R_q, H D]`.
    pub q: Vec<f32>,
    /// `[R_k, H D]`.
    pub k: Vec<f32>,
    /// `[R_k, H D]`.
    pub v: Vec<f32>,
    /// `[P, H]`, empty without a bias.
    pub bias: Vec<f32>,
}

/// Jets cut into runs of about equal numbers of pairs.
fn runs(pairs: &[usize]) -> Vec<Range<usize>> {
    let total = pairs[pairs.len() - 1];
    partition::by_rows(pairs, (total / 32).max(4096))
}

/// Copies head `h` of rows into `[n, D]`, times `factor`.
#[inline(always)]
fn head(out: &mut [f32], x: &[f32], rows: Range<usize>, spec: AttentionSpec, h: usize, factor: f32) {
    let (d, c) = (spec.width, spec.channels());
    for (out, row) in out.chunks_exact_mut(d).zip(rows) {
        for (o, v) in out.iter_mut().zip(&x[row * c + h * d..][..d]) {
            *o = v * factor;
        }
    }
}

/// Scratch of one jet and head.
struct Scratch {
    q: Buffer,
    k: Buffer,
    v: Buffer,
    o: Buffer,
    s: Buffer,
    d: Buffer,
}

impl Scratch {
    fn new(workspace: &Workspace, spec: AttentionSpec, queries: usize, keys: usize) -> Self {
        Self {
            q: workspace.take(queries * spec.width),
            k: workspace.take(keys * spec.width),
            v: workspace.take(keys * spec.width),
            o: workspace.take(queries.max(keys) * spec.width),
            s: workspace.take(queries * keys),
            d: workspace.take(queries * keys),
        }
    }
}

fn longest(offsets: &[usize]) -> usize {
    offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
}

/// The scores `[n_q, n_k]` of one jet and head, bias included.
#[inline(always)]
fn scores(scratch: &mut Scratch, bias: Option<&[f32]>, spec: AttentionSpec, h: usize, n: [usize; 2]) {
    let (q, k) = (
        Mat::new(&scratch.q, n[0], spec.width),
        Mat::new(&scratch.k, n[1], spec.width),
    );
    matmul(&mut scratch.s, false, q, k.t());
    if let Some(bias) = bias {
        for (s, b) in scratch
            .s
            .iter_mut()
            .zip(bias.chunks_exact(spec.heads))
            .take(n[0] * n[1])
        {
            *s += b[h];
        }
    }
}

/// Runs the attention: `[R_q, H D]` and the logarithms of the normalizations `[R_q, H]`. A query without keys gives
/// zeros.
pub fn forward(spec: AttentionSpec, inputs: Inputs, pairs: Pairs, workspace: &Workspace) -> (Vec<f32>, Vec<f32>) {
    let (c, d) = (spec.channels(), spec.width);
    let rows = pairs.queries[pairs.queries.len() - 1];
    let pair_offsets = pairs.offsets();
    let runs = runs(&pair_offsets);
    let (longest_q, longest_k) = (longest(pairs.queries), longest(pairs.keys));
    let mut out = vec![0.0; rows * c];
    let mut logs = vec![0.0; rows * spec.heads];
    let queries = |run: &Range<usize>| pairs.queries[run.end] - pairs.queries[run.start];
    let outs = partition::split_mut(&mut out, runs.iter().map(|r| queries(r) * c));
    let log_pieces = partition::split_mut(&mut logs, runs.iter().map(|r| queries(r) * spec.heads));
    let tasks: Vec<_> = runs.iter().zip(outs.into_iter().zip(log_pieces)).collect();
    partition::run(tasks, |(run, (out, logs))| {
        let mut scratch = Scratch::new(workspace, spec, longest_q, longest_k);
        let first = pairs.queries[run.start];
        for jet in run.clone() {
            let (q, k) = (
                pairs.queries[jet]..pairs.queries[jet + 1],
                pairs.keys[jet]..pairs.keys[jet + 1],
            );
            if q.is_empty() || k.is_empty() {
                continue;
            }
            let bias = inputs
                .bias
                .map(|b| &b[pair_offsets[jet] * spec.heads..pair_offsets[jet + 1] * spec.heads]);
            simd::dispatch(
                #[inline(always)]
                || {
                    for h in 0..spec.heads {
                        head(&mut scratch.q, inputs.q, q.clone(), spec, h, spec.scale());
                        head(&mut scratch.k, inputs.k, k.clone(), spec, h, 1.0);
                        head(&mut scratch.v, inputs.v, k.clone(), spec, h, 1.0);
                        scores(&mut scratch, bias, spec, h, [q.len(), k.len()]);
                        for (i, s) in scratch.s.chunks_exact_mut(k.len()).take(q.len()).enumerate() {
                            logs[(q.start - first + i) * spec.heads + h] = softmax(s);
                        }
                        let weights = Mat::new(&scratch.s, q.len(), k.len());
                        matmul(&mut scratch.o, false, weights, Mat::new(&scratch.v, k.len(), d));
                        for (i, o) in scratch.o.chunks_exact(d).take(q.len()).enumerate() {
                            out[(q.start - first + i) * c + h * d..][..d].copy_from_slice(o);
                        }
                    }
                },
            );
        }
    });
    (out, logs)
}

/// Softmax in place; returns the logarithm of the sum of exponentials.
#[inline(always)]
fn softmax(s: &mut [f32]) -> f32 {
    let largest = s.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    let mut sum = 0.0;
    for s in s.iter_mut() {
        *s = simd::exp(*s - largest);
        sum += *s;
    }
    let inverse = 1.0 / sum;
    s.iter_mut().for_each(|s| *s *= inverse);
    largest + sum.ln()
}

/// The gradients of [`forward`], given its output, the logarithms it returned, and `d_out: [R_q, H D]`.
pub fn backward(
    spec: AttentionSpec,
    inputs: Inputs,
    pairs: Pairs,
    out: &[f32],
    logs: &[f32],
    d_out: &[f32],
    workspace: &Workspace,
) -> InputGradients {
    let (c, d) = (spec.channels(), spec.width);
    let pair_offsets = pairs.offsets();
    let runs = runs(&pair_offsets);
    let (longest_q, longest_k) = (longest(pairs.queries), longest(pairs.keys));
    let pair_count = pair_offsets[pair_offsets.len() - 1];
    let mut gradients = InputGradients {
        q: vec![0.0; inputs.q.len()],
        k: vec![0.0; inputs.k.len()],
        v: vec![0.0; inputs.v.len()],
        bias: vec![
            0.0;
            if inputs.bias.is_some() {
                pair_count * spec.heads
            } else {
                0
            }
        ],
    };
    let span = |offsets: &[usize], run: &Range<usize>, width: usize| (offsets[run.end] - offsets[run.start]) * width;
    let d_q = partition::split_mut(&mut gradients.q, runs.iter().map(|r| span(pairs.queries, r, c)));
    let d_k = partition::split_mut(&mut gradients.k, runs.iter().map(|r| span(pairs.keys, r, c)));
    let d_v = partition::split_mut(&mut gradients.v, runs.iter().map(|r| span(pairs.keys, r, c)));
    let with_bias = if inputs.bias.is_some() { spec.heads } else { 0 };
    let d_b = partition::split_mut(
        &mut gradients.bias,
        runs.iter().map(|r| span(&pair_offsets, r, with_bias)),
    );
    let tasks: Vec<_> = runs
        .iter()
        .zip(d_q.into_iter().zip(d_k).zip(d_v.into_iter().zip(d_b)))
        .collect();
    partition::run(tasks, |(run, ((d_q, d_k), (d_v, d_b)))| {
        let mut scratch = Scratch::new(workspace, spec, longest_q, longest_k);
        let mut d_o = workspace.take(longest_q * d);
        let (first_q, first_k, first_p) = (pairs.queries[run.start], pairs.keys[run.start], pair_offsets[run.start]);
        for jet in run.clone() {
            let (q, k) = (
                pairs.queries[jet]..pairs.queries[jet + 1],
                pairs.keys[jet]..pairs.keys[jet + 1],
            );
            if q.is_empty() || k.is_empty() {
                continue;
            }
            let (n_q, n_k) = (q.len(), k.len());
            let bias = inputs
                .bias
                .map(|b| &b[pair_offsets[jet] * spec.heads..pair_offsets[jet + 1] * spec.heads]);
            simd::dispatch(
                #[inline(always)]
                || {
                    for h in 0..spec.heads {
                        head(&mut scratch.q, inputs.q, q.clone(), spec, h, spec.scale());
                        head(&mut scratch.k, inputs.k, k.clone(), spec, h, 1.0);
                        head(&mut scratch.v, inputs.v, k.clone(), spec, h, 1.0);
                        head(&mut d_o, d_out, q.clone(), spec, h, 1.0);
                        scores(&mut scratch, bias, spec, h, [n_q, n_k]);
                        for (s, i) in scratch.s.chunks_exact_mut(n_k).zip(q.clone()) {
                            let log = logs[i * spec.heads + h];
                            s.iter_mut().for_each(|s| *s = simd::exp(*s - log));
                        }
                        // d_v = P^T d_o
                        let weights = Mat::new(&scratch.s, n_q, n_k);
                        matmul(&mut scratch.o, false, weights.t(), Mat::new(&d_o, n_q, d));
                        put(d_v, &scratch.o, k.start - first_k, n_k, spec, h, 1.0);
                        // d_s = P (d_o v^T - d_o . o)
                        matmul(
                            &mut scratch.d,
                            false,
                            Mat::new(&d_o, n_q, d),
                            Mat::new(&scratch.v, n_k, d).t(),
                        );
                        for (i, (ds, s)) in scratch
                            .d
                            .chunks_exact_mut(n_k)
                            .zip(scratch.s.chunks_exact(n_k))
                            .take(n_q)
                            .enumerate()
                        {
                            let o = &out[(q.start + i) * c + h * d..][..d];
                            let dot: f32 = o.iter().zip(&d_o[i * d..][..d]).map(|(a, b)| a * b).sum();
                            ds.iter_mut().zip(s).for_each(|(ds, s)| *ds = s * (*ds - dot));
                        }
                        if inputs.bias.is_some() {
                            let at = (pair_offsets[jet] - first_p) * spec.heads;
                            for (b, ds) in d_b[at..].chunks_exact_mut(spec.heads).zip(&scratch.d[..n_q * n_k]) {
                                b[h] = *ds;
                            }
                        }
                        let d_s = Mat::new(&scratch.d, n_q, n_k);
                        matmul(&mut scratch.o, false, d_s, Mat::new(&scratch.k, n_k, d));
                        put(d_q, &scratch.o, q.start - first_q, n_q, spec, h, spec.scale());
                        // The scratch queries carry the scale already.
                        matmul(&mut scratch.o, false, d_s.t(), Mat::new(&scratch.q, n_q, d));
                        put(d_k, &scratch.o, k.start - first_k, n_k, spec, h, 1.0);
                    }
                },
            );
        }
    });
    gradients
}

/// Writes `[n, D]` into head `h` of the rows from `first`, times `factor`.
#[inline(always)]
fn put(out: &mut [f32], x: &[f32], first: usize, n: usize, spec: AttentionSpec, h: usize, factor: f32) {
    let (d, c) = (spec.width, spec.channels());
    for (i, x) in x.chunks_exact(d).take(n).enumerate() {
        for (o, v) in out[(first + i) * c + h * d..][..d].iter_mut().zip(x) {
            *o = v * factor;
        }
    }
}
