//! The embedding of trees.

use super::host::{At, Operation, Saved, binary};
use crate::kernels::tree::{self, Forest, TreeSpec};
use crate::kernels::workspace::Workspace;
use burn::tensor::Tensor;
use std::sync::Arc;

#[derive(Debug)]
struct TreeEmbedding {
    spec: TreeSpec,
    forests: Arc<Vec<Forest>>,
    jets: usize,
    keep: bool,
    workspace: Workspace,
}

impl Operation<2> for TreeEmbedding {
    fn forward(&self, [x, parameters]: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        let (spec, jets) = (self.spec, self.jets);
        let (out, saved) = tree::forward(spec, parameters, &self.forests, jets, x, self.keep, &self.workspace);
        (out, [jets, spec.hidden], Arc::new(saved))
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        let [x, parameters] = at.inputs;
        match at.saved.downcast_ref::<Vec<tree::Saved>>() {
            Some(saved) if self.keep => {
                let (gradient, d_x) = tree::backward(
                    self.spec,
                    parameters,
                    &self.forests,
                    x,
                    saved,
                    at.d_output,
                    at.wanted[0],
                    &self.workspace,
                );
                [d_x, Some(gradient)]
            }
            _ => [None, None],
        }
    }
}

/// See [`crate::ops::tree_embedding`].
pub(in crate::ops) fn tree_embedding(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: TreeSpec,
    forests: &Arc<Vec<Forest>>,
    jets: usize,
    keep: bool,
    workspace: &Workspace,
) -> Tensor<2> {
    let operation = TreeEmbedding {
        spec,
        forests: forests.clone(),
        jets,
        keep,
        workspace: workspace.clone(),
    };
    binary(x, parameters, Arc::new(operation))
}
