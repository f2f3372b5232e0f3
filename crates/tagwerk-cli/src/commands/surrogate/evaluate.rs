//! `tagwerk surrogate evaluate RUN`.

use super::{WhichWeights, shown};
use crate::failure::Failure;
use crate::report_input::origin;
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tagwerk_report::{SurrogateReportInput, surrogate_text, write_surrogate_report};
use tagwerk_surrogate::{EvaluationOptions, Posterior, ScoreTable, SurrogateEvaluation, SurrogateRun};

const EXAMPLES: &str = "\
On the test jets, which nothing was chosen on: coverage of central intervals, in all and by class, in bins of transverse momentum and \
multiplicity; PIT with its Kolmogorov-Smirnov distance; areas under the ROC curves of classifier and surrogate; Jensen-Shannon distance of \
the spectra of predicted accuracy; CRPS and likelihood; disagreement of the members, at jets that are moved out of the domain too; how \
well such jets are told. What is computed stands in the section [evaluation] of the configuration.

Examples:
  tagwerk surrogate evaluate runs/s
  tagwerk surrogate evaluate runs/s --posterior ensemble --recalibrate -o report --json -
  tagwerk surrogate evaluate runs/s --held-out W=w-jets.parquet --held-out-label 1";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder of `tagwerk surrogate train`
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Folder of the report [default: RUN/report]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    weights: WhichWeights,
    /// Jets of a kind that was not learned from, to be told apart: a name and a file; may be given again
    #[arg(long, value_name = "NAME=FILE")]
    held_out: Vec<String>,
    /// What such jets are asked about as, where their files have no column of the label
    #[arg(long, value_name = "LABEL", requires = "held_out")]
    held_out_label: Option<f64>,
    /// Test jets at most [default: that of the configuration]
    #[arg(long, value_name = "N")]
    jets: Option<usize>,
}

/// JSON of an evaluation.
#[derive(Serialize)]
struct Told<'a> {
    run: String,
    posterior: Option<String>,
    recalibrated: bool,
    report: String,
    #[serde(flatten)]
    evaluation: &'a SurrogateEvaluation,
}

/// Evaluates.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let run = SurrogateRun::open(&typed.run)?;
    let held_out = typed
        .held_out
        .iter()
        .map(|text| held_out(&run, text, typed.held_out_label))
        .collect::<Result<Vec<_>, _>>()?;
    let (shared, posterior) = typed.weights.of(&run)?;
    let own = &run.config().evaluation;
    let options = EvaluationOptions {
        seed: session.seed.unwrap_or(own.seed),
        rows: typed.jets.unwrap_or(own.rows),
        ..own.clone()
    };
    let evaluation = run.evaluate(&shared, &held_out, &options)?;
    let command = format!(
        "tagwerk surrogate evaluate {}{}",
        shown(&typed.run),
        typed.weights.words()
    );
    let text = surrogate_text(&evaluation);
    let input = report_input(
        &run,
        posterior.as_ref(),
        shared.recalibration().is_some(),
        evaluation,
        &command,
    )?;
    let folder = typed.output.clone().unwrap_or_else(|| run.report_path());
    let page = write_surrogate_report(&input, &folder)?;
    let told = Told {
        run: shown(&typed.run),
        posterior: posterior.map(|posterior| posterior.name),
        recalibrated: shared.recalibration().is_some(),
        report: shown(&page),
        evaluation: &input.evaluation,
    };
    session
        .output
        .result(&format!("{text}\nreport: {}\n", told.report), &told)
}

fn held_out(run: &SurrogateRun, text: &str, label: Option<f64>) -> Result<(String, ScoreTable), Failure> {
    let Some((name, file)) = text.split_once('=') else {
        return Err(Failure::Usage(format!("`{text}`: --held-out takes NAME=FILE")));
    };
    Ok((name.to_owned(), run.other_jets(Path::new(file), label)?))
}

/// What a page of an evaluation shows beside its numbers.
pub(super) fn report_input(
    run: &SurrogateRun,
    posterior: Option<&Posterior>,
    recalibrated: bool,
    evaluation: SurrogateEvaluation,
    command: &str,
) -> Result<SurrogateReportInput, Failure> {
    let config = run.config();
    let mut provenance = vec![
        ("conditions".to_owned(), config.data.conditions.join(", ")),
        (
            "members".to_owned(),
            posterior.map_or_else(
                || "1, the point estimate".to_owned(),
                |posterior| {
                    format!(
                        "{} by {} ({})",
                        posterior.record.draws, posterior.record.method, posterior.name
                    )
                },
            ),
        ),
        (
            "recalibrated".to_owned(),
            if recalibrated { "yes" } else { "no" }.to_owned(),
        ),
    ];
    if let Some(told) = run.folder().provenance()? {
        provenance.extend(origin(&told));
    }
    Ok(SurrogateReportInput {
        title: format!("Surrogate {}", config.name),
        classifier: "the classifier".to_owned(),
        evaluation,
        provenance,
        commands: vec![command.to_owned()],
    })
}
