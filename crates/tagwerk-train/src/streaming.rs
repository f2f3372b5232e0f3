//! Examples from files larger than memory.

use crate::error::{Result, TrainError};
use crate::examples::{Batches, Examples, Order, Reading};
use crate::gather;
use crate::learner::Batch;
use std::collections::VecDeque;
use std::sync::Arc;
use tagwerk_data::{JetDataset, JetStream, Jets, Part, StreamOptions};
use tagwerk_physics::View;

/// Computes the view of a chunk of jets; must treat each jet alone, since where chunks are cut means nothing.
pub type ViewOf =
    Arc<dyn Fn(&Jets) -> std::result::Result<View, Box<dyn std::error::Error + Send + Sync>> + Send + Sync>;

/// One part of a data set, read anew in every epoch within a budget of memory.
///
/// Reading and decoding run ahead on the data set's own thread; the view of a chunk is computed where the batches are
/// asked for, in the thread pool of the training. Which jet comes when is a pure function of (seed, epoch, budget): a
/// run is resumed with the budget it was begun with.
///
/// Jets without constituents, which a data set may be told to leave out, are not left out here but an error: their
/// number is not known before they are read, and a training that does not know its number of steps can be neither
/// scheduled nor resumed.
#[derive(Clone)]
pub struct Streaming {
    dataset: JetDataset,
    part: Part,
    budget_bytes: u64,
    limit: Option<u64>,
    jets: usize,
    view: ViewOf,
}

impl Streaming {
    /// A part of `dataset`, at most `limit` jets of it, with at most `budget_bytes` of decoded jets in memory at a
    /// time.
    ///
    /// # Errors
    /// A part without rows.
    pub fn new(
        dataset: &JetDataset,
        part: Part,
        limit: Option<u64>,
        budget_bytes: u64,
        view: impl Fn(&Jets) -> std::result::Result<View, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Result<Self> {
        let rows = dataset.rows(part);
        let jets = limit.map_or(rows, |limit| limit.min(rows));
        if jets == 0 {
            let what = format!("the {} part of {}", part.name(), dataset.name());
            return Err(TrainError::Examples {
                what,
                reason: "no jets; at least 1 is needed".to_owned(),
            });
        }
        let jets = usize::try_from(jets).unwrap_or(usize::MAX);
        Ok(Self {
            dataset: dataset.clone(),
            part,
            budget_bytes,
            limit,
            jets,
            view: Arc::new(view),
        })
    }
}

impl Examples for Streaming {
    fn len(&self) -> usize {
        self.jets
    }

    fn reading(&self) -> Reading {
        Reading::Streamed {
            budget_bytes: self.budget_bytes,
        }
    }

    fn batches(&self, order: Order, batch_size: usize, skip_batches: u64) -> Batches<'_> {
        let batch_size = batch_size.max(1);
        let skip = skip_batches.saturating_mul(batch_size as u64);
        if skip >= self.jets as u64 {
            return Box::new(std::iter::empty());
        }
        let options = StreamOptions {
            seed: order.seed,
            epoch: order.epoch,
            shuffle: order.shuffle,
            budget_bytes: self.budget_bytes,
            skip,
            limit: self.limit,
        };
        let stream = match self.dataset.stream(self.part, options) {
            Ok(stream) => stream,
            Err(error) => return Box::new(std::iter::once(Err(error.into()))),
        };
        let what = format!("the {} part of {}", self.part.name(), self.dataset.name());
        let view = Arc::clone(&self.view);
        Box::new(Walk {
            stream: Some(stream),
            view,
            what,
            batch_size,
            position: skip,
            pieces: VecDeque::new(),
            waiting: 0,
        })
    }
}

/// Cuts the stream's chunks, whose lengths mean nothing, into batches.
struct Walk {
    /// `None` after its end or an error.
    stream: Option<JetStream>,
    view: ViewOf,
    what: String,
    batch_size: usize,
    /// Rows of the epoch that are behind the stream.
    position: u64,
    pieces: VecDeque<Piece>,
    /// Jets in the pieces that no batch has taken.
    waiting: usize,
}

/// A chunk of which `taken` jets are in batches already.
struct Piece {
    view: View,
    labels: Vec<f32>,
    rows: Vec<u64>,
    taken: usize,
}

impl Walk {
    /// Takes in chunks until a batch is there or the stream ends.
    fn fill(&mut self) -> Result<()> {
        while self.waiting < self.batch_size {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            let Some(jets) = stream.next() else {
                self.stream = None;
                return Ok(());
            };
            let jets = jets?;
            let behind = JetStream::position(stream);
            let empty = (behind - self.position).saturating_sub(jets.len() as u64);
            if empty > 0 {
                let reason = format!(
                    "{empty} jets without constituents among rows that are streamed; allowed: none; convert the data set once, \
                     leaving them out, or load it into memory"
                );
                return Err(TrainError::Examples {
                    what: self.what.clone(),
                    reason,
                });
            }
            self.position = behind;
            let row = jets.rows.first().copied().unwrap_or_default();
            let view = (self.view)(&jets).map_err(|source| TrainError::View { row, source })?;
            self.take_in(jets, view)?;
        }
        Ok(())
    }

    fn take_in(&mut self, jets: Jets, view: View) -> Result<()> {
        let fault = gather::fault(&view).or_else(|| {
            let found = gather::jets(&view);
            (found != jets.len()).then(|| format!("a view of {found} jets for a chunk of {}", jets.len()))
        });
        let other = self
            .pieces
            .front()
            .is_some_and(|first| !gather::same_kind(&first.view, &view));
        if let Some(reason) = fault.or_else(|| other.then(|| "two chunks with views of different shapes".to_owned())) {
            return Err(TrainError::Examples {
                what: self.what.clone(),
                reason,
            });
        }
        self.waiting += jets.len();
        let labels = jets.labels.iter().map(|&l| f32::from(l)).collect();
        self.pieces.push_back(Piece {
            view,
            labels,
            rows: jets.rows,
            taken: 0,
        });
        Ok(())
    }

    fn batch(&mut self) -> Option<Batch> {
        let mut left = self.waiting.min(self.batch_size);
        let mut ranges = Vec::new();
        for piece in &self.pieces {
            let count = left.min(piece.labels.len() - piece.taken);
            ranges.push(piece.taken..piece.taken + count);
            left -= count;
            if left == 0 {
                break;
            }
        }
        let parts = || self.pieces.iter().zip(ranges.iter().cloned());
        let batch = Batch {
            view: gather::collect(parts().map(|(piece, range)| (&piece.view, range)))?,
            labels: parts()
                .flat_map(|(piece, range)| piece.labels[range].iter().copied())
                .collect(),
            weights: None,
            parameters: None,
            rows: parts()
                .flat_map(|(piece, range)| piece.rows[range].iter().copied())
                .collect(),
        };
        for (piece, range) in self.pieces.iter_mut().zip(&ranges) {
            piece.taken = range.end;
        }
        while self
            .pieces
            .front()
            .is_some_and(|piece| piece.taken == piece.labels.len())
        {
            self.pieces.pop_front();
        }
        self.waiting -= batch.len();
        Some(batch)
    }
}

impl Iterator for Walk {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            // What was read before the error would make a short batch: the epoch ends here.
            (self.stream, self.waiting) = (None, 0);
            self.pieces.clear();
            return Some(Err(error));
        }
        if self.waiting == 0 { None } else { self.batch().map(Ok) }
    }
}
