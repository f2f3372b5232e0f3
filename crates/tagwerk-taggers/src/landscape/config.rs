//! Which taggers, how often, on which jets.

use crate::data_config::DataConfig;
use crate::error::TaggerError;
use crate::goat::GoatConfig;
use crate::registry;
use crate::run::{RunConfig, learner, merged_training};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tagwerk_data::Dataset;
use tagwerk_nn::Device;

/// One tagger of a landscape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaggerChoice {
    /// Name in the registry.
    pub name: String,
    /// Settings; absent ones are as published.
    #[serde(default)]
    pub settings: toml::Table,
    /// Training settings for this tagger alone, over the landscape's.
    #[serde(default)]
    pub training: toml::Table,
}

impl From<&str> for TaggerChoice {
    fn from(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// What makes a landscape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LandscapeConfig {
    /// Name, also of its folder under `runs/`. Default: landscape.
    pub name: String,
    /// Seed of the first training; the i-th has `seed + i`. Default: 1.
    pub seed: u64,
    /// Trainings a tagger. Default: 3.
    pub trainings: usize,
    /// Replicas of the paired bootstrap between taggers; 0 for none. Default: 200.
    pub bootstrap: usize,
    /// The jets.
    pub data: DataConfig,
    /// Training settings for all taggers, over each one's published training.
    pub training: toml::Table,
    /// The taggers. Default: all, of which some need jets.
    #[serde(rename = "tagger")]
    pub taggers: Vec<TaggerChoice>,
}

impl Default for LandscapeConfig {
    fn default() -> Self {
        Self {
            name: "landscape".into(),
            seed: 1,
            trainings: 3,
            bootstrap: 200,
            data: DataConfig::default(),
            training: toml::Table::new(),
            taggers: registry::names().map(TaggerChoice::from).collect(),
        }
    }
}

/// The landscape that `tagwerk landscape` runs on the sample; also a model of such a file.
const SAMPLE_CONFIG: &str = include_str!("../../../../configs/landscape-sample.toml");

impl LandscapeConfig {
    /// Four taggers on the embedded sample, a few minutes on two cores.
    ///
    /// # Errors
    /// None, unless the program itself is damaged.
    pub fn sample() -> Result<Self, TaggerError> {
        Self::from_toml(SAMPLE_CONFIG, Path::new("configs/landscape-sample.toml"))
    }

    /// All taggers that read these events, with their published trainings: of jets all taggers, of arrays those whose
    /// network can be built for their shape. A tagger that reads scores is then added by name.
    ///
    /// # Errors
    /// A data set of arrays that cannot be opened.
    pub fn for_data(data: DataConfig) -> Result<Self, TaggerError> {
        let all = Self {
            data,
            ..Self::default()
        };
        if !all.data.may_be_arrays() {
            return Ok(all);
        }
        let dataset = all.data.open()?;
        let reads = |choice: &TaggerChoice| {
            let Ok(tagger) = registry::tagger(&choice.name, &choice.settings) else {
                return false;
            };
            learner(tagger.as_ref(), &dataset, &tagger.training(), &Device::flex()).is_ok()
        };
        let taggers = match &dataset {
            Dataset::Jets(_) => all.taggers,
            Dataset::Arrays(_) => registry::array_names().map(TaggerChoice::from).filter(reads).collect(),
        };
        Ok(Self { taggers, ..all })
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// What does not parse, by key and line; unknown names and keys.
    pub fn from_toml(text: &str, place: &Path) -> Result<Self, TaggerError> {
        let config: Self = toml::from_str(text).map_err(|e| TaggerError::Config {
            place: place.display().to_string(),
            reason: e.to_string().trim_end().to_string(),
        })?;
        config.runs(&place.display().to_string())?;
        Ok(config)
    }

    /// Relative cost of one training of each tagger, by name: for whoever wants to know how much is left.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml).
    pub fn costs(&self) -> Result<Vec<(String, f64)>, TaggerError> {
        let runs = self.runs(&self.name)?;
        let firsts = runs.iter().step_by(self.trainings);
        Ok(firsts.map(|run| (run.config.tagger.clone(), run.cost())).collect())
    }

    /// Every training: tagger by tagger, seed by seed.
    pub(super) fn runs(&self, place: &str) -> Result<Vec<PlannedRun>, TaggerError> {
        let fail = |reason: String| TaggerError::Config {
            place: place.to_string(),
            reason,
        };
        if self.trainings == 0 || self.taggers.is_empty() {
            return Err(fail(format!(
                "{} trainings of {} taggers; at least one of each is needed",
                self.trainings,
                self.taggers.len()
            )));
        }
        let data = self.data.resolved()?;
        let mut runs: Vec<PlannedRun> = Vec::new();
        for (index, choice) in self.taggers.iter().enumerate() {
            if self.taggers[..index].iter().any(|other| other.name == choice.name) {
                return Err(fail(format!("tagger '{}' is listed twice", choice.name)));
            }
            let tagger: Arc<dyn Tagger> = registry::tagger(&choice.name, &choice.settings)?.into();
            tagger.check()?;
            if tagger.reads_scores().is_some_and(|goat| !goat.inputs.is_empty()) {
                return Err(fail(format!(
                    "inputs of '{}' are what the landscape fills in",
                    choice.name
                )));
            }
            for i in 0..self.trainings as u64 {
                let mut training = merged_training(tagger.as_ref(), &[&self.training, &choice.training], place)?;
                training.seed = self.seed.saturating_add(i);
                training.clone().check()?;
                let config = RunConfig {
                    tagger: choice.name.clone(),
                    settings: tagger.settings()?,
                    data: data.clone(),
                    training,
                };
                runs.push(PlannedRun {
                    tagger: tagger.clone(),
                    config,
                });
            }
        }
        if runs.iter().all(|run| run.tagger.reads_scores().is_some()) {
            return Err(fail(format!(
                "'{}' reads the scores of the other taggers of the landscape; name at least one",
                runs[0].config.tagger
            )));
        }
        Ok(runs)
    }
}

/// One training to be done.
pub(super) struct PlannedRun {
    pub(super) tagger: Arc<dyn Tagger>,
    pub(super) config: RunConfig,
}

impl PlannedRun {
    /// The same training reading these score columns, if it reads any.
    pub(super) fn reading(&self, inputs: &BTreeMap<String, String>) -> Result<Self, TaggerError> {
        let mut config = self.config.clone();
        let Some(goat) = self.tagger.reads_scores() else {
            return Ok(Self {
                tagger: self.tagger.clone(),
                config,
            });
        };
        let tagger: Arc<dyn Tagger> = Arc::new(GoatConfig {
            inputs: inputs.clone(),
            ..goat.clone()
        });
        config.settings = tagger.settings()?;
        Ok(Self { tagger, config })
    }

    /// Name of its run folder.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.config.tagger, self.config.training.seed)
    }

    /// Relative cost: what orders the queue.
    pub(super) fn cost(&self) -> f64 {
        const TYPICAL_CONSTITUENTS: f64 = 50.0;
        self.tagger.multiply_adds(TYPICAL_CONSTITUENTS) * f64::from(self.config.training.epochs)
    }
}
