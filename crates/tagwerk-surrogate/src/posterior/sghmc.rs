//! Stochastic gradient Hamiltonian Monte Carlo, plain and scale-adapted.
//!
//! Plain: Chen, Fox, Guestrin, arXiv:1402.4102, eq. 15: v -= eta grad U + alpha v - N(0, 2 (alpha - beta) eta), and
//! theta goes on by v. eta is the squared step, alpha the friction, beta = eta / 2 times the variance of the gradient's
//! noise.
//!
//! Scale-adapted: Springenberg, Klein, Falkner, Hutter, "Bayesian optimization with robust Bayesian neural networks",
//! NeurIPS 2016, section 3: eta is divided by the root of a running estimate V of the gradient's second moment, whose
//! memory adapts itself. With one friction for all weights,
//!
//! v -= eta V^(-1/2) grad U + alpha v - N(0, 2 alpha eta V^(-1/2) - eta^2).
//!
//! V is adapted **during burn-in only** and then stands still: a scale that goes on adapting (as in a released script,
//! where burn-in never ended) changes the stationary distribution.
//!
//! No test: the distribution is the posterior for eta -> 0.
//!
//! **Cost** a step: one G (losses and gradient) on the step's rows.

use super::arrays::Arrays;
use super::batches::Batches;
use super::chain::{ChainState, Moment, Sampler, StepReport};
use super::chains::ChainsConfig;
use super::energy::{Energy, above, at_least, mean, setting_error};
use super::sgld::{diverged, unadjusted};
use crate::SurrogateError;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tagwerk_data::random::normal;

/// SGHMC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SghmcConfig {
    /// sqrt(eta). Default: 1e-2 (as for top tagging, scale-adapted).
    pub step: f64,
    /// alpha, the share of the velocity that is lost in a step. Default: 0.2 (as for top tagging).
    pub friction: f64,
    /// Whether steps are scaled by the gradients of burn-in. Default: true.
    pub scale_adapted: bool,
    /// Variance of the gradient's noise to be left out of the injected one, as a share of V (scale-adapted) or of
    /// alpha (plain: beta / alpha). Default: 1 as in the papers' equation for minibatches; 0 for gradients of all data.
    pub gradient_noise: f64,
    /// The velocity is drawn anew every so many steps; 0: never. Default: 0.
    pub resample_every: u64,
}

impl Default for SghmcConfig {
    fn default() -> Self {
        Self {
            step: 1e-2,
            friction: 0.2,
            scale_adapted: true,
            gradient_noise: 1.0,
            resample_every: 0,
        }
    }
}

/// Keeps the scale finite where no gradient was seen.
const FLOOR: f64 = 1e-16;

/// What an SGHMC chain remembers.
#[derive(Debug, Clone)]
pub struct SghmcState {
    weights: Vec<f64>,
    velocity: Vec<f64>,
    /// V, its memory tau, and the smoothed gradient, `[P]` each.
    second: Vec<f64>,
    memory: Vec<f64>,
    smooth: Vec<f64>,
    losses: Vec<f64>,
    gradient: Vec<f64>,
}

impl ChainState for SghmcState {
    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn save(&self, arrays: &mut Arrays) {
        for (name, values) in [
            ("weights", &self.weights),
            ("velocity", &self.velocity),
            ("second", &self.second),
            ("memory", &self.memory),
            ("smooth", &self.smooth),
        ] {
            arrays.vector(name, values);
        }
    }

    fn load(arrays: &mut Arrays, weights: usize) -> Result<Self, SurrogateError> {
        let mut vector = |name| arrays.take_vector(name, weights);
        Ok(Self {
            weights: vector("weights")?,
            velocity: vector("velocity")?,
            second: vector("second")?,
            memory: vector("memory")?,
            smooth: vector("smooth")?,
            losses: Vec::new(),
            gradient: Vec::new(),
        })
    }
}

impl Sampler for SghmcConfig {
    type State = SghmcState;

    fn method(&self) -> &'static str {
        if self.scale_adapted {
            "sghmc-scale-adapted"
        } else {
            "sghmc"
        }
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn check(&self, chains: &ChainsConfig) -> Result<(), SurrogateError> {
        above("step", self.step)?;
        if !(self.friction > 0.0 && self.friction <= 1.0) {
            return Err(setting_error("friction", self.friction, "above 0 and at most 1"));
        }
        at_least("gradient_noise", self.gradient_noise, 0.0, "from 0 to 1")?;
        if self.gradient_noise > 1.0 || (self.gradient_noise == 1.0 && !self.scale_adapted) {
            return Err(setting_error(
                "gradient_noise",
                self.gradient_noise,
                "from 0 to 1, and below 1 in the plain form, where it is a share of the friction",
            ));
        }
        if self.scale_adapted && chains.burn_in == 0 {
            return Err(setting_error(
                "burn_in",
                0,
                "at least 1 with scale_adapted = true: the scale is taken from these steps",
            ));
        }
        Ok(())
    }

    fn start(&self, _: &Energy, weights: Vec<f64>, _: &mut Batches) -> Result<SghmcState, SurrogateError> {
        let all = |value: f64| vec![value; weights.len()];
        Ok(SghmcState {
            velocity: all(0.0),
            second: all(1.0),
            memory: all(1.0),
            smooth: all(1.0),
            losses: Vec::new(),
            gradient: Vec::new(),
            weights,
        })
    }

    fn step(
        &self,
        energy: &Energy,
        state: &mut SghmcState,
        now: Moment,
        rng: &mut ChaCha8Rng,
    ) -> Result<StepReport, SurrogateError> {
        energy.losses_and_gradient(&state.weights, now.part, &mut state.losses, &mut state.gradient)?;
        let loss = mean(&state.losses);
        if !loss.is_finite() {
            return Err(diverged(now.step));
        }
        let scale = energy.on_mean_loss();
        state.gradient.iter_mut().for_each(|g| *g *= scale);
        if self.scale_adapted && now.burn_in {
            state.adapt();
        }
        let eta = self.step * self.step;
        let resample = self.resample_every > 0 && now.step.is_multiple_of(self.resample_every);
        for (i, weight) in state.weights.iter_mut().enumerate() {
            // The metric of this weight, and the variance that is injected into its velocity.
            let metric = if self.scale_adapted {
                eta / (state.second[i].sqrt() + FLOOR)
            } else {
                eta
            };
            let own = if self.scale_adapted {
                self.gradient_noise * eta * eta
            } else {
                2.0 * self.friction * self.gradient_noise * metric
            };
            let injected = (2.0 * self.friction * metric - own).max(0.0);
            let mut velocity = state.velocity[i];
            if resample {
                velocity = metric.sqrt() * normal(rng);
            }
            velocity += -metric * state.gradient[i] - self.friction * velocity + injected.sqrt() * normal(rng);
            state.velocity[i] = velocity;
            *weight += velocity;
        }
        Ok(unadjusted(loss))
    }
}

impl SghmcState {
    /// The estimates of section 3 of the paper: g smoothed with memory tau, V likewise, and tau longer where g is
    /// noisy.
    fn adapt(&mut self) {
        for i in 0..self.gradient.len() {
            let (gradient, second, smooth) = (self.gradient[i], self.second[i], self.smooth[i]);
            let rate = 1.0 / (self.memory[i] + 1.0);
            self.memory[i] += 1.0 - self.memory[i] * (smooth * smooth / (second + FLOOR));
            self.smooth[i] += rate * (gradient - smooth);
            self.second[i] += rate * (gradient * gradient - second);
        }
    }
}
