//! Where batches come from.

use crate::error::Result;
use crate::learner::Batch;

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

/// Batches of one epoch.
pub type Batches<'a> = Box<dyn Iterator<Item = Result<Batch>> + Send + 'a>;

/// Labeled jets that can be walked through in batches, as often as needed and from any position.
pub trait Examples: Send + Sync {
    /// Number of jets.
    fn len(&self) -> usize;

    /// Whether there is no jet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batches of one epoch, all of `batch_size` jets but the last, without the first `skip_batches`.
    ///
    /// Skipping is what resumes an epoch: batch `n` of a skipped walk equals batch `n + skip_batches` of a full one, bit for bit.
    /// A `batch_size` of 0 counts as 1.
    fn batches(&self, order: Order, batch_size: usize, skip_batches: u64) -> Batches<'_>;
}
