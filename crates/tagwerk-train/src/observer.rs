//! What a training tells while it runs, for progress bars and pages. The loop itself prints nothing.

use crate::journal::EpochMetrics;

/// One step done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Epoch, from 1.
    pub epoch: u64,
    /// Steps of this epoch done.
    pub done: u64,
    /// Steps of this epoch.
    pub steps: u64,
    /// Loss of the batch before the step.
    pub loss: f64,
    /// Mean loss of the epoch so far.
    pub mean_loss: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Training jets a second since the epoch was begun or taken up again.
    pub jets_per_second: f64,
}

/// Which checkpoint was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointKind {
    /// Where the training stands.
    Last,
    /// The best epoch so far.
    Best,
}

/// Listens to a training. All methods have empty defaults; none can change what is trained.
pub trait Observer: Send {
    /// Epoch `epoch` (from 1) of `epochs` begins, or is taken up again with `done` of its `steps` steps.
    fn epoch_start(&mut self, epoch: u64, epochs: u64, done: u64, steps: u64) {
        let _ = (epoch, epochs, done, steps);
    }

    /// A step is done.
    fn step(&mut self, report: &StepReport) {
        let _ = report;
    }

    /// `done` of `jets` jets of `what` (`validation`, or the name of a part) are scored.
    fn scoring(&mut self, what: &str, done: usize, jets: usize) {
        let _ = (what, done, jets);
    }

    /// An epoch is done; `best` tells whether it is the best so far.
    fn epoch_end(&mut self, metrics: &EpochMetrics, best: bool) {
        let _ = (metrics, best);
    }

    /// A checkpoint is on disk.
    fn checkpoint(&mut self, kind: CheckpointKind) {
        let _ = kind;
    }
}

/// Does not listen.
impl Observer for () {}
