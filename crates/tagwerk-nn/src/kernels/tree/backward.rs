//! The gradients of the embedding of trees: from the roots down, then all weights at once.

use super::{COMBINE, Forest, INNER, LEAF, NIN_INNER, NIN_LEAF, NIN_LEFT, Saved, Sizes, TREE_LAYERS, TreeSpec};
use super::{carve, parts, span, with_rows};
use crate::kernels::gemm::{Mat, matmul, product, transpose, weight_gradient};
use crate::kernels::partition;
use crate::kernels::simd;
use crate::kernels::workspace::Workspace;
use std::ops::Range;

/// The gradients of [`super::forward`], given those of the embeddings, `d_out: [B, H]`: of the packed parameters, and
/// of `x` if `input_gradient`.
///
/// # Panics
/// If the slices do not fit the forests and the widths: a bug in the caller.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    spec: TreeSpec,
    parameters: &[f32],
    forests: &[Forest],
    x: &[f32],
    saved: &[Saved],
    d_out: &[f32],
    input_gradient: bool,
    workspace: &Workspace,
) -> (Vec<f32>, Option<Vec<f32>>) {
    let (f, h) = (spec.input, spec.hidden);
    let transposed = transposed(spec, parameters);
    let mut d_x = vec![0.0; if input_gradient { x.len() } else { 0 }];
    let groups = partition::even(forests.len(), partition::group_count(forests.len(), 1));
    let rows = with_rows(forests, x, f);
    let d_x_pieces = partition::split_mut(
        &mut d_x,
        groups.iter().map(|group| match input_gradient {
            true => forests[group.clone()].iter().map(|forest| forest.nodes() * f).sum(),
            false => 0,
        }),
    );
    let tasks: Vec<_> = groups.into_iter().zip(d_x_pieces).collect();
    let shares = partition::run(tasks, |(group, mut d_x)| {
        let mut gradient = workspace.zeros(spec.parameter_count());
        for i in group {
            let (forest, x) = rows[i];
            let sizes = Sizes::of(forest);
            let lengths = Deltas::lengths(sizes, h);
            let mut scratch = workspace.take(lengths.iter().sum());
            let take = if input_gradient { forest.nodes() * f } else { 0 };
            let (own, rest) = std::mem::take(&mut d_x).split_at_mut(take);
            d_x = rest;
            simd::dispatch(
                #[inline(always)]
                || {
                    let [u, h_inner, y, between, t, t_between] = parts(&saved[i].buffer, sizes.lengths(h));
                    let kept = Kept {
                        u,
                        h_inner,
                        y,
                        between,
                        t,
                        t_between,
                    };
                    let mut deltas = Deltas::carve(&mut scratch, lengths);
                    deltas.fill(h, &transposed, forest, &kept, d_out);
                    deltas.add_to(&mut gradient, spec, forest, &kept, x);
                    if input_gradient {
                        let (inner, leaves) = own.split_at_mut(forest.inner_nodes() * f);
                        let (d_inner, d_leaf) = deltas.u.split_at(forest.inner_nodes() * h);
                        product(inner, d_inner, &transposed[INNER], d_inner.len() / h, h, f);
                        product(leaves, d_leaf, &transposed[LEAF], d_leaf.len() / h, h, f);
                    }
                },
            );
        }
        gradient
    });
    let mut gradient = vec![0.0; spec.parameter_count()];
    partition::sum_in_order(&mut gradient, &shares);
    (gradient, input_gradient.then_some(d_x))
}

/// Place of the transposed part of W_combine that reads u; the part that reads children stands in its layer's place.
const COMBINE_OWN: usize = TREE_LAYERS.len();

/// The transposed weights of all layers, so that they are not gathered value by value in each product.
fn transposed(spec: TreeSpec, parameters: &[f32]) -> Vec<Vec<f32>> {
    let h = spec.hidden;
    let turned = |weight: &[f32]| {
        let mut t = vec![0.0; weight.len()];
        transpose(&mut t, weight, weight.len() / h, h);
        t
    };
    let of_layer = |layer: usize| match layer {
        COMBINE => turned(&parameters[spec.weight(COMBINE)][..2 * h * h]),
        _ => turned(&parameters[spec.weight(layer)]),
    };
    let own = turned(&parameters[spec.weight(COMBINE)][2 * h * h..]);
    (0..TREE_LAYERS.len()).map(of_layer).chain([own]).collect()
}

/// What the forward pass kept, see [`Sizes`].
struct Kept<'a> {
    u: &'a [f32],
    h_inner: &'a [f32],
    y: &'a [f32],
    between: &'a [f32],
    t: &'a [f32],
    t_between: &'a [f32],
}

/// Gradients of pre-activations.
struct Deltas<'a> {
    /// Of u, all nodes.
    u: &'a mut [f32],
    /// Of h, inner nodes.
    h_inner: &'a mut [f32],
    /// Of y itself, all slots; not of a pre-activation.
    y: &'a mut [f32],
    /// Of V_0 h + c_0, nodes below level 1, inner before leaves.
    between: &'a mut [f32],
    /// Of V_1 (..) + c_1, the same nodes.
    out: &'a mut [f32],
    /// Of V_0 h + c_0, children of roots, left ones before right ones.
    t_between: &'a mut [f32],
    /// Of V_1 (..) + c_1, the same nodes.
    t_out: &'a mut [f32],
    /// Of h of the children of roots, not of a pre-activation.
    t: &'a mut [f32],
}

impl<'a> Deltas<'a> {
    fn lengths(sizes: Sizes, h: usize) -> [usize; 8] {
        let (deep, top) = (sizes.deep, sizes.top);
        [sizes.nodes, sizes.inner, sizes.children, deep, deep, top, top, top].map(|rows| rows * h)
    }

    fn carve(data: &'a mut [f32], lengths: [usize; 8]) -> Self {
        let [u, h_inner, y, between, out, t_between, t_out, t] = carve(data, lengths);
        Self {
            u,
            h_inner,
            y,
            between,
            out,
            t_between,
            t_out,
            t,
        }
    }

    /// From the roots down.
    #[inline(always)]
    fn fill(&mut self, h: usize, transposed: &[Vec<f32>], forest: &Forest, kept: &Kept, d_out: &[f32]) {
        let inner = forest.inner_nodes();
        let (u_inner, u_leaf) = self.u.split_at_mut(inner * h);
        let kept_leaf = &kept.u[inner * h..];
        for j in 0..forest.levels() {
            let (nodes, leaves) = (forest.inner_on(j), forest.leaves_on(j));
            let here = span(nodes.clone(), h);
            let leaves_here = span(leaves.clone(), h);
            if j == 0 {
                let of_jets = |roots: Range<usize>| forest.jets()[roots].iter().map(|&jet| jet as usize);
                let (d_h, d_u) = (&mut self.h_inner[here.clone()], &mut u_leaf[leaves_here.clone()]);
                masked_rows(d_h, d_out, &kept.h_inner[here.clone()], of_jets(nodes.clone()), h);
                let leaf_roots = nodes.len()..nodes.len() + leaves.len();
                masked_rows(d_u, d_out, &kept_leaf[leaves_here], of_jets(leaf_roots), h);
            } else if j == 1 {
                let tops = |nodes: Range<usize>| forest.slots(nodes).iter().map(|&slot| forest.top(slot));
                let (d_h, d_u) = (&mut self.h_inner[here.clone()], &mut u_leaf[leaves_here.clone()]);
                masked_rows(d_h, self.t, &kept.h_inner[here.clone()], tops(nodes.clone()), h);
                let leaf_nodes = inner + leaves.start..inner + leaves.end;
                masked_rows(d_u, self.t, &kept_leaf[leaves_here], tops(leaf_nodes), h);
            } else {
                let first = forest.deep_inner().start;
                let deep = span(nodes.start - first..nodes.end - first, h);
                from_slots(
                    &mut self.out[deep.clone()],
                    self.y,
                    kept.y,
                    forest.slots(nodes.clone()),
                    h,
                );
                let weights = [&transposed[NIN_INNER], &transposed[NIN_INNER + 1]];
                let (d_between, d_h) = (&mut self.between[deep.clone()], &mut self.h_inner[here.clone()]);
                nin_backward(d_h, d_between, &self.out[deep.clone()], &kept.between[deep], weights, h);
                mask_in_place(d_h, &kept.h_inner[here.clone()]);
            }
            let d_children = &mut self.y[span(nodes.clone(), 2 * h)];
            times(d_children, &self.h_inner[here], &transposed[COMBINE], h, 2 * h);
            if j > 0 {
                continue;
            }
            // Between the roots and their children.
            let roots = nodes.len();
            for side in 0..2 {
                let here = span(side * roots..(side + 1) * roots, h);
                let slots = (0..roots).map(|root| 2 * root + side);
                for (d, slot) in self.t_out[here.clone()].chunks_exact_mut(h).zip(slots) {
                    let at = span(slot..slot + 1, h);
                    mask(d, &self.y[at.clone()], &kept.y[at]);
                }
                let first = NIN_LEFT + 2 * side;
                let weights = [&transposed[first], &transposed[first + 1]];
                let (d_t, d_between) = (&mut self.t[here.clone()], &mut self.t_between[here.clone()]);
                nin_backward(
                    d_t,
                    d_between,
                    &self.t_out[here.clone()],
                    &kept.t_between[here],
                    weights,
                    h,
                );
            }
        }
        // Leaves below level 1, all levels at once.
        let (deep_inner, deep) = (forest.deep_inner().len(), forest.deep_leaves());
        let here = deep_inner * h..(deep_inner + deep.len()) * h;
        let slots = forest.slots(inner + deep.start..inner + deep.end);
        from_slots(&mut self.out[here.clone()], self.y, kept.y, slots, h);
        let weights = [&transposed[NIN_LEAF], &transposed[NIN_LEAF + 1]];
        let d_u = &mut u_leaf[span(deep.clone(), h)];
        let (out, between) = (&self.out[here.clone()], &mut self.between[here.clone()]);
        nin_backward(d_u, between, out, &kept.between[here], weights, h);
        mask_in_place(d_u, &kept_leaf[span(deep, h)]);
        // The part of W_combine that reads u, of all levels at once.
        times(u_inner, self.h_inner, &transposed[COMBINE_OWN], h, h);
        mask_in_place(u_inner, &kept.u[..inner * h]);
    }

    /// Adds the gradients of all weights and biases.
    #[inline(always)]
    fn add_to(&self, gradient: &mut [f32], spec: TreeSpec, forest: &Forest, kept: &Kept, x: &[f32]) {
        let (f, h) = (spec.input, spec.hidden);
        let inner = forest.inner_nodes();
        let mut add = |layer: usize, input: &[f32], d: &[f32]| {
            let [c_in, c_out] = spec.widths(layer);
            weight_gradient(
                &mut gradient[spec.weight(layer)],
                true,
                input,
                d,
                d.len() / c_out,
                c_in,
                c_out,
            );
            add_rows(&mut gradient[spec.bias(layer)], d);
        };
        let (x_inner, x_leaf) = x.split_at(inner * f);
        let (d_inner, d_leaf) = self.u.split_at(inner * h);
        add(INNER, x_inner, d_inner);
        add(LEAF, x_leaf, d_leaf);
        let (u_inner, u_leaf) = kept.u.split_at(inner * h);
        let deep = forest.deep_inner();
        let split = deep.len() * h;
        let h_deep = &kept.h_inner[span(deep, h)];
        let u_deep = &u_leaf[span(forest.deep_leaves(), h)];
        for (first, input, rows) in [(NIN_INNER, h_deep, 0..split), (NIN_LEAF, u_deep, split..self.out.len())] {
            add(first, input, &self.between[rows.clone()]);
            add(first + 1, &kept.between[rows.clone()], &self.out[rows]);
        }
        let half = self.t.len() / 2;
        for (first, rows) in [(NIN_LEFT, 0..half), (NIN_LEFT + 2, half..2 * half)] {
            add(first, &kept.t[rows.clone()], &self.t_between[rows.clone()]);
            add(first + 1, &kept.t_between[rows.clone()], &self.t_out[rows]);
        }
        let (of_children, of_own) = gradient[spec.weight(COMBINE)].split_at_mut(2 * h * h);
        weight_gradient(of_children, true, kept.y, self.h_inner, inner, 2 * h, h);
        weight_gradient(of_own, true, u_inner, self.h_inner, inner, h, h);
        add_rows(&mut gradient[spec.bias(COMBINE)], self.h_inner);
    }
}

/// Back through the two layers between levels: from the gradient of the second pre-activation to those of the first and
/// of the input.
#[inline(always)]
fn nin_backward(d_x: &mut [f32], d_between: &mut [f32], d: &[f32], between: &[f32], weights: [&Vec<f32>; 2], h: usize) {
    times(d_between, d, weights[1], h, h);
    mask_in_place(d_between, between);
    times(d_x, d_between, weights[0], h, h);
}

/// `y = x w` for `w: [c_in, c_out]`.
#[inline(always)]
fn times(y: &mut [f32], x: &[f32], w: &[f32], c_in: usize, c_out: usize) {
    matmul(y, false, Mat::new(x, x.len() / c_in, c_in), Mat::new(w, c_in, c_out));
}

/// `out = d` where `y`, the value of a ReLU, is positive.
#[inline(always)]
fn mask(out: &mut [f32], d: &[f32], y: &[f32]) {
    for ((out, d), y) in out.iter_mut().zip(d).zip(y) {
        *out = if *y > 0.0 { *d } else { 0.0 };
    }
}

#[inline(always)]
fn mask_in_place(d: &mut [f32], y: &[f32]) {
    for (d, y) in d.iter_mut().zip(y) {
        *d = if *y > 0.0 { *d } else { 0.0 };
    }
}

/// [`mask`] of the rows of `d` named by `rows`.
#[inline(always)]
fn masked_rows(out: &mut [f32], d: &[f32], y: &[f32], rows: impl Iterator<Item = usize>, h: usize) {
    for ((out, y), row) in out.chunks_exact_mut(h).zip(y.chunks_exact(h)).zip(rows) {
        mask(out, &d[row * h..][..h], y);
    }
}

/// [`mask`] of rows of which gradient and value lie in slots.
#[inline(always)]
fn from_slots(out: &mut [f32], d: &[f32], y: &[f32], slots: &[u32], h: usize) {
    for (out, slot) in out.chunks_exact_mut(h).zip(slots) {
        let at = *slot as usize * h;
        mask(out, &d[at..at + h], &y[at..at + h]);
    }
}

/// Adds rows to a sum.
#[inline(always)]
fn add_rows(sum: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(sum.len()) {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
    }
}
