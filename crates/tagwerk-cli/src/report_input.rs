//! From finished trainings to what a report shows.

use crate::failure::Failure;
use std::path::Path;
use std::path::PathBuf;
use tagwerk_report::{
    EpochRecord, History, PredictionCurves, RegressionReportInput, ReportInput, TaggerCurves, advice_text,
    regression_text, table_text, write_regression_report, write_report,
};
use tagwerk_stats::{LandscapeResult, RegressionTable};
use tagwerk_taggers::LandscapeTable;
use tagwerk_train::{EpochMetrics, PredictionTable, Provenance, RunFolder, ScoreTable, Scored};

/// One finished training.
pub struct FinishedRun {
    /// Row of the table it belongs to.
    pub row: String,
    /// Its seed.
    pub seed: u64,
    /// Its folder.
    pub path: PathBuf,
    /// Its epochs.
    pub history: Vec<EpochMetrics>,
    /// Its scores of the test jets, or predictions.
    pub scores: Scored,
}

impl FinishedRun {
    /// Its scores, where the runs are of two classes.
    fn scores(&self) -> Result<&ScoreTable, Failure> {
        match &self.scores {
            Scored::Classes(table) => Ok(table),
            Scored::Values(_) => Err(self.other("predictions of a number, not scores of two classes")),
        }
    }

    /// Its predictions, where the runs are of a regression.
    fn predictions(&self) -> Result<&PredictionTable, Failure> {
        match &self.scores {
            Scored::Values(table) => Ok(table),
            Scored::Classes(_) => Err(self.other("scores of two classes, not predictions of a number")),
        }
    }

    fn other(&self, has: &str) -> Failure {
        Failure::new(format!(
            "{} has {has}; a table holds runs of one kind",
            self.path.display()
        ))
    }
}

/// Title, settings and commands of a report.
pub struct Words {
    /// Title of the page.
    pub title: String,
    /// Shown above the provenance.
    pub settings: Vec<(String, String)>,
    /// What makes the result again.
    pub commands: Vec<String>,
}

/// The table in text with its advice, as a terminal shows it.
pub fn text(table: &LandscapeTable) -> String {
    match table {
        LandscapeTable::Classes(table) => format!("{}\n{}", table_text(table), advice_text(table)),
        LandscapeTable::Values(table) => regression_text(table),
    }
}

/// Writes the report of these runs and this table; returns the path of the page.
pub fn write(table: &LandscapeTable, runs: &[FinishedRun], words: Words, folder: &Path) -> Result<PathBuf, Failure> {
    match table {
        LandscapeTable::Classes(table) => {
            let input = assemble(words.title, table.clone(), runs, words.settings, words.commands)?;
            Ok(write_report(&input, folder)?)
        }
        LandscapeTable::Values(table) => {
            let input = assemble_regression(words, table.clone(), runs)?;
            Ok(write_regression_report(&input, folder)?)
        }
    }
}

fn assemble_regression(
    words: Words,
    table: RegressionTable,
    runs: &[FinishedRun],
) -> Result<RegressionReportInput, Failure> {
    let mut curves = Vec::new();
    for row in &table.taggers {
        let own: Vec<&FinishedRun> = runs.iter().filter(|run| run.row == row.name).collect();
        if let Some(run) = own.get(row.median_training) {
            let table = run.predictions()?;
            curves.push(PredictionCurves::new(&row.name, &table.predictions, &table.targets)?);
        }
    }
    Ok(RegressionReportInput {
        title: words.title,
        curves,
        histories: runs.iter().map(history).collect(),
        provenance: provenance(words.settings, runs)?,
        commands: words.commands,
        table,
    })
}

/// Table, curves, histories and provenance of these runs. `settings` are shown above the provenance.
fn assemble(
    title: String,
    landscape: LandscapeResult,
    runs: &[FinishedRun],
    settings: Vec<(String, String)>,
    commands: Vec<String>,
) -> Result<ReportInput, Failure> {
    let mut curves = Vec::new();
    let mut histories = Vec::new();
    if let Some(first) = runs.first() {
        let truth = first.scores()?.truth()?;
        for tagger in &landscape.taggers {
            let own = || runs.iter().filter(|run| run.row == tagger.name);
            let scores: Vec<Vec<f64>> = own()
                .map(|run| Ok(run.scores()?.probabilities()))
                .collect::<Result<_, Failure>>()?;
            let columns: Vec<&[f64]> = scores.iter().map(Vec::as_slice).collect();
            curves.push(TaggerCurves::from_scores(
                &tagger.name,
                &columns,
                tagger.median_training,
                &truth,
            )?);
            histories.extend(own().map(history));
        }
    }
    Ok(ReportInput {
        title,
        landscape,
        curves,
        histories,
        provenance: provenance(settings, runs)?,
        commands,
    })
}

/// Settings, and what the first run's folder says of its origin.
fn provenance(settings: Vec<(String, String)>, runs: &[FinishedRun]) -> Result<Vec<(String, String)>, Failure> {
    let mut provenance = settings;
    if let Some(first) = runs.first()
        && let Some(found) = RunFolder::open(&first.path)?.provenance()?
    {
        provenance.extend(origin(&found));
    }
    Ok(provenance)
}

fn history(run: &FinishedRun) -> History {
    let record = |epoch: &EpochMetrics| EpochRecord {
        epoch: epoch.epoch as usize,
        training_loss: Some(epoch.train_loss),
        validation_loss: Some(epoch.val_loss),
        validation_auc: epoch.val_auc,
        validation_resolution: epoch.val_resolution,
    };
    History {
        tagger: run.row.clone(),
        seed: run.seed,
        epochs: run.history.iter().map(record).collect(),
    }
}

/// Program, data and machine of a training.
pub fn origin(provenance: &Provenance) -> Vec<(String, String)> {
    let machine = &provenance.machine;
    let mut facts = vec![("tagwerk".to_owned(), provenance.version.clone())];
    facts.extend(provenance.git.clone().map(|git| ("commit".to_owned(), git)));
    facts.extend(
        provenance
            .data
            .iter()
            .map(|(file, sum)| (format!("data file {file}"), sum.clone())),
    );
    facts.extend(machine.cpu.clone().map(|cpu| ("processor".to_owned(), cpu)));
    if !provenance.device.is_empty() {
        facts.push(("device".to_owned(), provenance.device.clone()));
    }
    facts.push(("threads of a training".to_owned(), provenance.threads.to_string()));
    facts.push(("system".to_owned(), format!("{}, {}", machine.os, machine.architecture)));
    facts
}

/// The command as it was typed, for the report.
pub fn typed_command() -> String {
    let quoted = |word: String| {
        let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./,:=+@".contains(c));
        if plain {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let words = std::env::args_os()
        .skip(1)
        .map(|word| quoted(word.to_string_lossy().into_owned()));
    std::iter::once("tagwerk".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}
