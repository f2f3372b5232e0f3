//! TopoDNN: a dense network on the thirty leading constituents.
//!
//! Pearkes, Fedorko, Lister, Gay, "Jet constituents for deep neural network based top quark tagging", arXiv:1704.02124,
//! with the preprocessing of the landscape's entry (translate, rotate, flip): see [`tagwerk_physics::topodnn_view`].

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, vectors};
use crate::settings::{check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;
use tagwerk_nn::layers::{DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{TOPODNN_CONSTITUENTS, View, topodnn_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{EarlyStopping, Learner, TrainingConfig};

const NAME: &str = "topodnn";

/// What makes a TopoDNN. The defaults are the published tagger (59,323 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopoDnnConfig {
    /// Widths of the hidden layers. Default: [300, 102, 12, 6].
    pub hidden: Vec<usize>,
}

impl Default for TopoDnnConfig {
    fn default() -> Self {
        Self {
            hidden: vec![300, 102, 12, 6],
        }
    }
}

impl TopoDnnConfig {
    fn widths(&self) -> Vec<usize> {
        [&[3 * TOPODNN_CONSTITUENTS], &self.hidden[..], &[1]].concat()
    }

    /// Draws the parameters: Glorot uniform, as Keras does.
    ///
    /// # Errors
    /// A width of zero.
    pub fn init(&self, seed: u64, device: &Device) -> Result<TopoDnn, TaggerError> {
        let chain = DenseChainConfig {
            name: "dense".into(),
            widths: self.widths(),
            activate_last: false,
            init: Init::GlorotUniform,
        };
        Ok(TopoDnn {
            chain: chain.init(seed, device)?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct TopoDnn {
    chain: DenseChain,
}

impl Network for TopoDnn {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let x = vectors(NAME, view, 3 * TOPODNN_CONSTITUENTS, device)?; // [B, 90]
        Ok(self.chain.forward(x, pass)) // [B, 1]
    }
}

impl Parts for TopoDnn {
    fn parts(&self) -> Vec<Part<'_>> {
        self.chain.parts()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        self.chain.parts_mut()
    }
}

/// Numbers of the landscape, arXiv:1902.09914.
pub const PUBLISHED: Published = Published {
    auc: Some(0.972),
    accuracy: Some(0.916),
    rejection_single: Some(PublishedValue::with_spread(295.0, 5.0)),
    rejection_mean: Some(PublishedValue::with_spread(382.0, 5.0)),
    rejection_median: Some(PublishedValue::with_spread(378.0, 8.0)),
    parameters: Some(59_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for TopoDnnConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "vector"
    }

    fn view_key(&self) -> String {
        "topodnn".into()
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Dense(topodnn_view(jets)?))
    }

    /// Batch 96, Adam at 1e-3, at most 40 epochs, stopping after five without a better validation loss.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 96,
            epochs: 40,
            early_stopping: Some(EarlyStopping::default()),
            ..TrainingConfig::default()
        }
    }

    fn published(&self) -> Published {
        PUBLISHED
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        check_widths(NAME, "hidden", 3 * TOPODNN_CONSTITUENTS, &self.hidden, 0)
    }

    fn multiply_adds(&self, _constituents: f64) -> f64 {
        self.widths().windows(2).map(|w| (w[0] * w[1]) as f64).sum()
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}
