//! The landscape: many taggers, many trainings each, one test sample, one table.
//!
//! Each training is a run folder of its own, `FOLDER/TAGGER-SEED`. Starting the same landscape again finds finished
//! trainings done and goes on with begun ones, so a long one may span several sittings. Trainings run side by side, one a
//! core: small networks gain little from a second core, independent trainings gain all of it. The costly ones start
//! first, so that no core waits for a straggler at the end.

use crate::context::Context;
use crate::data_config::DataConfig;
use crate::error::TaggerError;
use crate::registry;
use crate::run::{RunConfig, Views, checksums, merged_training, train_on};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tagwerk_nn::device::is_fused;
use tagwerk_stats::{BootstrapOptions, Landscape, LandscapeOptions, LandscapeResult, TaggerInput, TrainingInput};
use tagwerk_train::{
    Clock, EpochMetrics, Job, JobOutcome, Observer, Outcome, RunFolder, ScoreTable, SystemClock, run_many,
};

/// One tagger of a landscape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaggerChoice {
    /// Name in the registry.
    pub name: String,
    /// Settings; absent ones are as published.
    #[serde(default)]
    pub settings: toml::Table,
    /// Training settings for this tagger alone, over the landscape's.
    #[serde(default)]
    pub training: toml::Table,
}

impl From<&str> for TaggerChoice {
    fn from(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// What makes a landscape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LandscapeConfig {
    /// Name, also of its folder under `runs/`. Default: landscape.
    pub name: String,
    /// Seed of the first training; the i-th has `seed + i`. Default: 1.
    pub seed: u64,
    /// Trainings a tagger. Default: 3.
    pub trainings: usize,
    /// Replicas of the paired bootstrap between taggers; 0 for none. Default: 200.
    pub bootstrap: usize,
    /// The jets.
    pub data: DataConfig,
    /// Training settings for all taggers, over each one's published training.
    pub training: toml::Table,
    /// The taggers. Default: all.
    #[serde(rename = "tagger")]
    pub taggers: Vec<TaggerChoice>,
}

impl Default for LandscapeConfig {
    fn default() -> Self {
        Self {
            name: "landscape".into(),
            seed: 1,
            trainings: 3,
            bootstrap: 200,
            data: DataConfig::default(),
            training: toml::Table::new(),
            taggers: registry::names().map(TaggerChoice::from).collect(),
        }
    }
}

/// The landscape that `tagwerk landscape` runs on the sample; also a model of such a file.
const SAMPLE_CONFIG: &str = include_str!("../../../configs/landscape-sample.toml");

impl LandscapeConfig {
    /// Four taggers on the embedded sample, a few minutes on two cores.
    ///
    /// # Errors
    /// None, unless the program itself is damaged.
    pub fn sample() -> Result<Self, TaggerError> {
        Self::from_toml(SAMPLE_CONFIG, Path::new("configs/landscape-sample.toml"))
    }

    /// All taggers with their published trainings on these jets.
    pub fn for_data(data: DataConfig) -> Self {
        Self {
            data,
            ..Self::default()
        }
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// What does not parse, by key and line; unknown names and keys.
    pub fn from_toml(text: &str, place: &Path) -> Result<Self, TaggerError> {
        let config: Self = toml::from_str(text).map_err(|e| TaggerError::Config {
            place: place.display().to_string(),
            reason: e.to_string().trim_end().to_string(),
        })?;
        config.runs(&place.display().to_string())?;
        Ok(config)
    }

    /// Every training: tagger by tagger, seed by seed.
    fn runs(&self, place: &str) -> Result<Vec<PlannedRun>, TaggerError> {
        let fail = |reason: String| TaggerError::Config {
            place: place.to_string(),
            reason,
        };
        if self.trainings == 0 || self.taggers.is_empty() {
            return Err(fail(format!(
                "{} trainings of {} taggers; at least one of each is needed",
                self.trainings,
                self.taggers.len()
            )));
        }
        let mut runs = Vec::new();
        for (index, choice) in self.taggers.iter().enumerate() {
            if self.taggers[..index].iter().any(|other| other.name == choice.name) {
                return Err(fail(format!("tagger '{}' is listed twice", choice.name)));
            }
            let tagger: Arc<dyn Tagger> = registry::tagger(&choice.name, &choice.settings)?.into();
            for i in 0..self.trainings as u64 {
                let mut training = merged_training(tagger.as_ref(), &[&self.training, &choice.training], place)?;
                training.seed = self.seed.saturating_add(i);
                training.clone().check()?;
                let config = RunConfig {
                    tagger: choice.name.clone(),
                    settings: tagger.settings()?,
                    data: self.data.clone(),
                    training,
                };
                runs.push(PlannedRun {
                    tagger: tagger.clone(),
                    config,
                });
            }
        }
        Ok(runs)
    }
}

struct PlannedRun {
    tagger: Arc<dyn Tagger>,
    config: RunConfig,
}

impl PlannedRun {
    fn name(&self) -> String {
        format!("{}-{}", self.config.tagger, self.config.training.seed)
    }
}

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
    /// Its scores of the test jets.
    pub scores: ScoreTable,
}

/// A finished landscape.
#[derive(Debug)]
pub struct Finished {
    /// The table.
    pub result: LandscapeResult,
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
/// Bad configuration or data before anything is trained; [`TaggerError::Trainings`] when some fail, after all others are
/// done.
pub fn landscape(
    folder: &Path,
    config: &LandscapeConfig,
    context: &Context,
    observer: &dyn LandscapeObserver,
) -> Result<LandscapeOutcome, TaggerError> {
    let clock = SystemClock::new();
    let runs = config.runs(&config.name)?;
    let dataset = config.data.open()?;
    // Before any work: hours of training must not end in a folder that cannot be written.
    let unwritable = |source| TaggerError::Folder {
        path: folder.to_path_buf(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    let probe = folder.join(".write-probe.tmp");
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(unwritable)?;
    for run in &runs {
        if run.config.training.seed == config.seed {
            run.tagger.learner(&run.config.training, &context.device)?;
        }
        RunFolder::open_or_create(folder.join(run.name()), &run.config)?;
    }
    let checksums = checksums(&dataset)?;
    let mut views: BTreeMap<String, Views> = BTreeMap::new();
    for run in &runs {
        let key = run.tagger.view_key();
        if let std::collections::btree_map::Entry::Vacant(slot) = views.entry(key) {
            observer.message(&format!("computing the view of {}", run.tagger.name()));
            slot.insert(Views::compute(&config.data, &dataset, &run.tagger)?);
        }
        if context.stop.load(Ordering::Relaxed) {
            return Ok(LandscapeOutcome::Stopped {
                done: 0,
                total: runs.len(),
            });
        }
    }

    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by(|&a, &b| cost(&runs[b]).total_cmp(&cost(&runs[a])).then(a.cmp(&b)));
    // A GPU is shared best by one training at a time; cores are shared best by one training each.
    let workers = if is_fused(&context.device) {
        context.threads.clamp(1, runs.len())
    } else {
        1
    };
    let threads = (context.threads / workers).max(1);
    let jobs = order
        .iter()
        .map(|&i| {
            let (run, views, checksums) = (&runs[i], &views, &checksums);
            Job::new(run.name(), move || {
                let (tagger, seed) = (&run.config.tagger, run.config.training.seed);
                let folder = RunFolder::open_or_create(folder.join(run.name()), &run.config)?;
                let mut listener = observer.training_started(tagger, seed);
                let views = &views[&run.tagger.view_key()];
                let done = train_on(
                    &folder,
                    &run.config,
                    run.tagger.as_ref(),
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

    let mut results: Vec<_> = (0..runs.len()).map(|_| None).collect();
    let (mut failures, mut done) = (Vec::new(), 0);
    for (&i, outcome) in order.iter().zip(outcomes) {
        match outcome {
            JobOutcome::Done(result) => {
                done += usize::from(matches!(result.outcome, Outcome::Finished(_)));
                results[i] = Some(result);
            }
            JobOutcome::Failed(error) => failures.push((i, format!("{}: {error}", runs[i].name()))),
            JobOutcome::Panicked(message) => failures.push((i, format!("{}: {message}", runs[i].name()))),
            JobOutcome::NotStarted => {}
        }
    }
    failures.sort();
    if let Some((_, first)) = failures.first() {
        return Err(TaggerError::Trainings {
            failed: failures.len(),
            total: runs.len(),
            first: first.clone(),
        });
    }
    if done < runs.len() {
        return Ok(LandscapeOutcome::Stopped {
            done,
            total: runs.len(),
        });
    }

    let mut finished = Vec::new();
    let mut facts = Vec::new();
    for (run, result) in runs.iter().zip(results.into_iter().flatten()) {
        let folder = RunFolder::open(&result.run)?;
        let summary = result.outcome.summary();
        facts.push((result.parameters, summary.epochs as usize, summary.seconds));
        finished.push(LandscapeRun {
            tagger: run.config.tagger.clone(),
            seed: run.config.training.seed,
            history: folder.metrics()?,
            scores: folder.scores("test")?,
            path: result.run,
        });
    }
    observer.message("evaluating");
    let options = LandscapeOptions {
        dataset: config.data.name(&dataset),
        published_test_set: config.data.is_published_test_set(&dataset),
        bootstrap: (config.bootstrap > 0).then_some(BootstrapOptions {
            replicas: config.bootstrap,
            seed: config.seed,
        }),
    };
    let result = tabulate(config, &runs, &finished, &facts, options)?;
    Ok(LandscapeOutcome::Finished(Box::new(Finished {
        result,
        runs: finished,
        seconds: clock.seconds(),
    })))
}

/// Relative cost of a training: what orders the queue.
fn cost(run: &PlannedRun) -> f64 {
    const TYPICAL_CONSTITUENTS: f64 = 50.0;
    run.tagger.multiply_adds(TYPICAL_CONSTITUENTS) * f64::from(run.config.training.epochs)
}

fn tabulate(
    config: &LandscapeConfig,
    runs: &[PlannedRun],
    finished: &[LandscapeRun],
    facts: &[(usize, usize, f64)],
    options: LandscapeOptions,
) -> Result<LandscapeResult, TaggerError> {
    let truth = finished[0].scores.truth()?;
    let mut table = Landscape::new(&truth, options);
    for (t, choice) in config.taggers.iter().enumerate() {
        let range = t * config.trainings..(t + 1) * config.trainings;
        let scores: Vec<Vec<f64>> = finished[range.clone()]
            .iter()
            .map(|run| run.scores.probabilities())
            .collect();
        let trainings = range
            .clone()
            .zip(&scores)
            .map(|(i, scores)| TrainingInput {
                seed: finished[i].seed,
                scores,
                epochs: facts[i].1,
                seconds: facts[i].2,
            })
            .collect();
        table.add(TaggerInput {
            name: choice.name.clone(),
            parameters: Some(facts[range.start].0 as u64),
            published: Some(runs[range.start].tagger.published()),
            trainings,
        })?;
    }
    Ok(table.finish()?)
}
