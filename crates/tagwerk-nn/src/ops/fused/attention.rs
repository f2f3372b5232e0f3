//! Attention within each jet.

use super::host::{At, Operation, Saved, binary, unary};
use crate::kernels::attention::{self, AttentionSpec, Gradients, Inputs, Pairs, Source};
use crate::kernels::dropout::Drop;
use crate::kernels::workspace::Workspace;
use crate::segments::Segments;
use burn::tensor::Tensor;
use std::sync::Arc;

#[derive(Debug)]
struct Attention {
    spec: AttentionSpec,
    queries: Segments,
    keys: Segments,
    /// Whether the second tensor is a bias, or keys and values.
    biased: bool,
    drop: Option<Drop>,
    workspace: Workspace,
}

impl Attention {
    fn pairs(&self) -> Pairs<'_> {
        Pairs {
            queries: self.queries.offsets(),
            keys: self.keys.offsets(),
        }
    }

    fn inputs<'a>(&self, source: Source<'a>, bias: Option<&'a [f32]>) -> Inputs<'a> {
        let drop = self.drop;
        Inputs { source, bias, drop }
    }

    /// Of two tensors: the one that holds it all and a bias, or queries and the rest.
    fn of_two<'a>(&self, [first, second]: [&'a [f32]; 2]) -> Inputs<'a> {
        match self.biased {
            true => self.inputs(Source::Own(first), Some(second)),
            false => self.inputs(Source::Other(first, second), None),
        }
    }

    fn run(&self, inputs: Inputs) -> (Vec<f32>, [usize; 2], Saved) {
        let (out, logs) = attention::forward(self.spec, inputs, self.pairs(), &self.workspace);
        (out, [self.queries.rows(), self.spec.channels()], Arc::new(logs))
    }

    fn gradients(&self, inputs: Inputs, output: &[f32], saved: &Saved, d_output: &[f32]) -> Option<Gradients> {
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

impl Operation<1> for Attention {
    fn forward(&self, [qkv]: [&[f32]; 1]) -> (Vec<f32>, [usize; 2], Saved) {
        self.run(self.inputs(Source::Own(qkv), None))
    }

    fn backward(&self, at: At<1>) -> [Option<Vec<f32>>; 1] {
        let inputs = self.inputs(Source::Own(at.inputs[0]), None);
        let gradients = self.gradients(inputs, at.output, at.saved, at.d_output);
        [gradients.map(|g| g.first)]
    }
}

impl Operation<2> for Attention {
    fn forward(&self, inputs: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        self.run(self.of_two(inputs))
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        match self.gradients(self.of_two(at.inputs), at.output, at.saved, at.d_output) {
            Some(g) => [Some(g.first), Some(if self.biased { g.bias } else { g.second })],
            None => [None, None],
        }
    }
}

/// See [`crate::ops::self_attention`].
pub(in crate::ops) fn self_attention(
    qkv: Tensor<2>,
    bias: Option<Tensor<2>>,
    spec: AttentionSpec,
    jets: &Segments,
    drop: Option<Drop>,
    workspace: &Workspace,
) -> Tensor<2> {
    let operation = Attention {
        spec,
        queries: jets.clone(),
        keys: jets.clone(),
        biased: bias.is_some(),
        drop,
        workspace: workspace.clone(),
    };
    match bias {
        Some(bias) => binary(qkv, bias, Arc::new(operation)),
        None => unary(qkv, Arc::new(operation)),
    }
}

/// See [`crate::ops::cross_attention`].
pub(in crate::ops) fn cross_attention(
    q: Tensor<2>,
    kv: Tensor<2>,
    spec: AttentionSpec,
    queries: &Segments,
    keys: &Segments,
    workspace: &Workspace,
) -> Tensor<2> {
    let operation = Attention {
        spec,
        queries: queries.clone(),
        keys: keys.clone(),
        biased: false,
        drop: None,
        workspace: workspace.clone(),
    };
    binary(q, kv, Arc::new(operation))
}
