//! EdgeConv, the block of ParticleNet; see [`crate::kernels::edge`] for the mathematics.

use super::block::{Block, Entry, Init, check_size};
use super::running::Running;
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use crate::kernels::edge::{BlockStatistics, EdgeSpec};
use crate::kernels::knn::Neighbors;
use crate::kernels::workspace::Workspace;
use crate::ops;
use crate::segments::Segments;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// What makes an EdgeConv block.
#[derive(Debug, Clone)]
pub struct EdgeConvConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Channels of a node.
    pub input: usize,
    /// Output channels of each layer of the edge function.
    pub widths: Vec<usize>,
    /// Neighbors of a node.
    pub k: usize,
    /// How weights start; gammas start at 1, betas at 0. There are no biases: normalizations follow.
    pub init: Init,
}

impl EdgeConvConfig {
    /// Draws the parameters.
    ///
    /// # Errors
    /// [`NnError::Config`] for an empty list of widths, or a width or `k` of zero.
    pub fn init(&self, seed: u64, device: &Device) -> Result<EdgeConv, NnError> {
        if self.widths.is_empty() || self.widths.contains(&0) || self.input == 0 || self.k == 0 {
            return Err(NnError::Config {
                what: format!("EdgeConv '{}'", self.name),
                value: format!("k = {}, input {}, widths {:?}", self.k, self.input, self.widths),
                limit: "at least one layer, and k and every width above zero",
            });
        }
        let inputs = std::iter::once(2 * self.input.min(usize::MAX / 2)).chain(self.widths.iter().copied());
        let weights: Vec<_> = inputs.zip(self.widths.iter().copied()).collect();
        check_size(&self.name, &weights)?;
        let spec = EdgeSpec {
            input: self.input,
            widths: self.widths.clone(),
        };
        let mut entries = Vec::new();
        let mut add = |name: String, weight, shape: Vec<usize>, gamma, beta| {
            let c = shape[1];
            entries.push(Entry {
                name: format!("{name}.weight"),
                range: weight,
                shape,
                init: self.init,
            });
            entries.push(Entry {
                name: format!("{name}.gamma"),
                range: gamma,
                shape: vec![c],
                init: Init::Constant(1.0),
            });
            entries.push(Entry {
                name: format!("{name}.beta"),
                range: beta,
                shape: vec![c],
                init: Init::Constant(0.0),
            });
        };
        for l in 0..spec.layers() {
            add(
                l.to_string(),
                spec.weight(l),
                vec![spec.c_in(l), spec.widths[l]],
                spec.gamma(l),
                spec.beta(l),
            );
        }
        let shape = vec![spec.input, spec.output()];
        add(
            "shortcut".into(),
            spec.shortcut(),
            shape,
            spec.shortcut_gamma(),
            spec.shortcut_beta(),
        );
        let mut widths = spec.widths.clone();
        widths.push(spec.output());
        Ok(EdgeConv {
            k: self.k,
            block: Block::new(&self.name, entries, seed, device),
            running: Running::new(&self.name, &widths, 0.1),
            spec: Arc::new(spec),
            workspace: Workspace::default(),
        })
    }
}

/// An EdgeConv block.
#[derive(Debug)]
pub struct EdgeConv {
    k: usize,
    spec: Arc<EdgeSpec>,
    block: Block,
    running: Running,
    workspace: Workspace,
}

impl EdgeConv {
    /// The neighbors of each row, nearest in `points: [R, D]`.
    pub fn neighbors(&self, points: &Tensor<2>, segments: &Segments) -> Arc<Neighbors> {
        ops::k_nearest(points, segments, self.k)
    }

    /// Applies the block on given neighbors; while training, the batch's statistics are noted for the running ones.
    ///
    /// # Shapes
    /// - `x`: `[R, C_in]`; returns `[R, C_out]`
    pub fn forward(&mut self, x: Tensor<2>, segments: &Segments, graph: &Arc<Neighbors>, pass: &Pass) -> Tensor<2> {
        let parameters = self.block.tensor(pass);
        match pass {
            Pass::Training { .. } | Pass::Trial { .. } => {
                let (y, statistics) =
                    ops::edge_conv_training(x, parameters, &self.spec, segments, graph, &self.workspace);
                self.running
                    .note(pass, statistics.layers.iter().chain([&statistics.shortcut]));
                y
            }
            Pass::Scoring => {
                let running = self.running.statistics();
                let layers = self.spec.layers();
                let statistics = BlockStatistics {
                    layers: running[..layers].to_vec(),
                    shortcut: running[layers].clone(),
                };
                let statistics = Arc::new(statistics);
                ops::edge_conv_scoring(x, parameters, &self.spec, segments, graph, &statistics, &self.workspace)
            }
        }
    }

    /// Multiply-adds of a forward pass over `rows` nodes and `edges` edges.
    pub fn multiply_adds(&self, rows: usize, edges: usize) -> usize {
        self.spec.multiply_adds(rows, edges)
    }
}

impl Parts for EdgeConv {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block), Part::Running(&self.running)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block), PartMut::Running(&mut self.running)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{DenseChainConfig, Init};
    use burn::tensor::TensorData;

    /// In unit tests a workspace hands out buffers full of NaN: a kernel that reads what it has not written shows it.
    #[test]
    fn kernels_write_every_value_they_read() {
        let device = Device::flex().autodiff();
        let pass = Pass::Training { seed: 1, step: 0 };
        let segments = Segments::new(vec![0, 5, 5, 300, 301]).unwrap();
        let mut chain = DenseChainConfig {
            name: "chain".into(),
            widths: vec![3, 9, 5],
            activate_last: true,
            init: Init::HeUniform,
        }
        .init(1, &device)
        .unwrap();
        let mut edge = EdgeConvConfig {
            name: "edge".into(),
            input: 5,
            widths: vec![6, 7],
            k: 4,
            init: Init::HeUniform,
        }
        .init(1, &device)
        .unwrap();
        let values: Vec<f32> = (0..301 * 3).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut first: Option<Vec<Vec<f32>>> = None;
        for step in 0..3 {
            let x = Tensor::<2>::from_data(TensorData::new(values.clone(), [301, 3]), &device);
            let rows = chain.forward(x, &pass);
            let graph = edge.neighbors(&rows, &segments);
            let y = edge.forward(rows, &segments, &graph, &pass);
            let loss = (y.clone() * y.clone()).sum();
            let mut gradients = loss.backward();
            let mut found = vec![ops::floats(y)];
            for part in chain.parts_mut().into_iter().chain(edge.parts_mut()) {
                if let PartMut::Block(block) = part {
                    let gradient = block.leaf().grad_remove(&mut gradients).unwrap();
                    found.push(ops::floats(gradient));
                }
            }
            assert!(found.iter().flatten().all(|v| v.is_finite()), "step {step}");
            assert_eq!(*first.get_or_insert_with(|| found.clone()), found, "step {step}");
        }
    }
}
