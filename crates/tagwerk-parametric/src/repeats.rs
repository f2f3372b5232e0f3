//! Trainings of one configuration from several seeds, as one result.
//!
//! A single training says nothing of what another seed would give. Each figure here is the mean over the trainings; its
//! error has the test events, which all of them share, and the seeds in it, and the spread over the seeds stands beside.

use crate::error::ParametricError;
use crate::evaluation::{Compared, MeanEvaluation, PointEvaluation, StudyEvaluation};
use crate::study::{Description, StudyConfig, description, evaluate, finished, scores};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Standard deviations over the seeds at one point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeedSpread {
    /// Value of the parameter, the first of several.
    pub mass: f64,
    /// Of the area under the ROC curve.
    pub auc_roc: f64,
    /// Of the average precision.
    pub auc_pr: f64,
    /// Of the significance ratio.
    pub significance_ratio: f64,
    /// Of the cut.
    pub best_cut: f64,
}

/// A configuration, point by point, over several seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepeatedEvaluation {
    /// Means over the trainings, with errors of test events and seeds together.
    #[serde(flatten)]
    pub evaluation: StudyEvaluation,
    /// The seeds, in the order of the runs.
    pub seeds: Vec<u64>,
    /// Point by point.
    pub spread: Vec<SeedSpread>,
}

/// Evaluates finished runs that differ in their seed alone, on the test events that all of them scored.
///
/// # Errors
/// Fewer than two runs; one that is not finished, has another configuration or other test events, or the seed of another.
pub fn evaluate_repeats(runs: &[PathBuf]) -> Result<RepeatedEvaluation, ParametricError> {
    let (first, others) = match runs {
        [first, others @ ..] if !others.is_empty() => (first, others),
        _ => {
            return Err(ParametricError::Length {
                what: "runs of several seeds",
                expected: 2,
                found: runs.len(),
            });
        }
    };
    let fault = |run: &Path, reason: String| ParametricError::Repeats {
        path: run.to_path_buf(),
        first: first.clone(),
        reason,
    };
    let ((config, seed), about, events) = (seedless(first)?, description(first)?, scores(first, "test")?);
    let mut seeds = vec![seed];
    for run in others {
        let (other, seed) = seedless(run)?;
        if other != config || !same_points(&about, &description(run)?) {
            return Err(fault(
                run,
                "their configurations differ in more than the seed".to_owned(),
            ));
        }
        if seeds.contains(&seed) {
            return Err(fault(
                run,
                format!("its seed, {seed}, is that of another: it is the same training"),
            ));
        }
        let theirs = scores(run, "test")?;
        if (&theirs.rows, &theirs.labels, &theirs.parameters) != (&events.rows, &events.labels, &events.parameters) {
            return Err(fault(run, "they were tested on different events".to_owned()));
        }
        seeds.push(seed);
    }
    let evaluations = runs.iter().map(|run| evaluate(run)).collect::<Result<Vec<_>, _>>()?;
    combine(&evaluations, seeds).ok_or(ParametricError::NoSignal { rows: events.len() })
}

/// The configuration with the seed taken out, and the seed.
fn seedless(run: &Path) -> Result<(StudyConfig, u64), ParametricError> {
    let mut config: StudyConfig = finished(run)?.0.config()?;
    let seed = std::mem::take(&mut config.training.seed);
    Ok((config, seed))
}

fn same_points(a: &Description, b: &Description) -> bool {
    (&a.features, &a.parameters, &a.points, &a.counts, &a.test_points)
        == (&b.features, &b.parameters, &b.points, &b.counts, &b.test_points)
}

/// Evaluations of the same events, of which there is at least one.
fn combine(evaluations: &[StudyEvaluation], seeds: Vec<u64>) -> Option<RepeatedEvaluation> {
    let points = |i: usize| {
        evaluations
            .iter()
            .filter_map(move |e| e.masses.get(i))
            .collect::<Vec<_>>()
    };
    let first = evaluations.first()?;
    let combined = (0..first.masses.len())
        .map(|i| point(&points(i)))
        .collect::<Option<Vec<_>>>()?;
    let (masses, spread) = combined.into_iter().unzip();
    let means: Vec<&MeanEvaluation> = evaluations.iter().map(|e| &e.mean).collect();
    Some(RepeatedEvaluation {
        evaluation: StudyEvaluation {
            masses,
            mean: mean(&means)?.0,
            parameters: first.parameters,
        },
        seeds,
        spread,
    })
}

/// A figure over the trainings.
fn over<T>(trainings: &[&T], figure: impl Fn(&T) -> (f64, Option<f64>)) -> Option<Compared> {
    let (values, errors): (Vec<f64>, Vec<Option<f64>>) = trainings.iter().map(|&t| figure(t)).unzip();
    Compared::over(&values, &errors.into_iter().flatten().collect::<Vec<_>>())
}

fn point(trainings: &[&PointEvaluation]) -> Option<(PointEvaluation, SeedSpread)> {
    let first = trainings.first()?;
    let own: Vec<MeanEvaluation> = trainings.iter().map(|p| p.figures()).collect();
    let (mean, [auc_roc, auc_pr, significance_ratio, best_cut]) = mean(&own.iter().collect::<Vec<_>>())?;
    let spread = SeedSpread {
        mass: first.mass,
        auc_roc: auc_roc?,
        auc_pr: auc_pr?,
        significance_ratio: significance_ratio?,
        best_cut: best_cut?,
    };
    let point = PointEvaluation {
        auc_roc: mean.auc_roc,
        auc_roc_error: mean.auc_roc_error,
        auc_pr: mean.auc_pr,
        auc_pr_error: mean.auc_pr_error,
        significance_ratio: mean.significance_ratio,
        significance_ratio_error: mean.significance_ratio_error,
        significance_ratio_best: over(trainings, |p| (p.significance_ratio_best, None))?.value,
        best_cut: mean.best_cut,
        ..(*first).clone()
    };
    Some((point, spread))
}

/// Means over the trainings, and standard deviations of the areas, the ratio and the cut over their seeds.
fn mean(trainings: &[&MeanEvaluation]) -> Option<(MeanEvaluation, [Option<f64>; 4])> {
    let auc_roc = over(trainings, |m| (m.auc_roc, m.auc_roc_error))?;
    let auc_pr = over(trainings, |m| (m.auc_pr, m.auc_pr_error))?;
    let ratio = over(trainings, |m| (m.significance_ratio, m.significance_ratio_error))?;
    let cut = over(trainings, |m| (m.best_cut, None))?;
    let mean = MeanEvaluation {
        auc_roc: auc_roc.value,
        auc_roc_error: auc_roc.error,
        auc_pr: auc_pr.value,
        auc_pr_error: auc_pr.error,
        significance_ratio: ratio.value,
        significance_ratio_error: ratio.error,
        best_cut: cut.value,
    };
    Some((mean, [auc_roc.spread, auc_pr.spread, ratio.spread, cut.spread]))
}
