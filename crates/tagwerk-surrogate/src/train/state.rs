//! Where a training stands: one file, written beside its name and renamed, with a checksum over its numbers.

use super::optimizer::Adam;
use crate::error::SurrogateError;
use crate::velocity::{VelocityNet, bytes, parse, tensor, write};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;
use tagwerk_data::hexadecimal;

/// Version of the layout; other ones are refused.
const FORMAT: u32 = 1;
/// The one word of the file's header: two would stand in an order that is not always the same.
const WORD: &str = "state";

/// What stands beside the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    format: u32,
    /// What the training was begun with: configuration and data.
    pub(super) identity: String,
    /// Steps done.
    pub(super) step: u64,
    /// Epochs done.
    pub(super) epochs: u64,
    /// Batches of the next epoch that are done.
    pub(super) batches: u64,
    /// Sum of loss times rows over these batches, as bits.
    pub(super) loss_bits: u64,
    /// Rows in these batches.
    pub(super) rows: u64,
    /// Seconds of training so far.
    pub(super) seconds: f64,
    /// Seconds of these batches.
    pub(super) epoch_seconds: f64,
    /// The best figure as bits, and its epoch from 1.
    pub(super) best: Option<(u64, u64)>,
    /// SHA-256 of the tensors.
    sha256: String,
}

impl Progress {
    pub(super) fn start(identity: String) -> Self {
        Self {
            format: FORMAT,
            identity,
            step: 0,
            epochs: 0,
            batches: 0,
            loss_bits: 0f64.to_bits(),
            rows: 0,
            seconds: 0.0,
            epoch_seconds: 0.0,
            best: None,
            sha256: String::new(),
        }
    }

    pub(super) fn loss(&self) -> f64 {
        f64::from_bits(self.loss_bits)
    }
}

/// Everything that later bits depend on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) theta: Vec<f32>,
    pub(super) adam: Adam,
    /// Running mean of the weights, where one is kept.
    pub(super) mean: Option<Vec<f32>>,
    pub(super) progress: Progress,
}

impl State {
    /// The weights that answer: the running mean, where one is kept.
    pub(super) fn answering(&self) -> &[f32] {
        self.mean.as_ref().unwrap_or(&self.theta)
    }

    /// Writes the file, whole or not at all.
    pub(super) fn write(&self, net: &VelocityNet, path: &Path) -> Result<(), SurrogateError> {
        let mut tensors = net.tensors("weights.", &self.theta);
        let mut flat = vec![("adam.first", &self.adam.first), ("adam.second", &self.adam.second)];
        if let Some(mean) = &self.mean {
            flat.push(("mean", mean));
        }
        for (name, values) in flat {
            tensors.push((name.to_owned(), vec![values.len()], bytes(values)));
        }
        let progress = Progress {
            sha256: self.checksum(),
            ..self.progress.clone()
        };
        let text = serde_json::to_string(&progress).map_err(|e| SurrogateError::File {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        write(path, &tensors, HashMap::from([(WORD.to_owned(), text)]))
    }

    /// Reads the file; `None` when there is none.
    pub(super) fn read(net: &VelocityNet, path: &Path) -> Result<Option<Self>, SurrogateError> {
        if !path.exists() {
            return Ok(None);
        }
        let fault = |reason: String| SurrogateError::File {
            path: path.to_owned(),
            reason: format!("{reason}; restore the file, or delete it to begin anew"),
        };
        let content = std::fs::read(path).map_err(SurrogateError::io(path, "read"))?;
        let file = parse(path, &content)?;
        let (_, header) = safetensors::SafeTensors::read_metadata(&content).map_err(|e| fault(e.to_string()))?;
        let text = header.metadata().as_ref().and_then(|words| words.get(WORD));
        let text = text.ok_or_else(|| fault("it is no checkpoint of a surrogate".to_owned()))?;
        let progress: Progress = serde_json::from_str(text).map_err(|e| fault(e.to_string()))?;
        if progress.format != FORMAT {
            return Err(fault(format!(
                "format {}, this program knows {FORMAT}",
                progress.format
            )));
        }
        let theta = net.weights(path, &file, "weights.")?;
        let count = [net.parameter_count()];
        let adam = Adam {
            first: tensor(path, &file, "adam.first", &count)?,
            second: tensor(path, &file, "adam.second", &count)?,
        };
        let mean = match file.tensor("mean") {
            Ok(_) => Some(tensor(path, &file, "mean", &count)?),
            Err(_) => None,
        };
        let state = Self {
            theta,
            adam,
            mean,
            progress,
        };
        let found = state.checksum();
        if found != state.progress.sha256 {
            let written = &state.progress.sha256;
            return Err(fault(format!(
                "SHA-256 of its numbers is {found}, {written} was written"
            )));
        }
        Ok(Some(state))
    }

    fn checksum(&self) -> String {
        let mut digest = Sha256::new();
        for values in [&self.theta, &self.adam.first, &self.adam.second]
            .into_iter()
            .chain(&self.mean)
        {
            digest.update(bytes(values));
        }
        hexadecimal(&digest.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::velocity::VelocityConfig;

    #[test]
    fn a_state_comes_back_to_the_bit_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last.safetensors");
        let net = VelocityNet::new(
            VelocityConfig {
                width: 8,
                ..VelocityConfig::default()
            },
            1,
            2,
        )
        .unwrap();
        assert_eq!(State::read(&net, &path).unwrap(), None);
        let mut progress = Progress::start("x".to_owned());
        (progress.loss_bits, progress.best) = ((0.1f64 + 0.2).to_bits(), Some((f64::NAN.to_bits(), 7)));
        let mut state = State {
            theta: net.init(1),
            adam: Adam::new(net.parameter_count()),
            mean: Some(net.init(2)),
            progress,
        };
        state.write(&net, &path).unwrap();
        let back = State::read(&net, &path).unwrap().unwrap();
        state.progress.sha256.clone_from(&back.progress.sha256);
        assert_eq!(back, state);
        let mut content = std::fs::read(&path).unwrap();
        *content.last_mut().unwrap() ^= 1;
        std::fs::write(&path, content).unwrap();
        let error = State::read(&net, &path).unwrap_err().to_string();
        assert!(
            error.contains("SHA-256") && error.contains("last.safetensors"),
            "{error}"
        );
    }
}
