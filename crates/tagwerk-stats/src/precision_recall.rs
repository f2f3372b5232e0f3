//! Precision against recall.
//!
//! Precision is the signal share of what passes, recall the signal efficiency. Unlike a ROC curve both change with the mix of
//! the classes, so weights that bring the classes to the mix of an analysis belong in the [`Truth`].

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ranked::Ranked;
use crate::score::{Score, widen};
use crate::truth::Truth;

/// Precision and recall at every distinct score, from the strictest threshold to the loosest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// Scores at which the points were taken, descending. A row passes when its score is at or above.
    pub thresholds: Vec<f64>,
    /// Signal efficiency, ascending to 1.
    pub recall: Vec<f64>,
    /// Signal share of what passes, in (0, 1]; 0 where nothing but background passes.
    pub precision: Vec<f64>,
    /// Average precision: sum over thresholds of (R_k - R_{k-1}) P_k. No line is drawn between the points, because
    /// precision is not linear in recall (Davis, Goadrich, ICML 2006).
    pub average_precision: f64,
}

impl PrecisionRecall {
    /// The curve of one column of scores, one a row of `truth`, higher meaning more signal-like.
    ///
    /// # Errors
    /// As [`crate::Roc::new`].
    pub fn new<S: Score>(scores: &[S], truth: &Truth) -> Result<Self> {
        let scores = widen(scores, truth.rows(), "the scores")?;
        let (signal, background) = truth.split(&scores);
        let ranked = Ranked::new(&signal, &background, truth);
        let mut curve = Self {
            thresholds: Vec::new(),
            recall: Vec::new(),
            precision: Vec::new(),
            average_precision: 0.0,
        };
        let mut last = 0.0;
        ranked.walk(|step| {
            let passing = step.signal + step.background;
            let recall = step.signal / ranked.total_signal;
            // Rows of weight zero may stand at the top.
            let precision = if passing > 0.0 { step.signal / passing } else { 0.0 };
            curve.average_precision += (recall - last) * precision;
            last = recall;
            curve.thresholds.push(step.threshold);
            curve.recall.push(recall);
            curve.precision.push(precision);
        });
        Ok(curve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_precision_is_that_of_scikit_learn() {
        // sklearn.metrics.average_precision_score([0, 0, 1, 1], [.1, .4, .35, .8]) of its documentation.
        let truth = Truth::new(&[0, 0, 1, 1]).unwrap();
        let curve = PrecisionRecall::new(&[0.1, 0.4, 0.35, 0.8], &truth).unwrap();
        assert!((curve.average_precision - 0.833_333_333_333_333_3).abs() < 1e-15);
        assert_eq!(curve.recall, [0.5, 0.5, 1.0, 1.0]);
        assert_eq!(curve.precision, [1.0, 0.5, 2.0 / 3.0, 0.5]);
    }

    #[test]
    fn a_score_that_says_nothing_has_the_precision_of_the_mix() {
        let truth = Truth::weighted(&[1, 1, 0, 0, 0], &[1.0, 1.0, 0.2, 0.2, 0.2]).unwrap();
        let curve = PrecisionRecall::new(&[0.5; 5], &truth).unwrap();
        assert!((curve.average_precision - 2.0 / 2.6).abs() < 1e-15);
    }

    #[test]
    fn weights_are_copies() {
        // A background row of weight 3 is three rows.
        let weighted = Truth::weighted(&[1, 0, 1, 0], &[1.0, 3.0, 1.0, 1.0]).unwrap();
        let copied = Truth::new(&[1, 0, 0, 0, 1, 0]).unwrap();
        let a = PrecisionRecall::new(&[0.9, 0.7, 0.6, 0.1], &weighted).unwrap();
        let b = PrecisionRecall::new(&[0.9, 0.7, 0.7, 0.7, 0.6, 0.1], &copied).unwrap();
        assert_eq!(a, b);
    }
}
