//! The landscape: many taggers, many trainings each, one test sample, one table.
//!
//! Each training is a run folder of its own, `FOLDER/TAGGER-SEED`. Starting the same landscape again finds finished
//! trainings done and goes on with begun ones, so a long one may span several sittings. Trainings run side by side, one
//! a core: small products leave a second core waiting, independent trainings share nothing to wait for. The costly ones
//! start first, so that no core waits for a straggler at the end.

mod config;
mod stacking;
mod table;

pub use config::{LandscapeConfig, TaggerChoice};

use crate::context::Context;
use crate::error::{FailedTraining, FailedTrainings, TaggerError};
use crate::memory::{MOST_STREAMS, MemoryPlan};
use crate::run::{RunResult, Views, begun_reading, checksums, learner, suited, train_on, view_key};
use config::PlannedRun;
use stacking::train_on_scores;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use table::{Facts, tabulate};
use tagwerk_data::{Dataset, Task};
use tagwerk_nn::device::is_fused;
use tagwerk_stats::{BootstrapOptions, LandscapeOptions, LandscapeResult, RegressionTable};
use tagwerk_train::{
    Clock, EpochMetrics, Job, JobOutcome, Learner, Observer, Outcome, Reading, RunFolder, Scored, SystemClock, run_many,
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
/// Taggers that read the scores of the others are trained when all others are done.
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
    let dataset = runs[0].config.data.open()?;
    for run in &mut runs {
        let training = run.config.training.clone();
        run.config.training = suited(run.tagger.as_ref(), training, dataset.task());
    }
    for run in runs.iter().step_by(config.trainings) {
        // Before anything is trained: a tagger that cannot read these events says so now.
        readable(run, &dataset, context)?;
    }
    require_writable(folder)?;
    let site = Site {
        folder,
        checksums: checksums(&dataset)?,
        context,
        observer,
    };
    let total = runs.len();
    let (mut on_scores, on_jets): (Vec<_>, Vec<_>) =
        (runs.into_iter().enumerate()).partition(|(_, run)| run.tagger.reads_scores().is_some());
    let Some(mut done) = train_on_jets(&on_jets, &dataset, &site)? else {
        return Ok(stopped(on_jets.iter().chain(&on_scores), folder, total));
    };
    if !on_scores.is_empty() {
        match train_on_scores(&mut on_scores, &on_jets, &done, &site)? {
            Some(more) => done.extend(more),
            None => return Ok(stopped(on_jets.iter().chain(&on_scores), folder, total)),
        }
    }

    // As the configuration has them, not as they were trained.
    let mut all: Vec<_> = on_jets.into_iter().chain(on_scores).zip(done).collect();
    all.sort_by_key(|((place, _), _)| *place);
    let (mut runs, mut finished, mut facts) = (Vec::new(), Vec::new(), Vec::new());
    for ((_, run), Done { folder, result }) in all {
        let summary = result.outcome.summary();
        facts.push(Facts {
            parameters: result.parameters,
            epochs: summary.epochs as usize,
            seconds: summary.seconds,
            threads: folder.provenance()?.map(|provenance| provenance.threads),
            scoring: summary.scoring.get("test").copied(),
        });
        finished.push(LandscapeRun {
            tagger: run.config.tagger.clone(),
            seed: run.config.training.seed,
            history: folder.metrics()?,
            scores: folder.scored("test")?,
            path: result.run,
        });
        runs.push(run);
    }
    observer.message("evaluating");
    let data = &runs[0].config.data;
    let options = LandscapeOptions {
        dataset: data.name(&dataset),
        counted: dataset.counted(),
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

/// Where trainings of a landscape work.
struct Site<'a> {
    folder: &'a Path,
    /// Of the files of the data set.
    checksums: BTreeMap<String, String>,
    context: &'a Context,
    observer: &'a dyn LandscapeObserver,
}

/// A training with its place in the landscape.
type Placed = (usize, PlannedRun);

/// A training that is done.
struct Done {
    folder: RunFolder,
    result: RunResult,
}

/// Trains the taggers that read jets, or events that are arrays; `None` after a stop.
fn train_on_jets(runs: &[Placed], dataset: &Dataset, site: &Site) -> Result<Option<Vec<Done>>, TaggerError> {
    let Site { context, observer, .. } = site;
    let data = &runs[0].1.config.data;
    // New folders are made when nothing but the trainings can go wrong any more: a corrected command must not be
    // refused because of what an earlier one left.
    let begun = runs
        .iter()
        .map(|(_, run)| RunFolder::open_begun(site.folder.join(run.name()), &run.config))
        .collect::<Result<Vec<_>, _>>()?;
    let viewers = one_a_view(runs, dataset);
    let key = |run: &PlannedRun| view_key(run.tagger.as_ref(), dataset);
    let read_as: Vec<_> = viewers
        .iter()
        .map(|run| (run.tagger.as_ref(), begun_as(&key(run), runs, dataset, &begun)))
        .collect();
    let plan = MemoryPlan::new(data, dataset, &read_as)?;
    let mut views: BTreeMap<String, Views> = BTreeMap::new();
    for (view, run) in viewers.iter().enumerate() {
        observer.message(&format!("computing the view of {}", run.tagger.name()));
        let computed = Views::compute(data, dataset, &run.tagger, &plan, view)?;
        views.insert(key(run), computed);
        if context.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    let folders = runs
        .iter()
        .map(|(_, run)| RunFolder::open_or_create(site.folder.join(run.name()), &run.config))
        .collect::<Result<Vec<_>, _>>()?;
    let learner = |run: &PlannedRun| learner(run.tagger.as_ref(), dataset, &run.config.training, &context.device);
    let work = runs.iter().zip(folders).map(|((_, run), folder)| Work {
        run,
        folder,
        views: &views[&key(run)],
        learner: Box::new(move || learner(run)),
    });
    train_all(work.collect(), plan.streams(), site)
}

/// One training to be done, with what it needs.
struct Work<'a> {
    run: &'a PlannedRun,
    folder: RunFolder,
    views: &'a Views,
    learner: Box<dyn Fn() -> Result<Box<dyn Learner>, TaggerError> + Sync + Send + 'a>,
}

/// Trains side by side; `None` after a stop.
///
/// # Errors
/// [`TaggerError::Trainings`] when any failed.
fn train_all(work: Vec<Work>, streams: bool, site: &Site) -> Result<Option<Vec<Done>>, TaggerError> {
    let Site { context, observer, .. } = site;
    let mut order: Vec<usize> = (0..work.len()).collect();
    order.sort_by(|&a, &b| work[b].run.cost().total_cmp(&work[a].run.cost()).then(a.cmp(&b)));
    // A GPU is shared best by one training at a time; cores are shared best by one training each.
    let most = match (is_fused(&context.device), streams) {
        (false, _) => 1,
        (true, true) => MOST_STREAMS,
        (true, false) => usize::MAX,
    };
    let workers = context.threads.min(most).clamp(1, work.len().max(1));
    let threads = (context.threads / workers).max(1);
    let jobs = order
        .iter()
        .map(|&i| {
            let Work {
                run,
                folder,
                views,
                learner,
            } = &work[i];
            Job::new(run.name(), move || {
                let (tagger, seed) = (&run.config.tagger, run.config.training.seed);
                let mut listener = observer.training_started(tagger, seed);
                let checksums = &site.checksums;
                let done = train_on(
                    folder,
                    &run.config,
                    learner()?,
                    views,
                    checksums,
                    context,
                    listener.as_mut(),
                );
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

    let names: Vec<String> = work.iter().map(|work| work.run.name()).collect();
    let results = settled(&names, order.into_iter().zip(outcomes))?;
    let finished = |result: Option<RunResult>| result.filter(|r| matches!(r.outcome, Outcome::Finished(_)));
    let done = work.into_iter().zip(results).map(|(work, result)| {
        Some(Done {
            folder: work.folder,
            result: finished(result)?,
        })
    });
    Ok(done.collect())
}

/// Refuses a tagger that cannot learn from these events.
fn readable(run: &PlannedRun, dataset: &Dataset, context: &Context) -> Result<(), TaggerError> {
    match (run.tagger.reads_scores(), dataset.task()) {
        (None, _) => learner(run.tagger.as_ref(), dataset, &run.config.training, &context.device).map(drop),
        (Some(_), Task::Classification) => Ok(()),
        (Some(_), Task::Regression) => Err(TaggerError::NeedsClasses {
            tagger: run.tagger.name(),
            data: dataset.name().to_owned(),
        }),
    }
}

/// What is said after a stop.
fn stopped<'a>(runs: impl Iterator<Item = &'a Placed>, folder: &Path, total: usize) -> LandscapeOutcome {
    let is_done = |(_, run): &&Placed| {
        let own = RunFolder::open(folder.join(run.name()));
        own.is_ok_and(|own| own.is_finished().unwrap_or(false))
    };
    LandscapeOutcome::Stopped {
        done: runs.filter(is_done).count(),
        total,
    }
}

/// For each view that is read, the first run with it, in the order of the taggers.
fn one_a_view<'a>(runs: &'a [Placed], dataset: &Dataset) -> Vec<&'a PlannedRun> {
    let key = |run: &PlannedRun| view_key(run.tagger.as_ref(), dataset);
    let mut firsts: Vec<&PlannedRun> = Vec::new();
    for (_, run) in runs {
        if firsts.iter().all(|first| key(first) != key(run)) {
            firsts.push(run);
        }
    }
    firsts
}

/// How the training jets of a view are read by the first training of it that is begun and not finished.
fn begun_as(key: &str, runs: &[Placed], dataset: &Dataset, begun: &[Option<RunFolder>]) -> Option<Reading> {
    let all = runs.iter().zip(begun);
    let own = all.filter(|((_, run), _)| view_key(run.tagger.as_ref(), dataset) == key);
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
    names: &[String],
    outcomes: impl Iterator<Item = (usize, JobOutcome<RunResult, TaggerError>)>,
) -> Result<Vec<Option<RunResult>>, TaggerError> {
    let mut results: Vec<_> = names.iter().map(|_| None).collect();
    let mut failed: Vec<_> = names.iter().map(|_| None).collect();
    for (i, outcome) in outcomes {
        match outcome {
            JobOutcome::Done(result) => results[i] = Some(result),
            JobOutcome::Failed(error) => failed[i] = Some(error),
            JobOutcome::Panicked(message) => failed[i] = Some(TaggerError::Panicked { message }),
            JobOutcome::NotStarted => {}
        }
    }
    let failed = names.iter().zip(failed).filter_map(|(name, error)| {
        let name = name.clone();
        error.map(|error| FailedTraining { name, error })
    });
    match FailedTrainings::new(failed.collect(), names.len()) {
        Some(failed) => Err(failed.into()),
        None => Ok(results),
    }
}
