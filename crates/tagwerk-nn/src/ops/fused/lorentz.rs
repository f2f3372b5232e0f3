//! The Lorentz layer, and products of pairs of vectors.

use super::host::{At, Operation, Saved, binary, unary};
use crate::kernels::lorentz::{self, LorentzSpec};
use crate::kernels::pair_products;
use crate::kernels::workspace::Workspace;
use burn::tensor::Tensor;
use std::sync::Arc;

#[derive(Debug)]
struct Lorentz {
    spec: LorentzSpec,
    workspace: Workspace,
}

impl Operation<2> for Lorentz {
    fn forward(&self, [x, parameters]: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        let out = lorentz::forward(self.spec, parameters, x);
        let jets = x.len() / (4 * self.spec.vectors);
        (out, [jets, self.spec.output()], Arc::new(()))
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        let [x, parameters] = at.inputs;
        let (gradient, d_x) = lorentz::backward(self.spec, parameters, x, at.d_output, &self.workspace);
        [Some(d_x), Some(gradient)]
    }
}

/// See [`crate::ops::lorentz`].
pub(in crate::ops) fn lorentz(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: LorentzSpec,
    workspace: &Workspace,
) -> Tensor<2> {
    let workspace = workspace.clone();
    binary(x, parameters, Arc::new(Lorentz { spec, workspace }))
}

/// Products of pairs among `vectors` vectors of `components` components.
#[derive(Debug)]
struct PairProducts {
    components: usize,
    vectors: usize,
}

impl Operation<1> for PairProducts {
    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, [usize; 2], Saved) {
        let y = pair_products::forward(x, self.components, self.vectors);
        let jets = x.len() / (self.components * self.vectors);
        (y, [jets, pair_products::pairs(self.vectors)], Arc::new(()))
    }

    fn backward(&self, at: At<1>) -> [Option<Vec<f32>>; 1] {
        let [x] = at.inputs;
        [Some(pair_products::backward(
            x,
            at.d_output,
            self.components,
            self.vectors,
        ))]
    }
}

/// See [`crate::ops::pair_products`].
pub(in crate::ops) fn pair_products(x: Tensor<2>, components: usize) -> Tensor<2> {
    let [_, size] = x.dims();
    let vectors = size / components;
    unary(x, Arc::new(PairProducts { components, vectors }))
}
