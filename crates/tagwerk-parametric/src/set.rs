//! A set of networks of one mass each, as one classifier.
//!
//! What parametric networks are to replace (arXiv:2202.00424): each hypothesis is handed to the network of the nearest mass.
//! The original compares masses bit by bit and returns whatever lay in memory where none is equal; here the distance is
//! told.

use crate::error::ParametricError;
use crate::evaluation::{CutFrom, StudyEvaluation, cuts_of, evaluate_cut};
use crate::hypotheses::Hypotheses;
use crate::study::{Description, description, evaluate, scores};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tagwerk_train::ScoreTable;

/// Which network of a set serves a hypothesis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// The hypothesis.
    pub mass: f64,
    /// The mass of the network.
    pub by: f64,
    /// Its run.
    pub run: PathBuf,
}

impl Served {
    /// What must be said where the network is not of this mass.
    pub fn warning(&self) -> Option<String> {
        (self.mass != self.by).then(|| {
            format!(
                "no network of mass {}: that of {} serves it, which is {} away",
                self.mass,
                self.by,
                (self.mass - self.by).abs()
            )
        })
    }
}

/// Evaluates finished runs of one mass each as one classifier, on the test events that all of them scored.
///
/// # Errors
/// A run that is not finished, has several masses or several parameters, or two runs of one mass or of other test events.
pub fn evaluate_set(runs: &[PathBuf]) -> Result<(StudyEvaluation, Vec<Served>), ParametricError> {
    let fault = |run: &Path, reason: String| ParametricError::NoRun {
        path: run.to_path_buf(),
        reason,
    };
    let mut members: Vec<(f32, &Path)> = Vec::new();
    let mut test_points: Vec<Vec<f32>> = Vec::new();
    for run in runs {
        let description = description(run)?;
        let [point] = &description.points[..] else {
            let masses = description.points.len();
            return Err(fault(
                run,
                format!("a set is of networks of one mass each; this one has {masses}"),
            ));
        };
        let [mass] = point[..] else {
            let parameters = point.len();
            return Err(fault(
                run,
                format!("a set is for one parameter; this run has {parameters}"),
            ));
        };
        if members.iter().any(|(other, _)| *other == mass) {
            return Err(fault(run, format!("another run of the set has the mass {mass} too")));
        }
        if !test_points.is_empty() && test_points != description.test_points {
            return Err(fault(
                run,
                "it was tested on other events than the first of the set".to_owned(),
            ));
        }
        test_points = description.test_points;
        members.push((mass, run.as_path()));
    }
    members.sort_by(|a, b| a.0.total_cmp(&b.0));
    let masses: Vec<f32> = members.iter().map(|(mass, _)| *mass).collect();
    let trained = Hypotheses::of_signal(&masses, 1, &vec![1.0; masses.len()])?;
    let tested = Description::hypotheses(&test_points)?;
    let mut test = empty();
    let mut served = Vec::new();
    let mut cuts: Vec<(f32, f64, CutFrom)> = Vec::new();
    let mut parameters = 0;
    for (mass, run) in &members {
        parameters += evaluate(run)?.parameters;
        let own = Hypotheses::of_signal(&[*mass], 1, &[1.0])?;
        let cut = cuts_of(&scores(run, "validation")?, &own)?;
        let all = scores(run, "test")?;
        for point in &test_points {
            if nearest(&masses, point[0]) == Some(*mass) {
                append(&mut test, &all, point[0]);
                // A cut belongs to the network that serves: between those of two networks lies none of either.
                let from = match point[0] == *mass {
                    true => CutFrom::Validation,
                    false => CutFrom::Serving,
                };
                cuts.extend(cut.iter().map(|(_, cut)| (point[0], *cut, from)));
                served.push(Served {
                    mass: f64::from(point[0]),
                    by: f64::from(*mass),
                    run: run.to_path_buf(),
                });
            }
        }
    }
    served.sort_by(|a, b| a.mass.total_cmp(&b.mass));
    let cut_for = |point: &[f32]| {
        let found = cuts.iter().find(|(mass, ..)| point == [*mass]);
        found.map(|&(_, cut, from)| (cut, from))
    };
    let evaluation = evaluate_cut(&test, &cut_for, &trained, &tested, parameters)?;
    Ok((evaluation, served))
}

/// The nearest mass, the lower of two that are as near.
fn nearest(masses: &[f32], wanted: f32) -> Option<f32> {
    let distance = |mass: f32| (mass - wanted).abs();
    masses
        .iter()
        .copied()
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
}

fn empty() -> ScoreTable {
    ScoreTable {
        weighted: true,
        parameters: Some(Vec::new()),
        ..ScoreTable::default()
    }
}

/// Adds the scores at one hypothesis.
fn append(to: &mut ScoreTable, from: &ScoreTable, name: f32) {
    let (Some(names), Some(found)) = (&mut to.parameters, &from.parameters) else {
        return;
    };
    for i in (0..from.len()).filter(|&i| found[i] == name) {
        to.rows.push(from.rows[i]);
        to.labels.push(from.labels[i]);
        to.weights.push(from.weights[i]);
        to.log_odds.push(from.log_odds[i]);
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_network_serves_and_says_how_far_it_is() {
        let masses = [500.0, 1500.0];
        assert_eq!(
            [400.0, 999.0, 1000.0, 1001.0, 3000.0].map(|m| nearest(&masses, m)),
            [Some(500.0), Some(500.0), Some(500.0), Some(1500.0), Some(1500.0)]
        );
        assert_eq!(nearest(&[], 500.0), None);
        let served = |mass| Served {
            mass,
            by: 500.0,
            run: PathBuf::from("a"),
        };
        assert_eq!(served(500.0).warning(), None);
        assert!(
            served(750.0)
                .warning()
                .unwrap()
                .contains("that of 500 serves it, which is 250 away")
        );
    }
}
