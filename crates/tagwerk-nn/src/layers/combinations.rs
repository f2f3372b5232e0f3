//! Linear combinations: a product with a matrix, without a bias.

use super::block::{Block, Entry, Init, check_size};
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use burn::tensor::{Device, Tensor};

/// What makes combinations.
#[derive(Debug, Clone)]
pub struct CombinationsConfig {
    /// Name of the parameters, unique in the network.
    pub name: String,
    /// Inputs, `N`.
    pub inputs: usize,
    /// Combinations, `M`.
    pub outputs: usize,
    /// Whether the magnitudes of the weights are taken, so that sums of momenta stay sums.
    pub positive: bool,
    /// How the weights start.
    pub init: Init,
}

impl CombinationsConfig {
    /// Draws the weights.
    ///
    /// # Errors
    /// [`NnError::Config`] for a size of zero, or more weights than memory could hold.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Combinations, NnError> {
        let (n, m) = (self.inputs, self.outputs);
        if n == 0 || m == 0 {
            return Err(NnError::Config {
                what: format!("inputs and outputs of layer '{}'", self.name),
                value: format!("{n} and {m}"),
                limit: "above zero",
            });
        }
        check_size(&self.name, &[(n, m)])?;
        let weight = Entry {
            name: "weight".into(),
            range: 0..n * m,
            shape: vec![n, m],
            init: self.init,
        };
        Ok(Combinations {
            shape: [n, m],
            positive: self.positive,
            block: Block::new(&self.name, vec![weight], seed, device),
        })
    }
}

/// Linear combinations of channels.
#[derive(Debug)]
pub struct Combinations {
    shape: [usize; 2],
    positive: bool,
    block: Block,
}

impl Combinations {
    /// # Shapes
    /// - `x`: `[R, N]`; returns `[R, M]`
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let weight: Tensor<2> = self.block.tensor(pass).reshape(self.shape);
        x.matmul(if self.positive { weight.abs() } else { weight })
    }
}

impl Parts for Combinations {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block)]
    }
}
