//! Operations given as forward and backward functions on host slices, recorded by Burn like its own.
//!
//! What an operation is, is a type that implements [`Operation`]; how Burn stores, records and calls it is here, once.

use super::{FusedOps, dense};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Dispatch, Flex};
use burn::tensor::{Tensor, TensorData};
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// What the backward pass needs beside inputs and output.
pub type Saved = Arc<dyn Any + Send + Sync>;

/// A differentiable function of `N` tensors with a matrix as value.
pub trait Operation<const N: usize>: Debug + Send + Sync {
    /// The value `[rows, columns]`, its shape, and what [`Operation::backward`] needs of the way there.
    fn forward(&self, inputs: [&[f32]; N]) -> (Vec<f32>, [usize; 2], Saved);

    /// The gradients of the inputs that are wanted; others may be left out.
    fn backward(&self, at: At<N>) -> [Option<Vec<f32>>; N];
}

/// Where a gradient is asked for.
#[derive(Debug)]
pub struct At<'a, const N: usize> {
    /// The inputs.
    pub inputs: [&'a [f32]; N],
    /// The value there.
    pub output: &'a [f32],
    /// What the forward pass kept.
    pub saved: &'a Saved,
    /// The gradient of the value.
    pub d_output: &'a [f32],
    /// Which gradients are wanted.
    pub wanted: [bool; N],
}

/// An operation of one tensor, shared.
pub type Unary = Arc<dyn Operation<1>>;
/// An operation of two tensors.
pub type Binary = Arc<dyn Operation<2>>;
/// An operation of three tensors.
pub type Ternary = Arc<dyn Operation<3>>;

pub(in crate::ops) fn unary<const D: usize>(x: Tensor<D>, operation: Unary) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedOps>::host_unary(x.into_dispatch(), operation))
}

pub(in crate::ops) fn binary<const D: usize>(x: Tensor<2>, p: Tensor<D>, operation: Binary) -> Tensor<2> {
    let (x, p) = (x.into_dispatch(), p.into_dispatch());
    Tensor::from_dispatch(<Dispatch as FusedOps>::host_binary(x, p, operation))
}

pub(in crate::ops) fn ternary<const D: usize>(
    x: Tensor<2>,
    y: Tensor<2>,
    p: Tensor<D>,
    operation: Ternary,
) -> Tensor<2> {
    let (x, y, p) = (x.into_dispatch(), y.into_dispatch(), p.into_dispatch());
    Tensor::from_dispatch(<Dispatch as FusedOps>::host_ternary(x, y, p, operation))
}

#[derive(Debug, Clone)]
pub(super) struct HostState<const N: usize> {
    inputs: [FlexTensor; N],
    output: FlexTensor,
    saved: Kept,
    operation: Arc<dyn Operation<N>>,
}

/// [`Saved`], printable.
#[derive(Clone)]
struct Kept(Saved);

impl Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

pub(super) fn host_forward<const N: usize>(
    inputs: [FlexTensor; N],
    operation: Arc<dyn Operation<N>>,
) -> (FlexTensor, HostState<N>) {
    let inputs = inputs.map(dense);
    let (values, shape, saved) = operation.forward(std::array::from_fn(|i| inputs[i].storage::<f32>()));
    let output = FlexTensor::from_data(TensorData::new(values, shape));
    let state = HostState {
        inputs,
        output: output.clone(),
        saved: Kept(saved),
        operation,
    };
    (output, state)
}

#[derive(Debug)]
pub(super) struct HostBackward<const N: usize>;

impl<const N: usize> Backward<Flex, N> for HostBackward<N> {
    type State = HostState<N>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_output = dense(grads.consume::<Flex>(&ops.node));
        let HostState {
            inputs,
            output,
            saved,
            operation,
        } = ops.state;
        let gradients = operation.backward(At {
            inputs: std::array::from_fn(|i| inputs[i].storage::<f32>()),
            output: output.storage(),
            saved: &saved.0,
            d_output: d_output.storage(),
            wanted: std::array::from_fn(|i| ops.parents[i].is_some()),
        });
        for ((node, gradient), input) in ops.parents.into_iter().zip(gradients).zip(&inputs) {
            if let (Some(node), Some(values)) = (node, gradient) {
                let shape: Vec<usize> = input.layout().shape().to_vec();
                grads.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(values, shape)));
            }
        }
    }
}
