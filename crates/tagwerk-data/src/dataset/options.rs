//! How the files of a data set are read.

use crate::columns::{EmptyJets, Labels};
use crate::error::DataError;
use crate::split::Split;

/// How to read a data set.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JetOptions {
    /// How rows are divided. Default: a directory by its files, a single file 60/20/20 by position.
    pub split: Option<Split>,
    /// What to do with jets without constituents. Default: an error.
    pub empty: EmptyJets,
    /// Name of the label column, where it is not a usual one.
    pub label: Option<String>,
    /// Of a file with a column a class: that of the signal. Comes with `background`; jets of other classes are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Of a file with a column a class: that of the background.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// Seed of the subset that a `limit` picks. Default: 0.
    pub seed: u64,
}

impl JetOptions {
    /// Which columns say what a jet is.
    ///
    /// # Errors
    /// Signal without background or the other way round; either beside a label column.
    pub fn labels(&self) -> Result<Labels<'_>, DataError> {
        let fail = |name, value: &str, allowed| {
            let value = value.to_owned();
            Err(DataError::Argument { name, value, allowed })
        };
        match (&self.label, &self.signal, &self.background) {
            (None, None, None) => Ok(Labels::Usual),
            (Some(name), None, None) => Ok(Labels::Column(name)),
            (None, Some(signal), Some(background)) => Ok(Labels::Classes { signal, background }),
            (None, Some(signal), None) => fail("signal", signal, "with `background` beside it"),
            (None, None, Some(background)) => fail("background", background, "with `signal` beside it"),
            (Some(label), ..) => fail("label", label, "without `signal` and `background`, which say it too"),
        }
    }
}
