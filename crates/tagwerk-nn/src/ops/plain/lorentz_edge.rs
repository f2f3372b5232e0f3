//! The edges of a Lorentz group equivariant block, gathered.

use super::{batch_norm_scoring, batch_norm_training, norm_parameters, row, scatter_sum, weight};
use crate::kernels::activation::Activation;
use crate::kernels::lorentz_edge::LorentzEdgeSpec;
use crate::kernels::norm::Statistics;
use crate::segments::Segments;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Tensor, TensorData};

/// See [`crate::ops::lorentz_edge_training`].
pub fn lorentz_edge(
    [h, x]: [Tensor<2>; 2],
    parameters: Tensor<1>,
    spec: &LorentzEdgeSpec,
    jets: &Segments,
    given: Option<&Statistics>,
) -> (Tensor<2>, Statistics) {
    let device = h.device();
    let (c, nodes) = (spec.hidden, jets.rows());
    let (mut near, mut far, mut shares) = (Vec::new(), Vec::new(), vec![0.0f32; nodes]);
    for rows in jets.offsets().windows(2).map(|w| w[0]..w[1]) {
        for i in rows.clone() {
            shares[i] = spec.step / rows.len().saturating_sub(1).max(1) as f32;
            for j in rows.clone().filter(|&j| j != i) {
                near.push(i as i32);
                far.push(j as i32);
            }
        }
    }
    let edges = near.len();
    if edges == 0 {
        let messages = Tensor::zeros([nodes, c], &device);
        let statistics = Statistics {
            mean: vec![0.0; c],
            variance: vec![0.0; c],
            count: 0,
        };
        let out = if spec.moves {
            Tensor::cat(vec![messages, x], 1)
        } else {
            messages
        };
        return (out, given.cloned().unwrap_or(statistics));
    }
    let index = |values: Vec<i32>| Tensor::from_data(TensorData::new(values, [edges]), &device);
    let (near, far) = (index(near), index(far));
    let (x_near, x_far) = (x.clone().select(0, near.clone()), x.clone().select(0, far.clone()));
    let metric = Tensor::<2>::from_data(TensorData::new(vec![1.0f32, -1.0, -1.0, -1.0], [1, 4]), &device);
    let apart = x_near.clone() - x_far.clone(); // [E, 4]
    let product = |a: Tensor<2>, b: Tensor<2>| {
        let v = (a * b * metric.clone()).sum_dim(1);
        super::activate(v, Activation::SignedLog) // [E, 1]
    };
    let inputs = vec![
        h.clone().select(0, near.clone()),
        h.select(0, far),
        product(apart.clone(), apart.clone()),
        product(x_near, x_far),
    ];
    let y = Tensor::cat(inputs, 1).matmul(weight(&parameters, spec.first(), 2 * spec.input + 2, c)); // [E, C]
    let p = norm_parameters(&parameters, spec.gamma(), spec.beta());
    let (y, statistics) = match given {
        Some(given) => (batch_norm_scoring(y, p, given), given.clone()),
        None => batch_norm_training(y, p),
    };
    let y = relu(y).matmul(weight(&parameters, spec.second(), c, c)) + row(&parameters, spec.second_bias());
    let e = relu(y);
    let gate = e.clone().matmul(weight(&parameters, spec.gate(), c, 1)) + row(&parameters, spec.gate_bias());
    let message = e * sigmoid(gate); // [E, C]
    let messages = scatter_sum(message.clone(), near.clone(), nodes); // [N, C]
    if !spec.moves {
        return (messages, statistics);
    }
    let u = relu(message.matmul(weight(&parameters, spec.shift(), c, c)) + row(&parameters, spec.shift_bias()));
    let factor = u.matmul(weight(&parameters, spec.factor(), c, 1)); // [E, 1]
    let push = (apart * factor).clamp(-spec.limit, spec.limit); // [E, 4]
    let shares = Tensor::<2>::from_data(TensorData::new(shares, [nodes, 1]), &device);
    let x = x + scatter_sum(push, near, nodes) * shares; // [N, 4]
    (Tensor::cat(vec![messages, x], 1), statistics)
}
