//! What a report is made from.

use serde::{Deserialize, Serialize};
use tagwerk_stats::{LandscapeResult, Roc, RocCurve, Score, Truth};

use crate::error::Result;
use crate::histogram::ScoreHistogram;

/// Points kept of each drawn ROC curve.
pub const CURVE_POINTS: usize = 500;

/// Everything a report shows. Only `landscape` is needed; each empty list leaves its section out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportInput {
    /// Title of the page.
    pub title: String,
    /// The numbers.
    pub landscape: LandscapeResult,
    /// ROC curves and score histograms, one entry a tagger.
    #[serde(default)]
    pub curves: Vec<TaggerCurves>,
    /// What happened during training, one entry a training.
    #[serde(default)]
    pub histories: Vec<History>,
    /// Configuration and origin: (what, value), in the order shown.
    #[serde(default)]
    pub provenance: Vec<(String, String)>,
    /// Commands that make this result again.
    #[serde(default)]
    pub commands: Vec<String>,
}

/// The curves of one tagger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaggerCurves {
    /// Name, as in the landscape.
    pub tagger: String,
    /// One ROC curve a training, thinned for drawing.
    pub roc: Vec<RocCurve>,
    /// Scores of one training (the one of median AUC).
    #[serde(default)]
    pub histogram: Option<ScoreHistogram>,
}

impl TaggerCurves {
    /// Curves of all trainings, and the score histogram of training `representative`.
    pub fn from_scores<S: Score>(
        tagger: &str,
        trainings: &[&[S]],
        representative: usize,
        truth: &Truth,
    ) -> Result<Self> {
        let roc = trainings
            .iter()
            .map(|scores| Ok(Roc::new(scores, truth)?.thin(CURVE_POINTS)))
            .collect::<Result<Vec<RocCurve>>>()?;
        let histogram = trainings
            .get(representative)
            .map(|scores| ScoreHistogram::new(scores, truth));
        Ok(Self {
            tagger: tagger.to_owned(),
            roc,
            histogram,
        })
    }
}

/// The course of one training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Name of the tagger.
    pub tagger: String,
    /// Seed of the training.
    pub seed: u64,
    /// One record an epoch, ascending.
    pub epochs: Vec<EpochRecord>,
}

/// One epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Mean loss on the training set.
    #[serde(default)]
    pub training_loss: Option<f64>,
    /// Mean loss on the validation set.
    #[serde(default)]
    pub validation_loss: Option<f64>,
    /// Area under the ROC curve on the validation set.
    #[serde(default)]
    pub validation_auc: Option<f64>,
    /// Resolution on the validation set, of a regression.
    #[serde(default)]
    pub validation_resolution: Option<f64>,
}
