//! `tagwerk landscape`: the main job.

use super::train::other_folder;
use crate::arguments::{DataArguments, TrainingArguments, short_name};
use crate::config_file;
use crate::failure::Failure;
use crate::format;
use crate::output::write_whole;
use crate::progress::{LandscapeProgress, Manner};
use crate::report_input::{self, FinishedRun, Words, typed_command};
use crate::session::Session;
use clap::Args;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use tagwerk_taggers::{
    DataConfig, Finished, LandscapeConfig, LandscapeOutcome, LandscapeTable, SAMPLE, TaggerChoice, TaggerError,
    landscape,
};
use tagwerk_train::TrainError;

const EXAMPLES: &str = "\
Every training is a run folder of its own, FOLDER/TAGGER-SEED. The same command again uses finished trainings as they are and goes \
on with begun ones; with more --trainings or --taggers it adds the missing ones. Trainings run side by side, one a thread.

Each measured row of the table stands above the published one; each rejection carries two errors, that of another training and \
that of other test jets. The report (FOLDER/report/report.html) has the table in four formats, figures and all numbers.

Examples:
  tagwerk landscape
  tagwerk landscape --taggers pfn,particlenet-lite --trainings 9
  tagwerk landscape --data top-tagging --path data/top-tagging --name full
  tagwerk landscape --data magic --path magic04.data
  tagwerk landscape study.toml --device cuda:0 --json table.json";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Configuration file (TOML) [default: four taggers, three trainings each, on the built-in sample]
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Taggers, separated by commas; `all` for all [default: those of the configuration; all that read the events with
    /// --data]
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    taggers: Option<Vec<String>>,
    /// Trainings of each tagger, with seeds one after the other [default: that of the configuration, or 3]
    #[arg(long, value_name = "N")]
    trainings: Option<NonZeroUsize>,
    /// Replicas of the paired bootstrap between taggers; 0 for none [default: that of the configuration, or 200]
    #[arg(long, value_name = "N")]
    bootstrap: Option<usize>,
    /// Name of the folder under runs/ [default: that of the configuration, or that of the data]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Folder for runs and report [default: runs/NAME]
    #[arg(short, long, value_name = "DIR", conflicts_with = "name")]
    output: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    training: TrainingArguments,
}

/// Trains, scores, tabulates, reports.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let config = configuration(typed, session.seed)?;
    let folder = typed
        .output
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(&config.name));
    let context = session.context()?;
    let outcome = {
        let progress = LandscapeProgress::new(&config.costs()?, config.trainings, Manner::suited(session.quiet));
        landscape(&folder, &config, &context, &progress).map_err(|error| explained(error, &folder))?
    };
    match outcome {
        LandscapeOutcome::Stopped { done, total } => Err(Failure::new(format!(
            "stopped with {done} of {total} trainings done; the same command goes on: {}",
            typed_command()
        ))),
        LandscapeOutcome::Finished(finished) => {
            let page = report(&folder, &config, &finished)?;
            let text = format!(
                "{}\n{} in {}\nreport: {}\n",
                report_input::text(&finished.result),
                format::counted(finished.runs.len() as u64, "training"),
                format::duration(finished.seconds),
                page.display()
            );
            session.output.result(&text, &finished.result)
        }
    }
}

/// What was typed, laid over the configuration file or the built-in one.
fn configuration(typed: &Typed, seed: Option<u64>) -> Result<LandscapeConfig, Failure> {
    let mut config = match (&typed.config, typed.data.data.as_deref()) {
        (Some(path), _) => config_file::read(path, LandscapeConfig::from_toml)?,
        (None, None | Some(SAMPLE)) => LandscapeConfig::sample()?,
        (None, Some(source)) => {
            let mut data = DataConfig::default();
            typed.data.lay_over(&mut data);
            LandscapeConfig {
                name: short_name(source),
                ..LandscapeConfig::for_data(data)?
            }
        }
    };
    typed.data.lay_over(&mut config.data);
    if let Some(names) = &typed.taggers {
        config.taggers = chosen(names, &config)?;
    }
    config.trainings = typed.trainings.map_or(config.trainings, Into::into);
    config.bootstrap = typed.bootstrap.unwrap_or(config.bootstrap);
    config.seed = seed.unwrap_or(config.seed);
    if let Some(name) = &typed.name {
        config.name.clone_from(name);
    }
    let epochs = typed.training.epochs.map(|n| ("epochs", i64::from(n.get())));
    let batch = typed
        .training
        .batch_size
        .and_then(|n| Some(("batch_size", i64::try_from(n.get()).ok()?)));
    for (key, value) in epochs.into_iter().chain(batch) {
        // What was typed is for all taggers, also for those that the file has a number of their own for.
        config
            .taggers
            .iter_mut()
            .for_each(|choice| drop(choice.training.remove(key)));
        config.training.insert(key.to_owned(), value.into());
    }
    Ok(config)
}

/// The taggers of these names, with the settings that the configuration has for them; `all` are those that read its
/// data.
fn chosen(names: &[String], config: &LandscapeConfig) -> Result<Vec<TaggerChoice>, Failure> {
    let named = if names.iter().any(|name| name == "all") {
        LandscapeConfig::for_data(config.data.clone())?.taggers
    } else {
        names.iter().map(|name| TaggerChoice::from(name.trim())).collect()
    };
    let configured = |choice: TaggerChoice| {
        let own = config.taggers.iter().find(|own| own.name == choice.name).cloned();
        own.unwrap_or(choice)
    };
    Ok(named.into_iter().map(configured).collect())
}

/// Advice where the folder holds another landscape.
fn explained(error: TaggerError, folder: &Path) -> Failure {
    let other = matches!(&error, TaggerError::Train(TrainError::Changed { .. }));
    let failure = other_folder(error);
    if other {
        let advice = format!(
            "{} holds another landscape: give another folder with --name or -o",
            folder.display()
        );
        return failure.hint(&advice);
    }
    failure
}

fn report(folder: &Path, config: &LandscapeConfig, finished: &Finished) -> Result<PathBuf, Failure> {
    // With paths that hold from any working directory.
    let stored = LandscapeConfig {
        data: config.data.resolved()?,
        ..config.clone()
    };
    write_whole(&folder.join("landscape.toml"), toml::to_string(&stored)?.as_bytes())?;
    let runs: Vec<FinishedRun> = finished
        .runs
        .iter()
        .map(|run| FinishedRun {
            row: run.tagger.clone(),
            seed: run.seed,
            path: run.path.clone(),
            history: run.history.clone(),
            scores: run.scores.clone(),
        })
        .collect();
    let (dataset, counted, test_rows) = match &finished.result {
        LandscapeTable::Classes(table) => (&table.dataset, table.counted.as_str(), table.test_rows),
        LandscapeTable::Values(table) => (&table.dataset, "events", table.test_rows),
    };
    let jets = |limit: Option<u64>| limit.map_or_else(|| "all".to_owned(), format::grouped);
    let data = &config.data;
    let settings = vec![
        ("data set".to_owned(), dataset.clone()),
        (format!("training {counted}, at most"), jets(data.train_jets)),
        (format!("validation {counted}, at most"), jets(data.validation_jets)),
        (format!("test {counted}"), format::grouped(test_rows as u64)),
        ("trainings a tagger".to_owned(), config.trainings.to_string()),
        ("seeds".to_owned(), format!("{} and following", config.seed)),
        (
            "training settings over the published ones".to_owned(),
            inline(&config.training),
        ),
    ];
    let words = Words {
        title: format!("Landscape {}", config.name),
        settings,
        commands: vec![typed_command()],
    };
    report_input::write(&finished.result, &runs, words, &folder.join("report"))
}

/// A table in one line.
fn inline(table: &toml::Table) -> String {
    if table.is_empty() {
        return "none".to_owned();
    }
    table
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect::<Vec<_>>()
        .join(", ")
}
