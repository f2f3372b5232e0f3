//! FCN: dense layers on all numbers of an example, with no thought of what they are.
//!
//! Benato et al., "Shared Data and Algorithms for Deep Learning in Fundamental Physics", arXiv:2107.00656, in the
//! version of its public code. Of jets it reads seven features of each of the 100 leading constituents, zeros where
//! there are fewer. One logit.

use crate::error::TaggerError;
use crate::general::{General, Input};
use crate::network::{Network, NetworkLearner, describe, padded_sequences};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;
use tagwerk_nn::layers::{DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass};
use tagwerk_nn::{Device, Tensor, TensorData};
use tagwerk_physics::{KINEMATIC_FEATURES, View, particlenet_view};
use tagwerk_stats::Published;
use tagwerk_train::{EarlyStopping, Learner, TrainingConfig};

const NAME: &str = "fcn";

/// What makes an FCN. The defaults are the original (903,425 parameters on jets).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FcnConfig {
    /// Leading constituents of a jet. Default: 100.
    pub max_constituents: usize,
    /// Widths of the hidden layers. Default: twelve of 256.
    pub hidden: Vec<usize>,
}

impl Default for FcnConfig {
    fn default() -> Self {
        Self {
            max_constituents: 100,
            hidden: vec![256; 12],
        }
    }
}

impl FcnConfig {
    fn jets(&self) -> Input {
        Input::new(&[self.max_constituents, KINEMATIC_FEATURES.len()])
    }

    fn widths(&self, inputs: usize) -> Vec<usize> {
        [&[inputs], &self.hidden[..], &[1]].concat()
    }

    /// Draws the parameters for examples of `inputs` numbers: Glorot uniform, as Keras does.
    ///
    /// # Errors
    /// No input, or a width of zero.
    pub fn init(&self, inputs: usize, seed: u64, device: &Device) -> Result<Fcn, TaggerError> {
        let chain = DenseChainConfig {
            name: "dense".into(),
            widths: self.widths(inputs),
            activate_last: false,
            init: Init::GlorotUniform,
        };
        Ok(Fcn {
            inputs,
            chain: chain.init(seed, device)?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct Fcn {
    inputs: usize,
    chain: DenseChain,
}

impl Network for Fcn {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let inputs = self.inputs;
        let x = match view {
            View::Jagged(v) if v.width > 0 && inputs.is_multiple_of(v.width) => {
                let (x, jets) = padded_sequences(NAME, view, v.width, inputs / v.width, device)?;
                x.reshape([jets, inputs])
            }
            View::Dense(v) if v.jet_size() == inputs => {
                let data = TensorData::new(v.values.clone(), [v.len(), inputs]);
                Tensor::from_data(data, device)
            }
            other => {
                return Err(TaggerError::View {
                    tagger: NAME,
                    expected: "examples of as many numbers as it was built for",
                    found: describe(other),
                });
            }
        }; // [B, inputs]
        Ok(self.chain.forward(x, pass)) // [B, 1]
    }
}

impl Parts for Fcn {
    fn parts(&self) -> Vec<Part<'_>> {
        self.chain.parts()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        self.chain.parts_mut()
    }
}

impl Tagger for FcnConfig {
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

    /// Batch 256, Adam at 1e-3, at most 300 epochs, stopping after 15 whose validation loss is not better by 1e-3. The
    /// original also takes three quarters of the rate after 8 epochs without a better loss, which no schedule here
    /// does.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 256,
            epochs: 300,
            early_stopping: Some(EarlyStopping {
                patience: 15,
                min_delta: 1e-3,
                ..EarlyStopping::default()
            }),
            ..TrainingConfig::default()
        }
    }

    /// The paper's results on the reference data are not quoted here: no source of the numbers is at hand.
    fn published(&self) -> Published {
        Published::NONE
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let most = self.max_constituents;
        check_number(
            NAME,
            "max_constituents",
            most,
            (1..=100_000).contains(&most),
            "1 to 100000",
        )?;
        check_widths(NAME, "hidden", self.jets().numbers(), &self.hidden, 0)
    }

    fn multiply_adds(&self, _constituents: f64) -> f64 {
        let widths = self.widths(self.jets().numbers());
        widths.windows(2).map(|w| (w[0] * w[1]) as f64).sum()
    }

    fn general(&self) -> Option<&dyn General> {
        Some(self)
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        let network = self.network(&self.jets(), training.seed, device)?;
        Ok(Box::new(NetworkLearner::new(network, training, device)))
    }
}

impl General for FcnConfig {
    fn network(&self, input: &Input, seed: u64, device: &Device) -> Result<Box<dyn Network>, TaggerError> {
        Ok(Box::new(self.init(input.numbers(), seed, device)?))
    }

    fn reads_vectors(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The five data sets of arXiv:2107.00656: jets, 20 x 20 and 24 x 24 pixels, 9 x 9 stations of 81 values, 100
    /// particles of 190 features and a mother.
    #[test]
    fn parameters_on_every_data_set_are_those_of_the_original() {
        let device = Device::flex();
        for (shape, parameters) in [
            (&[100, 7][..], 903_425),
            (&[20, 20], 826_625),
            (&[24, 24], 871_681),
            (&[81, 9, 9], 2_403_841),
            (&[100, 191], 5_613_825),
        ] {
            let network = FcnConfig::default().network(&Input::new(shape), 1, &device).unwrap();
            assert_eq!(network.parameter_count(), parameters, "{shape:?}");
        }
    }
}
