//! Weights in safetensors files, each under its own name and shape.

use super::VelocityNet;
use crate::error::SurrogateError;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use tagwerk_data::AtomicFile;

/// Named tensors of f32, on their way into a file.
pub(crate) type Named = Vec<(String, Vec<usize>, Vec<u8>)>;

/// The bytes of f32 values, little-endian.
pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Writes tensors and words to one file, whole or not at all.
pub(crate) fn write(path: &Path, tensors: &Named, words: HashMap<String, String>) -> Result<(), SurrogateError> {
    let content = content(path, tensors, words)?;
    let mut file = AtomicFile::create(path)?;
    file.write_all(&content).map_err(SurrogateError::io(path, "write"))?;
    Ok(file.commit()?)
}

/// The content of such a file; `path` is what errors call it.
pub(crate) fn content(path: &Path, tensors: &Named, words: HashMap<String, String>) -> Result<Vec<u8>, SurrogateError> {
    let fault = |reason: String| SurrogateError::File {
        path: path.to_owned(),
        reason,
    };
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, bytes) in tensors {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| fault(e.to_string()))?;
        views.push((name.as_str(), view));
    }
    safetensors::serialize(views, Some(words)).map_err(|e| fault(e.to_string()))
}

/// One tensor of f32 by name and shape.
pub(crate) fn tensor(path: &Path, file: &SafeTensors, name: &str, shape: &[usize]) -> Result<Vec<f32>, SurrogateError> {
    let fault = |reason: String| SurrogateError::File {
        path: path.to_owned(),
        reason,
    };
    let tensor = file
        .tensor(name)
        .map_err(|_| fault(format!("there is no tensor `{name}`")))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        return Err(fault(format!(
            "`{name}` is {:?} {:?}, needed is F32 {shape:?}",
            tensor.dtype(),
            tensor.shape()
        )));
    }
    let words = tensor.data().chunks_exact(4);
    Ok(words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

impl VelocityNet {
    /// The weights as named tensors; each name begins with `prefix`.
    pub(crate) fn tensors(&self, prefix: &str, theta: &[f32]) -> Named {
        let entry = |e: &super::Entry| {
            let name = format!("{prefix}{}", e.name);
            (name, e.shape.clone(), bytes(&theta[e.range.clone()]))
        };
        self.entries.iter().map(entry).collect()
    }

    /// The weights of a file, back in one vector.
    pub(crate) fn weights(&self, path: &Path, file: &SafeTensors, prefix: &str) -> Result<Vec<f32>, SurrogateError> {
        let mut theta = Vec::with_capacity(self.parameter_count());
        for entry in &self.entries {
            theta.extend(tensor(path, file, &format!("{prefix}{}", entry.name), &entry.shape)?);
        }
        Ok(theta)
    }

    /// Writes weights `[P]` to a safetensors file, whole or not at all.
    ///
    /// # Errors
    /// Another number of weights than parameters; when the disk refuses.
    pub fn write(&self, path: &Path, theta: &[f32]) -> Result<(), SurrogateError> {
        self.check_length("weights", theta.len())?;
        write(path, &self.tensors("", theta), HashMap::new())
    }

    /// Reads weights `[P]` from a safetensors file.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another network.
    pub fn read(&self, path: &Path) -> Result<Vec<f32>, SurrogateError> {
        let content = std::fs::read(path).map_err(SurrogateError::io(path, "read"))?;
        let file = parse(path, &content)?;
        self.weights(path, &file, "")
    }
}

/// The directory of a file in memory.
pub(crate) fn parse<'a>(path: &Path, content: &'a [u8]) -> Result<SafeTensors<'a>, SurrogateError> {
    SafeTensors::deserialize(content).map_err(|e| SurrogateError::File {
        path: path.to_owned(),
        reason: format!("not readable as safetensors: {e}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::VelocityConfig;
    use super::*;

    #[test]
    fn weights_come_back_to_the_bit_and_other_networks_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.safetensors");
        let net = VelocityNet::new(VelocityConfig::default(), 1, 6).unwrap();
        let theta = net.init(3);
        net.write(&path, &theta).unwrap();
        assert_eq!(net.read(&path).unwrap(), theta);
        let other = VelocityNet::new(VelocityConfig::default(), 1, 7).unwrap();
        let error = other.read(&path).unwrap_err().to_string();
        assert!(
            error.contains("blocks.0.linears.0.weight") && error.contains("[64, 14]"),
            "{error}"
        );
        let content = std::fs::read(&path).unwrap();
        std::fs::write(&path, &content[..content.len() / 2]).unwrap();
        assert!(net.read(&path).is_err());
    }
}
