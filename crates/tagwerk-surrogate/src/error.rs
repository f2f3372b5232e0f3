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
}
