//! `tagwerk train CONFIG`, and what `train` and `resume` say of a run.

use crate::arguments::{DataArguments, TrainingArguments, short_name};
use crate::config_file;
use crate::failure::Failure;
use crate::format;
use crate::progress::{Manner, TrainingProgress};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tagwerk_taggers::{Evaluated, RunConfig, RunResult};
use tagwerk_train::{Outcome, Summary};

const EXAMPLES: &str = "\
A configuration is TOML; `tagger = \"pfn\"` is enough, everything else has the published value:

  tagger = \"pfn\"
  [settings]             # of the tagger, see its documentation
  phi = [100, 100, 256]
  [data]
  source = \"jets.parquet\"
  train_jets = 100000
  [training]
  epochs = 30
  batch_size = 256
  [training.optimizer]
  learning_rate = 1e-3

Options are laid over it. The run folder gets the complete configuration. The same command again goes on where it stopped.

Examples:
  tagwerk train pfn.toml -o runs/pfn
  tagwerk train --tagger topodnn --epochs 5
  tagwerk train --tagger pfn --data jets.parquet --jets 100000 --seed 3 --device cuda:0";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Configuration file (TOML); it or --tagger is needed
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Train this tagger as published, without a configuration file
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    tagger: Option<String>,
    /// Run folder [default: runs/CONFIG, or runs/TAGGER-DATA-SEED]
    #[arg(short, long, value_name = "RUN")]
    output: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    training: TrainingArguments,
}

/// Trains.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let mut config = match (&typed.config, &typed.tagger) {
        (Some(path), _) => config_file::read(path, RunConfig::from_toml)?,
        (None, Some(tagger)) => RunConfig::published(tagger)?,
        (None, None) => return Err(Failure::Usage("give a configuration file or --tagger NAME".to_owned())),
    };
    typed.data.lay_over(&mut config.data);
    typed.training.lay_over(&mut config.training);
    config.training.seed = session.seed.unwrap_or(config.training.seed);
    let stem = typed
        .config
        .as_deref()
        .and_then(Path::file_stem)
        .map(|stem| stem.to_string_lossy().into_owned());
    let name = stem.unwrap_or_else(|| {
        format!(
            "{}-{}-{}",
            config.tagger,
            short_name(&config.data.source),
            config.training.seed
        )
    });
    let folder = typed.output.clone().unwrap_or_else(|| Path::new("runs").join(name));
    let context = session.context()?;
    let result = {
        let mut progress = TrainingProgress::new(&config.tagger, Manner::suited(session.quiet));
        tagwerk_taggers::train(&folder, &config, &context, &mut progress).map_err(other_folder)?
    };
    tell(&result, session)
}

/// Advice where the folder holds another run.
pub fn other_folder(error: tagwerk_taggers::TaggerError) -> Failure {
    use tagwerk_taggers::TaggerError::Train;
    use tagwerk_train::TrainError::Changed;
    let changed = matches!(error, Train(Changed { .. }));
    let failure = Failure::from(error);
    if changed {
        failure.hint("give another folder with -o")
    } else {
        failure
    }
}

/// JSON of a training.
#[derive(Serialize)]
struct Told<'a> {
    run: String,
    tagger: &'a str,
    parameters: usize,
    outcome: &'static str,
    #[serde(flatten)]
    summary: &'a Summary,
    test: Option<&'a Evaluated>,
}

/// Says what a training gave. A stopped one is a failure that says how to go on.
pub fn tell(result: &RunResult, session: &Session) -> Result<(), Failure> {
    let summary = result.outcome.summary();
    let finished = matches!(result.outcome, Outcome::Finished(_));
    let told = Told {
        run: result.run.to_string_lossy().into_owned(),
        tagger: &result.tagger,
        parameters: result.parameters,
        outcome: if finished { "finished" } else { "stopped" },
        summary,
        test: result.evaluation.as_ref(),
    };
    let best = summary.best.as_ref().map_or_else(String::new, |best| {
        format!("; best {} {:.6} in epoch {}", best.metric, best.value, best.epoch)
    });
    let mut text = format!(
        "{}, {} parameters: {} in {}{best}\n",
        result.tagger,
        format::grouped(result.parameters as u64),
        format::counted(summary.epochs, "epoch"),
        format::duration(summary.seconds)
    );
    if let Some(evaluation) = &result.evaluation {
        text.push_str(&format!("test\n{}\n", format::evaluated(evaluation)));
    }
    text.push_str(&format!("run: {}\n", told.run));
    session.output.result(&text, &told)?;
    if finished {
        return Ok(());
    }
    Err(Failure::new(format!(
        "stopped after {} and {}; `tagwerk resume {}` goes on",
        format::counted(summary.epochs, "epoch"),
        format::counted(summary.steps, "step"),
        told.run
    )))
}
