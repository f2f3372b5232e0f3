//! From finished trainings to the table.

use super::config::{LandscapeConfig, PlannedRun};
use super::{LandscapeRun, LandscapeTable};
use crate::error::TaggerError;
use tagwerk_data::Dataset;
use tagwerk_stats::{
    Landscape, LandscapeOptions, LandscapeResult, RegressionLandscape, RegressionTable, RegressionTraining,
    ScoringTime, TaggerInput, TrainingInput,
};
use tagwerk_train::{PredictionTable, ScoreTable, Scored};

/// What is known of a training beside its scores.
pub(super) struct Facts {
    pub(super) parameters: usize,
    pub(super) epochs: usize,
    pub(super) seconds: f64,
    pub(super) threads: Option<usize>,
    pub(super) scoring: Option<ScoringTime>,
}

pub(super) fn tabulate(
    config: &LandscapeConfig,
    runs: &[PlannedRun],
    finished: &[LandscapeRun],
    facts: &[Facts],
    options: LandscapeOptions,
    dataset: &Dataset,
) -> Result<LandscapeTable, TaggerError> {
    let mut classes: Vec<&ScoreTable> = Vec::new();
    let mut values: Vec<&PredictionTable> = Vec::new();
    for run in finished {
        match &run.scores {
            Scored::Classes(table) => classes.push(table),
            Scored::Values(table) => values.push(table),
        }
    }
    // One data set has one task.
    match classes.is_empty() {
        false => {
            let jets = matches!(dataset, Dataset::Jets(_));
            classification(config, runs, finished, &classes, facts, options, jets).map(LandscapeTable::Classes)
        }
        true => {
            let target = match dataset {
                Dataset::Jets(_) => ("", ""),
                Dataset::Arrays(arrays) => arrays.target(),
            };
            regression(config, finished, &values, facts, &options.dataset, target).map(LandscapeTable::Values)
        }
    }
}

fn classification(
    config: &LandscapeConfig,
    runs: &[PlannedRun],
    finished: &[LandscapeRun],
    tables: &[&ScoreTable],
    facts: &[Facts],
    options: LandscapeOptions,
    jets: bool,
) -> Result<LandscapeResult, TaggerError> {
    let truth = tables[0].truth()?;
    let mut table = Landscape::new(&truth, options);
    for (t, choice) in config.taggers.iter().enumerate() {
        let range = t * config.trainings..(t + 1) * config.trainings;
        let scores: Vec<Vec<f64>> = tables[range.clone()]
            .iter()
            .map(|table| table.probabilities())
            .collect();
        let trainings = range
            .clone()
            .zip(&scores)
            .map(|(i, scores)| TrainingInput {
                seed: finished[i].seed,
                scores,
                epochs: facts[i].epochs,
                seconds: facts[i].seconds,
                threads: facts[i].threads,
                scoring: facts[i].scoring,
            })
            .collect();
        table.add(TaggerInput {
            name: choice.name.clone(),
            parameters: Some(facts[range.start].parameters as u64),
            // Published numbers are those of the top-tagging data set.
            published: jets.then(|| runs[range.start].tagger.published()),
            trainings,
        })?;
        if let Some(goat) = runs[range.start].tagger.reads_scores() {
            table.reads(&choice.name, goat.taggers());
        }
        if let Some(note) = runs[range.start].tagger.note() {
            table.note(&choice.name, note);
        }
    }
    Ok(table.finish()?)
}

fn regression(
    config: &LandscapeConfig,
    finished: &[LandscapeRun],
    tables: &[&PredictionTable],
    facts: &[Facts],
    dataset: &str,
    (target, unit): (&str, &str),
) -> Result<RegressionTable, TaggerError> {
    let mut table = RegressionLandscape::new(dataset, target, unit, &tables[0].targets)?;
    for (t, choice) in config.taggers.iter().enumerate() {
        let range = t * config.trainings..(t + 1) * config.trainings;
        let trainings: Vec<RegressionTraining<f32>> = range
            .clone()
            .map(|i| RegressionTraining {
                seed: finished[i].seed,
                predictions: &tables[i].predictions,
                epochs: facts[i].epochs,
                seconds: facts[i].seconds,
            })
            .collect();
        table.add(&choice.name, Some(facts[range.start].parameters as u64), &trainings)?;
    }
    Ok(table.finish()?)
}
