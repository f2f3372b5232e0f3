//! From a folder to a session: what the training was begun with, and where it stands.

use super::Session;
use crate::checkpoint::{Checkpoints, Identity, Progress};
use crate::config::TrainingConfig;
use crate::error::{Result, TrainError, io};
use crate::facts::{Facts, facts};
use crate::journal;
use crate::learner::Learner;
use crate::metric::Metric;
use crate::observer::CheckpointKind;
use crate::run_folder::RunState;
use crate::trainer::{Sets, Trainer};
use std::path::Path;
use tagwerk_data::Task;

impl<'t, 'a> Session<'t, 'a> {
    pub(crate) fn open(trainer: &'t mut Trainer<'a>, learner: &'t mut dyn Learner, sets: &'t Sets<'t>) -> Result<Self> {
        trainer.run.refuse_imported()?;
        sets.check()?;
        let config = trainer.training.config();
        suitable(config, sets.train.task())?;
        let identity = Identity {
            facts: began_with(trainer, learner, sets)?,
            reading: sets.train.reading(),
        };
        let checkpoints = trainer.run.checkpoints();
        checkpoints.recover()?;
        let (progress, event) = match take_up(&checkpoints, &identity, learner, u64::from(config.epochs))? {
            Some(found) => (found, "resumed"),
            None => {
                learner.prepare(sets.train).map_err(|source| TrainError::Learner {
                    doing: "preparation on the training jets".to_owned(),
                    source,
                })?;
                (Progress::start(), "begun")
            }
        };
        if let Some(provenance) = &trainer.provenance
            && !progress.is_over(u64::from(config.epochs))
        {
            trainer.run.write_provenance(provenance)?;
        }
        journal::cut_torn_line(&trainer.run.log_path())?;
        journal::cut(&trainer.run.metrics_path(), progress.epochs_done)?;
        let now = trainer.clock.seconds();
        let mut session = Self {
            steps_per_epoch: (sets.train.len() as u64).div_ceil(config.batch_size as u64),
            saved: (now, progress.step),
            counted: now,
            probe: None,
            trainer,
            learner,
            sets,
            checkpoints,
            identity,
            progress,
        };
        session.prolong()?;
        session.log(event)?;
        session.write_status(RunState::Running)?;
        Ok(session)
    }

    /// Takes up a training that was at its last epoch when more epochs are wanted now. Its scores are those of an
    /// earlier end.
    fn prolong(&mut self) -> Result<()> {
        if self.progress.ending.is_some() && !self.progress.is_over(u64::from(self.config().epochs)) {
            self.progress.ending = None;
            for (part, _) in &self.sets.score {
                let path = self.trainer.run.scores_path(part);
                if path.exists() {
                    std::fs::remove_file(&path).map_err(io(&path, "remove"))?;
                }
            }
        }
        Ok(())
    }
}

/// Refuses to choose epochs by a figure that the task does not have.
fn suitable(config: &TrainingConfig, task: Task) -> Result<()> {
    let stopping = config
        .early_stopping
        .as_ref()
        .map(|rule| ("early_stopping.metric", rule.metric));
    for (key, metric) in std::iter::once(("best", config.best)).chain(stopping) {
        if !metric.suits(task) {
            return Err(TrainError::Metric {
                key,
                metric,
                task: task.name(),
                allowed: Metric::of(task),
            });
        }
    }
    Ok(())
}

/// What a checkpoint must have been begun with to go on from it.
fn began_with(trainer: &Trainer, learner: &dyn Learner, sets: &Sets) -> Result<Facts> {
    let mut all = sets.facts.clone();
    all.extend(trainer.training.decisive()?);
    for (name, number) in [
        ("number of training jets", sets.train.len()),
        ("number of validation jets", sets.validation.len()),
        ("number of parameters", learner.parameter_count()),
    ] {
        all.extend(facts(name, &number, Path::new(name))?);
    }
    Ok(all)
}

/// Loads the last checkpoint, if there is one, after everything in the folder was found sound and of this training.
fn take_up(
    checkpoints: &Checkpoints,
    identity: &Identity,
    learner: &mut dyn Learner,
    epochs: u64,
) -> Result<Option<Progress>> {
    let Some(progress) = checkpoints.read(CheckpointKind::Last, identity)? else {
        return Ok(None);
    };
    let path = checkpoints.path(CheckpointKind::Last);
    let was = checkpoints.reading()?;
    // A training that is over is only told again; how its jets would be read no longer matters.
    if let Some(was) = was
        && was != identity.reading
        && !progress.is_over(epochs)
    {
        return Err(TrainError::Changed {
            path,
            what: "reading of the training jets".to_owned(),
            found: was.to_string(),
            expected: identity.reading.to_string(),
            others: Vec::new(),
        });
    }
    if progress.best.is_some() && checkpoints.read(CheckpointKind::Best, identity)?.is_none() {
        // Found now, not after the last epoch, when it would be wanted.
        return Err(TrainError::Checkpoint {
            path: checkpoints.path(CheckpointKind::Best),
            reason: format!(
                "the checkpoint of the best epoch is not there; restore it or delete the folder {} to begin anew",
                path.display()
            ),
        });
    }
    learner.load(&path).map_err(|source| TrainError::Learner {
        doing: format!("loading {}", path.display()),
        source,
    })?;
    Ok(Some(progress))
}
