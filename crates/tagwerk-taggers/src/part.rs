//! Particle Transformer: attention among the constituents, biased by what each pair of them is to each other.
//!
//! Qu, Li, Qian, "Particle Transformer for Jet Tagging", arXiv:2202.03772. Constituents are embedded; each block lets
//! each look at all others of its jet, `softmax(Q K^T / sqrt(d) + U) V`, with a bias U a pair and head made of ln kT,
//! ln z, ln dR and ln m^2; two more blocks let a class token look at the constituents. Blocks carry the scalings of
//! NormFormer, arXiv:2110.09456.
//!
//! Batch normalizations see real constituents and real pairs only; padded codes let padding into them. The public code
//! shuffles the channels of an attention's output between two linear maps; that renames channels and is left out.

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, rows};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::Jets;
use tagwerk_nn::layers::{
    Attention, BatchNorm, Block, DenseChain, DenseChainConfig, Entry, Init, PairEmbedding, PairEmbeddingConfig, Part,
    PartMut, Parts, Pass, RowChain, RowChainConfig,
};
use tagwerk_nn::ops::{Map, Residual, SparseMatrix, sparse_product};
use tagwerk_nn::{Device, Segments, Tensor};
use tagwerk_physics::{KINEMATIC_FEATURES, PAIR_FEATURES, PART_COLUMNS, View, part_view, unordered_pair_features};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Learner, Metric, OptimizerConfig, OptimizerKind, Schedule, StepDecay, TrainingConfig};

const NAME: &str = "part";

/// What makes a Particle Transformer. The defaults are the published top tagger (2,141,134 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartConfig {
    /// Leading constituents kept. Default: 128.
    pub max_constituents: usize,
    /// Widths of the embedding of a constituent; the last is that of all blocks. Default: [128, 512, 128].
    pub embed: Vec<usize>,
    /// Widths of the embedding of a pair, before the heads. Default: [64, 64, 64].
    pub pairs: Vec<usize>,
    /// Heads of each attention. Default: 8.
    pub heads: usize,
    /// Blocks of constituents. Default: 8.
    pub blocks: usize,
    /// Blocks of the class token. Default: 2.
    pub class_blocks: usize,
    /// Hidden width of a block's dense layers, in widths of the block. Default: 4.
    pub expansion: usize,
    /// Dropout in the blocks of constituents: of attention weights, of hidden layers, before each sum. Default: 0.1.
    pub dropout: f64,
}

impl Default for PartConfig {
    fn default() -> Self {
        Self {
            max_constituents: 128,
            embed: vec![128, 512, 128],
            pairs: vec![64, 64, 64],
            heads: 8,
            blocks: 8,
            class_blocks: 2,
            expansion: 4,
            dropout: 0.1,
        }
    }
}

/// Uniform in ±1 / sqrt(fan_in), the default of PyTorch and so of the authors.
fn by_fan_in(fan_in: usize) -> Init {
    Init::Uniform(1.0 / (fan_in as f32).sqrt())
}

impl PartConfig {
    fn channels(&self) -> usize {
        self.embed.last().copied().unwrap_or(0)
    }

    /// A chain of dense layers whose weights and biases start by their fan-in.
    fn chain(&self, name: String, widths: Vec<usize>, maps: Vec<Vec<Map>>, residual: Residual) -> RowChainConfig {
        let inits: Vec<Init> = widths[..widths.len() - 1].iter().map(|&c| by_fan_in(c)).collect();
        RowChainConfig {
            name,
            widths,
            maps,
            residual,
            weights: inits.clone(),
            biases: inits,
        }
    }

    /// The projection before an attention, `parts` times the width of a block: Glorot uniform, biases zero.
    fn projection(&self, name: String, parts: usize) -> RowChainConfig {
        let c = self.channels();
        let maps = vec![vec![Map::Norm], vec![]];
        RowChainConfig {
            weights: vec![Init::GlorotUniform],
            biases: vec![Init::Constant(0.0)],
            ..self.chain(name, vec![c, parts * c], maps, Residual::None)
        }
    }

    /// What follows an attention, and the dense layers of a block.
    fn feed(&self, name: &str, dropout: f64, seed: u64, device: &Device) -> Result<Feed, TaggerError> {
        let (c, drop) = (self.channels(), Map::Dropout(dropout));
        let out = RowChainConfig {
            biases: vec![Init::Constant(0.0)],
            ..self.chain(
                format!("{name}.out"),
                vec![c, c],
                vec![vec![], vec![Map::Scale(self.heads), Map::Norm, drop]],
                Residual::Other,
            )
        };
        let dense = self.chain(
            format!("{name}.feed"),
            vec![c, self.expansion * c, c],
            vec![vec![Map::Norm], vec![Map::Gelu, drop, Map::Norm], vec![drop]],
            Residual::WeightedInput,
        );
        Ok(Feed {
            out: out.init(seed, device)?,
            dense: dense.init(seed, device)?,
        })
    }

    /// Draws the parameters as the authors do.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<ParticleTransformer, TaggerError> {
        self.check()?;
        let (c, heads, features) = (self.channels(), self.heads, KINEMATIC_FEATURES.len());
        let blocks = (0..self.blocks).map(|i| {
            let name = format!("block{i}");
            Ok(ParticleBlock {
                qkv: self.projection(format!("{name}.qkv"), 3).init(seed, device)?,
                attention: Attention::new(&format!("{name}.attention"), c, heads, self.dropout)?,
                feed: self.feed(&name, self.dropout, seed, device)?,
            })
        });
        let class_blocks = (0..self.class_blocks).map(|i| {
            let name = format!("class{i}");
            let q = DenseChainConfig {
                name: format!("{name}.q"),
                widths: vec![c, c],
                activate_last: false,
                init: Init::GlorotUniform,
            };
            Ok(ClassBlock {
                q: q.init(seed, device)?,
                kv: self.projection(format!("{name}.kv"), 2).init(seed, device)?,
                attention: Attention::new(&format!("{name}.attention"), c, heads, 0.0)?,
                feed: self.feed(&name, 0.0, seed, device)?,
            })
        });
        let token = Entry {
            name: "value".into(),
            range: 0..c,
            shape: vec![c],
            init: Init::TruncatedNormal(0.02),
        };
        let mut maps = vec![vec![Map::Norm]];
        maps.extend(vec![vec![Map::Gelu, Map::Norm]; self.embed.len() - 1]);
        maps.push(vec![Map::Gelu]);
        let embed = self.chain(
            "embed".into(),
            [&[features], &self.embed[..]].concat(),
            maps,
            Residual::None,
        );
        let head = self.chain("head".into(), vec![c, 2], vec![vec![Map::Norm], vec![]], Residual::None);
        let pairs = PairEmbeddingConfig {
            name: "pairs".into(),
            widths: self.pair_widths(),
        };
        Ok(ParticleTransformer {
            norm: BatchNorm::new("norm", features, device),
            embed: embed.init(seed, device)?,
            pairs: pairs.init(seed, device)?,
            blocks: blocks.collect::<Result<_, TaggerError>>()?,
            token: Block::new("token", vec![token], seed, device),
            class_blocks: class_blocks.collect::<Result<_, TaggerError>>()?,
            head: head.init(seed, device)?,
        })
    }

    fn pair_widths(&self) -> Vec<usize> {
        [&[PAIR_FEATURES.len()], &self.pairs[..], &[self.heads]].concat()
    }
}

/// The half of a block after its attention.
#[derive(Debug)]
struct Feed {
    out: RowChain,
    dense: RowChain,
}

impl Feed {
    /// # Shapes
    /// - `attended`, `x`: `[R, C]`; returns `[R, C]`
    fn forward(&self, attended: Tensor<2>, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        self.dense.forward(self.out.forward_onto(attended, x, pass), pass)
    }
}

/// A block in which constituents look at each other.
#[derive(Debug)]
struct ParticleBlock {
    qkv: RowChain,
    attention: Attention,
    feed: Feed,
}

/// A block in which the class token looks at itself and the constituents.
#[derive(Debug)]
struct ClassBlock {
    q: DenseChain,
    kv: RowChain,
    attention: Attention,
    feed: Feed,
}

/// Rows of the class token in front of each jet's constituents.
struct Joined {
    /// Takes rows out of tokens `[B, C]` and constituents `[R, C]` stacked.
    order: Arc<SparseMatrix>,
    rows: Segments,
    tokens: Segments,
}

impl Joined {
    fn new(jets: &Segments) -> Result<Self, TaggerError> {
        let (count, total) = (jets.len(), jets.len() + jets.rows());
        let (mut index, mut offsets) = (Vec::with_capacity(total), vec![0]);
        for b in 0..count {
            index.push(b as u32);
            index.extend((jets.offsets()[b]..jets.offsets()[b + 1]).map(|r| (count + r) as u32));
            offsets.push(index.len());
        }
        let order = SparseMatrix::selection(index, total).ok_or_else(|| TaggerError::View {
            tagger: NAME,
            expected: "less than 2^32 rows",
            found: total.to_string(),
        })?;
        Ok(Self {
            order: Arc::new(order),
            rows: Segments::new(offsets)?,
            tokens: Segments::new((0..=count).collect())?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct ParticleTransformer {
    norm: BatchNorm,
    embed: RowChain,
    pairs: PairEmbedding,
    blocks: Vec<ParticleBlock>,
    token: Block,
    class_blocks: Vec<ClassBlock>,
    head: RowChain,
}

impl Network for ParticleTransformer {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (x, jets) = rows(NAME, view, PART_COLUMNS, device)?; // [R, 11]
        let pairs = match view {
            View::Jagged(view) => unordered_pair_features(view, KINEMATIC_FEATURES.len()), // [P, 4]
            // `rows` has refused it.
            View::Dense(_) | View::Tree(_) => Vec::new(),
        };
        let bias = self.pairs.forward(pairs, &jets, pass)?; // [1, sum H n^2]
        let features = x.slice([0..jets.rows(), 0..KINEMATIC_FEATURES.len()]); // [R, 7]
        let mut x = self.embed.forward(self.norm.forward(features, pass), pass); // [R, C]
        for block in &self.blocks {
            let qkv = block.qkv.forward(x.clone(), pass); // [R, 3 C]
            let attended = block.attention.forward(qkv, Some(bias.clone()), &jets, pass);
            x = block.feed.forward(attended, x, pass); // [R, C]
        }
        let joined = Joined::new(&jets)?;
        let token = self.token.tensor(pass);
        let [c] = token.dims();
        let mut token = token.reshape([1, c]).repeat_dim(0, jets.len()); // [B, C]
        for block in &self.class_blocks {
            let stacked = Tensor::cat(vec![token.clone(), x.clone()], 0);
            let kv = block.kv.forward(sparse_product(&joined.order, stacked), pass); // [B + R, 2 C]
            let q = block.q.forward(token.clone(), pass);
            let attended = block.attention.forward_across(q, kv, &joined.tokens, &joined.rows);
            token = block.feed.forward(attended, token, pass); // [B, C]
        }
        Ok(self.head.forward(token, pass)) // [B, 2]
    }
}

impl Parts for ParticleTransformer {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.norm.parts();
        parts.extend(self.embed.parts());
        parts.extend(self.pairs.parts());
        for block in &self.blocks {
            parts.extend(block.qkv.parts());
            parts.extend(block.feed.out.parts());
            parts.extend(block.feed.dense.parts());
        }
        parts.push(Part::Block(&self.token));
        for block in &self.class_blocks {
            parts.extend(block.q.parts());
            parts.extend(block.kv.parts());
            parts.extend(block.feed.out.parts());
            parts.extend(block.feed.dense.parts());
        }
        parts.extend(self.head.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = self.norm.parts_mut();
        parts.extend(self.embed.parts_mut());
        parts.extend(self.pairs.parts_mut());
        for block in &mut self.blocks {
            parts.extend(block.qkv.parts_mut());
            parts.extend(block.feed.out.parts_mut());
            parts.extend(block.feed.dense.parts_mut());
        }
        parts.push(PartMut::Block(&mut self.token));
        for block in &mut self.class_blocks {
            parts.extend(block.q.parts_mut());
            parts.extend(block.kv.parts_mut());
            parts.extend(block.feed.out.parts_mut());
            parts.extend(block.feed.dense.parts_mut());
        }
        parts.extend(self.head.parts_mut());
        parts
    }
}

/// Numbers of arXiv:2202.03772, trained from scratch; its 2.14 million parameters are those of another data set with a
/// few more inputs and classes.
pub const PUBLISHED: Published = Published {
    auc: Some(0.9858),
    accuracy: Some(0.940),
    rejection_single: Some(PublishedValue::with_spread(1602.0, 81.0)),
    rejection_50: Some(PublishedValue::with_spread(413.0, 16.0)),
    parameters: Some(2_140_000),
    source: std::borrow::Cow::Borrowed("arXiv:2202.03772"),
    ..Published::NONE
};

impl Tagger for PartConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "constituents"
    }

    fn view_key(&self) -> String {
        format!("standardized features and four-vectors of {}", self.max_constituents)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Jagged(part_view(jets, self.max_constituents)?))
    }

    /// Batch 512, 20 epochs, Ranger at 1e-3 with a weight decay of 0.01 on matrices, constant for 14 epochs, then
    /// falling each epoch to a hundredth; the epoch of best validation accuracy. The authors train in mixed precision,
    /// here all is f32.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 512,
            epochs: 20,
            best: Metric::ValAccuracy,
            optimizer: OptimizerConfig {
                kind: OptimizerKind::Ranger,
                learning_rate: 1e-3,
                betas: [0.95, 0.999],
                eps: 1e-5,
                weight_decay: 0.01,
                decay_biases: false,
            },
            schedule: Schedule::Step(StepDecay {
                after: (14..20).collect(),
                factor: 0.01f64.powf(1.0 / 6.0),
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
        let most = self.max_constituents;
        check_number(NAME, "max_constituents", most, most > 0, "at least 1")?;
        check_widths(NAME, "embed", KINEMATIC_FEATURES.len(), &self.embed, 1)?;
        check_widths(NAME, "pairs", PAIR_FEATURES.len(), &self.pairs, 1)?;
        let (c, heads) = (self.channels(), self.heads);
        let good = heads > 0 && c.is_multiple_of(heads);
        check_number(NAME, "heads", heads, good, "a divisor of the last width of embed")?;
        for (key, number, least) in [("blocks", self.blocks, 0), ("class_blocks", self.class_blocks, 1)] {
            let good = (least..=1000).contains(&number);
            check_number(NAME, key, number, good, "at most 1000, and at least 1 class block")?;
        }
        let expansion = self.expansion;
        let good = (1..=1024).contains(&expansion);
        check_number(NAME, "expansion", expansion, good, "1 to 1024")?;
        check_widths(NAME, "embed times expansion", c, &[expansion.saturating_mul(c)], 1)?;
        let rate = self.dropout;
        check_number(NAME, "dropout", rate, (0.0..1.0).contains(&rate), "in [0, 1)")
    }

    fn multiply_adds(&self, constituents: f64) -> f64 {
        let n = constituents.min(self.max_constituents as f64);
        let sum = |widths: &[usize]| widths.windows(2).map(|w| (w[0] * w[1]) as f64).sum::<f64>();
        let c = self.channels() as f64;
        let dense = 2.0 * self.expansion as f64 * c * c;
        let embed = n * sum(&[&[KINEMATIC_FEATURES.len()], &self.embed[..]].concat());
        let pairs = 0.5 * n * (n + 1.0) * sum(&self.pair_widths());
        let block = n * (4.0 * c * c + dense) + 2.0 * n * n * c;
        let class_block = 2.0 * (n + 1.0) * (c * c + c) + 2.0 * c * c + dense;
        embed + pairs + self.blocks as f64 * block + self.class_blocks as f64 * class_block + 2.0 * c
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}
