//! Dropout with addressed random numbers.

use super::Pass;
use crate::error::NnError;
use crate::kernels::dropout::Drop;
use burn::tensor::{Tensor, TensorData};
use rand_core::Rng;
use tagwerk_data::random;

/// Drops each value with probability `rate` while training and scales the others by `1 / (1 - rate)`.
///
/// The mask comes from the stream (seed, "dropout " + name, step): a resumed training drops what the uninterrupted one
/// would have dropped.
#[derive(Debug, Clone)]
pub struct Dropout {
    name: String,
    rate: f64,
}

impl Dropout {
    /// `rate` in `[0, 1)`; 0 does nothing.
    ///
    /// # Errors
    /// [`NnError::Config`] for a rate outside.
    pub fn new(name: &str, rate: f64) -> Result<Self, NnError> {
        check_rate(name, rate)?;
        Ok(Self {
            name: name.to_string(),
            rate,
        })
    }

    /// # Shapes
    /// - `x`: `[B, C]`; returns `[B, C]`
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let Some((seed, step)) = pass.draws() else { return x };
        if self.rate <= 0.0 {
            return x;
        }
        let [rows, c] = x.dims();
        let mut stream = random::stream(seed, &format!("dropout {}", self.name), step);
        let keep = (1.0 / (1.0 - self.rate)) as f32;
        let mask: Vec<f32> = (0..rows * c)
            .map(|_| {
                if random::uniform(&mut stream) < self.rate {
                    0.0
                } else {
                    keep
                }
            })
            .collect();
        let mask = Tensor::from_data(TensorData::new(mask, [rows, c]), &x.device());
        x * mask
    }
}

/// Refuses a rate outside `[0, 1)`.
pub(super) fn check_rate(layer: &str, rate: f64) -> Result<(), NnError> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    Err(NnError::Config {
        what: format!("the dropout rate of layer '{layer}'"),
        value: rate.to_string(),
        limit: "in [0, 1)",
    })
}

/// A key for each dropout of a layer in this step, or none: if all rates are zero and while scoring. A resumed training
/// drops what the uninterrupted one would have dropped.
pub(super) fn keys(layer: &str, rates: impl Iterator<Item = f64>, pass: &Pass) -> Vec<[u32; 2]> {
    let Some((seed, step)) = pass.draws() else {
        return Vec::new();
    };
    let rates: Vec<f64> = rates.collect();
    if rates.iter().all(|&rate| rate <= 0.0) {
        return Vec::new();
    }
    let mut stream = random::stream(seed, &format!("dropout {layer}"), step);
    rates.iter().map(|_| [stream.next_u32(), stream.next_u32()]).collect()
}

/// The dropouts of this step behind `layers` activations in a row, each with its own key; none while scoring.
pub(super) fn drops(layer: &str, rate: f64, layers: usize, pass: &Pass) -> Vec<Drop> {
    let keys = keys(layer, std::iter::repeat_n(rate, layers), pass);
    keys.into_iter().map(|key| Drop::new(rate, key)).collect()
}
