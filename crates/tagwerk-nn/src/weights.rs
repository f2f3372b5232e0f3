//! Weights and optimizer state as safetensors files.
//!
//! Every weight, bias, gamma, beta, running statistic, standardization and codebook is stored under its own name and
//! shape (`phi.0.weight [3, 100]`), readable by any safetensors library. Reading checks names and shapes both ways.

use crate::error::NnError;
use crate::layers::{Part, PartMut, Parts};
use crate::ops;
use crate::optimizer::{Adam, Moments};
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

type Named = (String, Vec<usize>, Vec<f32>);

fn collect(network: &(impl Parts + ?Sized)) -> Vec<Named> {
    let mut tensors = Vec::new();
    for part in network.parts() {
        match part {
            Part::Block(block) => {
                let values = block.to_vec();
                for entry in block.entries() {
                    let name = format!("{}.{}", block.name(), entry.name);
                    tensors.push((name, entry.shape.clone(), values[entry.range.clone()].to_vec()));
                }
            }
            Part::Running(running) => {
                for (i, s) in running.statistics().iter().enumerate() {
                    let c = s.mean.len();
                    tensors.push((format!("{}.{i}.running_mean", running.name()), vec![c], s.mean.clone()));
                    tensors.push((
                        format!("{}.{i}.running_variance", running.name()),
                        vec![c],
                        s.variance.clone(),
                    ));
                }
            }
            Part::Standardize(layer) => {
                for (what, values) in ["center", "scale"].into_iter().zip(layer.values()) {
                    tensors.push((format!("{}.{what}", layer.name()), vec![values.len()], values.to_vec()));
                }
            }
            Part::Codebook(book) => {
                let codes = book.codes();
                tensors.push((format!("{}.codes", book.name()), vec![codes.len()], codes.to_vec()));
            }
        }
    }
    tensors
}

/// Writes `tensors` into `path`; the caller owns atomicity (a checkpoint folder is renamed as a whole).
fn write(path: &Path, tensors: &[Named], metadata: HashMap<String, String>) -> Result<(), NnError> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let weights = |reason: String| NnError::Weights {
        path: path.to_path_buf(),
        reason,
    };
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, shape, _), bytes) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| weights(format!("{name}: {e}")))?;
        views.push((name.clone(), view));
    }
    let file = safetensors::serialize(views, Some(metadata)).map_err(|e| weights(e.to_string()))?;
    std::fs::write(path, file).map_err(|source| NnError::Io {
        path: path.to_path_buf(),
        source,
    })
}

/// Shape and values of each tensor by name, and the file's metadata.
type Contents = (HashMap<String, (Vec<usize>, Vec<f32>)>, HashMap<String, String>);

/// Reads all tensors of `path` and its metadata.
fn read(path: &Path) -> Result<Contents, NnError> {
    let weights = |reason: String| NnError::Weights {
        path: path.to_path_buf(),
        reason,
    };
    let bytes = std::fs::read(path).map_err(|source| NnError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|e| weights(format!("not a safetensors file: {e}")))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| weights(format!("not a safetensors file: {e}")))?;
    let mut tensors = HashMap::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(weights(format!("{name} has type {:?}; only F32 is read", view.dtype())));
        }
        let values = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect::<Vec<_>>();
        tensors.insert(name, (view.shape().to_vec(), values));
    }
    Ok((tensors, header.metadata().clone().unwrap_or_default()))
}

/// Writes tensors of any names and shapes, row-major: for weights that come from elsewhere, which [`load`] then checks
/// against their network.
///
/// # Errors
/// [`NnError::Io`] with the file; [`NnError::Weights`] for a tensor whose values do not fill its shape.
pub fn save_tensors(tensors: &[(String, Vec<usize>, Vec<f32>)], path: &Path) -> Result<(), NnError> {
    write(path, tensors, HashMap::new())
}

/// Writes all weights, running statistics and standardizations.
///
/// # Errors
/// [`NnError::Io`] with the file.
pub fn save(network: &(impl Parts + ?Sized), path: &Path) -> Result<(), NnError> {
    write(path, &collect(network), HashMap::new())
}

/// Weights as read from a file and checked against a network, not yet in use.
#[derive(Debug)]
pub struct Checked(HashMap<String, (Vec<usize>, Vec<f32>)>);

/// Reads what [`save`] wrote, bit for bit. Nothing is changed unless everything fits.
///
/// # Errors
/// As [`check`].
pub fn load(network: &mut (impl Parts + ?Sized), path: &Path) -> Result<(), NnError> {
    let checked = check(network, path)?;
    apply(network, checked);
    Ok(())
}

/// Reads what [`save`] wrote and checks it against a network, which [`apply`] then changes: a caller with several files
/// checks them all before it changes anything.
///
/// # Errors
/// [`NnError::Weights`] for a missing, surplus or misshapen tensor or a non-finite value, with its name.
pub fn check(network: &(impl Parts + ?Sized), path: &Path) -> Result<Checked, NnError> {
    let (found, _) = read(path)?;
    let weights = |reason: String| NnError::Weights {
        path: path.to_path_buf(),
        reason,
    };
    for (name, shape, _) in collect(network) {
        match found.get(&name) {
            None => {
                return Err(weights(format!(
                    "{name} {shape:?} is missing: is this the same network?"
                )));
            }
            Some((got, _)) if *got != shape => {
                return Err(weights(format!(
                    "{name} has shape {got:?}; this network needs {shape:?}"
                )));
            }
            Some((_, values)) => {
                if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
                    return Err(weights(format!("{name} holds the value {bad}")));
                }
            }
        }
    }
    let known: std::collections::HashSet<String> = collect(network).into_iter().map(|(name, ..)| name).collect();
    if let Some(name) = found.keys().find(|name| !known.contains(*name)) {
        return Err(weights(format!("{name} is not a part of this network")));
    }
    Ok(Checked(found))
}

/// Puts weights that [`check`] has checked against this very network into it.
pub fn apply(network: &mut (impl Parts + ?Sized), Checked(mut found): Checked) {
    let mut take = |name: String| found.remove(&name).map(|(_, values)| values).unwrap_or_default();
    for part in network.parts_mut() {
        match part {
            PartMut::Block(block) => {
                let mut values = vec![0.0; block.len()];
                for entry in block.entries() {
                    values[entry.range.clone()].copy_from_slice(&take(format!("{}.{}", block.name(), entry.name)));
                }
                block.set(values);
            }
            PartMut::Running(running) => {
                let name = running.name().to_string();
                for (i, s) in running.statistics_mut().iter_mut().enumerate() {
                    s.mean = take(format!("{name}.{i}.running_mean"));
                    s.variance = take(format!("{name}.{i}.running_variance"));
                }
            }
            PartMut::Standardize(layer) => {
                let name = layer.name().to_string();
                layer.restore(take(format!("{name}.center")), take(format!("{name}.scale")));
            }
            PartMut::Codebook(book) => {
                let name = book.name().to_string();
                book.restore(take(format!("{name}.codes")));
            }
        }
    }
}

/// Writes the optimizer's moments and step count.
///
/// # Errors
/// [`NnError::Io`] with the file.
pub fn save_optimizer(adam: &Adam, path: &Path) -> Result<(), NnError> {
    let mut tensors = Vec::new();
    for (i, (first, second)) in adam.moments.iter().enumerate() {
        for (name, tensor) in [("first", first), ("second", second)] {
            let values = ops::floats(tensor.clone());
            tensors.push((format!("{i}.{name}"), vec![values.len()], values));
        }
    }
    for (i, slow) in adam.slow.iter().enumerate() {
        let values = ops::floats(slow.clone());
        tensors.push((format!("{i}.slow"), vec![values.len()], values));
    }
    write(
        path,
        &tensors,
        HashMap::from([("steps".to_string(), adam.steps.to_string())]),
    )
}

/// Reads what [`save_optimizer`] wrote, bit for bit, and checks it against the moments of `adam`, which
/// [`Adam::restore`] then replaces: a caller reads all its files before it changes anything.
///
/// # Errors
/// [`NnError::Weights`] if it does not belong to this network or holds a value that is no number.
pub fn read_optimizer(adam: &Adam, path: &Path) -> Result<Moments, NnError> {
    let (mut found, metadata) = read(path)?;
    let weights = |reason: String| NnError::Weights {
        path: path.to_path_buf(),
        reason,
    };
    let steps = metadata
        .get("steps")
        .and_then(|s| s.parse().ok())
        .ok_or_else(|| weights("the number of steps is missing".into()))?;
    let (mut moments, mut slow) = (Vec::new(), Vec::new());
    for (i, (first, second)) in adam.moments.iter().enumerate() {
        let mut take = |name: &str, like: &Tensor<1>| {
            let [n] = like.dims();
            let name = format!("{i}.{name}");
            match found.remove(&name) {
                Some((_, values)) if values.len() != n => {
                    Err(weights(format!("{name} has {} values, not {n}", values.len())))
                }
                Some((_, values)) => match values.iter().find(|v| !v.is_finite()) {
                    Some(bad) => Err(weights(format!("{name} holds the value {bad}"))),
                    None => Ok(Tensor::from_data(TensorData::new(values, [n]), &like.device())),
                },
                None => Err(weights(format!("{name} is missing: is this the same network?"))),
            }
        };
        moments.push((take("first", first)?, take("second", second)?));
        if adam.looks_ahead(steps) {
            slow.push(take("slow", first)?);
        }
    }
    match found.keys().next() {
        Some(name) => Err(weights(format!("{name} is not a part of this network"))),
        None => Ok(Moments { steps, moments, slow }),
    }
}
