//! The outputs of all EdgeConv blocks, put side by side and mixed by one layer.
//!
//! Dynamic graph networks have it since Wang et al., arXiv:1801.07829; the published ParticleNet does without.

use tagwerk_nn::layers::{BatchNorm, Block, Entry, Init, Part, PartMut, Parts, Pass};
use tagwerk_nn::ops::{Activation, activate};
use tagwerk_nn::{Device, Tensor};

/// A layer without bias, a normalization, a ReLU.
#[derive(Debug)]
pub(super) struct Fusion {
    weight: Block,
    norm: BatchNorm,
    widths: [usize; 2],
}

impl Fusion {
    pub(super) fn new(input: usize, output: usize, init: Init, seed: u64, device: &Device) -> Self {
        let entry = Entry {
            name: "weight".into(),
            range: 0..input * output,
            shape: vec![input, output],
            init,
        };
        Self {
            weight: Block::new("fusion", vec![entry], seed, device),
            norm: BatchNorm::new("fusion_norm", output, device),
            widths: [input, output],
        }
    }

    /// # Shapes
    /// - `x`: `[R, C]`, the outputs of all blocks; returns `[R, C']`
    pub(super) fn forward(&mut self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let weight = self.weight.tensor(pass).reshape(self.widths); // [C, C']
        activate(self.norm.forward(x.matmul(weight), pass), Activation::Relu)
    }
}

impl Parts for Fusion {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = vec![Part::Block(&self.weight)];
        parts.extend(self.norm.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = vec![PartMut::Block(&mut self.weight)];
        parts.extend(self.norm.parts_mut());
        parts
    }
}
