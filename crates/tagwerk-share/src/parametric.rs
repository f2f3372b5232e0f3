//! Parametric networks of the original code (arXiv:2202.00424), from their checkpoints to run folders.
//!
//! A checkpoint has no description of its network, only tensors with the number of their layer. Widths, conditioning and its
//! place follow from shapes and order; what does not follow is chosen by options and told.

mod layers;

pub use layers::KerasNetwork;

use crate::error::{Result, ShareError};
use crate::tensorflow::{Checkpoint, TensorFlowType};
use layers::Layers;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagwerk_parametric::{Description, Method, StudyConfig, import_run};
use tagwerk_taggers::Context;
use tagwerk_train::{ImportedWeights, Machine, Provenance};

/// What a checkpoint does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct ParametricImport {
    /// Features of an event. Default: 27, those of HEPMASS.
    pub features: usize,
    /// How the mass enters, where shapes leave it open: `scaling` or `biasing`.
    pub method: Option<Method>,
    /// What the mass is divided by. Default: 1000.
    pub parameter_scale: f64,
    /// Masses that the network was trained on, so that others are told to be outside. Default: those of HEPMASS.
    pub masses: Vec<f32>,
}

impl Default for ParametricImport {
    fn default() -> Self {
        Self {
            features: 27,
            method: None,
            parameter_scale: 1000.0,
            masses: vec![500.0, 750.0, 1000.0, 1250.0, 1500.0],
        }
    }
}

/// A run made of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportedParametric {
    /// The run folder.
    pub run: PathBuf,
    /// Parameters of the network.
    pub parameters: usize,
    /// SHA-256 of the data file.
    pub sha256: String,
    /// The network in the checkpoint.
    pub network: KerasNetwork,
    /// What was chosen: `features`, `parameter_scale`, `masses`.
    pub choices: BTreeMap<String, String>,
}

/// What is in a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParametricInspection {
    /// Bytes of both files.
    pub bytes: u64,
    /// SHA-256 of the data file.
    pub sha256: String,
    /// The network, if it is a parametric one.
    pub network: Option<KerasNetwork>,
    /// Why it is none.
    pub reason: Option<String>,
    /// All tensors.
    pub tensors: Vec<CheckpointFact>,
}

/// A tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointFact {
    /// Key.
    pub name: String,
    /// Type.
    pub dtype: TensorFlowType,
    /// Shape.
    pub shape: Vec<usize>,
}

/// Says what is in a checkpoint.
///
/// # Errors
/// Files that are no checkpoint.
pub fn inspect_parametric(path: &Path, options: &ParametricImport) -> Result<ParametricInspection> {
    let checkpoint = Checkpoint::read(path)?;
    let (network, reason) = match Layers::find(&checkpoint, options.features).and_then(|layers| layers.network(options))
    {
        Ok((network, _)) => (Some(network), None),
        Err(reason) => (None, Some(reason)),
    };
    let fact = |(name, tensor): (&String, &crate::tensorflow::CheckpointTensor)| CheckpointFact {
        name: name.clone(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
    };
    Ok(ParametricInspection {
        bytes: checkpoint.bytes,
        sha256: checkpoint.sha256.clone(),
        network,
        reason,
        tensors: checkpoint.tensors.iter().map(fact).collect(),
    })
}

/// Makes a run folder of a checkpoint. Nothing is left where it fails.
///
/// # Errors
/// Files that are no checkpoint, or one of another network; a folder that is taken.
pub fn import_parametric(
    path: &Path,
    run: &Path,
    options: &ParametricImport,
    context: &Context,
) -> Result<ImportedParametric> {
    let checkpoint = Checkpoint::read(path)?;
    let fault = |reason: String| ShareError::NotParametric {
        path: path.to_owned(),
        reason,
    };
    if options.masses.is_empty() || options.masses.iter().any(|m| !m.is_finite()) {
        return Err(ShareError::Setting {
            key: "masses",
            value: format!("{:?}", options.masses),
            allowed: "at least one finite mass",
        });
    }
    let layers = Layers::find(&checkpoint, options.features).map_err(fault)?;
    let (network, mut config) = layers.network(options).map_err(fault)?;
    config.parameter_scale = vec![options.parameter_scale];
    let study = StudyConfig {
        network: config,
        ..StudyConfig::default()
    };
    let mut built = study.network.init(options.features, 1, 0, &context.device)?;
    layers.fill(&mut built).map_err(fault)?;
    let mut masses = options.masses.clone();
    masses.sort_by(f32::total_cmp);
    masses.dedup();
    let points: Vec<Vec<f32>> = masses.iter().map(|&mass| vec![mass]).collect();
    let description = Description {
        processes: Vec::new(),
        features: (0..options.features).map(|i| format!("f{i}")).collect(),
        parameters: vec!["mass".to_owned()],
        counts: vec![0; points.len()],
        test_points: points.clone(),
        points,
        leak: None,
        warnings: Vec::new(),
    };
    let choices: BTreeMap<String, String> = [
        ("features", options.features.to_string()),
        ("parameter_scale", options.parameter_scale.to_string()),
        (
            "masses",
            masses.iter().map(f32::to_string).collect::<Vec<_>>().join(", "),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let file = checkpoint.prefix.file_name().unwrap_or_default();
    let provenance = Provenance {
        version: context.version.clone(),
        git: context.git.clone(),
        data: BTreeMap::new(),
        machine: Machine::this(),
        device: context.device_name.clone(),
        threads: context.threads,
        imported: Some(ImportedWeights {
            file: file.to_string_lossy().into_owned(),
            sha256: checkpoint.sha256.clone(),
            format: "TensorFlow 2 checkpoint of a parametric network".to_owned(),
            choices: choices.clone(),
        }),
    };
    Ok(ImportedParametric {
        run: import_run(run, &study, built, &description, &provenance, context)?,
        parameters: network.parameters,
        sha256: checkpoint.sha256,
        network,
        choices,
    })
}

#[cfg(test)]
mod tests;
