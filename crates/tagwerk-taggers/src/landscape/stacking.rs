//! The second round of a landscape: taggers that read the scores of the first.

use super::{Done, Placed, Site, Work, train_all};
use crate::cross_fit::{CrossFit, Role, ScoreMatrix};
use crate::error::TaggerError;
use crate::run::{RunConfig, Views};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tagwerk_train::{Learner, RunFolder};

/// Trains the taggers that read scores on those of all trainings that are `done`; `None` after a stop. `runs` get the
/// columns that they read.
///
/// # Errors
/// Scores that cannot be read; a folder with another configuration; trainings that fail.
pub(super) fn train_on_scores(
    runs: &mut [Placed],
    scored: &[Placed],
    done: &[Done],
    site: &Site,
) -> Result<Option<Vec<Done>>, TaggerError> {
    let (mut inputs, mut tables) = (BTreeMap::new(), Vec::new());
    for ((_, run), done) in scored.iter().zip(done) {
        inputs.insert(run.name(), checksum(&done.folder.scores_path("test"))?);
        tables.push((run.name(), done.folder.scores("test")?));
    }
    // In the order in which the settings name them.
    tables.sort_by(|(a, _), (b, _)| a.cmp(b));
    let scores = Arc::new(ScoreMatrix::new(&tables)?);
    drop(tables);
    for (_, run) in runs.iter_mut() {
        *run = run.reading(&inputs)?;
    }

    let mut ready = Vec::new();
    for (_, run) in runs.iter() {
        let Some(goat) = run.tagger.reads_scores() else {
            continue;
        };
        let examples = CrossFit::new(scores.clone(), goat.folds, run.config.training.seed);
        let views = Views {
            train: Box::new(examples.in_role(Role::Train)),
            validation: Box::new(examples.in_role(Role::Validation)),
            test: Box::new(examples.in_role(Role::Test)),
        };
        ready.push((folder_of(&run.config, &run.name(), site)?, examples, views));
    }
    let work = runs
        .iter()
        .zip(&ready)
        .map(|((_, run), (folder, examples, views))| Work {
            run,
            folder: folder.clone(),
            views,
            learner: Box::new(move || -> Result<Box<dyn Learner>, TaggerError> {
                let validation = Some(examples.in_role(Role::Validation));
                match run.tagger.reads_scores() {
                    Some(goat) => goat.learner_on(&run.config.training, &site.context.device, validation),
                    None => run.tagger.learner(&run.config.training, &site.context.device),
                }
            }),
        });
    train_all(work.collect(), false, site)
}

/// The run folder, new or begun. One that was begun on other scores is made anew: its training is a matter of seconds,
/// and a landscape that got another tagger must not be refused because of it.
fn folder_of(config: &RunConfig, name: &str, site: &Site) -> Result<RunFolder, TaggerError> {
    let path = site.folder.join(name);
    if let Ok(begun) = RunFolder::open(&path)
        && let Ok(was) = begun.config::<RunConfig>()
        && was.settings.get("inputs") != config.settings.get("inputs")
    {
        let mut otherwise = was;
        otherwise.settings.clone_from(&config.settings);
        // Anything else that differs is another landscape, which is told below.
        if otherwise == *config {
            site.observer
                .message(&format!("{name} was trained on other scores; it is trained again"));
            std::fs::remove_dir_all(&path).map_err(|source| TaggerError::Folder {
                path: path.clone(),
                source,
            })?;
        }
    }
    Ok(RunFolder::open_or_create(path, config)?)
}

fn checksum(path: &Path) -> Result<String, TaggerError> {
    let bytes = std::fs::read(path).map_err(|e| TaggerError::Saved {
        path: path.to_path_buf(),
        reason: format!("read: {e}"),
    })?;
    Ok(format!("sha256:{}", tagwerk_data::sha256(&bytes)))
}
