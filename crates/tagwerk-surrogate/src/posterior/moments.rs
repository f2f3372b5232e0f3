//! Adam's moments and the step they give.
//!
//! Kingma, Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980:
//! m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, and u = lr mhat / (sqrt(vhat) + epsilon) with
//! mhat = m / (1 - beta1^k), vhat = v / (1 - beta2^k).

use super::arrays::Arrays;
use super::energy::{above, share};
use crate::SurrogateError;

/// Settings of Adam.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Step size, above 0.
    pub learning_rate: f64,
    /// Memory of the first moment, in [0, 1).
    pub beta1: f64,
    /// Memory of the second moment, in [0, 1).
    pub beta2: f64,
    /// Added to the root of the second moment, above 0.
    pub epsilon: f64,
}

impl Adam {
    /// # Errors
    /// A setting outside its range.
    pub fn check(&self) -> Result<(), SurrogateError> {
        above("learning_rate", self.learning_rate)?;
        share("beta1", self.beta1)?;
        share("beta2", self.beta2)?;
        above("epsilon", self.epsilon)
    }
}

/// m, v and the number of gradients they have seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// m, `[P]`.
    pub first: Vec<f64>,
    /// v, `[P]`.
    pub second: Vec<f64>,
    /// k.
    pub steps: u64,
}

impl Moments {
    /// Of no gradient yet.
    pub fn new(weights: usize) -> Self {
        Self {
            first: vec![0.0; weights],
            second: vec![0.0; weights],
            steps: 0,
        }
    }

    /// Takes a gradient in.
    pub fn advance(&mut self, adam: &Adam, gradient: &[f64]) {
        for ((m, v), g) in self.first.iter_mut().zip(&mut self.second).zip(gradient) {
            *m = adam.beta1 * *m + (1.0 - adam.beta1) * g;
            *v = adam.beta2 * *v + (1.0 - adam.beta2) * g * g;
        }
        self.steps += 1;
    }

    /// The step u that Adam would make with this gradient, into `step`. The moments stay as they are.
    pub fn step_with(&self, adam: &Adam, gradient: &[f64], step: &mut Vec<f64>) {
        step.resize(gradient.len(), 0.0);
        let k = (self.steps + 1) as f64;
        let first = 1.0 / (1.0 - adam.beta1.powf(k));
        let second = 1.0 / (1.0 - adam.beta2.powf(k));
        let moments = self.first.iter().zip(&self.second);
        for ((u, g), (m, v)) in step.iter_mut().zip(gradient).zip(moments) {
            let mhat = (adam.beta1 * m + (1.0 - adam.beta1) * g) * first;
            let vhat = (adam.beta2 * v + (1.0 - adam.beta2) * g * g) * second;
            *u = adam.learning_rate * mhat / (vhat.sqrt() + adam.epsilon);
        }
    }

    /// The step lr g / (sqrt(vhat) + epsilon) with the second moment as it stands, into `step`: a function of the
    /// weights alone, which a reverse move can evaluate at its own end.
    pub fn frozen_step(&self, adam: &Adam, gradient: &[f64], step: &mut Vec<f64>) {
        step.resize(gradient.len(), 0.0);
        let second = self.second_correction(adam);
        for ((u, g), v) in step.iter_mut().zip(gradient).zip(&self.second) {
            *u = adam.learning_rate * g / ((v * second).sqrt() + adam.epsilon);
        }
    }

    /// 1 / (1 - beta2^k).
    pub(crate) fn second_correction(&self, adam: &Adam) -> f64 {
        1.0 / (1.0 - adam.beta2.powf(self.steps as f64))
    }

    pub(crate) fn save(&self, prefix: &str, arrays: &mut Arrays) {
        arrays.vector(&format!("{prefix}.first_moment"), &self.first);
        arrays.vector(&format!("{prefix}.second_moment"), &self.second);
        arrays.vector(&format!("{prefix}.gradients"), &[self.steps]);
    }

    pub(crate) fn load(prefix: &str, arrays: &mut Arrays, weights: usize) -> Result<Self, SurrogateError> {
        Ok(Self {
            first: arrays.take_vector(&format!("{prefix}.first_moment"), weights)?,
            second: arrays.take_vector(&format!("{prefix}.second_moment"), weights)?,
            steps: arrays.take_one(&format!("{prefix}.gradients"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADAM: Adam = Adam {
        learning_rate: 0.1,
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
    };

    /// Guards the bias corrections: the first step of Adam is lr sign(g), whatever the betas.
    #[test]
    fn the_first_step_is_the_learning_rate() {
        let mut step = Vec::new();
        Moments::new(2).step_with(&ADAM, &[3.0, -1e-3], &mut step);
        assert!((step[0] - 0.1).abs() < 1e-8 && (step[1] + 0.1).abs() < 1e-5, "{step:?}");
    }

    /// A step asked for beforehand is the one that Adam then makes.
    #[test]
    fn looking_ahead_is_advancing() {
        let mut moments = Moments::new(1);
        let mut ahead = Vec::new();
        for k in 1..5 {
            let gradient = [0.3 * k as f64];
            moments.step_with(&ADAM, &gradient, &mut ahead);
            moments.advance(&ADAM, &gradient);
            let mhat = moments.first[0] / (1.0 - 0.9f64.powi(k));
            let vhat = moments.second[0] / (1.0 - 0.99f64.powi(k));
            let made = 0.1 * mhat / (vhat.sqrt() + 1e-8);
            assert!((ahead[0] - made).abs() < 1e-15, "step {k}: {} and {made}", ahead[0]);
        }
    }

    #[test]
    fn constant_gradients_freeze_to_their_sign() {
        let mut moments = Moments::new(1);
        (0..3).for_each(|_| moments.advance(&ADAM, &[2.0]));
        let mut step = Vec::new();
        moments.frozen_step(&ADAM, &[-2.0], &mut step);
        assert!((step[0] + 0.1).abs() < 1e-8);
    }
}
