//! What can go wrong between a configuration and a table.

use std::path::PathBuf;

/// An error of this crate; those of the crates below pass through unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaggerError {
    /// A name that is in no registry.
    #[error("unknown tagger '{name}'; there are: {known}")]
    UnknownTagger {
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
    /// Settings of a tagger that do not parse.
    #[error("settings of {tagger}: {reason}")]
    Settings {
        /// The tagger.
        tagger: String,
        /// What is wrong.
        reason: String,
    },
    /// A configuration that does not parse or contradicts itself.
    #[error("{place}: {reason}")]
    Config {
        /// The file, or where the text came from.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A view that a tagger does not read.
    #[error("{tagger} reads {expected}; it was given {found}")]
    View {
        /// The tagger.
        tagger: &'static str,
        /// What it reads.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// A data set that is nowhere.
    #[error("data set '{name}': {reason}")]
    Data {
        /// What was asked for.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Trainings of a landscape that failed; the others are done and stay.
    #[error("{failed} of {total} trainings failed; the first: {first}")]
    Trainings {
        /// How many.
        failed: usize,
        /// Of how many.
        total: usize,
        /// What the first said.
        first: String,
    },
    /// A folder that holds no run.
    #[error("{path} holds no run: {reason}", path = path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A folder that cannot be written.
    #[error("cannot write into {path}: {source}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// From the data.
    #[error(transparent)]
    DataSet(#[from] tagwerk_data::DataError),
    /// From the physics.
    #[error(transparent)]
    Physics(#[from] tagwerk_physics::PhysicsError),
    /// From the networks.
    #[error(transparent)]
    Network(#[from] tagwerk_nn::NnError),
    /// From the training.
    #[error(transparent)]
    Train(#[from] tagwerk_train::TrainError),
    /// From the statistics.
    #[error(transparent)]
    Stats(#[from] tagwerk_stats::StatsError),
}
