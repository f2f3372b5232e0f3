//! TreeNiN: a recursive network on the kT tree of a jet, with a small network between its levels.
//!
//! Macaluso, Cranmer, "Tree Network in Network (TreeNiN) for jet physics", 2019; on trees of jets: Louppe, Cho, Becot,
//! Cranmer, "QCD-aware recursive neural networks for jet physics", arXiv:1702.00748. A node's embedding is made of
//! those of its two children and of its own momentum; two dense layers lie between a node and its parent; the root's
//! embedding is the jet's. See [`tagwerk_nn::kernels::tree`] for the formulas.

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, describe};
use crate::settings::{check_number, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::layers::{
    DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass, Standardize, TreeEmbedding, TreeEmbeddingConfig,
};
use tagwerk_nn::ops::{Forest, TreeSpec};
use tagwerk_nn::{Device, Tensor, TensorData};
use tagwerk_physics::{RobustScaler, TREE_FEATURES, TREENIN_DEFINITION, TreeLevels, TreeView, View, treenin_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Examples, Exponential, Learner, Metric, Order, Schedule, TrainingConfig};

const NAME: &str = "treenin";

/// Features a node.
const FEATURES: usize = TREE_FEATURES.len();

/// What makes a TreeNiN. The defaults are the landscape's tagger (33,901 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TreeNinConfig {
    /// Width of the embedding and of the dense layers. Default: 50.
    pub hidden: usize,
}

impl Default for TreeNinConfig {
    fn default() -> Self {
        Self { hidden: 50 }
    }
}

impl TreeNinConfig {
    fn spec(&self) -> TreeSpec {
        TreeSpec {
            input: FEATURES,
            hidden: self.hidden,
        }
    }

    fn head_widths(&self) -> [usize; 4] {
        [self.hidden, self.hidden, self.hidden, 1]
    }

    /// Draws the parameters as the authors do: the head Glorot uniform times sqrt(2), its last bias 1, the others
    /// within 1 / sqrt(inputs); the embedding as [`TreeEmbeddingConfig::init`] says.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<TreeNin, TaggerError> {
        self.check()?;
        let embedding = TreeEmbeddingConfig {
            name: "tree".into(),
            input: FEATURES,
            hidden: self.hidden,
        };
        let head = DenseChainConfig {
            name: "head".into(),
            widths: self.head_widths().to_vec(),
            activate_last: false,
            init: Init::GlorotUniformGain(std::f32::consts::SQRT_2),
        };
        let bias = Init::Uniform(1.0 / (self.hidden as f32).sqrt());
        let bias_of = |layer| if layer == 2 { Init::Constant(1.0) } else { bias };
        Ok(TreeNin {
            scale: Standardize::new("nodes", FEATURES),
            embedding: embedding.init(seed, device)?,
            head: head.init_with_biases(seed, device, bias_of)?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct TreeNin {
    scale: Standardize,
    embedding: TreeEmbedding,
    head: DenseChain,
}

fn trees(view: &View) -> Result<&TreeView, TaggerError> {
    match view {
        View::Tree(trees) if trees.nodes.width == FEATURES => Ok(trees),
        other => Err(TaggerError::View {
            tagger: NAME,
            expected: "trees of seven channels a node",
            found: describe(other),
        }),
    }
}

/// The trees of a run of jets by levels, inner nodes before leaves, and the rows of the view in this order.
fn forest(levels: &TreeLevels, first_row: usize, first_jet: usize) -> Option<(Forest, Vec<usize>)> {
    let inner = &levels.inner_offsets;
    let leaves: Vec<usize> = levels
        .offsets
        .iter()
        .zip(inner)
        .map(|(nodes, inner)| nodes - inner)
        .collect();
    let inner_nodes = *inner.last()?;
    let mut children = Vec::with_capacity(inner_nodes);
    for j in 0..levels.len() {
        let level = levels.level(j);
        let node = |position: &u32| {
            let position = *position as usize;
            let below = levels.level(j + 1).inner;
            let node = match position < below {
                true => inner[j + 1] + position,
                false => inner_nodes + leaves[j + 1] + position - below,
            };
            node as u32
        };
        children.extend(
            level
                .left
                .iter()
                .zip(level.right)
                .map(|(left, right)| [node(left), node(right)]),
        );
    }
    let of = |leaf: bool| {
        (0..levels.len()).flat_map(move |j| {
            let level = levels.level(j);
            let (inner, leaves) = level.rows.split_at(level.inner);
            if leaf { leaves } else { inner }
        })
    };
    let rows = of(false).chain(of(true)).map(|&row| first_row + row as usize).collect();
    let jets = levels.jets.iter().map(|&jet| first_jet as u32 + jet).collect();
    Some((Forest::new(inner.clone(), leaves, &children, jets)?, rows))
}

impl Network for TreeNin {
    /// Fits the scale of the features: median and distance of the quartiles over all nodes of all training jets.
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), TaggerError> {
        const BATCH: usize = 1024;
        let scaler = RobustScaler::fit_in_passes(FEATURES, |take| {
            for batch in train.batches(Order::STORED, BATCH, 0) {
                take(&trees(&batch?.view)?.nodes)?;
            }
            Ok::<_, TaggerError>(())
        })?;
        let rounded = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        Ok(self.scale.fit(rounded(scaler.center()), rounded(scaler.scale()))?)
    }

    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let view = trees(view)?;
        view.check()?;
        let jets = view.len();
        let (mut forests, mut rows) = (Vec::new(), Vec::with_capacity(view.nodes.rows.len()));
        let step = TreeEmbedding::jets_a_forest(device, jets);
        for first in (0..jets).step_by(step) {
            let run = view.slice(first..(first + step).min(jets))?;
            let first_row = view.nodes.offsets[first];
            let (forest, order) = forest(&TreeLevels::of(&run), first_row, first).ok_or(TaggerError::View {
                tagger: NAME,
                expected: "trees in the order of their levels",
                found: format!("others from jet {first} on"),
            })?;
            forests.push(forest);
            for row in order {
                rows.extend_from_slice(&view.nodes.rows[row * FEATURES..(row + 1) * FEATURES]);
            }
        }
        self.scale.apply(&mut rows);
        let nodes = rows.len() / FEATURES;
        let x = Tensor::from_data(TensorData::new(rows, [nodes, FEATURES]), device); // [R, 7]
        let roots = self.embedding.forward(x, &Arc::new(forests), jets, pass)?; // [B, 50]
        Ok(self.head.forward(roots, pass)) // [B, 1]
    }
}

impl Parts for TreeNin {
    fn parts(&self) -> Vec<Part<'_>> {
        [self.scale.parts(), self.embedding.parts(), self.head.parts()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        [
            self.scale.parts_mut(),
            self.embedding.parts_mut(),
            self.head.parts_mut(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Numbers of the landscape, arXiv:1902.09914.
pub const PUBLISHED: Published = Published {
    auc: Some(0.982),
    accuracy: Some(0.933),
    rejection_single: Some(PublishedValue::with_spread(1025.0, 11.0)),
    rejection_mean: Some(PublishedValue::with_spread(1202.0, 23.0)),
    rejection_median: Some(PublishedValue::with_spread(1188.0, 24.0)),
    parameters: Some(34_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for TreeNinConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "tree"
    }

    fn view_key(&self) -> String {
        "kt tree 0.8".into()
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Tree(treenin_view(jets, TREENIN_DEFINITION)?))
    }

    /// Batch 400, as in the nine trainings of the landscape (the text says 128); Adam at 2e-3, times 0.9 an epoch, 40
    /// epochs, the one of best validation rejection at 30 % signal efficiency.
    fn training(&self) -> TrainingConfig {
        let mut training = TrainingConfig {
            batch_size: 400,
            epochs: 40,
            best: Metric::ValRejection(30),
            schedule: Schedule::Exponential(Exponential { factor: 0.9 }),
            ..TrainingConfig::default()
        };
        training.optimizer.learning_rate = 2e-3;
        training
    }

    fn published(&self) -> Published {
        PUBLISHED
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        // Orthogonal weights of more would take minutes to draw.
        let hidden = self.hidden;
        check_number(NAME, "hidden", hidden, (1..=1024).contains(&hidden), "1 to 1024")
    }

    fn multiply_adds(&self, constituents: f64) -> f64 {
        let head: usize = self.head_widths().windows(2).map(|w| w[0] * w[1]).sum();
        self.spec().multiply_adds(constituents) + head as f64
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}
