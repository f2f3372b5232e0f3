//! Checkpoints: the learner's files, where the training stands, and a checksum of each file.

use crate::bits;
use crate::durable;
use crate::early_stopping::Patience;
use crate::error::{Result, TrainError, io};
use crate::learner::Learner;
use crate::metric::Metric;
use crate::observer::CheckpointKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Version of the layout; other ones are refused.
const FORMAT: u32 = 1;
/// The loop's own file in a checkpoint, written last: a folder without it is no checkpoint.
const STATE: &str = "state.json";

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All epochs are done.
    AllEpochs,
    /// The validation figure no longer got better.
    EarlyStopping,
}

/// The best epoch so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    /// The figure by which it is the best.
    pub metric: Metric,
    /// Its value; infinite (`null` in JSON) for a background rejection that has no bound.
    #[serde(deserialize_with = "null_is_infinite")]
    pub value: f64,
    /// Epoch, from 1.
    pub epoch: u64,
}

fn null_is_infinite<'de, D: serde::Deserializer<'de>>(d: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(d)?.unwrap_or(f64::INFINITY))
}

/// The best epoch as a checkpoint keeps it: without loss of a bit.
mod exact_best {
    use super::{BestEpoch, Metric, bits};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Exact {
        metric: Metric,
        #[serde(with = "bits")]
        value: f64,
        epoch: u64,
    }

    pub(super) fn serialize<S: Serializer>(best: &Option<BestEpoch>, s: S) -> Result<S::Ok, S::Error> {
        best.as_ref()
            .map(|b| Exact {
                metric: b.metric,
                value: b.value,
                epoch: b.epoch,
            })
            .serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<BestEpoch>, D::Error> {
        let best = Option::<Exact>::deserialize(d)?;
        Ok(best.map(|b| BestEpoch {
            metric: b.metric,
            value: b.value,
            epoch: b.epoch,
        }))
    }
}

/// Where a training stands. With the learner's files it decides every later bit; the orders of the jets follow from the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done, whole ones.
    pub epochs_done: u64,
    /// Batches of the epoch under way that are done.
    pub batches_done: u64,
    /// Steps done, over all epochs.
    pub step: u64,
    /// Sum of loss times jets over the epoch under way, for its mean.
    #[serde(with = "bits")]
    pub(crate) loss_sum: f64,
    /// Jets of the epoch under way that are done.
    pub(crate) epoch_jets: u64,
    /// Learning rate of the last step.
    #[serde(with = "bits")]
    pub(crate) learning_rate: f64,
    /// The best epoch, absent before the first is done.
    #[serde(with = "exact_best")]
    pub best: Option<BestEpoch>,
    /// State of early stopping.
    pub(crate) patience: Patience,
    /// Set when the training is over.
    pub ending: Option<Ending>,
    /// Seconds of work so far, validation included.
    pub seconds: f64,
    /// Seconds of training in the epoch under way.
    pub(crate) epoch_seconds: f64,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self {
            epochs_done: 0,
            batches_done: 0,
            step: 0,
            loss_sum: 0.0,
            epoch_jets: 0,
            learning_rate: 0.0,
            best: None,
            patience: Patience::default(),
            ending: None,
            seconds: 0.0,
            epoch_seconds: 0.0,
        }
    }
}

/// What a training must share with the checkpoint it resumes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// SHA-256 of the settings that decide the trained bits.
    pub(crate) settings: String,
    /// The caller's fingerprint of the data.
    pub(crate) data: String,
    pub(crate) train_jets: u64,
    pub(crate) validation_jets: u64,
    pub(crate) parameters: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    format: u32,
    identity: Identity,
    progress: Progress,
    files: BTreeMap<String, FileRecord>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FileRecord {
    bytes: u64,
    sha256: String,
}

/// The folder `checkpoints/` of a run.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder of one checkpoint: `last` or `best`.
    pub fn path(&self, kind: CheckpointKind) -> PathBuf {
        self.folder.join(match kind {
            CheckpointKind::Last => "last",
            CheckpointKind::Best => "best",
        })
    }

    /// Puts right what a killed process left. Only the holder of the run's lock may call it.
    pub(crate) fn recover(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(io(&self.folder, "create"))?;
        durable::recover_folder(&self.path(CheckpointKind::Last))?;
        durable::recover_folder(&self.path(CheckpointKind::Best))
    }

    /// Writes a checkpoint beside its place, syncs every file, then puts it into its place: a kill at any moment leaves one
    /// complete checkpoint, the old or the new one.
    pub(crate) fn write(
        &self,
        kind: CheckpointKind,
        learner: &dyn Learner,
        identity: &Identity,
        progress: &Progress,
    ) -> Result<()> {
        let path = self.path(kind);
        let new = durable::beside(&path, "new");
        durable::remove_folder(&new)?;
        fs::create_dir(&new).map_err(io(&new, "create"))?;
        learner.save(&new).map_err(|source| TrainError::Learner {
            doing: format!("saving to {}", new.display()),
            source,
        })?;
        let mut files = BTreeMap::new();
        for name in file_names(&new)? {
            let file = new.join(&name);
            File::open(&file)
                .and_then(|f| f.sync_all())
                .map_err(io(&file, "sync"))?;
            files.insert(name, record(&file)?);
        }
        let state = State {
            format: FORMAT,
            identity: identity.clone(),
            progress: progress.clone(),
            files,
        };
        let text = serde_json::to_string_pretty(&state).map_err(|e| TrainError::Parse {
            path: new.join(STATE),
            reason: e.to_string(),
        })?;
        durable::write(&new.join(STATE), text.as_bytes())?;
        durable::replace_folder(&path, &new)
    }

    /// Where the training stood, without reading the learner's files; `None` when there is no such checkpoint.
    ///
    /// # Errors
    /// A state file that does not parse.
    pub fn progress(&self, kind: CheckpointKind) -> Result<Option<Progress>> {
        Ok(self.state(kind)?.map(|state| state.progress))
    }

    /// Checks every file of a checkpoint against its checksum.
    ///
    /// # Errors
    /// The first file that is missing or damaged, or that the checkpoint is not there.
    pub fn verify(&self, kind: CheckpointKind) -> Result<()> {
        let path = self.path(kind);
        match self.state(kind)? {
            Some(state) => verify(&path, &state),
            None => Err(TrainError::Checkpoint {
                path,
                reason: "there is none".to_owned(),
            }),
        }
    }

    /// Checks a checkpoint against its checksums and against what is trained now.
    pub(crate) fn read(&self, kind: CheckpointKind, identity: &Identity) -> Result<Option<Progress>> {
        let Some(state) = self.state(kind)? else {
            return Ok(None);
        };
        let path = self.path(kind);
        let was = &state.identity;
        let pairs = [
            (
                "settings of fingerprint",
                was.settings.clone(),
                identity.settings.clone(),
            ),
            ("data of fingerprint", was.data.clone(), identity.data.clone()),
            (
                "a number of training jets of",
                was.train_jets.to_string(),
                identity.train_jets.to_string(),
            ),
            (
                "a number of validation jets of",
                was.validation_jets.to_string(),
                identity.validation_jets.to_string(),
            ),
            (
                "a number of parameters of",
                was.parameters.to_string(),
                identity.parameters.to_string(),
            ),
        ];
        for (what, found, expected) in pairs {
            if found != expected {
                return Err(TrainError::Changed {
                    path,
                    what,
                    found,
                    expected,
                });
            }
        }
        verify(&path, &state)?;
        Ok(Some(state.progress))
    }

    fn state(&self, kind: CheckpointKind) -> Result<Option<State>> {
        let path = self.path(kind);
        if !path.exists() {
            return Ok(None);
        }
        let file = path.join(STATE);
        let damaged = |reason: String| TrainError::Checkpoint {
            path: file.clone(),
            reason: format!("{reason}; delete the folder {} to begin anew", path.display()),
        };
        let text = fs::read_to_string(&file).map_err(|e| damaged(e.to_string()))?;
        let state: State = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        if state.format != FORMAT {
            return Err(damaged(format!("format {}, this program knows {FORMAT}", state.format)));
        }
        Ok(Some(state))
    }
}

fn verify(path: &Path, state: &State) -> Result<()> {
    for (name, expected) in &state.files {
        let file = path.join(name);
        let damaged = |reason: String| TrainError::Checkpoint {
            path: file.clone(),
            reason: format!(
                "{reason}; the file is damaged: restore it or delete the folder {} to begin anew",
                path.display()
            ),
        };
        let bytes = fs::metadata(&file).map_err(|e| damaged(e.to_string()))?.len();
        if bytes != expected.bytes {
            return Err(damaged(format!("{bytes} bytes, {} were written", expected.bytes)));
        }
        let found = record(&file)?;
        if found != *expected {
            return Err(damaged(format!(
                "SHA-256 {}, {} was written",
                found.sha256, expected.sha256
            )));
        }
    }
    Ok(())
}

fn file_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(io(folder, "list"))? {
        let entry = entry.map_err(io(folder, "list"))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn record(file: &Path) -> Result<FileRecord> {
    let mut reader = File::open(file).map_err(io(file, "open"))?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = std::io::Read::read(&mut reader, &mut chunk).map_err(io(file, "read"))?;
        if read == 0 {
            break;
        }
        digest.update(&chunk[..read]);
        bytes += read as u64;
    }
    Ok(FileRecord {
        bytes,
        sha256: hex(&digest.finalize()),
    })
}

/// SHA-256 of a text.
pub(crate) fn fingerprint(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_comes_back_from_json_bit_for_bit() {
        let mut progress = Progress::start();
        // Values whose decimal form is easily read back one bit off, and one JSON has no word for.
        progress.loss_sum = f64::from_bits(0x3fd5_5555_5555_5553);
        progress.learning_rate = 2.225_073_858_507_201e-308;
        progress.best = Some(BestEpoch {
            metric: Metric::ValRejection(30),
            value: f64::INFINITY,
            epoch: 3,
        });
        let rule = crate::config::EarlyStopping::default();
        progress.patience.stop_after(&rule, 1, 0.1 + 0.2);
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
    }
}
