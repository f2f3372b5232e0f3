//! Operations on rows: sparse products, layer normalization, activations, learned slopes, conditioning.

use super::host::{At, Operation, Saved, binary, unary};
use crate::kernels::activation::{self, Activation};
use crate::kernels::condition::{self, ConditionSpec};
use crate::kernels::dropout::Drop;
use crate::kernels::layer_norm;
use crate::kernels::prelu;
use crate::kernels::sparse::{self, SparseMatrix};
use crate::kernels::workspace::Workspace;
use burn::tensor::Tensor;
use std::sync::Arc;

/// A product with a sparse matrix.
#[derive(Debug)]
struct SparseProduct {
    matrix: Arc<SparseMatrix>,
    channels: usize,
}

impl Operation<1> for SparseProduct {
    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, [usize; 2], Saved) {
        let y = sparse::forward(&self.matrix, x, self.channels);
        (y, [self.matrix.rows(), self.channels], Arc::new(()))
    }

    fn backward(&self, at: At<1>) -> [Option<Vec<f32>>; 1] {
        [Some(sparse::backward(&self.matrix, at.d_output, self.channels))]
    }
}

/// See [`crate::ops::sparse_product`].
pub(in crate::ops) fn sparse_product(matrix: &Arc<SparseMatrix>, x: Tensor<2>) -> Tensor<2> {
    let [_, channels] = x.dims();
    let matrix = matrix.clone();
    unary(x, Arc::new(SparseProduct { matrix, channels }))
}

/// A layer normalization.
#[derive(Debug)]
struct LayerNorm {
    workspace: Workspace,
}

impl Operation<2> for LayerNorm {
    fn forward(&self, [x, parameters]: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        let c = parameters.len() / 2;
        (layer_norm::forward(parameters, x), [x.len() / c, c], Arc::new(()))
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        let [x, parameters] = at.inputs;
        let (gradient, d_x) = layer_norm::backward(parameters, x, at.d_output, &self.workspace);
        [Some(d_x), Some(gradient)]
    }
}

/// See [`crate::ops::layer_norm`].
pub(in crate::ops) fn layer_norm(x: Tensor<2>, parameters: Tensor<1>, workspace: &Workspace) -> Tensor<2> {
    let workspace = workspace.clone();
    binary(x, parameters, Arc::new(LayerNorm { workspace }))
}

/// A ReLU with learned slopes.
#[derive(Debug)]
struct PRelu {
    places: Arc<Vec<u32>>,
    channels: usize,
    workspace: Workspace,
}

impl Operation<2> for PRelu {
    fn forward(&self, [x, slopes]: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        let y = prelu::forward(slopes, &self.places, x, self.channels);
        (y, [self.places.len(), self.channels], Arc::new(()))
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        let [x, slopes] = at.inputs;
        let (gradient, d_x) = prelu::backward(slopes, &self.places, x, at.d_output, self.channels, &self.workspace);
        [Some(d_x), Some(gradient)]
    }
}

/// See [`crate::ops::prelu`].
pub(in crate::ops) fn prelu(
    x: Tensor<2>,
    slopes: Tensor<1>,
    places: &Arc<Vec<u32>>,
    workspace: &Workspace,
) -> Tensor<2> {
    let [_, channels] = x.dims();
    let (places, workspace) = (places.clone(), workspace.clone());
    binary(
        x,
        slopes,
        Arc::new(PRelu {
            places,
            channels,
            workspace,
        }),
    )
}

/// An activation of rows of `channels` channels.
#[derive(Debug)]
struct Activate {
    f: Activation,
    channels: usize,
}

impl Operation<1> for Activate {
    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, [usize; 2], Saved) {
        let rows = x.len() / self.channels.max(1);
        (activation::forward(self.f, x), [rows, self.channels], Arc::new(()))
    }

    fn backward(&self, at: At<1>) -> [Option<Vec<f32>>; 1] {
        [Some(activation::backward(self.f, at.inputs[0], at.d_output))]
    }
}

/// See [`crate::ops::activate`].
pub(in crate::ops) fn activate(x: Tensor<2>, f: Activation) -> Tensor<2> {
    let [_, channels] = x.dims();
    unary(x, Arc::new(Activate { f, channels }))
}

/// A conditioning with dropout.
#[derive(Debug)]
struct Condition {
    spec: ConditionSpec,
    inputs: Arc<Vec<f32>>,
    drop: Option<Drop>,
    workspace: Workspace,
}

impl Operation<2> for Condition {
    fn forward(&self, [x, parameters]: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        let y = condition::forward(&self.spec, parameters, &self.inputs, self.drop, x);
        let rows = y.len() / self.spec.channels.max(1);
        (y, [rows, self.spec.channels], Arc::new(()))
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        let [x, parameters] = at.inputs;
        let (spec, m) = (&self.spec, &self.inputs);
        let (gradient, d_x) = condition::backward(spec, parameters, m, self.drop, x, at.d_output, &self.workspace);
        [Some(d_x), Some(gradient)]
    }
}

/// See [`crate::ops::condition`].
pub(in crate::ops) fn condition(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: ConditionSpec,
    inputs: &Arc<Vec<f32>>,
    drop: Option<Drop>,
    workspace: &Workspace,
) -> Tensor<2> {
    let (inputs, workspace) = (inputs.clone(), workspace.clone());
    binary(
        x,
        parameters,
        Arc::new(Condition {
            spec,
            inputs,
            drop,
            workspace,
        }),
    )
}

/// A weighted sum of squares.
#[derive(Debug)]
struct Squares {
    weights: Arc<Vec<f32>>,
}

impl Operation<1> for Squares {
    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, [usize; 2], Saved) {
        let products = x.iter().zip(self.weights.iter());
        // Tens of thousands of small terms.
        let sum: f64 = products.map(|(&x, &w)| f64::from(w * x * x)).sum();
        (vec![sum as f32], [1, 1], Arc::new(()))
    }

    fn backward(&self, at: At<1>) -> [Option<Vec<f32>>; 1] {
        let factor = 2.0 * at.d_output[0];
        let products = at.inputs[0].iter().zip(self.weights.iter());
        [Some(products.map(|(x, w)| factor * w * x).collect())]
    }
}

/// See [`crate::ops::weighted_squares`].
pub(in crate::ops) fn weighted_squares(x: Tensor<1>, weights: &Arc<Vec<f32>>) -> Tensor<1> {
    let [n] = x.dims();
    let weights = weights.clone();
    unary(x.reshape([1, n]), Arc::new(Squares { weights })).reshape([1])
}
