//! A block of parameters: all weights and biases of one fused operation in one tensor.
//!
//! One tensor a fused operation means one gradient, one optimizer step and one message to send, instead of a dozen small
//! ones. Files still carry every weight and bias under its own name and shape: [`Entry`] says what lies where.

use super::Pass;
use crate::error::NnError;
use burn::tensor::{Device, Tensor, TensorData};
use std::ops::Range;
use tagwerk_data::random;

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Uniform in ±sqrt(6 / fan_in): He et al., arXiv:1502.01852. The choice of EFN and PFN.
    HeUniform,
    /// Uniform in ±sqrt(6 / (fan_in + fan_out)): Glorot, Bengio 2010. The default of Keras.
    GlorotUniform,
    /// As [`Init::GlorotUniform`], times a gain.
    GlorotUniformGain(f32),
    /// Uniform between minus and plus this bound.
    Uniform(f32),
    /// Normal with mean 0 and this deviation; what lies beyond two deviations is drawn again.
    TruncatedNormal(f32),
    /// Every value the same.
    Constant(f32),
}

/// A draw of the normal distribution, none beyond two deviations: Box, Muller 1958, again until it fits.
fn truncated_normal(mut uniform: impl FnMut() -> f64) -> f64 {
    loop {
        // 1 - u is never 0.
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        let drawn = radius * (std::f64::consts::TAU * uniform()).cos();
        if drawn.abs() <= 2.0 {
            return drawn;
        }
    }
}

/// A named part of a block.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Name within the block, such as `0.weight`.
    pub name: String,
    /// Place in the block.
    pub range: Range<usize>,
    /// Shape; a weight is `[c_in, c_out]`.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
}

/// Parameters of one fused operation, packed, `[P]`.
#[derive(Debug)]
pub struct Block {
    name: String,
    entries: Vec<Entry>,
    values: Tensor<1>,
}

/// Most parameters a layer may have: 2^30, four gigabytes in f32. Beyond, a setting has a digit too many.
pub const MAX_PARAMETERS: usize = 1 << 30;

/// Refuses a layer whose weights `[c_in, c_out]` together exceed [`MAX_PARAMETERS`], before any memory is asked for.
///
/// # Errors
/// [`NnError::Config`] with the layer and its widths.
pub(crate) fn check_size(layer: &str, weights: &[(usize, usize)]) -> Result<(), NnError> {
    let total = weights.iter().try_fold(0usize, |sum, &(c_in, c_out)| {
        let weight = c_in.checked_mul(c_out)?;
        sum.checked_add(weight).filter(|&sum| sum <= MAX_PARAMETERS)
    });
    match total {
        Some(_) => Ok(()),
        None => Err(NnError::Config {
            what: format!("the size of layer '{layer}'"),
            value: format!("{weights:?} (inputs, outputs)"),
            limit: "at most 2^30 parameters",
        }),
    }
}

impl Block {
    /// Draws the starting values from the stream (seed, "init " + name, entry index).
    pub fn new(name: &str, entries: Vec<Entry>, seed: u64, device: &Device) -> Self {
        let length = entries.iter().map(|e| e.range.end).max().unwrap_or(0);
        let mut values = vec![0.0f32; length];
        for (index, entry) in entries.iter().enumerate() {
            let mut stream = random::stream(seed, &format!("init {name}"), index as u64);
            let (fan_in, fan_out) = match entry.shape[..] {
                [c_in, c_out] => (c_in as f64, c_out as f64),
                _ => (1.0, 1.0),
            };
            let glorot = (6.0 / (fan_in + fan_out)).sqrt();
            let mut uniform = || random::uniform(&mut stream);
            let symmetric = |bound: f64, u: f64| ((2.0 * u - 1.0) * bound) as f32;
            for value in &mut values[entry.range.clone()] {
                *value = match entry.init {
                    Init::HeUniform => symmetric((6.0 / fan_in).sqrt(), uniform()),
                    Init::GlorotUniform => symmetric(glorot, uniform()),
                    Init::GlorotUniformGain(gain) => symmetric(f64::from(gain) * glorot, uniform()),
                    Init::Uniform(bound) => symmetric(f64::from(bound), uniform()),
                    Init::TruncatedNormal(deviation) => (f64::from(deviation) * truncated_normal(&mut uniform)) as f32,
                    Init::Constant(constant) => constant,
                };
            }
        }
        let values = Tensor::from_data(TensorData::new(values, [length]), &device.clone().autodiff()).require_grad();
        Self {
            name: name.to_string(),
            entries,
            values,
        }
    }

    /// Name, unique in its network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What lies where.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of parameters, `P`.
    pub fn len(&self) -> usize {
        self.entries.iter().map(|e| e.range.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parameters for a pass: tracked while training, plain while scoring.
    pub fn tensor(&self, pass: &Pass) -> Tensor<1> {
        match pass {
            Pass::Training { .. } => self.values.clone(),
            Pass::Scoring => self.values.clone().inner(),
        }
    }

    /// The tracked leaf, to ask gradients of.
    pub(crate) fn leaf(&self) -> &Tensor<1> {
        &self.values
    }

    /// The values on the host.
    pub fn to_vec(&self) -> Vec<f32> {
        crate::ops::floats(self.values.clone().inner())
    }

    /// Takes the values out, `[P]`, on the plain device, so that the optimizer owns their memory; [`Block::replace`] must
    /// follow.
    pub(crate) fn take(&mut self) -> Tensor<1> {
        let nothing = Tensor::empty([0], &self.values.device());
        std::mem::replace(&mut self.values, nothing).inner()
    }

    /// Replaces the values, `[P]`, on the plain device.
    pub(crate) fn replace(&mut self, values: Tensor<1>) {
        self.values = Tensor::from_inner(values).require_grad();
    }

    /// Replaces the values from the host.
    ///
    /// # Panics
    /// If the length is not `P`; callers check files before.
    pub fn set(&mut self, values: Vec<f32>) {
        assert_eq!(values.len(), self.len());
        let n = values.len();
        let device = self.values.device().without_autodiff();
        self.replace(Tensor::from_data(TensorData::new(values, [n]), &device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_with_a_digit_too_many_is_refused_before_memory_is_asked_for() {
        assert!(check_size("phi", &[(100, 256)]).is_ok());
        let error = check_size("phi", &[(100, 256), (usize::MAX, 2)]).unwrap_err();
        assert!(error.to_string().contains("layer 'phi'"), "{error}");
        assert!(check_size("phi", &[(1 << 15, 1 << 15), (1, 1)]).is_err());
    }
}
