//! From finished trainings to what a report shows.

use crate::failure::Failure;
use std::path::PathBuf;
use tagwerk_report::{EpochRecord, History, ReportInput, TaggerCurves};
use tagwerk_stats::LandscapeResult;
use tagwerk_train::{EpochMetrics, Provenance, RunFolder, ScoreTable};

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
    /// Its scores of the test jets.
    pub scores: ScoreTable,
}

/// Table, curves, histories and provenance of these runs. `settings` are shown above the provenance.
pub fn assemble(
    title: String,
    landscape: LandscapeResult,
    runs: &[FinishedRun],
    settings: Vec<(String, String)>,
    commands: Vec<String>,
) -> Result<ReportInput, Failure> {
    let mut curves = Vec::new();
    let mut histories = Vec::new();
    if let Some(first) = runs.first() {
        let truth = first.scores.truth()?;
        for tagger in &landscape.taggers {
            let own = || runs.iter().filter(|run| run.row == tagger.name);
            let scores: Vec<Vec<f64>> = own().map(|run| run.scores.probabilities()).collect();
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
    let mut provenance = settings;
    if let Some(first) = runs.first()
        && let Some(found) = RunFolder::open(&first.path)?.provenance()?
    {
        provenance.extend(origin(&found));
    }
    Ok(ReportInput {
        title,
        landscape,
        curves,
        histories,
        provenance,
        commands,
    })
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

fn origin(provenance: &Provenance) -> Vec<(String, String)> {
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
