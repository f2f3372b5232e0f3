//! One parametric training: its configuration, its events, its run folder.
//!
//! The run folder is that of every training of this program, resumed to the same bits; `parametric.json` beside it says
//! at which points the network was trained, so that whoever uses it knows when a hypothesis lies outside.

mod config;
mod data;
mod files;
mod scorer;

pub use config::{DecorrelationConfig, EventsConfig, StudyConfig, default_training};
pub(crate) use data::test_events;
pub use data::{StudyData, StudyParts};
pub use files::{ScoredFile, ScoredPoint};
pub use scorer::Scorer;

use crate::error::ParametricError;
use crate::evaluation::{StudyEvaluation, evaluate_scores};
use crate::hypotheses::{Distribution, Hypotheses};
use crate::network::ParametricNetwork;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use tagwerk_data::AtomicFile;
use tagwerk_taggers::{Context, NetworkLearner};
use tagwerk_train::{
    CheckpointKind, Learner, Machine, Observer, Outcome, Provenance, RunFolder, ScoreTable, Sets, SystemClock,
    TrainError, Trainer,
};

/// Name of the file that describes the hypotheses of a run.
const DESCRIPTION: &str = "parametric.json";

/// What a run was trained for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Names of the features, in the order of the network's inputs.
    pub features: Vec<String>,
    /// Names of the parameters.
    pub parameters: Vec<String>,
    /// Points of the training's signal, `[M][P]`.
    pub points: Vec<Vec<f32>>,
    /// Training events of the signal at each point.
    pub counts: Vec<u64>,
    /// Names of the background processes that are classes of their own; none where background is one class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// Points of the test's signal.
    pub test_points: Vec<Vec<f32>>,
    /// AUC of the best classifier that knows the hypothesis alone, on the first epoch as the network sees it; absent for
    /// imported weights.
    pub leak: Option<f64>,
    /// What must be known before the result is believed.
    pub warnings: Vec<String>,
}

impl Description {
    /// The points as hypotheses.
    ///
    /// # Errors
    /// A description without points.
    pub(crate) fn hypotheses(points: &[Vec<f32>]) -> Result<Hypotheses, ParametricError> {
        let width = points.first().map_or(0, Vec::len);
        Hypotheses::of_signal(&points.concat(), width, &vec![1.0; points.len()])
    }

    /// The points of the training with their counts; imported weights come without, and their points count alike.
    ///
    /// # Errors
    /// A description without points.
    pub(crate) fn trained(&self) -> Result<Hypotheses, ParametricError> {
        let points = Self::hypotheses(&self.points)?;
        match self.counts.iter().any(|&count| count > 0) {
            true => points.with_counts(&self.counts),
            false => Ok(points),
        }
    }

    /// Whether another training, begun in the same folder, sees what this one saw. The gauge and the warnings follow from
    /// that, and may be said otherwise by another version of the program.
    fn is_of(&self, other: &Self) -> bool {
        self.features == other.features
            && self.parameters == other.parameters
            && self.points == other.points
            && self.counts == other.counts
            && self.processes == other.processes
            && self.test_points == other.test_points
    }

    /// Whether no training event lay around a point: whatever the network says there, nobody taught it.
    pub fn out_of_range(&self, point: &[f32]) -> bool {
        Self::hypotheses(&self.points).is_ok_and(|trained| trained.outside(point))
    }
}

/// What a training gave.
#[derive(Debug)]
pub struct StudyResult {
    /// Its folder.
    pub run: PathBuf,
    /// Trained parameters.
    pub parameters: usize,
    /// What was done, and whether it is finished.
    pub outcome: Outcome,
    /// What it was trained for.
    pub description: Description,
    /// The test events, point by point; absent after a stop.
    pub evaluation: Option<StudyEvaluation>,
}

/// Trains in the folder `run`, new or begun with the same configuration.
///
/// # Errors
/// A folder with another configuration; bad data, bad settings; a training that fails.
pub fn train(
    run: &Path,
    config: &StudyConfig,
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<StudyResult, ParametricError> {
    let config = config.resolved()?;
    let begun = RunFolder::open_begun(run, &config)?;
    let data = StudyData::open(&config.data)?;
    train_on(run, begun, &config, &data, context, observer)
}

/// Goes on with a run, by its own configuration, or with another number of `epochs` in all. A finished run is evaluated again.
///
/// # Errors
/// A folder that holds no parametric run, one that is in use, or imported weights; no more epochs than are done; as [`train`].
pub fn resume(
    run: &Path,
    epochs: Option<u32>,
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<StudyResult, ParametricError> {
    let folder = RunFolder::open(run)?;
    folder.refuse_imported()?;
    let mut config: StudyConfig = folder.config()?;
    if let Some(epochs) = epochs {
        folder.allows_epochs(epochs)?;
        config.training.epochs = epochs;
    }
    let data = StudyData::open(&config.data)?;
    if let Some(epochs) = epochs {
        // Nothing but the training can fail now.
        folder.set_epochs(epochs, &SystemClock::new(), |stored: &mut StudyConfig| {
            stored.training.epochs = epochs;
        })?;
    }
    train_on(run, Some(folder), &config, &data, context, observer)
}

/// Makes a run of a network whose weights another program trained: it scores like one that was trained here, and cannot be
/// trained on.
///
/// # Errors
/// A folder that is taken; when the disk refuses.
pub fn import_run(
    run: &Path,
    config: &StudyConfig,
    network: ParametricNetwork,
    description: &Description,
    provenance: &Provenance,
    context: &Context,
) -> Result<PathBuf, ParametricError> {
    let learner = NetworkLearner::new(network, &config.training, &context.device);
    let folder = RunFolder::import(run, config, &learner, provenance, &SystemClock::new())?;
    if let Err(error) = write_description(&folder, description) {
        // A run without its description is none; that it cannot be removed adds nothing to the first error.
        let _ = std::fs::remove_dir_all(folder.path());
        return Err(error);
    }
    Ok(folder.path().to_path_buf())
}

/// Whether a folder holds a parametric run.
pub fn is_parametric(run: &Path) -> bool {
    run.join(DESCRIPTION).is_file()
}

/// Trains on events that are there already, which must be those of the configuration.
pub(crate) fn train_on(
    run: &Path,
    begun: Option<RunFolder>,
    config: &StudyConfig,
    data: &StudyData,
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<StudyResult, ParametricError> {
    let parts = data.parts(config)?;
    let (features, parameters) = (data.train.width(), data.train.parameter_names.len());
    config.network.check(features, parameters)?;
    let training = config.training.clone().check()?;
    let description = describe(data, &parts, config)?;
    let seed = config.training.seed;
    let processes = description.processes.len();
    let mut network = config
        .network
        .init_with_processes(features, parameters, processes, seed, &context.device)?;
    if config.network.processes {
        network.tell_classes(classes(data, &description.processes).into());
    }
    if let Some(decorrelation) = &config.decorrelation {
        let (feature, strength) = checked(decorrelation, &data.train.feature_names)?;
        network.decorrelate(feature, strength);
    }
    let folder = match begun {
        Some(folder) => folder,
        None => RunFolder::create(run, config)?,
    };
    settle_description(&folder, &description)?;
    let mut learner = NetworkLearner::new(network, &config.training, &context.device);
    let sets = Sets::new(&parts.train, &parts.validation)
        .score("validation", &parts.validation)
        .score("test", &parts.test)
        .fact("network", &config.network)?
        .fact("assignment", &config.assignment)?
        .fact("sampling", &config.sampling)?
        .fact("decorrelation", &config.decorrelation)?
        .fact("data.columns", &config.data.columns)?
        .fact("data.validation", &config.data.validation)?
        .fact("data.test_share", &config.data.test_share)?
        .fact("data.files", &data.checksums)?;
    let provenance = Provenance {
        version: context.version.clone(),
        git: context.git.clone(),
        data: data.checksums.clone(),
        machine: Machine::this(),
        device: context.device_name.clone(),
        threads: rayon::current_num_threads().min(context.threads),
        imported: None,
    };
    let clock = SystemClock::new();
    let outcome = Trainer::new(&training, &folder, &clock, context.stop.clone(), observer)
        .provenance(provenance)
        .run(&mut learner, &sets)?;
    let evaluation = match &outcome {
        Outcome::Finished(_) => Some(evaluate(folder.path())?),
        Outcome::Stopped(_) => None,
    };
    Ok(StudyResult {
        run: folder.path().to_path_buf(),
        parameters: learner.parameter_count(),
        outcome,
        description,
        evaluation,
    })
}

/// The test events of a finished run, point by point, with the cuts that its validation events chose.
///
/// # Errors
/// A folder without a finished parametric run.
pub fn evaluate(run: &Path) -> Result<StudyEvaluation, ParametricError> {
    let (folder, description) = finished(run)?;
    let (validation, test) = (folder.scores("validation")?, folder.scores("test")?);
    let trained = Description::hypotheses(&description.points)?;
    let tested = Description::hypotheses(&description.test_points)?;
    let config: StudyConfig = folder.config()?;
    let (features, parameters) = (description.features.len(), description.parameters.len());
    let processes = description.processes.len();
    let device = tagwerk_taggers::Device::flex();
    let network = config
        .network
        .init_with_processes(features, parameters, processes, 0, &device)?;
    use tagwerk_nn::layers::Parts;
    evaluate_scores(&test, Some(&validation), &trained, &tested, network.parameter_count())
}

/// What a run was trained for.
///
/// # Errors
/// A folder without a parametric run.
pub fn description(run: &Path) -> Result<Description, ParametricError> {
    Ok(opened(run)?.1)
}

/// Scores of a part (`validation` or `test`) of a finished run.
///
/// # Errors
/// A folder without a finished parametric run.
pub fn scores(run: &Path, part: &str) -> Result<ScoreTable, ParametricError> {
    Ok(finished(run)?.0.scores(part)?)
}

/// Scores other events with the best weights of a run, every background event at each point of their signal, and
/// evaluates them with the cuts of the run's validation events.
///
/// # Errors
/// As [`evaluate`]; files that do not have the run's columns.
pub fn evaluate_files(
    run: &Path,
    files: &[PathBuf],
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<StudyEvaluation, ParametricError> {
    finished(run)?;
    let mut scorer = Scorer::open(run, context)?;
    let Scorer {
        description,
        config,
        folder,
        learner,
        ..
    } = &mut scorer;
    let events = data::read_files(files, &config.data, None)?;
    if events.feature_names != description.features || events.parameter_names != description.parameters {
        return Err(ParametricError::Events {
            what: "columns".to_owned(),
            reason: format!(
                "{:?} and {:?}; the run has {:?} and {:?}",
                events.feature_names, events.parameter_names, description.features, description.parameters
            ),
        });
    }
    let examples = data::scored(events.into(), usize::MAX)?;
    let size = config.training.score_batch_size;
    let scored = tagwerk_train::score(learner, &examples, size, "events", observer, &context.stop)?;
    let test = scored.ok_or(ParametricError::Stopped { done: 0, total: 1 })?;
    // Imported weights come without validation events.
    let validation = folder.scores("validation").ok();
    let trained = Description::hypotheses(&description.points)?;
    let tested = examples.hypotheses();
    evaluate_scores(&test, validation.as_ref(), &trained, tested, learner.parameter_count())
}

/// Number of the feature, and the strength.
fn checked(decorrelation: &DecorrelationConfig, features: &[String]) -> Result<(usize, f64), ParametricError> {
    let at = features.iter().position(|name| *name == decorrelation.feature);
    let feature = at.ok_or_else(|| ParametricError::Setting {
        key: "decorrelation.feature",
        value: decorrelation.feature.clone(),
        allowed: "a feature of the events",
    })?;
    let strength = decorrelation.strength;
    if !(strength.is_finite() && strength >= 0.0) {
        return Err(ParametricError::Setting {
            key: "decorrelation.strength",
            value: strength.to_string(),
            allowed: "finite and not below 0",
        });
    }
    Ok((feature, strength))
}

pub(crate) fn opened(run: &Path) -> Result<(RunFolder, Description), ParametricError> {
    let folder = RunFolder::open(run)?;
    let path = run.join(DESCRIPTION);
    let missing = |reason: String| ParametricError::NoRun {
        path: run.to_path_buf(),
        reason,
    };
    let text = std::fs::read_to_string(&path).map_err(|e| missing(format!("{DESCRIPTION}: {e}")))?;
    let description = serde_json::from_str(&text).map_err(|e| missing(format!("{DESCRIPTION}: {e}")))?;
    Ok((folder, description))
}

pub(crate) fn finished(run: &Path) -> Result<(RunFolder, Description), ParametricError> {
    let (folder, description) = opened(run)?;
    if !folder.is_finished()? {
        return Err(ParametricError::NoRun {
            path: run.to_path_buf(),
            reason: "its training is not finished; the command that began it goes on with it".to_owned(),
        });
    }
    Ok((folder, description))
}

fn describe(data: &StudyData, parts: &StudyParts, config: &StudyConfig) -> Result<Description, ParametricError> {
    let list = |points: &Hypotheses| (0..points.len()).map(|i| points.point(i).to_vec()).collect();
    let leak = parts.train.leak()?;
    let mut warnings = Vec::new();
    if config.assignment.distribution == Distribution::Uniform {
        warnings.push(
            "background hypotheses are uniform while those of the signal are single values: the network can read the class off \
             the hypothesis and learn nothing between the values (AUC of the hypothesis alone above); `identical` or \
             `signal` cannot be read"
                .to_owned(),
        );
    } else if config.assignment.distribution == Distribution::Signal
        && config.sampling.balance.splits_signal()
        && uneven(parts.hypotheses.counts())
    {
        warnings.push(format!(
            "background hypotheses are as frequent as those of the signal, and batches are made flat in the latter: the \
             hypothesis alone has an AUC of {leak:.3}; either distribution `identical` with this balance, or `signal` with \
             balance `none`, `class` or `background`"
        ));
    } else if leak > 0.55 {
        warnings.push(format!(
            "the hypothesis alone has an AUC of {leak:.3}: signal is not as frequent at all its points; balance = `signal` or \
             `full`, or the distribution `signal`, takes this away"
        ));
    }
    warnings.extend(
        config
            .network
            .strange_scale(parts.hypotheses.range(), &data.train.parameter_names),
    );
    if config.decorrelation.is_some() {
        warnings.push(format!(
            "the epoch that is kept has the best {}, which knows nothing of the decorrelation and prefers epochs that have \
             little of it; `tagwerk parametric diagnose` tells what is left",
            config.training.best
        ));
    }
    if data.train.has_negative_weights() || data.test.has_negative_weights() {
        warnings.push(
            "some weights are below 0: training uses them, validation and test figures count every event once"
                .to_owned(),
        );
    }
    let processes = match config.network.processes {
        true => background_processes(data),
        false => Vec::new(),
    };
    Ok(Description {
        processes,
        features: data.train.feature_names.clone(),
        parameters: data.train.parameter_names.clone(),
        points: list(&parts.hypotheses),
        counts: parts.hypotheses.counts().to_vec(),
        test_points: list(parts.test.hypotheses()),
        leak: Some(leak),
        warnings,
    })
}

/// Whether points differ in their number of events by more than a validation sample takes away by chance.
fn uneven(counts: &[u64]) -> bool {
    let (low, high) = (counts.iter().min(), counts.iter().max());
    low.zip(high)
        .is_some_and(|(&low, &high)| high as f64 > 1.1 * low as f64)
}

/// Names of the processes of training background, in the order of the data.
fn background_processes(data: &StudyData) -> Vec<String> {
    let events = &data.train;
    let mut there = vec![false; events.process_names.len()];
    for &event in &data.training {
        if events.labels[event as usize] < 0.5 {
            there[events.processes[event as usize] as usize] = true;
        }
    }
    let names = events.process_names.iter().zip(there);
    names
        .filter(|(_, there)| *there)
        .map(|(name, _)| name.clone())
        .collect()
}

/// Class of each row of the training files: 0 signal, 1 and on the background `processes`.
fn classes(data: &StudyData, processes: &[String]) -> Vec<u32> {
    let events = &data.train;
    let class_of: Vec<u32> = events
        .process_names
        .iter()
        .map(|name| processes.iter().position(|p| p == name).map_or(1, |at| at as u32 + 1))
        .collect();
    let rows = events.rows.iter().max().map_or(0, |&row| row as usize + 1);
    let mut classes = vec![0; rows];
    for i in 0..events.len() {
        if events.labels[i] < 0.5 {
            classes[events.rows[i] as usize] = class_of[events.processes[i] as usize];
        }
    }
    classes
}

/// Writes the description of a run that is begun; what a run with weights has is left as it is.
///
/// # Errors
/// A run with weights that was begun on other events.
fn settle_description(folder: &RunFolder, description: &Description) -> Result<(), ParametricError> {
    let path = folder.path().join(DESCRIPTION);
    if !path.is_file() {
        return write_description(folder, description);
    }
    let (_, was) = opened(folder.path())?;
    if was.is_of(description) {
        return Ok(());
    }
    if folder.checkpoints().progress(CheckpointKind::Last)?.is_none() {
        return write_description(folder, description);
    }
    let signal = |of: &Description| format!("signal {:?} at {:?}", of.counts, of.points);
    Err(ParametricError::Train(TrainError::Changed {
        path,
        what: "events".to_owned(),
        found: signal(&was),
        expected: signal(description),
        others: Vec::new(),
    }))
}

fn write_description(folder: &RunFolder, description: &Description) -> Result<(), ParametricError> {
    let path = folder.path().join(DESCRIPTION);
    let fault = |reason: String| ParametricError::Events {
        what: path.display().to_string(),
        reason,
    };
    let text = serde_json::to_string_pretty(description).map_err(|e| fault(e.to_string()))?;
    let mut file = AtomicFile::create(&path)?;
    file.write_all(text.as_bytes()).map_err(|e| fault(e.to_string()))?;
    Ok(file.commit()?)
}

#[cfg(test)]
mod tests;
