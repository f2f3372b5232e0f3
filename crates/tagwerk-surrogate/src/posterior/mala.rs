//! The Metropolis-adjusted Langevin algorithm, and Hamiltonian Monte Carlo with more leapfrog steps.
//!
//! MALA: Roberts, Tweedie, Bernoulli 2 (1996) 341; HMC: Neal, arXiv:1206.1901. With momentum p ~ N(0, 1) and a step
//! length epsilon, one leapfrog step is theta' = theta - epsilon^2 / 2 grad U + epsilon p, MALA's proposal, and its
//! acceptance exp(-dU - d|p|^2 / 2) is MALA's. More steps reverse less often and cost a gradient each.
//!
//! **Jitter.** A trajectory of fixed length can close on itself, after which the chain visits two points for ever, and
//! an acceptance of 1 tells nothing. So with more than one leapfrog step each trajectory has a length of its own,
//! epsilon times a uniform number from 0.8 to 1.2 (Neal, section 3.2).
//!
//! Exact if each step sees all data. On a part, gradient and test are those of this part: the trace has the noise.
//!
//! **Metric.** With `preconditioned`, the step of each weight is scaled by v^(-1/4), v being the mean square of its
//! gradient over the last 200 steps of burn-in, then fixed.
//!
//! **Cost** a step: one G (losses and gradient) for each leapfrog step on all data; one more on a part, where the
//! gradient at the start is not that of the step before.

use super::arrays::Arrays;
use super::batches::Batches;
use super::chain::{ChainState, Moment, Sampler, StepReport};
use super::chains::ChainsConfig;
use super::energy::{Energy, above, mean, positive, setting_error};
use super::metropolis;
use crate::SurrogateError;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tagwerk_data::random::{normal, uniform};

/// MALA and HMC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MalaConfig {
    /// Step length epsilon at the beginning. Default: 1e-3.
    pub step: f64,
    /// Leapfrog steps; 1 is MALA. Default: 1.
    pub leapfrog: usize,
    /// During burn-in the step length is adapted to this acceptance (Robbins, Monro), then fixed at a mean of its
    /// logarithm in which late steps count most. 0.574 is best for MALA, about 0.65 to 0.8 for HMC; absent: no
    /// adaptation. Default: 0.574.
    pub target_acceptance: Option<f64>,
    /// Scales each weight by the gradients of burn-in. Default: false.
    pub preconditioned: bool,
    /// Subtracts half the variance of the test's logarithm, see AdamMCMC. Default: false.
    pub penalty: bool,
}

impl Default for MalaConfig {
    fn default() -> Self {
        Self {
            step: 1e-3,
            leapfrog: 1,
            target_acceptance: Some(0.574),
            preconditioned: false,
            penalty: false,
        }
    }
}

/// Keeps the metric finite where no gradient was seen, relative to the typical gradient.
const METRIC_FLOOR: f64 = 1e-3;

/// Steps that the metric remembers.
const METRIC_MEMORY: f64 = 200.0;

/// What a MALA chain remembers.
#[derive(Debug, Clone)]
pub struct MalaState {
    weights: Vec<f64>,
    /// ln epsilon.
    log_step: f64,
    /// Its mean over the adaptation.
    log_step_mean: f64,
    /// Steps of the adaptation, 0 after its end.
    adapted: u64,
    /// Mean square of each gradient, `[P]`.
    squares: Vec<f64>,
    /// Scale of each weight's step, `[P]`.
    scale: Vec<f64>,
    scratch: Scratch,
}

#[derive(Debug, Clone, Default)]
struct Scratch {
    gradient: Vec<f64>,
    losses: Vec<f64>,
    proposal: Vec<f64>,
    proposal_gradient: Vec<f64>,
    proposal_losses: Vec<f64>,
    momentum: Vec<f64>,
    gradient_is_current: bool,
}

impl MalaState {
    /// The present step length.
    pub fn step_length(&self) -> f64 {
        self.log_step.exp()
    }
}

impl ChainState for MalaState {
    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn save(&self, arrays: &mut Arrays) {
        arrays.vector("weights", &self.weights);
        arrays.vector("log_step", &[self.log_step, self.log_step_mean]);
        arrays.vector("adapted", &[self.adapted]);
        arrays.vector("squares", &self.squares);
        arrays.vector("scale", &self.scale);
    }

    fn load(arrays: &mut Arrays, weights: usize) -> Result<Self, SurrogateError> {
        let log_step: Vec<f64> = arrays.take_vector("log_step", 2)?;
        Ok(Self {
            weights: arrays.take_vector("weights", weights)?,
            log_step: log_step[0],
            log_step_mean: log_step[1],
            adapted: arrays.take_one("adapted")?,
            squares: arrays.take_vector("squares", weights)?,
            scale: arrays.take_vector("scale", weights)?,
            scratch: Scratch::default(),
        })
    }
}

impl Sampler for MalaConfig {
    type State = MalaState;

    fn method(&self) -> &'static str {
        if self.leapfrog == 1 { "mala" } else { "hmc" }
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn check(&self, chains: &ChainsConfig) -> Result<(), SurrogateError> {
        above("step", self.step)?;
        positive("leapfrog", self.leapfrog)?;
        if let Some(target) = self.target_acceptance
            && !(target > 0.0 && target < 1.0)
        {
            return Err(setting_error("target_acceptance", target, "between 0 and 1"));
        }
        if self.preconditioned && chains.burn_in == 0 {
            return Err(setting_error(
                "burn_in",
                0,
                "at least 1 with preconditioned = true: the metric is taken from these steps",
            ));
        }
        Ok(())
    }

    fn start(&self, _: &Energy, weights: Vec<f64>, _: &mut Batches) -> Result<MalaState, SurrogateError> {
        Ok(MalaState {
            log_step: self.step.ln(),
            log_step_mean: 0.0,
            adapted: 0,
            squares: vec![0.0; weights.len()],
            scale: vec![1.0; weights.len()],
            weights,
            scratch: Scratch::default(),
        })
    }

    fn step(
        &self,
        energy: &Energy,
        state: &mut MalaState,
        now: Moment,
        rng: &mut ChaCha8Rng,
    ) -> Result<StepReport, SurrogateError> {
        if !now.burn_in {
            if state.adapted > 0 && self.target_acceptance.is_some() {
                state.log_step = state.log_step_mean;
            }
            state.adapted = 0;
        }
        let MalaState {
            weights,
            scratch,
            scale,
            ..
        } = state;
        let everything = now.part.rows().is_none();
        if !(everything && scratch.gradient_is_current) {
            energy.losses_and_gradient(weights, now.part, &mut scratch.losses, &mut scratch.gradient)?;
        }
        let loss = mean(&scratch.losses);
        if !loss.is_finite() {
            return Err(SurrogateError::NotFinite {
                what: "the loss of the present weights",
                place: format!("at step {}", now.step),
            });
        }
        // Leapfrog in coordinates theta / scale.
        let jitter = if self.leapfrog > 1 {
            0.8 + 0.4 * uniform(rng)
        } else {
            1.0
        };
        let epsilon = jitter * state.log_step.exp();
        let on_gradient = energy.on_mean_loss();
        scratch.momentum.resize(weights.len(), 0.0);
        scratch.momentum.iter_mut().for_each(|p| *p = normal(rng));
        let kinetic = |p: &[f64]| 0.5 * p.iter().map(|p| p * p).sum::<f64>();
        let before = kinetic(&scratch.momentum);
        scratch.proposal.clone_from(weights);
        scratch.proposal_gradient.clone_from(&scratch.gradient);
        for leap in 0..self.leapfrog {
            kick(
                &mut scratch.momentum,
                &scratch.proposal_gradient,
                scale,
                0.5 * epsilon * on_gradient,
            );
            let moves = scratch.proposal.iter_mut().zip(&scratch.momentum).zip(&*scale);
            moves.for_each(|((w, p), scale)| *w += epsilon * scale * p);
            let (losses, gradient) = (&mut scratch.proposal_losses, &mut scratch.proposal_gradient);
            energy.losses_and_gradient(&scratch.proposal, now.part, losses, gradient)?;
            kick(
                &mut scratch.momentum,
                &scratch.proposal_gradient,
                scale,
                0.5 * epsilon * on_gradient,
            );
            // A trajectory that left the finite numbers cannot come back; the test rejects it.
            if leap + 1 < self.leapfrog && !mean(&scratch.proposal_losses).is_finite() {
                break;
            }
        }
        let difference = energy.difference(weights, &scratch.losses, &scratch.proposal, &scratch.proposal_losses);
        let kinetic_change = before - kinetic(&scratch.momentum);
        let verdict = metropolis::test(difference, kinetic_change, self.penalty, rng);
        if verdict.accepted {
            std::mem::swap(weights, &mut scratch.proposal);
            std::mem::swap(&mut scratch.losses, &mut scratch.proposal_losses);
            std::mem::swap(&mut scratch.gradient, &mut scratch.proposal_gradient);
        }
        scratch.gradient_is_current = everything;
        if now.burn_in {
            self.adapt(state, verdict.acceptance);
        }
        Ok(StepReport {
            loss,
            acceptance: verdict.acceptance,
            accepted: verdict.accepted,
            noise: difference.noise,
        })
    }
}

/// p -= length scale gradient.
fn kick(momentum: &mut [f64], gradient: &[f64], scale: &[f64], length: f64) {
    for ((p, g), scale) in momentum.iter_mut().zip(gradient).zip(scale) {
        *p -= length * scale * g;
    }
}

impl MalaConfig {
    /// One step of burn-in: Robbins-Monro on ln epsilon with gains k^-0.6, and the metric of the gradients at hand.
    fn adapt(&self, state: &mut MalaState, acceptance: f64) {
        state.adapted += 1;
        let k = state.adapted as f64;
        if let Some(target) = self.target_acceptance {
            state.log_step += k.powf(-0.6) * (acceptance - target);
            state.log_step_mean += k.powf(-0.75) * (state.log_step - state.log_step_mean);
        }
        if self.preconditioned {
            let gain = (1.0 / k).max(1.0 / METRIC_MEMORY);
            let squares = state.squares.iter_mut().zip(&state.scratch.gradient);
            squares.for_each(|(mean, g)| *mean += gain * (g * g - *mean));
            let typical = mean(&state.squares).sqrt();
            if typical > 0.0 {
                // Relative to the typical gradient, so that the step length keeps its meaning.
                let scales = state.scale.iter_mut().zip(&state.squares);
                scales.for_each(|(scale, square)| *scale = (square.sqrt() / typical + METRIC_FLOOR).powf(-0.5));
            }
        }
    }
}
