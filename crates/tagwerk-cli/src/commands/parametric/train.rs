//! `tagwerk parametric train [CONFIG]`.

use super::gauge;
use super::page::{About, masses_table, write_page};
use crate::arguments::TrainingArguments;
use crate::config_file;
use crate::failure::Failure;
use crate::format;
use crate::progress::{Manner, TrainingProgress};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tagwerk_parametric::{Description, ParametricError, StudyConfig, StudyEvaluation, StudyResult};
use tagwerk_train::{Outcome, Summary, TrainError};

const EXAMPLES: &str = "\
A configuration is TOML; without one the affine network is trained on the sample inside the program:

  [data]
  train = [\"all_train.csv.gz\"]     # label, f0 .. f26, mass; CSV, gzipped CSV or Parquet
  test = [\"all_test.csv.gz\"]
  [network]
  method = \"affine\"                # none, concat, biasing, scaling, affine
  place = \"all\"                    # start, all, end
  [assignment]
  distribution = \"identical\"       # of background: identical, signal, uniform
  when = \"sampled\"                 # fixed, sampled
  [sampling]
  balance = \"full\"                 # none, class, signal, background, full
  [training]
  epochs = 25
  best = \"val_auc_mean\"            # or val_auc_worst, val_auc (all masses mixed), val_loss

The same command again goes on where it stopped.

Examples:
  tagwerk parametric train
  tagwerk parametric train configs/hepmass-pnn.toml -o runs/pnn --seed 2 --json pnn.json";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Configuration file (TOML) [default: the affine network on the built-in sample]
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Run folder [default: runs/CONFIG-SEED, or runs/parametric-SEED]
    #[arg(short, long, value_name = "RUN")]
    output: Option<PathBuf>,
    #[command(flatten)]
    training: TrainingArguments,
}

/// JSON of a training.
#[derive(Serialize)]
struct Told<'a> {
    run: String,
    outcome: &'static str,
    #[serde(flatten)]
    summary: &'a Summary,
    parameters: usize,
    #[serde(flatten)]
    evaluation: Option<Figures<'a>>,
    study: &'a Description,
}

/// The evaluation without its parameters, which stand outside it already.
#[derive(Serialize)]
struct Figures<'a> {
    masses: &'a [tagwerk_parametric::PointEvaluation],
    mean: &'a tagwerk_parametric::MeanEvaluation,
}

impl<'a> From<&'a StudyEvaluation> for Figures<'a> {
    fn from(evaluation: &'a StudyEvaluation) -> Self {
        Self {
            masses: &evaluation.masses,
            mean: &evaluation.mean,
        }
    }
}

/// The configuration of a command line, and a name for its folder.
pub(super) fn configuration(
    path: Option<&Path>,
    training: &TrainingArguments,
    seed: Option<u64>,
) -> Result<(StudyConfig, String), Failure> {
    let mut config = match path {
        Some(path) => config_file::read(path, StudyConfig::from_toml)?,
        None => StudyConfig::default(),
    };
    training.lay_over(&mut config.training);
    config.training.seed = seed.unwrap_or(config.training.seed);
    let stem = path
        .and_then(Path::file_stem)
        .map(|stem| stem.to_string_lossy().into_owned());
    Ok((config, stem.unwrap_or_else(|| "parametric".to_owned())))
}

/// Advice where the folder holds another run.
pub(super) fn explained(error: ParametricError) -> Failure {
    let changed = matches!(error, ParametricError::Train(TrainError::Changed { .. }));
    let failure = Failure::from(error);
    if changed {
        failure.hint("give another folder with -o")
    } else {
        failure
    }
}

/// Trains.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let (config, name) = configuration(typed.config.as_deref(), &typed.training, session.seed)?;
    let named = format!("{name}-{}", config.training.seed);
    let folder = typed.output.clone().unwrap_or_else(|| Path::new("runs").join(named));
    let context = session.context()?;
    let result = {
        let mut progress = TrainingProgress::new(&name, Manner::suited(session.quiet));
        tagwerk_parametric::train(&folder, &config, &context, &mut progress).map_err(explained)?
    };
    tell(&result, session)
}

/// Tells what a training gave.
pub(in crate::commands) fn tell(result: &StudyResult, session: &Session) -> Result<(), Failure> {
    let finished = matches!(result.outcome, Outcome::Finished(_));
    let summary = result.outcome.summary();
    let told = Told {
        run: result.run.to_string_lossy().into_owned(),
        outcome: if finished { "finished" } else { "stopped" },
        summary,
        parameters: result.parameters,
        evaluation: result.evaluation.as_ref().map(Figures::from),
        study: &result.description,
    };
    let best = summary.best.as_ref().map_or_else(String::new, |best| {
        format!("; best {} {:.6} in epoch {}", best.metric, best.value, best.epoch)
    });
    let mut text = format!(
        "{} parameters: {} in {}{best}\n{}",
        format::grouped(result.parameters as u64),
        format::counted(summary.epochs, "epoch"),
        format::duration(summary.seconds),
        gauge(&result.description)
    );
    if let Some(evaluation) = &result.evaluation {
        let about = About {
            runs: std::slice::from_ref(&result.run),
            parameters: &result.description.parameters,
            warnings: result.description.warnings.clone(),
            repeats: None,
        };
        let page = write_page(&result.run.join("report"), evaluation, about, &told)?;
        let table = masses_table(evaluation, &result.description.parameters, 1);
        text.push_str(&format!("\n{}\nreport: {}\n", table.columns(), page.display()));
    }
    text.push_str(&format!("run: {}\n", told.run));
    session.output.result(&text, &told)?;
    if finished {
        return Ok(());
    }
    Err(Failure::new(format!(
        "stopped after {} and {}; the same command goes on",
        format::counted(summary.epochs, "epoch"),
        format::counted(summary.steps, "step")
    )))
}
