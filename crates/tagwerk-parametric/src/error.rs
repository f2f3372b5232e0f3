//! What can be wrong with a parametric study.

use thiserror::Error;

/// Everything this crate refuses.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParametricError {
    /// Columns that do not fit each other.
    #[error("{what}: {found} values, and {expected} are needed")]
    Length {
        /// The column.
        what: &'static str,
        /// Values needed.
        expected: usize,
        /// Values found.
        found: usize,
    },
    /// A parameter of a signal event that is no number.
    #[error("row {row}: the signal's parameter is {value}; it must be finite")]
    Parameter {
        /// Row, counted from 0.
        row: usize,
        /// The value.
        value: f32,
    },
    /// Nothing to take hypotheses from.
    #[error("none of the {rows} rows is signal: the parameter's values are those of the signal")]
    NoSignal {
        /// Rows in all.
        rows: usize,
    },
    /// A class without events.
    #[error("{rows} rows, and one of the two classes has none: nothing can be balanced")]
    EmptyClass {
        /// Rows in all.
        rows: usize,
    },
    /// More rows than can be numbered.
    #[error("{rows} rows exceed the limit of {limit}")]
    TooManyRows {
        /// Rows given.
        rows: usize,
        /// The limit.
        limit: usize,
    },
    /// A setting outside its limits.
    #[error("{key} = {value}; allowed: {allowed}")]
    Setting {
        /// Its key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A configuration that does not parse.
    #[error("{place}: {reason}")]
    Config {
        /// The file.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Events that cannot be used as asked.
    #[error("{what}: {reason}")]
    Events {
        /// Which.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// A folder that holds no finished run.
    #[error("{path} holds no finished parametric run: {reason}", path = path.display())]
    NoRun {
        /// The folder.
        path: std::path::PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Runs that are no trainings of one configuration.
    #[error("{path} cannot be averaged with {first}: {reason}", path = path.display(), first = first.display())]
    Repeats {
        /// The run.
        path: std::path::PathBuf,
        /// The first of the runs.
        first: std::path::PathBuf,
        /// What differs.
        reason: String,
    },
    /// Stopped on demand; the same command goes on.
    #[error("stopped with {done} of {total} trainings done")]
    Stopped {
        /// Trainings done.
        done: usize,
        /// Trainings in all.
        total: usize,
    },
    /// A training that panicked.
    #[error("a fault of this program: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// Data.
    #[error(transparent)]
    Data(#[from] tagwerk_data::DataError),
    /// Networks.
    #[error(transparent)]
    Network(#[from] tagwerk_nn::NnError),
    /// Learners.
    #[error(transparent)]
    Tagger(#[from] tagwerk_taggers::TaggerError),
    /// Trainings.
    #[error(transparent)]
    Train(#[from] tagwerk_train::TrainError),
    /// Statistics.
    #[error(transparent)]
    Stats(#[from] tagwerk_stats::StatsError),
}
