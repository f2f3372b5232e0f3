//! GraphNet: dense layers on nodes, graph convolutions of first order, dense layers on what they have in common.
//!
//! Benato et al., "Shared Data and Algorithms for Deep Learning in Fundamental Physics", arXiv:2107.00656, in the
//! version of its public code: one network, unchanged, on jets, grids and decays. A graph convolution is
//! `ReLU(A (X W + b))` with the matrix `A` of zeros and ones of the graph (Kipf, Welling, arXiv:1609.02907, without
//! their normalization). One logit.
//!
//! Keras counts 881,409 parameters on jets of 100 nodes. 5,120 of them are running means and variances of the ten
//! normalizations; 876,289 are trained, here too. 768 of these are slopes of a PReLU behind a ReLU, which can have no
//! effect and get no gradient; they stand here because they stand there. A PReLU behind a graph convolution has a slope
//! for each node: the network knows the first constituent from the second, and the order of constituents matters.
//!
//! What differs: a jet has the nodes it has. The original fills every jet up to 100 nodes with zeros, and padding
//! enters the normalizations and the mean over nodes; `padded = true` does so too. There, padding at the origin can
//! also take the place of a neighbor in the search for the nearest; here it never does. Normalizations follow PyTorch
//! (momentum
//! 0.1, epsilon 1e-5), not Keras (0.01, 1e-3).

use crate::error::TaggerError;
use crate::general::{General, Input, Rows};
use crate::graph::Graph;
use crate::network::{Network, NetworkLearner};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::layers::{BatchNorm, DenseChain, DenseChainConfig, Dropout, Init, PRelu, Part, PartMut, Parts, Pass};
use tagwerk_nn::ops::{Activation, Reduction, activate, segment_reduce, sparse_product};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{KINEMATIC_FEATURES, View, particlenet_view};
use tagwerk_stats::Published;
use tagwerk_train::{EarlyStopping, Learner, TrainingConfig};

const NAME: &str = "graphnet";

/// Columns of (deta, dphi) among the kinematic features of constituents.
const POINTS: [usize; 2] = [2, 3];

/// What makes a GraphNet. The defaults are the original (876,289 trained parameters on jets).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphNetConfig {
    /// Leading constituents of a jet. Default: 100.
    pub max_constituents: usize,
    /// Nearest constituents that a constituent looks at, besides itself. Default: 7.
    pub neighbors: usize,
    /// Widths of the dense layers on nodes. Default: three of 256.
    pub dense: Vec<usize>,
    /// Widths of the graph convolutions. Default: three of 256.
    pub graph: Vec<usize>,
    /// Widths of the dense layers on the mean over nodes. Default: seven of 256.
    pub head: Vec<usize>,
    /// Dropout after graph convolutions and dense layers on the mean. Default: 0.2.
    pub dropout: f64,
    /// Dropout after the last dense layer, instead. Default: 0.1.
    pub last_dropout: f64,
    /// Whether jets are filled up with zeros, which then take part in normalizations and mean. Default: false.
    pub padded: bool,
}

impl Default for GraphNetConfig {
    fn default() -> Self {
        Self {
            max_constituents: 100,
            neighbors: 7,
            dense: vec![256; 3],
            graph: vec![256; 3],
            head: vec![256; 7],
            dropout: 0.2,
            last_dropout: 0.1,
            padded: false,
        }
    }
}

impl GraphNetConfig {
    fn jets(&self) -> Input {
        Input::new(&[self.max_constituents, KINEMATIC_FEATURES.len()]).with_graph(Graph::Nearest {
            k: self.neighbors,
            columns: POINTS,
        })
    }

    /// Draws the parameters for examples of at most `nodes` nodes of so many features: Glorot uniform and slopes of
    /// zero, as Keras does.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses; no node or no feature.
    pub fn init(
        &self,
        nodes: usize,
        features: usize,
        graph: Graph,
        seed: u64,
        device: &Device,
    ) -> Result<GraphNet, TaggerError> {
        check_widths(NAME, "nodes", 1, &[nodes], 1)?;
        check_widths(NAME, "dense", features, &self.dense, 1)?;
        for &c in &self.graph {
            // A slope for each node and channel.
            check_widths(NAME, "graph", nodes, &[c], 1)?;
        }
        let mut input = features;
        let mut layer = |name: String, width: usize, activate_last| {
            let widths = vec![std::mem::replace(&mut input, width), width];
            let init = Init::GlorotUniform;
            DenseChainConfig {
                name,
                widths,
                activate_last,
                init,
            }
            .init(seed, device)
        };
        let slopes = |name: &str, places, c| PRelu::new(&format!("{name}.prelu"), places, c, device);
        let norm = |name: &str, c| BatchNorm::new(&format!("{name}.norm"), c, device);
        let (mut dense, mut convolutions, mut head) = (Vec::new(), Vec::new(), Vec::new());
        for (i, &c) in self.dense.iter().enumerate() {
            let name = format!("dense{i}");
            dense.push((layer(name.clone(), c, true)?, slopes(&name, 1, c)));
        }
        let groups = [("graph", &self.graph, nodes), ("head", &self.head, 1)];
        for ((kind, widths, places), group) in groups.into_iter().zip([&mut convolutions, &mut head]) {
            for (i, &c) in widths.iter().enumerate() {
                let name = format!("{kind}{i}");
                let last = kind == "head" && i + 1 == widths.len();
                let rate = if last { self.last_dropout } else { self.dropout };
                group.push(Normalized {
                    // The ReLU of a graph convolution comes after the sum over neighbors.
                    dense: layer(name.clone(), c, kind == "head")?,
                    norm: norm(&name, c),
                    slopes: slopes(&name, places, c),
                    dropout: Dropout::new(&name, rate)?,
                });
            }
        }
        Ok(GraphNet {
            nodes,
            features,
            graph,
            padded: self.padded,
            dense,
            convolutions,
            head,
            out: layer("out".into(), 1, false)?,
        })
    }
}

/// A dense layer, and what follows its ReLU.
#[derive(Debug)]
struct Normalized {
    dense: DenseChain,
    norm: BatchNorm,
    slopes: PRelu,
    dropout: Dropout,
}

impl Normalized {
    /// What follows the ReLU, `[R, C]`.
    fn finish(&mut self, x: Tensor<2>, places: &Arc<Vec<u32>>, pass: &Pass) -> Tensor<2> {
        let x = self.norm.forward(x, pass);
        self.dropout.forward(self.slopes.forward_at(x, places, pass), pass)
    }
}

/// The network.
#[derive(Debug)]
pub struct GraphNet {
    nodes: usize,
    features: usize,
    graph: Graph,
    padded: bool,
    dense: Vec<(DenseChain, PRelu)>,
    convolutions: Vec<Normalized>,
    head: Vec<Normalized>,
    out: DenseChain,
}

impl Network for GraphNet {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let mut rows = Rows::of(NAME, view, self.nodes, self.features + self.graph.extra_columns())?;
        if self.padded {
            rows = rows.padded(self.nodes)?;
        }
        let (rows, mothers) = self.graph.split(rows);
        let adjacency = self.graph.adjacency(NAME, &rows, &mothers)?; // [R, R]
        let (places, examples) = (Arc::new(rows.places()), rows.segments.clone());
        let mut x = rows.tensor(device); // [R, F]
        for (dense, slopes) in &self.dense {
            x = slopes.forward(dense.forward(x, pass), pass); // [R, C]
        }
        for layer in &mut self.convolutions {
            x = sparse_product(&adjacency, layer.dense.forward(x, pass));
            x = layer.finish(activate(x, Activation::Relu), &places, pass); // [R, C]
        }
        let mut x = segment_reduce(x, &examples, Reduction::Mean); // [B, C]
        let one = Arc::new(vec![0; examples.len()]);
        for layer in &mut self.head {
            x = layer.finish(layer.dense.forward(x, pass), &one, pass); // [B, C]
        }
        Ok(self.out.forward(x, pass)) // [B, 1]
    }
}

impl Parts for GraphNet {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        for (dense, slopes) in &self.dense {
            parts.extend(dense.parts());
            parts.extend(slopes.parts());
        }
        for layer in self.convolutions.iter().chain(&self.head) {
            parts.extend(layer.dense.parts());
            parts.extend(layer.norm.parts());
            parts.extend(layer.slopes.parts());
        }
        parts.extend(self.out.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = Vec::new();
        for (dense, slopes) in &mut self.dense {
            parts.extend(dense.parts_mut());
            parts.extend(slopes.parts_mut());
        }
        for layer in self.convolutions.iter_mut().chain(&mut self.head) {
            parts.extend(layer.dense.parts_mut());
            parts.extend(layer.norm.parts_mut());
            parts.extend(layer.slopes.parts_mut());
        }
        parts.extend(self.out.parts_mut());
        parts
    }
}

impl Tagger for GraphNetConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "constituents"
    }

    fn view_key(&self) -> String {
        format!("kinematic features of {}", self.max_constituents)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Jagged(particlenet_view(jets, self.max_constituents)?))
    }

    /// Batch 32, Adam at 1e-4, at most 400 epochs, stopping after 50 whose validation loss is not better by 1e-5. The
    /// original also takes three quarters of the rate after 8 epochs without a better loss, which no schedule here
    /// does.
    fn training(&self) -> TrainingConfig {
        let mut training = TrainingConfig {
            batch_size: 32,
            epochs: 400,
            early_stopping: Some(EarlyStopping {
                patience: 50,
                min_delta: 1e-5,
                ..EarlyStopping::default()
            }),
            ..TrainingConfig::default()
        };
        training.optimizer.learning_rate = 1e-4;
        training
    }

    /// The paper's results on the reference data are not quoted here: no source of the numbers is at hand.
    fn published(&self) -> Published {
        Published::NONE
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let (nodes, k) = (self.max_constituents, self.neighbors);
        check_number(
            NAME,
            "max_constituents",
            nodes,
            (1..=100_000).contains(&nodes),
            "1 to 100000",
        )?;
        check_number(NAME, "neighbors", k, (1..=100_000).contains(&k), "1 to 100000")?;
        check_widths(NAME, "dense", KINEMATIC_FEATURES.len(), &self.dense, 1)?;
        let last = |widths: &[usize]| widths.last().copied().unwrap_or(0);
        check_widths(NAME, "graph", last(&self.dense), &self.graph, 1)?;
        for &c in &self.graph {
            // A slope for each node and channel.
            check_widths(NAME, "graph", nodes, &[c], 1)?;
        }
        check_widths(NAME, "head", last(&self.graph), &self.head, 1)?;
        for (key, rate) in [("dropout", self.dropout), ("last_dropout", self.last_dropout)] {
            check_number(NAME, key, rate, (0.0..1.0).contains(&rate), "in [0, 1)")?;
        }
        Ok(())
    }

    fn multiply_adds(&self, constituents: f64) -> f64 {
        let most = self.max_constituents as f64;
        let n = if self.padded { most } else { constituents.min(most) };
        let sum = |widths: Vec<usize>| widths.windows(2).map(|w| (w[0] * w[1]) as f64).sum::<f64>();
        let nodes = [&[KINEMATIC_FEATURES.len()], &self.dense[..], &self.graph[..]].concat();
        let head = [&self.graph[self.graph.len().saturating_sub(1)..], &self.head[..], &[1]].concat();
        let edges = (self.neighbors + 1) * self.graph.iter().sum::<usize>();
        n * (sum(nodes) + edges as f64) + sum(head)
    }

    fn general(&self) -> Option<&dyn General> {
        Some(self)
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        let network = self.network(&self.jets(), training.seed, device)?;
        Ok(Box::new(NetworkLearner::new(network, training, device)))
    }
}

impl General for GraphNetConfig {
    fn network(&self, input: &Input, seed: u64, device: &Device) -> Result<Box<dyn Network>, TaggerError> {
        let ([nodes, features], graph) = input.nodes(NAME)?;
        Ok(Box::new(self.init(nodes, features, graph, seed, device)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts of Keras on the five data sets of arXiv:2107.00656: trained parameters, and a mean and a variance for
    /// each of the 256 channels of ten normalizations.
    #[test]
    fn parameters_on_every_data_set_are_those_of_the_original() {
        let device = Device::flex();
        let config = GraphNetConfig::default();
        let grid = |n| Graph::Grid { height: n, width: n };
        for (input, parameters) in [
            (config.jets(), 881_409),
            (Input::new(&[20, 20]).with_graph(grid(20)), 1_110_273),
            (Input::new(&[24, 24]).with_graph(grid(24)), 1_245_441),
            (Input::new(&[81, 9, 9]).with_graph(grid(9)), 885_761),
            (Input::new(&[100, 191]).with_graph(Graph::Mothers), 928_257),
        ] {
            let network = config.network(&input, 1, &device).unwrap();
            let statistics: usize = network
                .parts()
                .iter()
                .map(|part| match part {
                    Part::Running(running) => running.statistics().iter().map(|s| 2 * s.mean.len()).sum(),
                    Part::Block(_) | Part::Standardize(_) | Part::Codebook(_) => 0,
                })
                .sum();
            assert_eq!(statistics, 5120);
            assert_eq!(network.parameter_count() + statistics, parameters, "{input:?}");
        }
        assert!(config.network(&Input::new(&[100, 7]), 1, &device).is_err(), "no graph");
    }
}
