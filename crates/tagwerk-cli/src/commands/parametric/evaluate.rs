//! `tagwerk parametric evaluate RUN`.

use super::{figures, gauge, table};
use crate::failure::Failure;
use crate::progress::{Manner, TrainingProgress};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use tagwerk_parametric::{Description, StudyEvaluation};

const EXAMPLES: &str = "\
At each mass the signal of this mass stands against all background, which is given this mass too. The cut is the best on the \
validation events of the run and quoted on the test events.

Examples:
  tagwerk parametric evaluate runs/affine
  tagwerk parametric evaluate runs/affine --files other.csv.gz --figures figures --json other.json";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder of `tagwerk parametric train`
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Other events to score and evaluate, with the columns of the run [default: the run's test events]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    /// Folder for figures against mass
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
}

/// JSON of an evaluation.
#[derive(Serialize)]
struct Told<'a> {
    run: String,
    #[serde(flatten)]
    evaluation: &'a StudyEvaluation,
    study: &'a Description,
}

/// Evaluates.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let description = tagwerk_parametric::description(&typed.run)?;
    let evaluation = if typed.files.is_empty() {
        tagwerk_parametric::evaluate(&typed.run)?
    } else {
        let mut progress = TrainingProgress::new("events", Manner::suited(session.quiet));
        let context = session.context()?;
        tagwerk_parametric::evaluate_files(&typed.run, &typed.files, &context, &mut progress)?
    };
    let mut text = format!("{}{}", gauge(&description), table(&evaluation));
    if let Some(folder) = &typed.figures {
        text.push_str(&format!("\nfigures: {}\n", figures(folder, &evaluation)?.display()));
    }
    let told = Told {
        run: typed.run.to_string_lossy().into_owned(),
        evaluation: &evaluation,
        study: &description,
    };
    session.output.result(&text, &told)
}
