//! ResNeXt-50: a residual network of grouped convolutions on an image of the jet.
//!
//! Xie, Girshick, Dollár, Tu, He, "Aggregated Residual Transformations for Deep Neural Networks", arXiv:1611.05431, in
//! the 32 x 4d form, with a quarter of its channels behind the first convolution, as it stands beside ParticleNet in
//! Qu, Gouskos, arXiv:1902.08570, and in the landscape: 64 x 64 pixels of 0.025 about the jet axis. Most pixels are
//! empty, and what follows from that is computed once for the whole batch: see [`tagwerk_nn::kernels::sites`].

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, computed, pictures};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::layers::{
    BatchNorm, Convolution, ConvolutionConfig, DenseChain, DenseChainConfig, Dropout, Init, Part, PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{Activation, ConvSpec, Sites, Window, activate, max_pool, sparse_product};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{ImageConfig, View, image_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Learner, Metric, Schedule, StepDecay, TrainingConfig};

const NAME: &str = "resnext";

/// A block puts out so many times its width.
const EXPANSION: usize = 2;

/// What makes a ResNeXt. The defaults are the landscape's tagger (1,457,314 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResNextConfig {
    /// Pixels a side. Default: 64.
    pub pixels: usize,
    /// Channels of the first convolution. Default: 64.
    pub stem: usize,
    /// Width of the blocks of each stage; they put out twice as many channels. From the second on a stage halves the
    /// picture. Default: [32, 64, 128, 256].
    pub widths: Vec<usize>,
    /// Blocks of each stage. Default: [3, 4, 6, 3].
    pub blocks: Vec<usize>,
    /// Groups of the 3 x 3 convolutions. Default: 32.
    pub groups: usize,
    /// Dropout before the last layer. Default: 0.5.
    pub dropout: f64,
}

impl Default for ResNextConfig {
    fn default() -> Self {
        Self {
            pixels: 64,
            stem: 64,
            widths: vec![32, 64, 128, 256],
            blocks: vec![3, 4, 6, 3],
            groups: 32,
            dropout: 0.5,
        }
    }
}

/// A convolution of a square kernel; no bias, a normalization follows.
fn convolution(side: usize, [c_in, c_out]: [usize; 2], size: usize, stride: usize, groups: usize) -> ConvSpec {
    ConvSpec {
        window: Window {
            input: [side; 2],
            size: [size; 2],
            stride: [stride; 2],
            padding: [size / 2; 2],
        },
        c_in,
        c_out,
        groups,
        bias: false,
        relu: false,
    }
}

/// The convolutions of a block: 1 x 1, grouped 3 x 3, 1 x 1, and the way around them where sizes change.
#[derive(Debug, Clone)]
struct BlockSpec {
    reduce: ConvSpec,
    grouped: ConvSpec,
    expand: ConvSpec,
    shortcut: Option<ConvSpec>,
    /// 3 x 3 convolutions that follow before the picture is halved again.
    following: usize,
}

impl ResNextConfig {
    /// The first convolution and the pooling behind it.
    fn stem(&self) -> (ConvSpec, Window) {
        let stem = convolution(self.pixels, [1, self.stem], 7, 2, 1);
        let pool = Window {
            input: stem.output(),
            size: [3; 2],
            stride: [2; 2],
            padding: [1; 2],
        };
        (stem, pool)
    }

    fn blocks(&self) -> Vec<BlockSpec> {
        let (mut side, mut c_in) = (self.stem().1.output()[0], self.stem);
        let mut blocks = Vec::new();
        for (stage, (&width, &count)) in self.widths.iter().zip(&self.blocks).enumerate() {
            let c_out = EXPANSION.saturating_mul(width);
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let grouped = convolution(side, [width, width], 3, stride, self.groups);
                let after = grouped.output()[0];
                blocks.push(BlockSpec {
                    reduce: convolution(side, [c_in, width], 1, 1, 1),
                    grouped,
                    expand: convolution(after, [width, c_out], 1, 1, 1),
                    shortcut: (block == 0).then(|| convolution(side, [c_in, c_out], 1, stride, 1)),
                    following: count - 1 - block,
                });
                (side, c_in) = (after, c_out);
            }
        }
        blocks
    }

    fn last(&self) -> usize {
        self.widths.last().map_or(self.stem, |w| EXPANSION.saturating_mul(*w))
    }

    /// Draws the parameters: He uniform.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<ResNext, TaggerError> {
        self.check()?;
        let init = Init::HeUniform;
        let normalized = |name: String, spec: ConvSpec| -> Result<Normalized, TaggerError> {
            let norm = BatchNorm::new(&format!("{name}_norm"), spec.c_out, device);
            let layer = ConvolutionConfig { name, spec, init }.init(seed, device)?;
            Ok(Normalized { layer, norm })
        };
        let mut blocks = Vec::new();
        for (i, spec) in self.blocks().into_iter().enumerate() {
            let part = |part: &str, spec| normalized(format!("block{i}.{part}"), spec);
            blocks.push(Block {
                reduce: part("reduce", spec.reduce)?,
                grouped: part("grouped", spec.grouped)?,
                expand: part("expand", spec.expand)?,
                shortcut: spec.shortcut.map(|s| part("shortcut", s)).transpose()?,
                following: spec.following,
            });
        }
        let (stem, pool) = self.stem();
        let out = DenseChainConfig {
            name: "out".into(),
            widths: vec![self.last(), 2],
            activate_last: false,
            init,
        };
        Ok(ResNext {
            pixels: self.pixels,
            stem: normalized("stem".into(), stem)?,
            pool,
            blocks,
            dropout: Dropout::new("out", self.dropout)?,
            out: out.init(seed, device)?,
            workspace: Workspace::default(),
        })
    }
}

/// A convolution and its normalization.
#[derive(Debug)]
struct Normalized {
    layer: Convolution,
    norm: BatchNorm,
}

impl Normalized {
    fn forward(&mut self, x: Tensor<2>, from: &Arc<Sites>, to: &Arc<Sites>, relu: bool, pass: &Pass) -> Tensor<2> {
        let y = self.layer.forward(x, from, to, pass);
        self.norm.forward_sites(y, to, relu, pass)
    }
}

impl Parts for Normalized {
    fn parts(&self) -> Vec<Part<'_>> {
        self.layer.parts().into_iter().chain(self.norm.parts()).collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let layer = self.layer.parts_mut().into_iter();
        layer.chain(self.norm.parts_mut()).collect()
    }
}

/// A residual block.
#[derive(Debug)]
struct Block {
    reduce: Normalized,
    grouped: Normalized,
    expand: Normalized,
    shortcut: Option<Normalized>,
    following: usize,
}

impl Block {
    /// The pixels that this block computes: those that the last block of the same size reaches.
    fn reached(&self, from: &Arc<Sites>) -> Result<Arc<Sites>, TaggerError> {
        if self.shortcut.is_none() {
            return Ok(from.clone());
        }
        let reached = from.through(&self.grouped.layer.spec().window);
        computed(NAME, reached.and_then(|s| s.widened([self.following; 2])))
    }

    /// `[R + P, C]` to `[R' + P', C']`.
    fn forward(&mut self, x: Tensor<2>, from: &Arc<Sites>, to: &Arc<Sites>, pass: &Pass) -> Tensor<2> {
        let around = match &mut self.shortcut {
            Some(shortcut) => shortcut.forward(x.clone(), from, to, false, pass),
            None => x.clone(),
        };
        let y = self.reduce.forward(x, from, from, true, pass);
        let y = self.grouped.forward(y, from, to, true, pass);
        let y = self.expand.forward(y, to, to, false, pass);
        activate(around + y, Activation::Relu)
    }

    fn normalized(&self) -> impl Iterator<Item = &Normalized> {
        [&self.reduce, &self.grouped, &self.expand]
            .into_iter()
            .chain(&self.shortcut)
    }

    fn normalized_mut(&mut self) -> impl Iterator<Item = &mut Normalized> {
        let parts = [&mut self.reduce, &mut self.grouped, &mut self.expand];
        parts.into_iter().chain(&mut self.shortcut)
    }
}

/// The network.
#[derive(Debug)]
pub struct ResNext {
    pixels: usize,
    stem: Normalized,
    pool: Window,
    blocks: Vec<Block>,
    dropout: Dropout,
    out: DenseChain,
    workspace: Workspace,
}

impl Network for ResNext {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (x, pixels) = pictures(NAME, view, [self.pixels; 2], 1, device)?; // [R + P, 1]
        let reached = computed(NAME, pixels.through(&self.stem.layer.spec().window))?;
        let x = self.stem.forward(x, &pixels, &reached, true, pass); // [R + P, 64]
        let pooled = computed(NAME, reached.through(&self.pool))?;
        // The first block keeps the size: room for all that follow is made here.
        let mut sites = match self.blocks.first() {
            Some(block) => block.reached(&pooled)?,
            None => pooled,
        };
        let mut x = max_pool(x, self.pool, &reached, &sites, &self.workspace);
        for (i, block) in self.blocks.iter_mut().enumerate() {
            let to = if i == 0 { sites.clone() } else { block.reached(&sites)? };
            x = block.forward(x, &sites, &to, pass); // [R' + P', C]
            sites = to;
        }
        let per_jet = sparse_product(&Arc::new(sites.average()), x); // [B, 512]
        Ok(self.out.forward(self.dropout.forward(per_jet, pass), pass)) // [B, 2]
    }
}

impl Parts for ResNext {
    fn parts(&self) -> Vec<Part<'_>> {
        let blocks = self.blocks.iter().flat_map(Block::normalized);
        let normalized = std::iter::once(&self.stem).chain(blocks);
        normalized.flat_map(Parts::parts).chain(self.out.parts()).collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let blocks = self.blocks.iter_mut().flat_map(Block::normalized_mut);
        let normalized = std::iter::once(&mut self.stem).chain(blocks);
        normalized
            .flat_map(Parts::parts_mut)
            .chain(self.out.parts_mut())
            .collect()
    }
}

/// Numbers of the landscape, arXiv:1902.09914.
pub const PUBLISHED: Published = Published {
    auc: Some(0.984),
    accuracy: Some(0.936),
    rejection_single: Some(PublishedValue::with_spread(1122.0, 47.0)),
    rejection_mean: Some(PublishedValue::with_spread(1270.0, 28.0)),
    rejection_median: Some(PublishedValue::with_spread(1286.0, 31.0)),
    parameters: Some(1_460_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for ResNextConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "image"
    }

    fn view_key(&self) -> String {
        format!("image about the jet axis {}", self.pixels)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        let config = ImageConfig {
            pixels: self.pixels,
            ..ImageConfig::resnext()
        };
        Ok(View::Dense(image_view(jets, &config)?))
    }

    /// Batch 256, Adam at 0.01, times 0.1 after epochs 10 and 20, 30 epochs, the one of best validation accuracy.
    fn training(&self) -> TrainingConfig {
        let mut training = TrainingConfig {
            batch_size: 256,
            epochs: 30,
            best: Metric::ValAccuracy,
            schedule: Schedule::Step(StepDecay {
                after: vec![10, 20],
                factor: 0.1,
            }),
            ..TrainingConfig::default()
        };
        training.optimizer.learning_rate = 1e-2;
        training
    }

    fn published(&self) -> Published {
        PUBLISHED
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let (pixels, groups) = (self.pixels, self.groups);
        check_number(NAME, "pixels", pixels, (1..=1024).contains(&pixels), "1 to 1024")?;
        check_number(NAME, "groups", groups, groups > 0, "at least 1")?;
        check_widths(NAME, "stem", 49, &[self.stem], 1)?;
        check_widths(NAME, "widths", 9 * EXPANSION * self.stem, &self.widths, 0)?;
        for &width in &self.widths {
            let divides = width.is_multiple_of(groups);
            check_number(NAME, "widths", width, divides, "multiples of the number of groups")?;
        }
        let (stages, counts) = (self.widths.len(), self.blocks.len());
        let why = "a number of blocks for each width";
        check_number(NAME, "number of stages in blocks", counts, counts == stages, why)?;
        for &count in &self.blocks {
            check_number(NAME, "blocks", count, (1..=1000).contains(&count), "1 to 1000")?;
        }
        let good = (0.0..1.0).contains(&self.dropout);
        check_number(NAME, "dropout", self.dropout, good, "in [0, 1)")
    }

    /// As if no pixel were empty: how many are depends on more than the number of constituents.
    fn multiply_adds(&self, _constituents: f64) -> f64 {
        let blocks = self.blocks().into_iter().map(|b| {
            let shortcut = b.shortcut.map_or(0, |s| s.multiply_adds());
            b.reduce.multiply_adds() + b.grouped.multiply_adds() + b.expand.multiply_adds() + shortcut
        });
        (self.stem().0.multiply_adds() + blocks.sum::<usize>() + 2 * self.last()) as f64
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}
