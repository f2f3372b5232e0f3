//! Settings of variational inference.

use crate::SurrogateError;
use crate::posterior::energy::{at_least, positive};
use crate::posterior::moments::Adam;
use serde::{Deserialize, Serialize};

/// How weights are drawn during the fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// One draw for all rows of a step.
    Shared,
    /// Each row draws its pre-activations: N(x mu^T + b, x^2 (sigma^2)^T + sigma_b^2). Needs the model's linear layers.
    LocalReparameterization,
    /// One draw of weights, whose signs each row flips for itself. Needs the model's linear layers.
    Flipout,
}

impl Noise {
    /// As in a file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::LocalReparameterization => "local-reparameterization",
            Self::Flipout => "flipout",
        }
    }
}

/// Where mu begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// N(0, mean_spread^2), as published.
    Random,
    /// At the weights that the chain is given, a trained network, say.
    Weights,
}

/// Bayes by backprop. The defaults are the published ones, with the KL put right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VariationalConfig {
    /// Adam's step size. Default: 1e-3.
    pub learning_rate: f64,
    /// Memory of the first moment. Default: 0.9.
    pub beta1: f64,
    /// Memory of the second moment. Default: 0.999.
    pub beta2: f64,
    /// Decoupled decay of mu and rho. Default: 0; the released script has 0.01 without saying so.
    pub weight_decay: f64,
    /// Factor on the summed KL; 1 is Bayes' rule at the temperature of lambda. Default: 1.
    pub beta_kl: f64,
    /// Steps over which that factor grows from 0. Default: 0.
    pub warm_up: u64,
    /// How weights are drawn. Default: shared, as published.
    pub noise: Noise,
    /// Draws a step. Default: 1.
    pub draws_per_step: usize,
    /// Where mu begins. Default: random.
    pub start: Start,
    /// Standard deviation of mu at a random start. Default: 0.1.
    pub mean_spread: f64,
    /// Mean of rho at the start. Default: -3, a sigma of 0.0486.
    pub rho_start: f64,
    /// Standard deviation of rho at the start. Default: 0.1.
    pub rho_spread: f64,
    /// Repeats the released code, whose KL has no gradient. Default: false.
    pub as_released: bool,
}

impl Default for VariationalConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            weight_decay: 0.0,
            beta_kl: 1.0,
            warm_up: 0,
            noise: Noise::Shared,
            draws_per_step: 1,
            start: Start::Random,
            mean_spread: 0.1,
            rho_start: -3.0,
            rho_spread: 0.1,
            as_released: false,
        }
    }
}

impl VariationalConfig {
    /// The fit of the released code: no gradient of KL, weight decay 0.01.
    pub fn as_released() -> Self {
        Self {
            as_released: true,
            weight_decay: 0.01,
            ..Self::default()
        }
    }

    pub(super) fn check_settings(&self) -> Result<(), SurrogateError> {
        self.adam().check()?;
        for (setting, value) in [
            ("weight_decay", self.weight_decay),
            ("beta_kl", self.beta_kl),
            ("mean_spread", self.mean_spread),
            ("rho_spread", self.rho_spread),
        ] {
            at_least(setting, value, 0.0, "finite and at least 0")?;
        }
        at_least("rho_start", self.rho_start, -30.0, "finite and at least -30")?;
        positive("draws_per_step", self.draws_per_step)
    }

    pub(super) fn adam(&self) -> Adam {
        Adam {
            learning_rate: self.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: 1e-8,
        }
    }

    /// beta_KL in a step.
    pub(super) fn beta_at(&self, step: u64) -> f64 {
        if step < self.warm_up {
            self.beta_kl * (step + 1) as f64 / self.warm_up as f64
        } else {
            self.beta_kl
        }
    }
}
