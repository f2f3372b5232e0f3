//! CNN-2D: convolutions on grids of any size, with the reference models of two data sets as settings.
//!
//! Benato et al., arXiv:2107.00656, compare their general networks with one built for each data set. Two of those are
//! convolutions on pictures, and what differs between them are settings here: [`Cnn2dConfig::spinodal`], for
//! 20 x 20 pixels of pion momenta (after Steinheimer et al., arXiv:1906.06562), and [`Cnn2dConfig::eosl`], for 24 x 24
//! (after Du et al., arXiv:1910.11530). Of jets it reads the image of `cnn`. One logit.
//!
//! Differences to the public code of the second: Adam instead of Adamax; weights drawn uniformly, He's bound, instead
//! of normally; normalizations with PyTorch's constants. Its L2 term of 1e-5 on weights is a weight decay of 2e-5 here,
//! which acts on biases and slopes as well.

mod stage;

use crate::error::TaggerError;
use crate::general::{General, Input, Rows};
use crate::network::{Network, NetworkLearner};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use stage::{Ending, Stage};
use tagwerk_data::Jets;
use tagwerk_nn::layers::{
    ConvolutionConfig, DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass, Standardize,
};
use tagwerk_nn::ops::{ConvSpec, Window};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{ImageConfig, View, image_view};
use tagwerk_stats::Published;
use tagwerk_train::{EarlyStopping, Examples, Learner, Order, TrainingConfig};

const NAME: &str = "cnn2d";

/// What halves a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Nothing: it keeps its size.
    #[default]
    None,
    /// The largest of each 2 x 2 pixels.
    Max,
    /// The mean of each 2 x 2 pixels.
    Average,
}

/// A convolution and what follows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// Side of the square kernel. The picture keeps its size: of an even kernel's border, the smaller half is at the
    /// top and at the left.
    pub kernel: usize,
    /// Channels.
    pub channels: usize,
    /// What follows before the activation. Default: nothing.
    #[serde(default)]
    pub pooling: Pooling,
    /// Dropout at the end. Default: 0.
    #[serde(default)]
    pub dropout: f64,
}

/// A dense layer and what follows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenConfig {
    /// Width.
    pub width: usize,
    /// Dropout at the end. Default: 0.
    #[serde(default)]
    pub dropout: f64,
}

/// What makes a CNN-2D. The defaults are [`Cnn2dConfig::spinodal`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cnn2dConfig {
    /// Pixels a side of the image of a jet. Default: 40.
    pub pixels: usize,
    /// Whether each pixel is brought to mean 0 and variance 1 over the training examples. Default: false.
    pub standardize: bool,
    /// Whether layers end in a batch normalization and a PReLU with a slope for each pixel and channel, instead of a
    /// ReLU. Default: false.
    pub normalize: bool,
    /// Convolutions. Default: 15, 15 and 25 channels under 3 x 3, the first two with a maximum over 2 x 2 pixels.
    pub stages: Vec<StageConfig>,
    /// Dense layers. Default: one of 10.
    pub hidden: Vec<HiddenConfig>,
}

impl Default for Cnn2dConfig {
    fn default() -> Self {
        Self::spinodal()
    }
}

impl Cnn2dConfig {
    /// The reference model of the data set Spinodal (11,861 parameters on 20 x 20 pixels).
    pub fn spinodal() -> Self {
        let stage = |channels, pooling, dropout| StageConfig {
            kernel: 3,
            channels,
            pooling,
            dropout,
        };
        Self {
            pixels: 40,
            standardize: false,
            normalize: false,
            stages: vec![
                stage(15, Pooling::Max, 0.0),
                stage(15, Pooling::Max, 0.0),
                stage(25, Pooling::None, 0.4),
            ],
            hidden: vec![HiddenConfig {
                width: 10,
                dropout: 0.0,
            }],
        }
    }

    /// The reference model of the data set EOSL (192,961 trained parameters on 24 x 24 pixels).
    pub fn eosl() -> Self {
        let stage = |kernel, channels, pooling| StageConfig {
            kernel,
            channels,
            pooling,
            dropout: 0.2,
        };
        Self {
            pixels: 40,
            standardize: true,
            normalize: true,
            stages: vec![
                stage(8, 16, Pooling::None),
                stage(7, 16, Pooling::Average),
                stage(6, 32, Pooling::Average),
            ],
            hidden: vec![HiddenConfig {
                width: 128,
                dropout: 0.5,
            }],
        }
    }

    /// The convolutions on pictures of this size, and the numbers that are left.
    fn convolutions(&self, [mut c_in, mut h, mut w]: [usize; 3]) -> (Vec<ConvSpec>, usize) {
        let mut specs = Vec::new();
        for stage in &self.stages {
            specs.push(ConvSpec {
                window: Window {
                    input: [h, w],
                    size: [stage.kernel; 2],
                    stride: [1; 2],
                    // One more row and column than wanted come out under an even kernel; the first are dropped.
                    padding: [stage.kernel / 2; 2],
                },
                c_in,
                c_out: stage.channels,
                groups: 1,
                bias: true,
                // A maximum and a ReLU may change places; a mean and a ReLU may not.
                relu: !self.normalize && stage.pooling != Pooling::Average,
            });
            c_in = stage.channels;
            if stage.pooling != Pooling::None {
                (h, w) = (h / 2, w / 2);
            }
        }
        (specs, c_in * h * w)
    }

    /// Draws the parameters for pictures of so many channels and this size: Glorot uniform, or He uniform where layers
    /// are normalized.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses; a picture that is smaller than its halvings.
    pub fn init(&self, picture: [usize; 3], seed: u64, device: &Device) -> Result<Cnn2d, TaggerError> {
        let init = if self.normalize {
            Init::HeUniform
        } else {
            Init::GlorotUniform
        };
        let (specs, left) = self.convolutions(picture);
        let why = "enough pixels that some are left after the last halving";
        check_number(NAME, "picture", format!("{picture:?}"), left > 0, why)?;
        let ending = |name: &str, pixels, c, dropout| Ending::new(name, self.normalize, pixels, c, dropout, device);
        let mut stages = Vec::new();
        for (i, (stage, spec)) in self.stages.iter().zip(specs).enumerate() {
            let name = format!("conv{i}");
            let [h, w] = spec.window.input;
            let pixels = match stage.pooling {
                Pooling::None => h * w,
                Pooling::Max | Pooling::Average => (h / 2) * (w / 2),
            };
            // A slope for each pixel and channel.
            check_widths(NAME, "stages.channels", pixels, &[spec.c_out], 1)?;
            let ending = ending(&name, pixels, spec.c_out, stage.dropout)?;
            let convolution = ConvolutionConfig { name, spec, init }.init(seed, device)?;
            stages.push(Stage::new(convolution, stage.pooling, ending));
        }
        let mut input = left;
        let mut dense = |name: String, width, activate_last| {
            let widths = vec![std::mem::replace(&mut input, width), width];
            DenseChainConfig {
                name,
                widths,
                activate_last,
                init,
            }
            .init(seed, device)
        };
        let mut hidden = Vec::new();
        for (i, layer) in self.hidden.iter().enumerate() {
            let name = format!("hidden{i}");
            let ending = ending(&name, 1, layer.width, layer.dropout)?;
            hidden.push((dense(name, layer.width, !self.normalize)?, ending));
        }
        let numbers = picture.iter().product();
        Ok(Cnn2d {
            picture,
            standardize: self.standardize.then(|| Standardize::new("input", numbers)),
            stages,
            hidden,
            out: dense("out".into(), 1, false)?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct Cnn2d {
    picture: [usize; 3],
    standardize: Option<Standardize>,
    stages: Vec<Stage>,
    hidden: Vec<(DenseChain, Ending)>,
    out: DenseChain,
}

impl Cnn2d {
    /// Pixels `[B H W, C]`.
    fn pixels(&self, view: &View) -> Result<Rows, TaggerError> {
        let [c, h, w] = self.picture;
        Rows::of(NAME, view, h * w, c)
    }
}

impl Network for Cnn2d {
    /// Takes mean and standard deviation of each pixel over the training examples; a pixel that never changes is only
    /// centered.
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), TaggerError> {
        if self.standardize.is_none() {
            return Ok(());
        }
        let size = self.picture.iter().product();
        let (mut count, mut mean, mut squares) = (0.0f64, vec![0.0f64; size], vec![0.0f64; size]);
        for batch in train.batches(Order::STORED, 1024, 0) {
            for example in self.pixels(&batch?.view)?.values.chunks_exact(size) {
                count += 1.0;
                for ((mean, squares), &x) in mean.iter_mut().zip(&mut squares).zip(example) {
                    // Welford's recursion: no digits are lost where the mean is large.
                    let before = f64::from(x) - *mean;
                    *mean += before / count;
                    *squares += before * (f64::from(x) - *mean);
                }
            }
        }
        let scale = squares.iter().map(|&s| match (s / count.max(1.0)).sqrt() as f32 {
            deviation if deviation > 0.0 => deviation,
            _ => 1.0,
        });
        if let Some(layer) = &mut self.standardize {
            layer.fit(mean.iter().map(|&m| m as f32).collect(), scale.collect())?;
        }
        Ok(())
    }

    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let mut rows = self.pixels(view)?;
        let pictures = rows.segments.len();
        if let Some(layer) = &self.standardize {
            layer.apply(&mut rows.values);
        }
        let mut pixels = self.picture[1] * self.picture[2];
        let mut x = rows.tensor(device); // [B H W, C]
        for stage in &mut self.stages {
            (x, pixels) = stage.forward(x, pictures, pass)?; // [B H' W', C']
        }
        let [_, c] = x.dims();
        let mut x = x.reshape([pictures, pixels * c]); // [B, H' W' C']
        for (dense, ending) in &mut self.hidden {
            x = ending.forward(dense.forward(x, pass), 1, pass); // [B, C]
        }
        Ok(self.out.forward(x, pass)) // [B, 1]
    }
}

impl Parts for Cnn2d {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts: Vec<_> = self.standardize.iter().flat_map(Parts::parts).collect();
        for stage in &self.stages {
            parts.extend(stage.parts());
        }
        for (dense, ending) in &self.hidden {
            parts.extend(dense.parts());
            parts.extend(ending.parts());
        }
        parts.extend(self.out.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts: Vec<_> = self.standardize.iter_mut().flat_map(Parts::parts_mut).collect();
        for stage in &mut self.stages {
            parts.extend(stage.parts_mut());
        }
        for (dense, ending) in &mut self.hidden {
            parts.extend(dense.parts_mut());
            parts.extend(ending.parts_mut());
        }
        parts.extend(self.out.parts_mut());
        parts
    }
}

impl Tagger for Cnn2dConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "image"
    }

    fn view_key(&self) -> String {
        format!("upright image {}", self.pixels)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        let config = ImageConfig {
            pixels: self.pixels,
            ..ImageConfig::cnn()
        };
        Ok(View::Dense(image_view(jets, &config)?))
    }

    /// Spinodal's: batch 100, Adam at 1e-3, at most 200 epochs, stopping after 15 whose validation loss is not better
    /// by 1e-4. With normalized layers EOSL's: batch 32, 1e-4, weight decay 2e-5, 1000 epochs, 150.
    fn training(&self) -> TrainingConfig {
        let (batch_size, epochs, patience) = if self.normalize {
            (32, 1000, 150)
        } else {
            (100, 200, 15)
        };
        let mut training = TrainingConfig {
            batch_size,
            epochs,
            early_stopping: Some(EarlyStopping {
                patience,
                min_delta: 1e-4,
                ..EarlyStopping::default()
            }),
            ..TrainingConfig::default()
        };
        if self.normalize {
            (training.optimizer.learning_rate, training.optimizer.weight_decay) = (1e-4, 2e-5);
        }
        training
    }

    fn published(&self) -> Published {
        Published::NONE
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let pixels = self.pixels;
        check_number(NAME, "pixels", pixels, (1..=1024).contains(&pixels), "1 to 1024")?;
        let mut c_in = 1;
        for stage in &self.stages {
            let (kernel, rate) = (stage.kernel, stage.dropout);
            check_number(NAME, "stages.kernel", kernel, (1..=64).contains(&kernel), "1 to 64")?;
            check_widths(NAME, "stages.channels", kernel * kernel * c_in, &[stage.channels], 1)?;
            // A slope for each pixel and channel.
            check_widths(NAME, "stages.channels", pixels * pixels, &[stage.channels], 1)?;
            check_number(NAME, "stages.dropout", rate, (0.0..1.0).contains(&rate), "in [0, 1)")?;
            c_in = stage.channels;
        }
        let left = self.convolutions([1, pixels, pixels]).1;
        let why = "enough pixels that some are left after the last halving";
        check_number(NAME, "pixels", pixels, left > 0, why)?;
        let widths: Vec<usize> = self.hidden.iter().map(|layer| layer.width).collect();
        check_widths(NAME, "hidden", left, &widths, 0)?;
        for rate in self.hidden.iter().map(|layer| layer.dropout) {
            check_number(NAME, "hidden.dropout", rate, (0.0..1.0).contains(&rate), "in [0, 1)")?;
        }
        Ok(())
    }

    fn multiply_adds(&self, _constituents: f64) -> f64 {
        let (specs, left) = self.convolutions([1, self.pixels, self.pixels]);
        let hidden = self.hidden.iter().map(|layer| layer.width);
        let widths: Vec<usize> = std::iter::once(left).chain(hidden).chain([1]).collect();
        let dense: usize = widths.windows(2).map(|w| w[0] * w[1]).sum();
        (specs.iter().map(ConvSpec::multiply_adds).sum::<usize>() + dense) as f64
    }

    fn general(&self) -> Option<&dyn General> {
        Some(self)
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        let input = Input::new(&[1, self.pixels, self.pixels]);
        let network = self.network(&input, training.seed, device)?;
        Ok(Box::new(NetworkLearner::new(network, training, device)))
    }
}

impl General for Cnn2dConfig {
    fn network(&self, input: &Input, seed: u64, device: &Device) -> Result<Box<dyn Network>, TaggerError> {
        Ok(Box::new(self.init(input.picture(NAME)?, seed, device)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spinodal: 9 (1 15 + 15 15 + 15 25) + 55 in the convolutions, 625 10 + 10, 11. EOSL: what Keras counts, 193,345,
    /// without two statistics for each of the 16 + 16 + 32 + 128 normalized channels.
    #[test]
    fn parameters_are_those_of_the_reference_models() {
        let device = Device::flex();
        let spinodal = Cnn2dConfig::spinodal()
            .network(&Input::new(&[20, 20]), 1, &device)
            .unwrap();
        assert_eq!(spinodal.parameter_count(), 9 * 615 + 55 + 6260 + 11);
        assert_eq!(spinodal.parameter_count(), 11_861);
        let eosl = Cnn2dConfig::eosl()
            .network(&Input::new(&[1, 24, 24]), 1, &device)
            .unwrap();
        assert_eq!(eosl.parameter_count(), 193_345 - 2 * 192);
        let small = Cnn2dConfig::spinodal().network(&Input::new(&[3, 20]), 1, &device);
        assert!(small.is_err(), "nothing is left after two halvings of 3");
        assert!(Cnn2dConfig::spinodal().network(&Input::new(&[20]), 1, &device).is_err());
    }
}
