//! Plain descent, walked as a chain: SGD and Adam without injected noise.
//!
//! The stored weights of SGD with a constant rate are the snapshots of [`Swag`](super::Swag); Adam trains the members
//! of an ensemble. As a [`Sampler`] it is saved and resumed like any chain.
//!
//! **Cost** a step: one G (losses and gradient) on the step's rows.

use super::arrays::Arrays;
use super::batches::Batches;
use super::chain::{ChainState, Moment, Sampler, StepReport};
use super::chains::ChainsConfig;
use super::energy::{Energy, above, at_least, mean, share};
use super::moments::{Adam, Moments};
use super::sgld::{diverged, unadjusted};
use crate::SurrogateError;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The rule of a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Rule {
    /// b = momentum b + g, theta -= lr b.
    Sgd {
        /// Share of the last step that is kept, in [0, 1).
        momentum: f64,
    },
    /// Adam with epsilon 1e-8.
    Adam {
        /// Memory of the first moment.
        beta1: f64,
        /// Memory of the second moment.
        beta2: f64,
    },
}

/// SGD or Adam on the mean loss (with the prior, if there is one).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DescentConfig {
    /// Step size, constant. Default: 1e-3.
    pub learning_rate: f64,
    /// The rule. Default: SGD with momentum 0.9.
    pub rule: Rule,
    /// Decoupled decay: theta -= lr decay theta in each step. Default: 0.
    pub weight_decay: f64,
}

impl Default for DescentConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            rule: Rule::Sgd { momentum: 0.9 },
            weight_decay: 0.0,
        }
    }
}

/// What a descent remembers.
#[derive(Debug, Clone)]
pub struct DescentState {
    weights: Vec<f64>,
    /// b of SGD is kept as the first moment.
    moments: Moments,
    losses: Vec<f64>,
    gradient: Vec<f64>,
    step: Vec<f64>,
}

impl ChainState for DescentState {
    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn save(&self, arrays: &mut Arrays) {
        arrays.vector("weights", &self.weights);
        self.moments.save("descent", arrays);
    }

    fn load(arrays: &mut Arrays, weights: usize) -> Result<Self, SurrogateError> {
        let moments = Moments::load("descent", arrays, weights)?;
        Ok(Self::new(arrays.take_vector("weights", weights)?, moments))
    }
}

impl DescentState {
    fn new(weights: Vec<f64>, moments: Moments) -> Self {
        Self {
            weights,
            moments,
            losses: Vec::new(),
            gradient: Vec::new(),
            step: Vec::new(),
        }
    }
}

impl Sampler for DescentConfig {
    type State = DescentState;

    fn method(&self) -> &'static str {
        "descent"
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn check(&self, _: &ChainsConfig) -> Result<(), SurrogateError> {
        above("learning_rate", self.learning_rate)?;
        at_least("weight_decay", self.weight_decay, 0.0, "finite and at least 0")?;
        match self.rule {
            Rule::Sgd { momentum } => share("momentum", momentum),
            Rule::Adam { beta1, beta2 } => share("beta1", beta1).and(share("beta2", beta2)),
        }
    }

    fn start(&self, _: &Energy, weights: Vec<f64>, _: &mut Batches) -> Result<DescentState, SurrogateError> {
        let moments = Moments::new(weights.len());
        Ok(DescentState::new(weights, moments))
    }

    fn step(
        &self,
        energy: &Energy,
        state: &mut DescentState,
        now: Moment,
        _: &mut ChaCha8Rng,
    ) -> Result<StepReport, SurrogateError> {
        let DescentState {
            weights,
            moments,
            losses,
            gradient,
            step,
        } = state;
        energy.losses_and_gradient(weights, now.part, losses, gradient)?;
        let loss = mean(losses);
        if !loss.is_finite() {
            return Err(diverged(now.step));
        }
        match self.rule {
            Rule::Sgd { momentum } => {
                step.resize(weights.len(), 0.0);
                let buffers = moments.first.iter_mut().zip(&*gradient).zip(&mut *step);
                for ((buffer, g), u) in buffers {
                    *buffer = momentum * *buffer + g;
                    *u = self.learning_rate * *buffer;
                }
            }
            Rule::Adam { beta1, beta2 } => {
                let adam = Adam {
                    learning_rate: self.learning_rate,
                    beta1,
                    beta2,
                    epsilon: 1e-8,
                };
                moments.step_with(&adam, gradient, step);
                moments.advance(&adam, gradient);
            }
        }
        let kept = 1.0 - self.learning_rate * self.weight_decay;
        weights.iter_mut().zip(&*step).for_each(|(w, u)| *w = kept * *w - u);
        Ok(unadjusted(loss))
    }
}
