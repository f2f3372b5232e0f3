//! Trainings that can be stopped at any moment, resumed to the same bits, and run many at once.
//!
//! # What
//!
//! A [`Trainer`] takes a [`Learner`] (a network with its optimizer, seen from outside), [`Sets`] of [`Examples`] and
//! checked settings ([`TrainingConfig`] -> [`Training`]), and works in a [`RunFolder`]: epochs of steps, validation,
//! early stopping, the best weights, scores of the test jets. [`run_many`] runs independent trainings side by side.
//!
//! ```no_run
//! # use tagwerk_train::{Learner, InMemory, TrainError};
//! # fn f(learner: &mut dyn Learner, train: InMemory, validation: InMemory, test: InMemory) -> Result<(), TrainError> {
//! use std::sync::{Arc, atomic::AtomicBool};
//! use tagwerk_train::{RunFolder, Sets, SystemClock, Trainer, TrainingConfig};
//!
//! let config = TrainingConfig { epochs: 3, ..TrainingConfig::default() };
//! let run = RunFolder::open_or_create("runs/first", &config)?;
//! let training = config.check()?;
//! let (clock, stop) = (SystemClock::new(), Arc::new(AtomicBool::new(false)));
//! let outcome = Trainer::new(&training, &run, &clock, stop, &mut ())
//!     .run(learner, &Sets::new(&train, &validation).score("test", &test))?;
//! println!("{:?}", outcome.summary().best);
//! # Ok(()) }
//! ```
//!
//! # Why so
//!
//! **The loop knows no tensor.** This crate sees a network through a few functions, so it builds without a tensor
//! library, its promises are tested with a toy learner, and networks, boosted trees and samplers share one loop.
//!
//! **Two tasks, one loop.** [`Examples`] say whether their labels are classes or real targets. The loop differs in what
//! it judges an epoch by (AUC and rejections; bias and resolution) and in the columns of the score file.
//!
//! **Same seed, same bits.** The order of the jets is a function of (seed, epoch), a learner addresses its random
//! streams by the global step, and everything else that later bits depend on is in the checkpoint: weights and moments
//! (the learner's files), position in the epoch, running sums of the epoch's loss (as bits, not decimals), best epoch,
//! patience of early stopping. A run killed with `kill -9` and resumed ends in the same weights, metrics and scores as
//! one left alone; timing fields differ. The test `kill_and_resume` does it with real signals.
//!
//! **Nothing half-written.** Files are written beside their names, synced and renamed. A checkpoint is a folder,
//! written beside and put in place by two renames; a kill between the two is put right when the run is next opened.
//! Every file of a checkpoint has a checksum, the state file too, so a damaged one is an error that names it, not a
//! training that goes on from noise.
//!
//! **Nothing mixed.** A checkpoint keeps what its training was begun with as named values: all settings that decide
//! later bits, the data, how they are read. A resume with another value is refused by its name.
//!
//! **One process a folder.** The lock is the kernel's, on an open file: it ends with its process, however that ends, so
//! there are no stale locks ([`RunLock`]).
//!
//! **A loss that is no number stops the run**, with the rows of the batch, before it can reach a checkpoint: weights
//! must score some validation jets before they are kept.
//!
//! # What it costs
//!
//! A batch from memory costs one memory copy a jet. A checkpoint costs writing the learner's files, one SHA-256 over
//! them and a few syncs, after each epoch and at the configured intervals. An epoch costs one shuffle of the jets'
//! numbers. The loop allocates nothing else per step.

#![forbid(unsafe_code)]

mod bits;
mod checkpoint;
mod clock;
mod config;
mod durable;
mod early_stopping;
mod error;
mod examples;
mod facts;
mod gather;
mod import;
mod in_memory;
mod journal;
mod learner;
mod learning_rates;
mod many;
mod metric;
mod observer;
mod predictions;
mod provenance;
mod run_folder;
mod run_lock;
mod schedule;
mod scores;
mod scoring;
mod session;
mod streaming;
mod trainer;

pub use checkpoint::{BestEpoch, Checkpoints, Ending, Progress};
pub use clock::{Clock, SystemClock};
pub use config::{CheckpointConfig, EarlyStopping, OptimizerConfig, OptimizerKind, Training, TrainingConfig};
pub use early_stopping::Patience;
pub use error::{Result, TrainError};
pub use examples::{Batches, Examples, Order, Reading, require_both_classes, require_learnable};
pub use in_memory::InMemory;
pub use journal::{EpochMetrics, PointAuc};
pub use learner::{Batch, Learner, LearnerError, Update};
pub use learning_rates::LearningRates;
pub use many::{Job, JobOutcome, run_many};
pub use metric::Metric;
pub use observer::{CheckpointKind, Observer, StepReport};
pub use predictions::PredictionTable;
pub use provenance::{ImportedWeights, Machine, Provenance, resident_bytes};
pub use run_folder::{RunFolder, RunState, Status};
pub use run_lock::RunLock;
pub use schedule::{Constant, CosineRestarts, Exponential, Halving, OneCycle, Schedule, StepDecay};
pub use scores::ScoreTable;
pub use scoring::{Figures, Scored, figures, score, score_any};
pub use streaming::{Streaming, ViewOf};
pub use trainer::{Outcome, Sets, Summary, Trainer};
