//! A data set of either kind: jets, or arrays of fixed shape.

use super::{Fingerprint, JetDataset};
use crate::array_dataset::ArrayDataset;
use crate::error::DataError;
use crate::split::Part;
use crate::task::Task;

/// A data set of either kind. Cloning shares everything.
#[derive(Debug, Clone)]
pub enum Dataset {
    /// Events are jets.
    Jets(JetDataset),
    /// Events are arrays of fixed shape.
    Arrays(ArrayDataset),
}

impl Dataset {
    /// Name: of the catalogue, or of the file or directory; that of generated arrays ends in `(stand-in)`.
    pub fn name(&self) -> &str {
        match self {
            Self::Jets(jets) => jets.name(),
            Self::Arrays(arrays) => arrays.name(),
        }
    }

    /// What its rows are called: `jets`, or `events`.
    pub fn counted(&self) -> &'static str {
        match self {
            Self::Jets(_) => "jets",
            Self::Arrays(_) => "events",
        }
    }

    /// Events of a part.
    pub fn rows(&self, part: Part) -> u64 {
        match self {
            Self::Jets(jets) => jets.rows(part),
            Self::Arrays(arrays) => arrays.rows(part),
        }
    }

    /// What is learned.
    pub fn task(&self) -> Task {
        match self {
            Self::Jets(_) => Task::Classification,
            Self::Arrays(arrays) => arrays.task(),
        }
    }

    /// Format and columns or arrays, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Jets(jets) => jets.describe(),
            Self::Arrays(arrays) => arrays.describe(),
        }
    }

    /// Sizes and checksums of the files. Reads them whole.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, DataError> {
        match self {
            Self::Jets(jets) => jets.fingerprint(),
            Self::Arrays(arrays) => arrays.fingerprint(),
        }
    }
}

impl From<JetDataset> for Dataset {
    fn from(jets: JetDataset) -> Self {
        Self::Jets(jets)
    }
}

impl From<ArrayDataset> for Dataset {
    fn from(arrays: ArrayDataset) -> Self {
        Self::Arrays(arrays)
    }
}
