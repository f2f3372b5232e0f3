//! Conditioning on a hypothesis, with dropout in the same pass.

use super::block::{Block, Entry, Init};
use super::dropout::{check_rate, drops};
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use crate::kernels::workspace::Workspace;
use crate::ops::{self, ConditionSpec};
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// How the maps of a conditioning start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStart {
    /// Scale 1 and shift 0, whatever the hypothesis: the layer starts as nothing.
    Identity,
    /// Weights Glorot uniform and constants 0, as in the original code. Scales then start near 0, and several such layers
    /// in a row damp their input by orders of magnitude.
    Glorot,
}

/// What makes a conditioning.
#[derive(Debug, Clone)]
pub struct ConditionConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Shape and kind.
    pub spec: ConditionSpec,
    /// How its maps start.
    pub start: ConditionStart,
    /// Dropout behind it, in `[0, 1)`.
    pub dropout: f64,
}

impl ConditionConfig {
    /// Draws the parameters.
    ///
    /// # Errors
    /// [`NnError::Config`] for a rate outside `[0, 1)`.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Condition, NnError> {
        check_rate(&self.name, self.dropout)?;
        let spec = self.spec;
        let weights = |identity| match self.start {
            ConditionStart::Identity => Init::Constant(identity),
            ConditionStart::Glorot => Init::GlorotUniform,
        };
        let constant = |identity| match self.start {
            ConditionStart::Identity => Init::Constant(identity),
            ConditionStart::Glorot => Init::Constant(0.0),
        };
        let matrix = vec![spec.inputs, spec.channels];
        let entries = [
            ("scale.weight", spec.scale_weight(), matrix.clone(), weights(0.0)),
            ("scale.bias", spec.scale_constant(), vec![spec.channels], constant(1.0)),
            ("shift.weight", spec.shift_weight(), matrix, weights(0.0)),
            ("shift.bias", spec.shift_constant(), vec![spec.channels], constant(0.0)),
        ];
        let entries = entries
            .into_iter()
            .filter(|(_, range, ..)| !range.is_empty())
            .map(|(name, range, shape, init)| Entry {
                name: name.into(),
                range,
                shape,
                init,
            })
            .collect();
        Ok(Condition {
            spec,
            block: Block::new(&self.name, entries, seed, device),
            dropout: self.dropout,
            workspace: Workspace::default(),
        })
    }
}

/// `x (m W_s + c_s) + (m W_b + c_b)`, or one half of it, or nothing, and dropout.
#[derive(Debug)]
pub struct Condition {
    spec: ConditionSpec,
    block: Block,
    dropout: f64,
    workspace: Workspace,
}

impl Condition {
    /// # Shapes
    /// - `x`: `[R, C]`, `inputs`: the hypotheses m, `[R, P]`; returns `[R, C]`
    pub fn forward(&self, x: Tensor<2>, inputs: &Arc<Vec<f32>>, pass: &Pass) -> Tensor<2> {
        let drop = drops(self.block.name(), self.dropout, 1, pass).pop();
        if self.block.is_empty() && drop.is_none() {
            return x;
        }
        ops::condition(x, self.block.tensor(pass), self.spec, inputs, drop, &self.workspace)
    }
}

impl Parts for Condition {
    fn parts(&self) -> Vec<Part<'_>> {
        if self.block.is_empty() {
            return Vec::new();
        }
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        if self.block.is_empty() {
            return Vec::new();
        }
        vec![PartMut::Block(&mut self.block)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::floats;
    use burn::tensor::TensorData;

    fn layer(scale: bool, start: ConditionStart, dropout: f64) -> Condition {
        let spec = ConditionSpec {
            inputs: 1,
            channels: 50,
            scale,
            shift: scale,
        };
        let name = "condition".to_owned();
        let config = ConditionConfig {
            name,
            spec,
            start,
            dropout,
        };
        config.init(3, &Device::flex()).unwrap()
    }

    fn ones(rows: usize) -> Tensor<2> {
        Tensor::from_data(TensorData::new(vec![1.0f32; rows * 50], [rows, 50]), &Device::flex())
    }

    #[test]
    fn it_starts_as_nothing_or_as_the_original_near_zero() {
        let m = Arc::new(vec![0.5, 1.5]);
        let identity = layer(true, ConditionStart::Identity, 0.25).forward(ones(2), &m, &Pass::Scoring);
        assert!(floats(identity).iter().all(|&v| v == 1.0));
        let glorot = layer(true, ConditionStart::Glorot, 0.0);
        assert_eq!(glorot.parameter_count(), 200);
        let y = floats(glorot.forward(ones(2), &m, &Pass::Scoring));
        // sqrt(6 / 51) is the bound of both maps; scale and shift together stay below 1.5 times twice that.
        assert!(
            y.iter().all(|v| v.abs() < 1.03) && y.iter().any(|v| v.abs() > 0.3),
            "{y:?}"
        );
    }

    #[test]
    fn dropout_keeps_its_share_and_the_mean_and_changes_with_the_step() {
        let layer = layer(false, ConditionStart::Identity, 0.25);
        assert_eq!(layer.parts().len(), 0);
        let m = Arc::new(vec![0.0; 400]);
        let at = |step| {
            floats(
                layer
                    .forward(Tensor::from_inner(ones(400)), &m, &Pass::Training { seed: 1, step })
                    .inner(),
            )
        };
        let (first, again, other) = (at(5), at(5), at(6));
        assert_eq!(first, again);
        assert_ne!(first, other);
        let kept = first.iter().filter(|&&v| v > 0.0).count() as f64 / 20_000.0;
        // Six standard deviations of 20,000 draws at 3/4: 0.018.
        assert!((kept - 0.75).abs() < 0.018, "{kept}");
        assert!(first.iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-6));
    }
}
