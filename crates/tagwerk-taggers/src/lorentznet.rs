//! LorentzNet: messages on the complete graph of the constituents, made of Lorentz invariants.
//!
//! Gong et al., "An Efficient Lorentz Equivariant Graph Neural Network for Jet Tagging", arXiv:2201.08187. Nodes are
//! the constituents and two beam particles; an edge sees both nodes, `|x_i - x_j|^2` and `x_i . x_j` of their
//! four-vectors; a block sums messages into a node and moves its four-vector along differences to others. A score is a
//! function of Minkowski products alone, with one exception: a component of a move is cut at 100 GeV.
//!
//! The public code normalizes nodes over padding too, and divides the mean over nodes by the length of the longest jet
//! of the batch, so that a jet's score depends on its neighbors. Here both see real nodes only, beams included.

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;
use tagwerk_nn::layers::{
    BatchNorm, DenseChain, DenseChainConfig, Dropout, Init, LorentzEdge, LorentzEdgeConfig, Part, PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{Activation, LorentzEdgeSpec, Reduction, activate, segment_reduce};
use tagwerk_nn::{Device, Segments, Tensor, TensorData};
use tagwerk_physics::{FourVector, View, four_vectors_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{CosineRestarts, Learner, Metric, OptimizerConfig, OptimizerKind, Schedule, TrainingConfig};

const NAME: &str = "lorentznet";

/// Largest component of what one edge adds to a move, GeV.
const LIMIT: f32 = 100.0;

/// The beam particles: along z, of mass 1.
const BEAMS: [[f32; 4]; 2] = [
    [std::f32::consts::SQRT_2, 0.0, 0.0, 1.0],
    [std::f32::consts::SQRT_2, 0.0, 0.0, -1.0],
];

/// What makes a LorentzNet. The defaults are the published tagger (224,072 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LorentzNetConfig {
    /// Leading constituents kept. Default: 200, all that the reference data have.
    pub max_constituents: usize,
    /// Channels of nodes and messages. Default: 72.
    pub channels: usize,
    /// Blocks; the last does not move the four-vectors. Default: 6.
    pub blocks: usize,
    /// Length of a move. Default: 0.005.
    pub step: f64,
    /// Dropout before the last layer. Default: 0.2.
    pub dropout: f64,
}

impl Default for LorentzNetConfig {
    fn default() -> Self {
        Self {
            max_constituents: 200,
            channels: 72,
            blocks: 6,
            step: 5e-3,
            dropout: 0.2,
        }
    }
}

impl LorentzNetConfig {
    fn edge(&self, block: usize) -> LorentzEdgeSpec {
        LorentzEdgeSpec {
            input: self.channels,
            hidden: self.channels,
            moves: block + 1 < self.blocks,
            step: self.step as f32,
            limit: LIMIT,
        }
    }

    /// Draws the parameters: weights uniform in ±1 / sqrt(fan_in), as PyTorch does; biases of nodes start at zero.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<LorentzNet, TaggerError> {
        self.check()?;
        let c = self.channels;
        let dense = |name: String, c_in: usize, c_out: usize, activate_last| {
            let init = Init::Uniform(1.0 / (c_in as f32).sqrt());
            let widths = vec![c_in, c_out];
            DenseChainConfig {
                name,
                widths,
                activate_last,
                init,
            }
            .init(seed, device)
        };
        let blocks = (0..self.blocks).map(|i| {
            let edge = LorentzEdgeConfig {
                name: format!("block{i}.edge"),
                spec: self.edge(i),
                factor: Init::GlorotUniformGain(0.001),
            };
            Ok(LorentzBlock {
                edge: edge.init(seed, device)?,
                first: dense(format!("block{i}.first"), 2 * c + 2, c, false)?,
                norm: BatchNorm::new(&format!("block{i}.norm"), c, device),
                second: dense(format!("block{i}.second"), c, c, false)?,
            })
        });
        Ok(LorentzNet {
            beams: BEAMS,
            embed: dense("embed".into(), 2, c, false)?,
            blocks: blocks.collect::<Result<_, TaggerError>>()?,
            hidden: dense("hidden".into(), c, c, true)?,
            dropout: Dropout::new("hidden", self.dropout)?,
            out: dense("out".into(), c, 2, false)?,
        })
    }
}

/// A Lorentz group equivariant block.
#[derive(Debug)]
struct LorentzBlock {
    edge: LorentzEdge,
    first: DenseChain,
    norm: BatchNorm,
    second: DenseChain,
}

impl LorentzBlock {
    /// # Shapes
    /// - `h`: `[N, C]`, `x`: `[N, 4]`, `masses`: `[N, 2]`; returns `h` and `x` of the next block
    fn forward(
        &mut self,
        h: Tensor<2>,
        x: Tensor<2>,
        masses: &Tensor<2>,
        nodes: &Segments,
        pass: &Pass,
    ) -> (Tensor<2>, Tensor<2>) {
        let (messages, x) = self.edge.forward(h.clone(), x, nodes, pass); // [N, C], [N, 4]
        let node = Tensor::cat(vec![h.clone(), messages, masses.clone()], 1); // [N, 2 C + 2]
        let node = activate(
            self.norm.forward(self.first.forward(node, pass), pass),
            Activation::Relu,
        );
        (h + self.second.forward(node, pass), x)
    }
}

/// The network.
#[derive(Debug)]
pub struct LorentzNet {
    beams: [[f32; 4]; 2],
    embed: DenseChain,
    blocks: Vec<LorentzBlock>,
    hidden: DenseChain,
    dropout: Dropout,
    out: DenseChain,
}

/// `sign(v) ln(1 + |v|)` of the mass, which is never below zero here.
fn compressed_mass(vector: &[f32]) -> f32 {
    let [e, px, py, pz] = [0, 1, 2, 3].map(|k| f64::from(vector[k]));
    FourVector { e, px, py, pz }.mass2().abs().sqrt().ln_1p() as f32
}

impl LorentzNet {
    /// Four-vectors `[N, 4]` of beams and constituents, and their compressed masses `[N, 2]`, a column a kind.
    fn nodes(&self, view: &View, device: &Device) -> Result<(Tensor<2>, Tensor<2>, Segments), TaggerError> {
        let view = match view {
            View::Jagged(view) if view.width == 4 => view,
            other => {
                return Err(TaggerError::View {
                    tagger: NAME,
                    expected: "four-vectors of constituents",
                    found: crate::network::describe(other),
                });
            }
        };
        let count = view.row_count() + 2 * view.len();
        let (mut x, mut masses) = (Vec::with_capacity(4 * count), Vec::with_capacity(2 * count));
        let mut offsets = vec![0];
        for b in 0..view.len() {
            for beam in &self.beams {
                x.extend_from_slice(beam);
                masses.extend([compressed_mass(beam), 0.0]);
            }
            x.extend_from_slice(view.jet(b));
            masses.extend(view.jet(b).chunks_exact(4).flat_map(|v| [0.0, compressed_mass(v)]));
            offsets.push(x.len() / 4);
        }
        let x = Tensor::from_data(TensorData::new(x, [count, 4]), device);
        let masses = Tensor::from_data(TensorData::new(masses, [count, 2]), device);
        Ok((x, masses, Segments::new(offsets)?))
    }
}

impl Network for LorentzNet {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (mut x, masses, nodes) = self.nodes(view, device)?; // [N, 4], [N, 2]
        let mut h = self.embed.forward(masses.clone(), pass); // [N, C]
        for block in &mut self.blocks {
            (h, x) = block.forward(h, x, &masses, &nodes, pass);
        }
        let mean = segment_reduce(h, &nodes, Reduction::Mean); // [B, C]
        let hidden = self.dropout.forward(self.hidden.forward(mean, pass), pass);
        Ok(self.out.forward(hidden, pass)) // [B, 2]
    }
}

impl Parts for LorentzNet {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.embed.parts();
        for block in &self.blocks {
            parts.extend(block.edge.parts());
            parts.extend(block.first.parts());
            parts.extend(block.norm.parts());
            parts.extend(block.second.parts());
        }
        parts.extend(self.hidden.parts());
        parts.extend(self.out.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = self.embed.parts_mut();
        for block in &mut self.blocks {
            parts.extend(block.edge.parts_mut());
            parts.extend(block.first.parts_mut());
            parts.extend(block.norm.parts_mut());
            parts.extend(block.second.parts_mut());
        }
        parts.extend(self.hidden.parts_mut());
        parts.extend(self.out.parts_mut());
        parts
    }
}

/// Numbers of arXiv:2201.08187.
pub const PUBLISHED: Published = Published {
    auc: Some(0.9868),
    accuracy: Some(0.942),
    rejection_single: Some(PublishedValue::with_spread(2195.0, 173.0)),
    rejection_50: Some(PublishedValue::with_spread(498.0, 18.0)),
    parameters: Some(224_000),
    source: std::borrow::Cow::Borrowed("arXiv:2201.08187"),
    ..Published::NONE
};

impl Tagger for LorentzNetConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "four-vectors"
    }

    fn view_key(&self) -> String {
        format!("four-vectors of {}", self.max_constituents)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Jagged(four_vectors_view(jets, self.max_constituents, 1.0)?))
    }

    /// Batch 128, 35 epochs, AdamW at 1e-3 with weight decay 0.01, warmed up over five epochs, then cosine waves with
    /// restarts and a tail; the epoch of best validation accuracy.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 128,
            epochs: 35,
            best: Metric::ValAccuracy,
            optimizer: OptimizerConfig {
                kind: OptimizerKind::AdamW,
                weight_decay: 0.01,
                ..OptimizerConfig::default()
            },
            schedule: Schedule::CosineRestarts(CosineRestarts::default()),
            // A jet's edges are many; this many jets are scored at once.
            score_batch_size: 256,
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
        let (most, c, blocks) = (self.max_constituents, self.channels, self.blocks);
        check_number(NAME, "max_constituents", most, most > 0, "at least 1")?;
        check_widths(NAME, "channels", c.saturating_mul(2).saturating_add(2), &[c], 1)?;
        check_number(NAME, "blocks", blocks, (1..=1000).contains(&blocks), "1 to 1000")?;
        let good = self.step.is_finite() && self.step > 0.0 && self.step <= 1.0;
        check_number(NAME, "step", self.step, good, "above 0, at most 1")?;
        let good = (0.0..1.0).contains(&self.dropout);
        check_number(NAME, "dropout", self.dropout, good, "in [0, 1)")
    }

    fn multiply_adds(&self, constituents: f64) -> f64 {
        let n = constituents.min(self.max_constituents as f64) + 2.0;
        let c = self.channels as f64;
        let of = |i| {
            let edge = self.edge(i);
            n * edge.multiply_adds(1, 0) as f64 + n * (n - 1.0) * edge.multiply_adds(0, 1) as f64
        };
        let nodes = n * (2.0 * c + self.blocks as f64 * (3.0 * c + 2.0) * c);
        (0..self.blocks).map(of).sum::<f64>() + nodes + c * (c + 2.0)
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_physics::JaggedView;

    /// Jets of massive constituents around (5, 0, 0, 3) GeV.
    fn vectors() -> Vec<Vec<FourVector>> {
        let draw = |i: usize, k: usize| ((i * 7919 + k * 104_729) % 1009) as f64 / 504.5 - 1.0;
        let one = |i: usize| {
            let [px, py, pz] = [4.0 * draw(i, 1), 4.0 * draw(i, 2), 3.0 + 4.0 * draw(i, 3)];
            let mass = 2.0 + draw(i, 4);
            FourVector::new((px * px + py * py + pz * pz + mass * mass).sqrt(), px, py, pz)
        };
        [0..7, 7..8, 8..8, 8..20].map(|jet| jet.map(one).collect()).to_vec()
    }

    fn floats(v: &FourVector) -> [f32; 4] {
        [v.e, v.px, v.py, v.pz].map(|c| c as f32)
    }

    /// Log-odds of jets and beams after a transformation of all vectors, or of the constituents alone.
    fn scores(transform: impl Fn(&FourVector) -> FourVector, beams_too: bool) -> Vec<f32> {
        let config = LorentzNetConfig {
            channels: 12,
            blocks: 3,
            // Long moves, so that equivariance is at stake, not just the invariance of what is given.
            step: 0.5,
            ..LorentzNetConfig::default()
        };
        let device = Device::flex();
        let mut network = config.init(3, &device).unwrap();
        // The factor of a move starts a thousand times smaller than other weights.
        for part in network.parts_mut() {
            if let PartMut::Block(block) = part {
                let mut values = block.to_vec();
                for entry in block.entries().iter().filter(|e| e.name == "move.1.weight") {
                    values[entry.range.clone()].iter_mut().for_each(|v| *v *= 300.0);
                }
                block.set(values);
            }
        }
        if beams_too {
            network.beams = network.beams.map(|b| {
                let [e, px, py, pz] = b.map(f64::from);
                floats(&transform(&FourVector { e, px, py, pz }))
            });
        }
        let (mut rows, mut offsets) = (Vec::new(), vec![0]);
        for jet in vectors() {
            rows.extend(jet.iter().flat_map(|v| floats(&transform(v))));
            offsets.push(rows.len() / 4);
        }
        let view = View::Jagged(JaggedView::new(4, rows, offsets).unwrap());
        let logits = network.forward(&view, &Pass::Scoring, &device).unwrap();
        let values: Vec<f32> = logits.into_data().try_into_vec().unwrap();
        values.chunks_exact(2).map(|l| l[1] - l[0]).collect()
    }

    fn largest_change(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).fold(0.0, |m, (a, b)| m.max((a - b).abs()))
    }

    fn turned(v: &FourVector, angle: f64) -> FourVector {
        let (sin, cos) = angle.sin_cos();
        FourVector::new(v.e, cos * v.px - sin * v.py, sin * v.px + cos * v.py, v.pz)
    }

    /// Boosts and rotations of constituents and beams together change a score by rounding: four-vectors are rounded to
    /// f32 after a transformation, energies of 10 GeV by 1e-6.
    #[test]
    fn scores_are_lorentz_invariant_if_the_beams_are_transformed_too() {
        let before = scores(|v| *v, true);
        for beta in [[0.0, 0.0, 0.5], [0.3, -0.4, 0.2], [-0.6, 0.1, -0.3]] {
            let after = scores(|v| turned(&v.boosted(beta).unwrap(), 1.1), true);
            let change = largest_change(&before, &after);
            assert!(change < 2e-4, "{beta:?}: {change}");
        }
        let spread = before.iter().fold(0.0f32, |m, s| m.max((s - before[0]).abs()));
        assert!(spread > 1e-2, "the scores hardly differ: {before:?}");
    }

    /// With beams that stay, what is left is the symmetry of the beams: rotations about their axis, and its reversal.
    #[test]
    fn scores_with_fixed_beams_are_invariant_about_the_beam_axis_only() {
        let before = scores(|v| *v, false);
        let about = scores(|v| turned(v, 2.0), false);
        let reversed = scores(|v| FourVector::new(v.e, v.px, v.py, -v.pz), false);
        for after in [about, reversed] {
            assert!(largest_change(&before, &after) < 2e-4, "{before:?} {after:?}");
        }
        for beta in [[0.0, 0.0, 0.5], [0.5, 0.0, 0.0]] {
            let after = scores(|v| v.boosted(beta).unwrap(), false);
            assert!(
                largest_change(&before, &after) > 1e-3,
                "{beta:?}: the beams are not seen"
            );
        }
    }
}
