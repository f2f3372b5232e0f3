//! From finished trainings to the table.

use super::LandscapeRun;
use super::config::{LandscapeConfig, PlannedRun};
use crate::error::TaggerError;
use tagwerk_stats::{Landscape, LandscapeOptions, LandscapeResult, TaggerInput, TrainingInput};

/// `facts`: parameters, epochs and seconds of each training.
pub(super) fn tabulate(
    config: &LandscapeConfig,
    runs: &[PlannedRun],
    finished: &[LandscapeRun],
    facts: &[(usize, usize, f64)],
    options: LandscapeOptions,
) -> Result<LandscapeResult, TaggerError> {
    let truth = finished[0].scores.truth()?;
    let mut table = Landscape::new(&truth, options);
    for (t, choice) in config.taggers.iter().enumerate() {
        let range = t * config.trainings..(t + 1) * config.trainings;
        let scores: Vec<Vec<f64>> = finished[range.clone()]
            .iter()
            .map(|run| run.scores.probabilities())
            .collect();
        let trainings = range
            .clone()
            .zip(&scores)
            .map(|(i, scores)| TrainingInput {
                seed: finished[i].seed,
                scores,
                epochs: facts[i].1,
                seconds: facts[i].2,
            })
            .collect();
        table.add(TaggerInput {
            name: choice.name.clone(),
            parameters: Some(facts[range.start].0 as u64),
            published: Some(runs[range.start].tagger.published()),
            trainings,
        })?;
        if let Some(note) = runs[range.start].tagger.note() {
            table.note(&choice.name, note);
        }
    }
    Ok(table.finish()?)
}
