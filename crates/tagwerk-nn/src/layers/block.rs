//! A block of parameters: all weights and biases of one fused operation in one tensor.
//!
//! One tensor a fused operation means one gradient, one optimizer step and one message to send, instead of a dozen
//! small ones. Files still carry every weight and bias under its own name and shape: [`Entry`] says what lies where.

use super::Pass;
use crate::error::NnError;
use burn::tensor::{Device, Tensor, TensorData};
use rand_core::Rng;
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
    /// Orthonormal columns (rows, where there are fewer), times a gain: Saxe, McClelland, Ganguli, arXiv:1312.6120.
    Orthogonal(f32),
    /// Uniform between minus and plus this bound.
    Uniform(f32),
    /// Normal with mean 0 and variance 1 / fan_in: LeCun, Bottou, Orr, Mueller 1998. What SELU asks for.
    LecunNormal,
    /// Normal with mean 0 and this deviation.
    Normal(f32),
    /// As [`Init::Normal`]; what lies beyond two deviations is drawn again.
    TruncatedNormal(f32),
    /// Every value the same.
    Constant(f32),
}

impl Init {
    /// Starting values of `shape`, a weight's being `[c_in, c_out]`.
    fn draw(self, values: &mut [f32], shape: &[usize], stream: &mut impl Rng) {
        let (fan_in, fan_out) = match *shape {
            [c_in, c_out] => (c_in, c_out),
            _ => (1, 1),
        };
        let glorot = (6.0 / (fan_in + fan_out) as f64).sqrt();
        let mut fill = |bound: f64| {
            for value in &mut *values {
                *value = ((2.0 * random::uniform(stream) - 1.0) * bound) as f32;
            }
        };
        match self {
            Self::HeUniform => fill((6.0 / fan_in as f64).sqrt()),
            Self::GlorotUniform => fill(glorot),
            Self::GlorotUniformGain(gain) => fill(f64::from(gain) * glorot),
            Self::Uniform(bound) => fill(f64::from(bound)),
            Self::Constant(constant) => values.fill(constant),
            Self::Orthogonal(gain) => orthogonal(values, [fan_in, fan_out], f64::from(gain), stream),
            Self::LecunNormal => {
                let deviation = (1.0 / fan_in as f64).sqrt();
                for value in values {
                    *value = (deviation * random::normal(stream)) as f32;
                }
            }
            Self::Normal(deviation) => {
                for value in values {
                    *value = (f64::from(deviation) * random::normal(stream)) as f32;
                }
            }
            Self::TruncatedNormal(deviation) => {
                for value in values {
                    let drawn = std::iter::repeat_with(|| random::normal(stream)).find(|x| x.abs() <= 2.0);
                    // The iterator has no end, so there is one.
                    *value = (f64::from(deviation) * drawn.unwrap_or(0.0)) as f32;
                }
            }
        }
    }
}

/// A random matrix `[rows, columns]` whose columns, or rows if there are fewer, are orthogonal with the length `gain`:
/// normal vectors made orthogonal one after the other.
fn orthogonal(values: &mut [f32], [rows, columns]: [usize; 2], gain: f64, stream: &mut impl Rng) {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut vector: Vec<f64> = (0..length).map(|_| random::normal(stream)).collect();
        // Twice, because the first pass leaves what rounding adds.
        for _ in 0..2 {
            for other in &basis {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        // Within the span of the others by chance: draw another.
        if norm > 1e-6 {
            vector.iter_mut().for_each(|a| *a /= norm);
            basis.push(vector);
        }
    }
    for (i, vector) in basis.iter().enumerate() {
        for (j, a) in vector.iter().enumerate() {
            let place = if columns <= rows {
                j * columns + i
            } else {
                i * columns + j
            };
            values[place] = (gain * a) as f32;
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
            entry
                .init
                .draw(&mut values[entry.range.clone()], &entry.shape, &mut stream);
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

    /// The parameters for a pass: tracked while training, plain otherwise.
    pub fn tensor(&self, pass: &Pass) -> Tensor<1> {
        match pass {
            Pass::Training { .. } => self.values.clone(),
            Pass::Trial { .. } | Pass::Scoring => self.values.clone().inner(),
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

    /// Takes the values out, `[P]`, on the plain device, so that the optimizer owns their memory; [`Block::replace`]
    /// must follow.
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

    fn drawn(init: Init, shape: [usize; 2]) -> Vec<f32> {
        let mut values = vec![0.0; shape[0] * shape[1]];
        init.draw(&mut values, &shape, &mut random::stream(3, "test", 0));
        values
    }

    #[test]
    fn orthogonal_weights_keep_lengths_times_the_gain() {
        for (rows, columns) in [(9, 4), (4, 9), (6, 6)] {
            let w = drawn(Init::Orthogonal(1.5), [rows, columns]);
            let count = rows.min(columns);
            let at = |i: usize, j: usize| {
                f64::from(if columns <= rows {
                    w[j * columns + i]
                } else {
                    w[i * columns + j]
                })
            };
            for a in 0..count {
                for b in 0..count {
                    let dot: f64 = (0..rows.max(columns)).map(|j| at(a, j) * at(b, j)).sum();
                    let expected = if a == b { 2.25 } else { 0.0 };
                    assert!((dot - expected).abs() < 1e-6, "[{rows}, {columns}], {a} and {b}: {dot}");
                }
            }
        }
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_near_them() {
        let bound = (6.0f32 / 90.0).sqrt();
        for (init, bound) in [
            (Init::GlorotUniform, bound),
            (Init::GlorotUniformGain(0.5), 0.5 * bound),
            (Init::HeUniform, (6.0f32 / 30.0).sqrt()),
            (Init::Uniform(0.3), 0.3),
            (Init::TruncatedNormal(0.1), 0.2),
        ] {
            let largest = drawn(init, [30, 60]).iter().fold(0.0f32, |m, v| m.max(v.abs()));
            assert!(largest <= bound && largest > 0.9 * bound, "{init:?}: {largest}");
        }
        let squares: f32 = drawn(Init::Normal(0.2), [30, 60]).iter().map(|v| v * v).sum();
        // 0.04 with a standard error of 0.04 sqrt(2 / 1800).
        assert!((squares / 1800.0 - 0.04).abs() < 0.008);
        let squares: f32 = drawn(Init::LecunNormal, [30, 60]).iter().map(|v| v * v).sum();
        // 1 / 30 with a standard error of sqrt(2 / 1800) / 30.
        assert!((squares / 1800.0 * 30.0 - 1.0).abs() < 0.2);
    }

    #[test]
    fn a_width_with_a_digit_too_many_is_refused_before_memory_is_asked_for() {
        assert!(check_size("phi", &[(100, 256)]).is_ok());
        let error = check_size("phi", &[(100, 256), (usize::MAX, 2)]).unwrap_err();
        assert!(error.to_string().contains("layer 'phi'"), "{error}");
        assert!(check_size("phi", &[(1 << 15, 1 << 15), (1, 1)]).is_err());
    }
}
