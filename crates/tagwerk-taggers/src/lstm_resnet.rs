//! LSTM-ResNet: what a detector station saw over time becomes a few numbers, and those a picture.
//!
//! The reference model of the data set Airshower in Benato et al., arXiv:2107.00656, after Erdmann, Glombitza, Walz, "A
//! deep learning-based reconstruction of cosmic ray-induced air showers", arXiv:1708.00647: an LSTM in both directions
//! and another after it read the signal trace of each station; the picture of their outputs and the arrival times goes
//! through residual units of 3 x 3 convolutions. It reads stations on a grid, not jets.
//!
//! One output, of order 1 for a network that was just drawn. The original multiplies it by the standard deviation of
//! the training targets and adds their mean; here the targets are standardized instead, which is the same training. Its
//! Adam keeps the largest second moment (amsgrad), ours does not; its recurrent weights start orthogonal, ours uniform.

use crate::error::TaggerError;
use crate::general::{General, Input, Rows};
use crate::network::Network;
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::layers::{
    BatchNorm, Convolution, ConvolutionConfig, DenseChain, DenseChainConfig, Dropout, Init, Lstm, LstmConfig, Part,
    PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{Activation, ConvSpec, Reduction, Window, activate, dense_max_pool, segment_reduce};
use tagwerk_nn::{Device, Segments, Tensor, TensorData};
use tagwerk_physics::View;
use tagwerk_stats::Published;
use tagwerk_train::{EarlyStopping, Learner, TrainingConfig};

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
        self.check()?;
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
                    window: Window {
                        input: size,
                        size: [kernel; 2],
                        stride: [1; 2],
                        padding: [kernel / 2; 2],
                    },
                    c_in,
                    c_out: c,
                    groups: 1,
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
            workspace: Workspace::default(),
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
        let y = self.first_norm.forward(self.first.forward_dense(x.clone(), pass), pass);
        let y = activate(y, Activation::Relu);
        let y = self.second_norm.forward(self.second.forward_dense(y, pass), pass);
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
    workspace: Workspace,
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
                let halves = Window {
                    input,
                    size: [2; 2],
                    stride: [2; 2],
                    padding: [0; 2],
                };
                x = dense_max_pool(x, halves, &self.workspace);
            }
            x = stage.widen.forward_dense(x, pass);
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

impl Tagger for LstmResNetConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "stations"
    }

    fn view_key(&self) -> String {
        "stations".into()
    }

    fn view(&self, _jets: &Jets) -> Result<View, TaggerError> {
        Err(needs_stations("jets"))
    }

    fn general(&self) -> Option<&dyn General> {
        Some(self)
    }

    /// Batch 32, Adam at 3e-3, at most 50 epochs, stopping after ten whose validation loss is not better by 1e-4. The
    /// original also halves the rate after 4 epochs without a better loss, which no schedule here does.
    fn training(&self) -> TrainingConfig {
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

    fn published(&self) -> Published {
        Published::NONE
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        check_widths(NAME, "recurrent", 8, &[self.recurrent], 1)?;
        check_widths(NAME, "summary", 8, &[self.summary], 1)?;
        check_widths(NAME, "channels", 9, &self.channels, 1)?;
        check_number(NAME, "units", self.units, (1..=1000).contains(&self.units), "1 to 1000")?;
        check_number(
            NAME,
            "dropout",
            self.dropout,
            (0.0..1.0).contains(&self.dropout),
            "in [0, 1)",
        )
    }

    /// On the stations of Airshower: 80 steps of the recurrent layers at each, and the convolutions.
    fn multiply_adds(&self, stations: f64) -> f64 {
        let cells = |features: usize, units: usize| (4 * units * (features + units)) as f64;
        let trace = 80.0 * (2.0 * cells(1, self.recurrent) + cells(2 * self.recurrent, self.summary));
        let stage = |(s, &c): (usize, &usize)| (2 * self.units * 9 * c * c) as f64 / 4f64.powi(s as i32);
        stations * (trace + self.channels.iter().enumerate().map(stage).sum::<f64>())
    }

    fn learner(&self, _training: &TrainingConfig, _device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Err(needs_stations("jets"))
    }
}

impl General for LstmResNetConfig {
    fn network(&self, input: &Input, seed: u64, device: &Device) -> Result<Box<dyn Network>, TaggerError> {
        match input.shape[..] {
            [channels, height, width] if channels > 1 => {
                Ok(Box::new(self.init(channels - 1, [height, width], seed, device)?))
            }
            _ => Err(needs_stations(&format!("arrays of shape {:?}", input.shape))),
        }
    }
}

fn needs_stations(found: &str) -> TaggerError {
    TaggerError::View {
        tagger: NAME,
        expected: "stations on a grid, each with a trace and a time",
        found: found.into(),
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
