//! From features of pairs of constituents to a bias a head; see [`crate::kernels::pair_embedding`].

use super::block::{Block, Entry, Init, check_size};
use super::running::Running;
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use crate::kernels::pair_embedding::{PairSpec, Places};
use crate::kernels::workspace::Workspace;
use crate::ops;
use crate::segments::Segments;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// What makes a pair embedding.
#[derive(Debug, Clone)]
pub struct PairEmbeddingConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Features of a pair first, heads last, at least one width between.
    pub widths: Vec<usize>,
}

impl PairEmbeddingConfig {
    /// Draws the parameters: weights and biases uniform in ±1 / sqrt(fan_in), gammas 1, betas 0.
    ///
    /// # Errors
    /// [`NnError::Config`] for fewer than three widths, a width of zero, or more parameters than memory could hold.
    pub fn init(&self, seed: u64, device: &Device) -> Result<PairEmbedding, NnError> {
        if self.widths.len() < 3 || self.widths.contains(&0) {
            return Err(NnError::Config {
                what: format!("the list of widths of layer '{}', features first,", self.name),
                value: format!("{:?}", self.widths),
                limit: "at least three widths above zero",
            });
        }
        let weights: Vec<_> = self.widths.windows(2).map(|w| (w[0], w[1])).collect();
        check_size(&self.name, &weights)?;
        let spec = PairSpec::new(self.widths.clone());
        let mut entries = Vec::new();
        let mut add = |name: String, range: std::ops::Range<usize>, shape: Vec<usize>, init| {
            entries.push(Entry {
                name,
                range,
                shape,
                init,
            });
        };
        for n in 0..=spec.layers() {
            let c = spec.width(n);
            let name = match n {
                0 => "input".to_string(),
                _ => (n - 1).to_string(),
            };
            add(format!("{name}.gamma"), spec.gamma(n), vec![c], Init::Constant(1.0));
            add(format!("{name}.beta"), spec.beta(n), vec![c], Init::Constant(0.0));
            if n < spec.layers() {
                let (c_out, bound) = (spec.width(n + 1), Init::Uniform(1.0 / (c as f32).sqrt()));
                add(format!("{n}.weight"), spec.weight(n), vec![c, c_out], bound);
                add(format!("{n}.bias"), spec.bias(n), vec![c_out], bound);
            }
        }
        Ok(PairEmbedding {
            block: Block::new(&self.name, entries, seed, device),
            running: Running::new(&self.name, spec.normalizations(), 0.1),
            spec: Arc::new(spec),
            workspace: Workspace::default(),
        })
    }
}

/// A pair embedding.
#[derive(Debug)]
pub struct PairEmbedding {
    spec: Arc<PairSpec>,
    block: Block,
    running: Running,
    workspace: Workspace,
}

impl PairEmbedding {
    /// The bias of each head and pair; while training, the batch's statistics are noted for the running ones.
    ///
    /// # Shapes
    /// - `features`: of unordered pairs, `[sum_b n_b (n_b + 1) / 2, F]`
    /// - returns `[1, sum_b H n_b^2]`, as [`super::Attention::forward`] reads it
    ///
    /// # Errors
    /// [`NnError::Config`] if the number of features is another.
    pub fn forward(&mut self, features: Vec<f32>, jets: &Segments, pass: &Pass) -> Result<Tensor<2>, NnError> {
        let places = Arc::new(Places::new(jets.offsets()));
        if features.len() != places.pairs() * self.spec.features() {
            return Err(NnError::Config {
                what: format!("the number of features of layer '{}'", self.block.name()),
                value: features.len().to_string(),
                limit: "as many as all unordered pairs have",
            });
        }
        let (features, parameters) = (Arc::new(features), self.block.tensor(pass));
        Ok(match pass {
            Pass::Training { .. } | Pass::Trial { .. } => {
                let (bias, statistics) =
                    ops::pair_embedding_training(parameters, &features, &self.spec, &places, &self.workspace);
                self.running.note(pass, &statistics);
                bias
            }
            Pass::Scoring => {
                let given = self.running.statistics();
                ops::pair_embedding_scoring(parameters, &features, &self.spec, &places, given, &self.workspace)
            }
        })
    }

    /// Multiply-adds a pair, forward.
    pub fn multiply_adds(&self) -> usize {
        self.spec.multiply_adds()
    }
}

impl Parts for PairEmbedding {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block), Part::Running(&self.running)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block), PartMut::Running(&mut self.running)]
    }
}
