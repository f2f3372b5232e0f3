//! `tagwerk verify FILE`.

use crate::failure::Failure;
use crate::format;
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use tagwerk_surrogate::{SharedSurrogate, Verification, verify};

const EXAMPLES: &str = "\
Every hash, every item of the manifest, golden outputs computed again within their tolerance, the domain's answers, and coverage on the \
packed jets are looked at. Each failure is one sentence, and the exit code is then 1.

Examples:
  tagwerk verify top-1.0.0.surrogate.zip
  tagwerk verify top-1.0.0.surrogate.zip --json -";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// File of `tagwerk surrogate pack`
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// JSON of a verification.
#[derive(Serialize)]
struct Told<'a> {
    file: String,
    passed: bool,
    #[serde(flatten)]
    verification: &'a Verification,
}

/// Verifies.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let verification = verify::<SharedSurrogate>(&typed.file)?;
    let told = Told {
        file: typed.file.to_string_lossy().into_owned(),
        passed: verification.passed(),
        verification: &verification,
    };
    let row = |check: &tagwerk_surrogate::Check| {
        let passed = match check.passed {
            Some(true) => "passed",
            Some(false) => "FAILED",
            None => "not made",
        };
        vec![check.name.clone(), passed.to_owned(), check.detail.clone()]
    };
    let rows: Vec<Vec<String>> = verification.checks.iter().map(row).collect();
    let mut text = format::columns(&rows, &[false; 3]);
    for failure in &verification.failures {
        text.push_str(&format!("failure: {failure}\n"));
    }
    session.output.result(&text, &told)?;
    if told.passed {
        return Ok(());
    }
    let first = verification
        .failures
        .first()
        .map_or("a check could not be made", String::as_str);
    Err(Failure::new(format!(
        "{}: {} of {} checks failed: {first}",
        told.file,
        verification
            .checks
            .iter()
            .filter(|check| check.passed != Some(true))
            .count(),
        verification.checks.len()
    )))
}
