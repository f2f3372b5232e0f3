//! `tagwerk score RUN [DATA] -o FILE`.

use crate::arguments::{WhichJets, usual_folder};
use crate::failure::Failure;
use crate::format;
use crate::output::replaceable;
use crate::progress::{Manner, TrainingProgress};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use tagwerk_taggers::{DataConfig, Evaluated, RunConfig};
use tagwerk_train::RunFolder;

const EXAMPLES: &str = "\
The result is Parquet with the columns row (in the data set), label, weight, parameter, score (signal probability) and log_odds. \
Of a regression they are row, target and prediction. \
A single file is divided 60/20/20 by position, as in training; `--part all` scores every row of it.

Examples:
  tagwerk score runs/pfn -o test.parquet
  tagwerk score runs/pfn other.parquet --part all -o other-scores.parquet
  tagwerk score runs/pfn top-tagging --path data/top-tagging -o scores.parquet";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Folder of a run with at least one epoch done; its best weights are used
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// `sample`, a name of `tagwerk data list`, or the path of jets [default: the data of the run]
    #[arg(value_name = "DATA")]
    data: Option<String>,
    /// Folder with the files of a data set named by DATA [default: data/NAME, if it is there]
    #[arg(long, value_name = "DIR", requires = "data")]
    path: Option<PathBuf>,
    /// File to write (.parquet)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Which jets
    #[arg(long, value_name = "PART", default_value = "test")]
    part: WhichJets,
}

/// JSON of a scoring.
#[derive(Serialize)]
struct Told {
    run: String,
    data: String,
    part: &'static str,
    jets: usize,
    file: String,
    evaluation: Option<Evaluated>,
}

/// Scores.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    replaceable(&typed.output)?;
    let own: RunConfig = RunFolder::open(&typed.run)?.config()?;
    let mut data = match &typed.data {
        None => own.data,
        Some(source) => DataConfig {
            source: source.clone(),
            path: typed.path.clone().or_else(|| usual_folder(source)),
            memory_mb: own.data.memory_mb,
            ..DataConfig::default()
        },
    };
    let (part, name) = typed.part.of(&mut data);
    let context = session.context()?;
    let table = {
        let mut progress = TrainingProgress::new("score", Manner::suited(session.quiet));
        tagwerk_taggers::score(&typed.run, Some(&data), part, &context, &mut progress)?
    };
    let Some(table) = table else {
        return Err(Failure::new("stopped; nothing was written"));
    };
    table.write(&typed.output)?;
    // Unlabelled jets, or those of one class, have scores but nothing to be judged by.
    let evaluation = Evaluated::of(&table).ok();
    let told = Told {
        run: typed.run.to_string_lossy().into_owned(),
        data: data.source,
        part: name,
        jets: table.len(),
        file: typed.output.to_string_lossy().into_owned(),
        evaluation,
    };
    let mut text = format!(
        "{} jets ({} of {})\n",
        format::grouped(told.jets as u64),
        name,
        told.data
    );
    if let Some(evaluation) = &told.evaluation {
        text.push_str(&format!("{}\n", format::evaluated(evaluation)));
    }
    text.push_str(&format!("scores: {}\n", told.file));
    session.output.result(&text, &told)
}
