//! Dense layers with what a transformer puts between them.

use super::host::{At, Operation, Saved, binary, ternary};
use crate::kernels::row_chain::{self, RowSpec};
use crate::kernels::workspace::Workspace;
use burn::tensor::Tensor;
use std::sync::Arc;

#[derive(Debug)]
struct RowChain {
    spec: Arc<RowSpec>,
    keys: Vec<[u32; 2]>,
    keep: bool,
    workspace: Workspace,
}

impl RowChain {
    fn run(&self, x: &[f32], other: Option<&[f32]>, parameters: &[f32]) -> (Vec<f32>, [usize; 2], Saved) {
        let (y, saved) = row_chain::forward(&self.spec, parameters, x, other, &self.keys, self.keep, &self.workspace);
        let shape = [x.len() / self.spec.input(), self.spec.output()];
        (y, shape, Arc::new(saved))
    }

    fn gradients<const N: usize>(&self, at: &At<N>, parameters: &[f32]) -> Option<row_chain::Gradients> {
        let saved = at.saved.downcast_ref::<Option<row_chain::Saved>>()?.as_ref()?;
        Some(row_chain::backward(
            &self.spec,
            parameters,
            at.inputs[0],
            &self.keys,
            saved,
            at.d_output,
            at.wanted[0],
            &self.workspace,
        ))
    }
}

impl Operation<2> for RowChain {
    fn forward(&self, [x, parameters]: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        self.run(x, None, parameters)
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        match self.gradients(&at, at.inputs[1]) {
            Some(g) => [g.x, Some(g.parameters)],
            None => [None, None],
        }
    }
}

impl Operation<3> for RowChain {
    fn forward(&self, [x, other, parameters]: [&[f32]; 3]) -> (Vec<f32>, [usize; 2], Saved) {
        self.run(x, Some(other), parameters)
    }

    fn backward(&self, at: At<3>) -> [Option<Vec<f32>>; 3] {
        let of_other = at.wanted[1].then(|| at.d_output.to_vec());
        match self.gradients(&at, at.inputs[2]) {
            Some(g) => [g.x, of_other, Some(g.parameters)],
            None => [None, None, None],
        }
    }
}

/// See [`crate::ops::row_chain`].
pub(in crate::ops) fn row_chain(
    x: Tensor<2>,
    other: Option<Tensor<2>>,
    parameters: Tensor<1>,
    spec: &Arc<RowSpec>,
    keys: Vec<[u32; 2]>,
    keep: bool,
    workspace: &Workspace,
) -> Tensor<2> {
    let operation = RowChain {
        spec: spec.clone(),
        keys,
        keep,
        workspace: workspace.clone(),
    };
    match other {
        Some(other) => ternary(x, other, parameters, Arc::new(operation)),
        None => binary(x, parameters, Arc::new(operation)),
    }
}
