//! ParticleNet and ParticleNet-Lite: dynamic graph convolutions on the constituents.
//!
//! Qu, Gouskos, "ParticleNet: Jet tagging via particle clouds", arXiv:1902.08570. Each EdgeConv block looks at the k
//! nearest constituents: in (deta, dphi) first, in the features of the block before then. Batch normalization and the
//! means run over constituents and edges that exist; padded implementations let padding into the former.
//!
//! Three settings that are off by default make weights of other implementations score as they do there: standardized
//! features, zeros for the neighbors that a short jet lacks, and the fusion of all blocks' outputs before the mean.

mod fusion;
mod lite;
mod short_jets;

pub use lite::ParticleNetLiteConfig;

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, rows};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use fusion::Fusion;
use serde::{Deserialize, Serialize};
use short_jets::FilledJets;
use std::collections::BTreeMap;
use tagwerk_data::Jets;
use tagwerk_nn::layers::{
    BatchNorm, DenseChain, DenseChainConfig, Dropout, EdgeConv, EdgeConvConfig, Init, Part, PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{Reduction, segment_reduce};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{KINEMATIC_FEATURES, Standardization, View, particlenet_view, standardize};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Learner, Metric, Schedule, StepDecay, TrainingConfig};

const NAME: &str = "particlenet";
const NAME_LITE: &str = "particlenet-lite";

/// Columns of (deta, dphi) among the kinematic features: the points of the first block.
const POINTS: std::ops::Range<usize> = 2..4;

/// One EdgeConv block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockConfig {
    /// Neighbors of a constituent.
    pub k: usize,
    /// Output channels of the layers of the edge function.
    pub widths: Vec<usize>,
}

/// What makes a ParticleNet. The defaults are the published tagger (366,160 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParticleNetConfig {
    /// EdgeConv blocks. Default: k = 16 with 64, 128 and 256 channels in three layers each.
    pub blocks: Vec<BlockConfig>,
    /// Width of the dense layer after pooling. Default: 256.
    pub hidden: usize,
    /// Dropout after it. Default: 0.1.
    pub dropout: f64,
    /// Leading constituents kept. Default: 100.
    pub max_constituents: usize,
    /// How features are standardized, by their names in [`KINEMATIC_FEATURES`]; the points of the first block are the
    /// standardized ones. Default: none, the first normalization does it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub standardization: BTreeMap<String, Standardization>,
    /// Whether a jet of fewer than k + 1 constituents has zeros for the neighbors that it lacks, as codes have that pad
    /// jets, so that the mean over an edge's layers has k terms. For weights that come from such a code: in a training
    /// the zeros take part in the normalizations. Default: false, the mean is over the neighbors there are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub zero_neighbors: bool,
    /// Channels of a layer on the outputs of all blocks together, before the mean over constituents; 0 for none, as
    /// published. Default: 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub fusion: usize,
    #[serde(skip)]
    lite: bool,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Default for ParticleNetConfig {
    fn default() -> Self {
        let blocks = [64, 128, 256]
            .map(|c| BlockConfig {
                k: 16,
                widths: vec![c; 3],
            })
            .to_vec();
        Self {
            blocks,
            hidden: 256,
            dropout: 0.1,
            max_constituents: 100,
            standardization: BTreeMap::new(),
            zero_neighbors: false,
            fusion: 0,
            lite: false,
        }
    }
}

impl ParticleNetConfig {
    fn widths(&self) -> Vec<usize> {
        let outputs = self.blocks.iter().map(|b| b.widths.last().copied().unwrap_or(0));
        std::iter::once(KINEMATIC_FEATURES.len()).chain(outputs).collect()
    }

    /// Channels of the outputs of all blocks together.
    fn outputs(&self) -> usize {
        self.widths().iter().skip(1).fold(0, |sum, &c| sum.saturating_add(c))
    }

    fn head(&self) -> [Vec<usize>; 2] {
        let last = match self.fusion {
            0 => self.widths().last().copied().unwrap_or(0),
            c => c,
        };
        [vec![last, self.hidden], vec![self.hidden, 2]]
    }

    /// The standardization of each column.
    fn columns(&self) -> [Option<Standardization>; KINEMATIC_FEATURES.len()] {
        KINEMATIC_FEATURES.map(|name| self.standardization.get(name).copied())
    }

    /// Draws the parameters: Glorot uniform.
    ///
    /// # Errors
    /// No block, a width or k of zero, a dropout rate outside [0, 1).
    pub fn init(&self, seed: u64, device: &Device) -> Result<ParticleNet, TaggerError> {
        if self.blocks.is_empty() {
            let reason = "there is no EdgeConv block; at least one is needed".into();
            return Err(TaggerError::Settings {
                tagger: self.name().into(),
                reason,
            });
        }
        let init = Init::GlorotUniform;
        let widths = self.widths();
        let blocks = self
            .blocks
            .iter()
            .enumerate()
            .map(|(i, block)| {
                let name = format!("block{i}");
                EdgeConvConfig {
                    name,
                    input: widths[i],
                    widths: block.widths.clone(),
                    k: block.k,
                    init,
                }
                .init(seed, device)
            })
            .collect::<Result<_, _>>()?;
        let [hidden, out] = self.head();
        let chain = |name: &str, widths, activate_last| {
            DenseChainConfig {
                name: name.into(),
                widths,
                activate_last,
                init,
            }
            .init(seed, device)
        };
        let fusion = match self.fusion {
            0 => None,
            c => Some(Fusion::new(self.outputs(), c, init, seed, device)),
        };
        Ok(ParticleNet {
            name: self.name(),
            filled_to: self
                .zero_neighbors
                .then(|| self.blocks.iter().map(|block| block.k + 1).max().unwrap_or(0)),
            norm: BatchNorm::new("norm", widths[0], device),
            blocks,
            fusion,
            hidden: chain("hidden", hidden, true)?,
            dropout: Dropout::new("hidden", self.dropout)?,
            out: chain("out", out, false)?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct ParticleNet {
    name: &'static str,
    /// Rows of zeros are added to shorter jets up to this number of rows.
    filled_to: Option<usize>,
    norm: BatchNorm,
    blocks: Vec<EdgeConv>,
    fusion: Option<Fusion>,
    hidden: DenseChain,
    dropout: Dropout,
    out: DenseChain,
}

impl Network for ParticleNet {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (mut features, mut jets) = rows(self.name, view, KINEMATIC_FEATURES.len(), device)?; // [R, 7]
        let filled = match (self.filled_to, view) {
            (Some(rows), View::Jagged(view)) => FilledJets::new(view, rows, device)?,
            _ => None,
        };
        if let Some(filled) = &filled {
            (features, jets) = (filled.features(), filled.jets().clone());
        }
        let zeroed = |x: Tensor<2>| match &filled {
            Some(filled) => filled.zeroed(x),
            None => x,
        };
        let apart = |x: Tensor<2>| match &filled {
            Some(filled) => filled.apart(x),
            None => x,
        };
        let mut points = apart(features.clone().slice([0..jets.rows(), POINTS])); // [R, 2]
        let mut x = zeroed(self.norm.forward(features, pass)); // [R, 7]
        let mut outputs = Vec::new();
        for block in &mut self.blocks {
            let neighbors = block.neighbors(&points, &jets); // E edges
            x = zeroed(block.forward(x, &jets, &neighbors, pass)); // [R, C]
            points = apart(x.clone());
            if self.fusion.is_some() {
                outputs.push(x.clone());
            }
        }
        if let Some(fusion) = &mut self.fusion {
            x = zeroed(fusion.forward(Tensor::cat(outputs, 1), pass)); // [R, C]
        }
        let mut per_jet = segment_reduce(x, &jets, Reduction::Mean); // [B, C]
        if let Some(filled) = &filled {
            per_jet = filled.over_real(per_jet);
        }
        let hidden = self.dropout.forward(self.hidden.forward(per_jet, pass), pass); // [B, 256]
        Ok(self.out.forward(hidden, pass)) // [B, 2]
    }
}

impl Parts for ParticleNet {
    fn parts(&self) -> Vec<Part<'_>> {
        let blocks = self.blocks.iter().flat_map(EdgeConv::parts);
        self.norm
            .parts()
            .into_iter()
            .chain(blocks)
            .chain(self.fusion.iter().flat_map(Parts::parts))
            .chain(self.hidden.parts())
            .chain(self.out.parts())
            .collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let blocks = self.blocks.iter_mut().flat_map(EdgeConv::parts_mut);
        let norm = self.norm.parts_mut().into_iter();
        norm.chain(blocks)
            .chain(self.fusion.iter_mut().flat_map(Parts::parts_mut))
            .chain(self.hidden.parts_mut())
            .chain(self.out.parts_mut())
            .collect()
    }
}

/// Numbers of the landscape, arXiv:1902.09914. Its ParticleNet had 498k parameters, a variant that is not documented;
/// the published architecture built here has 366,160.
pub const PUBLISHED: Published = Published {
    auc: Some(0.985),
    accuracy: Some(0.938),
    rejection_single: Some(PublishedValue::with_spread(1298.0, 46.0)),
    rejection_mean: Some(PublishedValue::with_spread(1412.0, 45.0)),
    rejection_median: Some(PublishedValue::with_spread(1393.0, 41.0)),
    parameters: Some(498_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

/// Numbers of the journal version of arXiv:1902.08570, as quoted in later comparisons; Lite is not in the landscape.
pub const PUBLISHED_LITE: Published = Published {
    auc: Some(0.9844),
    accuracy: Some(0.937),
    rejection_single: Some(PublishedValue::with_spread(1262.0, 49.0)),
    rejection_50: Some(PublishedValue::with_spread(325.0, 5.0)),
    parameters: Some(26_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.08570, journal version"),
    ..Published::NONE
};

impl Tagger for ParticleNetConfig {
    fn name(&self) -> &'static str {
        if self.lite { NAME_LITE } else { NAME }
    }

    fn view_kind(&self) -> &'static str {
        "constituents"
    }

    fn view_key(&self) -> String {
        let plain = format!("kinematic features of {}", self.max_constituents);
        if self.standardization.is_empty() {
            return plain;
        }
        format!("{plain}, {:?}", self.standardization)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        let mut view = particlenet_view(jets, self.max_constituents)?;
        if !self.standardization.is_empty() {
            standardize(&mut view, &self.columns())?;
        }
        Ok(View::Jagged(view))
    }

    /// Adam at 1e-3, a tenth of it after 10 epochs and a hundredth after 20, 30 epochs, batch 384 (1024 for Lite), the
    /// epoch of best validation accuracy: the authors' public demonstration.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: if self.lite { 1024 } else { 384 },
            epochs: 30,
            schedule: Schedule::Step(StepDecay {
                after: vec![10, 20],
                factor: 0.1,
            }),
            best: Metric::ValAccuracy,
            ..TrainingConfig::default()
        }
    }

    fn published(&self) -> Published {
        if self.lite { PUBLISHED_LITE } else { PUBLISHED }
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(self.name(), self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let name = self.name();
        check_number(
            name,
            "blocks",
            "[]",
            !self.blocks.is_empty(),
            "at least one EdgeConv block",
        )?;
        for (block, input) in self.blocks.iter().zip(self.widths()) {
            check_number(name, "blocks.k", block.k, block.k > 0, "at least 1")?;
            // An edge sees both of its nodes.
            check_widths(name, "blocks.widths", 2 * input, &block.widths, 1)?;
        }
        if self.fusion > 0 {
            check_widths(name, "fusion", self.outputs(), &[self.fusion], 1)?;
        }
        for (column, constants) in &self.standardization {
            let known = KINEMATIC_FEATURES.contains(&column.as_str());
            check_number(name, "standardization", column, known, &KINEMATIC_FEATURES.join(", "))?;
            let key = format!("standardization.{column}");
            let numbers = format!("{constants:?}");
            check_number(
                name,
                &key,
                numbers,
                constants.is_sound(),
                "finite numbers, low at most high",
            )?;
        }
        let [hidden, _] = self.head();
        check_widths(name, "hidden", hidden[0], &hidden[1..], 1)?;
        let rate = self.dropout;
        check_number(name, "dropout", rate, (0.0..1.0).contains(&rate), "in [0, 1)")?;
        let most = self.max_constituents;
        check_number(name, "max_constituents", most, most > 0, "at least 1")
    }

    fn multiply_adds(&self, constituents: f64) -> f64 {
        let n = constituents.min(self.max_constituents as f64);
        let widths = self.widths();
        let blocks: f64 = self
            .blocks
            .iter()
            .zip(&widths)
            .map(|(block, &c_in)| {
                let first = block.widths.first().copied().unwrap_or(0);
                let last = block.widths.last().copied().unwrap_or(0);
                let edge: usize = block.widths.windows(2).map(|w| w[0] * w[1]).sum();
                let degree = (block.k as f64).min((n - 1.0).max(0.0));
                n * (2 * c_in * first + c_in * last) as f64 + n * degree * edge as f64
            })
            .sum();
        let fusion = n * (self.outputs() * self.fusion) as f64;
        blocks + fusion + self.head().iter().map(|w| (w[0] * w[1]) as f64).sum::<f64>()
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}
