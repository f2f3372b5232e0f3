//! A ReLU with learned slopes below zero.

use super::block::{Block, Entry, Init};
use super::{Part, PartMut, Parts, Pass};
use crate::kernels::workspace::Workspace;
use crate::ops;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// `x` above zero and `a x` below, with a slope `a` for each channel of each place.
///
/// He, Zhang, Ren, Sun, arXiv:1502.01852. Slopes start at zero, as in Keras: the layer starts as a ReLU.
#[derive(Debug)]
pub struct PRelu {
    block: Block,
    workspace: Workspace,
}

impl PRelu {
    /// For `places` kinds of rows of `c` channels; one place is one slope a channel.
    pub fn new(name: &str, places: usize, c: usize, device: &Device) -> Self {
        let entry = Entry {
            name: "slope".into(),
            range: 0..places * c,
            shape: if places == 1 { vec![c] } else { vec![places, c] },
            init: Init::Constant(0.0),
        };
        Self {
            block: Block::new(name, vec![entry], 0, device),
            workspace: Workspace::default(),
        }
    }

    /// All rows at the first place.
    ///
    /// # Shapes
    /// - `x`: `[R, C]`; returns `[R, C]`
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let [rows, _] = x.dims();
        self.forward_at(x, &Arc::new(vec![0; rows]), pass)
    }

    /// Each row at its place.
    ///
    /// # Shapes
    /// - `x`: `[R, C]`, `places`: `[R]`; returns `[R, C]`
    ///
    /// # Panics
    /// If a place is not below the number of places.
    pub fn forward_at(&self, x: Tensor<2>, places: &Arc<Vec<u32>>, pass: &Pass) -> Tensor<2> {
        ops::prelu(x, self.block.tensor(pass), places, &self.workspace)
    }
}

impl Parts for PRelu {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block)]
    }
}
