//! EdgeConv, training and scoring.

use super::{FusedOps, dense, tensor, vector};
use crate::kernels::edge::{self, BlockStatistics, EdgeSpec};
use crate::kernels::knn::Neighbors;
use crate::kernels::workspace::Workspace;
use crate::segments::Segments;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Dispatch, Flex};
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex, PoisonError};

/// The part of an EdgeConv that is not a tensor.
#[derive(Debug, Clone)]
pub struct EdgeCall {
    spec: Arc<EdgeSpec>,
    segments: Segments,
    graph: Arc<Neighbors>,
    workspace: Workspace,
    /// Statistics to use (scoring); in training the batch's own are used and left in `measured`.
    given: Option<Arc<BlockStatistics>>,
    measured: Arc<Mutex<BlockStatistics>>,
}

/// See [`crate::ops::edge_conv_training`].
pub(in crate::ops) fn edge_conv_training(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<EdgeSpec>,
    segments: &Segments,
    graph: &Arc<Neighbors>,
    workspace: &Workspace,
) -> (Tensor<2>, BlockStatistics) {
    let measured = Arc::new(Mutex::new(BlockStatistics::default()));
    let call = EdgeCall {
        spec: spec.clone(),
        segments: segments.clone(),
        graph: graph.clone(),
        workspace: workspace.clone(),
        given: None,
        measured: measured.clone(),
    };
    let y = <Dispatch as FusedOps>::fused_edge(x.into_dispatch(), parameters.into_dispatch(), call);
    let statistics = measured.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (Tensor::from_dispatch(y), statistics)
}

/// See [`crate::ops::edge_conv_scoring`].
pub(in crate::ops) fn edge_conv_scoring(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<EdgeSpec>,
    segments: &Segments,
    graph: &Arc<Neighbors>,
    statistics: &Arc<BlockStatistics>,
    workspace: &Workspace,
) -> Tensor<2> {
    let call = EdgeCall {
        spec: spec.clone(),
        segments: segments.clone(),
        graph: graph.clone(),
        workspace: workspace.clone(),
        given: Some(statistics.clone()),
        measured: Arc::default(),
    };
    Tensor::from_dispatch(<Dispatch as FusedOps>::fused_edge(
        x.into_dispatch(),
        parameters.into_dispatch(),
        call,
    ))
}

#[derive(Debug, Clone)]
pub(super) struct EdgeState {
    x: FlexTensor,
    parameters: FlexTensor,
    call: EdgeCall,
    saved: Option<Arc<edge::Saved>>,
}

pub(super) fn edge_forward(x: FlexTensor, parameters: FlexTensor, call: EdgeCall) -> (FlexTensor, EdgeState) {
    let (x, parameters) = (dense(x), dense(parameters));
    let (p, rows, jets) = (parameters.storage(), x.storage(), call.segments.offsets());
    let (out, saved) = match &call.given {
        Some(given) => (
            edge::forward_scoring(&call.spec, p, rows, jets, &call.graph, given, &call.workspace),
            None,
        ),
        None => {
            let (out, saved) = edge::forward_training(&call.spec, p, rows, jets, &call.graph, &call.workspace);
            *call.measured.lock().unwrap_or_else(PoisonError::into_inner) = saved.statistics().clone();
            (out, Some(Arc::new(saved)))
        }
    };
    let shape = [call.segments.rows(), call.spec.output()];
    (
        tensor(out, shape),
        EdgeState {
            x,
            parameters,
            call,
            saved,
        },
    )
}

#[derive(Debug)]
pub(super) struct EdgeBackward;

impl Backward<Flex, 2> for EdgeBackward {
    type State = EdgeState;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, parameters_node] = ops.parents;
        let d_out = dense(grads.consume::<Flex>(&ops.node));
        let EdgeState {
            x,
            parameters,
            call,
            saved,
        } = ops.state;
        let Some(saved) = saved else { return };
        let (gradient, d_x) = edge::backward(
            &call.spec,
            parameters.storage(),
            x.storage(),
            call.segments.offsets(),
            &call.graph,
            &saved,
            d_out.storage(),
            x_node.is_some(),
            &call.workspace,
        );
        if let Some(node) = parameters_node {
            grads.register::<Flex>(node.id, vector(gradient));
        }
        if let (Some(node), Some(d_x)) = (x_node, d_x) {
            grads.register::<Flex>(node.id, tensor(d_x, [call.segments.rows(), call.spec.input]));
        }
    }
}
