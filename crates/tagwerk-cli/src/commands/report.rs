//! `tagwerk report RUN.. -o DIR`.

use crate::failure::Failure;
use crate::report_input::{self, FinishedRun, Words, typed_command};
use crate::session::Session;
use clap::Args;
use std::path::{Path, PathBuf};
use tagwerk_data::Dataset;
use tagwerk_stats::{
    BootstrapOptions, Landscape, LandscapeOptions, LandscapeResult, RegressionLandscape, RegressionTable,
    RegressionTraining, ScoringTime, TaggerInput, TrainingInput,
};
use tagwerk_taggers::{LandscapeTable, RunConfig, parameter_count, registry};
use tagwerk_train::{CheckpointKind, RunFolder, RunState, Scored};

const EXAMPLES: &str = "\
RUN is a run folder, or a folder of run folders such as that of a landscape. Runs that differ in nothing but the seed are trainings \
of one row of the table. All runs must have scored the same test jets.

Examples:
  tagwerk report runs/sample -o report
  tagwerk report runs/pfn-1 runs/pfn-2 runs/topodnn-1 -o report --json table.json";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folders, or folders of them
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Folder for the report
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Title of the page
    #[arg(long, value_name = "TEXT", default_value = "Comparison of taggers")]
    title: String,
    /// Replicas of the paired bootstrap between taggers; 0 for none
    #[arg(long, value_name = "N", default_value_t = 200)]
    bootstrap: usize,
}

/// A finished run with what the table needs of it.
struct Candidate {
    run: FinishedRun,
    config: RunConfig,
    epochs: usize,
    seconds: f64,
    threads: Option<usize>,
    scoring: Option<ScoringTime>,
}

/// Writes the report.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let mut candidates = Vec::new();
    for path in folders(&typed.runs)? {
        let folder = RunFolder::open(&path)?;
        match folder.status()? {
            Some(status) if status.state == RunState::Finished && folder.scores_path("test").is_file() => {
                candidates.push(candidate(&folder)?);
            }
            Some(status) if status.state == RunState::Finished => session.output.note(&format!(
                "left out: {run} has no scores of test jets; `tagwerk score {run} DATA -o {run}/scores.parquet` makes them",
                run = path.display()
            )),
            _ => session
                .output
                .note(&format!("left out: {} is not finished", path.display())),
        }
    }
    let Some(first) = candidates.first() else {
        return Err(Failure::new(
            "none of the runs is finished; `tagwerk resume RUN` goes on with one",
        ));
    };
    let data = first.config.data.clone();
    for other in &candidates[1..] {
        same_jets(&first.run, &other.run)?;
    }
    name_rows(&mut candidates)?;
    let dataset = data.open().ok();
    let options = LandscapeOptions {
        dataset: dataset
            .as_ref()
            .map_or_else(|| data.source.clone(), |dataset| data.name(dataset)),
        counted: dataset.as_ref().map_or("jets", |dataset| dataset.counted()),
        published_test_set: dataset
            .as_ref()
            .is_some_and(|dataset| data.is_published_test_set(dataset)),
        bootstrap: (typed.bootstrap > 0).then(|| BootstrapOptions {
            replicas: typed.bootstrap,
            seed: session.seed.unwrap_or(candidates[0].run.seed),
        }),
    };
    let result = match &candidates[0].run.scores {
        Scored::Classes(_) => LandscapeTable::Classes(tabulate(&candidates, options, dataset.as_ref())?),
        Scored::Values(_) => {
            LandscapeTable::Values(tabulate_regression(&candidates, &options.dataset, dataset.as_ref())?)
        }
    };
    let runs: Vec<FinishedRun> = candidates.into_iter().map(|candidate| candidate.run).collect();
    let words = Words {
        title: typed.title.clone(),
        settings: Vec::new(),
        commands: vec![typed_command()],
    };
    let page = report_input::write(&result, &runs, words, &typed.output)?;
    let text = format!("{}\nreport: {}\n", report_input::text(&result), page.display());
    session.output.result(&text, &result)
}

/// Run folders, and those inside folders of them, each once.
fn folders(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in given {
        if path.join("config.toml").is_file() {
            found.push(path.clone());
            continue;
        }
        let fault = |error: std::io::Error| Failure::new(format!("{}: read: {error}", path.display()));
        let entries = std::fs::read_dir(path)
            .map_err(fault)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(fault)?;
        let inside: Vec<PathBuf> = entries
            .iter()
            .map(|entry| entry.path())
            .filter(|path| path.join("config.toml").is_file())
            .collect();
        if inside.is_empty() {
            return Err(Failure::new(format!(
                "{} is neither a run folder nor a folder of them",
                path.display()
            )));
        }
        found.extend(inside);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn candidate(folder: &RunFolder) -> Result<Candidate, Failure> {
    let config: RunConfig = folder.config()?;
    let progress = folder.checkpoints().progress(CheckpointKind::Last)?;
    Ok(Candidate {
        run: FinishedRun {
            row: config.tagger.clone(),
            seed: config.training.seed,
            path: folder.path().to_owned(),
            history: folder.metrics()?,
            scores: folder.scored("test")?,
        },
        epochs: progress.as_ref().map_or(0, |p| p.epochs_done as usize),
        seconds: progress.map_or(0.0, |p| p.seconds),
        threads: folder.provenance()?.map(|provenance| provenance.threads),
        scoring: folder.scoring_times()?.remove("test"),
        config,
    })
}

fn same_jets(a: &FinishedRun, b: &FinishedRun) -> Result<(), Failure> {
    let same = match (&a.scores, &b.scores) {
        (Scored::Classes(a), Scored::Classes(b)) => (&a.rows, &a.labels) == (&b.rows, &b.labels),
        (Scored::Values(a), Scored::Values(b)) => (&a.rows, &a.targets) == (&b.rows, &b.targets),
        _ => false,
    };
    if same {
        return Ok(());
    }
    let (a, b) = (a.path.display(), b.path.display());
    Err(Failure::new(format!(
        "{a} and {b} scored different test jets; a table compares on the same ones"
    )))
}

/// Sorts runs into rows: those that differ in the seed alone share one. A tagger with several configurations has
/// several rows, told apart by the name of the first run.
fn name_rows(candidates: &mut [Candidate]) -> Result<(), Failure> {
    let order: Vec<&str> = registry::names().collect();
    let place = |name: &str| order.iter().position(|known| *known == name).unwrap_or(usize::MAX);
    candidates.sort_by(|a, b| {
        let key = |c: &Candidate| (place(&c.config.tagger), c.config.training.seed);
        key(a).cmp(&key(b))
    });
    let mut rows: Vec<(RunConfig, String)> = Vec::new();
    let mut seen: Vec<(String, u64, PathBuf)> = Vec::new();
    for candidate in candidates {
        let mut seedless = candidate.config.clone();
        seedless.training.seed = 0;
        let row = match rows.iter().find(|(config, _)| *config == seedless) {
            Some((_, row)) => row.clone(),
            None => {
                let taken = rows.iter().any(|(config, _)| config.tagger == seedless.tagger);
                let row = if taken {
                    format!("{} ({})", seedless.tagger, name(&candidate.run.path))
                } else {
                    seedless.tagger.clone()
                };
                rows.push((seedless, row.clone()));
                row
            }
        };
        let seed = candidate.run.seed;
        if let Some((_, _, twin)) = seen.iter().find(|(r, s, _)| (r, *s) == (&row, seed)) {
            let (a, b) = (twin.display(), candidate.run.path.display());
            return Err(Failure::new(format!(
                "{a} and {b} are the same training ({row}, seed {seed}); leave one out"
            )));
        }
        seen.push((row.clone(), seed, candidate.run.path.clone()));
        candidate.run.row = row;
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The rows of the table in their order, each with its runs.
fn by_row(candidates: &[Candidate]) -> Vec<(&str, Vec<&Candidate>)> {
    let mut rows: Vec<(&str, Vec<&Candidate>)> = Vec::new();
    for candidate in candidates {
        match rows.iter_mut().find(|(row, _)| *row == candidate.run.row) {
            Some((_, own)) => own.push(candidate),
            None => rows.push((&candidate.run.row, vec![candidate])),
        }
    }
    rows
}

/// Trained parameters of a run, where they can be told.
fn parameters(run: &Path) -> Result<Option<u64>, Failure> {
    Ok(parameter_count(run)?.map(|count| count as u64))
}

fn tabulate_regression(
    candidates: &[Candidate],
    name: &str,
    dataset: Option<&Dataset>,
) -> Result<RegressionTable, Failure> {
    let (target, unit) = match dataset {
        Some(Dataset::Arrays(arrays)) => arrays.target(),
        _ => ("target", ""),
    };
    let targets = match &candidates[0].run.scores {
        Scored::Values(table) => table.targets.clone(),
        Scored::Classes(_) => Vec::new(),
    };
    let mut table = RegressionLandscape::new(name, target, unit, &targets)?;
    for (row, own) in by_row(candidates) {
        let trainings: Vec<RegressionTraining<f32>> = own
            .iter()
            .filter_map(|c| match &c.run.scores {
                Scored::Values(table) => Some(RegressionTraining {
                    seed: c.run.seed,
                    predictions: &table.predictions,
                    epochs: c.epochs,
                    seconds: c.seconds,
                }),
                Scored::Classes(_) => None,
            })
            .collect();
        table.add(row, parameters(&own[0].run.path)?, &trainings)?;
    }
    Ok(table.finish()?)
}

fn tabulate(
    candidates: &[Candidate],
    options: LandscapeOptions,
    dataset: Option<&Dataset>,
) -> Result<LandscapeResult, Failure> {
    let scores = |c: &Candidate| match &c.run.scores {
        Scored::Classes(table) => Some(table.clone()),
        Scored::Values(_) => None,
    };
    let first = scores(&candidates[0]).ok_or_else(|| Failure::new("the runs have no scores of two classes"))?;
    let truth = first.truth()?;
    let jets = !matches!(dataset, Some(Dataset::Arrays(_)));
    let mut table = Landscape::new(&truth, options);
    for (row, own) in by_row(candidates) {
        let scores: Vec<Vec<f64>> = own.iter().filter_map(|c| Some(scores(c)?.probabilities())).collect();
        let config = &own[0].config;
        let tagger = registry::tagger(&config.tagger, &config.settings)?;
        table.add(TaggerInput {
            name: row.to_owned(),
            parameters: parameters(&own[0].run.path)?,
            published: jets.then(|| tagger.published()),
            trainings: own
                .iter()
                .zip(&scores)
                .map(|(c, scores)| TrainingInput {
                    seed: c.run.seed,
                    scores,
                    epochs: c.epochs,
                    seconds: c.seconds,
                    threads: c.threads,
                    scoring: c.scoring,
                })
                .collect(),
        })?;
        if let Some(goat) = tagger.reads_scores() {
            table.reads(row, goat.taggers());
        }
        if let Some(note) = tagger.note() {
            table.note(row, note);
        }
    }
    Ok(table.finish()?)
}
