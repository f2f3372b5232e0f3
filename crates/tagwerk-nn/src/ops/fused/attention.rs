//! Attention within each jet.

use super::host::{At, Operation, Saved, quaternary, ternary};
use crate::kernels::attention::{self, AttentionSpec, Inputs, Pairs};
use crate::kernels::workspace::Workspace;
use crate::segments::Segments;
use burn::tensor::Tensor;
use std::sync::Arc;

#[derive(Debug)]
struct Attention {
    spec: AttentionSpec,
    queries: Segments,
    keys: Segments,
    workspace: Workspace,
}

impl Attention {
    fn pairs(&self) -> Pairs<'_> {
        Pairs {
            queries: self.queries.offsets(),
            keys: self.keys.offsets(),
        }
    }

    fn run(&self, inputs: Inputs) -> (Vec<f32>, [usize; 2], Saved) {
        let (out, logs) = attention::forward(self.spec, inputs, self.pairs(), &self.workspace);
        (out, [self.queries.rows(), self.spec.channels()], Arc::new(logs))
    }

    fn gradients(
        &self,
        inputs: Inputs,
        output: &[f32],
        saved: &Saved,
        d_output: &[f32],
    ) -> Option<attention::InputGradients> {
        let logs = saved.downcast_ref::<Vec<f32>>()?;
        let pairs = self.pairs();
        Some(attention::backward(
            self.spec,
            inputs,
            pairs,
            output,
            logs,
            d_output,
            &self.workspace,
        ))
    }
}

fn inputs<'a>(q: &'a [f32], k: &'a [f32], v: &'a [f32], bias: Option<&'a [f32]>) -> Inputs<'a> {
    Inputs { q, k, v, bias }
}

impl Operation<3> for Attention {
    fn forward(&self, [q, k, v]: [&[f32]; 3]) -> (Vec<f32>, [usize; 2], Saved) {
        self.run(inputs(q, k, v, None))
    }

    fn backward(&self, at: At<3>) -> [Option<Vec<f32>>; 3] {
        let [q, k, v] = at.inputs;
        match self.gradients(inputs(q, k, v, None), at.output, at.saved, at.d_output) {
            Some(g) => [Some(g.q), Some(g.k), Some(g.v)],
            None => [None, None, None],
        }
    }
}

impl Operation<4> for Attention {
    fn forward(&self, [q, k, v, bias]: [&[f32]; 4]) -> (Vec<f32>, [usize; 2], Saved) {
        self.run(inputs(q, k, v, Some(bias)))
    }

    fn backward(&self, at: At<4>) -> [Option<Vec<f32>>; 4] {
        let [q, k, v, bias] = at.inputs;
        match self.gradients(inputs(q, k, v, Some(bias)), at.output, at.saved, at.d_output) {
            Some(g) => [Some(g.q), Some(g.k), Some(g.v), Some(g.bias)],
            None => [None, None, None, None],
        }
    }
}

/// See [`crate::ops::attention`].
pub(in crate::ops) fn attention(
    [q, k, v]: [Tensor<2>; 3],
    bias: Option<Tensor<2>>,
    spec: AttentionSpec,
    queries: &Segments,
    keys: &Segments,
    workspace: &Workspace,
) -> Tensor<2> {
    let operation = Attention {
        spec,
        queries: queries.clone(),
        keys: keys.clone(),
        workspace: workspace.clone(),
    };
    match bias {
        Some(bias) => quaternary([q, k, v, bias], Arc::new(operation)),
        None => ternary([q, k, v], Arc::new(operation)),
    }
}
