//! Walking a learner over examples, and the figures of the result.

use crate::error::{Result, TrainError};
use crate::examples::{Examples, Order};
use crate::journal::PointAuc;
use crate::learner::{Batch, Learner};
use crate::metric::Metric;
use crate::observer::Observer;
use crate::predictions::PredictionTable;
use crate::scores::ScoreTable;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tagwerk_data::Task;
use tagwerk_stats::{Roc, Truth, WorkingPoints, cross_entropy, evaluate, evaluate_regression};

/// What a learner says of events, as their task has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Scored {
    /// Scores of two classes.
    Classes(ScoreTable),
    /// Predictions of a number.
    Values(PredictionTable),
}

impl Scored {
    /// Number of events.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(table) => table.len(),
            Self::Values(table) => table.len(),
        }
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the table; the name appears when the file is complete.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        match self {
            Self::Classes(table) => table.write(path),
            Self::Values(table) => table.write(path),
        }
    }

    /// Reads either table back, told by its columns.
    ///
    /// # Errors
    /// A file that is no score file of this crate.
    pub fn read(path: &Path) -> Result<Self> {
        if PredictionTable::is_one(path)? {
            return PredictionTable::read(path).map(Self::Values);
        }
        ScoreTable::read(path).map(Self::Classes)
    }
}

/// Scores all jets in stored order, `batch_size` at once; `None` when `stop` was raised meanwhile. `what` names the
/// examples in errors and to the observer.
///
/// # Errors
/// A learner that fails or gives a score that is not finite; examples that cannot be read, or that are of a regression.
pub fn score(
    learner: &mut dyn Learner,
    examples: &dyn Examples,
    batch_size: usize,
    what: &str,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Option<ScoreTable>> {
    match score_any(learner, examples, batch_size, what, observer, stop)? {
        None => Ok(None),
        Some(Scored::Classes(table)) => Ok(Some(table)),
        Some(Scored::Values(_)) => Err(TrainError::Examples {
            what: what.to_owned(),
            reason: "events of a regression have predictions, not scores".to_owned(),
        }),
    }
}

/// Scores all events in stored order, of either task; otherwise as [`score`].
///
/// # Errors
/// A learner that fails or gives a score that is not finite; examples that cannot be read.
pub fn score_any(
    learner: &mut dyn Learner,
    examples: &dyn Examples,
    batch_size: usize,
    what: &str,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Option<Scored>> {
    score_at(learner, examples, batch_size, what, observer, stop, 0)
}

/// [`score`] for a training that has done `step` steps.
pub(crate) fn score_at(
    learner: &mut dyn Learner,
    examples: &dyn Examples,
    batch_size: usize,
    what: &str,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
    step: u64,
) -> Result<Option<Scored>> {
    let task = examples.task();
    let mut targets = Vec::new();
    let mut table = ScoreTable::default();
    let mut parameters = Vec::new();
    for batch in examples.batches(Order::STORED, batch_size, 0) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let batch = batch?;
        let scores = score_batch(learner, &batch, what, step)?;
        table.rows.extend_from_slice(&batch.rows);
        match task {
            Task::Classification => table.labels.extend(batch.labels.iter().map(|&l| u8::from(l > 0.5))),
            Task::Regression => targets.extend_from_slice(&batch.labels),
        }
        match &batch.weights {
            Some(weights) => {
                table.weighted = true;
                table.weights.extend_from_slice(weights);
            }
            None => table.weights.resize(table.rows.len(), 1.0),
        }
        if let Some(p) = &batch.parameters {
            parameters.extend_from_slice(p);
        }
        table.log_odds.extend_from_slice(&scores);
        observer.scoring(what, table.len(), examples.len());
    }
    if table.len() != examples.len() {
        let reason = format!("{} jets came, {} were promised", table.len(), examples.len());
        return Err(TrainError::Examples {
            what: what.to_owned(),
            reason,
        });
    }
    if task == Task::Regression {
        return Ok(Some(Scored::Values(PredictionTable {
            rows: table.rows,
            targets,
            predictions: table.log_odds,
        })));
    }
    match parameters.len() {
        0 => {}
        n if n == table.len() => table.parameters = Some(parameters),
        n => {
            let reason = format!("{n} of {} jets have a parameter; all or none must", table.len());
            return Err(TrainError::Examples {
                what: what.to_owned(),
                reason,
            });
        }
    }
    Ok(Some(Scored::Classes(table)))
}

/// Scores one batch and refuses what is not a finite number.
pub(crate) fn score_batch(learner: &mut dyn Learner, batch: &Batch, what: &str, step: u64) -> Result<Vec<f32>> {
    let scores = learner.score(batch).map_err(|source| TrainError::Learner {
        doing: format!("scoring {what} after {step} steps"),
        source,
    })?;
    if scores.len() != batch.len() {
        return Err(TrainError::ScoreCount {
            what: what.to_owned(),
            expected: batch.len(),
            found: scores.len(),
        });
    }
    if let Some(jet) = scores.iter().position(|s| !s.is_finite()) {
        let row = batch.rows.get(jet).copied().unwrap_or_default();
        return Err(TrainError::Score {
            what: what.to_owned(),
            row,
            score: scores[jet],
            step,
        });
    }
    Ok(scores)
}

/// Figures of scored jets.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// (Weighted) mean cross entropy in nats.
    pub loss: f64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// AUC at each value of the hypothesis parameter that has both classes, ascending; `None` without a parameter.
    pub points: Option<Vec<PointAuc>>,
    /// Accuracy at the cut 0.5.
    pub accuracy: f64,
    /// Background rejection by key `val_rejection_N`; `None` when no background passes.
    pub rejection: BTreeMap<String, Option<f64>>,
}

/// Figures of an epoch's validation, as its task has them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct EpochFigures {
    pub(crate) loss: f64,
    pub(crate) auc: Option<f64>,
    pub(crate) points: Option<Vec<PointAuc>>,
    pub(crate) accuracy: Option<f64>,
    pub(crate) rejection: BTreeMap<String, Option<f64>>,
    pub(crate) bias: Option<f64>,
    pub(crate) resolution: Option<f64>,
}

/// Figures of either task; those of [`figures`], or mean squared error, bias and resolution.
pub(crate) fn epoch_figures(scored: &Scored, what: &str, extra: &[Metric]) -> Result<EpochFigures> {
    match scored {
        Scored::Classes(table) => {
            let figures = figures(table, what, extra)?;
            Ok(EpochFigures {
                loss: figures.loss,
                auc: Some(figures.auc),
                points: figures.points,
                accuracy: Some(figures.accuracy),
                rejection: figures.rejection,
                ..EpochFigures::default()
            })
        }
        Scored::Values(table) => {
            let found =
                evaluate_regression(&table.predictions, &table.targets).map_err(|source| TrainError::Metrics {
                    what: what.to_owned(),
                    source,
                })?;
            Ok(EpochFigures {
                loss: found.mse,
                bias: Some(found.bias),
                resolution: Some(found.resolution),
                ..EpochFigures::default()
            })
        }
    }
}

/// Computes the figures of a score table, rejections at 30 %, 50 % and the `extra` signal efficiencies.
///
/// # Errors
/// A table without signal or without background.
pub fn figures(table: &ScoreTable, what: &str, extra: &[Metric]) -> Result<Figures> {
    let fault = |source| TrainError::Metrics {
        what: what.to_owned(),
        source,
    };
    let mut percents = vec![30, 50];
    percents.extend(extra.iter().filter_map(|m| {
        if let Metric::ValRejection(p) = m {
            Some(*p)
        } else {
            None
        }
    }));
    let points: Vec<f64> = percents.iter().map(|&p| f64::from(p) / 100.0).collect();
    let by_point = [Metric::ValAucMean, Metric::ValAucWorst];
    if table.parameters.is_none() && extra.iter().any(|metric| by_point.contains(metric)) {
        return Err(TrainError::Examples {
            what: what.to_owned(),
            reason: "val_auc_mean and val_auc_worst are of jets with a hypothesis parameter; these have none"
                .to_owned(),
        });
    }
    let truth = table.truth().map_err(fault)?;
    let points = WorkingPoints::new(&points).map_err(fault)?;
    let evaluation = evaluate(&table.probabilities(), &truth, &points).map_err(fault)?;
    let rejection = percents.iter().map(|&p| {
        let value = evaluation.rejection_at(f64::from(p) / 100.0).and_then(|r| r.value);
        (Metric::ValRejection(p).to_string(), value)
    });
    Ok(Figures {
        loss: mean_cross_entropy(table),
        auc: evaluation.auc,
        points: points_auc(table).map_err(fault)?,
        accuracy: evaluation.accuracy,
        rejection: rejection.collect(),
    })
}

/// The AUC of the jets of each value of the parameter.
fn points_auc(table: &ScoreTable) -> tagwerk_stats::Result<Option<Vec<PointAuc>>> {
    let Some(parameters) = &table.parameters else {
        return Ok(None);
    };
    let mut order: Vec<usize> = (0..table.len()).collect();
    order.sort_by(|&a, &b| parameters[a].total_cmp(&parameters[b]));
    let mut points = Vec::new();
    for jets in order.chunk_by(|&a, &b| parameters[a] == parameters[b]) {
        let labels: Vec<u8> = jets.iter().map(|&i| table.labels[i]).collect();
        let signal = labels.iter().filter(|&&label| label == 1).count();
        if signal == 0 || signal == labels.len() {
            continue;
        }
        let weights: Vec<f64> = jets.iter().map(|&i| f64::from(table.weights[i])).collect();
        let truth = Truth::weighted(&labels, &weights)?;
        let scores: Vec<f32> = jets.iter().map(|&i| table.log_odds[i]).collect();
        points.push(PointAuc {
            parameter: parameters[jets[0]],
            auc: Roc::new(&scores, &truth)?.auc(),
        });
    }
    Ok(Some(points))
}

/// Mean of log(1 + exp(-s)) over signal and log(1 + exp(s)) over background: the cross entropy of a sigmoid of s, and
/// of a softmax over two outputs whose difference is s. One order of summation, so one result.
fn mean_cross_entropy(table: &ScoreTable) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for ((&s, &label), &weight) in table.log_odds.iter().zip(&table.labels).zip(&table.weights) {
        sum += f64::from(weight) * cross_entropy(f64::from(s), label == 1);
        weights += f64::from(weight);
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(log_odds: Vec<f32>, labels: Vec<u8>) -> ScoreTable {
        let n = labels.len();
        ScoreTable {
            rows: (0..n as u64).collect(),
            labels,
            weights: vec![1.0; n],
            log_odds,
            ..ScoreTable::default()
        }
    }

    #[test]
    fn figures_of_four_jets_are_those_counted_by_hand() {
        let f = figures(
            &table(vec![2.0, -1.0, 0.5, -3.0], vec![1, 1, 0, 0]),
            "x",
            &[Metric::ValRejection(90)],
        )
        .unwrap();
        assert_eq!((f.auc, f.accuracy), (0.75, 0.5));
        // ln(1+e^-2), ln(1+e^1), ln(1+e^0.5), ln(1+e^-3)
        let by_hand =
            (0.126_928_011_042_972_5 + 1.313_261_687_518_222_8 + 0.974_076_984_180_107_2 + 0.048_587_351_573_741_96)
                / 4.0;
        assert!((f.loss - by_hand).abs() < 1e-15);
        assert_eq!(f.rejection["val_rejection_30"], None);
        // Signal efficiency 0.9 lies between thresholds at which half of the background passes: R = 2.
        assert_eq!(f.rejection["val_rejection_90"], Some(2.0));
    }

    #[test]
    fn each_value_of_the_parameter_has_its_own_auc() {
        // At 500 the order is right, at 750 wrong, and at 900 there is no background.
        let mut scored = table(vec![2.0, -1.0, 0.5, 3.0, 9.0], vec![1, 0, 1, 0, 1]);
        scored.parameters = Some(vec![500.0, 500.0, 750.0, 750.0, 900.0]);
        let points = figures(&scored, "x", &[Metric::ValAucMean]).unwrap().points.unwrap();
        let found: Vec<_> = points.iter().map(|p| (p.parameter, p.auc)).collect();
        assert_eq!(found, [(500.0, 1.0), (750.0, 0.0)]);
        scored.parameters = None;
        let error = figures(&scored, "validation", &[Metric::ValAucWorst])
            .unwrap_err()
            .to_string();
        assert!(error.contains("val_auc_worst"), "{error}");
    }

    #[test]
    fn the_cross_entropy_of_very_wrong_scores_is_finite() {
        let f = figures(&table(vec![-1000.0, 1000.0], vec![1, 0]), "x", &[]).unwrap();
        assert_eq!(f.loss, 1000.0);
    }

    #[test]
    fn one_class_alone_is_an_error_that_names_it() {
        let error = figures(&table(vec![0.0], vec![1]), "validation", &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("validation") && error.contains("background"), "{error}");
    }
}
