//! The two files of a surrogate.

use super::Surrogate;
use crate::conditions::Conditions;
use crate::error::SurrogateError;
use crate::exact::Interpolation;
use crate::ode::Solver;
use crate::transform::Transform;
use crate::velocity::{VelocityConfig, VelocityNet, content, parse};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use tagwerk_data::{AtomicFile, sha256};

/// Version of the files; other ones are refused.
const FORMAT: u32 = 1;
pub(crate) const MANIFEST: &str = "surrogate.json";
pub(crate) const WEIGHTS: &str = "weights.safetensors";
/// The first file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    name: String,
    scores: Vec<String>,
    transform: Transform,
    conditions: Conditions,
    model: VelocityConfig,
    members: usize,
    parameters: usize,
    solver: Solver,
    interpolation: Interpolation,
    /// SHA-256 of the weights' file.
    weights_sha256: String,
}

impl Surrogate {
    /// Writes both files into `folder`, which is made if need be; each whole or not at all, the manifest last.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, folder: &Path) -> Result<(), SurrogateError> {
        std::fs::create_dir_all(folder).map_err(SurrogateError::io(folder, "create"))?;
        let [(_, manifest), weights] = self.files()?;
        for (name, content) in [weights, (MANIFEST, manifest)] {
            let path = folder.join(name);
            let mut file = AtomicFile::create(&path)?;
            file.write_all(&content).map_err(SurrogateError::io(&path, "write"))?;
            file.commit()?;
        }
        Ok(())
    }

    /// Both files by name.
    pub(crate) fn files(&self) -> Result<[(&'static str, Vec<u8>); 2], SurrogateError> {
        let mut tensors = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            tensors.extend(self.net.tensors(&prefix(index), member));
        }
        let weights = content(Path::new(WEIGHTS), &tensors, HashMap::new())?;
        let manifest = Manifest {
            format: FORMAT,
            name: self.name.clone(),
            scores: self.scores.clone(),
            transform: self.transform,
            conditions: self.conditions.clone(),
            model: self.net.config(),
            members: self.members.len(),
            parameters: self.net.parameter_count(),
            solver: self.solver,
            interpolation: self.interpolation,
            weights_sha256: sha256(&weights),
        };
        let mut text = serde_json::to_string_pretty(&manifest).map_err(|e| SurrogateError::File {
            path: MANIFEST.into(),
            reason: e.to_string(),
        })?;
        text.push('\n');
        Ok([(MANIFEST, text.into_bytes()), (WEIGHTS, weights)])
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another format.
    pub fn load(folder: &Path) -> Result<Self, SurrogateError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(SurrogateError::io(&path, "read"))
        };
        Self::of_files(folder, &read(MANIFEST)?, &read(WEIGHTS)?)
    }

    /// The surrogate of the contents of both files; `place` is the folder that errors name.
    pub(crate) fn of_files(place: &Path, manifest: &[u8], content: &[u8]) -> Result<Self, SurrogateError> {
        let fault = |reason: String| SurrogateError::File {
            path: place.join(MANIFEST),
            reason,
        };
        let manifest: Manifest = serde_json::from_slice(manifest).map_err(|e| fault(e.to_string()))?;
        if manifest.format != FORMAT {
            return Err(fault(format!(
                "format {}, this program knows {FORMAT}",
                manifest.format
            )));
        }
        let weights = place.join(WEIGHTS);
        let found = sha256(content);
        if found != manifest.weights_sha256 {
            return Err(SurrogateError::File {
                path: weights,
                reason: format!("SHA-256 {found}, the manifest says {}", manifest.weights_sha256),
            });
        }
        let conditions = &manifest.conditions;
        let sound =
            |c: &crate::conditions::Condition| c.deviation > 0.0 && c.deviation.is_finite() && c.mean.is_finite();
        if let Some(column) = conditions.columns().iter().find(|column| !sound(column)) {
            return Err(fault(format!(
                "the condition `{}` has mean {} and deviation {}; allowed: finite, and above 0",
                column.name, column.mean, column.deviation
            )));
        }
        let net = VelocityNet::new(manifest.model, manifest.scores.len(), conditions.len())?;
        if manifest.parameters != net.parameter_count() {
            return Err(fault(format!(
                "{} parameters, its network has {}",
                manifest.parameters,
                net.parameter_count()
            )));
        }
        let file = parse(&weights, content)?;
        let members: Vec<Vec<f32>> = (0..manifest.members)
            .map(|index| net.weights(&weights, &file, &prefix(index)))
            .collect::<Result<_, _>>()?;
        Self::new(
            manifest.name,
            manifest.scores,
            manifest.transform,
            manifest.conditions,
            manifest.model,
            members,
        )?
        .answered_by(manifest.solver, manifest.interpolation)
    }
}

fn prefix(member: usize) -> String {
    format!("members.{member}.")
}
