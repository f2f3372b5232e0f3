//! What a model must offer so that it can be packed and run again from the file.

use crate::error::SurrogateError;
use crate::manifest::{Manifest, ModelDescription, SolverDescription};
use crate::recalibrated::{Recalibrated, Recalibration};
use crate::score_model::ScoreModel;
use std::collections::BTreeMap;

/// A surrogate that can be written to files and rebuilt from them. Rebuilding gives the same answers: the packer checks
/// this before it writes, `verify` whenever it is asked.
pub trait Rerun: ScoreModel + Sized {
    /// The files that hold the model, by name under `weights/`: safetensors for numbers, JSON for settings.
    ///
    /// # Errors
    /// Weights that cannot be written.
    fn files(&self) -> Result<BTreeMap<String, Vec<u8>>, SurrogateError>;

    /// (mean, std) by which each condition enters the model as (value - mean) / std; (0, 1) where it enters as it is.
    fn standardization(&self) -> Vec<(f64, f64)>;

    /// Item 9 of the manifest.
    fn description(&self) -> ModelDescription;

    /// Item 10 of the manifest.
    fn solver(&self) -> SolverDescription;

    /// The model of these files.
    ///
    /// # Errors
    /// Files that are missing, damaged or do not fit together; never a panic, whatever they hold.
    fn rebuild(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>) -> Result<Self, SurrogateError>;
}

/// File of the recalibration of a [`Recalibrated`] model.
pub(crate) const RECALIBRATION: &str = "recalibration.json";

impl<M: Rerun> Rerun for Recalibrated<M> {
    fn files(&self) -> Result<BTreeMap<String, Vec<u8>>, SurrogateError> {
        let mut files = self.model.files()?;
        let text = serde_json::to_vec_pretty(&self.recalibration).map_err(|e| unreadable(&e))?;
        files.insert(RECALIBRATION.to_owned(), text);
        Ok(files)
    }

    fn standardization(&self) -> Vec<(f64, f64)> {
        self.model.standardization()
    }

    fn description(&self) -> ModelDescription {
        let mut description = self.model.description();
        description
            .posterior
            .push_str("; distributions recalibrated by a monotone map of the PIT");
        description
    }

    fn solver(&self) -> SolverDescription {
        self.model.solver()
    }

    fn rebuild(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>) -> Result<Self, SurrogateError> {
        let text = files.get(RECALIBRATION).map(Vec::as_slice).unwrap_or_default();
        let recalibration: Recalibration = serde_json::from_slice(text).map_err(|e| unreadable(&e))?;
        let mut rest = files.clone();
        rest.remove(RECALIBRATION);
        Ok(Self {
            model: M::rebuild(manifest, &rest)?,
            recalibration,
        })
    }
}

fn unreadable(error: &serde_json::Error) -> SurrogateError {
    SurrogateError::Artifact {
        path: RECALIBRATION.into(),
        reason: format!("no recalibration: {error}"),
    }
}
