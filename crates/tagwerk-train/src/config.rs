//! What makes a training: the table `training` of a run's configuration.
//!
//! [`TrainingConfig`] is what a user wrote, with defaults filled in; [`TrainingConfig::check`] makes the [`Training`]
//! that the loop takes, so that nothing unchecked can be trained with.

use crate::error::{Result, TrainError};
use crate::facts::{Facts, facts};
use crate::learning_rates::LearningRates;
use crate::metric::Metric;
use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// All settings of a training, unchecked. The defaults are common to most published taggers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Seed of all random draws of the training. Default: 0.
    pub seed: u64,
    /// Passes over the training jets, at most. Default: 30.
    pub epochs: u32,
    /// Jets in a step. Default: 256.
    pub batch_size: usize,
    /// Jets scored at once, in validation and at the end. Default: 1024.
    pub score_batch_size: usize,
    /// Largest norm of the gradient, above which it is scaled down; none when absent. The learner does it. Default:
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_clip_norm: Option<f64>,
    /// The figure whose best epoch gives the final weights. Default: `val_loss`.
    pub best: Metric,
    /// The optimizer. The learner reads it.
    pub optimizer: OptimizerConfig,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// When to stop before the last epoch; never when absent. Default: absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// How often a checkpoint is written within an epoch; one is written after every epoch anyhow.
    pub checkpoint: CheckpointConfig,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            epochs: 30,
            batch_size: 256,
            score_batch_size: 1024,
            gradient_clip_norm: None,
            best: Metric::ValLoss,
            optimizer: OptimizerConfig::default(),
            schedule: Schedule::default(),
            early_stopping: None,
            checkpoint: CheckpointConfig::default(),
        }
    }
}

/// Which optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam (arXiv:1412.6980); weight decay is added to the gradient.
    Adam,
    /// Adam with decoupled weight decay (arXiv:1711.05101).
    AdamW,
    /// RAdam (arXiv:1908.03265) with decoupled weight decay, and Lookahead (arXiv:1907.08610) around it, with slow
    /// weights that move half the way every six steps.
    Ranger,
}

/// The optimizer and its constants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// `adam`, `adamw` or `ranger`. Default: adam.
    pub kind: OptimizerKind,
    /// Learning rate before the schedule. Default: 1e-3.
    pub learning_rate: f64,
    /// Decay rates of the first and second moment. Default: [0.9, 0.999].
    pub betas: [f64; 2],
    /// Number added to the root of the second moment. Default: 1e-8.
    pub eps: f64,
    /// Weight decay. Default: 0.
    pub weight_decay: f64,
    /// Whether it acts on biases, the gains of normalizations and other vectors too, or on matrices alone. Default:
    /// true.
    pub decay_biases: bool,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adam,
            learning_rate: 1e-3,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            decay_biases: true,
        }
    }
}

/// When to stop before the last epoch. The default is TopoDNN's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStopping {
    /// The figure that must get better. Default: `val_loss`.
    pub metric: Metric,
    /// Epochs in a row without a better figure after which the training stops. Default: 5.
    pub patience: u32,
    /// A gain up to this is none. Default: 0.
    pub min_delta: f64,
    /// Epochs before the rule begins. Default: 0.
    pub from_epoch: u32,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self {
            metric: Metric::ValLoss,
            patience: 5,
            min_delta: 0.0,
            from_epoch: 0,
        }
    }
}

/// How often a checkpoint is written within an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Seconds between checkpoints: what a crash costs at most. 0 for none by time. Default: 300.
    pub every_seconds: f64,
    /// Steps between checkpoints; 0 for none by steps. Default: 0.
    pub every_steps: u64,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            every_seconds: 300.0,
            every_steps: 0,
        }
    }
}

/// Checked settings: the only ones that can be trained with.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    config: TrainingConfig,
    rates: LearningRates,
}

impl Training {
    /// The settings.
    pub fn config(&self) -> &TrainingConfig {
        &self.config
    }

    /// The learning rates.
    pub fn rates(&self) -> &LearningRates {
        &self.rates
    }

    /// The settings that decide the trained bits: a run may only be resumed with the same. Epochs (a run may be
    /// prolonged), checkpoint intervals and the size of scored batches are not among them.
    pub(crate) fn decisive(&self) -> Result<Facts> {
        let mut all = facts("training", &self.config, Path::new("training settings"))?;
        all.retain(|key, _| {
            let free = ["training.epochs", "training.score_batch_size"];
            !free.contains(&key.as_str()) && !key.starts_with("training.checkpoint.")
        });
        Ok(all)
    }
}

impl TrainingConfig {
    /// Parses TOML text; `place` is what errors call it.
    ///
    /// # Errors
    /// An unknown key or a value of the wrong type, named.
    pub fn from_toml(text: &str, place: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|e| TrainError::Parse {
            path: place.to_owned(),
            reason: e.to_string(),
        })
    }

    /// Checks every number.
    ///
    /// # Errors
    /// The first setting outside its limits, by its key.
    pub fn check(self) -> Result<Training> {
        let require = |good: bool, key, value: &dyn std::fmt::Display, allowed| {
            if good {
                Ok(())
            } else {
                Err(TrainError::Setting {
                    key,
                    value: value.to_string(),
                    allowed,
                })
            }
        };
        require(
            i64::try_from(self.seed).is_ok(),
            "seed",
            &self.seed,
            "at most 9223372036854775807, the largest integer of TOML",
        )?;
        require(self.epochs > 0, "epochs", &self.epochs, "at least 1")?;
        require(self.batch_size > 0, "batch_size", &self.batch_size, "at least 1")?;
        require(
            self.score_batch_size > 0,
            "score_batch_size",
            &self.score_batch_size,
            "at least 1",
        )?;
        if let Some(norm) = self.gradient_clip_norm {
            require(
                norm.is_finite() && norm > 0.0,
                "gradient_clip_norm",
                &norm,
                "finite and above 0",
            )?;
        }
        let optimizer = &self.optimizer;
        for beta in optimizer.betas {
            require(
                (0.0..1.0).contains(&beta),
                "optimizer.betas",
                &beta,
                "numbers in [0, 1)",
            )?;
        }
        require(
            optimizer.eps.is_finite() && optimizer.eps > 0.0,
            "optimizer.eps",
            &optimizer.eps,
            "finite and above 0",
        )?;
        let decay = optimizer.weight_decay;
        require(
            decay.is_finite() && decay >= 0.0,
            "optimizer.weight_decay",
            &decay,
            "finite and not below 0",
        )?;
        if let Some(rule) = &self.early_stopping {
            require(
                rule.patience > 0,
                "early_stopping.patience",
                &rule.patience,
                "at least 1",
            )?;
            let margin = rule.min_delta;
            require(
                margin.is_finite() && margin >= 0.0,
                "early_stopping.min_delta",
                &margin,
                "finite and not below 0",
            )?;
        }
        let seconds = self.checkpoint.every_seconds;
        require(
            seconds.is_finite() && seconds >= 0.0,
            "checkpoint.every_seconds",
            &seconds,
            "finite and not below 0",
        )?;
        let rates = self.schedule.clone().check(optimizer.learning_rate)?;
        Ok(Training { config: self, rates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let parse = |text: &str| {
            TrainingConfig::from_toml(text, Path::new("run.toml"))
                .unwrap_err()
                .to_string()
        };
        let message = parse("epochs = 3\nbatchsize = 128\n");
        assert!(
            message.starts_with("run.toml: ") && message.contains("batchsize") && message.contains("line 2"),
            "{message}"
        );
        assert!(parse("[optimizer]\nlr = 0.1\n").contains("lr"));
        assert!(parse("[early_stopping]\nmetric = 'val_los'\n").contains("val_los"));
        assert!(parse("[schedule]\nkind = 'halving'\nepoch = 3\n").contains("epoch"));
    }

    #[test]
    fn a_config_survives_toml_with_defaults_filled_in() {
        let text = "seed = 3\nbest = 'val_rejection_30'\n[schedule]\nkind = 'step'\n[early_stopping]\npatience = 8\n";
        let config = TrainingConfig::from_toml(text, Path::new("x")).unwrap();
        assert_eq!(config.best, Metric::ValRejection(30));
        assert_eq!(config.early_stopping.as_ref().unwrap().patience, 8);
        assert_eq!(config.batch_size, 256);
        let again = TrainingConfig::from_toml(&toml::to_string(&config).unwrap(), Path::new("x")).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn limits_are_told_with_the_value() {
        let message = |change: fn(&mut TrainingConfig)| {
            let mut config = TrainingConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(message(|c| c.epochs = 0), "epochs = 0; allowed: at least 1");
        assert_eq!(
            message(|c| c.optimizer.betas[1] = 1.0),
            "optimizer.betas = 1; allowed: numbers in [0, 1)"
        );
        assert!(message(|c| c.optimizer.learning_rate = -1.0).contains("optimizer.learning_rate = -1"));
        assert!(message(|c| c.gradient_clip_norm = Some(0.0)).contains("gradient_clip_norm = 0"));
        assert!(message(|c| c.batch_size = 0).contains("batch_size = 0"));
        assert!(
            message(|c| c.early_stopping = Some(EarlyStopping {
                patience: 0,
                ..Default::default()
            }))
            .contains("patience")
        );
        assert!(message(|c| c.checkpoint.every_seconds = f64::NAN).contains("every_seconds = NaN"));
    }

    #[test]
    fn a_prolonged_run_is_the_same_run_and_another_seed_is_not() {
        let decisive = |config: TrainingConfig| config.check().unwrap().decisive().unwrap();
        let base = decisive(TrainingConfig::default());
        assert_eq!(base["training.optimizer.learning_rate"], "0.001");
        assert_eq!(
            base,
            decisive(TrainingConfig {
                epochs: 99,
                score_batch_size: 7,
                ..Default::default()
            })
        );
        assert_ne!(
            base,
            decisive(TrainingConfig {
                seed: 1,
                ..Default::default()
            })
        );
    }
}
