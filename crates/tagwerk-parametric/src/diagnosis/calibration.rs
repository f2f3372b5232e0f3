//! Is the score a likelihood ratio, mass by mass? And what is a cut on it worth?
//!
//! With as many background as signal events, a perfect score s makes s / (1 - s) the likelihood ratio of its features at this
//! mass (CARL, Cranmer, Pavez, Louppe, arXiv:1506.02169). The reliability diagram compares s with the signal share that is
//! found, classes weighted equal. Two numbers, slope and offset of the log-odds, fitted on validation events, calibrate
//! (Platt 1999); what they help is told on test events.

use super::DiagnosisOptions;
use crate::error::ParametricError;
use crate::evaluation::PointScores;
use serde::{Deserialize, Serialize};
use tagwerk_stats::{CutOptions, CutScan, Significance, Yields};

/// Bins of a reliability diagram.
const RELIABILITY_BINS: usize = 10;

/// Bins of a distribution.
const BINS: usize = 40;

/// One mass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MassDiagnosis {
    /// Value of the parameter, or the number of the point where there are several.
    pub mass: f64,
    /// The score as it is.
    pub reliability: Reliability,
    /// What makes it better; absent where validation has no events of this mass.
    pub calibration: Option<Calibration>,
    /// Shares of the signal's scores in equal bins on [0, 1].
    pub signal: Vec<f64>,
    /// The same of the background.
    pub background: Vec<f64>,
    /// Significance with the expected events; absent where validation has no events of this mass.
    pub discovery: Option<Discovery>,
}

/// How far the score is from the share of signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Bins of the score that hold events.
    pub bins: Vec<ReliabilityBin>,
    /// Mean |score - share of signal| over the bins, by their events.
    pub expected_calibration_error: f64,
    /// Mean squared difference of score and class.
    pub brier: f64,
}

/// Events of like score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Mean score.
    pub predicted: f64,
    /// Share of signal, classes weighted equal.
    pub observed: f64,
    /// Its error; absent where a class has no event.
    pub error: Option<f64>,
    /// Events.
    pub events: usize,
}

/// Slope and offset of calibrated log-odds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Slope: below 1 the network is too sure.
    pub slope: f64,
    /// Offset.
    pub offset: f64,
    /// The test events with them.
    pub reliability: Reliability,
}

/// A cut chosen on validation events, quoted on test events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Discovery {
    /// The cut.
    pub cut: f64,
    /// Signal efficiency.
    pub signal_efficiency: f64,
    /// Background efficiency.
    pub background_efficiency: f64,
    /// Median discovery significance with the error of the background; absent where no background passes.
    pub significance: Option<f64>,
    /// s / sqrt(s + b) at the same cut.
    pub signal_over_root_all: Option<f64>,
}

pub(super) fn by_mass(
    test: &[PointScores],
    validation: &[PointScores],
    options: &DiagnosisOptions,
) -> Result<Vec<MassDiagnosis>, ParametricError> {
    test.iter()
        .map(|scores| {
            let own = validation.iter().find(|v| v.name == scores.name);
            let calibration = own.map(|own| {
                let [slope, offset] = fit(&own.log_odds, &own.labels);
                let moved: Vec<f64> = scores
                    .log_odds
                    .iter()
                    .map(|&z| logistic(slope * f64::from(z) + offset))
                    .collect();
                Calibration {
                    slope,
                    offset,
                    reliability: reliability(&moved, &scores.labels),
                }
            });
            let probabilities = scores.probabilities();
            Ok(MassDiagnosis {
                mass: f64::from(scores.name),
                reliability: reliability(&probabilities, &scores.labels),
                calibration,
                signal: distribution(&probabilities, &scores.labels, 1),
                background: distribution(&probabilities, &scores.labels, 0),
                discovery: own.map(|own| discovery(scores, own, options)).transpose()?.flatten(),
            })
        })
        .collect()
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// Weights that make both classes count as much, 1 in all.
fn equal(labels: &[u8]) -> [f64; 2] {
    let signal = labels.iter().filter(|&&l| l == 1).count();
    [0.5 / (labels.len() - signal).max(1) as f64, 0.5 / signal.max(1) as f64]
}

fn reliability(probabilities: &[f64], labels: &[u8]) -> Reliability {
    let weights = equal(labels);
    let mut sums = [[0.0; 2]; RELIABILITY_BINS]; // weight, weight times score
    let mut counts = [[0usize; 2]; RELIABILITY_BINS];
    let mut brier = 0.0;
    for (&p, &label) in probabilities.iter().zip(labels) {
        let bin = ((p * RELIABILITY_BINS as f64) as usize).min(RELIABILITY_BINS - 1);
        let weight = weights[usize::from(label)];
        sums[bin][0] += weight;
        sums[bin][1] += weight * p;
        counts[bin][usize::from(label)] += 1;
        brier += weight * (p - f64::from(label)).powi(2);
    }
    let mut bins = Vec::new();
    let mut error = 0.0;
    for ([weight, scores], [background, signal]) in sums.into_iter().zip(counts) {
        if weight == 0.0 {
            continue;
        }
        let observed = weights[1] * signal as f64 / weight;
        let both = background > 0 && signal > 0;
        bins.push(ReliabilityBin {
            predicted: scores / weight,
            observed,
            // Both counts are Poisson: the log of their ratio has the error sqrt(1 / s + 1 / b).
            error: both.then(|| observed * (1.0 - observed) * (1.0 / signal as f64 + 1.0 / background as f64).sqrt()),
            events: background + signal,
        });
        error += (scores - weight * observed).abs();
    }
    Reliability {
        bins,
        expected_calibration_error: error,
        brier,
    }
}

/// Slope and offset of the log-odds with the lowest cross entropy, classes weighted equal, by Newton steps.
fn fit(log_odds: &[f32], labels: &[u8]) -> [f64; 2] {
    let weights = equal(labels);
    let (mut slope, mut offset) = (1.0, 0.0);
    for _ in 0..50 {
        let (mut g, mut h) = ([0.0; 2], [0.0; 3]);
        for (&z, &label) in log_odds.iter().zip(labels) {
            let z = f64::from(z);
            let p = logistic(slope * z + offset);
            let weight = weights[usize::from(label)];
            let (d, c) = (weight * (p - f64::from(label)), weight * p * (1.0 - p));
            g[0] += d * z;
            g[1] += d;
            h[0] += c * z * z;
            h[1] += c * z;
            h[2] += c;
        }
        // A little ridge keeps separable classes from running away.
        const RIDGE: f64 = 1e-9;
        let (a, b, c) = (h[0] + RIDGE, h[1], h[2] + RIDGE);
        let determinant = a * c - b * b;
        if determinant.is_nan() || determinant <= 0.0 {
            break;
        }
        // No step is longer than one: far from the minimum Newton's are.
        let step = [(c * g[0] - b * g[1]) / determinant, (a * g[1] - b * g[0]) / determinant];
        let length = step[0].abs().max(step[1].abs()).max(1.0);
        slope -= step[0] / length;
        offset -= step[1] / length;
        if step[0].abs().max(step[1].abs()) < 1e-10 {
            break;
        }
    }
    [slope, offset]
}

fn distribution(probabilities: &[f64], labels: &[u8], class: u8) -> Vec<f64> {
    let mut counts = vec![0.0; BINS];
    let mut total = 0.0;
    for (&p, _) in probabilities.iter().zip(labels).filter(|(_, l)| **l == class) {
        counts[((p * BINS as f64) as usize).min(BINS - 1)] += 1.0;
        total += 1.0;
    }
    counts.iter_mut().for_each(|count| *count /= f64::max(total, 1.0));
    counts
}

fn discovery(
    test: &PointScores,
    validation: &PointScores,
    options: &DiagnosisOptions,
) -> Result<Option<Discovery>, ParametricError> {
    let cuts = |significance| CutOptions {
        significance,
        yields: Yields::Expected {
            signal: options.signal,
            background: options.background,
        },
        ..CutOptions::default()
    };
    let with_error = cuts(Significance::AsimovWithError {
        relative: options.background_error,
    });
    let scan = |scores: &PointScores, options: &CutOptions| -> Result<CutScan, ParametricError> {
        Ok(CutScan::new(&scores.probabilities(), &scores.truth()?, options)?)
    };
    let chosen = scan(validation, &with_error)?;
    let Some(best) = chosen.best() else { return Ok(None) };
    let (found, all) = (
        scan(test, &with_error)?,
        scan(test, &cuts(Significance::SignalOverRootAll))?,
    );
    let at = found.at(best.cut);
    Ok(Some(Discovery {
        cut: best.cut,
        signal_efficiency: at.signal_efficiency,
        background_efficiency: at.background_efficiency,
        significance: at.significance,
        signal_over_root_all: all.at(best.cut).significance,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores whose signal share is exactly the logistic function of `slope * z + offset`.
    fn sample(slope: f64, offset: f64) -> (Vec<f32>, Vec<u8>) {
        let (mut z, mut labels) = (Vec::new(), Vec::new());
        for i in 0..20_001 {
            let at = f64::from(i) / 20_000.0 * 6.0 - 3.0;
            let u = (f64::from(i) * 0.618_034).fract();
            z.push(at as f32);
            labels.push(u8::from(u < logistic(slope * at + offset)));
        }
        (z, labels)
    }

    #[test]
    fn the_fit_finds_slope_and_offset_and_takes_the_miscalibration_away() {
        let (z, labels) = sample(0.5, 0.0);
        let [slope, offset] = fit(&z, &labels);
        assert!((slope - 0.5).abs() < 0.02 && offset.abs() < 0.02, "{slope} {offset}");
        let raw: Vec<f64> = z.iter().map(|&z| logistic(f64::from(z))).collect();
        let better: Vec<f64> = z.iter().map(|&z| logistic(slope * f64::from(z) + offset)).collect();
        let (before, after) = (reliability(&raw, &labels), reliability(&better, &labels));
        assert!(before.expected_calibration_error > 0.05, "{before:?}");
        assert!(after.expected_calibration_error < 0.01, "{after:?}");
        assert!(after.brier < before.brier);
        // What is calibrated already stays.
        let (z, labels) = sample(1.0, 0.0);
        let [slope, _] = fit(&z, &labels);
        assert!((slope - 1.0).abs() < 0.03, "{slope}");
        for bin in reliability(&z.iter().map(|&z| logistic(f64::from(z))).collect::<Vec<_>>(), &labels).bins {
            assert!(
                (bin.predicted - bin.observed).abs() < 5.0 * bin.error.unwrap(),
                "{bin:?}"
            );
        }
    }

    #[test]
    fn a_class_that_is_three_times_as_frequent_counts_no_more() {
        let (z, labels) = sample(1.0, 0.0);
        let mut more = (z.clone(), labels.clone());
        for (&z, &label) in z.iter().zip(&labels) {
            if label == 0 {
                more.0.extend([z, z]);
                more.1.extend([0, 0]);
            }
        }
        let (a, b) = (fit(&z, &labels), fit(&more.0, &more.1));
        assert!((a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6, "{a:?} {b:?}");
    }

    #[test]
    fn separable_classes_end() {
        let [slope, offset] = fit(&[-1.0, -2.0, 1.0, 2.0], &[0, 0, 1, 1]);
        assert!(slope.is_finite() && slope > 1.0 && offset.is_finite());
    }
}
