//! What can go wrong between a configuration and a table.

use std::fmt;
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
    /// A tagger that reads scores was asked to work on jets.
    #[error(
        "{tagger} reads the scores of other taggers on the same jets, so only a landscape trains it: name it with them in \
         `tagwerk landscape --taggers ..,{tagger}`; the same command goes on after a stop"
    )]
    NeedsLandscape {
        /// The tagger.
        tagger: &'static str,
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
    /// A tagger whose features need columns that the jets do not have.
    #[error("{tagger} with these `features` reads more than momenta: {source}")]
    Columns {
        /// The tagger.
        tagger: &'static str,
        /// The column that is missing.
        source: Box<tagwerk_data::DataError>,
    },
    /// A tagger of jets on events that are arrays.
    #[error("{tagger} needs jets, and {data} holds arrays {shapes}; taggers of any shape: {general}")]
    NeedsJets {
        /// The tagger.
        tagger: &'static str,
        /// The data set.
        data: &'static str,
        /// Shapes of its arrays.
        shapes: String,
        /// Taggers that read arrays.
        general: String,
    },
    /// A tagger of two classes on events whose target is a number.
    #[error("{tagger} tells two classes apart, and {data} is a regression")]
    NeedsClasses {
        /// The tagger.
        tagger: &'static str,
        /// The data set.
        data: String,
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
    #[error(transparent)]
    Trainings(#[from] FailedTrainings),
    /// A training that panicked.
    #[error("a fault of this program: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
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
    /// A file of a saved tagger that cannot be written or read, or does not fit.
    #[error("{path}: {reason}", path = path.display())]
    Saved {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A fit that cannot be done on what it was given.
    #[error("{tagger} cannot be fitted: {reason}")]
    Fit {
        /// The tagger.
        tagger: &'static str,
        /// What is wrong.
        reason: String,
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

/// One training of a landscape that failed.
#[derive(Debug)]
pub struct FailedTraining {
    /// Name of its run folder.
    pub name: String,
    /// Why.
    pub error: TaggerError,
}

/// The trainings of a landscape that failed: one sentence for the first, all of them for whoever asks.
#[derive(Debug)]
pub struct FailedTrainings {
    first: Box<FailedTraining>,
    others: Vec<FailedTraining>,
    total: usize,
}

impl FailedTrainings {
    /// Of `total` trainings; `None` if none failed.
    pub(crate) fn new(failed: Vec<FailedTraining>, total: usize) -> Option<Self> {
        let mut failed = failed.into_iter();
        Some(Self {
            first: Box::new(failed.next()?),
            others: failed.collect(),
            total,
        })
    }

    /// All that failed, in the order of the landscape.
    pub fn failed(&self) -> impl Iterator<Item = &FailedTraining> {
        std::iter::once(&*self.first).chain(&self.others)
    }

    /// Trainings of the landscape.
    pub fn total(&self) -> usize {
        self.total
    }
}

impl fmt::Display for FailedTrainings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FailedTraining { name, error } = &*self.first;
        write!(
            f,
            "{} of {} trainings failed; {name}: {error}",
            1 + self.others.len(),
            self.total
        )
    }
}

impl std::error::Error for FailedTrainings {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.first.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[test]
    fn failed_trainings_are_told_by_the_first_and_kept_as_errors() {
        let failed = ["pfn-1", "pfn-2"].map(|name| FailedTraining {
            name: name.into(),
            error: TaggerError::Panicked {
                message: format!("{name} fell"),
            },
        });
        let error = TaggerError::from(FailedTrainings::new(failed.into(), 6).unwrap());
        assert_eq!(
            error.to_string(),
            "2 of 6 trainings failed; pfn-1: a fault of this program: pfn-1 fell"
        );
        let source = error.source().unwrap().downcast_ref::<TaggerError>().unwrap();
        assert!(matches!(source, TaggerError::Panicked { .. }));
        let TaggerError::Trainings(all) = error else { panic!() };
        let names: Vec<&str> = all.failed().map(|failed| failed.name.as_str()).collect();
        assert_eq!(names, ["pfn-1", "pfn-2"]);
        assert!(FailedTrainings::new(vec![], 6).is_none());
    }
}
