//! The landscape: many taggers, many trainings each, one test sample, one table.
//!
//! Each training is a run folder of its own, `FOLDER/TAGGER-SEED`. Starting the same landscape again finds finished
//! trainings done and goes on with begun ones, so a long one may span several sittings. Trainings run side by side, one
//! a core: small products leave a second core waiting, independent trainings share nothing to wait for. The costly ones
//! start first, so that no core waits for a straggler at the end.

mod config;
mod table;

pub use config::{LandscapeConfig, TaggerChoice};

use crate::context::Context;
use crate::error::{FailedTraining, FailedTrainings, TaggerError};
use crate::memory::{MOST_STREAMS, MemoryPlan};
use crate::run::{Events, RunResult, Views, begun_reading, checksums, learner, suited, train_on, view_key};
use config::PlannedRun;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use table::tabulate;
use tagwerk_data::Dataset;
use tagwerk_nn::device::is_fused;
use tagwerk_stats::{BootstrapOptions, LandscapeOptions, LandscapeResult, RegressionTable};
use tagwerk_train::{
    Clock, EpochMetrics, Job, JobOutcome, Observer, Outcome, Reading, RunFolder, Scored, SystemClock, run_many,
};

/// Listens to a landscape.
pub trait LandscapeObserver: Sync {
    /// A training begins or is taken up again; what is returned listens to it.
    fn training_started(&self, tagger: &str, seed: u64) -> Box<dyn Observer>;
    /// A training is done.
    fn training_done(&self, tagger: &str, seed: u64);
    /// Something else happens.
    fn message(&self, text: &str);
}

/// One training of a finished landscape.
#[derive(Debug)]
pub struct LandscapeRun {
    /// Tagger.
    pub tagger: String,
    /// Seed.
    pub seed: u64,
    /// Its run folder.
    pub path: PathBuf,
    /// Its epochs.
    pub history: Vec<EpochMetrics>,
    /// Its scores of the test jets, or predictions.
    pub scores: Scored,
}

/// The table of a landscape, as its task has it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum LandscapeTable {
    /// Of two classes.
    Classes(LandscapeResult),
    /// Of a number.
    Values(RegressionTable),
}

/// A finished landscape.
#[derive(Debug)]
pub struct Finished {
    /// The table.
    pub result: LandscapeTable,
    /// All trainings, tagger by tagger.
    pub runs: Vec<LandscapeRun>,
    /// Wall-clock seconds of this call.
    pub seconds: f64,
}

/// How a landscape ended.
#[derive(Debug)]
pub enum LandscapeOutcome {
    /// All trainings are done.
    Finished(Box<Finished>),
    /// Stopped on demand; the same call goes on.
    Stopped {
        /// Trainings done.
        done: usize,
        /// Trainings in all.
        total: usize,
    },
}

/// Runs a landscape in a folder, or goes on with it.
///
/// # Errors
/// Bad configuration or data before anything is trained; [`TaggerError::Trainings`] when some fail, after all others
/// are done or stopped.
pub fn landscape(
    folder: &Path,
    config: &LandscapeConfig,
    context: &Context,
    observer: &dyn LandscapeObserver,
) -> Result<LandscapeOutcome, TaggerError> {
    let clock = SystemClock::new();
    let mut runs = config.runs(&config.name)?;
    // With paths that hold from anywhere; all trainings read the same jets.
    let data = &runs[0].config.data.clone();
    let dataset = data.open()?;
    for run in &mut runs {
        let training = run.config.training.clone();
        run.config.training = suited(run.tagger.as_ref(), training, dataset.task());
    }
    for run in runs.iter().step_by(config.trainings) {
        // Before anything is trained: a tagger that cannot read these events says so now.
        drop(learner(
            run.tagger.as_ref(),
            &dataset,
            &run.config.training,
            &context.device,
        )?);
    }
    require_writable(folder)?;
    // New folders are made when nothing but the trainings can go wrong any more: a corrected command must not be refused
    // because of what an earlier one left.
    let begun = runs
        .iter()
        .map(|run| RunFolder::open_begun(folder.join(run.name()), &run.config))
        .collect::<Result<Vec<_>, _>>()?;
    let checksums = checksums(&dataset)?;
    let keys = view_keys(&runs, &dataset);
    let read_as: Vec<_> = keys.iter().map(|key| begun_as(key, &runs, &dataset, &begun)).collect();
    let plan = MemoryPlan::new(data, &dataset, &read_as)?;
    let mut views: BTreeMap<String, Views> = BTreeMap::new();
    for (view, key) in keys.iter().enumerate() {
        let Some(run) = runs.iter().find(|run| view_key(run.tagger.as_ref(), &dataset) == *key) else {
            continue;
        };
        observer.message(&format!("computing the view of {}", run.tagger.name()));
        views.insert(key.clone(), Views::compute(data, &dataset, &run.tagger, &plan, view)?);
        if context.stop.load(Ordering::Relaxed) {
            return Ok(stopped(begun.iter().flatten(), runs.len()));
        }
    }
    let folders = runs
        .iter()
        .map(|run| RunFolder::open_or_create(folder.join(run.name()), &run.config))
        .collect::<Result<Vec<_>, _>>()?;

    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by(|&a, &b| runs[b].cost().total_cmp(&runs[a].cost()).then(a.cmp(&b)));
    // A GPU is shared best by one training at a time; cores are shared best by one training each.
    let most = match (is_fused(&context.device), plan.streams()) {
        (false, _) => 1,
        (true, true) => MOST_STREAMS,
        (true, false) => usize::MAX,
    };
    let workers = context.threads.min(most).clamp(1, runs.len());
    let threads = (context.threads / workers).max(1);
    let jobs = order
        .iter()
        .map(|&i| {
            let (run, folder, views, checksums, dataset) = (&runs[i], &folders[i], &views, &checksums, &dataset);
            Job::new(run.name(), move || {
                let (tagger, seed) = (&run.config.tagger, run.config.training.seed);
                let mut listener = observer.training_started(tagger, seed);
                let views = &views[&view_key(run.tagger.as_ref(), dataset)];
                let events = Events {
                    dataset,
                    views,
                    checksums,
                };
                let tagger_of = run.tagger.as_ref();
                let done = train_on(folder, &run.config, tagger_of, events, context, listener.as_mut());
                drop(listener);
                if matches!(&done, Ok(result) if matches!(result.outcome, Outcome::Finished(_))) {
                    observer.training_done(tagger, seed);
                }
                done
            })
            .threads(threads)
        })
        .collect();
    let outcomes = run_many(jobs, workers, &context.stop)?;

    let results = settled(&runs, order.into_iter().zip(outcomes))?;
    let all_done = |result: &Option<RunResult>| {
        result
            .as_ref()
            .is_some_and(|result| matches!(result.outcome, Outcome::Finished(_)))
    };
    if !results.iter().all(all_done) {
        return Ok(stopped(folders.iter(), runs.len()));
    }

    let mut finished = Vec::new();
    let mut facts = Vec::new();
    for ((run, folder), result) in runs.iter().zip(&folders).zip(results.into_iter().flatten()) {
        let summary = result.outcome.summary();
        facts.push((result.parameters, summary.epochs as usize, summary.seconds));
        finished.push(LandscapeRun {
            tagger: run.config.tagger.clone(),
            seed: run.config.training.seed,
            history: folder.metrics()?,
            scores: folder.scored("test")?,
            path: result.run,
        });
    }
    observer.message("evaluating");
    let options = LandscapeOptions {
        dataset: data.name(&dataset),
        published_test_set: data.is_published_test_set(&dataset),
        bootstrap: (config.bootstrap > 0).then_some(BootstrapOptions {
            replicas: config.bootstrap,
            seed: config.seed,
        }),
    };
    let result = tabulate(config, &runs, &finished, &facts, options, &dataset)?;
    Ok(LandscapeOutcome::Finished(Box::new(Finished {
        result,
        runs: finished,
        seconds: clock.seconds(),
    })))
}

/// What is said after a stop.
fn stopped<'a>(folders: impl Iterator<Item = &'a RunFolder>, total: usize) -> LandscapeOutcome {
    LandscapeOutcome::Stopped {
        done: folders.filter(|run| run.is_finished().unwrap_or(false)).count(),
        total,
    }
}

/// The views that are read, in the order of the taggers.
fn view_keys(runs: &[PlannedRun], dataset: &Dataset) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in runs.iter().map(|run| view_key(run.tagger.as_ref(), dataset)) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// How the training jets of a view are read by the first training of it that is begun and not finished.
fn begun_as(key: &str, runs: &[PlannedRun], dataset: &Dataset, begun: &[Option<RunFolder>]) -> Option<Reading> {
    let all = runs.iter().zip(begun);
    let own = all.filter(|(run, _)| view_key(run.tagger.as_ref(), dataset) == key);
    own.filter_map(|(_, folder)| folder.as_ref())
        .filter(|folder| !folder.is_finished().unwrap_or(false))
        .find_map(begun_reading)
}

/// Before any work: hours of training must not end in a folder that cannot be written.
fn require_writable(folder: &Path) -> Result<(), TaggerError> {
    let unwritable = |source| TaggerError::Folder {
        path: folder.to_path_buf(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    let probe = folder.join(".write-probe.tmp");
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(unwritable)
}

/// What the trainings gave, in the order of the landscape, from outcomes with their numbers in it; `None` for one that
/// was not begun.
///
/// # Errors
/// [`TaggerError::Trainings`] when any failed.
fn settled(
    runs: &[PlannedRun],
    outcomes: impl Iterator<Item = (usize, JobOutcome<RunResult, TaggerError>)>,
) -> Result<Vec<Option<RunResult>>, TaggerError> {
    let mut results: Vec<_> = (0..runs.len()).map(|_| None).collect();
    let mut failed: Vec<_> = (0..runs.len()).map(|_| None).collect();
    for (i, outcome) in outcomes {
        match outcome {
            JobOutcome::Done(result) => results[i] = Some(result),
            JobOutcome::Failed(error) => failed[i] = Some(error),
            JobOutcome::Panicked(message) => failed[i] = Some(TaggerError::Panicked { message }),
            JobOutcome::NotStarted => {}
        }
    }
    let failed = runs.iter().zip(failed).filter_map(|(run, error)| {
        let name = run.name();
        error.map(|error| FailedTraining { name, error })
    });
    match FailedTrainings::new(failed.collect(), runs.len()) {
        Some(failed) => Err(failed.into()),
        None => Ok(results),
    }
}
