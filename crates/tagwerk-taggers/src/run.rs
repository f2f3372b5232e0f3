//! One training of one tagger: configuration, training, resuming, scoring.

use crate::context::Context;
use crate::data_config::DataConfig;
use crate::error::TaggerError;
use crate::memory::{self, MemoryPlan, array_input};
use crate::registry;
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tagwerk_data::{Dataset, Part, Task};
use tagwerk_nn::Device;
use tagwerk_stats::{Evaluation, RegressionEvaluation, WorkingPoints, evaluate, evaluate_regression};
use tagwerk_train::{
    CheckpointKind, Examples, Learner, Machine, Metric, Observer, Outcome, Provenance, Reading, RunFolder, Scored,
    Sets, SystemClock, Trainer, TrainingConfig, require_learnable,
};

/// Everything that decides a run; its `config.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Name of the tagger.
    pub tagger: String,
    /// Its settings; what is absent is as published.
    #[serde(default)]
    pub settings: toml::Table,
    /// The jets.
    #[serde(default)]
    pub data: DataConfig,
    /// The training.
    pub training: TrainingConfig,
}

impl RunConfig {
    /// A tagger with its published settings and training, on the sample.
    ///
    /// # Errors
    /// An unknown name.
    pub fn published(tagger: &str) -> Result<Self, TaggerError> {
        let built = registry::tagger(tagger, &toml::Table::new())?;
        Ok(Self {
            tagger: tagger.to_string(),
            settings: built.settings()?,
            data: DataConfig::default(),
            training: built.training(),
        })
    }

    /// Reads a configuration: `tagger = "pfn"` is enough, all else has the published value as default.
    ///
    /// # Errors
    /// What does not parse, by key and line; unknown names and keys.
    pub fn from_toml(text: &str, place: &Path) -> Result<Self, TaggerError> {
        /// What a user may write; the training is merged over the tagger's published one.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            tagger: String,
            #[serde(default)]
            settings: toml::Table,
            #[serde(default)]
            data: DataConfig,
            #[serde(default)]
            training: toml::Table,
        }
        let place = place.display().to_string();
        let written: Written = toml::from_str(text).map_err(|e| TaggerError::Config {
            place: place.clone(),
            reason: e.to_string().trim_end().to_string(),
        })?;
        let tagger = registry::tagger(&written.tagger, &written.settings)?;
        Ok(Self {
            training: merged_training(tagger.as_ref(), &[&written.training], &place)?,
            settings: tagger.settings()?,
            tagger: written.tagger,
            data: written.data,
        })
    }
}

/// The tagger's published training with tables of overrides laid over it, the later over the earlier.
pub(crate) fn merged_training(
    tagger: &dyn Tagger,
    overrides: &[&toml::Table],
    place: &str,
) -> Result<TrainingConfig, TaggerError> {
    training_over(&tagger.training(), overrides, place)
}

/// A training with tables of overrides laid over it, the later over the earlier. `place` is what errors call them.
///
/// # Errors
/// Unknown keys, values of another type.
pub fn training_over(
    base: &TrainingConfig,
    overrides: &[&toml::Table],
    place: &str,
) -> Result<TrainingConfig, TaggerError> {
    let fail = |reason: String| TaggerError::Config {
        place: place.to_string(),
        reason: format!("[training]: {reason}"),
    };
    let mut table = toml::Table::try_from(base).map_err(|e| fail(e.to_string()))?;
    for over in overrides {
        for (key, value) in *over {
            match (table.get_mut(key), value) {
                // A schedule of another kind replaces the whole table: its other keys mean nothing to the new kind.
                (Some(toml::Value::Table(old)), toml::Value::Table(new))
                    if new.get("kind").is_none_or(|kind| old.get("kind") == Some(kind)) =>
                {
                    old.extend(new.clone());
                }
                _ => {
                    table.insert(key.clone(), value.clone());
                }
            }
        }
    }
    // `early_stopping = false` switches off what the published training has on.
    if table.get("early_stopping") == Some(&toml::Value::Boolean(false)) {
        table.remove("early_stopping");
    }
    table
        .try_into()
        .map_err(|e: toml::de::Error| fail(e.to_string().trim_end().to_string()))
}

/// The published training on events of a task: where the tagger's own figure to choose epochs by (or to stop by) is one
/// that the task does not have, the validation loss takes its place. A figure that was asked for stays, to be refused.
pub(crate) fn suited(tagger: &dyn Tagger, mut training: TrainingConfig, task: Task) -> TrainingConfig {
    let published = tagger.training();
    if !training.best.suits(task) && training.best == published.best {
        training.best = Metric::ValLoss;
    }
    let metric = published.early_stopping.map(|rule| rule.metric);
    if let Some(rule) = &mut training.early_stopping
        && !rule.metric.suits(task)
        && metric == Some(rule.metric)
    {
        rule.metric = Metric::ValLoss;
    }
    training
}

/// A fresh learner of a tagger on events of a data set.
///
/// # Errors
/// Events that the tagger does not read; settings that it refuses.
pub fn learner(
    tagger: &dyn Tagger,
    dataset: &Dataset,
    training: &TrainingConfig,
    device: &Device,
) -> Result<Box<dyn Learner>, TaggerError> {
    match dataset {
        Dataset::Arrays(arrays) if tagger.reads_scores().is_none() => {
            tagger.learner_of_arrays(&array_input(arrays), arrays.task(), training, device)
        }
        _ => tagger.learner(training, device),
    }
}

/// What decides the view that a tagger reads of a data set.
pub(crate) fn view_key(tagger: &dyn Tagger, dataset: &Dataset) -> String {
    match dataset {
        Dataset::Jets(_) => tagger.view_key(),
        Dataset::Arrays(_) => "arrays".to_owned(),
    }
}

/// How well events were scored, as their task has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Evaluated {
    /// Scores of two classes.
    Classes(Evaluation),
    /// Predictions of a number.
    Values(RegressionEvaluation),
}

impl Evaluated {
    /// Evaluates scores or predictions.
    ///
    /// # Errors
    /// Scores of one class alone; no events.
    pub fn of(scored: &Scored) -> Result<Self, TaggerError> {
        Ok(match scored {
            Scored::Classes(table) => {
                let points = WorkingPoints::default();
                Self::Classes(evaluate(&table.probabilities(), &table.truth()?, &points)?)
            }
            Scored::Values(table) => Self::Values(evaluate_regression(&table.predictions, &table.targets)?),
        })
    }
}

/// What a training gave.
#[derive(Debug)]
pub struct RunResult {
    /// Its folder.
    pub run: PathBuf,
    /// The tagger.
    pub tagger: String,
    /// Trained parameters.
    pub parameters: usize,
    /// What was done, and whether it is finished.
    pub outcome: Outcome,
    /// The test jets, scored with the best weights; absent after a stop.
    pub evaluation: Option<Evaluated>,
}

/// The three parts of a data set as one tagger sees them.
pub(crate) struct Views {
    pub(crate) train: Box<dyn Examples>,
    pub(crate) validation: Box<dyn Examples>,
    pub(crate) test: Box<dyn Examples>,
}

impl Views {
    /// The view of number `view` of a plan.
    ///
    /// # Errors
    /// Whatever the files or the jets have wrong; a part without signal or without background, or with one target
    /// alone.
    pub(crate) fn compute(
        data: &DataConfig,
        dataset: &Dataset,
        tagger: &Arc<dyn Tagger>,
        plan: &MemoryPlan,
        view: usize,
    ) -> Result<Self, TaggerError> {
        let part = |part: Part| {
            let examples = memory::examples(data, dataset, part, tagger, plan.reading(view, part))?;
            require_learnable(part.name(), examples.as_ref())?;
            Ok::<_, TaggerError>(examples)
        };
        Ok(Self {
            train: part(Part::Train)?,
            validation: part(Part::Validation)?,
            test: part(Part::Test)?,
        })
    }
}

/// How the training jets of a begun run are read: it goes on as it began. A damaged checkpoint is told by who resumes
/// it.
pub(crate) fn begun_reading(run: &RunFolder) -> Option<Reading> {
    run.checkpoints().reading().ok().flatten()
}

/// Checksums of the files behind a data set, by file name.
pub(crate) fn checksums(dataset: &Dataset) -> Result<BTreeMap<String, String>, TaggerError> {
    Ok(dataset
        .fingerprint()?
        .files
        .into_iter()
        .map(|file| (file.name, format!("sha256:{}", file.sha256)))
        .collect())
}

/// Trains one learner in one folder on views that are there already.
pub(crate) fn train_on(
    run: &RunFolder,
    config: &RunConfig,
    mut learner: Box<dyn Learner>,
    views: &Views,
    checksums: &BTreeMap<String, String>,
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<RunResult, TaggerError> {
    let training = config.training.clone().check()?;
    let clock = SystemClock::new();
    let sets = Sets::new(views.train.as_ref(), views.validation.as_ref())
        .score("test", views.test.as_ref())
        .fact("tagger", &config.tagger)?
        .fact("settings", &config.settings)?
        .fact("data.options", &config.data.options)?
        .fact("data.files", checksums)?;
    let provenance = Provenance {
        version: context.version.clone(),
        git: context.git.clone(),
        data: checksums.clone(),
        machine: Machine::this(),
        device: context.device_name.clone(),
        // Of the pool that this training runs in: one of many has fewer than all.
        threads: rayon::current_num_threads().min(context.threads),
        imported: None,
    };
    let outcome = Trainer::new(&training, run, &clock, context.stop.clone(), observer)
        .provenance(provenance)
        .run(learner.as_mut(), &sets)?;
    let evaluation = match &outcome {
        Outcome::Finished(_) => Some(Evaluated::of(&run.scored("test")?)?),
        Outcome::Stopped(_) => None,
    };
    Ok(RunResult {
        run: run.path().to_path_buf(),
        tagger: config.tagger.clone(),
        parameters: learner.parameter_count(),
        outcome,
        evaluation,
    })
}

/// Trains in the folder `run`, new or begun with the same configuration.
///
/// # Errors
/// A folder with another configuration; bad data, bad settings; a training that fails.
pub fn train(
    run: &Path,
    config: &RunConfig,
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<RunResult, TaggerError> {
    let tagger = registry::tagger(&config.tagger, &config.settings)?;
    let data = config.data.resolved()?;
    let dataset = data.open()?;
    let config = RunConfig {
        data,
        training: suited(tagger.as_ref(), config.training.clone(), dataset.task()),
        ..config.clone()
    };
    let begun = RunFolder::open_begun(run, &config)?;
    train_in(run, begun, &config, dataset, context, observer)
}

/// Goes on with the run in a folder, from its last checkpoint.
///
/// With `epochs` the run gets another number of epochs, more than are done already. Its configuration has the new
/// number from the moment on at which nothing but the training can fail.
///
/// # Errors
/// A folder that holds no run, one that is in use, or imported weights; no more epochs than are done, or a run that
/// early stopping ended; as [`train`].
pub fn resume(
    run: &Path,
    epochs: Option<u32>,
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<RunResult, TaggerError> {
    let folder = RunFolder::open(run)?;
    // Before the jets are read.
    folder.refuse_imported()?;
    let mut config: RunConfig = folder.config()?;
    if let Some(epochs) = epochs {
        folder.allows_epochs(epochs)?;
        config.training.epochs = epochs;
    }
    let dataset = config.data.open()?;
    train_in(run, Some(folder), &config, dataset, context, observer)
}

/// Trains in a folder that is there or, as `None`, is made once nothing more can be wrong.
fn train_in(
    run: &Path,
    folder: Option<RunFolder>,
    config: &RunConfig,
    dataset: Dataset,
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<RunResult, TaggerError> {
    let tagger: Arc<dyn Tagger> = registry::tagger(&config.tagger, &config.settings)?.into();
    require_jets(tagger.as_ref())?;
    config.training.clone().check()?;
    tagger.check()?;
    // Before hours of reading: a tagger that cannot read these events says so now.
    drop(learner(tagger.as_ref(), &dataset, &config.training, &context.device)?);
    let checksums = checksums(&dataset)?;
    let begun = folder.as_ref().and_then(begun_reading);
    let plan = MemoryPlan::new(&config.data, &dataset, &[(tagger.as_ref(), begun)])?;
    let views = Views::compute(&config.data, &dataset, &tagger, &plan, 0)?;
    let folder = match folder {
        Some(folder) => {
            let epochs = config.training.epochs;
            if folder.config::<RunConfig>()?.training.epochs != epochs {
                folder.set_epochs(epochs, &SystemClock::new(), |stored: &mut RunConfig| {
                    stored.training.epochs = epochs;
                })?;
            }
            folder
        }
        None => RunFolder::create(run, config)?,
    };
    let learner = learner(tagger.as_ref(), &dataset, &config.training, &context.device)?;
    train_on(&folder, config, learner, &views, &checksums, context, observer)
}

/// Parameters of a run with at least one epoch done, counted with its best weights: some taggers have as many as their
/// training jets asked for. `None` where the shape of the events decides, and the data are no longer there.
///
/// # Errors
/// A folder that holds no run, or no weights.
pub fn parameter_count(run: &Path) -> Result<Option<usize>, TaggerError> {
    let folder = RunFolder::open(run)?;
    let config: RunConfig = folder.config()?;
    let tagger = registry::tagger(&config.tagger, &config.settings)?;
    let dataset = config.data.open().ok();
    let learner = best_learner(&folder, &config, tagger.as_ref(), dataset.as_ref(), &Device::flex());
    match learner {
        Ok(learner) => Ok(Some(learner.parameter_count())),
        Err(_) if dataset.is_none() && tagger.general().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A learner with the best weights of a run, built for the events of a data set; without one, for jets.
fn best_learner(
    folder: &RunFolder,
    config: &RunConfig,
    tagger: &dyn Tagger,
    dataset: Option<&Dataset>,
    device: &Device,
) -> Result<Box<dyn Learner>, TaggerError> {
    let checkpoints = folder.checkpoints();
    checkpoints.verify(CheckpointKind::Best)?;
    let mut learner = match dataset {
        Some(dataset) => learner(tagger, dataset, &config.training, device)?,
        None => tagger.learner(&config.training, device)?,
    };
    let loaded = learner.load_weights(&checkpoints.path(CheckpointKind::Best));
    loaded.map_err(|e| TaggerError::NoRun {
        path: folder.path().to_path_buf(),
        reason: e.to_string(),
    })?;
    Ok(learner)
}

/// Refuses a tagger that has no view of events.
fn require_jets(tagger: &dyn Tagger) -> Result<(), TaggerError> {
    match tagger.reads_scores() {
        Some(_) => Err(TaggerError::NeedsLandscape { tagger: tagger.name() }),
        None => Ok(()),
    }
}

/// Scores a part of a data set (by default the run's own) with the best weights of a run. `None` after a stop.
///
/// # Errors
/// A run without finished weights; bad data.
pub fn score(
    run: &Path,
    data: Option<&DataConfig>,
    part: Part,
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<Option<Scored>, TaggerError> {
    let folder = RunFolder::open(run)?;
    let config: RunConfig = folder.config()?;
    let tagger: Arc<dyn Tagger> = registry::tagger(&config.tagger, &config.settings)?.into();
    require_jets(tagger.as_ref())?;
    let data = data.unwrap_or(&config.data);
    let dataset = data.open()?;
    let mut learner = best_learner(&folder, &config, tagger.as_ref(), Some(&dataset), &context.device)?;
    let reading = memory::reading_to_score(data, &dataset, part, tagger.as_ref())?;
    let examples = memory::examples(data, &dataset, part, &tagger, reading)?;
    let batch = config.training.score_batch_size;
    Ok(tagwerk_train::score_any(
        learner.as_mut(),
        examples.as_ref(),
        batch,
        part.name(),
        observer,
        &context.stop,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_complete_configuration() {
        let config = RunConfig::from_toml("tagger = 'topodnn'", Path::new("run.toml")).unwrap();
        assert_eq!(config, RunConfig::published("topodnn").unwrap());
        assert_eq!((config.training.batch_size, config.training.epochs), (96, 40));
        // What a run folder stores reads back as the same configuration.
        let text = toml::to_string(&config).unwrap();
        assert_eq!(RunConfig::from_toml(&text, Path::new("config.toml")).unwrap(), config);
    }

    #[test]
    fn overrides_are_laid_over_the_published_training() {
        let text = "tagger = 'pfn'\n[training]\nepochs = 3\nearly_stopping = false\n[training.optimizer]\nlearning_rate = 0.01\n[training.schedule]\nkind = 'exponential'\nfactor = 0.9";
        let config = RunConfig::from_toml(text, Path::new("run.toml")).unwrap();
        assert_eq!((config.training.epochs, config.training.batch_size), (3, 500));
        assert_eq!(config.training.optimizer.learning_rate, 0.01);
        assert!(config.training.early_stopping.is_none());
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_place() {
        for (text, key) in [
            ("tagger = 'pfn'\nepoch = 3", "epoch"),
            ("tagger = 'pfn'\n[training]\nepoch = 3", "epoch"),
        ] {
            let error = RunConfig::from_toml(text, Path::new("my.toml"))
                .unwrap_err()
                .to_string();
            assert!(error.contains("my.toml") && error.contains(key), "{error}");
        }
    }
}
