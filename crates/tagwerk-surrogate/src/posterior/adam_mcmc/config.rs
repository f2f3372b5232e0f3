//! Settings of AdamMCMC.

use crate::SurrogateError;
use crate::posterior::chain::Moment;
use crate::posterior::energy::{above, at_least, setting_error};
use crate::posterior::moments::Adam;
use crate::posterior::proposal::{Defects, Prolate};
use serde::{Deserialize, Serialize};

/// How the reverse move is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The surrogate's code as released: `recompute` with every error that it has ([`Defects::surrogate_code`]). For
    /// comparison only.
    AsReleased,
    /// The reverse move has the same step u; the moments count as auxiliary variables. As in the paper and in the later
    /// codes. Cheapest; needs betas near 1 (without momentum the variances of a Gaussian come out 40 % low).
    SameUpdate,
    /// The reverse move has Adam's step at tau, from the moments before the forward step.
    Recompute,
    /// `recompute` during burn-in; then the second moment stands still and the step is lr g / sqrt(v) with the gradient
    /// at each end: a Langevin proposal with a fixed metric. Exact.
    Frozen,
    /// `recompute` with both betas 0, so that the step is a function of the weights alone: lr g / (|g| + epsilon).
    /// Exact.
    NoMomentum,
}

/// What the Metropolis test sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestOn {
    /// The rows of the step. Biased unless these are all; the noise of the test is in the trace.
    Step,
    /// All data, whatever the step saw.
    AllData,
}

/// AdamMCMC. The defaults are those of the published surrogate (lr 5e-6, betas 0.9 and 0.999, both sigmas 0.05) with
/// the density put right and the same-update mode of the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamMcmcConfig {
    /// How the reverse move is made. Default: same-update.
    pub mode: Mode,
    /// Adam's step size. Default: 5e-6.
    pub learning_rate: f64,
    /// Memory of the first moment. Default: 0.9.
    pub beta1: f64,
    /// Memory of the second moment. Default: 0.999.
    pub beta2: f64,
    /// Added to the root of the second moment. Default: 1e-8.
    pub epsilon: f64,
    /// Width of the proposal for all weights together: s = sigma_factor sigma / sqrt(P) for each. Default: 0.05.
    pub sigma: f64,
    /// A factor on sigma. Default: 0.99, as in the released code.
    pub sigma_factor: f64,
    /// Width along the step: sD = sigma_delta / sqrt(P), in lengths of the step. Default: 0.05. The tagger's scan found
    /// P / 100 best, which is 316 for the surrogate.
    pub sigma_delta: f64,
    /// sigma is multiplied by this after every step, while it is above `sigma_min`: in the whole chain, but only during
    /// burn-in in the exact modes. Default: 1.
    pub sigma_decay: f64,
    /// Where the decay ends. Default: 0.
    pub sigma_min: f64,
    /// What the Metropolis test sees. Default: the rows of the step, as published.
    pub test_on: TestOn,
    /// Whether half the variance that the choice of rows gives to the test's logarithm is subtracted from it (the
    /// penalty method: exact for normal errors). Default: false.
    pub penalty: bool,
    /// Plain Adam steps before the first step, which fill the moments. Default: 0, as published for the surrogate (the
    /// tagger has 5).
    pub kickstart: u64,
    /// Errors of the released codes to repeat. Default: none.
    pub defects: Defects,
}

impl Default for AdamMcmcConfig {
    fn default() -> Self {
        Self {
            mode: Mode::SameUpdate,
            learning_rate: 5e-6,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            sigma: 0.05,
            sigma_factor: 0.99,
            sigma_delta: 0.05,
            sigma_decay: 1.0,
            sigma_min: 0.0,
            test_on: TestOn::Step,
            penalty: false,
            kickstart: 0,
            defects: Defects::default(),
        }
    }
}

impl AdamMcmcConfig {
    /// The chain of the published surrogate with all its errors, the inverted axis of before May 2024 included.
    pub fn as_published() -> Self {
        Self {
            mode: Mode::AsReleased,
            defects: Defects {
                inverted_axis: true,
                ..Defects::default()
            },
            ..Self::default()
        }
    }

    /// The settings for ParticleNet top tagging with `weights` weights: lr 1e-3, betas 0.99, sigma 0.2,
    /// sigma_delta = P / 100, 5 steps to begin with.
    pub fn top_tagging(weights: usize) -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.99,
            beta2: 0.99,
            sigma: 0.2,
            sigma_factor: 1.0,
            sigma_delta: weights as f64 / 100.0,
            kickstart: 5,
            ..Self::default()
        }
    }

    /// The settings of the two-dimensional flow of the authors' tutorial with `weights` weights: lr 1e-3, betas 0.999,
    /// sigma 0.02, sigma_delta = 800 at 5,934 weights (P / 7.4).
    pub fn flow_tutorial(weights: usize) -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.999,
            beta2: 0.999,
            sigma: 0.02,
            sigma_factor: 1.0,
            sigma_delta: weights as f64 * 800.0 / 5_934.0,
            ..Self::default()
        }
    }

    pub(super) fn check_settings(&self) -> Result<(), SurrogateError> {
        self.adam().check()?;
        above("sigma", self.sigma)?;
        above("sigma_factor", self.sigma_factor)?;
        at_least("sigma_delta", self.sigma_delta, 0.0, "finite and at least 0")?;
        at_least("sigma_min", self.sigma_min, 0.0, "finite and at least 0")?;
        if !(self.sigma_decay > 0.0 && self.sigma_decay <= 1.0) {
            return Err(setting_error("sigma_decay", self.sigma_decay, "above 0 and at most 1"));
        }
        let defects = self.defects();
        if defects.stale_batch && !matches!(self.mode, Mode::AsReleased | Mode::Recompute) {
            return Err(setting_error(
                "defects.stale_batch",
                true,
                "false unless the mode is as-released or recompute",
            ));
        }
        if defects.stale_batch && (self.test_on == TestOn::AllData || self.penalty) {
            return Err(setting_error(
                "test_on or penalty",
                "set",
                "left out in mode as-released: it compares losses of different rows",
            ));
        }
        Ok(())
    }

    pub(super) fn adam(&self) -> Adam {
        let memory = |beta| if self.mode == Mode::NoMomentum { 0.0 } else { beta };
        Adam {
            learning_rate: self.learning_rate,
            beta1: memory(self.beta1),
            beta2: memory(self.beta2),
            epsilon: self.epsilon,
        }
    }

    pub(super) fn defects(&self) -> Defects {
        match self.mode {
            Mode::AsReleased => self.defects.or(Defects::surrogate_code()),
            _ => self.defects,
        }
    }

    pub(super) fn prolate(&self, weights: usize, sigma: f64) -> Prolate {
        let root = (weights as f64).sqrt();
        Prolate {
            width: self.sigma_factor * sigma / root,
            along: self.sigma_delta / root,
        }
    }

    /// Whether sigma may still change.
    pub(super) fn decays(&self, now: &Moment) -> bool {
        self.sigma_decay < 1.0 && (now.burn_in || !matches!(self.mode, Mode::Frozen | Mode::NoMomentum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published widths: 2.78e-4 a weight for the surrogate, 6.05 step lengths for the tagger.
    #[test]
    fn widths_are_the_published_ones() {
        let surrogate = AdamMcmcConfig::default();
        let prolate = surrogate.prolate(31_617, surrogate.sigma);
        assert!((prolate.width - 2.784e-4).abs() < 1e-7, "{prolate:?}");
        let tagging = AdamMcmcConfig::top_tagging(366_160);
        let prolate = tagging.prolate(366_160, 2.0);
        assert!((prolate.width - 3.305e-3).abs() < 1e-6, "{prolate:?}");
        assert!((prolate.along - 6.051).abs() < 1e-3, "{prolate:?}");
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let wrong = |toml: &str| {
            let config: AdamMcmcConfig = toml::from_str(toml).unwrap();
            config.check_settings().unwrap_err().to_string()
        };
        assert_eq!(wrong("sigma = 0.0"), "sigma is 0, must be finite and above 0");
        assert_eq!(wrong("beta1 = 1.0"), "beta1 is 1, must be at least 0 and below 1");
        assert!(wrong("sigma_decay = 1.5").starts_with("sigma_decay is 1.5"));
        assert!(wrong("defects.stale_batch = true").contains("stale_batch"));
        assert!(wrong("mode = \"as-released\"\ntest_on = \"all-data\"").contains("as-released"));
        assert!(
            toml::from_str::<AdamMcmcConfig>("sigmas = 1.0").is_err(),
            "unknown keys"
        );
    }
}
