//! P-CNN: residual one-dimensional convolutions over the constituents in falling transverse momentum.
//!
//! The tagger of the CMS collaboration's DeepAK8 as it stands beside ParticleNet in Qu, Gouskos, arXiv:1902.08570, and
//! in the landscape: a ResNet over a sequence of 100, padded with zeros at its end as the original is, so that the
//! normalizations and the mean over the sequence see the padding too. What becomes of the padding is the same for all
//! jets, and is computed once: see [`tagwerk_nn::kernels::sites`].

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, computed, sequences};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::layers::{
    BatchNorm, Convolution, ConvolutionConfig, DenseChain, DenseChainConfig, Dropout, Init, Part, PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{ConvSpec, Sites, Window, sparse_product};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{KINEMATIC_FEATURES, View, particlenet_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Learner, Metric, Schedule, StepDecay, TrainingConfig};

const NAME: &str = "pcnn";

/// Residual units a stage.
const UNITS: usize = 2;

/// What makes a P-CNN. The defaults are the landscape's tagger (348,400 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcnnConfig {
    /// Length of the sequence: leading constituents kept. Default: 100.
    pub length: usize,
    /// Channels of the first convolution. Default: 32.
    pub stem: usize,
    /// Channels of the stages, two residual units each; from the second on a stage halves the length. Default: [64, 64,
    /// 128].
    pub stages: Vec<usize>,
    /// Width of the dense layer. Default: 512.
    pub hidden: usize,
    /// Dropout after it. Default: 0.5.
    pub dropout: f64,
}

impl Default for PcnnConfig {
    fn default() -> Self {
        Self {
            length: 100,
            stem: 32,
            stages: vec![64, 64, 128],
            hidden: 512,
            dropout: 0.5,
        }
    }
}

/// A convolution of width 3 (or 1) over a sequence of `length`; no bias, a normalization follows.
fn convolution(length: usize, c_in: usize, c_out: usize, width: usize, stride: usize) -> ConvSpec {
    ConvSpec {
        window: Window {
            input: [1, length],
            size: [1, width],
            stride: [1, stride],
            padding: [0, width / 2],
        },
        c_in,
        c_out,
        groups: 1,
        bias: false,
        relu: false,
    }
}

/// The convolutions of a residual unit.
#[derive(Debug, Clone)]
struct UnitSpec {
    first: ConvSpec,
    second: ConvSpec,
    shortcut: Option<ConvSpec>,
}

impl PcnnConfig {
    fn units(&self) -> Vec<UnitSpec> {
        let (mut length, mut c_in) = (self.length, self.stem);
        let mut units = Vec::new();
        for (stage, &c) in self.stages.iter().enumerate() {
            for unit in 0..UNITS {
                let stride = if stage > 0 && unit == 0 { 2 } else { 1 };
                let first = convolution(length, c_in, c, 3, stride);
                let shortcut = (stride > 1 || c_in != c).then(|| convolution(length, c_in, c, 1, stride));
                length = first.output()[1];
                let second = convolution(length, c, c, 3, 1);
                units.push(UnitSpec {
                    first,
                    second,
                    shortcut,
                });
                c_in = c;
            }
        }
        units
    }

    fn last(&self) -> usize {
        self.stages.last().copied().unwrap_or(self.stem)
    }

    /// Draws the parameters: He uniform.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Pcnn, TaggerError> {
        self.check()?;
        let init = Init::HeUniform;
        let layer = |name: String, spec: ConvSpec| ConvolutionConfig { name, spec, init }.init(seed, device);
        let norm = |name: String, c: usize| BatchNorm::new(&name, c, device);
        let features = KINEMATIC_FEATURES.len();
        let mut units = Vec::new();
        for (i, spec) in self.units().into_iter().enumerate() {
            let c = spec.first.c_out;
            units.push(Unit {
                first: layer(format!("unit{i}.first"), spec.first)?,
                first_norm: norm(format!("unit{i}.first_norm"), c),
                second: layer(format!("unit{i}.second"), spec.second)?,
                second_norm: norm(format!("unit{i}.second_norm"), c),
                shortcut: spec
                    .shortcut
                    .map(|s| layer(format!("unit{i}.shortcut"), s))
                    .transpose()?,
            });
        }
        let dense = |name: &str, widths: Vec<usize>, activate_last| DenseChainConfig {
            name: name.into(),
            widths,
            activate_last,
            init,
        };
        Ok(Pcnn {
            length: self.length,
            norm: norm("norm".into(), features),
            stem: layer("stem".into(), convolution(self.length, features, self.stem, 3, 1))?,
            stem_norm: norm("stem_norm".into(), self.stem),
            units,
            hidden: dense("hidden", vec![self.last(), self.hidden], true).init(seed, device)?,
            dropout: Dropout::new("hidden", self.dropout)?,
            out: dense("out", vec![self.hidden, 2], false).init(seed, device)?,
        })
    }
}

/// Two convolutions and a way around them.
#[derive(Debug)]
struct Unit {
    first: Convolution,
    first_norm: BatchNorm,
    second: Convolution,
    second_norm: BatchNorm,
    shortcut: Option<Convolution>,
}

impl Unit {
    /// `[R + P, C]` to `[R' + P', C']`.
    fn forward(&mut self, x: Tensor<2>, from: &Arc<Sites>, to: &Arc<Sites>, pass: &Pass) -> Tensor<2> {
        let around = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x.clone(), from, to, pass),
            None => x.clone(),
        };
        let y = self.first.forward(x, from, to, pass);
        let y = self.first_norm.forward_sites(y, to, true, pass);
        let y = self.second.forward(y, to, to, pass);
        around + self.second_norm.forward_sites(y, to, true, pass)
    }
}

/// The network.
#[derive(Debug)]
pub struct Pcnn {
    length: usize,
    norm: BatchNorm,
    stem: Convolution,
    stem_norm: BatchNorm,
    units: Vec<Unit>,
    hidden: DenseChain,
    dropout: Dropout,
    out: DenseChain,
}

impl Network for Pcnn {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        // All layers of one length compute the same rows: those that the last of them reaches.
        let convolutions = 1 + 2 * UNITS;
        let (x, mut sites) = sequences(NAME, view, KINEMATIC_FEATURES.len(), self.length, convolutions, device)?;
        let x = self.norm.forward_sites(x, &sites, false, pass); // [R + P, 7]
        let x = self.stem.forward(x, &sites, &sites, pass);
        let mut x = self.stem_norm.forward_sites(x, &sites, true, pass);
        for unit in &mut self.units {
            let window = &unit.first.spec().window;
            let to = if window.stride == [1, 1] {
                sites.clone()
            } else {
                let reached = sites.through(window).and_then(|s| s.widened([0, 2 * UNITS - 1]));
                computed(NAME, reached)?
            };
            x = unit.forward(x, &sites, &to, pass); // [R' + P', C]
            sites = to;
        }
        let per_jet = sparse_product(&Arc::new(sites.average()), x); // [B, C]
        let hidden = self.dropout.forward(self.hidden.forward(per_jet, pass), pass); // [B, 512]
        Ok(self.out.forward(hidden, pass)) // [B, 2]
    }
}

impl Parts for Pcnn {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.norm.parts();
        parts.extend(self.stem.parts());
        parts.extend(self.stem_norm.parts());
        for unit in &self.units {
            parts.extend(unit.first.parts());
            parts.extend(unit.first_norm.parts());
            parts.extend(unit.second.parts());
            parts.extend(unit.second_norm.parts());
            parts.extend(unit.shortcut.iter().flat_map(Parts::parts));
        }
        parts.extend(self.hidden.parts());
        parts.extend(self.out.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = self.norm.parts_mut();
        parts.extend(self.stem.parts_mut());
        parts.extend(self.stem_norm.parts_mut());
        for unit in &mut self.units {
            parts.extend(unit.first.parts_mut());
            parts.extend(unit.first_norm.parts_mut());
            parts.extend(unit.second.parts_mut());
            parts.extend(unit.second_norm.parts_mut());
            parts.extend(unit.shortcut.iter_mut().flat_map(Parts::parts_mut));
        }
        parts.extend(self.hidden.parts_mut());
        parts.extend(self.out.parts_mut());
        parts
    }
}

/// Numbers of the landscape, arXiv:1902.09914.
pub const PUBLISHED: Published = Published {
    auc: Some(0.980),
    accuracy: Some(0.930),
    rejection_single: Some(PublishedValue::with_spread(732.0, 24.0)),
    rejection_mean: Some(PublishedValue::with_spread(845.0, 13.0)),
    rejection_median: Some(PublishedValue::with_spread(834.0, 14.0)),
    parameters: Some(348_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for PcnnConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "constituents"
    }

    fn view_key(&self) -> String {
        format!("kinematic features of {}", self.length)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Jagged(particlenet_view(jets, self.length)?))
    }

    /// Batch 1024, Adam at 1e-3, times 0.1 after epochs 10 and 20, 30 epochs, the one of best validation accuracy.
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
        PUBLISHED
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let length = self.length;
        check_number(NAME, "length", length, (1..=100_000).contains(&length), "1 to 100000")?;
        check_widths(NAME, "stem", 3 * KINEMATIC_FEATURES.len(), &[self.stem], 1)?;
        check_widths(NAME, "stages", 3 * self.stem, &self.stages, 0)?;
        check_widths(NAME, "hidden", self.last(), &[self.hidden], 1)?;
        let good = (0.0..1.0).contains(&self.dropout);
        check_number(NAME, "dropout", self.dropout, good, "in [0, 1)")
    }

    fn multiply_adds(&self, constituents: f64) -> f64 {
        // Of a sequence the share that is not padding, and what the layers widen it by.
        let share = |rows: f64, length: usize| rows.min(length as f64) / (length as f64);
        let mut rows = constituents + (1 + 2 * UNITS) as f64;
        let stem = convolution(self.length, KINEMATIC_FEATURES.len(), self.stem, 3, 1);
        let mut sum = share(rows, self.length) * stem.multiply_adds() as f64;
        for unit in self.units() {
            if unit.first.window.stride[1] > 1 {
                rows = rows / 2.0 + (2 * UNITS - 1) as f64;
            }
            let shortcut = unit.shortcut.map_or(0, |s| s.multiply_adds());
            let all = unit.first.multiply_adds() + unit.second.multiply_adds() + shortcut;
            sum += share(rows, unit.second.window.input[1]) * all as f64;
        }
        sum + (self.last() * self.hidden + 2 * self.hidden) as f64
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}
