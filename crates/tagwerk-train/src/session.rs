//! The training loop.
//!
//! One epoch: batches in the epoch's own order, a step on each, then the validation jets, then the records: a line in
//! `metrics.jsonl`, the best checkpoint if this epoch is the best, the last checkpoint. The records are written in this order, so
//! that whatever a kill leaves out is made again from the last checkpoint, with the same bits, and what it leaves over (lines beyond
//! the checkpoint) is cut.

use crate::checkpoint::{BestEpoch, Checkpoints, Ending, Identity, Progress, fingerprint};
use crate::config::TrainingConfig;
use crate::error::{Result, TrainError, io};
use crate::examples::Order;
use crate::journal::{self, EpochMetrics};
use crate::learner::{Batch, Learner, Update};
use crate::metric::Metric;
use crate::observer::{CheckpointKind, StepReport};
use crate::provenance::resident_bytes;
use crate::run_folder::{RunState, Status};
use crate::scoring::{figures, score_at, score_batch};
use crate::trainer::{Outcome, Sets, Summary, Trainer};
use serde_json::json;
use std::sync::atomic::Ordering;

/// Whether to go on.
enum Flow {
    Go,
    Stop,
}

/// One call of [`Trainer::run`].
pub(crate) struct Session<'t, 'a> {
    trainer: &'t mut Trainer<'a>,
    learner: &'t mut dyn Learner,
    sets: &'t Sets<'t>,
    checkpoints: Checkpoints,
    identity: Identity,
    progress: Progress,
    steps_per_epoch: u64,
    /// Clock at the last addition to `progress.seconds`.
    counted: f64,
    /// Clock and step at the last checkpoint.
    saved: (f64, u64),
    /// The first validation jets, kept once they were needed.
    probe: Option<Batch>,
}

impl<'t, 'a> Session<'t, 'a> {
    pub(crate) fn open(trainer: &'t mut Trainer<'a>, learner: &'t mut dyn Learner, sets: &'t Sets<'t>) -> Result<Self> {
        sets.check()?;
        let config = trainer.training.config();
        let identity = Identity {
            settings: fingerprint(&trainer.training.decisive()?),
            data: fingerprint(&sets.fingerprint),
            train_jets: sets.train.len() as u64,
            validation_jets: sets.validation.len() as u64,
            parameters: learner.parameter_count() as u64,
        };
        let checkpoints = trainer.run.checkpoints();
        checkpoints.recover()?;
        let mut progress = Progress::start();
        let mut event = "begun";
        if let Some(found) = checkpoints.read(CheckpointKind::Last, &identity)? {
            let path = checkpoints.path(CheckpointKind::Last);
            learner.load(&path).map_err(|source| TrainError::Learner {
                doing: format!("loading {}", path.display()),
                source,
            })?;
            (progress, event) = (found, "resumed");
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

    fn config(&self) -> &'a TrainingConfig {
        self.trainer.training.config()
    }

    fn stopping(&self) -> bool {
        self.trainer.stop.load(Ordering::Relaxed)
    }

    /// Takes up a training that was at its last epoch when more epochs are wanted now. Its scores are those of an earlier end.
    fn prolong(&mut self) -> Result<()> {
        if self.progress.ending == Some(Ending::AllEpochs)
            && self.progress.epochs_done < u64::from(self.config().epochs)
        {
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

    pub(crate) fn run(&mut self) -> Result<Outcome> {
        while self.progress.ending.is_none() {
            if let Flow::Stop = self.epoch()? {
                return self.stopped();
            }
        }
        let best = self.checkpoints.path(CheckpointKind::Best);
        if self.checkpoints.read(CheckpointKind::Best, &self.identity)?.is_none() {
            let reason = "the training is over but its best checkpoint is not there".to_owned();
            return Err(TrainError::Checkpoint { path: best, reason });
        }
        self.learner.load_weights(&best).map_err(|source| TrainError::Learner {
            doing: format!("loading weights from {}", best.display()),
            source,
        })?;
        if let Flow::Stop = self.score_parts()? {
            return self.stopped();
        }
        self.write_status(RunState::Finished)?;
        self.log("finished")?;
        Ok(Outcome::Finished(self.summary()))
    }

    fn stopped(&mut self) -> Result<Outcome> {
        self.write_status(RunState::Stopped)?;
        self.log("stopped")?;
        Ok(Outcome::Stopped(self.summary()))
    }

    /// Takes up the epoch under way and brings it to its end.
    fn epoch(&mut self) -> Result<Flow> {
        let (epoch, epochs) = (self.progress.epochs_done + 1, u64::from(self.config().epochs));
        self.trainer
            .observer
            .epoch_start(epoch, epochs, self.progress.batches_done, self.steps_per_epoch);
        if let Flow::Stop = self.train_batches(epoch)? {
            return Ok(Flow::Stop);
        }
        if self.progress.batches_done != self.steps_per_epoch {
            let (expected, found) = (self.steps_per_epoch, self.progress.batches_done);
            return Err(TrainError::BatchCount { epoch, expected, found });
        }
        let Some(metrics) = self.validate(epoch)? else {
            self.save_midway()?;
            return Ok(Flow::Stop);
        };
        self.close_epoch(&metrics)?;
        Ok(Flow::Go)
    }

    fn train_batches(&mut self, epoch: u64) -> Result<Flow> {
        let config = self.config();
        let order = Order {
            seed: config.seed,
            epoch: epoch - 1,
            shuffle: true,
        };
        let start = (self.trainer.clock.seconds(), self.progress.epoch_jets);
        let train = self.sets.train;
        for batch in train.batches(order, config.batch_size, self.progress.batches_done) {
            if self.stopping() {
                self.save_midway()?;
                return Ok(Flow::Stop);
            }
            if self.progress.batches_done >= self.steps_per_epoch {
                let (expected, found) = (self.steps_per_epoch, self.progress.batches_done + 1);
                return Err(TrainError::BatchCount { epoch, expected, found });
            }
            let batch = batch?;
            let loss = self.step(epoch, &batch)?;
            let now = self.count_time(true);
            let jets = (self.progress.epoch_jets - start.1) as f64;
            self.trainer.observer.step(&StepReport {
                epoch,
                done: self.progress.batches_done,
                steps: self.steps_per_epoch,
                loss,
                mean_loss: self.progress.loss_sum / self.progress.epoch_jets as f64,
                learning_rate: self.progress.learning_rate,
                jets_per_second: rate(jets, now - start.0),
            });
            if self.checkpoint_due(now) {
                self.save_midway()?;
            }
        }
        Ok(Flow::Go)
    }

    fn step(&mut self, epoch: u64, batch: &Batch) -> Result<f64> {
        let step = self.progress.step;
        let learning_rate = self.trainer.training.rates().at(step, self.steps_per_epoch);
        let loss = self
            .learner
            .step(batch, Update { step, learning_rate })
            .map_err(|source| TrainError::Learner {
                doing: format!("epoch {epoch}, step {step}"),
                source,
            })?;
        if !loss.is_finite() {
            return Err(TrainError::Loss {
                epoch,
                step,
                loss,
                rows: row_list(&batch.rows),
            });
        }
        let p = &mut self.progress;
        p.step += 1;
        p.batches_done += 1;
        p.epoch_jets += batch.len() as u64;
        p.loss_sum += loss * batch.len() as f64;
        p.learning_rate = learning_rate;
        Ok(loss)
    }

    fn checkpoint_due(&self, now: f64) -> bool {
        let every = &self.config().checkpoint;
        (every.every_seconds > 0.0 && now - self.saved.0 >= every.every_seconds)
            || (every.every_steps > 0 && self.progress.step - self.saved.1 >= every.every_steps)
    }

    /// Adds the time since the last call to the sums; returns the clock.
    fn count_time(&mut self, training: bool) -> f64 {
        let now = self.trainer.clock.seconds();
        let passed = (now - self.counted).max(0.0);
        self.counted = now;
        self.progress.seconds += passed;
        if training {
            self.progress.epoch_seconds += passed;
        }
        now
    }

    /// Scores the validation jets; `None` when stopped meanwhile.
    fn validate(&mut self, epoch: u64) -> Result<Option<EpochMetrics>> {
        self.count_time(true);
        let start = self.counted;
        let config = self.config();
        let scored = score_at(
            self.learner,
            self.sets.validation,
            config.score_batch_size,
            "validation",
            self.trainer.observer,
            &self.trainer.stop,
            self.progress.step,
        )?;
        let Some(table) = scored else { return Ok(None) };
        let mut wanted: Vec<Metric> = vec![config.best];
        wanted.extend(config.early_stopping.as_ref().map(|rule| rule.metric));
        let figures = figures(&table, "validation", &wanted)?;
        let now = self.count_time(false);
        let p = &self.progress;
        Ok(Some(EpochMetrics {
            epoch,
            step: p.step,
            train_loss: p.loss_sum / p.epoch_jets as f64,
            val_loss: figures.loss,
            val_auc: figures.auc,
            val_accuracy: figures.accuracy,
            val_rejection: figures.rejection,
            learning_rate: p.learning_rate,
            seconds: p.epoch_seconds,
            validation_seconds: now - start,
            jets_per_second: rate(p.epoch_jets as f64, p.epoch_seconds),
            resident_bytes: resident_bytes(),
        }))
    }

    /// Judges the epoch and writes its records, the checkpoint to resume from last.
    fn close_epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
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
    /// The loss of the last step was that of the weights before it and says nothing of those it made; a checkpoint of weights that
    /// score NaN could never be resumed. So they must score the first validation jets first.
    fn save_midway(&mut self) -> Result<()> {
        if self.progress.step == self.saved.1 {
            return Ok(());
        }
        if self.probe.is_none() {
            let size = self.config().score_batch_size;
            self.probe = self
                .sets
                .validation
                .batches(Order::STORED, size, 0)
                .next()
                .transpose()?;
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

    /// Scores every part that has no score file yet: a part's file appears when it is complete.
    fn score_parts(&mut self) -> Result<Flow> {
        let batch_size = self.config().score_batch_size;
        for (part, examples) in &self.sets.score {
            let path = self.trainer.run.scores_path(part);
            if path.exists() {
                continue;
            }
            let (observer, stop) = (&mut *self.trainer.observer, &self.trainer.stop);
            match score_at(
                self.learner,
                *examples,
                batch_size,
                part,
                observer,
                stop,
                self.progress.step,
            )? {
                Some(table) => table.write(&path)?,
                None => return Ok(Flow::Stop),
            }
        }
        Ok(Flow::Go)
    }

    fn summary(&self) -> Summary {
        let p = &self.progress;
        Summary {
            epochs: p.epochs_done,
            steps: p.step,
            seconds: p.seconds,
            best: p.best.clone(),
            ending: p.ending,
        }
    }

    fn log(&self, event: &str) -> Result<()> {
        let p = &self.progress;
        let time = self.trainer.clock.unix_seconds();
        self.trainer.run.log(&json!({
            "time": time, "event": event, "epochs_done": p.epochs_done, "batches_done": p.batches_done, "step": p.step,
        }))
    }

    fn write_status(&self, state: RunState) -> Result<()> {
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

fn rate(jets: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { jets / seconds } else { 0.0 }
}

/// The first rows of a batch, enough to find it.
fn row_list(rows: &[u64]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = rows.iter().take(SHOWN).map(u64::to_string).collect();
    let more = rows.len().saturating_sub(SHOWN);
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}
