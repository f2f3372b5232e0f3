//! What can go wrong with a surrogate.

use std::path::PathBuf;

/// An error of the surrogate crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SurrogateError {
    /// A setting is outside its range.
    #[error("{setting} is {value}, must be {wanted}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What was given.
        value: String,
        /// The range.
        wanted: &'static str,
    },
    /// The model failed where the posterior asked for its loss.
    #[error("the model gave no {what}: {source}")]
    Target {
        /// `losses` or `losses and gradient`.
        what: &'static str,
        /// What the model says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A number that everything after it depends on is infinite or not a number.
    #[error("{what} is not finite {place}")]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// Where, with the step or the row.
        place: String,
    },
    /// Values that do not fit together.
    #[error("{what}: {found} values where {expected} are needed")]
    Length {
        /// What they are.
        what: &'static str,
        /// How many were given.
        found: usize,
        /// How many are needed.
        expected: usize,
    },
    /// A value of a table that cannot be used.
    #[error("{file}: row {row}, column `{column}`: {value}; allowed: {allowed}")]
    Value {
        /// The file, or the name of the table.
        file: String,
        /// Row in that file, from 0.
        row: u64,
        /// Column.
        column: String,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A table that cannot be used as a whole.
    #[error("{file}: {reason}")]
    Table {
        /// The file, or the name of the table.
        file: String,
        /// What is wrong, with the value.
        reason: String,
    },
    /// A file of weights or a manifest that cannot be used.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A differential equation that could not be solved.
    #[error("the solver gave up on row {row} at t = {time}: {reason}")]
    Solver {
        /// Row of the call, from 0.
        row: usize,
        /// Where it stood.
        time: f64,
        /// Why.
        reason: String,
    },
    /// A loss that is no longer a number.
    #[error(
        "the loss is {loss} in epoch {epoch}, step {step}; the batch holds the table rows {rows}; the last checkpoint is \
         kept: look at these rows, or lower the learning rate"
    )]
    Loss {
        /// Epoch, from 1.
        epoch: u64,
        /// Step of the training, from 0.
        step: u64,
        /// The value.
        loss: f64,
        /// Rows of the batch, the first few.
        rows: String,
    },
    /// A model's answer that is no answer.
    #[error("member {member} answers {value} for {what} of row {row}: it must be {wanted}")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// The weight set.
        member: usize,
        /// Row of the block asked about.
        row: usize,
        /// The answer.
        value: f64,
        /// What an answer must be.
        wanted: &'static str,
    },
    /// The statistics refused the numbers.
    #[error(transparent)]
    Stats(#[from] tagwerk_stats::StatsError),
    /// A packed surrogate that cannot be written or read.
    #[error("{path}: {reason}", path = path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// What is wrong, where, and the limit.
        reason: String,
    },
    /// Reading data failed.
    #[error(transparent)]
    Data(#[from] tagwerk_data::DataError),
    /// The run folder failed.
    #[error(transparent)]
    Train(#[from] tagwerk_train::TrainError),
}

impl SurrogateError {
    /// The error of a row that was `rows` further down in what was asked for.
    pub(crate) fn moved(self, rows: usize) -> Self {
        match self {
            Self::Solver { row, time, reason } => Self::Solver {
                row: row + rows,
                time,
                reason,
            },
            other => other,
        }
    }

    /// Wraps an operating system error with its place.
    pub(crate) fn io(path: &std::path::Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            path,
            reason: format!("{doing}: {source}"),
        }
    }
}
