//! Predictions of a real number: mean squared error, bias and resolution, each with the error of a finite test sample.
//!
//! The residual is d = prediction - target. The bias is its mean, the resolution its population standard deviation
//! (pd4ml, arXiv:2107.00656), the mean squared error the mean of d^2, so mse = bias^2 + resolution^2. Errors follow
//! from the central moments m_k of d over n events (the delta method): bias sqrt(m_2 / n); mse sqrt(Var(d^2) / n);
//! resolution sqrt((m_4 - m_2^2) / (4 m_2 n)), which for normal residuals is resolution / sqrt(2 n). None assumes that
//! residuals are normal; tails make the last two larger, as they should.
//!
//! Two predictions of the same events share most of that error. Each event's pull on the resolution is
//! (d'^2 - m_2) / (2 sqrt(m_2)), d' the residual about its mean; the error of a difference of resolutions is the
//! standard deviation of the difference of pulls over sqrt(n), with the correlation in it.

use crate::error::{Result, StatsError};
use crate::score::{Score, widen};
use serde::{Deserialize, Serialize};

/// How well a number is predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionEvaluation {
    /// Events.
    pub events: usize,
    /// Mean squared error, in units of the target squared.
    pub mse: f64,
    /// Its error from the finite sample; absent for one event.
    pub mse_error: Option<f64>,
    /// Mean of prediction - target.
    pub bias: f64,
    /// Its error.
    pub bias_error: Option<f64>,
    /// Population standard deviation of prediction - target.
    pub resolution: f64,
    /// Its error.
    pub resolution_error: Option<f64>,
    /// Population standard deviation of the target: the resolution of who always says the mean.
    pub target_spread: f64,
}

/// The difference of two predictions of the same events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolutionDifference {
    /// Resolution of the first minus that of the second.
    pub difference: f64,
    /// Its error, with the correlation of the two in it; absent where a resolution is 0 or there is one event.
    pub error: Option<f64>,
}

/// Events of one bin of the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionBin {
    /// Lower edge.
    pub low: f64,
    /// Upper edge; of the last bin, the largest target.
    pub high: f64,
    /// Mean target of the events in it.
    pub target: f64,
    /// How well they are predicted.
    #[serde(flatten)]
    pub evaluation: RegressionEvaluation,
}

/// Evaluates predictions of targets.
///
/// # Errors
/// No events, unequal lengths, values that are no finite numbers.
pub fn evaluate_regression<P: Score, T: Score>(predictions: &[P], targets: &[T]) -> Result<RegressionEvaluation> {
    let (predictions, targets) = columns(predictions, targets)?;
    Ok(evaluation(&predictions, &targets))
}

fn evaluation(predictions: &[f64], targets: &[f64]) -> RegressionEvaluation {
    let residuals = Residuals::new(predictions, targets);
    let n = residuals.centered.len() as f64;
    let m2 = residuals.moment(2);
    let squares: Vec<f64> = residuals
        .centered
        .iter()
        .map(|d| (d + residuals.bias).powi(2))
        .collect();
    let (mse, mse_deviation) = mean_deviation(&squares);
    let some = |error: f64| (n > 1.0).then_some(error);
    let resolution_error = if m2 > 0.0 {
        ((residuals.moment(4) - m2 * m2).max(0.0) / (4.0 * m2 * n)).sqrt()
    } else {
        0.0
    };
    RegressionEvaluation {
        events: predictions.len(),
        mse,
        mse_error: some(mse_deviation / n.sqrt()),
        bias: residuals.bias,
        bias_error: some((m2 / n).sqrt()),
        resolution: m2.sqrt(),
        resolution_error: some(resolution_error),
        target_spread: mean_deviation(targets).1,
    }
}

/// Resolution of `a` minus that of `b` on the same events.
///
/// # Errors
/// As [`evaluate_regression`].
pub fn resolution_difference<A: Score, B: Score, T: Score>(
    a: &[A],
    b: &[B],
    targets: &[T],
) -> Result<ResolutionDifference> {
    let (a, wide) = columns(a, targets)?;
    let (b, _) = columns(b, targets)?;
    let pulls = |predictions: &[f64]| {
        let residuals = Residuals::new(predictions, &wide);
        let m2 = residuals.moment(2);
        let pull = |d: &f64| (d * d - m2) / (2.0 * m2.sqrt());
        (m2.sqrt(), residuals.centered.iter().map(pull).collect::<Vec<f64>>())
    };
    let ((first, pulls_a), (second, pulls_b)) = (pulls(&a), pulls(&b));
    let n = wide.len() as f64;
    let differences: Vec<f64> = pulls_a.iter().zip(&pulls_b).map(|(a, b)| a - b).collect();
    let error = mean_deviation(&differences).1 / n.sqrt();
    Ok(ResolutionDifference {
        difference: first - second,
        error: Some(error).filter(|error| error.is_finite() && n > 1.0),
    })
}

/// Evaluates predictions in `bins` bins of the target that hold equally many events, as far as equal targets let them.
///
/// # Errors
/// As [`evaluate_regression`].
pub fn regression_bins<P: Score, T: Score>(
    predictions: &[P],
    targets: &[T],
    bins: usize,
) -> Result<Vec<RegressionBin>> {
    let (predictions, targets) = columns(predictions, targets)?;
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by(|&a, &b| targets[a].total_cmp(&targets[b]).then(a.cmp(&b)));
    let bins = bins.clamp(1, order.len());
    let mut cuts: Vec<usize> = (0..=bins).map(|i| i * order.len() / bins).collect();
    // Equal targets share a bin: a cut between them moves up.
    for cut in &mut cuts {
        while *cut > 0 && *cut < order.len() && targets[order[*cut - 1]] == targets[order[*cut]] {
            *cut += 1;
        }
    }
    cuts.dedup();
    Ok(cuts
        .windows(2)
        .map(|cut| {
            let own = &order[cut[0]..cut[1]];
            let pick = |column: &[f64]| own.iter().map(|&row| column[row]).collect::<Vec<f64>>();
            let (p, t) = (pick(&predictions), pick(&targets));
            let next = order.get(cut[1]).unwrap_or(&order[order.len() - 1]);
            RegressionBin {
                low: t[0],
                high: targets[*next],
                target: t.iter().sum::<f64>() / t.len() as f64,
                evaluation: evaluation(&p, &t),
            }
        })
        .collect())
}

fn columns<P: Score, T: Score>(predictions: &[P], targets: &[T]) -> Result<(Vec<f64>, Vec<f64>)> {
    if targets.is_empty() {
        return Err(StatsError::NoEvents);
    }
    let targets = finite(widen(targets, targets.len(), "the targets")?, "target")?;
    let predictions = finite(widen(predictions, targets.len(), "the predictions")?, "prediction")?;
    Ok((predictions, targets))
}

fn finite(column: Vec<f64>, what: &str) -> Result<Vec<f64>> {
    match column.iter().position(|value| !value.is_finite()) {
        None => Ok(column),
        Some(row) => Err(StatsError::NotFinite {
            what: format!("the {what} in row {row}"),
            value: column[row],
        }),
    }
}

/// Residuals about their mean.
struct Residuals {
    bias: f64,
    centered: Vec<f64>,
}

impl Residuals {
    fn new(predictions: &[f64], targets: &[f64]) -> Self {
        let residuals: Vec<f64> = predictions.iter().zip(targets).map(|(p, t)| p - t).collect();
        let bias = residuals.iter().sum::<f64>() / residuals.len() as f64;
        Self {
            bias,
            centered: residuals.iter().map(|d| d - bias).collect(),
        }
    }

    fn moment(&self, power: i32) -> f64 {
        self.centered.iter().map(|d| d.powi(power)).sum::<f64>() / self.centered.len() as f64
    }
}

/// Mean and population standard deviation, about the mean.
pub(crate) fn mean_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{below, stream};

    /// Correlated predictions of a target, with a tail.
    fn sample(n: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let mut rng = stream(5, "regression test", 0);
        let mut uniform = || f64::from(below(&mut rng, 1 << 30)) / f64::from(1 << 30);
        let mut rows = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n {
            let target = 700.0 + 100.0 * (uniform() + uniform() - 1.0);
            let shared = 30.0 * (uniform() + uniform() + uniform() - 1.5) + if uniform() < 0.02 { 120.0 } else { 0.0 };
            rows.0.push(target + 4.0 + shared + 10.0 * (uniform() - 0.5));
            rows.1.push(target - 1.0 + 1.1 * shared + 10.0 * (uniform() - 0.5));
            rows.2.push(target);
        }
        rows
    }

    #[test]
    fn numbers_of_four_events_are_those_counted_by_hand() {
        // Residuals 1, -1, 3, 1: mean 1, variance 2, fourth central moment 8; squares 1, 1, 9, 1: mean 3, variance 12.
        let result = evaluate_regression(&[2.0, 1.0, 6.0, 5.0], &[1.0f32, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((result.events, result.bias, result.mse), (4, 1.0, 3.0));
        assert_eq!(result.resolution, 2f64.sqrt());
        assert_eq!(result.mse_error, Some((12.0f64 / 4.0).sqrt()));
        assert_eq!(result.bias_error, Some((2.0f64 / 4.0).sqrt()));
        assert_eq!(result.resolution_error, Some((4.0f64 / (4.0 * 2.0 * 4.0)).sqrt()));
        assert_eq!(result.target_spread, 1.25f64.sqrt());
        assert!((result.mse - result.bias.powi(2) - result.resolution.powi(2)).abs() < 1e-12);
    }

    #[test]
    fn errors_are_the_spread_over_resampled_events() {
        let (a, b, targets) = sample(2_000);
        let own = evaluate_regression(&a, &targets).unwrap();
        let between = resolution_difference(&a, &b, &targets).unwrap();
        let mut draws: [Vec<f64>; 4] = Default::default();
        for replica in 0..600 {
            let mut rng = stream(11, "regression bootstrap", replica);
            let rows: Vec<usize> = (0..2_000).map(|_| below(&mut rng, 2_000) as usize).collect();
            let pick = |column: &[f64]| rows.iter().map(|&row| column[row]).collect::<Vec<f64>>();
            let (a, b, t) = (pick(&a), pick(&b), pick(&targets));
            let first = evaluate_regression(&a, &t).unwrap();
            let second = evaluate_regression(&b, &t).unwrap();
            draws[0].push(first.mse);
            draws[1].push(first.bias);
            draws[2].push(first.resolution);
            draws[3].push(first.resolution - second.resolution);
        }
        let told = [own.mse_error, own.bias_error, own.resolution_error, between.error];
        for (draws, told) in draws.iter().zip(told) {
            let (spread, told) = (mean_deviation(draws).1, told.unwrap());
            // The spread of 600 replicas is good to 3 %, more with the tail.
            assert!((told / spread - 1.0).abs() < 0.15, "{told} against {spread}");
        }
        // Correlated predictions differ by less than their own errors say.
        let second = evaluate_regression(&b, &targets).unwrap();
        let apart = own.resolution_error.unwrap().hypot(second.resolution_error.unwrap());
        assert!(between.error.unwrap() < apart / 3.0);
    }

    #[test]
    fn bins_hold_equally_many_events_and_all_of_them() {
        let (a, _, targets) = sample(1_003);
        let bins = regression_bins(&a, &targets, 10).unwrap();
        assert_eq!(bins.len(), 10);
        assert!(bins.iter().all(|bin| (100..=101).contains(&bin.evaluation.events)));
        assert_eq!(bins.iter().map(|bin| bin.evaluation.events).sum::<usize>(), 1_003);
        assert!(
            bins.windows(2)
                .all(|w| w[0].high == w[1].low && w[0].target < w[1].target)
        );
        // Equal targets stay together, and more bins than values are not made.
        let bins = regression_bins(&[0.0; 6], &[1.0, 1.0, 1.0, 1.0, 2.0, 3.0], 4).unwrap();
        let events: Vec<usize> = bins.iter().map(|bin| bin.evaluation.events).collect();
        assert_eq!(events, [4, 2]);
    }

    #[test]
    fn what_is_no_sample_is_refused_and_one_event_has_no_error() {
        assert_eq!(evaluate_regression::<f64, f64>(&[], &[]), Err(StatsError::NoEvents));
        assert!(evaluate_regression(&[1.0], &[1.0, 2.0]).is_err());
        let error = evaluate_regression(&[1.0, f64::INFINITY], &[1.0, 2.0])
            .unwrap_err()
            .to_string();
        assert!(error.contains("the prediction in row 1 is inf"), "{error}");
        let one = evaluate_regression(&[3.0], &[1.0]).unwrap();
        assert_eq!(
            (one.bias, one.resolution, one.bias_error, one.resolution_error),
            (2.0, 0.0, None, None)
        );
        let perfect = evaluate_regression(&[1.0, 2.0], &[1.0, 2.0]).unwrap();
        assert_eq!((perfect.resolution, perfect.resolution_error), (0.0, Some(0.0)));
        assert_eq!(
            resolution_difference(&[1.0, 2.0], &[1.0, 2.0], &[1.0, 2.0])
                .unwrap()
                .error,
            None
        );
    }
}
