//! A reduction over each jet's rows.

use super::{FusedOps, dense, tensor};
use crate::kernels::segment::{self, Reduction};
use crate::segments::Segments;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Dispatch, Flex};
use burn::tensor::Tensor;
use std::sync::Arc;

/// The part of a segment reduction that is not a tensor.
#[derive(Debug, Clone)]
pub struct SegmentCall {
    segments: Segments,
    reduction: Reduction,
}

/// See [`crate::ops::segment_reduce`].
pub(in crate::ops) fn segment_reduce(x: Tensor<2>, segments: Segments, reduction: Reduction) -> Tensor<2> {
    let call = SegmentCall { segments, reduction };
    Tensor::from_dispatch(<Dispatch as FusedOps>::fused_segment(x.into_dispatch(), call))
}

#[derive(Debug, Clone)]
pub(super) struct SegmentState {
    call: SegmentCall,
    winners: Arc<Vec<usize>>,
    width: usize,
}

pub(super) fn segment_forward(x: FlexTensor, call: SegmentCall) -> (FlexTensor, SegmentState) {
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
pub(super) struct SegmentBackward;

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
