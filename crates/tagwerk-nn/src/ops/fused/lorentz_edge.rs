//! The edges of a Lorentz group equivariant block.

use super::host::{At, Operation, Saved, ternary};
use crate::kernels::lorentz_edge::{self, LorentzEdgeSpec};
use crate::kernels::norm::Statistics;
use crate::kernels::workspace::Workspace;
use crate::segments::Segments;
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
struct LorentzEdge {
    spec: Arc<LorentzEdgeSpec>,
    jets: Segments,
    /// Statistics to use (scoring); in training the batch's own are used and left in `measured`.
    given: Option<Statistics>,
    measured: Arc<Mutex<Statistics>>,
    workspace: Workspace,
}

impl Operation<3> for LorentzEdge {
    fn forward(&self, [h, x, parameters]: [&[f32]; 3]) -> (Vec<f32>, [usize; 2], Saved) {
        let (out, statistics, saved) = lorentz_edge::forward(
            &self.spec,
            parameters,
            h,
            x,
            self.jets.offsets(),
            self.given.as_ref(),
            self.given.is_none(),
            &self.workspace,
        );
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = statistics;
        (out, [self.jets.rows(), self.spec.output()], Arc::new(saved))
    }

    fn backward(&self, at: At<3>) -> [Option<Vec<f32>>; 3] {
        let [h, x, parameters] = at.inputs;
        let saved = at.saved.downcast_ref::<Option<lorentz_edge::Saved>>();
        let Some(saved) = saved.and_then(Option::as_ref) else {
            return [None, None, None];
        };
        let gradients = lorentz_edge::backward(
            &self.spec,
            parameters,
            h,
            x,
            self.jets.offsets(),
            saved,
            at.d_output,
            [at.wanted[0], at.wanted[1]],
            &self.workspace,
        );
        [gradients.h, gradients.x, Some(gradients.parameters)]
    }
}

/// See [`crate::ops::lorentz_edge_training`].
pub(in crate::ops) fn lorentz_edge(
    [h, x]: [Tensor<2>; 2],
    parameters: Tensor<1>,
    spec: &Arc<LorentzEdgeSpec>,
    jets: &Segments,
    given: Option<&Statistics>,
    workspace: &Workspace,
) -> (Tensor<2>, Statistics) {
    let measured: Arc<Mutex<Statistics>> = Arc::default();
    let operation = LorentzEdge {
        spec: spec.clone(),
        jets: jets.clone(),
        given: given.cloned(),
        measured: measured.clone(),
        workspace: workspace.clone(),
    };
    let out = ternary(h, x, parameters, Arc::new(operation));
    let statistics = measured.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (out, statistics)
}
