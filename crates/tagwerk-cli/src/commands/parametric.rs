//! `tagwerk parametric ..`: one classifier for all masses.

pub mod diagnose;
pub mod evaluate;
pub mod interpolate;
mod page;
pub mod score;
pub mod train;

use crate::failure::Failure;
use crate::session::Session;
use clap::Subcommand;
use std::path::Path;
use tagwerk_parametric::Description;
use tagwerk_report::{LineWords, MassLine, line_figure};

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

/// Writes one figure of lines, its picture and its numbers.
fn write_lines(folder: &Path, name: &str, words: &LineWords<'_>, lines: &[MassLine]) -> Result<(), Failure> {
    let Some(figure) = line_figure(name, words, lines)? else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|e| Failure::new(format!("{}: create: {e}", folder.display())))?;
    crate::output::write_whole(&folder.join(format!("{name}.svg")), figure.svg.as_bytes())?;
    crate::output::write_whole(&folder.join(format!("{name}.csv")), figure.csv.as_bytes())
}
