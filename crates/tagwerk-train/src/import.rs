//! Runs of weights that another program trained.

use crate::checkpoint::{Ending, Identity, Progress};
use crate::clock::Clock;
use crate::durable;
use crate::error::{Result, TrainError, io};
use crate::examples::Reading;
use crate::facts::facts;
use crate::learner::Learner;
use crate::observer::CheckpointKind;
use crate::provenance::Provenance;
use crate::run_folder::{RunFolder, RunState, Status};
use serde::Serialize;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

impl RunFolder {
    /// Makes a run of a learner that holds imported weights: it can be scored with like one that was trained, and is
    /// refused as [`TrainError::Imported`] where a training would go on. The folder appears under its name when
    /// everything is in it.
    ///
    /// # Errors
    /// [`TrainError::Exists`] when there is something already; when the disk refuses.
    pub fn import(
        path: impl Into<PathBuf>,
        config: &impl Serialize,
        learner: &dyn Learner,
        provenance: &Provenance,
        clock: &dyn Clock,
    ) -> Result<Self> {
        let path = path.into();
        let taken = || TrainError::Exists { path: path.clone() };
        match fs::read_dir(&path) {
            Ok(inside) => {
                if inside.count() > 0 {
                    return Err(taken());
                }
                fs::remove_dir(&path).map_err(io(&path, "remove the empty folder"))?;
            }
            Err(_) if path.exists() => return Err(taken()),
            Err(_) => {}
        }
        let new = durable::beside(&path, "new");
        durable::remove_folder(&new)?;
        let made = fill(&new, config, learner, provenance, clock)
            .and_then(|()| fs::rename(&new, &path).map_err(io(&path, "rename to the final name")));
        if let Err(error) = made {
            // That the rest cannot be removed either adds nothing to the first error.
            let _ = durable::remove_folder(&new);
            return Err(error);
        }
        durable::sync_folder(&path)?;
        Self::open(path)
    }

    /// Says whether the run may be trained.
    ///
    /// # Errors
    /// [`TrainError::Imported`] for a run of imported weights.
    pub fn refuse_imported(&self) -> Result<()> {
        match self.provenance()? {
            Some(Provenance { imported: Some(_), .. }) => Err(TrainError::Imported {
                path: self.path().to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// Writes the run folder `new`.
fn fill(
    new: &Path,
    config: &impl Serialize,
    learner: &dyn Learner,
    provenance: &Provenance,
    clock: &dyn Clock,
) -> Result<()> {
    let run = RunFolder::create(new, config)?;
    let identity = Identity {
        facts: facts("imported", &provenance.imported, new)?,
        reading: Reading::InMemory,
    };
    let progress = Progress {
        ending: Some(Ending::AllEpochs),
        ..Progress::start()
    };
    run.checkpoints()
        .write(CheckpointKind::Best, learner, &identity, &progress)?;
    run.write_provenance(provenance)?;
    run.write_status(&Status {
        state: RunState::Finished,
        epochs_done: 0,
        epochs: 0,
        step: 0,
        steps_per_epoch: 0,
        best: None,
        message: None,
        updated: clock.unix_seconds(),
    })?;
    run.log(&json!({"time": clock.unix_seconds(), "event": "imported", "from": provenance.imported}))
}
