//! LSTM-ResNet: what a detector station saw over time becomes a few numbers, and those a picture.
//!
//! The reference model of the data set Airshower in Benato et al., arXiv:2107.00656, after Erdmann, Glombitza, Walz, "A
//! deep learning-based reconstruction of cosmic ray-induced air showers", arXiv:1708.00647: an LSTM in both directions and
//! another after it read the signal trace of each station; the picture of their outputs and the arrival times goes
//! through residual units of 3 x 3 convolutions. It reads stations on a grid, not jets, and has no place in the registry.
//!
//! One output, of order 1 for a network that was just drawn. The original multiplies it by the standard deviation of the
//! training targets and adds their mean; here the targets are standardized instead, which is the same training. Its Adam
//! keeps the largest second moment (amsgrad), ours does not; its recurrent weights start orthogonal, ours uniform.

use crate::error::TaggerError;
use crate::general::Rows;
use crate::network::Network;
use crate::settings::{check_number, check_widths};
use serde::{Deserialize, Serialize};
use tagwerk_nn::layers::{
    BatchNorm, Convolution, ConvolutionConfig, DenseChain, DenseChainConfig, Dropout, Init, Lstm, LstmConfig, Part,
    PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{Activation, ConvSpec, PoolSpec, Reduction, activate, max_pool, segment_reduce};
use tagwerk_nn::{Device, Segments, Tensor, TensorData};
use tagwerk_physics::View;
use tagwerk_train::{EarlyStopping, TrainingConfig};

const NAME: &str = "lstm-resnet";

/// What makes an LSTM-ResNet. The defaults are the original (1,869,881 trained parameters, at any size of the grid).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LstmResNetConfig {
    /// Cells in each direction of the first recurrent layer. Default: 32.
    pub recurrent: usize,
    /// Cells of the second, whose last output stands for the trace. Default: 10.
    pub summary: usize,
    /// Channels of the stages of residual units; a stage after the first halves the picture. Default: [64, 128].
    pub channels: Vec<usize>,
    /// Residual units a stage. Default: 5.
    pub units: usize,
    /// Dropout before the output. Default: 0.3.
    pub dropout: f64,
}

impl Default for LstmResNetConfig {
    fn default() -> Self {
        Self {
            recurrent: 32,
            summary: 10,
            channels: vec![64, 128],
            units: 5,
            dropout: 0.3,
        }
    }
}

impl LstmResNetConfig {
    /// Batch 32, Adam at 3e-3, at most 50 epochs, stopping after ten whose validation loss is not better by 1e-4. The
    /// original also halves the rate after 4 epochs without a better loss, which no schedule here does.
    pub fn training(&self) -> TrainingConfig {
        let mut training = TrainingConfig {
            batch_size: 32,
            epochs: 50,
            early_stopping: Some(EarlyStopping {
                patience: 10,
                min_delta: 1e-4,
                ..EarlyStopping::default()
            }),
            ..TrainingConfig::default()
        };
        training.optimizer.learning_rate = 3e-3;
        training
    }

    /// Draws the parameters for stations on a grid of `height` and `width`, each with a trace of `bins` values and an
    /// arrival time, in this order: Glorot uniform.
    ///
    /// # Errors
    /// A size of zero, a dropout rate outside [0, 1), a grid smaller than its halvings.
    pub fn init(
        &self,
        bins: usize,
        [height, width]: [usize; 2],
        seed: u64,
        device: &Device,
    ) -> Result<LstmResNet, TaggerError> {
        let init = Init::GlorotUniform;
        check_widths(NAME, "bins", 1, &[bins], 1)?;
        check_widths(NAME, "recurrent", 8, &[self.recurrent], 1)?;
        check_widths(NAME, "channels", 9, &self.channels, 1)?;
        check_number(NAME, "units", self.units, (1..=1000).contains(&self.units), "1 to 1000")?;
        let halvings = self.channels.len() as u32 - 1;
        let small = height.min(width).checked_shr(halvings).unwrap_or(0);
        let why = "enough stations that some are left after the last halving";
        check_number(
            NAME,
            "height and width",
            format!("{height} and {width}"),
            small > 0,
            why,
        )?;
        let lstm = |name: &str, features, units| {
            LstmConfig {
                name: name.into(),
                features,
                units,
                init,
            }
            .init(seed, device)
        };
        let mut stages = Vec::new();
        let (mut c_in, mut size) = (self.summary.saturating_add(1), [height, width]);
        for (s, &c) in self.channels.iter().enumerate() {
            let convolution = |name: String, kernel: usize, c_in: usize, relu| {
                let spec = ConvSpec {
                    input: size,
                    c_in,
                    c_out: c,
                    kernel: [kernel; 2],
                    stride: [1; 2],
                    padding: [kernel / 2; 2],
                    bias: true,
                    relu,
                };
                ConvolutionConfig { name, spec, init }.init(seed, device)
            };
            let units = (0..self.units).map(|u| {
                let name = |part: &str| format!("stage{s}.unit{u}.{part}");
                Ok(Unit {
                    first: convolution(name("first"), 3, c, false)?,
                    first_norm: BatchNorm::new(&name("first_norm"), c, device),
                    second: convolution(name("second"), 3, c, false)?,
                    second_norm: BatchNorm::new(&name("second_norm"), c, device),
                })
            });
            stages.push(Stage {
                size,
                widen: convolution(format!("stage{s}.widen"), 1, c_in, true)?,
                units: units.collect::<Result<_, TaggerError>>()?,
            });
            (c_in, size) = (c, size.map(|n| n / 2));
        }
        Ok(LstmResNet {
            bins,
            stations: height * width,
            forwards: lstm("trace.forwards", 1, self.recurrent)?,
            backwards: lstm("trace.backwards", 1, self.recurrent)?,
            summary: lstm("summary", 2 * self.recurrent, self.summary)?,
            stages,
            dropout: Dropout::new("out", self.dropout)?,
            out: DenseChainConfig {
                name: "out".into(),
                widths: vec![c_in, 1],
                activate_last: false,
                init,
            }
            .init(seed, device)?,
        })
    }
}

/// Two convolutions and a way around them, with the ReLU after the sum.
#[derive(Debug)]
struct Unit {
    first: Convolution,
    first_norm: BatchNorm,
    second: Convolution,
    second_norm: BatchNorm,
}

impl Unit {
    fn forward(&mut self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let y = self.first_norm.forward(self.first.forward(x.clone(), pass), pass);
        let y = activate(y, Activation::Relu);
        let y = self.second_norm.forward(self.second.forward(y, pass), pass);
        activate(y + x, Activation::Relu)
    }
}

/// Units on pictures of one size, which a convolution of one pixel gives their channels.
#[derive(Debug)]
struct Stage {
    size: [usize; 2],
    widen: Convolution,
    units: Vec<Unit>,
}

/// The network.
#[derive(Debug)]
pub struct LstmResNet {
    bins: usize,
    stations: usize,
    forwards: Lstm,
    backwards: Lstm,
    summary: Lstm,
    stages: Vec<Stage>,
    dropout: Dropout,
    out: DenseChain,
}

impl LstmResNet {
    /// The numbers that stand for the traces of stations, `[R, S]`.
    fn summaries(&self, traces: &Rows, pass: &Pass, device: &Device) -> Option<Tensor<2>> {
        let stations = traces.segments.rows();
        let steps: Vec<Tensor<2>> = (0..self.bins)
            .map(|t| {
                let bin: Vec<f32> = traces.values.chunks_exact(self.bins).map(|trace| trace[t]).collect();
                Tensor::from_data(TensorData::new(bin, [stations, 1]), device)
            })
            .collect();
        let both = self.forwards.forward(&steps, false, pass).into_iter();
        let both: Vec<Tensor<2>> = both
            .zip(self.backwards.forward(&steps, true, pass))
            .map(|(a, b)| Tensor::cat(vec![a, b], 1))
            .collect();
        self.summary.forward(&both, false, pass).pop()
    }
}

impl Network for LstmResNet {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let rows = Rows::of(NAME, view, self.stations, self.bins + 1)?;
        let (traces, times) = rows.without_column(self.bins);
        let examples = traces.segments.len();
        let times = Tensor::from_data(TensorData::new(times, [traces.segments.rows(), 1]), device);
        let mut x = match self.summaries(&traces, pass, device) {
            Some(summaries) => Tensor::cat(vec![summaries, times], 1), // [B H W, S + 1]
            // Never: the constructor refuses traces of no bin.
            None => times,
        };
        let mut size = None;
        for stage in &mut self.stages {
            if let Some(input) = size {
                let halves = PoolSpec {
                    input,
                    window: [2; 2],
                    stride: [2; 2],
                    padding: [0; 2],
                };
                x = max_pool(x, halves);
            }
            x = stage.widen.forward(x, pass);
            for unit in &mut stage.units {
                x = unit.forward(x, pass); // [B H' W', C]
            }
            size = Some(stage.size);
        }
        let [rows, _] = x.dims();
        let pixels = rows / examples.max(1);
        let pictures = Segments::new((0..=examples).map(|b| b * pixels).collect())?;
        let x = self.dropout.forward(segment_reduce(x, &pictures, Reduction::Max), pass); // [B, C]
        Ok(self.out.forward(x, pass)) // [B, 1]
    }
}

impl Parts for LstmResNet {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.forwards.parts();
        parts.extend(self.backwards.parts());
        parts.extend(self.summary.parts());
        for stage in &self.stages {
            parts.extend(stage.widen.parts());
            for unit in &stage.units {
                parts.extend(unit.first.parts());
                parts.extend(unit.first_norm.parts());
                parts.extend(unit.second.parts());
                parts.extend(unit.second_norm.parts());
            }
        }
        parts.extend(self.out.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = self.forwards.parts_mut();
        parts.extend(self.backwards.parts_mut());
        parts.extend(self.summary.parts_mut());
        for stage in &mut self.stages {
            parts.extend(stage.widen.parts_mut());
            for unit in &mut stage.units {
                parts.extend(unit.first.parts_mut());
                parts.extend(unit.first_norm.parts_mut());
                parts.extend(unit.second.parts_mut());
                parts.extend(unit.second_norm.parts_mut());
            }
        }
        parts.extend(self.out.parts_mut());
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two directions of 32 cells on one value, 10 cells on 64; pictures of 11, 64 and 128 channels.
    #[test]
    fn parameters_are_those_of_the_original() {
        let cells = |features: usize, units: usize| 4 * units * (features + units + 1);
        let stage = |c_in: usize, c: usize| (c_in + 1) * c + 5 * 2 * ((9 * c + 1) * c + 2 * c);
        let expected = 2 * cells(1, 32) + cells(64, 10) + stage(11, 64) + stage(64, 128) + 129;
        let network = LstmResNetConfig::default()
            .init(80, [9, 9], 1, &Device::flex())
            .unwrap();
        assert_eq!(network.parameter_count(), expected);
        assert_eq!(network.parameter_count(), 1_869_881);
        assert!(
            LstmResNetConfig::default()
                .init(80, [9, 1], 1, &Device::flex())
                .is_err()
        );
        assert!(LstmResNetConfig::default().init(0, [9, 9], 1, &Device::flex()).is_err());
    }
}
