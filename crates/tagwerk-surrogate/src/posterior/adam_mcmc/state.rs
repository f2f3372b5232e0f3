//! What an AdamMCMC chain remembers.

use crate::SurrogateError;
use crate::posterior::arrays::Arrays;
use crate::posterior::chain::ChainState;
use crate::posterior::moments::{Adam, Moments};

/// Weights, the optimizer's moments, the width of the proposal.
#[derive(Debug, Clone)]
pub struct AdamMcmcState {
    pub(super) weights: Vec<f64>,
    pub(super) moments: Moments,
    pub(super) sigma: f64,
    /// Rejections since the last move.
    pub(super) rejections: u64,
    /// Of the as-released mode only.
    pub(super) pending: Option<Pending>,
    pub(super) scratch: Scratch,
}

/// A forward step made ahead of its use: what the released code keeps between steps.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// u, `[P]`.
    pub step: Vec<f64>,
    /// The moments after it.
    pub after: Moments,
    /// Mean loss of the rows on which it was made.
    pub loss: f64,
}

impl Pending {
    pub(super) fn new(adam: &Adam, moments: &Moments, gradient: &[f64], loss: f64) -> Self {
        let mut step = Vec::new();
        moments.step_with(adam, gradient, &mut step);
        let mut after = moments.clone();
        after.advance(adam, gradient);
        Self { step, after, loss }
    }
}

/// Vectors that a step fills, kept to spare their allocation; and what the step before it left of use.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    pub gradient: Vec<f64>,
    pub losses: Vec<f64>,
    pub forward: Vec<f64>,
    pub reverse: Vec<f64>,
    pub proposal: Vec<f64>,
    pub proposal_gradient: Vec<f64>,
    pub proposal_losses: Vec<f64>,
    pub all: Vec<f64>,
    pub proposal_all: Vec<f64>,
    /// `gradient` and `losses` are those of the present weights on all data.
    pub gradient_is_current: bool,
    /// `all` has the losses of the present weights on all data.
    pub all_is_current: bool,
}

impl Scratch {
    pub(super) fn forget(&mut self) {
        self.gradient_is_current = false;
        self.all_is_current = false;
    }
}

impl AdamMcmcState {
    pub(super) fn new(weights: Vec<f64>, sigma: f64) -> Self {
        Self {
            moments: Moments::new(weights.len()),
            weights,
            sigma,
            rejections: 0,
            pending: None,
            scratch: Scratch::default(),
        }
    }

    /// Adam's moments.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// sigma as it has decayed by now.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }
}

impl ChainState for AdamMcmcState {
    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn save(&self, arrays: &mut Arrays) {
        arrays.vector("weights", &self.weights);
        self.moments.save("adam", arrays);
        arrays.vector("sigma", &[self.sigma]);
        arrays.vector("rejections", &[self.rejections]);
        arrays.vector("has_pending", &[u64::from(self.pending.is_some())]);
        if let Some(pending) = &self.pending {
            arrays.vector("pending.step", &pending.step);
            pending.after.save("pending", arrays);
            arrays.vector("pending.loss", &[pending.loss]);
        }
    }

    fn load(arrays: &mut Arrays, weights: usize) -> Result<Self, SurrogateError> {
        let has_pending: u64 = arrays.take_one("has_pending")?;
        let pending = if has_pending == 0 {
            None
        } else {
            Some(Pending {
                step: arrays.take_vector("pending.step", weights)?,
                after: Moments::load("pending", arrays, weights)?,
                loss: arrays.take_one("pending.loss")?,
            })
        };
        Ok(Self {
            weights: arrays.take_vector("weights", weights)?,
            moments: Moments::load("adam", arrays, weights)?,
            sigma: arrays.take_one("sigma")?,
            rejections: arrays.take_one("rejections")?,
            pending,
            scratch: Scratch::default(),
        })
    }
}
