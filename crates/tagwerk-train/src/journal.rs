//! `metrics.jsonl`, one line an epoch, and `log.jsonl`, one line an event.

use crate::durable;
use crate::error::{Result, TrainError, io};
use crate::metric::Metric;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// One line of `metrics.jsonl`: an epoch's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Epoch, from 1.
    pub epoch: u64,
    /// Steps done since the start of the training.
    pub step: u64,
    /// Mean loss over the epoch's training jets, each before the step it took part in (so dropout is on and the weights
    /// move).
    pub train_loss: f64,
    /// Mean cross entropy of the validation jets, in nats; of a regression the mean squared error, in units of the
    /// target squared.
    pub val_loss: f64,
    /// Area under the ROC curve of the validation jets; absent of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_auc: Option<f64>,
    /// AUC of the validation jets of each value of the hypothesis parameter; absent without a parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_points: Option<Vec<PointAuc>>,
    /// Accuracy of the validation jets at the cut 0.5; absent of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// Of a regression: mean of prediction - target over the validation events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_bias: Option<f64>,
    /// Of a regression: population standard deviation of prediction - target over the validation events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_resolution: Option<f64>,
    /// Of a density: mean negative log-likelihood of validation rows, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_nll: Option<f64>,
    /// Background rejections of the validation jets by key `val_rejection_N`, N the signal efficiency in percent;
    /// absent (`null`) when no background passes, so that the rejection is not bounded.
    #[serde(flatten)]
    pub val_rejection: BTreeMap<String, Option<f64>>,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Seconds of training in this epoch, over all processes that worked at it.
    pub seconds: f64,
    /// Seconds of validation.
    pub validation_seconds: f64,
    /// Training jets a second, validation not counted.
    pub jets_per_second: f64,
    /// Resident memory of the process in bytes at the epoch's end, where the system tells.
    pub resident_bytes: Option<u64>,
}

/// The AUC of signal and background of one value of the hypothesis parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PointAuc {
    /// The value.
    pub parameter: f32,
    /// The area under the ROC curve.
    pub auc: f64,
}

impl EpochMetrics {
    /// The figure of one metric; infinite for a rejection without a bound; NaN for one that was not computed.
    pub fn figure(&self, metric: Metric) -> f64 {
        match metric {
            Metric::ValLoss => self.val_loss,
            Metric::ValAuc => self.val_auc.unwrap_or(f64::NAN),
            Metric::ValAucMean | Metric::ValAucWorst => {
                let points = self.val_points.as_deref().unwrap_or_default();
                let aucs = points.iter().map(|point| point.auc);
                match (points.len(), metric) {
                    (0, _) => f64::NAN,
                    (n, Metric::ValAucMean) => aucs.sum::<f64>() / n as f64,
                    _ => aucs.fold(f64::INFINITY, f64::min),
                }
            }
            Metric::ValAccuracy => self.val_accuracy.unwrap_or(f64::NAN),
            Metric::ValResolution => self.val_resolution.unwrap_or(f64::NAN),
            Metric::ValNll => self.val_nll.unwrap_or(f64::NAN),
            Metric::ValRejection(_) => match self.val_rejection.get(&metric.to_string()) {
                Some(figure) => figure.unwrap_or(f64::INFINITY),
                None => f64::NAN,
            },
        }
    }
}

/// Adds one line and syncs. A kill may leave a part of the line, which [`cut`] removes and [`read`] does not see.
pub(crate) fn append(path: &Path, line: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string(line).map_err(|e| TrainError::Parse {
        path: path.to_owned(),
        reason: e.to_string(),
    })?;
    text.push('\n');
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(io(path, "open"))?;
    file.write_all(text.as_bytes()).map_err(io(path, "write"))?;
    file.sync_data().map_err(io(path, "sync"))
}

/// Leaves the first `lines` lines, byte for byte.
///
/// # Errors
/// When the file has fewer: then it is not of this run.
pub(crate) fn cut(path: &Path, lines: u64) -> Result<()> {
    let text = text(path)?;
    let whole: Vec<&str> = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
    if (whole.len() as u64) < lines {
        let reason = format!(
            "{} lines for {lines} epochs that the checkpoint has; the file was changed",
            whole.len()
        );
        return Err(TrainError::Parse {
            path: path.to_owned(),
            reason,
        });
    }
    let kept = whole[..usize::try_from(lines).unwrap_or(usize::MAX)].concat();
    if kept.len() == text.len() {
        Ok(())
    } else {
        durable::write(path, kept.as_bytes())
    }
}

/// Drops a last line without an end, so that the next one starts on its own.
pub(crate) fn cut_torn_line(path: &Path) -> Result<()> {
    let text = text(path)?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    if whole == text.len() {
        Ok(())
    } else {
        durable::write(path, &text.as_bytes()[..whole])
    }
}

/// All whole lines.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>> {
    let text = text(path)?;
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole
        .zip(1..)
        .map(|(line, number)| {
            serde_json::from_str(line).map_err(|e| TrainError::Parse {
                path: path.to_owned(),
                reason: format!("line {number}: {e}"),
            })
        })
        .collect()
}

fn text(path: &Path) -> Result<String> {
    match fs::read(path) {
        // A line torn in the middle of a character is torn all the same.
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(io(path, "read")(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_checkpoint_and_torn_lines_go_and_the_rest_stays_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        for number in 0..4 {
            append(&path, &number).unwrap();
        }
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"epo").unwrap();
        assert_eq!(read::<u64>(&path).unwrap(), [0, 1, 2, 3]);
        cut_torn_line(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "0\n1\n2\n3\n");
        cut(&path, 2).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "0\n1\n");
        assert!(cut(&path, 3).unwrap_err().to_string().contains("2 lines for 3 epochs"));
        cut(&dir.path().join("none"), 0).unwrap();
    }

    #[test]
    fn a_line_that_is_no_json_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        fs::write(&path, "1\nx\n").unwrap();
        assert!(read::<u64>(&path).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn an_unbounded_rejection_is_null_in_the_file_and_infinite_in_comparisons() {
        let metrics = EpochMetrics {
            epoch: 1,
            step: 2,
            train_loss: 0.5,
            val_loss: 0.4,
            val_auc: Some(0.9),
            val_points: Some(vec![
                PointAuc {
                    parameter: 500.0,
                    auc: 0.7,
                },
                PointAuc {
                    parameter: 750.0,
                    auc: 0.9,
                },
            ]),
            val_accuracy: Some(0.8),
            val_bias: None,
            val_resolution: None,
            val_nll: None,
            val_rejection: BTreeMap::from([
                ("val_rejection_30".to_owned(), None),
                ("val_rejection_50".to_owned(), Some(7.0)),
            ]),
            learning_rate: 1e-3,
            seconds: 1.0,
            validation_seconds: 1.0,
            jets_per_second: 3.0,
            resident_bytes: None,
        };
        let text = serde_json::to_string(&metrics).unwrap();
        assert!(text.contains("\"val_rejection_30\":null"), "{text}");
        let back: EpochMetrics = serde_json::from_str(&text).unwrap();
        assert_eq!(back, metrics);
        assert_eq!(back.figure(Metric::ValRejection(30)), f64::INFINITY);
        assert_eq!(back.figure(Metric::ValRejection(50)), 7.0);
        assert!(back.figure(Metric::ValRejection(70)).is_nan());
        let regression = EpochMetrics {
            val_auc: None,
            val_points: None,
            val_accuracy: None,
            val_bias: Some(-3.0),
            val_resolution: Some(31.5),
            val_rejection: BTreeMap::new(),
            ..metrics
        };
        let text = serde_json::to_string(&regression).unwrap();
        assert!(
            !text.contains("auc") && text.contains("\"val_resolution\":31.5"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<EpochMetrics>(&text).unwrap(), regression);
        assert_eq!(regression.figure(Metric::ValResolution), 31.5);
    }
}
