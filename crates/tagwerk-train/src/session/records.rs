//! What a training leaves in its folder: checkpoints, epochs' figures, events, status.

use super::Session;
use crate::checkpoint::{BestEpoch, Ending};
use crate::error::Result;
use crate::journal::{self, EpochMetrics};
use crate::observer::CheckpointKind;
use crate::run_folder::{RunState, Status};
use crate::scoring::score_batch;
use crate::trainer::Summary;
use serde_json::json;
use std::collections::BTreeMap;

impl Session<'_, '_> {
    /// Judges the epoch and writes its records, the checkpoint to resume from last.
    pub(super) fn close_epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
        let config = self.config();
        let p = &mut self.progress;
        p.epochs_done = metrics.epoch;
        (p.batches_done, p.loss_sum, p.epoch_jets, p.epoch_seconds) = (0, 0.0, 0, 0.0);
        let figure = metrics.figure(config.best);
        let is_best = p
            .best
            .as_ref()
            .is_none_or(|best| config.best.better(figure, best.value, 0.0));
        if is_best {
            p.best = Some(BestEpoch {
                metric: config.best,
                value: figure,
                epoch: metrics.epoch,
            });
        }
        let tired = match &config.early_stopping {
            Some(rule) => p.patience.stop_after(rule, metrics.epoch, metrics.figure(rule.metric)),
            None => false,
        };
        if tired {
            p.ending = Some(Ending::EarlyStopping);
        } else if metrics.epoch >= u64::from(config.epochs) {
            p.ending = Some(Ending::AllEpochs);
        }
        journal::append(&self.trainer.run.metrics_path(), metrics)?;
        if is_best {
            self.save(CheckpointKind::Best)?;
        }
        self.save(CheckpointKind::Last)?;
        self.write_status(RunState::Running)?;
        self.trainer.observer.epoch_end(metrics, is_best);
        Ok(())
    }

    /// Writes the last checkpoint within an epoch, if a step was done since it was written.
    ///
    /// The loss of the last step was that of the weights before it and says nothing of those it made; a checkpoint of
    /// weights that score NaN could never be resumed. So they must score the first validation jets first.
    pub(super) fn save_midway(&mut self) -> Result<()> {
        if self.progress.step == self.saved.1 {
            return Ok(());
        }
        if let Some(batch) = &self.probe {
            score_batch(self.learner, batch, "validation", self.progress.step)?;
        }
        self.save(CheckpointKind::Last)?;
        self.write_status(RunState::Running)
    }

    fn save(&mut self, kind: CheckpointKind) -> Result<()> {
        let now = self.count_time(false);
        self.checkpoints
            .write(kind, self.learner, &self.identity, &self.progress)?;
        if kind == CheckpointKind::Last {
            self.saved = (now, self.progress.step);
        }
        self.trainer.observer.checkpoint(kind);
        Ok(())
    }

    pub(super) fn checkpoint_due(&self, now: f64) -> bool {
        let every = &self.config().checkpoint;
        (every.every_seconds > 0.0 && now - self.saved.0 >= every.every_seconds)
            || (every.every_steps > 0 && self.progress.step - self.saved.1 >= every.every_steps)
    }

    pub(super) fn summary(&self) -> Summary {
        let p = &self.progress;
        Summary {
            epochs: p.epochs_done,
            steps: p.step,
            seconds: p.seconds,
            best: p.best.clone(),
            ending: p.ending,
            scoring: BTreeMap::new(),
        }
    }

    pub(super) fn log(&self, event: &str) -> Result<()> {
        let p = &self.progress;
        let time = self.trainer.clock.unix_seconds();
        self.trainer.run.log(&json!({
            "time": time, "event": event, "epochs_done": p.epochs_done, "batches_done": p.batches_done, "step": p.step,
        }))
    }

    pub(super) fn write_status(&self, state: RunState) -> Result<()> {
        let p = &self.progress;
        self.trainer.run.write_status(&Status {
            state,
            epochs_done: p.epochs_done,
            epochs: u64::from(self.config().epochs),
            step: p.step,
            steps_per_epoch: self.steps_per_epoch,
            best: p.best.clone(),
            message: None,
            updated: self.trainer.clock.unix_seconds(),
        })
    }
}
