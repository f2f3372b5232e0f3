//! ChebNet: polynomials of a graph's Laplacian as filters, after the spectral graph networks.
//!
//! Defferrard, Bresson, Vandergheynst, "Convolutional Neural Networks on Graphs with Fast Localized Spectral
//! Filtering", arXiv:1606.09375. With `L = I - D^-1/2 W D^-1/2` and its largest eigenvalue bounded by 2, `L~ = L - I`
//! has its eigenvalues in [-1, 1]; `T_0 = X`, `T_1 = L~ X`, `T_k = 2 L~ T_{k-1} - T_{k-2}` are the Chebyshev
//! polynomials of it, and a layer is `sum_{k < K} T_k W_k + b`. `K = 1` is a dense layer on nodes.
//!
//! The tagger is this program's own, not a published one: the graph joins each constituent with its 16 nearest in
//! (deta, dphi), in both directions, with weights exp(-dR^2 / sigma^2); three layers of K = 4 with batch normalization
//! and ReLU; the mean over the constituents of a jet; a dense layer; one logit.

use crate::error::TaggerError;
use crate::general::{General, Input, Rows};
use crate::graph::Graph;
use crate::network::{Network, NetworkLearner};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::layers::{BatchNorm, DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass};
use tagwerk_nn::ops::{Activation, Reduction, SparseMatrix, activate, segment_reduce, sparse_product};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{KINEMATIC_FEATURES, View, particlenet_view};
use tagwerk_stats::Published;
use tagwerk_train::{Learner, Metric, Schedule, StepDecay, TrainingConfig};

const NAME: &str = "chebnet";

/// Columns of (deta, dphi) among the kinematic features of constituents.
const POINTS: [usize; 2] = [2, 3];

/// What makes a ChebNet. The defaults have 233,025 parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChebNetConfig {
    /// Leading constituents of a jet. Default: 100.
    pub max_constituents: usize,
    /// Nearest constituents that a constituent is joined with. Default: 16.
    pub neighbors: usize,
    /// Distance over which the weight of an edge falls to 1/e, radians. Default: 0.2; the median distance of the 16
    /// nearest is 0.15 in the built-in sample.
    pub sigma: f64,
    /// Polynomials of a layer, `K`: a node hears of nodes up to `K - 1` edges away. Default: 4.
    pub order: usize,
    /// Channels of the layers. Default: [64, 128, 256].
    pub channels: Vec<usize>,
    /// Width of the dense layer after the mean. Default: 256.
    pub hidden: usize,
}

impl Default for ChebNetConfig {
    fn default() -> Self {
        Self {
            max_constituents: 100,
            neighbors: 16,
            sigma: 0.2,
            order: 4,
            channels: vec![64, 128, 256],
            hidden: 256,
        }
    }
}

impl ChebNetConfig {
    fn jets(&self) -> Input {
        Input::new(&[self.max_constituents, KINEMATIC_FEATURES.len()]).with_graph(Graph::Nearest {
            k: self.neighbors,
            columns: POINTS,
        })
    }

    /// Inputs and outputs of each layer: a layer reads `K` polynomials of its channels.
    fn layers(&self, features: usize) -> Vec<[usize; 2]> {
        let inputs = std::iter::once(&features).chain(&self.channels);
        inputs.zip(&self.channels).map(|(&a, &b)| [self.order * a, b]).collect()
    }

    fn last(&self) -> usize {
        self.channels.last().copied().unwrap_or(0)
    }

    /// Draws the parameters for examples of at most `nodes` nodes of so many features: He uniform.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses; no feature.
    pub fn init(
        &self,
        nodes: usize,
        features: usize,
        graph: Graph,
        seed: u64,
        device: &Device,
    ) -> Result<ChebNet, TaggerError> {
        let dense = |name: String, widths, activate_last| {
            let init = Init::HeUniform;
            DenseChainConfig {
                name,
                widths,
                activate_last,
                init,
            }
            .init(seed, device)
        };
        let layers = self
            .layers(features)
            .into_iter()
            .enumerate()
            .map(|(i, [inputs, c])| {
                Ok(Layer {
                    filter: dense(format!("chebyshev{i}"), vec![inputs, c], false)?,
                    norm: BatchNorm::new(&format!("norm{i}"), c, device),
                })
            })
            .collect::<Result<_, TaggerError>>()?;
        Ok(ChebNet {
            nodes,
            features,
            graph,
            sigma: self.sigma,
            order: self.order,
            layers,
            head: dense("head".into(), vec![self.last(), self.hidden, 1], false)?,
        })
    }
}

/// The polynomials of a matrix applied to rows, side by side: `T_0(L~) x` to `T_{K-1}(L~) x`.
///
/// # Shapes
/// - `laplacian`: `L~`, `[R, R]`; `x`: `[R, C]`; returns `[R, K C]`
fn chebyshev(laplacian: &Arc<SparseMatrix>, x: Tensor<2>, order: usize) -> Tensor<2> {
    let [rows, width] = x.dims();
    if rows == 0 {
        // Nothing flows back from no row, and Burn's backward pass of a sum does not accept that.
        return Tensor::zeros([0, order * width], &x.device());
    }
    let mut terms = vec![x];
    for k in 1..order {
        let next = sparse_product(laplacian, terms[k - 1].clone());
        terms.push(match k {
            1 => next,
            _ => next * 2.0 - terms[k - 2].clone(),
        });
    }
    Tensor::cat(terms, 1)
}

#[derive(Debug)]
struct Layer {
    filter: DenseChain,
    norm: BatchNorm,
}

/// The network.
#[derive(Debug)]
pub struct ChebNet {
    nodes: usize,
    features: usize,
    graph: Graph,
    sigma: f64,
    order: usize,
    layers: Vec<Layer>,
    head: DenseChain,
}

impl ChebNet {
    /// `L~ = -D^-1/2 W D^-1/2`, `[R, R]`.
    fn laplacian(&self, rows: &Rows, mothers: &[f32]) -> Result<Arc<SparseMatrix>, TaggerError> {
        let weight = |i: usize, j: usize| match self.graph {
            Graph::Nearest { columns, .. } => {
                let apart = |c: usize| f64::from(rows.values[i * rows.width + c] - rows.values[j * rows.width + c]);
                let square: f64 = columns.map(apart).iter().map(|d| d * d).sum();
                (-square / (self.sigma * self.sigma)).exp()
            }
            Graph::Grid { .. } | Graph::Mothers => 1.0,
        };
        self.graph.normalized(NAME, rows, mothers, false, -1.0, weight)
    }
}

impl Network for ChebNet {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let rows = Rows::of(NAME, view, self.nodes, self.features + self.graph.extra_columns())?;
        let (rows, mothers) = self.graph.split(rows);
        let laplacian = self.laplacian(&rows, &mothers)?;
        let examples = rows.segments.clone();
        let mut x = rows.tensor(device); // [R, F]
        for layer in &mut self.layers {
            let filtered = layer.filter.forward(chebyshev(&laplacian, x, self.order), pass);
            x = activate(layer.norm.forward(filtered, pass), Activation::Relu); // [R, C]
        }
        let mean = segment_reduce(x, &examples, Reduction::Mean); // [B, C]
        Ok(self.head.forward(mean, pass)) // [B, 1]
    }
}

impl Parts for ChebNet {
    fn parts(&self) -> Vec<Part<'_>> {
        let layers = self.layers.iter().flat_map(|l| [l.filter.parts(), l.norm.parts()]);
        layers.flatten().chain(self.head.parts()).collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let layers = self.layers.iter_mut();
        let parts = layers.flat_map(|l| [l.filter.parts_mut(), l.norm.parts_mut()]);
        parts.flatten().chain(self.head.parts_mut()).collect()
    }
}

impl Tagger for ChebNetConfig {
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

    /// That of ParticleNet's public demonstration: batch 384, Adam at 1e-3, times 0.1 after epochs 10 and 20, 30
    /// epochs, the one of best validation accuracy.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 384,
            epochs: 30,
            best: Metric::ValAccuracy,
            schedule: Schedule::Step(StepDecay {
                after: vec![10, 20],
                factor: 0.1,
            }),
            ..TrainingConfig::default()
        }
    }

    fn published(&self) -> Published {
        Published::NONE
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let (most, k, sigma, order) = (self.max_constituents, self.neighbors, self.sigma, self.order);
        check_number(
            NAME,
            "max_constituents",
            most,
            (1..=100_000).contains(&most),
            "1 to 100000",
        )?;
        check_number(NAME, "neighbors", k, (1..=100_000).contains(&k), "1 to 100000")?;
        check_number(
            NAME,
            "sigma",
            sigma,
            sigma.is_finite() && sigma > 0.0,
            "finite and above 0",
        )?;
        check_number(NAME, "order", order, (1..=64).contains(&order), "1 to 64")?;
        check_widths(NAME, "channels", order * KINEMATIC_FEATURES.len(), &self.channels, 1)?;
        for [inputs, c] in self.layers(KINEMATIC_FEATURES.len()) {
            check_widths(NAME, "channels", inputs, &[c], 1)?;
        }
        check_widths(NAME, "hidden", self.last(), &[self.hidden], 1)
    }

    fn multiply_adds(&self, constituents: f64) -> f64 {
        let n = constituents.min(self.max_constituents as f64);
        // About k edges leave a node, and others arrive; a sparse product costs one multiply-add an edge and channel.
        let edges = (self.neighbors as f64).min((n - 1.0).max(0.0));
        let layers = self.layers(KINEMATIC_FEATURES.len()).into_iter();
        let rows: f64 = layers
            .map(|[inputs, c]| (inputs * c) as f64 + edges * (inputs - inputs / self.order.max(1)) as f64)
            .sum();
        n * rows + (self.last() * self.hidden + self.hidden) as f64
    }

    fn general(&self) -> Option<&dyn General> {
        Some(self)
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        let network = self.network(&self.jets(), training.seed, device)?;
        Ok(Box::new(NetworkLearner::new(network, training, device)))
    }
}

impl General for ChebNetConfig {
    fn network(&self, input: &Input, seed: u64, device: &Device) -> Result<Box<dyn Network>, TaggerError> {
        let ([nodes, features], graph) = input.nodes(NAME)?;
        Ok(Box::new(self.init(nodes, features, graph, seed, device)?))
    }
}

#[cfg(test)]
mod tests;
