//! A recursive network on binary trees, with a small network between the levels: the embedding of TreeNiN.
//!
//! Louppe, Cho, Becot, Cranmer, arXiv:1702.00748, eq. 4 and 5, with the network in network of Macaluso and Cranmer. For
//! node features f and a level counted from the root, `R` the ReLU:
//!
//! ```text
//! u = R(W_inner f + b)  or  R(W_leaf f + b)
//! h = R(W_combine [y_left, y_right, u] + b) of an inner node,  u of a leaf
//! y = R(V_1 R(V_0 h + c_0) + c_1)      V of an inner node or of a leaf; on level 1 of a left or of a right child
//! ```
//!
//! The embedding of a jet is h of its root. Only W_combine and the V of inner nodes wait for the level below. All else,
//! leaves above all, runs for all nodes of a [`Forest`] at once, and so do all weight gradients. A forest of some
//! thirty jets is one task: its levels are large enough for matrix products, small enough for the cache, and no level
//! waits for other jets.

mod backward;
mod forest;

pub use backward::backward;
pub use forest::Forest;

use super::gemm::{Mat, affine, matmul};
use super::partition;
use super::simd;
use super::workspace::{Buffer, Workspace};
use std::ops::Range;

/// Widths of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeSpec {
    /// Features a node, `F`.
    pub input: usize,
    /// Width of the embedding, `H`.
    pub hidden: usize,
}

/// Names of the dense layers, in the order of the packed parameters.
pub const TREE_LAYERS: [&str; 11] = [
    "inner",
    "leaf",
    "combine",
    "nin_inner.0",
    "nin_inner.1",
    "nin_leaf.0",
    "nin_leaf.1",
    "nin_left.0",
    "nin_left.1",
    "nin_right.0",
    "nin_right.1",
];

const INNER: usize = 0;
const LEAF: usize = 1;
const COMBINE: usize = 2;
/// First of the two layers between levels.
const NIN_INNER: usize = 3;
const NIN_LEAF: usize = 5;
/// Of left children on level 1; that of right children follows.
const NIN_LEFT: usize = 7;

impl TreeSpec {
    /// Inputs and outputs of a layer of [`TREE_LAYERS`].
    pub fn widths(&self, layer: usize) -> [usize; 2] {
        let c_in = match layer {
            INNER | LEAF => self.input,
            COMBINE => 3 * self.hidden,
            _ => self.hidden,
        };
        [c_in, self.hidden]
    }

    /// Where a layer's weight `[c_in, c_out]` lies in the packed parameters; its bias `[c_out]` follows.
    pub fn weight(&self, layer: usize) -> Range<usize> {
        let size = |layer| {
            let [c_in, c_out] = self.widths(layer);
            (c_in + 1) * c_out
        };
        let start: usize = (0..layer).map(size).sum();
        let [c_in, c_out] = self.widths(layer);
        start..start + c_in * c_out
    }

    /// Where a layer's bias lies.
    pub fn bias(&self, layer: usize) -> Range<usize> {
        let end = self.weight(layer).end;
        end..end + self.hidden
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.bias(TREE_LAYERS.len() - 1).end
    }

    /// Multiply-adds of a tree of so many leaves (with one inner node less), forward.
    pub fn multiply_adds(&self, leaves: f64) -> f64 {
        let (f, h) = (self.input as f64, self.hidden as f64);
        leaves * (f * h + 2.0 * h * h) + (leaves - 1.0).max(0.0) * (f * h + 5.0 * h * h)
    }
}

/// What the backward pass needs of one forest.
#[derive(Debug)]
pub struct Saved {
    buffer: Buffer,
}

/// Rows of the kept values of a forest, `H` channels each, in the order in which they lie in a buffer.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// u of all nodes, inner before leaves.
    nodes: usize,
    /// h of inner nodes.
    inner: usize,
    /// y of the children of each inner node, left and right: what W_combine reads.
    children: usize,
    /// Between V_0 and V_1, of nodes below level 1, inner before leaves.
    deep: usize,
    /// h of the children of roots, and what is between V_0 and V_1 there: all left ones before all right ones.
    top: usize,
}

impl Sizes {
    fn of(forest: &Forest) -> Self {
        Self {
            nodes: forest.nodes(),
            inner: forest.inner_nodes(),
            children: 2 * forest.inner_nodes(),
            deep: forest.deep_inner().len() + forest.deep_leaves().len(),
            top: 2 * forest.inner_on(0).len(),
        }
    }

    fn lengths(&self, h: usize) -> [usize; 6] {
        [self.nodes, self.inner, self.children, self.deep, self.top, self.top].map(|rows| rows * h)
    }
}

/// Cuts a buffer into consecutive pieces.
fn carve<const N: usize>(mut data: &mut [f32], lengths: [usize; N]) -> [&mut [f32]; N] {
    lengths.map(|length| {
        let (piece, rest) = std::mem::take(&mut data).split_at_mut(length);
        data = rest;
        piece
    })
}

/// The same without the right to write.
fn parts<const N: usize>(mut data: &[f32], lengths: [usize; N]) -> [&[f32]; N] {
    lengths.map(|length| {
        let (piece, rest) = data.split_at(length);
        data = rest;
        piece
    })
}

/// Rows `range` of `h` channels as a range of values.
fn span(range: Range<usize>, h: usize) -> Range<usize> {
    range.start * h..range.end * h
}

/// The parameters of one layer.
#[derive(Clone, Copy)]
struct Layer<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
}

/// Runs the network: `x: [R, F]` in the order of the forests, embeddings `[B, H]` of `jets` jets out, zeros for jets
/// without nodes. `keep` saves what [`backward`] needs, one entry a forest.
///
/// # Panics
/// If `x` or the parameters do not fit the forests and the widths: a bug in the caller.
pub fn forward(
    spec: TreeSpec,
    parameters: &[f32],
    forests: &[Forest],
    jets: usize,
    x: &[f32],
    keep: bool,
    workspace: &Workspace,
) -> (Vec<f32>, Vec<Saved>) {
    let h = spec.hidden;
    let tasks = with_rows(forests, x, spec.input);
    let results = partition::run(tasks, |(forest, x)| {
        let lengths = Sizes::of(forest).lengths(h);
        let mut buffer = workspace.take(lengths.iter().sum());
        let widest = (2..forest.levels())
            .map(|j| forest.inner_on(j).len())
            .max()
            .unwrap_or(0);
        let widest = widest.max(forest.deep_leaves().len()).max(forest.inner_on(0).len());
        let mut out = workspace.take(widest * h);
        let mut roots = workspace.take(forest.jets().len() * h);
        simd::dispatch(
            #[inline(always)]
            || {
                forest_forward(
                    spec,
                    parameters,
                    forest,
                    x,
                    carve(&mut buffer, lengths),
                    &mut out,
                    &mut roots,
                )
            },
        );
        (roots, keep.then_some(Saved { buffer }))
    });
    let mut embeddings = vec![0.0; jets * h];
    let mut kept = Vec::new();
    for (forest, (roots, saved)) in forests.iter().zip(results) {
        for (&jet, root) in forest.jets().iter().zip(roots.chunks_exact(h)) {
            embeddings[jet as usize * h..][..h].copy_from_slice(root);
        }
        kept.extend(saved);
    }
    (embeddings, kept)
}

/// Each forest with its rows of `x`.
fn with_rows<'a>(forests: &'a [Forest], mut x: &'a [f32], width: usize) -> Vec<(&'a Forest, &'a [f32])> {
    forests
        .iter()
        .map(|forest| {
            let (own, rest) = x.split_at(forest.nodes() * width);
            x = rest;
            (forest, own)
        })
        .collect()
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn forest_forward(
    spec: TreeSpec,
    parameters: &[f32],
    forest: &Forest,
    x: &[f32],
    [u, h_inner, y, between, t, t_between]: [&mut [f32]; 6],
    out: &mut [f32],
    roots: &mut [f32],
) {
    let (f, h) = (spec.input, spec.hidden);
    let layer = |index: usize| Layer {
        weight: &parameters[spec.weight(index)],
        bias: &parameters[spec.bias(index)],
    };
    let inner = forest.inner_nodes();
    let (u_inner, u_leaf) = u.split_at_mut(inner * h);
    let (x_inner, x_leaf) = x.split_at(inner * f);
    dense(u_inner, x_inner, layer(INNER), true, f, h);
    dense(u_leaf, x_leaf, layer(LEAF), true, f, h);

    // Leaves below level 1, all levels at once.
    let (between_inner, between_leaf) = between.split_at_mut(forest.deep_inner().len() * h);
    let deep = forest.deep_leaves();
    let two = |index: usize| [layer(index), layer(index + 1)];
    nin(out, between_leaf, &u_leaf[span(deep.clone(), h)], two(NIN_LEAF), h);
    forest.put(y, out, inner + deep.start..inner + deep.end, h);

    // The part of W_combine that reads u, of all levels at once.
    let combine = layer(COMBINE);
    let (of_children, of_own) = combine.weight.split_at(2 * h * h);
    let own = Layer {
        weight: of_own,
        bias: combine.bias,
    };
    dense(h_inner, u_inner, own, false, h, h);

    let first_deep = forest.deep_inner().start;
    for j in (0..forest.levels()).rev() {
        let nodes = forest.inner_on(j);
        if j == 0 {
            let n = nodes.len() * h;
            for (side, (t, between)) in t
                .chunks_exact(n.max(1))
                .zip(t_between.chunks_exact_mut(n.max(1)))
                .enumerate()
            {
                nin(out, between, t, two(NIN_LEFT + 2 * side), h);
                for (child, out) in y
                    .chunks_exact_mut(h)
                    .skip(side)
                    .step_by(2)
                    .zip(out.chunks_exact(h))
                    .take(nodes.len())
                {
                    child.copy_from_slice(out);
                }
            }
        }
        let here = &mut h_inner[span(nodes.clone(), h)];
        let children = Mat::new(&y[span(nodes.clone(), 2 * h)], nodes.len(), 2 * h);
        matmul(here, true, children, Mat::new(of_children, 2 * h, h));
        here.iter_mut().for_each(|v| *v = simd::relu(*v));
        match j {
            0 => {}
            1 => {
                forest.put_top(t, here, nodes, h);
                let leaves = forest.leaves_on(1);
                forest.put_top(
                    t,
                    &u_leaf[span(leaves.clone(), h)],
                    inner + leaves.start..inner + leaves.end,
                    h,
                );
            }
            _ => {
                let between = &mut between_inner[span(nodes.start - first_deep..nodes.end - first_deep, h)];
                nin(out, between, here, two(NIN_INNER), h);
                forest.put(y, out, nodes, h);
            }
        }
    }
    let (inner_roots, leaf_roots) = roots.split_at_mut(forest.inner_on(0).len() * h);
    inner_roots.copy_from_slice(&h_inner[..inner_roots.len()]);
    leaf_roots.copy_from_slice(&u_leaf[..leaf_roots.len()]);
}

/// A dense layer on all rows of `x`.
#[inline(always)]
fn dense(y: &mut [f32], x: &[f32], layer: Layer, relu: bool, c_in: usize, c_out: usize) {
    affine(y, x, layer.weight, layer.bias, relu, x.len() / c_in, c_in, c_out);
}

/// The two layers between levels.
#[inline(always)]
fn nin(y: &mut [f32], between: &mut [f32], x: &[f32], [first, second]: [Layer; 2], h: usize) {
    dense(between, x, first, true, h, h);
    dense(y, between, second, true, h, h);
}
