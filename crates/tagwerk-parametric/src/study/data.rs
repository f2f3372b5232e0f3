//! The events of a study and their parts.

use super::config::{EventsConfig, StudyConfig};
use crate::error::ParametricError;
use crate::examples::{ScoredExamples, TrainingExamples};
use crate::hypotheses::Hypotheses;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tagwerk_data::{Events, Source, file_digest, hepmass_sample, open, random};

/// Points of a signal, at most: a parameter of more values is no grid but a quantity of the events.
const MOST_POINTS: usize = 1000;

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
    /// SHA-256 of the files by part, number and name, such as `train.0:part-0.parquet`.
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
    if config.test_share.is_some() {
        return Ok(Arc::unwrap_or_clone(StudyData::open(config)?.test));
    }
    if config.test.is_empty() {
        let [_, test] = hepmass_sample()?;
        return read(&[&test], config, config.test_events);
    }
    read_files(&config.test, config, config.test_events)
}

/// Events to score at all points of their own signal.
pub(super) fn scored(events: Arc<Events>, copies: usize) -> Result<ScoredExamples, ParametricError> {
    let all: Vec<u32> = (0..events.len() as u32).collect();
    let points = points_of(&events, &all)?;
    Ok(ScoredExamples::new(events, &all, Arc::new(points), copies))
}

/// The points of the signal among the events `chosen`.
fn points_of(events: &Events, chosen: &[u32]) -> Result<Hypotheses, ParametricError> {
    let points: Vec<f32> = chosen.iter().flat_map(|&e| events.point(e as usize)).copied().collect();
    let labels: Vec<f32> = chosen.iter().map(|&e| events.labels[e as usize]).collect();
    let found = Hypotheses::of_signal(&points, events.parameter_names.len(), &labels)?;
    if found.len() > MOST_POINTS {
        return Err(ParametricError::Events {
            what: format!("column `{}`", events.parameter_names.join("`, `")),
            reason: format!(
                "{} different values in signal; parameters are a grid of at most {MOST_POINTS} points",
                found.len()
            ),
        });
    }
    Ok(found)
}

/// SHA-256 of the files of a part, by part, number and name: files of two folders may have one name.
fn digests(part: &str, files: &[PathBuf]) -> Result<Vec<(String, String)>, ParametricError> {
    let of = |(number, path): (usize, &PathBuf)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok((
            format!("{part}.{number}:{name}"),
            format!("sha256:{}", file_digest(path)?.1),
        ))
    };
    files.iter().enumerate().map(of).collect()
}

/// Numbers of the events of a class.
fn of_class(events: &Events, class: u32) -> Vec<u32> {
    let is = |&event: &u32| u32::from(events.labels[event as usize] > 0.5) == class;
    (0..events.len() as u32).filter(is).collect()
}

/// Sets aside the share of each class that is tested on: what trains, and what is tested on.
fn set_aside(events: &Events, share: f64, seed: u64) -> (Events, Events) {
    let (mut training, mut test) = (Vec::new(), Vec::new());
    for class in [0u32, 1] {
        let mut own = of_class(events, class);
        random::shuffle(&mut random::stream(seed, "test events", u64::from(class)), &mut own);
        let kept = crate::training_share(own.len() as u64, share) as usize;
        test.extend_from_slice(&own[kept..]);
        own.truncate(kept);
        training.extend(own);
    }
    training.sort_unstable();
    test.sort_unstable();
    (chosen(events, &training), chosen(events, &test))
}

/// The events of these numbers.
fn chosen(events: &Events, numbers: &[u32]) -> Events {
    let at = || numbers.iter().map(|&number| number as usize);
    Events {
        feature_names: events.feature_names.clone(),
        parameter_names: events.parameter_names.clone(),
        process_names: events.process_names.clone(),
        features: at().flat_map(|i| events.event(i)).copied().collect(),
        parameters: at().flat_map(|i| events.point(i)).copied().collect(),
        labels: at().map(|i| events.labels[i]).collect(),
        weights: events.weights.as_ref().map(|all| at().map(|i| all[i]).collect()),
        processes: at().map(|i| events.processes[i]).collect(),
        rows: at().map(|i| events.rows[i]).collect(),
    }
}

impl StudyData {
    /// Reads the files, or the sample, and sets the validation events aside: of each class the share that the
    /// configuration says, rounded up, drawn by its seed.
    ///
    /// # Errors
    /// Files that cannot be read, test files without training files or the same, a share outside (0, 1).
    pub fn open(config: &EventsConfig) -> Result<Self, ParametricError> {
        let shares = [
            ("data.validation", Some(config.validation)),
            ("data.test_share", config.test_share),
        ];
        for (key, share) in shares {
            if let Some(share) = share.filter(|share| !(*share > 0.0 && *share < 1.0)) {
                return Err(ParametricError::Setting {
                    key,
                    value: share.to_string(),
                    allowed: "above 0 and below 1",
                });
            }
        }
        if config.test_share.is_some() && (config.train.is_empty() || !config.test.is_empty()) {
            return Err(ParametricError::Setting {
                key: "data.test_share",
                value: "for files that are divided already".to_owned(),
                allowed: "for training files without test files only",
            });
        }
        let mut checksums = BTreeMap::new();
        let (train, test) = match (config.train.is_empty(), config.test.is_empty(), config.test_share) {
            (true, true, _) => {
                let [train, test] = hepmass_sample()?;
                (
                    read(&[&train], config, config.train_events)?,
                    read(&[&test], config, config.test_events)?,
                )
            }
            (false, true, Some(share)) => {
                checksums.extend(digests("train", &config.train)?);
                let all = read_files(&config.train, config, config.train_events)?;
                set_aside(&all, share, config.seed)
            }
            (false, false, _) => {
                let (training, test) = (digests("train", &config.train)?, digests("test", &config.test)?);
                // By content: a copy under another name is the same events.
                if let Some((name, _)) = test
                    .iter()
                    .find(|(_, own)| training.iter().any(|(_, other)| other == own))
                {
                    return Err(ParametricError::Setting {
                        key: "data.test",
                        value: name.clone(),
                        allowed: "files that are not trained on; `data.test_share` sets a share of the training files aside",
                    });
                }
                checksums.extend(training.into_iter().chain(test));
                (
                    read_files(&config.train, config, config.train_events)?,
                    read_files(&config.test, config, config.test_events)?,
                )
            }
            (no_train, ..) => {
                return Err(ParametricError::Setting {
                    key: if no_train { "data.train" } else { "data.test" },
                    value: "no file".to_owned(),
                    allowed: "files for both parts, training files with `data.test_share`, or neither, which is the sample",
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
            let mut events = of_class(&train, class);
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
        if let Some(masses) = &config.data.masses {
            self.has_signal_at(masses)?;
        }
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
        let hypotheses = Arc::new(points_of(events, &training)?);
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
    /// Refuses masses at which the files have no signal, and says where they have.
    fn has_signal_at(&self, masses: &[f32]) -> Result<(), ParametricError> {
        const SHOWN: usize = 20;
        let events = &self.train;
        let mut found: Vec<f32> = (0..events.len())
            .filter(|&i| events.labels[i] > 0.5)
            .map(|i| events.point(i)[0])
            .collect();
        found.sort_unstable_by(f32::total_cmp);
        found.dedup();
        let Some(mass) = masses.iter().find(|mass| !found.contains(mass)) else {
            return Ok(());
        };
        let more = found.len().saturating_sub(SHOWN);
        found.truncate(SHOWN);
        Err(ParametricError::Events {
            what: format!("data.masses = {mass}"),
            reason: match more {
                0 => format!("the files have signal at {found:?}"),
                more => format!("the files have signal at {found:?} and {more} values more"),
            },
        })
    }
}

#[cfg(test)]
mod tests;
