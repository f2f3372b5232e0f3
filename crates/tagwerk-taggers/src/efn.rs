//! Energy Flow Network: an infrared- and collinear-safe sum over constituents.
//!
//! Komiske, Metodiev, Thaler, "Energy Flow Networks", arXiv:1810.05165.
//! O = F( sum_i z_i Phi(y_i, phi_i) ): momentum enters linearly, so soft and collinear splittings change nothing.

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, rows};
use crate::settings::{check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::layers::{DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{PfnPreprocessing, View, pfn_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{EarlyStopping, Learner, TrainingConfig};

const NAME: &str = "efn";

/// What makes an EFN. The defaults are the published top tagger (82,358 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EfnConfig {
    /// Widths of the network Phi of a direction. Default: [100, 100, 256].
    pub phi: Vec<usize>,
    /// Widths of the jet network F. Default: [100, 100, 100].
    pub f: Vec<usize>,
    /// What is done to a jet before. Default: centered, rotated and reflected.
    pub preprocessing: PfnPreprocessing,
}

impl Default for EfnConfig {
    fn default() -> Self {
        Self {
            phi: vec![100, 100, 256],
            f: vec![100, 100, 100],
            preprocessing: PfnPreprocessing::default(),
        }
    }
}

impl EfnConfig {
    fn phi_widths(&self) -> Vec<usize> {
        [&[2], &self.phi[..]].concat()
    }

    fn f_widths(&self) -> Vec<usize> {
        [&self.phi[self.phi.len().saturating_sub(1)..], &self.f[..], &[2]].concat()
    }

    /// Draws the parameters: He uniform, as the authors do.
    ///
    /// # Errors
    /// An empty Phi, or a width of zero.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Efn, TaggerError> {
        let chain = |name: &str, widths, activate_last| DenseChainConfig {
            name: name.into(),
            widths,
            activate_last,
            init: Init::HeUniform,
        };
        Ok(Efn {
            phi: chain("phi", self.phi_widths(), true).init(seed, device)?,
            f: chain("f", self.f_widths(), false).init(seed, device)?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct Efn {
    phi: DenseChain,
    f: DenseChain,
}

impl Network for Efn {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (x, jets) = rows(NAME, view, 3, device)?; // [R, 3]
        let count = jets.rows();
        let z: Vec<f32> = match view {
            View::Jagged(v) => v.rows.iter().step_by(3).copied().collect(), // [R]
            View::Dense(_) | View::Tree(_) => Vec::new(),
        };
        let directions = x.slice([0..count, 1..3]); // [R, 2]
        let per_jet = self.phi.forward_sum(directions, &jets, Some(Arc::new(z)), pass); // [B, 256]
        Ok(self.f.forward(per_jet, pass)) // [B, 2]
    }
}

impl Parts for Efn {
    fn parts(&self) -> Vec<Part<'_>> {
        [self.phi.parts(), self.f.parts()].into_iter().flatten().collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        [self.phi.parts_mut(), self.f.parts_mut()]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Numbers of the landscape, arXiv:1902.09914.
pub const PUBLISHED: Published = Published {
    auc: Some(0.979),
    accuracy: Some(0.927),
    rejection_single: Some(PublishedValue::with_spread(633.0, 31.0)),
    rejection_mean: Some(PublishedValue::with_spread(729.0, 13.0)),
    rejection_median: Some(PublishedValue::with_spread(726.0, 11.0)),
    parameters: Some(82_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for EfnConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "constituents"
    }

    fn view_key(&self) -> String {
        format!("{:?}", self.preprocessing)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Jagged(pfn_view(jets, &self.preprocessing)?))
    }

    /// Batch 500, Adam at 1e-3, at most 50 epochs, stopping after eight without a better validation loss.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 500,
            epochs: 50,
            early_stopping: Some(EarlyStopping {
                patience: 8,
                ..EarlyStopping::default()
            }),
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
        check_widths(NAME, "phi", 2, &self.phi, 1)?;
        check_widths(NAME, "f", self.f_widths()[0], &self.f, 0)?;
        // What the view has to say of its settings it says of no jets too.
        self.view(&Jets::default()).map(drop)
    }

    fn multiply_adds(&self, constituents: f64) -> f64 {
        let sum = |widths: Vec<usize>| widths.windows(2).map(|w| (w[0] * w[1]) as f64).sum::<f64>();
        constituents * sum(self.phi_widths()) + sum(self.f_widths())
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}
