//! `tagwerk surrogate train [CONFIG]`.

use super::{shown, surroundings};
use crate::arguments::TrainingArguments;
use crate::config_file;
use crate::failure::Failure;
use crate::format;
use crate::progress::{Manner, TrainingProgress};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tagwerk_surrogate::{SurrogateConfig, SurrogateError, SurrogateRun, TrainingSummary};
use tagwerk_train::{SystemClock, TrainError};

const EXAMPLES: &str = "\
A configuration is TOML. Without one, or without files in it, the sample inside the program is learned from: scores of a small \
tagger on simulated jets.

  [data]
  files = [\"jets.parquet\"]             # a row a jet; Parquet, HDF5 (pandas), NumPy, CSV
  conditions = [\"label\", \"jet_pt\", \"jet_eta\", \"jet_phi\", \"jet_energy\", \"jet_multiplicity\"]
  label = \"label\"
  scores = [\"score\"]
  # scores_files = [\"scores.parquet\"]  # where the scores stand in another file: joined by `row`,
  #                                    # as `tagwerk features` and `tagwerk score` write it
  [transform]
  kind = \"probability\"                 # or \"logit\"
  [training]
  epochs = 200
  batch_size = 4096

Training jets set the weights, validation jets choose the epoch, test jets are kept for the evaluation. \
The same command again goes on where it stopped.

Examples:
  tagwerk surrogate train configs/surrogate-top.toml -o runs/s
  tagwerk surrogate train mine.toml --epochs 50 --seed 2 --json trained.json";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Configuration file (TOML) [default: the main study's on the sample inside the program]
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Run folder [default: runs/CONFIG, or runs/surrogate]
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
    summary: &'a TrainingSummary,
}

/// Trains.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let mut config = match &typed.config {
        Some(path) => config_file::read(path, SurrogateConfig::from_toml)?,
        None => SurrogateConfig::default(),
    };
    let training = &mut config.training;
    training.epochs = typed.training.epochs.map_or(training.epochs, Into::into);
    training.batch_size = typed.training.batch_size.map_or(training.batch_size, Into::into);
    training.seed = session.seed.unwrap_or(training.seed);
    let stem = typed.config.as_deref().and_then(Path::file_stem);
    let name = stem.map_or_else(|| "surrogate".to_owned(), |stem| stem.to_string_lossy().into_owned());
    if config.name.is_empty() {
        config.name.clone_from(&name);
    }
    let folder = typed.output.clone().unwrap_or_else(|| Path::new("runs").join(&name));
    let (context, clock) = (session.context()?, SystemClock::new());
    let summary = {
        let mut progress = TrainingProgress::new(&name, Manner::suited(session.quiet));
        SurrogateRun::train(&folder, &config, &surroundings(&context, &clock)?, &mut progress).map_err(explained)?
    };
    tell(&folder, &summary, session)
}

/// Goes on with a run, for `tagwerk resume`.
pub fn resume(run: &Path, session: &Session) -> Result<(), Failure> {
    let (context, clock) = (session.context()?, SystemClock::new());
    let summary = {
        let mut progress = TrainingProgress::new(&super::label(run), Manner::suited(session.quiet));
        SurrogateRun::resume(run, &surroundings(&context, &clock)?, &mut progress)?
    };
    tell(run, &summary, session)
}

/// Advice where the folder holds another run.
fn explained(error: SurrogateError) -> Failure {
    let changed = matches!(error, SurrogateError::Train(TrainError::Changed { .. }));
    let failure = Failure::from(error);
    if changed {
        failure.hint("give another folder with -o")
    } else {
        failure
    }
}

/// Says what a training gave. A stopped one is a failure that says how to go on.
fn tell(folder: &Path, summary: &TrainingSummary, session: &Session) -> Result<(), Failure> {
    let told = Told {
        run: shown(folder),
        outcome: if summary.finished { "finished" } else { "stopped" },
        summary,
    };
    let best = summary.best.as_ref().map_or_else(String::new, |best| {
        format!("; best {} {:.6} in epoch {}", best.metric, best.value, best.epoch)
    });
    let mut text = format!(
        "{} parameters, {} training jets: {} in {}{best}\n",
        format::grouped(summary.parameters as u64),
        format::grouped(summary.rows as u64),
        format::counted(summary.epochs, "epoch"),
        format::duration(summary.seconds)
    );
    let clamped = summary.clamped;
    if clamped.low + clamped.high > 0 {
        text.push_str(&format!(
            "{} scores next to 0 and {} next to 1 were put at the limit of the transformation\n",
            format::grouped(clamped.low),
            format::grouped(clamped.high)
        ));
    }
    text.push_str(&format!("run: {}\n", told.run));
    session.output.result(&text, &told)?;
    if summary.finished {
        return Ok(());
    }
    Err(Failure::new(format!(
        "stopped after {} and {}; `tagwerk resume {}` goes on",
        format::counted(summary.epochs, "epoch"),
        format::counted(summary.steps, "step"),
        told.run
    )))
}
