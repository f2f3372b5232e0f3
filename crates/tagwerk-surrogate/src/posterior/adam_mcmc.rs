//! AdamMCMC: Adam's steps as proposals of a Metropolis-Hastings chain.
//!
//! Bieringer, Kasieczka, Steffen, Trabs, "AdamMCMC", arXiv:2312.14027; used for classifier surrogates in
//! arXiv:2402.15558. A step of the chain: Adam's step u at theta, a proposal tau from the prolate normal distribution
//! ([`Prolate`]) around theta - u, a test with the loss at both ends.
//!
//! **What is exact.** Adam's moments depend on the chain's past, so the proposal does, and the chain is invariant only
//! approximately: variances come out 8 % low with betas of 0.99 and 2 % low with 0.999 in two dimensions (see
//! `tests/posterior/toy.rs`). [`Mode::Frozen`] and [`Mode::NoMomentum`] are exact, if the test sees all data.
//!
//! **What a step costs**, in evaluations of the step's rows (G: losses with gradient, L: losses):
//!
//! | mode | test on the step's rows | test on all data, step on a part | every step on all data |
//! |---|---|---|---|
//! | same-update | G + L | G + L(N) | L, and G after a move |
//! | recompute, frozen, no-momentum | 2 G | 2 G + L(N) | G |
//! | as-released | G | not offered | G |
//!
//! On all data the gradient at the end of an accepted move is the next step's own. L(N) is the loss of all N data at
//! the proposal; that of the present weights is remembered. Of memory it needs a dozen vectors `[P]`.

mod config;
mod state;

pub use config::{AdamMcmcConfig, Mode, TestOn};
pub use state::AdamMcmcState;

use super::batches::Batches;
use super::chain::{Moment, Sampler, StepReport};
use super::chains::ChainsConfig;
use super::energy::{Energy, mean, setting_error};
use super::metropolis;
use super::moments::Moments;
use super::proposal::{Overlaps, Prolate};
use super::target::Part;
use crate::SurrogateError;
use rand_chacha::ChaCha8Rng;
use state::Pending;

/// The released scripts start the forward step anew after so many rejections in a row.
const STUCK: u64 = 100;

impl Sampler for AdamMcmcConfig {
    type State = AdamMcmcState;

    fn method(&self) -> &'static str {
        "adam-mcmc"
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn check(&self, chains: &ChainsConfig) -> Result<(), SurrogateError> {
        self.check_settings()?;
        if self.mode == Mode::Frozen && chains.burn_in == 0 && self.kickstart == 0 {
            return Err(setting_error(
                "burn_in",
                0,
                "at least 1 in mode frozen (or kickstart at least 1): moments are taken from these steps",
            ));
        }
        Ok(())
    }

    fn start(
        &self,
        energy: &Energy,
        weights: Vec<f64>,
        batches: &mut Batches,
    ) -> Result<AdamMcmcState, SurrogateError> {
        let mut state = AdamMcmcState::new(weights, self.sigma);
        let adam = self.adam();
        for step in 0..self.kickstart {
            let part = batches.part(step);
            let losses = &mut state.scratch.losses;
            energy.losses_and_gradient(&state.weights, part, losses, &mut state.scratch.gradient)?;
            state
                .moments
                .step_with(&adam, &state.scratch.gradient, &mut state.scratch.forward);
            state.moments.advance(&adam, &state.scratch.gradient);
            let steps = state.weights.iter_mut().zip(&state.scratch.forward);
            steps.for_each(|(w, u)| *w -= u);
        }
        state.scratch.forget();
        Ok(state)
    }

    fn step(
        &self,
        energy: &Energy,
        state: &mut AdamMcmcState,
        now: Moment,
        rng: &mut ChaCha8Rng,
    ) -> Result<StepReport, SurrogateError> {
        let prolate = self.prolate(state.weights.len(), state.sigma);
        let report = if self.defects().stale_batch {
            self.stale_step(energy, state, now, prolate, rng)
        } else {
            self.fresh_step(energy, state, now, prolate, rng)
        }?;
        state.rejections = if report.accepted { 0 } else { state.rejections + 1 };
        if self.decays(&now) && state.sigma > self.sigma_min {
            state.sigma *= self.sigma_decay;
        }
        Ok(report)
    }
}

impl AdamMcmcConfig {
    /// A step whose forward move belongs to its own rows.
    fn fresh_step(
        &self,
        energy: &Energy,
        state: &mut AdamMcmcState,
        now: Moment,
        prolate: Prolate,
        rng: &mut ChaCha8Rng,
    ) -> Result<StepReport, SurrogateError> {
        let (adam, defects) = (self.adam(), self.defects());
        let AdamMcmcState {
            weights,
            moments,
            scratch,
            ..
        } = state;
        let everything = now.part.rows().is_none();
        if !(everything && scratch.gradient_is_current) {
            energy.losses_and_gradient(weights, now.part, &mut scratch.losses, &mut scratch.gradient)?;
        }
        let frozen = self.mode == Mode::Frozen && !now.burn_in;
        let step_at = |moments: &Moments, gradient: &[f64], step: &mut Vec<f64>| {
            if frozen {
                moments.frozen_step(&adam, gradient, step);
            } else {
                moments.step_with(&adam, gradient, step);
            }
        };
        step_at(moments, &scratch.gradient, &mut scratch.forward);
        prolate.draw(weights, &scratch.forward, &defects, rng, &mut scratch.proposal);

        // The reverse step: the same one, or Adam's at tau with the moments from before.
        let same = self.mode == Mode::SameUpdate;
        let with_full_test = self.test_on == TestOn::AllData && !everything;
        if same {
            if !with_full_test {
                energy.losses(&scratch.proposal, now.part, &mut scratch.proposal_losses)?;
            }
        } else {
            let (losses, gradient) = (&mut scratch.proposal_losses, &mut scratch.proposal_gradient);
            energy.losses_and_gradient(&scratch.proposal, now.part, losses, gradient)?;
            step_at(moments, &scratch.proposal_gradient, &mut scratch.reverse);
        }
        let reverse = if same { &scratch.forward } else { &scratch.reverse };
        let overlaps = Overlaps::new(weights, &scratch.proposal, &scratch.forward, reverse);
        if with_full_test {
            if !scratch.all_is_current {
                energy.losses(weights, Part::all(), &mut scratch.all)?;
                scratch.all_is_current = true;
            }
            energy.losses(&scratch.proposal, Part::all(), &mut scratch.proposal_all)?;
        }
        let (before, after) = if with_full_test {
            (&scratch.all, &scratch.proposal_all)
        } else {
            (&scratch.losses, &scratch.proposal_losses)
        };
        let loss = finite_loss(before, &now)?;
        let difference = energy.difference(weights, before, &scratch.proposal, after);
        let verdict = metropolis::test(difference, prolate.log_ratio(&overlaps, &defects), self.penalty, rng);

        // Moments move on, accepted or not: the past of the optimizer is that of the present weights.
        if !frozen {
            moments.advance(&adam, &scratch.gradient);
        }
        if verdict.accepted {
            std::mem::swap(weights, &mut scratch.proposal);
            std::mem::swap(&mut scratch.all, &mut scratch.proposal_all);
            std::mem::swap(&mut scratch.losses, &mut scratch.proposal_losses);
            std::mem::swap(&mut scratch.gradient, &mut scratch.proposal_gradient);
        }
        scratch.gradient_is_current = everything && !(same && verdict.accepted);
        Ok(StepReport {
            loss,
            acceptance: verdict.acceptance,
            accepted: verdict.accepted,
            noise: difference.noise,
        })
    }

    /// A step of the released surrogate code without `fixed_batches`: the forward move and the loss of the present
    /// weights are those of the rows in which the weights were proposed.
    fn stale_step(
        &self,
        energy: &Energy,
        state: &mut AdamMcmcState,
        now: Moment,
        prolate: Prolate,
        rng: &mut ChaCha8Rng,
    ) -> Result<StepReport, SurrogateError> {
        let (adam, defects) = (self.adam(), self.defects());
        let stuck = state.rejections > STUCK;
        let AdamMcmcState {
            weights,
            moments,
            scratch,
            pending,
            rejections,
            ..
        } = state;
        if pending.is_none() || stuck {
            energy.losses_and_gradient(weights, now.part, &mut scratch.losses, &mut scratch.gradient)?;
            *pending = Some(Pending::new(&adam, moments, &scratch.gradient, mean(&scratch.losses)));
            *rejections = 0;
        }
        let Some(ahead) = pending else {
            return Err(SurrogateError::NotFinite {
                what: "the pending step",
                place: format!("at step {}", now.step),
            });
        };
        prolate.draw(weights, &ahead.step, &defects, rng, &mut scratch.proposal);
        let (losses, gradient) = (&mut scratch.proposal_losses, &mut scratch.proposal_gradient);
        energy.losses_and_gradient(&scratch.proposal, now.part, losses, gradient)?;
        let proposed_loss = mean(losses);
        let mut next = Pending::new(&adam, moments, gradient, proposed_loss);
        let overlaps = Overlaps::new(weights, &scratch.proposal, &ahead.step, &next.step);
        let loss = finite_loss(&[ahead.loss], &now)?;
        // One loss at each end: the rows differ, so that no difference row by row exists.
        let mut difference = energy.difference(weights, &[ahead.loss], &scratch.proposal, &[proposed_loss]);
        difference.noise = f64::NAN;
        let verdict = metropolis::test(difference, prolate.log_ratio(&overlaps, &defects), false, rng);
        if verdict.accepted {
            std::mem::swap(weights, &mut scratch.proposal);
            std::mem::swap(ahead, &mut next);
            // Those after the forward step; the move just made used up.
            *moments = next.after;
        }
        Ok(StepReport {
            loss,
            acceptance: verdict.acceptance,
            accepted: verdict.accepted,
            noise: difference.noise,
        })
    }
}

/// The mean of losses, which must be finite at the present weights.
fn finite_loss(losses: &[f64], now: &Moment) -> Result<f64, SurrogateError> {
    let loss = mean(losses);
    if loss.is_finite() {
        Ok(loss)
    } else {
        Err(SurrogateError::NotFinite {
            what: "the loss of the present weights",
            place: format!("at step {}", now.step),
        })
    }
}
