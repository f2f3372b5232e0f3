//! Making batches on another thread, a few ahead of the training.

use crate::error::{Result, TrainError, panic_message};
use crate::examples::Batches;
use crate::learner::Batch;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

struct ReadAhead {
    // Taken before the thread is joined: dropping it is what tells the thread to end.
    batches: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// Runs `source` on a thread of its own, at most `batches` batches ahead.
///
/// The thread owns a rayon pool of one thread, so that parallel work inside the source (computing a view, say) does not spread
/// over cores that belong to other trainings.
pub(crate) fn read_ahead(
    batches: usize,
    source: impl Iterator<Item = Result<Batch>> + Send + 'static,
) -> Batches<'static> {
    let (send, receive) = sync_channel(batches.max(1));
    let work = move || -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .map_err(|e| TrainError::Threads {
                threads: 1,
                reason: e.to_string(),
            })?;
        pool.install(|| {
            for batch in source {
                if send.send(batch).is_err() {
                    break; // nobody listens any more
                }
            }
        });
        Ok(())
    };
    match std::thread::Builder::new().name("read-ahead".to_owned()).spawn(work) {
        Ok(thread) => Box::new(ReadAhead {
            batches: Some(receive),
            thread: Some(thread),
        }),
        Err(e) => Box::new(std::iter::once(Err(TrainError::Threads {
            threads: 1,
            reason: e.to_string(),
        }))),
    }
}

impl Iterator for ReadAhead {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(batch) = self.batches.as_ref().and_then(|b| b.recv().ok()) {
            return Some(batch);
        }
        // The channel is closed: the source is at its end, or it failed, which must not look like an end.
        self.batches = None;
        match self.thread.take()?.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(error)),
            Err(panic) => Some(Err(TrainError::ReadAhead {
                reason: panic_message(&*panic),
            })),
        }
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A panic of a source nobody waits for concerns nobody.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_physics::{DenseView, View};

    fn batch(row: u64) -> Batch {
        let view = View::Dense(DenseView {
            shape: vec![1],
            values: vec![0.0],
        });
        Batch {
            view,
            labels: vec![0.0],
            weights: None,
            parameters: None,
            rows: vec![row],
        }
    }

    #[test]
    fn a_source_that_panics_gives_an_error_and_no_silent_end() {
        let source = (0..3).map(|i| if i == 2 { panic!("disk on fire") } else { Ok(batch(i)) });
        let got: Vec<_> = read_ahead(1, source).collect();
        assert_eq!(got.len(), 3);
        assert!(got[2].as_ref().unwrap_err().to_string().contains("disk on fire"));
    }

    #[test]
    fn dropping_early_ends_the_thread() {
        let mut batches = read_ahead(1, (0..).map(|i| Ok(batch(i))));
        assert_eq!(batches.next().unwrap().unwrap().rows, [0]);
        drop(batches); // would hang here if the thread went on
    }
}
