//! The embedding of each jet's tree: a recursive network with a network in network between its levels.

use super::block::{Block, Entry, Init, check_size};
use super::{Part, PartMut, Parts, Pass};
use crate::device::is_fused;
use crate::error::NnError;
use crate::kernels::workspace::Workspace;
use crate::ops::{self, Forest, TREE_LAYERS, TreeSpec};
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// What makes an embedding.
#[derive(Debug, Clone)]
pub struct TreeEmbeddingConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Features a node, `F`.
    pub input: usize,
    /// Width, `H`.
    pub hidden: usize,
}

impl TreeEmbeddingConfig {
    /// Draws the parameters as the authors of TreeNiN do: Glorot uniform for what reads features, orthogonal for the
    /// others, both times sqrt(2); biases uniform within 1 / sqrt(inputs), the default of their framework.
    ///
    /// # Errors
    /// [`NnError::Config`] for a width of zero, or more parameters than memory could hold.
    pub fn init(&self, seed: u64, device: &Device) -> Result<TreeEmbedding, NnError> {
        let (input, hidden) = (self.input, self.hidden);
        if input == 0 || hidden == 0 {
            return Err(NnError::Config {
                what: format!("features and width of layer '{}'", self.name),
                value: format!("{input} and {hidden}"),
                limit: "above zero",
            });
        }
        let combine = (hidden.saturating_mul(3), hidden);
        check_size(&self.name, &[(input, hidden), combine, (hidden, hidden)])?;
        let spec = TreeSpec { input, hidden };
        let gain = std::f32::consts::SQRT_2;
        let mut entries = Vec::new();
        for (layer, name) in TREE_LAYERS.iter().enumerate() {
            let [c_in, c_out] = spec.widths(layer);
            let reads_features = ["inner", "leaf"].contains(name);
            entries.push(Entry {
                name: format!("{name}.weight"),
                range: spec.weight(layer),
                shape: vec![c_in, c_out],
                init: if reads_features {
                    Init::GlorotUniformGain(gain)
                } else {
                    Init::Orthogonal(gain)
                },
            });
            entries.push(Entry {
                name: format!("{name}.bias"),
                range: spec.bias(layer),
                shape: vec![c_out],
                init: Init::Uniform(1.0 / (c_in as f32).sqrt()),
            });
        }
        Ok(TreeEmbedding {
            spec,
            block: Block::new(&self.name, entries, seed, device),
            workspace: Workspace::default(),
        })
    }
}

/// An embedding of trees.
#[derive(Debug)]
pub struct TreeEmbedding {
    spec: TreeSpec,
    block: Block,
    workspace: Workspace,
}

/// Jets a forest on the CPU: their levels are large enough for matrix products and fit into the cache.
const JETS: usize = 32;

impl TreeEmbedding {
    /// Jets that one forest should hold on this device, given how many there are.
    pub fn jets_a_forest(device: &Device, jets: usize) -> usize {
        if is_fused(device) { JETS } else { jets.max(1) }
    }

    /// # Shapes
    /// - `x`: `[R, F]`, the nodes of one forest after the other; returns `[B, H]` for `jets = B`
    ///
    /// # Errors
    /// [`NnError::Forest`] if the forests have another number of nodes than `R`, or name a jet that is not there.
    pub fn forward(
        &self,
        x: Tensor<2>,
        forests: &Arc<Vec<Forest>>,
        jets: usize,
        pass: &Pass,
    ) -> Result<Tensor<2>, NnError> {
        let [rows, _] = x.dims();
        let nodes: usize = forests.iter().map(Forest::nodes).sum();
        let last = forests.iter().flat_map(|forest| forest.jets()).max();
        if nodes != rows || last.is_some_and(|&jet| jet as usize >= jets) {
            return Err(NnError::Forest {
                nodes,
                rows,
                jets,
                last: last.copied().unwrap_or(0),
            });
        }
        let (train, parameters) = (pass.is_recorded(), self.block.tensor(pass));
        Ok(ops::tree_embedding(
            x,
            parameters,
            self.spec,
            forests,
            jets,
            train,
            &self.workspace,
        ))
    }
}

impl Parts for TreeEmbedding {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block)]
    }
}
