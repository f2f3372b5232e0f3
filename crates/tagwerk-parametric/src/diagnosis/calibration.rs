//! Is the score a likelihood ratio, mass by mass? And what is a cut on it worth?
//!
//! With as many background as signal events, a perfect score s makes s / (1 - s) the likelihood ratio of its features at this
//! mass (CARL, Cranmer, Pavez, Louppe, arXiv:1506.02169). The reliability diagram compares s with the signal share that is
//! found, classes weighted equal. Two numbers, slope and offset of the log-odds, fitted on validation events, calibrate
//! (Platt 1999); what they help is told on test events.

use super::DiagnosisOptions;
use crate::error::ParametricError;
use crate::evaluation::{PointScores, point_of};
use crate::hypotheses::Hypotheses;
use serde::{Deserialize, Serialize};
use tagwerk_stats::{CutOptions, CutScan, Significance, Yields, logistic};
use tagwerk_train::ScoreTable;

/// Bins of a reliability diagram.
const RELIABILITY_BINS: usize = 10;

/// Bins of a distribution.
const BINS: usize = 40;

/// One mass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MassDiagnosis {
    /// Value of the parameter, the first of several.
    pub mass: f64,
    /// All parameters.
    pub point: Vec<f32>,
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
    /// Its error: both efficiencies on the test events, binomial.
    pub significance_error: Option<f64>,
    /// Whether the cut is the highest that was tried: a tighter one might be better, and few events tell.
    pub at_edge: bool,
    /// s / sqrt(s + b) at the same cut.
    pub signal_over_root_all: Option<f64>,
}

/// Scores of a table by what its points are: tables of several parameters have the points' numbers, and the same number is
/// not the same point in another table.
pub(super) fn named(table: &ScoreTable, points: &Hypotheses) -> Vec<(Vec<f32>, PointScores)> {
    let of = |scores: PointScores| (point_of(scores.name, points), scores);
    PointScores::of(table).into_iter().map(of).collect()
}

pub(super) fn by_mass(
    test: &[(Vec<f32>, PointScores)],
    validation: &[(Vec<f32>, PointScores)],
    options: &DiagnosisOptions,
) -> Result<Vec<MassDiagnosis>, ParametricError> {
    test.iter()
        .map(|(point, scores)| {
            let own = validation.iter().find(|(other, _)| other == point).map(|(_, own)| own);
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
                mass: f64::from(point[0]),
                point: point.clone(),
                reliability: reliability(&probabilities, &scores.labels),
                calibration,
                signal: distribution(&probabilities, &scores.labels, 1),
                background: distribution(&probabilities, &scores.labels, 0),
                discovery: own.map(|own| discovery(scores, own, options)).transpose()?.flatten(),
            })
        })
        .collect()
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
    let significance = |signal: f64, background: f64| {
        with_error
            .significance
            .of(signal * options.signal, background * options.background)
    };
    Ok(Some(Discovery {
        cut: best.cut,
        signal_efficiency: at.signal_efficiency,
        background_efficiency: at.background_efficiency,
        significance: at.significance,
        significance_error: propagated(
            [at.signal_efficiency, at.background_efficiency],
            counts_of(&test.labels),
            &significance,
        ),
        at_edge: chosen.best.is_some_and(|best| best + 1 == chosen.cuts.len()),
        signal_over_root_all: all.at(best.cut).significance,
    }))
}

/// Events of signal and of background.
fn counts_of(labels: &[u8]) -> [usize; 2] {
    let signal = labels.iter().filter(|&&label| label == 1).count();
    [signal, labels.len() - signal]
}

/// The error of a function of both efficiencies, from the binomial errors of so many events; `None` where the function has
/// no value.
fn propagated(efficiencies: [f64; 2], events: [usize; 2], of: &dyn Fn(f64, f64) -> Option<f64>) -> Option<f64> {
    let [signal, background] = efficiencies;
    let value = of(signal, background)?;
    let error = |e: f64, n: usize| (e * (1.0 - e) / n.max(1) as f64).max(0.0).sqrt();
    let errors = [error(signal, events[0]), error(background, events[1])];
    // A tenth of an error is a small step: the formulas are smooth where they are defined.
    let by_signal = 10.0 * (of(signal + 0.1 * errors[0], background)? - value);
    let by_background = 10.0 * (of(signal, background + 0.1 * errors[1])? - value);
    Some(by_signal.hypot(by_background))
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

    /// Scores of the points `names`, each with as many of both classes and a shift of its own.
    fn table(shifts: &[f32]) -> ScoreTable {
        let mut table = ScoreTable {
            weighted: true,
            parameters: Some(Vec::new()),
            ..ScoreTable::default()
        };
        for (number, shift) in shifts.iter().enumerate() {
            let (z, labels) = sample(1.0, 0.0);
            for (i, (z, label)) in z.iter().zip(labels).enumerate().step_by(20) {
                table.rows.push(i as u64);
                table.labels.push(label);
                table.weights.push(1.0);
                table.log_odds.push(z + shift);
                table.parameters.as_mut().unwrap().push(number as f32);
            }
        }
        table
    }

    #[test]
    fn points_of_several_parameters_are_calibrated_with_their_own_validation() {
        let points = |values: &[f32]| Hypotheses::of_signal(values, 2, &vec![1.0; values.len() / 2]).unwrap();
        // The test has a point before those of the training: its numbers are one higher.
        let (trained, tested) = (
            points(&[500.0, 1.0, 500.0, 2.0]),
            points(&[400.0, 1.0, 500.0, 1.0, 500.0, 2.0]),
        );
        let validation = named(&table(&[0.0, 2.0]), &trained);
        let test = named(&table(&[-2.0, 0.0, 2.0]), &tested);
        let found = by_mass(&test, &validation, &DiagnosisOptions::default()).unwrap();
        assert!(found[0].calibration.is_none() && found[0].discovery.is_none());
        assert_eq!(found[0].point, [400.0, 1.0]);
        for (mass, point) in found[1..].iter().zip([[500.0, 1.0], [500.0, 2.0]]) {
            assert_eq!((mass.mass, &mass.point[..]), (500.0, &point[..]));
            let after = &mass.calibration.as_ref().unwrap().reliability;
            // Shifted by 2 as its validation: nothing of the shift is left.
            assert!(after.expected_calibration_error < 0.05, "{point:?} {after:?}");
        }
        assert!(found[2].reliability.expected_calibration_error > 0.2);
    }

    #[test]
    fn the_error_of_a_significance_is_that_of_both_efficiencies() {
        // s / sqrt(b) = 10 e_s / sqrt(e_b): relative errors sqrt((1 - e_s) / (n e_s)) and half of sqrt((1 - e_b) / (n e_b)).
        let of = |s: f64, b: f64| (b > 0.0).then(|| 10.0 * s / b.sqrt());
        let found = propagated([0.5, 0.1], [400, 900], &of).unwrap();
        let expected = of(0.5, 0.1).unwrap() * (1.0f64 / 400.0).sqrt().hypot(0.5 * (9.0f64 / 900.0).sqrt());
        assert!((found / expected - 1.0).abs() < 0.01, "{found} {expected}");
        assert_eq!(propagated([0.5, 0.0], [400, 900], &of), None);
    }

    #[test]
    fn a_cut_at_the_end_of_the_scan_is_told() {
        let points = Hypotheses::of_signal(&[0.0], 1, &[1.0]).unwrap();
        let discovered = |shift: f32| {
            let scores = named(&table(&[shift]), &points);
            by_mass(&scores, &scores, &DiagnosisOptions::default()).unwrap()[0]
                .discovery
                .unwrap()
        };
        // Scores from 0.05 to 0.95, and no cut beyond them passes any; then more than half of them beyond the highest cut, 0.99.
        let (inside, beyond) = (discovered(0.0), discovered(5.0));
        assert!(
            !inside.at_edge && inside.significance_error.unwrap() > 0.0,
            "{inside:?}"
        );
        assert!(beyond.at_edge, "{beyond:?}");
    }

    #[test]
    fn separable_classes_end() {
        let [slope, offset] = fit(&[-1.0, -2.0, 1.0, 2.0], &[0, 0, 1, 1]);
        assert!(slope.is_finite() && slope > 1.0 && offset.is_finite());
    }
}
