//! Where batches come from.

use crate::error::{Result, TrainError};
use crate::learner::Batch;
use serde::{Deserialize, Serialize};
use std::fmt;
use tagwerk_data::Task;

/// In which order the jets of one epoch come: a pure function of these three values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Seed of the training.
    pub seed: u64,
    /// Epoch, from 0: each has its own order.
    pub epoch: u64,
    /// `false` gives the order in which the jets are stored.
    pub shuffle: bool,
}

impl Order {
    /// The stored order.
    pub const STORED: Order = Order {
        seed: 0,
        epoch: 0,
        shuffle: false,
    };
}

/// How jets come from disk. With the seed it decides their order in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Read once and held.
    InMemory,
    /// Read anew in each epoch.
    Streamed {
        /// Bytes of decoded jets held at a time; they set how far a shuffle reaches.
        budget_bytes: u64,
    },
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InMemory => f.write_str("in memory"),
            Self::Streamed { budget_bytes } => write!(f, "from disk within {budget_bytes} bytes"),
        }
    }
}

/// Batches of one epoch.
pub type Batches<'a> = Box<dyn Iterator<Item = Result<Batch>> + Send + 'a>;

/// Labeled jets, or other events, that can be walked through in batches, as often as needed and from any position.
pub trait Examples: Send + Sync {
    /// Number of jets.
    fn len(&self) -> usize;

    /// Whether there is no jet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is learned of them: what their labels are. Default: two classes.
    fn task(&self) -> Task {
        Task::Classification
    }

    /// How they are read. Default: from memory.
    fn reading(&self) -> Reading {
        Reading::InMemory
    }

    /// Processor seconds that computing the view of all of them took before they were there: wall-clock seconds times
    /// threads. Default: 0, the view is computed with the batches.
    fn view_seconds(&self) -> f64 {
        0.0
    }

    /// The batches of one epoch, all of `batch_size` jets but the last, without the first `skip_batches`.
    ///
    /// Skipping is what resumes an epoch: batch `n` of a skipped walk equals batch `n + skip_batches` of a full one,
    /// bit for bit. A `batch_size` of 0 counts as 1.
    fn batches(&self, order: Order, batch_size: usize, skip_batches: u64) -> Batches<'_>;
}

/// Refuses examples that nothing can be learned from: of one class, or with one target alone. `part` is what the error
/// calls them.
///
/// Walks the examples in stored order until two different labels were seen.
///
/// # Errors
/// [`TrainError::Classes`], [`TrainError::Targets`]; examples that cannot be read.
pub fn require_learnable(part: &str, examples: &dyn Examples) -> Result<()> {
    match examples.task() {
        Task::Classification => require_both_classes(part, examples),
        Task::Regression => require_targets(part, examples),
    }
}

/// The first batches usually have two different targets.
fn require_targets(part: &str, examples: &dyn Examples) -> Result<()> {
    const BATCH: usize = 1024;
    let (mut first, mut events) = (None, 0);
    for batch in examples.batches(Order::STORED, BATCH, 0) {
        let batch = batch?;
        events += batch.len();
        let first = *first.get_or_insert(batch.labels.first().copied().unwrap_or(f32::NAN));
        if batch.labels.iter().any(|&label| label != first) {
            return Ok(());
        }
    }
    Err(TrainError::Targets {
        part: part.to_owned(),
        events,
        target: first.unwrap_or(f32::NAN),
    })
}

/// Refuses examples without signal or without background: nothing can be learned from them, and no ROC curve be drawn.
/// `part` is what the error calls them.
///
/// Walks the examples in stored order until both classes were seen.
///
/// # Errors
/// [`TrainError::Classes`] with the counts; examples that cannot be read.
pub fn require_both_classes(part: &str, examples: &dyn Examples) -> Result<()> {
    const BATCH: usize = 1024;
    let (mut signal, mut background) = (0, 0);
    for batch in examples.batches(Order::STORED, BATCH, 0) {
        let batch = batch?;
        let of_signal = batch.labels.iter().filter(|&&label| label > 0.5).count();
        signal += of_signal;
        background += batch.len() - of_signal;
        if signal > 0 && background > 0 {
            return Ok(());
        }
    }
    Err(TrainError::Classes {
        part: part.to_owned(),
        signal,
        background,
    })
}
