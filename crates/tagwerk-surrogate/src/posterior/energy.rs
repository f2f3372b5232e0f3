//! The tempered posterior: pi(theta) ~ prior(theta) exp(-lambda L(theta)), and its energy U = lambda L - ln prior.
//!
//! **lambda means nothing without its reduction.** With L the sum of -log p over N data, lambda = 1 is Bayes' rule.
//! With L their mean, Bayes' rule is lambda = N, and the lambda = 50 of the published surrogate (4 million jets) is
//! 80,000 times hotter: its spread of weights is set by step size and chain length, hardly by the data. So reduction, N
//! and lambda_per_datum (1 is Bayes' rule) are recorded with every posterior.

use super::target::{Part, Target, check_weights};
use crate::SurrogateError;
use serde::{Deserialize, Serialize};

/// What `lambda` multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// The mean loss of all data: lambda_per_datum = lambda / N.
    Mean,
    /// The sum over all data: lambda_per_datum = lambda. A part of n rows counts N / n times, so that its energy
    /// estimates that of all data.
    Sum,
}

/// How much the data count against the prior.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tempering {
    /// The factor on the loss; above 0. Default: 1.
    pub lambda: f64,
    /// Mean or sum. Default: sum, so that lambda = 1 is Bayes' rule.
    pub reduction: Reduction,
}

impl Default for Tempering {
    fn default() -> Self {
        Self {
            lambda: 1.0,
            reduction: Reduction::Sum,
        }
    }
}

impl Tempering {
    /// lambda = 50 on the mean loss, as published with the CFM surrogate.
    pub fn published_surrogate() -> Self {
        Self {
            lambda: 50.0,
            reduction: Reduction::Mean,
        }
    }

    /// The factor on the loss of one datum among `rows`. Bayes' rule has 1 if the loss is -log p.
    pub fn per_datum(&self, rows: usize) -> f64 {
        match self.reduction {
            Reduction::Mean => self.lambda / rows as f64,
            Reduction::Sum => self.lambda,
        }
    }

    /// # Errors
    /// A lambda that is not above 0 or not finite.
    pub fn check(&self) -> Result<(), SurrogateError> {
        above("lambda", self.lambda)
    }
}

/// What is believed about the weights before any datum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Prior {
    /// Every value alike, as in the released AdamMCMC codes. With a network it is improper: directions that the data do
    /// not fix drift without end.
    #[default]
    Flat,
    /// N(0, sigma^2) on each weight.
    Gaussian {
        /// Standard deviation, above 0.
        sigma: f64,
    },
}

impl Prior {
    /// # Errors
    /// A width that is not above 0 or not finite.
    pub fn check(&self) -> Result<(), SurrogateError> {
        match *self {
            Self::Flat => Ok(()),
            Self::Gaussian { sigma } => above("prior.sigma", sigma),
        }
    }

    /// 1 / sigma^2, 0 for a flat prior.
    pub fn precision(&self) -> f64 {
        match *self {
            Self::Flat => 0.0,
            Self::Gaussian { sigma } => 1.0 / (sigma * sigma),
        }
    }
}

/// U(theta) of a model on its data.
#[derive(Clone, Copy)]
pub struct Energy<'a> {
    target: &'a dyn Target,
    tempering: Tempering,
    prior: Prior,
    per_datum: f64,
}

impl std::fmt::Debug for Energy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Energy")
            .field("weights", &self.target.weights())
            .field("rows", &self.target.rows())
            .field("tempering", &self.tempering)
            .field("prior", &self.prior)
            .finish()
    }
}

/// The difference U(to) - U(from), with the error that a part of the data leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The difference, estimated for all data; not finite if a loss is not.
    pub energy: f64,
    /// Standard deviation of that estimate over the choice of the part: lambda_per_datum N sqrt(Var(d) / n (1 - n /
    /// N)), d being the differences of the losses. 0 on all data; NaN on a single row of several.
    pub noise: f64,
}

impl<'a> Energy<'a> {
    /// # Errors
    /// Settings outside their range; a model without weights or without data.
    pub fn new(target: &'a dyn Target, tempering: Tempering, prior: Prior) -> Result<Self, SurrogateError> {
        tempering.check()?;
        prior.check()?;
        for (setting, value) in [
            ("the model's number of weights", target.weights()),
            ("the model's number of rows", target.rows()),
        ] {
            if value == 0 {
                return Err(setting_error(setting, value, "at least 1"));
            }
        }
        let per_datum = tempering.per_datum(target.rows());
        Ok(Self {
            target,
            tempering,
            prior,
            per_datum,
        })
    }

    /// The model.
    pub fn target(&self) -> &'a dyn Target {
        self.target
    }

    /// lambda and its reduction.
    pub fn tempering(&self) -> Tempering {
        self.tempering
    }

    /// The prior.
    pub fn prior(&self) -> Prior {
        self.prior
    }

    /// The factor on the loss of one datum.
    pub fn per_datum(&self) -> f64 {
        self.per_datum
    }

    /// lambda_per_datum N: what multiplies the mean loss.
    pub fn on_mean_loss(&self) -> f64 {
        self.per_datum * self.target.rows() as f64
    }

    /// Losses of the rows of `part`; `losses` is resized.
    ///
    /// # Errors
    /// Those of the model.
    pub fn losses(&self, weights: &[f64], part: Part, losses: &mut Vec<f64>) -> Result<(), SurrogateError> {
        losses.resize(part.len(self.target.rows()), 0.0);
        self.target
            .losses(weights, part, losses)
            .map_err(|source| SurrogateError::Target { what: "losses", source })
    }

    /// Losses of the rows of `part`, and the gradient of U / (lambda_per_datum N): that of the mean loss, and of the
    /// prior in its units. An optimizer then sees the same gradient whatever lambda is.
    ///
    /// # Errors
    /// Those of the model.
    pub fn losses_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut Vec<f64>,
        gradient: &mut Vec<f64>,
    ) -> Result<(), SurrogateError> {
        self.data_gradient(weights, part, losses, gradient)?;
        if let Prior::Gaussian { .. } = self.prior {
            let decay = self.prior.precision() / self.on_mean_loss();
            gradient.iter_mut().zip(weights).for_each(|(g, w)| *g += decay * w);
        }
        Ok(())
    }

    /// Losses of the rows of `part`, and the gradient of their mean, without the prior.
    ///
    /// # Errors
    /// Those of the model.
    pub fn data_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut Vec<f64>,
        gradient: &mut Vec<f64>,
    ) -> Result<(), SurrogateError> {
        let rows = part.len(self.target.rows());
        losses.resize(rows, 0.0);
        gradient.resize(weights.len(), 0.0);
        self.target
            .loss_and_gradient(weights, part, losses, gradient)
            .map_err(|source| SurrogateError::Target {
                what: "losses and gradient",
                source,
            })?;
        let share = 1.0 / rows as f64;
        gradient.iter_mut().for_each(|g| *g *= share);
        Ok(())
    }

    /// U(to) - U(from) from the losses of one part at both.
    pub fn difference(&self, from: &[f64], losses_from: &[f64], to: &[f64], losses_to: &[f64]) -> Difference {
        let (rows, total) = (losses_from.len() as f64, self.target.rows() as f64);
        // Two passes: the variance about the mean, not about zero.
        let mean = losses_to.iter().zip(losses_from).map(|(t, f)| t - f).sum::<f64>() / rows;
        let noise = if losses_from.len() >= self.target.rows() {
            0.0
        } else {
            let squares: f64 = losses_to
                .iter()
                .zip(losses_from)
                .map(|(t, f)| (t - f - mean).powi(2))
                .sum();
            let variance = squares / (rows - 1.0);
            self.on_mean_loss() * (variance / rows * (1.0 - rows / total)).sqrt()
        };
        let prior = match self.prior {
            Prior::Flat => 0.0,
            Prior::Gaussian { .. } => {
                // t^2 - f^2 = (t - f)(t + f)
                let squares: f64 = to.iter().zip(from).map(|(t, f)| (t - f) * (t + f)).sum();
                0.5 * self.prior.precision() * squares
            }
        };
        Difference {
            energy: self.on_mean_loss() * mean + prior,
            noise,
        }
    }

    /// Refuses weights that the model cannot take.
    pub(crate) fn check_weights(&self, weights: &[f64]) -> Result<(), SurrogateError> {
        check_weights(self.target, weights)
    }
}

/// The mean of losses.
pub(crate) fn mean(losses: &[f64]) -> f64 {
    losses.iter().sum::<f64>() / losses.len() as f64
}

pub(crate) fn setting_error(setting: &'static str, value: impl ToString, wanted: &'static str) -> SurrogateError {
    SurrogateError::Setting {
        setting,
        value: value.to_string(),
        wanted,
    }
}

/// Refuses a setting that is not finite and above 0.
pub(crate) fn above(setting: &'static str, value: f64) -> Result<(), SurrogateError> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(setting_error(setting, value, "finite and above 0"))
    }
}

/// Refuses a setting that is not finite or below a limit, which `wanted` names.
pub(crate) fn at_least(
    setting: &'static str,
    value: f64,
    limit: f64,
    wanted: &'static str,
) -> Result<(), SurrogateError> {
    if value >= limit && value.is_finite() {
        Ok(())
    } else {
        Err(setting_error(setting, value, wanted))
    }
}

/// Refuses a share that is not in [0, 1).
pub(crate) fn share(setting: &'static str, value: f64) -> Result<(), SurrogateError> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err(setting_error(setting, value, "at least 0 and below 1"))
    }
}

/// Refuses a count of zero.
pub(crate) fn positive(setting: &'static str, value: usize) -> Result<(), SurrogateError> {
    if value > 0 {
        Ok(())
    } else {
        Err(setting_error(setting, value, "at least 1"))
    }
}
