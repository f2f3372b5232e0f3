//! Batch normalization of rows.

use super::block::{Block, Entry, Init};
use super::running::Running;
use super::{Part, PartMut, Parts, Pass};
use crate::kernels::sites::Sites;
use crate::ops;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// Batch normalization over the real rows of a batch, `[R, C]`.
#[derive(Debug)]
pub struct BatchNorm {
    block: Block,
    running: Running,
}

impl BatchNorm {
    /// Gamma 1, beta 0, running mean 0 and variance 1, momentum 0.1.
    pub fn new(name: &str, c: usize, device: &Device) -> Self {
        let entries = vec![
            Entry {
                name: "gamma".into(),
                range: 0..c,
                shape: vec![c],
                init: Init::Constant(1.0),
            },
            Entry {
                name: "beta".into(),
                range: c..2 * c,
                shape: vec![c],
                init: Init::Constant(0.0),
            },
        ];
        Self {
            block: Block::new(name, entries, 0, device),
            running: Running::new(name, &[c], 0.1),
        }
    }

    /// Normalizes; while training, the batch's statistics are noted for the running ones.
    ///
    /// # Shapes
    /// - `x`: `[R, C]`; returns `[R, C]`
    pub fn forward(&mut self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let parameters = self.block.tensor(pass);
        match pass {
            Pass::Training { .. } | Pass::Trial { .. } => {
                let (y, statistics) = ops::batch_norm_training(x, parameters);
                self.running.note(pass, [&statistics]);
                y
            }
            Pass::Scoring => ops::batch_norm_scoring(x, parameters, &self.running.statistics()[0]),
        }
    }

    /// Normalizes pictures of which only some pixels are computed, over all pixels of all pictures; then a ReLU if
    /// `relu`.
    ///
    /// # Shapes
    /// - `x`: `[R + P, C]`; returns `[R + P, C]`
    pub fn forward_sites(&mut self, x: Tensor<2>, sites: &Arc<Sites>, relu: bool, pass: &Pass) -> Tensor<2> {
        let parameters = self.block.tensor(pass);
        match pass {
            Pass::Training { .. } | Pass::Trial { .. } => {
                let (y, statistics) = ops::site_norm_training(x, parameters, sites, relu);
                self.running.note(pass, [&statistics]);
                y
            }
            Pass::Scoring => ops::site_norm_scoring(x, parameters, &self.running.statistics()[0], sites, relu),
        }
    }
}

impl Parts for BatchNorm {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block), Part::Running(&self.running)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block), PartMut::Running(&mut self.running)]
    }
}
