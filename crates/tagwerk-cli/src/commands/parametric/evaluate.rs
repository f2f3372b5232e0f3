//! `tagwerk parametric evaluate RUN`.

use super::gauge;
use super::page::{About, masses_table, write_page};
use crate::failure::Failure;
use crate::progress::{Manner, TrainingProgress};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use tagwerk_parametric::{Description, RepeatedEvaluation, Served, StudyEvaluation};

const EXAMPLES: &str = "\
At each mass the signal of this mass stands against all background, which is given this mass too. The cut is the best on the \
validation events of the run and quoted on the test events.

Several runs that differ in their seed alone are one result: means, with errors of test events and seeds together.

Several runs of one mass each (`masses = [500]`, method `none`) are one classifier: each mass goes to the network of the nearest, \
with a warning where it is not its own.

Examples:
  tagwerk parametric evaluate runs/affine
  tagwerk parametric evaluate runs/affine-0 runs/affine-1 runs/affine-2 -o affine
  tagwerk parametric evaluate runs/alone-500 runs/alone-1000 runs/alone-1500
  tagwerk parametric evaluate runs/affine --files other.csv.gz -o other --json other.json";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder of `tagwerk parametric train`; several are seeds of one configuration, or a set of one mass each
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Other events to score and evaluate, with the columns of the run [default: the run's test events]
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    files: Vec<PathBuf>,
    /// Folder for a page of the numbers and figures against mass, with the tables as text, Markdown, LaTeX and CSV
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
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

/// JSON of several seeds.
#[derive(Serialize)]
struct ToldRepeats<'a> {
    runs: &'a [PathBuf],
    #[serde(flatten)]
    evaluation: &'a RepeatedEvaluation,
    study: &'a Description,
}

/// Evaluates.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let [run] = &typed.runs[..] else {
        return several(typed, session);
    };
    let description = tagwerk_parametric::description(run)?;
    let evaluation = if typed.files.is_empty() {
        tagwerk_parametric::evaluate(run)?
    } else {
        let mut progress = TrainingProgress::new("events", Manner::suited(session.quiet));
        let context = session.context()?;
        tagwerk_parametric::evaluate_files(run, &typed.files, &context, &mut progress)?
    };
    let told = Told {
        run: run.to_string_lossy().into_owned(),
        evaluation: &evaluation,
        study: &description,
    };
    let about = About {
        runs: &typed.runs,
        parameters: &description.parameters,
        warnings: description.warnings.clone(),
        repeats: None,
    };
    tell(typed, session, gauge(&description), &evaluation, about, &told)
}

/// Evaluates several runs: trainings of one configuration from several seeds, or a set of networks of one mass each.
fn several(typed: &Typed, session: &Session) -> Result<(), Failure> {
    if !typed.files.is_empty() {
        return Err(Failure::Usage("--files is for a single run".to_owned()));
    }
    let description = tagwerk_parametric::description(&typed.runs[0])?;
    // Two runs of the same single mass are seeds too.
    let second = tagwerk_parametric::description(&typed.runs[1])?;
    if description.points.len() > 1 || description.points == second.points {
        let repeated = tagwerk_parametric::evaluate_repeats(&typed.runs)?;
        let told = ToldRepeats {
            runs: &typed.runs,
            evaluation: &repeated,
            study: &description,
        };
        let about = About {
            runs: &typed.runs,
            parameters: &description.parameters,
            warnings: description.warnings.clone(),
            repeats: Some(&repeated),
        };
        let head = format!("{}mean of {} trainings\n", gauge(&description), typed.runs.len());
        return tell(typed, session, head, &repeated.evaluation, about, &told);
    }
    let (evaluation, served) = tagwerk_parametric::evaluate_set(&typed.runs)?;
    let warnings: Vec<String> = served.iter().filter_map(Served::warning).collect();
    let head = warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    let told = ToldSet {
        evaluation: &evaluation,
        served: &served,
    };
    let about = About {
        runs: &typed.runs,
        parameters: &description.parameters,
        warnings,
        repeats: None,
    };
    tell(typed, session, head, &evaluation, about, &told)
}

/// Tells an evaluation, and writes its page where one is wanted.
fn tell(
    typed: &Typed,
    session: &Session,
    mut text: String,
    evaluation: &StudyEvaluation,
    about: About<'_>,
    told: &impl Serialize,
) -> Result<(), Failure> {
    text.push_str(&masses_table(evaluation, about.parameters, about.trainings()).columns());
    if let Some(folder) = &typed.output {
        let page = write_page(folder, evaluation, about, told)?;
        text.push_str(&format!("\nreport: {}\n", page.display()));
    }
    session.output.result(&text, told)
}
