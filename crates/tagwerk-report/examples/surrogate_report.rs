//! Writes the report of the built-in demonstration: `cargo run --release -p tagwerk-report --example surrogate_report
//! -- FOLDER`.
//!
//! The classifier is a formula and the surrogate a posterior around it, so every number is as it should be.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use tagwerk_report::{SurrogateReportInput, surrogate_text, write_surrogate_report};
use tagwerk_surrogate::synthetic::{SyntheticClassifier, SyntheticSurrogate};
use tagwerk_surrogate::{Domain, EvaluationOptions, evaluate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("surrogate-report"), PathBuf::from);
    let truth = SyntheticClassifier { seed: 1 };
    let training = truth.table(40_000, 0)?;
    let domain = Domain::fit(&training, 1)?;
    let evaluation = evaluate(
        &SyntheticSurrogate::posterior(truth.clone(), 11, 1),
        &truth.table(10_000, 1)?,
        Some(&training),
        Some(&domain),
        &[],
        &EvaluationOptions::default(),
    )?;
    println!("{}", surrogate_text(&evaluation));
    let input = SurrogateReportInput {
        title: "Synthetic surrogate".to_owned(),
        classifier: "the synthetic classifier".to_owned(),
        evaluation,
        provenance: vec![("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())],
        commands: vec!["cargo run --release -p tagwerk-report --example surrogate_report".to_owned()],
    };
    println!("{}", write_surrogate_report(&input, &folder)?.display());
    Ok(())
}
