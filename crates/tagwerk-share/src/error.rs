//! What can go wrong with a file from another program.

use std::path::{Path, PathBuf};

/// An error of this crate; those of the crates below pass through unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The operating system refused.
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file that is no PyTorch state dict, or a damaged one.
    #[error("{path}: {reason}", path = path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        reason: String,
    },
    /// Files that are no TensorFlow checkpoint, or damaged ones.
    #[error("{path}: {reason}", path = path.display())]
    TensorFlow {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        reason: String,
    },
    /// A checkpoint of another network.
    #[error("{path}: not a parametric network: {reason}", path = path.display())]
    NotParametric {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Weights of another network.
    #[error("{path}: not a ParticleNet of weaver-core: {reason}", path = path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Weights whose features are no set that is known.
    #[error(
        "{path}: the network reads {found} features of a constituent; known are the sets kin (7), kinpid (13) and full (17): \
         {reason}; `--inspect` shows the weights",
        path = path.display()
    )]
    Columns {
        /// The file of weights.
        path: PathBuf,
        /// Features that the network reads.
        found: usize,
        /// Which of them are not known, or missing.
        reason: String,
    },
    /// A preprocessing file that cannot be used.
    #[error("{path}: {reason}", path = path.display())]
    Preprocess {
        /// The file.
        path: PathBuf,
        /// What is wrong, by its key.
        reason: String,
    },
    /// Signal or background that is no class of the network, or was not chosen.
    #[error("{path}: {reason}; its classes are {classes}", path = path.display())]
    Classes {
        /// The file of weights.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// All classes, with numbers and names.
        classes: String,
    },
    /// A setting outside its limits.
    #[error("{key} = {value}; allowed: {allowed}")]
    Setting {
        /// The key.
        key: &'static str,
        /// The value given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// From the networks.
    #[error(transparent)]
    Network(#[from] tagwerk_nn::NnError),
    /// From the training.
    #[error(transparent)]
    Train(#[from] tagwerk_train::TrainError),
    /// From the learner that took the weights.
    #[error(transparent)]
    Learner(#[from] tagwerk_train::LearnerError),
    /// From parametric networks.
    #[error(transparent)]
    Parametric(Box<tagwerk_parametric::ParametricError>),
    /// From the taggers.
    #[error(transparent)]
    Tagger(#[from] tagwerk_taggers::TaggerError),
}

impl From<tagwerk_parametric::ParametricError> for ShareError {
    fn from(error: tagwerk_parametric::ParametricError) -> Self {
        Self::Parametric(Box::new(error))
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, ShareError>;

/// Wraps an operating system error with its place.
pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> ShareError {
    let path = path.to_owned();
    move |source| ShareError::Io { path, doing, source }
}
