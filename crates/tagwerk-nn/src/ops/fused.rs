//! The kernels as a Burn backend extension of `Flex`, with their backward passes.
//!
//! Each operation has three faces: on `Flex` it only computes; on `Autodiff<Flex>` it also saves what its hand-written
//! backward needs; and a function on [`Tensor`] calls it through Burn's run-time dispatch. What is not differentiated
//! (offsets, neighbors, row weights, statistics) travels beside the tensors in a call struct.

use crate::kernels::adam::{self, AdamStep};
use crate::kernels::chain::{self, ChainSpec, Pooling};
use crate::kernels::edge::{self, BlockStatistics, EdgeSpec};
use crate::kernels::knn::Neighbors;
use crate::kernels::norm::{self, Statistics};
use crate::kernels::segment::{self, Reduction};
use crate::kernels::workspace::Workspace;
use crate::segments::Segments;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};
use std::sync::{Arc, Mutex, PoisonError};

/// The part of a chain that is not a tensor.
#[derive(Debug, Clone)]
pub struct ChainCall {
    /// Widths and activations.
    pub spec: Arc<ChainSpec>,
    /// Offsets and row weights `[R]` of the sum at the end, if there is one.
    pub pooling: Option<(Segments, Option<Arc<Vec<f32>>>)>,
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

/// The part of a segment reduction that is not a tensor.
#[derive(Debug, Clone)]
pub struct SegmentCall {
    segments: Segments,
    reduction: Reduction,
}

/// The part of a batch normalization that is not a tensor.
#[derive(Debug, Clone)]
pub struct NormCall {
    statistics: Statistics,
}

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

/// Tagwerk's operations, as Burn dispatches them.
#[backend_extension(Flex, Autodiff)]
pub trait FusedOps: burn::backend::Backend {
    /// A chain of dense layers; see [`crate::ops::chain`].
    fn fused_chain(x: FloatTensor<Self>, parameters: FloatTensor<Self>, call: ChainCall) -> FloatTensor<Self>;
    /// A reduction over each jet's rows; see [`crate::ops::segment_reduce`].
    fn fused_segment(x: FloatTensor<Self>, call: SegmentCall) -> FloatTensor<Self>;
    /// A batch normalization with the batch's statistics; see [`crate::ops::batch_norm_training`].
    fn fused_norm(x: FloatTensor<Self>, parameters: FloatTensor<Self>, call: NormCall) -> FloatTensor<Self>;
    /// An EdgeConv; see [`crate::ops::edge_conv_training`].
    fn fused_edge(x: FloatTensor<Self>, parameters: FloatTensor<Self>, call: EdgeCall) -> FloatTensor<Self>;
}

/// A Flex tensor whose storage is exactly its values in order.
fn dense(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

fn tensor(values: Vec<f32>, shape: [usize; 2]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn vector(values: Vec<f32>) -> FlexTensor {
    let n = values.len();
    FlexTensor::from_data(TensorData::new(values, [n]))
}

/// Runs an operation under autodiff: `forward(keep)` gives the output and, if kept, the state of `backward`.
macro_rules! track {
    ($backward:expr, $parents:expr, $forward:expr) => {{
        let forward = $forward;
        match $backward.prepare::<C>($parents).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (output, state) = forward(true);
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(forward(false).0),
        }
    }};
}

// ---- chain ----

#[derive(Debug, Clone)]
struct ChainState {
    x: FlexTensor,
    parameters: FlexTensor,
    call: ChainCall,
    saved: Option<Arc<chain::Saved>>,
}

fn chain_forward(x: FlexTensor, parameters: FlexTensor, call: ChainCall, keep: bool) -> (FlexTensor, ChainState) {
    let (x, parameters) = (dense(x), dense(parameters));
    let (out, saved) = chain::forward(
        &call.spec,
        parameters.storage(),
        x.storage(),
        call.pooling(),
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
struct ChainBackward;

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

// ---- segment ----

#[derive(Debug, Clone)]
struct SegmentState {
    call: SegmentCall,
    winners: Arc<Vec<usize>>,
    width: usize,
}

fn segment_forward(x: FlexTensor, call: SegmentCall) -> (FlexTensor, SegmentState) {
    let width = x.layout().shape()[1];
    let x = dense(x);
    let (out, winners) = segment::forward(x.storage(), width, call.segments.offsets(), call.reduction);
    let out = tensor(out, [call.segments.len(), width]);
    (
        out,
        SegmentState {
            call,
            winners: Arc::new(winners),
            width,
        },
    )
}

#[derive(Debug)]
struct SegmentBackward;

impl Backward<Flex, 1> for SegmentBackward {
    type State = SegmentState;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let d_out = dense(grads.consume::<Flex>(&ops.node));
        let SegmentState { call, winners, width } = ops.state;
        if let Some(node) = node {
            let d_x = segment::backward(
                d_out.storage(),
                width,
                call.segments.offsets(),
                call.reduction,
                &winners,
            );
            grads.register::<Flex>(node.id, tensor(d_x, [call.segments.rows(), width]));
        }
    }
}

// ---- batch normalization ----

#[derive(Debug, Clone)]
struct NormState {
    x: FlexTensor,
    parameters: FlexTensor,
    call: NormCall,
}

fn norm_forward(x: FlexTensor, parameters: FlexTensor, call: NormCall) -> (FlexTensor, NormState) {
    let (x, parameters) = (dense(x), dense(parameters));
    let c = call.statistics.mean.len();
    let (gamma, beta) = parameters.storage::<f32>().split_at(c);
    let y = norm::apply(x.storage(), &call.statistics.affine(gamma, beta));
    let rows = y.len() / c;
    (tensor(y, [rows, c]), NormState { x, parameters, call })
}

#[derive(Debug)]
struct NormBackward;

impl Backward<Flex, 2> for NormBackward {
    type State = NormState;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, parameters_node] = ops.parents;
        let d_y = dense(grads.consume::<Flex>(&ops.node));
        let NormState { x, parameters, call } = ops.state;
        let c = call.statistics.mean.len();
        let sums = norm::sums(d_y.storage(), x.storage(), c);
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

// ---- EdgeConv ----

#[derive(Debug, Clone)]
struct EdgeState {
    x: FlexTensor,
    parameters: FlexTensor,
    call: EdgeCall,
    saved: Option<Arc<edge::Saved>>,
}

fn edge_forward(x: FlexTensor, parameters: FlexTensor, call: EdgeCall) -> (FlexTensor, EdgeState) {
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
struct EdgeBackward;

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

// ---- registration with Burn ----

impl FusedOps for Flex {
    fn fused_chain(x: FloatTensor<Self>, parameters: FloatTensor<Self>, call: ChainCall) -> FloatTensor<Self> {
        chain_forward(x, parameters, call, false).0
    }

    fn fused_segment(x: FloatTensor<Self>, call: SegmentCall) -> FloatTensor<Self> {
        segment_forward(x, call).0
    }

    fn fused_norm(x: FloatTensor<Self>, parameters: FloatTensor<Self>, call: NormCall) -> FloatTensor<Self> {
        norm_forward(x, parameters, call).0
    }

    fn fused_edge(x: FloatTensor<Self>, parameters: FloatTensor<Self>, call: EdgeCall) -> FloatTensor<Self> {
        edge_forward(x, parameters, call).0
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn fused_chain(x: FloatTensor<Self>, parameters: FloatTensor<Self>, call: ChainCall) -> FloatTensor<Self> {
        let ((x, x_node), (parameters, p_node)) = (x.into_parts(), parameters.into_parts());
        track!(ChainBackward, [x_node, p_node], |keep| chain_forward(
            x, parameters, call, keep
        ))
    }

    fn fused_segment(x: FloatTensor<Self>, call: SegmentCall) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        track!(SegmentBackward, [node], |_| segment_forward(x, call))
    }

    fn fused_norm(x: FloatTensor<Self>, parameters: FloatTensor<Self>, call: NormCall) -> FloatTensor<Self> {
        let ((x, x_node), (parameters, p_node)) = (x.into_parts(), parameters.into_parts());
        track!(NormBackward, [x_node, p_node], |_| norm_forward(x, parameters, call))
    }

    fn fused_edge(x: FloatTensor<Self>, parameters: FloatTensor<Self>, call: EdgeCall) -> FloatTensor<Self> {
        let ((x, x_node), (parameters, p_node)) = (x.into_parts(), parameters.into_parts());
        track!(EdgeBackward, [x_node, p_node], |_| edge_forward(x, parameters, call))
    }
}

// ---- on tensors ----

pub(super) fn chain(x: Tensor<2>, parameters: Tensor<1>, call: ChainCall) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::fused_chain(
        x.into_dispatch(),
        parameters.into_dispatch(),
        call,
    ))
}

pub(super) fn segment_reduce(x: Tensor<2>, segments: Segments, reduction: Reduction) -> Tensor<2> {
    let call = SegmentCall { segments, reduction };
    Tensor::from_dispatch(<Dispatch as FusedOps>::fused_segment(x.into_dispatch(), call))
}

pub(super) fn batch_norm(x: Tensor<2>, parameters: Tensor<1>) -> (Tensor<2>, Statistics) {
    let [_, c] = x.dims();
    let statistics = norm::statistics(&super::floats(x.clone().detach()), c);
    let call = NormCall {
        statistics: statistics.clone(),
    };
    let y = <Dispatch as FusedOps>::fused_norm(x.into_dispatch(), parameters.into_dispatch(), call);
    (Tensor::from_dispatch(y), statistics)
}

pub(super) fn edge_conv_training(
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

pub(super) fn edge_conv_scoring(
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

/// Adam needs no graph: the values go through the kernel and back into tensors.
pub(super) fn adam(
    parameters: Tensor<1>,
    gradient: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
    step: AdamStep,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let device = parameters.device();
    // Moves the memory out where this is its only owner, copies it elsewhere.
    let [mut p, g, mut m, mut v] = [parameters, gradient, first, second].map(super::floats);
    adam::update(&mut p, &g, &mut m, &mut v, &step);
    let back = |values: Vec<f32>| {
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n]), &device)
    };
    (back(p), back(m), back(v))
}
