//! `tagwerk parametric evaluate RUN`.

use super::{figures, gauge, table};
use crate::failure::Failure;
use crate::progress::{Manner, TrainingProgress};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use tagwerk_parametric::{Description, Served, StudyEvaluation};

const EXAMPLES: &str = "\
At each mass the signal of this mass stands against all background, which is given this mass too. The cut is the best on the \
validation events of the run and quoted on the test events.

Several runs of one mass each (`masses = [500]`, method `none`) are one classifier: each mass goes to the network of the nearest, \
with a warning where it is not its own.

Examples:
  tagwerk parametric evaluate runs/affine
  tagwerk parametric evaluate runs/alone-500 runs/alone-1000 runs/alone-1500
  tagwerk parametric evaluate runs/affine --files other.csv.gz --figures figures --json other.json";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder of `tagwerk parametric train`; several of one mass each are evaluated as a set
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Other events to score and evaluate, with the columns of the run [default: the run's test events]
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
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

/// JSON of a set.
#[derive(Serialize)]
struct ToldSet<'a> {
    #[serde(flatten)]
    evaluation: &'a StudyEvaluation,
    served: &'a [Served],
}

/// Evaluates.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let [run] = &typed.runs[..] else {
        return set(typed, session);
    };
    let description = tagwerk_parametric::description(run)?;
    let evaluation = if typed.files.is_empty() {
        tagwerk_parametric::evaluate(run)?
    } else {
        let mut progress = TrainingProgress::new("events", Manner::suited(session.quiet));
        let context = session.context()?;
        tagwerk_parametric::evaluate_files(run, &typed.files, &context, &mut progress)?
    };
    let mut text = format!("{}{}", gauge(&description), table(&evaluation));
    if let Some(folder) = &typed.figures {
        text.push_str(&format!(
            "\nfigures: {}\n",
            figures(folder, &evaluation, &description.parameters)?.display()
        ));
    }
    let told = Told {
        run: run.to_string_lossy().into_owned(),
        evaluation: &evaluation,
        study: &description,
    };
    session.output.result(&text, &told)
}

/// Evaluates several runs as a set.
fn set(typed: &Typed, session: &Session) -> Result<(), Failure> {
    if !typed.files.is_empty() {
        return Err(Failure::Usage("--files is for a single run".to_owned()));
    }
    let (evaluation, served) = tagwerk_parametric::evaluate_set(&typed.runs)?;
    let mut text = String::new();
    for warning in served.iter().filter_map(Served::warning) {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text.push_str(&table(&evaluation));
    if let Some(folder) = &typed.figures {
        let parameters = tagwerk_parametric::description(&typed.runs[0])?.parameters;
        text.push_str(&format!(
            "\nfigures: {}\n",
            figures(folder, &evaluation, &parameters)?.display()
        ));
    }
    let told = ToldSet {
        evaluation: &evaluation,
        served: &served,
    };
    session.output.result(&text, &told)
}
