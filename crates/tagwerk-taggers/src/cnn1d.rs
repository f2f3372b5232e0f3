//! CNN-1D: a plain stack of convolutions over a sequence, such as constituents in falling transverse momentum.
//!
//! This program's own, not a published tagger: what the residual units of P-CNN (arXiv:1902.08570) are compared with. A
//! convolution, batch normalization, ReLU, and the larger of each two neighbors, three times; the mean over what is
//! left of the sequence; a dense layer; one logit.
//!
//! Features are normalized over the constituents that are there, and a shorter jet is filled up with zeros after that.
//! From the first convolution on a position without a constituent is one like any other.

use crate::error::TaggerError;
use crate::general::{General, Input, Rows};
use crate::network::{Network, NetworkLearner};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::layers::{
    BatchNorm, Convolution, ConvolutionConfig, DenseChain, DenseChainConfig, Dropout, Init, Part, PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{
    Activation, ConvSpec, Reduction, SparseMatrix, Window, activate, dense_max_pool, segment_reduce, sparse_product,
};
use tagwerk_nn::{Device, Segments, Tensor};
use tagwerk_physics::{KINEMATIC_FEATURES, View, particlenet_view};
use tagwerk_stats::Published;
use tagwerk_train::{Learner, Metric, Schedule, StepDecay, TrainingConfig};

const NAME: &str = "cnn1d";

/// What makes a CNN-1D. The defaults have 142,415 parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cnn1dConfig {
    /// Leading constituents of a jet: the length of the sequence. Default: 100.
    pub max_constituents: usize,
    /// Positions under a kernel, an odd number. Default: 5.
    pub kernel: usize,
    /// Channels of the convolutions, each of which ends with half the length. Default: [64, 128, 128].
    pub channels: Vec<usize>,
    /// Width of the dense layer. Default: 128.
    pub hidden: usize,
    /// Dropout after it. Default: 0.2.
    pub dropout: f64,
}

impl Default for Cnn1dConfig {
    fn default() -> Self {
        Self {
            max_constituents: 100,
            kernel: 5,
            channels: vec![64, 128, 128],
            hidden: 128,
            dropout: 0.2,
        }
    }
}

impl Cnn1dConfig {
    fn jets(&self) -> Input {
        Input::new(&[self.max_constituents, KINEMATIC_FEATURES.len()])
    }

    /// The convolutions on sequences of `length`, and the length that is left.
    fn convolutions(&self, length: usize, features: usize) -> (Vec<ConvSpec>, usize) {
        let (mut left, mut c_in) = (length, features);
        let specs = self
            .channels
            .iter()
            .map(|&c_out| {
                let spec = ConvSpec {
                    window: Window {
                        input: [1, left],
                        size: [1, self.kernel],
                        stride: [1; 2],
                        padding: [0, self.kernel / 2],
                    },
                    c_in: std::mem::replace(&mut c_in, c_out),
                    c_out,
                    groups: 1,
                    // A normalization follows.
                    bias: false,
                    relu: false,
                };
                left /= 2;
                spec
            })
            .collect();
        (specs, left)
    }

    fn last(&self) -> usize {
        self.channels.last().copied().unwrap_or(0)
    }

    /// Draws the parameters for sequences of at most `length` rows of so many features: He uniform.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses; a sequence that is shorter than its halvings.
    pub fn init(&self, length: usize, features: usize, seed: u64, device: &Device) -> Result<Cnn1d, TaggerError> {
        let init = Init::HeUniform;
        let (specs, left) = self.convolutions(length, features);
        let why = "enough rows that one is left after the last halving";
        check_number(NAME, "length of the sequence", length, left > 0, why)?;
        let layers = specs.into_iter().enumerate().map(|(i, spec)| {
            let norm = BatchNorm::new(&format!("norm{i}"), spec.c_out, device);
            let name = format!("conv{i}");
            let convolution = ConvolutionConfig { name, spec, init }.init(seed, device)?;
            Ok(Layer { convolution, norm })
        });
        let dense = |name: &str, widths, activate_last| {
            DenseChainConfig {
                name: name.into(),
                widths,
                activate_last,
                init,
            }
            .init(seed, device)
        };
        Ok(Cnn1d {
            length,
            features,
            norm: BatchNorm::new("norm", features, device),
            layers: layers.collect::<Result<_, TaggerError>>()?,
            hidden: dense("hidden", vec![self.last(), self.hidden], true)?,
            dropout: Dropout::new("hidden", self.dropout)?,
            out: dense("out", vec![self.hidden, 1], false)?,
            workspace: Workspace::default(),
        })
    }
}

#[derive(Debug)]
struct Layer {
    convolution: Convolution,
    norm: BatchNorm,
}

/// The network.
#[derive(Debug)]
pub struct Cnn1d {
    length: usize,
    features: usize,
    norm: BatchNorm,
    layers: Vec<Layer>,
    hidden: DenseChain,
    dropout: Dropout,
    out: DenseChain,
    workspace: Workspace,
}

/// The matrix that puts rows into sequences of `length`, zeros where there are none: `[B L, R]`.
fn filled_up(rows: &Rows, length: usize) -> Option<Arc<SparseMatrix>> {
    let mut offsets = vec![0];
    for span in rows.segments.offsets().windows(2) {
        offsets.extend((0..length).map(|i| (span[0] + i + 1).min(span[1])));
    }
    let all = (0..rows.segments.rows() as u32).collect();
    SparseMatrix::new(&offsets, all, None, rows.segments.rows()).map(Arc::new)
}

impl Network for Cnn1d {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let rows = Rows::of(NAME, view, self.length, self.features)?;
        let examples = rows.segments.len();
        let places = filled_up(&rows, self.length).ok_or_else(|| TaggerError::View {
            tagger: NAME,
            expected: "batches of fewer than 2^32 rows",
            found: format!("{} rows", rows.segments.rows()),
        })?;
        let x = self.norm.forward(rows.tensor(device), pass); // [R, F]
        let mut x = sparse_product(&places, x); // [B L, F]
        let mut length = self.length;
        for layer in &mut self.layers {
            x = layer.norm.forward(layer.convolution.forward_dense(x, pass), pass);
            let halves = Window {
                input: [1, length],
                size: [1, 2],
                stride: [1, 2],
                padding: [0, 0],
            };
            x = dense_max_pool(activate(x, Activation::Relu), halves, &self.workspace); // [B L/2, C]
            length /= 2;
        }
        let sequences = Segments::new((0..=examples).map(|b| b * length).collect())?;
        let mean = segment_reduce(x, &sequences, Reduction::Mean); // [B, C]
        let hidden = self.dropout.forward(self.hidden.forward(mean, pass), pass); // [B, 128]
        Ok(self.out.forward(hidden, pass)) // [B, 1]
    }
}

impl Parts for Cnn1d {
    fn parts(&self) -> Vec<Part<'_>> {
        let layers = self.layers.iter().flat_map(|l| [l.convolution.parts(), l.norm.parts()]);
        let head = [self.hidden.parts(), self.out.parts()];
        [self.norm.parts()]
            .into_iter()
            .chain(layers)
            .chain(head)
            .flatten()
            .collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let layers = self.layers.iter_mut();
        let layers = layers.flat_map(|l| [l.convolution.parts_mut(), l.norm.parts_mut()]);
        let head = [self.hidden.parts_mut(), self.out.parts_mut()];
        [self.norm.parts_mut()]
            .into_iter()
            .chain(layers)
            .chain(head)
            .flatten()
            .collect()
    }
}

impl Tagger for Cnn1dConfig {
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

    /// P-CNN's: batch 1024, Adam at 1e-3, times 0.1 after epochs 10 and 20, 30 epochs, the one of best validation
    /// accuracy.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 1024,
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
        let (length, kernel) = (self.max_constituents, self.kernel);
        let odd = (1..=1023).contains(&kernel) && kernel % 2 == 1;
        check_number(NAME, "kernel", kernel, odd, "an odd number up to 1023")?;
        let left = self.convolutions(length, 1).1;
        let good = left > 0 && length <= 100_000;
        let why = "up to 100000, and enough that one is left after the last halving";
        check_number(NAME, "max_constituents", length, good, why)?;
        let mut c_in = KINEMATIC_FEATURES.len();
        check_widths(NAME, "channels", kernel * c_in, &self.channels, 1)?;
        for &c in &self.channels {
            check_widths(NAME, "channels", kernel * c_in, &[c], 1)?;
            c_in = c;
        }
        check_widths(NAME, "hidden", c_in, &[self.hidden], 1)?;
        let good = (0.0..1.0).contains(&self.dropout);
        check_number(NAME, "dropout", self.dropout, good, "in [0, 1)")
    }

    fn multiply_adds(&self, _constituents: f64) -> f64 {
        let (specs, _) = self.convolutions(self.max_constituents, KINEMATIC_FEATURES.len());
        let convolutions: usize = specs.iter().map(ConvSpec::multiply_adds).sum();
        (convolutions + self.last() * self.hidden + self.hidden) as f64
    }

    fn general(&self) -> Option<&dyn General> {
        Some(self)
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        let network = self.network(&self.jets(), training.seed, device)?;
        Ok(Box::new(NetworkLearner::new(network, training, device)))
    }
}

impl General for Cnn1dConfig {
    fn network(&self, input: &Input, seed: u64, device: &Device) -> Result<Box<dyn Network>, TaggerError> {
        let [length, features] = input.rows();
        Ok(Box::new(self.init(length, features, seed, device)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_of_its_layers_at_any_length() {
        let convolutions = 5 * (7 * 64 + 64 * 128 + 128 * 128);
        let normalizations = 2 * (7 + 64 + 128 + 128);
        let dense = 128 * 128 + 128 + 128 + 1;
        for length in [8, 100] {
            let network = Cnn1dConfig::default()
                .network(&Input::new(&[length, 7]), 1, &Device::flex())
                .unwrap();
            assert_eq!(network.parameter_count(), convolutions + normalizations + dense);
        }
        let short = Cnn1dConfig::default().network(&Input::new(&[7, 7]), 1, &Device::flex());
        assert!(short.is_err(), "nothing is left after three halvings of 7");
    }

    #[test]
    fn rows_are_filled_up_with_zeros_at_the_end() {
        let rows = Rows {
            width: 1,
            values: vec![1.0, 2.0, 3.0],
            segments: Segments::new(vec![0, 2, 2, 3]).unwrap(),
            real: vec![2, 0, 1],
        };
        let entries: Vec<_> = filled_up(&rows, 3)
            .unwrap()
            .iter()
            .map(|(to, from, _)| (to, from))
            .collect();
        assert_eq!(entries, [(0, 0), (1, 1), (6, 2)]);
    }
}
