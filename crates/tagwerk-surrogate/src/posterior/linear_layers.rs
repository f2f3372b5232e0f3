//! Access to a model's linear layers, for noise that differs from row to row.
//!
//! A draw of weights shared by a batch ([`Target`] is enough for it) gives gradients whose noise does not fall with the
//! batch's size. Local reparameterization and flipout give each row noise of its own, which needs a place inside the
//! model: instead of y = x W^T + b the model calls a [`LinearMap`].
//!
//! **What a model provides.** All its weights lie in linear layers. [`LinearLayers::layers`] says where;
//! [`LinearLayers::loss_and_gradient_through`] runs its forward pass with [`LinearMap::forward`] in place of each
//! layer's product, keeps each layer's input x, and runs backward with [`LinearMap::backward`], which gives dL/dx and
//! adds to the gradient itself. A layer that is applied several times to a row (a recurrence, the steps of a solver)
//! would get the same noise each time; that is right for shared weights, and wrong for local reparameterization, whose
//! pre-activations are independent. So it is for losses that evaluate each layer once a row, as flow matching does.

use super::target::{Part, Target, TargetError};
use std::ops::Range;

/// Where a layer y = x W^T + b lies in the flat vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearLayer {
    /// W `[O, I]`, row by row.
    pub weight: Range<usize>,
    /// b `[O]`; empty if there is none.
    pub bias: Range<usize>,
    /// I.
    pub inputs: usize,
    /// O.
    pub outputs: usize,
}

/// Rows of a batch that go through a layer together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowBlock {
    /// Position of the first row in the part.
    pub first: usize,
    /// Number of rows B.
    pub rows: usize,
}

/// What stands in the place of a layer's product.
///
/// Calls with equal arguments give equal bits, from any thread: noise is a function of layer and position of the row.
pub trait LinearMap: Sync {
    /// Length of the gradient, which need not be that of the weights.
    fn parameters(&self) -> usize;

    /// y from x.
    ///
    /// # Shapes
    /// - `x`: `[B, I]`, `y`: `[B, O]`, overwritten
    fn forward(&self, layer: usize, block: RowBlock, x: &[f32], y: &mut [f32]);

    /// dL/dx from dL/dy, and dL/d(parameters).
    ///
    /// # Shapes
    /// - `x`, `dx`: `[B, I]`, the latter overwritten; `dy`: `[B, O]`
    /// - `gradient`: as many as [`parameters`](Self::parameters), added to
    fn backward(&self, layer: usize, block: RowBlock, x: &[f32], dy: &[f32], dx: &mut [f32], gradient: &mut [f64]);
}

/// A model all of whose weights lie in linear layers, each applied once a row.
pub trait LinearLayers: Target {
    /// The layers, in the order in which [`LinearMap`] counts them.
    fn layers(&self) -> Vec<LinearLayer>;

    /// As [`Target::loss_and_gradient`], with `map` in the place of every layer.
    ///
    /// # Shapes
    /// - `losses`: as many as `part` has rows, overwritten
    /// - `gradient`: of the sum of losses by the map's parameters, overwritten
    ///
    /// # Errors
    /// What makes any further call useless.
    fn loss_and_gradient_through(
        &self,
        map: &dyn LinearMap,
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError>;
}

/// The layers themselves: y = x W^T + b. With it, a model's two ways to its gradient must agree, which is how an
/// implementation is tested.
#[derive(Debug, Clone)]
pub struct PlainMap {
    layers: Vec<LinearLayer>,
    weights: Vec<f32>,
}

impl PlainMap {
    /// Of weights `[P]`.
    pub fn new(layers: Vec<LinearLayer>, weights: &[f64]) -> Self {
        Self {
            layers,
            weights: weights.iter().map(|&w| w as f32).collect(),
        }
    }
}

impl LinearMap for PlainMap {
    fn parameters(&self) -> usize {
        self.weights.len()
    }

    fn forward(&self, layer: usize, _: RowBlock, x: &[f32], y: &mut [f32]) {
        let layer = &self.layers[layer];
        product(x, &self.weights[layer.weight.clone()], layer, y);
        add_bias(&self.weights[layer.bias.clone()], y);
    }

    fn backward(&self, layer: usize, _: RowBlock, x: &[f32], dy: &[f32], dx: &mut [f32], gradient: &mut [f64]) {
        let layer = &self.layers[layer];
        back_product(dy, &self.weights[layer.weight.clone()], layer, dx);
        add_outer(dy, x, layer, |at, g| gradient[layer.weight.start + at] += g);
        add_columns(dy, layer, |at, g| gradient[layer.bias.start + at] += g);
    }
}

/// y = x W^T, `[B, O]`.
pub(super) fn product(x: &[f32], weight: &[f32], layer: &LinearLayer, y: &mut [f32]) {
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    // Columns of W are made rows, so that the innermost loop runs over memory in order.
    let mut columns = vec![0.0; inputs * outputs];
    for (o, row) in weight.chunks_exact(inputs).enumerate() {
        row.iter().enumerate().for_each(|(i, w)| columns[i * outputs + o] = *w);
    }
    y.fill(0.0);
    for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
        for (x, column) in x.iter().zip(columns.chunks_exact(outputs)) {
            y.iter_mut().zip(column).for_each(|(y, w)| *y += x * w);
        }
    }
}

/// dx = dy W, `[B, I]`.
pub(super) fn back_product(dy: &[f32], weight: &[f32], layer: &LinearLayer, dx: &mut [f32]) {
    dx.fill(0.0);
    for (dy, dx) in dy.chunks_exact(layer.outputs).zip(dx.chunks_exact_mut(layer.inputs)) {
        for (dy, row) in dy.iter().zip(weight.chunks_exact(layer.inputs)) {
            dx.iter_mut().zip(row).for_each(|(dx, w)| *dx += dy * w);
        }
    }
}

/// dy^T x, `[O, I]`, summed over the rows in f32 and handed on entry by entry.
pub(super) fn add_outer(dy: &[f32], x: &[f32], layer: &LinearLayer, mut add: impl FnMut(usize, f64)) {
    let mut sums = vec![0.0f32; layer.inputs * layer.outputs];
    for (dy, x) in dy.chunks_exact(layer.outputs).zip(x.chunks_exact(layer.inputs)) {
        for (dy, row) in dy.iter().zip(sums.chunks_exact_mut(layer.inputs)) {
            row.iter_mut().zip(x).for_each(|(sum, x)| *sum += dy * x);
        }
    }
    sums.iter().enumerate().for_each(|(at, sum)| add(at, f64::from(*sum)));
}

/// Sums of the columns of dy, for a layer with a bias.
pub(super) fn add_columns(dy: &[f32], layer: &LinearLayer, mut add: impl FnMut(usize, f64)) {
    for output in 0..layer.bias.len() {
        let column = dy.chunks_exact(layer.outputs).map(|row| f64::from(row[output]));
        add(output, column.sum());
    }
}

/// y += b for every row.
pub(super) fn add_bias(bias: &[f32], y: &mut [f32]) {
    if !bias.is_empty() {
        for y in y.chunks_exact_mut(bias.len()) {
            y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
    }
}
