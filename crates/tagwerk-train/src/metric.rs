//! The numbers a training is judged by while it runs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tagwerk_data::Task;

/// A figure of one epoch, written `val_loss`, `val_auc`, `val_accuracy`, `val_rejection_30` (background rejection at
/// 30 % signal efficiency; any whole percentage from 1 to 99), or, for examples with a hypothesis parameter,
/// `val_auc_mean` and `val_auc_worst`; of a regression `val_loss` or `val_resolution`; of a density `val_loss` or
/// `val_nll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Metric {
    /// Mean cross entropy on the validation jets, or mean squared error of a regression; less is better.
    ValLoss,
    /// Area under the ROC curve of the validation jets.
    ValAuc,
    /// Mean over the values of the parameter of the AUC of signal and background of this value.
    ValAucMean,
    /// The lowest of these.
    ValAucWorst,
    /// Accuracy at the cut 0.5 on the validation jets.
    ValAccuracy,
    /// Background rejection on the validation jets at this signal efficiency in percent.
    ValRejection(u8),
    /// Resolution of a regression on the validation events, less is better.
    ValResolution,
    /// Mean negative log-likelihood of the validation rows, of a density; less is better.
    ValNll,
}

impl Metric {
    /// Whether `new` is better than `old` by more than `margin`. A NaN is never better, anything is better than a NaN.
    pub fn better(self, new: f64, old: f64, margin: f64) -> bool {
        if new.is_nan() {
            return false;
        }
        if old.is_nan() {
            return true;
        }
        match self {
            Self::ValLoss | Self::ValResolution | Self::ValNll => new < old - margin,
            _ => new > old + margin,
        }
    }

    /// Whether epochs of a task have this figure.
    pub fn suits(self, task: Task) -> bool {
        match self {
            Self::ValLoss => true,
            Self::ValResolution => task == Task::Regression,
            // Of densities, which are neither.
            Self::ValNll => false,
            Self::ValAuc | Self::ValAucMean | Self::ValAucWorst | Self::ValAccuracy | Self::ValRejection(_) => {
                task == Task::Classification
            }
        }
    }

    /// The figures that a task has, in words.
    pub(crate) fn of(task: Task) -> &'static str {
        match task {
            Task::Classification => {
                "val_loss, val_auc, val_auc_mean, val_auc_worst, val_accuracy, val_rejection_N with N from 1 to 99"
            }
            Task::Regression => "val_loss, val_resolution",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ValLoss => f.write_str("val_loss"),
            Self::ValAuc => f.write_str("val_auc"),
            Self::ValAucMean => f.write_str("val_auc_mean"),
            Self::ValAucWorst => f.write_str("val_auc_worst"),
            Self::ValAccuracy => f.write_str("val_accuracy"),
            Self::ValRejection(percent) => write!(f, "val_rejection_{percent}"),
            Self::ValResolution => f.write_str("val_resolution"),
            Self::ValNll => f.write_str("val_nll"),
        }
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "val_loss" => return Ok(Self::ValLoss),
            "val_auc" => return Ok(Self::ValAuc),
            "val_auc_mean" => return Ok(Self::ValAucMean),
            "val_auc_worst" => return Ok(Self::ValAucWorst),
            "val_accuracy" => return Ok(Self::ValAccuracy),
            "val_resolution" => return Ok(Self::ValResolution),
            "val_nll" => return Ok(Self::ValNll),
            _ => {}
        }
        let percent = text.strip_prefix("val_rejection_").and_then(|p| p.parse().ok());
        match percent {
            Some(percent @ 1..=99) => Ok(Self::ValRejection(percent)),
            _ => Err(format!(
                "unknown metric `{text}`; allowed: {}; of a regression {}",
                Self::of(Task::Classification),
                Self::of(Task::Regression)
            )),
        }
    }
}

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> String {
        metric.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_wrong_ones_are_told_what_is_allowed() {
        for name in [
            "val_loss",
            "val_auc",
            "val_auc_mean",
            "val_auc_worst",
            "val_accuracy",
            "val_rejection_30",
            "val_rejection_1",
            "val_resolution",
        ] {
            assert_eq!(name.parse::<Metric>().unwrap().to_string(), name);
        }
        for name in [
            "loss",
            "val_rejection_0",
            "val_rejection_100",
            "val_rejection_",
            "val_rejection_-3",
        ] {
            assert!(
                name.parse::<Metric>().unwrap_err().contains("allowed: val_loss"),
                "{name}"
            );
        }
    }

    #[test]
    fn less_loss_and_more_rejection_are_better_and_nan_never_is() {
        assert!(Metric::ValResolution.better(20.0, 30.0, 0.0) && !Metric::ValResolution.better(30.0, 20.0, 0.0));
        assert!(Metric::ValLoss.suits(Task::Regression) && !Metric::ValAuc.suits(Task::Regression));
        assert!(!Metric::ValResolution.suits(Task::Classification));
        assert!(Metric::ValLoss.better(0.2, 0.3, 0.0) && !Metric::ValLoss.better(0.3, 0.2, 0.0));
        assert!(!Metric::ValLoss.better(0.2, 0.2, 0.0) && !Metric::ValLoss.better(0.29, 0.3, 0.02));
        assert!(Metric::ValRejection(30).better(f64::INFINITY, 900.0, 10.0));
        assert!(!Metric::ValRejection(30).better(f64::INFINITY, f64::INFINITY, 0.0));
        assert!(!Metric::ValAuc.better(f64::NAN, 0.5, 0.0) && Metric::ValAuc.better(0.5, f64::NAN, 0.0));
    }
}
