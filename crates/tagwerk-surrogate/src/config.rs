//! What makes a surrogate: one TOML file.

use crate::conditions::Conditions;
use crate::error::SurrogateError;
use crate::evaluation::EvaluationOptions;
use crate::exact::Interpolation;
use crate::flow::FlowConfig;
use crate::ode::{Fixed, Solver};
use crate::table::TableConfig;
use crate::transform::Transform;
use crate::velocity::{VelocityConfig, VelocityNet};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tagwerk_train::{CheckpointConfig, Metric};

/// A surrogate and its training. The network, the path and the optimizer are the published ones; batch and length are
/// those of a training on a laptop, where they differ from the published ones this is said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SurrogateConfig {
    /// Name, for people.
    pub name: String,
    /// Where the rows come from.
    pub data: TableConfig,
    /// From scores to what is modeled.
    pub transform: Transform,
    /// The network.
    pub model: VelocityConfig,
    /// Flow matching.
    pub flow: FlowConfig,
    /// The training.
    pub training: SurrogateTraining,
    /// How answers are computed.
    pub solver: Solver,
    /// How many samples are made of few solves.
    pub interpolation: Interpolation,
    /// What an evaluation computes.
    pub evaluation: EvaluationOptions,
}

/// How the weights are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SurrogateTraining {
    /// Seed of initial weights, order of the rows, times and noise. Default: 0.
    pub seed: u64,
    /// Passes over the training rows. Default: 100. (Published: 4,000, with larger batches.)
    pub epochs: u32,
    /// Rows of a step. Default: 8192. (Published: 131,072 of 4 million.)
    pub batch_size: usize,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// How the learning rate moves, step by step. Default: constant.
    pub schedule: StepSchedule,
    /// Validation and answers use a running mean of the weights with this decay a step. Default: absent, the weights
    /// themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Largest norm of the gradient, above which it is scaled down. Default: absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_clip_norm: Option<f64>,
    /// Which epoch's weights are kept: `val_loss` (flow matching, with the same times and noise in each epoch) or
    /// `val_nll` (exact likelihood). Default: val_nll; of several scores val_loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Metric>,
    /// Validation rows whose exact likelihood is computed, with these steps. Default: 4096.
    pub nll_rows: usize,
    /// Steps of that likelihood. Default: 20 of rk4.
    pub nll_steps: Fixed,
    /// Epochs from one such likelihood to the next; the last epoch has one too. It costs as much as hundreds of steps.
    /// Default: a thirtieth of all epochs, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nll_every: Option<std::num::NonZeroU32>,
    /// How often a checkpoint is written within an epoch; one is written after every epoch anyhow.
    pub checkpoint: CheckpointConfig,
}

impl Default for SurrogateTraining {
    fn default() -> Self {
        Self {
            seed: 0,
            epochs: 100,
            batch_size: 8192,
            optimizer: Optimizer::default(),
            schedule: StepSchedule::default(),
            ema: None,
            gradient_clip_norm: None,
            best: None,
            nll_rows: 4096,
            nll_steps: Fixed::default(),
            nll_every: None,
            checkpoint: CheckpointConfig::default(),
        }
    }
}

/// Adam (arXiv:1412.6980) with decoupled weight decay (arXiv:1711.05101).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimizer {
    /// Learning rate before the schedule. Default: 1e-3, as published.
    pub learning_rate: f64,
    /// Decay rates of the first and second moment. Default: [0.9, 0.999].
    pub betas: [f64; 2],
    /// Number added to the root of the second moment. Default: 1e-8.
    pub eps: f64,
    /// Decoupled weight decay; 0 gives plain Adam. Default: 0.01, as published (PyTorch's default for AdamW).
    pub weight_decay: f64,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.01,
        }
    }
}

/// How the learning rate moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StepSchedule {
    /// It does not (published for six conditions).
    #[default]
    Constant,
    /// Times `factor` after every step (published for seven and eleven conditions, with 0.9999).
    Exponential {
        /// Factor a step.
        factor: f64,
    },
    /// Half a cosine wave over all steps, down to `end` of the rate.
    Cosine {
        /// What is left of the rate at the last step, from 0 to 1.
        end: f64,
    },
}

impl StepSchedule {
    /// Factor of the learning rate at `step` (from 0) of `steps`.
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Exponential { factor } => factor.powf(step as f64),
            Self::Cosine { end } => {
                let part = step as f64 / (steps.max(2) - 1) as f64;
                end + (1.0 - end) * 0.5 * (1.0 + (std::f64::consts::PI * part.min(1.0)).cos())
            }
        }
    }
}

impl SurrogateConfig {
    /// Parses a configuration; `place` is what errors call it.
    ///
    /// # Errors
    /// A text that is no TOML, an unknown key, a setting outside its range.
    pub fn from_toml(text: &str, place: &Path) -> Result<Self, SurrogateError> {
        let config: Self = toml::from_str(text).map_err(|e| SurrogateError::File {
            path: place.to_owned(),
            reason: e.to_string().trim_end().to_owned(),
        })?;
        config.check()?;
        Ok(config)
    }

    /// The evaluation's options with the roles of this configuration's conditions.
    ///
    /// # Errors
    /// A role, a variable or a shift of a column that is no condition.
    pub fn evaluation(&self) -> Result<EvaluationOptions, SurrogateError> {
        let options = EvaluationOptions {
            roles: self.data.roles.clone(),
            ..self.evaluation.clone()
        };
        options.resolved(&self.data.conditions)
    }

    /// Checks all settings that do not need the data.
    ///
    /// # Errors
    /// The first setting outside its range, by name.
    pub fn check(&self) -> Result<(), SurrogateError> {
        self.transform.check()?;
        self.solver.check()?;
        Solver::Fixed(self.training.nll_steps).check()?;
        let scores = self.data.scores.len();
        VelocityNet::new(self.model, scores, self.data.conditions.len())?;
        self.flow.check(scores)?;
        self.evaluation.check()?;
        self.evaluation()?;
        self.training.check(scores)
    }

    /// The network of this configuration.
    ///
    /// # Errors
    /// Sizes out of range.
    pub fn net(&self, conditions: &Conditions) -> Result<VelocityNet, SurrogateError> {
        VelocityNet::new(self.model, self.data.scores.len(), conditions.len())
    }
}

impl SurrogateTraining {
    /// The figure that the best epoch is chosen by.
    pub fn metric(&self, scores: usize) -> Metric {
        let default = if scores == 1 { Metric::ValNll } else { Metric::ValLoss };
        self.best.unwrap_or(default)
    }

    /// Whether the exact likelihood of the validation rows is computed after `epoch`, counted from 1.
    pub(crate) fn has_nll(&self, epoch: u64) -> bool {
        let every = self.nll_every.map_or((self.epochs / 30).max(1), Into::into);
        epoch.is_multiple_of(u64::from(every)) || epoch >= u64::from(self.epochs)
    }

    fn check(&self, scores: usize) -> Result<(), SurrogateError> {
        let setting = |setting, value: String, wanted, good: bool| {
            let wrong = SurrogateError::Setting { setting, value, wanted };
            if good { Ok(()) } else { Err(wrong) }
        };
        let Optimizer {
            learning_rate,
            betas: [first, second],
            eps,
            weight_decay,
        } = self.optimizer;
        let whole = |setting, value: u64| setting_at_least_one(setting, value);
        whole("training.epochs", u64::from(self.epochs))?;
        whole("training.batch_size", self.batch_size as u64)?;
        let above = |x: f64| x > 0.0 && x.is_finite();
        let rate = learning_rate.to_string();
        setting(
            "training.optimizer.learning_rate",
            rate,
            "above 0",
            above(learning_rate),
        )?;
        let unit = 0.0..1.0;
        let inside = unit.contains(&first) && unit.contains(&second);
        let betas = format!("[{first}, {second}]");
        setting("training.optimizer.betas", betas, "each from 0 to below 1", inside)?;
        setting("training.optimizer.eps", eps.to_string(), "above 0", above(eps))?;
        let decay = weight_decay >= 0.0 && weight_decay.is_finite();
        setting(
            "training.optimizer.weight_decay",
            weight_decay.to_string(),
            "at least 0",
            decay,
        )?;
        if let Some(ema) = self.ema {
            setting(
                "training.ema",
                ema.to_string(),
                "from 0 to below 1",
                unit.contains(&ema),
            )?;
        }
        if let Some(norm) = self.gradient_clip_norm {
            setting("training.gradient_clip_norm", norm.to_string(), "above 0", above(norm))?;
        }
        match self.schedule {
            StepSchedule::Exponential { factor } => {
                let good = factor > 0.0 && factor <= 1.0;
                setting(
                    "training.schedule.factor",
                    factor.to_string(),
                    "above 0, at most 1",
                    good,
                )?;
            }
            StepSchedule::Cosine { end } => {
                setting(
                    "training.schedule.end",
                    end.to_string(),
                    "from 0 to 1",
                    (0.0..=1.0).contains(&end),
                )?;
            }
            StepSchedule::Constant => {}
        }
        match self.metric(scores) {
            Metric::ValLoss => Ok(()),
            Metric::ValNll => {
                setting(
                    "training.best",
                    "val_nll".to_owned(),
                    "val_loss, of several scores",
                    scores == 1,
                )?;
                whole("training.nll_rows", self.nll_rows as u64)
            }
            other => setting("training.best", other.to_string(), "val_loss or val_nll", false),
        }
    }
}

fn setting_at_least_one(setting: &'static str, value: u64) -> Result<(), SurrogateError> {
    if value > 0 {
        return Ok(());
    }
    Err(SurrogateError::Setting {
        setting,
        value: value.to_string(),
        wanted: "at least 1",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_come_back_from_a_file() {
        let config = SurrogateConfig::default();
        config.check().unwrap();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<SurrogateConfig>(&text).unwrap(), config);
    }

    #[test]
    fn the_shipped_configurations_parse_and_are_sound() {
        for text in [
            include_str!("../../../configs/surrogate-top.toml"),
            include_str!("../../../configs/surrogate-top11.toml"),
            include_str!("../../../configs/surrogate-jetclass.toml"),
        ] {
            toml::from_str::<SurrogateConfig>(text).unwrap().check().unwrap();
        }
    }

    #[test]
    fn what_is_unknown_or_out_of_range_is_refused_by_name() {
        for (text, word) in [
            ("[training]\nepoch = 3", "epoch"),
            ("[training]\nepochs = 0", "training.epochs"),
            ("[training.optimizer]\nlearning_rate = -1.0", "learning_rate"),
            ("[training]\nbest = \"val_auc\"", "training.best"),
            (
                "[training.schedule]\nkind = \"cosine\"\nend = 2.0",
                "training.schedule.end",
            ),
            ("[flow.path]\nkind = \"straight\"\nsigma_min = 1.5", "sigma_min"),
            ("[solver]\nkind = \"fixed\"\nsteps = 0", "solver.steps"),
            ("[transform]\nscale = 0.0", "transform.scale"),
        ] {
            let error = match toml::from_str::<SurrogateConfig>(text) {
                Ok(config) => config.check().unwrap_err().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn the_likelihood_is_computed_now_and_then_and_at_the_end() {
        let epochs_with = |training: &SurrogateTraining| {
            (1..=u64::from(training.epochs))
                .filter(|&epoch| training.has_nll(epoch))
                .collect::<Vec<_>>()
        };
        let of = |epochs, nll_every| SurrogateTraining {
            epochs,
            nll_every: std::num::NonZeroU32::new(nll_every),
            ..SurrogateTraining::default()
        };
        assert_eq!(epochs_with(&of(4, 0)), [1, 2, 3, 4]);
        assert_eq!(epochs_with(&of(7, 3)), [3, 6, 7]);
        let usual = epochs_with(&of(1000, 0));
        assert_eq!((usual.len(), usual[0], usual[usual.len() - 1]), (31, 33, 1000));
    }

    #[test]
    fn schedules_begin_at_one_and_end_where_they_should() {
        let cosine = StepSchedule::Cosine { end: 0.1 };
        assert_eq!(cosine.factor(0, 100), 1.0);
        assert!((cosine.factor(99, 100) - 0.1).abs() < 1e-12);
        assert!((StepSchedule::Exponential { factor: 0.9 }.factor(3, 0) - 0.729).abs() < 1e-12);
    }
}
