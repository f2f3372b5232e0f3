//! GCN: graph convolutions of first order on a normalized graph, with an embedding of particle types where there are
//! any.
//!
//! Kipf, Welling, "Semi-Supervised Classification with Graph Convolutional Networks", arXiv:1609.02907: a layer is
//! `ReLU(A_hat (X W + b))` with `A_hat = D^-1/2 (A + I) D^-1/2` of a symmetric graph. The network is the reference
//! model of the data set Belle in Benato et al., arXiv:2107.00656 ([`GcnConfig::belle`]), where the graph is the decay
//! tree and a particle without a mother has no edge to itself. It runs on other graphs, too: of jets it joins each
//! constituent with its nearest in (deta, dphi). One logit.

use crate::error::TaggerError;
use crate::general::{General, Input, Rows};
use crate::graph::Graph;
use crate::network::{Network, NetworkLearner};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::layers::{Block, DenseChain, DenseChainConfig, Entry, Init, Part, PartMut, Parts, Pass};
use tagwerk_nn::ops::{Activation, Reduction, SparseMatrix, activate, segment_reduce, sparse_product};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{KINEMATIC_FEATURES, View, particlenet_view};
use tagwerk_stats::Published;
use tagwerk_train::{EarlyStopping, Learner, TrainingConfig};

const NAME: &str = "gcn";

/// Columns of (deta, dphi) among the kinematic features of constituents.
const POINTS: [usize; 2] = [2, 3];

/// A feature that is the number of a kind, such as a particle's type, and becomes a learned vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// The column of the feature.
    pub column: usize,
    /// Kinds; they are numbered from 0.
    pub kinds: usize,
    /// Numbers a kind.
    pub width: usize,
}

/// What makes a GCN. The defaults are the layers of the reference model, without an embedding (133,249 parameters on
/// jets).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GcnConfig {
    /// Leading constituents of a jet. Default: 100.
    pub max_constituents: usize,
    /// Nearest constituents that a constituent is joined with. Default: 7.
    pub neighbors: usize,
    /// A feature that is embedded. Default: none; jets have no such feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<EmbeddingConfig>,
    /// Widths of the dense layers on nodes. Default: three of 128.
    pub dense: Vec<usize>,
    /// Widths of the graph convolutions. Default: three of 128.
    pub graph: Vec<usize>,
    /// Widths of the dense layers on the mean over nodes. Default: three of 128.
    pub head: Vec<usize>,
}

impl Default for GcnConfig {
    fn default() -> Self {
        Self {
            max_constituents: 100,
            neighbors: 7,
            embedding: None,
            dense: vec![128; 3],
            graph: vec![128; 3],
            head: vec![128; 3],
        }
    }
}

impl GcnConfig {
    /// The reference model of the data set Belle: eight features, the particle's type (541 kinds) and its mother.
    pub fn belle() -> Self {
        Self {
            embedding: Some(EmbeddingConfig {
                column: 8,
                kinds: 541,
                width: 8,
            }),
            ..Self::default()
        }
    }

    fn jets(&self) -> Input {
        Input::new(&[self.max_constituents, KINEMATIC_FEATURES.len()]).with_graph(Graph::Nearest {
            k: self.neighbors,
            columns: POINTS,
        })
    }

    fn last(widths: &[usize], input: usize) -> usize {
        widths.last().copied().unwrap_or(input)
    }

    /// The widths after nodes of `input` features.
    fn check_layers(&self, input: usize) -> Result<(), TaggerError> {
        check_widths(NAME, "dense", input, &self.dense, 1)?;
        check_widths(NAME, "graph", Self::last(&self.dense, input), &self.graph, 1)?;
        check_widths(NAME, "head", Self::last(&self.graph, input), &self.head, 0)
    }

    /// Draws the parameters for examples of at most `nodes` nodes of so many features: Glorot uniform, as Keras does.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses; no feature; an embedding of a column that is not there.
    pub fn init(
        &self,
        nodes: usize,
        features: usize,
        graph: Graph,
        seed: u64,
        device: &Device,
    ) -> Result<Gcn, TaggerError> {
        let init = Init::GlorotUniform;
        let chain = |name: String, widths, activate_last| {
            DenseChainConfig {
                name,
                widths,
                activate_last,
                init,
            }
            .init(seed, device)
        };
        let mut input = features;
        let embedding = match &self.embedding {
            None => None,
            Some(config) => {
                let column = config.column;
                let why = "a column of the features";
                check_number(NAME, "embedding.column", column, column < features, why)?;
                check_widths(NAME, "embedding", config.kinds, &[config.width], 1)?;
                input = features - 1 + config.width;
                Some(Embedding::new(config, seed, device))
            }
        };
        self.check_layers(input)?;
        let nodes_out = Self::last(&self.dense, input);
        let convolutions = std::iter::once(&nodes_out)
            .chain(&self.graph)
            .zip(&self.graph)
            .enumerate()
            .map(|(i, (&a, &b))| Ok(chain(format!("graph{i}"), vec![a, b], false)?))
            .collect::<Result<_, TaggerError>>()?;
        let head = [&[Self::last(&self.graph, nodes_out)], &self.head[..], &[1]].concat();
        Ok(Gcn {
            nodes,
            features,
            graph,
            embedding,
            dense: chain("dense".into(), [&[input], &self.dense[..]].concat(), true)?,
            convolutions,
            head: chain("head".into(), head, false)?,
        })
    }
}

/// A learned vector for each kind.
#[derive(Debug)]
struct Embedding {
    column: usize,
    kinds: usize,
    width: usize,
    block: Block,
}

impl Embedding {
    fn new(config: &EmbeddingConfig, seed: u64, device: &Device) -> Self {
        let (kinds, width) = (config.kinds, config.width);
        let entry = Entry {
            name: "table".into(),
            range: 0..kinds * width,
            shape: vec![kinds, width],
            init: Init::GlorotUniform,
        };
        Self {
            column: config.column,
            kinds,
            width,
            block: Block::new("embedding", vec![entry], seed, device),
        }
    }

    /// The vectors of the kinds, before the other features.
    fn forward(&self, rows: Rows, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (rest, kinds) = rows.without_column(self.column);
        let known = |kind: f32| kind >= 0.0 && kind < self.kinds as f32 && kind.fract() == 0.0;
        if let Some(bad) = kinds.iter().find(|&&kind| !known(kind)) {
            return Err(TaggerError::View {
                tagger: NAME,
                expected: "in the embedded column the number of a kind",
                found: format!("{bad}, where there are {} kinds", self.kinds),
            });
        }
        let index = kinds.iter().map(|&kind| kind as u32).collect();
        let selection = SparseMatrix::selection(index, self.kinds).ok_or_else(|| TaggerError::View {
            tagger: NAME,
            expected: "batches of fewer than 2^32 nodes",
            found: format!("{} nodes", kinds.len()),
        })?;
        let table = self.block.tensor(pass).reshape([self.kinds, self.width]);
        let vectors = sparse_product(&Arc::new(selection), table); // [R, D]
        if rest.width == 0 {
            return Ok(vectors);
        }
        Ok(Tensor::cat(vec![vectors, rest.tensor(device)], 1))
    }
}

/// The network.
#[derive(Debug)]
pub struct Gcn {
    nodes: usize,
    features: usize,
    graph: Graph,
    embedding: Option<Embedding>,
    dense: DenseChain,
    convolutions: Vec<DenseChain>,
    head: DenseChain,
}

impl Network for Gcn {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let rows = Rows::of(NAME, view, self.nodes, self.features + self.graph.extra_columns())?;
        let (rows, mothers) = self.graph.split(rows);
        let adjacency = self.graph.normalized(NAME, &rows, &mothers, true, 1.0, |_, _| 1.0)?; // [R, R]
        let examples = rows.segments.clone();
        let x = match &self.embedding {
            Some(embedding) => embedding.forward(rows, pass, device)?,
            None => rows.tensor(device),
        }; // [R, F]
        let mut x = self.dense.forward(x, pass); // [R, C]
        for dense in &self.convolutions {
            x = activate(sparse_product(&adjacency, dense.forward(x, pass)), Activation::Relu); // [R, C]
        }
        let mean = segment_reduce(x, &examples, Reduction::Mean); // [B, C]
        Ok(self.head.forward(mean, pass)) // [B, 1]
    }
}

impl Parts for Gcn {
    fn parts(&self) -> Vec<Part<'_>> {
        let table = self.embedding.iter().map(|e| Part::Block(&e.block));
        let convolutions = self.convolutions.iter().flat_map(Parts::parts);
        let nodes = table.chain(self.dense.parts()).chain(convolutions);
        nodes.chain(self.head.parts()).collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let table = self.embedding.iter_mut().map(|e| PartMut::Block(&mut e.block));
        let convolutions = self.convolutions.iter_mut().flat_map(Parts::parts_mut);
        let nodes = table.chain(self.dense.parts_mut()).chain(convolutions);
        nodes.chain(self.head.parts_mut()).collect()
    }
}

impl Tagger for GcnConfig {
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

    /// The reference model's: batch 1024, Adam at 1e-3, at most 100 epochs, stopping after 15 whose validation loss is
    /// not better by 1e-4.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 1024,
            epochs: 100,
            early_stopping: Some(EarlyStopping {
                patience: 15,
                min_delta: 1e-4,
                ..EarlyStopping::default()
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
        let (most, k) = (self.max_constituents, self.neighbors);
        check_number(
            NAME,
            "max_constituents",
            most,
            (1..=100_000).contains(&most),
            "1 to 100000",
        )?;
        check_number(NAME, "neighbors", k, (1..=100_000).contains(&k), "1 to 100000")?;
        let mut input = KINEMATIC_FEATURES.len();
        if let Some(embedding) = &self.embedding {
            let column = embedding.column;
            check_number(
                NAME,
                "embedding.column",
                column,
                column < input,
                "a feature of jets, 0 to 6",
            )?;
            check_widths(NAME, "embedding", embedding.kinds, &[embedding.width], 1)?;
            input = input.saturating_add(embedding.width) - 1;
        }
        self.check_layers(input)
    }

    fn multiply_adds(&self, constituents: f64) -> f64 {
        let sum = |widths: Vec<usize>| widths.windows(2).map(|w| (w[0] * w[1]) as f64).sum::<f64>();
        let nodes = [&[KINEMATIC_FEATURES.len()], &self.dense[..], &self.graph[..]].concat();
        let head = [&[Self::last(&self.graph, 0)], &self.head[..], &[1]].concat();
        let edges = (self.neighbors + 1) * self.graph.iter().sum::<usize>();
        constituents.min(self.max_constituents as f64) * (sum(nodes) + edges as f64) + sum(head)
    }

    fn general(&self) -> Option<&dyn General> {
        Some(self)
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        let network = self.network(&self.jets(), training.seed, device)?;
        Ok(Box::new(NetworkLearner::new(network, training, device)))
    }
}

impl General for GcnConfig {
    fn network(&self, input: &Input, seed: u64, device: &Device) -> Result<Box<dyn Network>, TaggerError> {
        let ([nodes, features], graph) = input.nodes(NAME)?;
        Ok(Box::new(self.init(nodes, features, graph, seed, device)?))
    }

    fn reads_identities(&self) -> bool {
        self.embedding.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_physics::DenseView;

    /// 541 vectors of 8; 16 to 128; eight layers of 128; one output.
    #[test]
    fn parameters_are_those_of_the_reference_model() {
        let device = Device::flex();
        let event = Input::new(&[100, 10]).with_graph(Graph::Mothers);
        let belle = GcnConfig::belle().network(&event, 1, &device).unwrap();
        assert_eq!(belle.parameter_count(), 541 * 8 + 17 * 128 + 8 * 129 * 128 + 129);
        let config = GcnConfig::default();
        let jets = config.network(&config.jets(), 1, &device).unwrap();
        assert_eq!(jets.parameter_count(), 8 * 128 + 8 * 129 * 128 + 129);
        assert!(
            GcnConfig::belle()
                .network(&Input::new(&[100, 8]).with_graph(Graph::Mothers), 1, &device)
                .is_err()
        );
    }

    #[test]
    fn a_kind_outside_the_table_is_refused_and_the_kind_decides_the_score() {
        let device = Device::flex();
        let event = Input::new(&[2, 10]).with_graph(Graph::Mothers);
        let mut network = GcnConfig::belle().network(&event, 1, &device).unwrap();
        let mut score = |kind: f32| {
            let daughter = [&[0.5; 8][..], &[kind, 0.0]].concat();
            let values = [&[0.1; 8][..], &[3.0, -1.0], &daughter].concat();
            let view = View::from(DenseView::new(vec![2, 10], values).unwrap());
            let logit = network.forward(&view, &Pass::Scoring, &device)?;
            Ok::<Vec<f32>, TaggerError>(logit.into_data().convert::<f32>().try_into_vec().unwrap())
        };
        let scores: Vec<f32> = [3.0, 540.0].into_iter().flat_map(|kind| score(kind).unwrap()).collect();
        assert_ne!(scores[0], scores[1]);
        for bad in [541.0, -1.0, 2.5, f32::NAN] {
            let error = score(bad).unwrap_err().to_string();
            assert!(error.contains("541 kinds"), "{error}");
        }
    }
}
