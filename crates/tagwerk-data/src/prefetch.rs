//! Reading ahead: a thread that makes items while the consumer works, within a byte budget.

use crate::error::{DataError, panic_message};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Items made ahead by a background thread.
///
/// The producer is called for the next item only when the bytes waiting, plus `reserve` for the item about to be made,
/// fit the budget, or when nothing waits at all (so one oversized item passes instead of blocking for ever). Items and
/// errors arrive in the order they were made; an error is the last item. Dropping the iterator stops the thread after
/// the item at hand and waits for it.
#[derive(Debug)]
pub struct Prefetch<T, E = DataError> {
    shared: Arc<Shared<T, E>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<T, E> {
    state: Mutex<State<T, E>>,
    /// Something was taken, or the consumer left.
    taken: Condvar,
    /// Something was made, or the producer ended.
    made: Condvar,
}

#[derive(Debug)]
struct State<T, E> {
    queue: VecDeque<(Result<T, E>, usize)>,
    bytes: usize,
    peak: usize,
    ended: bool,
    cancelled: bool,
}

impl<T, E> Shared<T, E> {
    /// A panic cannot happen while the lock is held, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static, E: From<DataError> + Send + 'static> Prefetch<T, E> {
    /// Starts the thread. `producer` makes the next item, or `None` at the end; `cost` tells its bytes; `reserve` is
    /// what one item costs at most, as far as one knows.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn spawn(
        name: &str,
        budget: usize,
        reserve: usize,
        cost: impl Fn(&T) -> usize + Send + 'static,
        mut producer: impl FnMut() -> Option<Result<T, E>> + Send + 'static,
    ) -> Result<Self, DataError> {
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            peak: 0,
            ended: false,
            cancelled: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            taken: Condvar::new(),
            made: Condvar::new(),
        });
        let theirs = shared.clone();
        let work = move || {
            loop {
                let mut state = theirs.lock();
                while !state.cancelled && !state.queue.is_empty() && state.bytes + reserve > budget {
                    state = theirs.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.cancelled {
                    return;
                }
                drop(state);
                // A panic here would otherwise look like the end of the data.
                let item = catch_unwind(AssertUnwindSafe(&mut producer)).unwrap_or_else(|panic| {
                    Some(Err(DataError::Stopped {
                        reason: panic_message(&*panic),
                    }
                    .into()))
                });
                let bytes = item.as_ref().and_then(|item| item.as_ref().ok()).map_or(0, &cost);
                let mut state = theirs.lock();
                state.ended = matches!(item, None | Some(Err(_)));
                if let Some(item) = item {
                    state.queue.push_back((item, bytes));
                    state.bytes += bytes;
                    state.peak = state.peak.max(state.bytes);
                }
                theirs.made.notify_all();
                if state.ended {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(DataError::io(name, "start a thread for"))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }
}

impl<T, E> Prefetch<T, E> {
    /// Most bytes that have waited at once.
    pub fn peak_bytes(&self) -> usize {
        self.shared.lock().peak
    }
}

impl<T, E> Iterator for Prefetch<T, E> {
    type Item = Result<T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut state = self.shared.lock();
        loop {
            if let Some((item, bytes)) = state.queue.pop_front() {
                state.bytes -= bytes;
                self.shared.taken.notify_all();
                return Some(item);
            }
            if state.ended {
                return None;
            }
            state = self.shared.made.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T, E> Drop for Prefetch<T, E> {
    fn drop(&mut self) {
        self.shared.lock().cancelled = true;
        self.shared.taken.notify_all();
        if let Some(thread) = self.thread.take() {
            // The thread catches its panics, so joining cannot fail in a way worth telling.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    fn numbers(
        budget: usize,
        mut next: impl FnMut(usize) -> Option<Result<usize, DataError>> + Send + 'static,
    ) -> Prefetch<usize> {
        let mut i = 0;
        Prefetch::spawn(
            "test",
            budget,
            10,
            |_| 10,
            move || {
                i += 1;
                next(i - 1)
            },
        )
        .unwrap()
    }

    #[test]
    fn items_come_in_order_and_within_the_budget() {
        let mut ahead = numbers(35, |i| (i < 100).then_some(Ok(i)));
        std::thread::sleep(Duration::from_millis(20));
        for i in 0..100 {
            assert_eq!(ahead.next().unwrap().unwrap(), i);
        }
        assert!(ahead.next().is_none() && ahead.next().is_none());
        assert_eq!(ahead.peak_bytes(), 30);
    }

    #[test]
    fn one_item_larger_than_the_budget_passes() {
        let ahead: Prefetch<usize> = Prefetch::spawn("test", 1, 1000, |_| 1000, {
            let mut i = 0;
            move || {
                i += 1;
                (i <= 3).then_some(Ok(i))
            }
        })
        .unwrap();
        assert_eq!(ahead.map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn errors_and_panics_arrive_after_the_items_before_them() {
        let mut ahead = numbers(1000, |i| Some(if i < 3 { Ok(i) } else { Err(DataError::Cancelled) }));
        assert_eq!((&mut ahead).take(3).map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(matches!(ahead.next(), Some(Err(DataError::Cancelled))));
        assert!(ahead.next().is_none());
        let mut ahead = numbers(1000, |i| if i < 1 { Some(Ok(i)) } else { panic!("boom") });
        assert!(ahead.next().unwrap().is_ok());
        assert!(matches!(ahead.next(), Some(Err(DataError::Stopped { reason })) if reason == "boom"));
    }

    #[test]
    fn dropping_stops_a_waiting_thread_promptly() {
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let ahead = numbers(25, move |i| {
            count.fetch_add(1, Ordering::SeqCst);
            Some(Ok(i))
        });
        std::thread::sleep(Duration::from_millis(20));
        let start = Instant::now();
        drop(ahead);
        assert!(start.elapsed() < Duration::from_secs(1));
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }
}
