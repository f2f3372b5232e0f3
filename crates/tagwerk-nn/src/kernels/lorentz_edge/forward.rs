//! The forward pass: node parts, their statistics, and one walk over the edges.

use super::padded::{Folded, Padded};
use super::pairs::Pairs;
use super::spec::LorentzEdgeSpec;
use super::statistics::{ScalarSums, scalar_sums, statistics};
use crate::kernels::gemm::{Mat, matmul, product};
use crate::kernels::norm::Statistics;
use crate::kernels::partition::{self, TILE_ROWS};
use crate::kernels::simd::{self, relu};
use crate::kernels::workspace::{Buffer, Workspace};
use std::ops::Range;

/// What the backward pass needs of a forward pass.
#[derive(Debug)]
pub struct Saved {
    /// `[N, C]` each: the node parts of the first pre-activation.
    pub(super) near: Buffer,
    pub(super) far: Buffer,
    pub(super) pairs: Pairs,
    pub(super) of_node: Vec<[f32; 2]>,
    pub(super) of_jet: Vec<ScalarSums>,
    /// `phi_x` of each edge, `[E]`; empty if nothing moves.
    pub(super) factors: Buffer,
    /// 1 where its hidden layer is positive, in padded rows `[E, width]`; empty if nothing moves.
    pub(super) positive: Buffer<u8>,
    pub(super) statistics: Statistics,
}

/// Some rows of one jet, whose edges are computed together.
pub(super) struct Tile {
    pub(super) jet: usize,
    /// All nodes of the jet.
    pub(super) nodes: Range<usize>,
    pub(super) rows: Range<usize>,
    /// Number of the first edge among all.
    pub(super) first: usize,
}

impl Tile {
    /// Edges of a node.
    #[inline(always)]
    pub(super) fn degree(&self) -> usize {
        self.nodes.len() - 1
    }

    #[inline(always)]
    pub(super) fn edges(&self) -> usize {
        self.rows.len() * self.degree()
    }

    /// Calls `f(edge, row, other node, pair)` for each edge in order; the edge is counted within the tile, the pair
    /// among all pairs.
    #[inline(always)]
    pub(super) fn each(&self, pairs: &Pairs, mut f: impl FnMut(usize, usize, usize, usize)) {
        let (n, mut edge) = (self.nodes.len(), 0);
        for i in self.rows.clone() {
            let start = pairs.offsets[self.jet] + (i - self.nodes.start) * n;
            for others in [self.nodes.start..i, i + 1..self.nodes.end] {
                for j in others {
                    f(edge, i, j, start + j - self.nodes.start);
                    edge += 1;
                }
            }
        }
    }
}

/// Jets that one task computes.
pub(super) struct Group {
    pub(super) jets: Range<usize>,
    pub(super) nodes: Range<usize>,
    pub(super) edges: Range<usize>,
    pub(super) tiles: Vec<Tile>,
}

/// Jets are never split between groups, so that a group owns the nodes of its edges.
pub(super) fn groups(jets: &[usize]) -> Vec<Group> {
    let mut edges = vec![0];
    for w in jets.windows(2) {
        let n = w[1] - w[0];
        edges.push(edges[edges.len() - 1] + n * n.saturating_sub(1));
    }
    let total = edges[edges.len() - 1];
    partition::by_rows(&edges, (total / partition::MAX_GROUPS).max(1024))
        .into_iter()
        .map(|run| {
            let mut tiles = Vec::new();
            for jet in run.clone() {
                let nodes = jets[jet]..jets[jet + 1];
                let degree = nodes.len().saturating_sub(1);
                if degree == 0 {
                    continue;
                }
                for rows in partition::even(nodes.len(), nodes.len().div_ceil((TILE_ROWS / degree).max(1))) {
                    tiles.push(Tile {
                        jet,
                        first: edges[jet] + rows.start * degree,
                        rows: nodes.start + rows.start..nodes.start + rows.end,
                        nodes: nodes.clone(),
                    });
                }
            }
            Group {
                nodes: jets[run.start]..jets[run.end],
                edges: edges[run.start]..edges[run.end],
                jets: run,
                tiles,
            }
        })
        .collect()
}

/// Largest number of edges in a tile.
pub(super) fn longest(groups: &[Group]) -> usize {
    groups.iter().flat_map(|g| &g.tiles).map(Tile::edges).max().unwrap_or(0)
}

impl Folded {
    /// The activations `[edges, width]` of a tile.
    #[inline(always)]
    pub(super) fn activations(&self, h: &mut [f32], pairs: &Pairs, tile: &Tile) {
        let c = self.width;
        let (w_n, w_p) = (&self.w_n[..c], &self.w_p[..c]);
        tile.each(pairs, |edge, i, j, pair| {
            let (near, far) = (&self.near[i * c..][..c], &self.far[j * c..][..c]);
            let (n, p) = (pairs.distances[pair], pairs.products[pair]);
            let h = &mut h[edge * c..][..c];
            for k in 0..c {
                h[k] = relu(near[k] + far[k] + n * w_n[k] + p * w_p[k]);
            }
        });
    }
}

/// Runs the edges: `h: [N, C_in]` and `x: [N, 4]` to `[N, C (+ 4)]`, with the batch's statistics unless some are given.
/// `keep` saves what [`super::backward`] needs.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    spec: &LorentzEdgeSpec,
    parameters: &[f32],
    h: &[f32],
    x: &[f32],
    jets: &[usize],
    given: Option<&Statistics>,
    keep: bool,
    workspace: &Workspace,
) -> (Vec<f32>, Statistics, Option<Saved>) {
    let rows = jets[jets.len() - 1];
    let (near, far) = node_products(spec, parameters, h, workspace);
    let pairs = Pairs::new(x, jets, workspace);
    let weights = [&parameters[spec.distance()], &parameters[spec.product()]];
    let (of_node, of_jet) = match given {
        Some(_) => Default::default(),
        None => scalar_sums(&pairs, jets),
    };
    let statistics = match given {
        Some(given) => given.clone(),
        None => statistics(&near, &far, weights, jets, &of_node, &of_jet),
    };
    let map = statistics.affine(&parameters[spec.gamma()], &parameters[spec.beta()]);
    let walk = Walk {
        spec,
        x,
        folded: Folded::new(&near, &far, weights, &map, workspace),
        padded: Padded::new(spec, parameters, workspace),
        pairs: &pairs,
    };
    let groups = groups(jets);
    let longest = longest(&groups);
    let edges = groups.last().map_or(0, |g| g.edges.end);
    let (kept, wide) = (if keep && spec.moves { edges } else { 0 }, walk.padded.width);
    let (mut factors, mut positive) = (workspace.take(kept), workspace.take_bytes(kept * wide));
    let mut out = vec![0.0; rows * spec.output()];
    let outs = partition::split_mut(&mut out, groups.iter().map(|g| g.nodes.len() * spec.output()));
    let of_group = |g: &Group| if kept > 0 { g.edges.len() } else { 0 };
    let factor_pieces = partition::split_mut(&mut factors, groups.iter().map(of_group));
    let mut rest = &mut positive[..];
    let mut tasks = Vec::new();
    for ((group, out), factors) in groups.iter().zip(outs).zip(factor_pieces) {
        let (positive, tail) = std::mem::take(&mut rest).split_at_mut(factors.len() * wide);
        rest = tail;
        tasks.push((group, out, factors, positive));
    }
    partition::run(tasks, |(group, out, factors, positive)| {
        let [mut hidden, mut message] = [(); 2].map(|()| workspace.take(longest * wide));
        let mut scalars = workspace.take(longest);
        simd::dispatch(
            #[inline(always)]
            || walk.group(group, out, factors, positive, [&mut hidden, &mut message], &mut scalars),
        );
    });
    let saved = keep.then(|| Saved {
        near,
        far,
        pairs,
        of_node,
        of_jet,
        factors,
        positive,
        statistics: statistics.clone(),
    });
    (out, statistics, saved)
}

/// What the walk over the edges reads.
struct Walk<'a> {
    spec: &'a LorentzEdgeSpec,
    x: &'a [f32],
    folded: Folded,
    padded: Padded,
    pairs: &'a Pairs,
}

impl Walk<'_> {
    #[inline(always)]
    fn group(
        &self,
        group: &Group,
        out: &mut [f32],
        factors: &mut [f32],
        positive: &mut [u8],
        [hidden, message]: [&mut [f32]; 2],
        scalars: &mut [f32],
    ) {
        let (c, width, wide) = (self.spec.hidden, self.spec.output(), self.padded.width);
        for (i, row) in group.nodes.clone().zip(out.chunks_exact_mut(width)) {
            // Empty if nothing moves.
            row[c..].copy_from_slice(&self.x[4 * i..4 * i + width - c]);
        }
        for tile in &group.tiles {
            let n = tile.edges();
            self.folded.activations(hidden, self.pairs, tile);
            self.messages(message, hidden, scalars, n);
            let first = tile.rows.start - group.nodes.start;
            let out = &mut out[first * width..][..tile.rows.len() * width];
            for (row, messages) in out
                .chunks_exact_mut(width)
                .zip(message.chunks_exact(tile.degree() * wide))
            {
                for m in messages.chunks_exact(wide) {
                    row[..c].iter_mut().zip(m).for_each(|(o, m)| *o += m);
                }
            }
            if self.spec.moves {
                let at = tile.first - group.edges.start;
                let kept = if factors.is_empty() { 0..0 } else { at..at + n };
                let positive = &mut positive[kept.start * wide..kept.end * wide];
                self.factors(message, hidden, scalars, positive, n);
                factors[kept.clone()].copy_from_slice(&scalars[..kept.len()]);
                self.moves(out, scalars, tile);
            }
        }
    }

    /// `gate(e) e` with `e = relu(hidden W_2 + b_2)`, for `n` edges.
    #[inline(always)]
    fn messages(&self, message: &mut [f32], hidden: &[f32], open: &mut [f32], n: usize) {
        let (c, wide, padded) = (self.spec.hidden, self.padded.width, &self.padded);
        let second = Mat::new(&padded.second, c, wide);
        matmul(message, false, Mat::strided(hidden, n, c, wide), second);
        gates(message, open, padded, n);
        for (row, open) in message.chunks_exact_mut(wide).zip(open.iter()).take(n) {
            row.iter_mut().for_each(|m| *m *= open);
        }
    }

    /// `phi_x` of `n` messages; notes where its hidden layer is positive, if there is room.
    #[inline(always)]
    fn factors(&self, message: &[f32], hidden: &mut [f32], factors: &mut [f32], positive: &mut [u8], n: usize) {
        let (c, wide, padded) = (self.spec.hidden, self.padded.width, &self.padded);
        let shift = Mat::new(&padded.shift, c, wide);
        matmul(hidden, false, Mat::strided(message, n, c, wide), shift);
        let rows = hidden.chunks_exact_mut(wide).zip(factors.iter_mut()).take(n);
        for (edge, (u, factor)) in rows.enumerate() {
            add_relu(u, &padded.shift_bias);
            *factor = simd::dot(u, &padded.factor);
            if let Some(positive) = positive.get_mut(edge * wide..(edge + 1) * wide) {
                for (p, u) in positive.iter_mut().zip(u.iter()) {
                    *p = u8::from(*u > 0.0);
                }
            }
        }
    }

    /// Adds the move of each row of a tile to its four-vector.
    #[inline(always)]
    fn moves(&self, out: &mut [f32], factors: &[f32], tile: &Tile) {
        let (c, width, limit) = (self.spec.hidden, self.spec.output(), self.spec.limit);
        let share = self.spec.step / tile.degree() as f32;
        tile.each(self.pairs, |edge, i, j, _| {
            let row = &mut out[(i - tile.rows.start) * width + c..][..4];
            let (a, b) = (&self.x[4 * i..][..4], &self.x[4 * j..][..4]);
            for k in 0..4 {
                let push = factors[edge] * (a[k] - b[k]);
                row[k] += share * push.clamp(-limit, limit);
            }
        });
    }
}

/// `e = relu(e + b_2)` in place for `n` edges, and their gates.
#[inline(always)]
pub(super) fn gates(e: &mut [f32], open: &mut [f32], padded: &Padded, n: usize) {
    for (row, open) in e.chunks_exact_mut(padded.width).zip(open.iter_mut()).take(n) {
        add_relu(row, &padded.second_bias);
        *open = simd::dot(row, &padded.gate);
    }
    for open in &mut open[..n] {
        *open = 1.0 / (1.0 + simd::exp(-(*open + padded.gate_bias)));
    }
}

/// `row = relu(row + bias)`.
#[inline(always)]
fn add_relu(row: &mut [f32], bias: &[f32]) {
    for (y, b) in row.iter_mut().zip(bias) {
        *y = relu(*y + b);
    }
}

/// `near = h W_i` and `far = h W_j`, `[N, C]`.
fn node_products(spec: &LorentzEdgeSpec, parameters: &[f32], h: &[f32], workspace: &Workspace) -> (Buffer, Buffer) {
    let (c_in, c) = (spec.input, spec.hidden);
    let rows = h.len() / c_in;
    let (mut near, mut far) = (workspace.take(rows * c), workspace.take(rows * c));
    let tasks: Vec<_> = h
        .chunks(TILE_ROWS * c_in)
        .zip(near.chunks_mut(TILE_ROWS * c).zip(far.chunks_mut(TILE_ROWS * c)))
        .collect();
    partition::run(tasks, |(h, (near, far))| {
        simd::dispatch(
            #[inline(always)]
            || {
                product(near, h, &parameters[spec.near()], h.len() / c_in, c_in, c);
                product(far, h, &parameters[spec.far()], h.len() / c_in, c_in, c);
            },
        );
    });
    (near, far)
}
