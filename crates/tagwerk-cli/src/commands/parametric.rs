//! `tagwerk parametric ..`: one classifier for all masses.

pub mod diagnose;
pub mod evaluate;
pub mod interpolate;
pub mod score;
pub mod train;

use crate::failure::Failure;
use crate::format;
use crate::session::Session;
use clap::Subcommand;
use std::path::{Path, PathBuf};
use tagwerk_parametric::{CutFrom, Description, StudyEvaluation};
use tagwerk_report::{Figure, LineWords, MassLine, MassPoint, line_figure, mass_figure};

/// What can be typed.
#[derive(Debug, Subcommand)]
pub enum Typed {
    /// Train one classifier for all masses and evaluate it mass by mass
    Train(train::Typed),
    /// Evaluate a trained classifier mass by mass, on its test events or on others
    Evaluate(evaluate::Typed),
    /// Look into a trained classifier: mass reliance, wrong masses, smoothness, importance, sculpting, calibration
    Diagnose(diagnose::Typed),
    /// Score events at any masses and write the scores beside them
    Score(score::Typed),
    /// Leave masses out of trainings and see whether the classifier knows them all the same
    Interpolate(interpolate::Typed),
}

/// Runs one of them.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    match typed {
        Typed::Train(typed) => train::run(typed, session),
        Typed::Evaluate(typed) => evaluate::run(typed, session),
        Typed::Diagnose(typed) => diagnose::run(typed, session),
        Typed::Score(typed) => score::run(typed, session),
        Typed::Interpolate(typed) => interpolate::run(typed, session),
    }
}

/// The table of an evaluation.
fn table(evaluation: &StudyEvaluation) -> String {
    let mut rows = vec![
        ["mass", "AUC (ROC)", "AUC (PR)", "significance ratio", "cut", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    for mass in &evaluation.masses {
        let mut notes = Vec::new();
        if mass.out_of_range {
            notes.push("outside the masses trained on");
        } else if !mass.trained {
            notes.push("not trained on");
        }
        match mass.cut_from {
            CutFrom::Validation => {}
            CutFrom::Interpolated => notes.push("cut of its neighbors"),
            CutFrom::Test => notes.push("cut chosen on the test itself"),
        }
        let name = mass
            .point
            .as_ref()
            .map_or_else(|| mass.mass.to_string(), |p| format!("{p:?}"));
        rows.push(vec![
            name,
            format::with_error(mass.auc_roc, mass.auc_roc_error),
            format::with_error(mass.auc_pr, mass.auc_pr_error),
            format::with_error(mass.significance_ratio, mass.significance_ratio_error),
            format!("{:.2}", mass.best_cut),
            notes.join(", "),
        ]);
    }
    let mean = &evaluation.mean;
    rows.push(vec![
        "mean".to_owned(),
        format::with_error(mean.auc_roc, mean.auc_roc_error),
        format::with_error(mean.auc_pr, mean.auc_pr_error),
        format::with_error(mean.significance_ratio, mean.significance_ratio_error),
        format!("{:.2}", mean.best_cut),
        String::new(),
    ]);
    format::columns(&rows, &[false; 6])
}

/// What must be known of a run before its numbers are believed.
fn gauge(description: &Description) -> String {
    let mut text = description.leak.map_or_else(String::new, |leak| {
        format!("the hypothesis alone, as the network saw it, separates with AUC {leak:.4} (0.5 is nothing)\n")
    });
    for warning in &description.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

/// Writes the figures of an evaluation against mass into a folder.
fn figures(folder: &Path, evaluation: &StudyEvaluation) -> Result<PathBuf, Failure> {
    let of = |what: fn(&tagwerk_parametric::PointEvaluation) -> (f64, Option<f64>)| MassLine {
        name: "this network".to_owned(),
        points: evaluation
            .masses
            .iter()
            .map(|mass| {
                let (value, error) = what(mass);
                MassPoint {
                    mass: mass.mass,
                    value,
                    error,
                }
            })
            .collect(),
    };
    let quantities = [
        ("auc-roc", "AUC (ROC)", of(|m| (m.auc_roc, m.auc_roc_error))),
        ("auc-pr", "AUC (precision-recall)", of(|m| (m.auc_pr, m.auc_pr_error))),
        (
            "significance-ratio",
            "Significance ratio",
            of(|m| (m.significance_ratio, m.significance_ratio_error)),
        ),
        ("best-cut", "Best cut", of(|m| (m.best_cut, None))),
    ];
    for (name, title, line) in quantities {
        write_figure(folder, name, title, &[line])?;
    }
    Ok(folder.to_owned())
}

/// Writes one figure, its picture and its numbers.
fn write_figure(folder: &Path, name: &str, title: &str, lines: &[MassLine]) -> Result<(), Failure> {
    write(folder, name, mass_figure(name, title, lines)?)
}

/// Writes one figure of lines.
fn write_lines(folder: &Path, name: &str, words: &LineWords<'_>, lines: &[MassLine]) -> Result<(), Failure> {
    write(folder, name, line_figure(name, words, lines)?)
}

fn write(folder: &Path, name: &str, figure: Option<Figure>) -> Result<(), Failure> {
    let Some(figure) = figure else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|e| Failure::new(format!("{}: create: {e}", folder.display())))?;
    crate::output::write_whole(&folder.join(format!("{name}.svg")), figure.svg.as_bytes())?;
    crate::output::write_whole(&folder.join(format!("{name}.csv")), figure.csv.as_bytes())
}
