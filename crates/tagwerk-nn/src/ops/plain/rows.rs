//! Rows: sparse products, layer normalization, activations, learned slopes.

use super::transformer::factors;
use super::{row, scatter_sum};
use crate::kernels::activation::{Activation, SELU_ALPHA, SELU_SCALE};
use crate::kernels::condition::ConditionSpec;
use crate::kernels::dropout::Drop;
use crate::kernels::norm::EPSILON;
use crate::kernels::sparse::SparseMatrix;
use burn::tensor::activation::{gelu, relu, sigmoid};
use burn::tensor::{Int, Tensor, TensorData};
use std::ops::Range;

/// See [`crate::ops::sparse_product`].
pub fn sparse_product(matrix: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
    let device = x.device();
    let (mut rows, mut columns, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (r, c, v) in matrix.iter() {
        rows.push(r as i32);
        columns.push(c as i32);
        values.push(v);
    }
    let n = values.len();
    if n == 0 {
        let [_, c] = x.dims();
        return Tensor::zeros([matrix.rows(), c], &device);
    }
    let index = |list: Vec<i32>| Tensor::from_data(TensorData::new(list, [n]), &device);
    let values = Tensor::<2>::from_data(TensorData::new(values, [n, 1]), &device);
    scatter_sum(x.select(0, index(columns)) * values, index(rows), matrix.rows())
}

/// See [`crate::ops::layer_norm`].
pub fn layer_norm(x: Tensor<2>, parameters: Tensor<1>) -> Tensor<2> {
    let [_, c] = x.dims();
    let centered = x.clone() - x.mean_dim(1);
    let variance = centered.clone().powi_scalar(2).mean_dim(1);
    centered / (variance + EPSILON).sqrt() * row(&parameters, 0..c) + row(&parameters, c..2 * c)
}

/// See [`crate::ops::activate`].
pub fn activate(x: Tensor<2>, f: Activation) -> Tensor<2> {
    match f {
        Activation::Gelu => gelu(x),
        // Where x is positive the exponential is of 0, so that it cannot overflow into the gradient.
        Activation::Elu => relu(x.clone()) + (x.clamp_max(0.0).exp() - 1.0),
        Activation::Relu => relu(x),
        Activation::Selu => {
            let below = (x.clone().clamp_max(0.0).exp() - 1.0) * f64::from(SELU_ALPHA);
            (relu(x) + below) * f64::from(SELU_SCALE)
        }
        Activation::Sigmoid => sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::SignedLog => x.clone().abs().log1p() * x.sign().detach(),
    }
}

/// See [`crate::ops::prelu`].
pub fn prelu(x: Tensor<2>, slopes: Tensor<1>, places: &[u32]) -> Tensor<2> {
    let ([rows, c], [n]) = (x.dims(), slopes.dims());
    if rows == 0 {
        return x;
    }
    let index: Vec<i32> = places.iter().map(|&place| place as i32).collect();
    let index: Tensor<1, Int> = Tensor::from_data(TensorData::new(index, [rows]), &x.device());
    let slopes = slopes.reshape([n / c, c]).select(0, index);
    relu(x.clone()) - slopes * relu(x.neg())
}

/// See [`crate::ops::condition`].
pub fn condition(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: ConditionSpec,
    inputs: &[f32],
    drop: Option<Drop>,
) -> Tensor<2> {
    let device = x.device();
    let [rows, c] = x.dims();
    let m = Tensor::<2>::from_data(TensorData::new(inputs.to_vec(), [rows, spec.inputs]), &device);
    let map = |weight: Range<usize>, constant: Range<usize>| {
        let weight = parameters.clone().slice([weight]).reshape([spec.inputs, c]);
        m.clone().matmul(weight) + row(&parameters, constant)
    };
    let mut y = x;
    if spec.scale {
        y = y * map(spec.scale_weight(), spec.scale_constant());
    }
    if spec.shift {
        y = y + map(spec.shift_weight(), spec.shift_constant());
    }
    if let Some(drop) = drop {
        y = y * factors(drop, 0, [rows, c], &device);
    }
    y
}

/// See [`crate::ops::weighted_squares`].
pub fn weighted_squares(x: Tensor<1>, weights: &[f32]) -> Tensor<1> {
    let weights = Tensor::<1>::from_data(TensorData::new(weights.to_vec(), [weights.len()]), &x.device());
    (x.clone() * x * weights).sum()
}
