//! The training of a surrogate: epochs of flow-matching steps in a run folder, resumable to the same bits.
//!
//! tagwerk-train's own loop judges classifiers by the order of their scores. A density is judged by its likelihood, so
//! the loop is here; folder, journal, status and lock are those of every run. The order of the rows is a function of
//! (seed, epoch), times and noise of (seed, step); everything else that later bits depend on is in the checkpoint.
//!
//! ```text
//! checkpoints/last.safetensors   where the training stands
//! checkpoints/best.safetensors   the best epoch
//! surrogate/                     the finished surrogate, see [`Surrogate`]
//! ```

mod optimizer;
mod prepared;
mod state;

pub use optimizer::Adam;

use crate::conditions::Conditions;
use crate::config::SurrogateConfig;
use crate::error::SurrogateError;
use crate::flow::matching_loss;
use crate::surrogate::Surrogate;
use crate::table::Table;
use crate::transform::Clamped;
use prepared::Prepared;
use serde::Serialize;
use serde_json::json;
use state::{Progress, State};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use tagwerk_data::permutation;
use tagwerk_train::{
    BestEpoch, CheckpointKind, Clock, EpochMetrics, Observer, RunFolder, RunLock, RunState, Status, StepReport,
    resident_bytes,
};

/// Stream of times and noise of the steps.
const STEP_NOISE: &str = "surrogate step";

/// What a training came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingSummary {
    /// Whether all epochs are done; else it was stopped and can be resumed.
    pub finished: bool,
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Seconds of training, over all processes that worked at it.
    pub seconds: f64,
    /// The best epoch.
    pub best: Option<BestEpoch>,
    /// Parameters of the network, `P`.
    pub parameters: usize,
    /// Training rows.
    pub rows: usize,
    /// Training scores that the transformation put back to its limits.
    pub clamped: Clamped,
}

/// A training in its folder.
pub struct SurrogateTrainer<'a> {
    config: &'a SurrogateConfig,
    run: &'a RunFolder,
    clock: &'a dyn Clock,
    stop: &'a AtomicBool,
    observer: &'a mut dyn Observer,
    standardized: Option<&'a Conditions>,
}

impl<'a> SurrogateTrainer<'a> {
    /// A training of `config` in the folder `run`, which stops soon after `stop` is set.
    pub fn new(
        config: &'a SurrogateConfig,
        run: &'a RunFolder,
        clock: &'a dyn Clock,
        stop: &'a AtomicBool,
        observer: &'a mut dyn Observer,
    ) -> Self {
        Self {
            config,
            run,
            clock,
            stop,
            observer,
            standardized: None,
        }
    }

    /// The same with the standardization of another training, instead of one fitted on the training rows: members of an
    /// ensemble share it, so that they are sets of weights of one surrogate.
    pub fn standardized_by(mut self, conditions: &'a Conditions) -> Self {
        self.standardized = Some(conditions);
        self
    }

    /// Trains, or goes on from the last checkpoint, and leaves the surrogate in the folder.
    ///
    /// # Errors
    /// Settings out of range; tables that do not fit; a checkpoint of another training; a loss that is no number.
    pub fn run(&mut self, train: &Table, validation: &Table) -> Result<TrainingSummary, SurrogateError> {
        let _lock = RunLock::take(self.run.path())?;
        let result = self.locked(train, validation);
        if let Err(error) = &result {
            // The error itself matters more than that the status could not be written.
            let _ = self.log("failed", json!({ "message": error.to_string() }));
            if let Ok(Some(status)) = self.run.status() {
                let _ = self.run.write_status(&Status {
                    state: RunState::Failed,
                    message: Some(error.to_string()),
                    updated: self.clock.unix_seconds(),
                    ..status
                });
            }
        }
        result
    }

    fn locked(&mut self, train: &Table, validation: &Table) -> Result<TrainingSummary, SurrogateError> {
        let fixed = Prepared::new(self.config, train, validation, self.standardized)?;
        let mut state = self.take_up(&fixed)?;
        self.run.take_up_journals(state.progress.epochs)?;
        let epochs = u64::from(self.config.training.epochs);
        self.log(
            "begun or resumed",
            json!({ "step": state.progress.step, "clamped": fixed.clamped }),
        )?;
        self.status(&fixed, &state, RunState::Running)?;
        let mut finished = true;
        while state.progress.epochs < epochs {
            if !self.epoch(&fixed, &mut state)? {
                finished = false;
                break;
            }
        }
        let best = self.best(&fixed, &state);
        if finished {
            let answering = match State::read(&fixed.net, &self.path("best"))? {
                Some(best) => best.answering().to_vec(),
                None => state.answering().to_vec(),
            };
            let surrogate = Surrogate::new(
                self.config.name.clone(),
                self.config.data.scores.clone(),
                self.config.transform,
                fixed.conditions.clone(),
                self.config.model,
                vec![answering],
            )?
            .answered_by(self.config.solver, self.config.interpolation)?;
            surrogate.save(&self.run.path().join("surrogate"))?;
            self.log("finished", json!({}))?;
        }
        self.status(
            &fixed,
            &state,
            if finished {
                RunState::Finished
            } else {
                RunState::Stopped
            },
        )?;
        Ok(TrainingSummary {
            finished,
            epochs: state.progress.epochs,
            steps: state.progress.step,
            seconds: state.progress.seconds,
            best,
            parameters: fixed.net.parameter_count(),
            rows: train.len(),
            clamped: fixed.clamped,
        })
    }

    /// The state of the last checkpoint, or a new one.
    fn take_up(&self, fixed: &Prepared) -> Result<State, SurrogateError> {
        let path = self.path("last");
        match State::read(&fixed.net, &path)? {
            Some(state) if state.progress.identity == fixed.identity => Ok(state),
            Some(_) => Err(SurrogateError::File {
                path,
                reason:
                    "it was begun with other settings or other data; a run is resumed with what it was begun with: \
                         start a new run"
                        .to_owned(),
            }),
            None => {
                let theta = fixed.net.init(self.config.training.seed);
                Ok(State {
                    adam: Adam::new(theta.len()),
                    mean: self.config.training.ema.map(|_| theta.clone()),
                    theta,
                    progress: Progress::start(fixed.identity.clone()),
                })
            }
        }
    }

    /// One epoch, or what is left of it; `false` when it was stopped.
    fn epoch(&mut self, fixed: &Prepared, state: &mut State) -> Result<bool, SurrogateError> {
        let training = &self.config.training;
        let examples = fixed.examples()?;
        let epoch = state.progress.epochs + 1;
        let order = permutation(examples.len(), training.seed, state.progress.epochs);
        let (steps, epochs) = (fixed.steps_per_epoch, u64::from(training.epochs));
        self.observer.epoch_start(epoch, epochs, state.progress.batches, steps);
        let mut gradient = vec![0.0f32; fixed.net.parameter_count()];
        let mut rate = 0.0;
        let (mut last_saved, begun, done_before) = (self.clock.seconds(), self.clock.seconds(), state.progress.rows);
        let mut counted = begun;
        for rows in order.chunks(training.batch_size).skip(state.progress.batches as usize) {
            if self.stop.load(Ordering::Relaxed) {
                self.save(fixed, state)?;
                return Ok(false);
            }
            let step = state.progress.step;
            let pairs = self
                .config
                .flow
                .draw(examples, rows, (training.seed, STEP_NOISE, step))?;
            gradient.fill(0.0);
            let loss = matching_loss(&fixed.net, &state.theta, &pairs, Some(&mut gradient))?;
            let norm = gradient
                .iter()
                .map(|g| f64::from(*g) * f64::from(*g))
                .sum::<f64>()
                .sqrt();
            if !loss.is_finite() || !norm.is_finite() {
                let shown: Vec<String> = rows.iter().take(8).map(|&row| fixed.rows[row].to_string()).collect();
                return Err(SurrogateError::Loss {
                    epoch,
                    step,
                    loss,
                    rows: shown.join(", "),
                });
            }
            if let Some(limit) = training.gradient_clip_norm.filter(|limit| norm > *limit) {
                let shrink = (limit / norm) as f32;
                gradient.iter_mut().for_each(|g| *g *= shrink);
            }
            rate = training.optimizer.learning_rate * training.schedule.factor(step, fixed.total_steps());
            state
                .adam
                .step(&training.optimizer, rate, step, &mut state.theta, &gradient);
            if let (Some(mean), Some(decay)) = (&mut state.mean, training.ema) {
                let decay = decay as f32;
                for (m, &w) in mean.iter_mut().zip(&state.theta) {
                    *m = decay * *m + (1.0 - decay) * w;
                }
            }
            let p = &mut state.progress;
            p.loss_bits = (p.loss() + loss * rows.len() as f64).to_bits();
            p.rows += rows.len() as u64;
            p.batches += 1;
            p.step += 1;
            let now = self.clock.seconds();
            p.seconds += now - counted;
            p.epoch_seconds += now - counted;
            counted = now;
            self.observer.step(&StepReport {
                epoch,
                done: p.batches,
                steps,
                loss,
                mean_loss: p.loss() / p.rows as f64,
                learning_rate: rate,
                jets_per_second: (p.rows - done_before) as f64 / (now - begun).max(1e-9),
            });
            let every = &training.checkpoint;
            let by_time = every.every_seconds > 0.0 && now - last_saved >= every.every_seconds;
            if by_time || (every.every_steps > 0 && p.step.is_multiple_of(every.every_steps)) {
                self.save(fixed, state)?;
                last_saved = now;
            }
        }
        self.close(fixed, state, epoch, rate)?;
        Ok(true)
    }

    /// Validates, judges and records an epoch whose steps are done.
    fn close(&mut self, fixed: &Prepared, state: &mut State, epoch: u64, rate: f64) -> Result<(), SurrogateError> {
        let training = &self.config.training;
        let p = &mut state.progress;
        let train_loss = p.loss() / p.rows as f64;
        let (rows, seconds) = (p.rows, p.epoch_seconds);
        p.epochs = epoch;
        (p.batches, p.rows, p.loss_bits, p.epoch_seconds) = (0, 0, 0f64.to_bits(), 0.0);
        let start = self.clock.seconds();
        let weights = state.answering();
        let val_loss = matching_loss(&fixed.net, weights, &fixed.validation.pairs, None)?;
        if !val_loss.is_finite() {
            return Err(SurrogateError::Loss {
                epoch,
                step: state.progress.step,
                loss: val_loss,
                rows: "of validation".to_owned(),
            });
        }
        let val_nll = match training.has_nll(epoch) {
            true => fixed.validation.nll(training.nll_steps, &fixed.net, weights)?,
            false => None,
        };
        let validation_seconds = self.clock.seconds() - start;
        state.progress.seconds += validation_seconds;
        let metrics = EpochMetrics {
            val_points: None,
            epoch,
            step: state.progress.step,
            train_loss,
            val_loss,
            val_auc: None,
            val_accuracy: None,
            val_bias: None,
            val_resolution: None,
            val_nll,
            val_rejection: BTreeMap::new(),
            learning_rate: rate,
            seconds,
            validation_seconds,
            jets_per_second: rows as f64 / seconds.max(1e-9),
            resident_bytes: resident_bytes(),
        };
        let metric = training.metric(fixed.net.scores());
        let figure = metrics.figure(metric);
        let old = state.progress.best.map_or(f64::NAN, |(bits, _)| f64::from_bits(bits));
        let best = metric.better(figure, old, 0.0);
        if best {
            state.progress.best = Some((figure.to_bits(), epoch));
        }
        self.run.append_metrics(&metrics)?;
        if best {
            state.write(&fixed.net, &self.path("best"))?;
            self.observer.checkpoint(CheckpointKind::Best);
        }
        self.save(fixed, state)?;
        self.observer.epoch_end(&metrics, best);
        Ok(())
    }

    fn save(&mut self, fixed: &Prepared, state: &State) -> Result<(), SurrogateError> {
        state.write(&fixed.net, &self.path("last"))?;
        self.status(fixed, state, RunState::Running)?;
        self.observer.checkpoint(CheckpointKind::Last);
        Ok(())
    }

    fn best(&self, fixed: &Prepared, state: &State) -> Option<BestEpoch> {
        state.progress.best.map(|(bits, epoch)| BestEpoch {
            metric: self.config.training.metric(fixed.net.scores()),
            value: f64::from_bits(bits),
            epoch,
        })
    }

    fn status(&self, fixed: &Prepared, state: &State, run_state: RunState) -> Result<(), SurrogateError> {
        Ok(self.run.write_status(&Status {
            state: run_state,
            epochs_done: state.progress.epochs,
            epochs: u64::from(self.config.training.epochs),
            step: state.progress.step,
            steps_per_epoch: fixed.steps_per_epoch,
            best: self.best(fixed, state),
            message: None,
            updated: self.clock.unix_seconds(),
        })?)
    }

    fn log(&self, event: &str, more: serde_json::Value) -> Result<(), SurrogateError> {
        let time = self.clock.unix_seconds();
        Ok(self.run.log(&json!({ "time": time, "event": event, "more": more }))?)
    }

    fn path(&self, which: &str) -> PathBuf {
        self.run.path().join("checkpoints").join(format!("{which}.safetensors"))
    }
}

#[cfg(test)]
mod tests;
