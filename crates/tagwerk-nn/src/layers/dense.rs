//! A chain of dense layers with ReLU between, optionally summed over each jet's rows.

use super::block::{Block, Entry, Init, check_size};
use super::dropout::{check_rate, drops};
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use crate::kernels::chain::ChainSpec;
use crate::kernels::workspace::Workspace;
use crate::ops;
use crate::segments::Segments;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// What makes a chain.
#[derive(Debug, Clone)]
pub struct DenseChainConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Widths, input first.
    pub widths: Vec<usize>,
    /// Whether the last layer ends in a ReLU; the hidden ones always do.
    pub activate_last: bool,
    /// How weights start.
    pub init: Init,
}

impl DenseChainConfig {
    /// Draws the parameters; biases start at zero.
    ///
    /// # Errors
    /// [`NnError::Config`] for fewer than two widths, a width of zero, or more parameters than memory could hold.
    pub fn init(&self, seed: u64, device: &Device) -> Result<DenseChain, NnError> {
        self.init_with_biases(seed, device, |_| Init::Constant(0.0))
    }

    /// Draws the parameters; `bias` says how the bias of each layer, counted from 0, starts.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn init_with_biases(
        &self,
        seed: u64,
        device: &Device,
        bias: impl Fn(usize) -> Init,
    ) -> Result<DenseChain, NnError> {
        if self.widths.len() < 2 || self.widths.contains(&0) {
            return Err(NnError::Config {
                what: format!("the list of widths of layer '{}', input first,", self.name),
                value: format!("{:?}", self.widths),
                limit: "at least two widths above zero",
            });
        }
        let weights: Vec<_> = self.widths.windows(2).map(|w| (w[0], w[1])).collect();
        check_size(&self.name, &weights)?;
        let spec = ChainSpec::new(self.widths.clone(), self.activate_last);
        let entries = (0..spec.layers())
            .flat_map(|l| {
                [
                    Entry {
                        name: format!("{l}.weight"),
                        range: spec.weight(l),
                        shape: vec![spec.c_in(l), spec.c_out(l)],
                        init: self.init,
                    },
                    Entry {
                        name: format!("{l}.bias"),
                        range: spec.bias(l),
                        shape: vec![spec.c_out(l)],
                        init: bias(l),
                    },
                ]
            })
            .collect();
        let block = Block::new(&self.name, entries, seed, device);
        Ok(DenseChain {
            spec: Arc::new(spec),
            block,
            dropout: 0.0,
            workspace: Workspace::default(),
        })
    }
}

/// A chain of dense layers.
#[derive(Debug)]
pub struct DenseChain {
    spec: Arc<ChainSpec>,
    block: Block,
    dropout: f64,
    workspace: Workspace,
}

impl DenseChain {
    /// The same with dropout behind each ReLU, in the pass that makes it. A chain that is summed has none.
    ///
    /// # Errors
    /// [`NnError::Config`] for a rate outside `[0, 1)`.
    pub fn with_dropout(self, rate: f64) -> Result<Self, NnError> {
        check_rate(self.block.name(), rate)?;
        Ok(Self { dropout: rate, ..self })
    }

    /// Applies the chain to each row.
    ///
    /// # Shapes
    /// - `x`: `[R, C_0]`; returns `[R, C_L]`
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let drops = drops(self.block.name(), self.dropout, self.spec.layers(), pass);
        ops::chain(x, self.block.tensor(pass), &self.spec, drops, &self.workspace)
    }

    /// Applies the chain to each row and sums over each jet's rows, `weights: [R]` times if given.
    ///
    /// # Shapes
    /// - `x`: `[R, C_0]`; returns `[B, C_L]`
    pub fn forward_sum(
        &self,
        x: Tensor<2>,
        segments: &Segments,
        weights: Option<Arc<Vec<f32>>>,
        pass: &Pass,
    ) -> Tensor<2> {
        ops::chain_sum(
            x,
            self.block.tensor(pass),
            &self.spec,
            segments,
            weights,
            &self.workspace,
        )
    }

    /// Multiply-adds a row, forward.
    pub fn multiply_adds(&self) -> usize {
        self.spec.multiply_adds()
    }
}

impl Parts for DenseChain {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block)]
    }
}
