//! Convolutions and poolings of pictures.

use super::host::{At, Operation, Saved, binary, unary};
use crate::kernels::conv::{self, ConvSpec};
use crate::kernels::pool::{self, PoolSpec};
use crate::kernels::workspace::Workspace;
use burn::tensor::Tensor;
use std::sync::Arc;

/// A convolution and its buffers.
#[derive(Debug)]
struct Convolution {
    spec: Arc<ConvSpec>,
    workspace: Workspace,
}

impl Operation<2> for Convolution {
    fn forward(&self, [x, parameters]: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        let y = conv::forward(&self.spec, parameters, x, &self.workspace);
        let rows = y.len() / self.spec.c_out;
        (y, [rows, self.spec.c_out], Arc::new(()))
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        let [x, parameters] = at.inputs;
        let (gradient, d_x) = conv::backward(
            &self.spec,
            parameters,
            x,
            at.output,
            at.d_output,
            at.wanted[0],
            &self.workspace,
        );
        [d_x, Some(gradient)]
    }
}

/// See [`crate::ops::convolution`].
pub(in crate::ops) fn convolution(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<ConvSpec>,
    workspace: &Workspace,
) -> Tensor<2> {
    let operation = Convolution {
        spec: spec.clone(),
        workspace: workspace.clone(),
    };
    binary(x, parameters, Arc::new(operation))
}

/// A pooling of pictures of `channels` channels.
#[derive(Debug)]
struct MaxPool {
    spec: PoolSpec,
    channels: usize,
}

impl Operation<1> for MaxPool {
    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, [usize; 2], Saved) {
        let (y, winners) = pool::forward(&self.spec, x, self.channels);
        let rows = y.len() / self.channels;
        (y, [rows, self.channels], Arc::new(winners))
    }

    fn backward(&self, at: At<1>) -> [Option<Vec<f32>>; 1] {
        let winners = at.saved.downcast_ref::<Vec<u32>>();
        [winners.map(|w| pool::backward(&self.spec, w, at.d_output, self.channels))]
    }
}

/// See [`crate::ops::max_pool`].
pub(in crate::ops) fn max_pool(x: Tensor<2>, spec: PoolSpec) -> Tensor<2> {
    let [_, channels] = x.dims();
    unary(x, Arc::new(MaxPool { spec, channels }))
}
