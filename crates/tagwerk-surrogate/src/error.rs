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
    /// A file of weights or a manifest that cannot be used.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}
