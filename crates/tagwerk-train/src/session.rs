//! The training loop.
//!
//! One epoch: batches in the epoch's own order, a step on each, then the validation jets, then the records: a line in
//! `metrics.jsonl`, the best checkpoint if this epoch is the best, the last checkpoint. The records are written in this
//! order, so that whatever a kill leaves out is made again from the last checkpoint, with the same bits, and what it
//! leaves over (lines beyond the checkpoint) is cut.

mod opening;
mod records;

use crate::checkpoint::{Checkpoints, Identity, Progress};
use crate::config::TrainingConfig;
use crate::error::{Result, TrainError};
use crate::examples::Order;
use crate::journal::EpochMetrics;
use crate::learner::{Batch, Learner, Update};
use crate::metric::Metric;
use crate::observer::{CheckpointKind, StepReport};
use crate::provenance::resident_bytes;
use crate::run_folder::RunState;
use crate::scoring::{epoch_figures, score_at};
use crate::trainer::{Outcome, Sets, Summary, Trainer};
use std::sync::atomic::Ordering;
use tagwerk_stats::ScoringTime;

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
    /// The first validation jets: what weights must score before they are kept within an epoch.
    probe: Option<Batch>,
}

impl<'a> Session<'_, 'a> {
    fn config(&self) -> &'a TrainingConfig {
        self.trainer.training.config()
    }

    fn stopping(&self) -> bool {
        self.trainer.stop.load(Ordering::Relaxed)
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
        Ok(Outcome::Finished(Summary {
            scoring: self.trainer.run.scoring_times()?,
            ..self.summary()
        }))
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
        self.learner.end_epoch().map_err(|source| TrainError::Learner {
            doing: format!("end of epoch {epoch}"),
            source,
        })?;
        let Some(metrics) = self.validate(epoch)? else {
            self.save_midway()?;
            return Ok(Flow::Stop);
        };
        self.close_epoch(&metrics)?;
        Ok(Flow::Go)
    }

    fn train_batches(&mut self, epoch: u64) -> Result<Flow> {
        let config = self.config();
        // Before the training jets are read: two streams at once would take twice the memory.
        if self.probe.is_none() {
            let size = config.score_batch_size;
            let mut batches = self.sets.validation.batches(Order::STORED, size, 0);
            self.probe = batches.next().transpose()?;
        }
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
        let figures = epoch_figures(&table, "validation", &wanted)?;
        let now = self.count_time(false);
        let p = &self.progress;
        Ok(Some(EpochMetrics {
            epoch,
            step: p.step,
            train_loss: p.loss_sum / p.epoch_jets as f64,
            val_loss: figures.loss,
            val_auc: figures.auc,
            val_points: figures.points,
            val_accuracy: figures.accuracy,
            val_bias: figures.bias,
            val_resolution: figures.resolution,
            val_nll: None,
            val_rejection: figures.rejection,
            learning_rate: p.learning_rate,
            seconds: p.epoch_seconds,
            validation_seconds: now - start,
            jets_per_second: rate(p.epoch_jets as f64, p.epoch_seconds),
            resident_bytes: resident_bytes(),
        }))
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
            let start = self.trainer.clock.seconds();
            let scored = score_at(
                self.learner,
                *examples,
                batch_size,
                part,
                observer,
                stop,
                self.progress.step,
            )?;
            let Some(table) = scored else {
                return Ok(Flow::Stop);
            };
            let time = ScoringTime {
                jets: table.len(),
                seconds: self.trainer.clock.seconds() - start,
                view_seconds: examples.view_seconds(),
                threads: rayon::current_num_threads(),
            };
            // Before the scores: where they are, so is their time.
            self.trainer.run.write_scoring_time(part, time)?;
            table.write(&path)?;
        }
        Ok(Flow::Go)
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
