//! The kernels as a Burn backend extension of `Flex`, with their backward passes.
//!
//! Each operation has three faces: on `Flex` it only computes; on `Autodiff<Flex>` it also saves what its hand-written
//! backward needs; and a function on [`Tensor`] calls it through Burn's run-time dispatch. What is not differentiated
//! (offsets, neighbors, row weights, statistics) travels beside the tensors in a call struct. One file an operation.

pub(super) mod attention;
pub(super) mod chain;
pub(super) mod edge;
pub(super) mod host;
pub(super) mod lorentz;
pub(super) mod lorentz_edge;
pub(super) mod norm;
pub(super) mod pair_embedding;
pub(super) mod picture;
pub(super) mod row_chain;
pub(super) mod rows;
pub(super) mod segment;
pub(super) mod tree;

use crate::kernels::adam::{self, AdamStep};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};
use chain::{ChainBackward, ChainCall, chain_forward};
use edge::{EdgeBackward, EdgeCall, edge_forward};
use host::{Binary, HostBackward, Ternary, Unary, host_forward};
use norm::{NormBackward, NormCall, norm_forward};
use segment::{SegmentBackward, SegmentCall, segment_forward};

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
    /// An [`host::Operation`] of one tensor.
    fn host_unary(x: FloatTensor<Self>, operation: Unary) -> FloatTensor<Self>;
    /// Of two.
    fn host_binary(x: FloatTensor<Self>, y: FloatTensor<Self>, operation: Binary) -> FloatTensor<Self>;
    /// Of three.
    fn host_ternary(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        operation: Ternary,
    ) -> FloatTensor<Self>;
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

    fn host_unary(x: FloatTensor<Self>, operation: Unary) -> FloatTensor<Self> {
        host_forward([x], operation).0
    }

    fn host_binary(x: FloatTensor<Self>, y: FloatTensor<Self>, operation: Binary) -> FloatTensor<Self> {
        host_forward([x, y], operation).0
    }

    fn host_ternary(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        operation: Ternary,
    ) -> FloatTensor<Self> {
        host_forward([x, y, z], operation).0
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

    fn host_unary(x: FloatTensor<Self>, operation: Unary) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        track!(HostBackward::<1>, [node], |_| host_forward([x], operation))
    }

    fn host_binary(x: FloatTensor<Self>, y: FloatTensor<Self>, operation: Binary) -> FloatTensor<Self> {
        let ((x, x_node), (y, y_node)) = (x.into_parts(), y.into_parts());
        track!(HostBackward::<2>, [x_node, y_node], |_| host_forward([x, y], operation))
    }

    fn host_ternary(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        operation: Ternary,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (y, y_node), (z, z_node)) = (x.into_parts(), y.into_parts(), z.into_parts());
        track!(HostBackward::<3>, [x_node, y_node, z_node], |_| host_forward(
            [x, y, z],
            operation
        ))
    }
}

/// The values are read where they lie.
pub(super) fn square_sum(gradient: Tensor<1>) -> f64 {
    match gradient.try_into_primitive::<Flex>() {
        Ok(values) => adam::square_sum(dense(values).storage()),
        // Callers have asked `is_fused`.
        Err(_) => f64::NAN,
    }
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
