//! `tagwerk report RUN.. -o DIR`.

use crate::failure::Failure;
use crate::report_input::{FinishedRun, assemble, typed_command};
use crate::session::Session;
use clap::Args;
use std::path::{Path, PathBuf};
use tagwerk_report::{table_text, write_report};
use tagwerk_stats::{BootstrapOptions, Landscape, LandscapeOptions, LandscapeResult, TaggerInput, TrainingInput};
use tagwerk_taggers::{RunConfig, parameter_count, registry};
use tagwerk_train::{CheckpointKind, RunFolder, RunState};

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
}

/// Writes the report.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let mut candidates = Vec::new();
    for path in folders(&typed.runs)? {
        let folder = RunFolder::open(&path)?;
        match folder.status()? {
            Some(status) if status.state == RunState::Finished => candidates.push(candidate(&folder)?),
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
        published_test_set: dataset.is_some_and(|dataset| data.is_published_test_set(&dataset)),
        bootstrap: (typed.bootstrap > 0).then(|| BootstrapOptions {
            replicas: typed.bootstrap,
            seed: session.seed.unwrap_or(candidates[0].run.seed),
        }),
    };
    let result = tabulate(&candidates, options)?;
    let runs: Vec<FinishedRun> = candidates.into_iter().map(|candidate| candidate.run).collect();
    let input = assemble(typed.title.clone(), result, &runs, Vec::new(), vec![typed_command()])?;
    let page = write_report(&input, &typed.output)?;
    let text = format!("{}\nreport: {}\n", table_text(&input.landscape), page.display());
    session.output.result(&text, &input.landscape)
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
            scores: folder.scores("test")?,
        },
        epochs: progress.as_ref().map_or(0, |p| p.epochs_done as usize),
        seconds: progress.map_or(0.0, |p| p.seconds),
        config,
    })
}

fn same_jets(a: &FinishedRun, b: &FinishedRun) -> Result<(), Failure> {
    if (&a.scores.rows, &a.scores.labels) == (&b.scores.rows, &b.scores.labels) {
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

fn tabulate(candidates: &[Candidate], options: LandscapeOptions) -> Result<LandscapeResult, Failure> {
    let truth = candidates[0].run.scores.truth()?;
    let mut table = Landscape::new(&truth, options);
    let mut rows: Vec<&str> = Vec::new();
    for candidate in candidates {
        if !rows.contains(&candidate.run.row.as_str()) {
            rows.push(&candidate.run.row);
        }
    }
    for row in rows {
        let own: Vec<&Candidate> = candidates.iter().filter(|c| c.run.row == row).collect();
        let scores: Vec<Vec<f64>> = own.iter().map(|c| c.run.scores.probabilities()).collect();
        let config = &own[0].config;
        let tagger = registry::tagger(&config.tagger, &config.settings)?;
        table.add(TaggerInput {
            name: row.to_owned(),
            parameters: Some(parameter_count(&own[0].run.path)? as u64),
            published: Some(tagger.published()),
            trainings: own
                .iter()
                .zip(&scores)
                .map(|(c, scores)| TrainingInput {
                    seed: c.run.seed,
                    scores,
                    epochs: c.epochs,
                    seconds: c.seconds,
                })
                .collect(),
        })?;
        if let Some(note) = tagger.note() {
            table.note(row, note);
        }
    }
    Ok(table.finish()?)
}
