//! Everything that decides a parametric training.

use crate::error::ParametricError;
use crate::examples::Sampling;
use crate::hypotheses::Assignment;
use crate::network::NetworkConfig;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tagwerk_data::EventColumns;
use tagwerk_taggers::training_over;
use tagwerk_train::{Metric, TrainingConfig};

/// Which events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
    /// Files to train on and validate with: CSV (also gzipped), Parquet or any other table. Default: none, and with no
    /// test files either, the sample inside the program.
    pub train: Vec<PathBuf>,
    /// Files to test on, other than those to train on.
    pub test: Vec<PathBuf>,
    /// Share of the events of the training files, of each class, that is tested on and never trained on, where there are
    /// no test files. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_share: Option<f64>,
    /// The parameters of signal in files that have no column for them, HEPMASS `1000` for instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constant: Option<Vec<f32>>,
    /// Share of the training events, of each class, that validates. Default: 0.25.
    pub validation: f64,
    /// Values of the first parameter that signal is kept at in training and validation. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masses: Option<Vec<f32>>,
    /// Whether background is kept too only where the file has it at one of `masses`. Default: no.
    pub own_background: bool,
    /// Training and validation events at most, drawn from all over the files. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_events: Option<u64>,
    /// Test events at most. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_events: Option<u64>,
    /// Points at which each background event is validated, at most all. Default: 5.
    pub validation_points: usize,
    /// MiB for the events in memory. Default: 8192.
    pub memory_mb: u64,
    /// Seed of the split and of the subsets, which trainings of other seeds share. Default: 0.
    pub seed: u64,
    /// Which columns are what.
    pub columns: EventColumns,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            train: Vec::new(),
            test: Vec::new(),
            test_share: None,
            constant: None,
            validation: 0.25,
            masses: None,
            own_background: false,
            train_events: None,
            test_events: None,
            validation_points: 5,
            memory_mb: 8192,
            seed: 0,
            columns: EventColumns::default(),
        }
    }
}

/// A dependence that is taken out of the score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecorrelationConfig {
    /// Name of the feature that the score shall not depend on in background events: a reconstructed mass, usually.
    pub feature: String,
    /// What the squared distance correlation counts in the loss (arXiv:2001.05310). Default: 10.
    #[serde(default = "default_strength")]
    pub strength: f64,
}

fn default_strength() -> f64 {
    10.0
}

/// A parametric training; the `config.toml` of its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyConfig {
    /// The events.
    #[serde(default)]
    pub data: EventsConfig,
    /// The network.
    #[serde(default)]
    pub network: NetworkConfig,
    /// What hypotheses background is given.
    #[serde(default)]
    pub assignment: Assignment,
    /// How batches are drawn.
    #[serde(default)]
    pub sampling: Sampling,
    /// What the score shall not depend on. Default: nothing is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decorrelation: Option<DecorrelationConfig>,
    /// The training.
    #[serde(default = "default_training")]
    pub training: TrainingConfig,
}

impl Default for StudyConfig {
    /// The affine network on the sample.
    fn default() -> Self {
        Self {
            data: EventsConfig::default(),
            network: NetworkConfig::default(),
            assignment: Assignment::default(),
            sampling: Sampling::default(),
            decorrelation: None,
            training: default_training(),
        }
    }
}

/// That of the tutorial of arXiv:2202.00424: Adam at 5e-4 with the epsilon of Keras, batches of 1024, 25 epochs. The best
/// epoch is that of the highest mean AUC over the masses: an AUC of all masses mixed is that of the easy ones.
pub fn default_training() -> TrainingConfig {
    let mut training = TrainingConfig {
        epochs: 25,
        batch_size: 1024,
        score_batch_size: 4096,
        best: Metric::ValAucMean,
        ..TrainingConfig::default()
    };
    training.optimizer.learning_rate = 5e-4;
    training.optimizer.eps = 1e-7;
    training
}

impl StudyConfig {
    /// Reads a configuration; an empty one is the affine network on the sample. Its table `interpolation` is that of
    /// [`crate::InterpolationConfig`] and ignored here.
    ///
    /// # Errors
    /// What does not parse, by key and line; unknown keys.
    pub fn from_toml(text: &str, place: &Path) -> Result<Self, ParametricError> {
        /// What a user may write; the training is laid over the default one.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            #[serde(default)]
            data: EventsConfig,
            #[serde(default)]
            network: NetworkConfig,
            #[serde(default)]
            assignment: Assignment,
            #[serde(default)]
            sampling: Sampling,
            #[serde(default)]
            decorrelation: Option<DecorrelationConfig>,
            #[serde(default)]
            training: toml::Table,
            #[serde(default)]
            interpolation: Option<toml::Table>,
        }
        let place = place.display().to_string();
        let written: Written = toml::from_str(text).map_err(|e| ParametricError::Config {
            place: place.clone(),
            reason: e.to_string().trim_end().to_string(),
        })?;
        let _ = written.interpolation;
        Ok(Self {
            training: training_over(&default_training(), &[&written.training], &place)?,
            data: written.data,
            network: written.network,
            assignment: written.assignment,
            sampling: written.sampling,
            decorrelation: written.decorrelation,
        })
    }

    /// The same with paths that hold from any working directory.
    ///
    /// # Errors
    /// No working directory.
    pub fn resolved(&self) -> Result<Self, ParametricError> {
        let mut resolved = self.clone();
        for path in resolved.data.train.iter_mut().chain(&mut resolved.data.test) {
            *path = std::path::absolute(&*path).map_err(|e| ParametricError::Events {
                what: path.display().to_string(),
                reason: format!("its full path: {e}"),
            })?;
        }
        Ok(resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Balance, Distribution};

    #[test]
    fn an_empty_configuration_is_complete_and_comes_back() {
        let config = StudyConfig::from_toml("", Path::new("a.toml")).unwrap();
        assert_eq!(config, StudyConfig::default());
        let text = toml::to_string(&config).unwrap();
        assert_eq!(StudyConfig::from_toml(&text, Path::new("b.toml")).unwrap(), config);
        assert_eq!(toml::from_str::<StudyConfig>(&text).unwrap(), config);
    }

    #[test]
    fn what_is_written_is_laid_over_the_defaults_and_slips_are_named() {
        let text = "[training]\nepochs = 3\n[training.optimizer]\nlearning_rate = 1e-3\n[assignment]\n\
                    distribution = 'uniform'\n[sampling]\nbalance = 'full'\n[data]\nmasses = [500, 1500]\n[interpolation]\nseeds = 2";
        let config = StudyConfig::from_toml(text, Path::new("a.toml")).unwrap();
        assert_eq!((config.training.epochs, config.training.batch_size), (3, 1024));
        assert_eq!(config.training.optimizer.eps, 1e-7);
        assert_eq!(config.assignment.distribution, Distribution::Uniform);
        assert_eq!(config.sampling.balance, Balance::Full);
        assert_eq!(config.data.masses, Some(vec![500.0, 1500.0]));
        for (text, key) in [
            ("[network]\nmethods = 'affine'", "methods"),
            ("[network]\nmethod = 'afine'", "afine"),
            ("[training]\nepoch = 3", "epoch"),
            ("[data.columns]\nlabels = 'x'", "labels"),
        ] {
            let message = StudyConfig::from_toml(text, Path::new("my.toml"))
                .unwrap_err()
                .to_string();
            assert!(message.contains("my.toml") && message.contains(key), "{message}");
        }
    }
}
