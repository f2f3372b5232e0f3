//! What can go wrong in a training, with the value, the limit and the place.

use crate::learner::LearnerError;
use std::path::{Path, PathBuf};

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The operating system refused.
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// A setting outside its limits.
    #[error("{key} = {value}; allowed: {allowed}")]
    Setting {
        /// The key, with its table.
        key: &'static str,
        /// The value given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A configuration or state file that does not parse.
    #[error("{path}: {reason}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser says; it names the key and the line where it knows them.
        reason: String,
    },
    /// Examples that do not fit together.
    #[error("{what}: {reason}")]
    Examples {
        /// Which examples or which part of them.
        what: String,
        /// What is wrong, with the value.
        reason: String,
    },
    /// Examples of one class, or of none.
    #[error("the {part} part has {signal} signal and {background} background jets; at least 1 of each is needed")]
    Classes {
        /// Which examples.
        part: String,
        /// Signal jets.
        signal: usize,
        /// Background jets.
        background: usize,
    },
    /// Events of a regression that have one target, or none.
    #[error(
        "the {part} part has {events} events, all with the target {target}; at least 2 different targets are needed"
    )]
    Targets {
        /// Which examples.
        part: String,
        /// Events.
        events: usize,
        /// Their target.
        target: f32,
    },
    /// A figure to choose epochs by that the task does not have.
    #[error("{key} = {metric}; allowed for a {task}: {allowed}")]
    Metric {
        /// The key.
        key: &'static str,
        /// The metric.
        metric: crate::metric::Metric,
        /// What is learned.
        task: &'static str,
        /// The metrics that it has.
        allowed: &'static str,
    },
    /// A data set gave another number of batches than its length says.
    #[error("epoch {epoch}: the data gave {found} batches, its length promises {expected}")]
    BatchCount {
        /// Epoch, from 1.
        epoch: u64,
        /// Batches promised.
        expected: u64,
        /// Batches seen.
        found: u64,
    },
    /// Reading data failed.
    #[error(transparent)]
    Data(#[from] tagwerk_data::DataError),
    /// Computing a view of jets failed.
    #[error("computing the view of the jets from data row {row} on: {source}")]
    View {
        /// Data row of the first jet of the chunk.
        row: u64,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Computing the metrics failed.
    #[error("metrics of {what}: {source}")]
    Metrics {
        /// Which examples were scored.
        what: String,
        /// The reason.
        source: tagwerk_stats::StatsError,
    },
    /// The network failed.
    #[error("{doing}: {source}")]
    Learner {
        /// What it was asked to do, and where.
        doing: String,
        /// Its own words.
        source: LearnerError,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss is {loss} in epoch {epoch}, step {step}; the batch holds the data rows {rows}; the last checkpoint is kept: \
         look at these rows, lower the learning rate or clip the gradient"
    )]
    Loss {
        /// Epoch, from 1.
        epoch: u64,
        /// Global step, from 0.
        step: u64,
        /// The value.
        loss: f64,
        /// Rows of the batch in their data set.
        rows: String,
    },
    /// The network gives a score that is not a number.
    #[error(
        "{what}: the score of data row {row} is {score} after {step} steps; no checkpoint was written from these weights: \
         resume from the last one with a lower learning rate or a clipped gradient"
    )]
    Score {
        /// Which examples were scored.
        what: String,
        /// Row in the data set.
        row: u64,
        /// The value.
        score: f32,
        /// Steps done.
        step: u64,
    },
    /// The network returned another number of scores than the batch has jets.
    #[error("{what}: {found} scores for a batch of {expected} jets")]
    ScoreCount {
        /// Which examples were scored.
        what: String,
        /// Jets.
        expected: usize,
        /// Scores.
        found: usize,
    },
    /// A checkpoint that is damaged or of something else.
    #[error("checkpoint {path}: {reason}", path = path.display())]
    Checkpoint {
        /// The checkpoint's folder or the file in it.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A run that was begun with other settings or other data.
    #[error(
        "{path} was begun with {what} = {found}, now it is {expected}{}; a run is resumed with what it was begun \
         with: start a new run",
        also(others),
        path = path.display()
    )]
    Changed {
        /// The checkpoint or the configuration in the run folder.
        path: PathBuf,
        /// What changed, by its key.
        what: String,
        /// What it was begun with.
        found: String,
        /// Now.
        expected: String,
        /// What else changed, by its keys.
        others: Vec<String>,
    },
    /// A number of epochs that a run is past already.
    #[error("{path}: epochs = {epochs}; allowed: more than the {done} that are done", path = path.display())]
    Epochs {
        /// The run folder.
        path: PathBuf,
        /// Epochs wanted.
        epochs: u32,
        /// Epochs done.
        done: u64,
    },
    /// A run that ended because it no longer got better.
    #[error(
        "{path}: early stopping ended the training after epoch {done}; more epochs would not be trained: start a \
         new run with another patience",
        path = path.display()
    )]
    Ended {
        /// The run folder.
        path: PathBuf,
        /// Epochs done.
        done: u64,
    },
    /// A run of imported weights, which has nothing to go on with.
    #[error(
        "{path} holds weights that were imported, not trained here: they can be scored, not trained on; start a new run",
        path = path.display()
    )]
    Imported {
        /// The run folder.
        path: PathBuf,
    },
    /// No run folder there.
    #[error("{path} is not a run folder: it has no config.toml", path = path.display())]
    NotARun {
        /// The path.
        path: PathBuf,
    },
    /// A run folder is there already.
    #[error("{path} exists already; resume it or choose another name", path = path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// Another process trains in this folder.
    #[error("{path} is in use by process {holder}; wait for it or stop it", path = path.display())]
    Locked {
        /// The run folder.
        path: PathBuf,
        /// Its process number, as far as known.
        holder: String,
    },
    /// A thread could not be started.
    #[error("starting {threads} threads: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system says.
        reason: String,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, TrainError>;

/// The other changes of [`TrainError::Changed`].
fn also(others: &[String]) -> String {
    const SHOWN: usize = 6;
    if others.is_empty() {
        return String::new();
    }
    let more = others.len().saturating_sub(SHOWN);
    let shown = others[..others.len() - more].join(", ");
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(" (also changed: {shown}{more})")
}

/// Wraps an operating system error with its place.
pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> TrainError {
    let path = path.to_owned();
    move |source| TrainError::Io { path, doing, source }
}

/// The message inside a caught panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    }
}
