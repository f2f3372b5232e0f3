//! Layer normalization of rows.

use super::block::{Block, Entry, Init};
use super::{Part, PartMut, Parts, Pass};
use crate::kernels::workspace::Workspace;
use crate::ops;
use burn::tensor::{Device, Tensor};

/// Layer normalization of each row over its channels, `[R, C]`.
#[derive(Debug)]
pub struct LayerNorm {
    block: Block,
    workspace: Workspace,
}

impl LayerNorm {
    /// Gamma 1, beta 0.
    pub fn new(name: &str, c: usize, device: &Device) -> Self {
        let entry = |name: &str, start: usize, value: f32| Entry {
            name: name.into(),
            range: start..start + c,
            shape: vec![c],
            init: Init::Constant(value),
        };
        let entries = vec![entry("gamma", 0, 1.0), entry("beta", c, 0.0)];
        Self {
            block: Block::new(name, entries, 0, device),
            workspace: Workspace::default(),
        }
    }

    /// # Shapes
    /// - `x`: `[R, C]`; returns `[R, C]`
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        ops::layer_norm(x, self.block.tensor(pass), &self.workspace)
    }
}

impl Parts for LayerNorm {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block)]
    }
}
