//! The two files of a surrogate.

use super::Surrogate;
use crate::conditions::Conditions;
use crate::error::SurrogateError;
use crate::exact::Interpolation;
use crate::ode::Solver;
use crate::transform::Transform;
use crate::velocity::{VelocityConfig, VelocityNet, parse, write};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use tagwerk_data::{AtomicFile, sha256};

/// Version of the files; other ones are refused.
const FORMAT: u32 = 1;
const MANIFEST: &str = "surrogate.json";
pub(super) const WEIGHTS: &str = "weights.safetensors";
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
        let mut tensors = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            tensors.extend(self.net.tensors(&prefix(index), member));
        }
        let weights = folder.join(WEIGHTS);
        write(&weights, &tensors, HashMap::new())?;
        let path = folder.join(MANIFEST);
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
            weights_sha256: sha256(&std::fs::read(&weights).map_err(SurrogateError::io(&weights, "read"))?),
        };
        let text = serde_json::to_string_pretty(&manifest).map_err(|e| SurrogateError::File {
            path: path.clone(),
            reason: e.to_string(),
        })?;
        let mut file = AtomicFile::create(&path)?;
        writeln!(file, "{text}").map_err(SurrogateError::io(&path, "write"))?;
        Ok(file.commit()?)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another format.
    pub fn load(folder: &Path) -> Result<Self, SurrogateError> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(SurrogateError::io(&path, "read"))?;
        let fault = |reason: String| SurrogateError::File {
            path: path.clone(),
            reason,
        };
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| fault(e.to_string()))?;
        if manifest.format != FORMAT {
            return Err(fault(format!(
                "format {}, this program knows {FORMAT}",
                manifest.format
            )));
        }
        let weights = folder.join(WEIGHTS);
        let content = std::fs::read(&weights).map_err(SurrogateError::io(&weights, "read"))?;
        let found = sha256(&content);
        if found != manifest.weights_sha256 {
            return Err(SurrogateError::File {
                path: weights,
                reason: format!("SHA-256 {found}, the manifest says {}", manifest.weights_sha256),
            });
        }
        let net = VelocityNet::new(manifest.model, manifest.scores.len(), manifest.conditions.len())?;
        let file = parse(&weights, &content)?;
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
