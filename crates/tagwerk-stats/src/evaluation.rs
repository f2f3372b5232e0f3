//! All numbers of one column of scores.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::accuracy::accuracy;
use crate::delong::auc_error;
use crate::ensemble::{Ensembles, ensembles};
use crate::error::{Result, StatsError};
use crate::ranked::Ranked;
use crate::rejection::Rejection;
use crate::score::{Score, widen};
use crate::truth::Truth;
use crate::working_point::WorkingPoints;

/// What is said of one scored test sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Area under the ROC curve, ties one half.
    pub auc: f64,
    /// DeLong error of the AUC; absent when a class has one jet only.
    pub auc_error: Option<f64>,
    /// Share of jets on the right side of the cut 0.5.
    pub accuracy: f64,
    /// Binomial error of the accuracy.
    pub accuracy_error: f64,
    /// Rejection by working point: the key is the signal efficiency, `"0.3"`.
    pub rejection: BTreeMap<String, Rejection>,
    /// Signal jets.
    pub n_signal: usize,
    /// Background jets.
    pub n_background: usize,
    /// Whether jets carried weights.
    #[serde(default)]
    pub weighted: bool,
    /// What a reader should know about the numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Evaluation {
    /// Rejection at a signal efficiency that was asked for.
    pub fn rejection_at(&self, signal_efficiency: f64) -> Option<&Rejection> {
        self.rejection.get(&working_point_key(signal_efficiency))
    }
}

/// Several columns of scores of one test sample: repeated trainings of one tagger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepeatedEvaluation {
    /// The training whose AUC is the median of all.
    #[serde(flatten)]
    pub median: Evaluation,
    /// Index of that training.
    pub median_training: usize,
    /// Every training, in the order given.
    pub trainings: Vec<Evaluation>,
    /// Ensembles of the trainings.
    pub ensemble: Ensembles,
}

/// Key of a working point in [`Evaluation::rejection`].
pub fn working_point_key(signal_efficiency: f64) -> String {
    signal_efficiency.to_string()
}

/// Evaluates one column of scores, one a row of `truth`, higher meaning more signal-like.
pub fn evaluate<S: Score>(scores: &[S], truth: &Truth, points: &WorkingPoints) -> Result<Evaluation> {
    evaluate_named(scores, truth, points, "the scores")
}

/// [`evaluate`] with a name for the scores in errors.
pub(crate) fn evaluate_named<S: Score>(
    scores: &[S],
    truth: &Truth,
    points: &WorkingPoints,
    what: &str,
) -> Result<Evaluation> {
    let scores = widen(scores, truth.rows(), what)?;
    let (signal, background) = truth.split(&scores);
    Ok(evaluate_classes(&signal, &background, truth, points))
}

/// Evaluates scores already split by class, each in row order.
pub(crate) fn evaluate_classes(
    signal: &[f64],
    background: &[f64],
    truth: &Truth,
    points: &WorkingPoints,
) -> Evaluation {
    let ranked = Ranked::new(signal, background, truth);
    let (auc, at) = ranked.summary(points.as_slice());
    let rejection = points.as_slice().iter().zip(at).map(|(&point, at)| {
        (
            working_point_key(point),
            Rejection::from_background(point, at, ranked.total_background, truth),
        )
    });
    let accuracy = accuracy(signal, background, truth);
    let mut notes = Vec::new();
    if signal.iter().chain(background).any(|s| !(0.0..=1.0).contains(s)) {
        notes.push("scores leave [0, 1]: the accuracy is taken at the cut 0.5 all the same".to_owned());
    }
    if auc < 0.5 {
        notes.push("the AUC is below 0.5: the scores rank background above signal".to_owned());
    }
    Evaluation {
        auc,
        auc_error: auc_error(&ranked, auc),
        accuracy,
        accuracy_error: (accuracy * (1.0 - accuracy) / effective_rows(truth)).sqrt(),
        rejection: rejection.collect(),
        n_signal: truth.n_signal(),
        n_background: truth.n_background(),
        weighted: truth.is_weighted(),
        notes,
    }
}

/// Evaluates repeated trainings: each one, the one of median AUC, and their ensembles.
pub fn evaluate_repeated<S: Score>(
    trainings: &[&[S]],
    truth: &Truth,
    points: &WorkingPoints,
) -> Result<RepeatedEvaluation> {
    if trainings.is_empty() {
        return Err(StatsError::NoTrainings {
            what: "the list of score files".to_owned(),
        });
    }
    let evaluations: Vec<Evaluation> = trainings
        .iter()
        .enumerate()
        .map(|(i, scores)| evaluate_named(scores, truth, points, &format!("training {i}")))
        .collect::<Result<_>>()?;
    let median_training = median_by_auc(&evaluations.iter().map(|e| e.auc).collect::<Vec<_>>());
    Ok(RepeatedEvaluation {
        median: evaluations[median_training].clone(),
        median_training,
        trainings: evaluations,
        ensemble: ensembles(trainings, truth)?,
    })
}

/// Index of the training at position n/2 when sorted by AUC (the first of equals first). `aucs` must not be empty.
pub(crate) fn median_by_auc(aucs: &[f64]) -> usize {
    let mut order: Vec<usize> = (0..aucs.len()).collect();
    order.sort_by(|&a, &b| aucs[a].total_cmp(&aucs[b]));
    order[order.len() / 2]
}

/// Number of equally weighted jets with the same statistical power.
fn effective_rows(truth: &Truth) -> f64 {
    match truth.class_weights() {
        None => truth.rows() as f64,
        Some(w) => {
            let sums = w
                .signal
                .iter()
                .chain(&w.background)
                .fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
            sums.0 * sums.0 / sums.1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_keys_are_there_and_nothing_is_nan() {
        let truth = Truth::new(&[1, 1, 1, 1, 0, 0]).unwrap();
        let evaluation = evaluate(&[0.9, 0.8, 0.7, 0.6, 0.65, 0.1], &truth, &WorkingPoints::default()).unwrap();
        let json = serde_json::to_string(&evaluation).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        for key in ["auc", "accuracy", "rejection", "n_signal", "n_background"] {
            assert!(value.get(key).is_some(), "{key} in {json}");
        }
        // No background passes at 0.3 and 0.5: null with a limit and a reason.
        assert!(value["rejection"]["0.3"]["value"].is_null());
        assert!(value["rejection"]["0.5"]["lower_limit"].as_f64().unwrap() > 1.0);
        assert!(
            value["rejection"]["0.5"]["reason"]
                .as_str()
                .unwrap()
                .contains("none of 2")
        );
        assert_eq!(serde_json::from_str::<Evaluation>(&json).unwrap(), evaluation);
    }

    #[test]
    fn logits_and_inverted_scores_are_noted() {
        let truth = Truth::new(&[1, 0]).unwrap();
        let evaluation = evaluate(&[-3.0_f32, 2.0], &truth, &WorkingPoints::default()).unwrap();
        assert_eq!(evaluation.notes.len(), 2, "{:?}", evaluation.notes);
    }

    #[test]
    fn the_median_training_stands_at_half_the_sorted_list() {
        assert_eq!(median_by_auc(&[0.9, 0.7, 0.8]), 2);
        assert_eq!(median_by_auc(&[0.9, 0.7, 0.8, 0.6]), 2);
        assert_eq!(median_by_auc(&[0.5]), 0);
    }

    #[test]
    fn repeated_trainings_keep_the_single_keys_on_top() {
        let truth = Truth::new(&[1, 1, 0, 0]).unwrap();
        let (a, b) = ([0.9_f32, 0.4, 0.6, 0.1], [0.8_f32, 0.7, 0.2, 0.3]);
        let result = evaluate_repeated(&[&a[..], &b[..]], &truth, &WorkingPoints::default()).unwrap();
        let json = serde_json::to_string(&result).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["auc"].as_f64(), Some(1.0));
        assert!(value["ensemble"]["mean"].is_object() && value["ensemble"]["median"].is_object());
        assert_eq!(serde_json::from_str::<RepeatedEvaluation>(&json).unwrap(), result);
    }
}
