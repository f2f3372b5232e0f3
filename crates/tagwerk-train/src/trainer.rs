//! A training as its caller sees it: what goes in, what comes out.

use crate::checkpoint::{BestEpoch, Ending};
use crate::clock::Clock;
use crate::config::Training;
use crate::error::{Result, TrainError};
use crate::examples::{Examples, require_learnable};
use crate::facts::{Facts, facts};
use crate::learner::Learner;
use crate::observer::Observer;
use crate::provenance::Provenance;
use crate::run_folder::{RunFolder, RunState, Status};
use crate::run_lock::RunLock;
use crate::session::Session;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tagwerk_stats::ScoringTime;

/// What a training is made of and what it is judged by.
pub struct Sets<'a> {
    pub(crate) train: &'a dyn Examples,
    pub(crate) validation: &'a dyn Examples,
    pub(crate) score: Vec<(String, &'a dyn Examples)>,
    pub(crate) facts: Facts,
}

impl<'a> Sets<'a> {
    /// Jets to train on and jets to validate with.
    pub fn new(train: &'a dyn Examples, validation: &'a dyn Examples) -> Self {
        Self {
            train,
            validation,
            score: Vec::new(),
            facts: Facts::new(),
        }
    }

    /// Adds a part to score with the best weights after the training, under the name `part` (`test`, usually).
    pub fn score(mut self, part: impl Into<String>, examples: &'a dyn Examples) -> Self {
        self.score.push((part.into(), examples));
        self
    }

    /// Says what else the training is made of (the network's settings, the data's checksums), under a name: a run is
    /// only resumed with the same, and an error names the key that differs.
    ///
    /// # Errors
    /// A value that does not serialize.
    pub fn fact(mut self, name: &str, value: &impl Serialize) -> Result<Self> {
        self.facts.extend(facts(name, value, Path::new(name))?);
        Ok(self)
    }
}

impl Sets<'_> {
    /// Refuses sets of one class or one target, of different tasks, and part names that are no file names.
    pub(crate) fn check(&self) -> Result<()> {
        for (i, (part, _)) in self.score.iter().enumerate() {
            let plain = part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if part.is_empty() || !plain || self.score[..i].iter().any(|(other, _)| other == part) {
                let reason = "allowed: letters, digits, - and _, each name once".to_owned();
                return Err(TrainError::Examples {
                    what: format!("part `{part}` to score"),
                    reason,
                });
            }
        }
        let task = self.train.task();
        let others = self.score.iter().map(|(part, examples)| (part.as_str(), *examples));
        let all = [("training", self.train), ("validation", self.validation)];
        for (part, examples) in all.into_iter().chain(others) {
            if examples.task() != task {
                return Err(TrainError::Examples {
                    what: format!("the {part} part"),
                    reason: format!(
                        "of a {}; that for training is of a {}",
                        examples.task().name(),
                        task.name()
                    ),
                });
            }
            require_learnable(part, examples)?;
        }
        Ok(())
    }
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Trained to its end and scored; the learner holds the best weights.
    Finished(Summary),
    /// Stopped on demand; the same call resumes it.
    Stopped(Summary),
}

impl Outcome {
    /// What was done, in either case.
    pub fn summary(&self) -> &Summary {
        match self {
            Self::Finished(summary) | Self::Stopped(summary) => summary,
        }
    }
}

/// What a training has done, over all processes that worked at it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Seconds of training and validation.
    pub seconds: f64,
    /// The best epoch, absent before the first is done.
    pub best: Option<BestEpoch>,
    /// Why it ended, absent when it was stopped before.
    pub ending: Option<Ending>,
    /// How long scoring each part took, by the part's name; empty when it was stopped before.
    pub scoring: BTreeMap<String, ScoringTime>,
}

/// Trains a learner in a run folder.
pub struct Trainer<'a> {
    pub(crate) training: &'a Training,
    pub(crate) run: &'a RunFolder,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) observer: &'a mut dyn Observer,
    pub(crate) provenance: Option<Provenance>,
}

impl<'a> Trainer<'a> {
    /// A trainer that listens to `stop` (raise it, from a Ctrl-C handler say, and the training stops after the step
    /// under way) and tells `observer` what happens.
    pub fn new(
        training: &'a Training,
        run: &'a RunFolder,
        clock: &'a dyn Clock,
        stop: Arc<AtomicBool>,
        observer: &'a mut dyn Observer,
    ) -> Self {
        Self {
            training,
            run,
            clock,
            stop,
            observer,
            provenance: None,
        }
    }

    /// Writes this into the run folder, once the folder is this training's own and there is something to train.
    pub fn provenance(mut self, provenance: Provenance) -> Self {
        self.provenance = Some(provenance);
        self
    }

    /// Trains, validates, keeps the best weights, scores; begins anew or resumes, whichever the run folder asks for.
    /// Calling it again after [`Outcome::Finished`] trains nothing and loads the best weights.
    ///
    /// `learner` must be built as for a new training, with the same seed each time.
    ///
    /// # Errors
    /// Whatever [`TrainError`] tells; the run folder then stays resumable from its last checkpoint.
    pub fn run(&mut self, learner: &mut dyn Learner, sets: &Sets) -> Result<Outcome> {
        let _lock = RunLock::take(self.run.path())?;
        // A resume that is refused changes nothing: a finished run stays finished.
        let mut session = Session::open(self, learner, sets)?;
        let result = session.run();
        if let Err(error) = &result {
            self.record_failure(error);
        }
        result
    }

    /// Says in the folder what went wrong. That this may fail too must not hide the first error.
    fn record_failure(&self, error: &TrainError) {
        let message = error.to_string();
        let event = json!({"time": self.clock.unix_seconds(), "event": "failed", "message": message});
        let status = self.run.status().map(|status| {
            status.map(|s| Status {
                state: RunState::Failed,
                message: Some(message),
                updated: self.clock.unix_seconds(),
                ..s
            })
        });
        let written = status.and_then(|s| s.map_or(Ok(()), |s| self.run.write_status(&s)));
        if let Err(second) = self.run.log(&event).and(written) {
            tracing::warn!(%second, "the failure could not be recorded in the run folder");
        }
    }
}
