//! Many trainings at once.
//!
//! Small products leave a second core waiting; independent trainings share nothing to wait for. So a study runs one
//! training a core, each in a thread pool of its own: parallel work inside a job sees that pool alone, and what a job
//! computes cannot depend on what runs beside it.

use crate::error::{Result, TrainError, panic_message};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Deep call chains (automatic differentiation of deep networks, recursive trees) need more than a thread's usual 2
/// MiB. It is address space, not memory, until it is used.
const STACK_BYTES: usize = 16 << 20;

/// One piece of work.
pub struct Job<'a, T, E> {
    /// Name in log lines and reports.
    pub name: String,
    /// Threads of its own pool; 0 counts as 1.
    pub threads: usize,
    /// The work; it is run inside the pool.
    pub work: Box<dyn FnOnce() -> std::result::Result<T, E> + Send + 'a>,
}

impl<'a, T, E> Job<'a, T, E> {
    /// A job of one thread.
    pub fn new(name: impl Into<String>, work: impl FnOnce() -> std::result::Result<T, E> + Send + 'a) -> Self {
        Self {
            name: name.into(),
            threads: 1,
            work: Box::new(work),
        }
    }

    /// Gives it more threads.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobOutcome<T, E> {
    /// It is done.
    Done(T),
    /// It failed; the others went on.
    Failed(E),
    /// It panicked, with this message; the others went on.
    Panicked(String),
    /// It was not begun, because the stop flag was raised before.
    NotStarted,
}

impl<T, E> JobOutcome<T, E> {
    /// The result of a job that is done.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(result) => Some(result),
            _ => None,
        }
    }
}

/// Where a job's outcome goes; empty until then.
type Slot<T, E> = Mutex<Option<Result<JobOutcome<T, E>>>>;

/// Runs all jobs, `workers` at once (0 counts as 1), and returns what became of each, in the order of the jobs.
///
/// Jobs are begun in order. When `stop` is raised no further job is begun; those under way listen to the flag
/// themselves, as a [`Trainer`](crate::Trainer) does.
///
/// # Errors
/// When the machine gives no thread to a job or a worker.
pub fn run_many<T: Send, E: Send>(
    jobs: Vec<Job<'_, T, E>>,
    workers: usize,
    stop: &AtomicBool,
) -> Result<Vec<JobOutcome<T, E>>> {
    let count = jobs.len();
    let queue: Vec<Mutex<Option<Job<T, E>>>> = jobs.into_iter().map(|job| Mutex::new(Some(job))).collect();
    let outcomes: Vec<Slot<T, E>> = (0..count).map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count || stop.load(Ordering::Relaxed) {
                return;
            }
            let Some(job) = take(&queue[i]) else { continue };
            let outcome = run(job);
            // The slot belongs to this job alone, so a poisoned lock holds nothing half-written.
            *outcomes[i].lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(outcome);
        }
    };
    std::thread::scope(|scope| -> Result<()> {
        for worker in 0..workers.clamp(1, count.max(1)) {
            let spawned = std::thread::Builder::new()
                .name(format!("job-{worker}"))
                .spawn_scoped(scope, work);
            if let Err(e) = spawned {
                // Those that did start would otherwise go on for hours before the error is seen.
                next.store(count, Ordering::Relaxed);
                return Err(TrainError::Threads {
                    threads: worker + 1,
                    reason: e.to_string(),
                });
            }
        }
        Ok(())
    })?;
    outcomes
        .iter()
        .map(|slot| take(slot).unwrap_or(Ok(JobOutcome::NotStarted)))
        .collect()
}

fn run<T: Send, E: Send>(job: Job<'_, T, E>) -> Result<JobOutcome<T, E>> {
    let threads = job.threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK_BYTES)
        .build()
        .map_err(|e| TrainError::Threads {
            threads,
            reason: e.to_string(),
        })?;
    tracing::debug!(job = job.name, threads, "begun");
    // The job is gone after a panic; what it shared with others it shared through locks and files made for that.
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.install(job.work)));
    Ok(match caught {
        Ok(Ok(result)) => JobOutcome::Done(result),
        Ok(Err(error)) => JobOutcome::Failed(error),
        Err(panic) => JobOutcome::Panicked(panic_message(&*panic)),
    })
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn results_come_in_job_order_and_failures_stay_alone() {
        let jobs = (0..20)
            .map(|i| {
                Job::new(i.to_string(), move || {
                    std::thread::sleep(std::time::Duration::from_millis(20 - i));
                    match i {
                        7 => panic!("job seven"),
                        11 => Err("no data"),
                        _ => Ok(i),
                    }
                })
            })
            .collect();
        let outcomes = run_many(jobs, 4, &AtomicBool::new(false)).unwrap();
        for (i, outcome) in outcomes.into_iter().enumerate() {
            match i {
                7 => assert_eq!(outcome, JobOutcome::Panicked("job seven".to_owned())),
                11 => assert_eq!(outcome, JobOutcome::Failed("no data")),
                _ => assert_eq!(outcome, JobOutcome::Done(i as u64)),
            }
        }
    }

    #[test]
    fn each_job_sees_its_own_pool() {
        let size = || Ok::<_, ()>((rayon::current_num_threads(), (0..100u64).into_par_iter().sum::<u64>()));
        let jobs = vec![
            Job::new("a", size),
            Job::new("b", size).threads(3),
            Job::new("c", size).threads(0),
        ];
        let outcomes: Vec<_> = run_many(jobs, 2, &AtomicBool::new(false))
            .unwrap()
            .into_iter()
            .map(JobOutcome::done)
            .collect();
        assert_eq!(outcomes, [Some((1, 4950)), Some((3, 4950)), Some((1, 4950))]);
    }

    #[test]
    fn a_raised_flag_begins_no_further_job() {
        let stop = AtomicBool::new(false);
        let jobs = (0..5)
            .map(|i| {
                let stop = &stop;
                Job::new("", move || {
                    stop.store(i == 1, Ordering::Relaxed);
                    Ok::<_, ()>(i)
                })
            })
            .collect();
        let outcomes = run_many(jobs, 1, &stop).unwrap();
        assert_eq!(outcomes[..2], [JobOutcome::Done(0), JobOutcome::Done(1)]);
        assert!(outcomes[2..].iter().all(|o| *o == JobOutcome::NotStarted));
    }

    #[test]
    fn no_jobs_and_no_workers_are_no_trouble() {
        assert!(
            run_many(Vec::<Job<(), ()>>::new(), 0, &AtomicBool::new(false))
                .unwrap()
                .is_empty()
        );
        let one = run_many(vec![Job::new("", || Ok::<_, ()>(1))], 0, &AtomicBool::new(false)).unwrap();
        assert_eq!(one, [JobOutcome::Done(1)]);
    }
}
