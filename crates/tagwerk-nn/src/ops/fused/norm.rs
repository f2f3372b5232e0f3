//! Batch normalization with the batch's statistics.

use super::{FusedOps, dense, tensor, vector};
use crate::kernels::norm::{self, Statistics};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Dispatch, Flex};
use burn::tensor::Tensor;

/// The part of a batch normalization that is not a tensor.
#[derive(Debug, Clone)]
pub struct NormCall {
    statistics: Statistics,
}

/// See [`crate::ops::batch_norm_training`].
pub(in crate::ops) fn batch_norm(x: Tensor<2>, parameters: Tensor<1>) -> (Tensor<2>, Statistics) {
    let [_, c] = x.dims();
    let statistics = norm::statistics(&crate::ops::floats(x.clone().detach()), c);
    let call = NormCall {
        statistics: statistics.clone(),
    };
    let y = <Dispatch as FusedOps>::fused_norm(x.into_dispatch(), parameters.into_dispatch(), call);
    (Tensor::from_dispatch(y), statistics)
}

#[derive(Debug, Clone)]
pub(super) struct NormState {
    x: FlexTensor,
    parameters: FlexTensor,
    call: NormCall,
}

pub(super) fn norm_forward(x: FlexTensor, parameters: FlexTensor, call: NormCall) -> (FlexTensor, NormState) {
    let (x, parameters) = (dense(x), dense(parameters));
    let c = call.statistics.mean.len();
    let (gamma, beta) = parameters.storage::<f32>().split_at(c);
    let y = norm::apply(x.storage(), &call.statistics.affine(gamma, beta));
    let rows = y.len() / c;
    (tensor(y, [rows, c]), NormState { x, parameters, call })
}

#[derive(Debug)]
pub(super) struct NormBackward;

impl Backward<Flex, 2> for NormBackward {
    type State = NormState;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, parameters_node] = ops.parents;
        let d_y = dense(grads.consume::<Flex>(&ops.node));
        let NormState { x, parameters, call } = ops.state;
        let c = call.statistics.mean.len();
        let sums = norm::sums(d_y.storage(), x.storage(), &call.statistics.mean);
        let (through, mut d_gamma, d_beta) = call.statistics.gradient(&parameters.storage::<f32>()[..c], &sums);
        if let Some(node) = parameters_node {
            d_gamma.extend(d_beta);
            grads.register::<Flex>(node.id, vector(d_gamma));
        }
        if let Some(node) = x_node {
            let d_x = norm::apply_gradient(d_y.storage(), x.storage(), &through);
            let rows = d_x.len() / c;
            grads.register::<Flex>(node.id, tensor(d_x, [rows, c]));
        }
    }
}
