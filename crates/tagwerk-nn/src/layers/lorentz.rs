//! The Lorentz layer: masses, momenta and weighted distances of four-vectors.

use super::block::{Block, Entry, Init, check_size};
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use crate::kernels::workspace::Workspace;
use crate::ops::{self, LORENTZ_WEIGHTS, LorentzSpec};
use burn::tensor::{Device, Tensor};

/// What makes a Lorentz layer.
#[derive(Debug, Clone)]
pub struct LorentzConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Four-vectors of a jet, `M`.
    pub vectors: usize,
    /// Whether the four entries of the metric are parameters, which start at (1, -1, -1, -1).
    pub learned_metric: bool,
    /// How the weights start.
    pub init: Init,
}

impl LorentzConfig {
    /// Draws the parameters.
    ///
    /// # Errors
    /// [`NnError::Config`] for no vector, or more parameters than memory could hold.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Lorentz, NnError> {
        let m = self.vectors;
        if m == 0 {
            return Err(NnError::Config {
                what: format!("number of vectors of layer '{}'", self.name),
                value: m.to_string(),
                limit: "above zero",
            });
        }
        check_size(&self.name, &[(m, m); LORENTZ_WEIGHTS.len()])?;
        let spec = LorentzSpec {
            vectors: m,
            learned_metric: self.learned_metric,
        };
        let weights = LORENTZ_WEIGHTS.iter().enumerate().map(|(index, name)| Entry {
            name: (*name).into(),
            range: spec.weight(index),
            shape: vec![m, m],
            init: self.init,
        });
        let mut entries: Vec<_> = weights.collect();
        if self.learned_metric {
            let start = spec.metric().start;
            for (name, range, sign) in [
                ("metric.time", start..start + 1, 1.0),
                ("metric.space", start + 1..start + 4, -1.0),
            ] {
                entries.push(Entry {
                    name: name.into(),
                    shape: vec![range.len()],
                    range,
                    init: Init::Constant(sign),
                });
            }
        }
        Ok(Lorentz {
            spec,
            block: Block::new(&self.name, entries, seed, device),
            workspace: Workspace::default(),
        })
    }
}

/// A Lorentz layer.
#[derive(Debug)]
pub struct Lorentz {
    spec: LorentzSpec,
    block: Block,
    workspace: Workspace,
}

impl Lorentz {
    /// # Shapes
    /// - `x`: `[4 B, M]`, the components of a jet's vectors in four rows; returns `[B, 7 M]`, value by value
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        ops::lorentz(x, self.block.tensor(pass), self.spec, &self.workspace)
    }

    /// Sizes.
    pub fn spec(&self) -> LorentzSpec {
        self.spec
    }
}

impl Parts for Lorentz {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block)]
    }
}
