//! ParticleNet as weaver-core builds it, and its weights in Tagwerk's names and shapes.
//!
//! weaver-core (`weaver/nn/model/ParticleNet.py`) is the framework of the authors of ParticleNet (arXiv:1902.08570) and
//! of the Particle Transformer (arXiv:2202.03772), who publish weights for three sets of features: `kin` (7 kinematic
//! ones), `kinpid` (13, with charge and particle identities), `full` (17, with impact parameters).
//!
//! The names of a state dict tell the sizes: `edge_convs.I.convs.L.weight [C', C, 1, 1]` with `bns.L` behind it, `sc`
//! and `sc_bn` where a block changes the number of channels, `bn_fts` of the features, `fusion_block.0` and `.1`,
//! `fc.0.0` and `fc.1` (`fc_out` after a fine-tuning). They stand alone or under `mod.`, as the wrapper of the examples
//! has it.

mod features;
mod shelf;

pub(crate) use features::Preprocess;

use crate::torch::StateDict;
use serde::Serialize;
use shelf::Shelf;
use tagwerk_physics::KINEMATIC_FEATURES;
use tagwerk_taggers::{BlockConfig, ParticleNetConfig};

/// Features of the kinematic variant.
pub(crate) const FEATURES: usize = KINEMATIC_FEATURES.len();

/// What a state dict says of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeaverParticleNet {
    /// `kin`, `kinpid` or `full`, by the number of features; absent for another number.
    pub variant: Option<&'static str>,
    /// Features of a constituent.
    pub features: usize,
    /// Whether the features are normalized first.
    pub feature_norm: bool,
    /// Channels of the layers of each EdgeConv block.
    pub blocks: Vec<Vec<usize>>,
    /// Channels of the fusion layer, if there is one.
    pub fusion: Option<usize>,
    /// Width of the dense layer.
    pub hidden: usize,
    /// Classes.
    pub classes: usize,
    /// Trained parameters in the file.
    pub parameters: usize,
}

/// A tensor in Tagwerk's name and shape.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// What is not in a state dict but decides the network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choices<'a> {
    pub(crate) preprocess: &'a Preprocess,
    /// Place of each of Tagwerk's columns among the features of the file.
    pub(crate) order: [usize; FEATURES],
    pub(crate) neighbors: usize,
    /// Output of the signal.
    pub(crate) signal: usize,
    /// Output of the background.
    pub(crate) background: usize,
}

/// The weights, in the order of use.
#[derive(Debug)]
pub(crate) struct Weights {
    pub(crate) network: WeaverParticleNet,
    norm: Option<Norm>,
    blocks: Vec<EdgeConv>,
    fusion: Option<(Matrix, Norm)>,
    hidden: (Matrix, Vec<f32>),
    out: (Matrix, Vec<f32>),
}

#[derive(Debug)]
struct EdgeConv {
    layers: Vec<(Matrix, Norm)>,
    shortcut: Option<(Matrix, Norm)>,
}

/// A layer's weight as PyTorch has it, `[C', C]`.
#[derive(Debug, Clone)]
struct Matrix {
    output: usize,
    input: usize,
    values: Vec<f32>,
}

/// A batch normalization.
#[derive(Debug, Clone)]
struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Matrix {
    fn identity(c: usize) -> Self {
        let values = (0..c * c).map(|i| if i / c == i % c { 1.0 } else { 0.0 }).collect();
        Self {
            output: c,
            input: c,
            values,
        }
    }

    /// As `[C, C']`, with the inputs in another order: input `i` is the old `order(i)`.
    fn transposed(&self, order: impl Fn(usize) -> usize) -> (Vec<usize>, Vec<f32>) {
        let values = (0..self.input)
            .map(order)
            .flat_map(|i| (0..self.output).map(move |o| self.values[o * self.input + i]))
            .collect();
        (vec![self.input, self.output], values)
    }
}

impl Norm {
    /// Changes nothing: the epsilon that scoring adds to the variance is taken off it.
    fn identity(c: usize) -> Self {
        const EPSILON: f32 = 1e-5;
        Self {
            gamma: vec![1.0; c],
            beta: vec![0.0; c],
            mean: vec![0.0; c],
            variance: vec![1.0 - EPSILON; c],
        }
    }
}

impl Weights {
    /// Finds the network in a state dict.
    ///
    /// # Errors
    /// In words: what is missing, surplus or of another shape.
    pub(crate) fn find(state: &StateDict) -> Result<Self, String> {
        let mut shelf = Shelf::new(state)?;
        if shelf.names().any(|name| name.starts_with("pf_conv.")) {
            return Err("it has pf_conv, so it is a tagger of particles and secondary vertices together".to_owned());
        }
        let mut blocks = Vec::new();
        while shelf.has(&format!("edge_convs.{}.convs.0.weight", blocks.len())) {
            let input = blocks.last().map(EdgeConv::output);
            blocks.push(EdgeConv::find(&mut shelf, blocks.len(), input)?);
        }
        let (Some(features), Some(last)) = (blocks.first().map(EdgeConv::input), blocks.last().map(EdgeConv::output))
        else {
            return Err("there is no edge_convs.0.convs.0.weight".to_owned());
        };
        let feature_norm = shelf.has("bn_fts.weight");
        let norm = feature_norm.then(|| shelf.norm("bn_fts", features)).transpose()?;
        let outputs = blocks.iter().map(EdgeConv::output).sum();
        let fusion = match shelf.has("fusion_block.0.weight") {
            true => {
                let matrix = shelf.layer("fusion_block.0", outputs)?;
                let norm = shelf.norm("fusion_block.1", matrix.output)?;
                Some((matrix, norm))
            }
            false => None,
        };
        let pooled = fusion.as_ref().map_or(last, |(matrix, _)| matrix.output);
        let hidden = shelf.dense("fc.0.0", pooled)?;
        if shelf.has("fc.1.0.weight") {
            return Err("it has several dense layers before the last; ParticleNet has one here".to_owned());
        }
        let name = if shelf.has("fc_out.weight") { "fc_out" } else { "fc.1" };
        let out = shelf.dense(name, hidden.0.output)?;
        if let Some(name) = shelf.names().next() {
            return Err(format!("{name} is no part of it"));
        }
        let counted = |name: &str| !name.contains("running_") && !name.ends_with("num_batches_tracked");
        let network = WeaverParticleNet {
            variant: match features {
                7 => Some("kin"),
                13 => Some("kinpid"),
                17 => Some("full"),
                _ => None,
            },
            features,
            feature_norm,
            blocks: blocks.iter().map(EdgeConv::widths).collect(),
            fusion: fusion.as_ref().map(|(matrix, _)| matrix.output),
            hidden: hidden.0.output,
            classes: out.0.output,
            parameters: state
                .tensors
                .iter()
                .filter(|(name, _)| counted(name))
                .map(|(_, tensor)| tensor.len())
                .sum(),
        };
        Ok(Self {
            network,
            norm,
            blocks,
            fusion,
            hidden,
            out,
        })
    }

    /// The tagger's configuration with these choices.
    pub(crate) fn config(&self, choices: &Choices) -> ParticleNetConfig {
        let block = |widths: &Vec<usize>| BlockConfig {
            k: choices.neighbors,
            widths: widths.clone(),
        };
        let mut config = ParticleNetConfig::default();
        config.blocks = self.network.blocks.iter().map(block).collect();
        config.hidden = self.network.hidden;
        config.max_constituents = choices.preprocess.max_constituents;
        config.standardization = choices.preprocess.standardization();
        config.zero_neighbors = true;
        config.fusion = self.network.fusion.unwrap_or(0);
        config
    }

    /// The weights under Tagwerk's names: layers `[C, C']`, features in the order of the columns, two outputs
    /// (background, signal).
    pub(crate) fn named(&self, choices: &Choices) -> Vec<Named> {
        let mut tensors = Vec::new();
        let same = |i: usize| i;
        let column = |i: usize| choices.order[i];
        // An edge reads the features of both of its ends.
        let columns = |i: usize| choices.order[i % FEATURES] + i / FEATURES * FEATURES;
        let norm = self.norm.clone().unwrap_or_else(|| Norm::identity(FEATURES));
        put_norm(&mut tensors, "norm", &norm, column);
        put_statistics(&mut tensors, "norm", 0, &norm, column);
        for (b, block) in self.blocks.iter().enumerate() {
            let name = format!("block{b}");
            for (l, (matrix, norm)) in block.layers.iter().enumerate() {
                let layer = format!("{name}.{l}");
                match (b, l) {
                    (0, 0) => put_weight(&mut tensors, &layer, matrix, columns),
                    _ => put_weight(&mut tensors, &layer, matrix, same),
                }
                put_norm(&mut tensors, &layer, norm, same);
                put_statistics(&mut tensors, &name, l, norm, same);
            }
            let c = block.output();
            let (matrix, norm) = block
                .shortcut
                .clone()
                .unwrap_or_else(|| (Matrix::identity(c), Norm::identity(c)));
            let layer = format!("{name}.shortcut");
            match b {
                0 => put_weight(&mut tensors, &layer, &matrix, column),
                _ => put_weight(&mut tensors, &layer, &matrix, same),
            }
            put_norm(&mut tensors, &layer, &norm, same);
            put_statistics(&mut tensors, &name, block.layers.len(), &norm, same);
        }
        if let Some((matrix, norm)) = &self.fusion {
            put_weight(&mut tensors, "fusion", matrix, same);
            put_norm(&mut tensors, "fusion_norm", norm, same);
            put_statistics(&mut tensors, "fusion_norm", 0, norm, same);
        }
        let (matrix, bias) = &self.hidden;
        put_weight(&mut tensors, "hidden.0", matrix, same);
        tensors.push(("hidden.0.bias".to_owned(), vec![bias.len()], bias.clone()));
        let (matrix, bias) = &self.out;
        let chosen = [choices.background, choices.signal];
        let rows = chosen
            .iter()
            .flat_map(|&c| &matrix.values[c * matrix.input..(c + 1) * matrix.input]);
        let two = Matrix {
            output: 2,
            input: matrix.input,
            values: rows.copied().collect(),
        };
        put_weight(&mut tensors, "out.0", &two, same);
        tensors.push((
            "out.0.bias".to_owned(),
            vec![2],
            chosen.iter().map(|&c| bias[c]).collect(),
        ));
        tensors
    }
}

impl EdgeConv {
    /// Block number `index` on so many channels; the first one tells itself how many.
    fn find(shelf: &mut Shelf, index: usize, input: Option<usize>) -> Result<Self, String> {
        let name = format!("edge_convs.{index}");
        let mut layers: Vec<(Matrix, Norm)> = Vec::new();
        while shelf.has(&format!("{name}.convs.{}.weight", layers.len())) {
            let l = layers.len();
            let conv = format!("{name}.convs.{l}");
            let matrix = match (layers.last(), input) {
                (Some((before, _)), _) => shelf.layer(&conv, before.output)?,
                (None, Some(input)) => shelf.layer(&conv, 2 * input)?,
                (None, None) => shelf.matrix(&conv)?,
            };
            if matrix.input % 2 == 1 && l == 0 {
                let found = matrix.input;
                return Err(format!(
                    "{conv}.weight reads {found} channels, an edge has twice those of a node"
                ));
            }
            if shelf.has(&format!("{conv}.bias")) {
                return Err(format!("{conv} has a bias in place of a normalization"));
            }
            let norm = shelf.norm(&format!("{name}.bns.{l}"), matrix.output)?;
            layers.push((matrix, norm));
        }
        let mut block = Self { layers, shortcut: None };
        let (input, output) = (block.input(), block.output());
        if shelf.has(&format!("{name}.sc.weight")) {
            let matrix = shelf.layer(&format!("{name}.sc"), input)?;
            let norm = shelf.norm(&format!("{name}.sc_bn"), output)?;
            if matrix.output != output {
                let found = matrix.output;
                return Err(format!("{name}.sc.weight gives {found} channels, the block {output}"));
            }
            block.shortcut = Some((matrix, norm));
        } else if input != output {
            return Err(format!(
                "{name} changes {input} channels to {output} and has no sc.weight"
            ));
        }
        Ok(block)
    }

    /// Channels of a node. There is at least one layer: the block is only looked for where its first one is.
    fn input(&self) -> usize {
        self.layers.first().map_or(0, |(matrix, _)| matrix.input / 2)
    }

    fn output(&self) -> usize {
        self.layers.last().map_or(0, |(matrix, _)| matrix.output)
    }

    fn widths(&self) -> Vec<usize> {
        self.layers.iter().map(|(matrix, _)| matrix.output).collect()
    }
}

fn put_weight(tensors: &mut Vec<Named>, layer: &str, matrix: &Matrix, order: impl Fn(usize) -> usize) {
    let (shape, values) = matrix.transposed(order);
    tensors.push((format!("{layer}.weight"), shape, values));
}

fn put_norm(tensors: &mut Vec<Named>, layer: &str, norm: &Norm, order: impl Fn(usize) -> usize) {
    for (what, values) in [("gamma", &norm.gamma), ("beta", &norm.beta)] {
        put(tensors, format!("{layer}.{what}"), values, &order);
    }
}

/// Statistics of normalization number `index` of a layer or block.
fn put_statistics(tensors: &mut Vec<Named>, name: &str, index: usize, norm: &Norm, order: impl Fn(usize) -> usize) {
    for (what, values) in [("running_mean", &norm.mean), ("running_variance", &norm.variance)] {
        put(tensors, format!("{name}.{index}.{what}"), values, &order);
    }
}

fn put(tensors: &mut Vec<Named>, name: String, values: &[f32], order: impl Fn(usize) -> usize) {
    let values: Vec<f32> = (0..values.len()).map(|i| values[order(i)]).collect();
    tensors.push((name, vec![values.len()], values));
}
