//! The run folder: everything about one training, in files that are each whole or absent.
//!
//! ```text
//! config.toml          the complete configuration, written first
//! status.json          where the run stands
//! log.jsonl            one line an event
//! metrics.jsonl        one line an epoch
//! checkpoints/last     where the training stands, to resume from
//! checkpoints/best     the best epoch, to score with
//! scores.parquet       scores of the test jets with the best weights; scores-NAME.parquet for other parts
//! scoring.json         how long scoring each part took
//! provenance.json      program, data, machine
//! report/              tables and figures
//! ```

use crate::checkpoint::{BestEpoch, Checkpoints, Ending};
use crate::clock::Clock;
use crate::durable;
use crate::error::{Result, TrainError, io};
use crate::facts::{self, Facts};
use crate::journal::{self, EpochMetrics};
use crate::observer::CheckpointKind;
use crate::provenance::Provenance;
use crate::run_lock::RunLock;
use crate::scores::ScoreTable;
use crate::scoring::Scored;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tagwerk_stats::ScoringTime;

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

/// What a run is at. A killed process leaves `running`: [`RunFolder::in_use`] tells whether anyone still works there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A process trains or scores.
    Running,
    /// Stopped on demand, resumable.
    Stopped,
    /// Trained and scored.
    Finished,
    /// Ended with an error; `message` has it.
    Failed,
}

/// Content of `status.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What the run is at.
    pub state: RunState,
    /// Epochs done.
    pub epochs_done: u64,
    /// Epochs at most.
    pub epochs: u64,
    /// Steps done.
    pub step: u64,
    /// Steps an epoch.
    pub steps_per_epoch: u64,
    /// The best epoch so far.
    pub best: Option<BestEpoch>,
    /// The error, of a failed run.
    pub message: Option<String>,
    /// When this was written, seconds since 1970-01-01 UTC.
    pub updated: f64,
}

impl RunFolder {
    /// Makes a new run folder with its configuration, any value that serializes to a TOML table (defaults filled in).
    ///
    /// # Errors
    /// [`TrainError::Exists`] when a run is there; when the folder cannot be written.
    pub fn create(path: impl Into<PathBuf>, config: &impl Serialize) -> Result<Self> {
        let run = Self { path: path.into() };
        if run.config_path().exists() {
            return Err(TrainError::Exists { path: run.path });
        }
        let text = toml_text(&run.config_path(), config)?;
        for folder in [run.path.clone(), run.path.join("checkpoints"), run.report_path()] {
            fs::create_dir_all(&folder).map_err(io(&folder, "create"))?;
        }
        // Written last: a folder without it is no run folder, so that a kill up to here costs nothing.
        durable::write(&run.config_path(), text.as_bytes())?;
        Ok(run)
    }

    /// Opens a run folder.
    ///
    /// # Errors
    /// [`TrainError::NotARun`] when there is no `config.toml`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let run = Self { path: path.into() };
        if run.config_path().is_file() {
            Ok(run)
        } else {
            Err(TrainError::NotARun { path: run.path })
        }
    }

    /// Opens the run folder if it is there; `None` if not.
    ///
    /// # Errors
    /// [`TrainError::Changed`] when it is there with another configuration; all settings that differ are named.
    pub fn open_begun(path: impl Into<PathBuf>, config: &impl Serialize) -> Result<Option<Self>> {
        let Ok(run) = Self::open(path) else {
            return Ok(None);
        };
        let path = run.config_path();
        let expected = toml_text(&path, config)?;
        let found = run.config_text()?;
        if found != expected {
            facts::same(&path, &settings(&path, &found)?, &settings(&path, &expected)?)?;
        }
        Ok(Some(run))
    }

    /// Opens the run folder if it is there with this very configuration, else creates it: the way for a study of many
    /// runs that is started again after a stop.
    ///
    /// # Errors
    /// [`TrainError::Changed`] when it is there with another configuration.
    pub fn open_or_create(path: impl Into<PathBuf>, config: &impl Serialize) -> Result<Self> {
        let path = path.into();
        match Self::open_begun(&path, config)? {
            Some(run) => Ok(run),
            None => Self::create(path, config),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of `config.toml`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn config_text(&self) -> Result<String> {
        fs::read_to_string(self.config_path()).map_err(io(&self.config_path(), "read"))
    }

    /// The configuration.
    ///
    /// # Errors
    /// When it does not parse; the message names the key.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(&self.config_text()?).map_err(|e| TrainError::Parse {
            path: self.config_path(),
            reason: e.to_string(),
        })
    }

    /// The status; `None` before the first training.
    ///
    /// # Errors
    /// When it does not parse.
    pub fn status(&self) -> Result<Option<Status>> {
        read_json(&self.path.join("status.json"))
    }

    /// Whether all is done: trained to its end and the test jets scored. Unlike [`status`](Self::status) it does not
    /// change while a finished run is looked at again.
    ///
    /// # Errors
    /// A damaged checkpoint.
    pub fn is_finished(&self) -> Result<bool> {
        let progress = self.checkpoints().progress(CheckpointKind::Last)?;
        Ok(progress.is_some_and(|p| p.ending.is_some()) && self.scores_path("test").is_file())
    }

    /// Changes the number of epochs of a run that is not in use; `set` puts the new number into the configuration `C`.
    ///
    /// The training that follows goes on from the last checkpoint. All schedules count epochs from the start of the
    /// training and none knows the last one, so it ends in the same bits as one that was to have this many from the
    /// start.
    ///
    /// # Errors
    /// [`TrainError::Epochs`] when no more than these are done already; [`TrainError::Ended`] when early stopping ended
    /// the run; [`TrainError::Locked`] when it is in use.
    pub fn set_epochs<C: Serialize + DeserializeOwned>(
        &self,
        epochs: u32,
        clock: &dyn Clock,
        set: impl FnOnce(&mut C),
    ) -> Result<()> {
        self.refuse_imported()?;
        let _lock = RunLock::take(&self.path)?;
        let done = self.epochs_before(epochs)?;
        let mut config: C = self.config()?;
        set(&mut config);
        let text = toml_text(&self.config_path(), &config)?;
        durable::write(&self.config_path(), text.as_bytes())?;
        self.log(&json!({
            "time": clock.unix_seconds(), "event": "epochs changed", "epochs": epochs, "epochs_done": done,
        }))
    }

    /// Whether [`set_epochs`](Self::set_epochs) would accept this number; changes nothing.
    ///
    /// # Errors
    /// As `set_epochs`.
    pub fn allows_epochs(&self, epochs: u32) -> Result<()> {
        let _lock = RunLock::take(&self.path)?;
        self.epochs_before(epochs).map(drop)
    }

    /// Epochs done, fewer than `epochs`. The caller holds the lock.
    fn epochs_before(&self, epochs: u32) -> Result<u64> {
        let checkpoints = self.checkpoints();
        checkpoints.recover()?;
        let progress = checkpoints.progress(CheckpointKind::Last)?;
        let path = || self.path.clone();
        let done = progress.as_ref().map_or(0, |p| p.epochs_done);
        if progress.is_some_and(|p| p.ending == Some(Ending::EarlyStopping)) {
            return Err(TrainError::Ended { path: path(), done });
        }
        if u64::from(epochs) <= done {
            let path = path();
            return Err(TrainError::Epochs { path, epochs, done });
        }
        Ok(done)
    }

    /// Whether a process works in this folder now.
    pub fn in_use(&self) -> bool {
        matches!(RunLock::take(&self.path), Err(TrainError::Locked { .. }))
    }

    /// The figures of all epochs done.
    ///
    /// # Errors
    /// When a line does not parse.
    pub fn metrics(&self) -> Result<Vec<EpochMetrics>> {
        journal::read(&self.metrics_path())
    }

    /// The scores of `part`; `test` is `scores.parquet`.
    ///
    /// # Errors
    /// When the run is not finished or the file is damaged.
    pub fn scores(&self, part: &str) -> Result<ScoreTable> {
        ScoreTable::read(&self.scores_path(part))
    }

    /// The scores or predictions of `part`, whichever the run's task has.
    ///
    /// # Errors
    /// When there are none or the file is damaged.
    pub fn scored(&self, part: &str) -> Result<Scored> {
        Scored::read(&self.scores_path(part))
    }

    /// Path of the scores of `part`: `scores.parquet` for `test`, `scores-PART.parquet` for others.
    pub fn scores_path(&self, part: &str) -> PathBuf {
        match part {
            "test" => self.path.join("scores.parquet"),
            other => self.path.join(format!("scores-{other}.parquet")),
        }
    }

    /// How long scoring each part took, by the part's name.
    ///
    /// # Errors
    /// When it does not parse.
    pub fn scoring_times(&self) -> Result<BTreeMap<String, ScoringTime>> {
        Ok(read_json(&self.scoring_path())?.unwrap_or_default())
    }

    /// Notes how long scoring `part` took.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write_scoring_time(&self, part: &str, time: ScoringTime) -> Result<()> {
        let mut times = self.scoring_times()?;
        times.insert(part.to_owned(), time);
        write_json(&self.scoring_path(), &times)
    }

    /// The folder for tables and figures.
    pub fn report_path(&self) -> PathBuf {
        self.path.join("report")
    }

    /// The checkpoints.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.path.join("checkpoints"))
    }

    /// Writes `provenance.json`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_provenance(&self, provenance: &Provenance) -> Result<()> {
        write_json(&self.path.join("provenance.json"), provenance)
    }

    /// Reads `provenance.json`; `None` when it was not written.
    ///
    /// # Errors
    /// When it does not parse.
    pub fn provenance(&self) -> Result<Option<Provenance>> {
        read_json(&self.path.join("provenance.json"))
    }

    /// Adds a line to `log.jsonl`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn log(&self, event: &impl Serialize) -> Result<()> {
        journal::append(&self.log_path(), event)
    }

    pub(crate) fn write_status(&self, status: &Status) -> Result<()> {
        write_json(&self.path.join("status.json"), status)
    }

    pub(crate) fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    fn scoring_path(&self) -> PathBuf {
        self.path.join("scoring.json")
    }

    fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }
}

fn toml_text(path: &Path, config: &impl Serialize) -> Result<String> {
    toml::to_string(config).map_err(|e| TrainError::Parse {
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

/// The settings of a configuration file by name.
fn settings(path: &Path, text: &str) -> Result<Facts> {
    let table: toml::Table = toml::from_str(text).map_err(|e| TrainError::Parse {
        path: path.to_owned(),
        reason: e.to_string(),
    })?;
    facts::facts("", &table, path)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| TrainError::Parse {
        path: path.to_owned(),
        reason: e.to_string(),
    })?;
    text.push('\n');
    durable::write(path, text.as_bytes())
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| TrainError::Parse {
            path: path.to_owned(),
            reason: e.to_string(),
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io(path, "read")(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainingConfig;
    use crate::provenance::Machine;

    #[test]
    fn a_run_is_made_once_and_opened_with_its_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runs/a");
        assert!(matches!(RunFolder::open(&path), Err(TrainError::NotARun { .. })));
        let config = TrainingConfig {
            seed: 5,
            ..TrainingConfig::default()
        };
        RunFolder::create(&path, &config).unwrap();
        assert!(matches!(
            RunFolder::create(&path, &config),
            Err(TrainError::Exists { .. })
        ));
        let run = RunFolder::open_or_create(&path, &config).unwrap();
        assert_eq!(run.config::<TrainingConfig>().unwrap(), config);
        let error = RunFolder::open_or_create(&path, &TrainingConfig::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("begun with seed = 5, now it is 0;"), "{error}");
    }

    #[test]
    fn provenance_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::create(dir.path().join("a"), &TrainingConfig::default()).unwrap();
        assert_eq!(run.provenance().unwrap(), None);
        let data = [("train".to_owned(), "md5:0".to_owned())].into();
        let provenance = Provenance {
            version: "1".to_owned(),
            git: None,
            data,
            machine: Machine::this(),
            device: "cpu".to_owned(),
            threads: 2,
            imported: None,
        };
        run.write_provenance(&provenance).unwrap();
        assert_eq!(run.provenance().unwrap(), Some(provenance));
    }
}
