//! ParticleNet and ParticleNet-Lite: dynamic graph convolutions on the constituents.
//!
//! Qu, Gouskos, "ParticleNet: Jet tagging via particle clouds", arXiv:1902.08570. Each EdgeConv block looks at the k
//! nearest constituents: in (deta, dphi) first, in the features of the block before then. Batch normalization and the
//! means run over constituents and edges that exist; padded implementations let padding into the former.

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, rows};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;
use tagwerk_nn::layers::{
    BatchNorm, DenseChain, DenseChainConfig, Dropout, EdgeConv, EdgeConvConfig, Init, Part, PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{Reduction, segment_reduce};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{KINEMATIC_FEATURES, View, particlenet_view};
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
    #[serde(skip)]
    lite: bool,
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
            lite: false,
        }
    }
}

/// What makes a ParticleNet-Lite: the same network, smaller (26,416 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParticleNetLiteConfig {
    /// EdgeConv blocks. Default: k = 7 with 32 and 64 channels in three layers each.
    pub blocks: Vec<BlockConfig>,
    /// Width of the dense layer after pooling. Default: 128.
    pub hidden: usize,
    /// Dropout after it. Default: 0.1.
    pub dropout: f64,
    /// Leading constituents kept. Default: 100.
    pub max_constituents: usize,
}

impl Default for ParticleNetLiteConfig {
    fn default() -> Self {
        let blocks = [32, 64]
            .map(|c| BlockConfig {
                k: 7,
                widths: vec![c; 3],
            })
            .to_vec();
        Self {
            blocks,
            hidden: 128,
            dropout: 0.1,
            max_constituents: 100,
        }
    }
}

impl From<ParticleNetLiteConfig> for ParticleNetConfig {
    fn from(lite: ParticleNetLiteConfig) -> Self {
        let ParticleNetLiteConfig {
            blocks,
            hidden,
            dropout,
            max_constituents,
        } = lite;
        Self {
            blocks,
            hidden,
            dropout,
            max_constituents,
            lite: true,
        }
    }
}

impl ParticleNetConfig {
    fn widths(&self) -> Vec<usize> {
        let outputs = self.blocks.iter().map(|b| b.widths.last().copied().unwrap_or(0));
        std::iter::once(KINEMATIC_FEATURES.len()).chain(outputs).collect()
    }

    fn head(&self) -> [Vec<usize>; 2] {
        let last = self.widths().last().copied().unwrap_or(0);
        [vec![last, self.hidden], vec![self.hidden, 2]]
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
        Ok(ParticleNet {
            name: self.name(),
            norm: BatchNorm::new("norm", widths[0], device),
            blocks,
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
    norm: BatchNorm,
    blocks: Vec<EdgeConv>,
    hidden: DenseChain,
    dropout: Dropout,
    out: DenseChain,
}

impl Network for ParticleNet {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (features, jets) = rows(self.name, view, KINEMATIC_FEATURES.len(), device)?; // [R, 7]
        let mut points = features.clone().slice([0..jets.rows(), POINTS]); // [R, 2]
        let mut x = self.norm.forward(features, pass); // [R, 7]
        for block in &mut self.blocks {
            let neighbors = block.neighbors(&points, &jets); // E edges
            x = block.forward(x, &jets, &neighbors, pass); // [R, C]
            points = x.clone();
        }
        let per_jet = segment_reduce(x, &jets, Reduction::Mean); // [B, C]
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
            .chain(self.hidden.parts())
            .chain(self.out.parts())
            .collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let blocks = self.blocks.iter_mut().flat_map(EdgeConv::parts_mut);
        let norm = self.norm.parts_mut().into_iter();
        norm.chain(blocks)
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
        format!("kinematic features of {}", self.max_constituents)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Jagged(particlenet_view(jets, self.max_constituents)?))
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
        blocks + self.head().iter().map(|w| (w[0] * w[1]) as f64).sum::<f64>()
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}
