//! What a publication says about a tagger.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A published number, with its error where one was given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PublishedValue {
    /// The number as printed.
    pub value: f64,
    /// Its spread over trainings as printed.
    #[serde(default)]
    pub spread: Option<f64>,
}

impl PublishedValue {
    /// A number with no error given.
    pub const fn new(value: f64) -> Self {
        Self { value, spread: None }
    }

    /// A number with its spread over trainings.
    pub const fn with_spread(value: f64, spread: f64) -> Self {
        Self {
            value,
            spread: Some(spread),
        }
    }
}

/// The published performance of a tagger on the published test set of the top-tagging reference data.
///
/// Every field may be absent: a publication seldom gives them all. Build one in a `const` with struct update from
/// [`Published::NONE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Area under the ROC curve.
    pub auc: Option<f64>,
    /// Accuracy at the cut 0.5.
    pub accuracy: Option<f64>,
    /// Rejection at signal efficiency 0.3, one training.
    pub rejection_single: Option<PublishedValue>,
    /// The same for the ensemble of mean scores.
    pub rejection_mean: Option<PublishedValue>,
    /// The same for the ensemble of median scores.
    pub rejection_median: Option<PublishedValue>,
    /// Rejection at signal efficiency 0.5, one training.
    #[serde(default)]
    pub rejection_50: Option<PublishedValue>,
    /// Number of trainable parameters as printed (609,666 may be printed as 610k).
    pub parameters: Option<u64>,
    /// Where the numbers stand, for example `arXiv:1902.09914, table 1`.
    #[serde(default)]
    pub source: Cow<'static, str>,
}

impl Published {
    /// Nothing published.
    pub const NONE: Self = Self {
        auc: None,
        accuracy: None,
        rejection_single: None,
        rejection_mean: None,
        rejection_median: None,
        rejection_50: None,
        parameters: None,
        source: Cow::Borrowed(""),
    };

    /// Whether no number is given.
    pub fn is_none(&self) -> bool {
        Self {
            source: Cow::Borrowed(""),
            ..self.clone()
        } == Self::NONE
    }
}
