//! From a file of weights to a run folder.

use crate::error::{Result, ShareError, io};
use crate::torch::{StateDict, TorchType};
use crate::weaver::{Choices, FEATURES, Preprocess, WeaverParticleNet, Weights};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagwerk_nn::weights::save_tensors;
use tagwerk_taggers::{Context, DataConfig, RunConfig, Tagger};
use tagwerk_train::{ImportedWeights, Machine, Provenance, RunFolder, SystemClock};

/// The taggers that weights are imported for.
const TAGGERS: [&str; 1] = ["particlenet"];

/// Neighbors of ParticleNet-Lite, which is known by its widths; others have [`NEIGHBORS`].
const NEIGHBORS_LITE: usize = 7;
const NEIGHBORS: usize = 16;

/// What a file of weights does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// The tagger. Default: particlenet.
    pub tagger: Option<String>,
    /// weaver's `preprocess.json` of the weights. Default: what weaver publishes for this number of features.
    pub preprocess: Option<PathBuf>,
    /// The class that is signal, by name or number. Default: class 0 of two.
    pub signal: Option<String>,
    /// The class that is background. Default: class 1 of two.
    pub background: Option<String>,
    /// Neighbors of a constituent. Default: 7 for the widths of ParticleNet-Lite, else 16.
    pub neighbors: Option<usize>,
}

/// A run made of imported weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Imported {
    /// The run folder.
    pub run: PathBuf,
    /// Name of the tagger.
    pub tagger: String,
    /// Parameters of the run's network: two outputs are kept of all classes.
    pub parameters: usize,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The network in the file.
    pub network: WeaverParticleNet,
    /// What was chosen: `signal`, `background`, `neighbors`, `preprocess`, `max_constituents`.
    pub choices: BTreeMap<String, String>,
}

/// What is in a file of weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The network, if it is a ParticleNet of weaver-core.
    pub network: Option<WeaverParticleNet>,
    /// Why it is none, or why it cannot be imported.
    pub reason: Option<String>,
    /// Names of the features that the network reads, as far as known.
    pub features: Vec<String>,
    /// Names of the classes, where known.
    pub classes: Option<Vec<String>>,
    /// All tensors, in the order of the file.
    pub tensors: Vec<TensorFact>,
}

/// A tensor of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TensorFact {
    /// Name.
    pub name: String,
    /// Type.
    pub dtype: TorchType,
    /// Shape.
    pub shape: Vec<usize>,
}

/// Says what is in a file of weights.
///
/// # Errors
/// A file that is no state dict; a preprocessing file that cannot be used.
pub fn inspect(weights: &Path, preprocess: Option<&Path>) -> Result<Inspection> {
    let state = StateDict::read(weights)?;
    let mut inspection = Inspection {
        bytes: state.bytes,
        sha256: state.sha256.clone(),
        network: None,
        reason: None,
        features: Vec::new(),
        classes: None,
        tensors: state
            .tensors
            .iter()
            .map(|(name, tensor)| TensorFact {
                name: name.clone(),
                dtype: tensor.dtype,
                shape: tensor.shape.clone(),
            })
            .collect(),
    };
    match Weights::find(&state) {
        Err(reason) => inspection.reason = Some(format!("not a ParticleNet of weaver-core: {reason}")),
        Ok(found) => {
            let network = found.network;
            let preprocess = preparation(&network, preprocess)?;
            let order = columns(weights, &network, &preprocess);
            inspection.reason = order.err().map(|error| error.to_string());
            (inspection.features, inspection.classes) = (preprocess.features, preprocess.classes);
            inspection.network = Some(network);
        }
    }
    Ok(inspection)
}

/// Makes a run folder of a file of weights. Nothing is left where it fails.
///
/// # Errors
/// A file that is no state dict, or one of another network; features that jets do not have; classes that are not there
/// or were not chosen; a folder that is taken.
pub fn import(weights: &Path, run: &Path, options: &ImportOptions, context: &Context) -> Result<Imported> {
    let tagger = options.tagger.as_deref().unwrap_or(TAGGERS[0]);
    if !TAGGERS.contains(&tagger) {
        return Err(ShareError::Setting {
            key: "tagger",
            value: tagger.to_owned(),
            allowed: "particlenet: weights of other taggers are not imported",
        });
    }
    let state = StateDict::read(weights)?;
    let found = Weights::find(&state).map_err(|reason| ShareError::Architecture {
        path: weights.to_owned(),
        reason,
    })?;
    let network = &found.network;
    let preprocess = preparation(network, options.preprocess.as_deref())?;
    let order = columns(weights, network, &preprocess)?;
    let classes = Classes::new(weights, network.classes, preprocess.classes.as_deref())?;
    let [signal, background] = classes.chosen(options)?;
    let choices = Choices {
        order,
        neighbors: neighbors(network, options.neighbors)?,
        signal,
        background,
        preprocess: &preprocess,
    };
    let config = found.config(&choices);
    config.check()?;
    let run_config = RunConfig {
        tagger: config.name().to_owned(),
        settings: config.settings()?,
        data: DataConfig::default(),
        training: config.training(),
    };
    let mut learner = config.learner(&run_config.training, &context.device)?;
    let folder = tempfile::tempdir().map_err(io(&std::env::temp_dir(), "create a folder in"))?;
    save_tensors(&found.named(&choices), &folder.path().join("weights.safetensors"))?;
    learner.load_weights(folder.path())?;
    let told: BTreeMap<String, String> = [
        ("signal", classes.label(signal)),
        ("background", classes.label(background)),
        ("neighbors", choices.neighbors.to_string()),
        ("max_constituents", preprocess.max_constituents.to_string()),
        (
            "preprocess",
            match &preprocess.sha256 {
                Some(sum) => format!("sha256:{sum}"),
                None => "as weaver publishes it".to_owned(),
            },
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let name = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let provenance = Provenance {
        version: context.version.clone(),
        git: context.git.clone(),
        data: BTreeMap::new(),
        machine: Machine::this(),
        device: context.device_name.clone(),
        threads: context.threads,
        imported: Some(ImportedWeights {
            file: name,
            sha256: state.sha256.clone(),
            format: "PyTorch state dict of weaver-core's ParticleNet".to_owned(),
            choices: told.clone(),
        }),
    };
    let made = RunFolder::import(run, &run_config, learner.as_ref(), &provenance, &SystemClock::new())?;
    Ok(Imported {
        run: made.path().to_owned(),
        tagger: run_config.tagger,
        parameters: learner.parameter_count(),
        sha256: state.sha256,
        choices: told,
        network: found.network,
    })
}

/// How the features of these weights are prepared.
fn preparation(network: &WeaverParticleNet, file: Option<&Path>) -> Result<Preprocess> {
    let Some(path) = file else {
        return Ok(Preprocess::published(network.features, network.classes));
    };
    let preprocess = Preprocess::read(path)?;
    let fault = |reason: String| ShareError::Preprocess {
        path: path.to_owned(),
        reason,
    };
    let (found, needed) = (preprocess.features.len(), network.features);
    if found != needed {
        return Err(fault(format!("it has {found} features, the network reads {needed}")));
    }
    let named = preprocess.classes.as_ref().map(Vec::len);
    if let Some(named) = named.filter(|&n| n != network.classes) {
        let outputs = network.classes;
        return Err(fault(format!(
            "output_names has {named} classes, the network {outputs} outputs"
        )));
    }
    Ok(preprocess)
}

/// The features of the network that each column of jets is.
fn columns(weights: &Path, network: &WeaverParticleNet, preprocess: &Preprocess) -> Result<[usize; FEATURES]> {
    preprocess.order().map_err(|missing| {
        let found = network.features;
        let missing = match missing.len() {
            0 => "others, nor can one of them be missing".to_owned(),
            _ => missing.join(", "),
        };
        let path = weights.to_owned();
        ShareError::Columns { path, found, missing }
    })
}

fn neighbors(network: &WeaverParticleNet, chosen: Option<usize>) -> Result<usize> {
    /// More than any jet has constituents.
    const MOST: usize = 10_000;
    let lite = network.blocks == [vec![32; 3], vec![64; 3]];
    let k = chosen.unwrap_or(if lite { NEIGHBORS_LITE } else { NEIGHBORS });
    match k {
        1..=MOST => Ok(k),
        _ => Err(ShareError::Setting {
            key: "neighbors",
            value: k.to_string(),
            allowed: "1 to 10000",
        }),
    }
}

/// The outputs of the network.
struct Classes<'a> {
    weights: &'a Path,
    /// Most networks have no names for them.
    names: Vec<Option<String>>,
}

impl<'a> Classes<'a> {
    fn new(weights: &'a Path, count: usize, names: Option<&[String]>) -> Result<Self> {
        let name = |i: usize| names.and_then(|names| names.get(i)).cloned();
        let classes = Self {
            weights,
            names: (0..count).map(name).collect(),
        };
        match count {
            0 | 1 => Err(classes.fault(format!("{count} outputs; signal and background are two"))),
            _ => Ok(classes),
        }
    }

    fn label(&self, index: usize) -> String {
        match self.names.get(index).cloned().flatten() {
            Some(name) => format!("{index} ({name})"),
            None => index.to_string(),
        }
    }

    fn fault(&self, reason: String) -> ShareError {
        const SHOWN: usize = 40;
        let mut classes: Vec<String> = (0..self.names.len().min(SHOWN)).map(|i| self.label(i)).collect();
        if self.names.len() > SHOWN {
            classes.push(format!("{} in all", self.names.len()));
        }
        ShareError::Classes {
            path: self.weights.to_owned(),
            reason,
            classes: classes.join(", "),
        }
    }

    /// Signal and background.
    fn chosen(&self, options: &ImportOptions) -> Result<[usize; 2]> {
        let find = |what: &str, wanted: &str| {
            let by_name = self.names.iter().position(|name| name.as_deref() == Some(wanted));
            let by_number = || wanted.parse().ok().filter(|&i: &usize| i < self.names.len());
            by_name
                .or_else(by_number)
                .ok_or_else(|| self.fault(format!("{what} = {wanted} is no class")))
        };
        let signal = options.signal.as_deref().map(|s| find("signal", s)).transpose()?;
        let background = options
            .background
            .as_deref()
            .map(|s| find("background", s))
            .transpose()?;
        let two = self.names.len() == 2;
        let [signal, background] = match (signal, background) {
            (Some(signal), Some(background)) => [signal, background],
            (Some(signal), None) if two => [signal, 1 - signal],
            (None, Some(background)) if two => [1 - background, background],
            // The published configuration for top tagging has the signal first.
            (None, None) if two => [0, 1],
            _ => {
                let reason = "choose which class is signal and which is background";
                return Err(self.fault(reason.to_owned()));
            }
        };
        if signal == background {
            return Err(self.fault(format!("signal and background are both {}", self.label(signal))));
        }
        Ok([signal, background])
    }
}
