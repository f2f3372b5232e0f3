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
use tagwerk_parametric::{CutFrom, Description, PointEvaluation, StudyEvaluation};
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
            CutFrom::Interpolated => notes.push("cut between those of its neighbors"),
            CutFrom::Nearest => notes.push("cut of the nearest mass"),
            CutFrom::Serving => notes.push("cut of the network that serves it"),
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

/// What an axis of the first parameter is called: masses are in GeV, and of others nobody has said a unit.
fn axis(parameters: &[String]) -> String {
    match parameters.first().map_or("mass", String::as_str) {
        "mass" => "mass [GeV]".to_owned(),
        other => other.to_owned(),
    }
}

/// A quantity against the first parameter: one line for each value of the others.
fn lines(
    evaluation: &StudyEvaluation,
    parameters: &[String],
    what: fn(&PointEvaluation) -> (f64, Option<f64>),
) -> Vec<MassLine> {
    let mut lines: Vec<MassLine> = Vec::new();
    for mass in &evaluation.masses {
        let others = mass.point.iter().flat_map(|point| point.iter().zip(parameters).skip(1));
        let others: Vec<String> = others.map(|(value, name)| format!("{name} = {value}")).collect();
        let name = match others.is_empty() {
            true => "this network".to_owned(),
            false => others.join(", "),
        };
        let (value, error) = what(mass);
        let point = MassPoint {
            mass: mass.mass,
            value,
            error,
        };
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(MassLine {
                name,
                points: vec![point],
            }),
        }
    }
    lines
}

/// What a figure shows of a point.
type Quantity = (&'static str, &'static str, fn(&PointEvaluation) -> (f64, Option<f64>));

const QUANTITIES: [Quantity; 4] = [
    ("auc-roc", "AUC (ROC)", |m| (m.auc_roc, m.auc_roc_error)),
    ("auc-pr", "AUC (precision-recall)", |m| (m.auc_pr, m.auc_pr_error)),
    ("significance-ratio", "Significance ratio", |m| {
        (m.significance_ratio, m.significance_ratio_error)
    }),
    ("best-cut", "Best cut", |m| (m.best_cut, None)),
];

/// Writes the figures of an evaluation against the first of the parameters into a folder.
fn figures(folder: &Path, evaluation: &StudyEvaluation, parameters: &[String]) -> Result<PathBuf, Failure> {
    let parameter = parameters.first().map_or("mass", String::as_str);
    for (name, quantity, what) in QUANTITIES {
        let words = LineWords {
            title: &format!("{quantity} against {parameter}"),
            x: &axis(parameters),
            y: quantity,
            column: parameter,
            of: "network",
        };
        write_lines(folder, name, &words, &lines(evaluation, parameters, what))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn point(values: &[f32], auc_roc: f64) -> PointEvaluation {
        PointEvaluation {
            mass: f64::from(values[0]),
            point: (values.len() > 1).then(|| values.to_vec()),
            auc_roc,
            auc_roc_error: None,
            auc_pr: 0.5,
            auc_pr_error: None,
            significance_ratio: 0.5,
            significance_ratio_error: None,
            significance_ratio_best: 0.5,
            best_cut: 0.5,
            cut_from: CutFrom::Validation,
            out_of_range: false,
            trained: true,
            n_signal: 1,
            n_background: 1,
        }
    }

    #[test]
    fn points_that_differ_in_another_parameter_are_no_line() {
        let evaluation = |masses: Vec<PointEvaluation>| StudyEvaluation {
            masses,
            mean: tagwerk_parametric::MeanEvaluation {
                auc_roc: 0.5,
                auc_roc_error: None,
                auc_pr: 0.5,
                auc_pr_error: None,
                significance_ratio: 0.5,
                significance_ratio_error: None,
                best_cut: 0.5,
            },
            parameters: 1,
        };
        let names = ["mX".to_owned(), "mY".to_owned()];
        let two = evaluation(vec![
            point(&[500.0, 100.0], 0.7),
            point(&[500.0, 200.0], 0.6),
            point(&[600.0, 100.0], 0.8),
        ]);
        let found = lines(&two, &names, |m| (m.auc_roc, None));
        let told: Vec<(&str, Vec<f64>)> = found
            .iter()
            .map(|line| (line.name.as_str(), line.points.iter().map(|p| p.value).collect()))
            .collect();
        assert_eq!(told, [("mY = 100", vec![0.7, 0.8]), ("mY = 200", vec![0.6])]);
        assert_eq!(axis(&names), "mX");
        let one = evaluation(vec![point(&[500.0], 0.7), point(&[600.0], 0.8)]);
        assert_eq!(lines(&one, &names[..1], |m| (m.auc_roc, None)).len(), 1);
        assert_eq!(axis(&["mass".to_owned()]), "mass [GeV]");
    }
}
