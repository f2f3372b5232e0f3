//! Checkpoints: the learner's files, where the training stands, and a checksum of each file.

mod progress;

pub use progress::{BestEpoch, Ending, Progress};

use crate::durable;
use crate::error::{Result, TrainError, io};
use crate::examples::Reading;
use crate::facts::{self, Facts};
use crate::learner::Learner;
use crate::observer::CheckpointKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tagwerk_data::{file_digest, sha256};

/// Version of the layout; other ones are refused.
const FORMAT: u32 = 2;
/// The loop's own file in a checkpoint, written last: a folder without it is no checkpoint.
const STATE: &str = "state.json";
/// Checksum of that file, in the form of `sha256sum`; the checksums of all other files are in it.
const STATE_CHECKSUM: &str = "state.json.sha256";

/// What a training must share with the checkpoint it resumes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The settings that decide the trained bits, the data, the numbers of jets and parameters.
    pub(crate) facts: Facts,
    /// How the training jets were read.
    pub(crate) reading: Reading,
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

    /// Writes a checkpoint beside its place, syncs every file, then puts it into its place: a kill at any moment leaves
    /// one complete checkpoint, the old or the new one.
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
        let checksum = checksum_line(text.as_bytes());
        durable::write(&new.join(STATE_CHECKSUM), checksum.as_bytes())?;
        durable::write(&new.join(STATE), text.as_bytes())?;
        durable::replace_folder(&path, &new)
    }

    /// Where the training stood, without reading the learner's files; `None` when there is no such checkpoint.
    ///
    /// # Errors
    /// A state file that is damaged.
    pub fn progress(&self, kind: CheckpointKind) -> Result<Option<Progress>> {
        Ok(self.state(kind)?.map(|(_, state)| state.progress))
    }

    /// How the training jets were read up to the last checkpoint, which is how they must be read on: the order of
    /// streamed jets depends on it. `None` when there is no checkpoint.
    ///
    /// # Errors
    /// A state file that is damaged.
    pub fn reading(&self) -> Result<Option<Reading>> {
        Ok(self
            .state(CheckpointKind::Last)?
            .map(|(_, state)| state.identity.reading))
    }

    /// Checks every file of a checkpoint against its checksum.
    ///
    /// # Errors
    /// The first file that is missing or damaged, or that the checkpoint is not there.
    pub fn verify(&self, kind: CheckpointKind) -> Result<()> {
        match self.state(kind)? {
            Some((path, state)) => verify(&path, &state),
            None => Err(TrainError::Checkpoint {
                path: self.path(kind),
                reason: "there is none".to_owned(),
            }),
        }
    }

    /// Checks a checkpoint against its checksums and against what is trained now.
    pub(crate) fn read(&self, kind: CheckpointKind, identity: &Identity) -> Result<Option<Progress>> {
        let Some((path, state)) = self.state(kind)? else {
            return Ok(None);
        };
        facts::same(&path, &state.identity.facts, &identity.facts)?;
        verify(&path, &state)?;
        Ok(Some(state.progress))
    }

    /// The state and the folder it lies in. Those who only look take no lock: a checkpoint replaced between the reading
    /// of its state and of the checksum is read again.
    fn state(&self, kind: CheckpointKind) -> Result<Option<(PathBuf, State)>> {
        self.read_state(kind).or_else(|_| self.read_state(kind))
    }

    fn read_state(&self, kind: CheckpointKind) -> Result<Option<(PathBuf, State)>> {
        let mut path = self.path(kind);
        if !path.exists() {
            // A kill between the two renames of a replacement leaves the checkpoint here until it is recovered.
            path = durable::beside(&path, "old");
        }
        if !path.exists() {
            return Ok(None);
        }
        let file = path.join(STATE);
        let damaged = |reason: String| TrainError::Checkpoint {
            path: file.clone(),
            reason: format!("{reason}; delete the folder {} to begin anew", path.display()),
        };
        let text = fs::read(&file).map_err(|e| damaged(e.to_string()))?;
        if let Ok(Version { format }) = serde_json::from_slice(&text)
            && format != FORMAT
        {
            return Err(damaged(format!("it has format {format}, this program knows {FORMAT}")));
        }
        let expected = fs::read(path.join(STATE_CHECKSUM))
            .map_err(|e| damaged(format!("its checksum {STATE_CHECKSUM} cannot be read: {e}")))?;
        if expected != checksum_line(&text).as_bytes() {
            return Err(damaged(format!(
                "its SHA-256 {} is not the one in {STATE_CHECKSUM}; one of the two files is damaged",
                sha256(&text)
            )));
        }
        let state: State = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        Ok(Some((path, state)))
    }
}

/// The one field of a state that every format has.
#[derive(Deserialize)]
struct Version {
    format: u32,
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
    let (bytes, sha256) = file_digest(file)?;
    Ok(FileRecord { bytes, sha256 })
}

/// What stands in [`STATE_CHECKSUM`]: `sha256sum -c` understands it.
fn checksum_line(state: &[u8]) -> String {
    format!("{}  {STATE}\n", sha256(state))
}
