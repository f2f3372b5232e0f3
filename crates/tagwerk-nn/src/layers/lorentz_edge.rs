//! The edges of a Lorentz group equivariant block; see [`crate::kernels::lorentz_edge`] for the mathematics.

use super::block::{Block, Entry, Init, check_size};
use super::running::Running;
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use crate::kernels::lorentz_edge::LorentzEdgeSpec;
use crate::kernels::workspace::Workspace;
use crate::ops;
use crate::segments::Segments;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// What makes the edge part of a block.
#[derive(Debug, Clone)]
pub struct LorentzEdgeConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Sizes.
    pub spec: LorentzEdgeSpec,
    /// How the factor of a move starts: small, so that four-vectors begin where they are.
    pub factor: Init,
}

impl LorentzEdgeConfig {
    /// Draws the parameters: weights and biases uniform in ±1 / sqrt(fan_in), gamma 1, beta 0.
    ///
    /// # Errors
    /// [`NnError::Config`] for a width of zero, a step or limit that is not finite and above 0, or more parameters than
    /// memory could hold.
    pub fn init(&self, seed: u64, device: &Device) -> Result<LorentzEdge, NnError> {
        let spec = &self.spec;
        let good = |v: f32| v.is_finite() && v > 0.0;
        if spec.input == 0 || spec.hidden == 0 || !good(spec.step) || !good(spec.limit) {
            return Err(NnError::Config {
                what: format!("layer '{}'", self.name),
                value: format!("{spec:?}"),
                limit: "widths, step and limit above zero",
            });
        }
        let c = spec.hidden;
        let inputs = spec.input.saturating_mul(2).saturating_add(2);
        check_size(&self.name, &[(inputs, c), (c, c), (c, c)])?;
        let bound = |fan_in: usize| Init::Uniform(1.0 / (fan_in as f32).sqrt());
        let mut entries = Vec::new();
        let mut add = |name: &str, range: std::ops::Range<usize>, shape: &[usize], init| {
            if !range.is_empty() {
                entries.push(Entry {
                    name: name.into(),
                    range,
                    shape: shape.to_vec(),
                    init,
                });
            }
        };
        add("0.weight", spec.first(), &[inputs, c], bound(inputs));
        add("0.gamma", spec.gamma(), &[c], Init::Constant(1.0));
        add("0.beta", spec.beta(), &[c], Init::Constant(0.0));
        add("1.weight", spec.second(), &[c, c], bound(c));
        add("1.bias", spec.second_bias(), &[c], bound(c));
        add("gate.weight", spec.gate(), &[c, 1], bound(c));
        add("gate.bias", spec.gate_bias(), &[1], bound(c));
        add("move.0.weight", spec.shift(), &[c, c], bound(c));
        add("move.0.bias", spec.shift_bias(), &[c], bound(c));
        add("move.1.weight", spec.factor(), &[c, 1], self.factor);
        Ok(LorentzEdge {
            block: Block::new(&self.name, entries, seed, device),
            running: Running::new(&self.name, &[c], 0.1),
            spec: Arc::new(spec.clone()),
            workspace: Workspace::default(),
        })
    }
}

/// The edge part of a Lorentz group equivariant block.
#[derive(Debug)]
pub struct LorentzEdge {
    spec: Arc<LorentzEdgeSpec>,
    block: Block,
    running: Running,
    workspace: Workspace,
}

impl LorentzEdge {
    /// Sums of messages `[N, C]` and the four-vectors `[N, 4]`, moved or as they were; while training, the batch's
    /// statistics are noted for the running ones.
    ///
    /// # Shapes
    /// - `h`: `[N, C_in]`, `x`: `[N, 4]`
    pub fn forward(&mut self, h: Tensor<2>, x: Tensor<2>, jets: &Segments, pass: &Pass) -> (Tensor<2>, Tensor<2>) {
        let parameters = self.block.tensor(pass);
        let out = match pass {
            Pass::Training { .. } | Pass::Trial { .. } => {
                let inputs = [h, x.clone()];
                let (out, statistics) =
                    ops::lorentz_edge_training(inputs, parameters, &self.spec, jets, &self.workspace);
                self.running.note(pass, [&statistics]);
                out
            }
            Pass::Scoring => {
                let given = &self.running.statistics()[0];
                ops::lorentz_edge_scoring([h, x.clone()], parameters, &self.spec, jets, given, &self.workspace)
            }
        };
        if !self.spec.moves {
            return (out, x);
        }
        let (n, c) = (jets.rows(), self.spec.hidden);
        (out.clone().slice([0..n, 0..c]), out.slice([0..n, c..c + 4]))
    }

    /// Multiply-adds of a forward pass over `rows` nodes and `edges` edges.
    pub fn multiply_adds(&self, rows: usize, edges: usize) -> usize {
        self.spec.multiply_adds(rows, edges)
    }
}

impl Parts for LorentzEdge {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block), Part::Running(&self.running)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block), PartMut::Running(&mut self.running)]
    }
}
