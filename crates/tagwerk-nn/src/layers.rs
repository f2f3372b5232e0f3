//! Layers: parameters, running statistics, and a `forward` that calls one operation.

mod attention;
mod batch_norm;
mod block;
mod codebook;
mod combinations;
mod condition;
mod convolution;
mod dense;
mod dropout;
mod edge_conv;
mod layer_norm;
mod lorentz;
mod lorentz_edge;
mod lstm;
mod pair_embedding;
mod prelu;
mod row_chain;
mod running;
mod standardize;
mod tree_embedding;

pub use attention::Attention;
pub use batch_norm::BatchNorm;
pub use block::{Block, Entry, Init, MAX_PARAMETERS};
pub use codebook::Codebook;
pub use combinations::{Combinations, CombinationsConfig};
pub use condition::{Condition, ConditionConfig, ConditionStart};
pub use convolution::{Convolution, ConvolutionConfig};
pub use dense::{DenseChain, DenseChainConfig};
pub use dropout::Dropout;
pub use edge_conv::{EdgeConv, EdgeConvConfig};
pub use layer_norm::LayerNorm;
pub use lorentz::{Lorentz, LorentzConfig};
pub use lorentz_edge::{LorentzEdge, LorentzEdgeConfig};
pub use lstm::{Lstm, LstmConfig};
pub use pair_embedding::{PairEmbedding, PairEmbeddingConfig};
pub use prelu::PRelu;
pub use row_chain::{RowChain, RowChainConfig};
pub use running::Running;
pub use standardize::Standardize;
pub use tree_embedding::{TreeEmbedding, TreeEmbeddingConfig};

use burn::tensor::Device;

/// Whether a forward pass trains, tries or scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Gradients are recorded, normalizations use the batch, dropout drops.
    Training {
        /// The training's seed, the first part of the address of every random draw.
        seed: u64,
        /// The global step, the last part of the address.
        step: u64,
    },
    /// The values of the training pass of this seed and step, but nothing is recorded or noted: for those who compare
    /// losses, a Metropolis test, say. (Burn keeps the record of a pass that nobody walks back.)
    Trial {
        /// As in training.
        seed: u64,
        /// As in training.
        step: u64,
    },
    /// Nothing is recorded, normalizations use running statistics, dropout is off.
    Scoring,
}

impl Pass {
    /// The device on which the inputs of this pass belong.
    pub fn device(&self, device: &Device) -> Device {
        match self {
            Self::Training { .. } => device.clone().autodiff(),
            Self::Trial { .. } | Self::Scoring => device.clone().without_autodiff(),
        }
    }

    /// Whether gradients can be asked for afterwards.
    pub fn is_recorded(&self) -> bool {
        matches!(self, Self::Training { .. })
    }

    /// Seed and step, by which random draws are addressed; none while scoring, when nothing is random.
    pub fn draws(&self) -> Option<(u64, u64)> {
        match *self {
            Self::Training { seed, step } | Self::Trial { seed, step } => Some((seed, step)),
            Self::Scoring => None,
        }
    }
}

/// One part of a network's state.
#[derive(Debug)]
pub enum Part<'a> {
    /// Trained parameters.
    Block(&'a Block),
    /// Running statistics of normalizations.
    Running(&'a Running),
    /// Centers and scales of inputs.
    Standardize(&'a Standardize),
    /// Identities of inputs.
    Codebook(&'a Codebook),
}

/// One part of a network's state, to be changed.
#[derive(Debug)]
pub enum PartMut<'a> {
    /// Trained parameters.
    Block(&'a mut Block),
    /// Running statistics of normalizations.
    Running(&'a mut Running),
    /// Centers and scales of inputs.
    Standardize(&'a mut Standardize),
    /// Identities of inputs.
    Codebook(&'a mut Codebook),
}

/// Whatever has parameters: layers, and networks made of them. Parts come in a fixed order with unique names.
pub trait Parts {
    /// All parts.
    fn parts(&self) -> Vec<Part<'_>>;
    /// All parts, in the same order, to be changed.
    fn parts_mut(&mut self) -> Vec<PartMut<'_>>;

    /// Number of trained parameters. Running statistics, standardizations and codebooks are not trained and not
    /// counted.
    fn parameter_count(&self) -> usize {
        self.parts()
            .iter()
            .map(|part| match part {
                Part::Block(block) => block.len(),
                Part::Running(_) | Part::Standardize(_) | Part::Codebook(_) => 0,
            })
            .sum()
    }
}
