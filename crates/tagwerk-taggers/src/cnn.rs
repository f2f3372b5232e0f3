//! CNN: convolutions on an image of the jet.
//!
//! Macaluso, Shih, "Pulling Out All the Tops with Computer Vision and Deep Learning", arXiv:1803.00107, in the size of
//! the landscape: 40 x 40 pixels of transverse momentum, turned upright and mirrored. All but some 40 of these pixels
//! are empty, and what follows from that is computed once for the whole batch: see [`tagwerk_nn::kernels::sites`].

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, computed, pictures};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::layers::{
    Convolution, ConvolutionConfig, DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{ConvSpec, Window, max_pool, sparse_product};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{ImageConfig, View, image_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Learner, Metric, Schedule, StepDecay, TrainingConfig};

const NAME: &str = "cnn";

/// What makes a CNN. The defaults are the landscape's tagger (609,666 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnConfig {
    /// Pixels a side. Default: 40.
    pub pixels: usize,
    /// Side of the square kernels. Default: 4.
    pub kernel: usize,
    /// Channels of the convolutions of each stage; a 2 x 2 pooling ends a stage. Default: [[128, 64], [64, 64]].
    pub stages: Vec<Vec<usize>>,
    /// Widths of the dense layers. Default: [64, 256, 256].
    pub hidden: Vec<usize>,
}

impl Default for CnnConfig {
    fn default() -> Self {
        Self {
            pixels: 40,
            kernel: 4,
            stages: vec![vec![128, 64], vec![64, 64]],
            hidden: vec![64, 256, 256],
        }
    }
}

/// The convolutions of a stage and the pooling that ends it.
#[derive(Debug, Clone)]
struct StageSpec {
    convolutions: Vec<ConvSpec>,
    pool: Window,
}

impl CnnConfig {
    /// The stages, and pixels times channels of what comes out. Padding 1, as the published number of parameters wants.
    fn stages(&self) -> (Vec<StageSpec>, usize) {
        let (mut side, mut channels) = (self.pixels, 1);
        let mut stages = Vec::new();
        for widths in &self.stages {
            let mut convolutions = Vec::new();
            for &c_out in widths {
                let spec = ConvSpec {
                    window: Window {
                        input: [side; 2],
                        size: [self.kernel; 2],
                        stride: [1; 2],
                        padding: [1; 2],
                    },
                    c_in: channels,
                    c_out,
                    groups: 1,
                    bias: true,
                    relu: true,
                };
                side = spec.output()[0];
                channels = c_out;
                convolutions.push(spec);
            }
            let pool = Window {
                input: [side; 2],
                size: [2; 2],
                stride: [2; 2],
                padding: [0; 2],
            };
            side = pool.output()[0];
            stages.push(StageSpec { convolutions, pool });
        }
        (stages, side * side * channels)
    }

    fn widths(&self) -> Vec<usize> {
        [&[self.stages().1], &self.hidden[..], &[2]].concat()
    }

    /// Draws the parameters: He uniform.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Cnn, TaggerError> {
        self.check()?;
        let init = Init::HeUniform;
        let (specs, _) = self.stages();
        let mut stages = Vec::new();
        for (s, StageSpec { convolutions, pool }) in specs.into_iter().enumerate() {
            let layer = |(i, spec)| {
                let name = format!("conv{s}.{i}");
                ConvolutionConfig { name, spec, init }.init(seed, device)
            };
            stages.push(Stage {
                convolutions: convolutions
                    .into_iter()
                    .enumerate()
                    .map(layer)
                    .collect::<Result<_, _>>()?,
                pool,
            });
        }
        let dense = DenseChainConfig {
            name: "dense".into(),
            widths: self.widths(),
            activate_last: false,
            init,
        };
        Ok(Cnn {
            pixels: self.pixels,
            stages,
            dense: dense.init(seed, device)?,
            workspace: Workspace::default(),
        })
    }
}

#[derive(Debug)]
struct Stage {
    convolutions: Vec<Convolution>,
    pool: Window,
}

/// The network.
#[derive(Debug)]
pub struct Cnn {
    pixels: usize,
    stages: Vec<Stage>,
    dense: DenseChain,
    workspace: Workspace,
}

impl Network for Cnn {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (mut x, mut sites) = pictures(NAME, view, [self.pixels; 2], 1, device)?; // [R + P, 1]
        for stage in &self.stages {
            for layer in &stage.convolutions {
                let reached = computed(NAME, sites.through(&layer.spec().window))?;
                x = layer.forward(x, &sites, &reached, pass); // [R + P, C]
                sites = reached;
            }
            let pooled = computed(NAME, sites.through(&stage.pool))?;
            x = max_pool(x, stage.pool, &sites, &pooled, &self.workspace);
            sites = pooled;
        }
        let x = sparse_product(&Arc::new(sites.expansion()), x); // [B P, C]
        let [_, c] = x.dims();
        let x = x.reshape([sites.len(), sites.pixels() * c]); // [B, P C]
        Ok(self.dense.forward(x, pass)) // [B, 2]
    }
}

impl Parts for Cnn {
    fn parts(&self) -> Vec<Part<'_>> {
        let convolutions = self.stages.iter().flat_map(|stage| &stage.convolutions);
        convolutions.flat_map(Parts::parts).chain(self.dense.parts()).collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let convolutions = self.stages.iter_mut().flat_map(|stage| &mut stage.convolutions);
        convolutions
            .flat_map(Parts::parts_mut)
            .chain(self.dense.parts_mut())
            .collect()
    }
}

/// Numbers of the landscape, arXiv:1902.09914.
pub const PUBLISHED: Published = Published {
    auc: Some(0.981),
    accuracy: Some(0.930),
    rejection_single: Some(PublishedValue::with_spread(914.0, 14.0)),
    rejection_mean: Some(PublishedValue::with_spread(995.0, 15.0)),
    rejection_median: Some(PublishedValue::with_spread(975.0, 18.0)),
    parameters: Some(610_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for CnnConfig {
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

    /// Batch 128, Adam at 5e-5, halved every ten epochs, 50 epochs, the one of best validation accuracy.
    fn training(&self) -> TrainingConfig {
        let mut training = TrainingConfig {
            batch_size: 128,
            epochs: 50,
            best: Metric::ValAccuracy,
            schedule: Schedule::Step(StepDecay {
                after: vec![10, 20, 30, 40],
                factor: 0.5,
            }),
            ..TrainingConfig::default()
        };
        training.optimizer.learning_rate = 5e-5;
        training
    }

    fn published(&self) -> Published {
        PUBLISHED
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let (pixels, kernel) = (self.pixels, self.kernel);
        check_number(NAME, "pixels", pixels, (1..=1024).contains(&pixels), "1 to 1024")?;
        check_number(NAME, "kernel", kernel, (1..=64).contains(&kernel), "1 to 64")?;
        let mut channels = 1;
        for stage in &self.stages {
            check_widths(NAME, "stages", kernel * kernel * channels, stage, 1)?;
            channels = stage.last().copied().unwrap_or(channels);
        }
        let left = self.stages().1;
        let why = "enough pixels that some are left after the last pooling";
        check_number(NAME, "pixels", pixels, left > 0, why)?;
        check_widths(NAME, "hidden", left, &self.hidden, 0)
    }

    /// As if no pixel were empty: how many are depends on more than the number of constituents.
    fn multiply_adds(&self, _constituents: f64) -> f64 {
        let stages = self.stages().0;
        let pictures = stages.iter().flat_map(|stage| &stage.convolutions);
        let dense = self.widths().windows(2).map(|w| (w[0] * w[1]) as f64).sum::<f64>();
        pictures.map(|spec| spec.multiply_adds() as f64).sum::<f64>() + dense
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}
