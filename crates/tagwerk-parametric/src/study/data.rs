//! The events of a study and their parts.

use super::config::{EventsConfig, StudyConfig};
use crate::error::ParametricError;
use crate::examples::{ScoredExamples, TrainingExamples};
use crate::hypotheses::Hypotheses;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tagwerk_data::{Events, Source, file_digest, hepmass_sample, open, random};

/// Name of the parameter of events that have none.
const NO_PARAMETER: &str = "parameter";

/// Events in memory, divided.
#[derive(Debug, Clone)]
pub struct StudyData {
    /// Training and validation events.
    pub train: Arc<Events>,
    /// Test events.
    pub test: Arc<Events>,
    /// Events that train, by number, ascending.
    pub training: Vec<u32>,
    /// Events that validate.
    pub validation: Vec<u32>,
    /// SHA-256 of the files by name.
    pub checksums: BTreeMap<String, String>,
}

/// What one training sees.
#[derive(Debug, Clone)]
pub struct StudyParts {
    /// To train on.
    pub train: TrainingExamples,
    /// To validate with, at the points trained on.
    pub validation: ScoredExamples,
    /// To test on, at all points of the test's signal.
    pub test: ScoredExamples,
    /// The points trained on.
    pub hypotheses: Arc<Hypotheses>,
}

/// Reads files as the configuration has them.
pub(super) fn read_files(
    files: &[PathBuf],
    config: &EventsConfig,
    limit: Option<u64>,
) -> Result<Events, ParametricError> {
    let sources = files.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<&dyn Source> = sources.iter().map(|source| &**source).collect();
    read(&sources, config, limit)
}

fn read(sources: &[&dyn Source], config: &EventsConfig, limit: Option<u64>) -> Result<Events, ParametricError> {
    let memory = config.memory_mb.saturating_mul(1 << 20);
    let mut events = Events::read(sources, &config.columns, limit, config.seed, memory)?;
    if u32::try_from(events.len()).is_err() {
        return Err(ParametricError::TooManyRows {
            rows: events.len(),
            limit: u32::MAX as usize,
        });
    }
    if events.parameter_names.is_empty() {
        let point = config.constant.clone().unwrap_or_else(|| vec![0.0]);
        events.parameter_names = match point.len() {
            1 => vec![NO_PARAMETER.to_owned()],
            n => (0..n).map(|i| format!("{NO_PARAMETER}{i}")).collect(),
        };
        events.parameters = point.repeat(events.len());
    } else if config.constant.is_some() {
        return Err(ParametricError::Setting {
            key: "data.constant",
            value: format!("for files with the parameter {}", events.parameter_names.join(", ")),
            allowed: "for files without a parameter only",
        });
    }
    Ok(events)
}

/// The test events of a configuration.
pub(crate) fn test_events(config: &EventsConfig) -> Result<Events, ParametricError> {
    if config.test.is_empty() {
        let [_, test] = hepmass_sample()?;
        return read(&[&test], config, config.test_events);
    }
    read_files(&config.test, config, config.test_events)
}

/// Events to score at all points of their own signal.
pub(super) fn scored(events: Arc<Events>, copies: usize) -> Result<ScoredExamples, ParametricError> {
    let all: Vec<u32> = (0..events.len() as u32).collect();
    let points = Hypotheses::of_signal(&events.parameters, events.parameter_names.len(), &events.labels)?;
    Ok(ScoredExamples::new(events, &all, Arc::new(points), copies))
}

impl StudyData {
    /// Reads the files, or the sample, and sets the validation events aside: of each class the share that the
    /// configuration says, rounded up, drawn by its seed.
    ///
    /// # Errors
    /// Files that cannot be read, test files without training files, a share outside (0, 1).
    pub fn open(config: &EventsConfig) -> Result<Self, ParametricError> {
        if !(config.validation > 0.0 && config.validation < 1.0) {
            return Err(ParametricError::Setting {
                key: "data.validation",
                value: config.validation.to_string(),
                allowed: "above 0 and below 1",
            });
        }
        let mut checksums = BTreeMap::new();
        let (train, test) = match (config.train.is_empty(), config.test.is_empty()) {
            (true, true) => {
                let [train, test] = hepmass_sample()?;
                (
                    read(&[&train], config, config.train_events)?,
                    read(&[&test], config, config.test_events)?,
                )
            }
            (false, false) => {
                for path in config.train.iter().chain(&config.test) {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    checksums.insert(name, format!("sha256:{}", file_digest(path)?.1));
                }
                (
                    read_files(&config.train, config, config.train_events)?,
                    read_files(&config.test, config, config.test_events)?,
                )
            }
            (no_train, _) => {
                return Err(ParametricError::Setting {
                    key: if no_train { "data.train" } else { "data.test" },
                    value: "no file".to_owned(),
                    allowed: "files for both parts, or for neither, which is the sample",
                });
            }
        };
        if train.feature_names != test.feature_names || train.parameter_names != test.parameter_names {
            return Err(ParametricError::Events {
                what: "columns of the test files".to_owned(),
                reason: format!(
                    "{:?} and {:?}; the training files have {:?} and {:?}",
                    test.feature_names, test.parameter_names, train.feature_names, train.parameter_names
                ),
            });
        }
        let (mut training, mut validation) = (Vec::new(), Vec::new());
        for class in [0u32, 1] {
            let of_class = |&event: &u32| u32::from(train.labels[event as usize] > 0.5) == class;
            let mut events: Vec<u32> = (0..train.len() as u32).filter(of_class).collect();
            random::shuffle(
                &mut random::stream(config.seed, "validation events", u64::from(class)),
                &mut events,
            );
            let kept = crate::training_share(events.len() as u64, config.validation) as usize;
            validation.extend_from_slice(&events[kept..]);
            training.extend_from_slice(&events[..kept]);
        }
        training.sort_unstable();
        validation.sort_unstable();
        Ok(Self {
            train: Arc::new(train),
            test: Arc::new(test),
            training,
            validation,
            checksums,
        })
    }

    /// What a training with this configuration sees.
    ///
    /// # Errors
    /// Masses without signal; whatever [`TrainingExamples::new`] refuses.
    pub fn parts(&self, config: &StudyConfig) -> Result<StudyParts, ParametricError> {
        let events = &self.train;
        let kept = |chosen: &[u32]| -> Vec<u32> {
            let Some(masses) = &config.data.masses else {
                return chosen.to_vec();
            };
            let keeps = |&event: &u32| {
                let signal = events.labels[event as usize] > 0.5;
                (!signal && !config.data.own_background) || masses.contains(&events.point(event as usize)[0])
            };
            chosen.iter().copied().filter(keeps).collect()
        };
        let (training, validation) = (kept(&self.training), kept(&self.validation));
        let width = events.parameter_names.len();
        let points_of = |chosen: &[u32]| {
            let points: Vec<f32> = chosen.iter().flat_map(|&e| events.point(e as usize).to_vec()).collect();
            let labels: Vec<f32> = chosen.iter().map(|&e| events.labels[e as usize]).collect();
            Hypotheses::of_signal(&points, width, &labels)
        };
        let hypotheses = Arc::new(points_of(&training)?);
        for &mass in config.data.masses.iter().flatten() {
            if (0..hypotheses.len()).all(|i| hypotheses.point(i)[0] != mass) {
                let found: Vec<f32> = (0..hypotheses.len()).map(|i| hypotheses.point(i)[0]).collect();
                return Err(ParametricError::Setting {
                    key: "data.masses",
                    value: mass.to_string(),
                    allowed: if found.is_empty() {
                        "none"
                    } else {
                        "values at which the files have signal"
                    },
                });
            }
        }
        Ok(StudyParts {
            train: TrainingExamples::new(
                events.clone(),
                training,
                hypotheses.clone(),
                config.assignment,
                config.sampling,
                config.training.seed,
            )?,
            validation: ScoredExamples::new(
                events.clone(),
                &validation,
                hypotheses.clone(),
                config.data.validation_points,
            ),
            test: scored(self.test.clone(), usize::MAX)?,
            hypotheses,
        })
    }
}
