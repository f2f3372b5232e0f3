//! Stochastic gradient Langevin dynamics, plain and preconditioned.
//!
//! Welling, Teh, ICML 2011: theta -= epsilon / 2 grad U + sqrt(epsilon) xi. Preconditioned (pSGLD): Li, Chen, Carlson,
//! Carin, arXiv:1512.07666: both terms scaled by G = 1 / (sqrt(V) + offset), resp. its root, V being a moving mean of
//! the squared mean gradient; the term with the derivative of G is left out, as the authors do.
//!
//! There is no test: the stationary distribution is the posterior for epsilon -> 0 only. On a minibatch, the gradient's
//! noise (of order epsilon^2) must be small against the injected one (of order epsilon), which is a condition on
//! epsilon N^2 Var(g) / n and often the stricter one. The chain cannot tell; compare with another method.
//!
//! **Cost** a step: one G (losses and gradient) on the step's rows.

use super::arrays::Arrays;
use super::batches::Batches;
use super::chain::{ChainState, Moment, Sampler, StepReport};
use super::chains::ChainsConfig;
use super::energy::{Energy, above, at_least, mean, setting_error, share};
use crate::SurrogateError;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tagwerk_data::random::normal;

/// SGLD and pSGLD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SgldConfig {
    /// epsilon, in units where U is the energy of all data. Default: 1e-8.
    pub step: f64,
    /// The step falls as epsilon (1 + t / offset)^-decay. Default: 0 (constant).
    pub decay: f64,
    /// Steps after which the decay sets in. Default: 1,000.
    pub decay_offset: f64,
    /// Whether steps are scaled by past gradients. Default: false.
    pub preconditioned: bool,
    /// Memory of the mean of squared gradients. Default: 0.99.
    pub memory: f64,
    /// Added to its root. Default: 1e-5.
    pub offset: f64,
}

impl Default for SgldConfig {
    fn default() -> Self {
        Self {
            step: 1e-8,
            decay: 0.0,
            decay_offset: 1_000.0,
            preconditioned: false,
            memory: 0.99,
            offset: 1e-5,
        }
    }
}

/// What an SGLD chain remembers.
#[derive(Debug, Clone)]
pub struct SgldState {
    weights: Vec<f64>,
    /// V, `[P]`; its sum of gains, to correct the beginning.
    squares: Vec<f64>,
    gained: f64,
    losses: Vec<f64>,
    gradient: Vec<f64>,
}

impl ChainState for SgldState {
    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn save(&self, arrays: &mut Arrays) {
        arrays.vector("weights", &self.weights);
        arrays.vector("squares", &self.squares);
        arrays.vector("gained", &[self.gained]);
    }

    fn load(arrays: &mut Arrays, weights: usize) -> Result<Self, SurrogateError> {
        Ok(Self {
            weights: arrays.take_vector("weights", weights)?,
            squares: arrays.take_vector("squares", weights)?,
            gained: arrays.take_one("gained")?,
            losses: Vec::new(),
            gradient: Vec::new(),
        })
    }
}

impl Sampler for SgldConfig {
    type State = SgldState;

    fn method(&self) -> &'static str {
        if self.preconditioned { "psgld" } else { "sgld" }
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn check(&self, _: &ChainsConfig) -> Result<(), SurrogateError> {
        above("step", self.step)?;
        at_least("decay", self.decay, 0.0, "from 0 to 1")?;
        if self.decay > 1.0 {
            return Err(setting_error("decay", self.decay, "from 0 to 1"));
        }
        above("decay_offset", self.decay_offset)?;
        share("memory", self.memory)?;
        above("offset", self.offset)
    }

    fn start(&self, _: &Energy, weights: Vec<f64>, _: &mut Batches) -> Result<SgldState, SurrogateError> {
        Ok(SgldState {
            squares: vec![0.0; weights.len()],
            gained: 0.0,
            losses: Vec::new(),
            gradient: Vec::new(),
            weights,
        })
    }

    fn step(
        &self,
        energy: &Energy,
        state: &mut SgldState,
        now: Moment,
        rng: &mut ChaCha8Rng,
    ) -> Result<StepReport, SurrogateError> {
        let SgldState {
            weights,
            squares,
            gained,
            losses,
            gradient,
        } = state;
        energy.losses_and_gradient(weights, now.part, losses, gradient)?;
        let loss = mean(losses);
        if !loss.is_finite() {
            return Err(diverged(now.step));
        }
        let step = self.step * (1.0 + now.step as f64 / self.decay_offset).powf(-self.decay);
        let drift = 0.5 * step * energy.on_mean_loss();
        if self.preconditioned {
            *gained = self.memory * *gained + (1.0 - self.memory);
            for ((w, v), g) in weights.iter_mut().zip(squares).zip(&*gradient) {
                *v = self.memory * *v + (1.0 - self.memory) * g * g;
                let metric = 1.0 / ((*v / *gained).sqrt() + self.offset);
                *w += -drift * metric * g + (step * metric).sqrt() * normal(rng);
            }
        } else {
            let width = step.sqrt();
            let moves = weights.iter_mut().zip(&*gradient);
            moves.for_each(|(w, g)| *w += -drift * g + width * normal(rng));
        }
        Ok(unadjusted(loss))
    }
}

/// The report of a sampler without a test.
pub(super) fn unadjusted(loss: f64) -> StepReport {
    StepReport {
        loss,
        acceptance: 1.0,
        accepted: true,
        noise: 0.0,
    }
}

pub(super) fn diverged(step: u64) -> SurrogateError {
    SurrogateError::NotFinite {
        what: "the loss of the chain",
        place: format!("at step {step}: the step length is too large"),
    }
}
