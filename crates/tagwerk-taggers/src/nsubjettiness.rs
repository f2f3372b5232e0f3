//! Multi-body N-subjettiness: a dense network on the coordinates of M-body phase space.
//!
//! Datta, Larkoski, "How much information is in a jet?", arXiv:1704.08249, for the basis; Moore, Nordström, Varma,
//! Fairbairn, "Reports of my demise are greatly exaggerated", arXiv:1807.04769, for the top tagger. The view is
//! [`tagwerk_physics::m_body_view`]: 3M - 4 values of N-subjettiness, the transverse momentum and the mass.

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, vectors};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;
use tagwerk_nn::layers::{DenseChain, DenseChainConfig, Dropout, Init, Part, PartMut, Parts, Pass};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{MBodyConfig, View, m_body_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Learner, Schedule, StepDecay, TrainingConfig};

const NAME_6: &str = "nsub6";
const NAME_8: &str = "nsub8";

/// What makes the network. The defaults are the published tagger (57,502 parameters with 8 bodies, 56,302 with 6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NsubjettinessConfig {
    /// Bodies of the phase space, M. Default: 8.
    pub bodies: usize,
    /// Widths of the hidden layers. Default: [200, 200, 50, 50].
    pub hidden: Vec<usize>,
    /// Dropout after each hidden layer. Default: [0.2, 0.2, 0.1, 0.1].
    pub dropout: Vec<f64>,
}

impl Default for NsubjettinessConfig {
    fn default() -> Self {
        Self {
            bodies: 8,
            hidden: vec![200, 200, 50, 50],
            dropout: vec![0.2, 0.2, 0.1, 0.1],
        }
    }
}

impl NsubjettinessConfig {
    /// The tagger on six-body phase space.
    pub fn six() -> Self {
        Self {
            bodies: 6,
            ..Self::default()
        }
    }

    fn view_config(&self) -> MBodyConfig {
        MBodyConfig {
            bodies: self.bodies,
            ..MBodyConfig::default()
        }
    }

    fn widths(&self) -> Vec<usize> {
        [&[self.view_config().width()], &self.hidden[..], &[2]].concat()
    }

    /// Draws the parameters: Glorot uniform.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Nsubjettiness, TaggerError> {
        self.check()?;
        let widths = self.widths();
        let layer = |l: usize| DenseChainConfig {
            name: format!("dense{l}"),
            widths: widths[l..l + 2].to_vec(),
            activate_last: l + 2 < widths.len(),
            init: Init::GlorotUniform,
        };
        let dropout = |(l, &rate): (usize, &f64)| Dropout::new(&format!("dense{l}"), rate);
        Ok(Nsubjettiness {
            name: self.name(),
            width: widths[0],
            layers: (0..widths.len() - 1)
                .map(|l| layer(l).init(seed, device))
                .collect::<Result<_, _>>()?,
            dropouts: self.dropout.iter().enumerate().map(dropout).collect::<Result<_, _>>()?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct Nsubjettiness {
    name: &'static str,
    width: usize,
    layers: Vec<DenseChain>,
    dropouts: Vec<Dropout>,
}

impl Network for Nsubjettiness {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let mut x = vectors(self.name, view, self.width, device)?; // [B, 3M - 2]
        for (l, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, pass);
            if let Some(dropout) = self.dropouts.get(l) {
                x = dropout.forward(x, pass);
            }
        }
        Ok(x) // [B, 2]
    }
}

impl Parts for Nsubjettiness {
    fn parts(&self) -> Vec<Part<'_>> {
        self.layers.iter().flat_map(Parts::parts).collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        self.layers.iter_mut().flat_map(Parts::parts_mut).collect()
    }
}

/// Numbers of the landscape, arXiv:1902.09914, for eight bodies.
pub const PUBLISHED_8: Published = Published {
    auc: Some(0.981),
    accuracy: Some(0.929),
    rejection_single: Some(PublishedValue::with_spread(867.0, 15.0)),
    rejection_mean: Some(PublishedValue::with_spread(918.0, 20.0)),
    rejection_median: Some(PublishedValue::with_spread(926.0, 18.0)),
    parameters: Some(58_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

/// Numbers of the landscape, arXiv:1902.09914, for six bodies.
pub const PUBLISHED_6: Published = Published {
    auc: Some(0.979),
    accuracy: Some(0.922),
    rejection_single: Some(PublishedValue::with_spread(792.0, 18.0)),
    rejection_mean: Some(PublishedValue::with_spread(798.0, 12.0)),
    rejection_median: Some(PublishedValue::with_spread(808.0, 13.0)),
    parameters: Some(57_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for NsubjettinessConfig {
    fn name(&self) -> &'static str {
        // The two published taggers have names; another number of bodies goes by that of the default.
        if self.bodies == 6 { NAME_6 } else { NAME_8 }
    }

    fn view_kind(&self) -> &'static str {
        "vector"
    }

    fn view_key(&self) -> String {
        format!("m-body {}", self.bodies)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Dense(m_body_view(jets, &self.view_config())?))
    }

    /// The public re-training's: batch 256, Adam at 3e-4, times 0.1 after epochs 75 and 150, at most 200 epochs. The
    /// landscape's own is not documented beyond Adam and cross entropy.
    fn training(&self) -> TrainingConfig {
        let mut training = TrainingConfig {
            batch_size: 256,
            epochs: 200,
            schedule: Schedule::Step(StepDecay {
                after: vec![75, 150],
                factor: 0.1,
            }),
            ..TrainingConfig::default()
        };
        training.optimizer.learning_rate = 3e-4;
        training
    }

    fn published(&self) -> Published {
        match self.bodies {
            6 => PUBLISHED_6,
            8 => PUBLISHED_8,
            _ => Published::NONE,
        }
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(self.name(), self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let name = self.name();
        let bodies = self.bodies;
        check_number(name, "bodies", bodies, (2..=201).contains(&bodies), "2 to 201")?;
        check_widths(name, "hidden", self.view_config().width(), &self.hidden, 1)?;
        let (rates, layers) = (self.dropout.len(), self.hidden.len());
        check_number(
            name,
            "number of dropout rates",
            rates,
            rates <= layers,
            "at most one a hidden layer",
        )?;
        for rate in &self.dropout {
            check_number(name, "dropout", rate, (0.0..1.0).contains(rate), "in [0, 1)")?;
        }
        Ok(())
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
