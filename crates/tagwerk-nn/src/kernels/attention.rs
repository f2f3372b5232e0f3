//! Multi-head attention within each jet, with an optional bias a pair and head.
//!
//! Vaswani et al., arXiv:1706.03762, eq. 1, with the pair bias of Qu, Li, Qian, "Particle Transformer",
//! arXiv:2202.03772, eq. 4: `softmax(Q K^T / sqrt(D) + U) V`. Queries and keys are jagged rows: a jet of `n`
//! constituents has `n^2` scores a head, and padding has none. The scores of one jet and head live in cache and are
//! computed again in the backward pass; kept is one number a row and head, the logarithm of its normalization.
//!
//! Queries, keys and values are read where the product that made them has written them, side by side in one row.

use super::dropout::Drop;
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
    /// `[B + 1]`: where a jet's pairs begin.
    pub fn offsets(&self) -> Vec<usize> {
        let mut offsets = vec![0];
        for (q, k) in self.queries.windows(2).zip(self.keys.windows(2)) {
            offsets.push(offsets[offsets.len() - 1] + (q[1] - q[0]) * (k[1] - k[0]));
        }
        offsets
    }
}

/// Where queries, keys and values come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// One row holds all three, `[R, 3 H D]`: each row asks the rows of its own jet.
    Own(&'a [f32]),
    /// Queries `[R_q, H D]` ask rows of keys and values, `[R_k, 2 H D]`.
    Other(&'a [f32], &'a [f32]),
}

/// Rows of `stride` channels, the heads from channel `first` on.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
    first: usize,
}

impl<'a> Source<'a> {
    /// Queries, keys, values.
    fn rows(self, c: usize) -> [Rows<'a>; 3] {
        let rows = |data, stride, first| Rows { data, stride, first };
        match self {
            Self::Own(qkv) => [0, c, 2 * c].map(|first| rows(qkv, 3 * c, first)),
            Self::Other(q, kv) => [rows(q, c, 0), rows(kv, 2 * c, 0), rows(kv, 2 * c, c)],
        }
    }
}

/// All that an attention reads.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Queries, keys, values.
    pub source: Source<'a>,
    /// Bias of each head and pair: `[H, n_q, n_k]` a jet, one jet after the other.
    pub bias: Option<&'a [f32]>,
    /// Dropout of the weights, after the softmax.
    pub drop: Option<Drop>,
}

/// Gradients of [`Inputs`].
#[derive(Debug)]
pub struct Gradients {
    /// Of queries, keys and values in one row, or of queries alone.
    pub first: Vec<f32>,
    /// Of keys and values in one row; empty if they lie beside their queries.
    pub second: Vec<f32>,
    /// Of the bias; empty without one.
    pub bias: Vec<f32>,
}

/// Jets cut into runs of about equal numbers of pairs.
fn runs(pairs: &[usize]) -> Vec<Range<usize>> {
    let total = pairs[pairs.len() - 1];
    partition::by_rows(pairs, (total / 32).max(4096))
}

/// Scratch of one jet and head.
struct Scratch {
    q: Buffer,
    k: Buffer,
    v: Buffer,
    o: Buffer,
    /// Weights, their dropped form, gradients.
    s: Buffer,
    w: Buffer,
    d: Buffer,
}

impl Scratch {
    fn new(workspace: &Workspace, spec: AttentionSpec, queries: usize, keys: usize) -> Self {
        let d = spec.width;
        Self {
            q: workspace.take(queries * d),
            k: workspace.take(keys * d),
            v: workspace.take(keys * d),
            o: workspace.take(queries.max(keys) * d),
            s: workspace.take(queries * keys),
            w: workspace.take(queries * keys),
            d: workspace.take(queries * keys),
        }
    }
}

fn longest(offsets: &[usize]) -> usize {
    offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
}

/// One jet of an attention.
struct Jet<'a> {
    q: Range<usize>,
    k: Range<usize>,
    rows: [Rows<'a>; 3],
    bias: Option<&'a [f32]>,
    drop: Option<Drop>,
    /// Number of the first score of the jet, of all heads.
    first: usize,
}

impl<'a> Jet<'a> {
    fn new(spec: AttentionSpec, inputs: Inputs<'a>, pairs: Pairs, offsets: &[usize], jet: usize) -> Self {
        let of_jet = offsets[jet] * spec.heads..offsets[jet + 1] * spec.heads;
        Self {
            q: pairs.queries[jet]..pairs.queries[jet + 1],
            k: pairs.keys[jet]..pairs.keys[jet + 1],
            rows: inputs.source.rows(spec.channels()),
            bias: inputs.bias.map(|bias| &bias[of_jet.clone()]),
            drop: inputs.drop,
            first: of_jet.start,
        }
    }

    fn is_empty(&self) -> bool {
        self.q.is_empty() || self.k.is_empty()
    }

    /// The scores `[n_q, n_k]` of head `h`, bias included, in `scratch.s`; queries, keys and values beside.
    #[inline(always)]
    fn scores(&self, scratch: &mut Scratch, spec: AttentionSpec, h: usize) {
        head(&mut scratch.q, self.rows[0], self.q.clone(), spec, h, spec.scale());
        head(&mut scratch.k, self.rows[1], self.k.clone(), spec, h, 1.0);
        head(&mut scratch.v, self.rows[2], self.k.clone(), spec, h, 1.0);
        let (n_q, n_k, d) = (self.q.len(), self.k.len(), spec.width);
        let (q, k) = (Mat::new(&scratch.q, n_q, d), Mat::new(&scratch.k, n_k, d));
        matmul(&mut scratch.s, false, q, k.t());
        if let Some(bias) = self.bias {
            let bias = &bias[h * n_q * n_k..(h + 1) * n_q * n_k];
            scratch.s.iter_mut().zip(bias).for_each(|(s, b)| *s += b);
        }
    }

    /// The weights that are left: `to = factor from`, with the dropout of head `h`.
    #[inline(always)]
    fn dropped(&self, to: &mut [f32], from: &[f32], drop: Drop, h: usize) {
        let scores = self.q.len() * self.k.len();
        let (start, kept) = ((self.first + h * scores) as u32, drop.kept());
        let (to, from) = (&mut to[..scores], &from[..scores]);
        for i in 0..scores {
            to[i] = from[i] * drop.factor(start.wrapping_add(i as u32), kept);
        }
    }
}

/// Copies head `h` of rows into `[n, D]`, times `factor`.
#[inline(always)]
fn head(out: &mut [f32], x: Rows, rows: Range<usize>, spec: AttentionSpec, h: usize, factor: f32) {
    let d = spec.width;
    for (out, row) in out.chunks_exact_mut(d).zip(rows) {
        for (o, v) in out.iter_mut().zip(&x.data[row * x.stride + x.first + h * d..][..d]) {
            *o = v * factor;
        }
    }
}

/// Runs the attention: `[R_q, H D]` and the logarithms of the normalizations `[R_q, H]`. A query without keys gives
/// zeros.
pub fn forward(spec: AttentionSpec, inputs: Inputs, pairs: Pairs, workspace: &Workspace) -> (Vec<f32>, Vec<f32>) {
    let (c, d) = (spec.channels(), spec.width);
    let rows = pairs.queries[pairs.queries.len() - 1];
    let offsets = pairs.offsets();
    let runs = runs(&offsets);
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
            let jet = Jet::new(spec, inputs, pairs, &offsets, jet);
            if jet.is_empty() {
                continue;
            }
            let (n_q, n_k, at) = (jet.q.len(), jet.k.len(), jet.q.start - first);
            simd::dispatch(
                #[inline(always)]
                || {
                    for h in 0..spec.heads {
                        jet.scores(&mut scratch, spec, h);
                        for (i, s) in scratch.s.chunks_exact_mut(n_k).take(n_q).enumerate() {
                            logs[(at + i) * spec.heads + h] = softmax(s);
                        }
                        let weights = match jet.drop {
                            Some(drop) => {
                                jet.dropped(&mut scratch.w, &scratch.s, drop, h);
                                &scratch.w
                            }
                            None => &scratch.s,
                        };
                        let weights = Mat::new(weights, n_q, n_k);
                        matmul(&mut scratch.o, false, weights, Mat::new(&scratch.v, n_k, d));
                        put(out, &scratch.o, (c, 0), at, n_q, spec, h, 1.0);
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
    let largest = simd::max(s);
    s.iter_mut().for_each(|s| *s = simd::exp(*s - largest));
    let sum = simd::sum(s);
    let inverse = 1.0 / sum;
    s.iter_mut().for_each(|s| *s *= inverse);
    largest + sum.ln()
}

/// Pieces of the gradients of queries, keys and values of a run of jets.
enum Target<'a> {
    Own(&'a mut [f32]),
    Other(&'a mut [f32], &'a mut [f32]),
}

impl Target<'_> {
    /// Where queries (0), keys (1) or values (2) go: the memory, its channels a row, and the first channel.
    #[inline(always)]
    fn of(&mut self, which: usize, c: usize) -> (&mut [f32], (usize, usize)) {
        match self {
            Self::Own(all) => (all, (3 * c, which * c)),
            Self::Other(q, _) if which == 0 => (q, (c, 0)),
            Self::Other(_, kv) => (kv, (2 * c, (which - 1) * c)),
        }
    }
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
) -> Gradients {
    let c = spec.channels();
    let offsets = pairs.offsets();
    let runs = runs(&offsets);
    let (longest_q, longest_k) = (longest(pairs.queries), longest(pairs.keys));
    let lengths = match inputs.source {
        Source::Own(qkv) => [qkv.len(), 0],
        Source::Other(q, kv) => [q.len(), kv.len()],
    };
    let mut gradients = Gradients {
        first: vec![0.0; lengths[0]],
        second: vec![0.0; lengths[1]],
        bias: vec![0.0; inputs.bias.map_or(0, <[f32]>::len)],
    };
    let widths = match inputs.source {
        Source::Own(_) => [3 * c, 0],
        Source::Other(..) => [c, 2 * c],
    };
    let span = |offsets: &[usize], run: &Range<usize>, width: usize| (offsets[run.end] - offsets[run.start]) * width;
    let first = partition::split_mut(
        &mut gradients.first,
        runs.iter().map(|r| span(pairs.queries, r, widths[0])),
    );
    let second = partition::split_mut(
        &mut gradients.second,
        runs.iter().map(|r| span(pairs.keys, r, widths[1])),
    );
    let with_bias = if inputs.bias.is_some() { spec.heads } else { 0 };
    let bias = partition::split_mut(&mut gradients.bias, runs.iter().map(|r| span(&offsets, r, with_bias)));
    let tasks: Vec<_> = runs.iter().zip(first.into_iter().zip(second).zip(bias)).collect();
    partition::run(tasks, |(run, ((first, second), d_bias))| {
        let mut target = match inputs.source {
            Source::Own(_) => Target::Own(first),
            Source::Other(..) => Target::Other(first, second),
        };
        let mut scratch = Scratch::new(workspace, spec, longest_q, longest_k);
        let mut d_o = workspace.take(longest_q * spec.width);
        let starts = [
            pairs.queries[run.start],
            pairs.keys[run.start],
            offsets[run.start] * spec.heads,
        ];
        for jet in run.clone() {
            let jet = Jet::new(spec, inputs, pairs, &offsets, jet);
            if jet.is_empty() {
                continue;
            }
            simd::dispatch(
                #[inline(always)]
                || {
                    for h in 0..spec.heads {
                        backward_head(
                            &jet,
                            spec,
                            h,
                            &mut scratch,
                            &mut d_o,
                            [out, logs, d_out],
                            &mut target,
                            starts,
                        );
                        if jet.bias.is_some() {
                            let scores = jet.q.len() * jet.k.len();
                            let at = jet.first - starts[2] + h * scores;
                            d_bias[at..at + scores].copy_from_slice(&scratch.d[..scores]);
                        }
                    }
                },
            );
        }
    });
    gradients
}

/// One head of one jet; leaves the gradient of the scores in `scratch.d`.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn backward_head(
    jet: &Jet,
    spec: AttentionSpec,
    h: usize,
    scratch: &mut Scratch,
    d_o: &mut [f32],
    [out, logs, d_out]: [&[f32]; 3],
    target: &mut Target,
    starts: [usize; 3],
) {
    let (c, d, n_q, n_k) = (spec.channels(), spec.width, jet.q.len(), jet.k.len());
    let of_output = |data| Rows {
        data,
        stride: c,
        first: 0,
    };
    head(d_o, of_output(d_out), jet.q.clone(), spec, h, 1.0);
    jet.scores(scratch, spec, h);
    for (s, i) in scratch.s.chunks_exact_mut(n_k).zip(jet.q.clone()) {
        let log = logs[i * spec.heads + h];
        s.iter_mut().for_each(|s| *s = simd::exp(*s - log));
    }
    let weights = match jet.drop {
        Some(drop) => {
            jet.dropped(&mut scratch.w, &scratch.s, drop, h);
            &scratch.w
        }
        None => &scratch.s,
    };
    // d_v = W^T d_o with the weights W that are left of P.
    matmul(
        &mut scratch.o,
        false,
        Mat::new(weights, n_q, n_k).t(),
        Mat::new(d_o, n_q, d),
    );
    let (d_v, at) = target.of(2, c);
    put(d_v, &scratch.o, at, jet.k.start - starts[1], n_k, spec, h, 1.0);
    // d_s = W (d_o v^T) - P (d_o . o)
    matmul(
        &mut scratch.d,
        false,
        Mat::new(d_o, n_q, d),
        Mat::new(&scratch.v, n_k, d).t(),
    );
    for (i, ds) in scratch.d.chunks_exact_mut(n_k).take(n_q).enumerate() {
        let o = &out[(jet.q.start + i) * c + h * d..][..d];
        let along = simd::dot(o, &d_o[i * d..][..d]);
        let (w, p) = (&weights[i * n_k..][..n_k], &scratch.s[i * n_k..][..n_k]);
        for j in 0..n_k {
            ds[j] = w[j] * ds[j] - p[j] * along;
        }
    }
    let d_s = Mat::new(&scratch.d, n_q, n_k);
    matmul(&mut scratch.o, false, d_s, Mat::new(&scratch.k, n_k, d));
    let (d_q, at) = target.of(0, c);
    put(d_q, &scratch.o, at, jet.q.start - starts[0], n_q, spec, h, spec.scale());
    // The scratch queries carry the scale already.
    matmul(&mut scratch.o, false, d_s.t(), Mat::new(&scratch.q, n_q, d));
    let (d_k, at) = target.of(1, c);
    put(d_k, &scratch.o, at, jet.k.start - starts[1], n_k, spec, h, 1.0);
}

/// Writes `[n, D]` into head `h` of the rows from `first`, which have `stride` channels with the heads from `start`,
/// times `factor`.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn put(
    out: &mut [f32],
    x: &[f32],
    (stride, start): (usize, usize),
    first: usize,
    n: usize,
    spec: AttentionSpec,
    h: usize,
    factor: f32,
) {
    let d = spec.width;
    for (i, x) in x.chunks_exact(d).take(n).enumerate() {
        for (o, v) in out[(first + i) * stride + start + h * d..][..d].iter_mut().zip(x) {
            *o = v * factor;
        }
    }
}
