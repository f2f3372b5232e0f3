//! Does the network know masses it never saw?
//!
//! Trained on all masses, on the two at the ends (arXiv:2202.00424, section 4), and on all but one, each in turn
//! (arXiv:1601.07913); every network is tested at every mass. A validation sample has only masses that were trained on and
//! says nothing of the others: in the original study the networks of two masses validate at 0.883 to 0.886 and range from
//! 0.70 to 0.92 on the test. So the verdict comes from the masses left out, over several seeds, against the network that
//! saw them. Networks of one mass alone are what all this is to replace, and stand beside.

mod verdict;

pub use verdict::{MassStudy, Verdict};

use crate::error::ParametricError;
use crate::evaluation::PointScores;
use crate::hypotheses::Hypotheses;
use crate::network::Method;
use crate::study::{StudyConfig, StudyData, scores, train_on};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tagwerk_taggers::Context;
use tagwerk_train::{Job, JobOutcome, Observer, Outcome, RunFolder, run_many};
use verdict::assess;

/// The table `interpolation` of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InterpolationConfig {
    /// Trainings of each kind, with seeds one after the other. Default: 3.
    pub seeds: usize,
    /// Whether to train on the masses at both ends alone. Default: yes.
    pub ends: bool,
    /// Whether to leave out each mass in turn. Default: yes.
    pub leave_one_out: bool,
    /// Whether to train networks of one mass each. Default: yes.
    pub individual: bool,
    /// Whether these train against the background that the files have at their mass alone, as the original study, or
    /// against all. Default: the former where all background has a mass of the signal's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_background: Option<bool>,
}

impl Default for InterpolationConfig {
    fn default() -> Self {
        Self {
            seeds: 3,
            ends: true,
            leave_one_out: true,
            individual: true,
            own_background: None,
        }
    }
}

impl InterpolationConfig {
    /// The table `interpolation` of a configuration's text.
    ///
    /// # Errors
    /// What does not parse.
    pub fn from_toml(text: &str, place: &Path) -> Result<Self, ParametricError> {
        #[derive(Deserialize)]
        struct Written {
            #[serde(default)]
            interpolation: InterpolationConfig,
        }
        let written: Written = toml::from_str(text).map_err(|e| ParametricError::Config {
            place: place.display().to_string(),
            reason: e.to_string().trim_end().to_string(),
        })?;
        Ok(written.interpolation)
    }
}

/// On what a network of the study was trained.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    All,
    Ends,
    Without(f32),
    Alone(f32),
}

impl Kind {
    fn folder(self, seed: u64) -> String {
        match self {
            Self::All => format!("all-{seed}"),
            Self::Ends => format!("ends-{seed}"),
            Self::Without(mass) => format!("without-{mass}-{seed}"),
            Self::Alone(mass) => format!("alone-{mass}-{seed}"),
        }
    }

    /// The configuration of its training.
    fn config(self, base: &StudyConfig, masses: &[f32], own_background: bool, seed: u64) -> StudyConfig {
        let mut config = base.clone();
        config.training.seed = seed;
        config.data.masses = match self {
            Self::All => base.data.masses.clone(),
            Self::Ends => Some(vec![masses[0], masses[masses.len() - 1]]),
            Self::Without(left) => Some(masses.iter().copied().filter(|&m| m != left).collect()),
            Self::Alone(mass) => {
                config.network.method = Method::None;
                config.data.own_background = own_background;
                Some(vec![mass])
            }
        };
        config
    }
}

/// Who listens to the trainings of a study.
pub trait StudyObserver: Sync {
    /// An observer of the training `name`.
    fn training(&self, name: &str) -> Box<dyn Observer>;
    /// `done` of `total` trainings are done.
    fn done(&self, done: usize, total: usize);
}

/// Nobody.
impl StudyObserver for () {
    fn training(&self, _: &str) -> Box<dyn Observer> {
        Box::new(())
    }
    fn done(&self, _: usize, _: usize) {}
}

/// A study, finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InterpolationResult {
    /// Name of the parameter.
    pub parameter: String,
    /// Mass by mass, ascending.
    pub masses: Vec<MassStudy>,
    /// Trainings of each kind.
    pub seeds: usize,
    /// Trainings in all.
    pub trainings: usize,
    /// The verdict in words.
    pub verdict: String,
}

/// Trains all networks of a study in folders below `folder` (those that are there already are used or resumed), as many
/// at once as there are threads, and compares them.
///
/// # Errors
/// Events of several parameters or of fewer than three masses; [`ParametricError::Stopped`]; a training that fails.
pub fn interpolate(
    folder: &Path,
    config: &StudyConfig,
    study: &InterpolationConfig,
    context: &Context,
    observer: &dyn StudyObserver,
) -> Result<InterpolationResult, ParametricError> {
    if study.seeds == 0 {
        return Err(ParametricError::Setting {
            key: "interpolation.seeds",
            value: "0".to_owned(),
            allowed: "at least 1",
        });
    }
    let config = config.resolved()?;
    let data = StudyData::open(&config.data)?;
    let parts = data.parts(&config)?;
    let masses = masses_of(&parts.hypotheses)?;
    tested(&masses, parts.test.hypotheses())?;
    let mut kinds = vec![Kind::All];
    // Of three masses the two ends are all but the middle one: that is trained once.
    let middle = (study.leave_one_out && masses.len() == 3).then_some(Kind::Without(masses[1]));
    if study.ends && middle.is_none() {
        kinds.push(Kind::Ends);
    }
    if study.leave_one_out {
        kinds.extend(masses.iter().map(|&mass| Kind::Without(mass)));
    }
    if study.individual {
        kinds.extend(masses.iter().map(|&mass| Kind::Alone(mass)));
    }
    let first = config.training.seed;
    let wanted: Vec<(Kind, u64, PathBuf)> = (0..study.seeds as u64)
        .flat_map(|i| kinds.iter().map(move |&kind| (kind, first + i)))
        .map(|(kind, seed)| (kind, seed, folder.join(kind.folder(seed))))
        .collect();
    let own_background = study
        .own_background
        .unwrap_or_else(|| background_has_masses(&data, &masses));
    let wanted: Vec<(StudyConfig, Kind, u64, PathBuf)> = wanted
        .into_iter()
        .map(|(kind, seed, path)| (kind.config(&config, &masses, own_background, seed), kind, seed, path))
        .collect();
    for (config, kind, seed, _) in &wanted {
        // What cannot be trained is found now, not behind hours of others; seeds do not matter to it.
        if *seed == first {
            data.parts(config).map_err(|error| ParametricError::Events {
                what: format!("training {}", kind.folder(*seed)),
                reason: error.to_string(),
            })?;
        }
    }
    train_all(&wanted, &data, context, observer)?;
    let mut tables = Vec::new();
    for (_, kind, seed, path) in &wanted {
        let points = PointScores::of(&scores(path, "test")?);
        if study.ends && Some(*kind) == middle {
            tables.push((Kind::Ends, *seed, points.clone()));
        }
        tables.push((*kind, *seed, points));
    }
    let studies = masses
        .iter()
        .map(|&mass| assess(mass, &masses, study.seeds, &tables))
        .collect::<Result<Vec<_>, _>>()?;
    let verdict = verdict::in_words(&studies, study.seeds);
    Ok(InterpolationResult {
        parameter: data.train.parameter_names.first().cloned().unwrap_or_default(),
        masses: studies,
        seeds: study.seeds,
        trainings: wanted.len(),
        verdict,
    })
}

/// The masses of a study of one parameter.
fn masses_of(points: &Hypotheses) -> Result<Vec<f32>, ParametricError> {
    let fault = |reason: String| ParametricError::Events {
        what: "interpolation study".to_owned(),
        reason,
    };
    if points.width() != 1 {
        return Err(fault(format!(
            "the events have {} parameters; it is for one",
            points.width()
        )));
    }
    if points.len() < 3 {
        return Err(fault(format!(
            "signal at {} masses; at least 3 are needed",
            points.len()
        )));
    }
    Ok((0..points.len()).map(|i| points.point(i)[0]).collect())
}

/// Refuses masses that nothing can be tested at, before anything is trained.
fn tested(masses: &[f32], tested: &Hypotheses) -> Result<(), ParametricError> {
    match masses.iter().find(|&&mass| tested.find(&[mass]).is_none()) {
        None => Ok(()),
        Some(mass) => Err(ParametricError::Events {
            what: format!("mass {mass}"),
            reason: "the test events have no signal of it; `data.masses` can leave it out".to_owned(),
        }),
    }
}

/// Whether all background of the training files has one of the signal's masses.
fn background_has_masses(data: &StudyData, masses: &[f32]) -> bool {
    let events = &data.train;
    (0..events.len()).all(|i| events.labels[i] > 0.5 || masses.contains(&events.point(i)[0]))
}

fn train_all(
    wanted: &[(StudyConfig, Kind, u64, PathBuf)],
    data: &StudyData,
    context: &Context,
    observer: &dyn StudyObserver,
) -> Result<(), ParametricError> {
    let total = wanted.len();
    let (counted, raised) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (counted, raised) = (&counted, &raised);
    let jobs = wanted
        .iter()
        .map(|(config, kind, seed, path)| {
            let name = kind.folder(*seed);
            Job::new(name.clone(), move || {
                let begun = RunFolder::open_begun(path, config)?;
                let mut listening = observer.training(&name);
                let result = train_on(path, begun, config, data, context, listening.as_mut());
                if result.is_err() {
                    // The others will not be compared: they stop where they are, and go on once this is repaired.
                    raised.store(!context.stop.swap(true, Ordering::Relaxed), Ordering::Relaxed);
                }
                let result = result?;
                if matches!(result.outcome, Outcome::Finished(_)) {
                    let done = counted.fetch_add(1, Ordering::Relaxed) + 1;
                    observer.done(done, total);
                    return Ok(true);
                }
                Ok::<bool, ParametricError>(false)
            })
        })
        .collect();
    let mut done = 0;
    let outcomes = run_many(jobs, context.threads, &context.stop)?;
    if raised.load(Ordering::Relaxed) {
        // Nobody else asked to stop.
        context.stop.store(false, Ordering::Relaxed);
    }
    for outcome in outcomes {
        match outcome {
            JobOutcome::Done(finished) => done += usize::from(finished),
            JobOutcome::Failed(error) => return Err(error),
            JobOutcome::Panicked(message) => return Err(ParametricError::Panicked { message }),
            JobOutcome::NotStarted => {}
        }
    }
    if done < total {
        return Err(ParametricError::Stopped { done, total });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mass_that_cannot_be_tested_is_refused_before_anything_is_trained() {
        let points = |values: &[f32]| Hypotheses::of_signal(values, 1, &vec![1.0; values.len()]).unwrap();
        let masses = [500.0, 750.0, 1000.0];
        tested(&masses, &points(&[500.0, 750.0, 1000.0, 1250.0])).unwrap();
        let refused = tested(&masses, &points(&[500.0, 1000.0])).unwrap_err().to_string();
        assert!(
            refused.contains("mass 750") && refused.contains("no signal"),
            "{refused}"
        );
    }

    #[test]
    fn networks_of_one_mass_have_their_own_background_only_where_background_has_masses() {
        let dir = tempfile::tempdir().unwrap();
        let open = |mass: &dyn Fn(usize) -> String| {
            let row = |i: usize| match i % 2 {
                1 => "1,0.5,500\n".to_owned(),
                _ => format!("0,0.5,{}\n", mass(i)),
            };
            let rows: String = (1..41).map(row).collect();
            let path = dir.path().join("events.csv");
            std::fs::write(&path, format!("label,f0,mass\n{rows}")).unwrap();
            let config = crate::EventsConfig {
                train: vec![path],
                test_share: Some(0.25),
                ..crate::EventsConfig::default()
            };
            StudyData::open(&config).unwrap()
        };
        assert!(background_has_masses(&open(&|_| "500".to_owned()), &[500.0, 750.0]));
        assert!(!background_has_masses(&open(&|_| "nan".to_owned()), &[500.0, 750.0]));
        assert!(!background_has_masses(
            &open(&|i| format!("{}", 500 + i)),
            &[500.0, 750.0]
        ));
    }
}
