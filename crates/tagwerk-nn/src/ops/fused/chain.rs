//! A chain of dense layers, with an optional sum over each jet's rows.

use super::{FusedOps, dense, tensor, vector};
use crate::kernels::chain::{self, ChainSpec, Pooling};
use crate::kernels::dropout::Drop;
use crate::kernels::workspace::Workspace;
use crate::segments::Segments;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Dispatch, Flex};
use burn::tensor::Tensor;
use std::sync::Arc;

/// The part of a chain that is not a tensor.
#[derive(Debug, Clone)]
pub struct ChainCall {
    /// Widths and activations.
    pub spec: Arc<ChainSpec>,
    /// Offsets and row weights `[R]` of the sum at the end, if there is one.
    pub pooling: Option<(Segments, Option<Arc<Vec<f32>>>)>,
    /// None, or the dropout behind each activated layer.
    pub drops: Vec<Drop>,
    /// Buffers of the layer.
    pub workspace: Workspace,
}

impl ChainCall {
    fn pooling(&self) -> Option<Pooling<'_>> {
        self.pooling.as_ref().map(|(segments, weights)| Pooling {
            offsets: segments.offsets(),
            weights: weights.as_deref().map(Vec::as_slice),
        })
    }
}

/// See [`crate::ops::chain`] and [`crate::ops::chain_sum`].
pub(in crate::ops) fn chain(x: Tensor<2>, parameters: Tensor<1>, call: ChainCall) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::fused_chain(
        x.into_dispatch(),
        parameters.into_dispatch(),
        call,
    ))
}

#[derive(Debug, Clone)]
pub(super) struct ChainState {
    x: FlexTensor,
    parameters: FlexTensor,
    call: ChainCall,
    saved: Option<Arc<chain::Saved>>,
}

pub(super) fn chain_forward(
    x: FlexTensor,
    parameters: FlexTensor,
    call: ChainCall,
    keep: bool,
) -> (FlexTensor, ChainState) {
    let (x, parameters) = (dense(x), dense(parameters));
    let (out, saved) = chain::forward(
        &call.spec,
        parameters.storage(),
        x.storage(),
        call.pooling(),
        &call.drops,
        keep,
        &call.workspace,
    );
    let width = call.spec.output();
    let rows = out.len() / width;
    (
        tensor(out, [rows, width]),
        ChainState {
            x,
            parameters,
            call,
            saved: saved.map(Arc::new),
        },
    )
}

#[derive(Debug)]
pub(super) struct ChainBackward;

impl Backward<Flex, 2> for ChainBackward {
    type State = ChainState;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, parameters_node] = ops.parents;
        let d_out = dense(grads.consume::<Flex>(&ops.node));
        let ChainState {
            x,
            parameters,
            call,
            saved,
        } = ops.state;
        let Some(saved) = saved else { return };
        let (gradient, d_x) = chain::backward(
            &call.spec,
            parameters.storage(),
            x.storage(),
            call.pooling(),
            &call.drops,
            &saved,
            d_out.storage(),
            x_node.is_some(),
            &call.workspace,
        );
        if let Some(node) = parameters_node {
            grads.register::<Flex>(node.id, vector(gradient));
        }
        if let (Some(node), Some(d_x)) = (x_node, d_x) {
            let rows = d_x.len() / call.spec.input();
            grads.register::<Flex>(node.id, tensor(d_x, [rows, call.spec.input()]));
        }
    }
}
