//! The tensors of a state dict, taken off one by one by their names.

use super::{Matrix, Norm};
use crate::torch::{StateDict, TorchTensor, TorchType, TorchValues};
use std::collections::BTreeMap;

/// The tensors that are not read yet.
pub(super) struct Shelf<'a> {
    tensors: BTreeMap<String, &'a TorchTensor>,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(state: &'a StateDict) -> Result<Self, String> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in &state.tensors {
            let mut short = name.as_str();
            // Wrappers for several GPUs, for compiling, and that of weaver's examples.
            for prefix in ["module.", "_orig_mod.", "mod."] {
                short = short.strip_prefix(prefix).unwrap_or(short);
            }
            if tensors.insert(short.to_owned(), tensor).is_some() {
                return Err(format!("two tensors are called {short}"));
            }
        }
        Ok(Self { tensors })
    }

    /// Names of the tensors that are still there.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Shape without the axes of 1 that convolutions have behind input and output.
    pub(super) fn shape(&self, name: &str) -> Result<&[usize], String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("there is no {name}"))?;
        match &tensor.shape[..] {
            [_, _, rest @ ..] if rest.iter().all(|&n| n == 1) => Ok(&tensor.shape[..2]),
            shape => Ok(shape),
        }
    }

    pub(super) fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        if self.shape(name)? != shape {
            let found = &self.tensors[name].shape;
            return Err(format!("{name} has shape {found:?}, {shape:?} is needed"));
        }
        match self.tensors.remove(name).map(|tensor| &tensor.values) {
            Some(TorchValues::Floats(values)) => match values.iter().find(|v| !v.is_finite()) {
                None => Ok(values.clone()),
                Some(bad) => Err(format!("{name} holds the value {bad}")),
            },
            _ => Err(format!("{name} holds integers")),
        }
    }

    /// A layer without bias, of any width.
    pub(super) fn matrix(&mut self, name: &str) -> Result<Matrix, String> {
        let name = format!("{name}.weight");
        let &[output, input] = self.shape(&name)? else {
            let found = &self.tensors[&name].shape;
            return Err(format!("{name} has shape {found:?}, a matrix is needed"));
        };
        Ok(Matrix {
            output,
            input,
            values: self.floats(&name, &[output, input])?,
        })
    }

    /// A layer without bias on `input` channels.
    pub(super) fn layer(&mut self, name: &str, input: usize) -> Result<Matrix, String> {
        let matrix = self.matrix(name)?;
        if matrix.input != input {
            let found = matrix.input;
            return Err(format!("{name}.weight reads {found} channels, there are {input}"));
        }
        Ok(matrix)
    }

    /// A layer with its bias.
    pub(super) fn dense(&mut self, name: &str, input: usize) -> Result<(Matrix, Vec<f32>), String> {
        let matrix = self.layer(name, input)?;
        let bias = self.floats(&format!("{name}.bias"), &[matrix.output])?;
        Ok((matrix, bias))
    }

    pub(super) fn norm(&mut self, name: &str, c: usize) -> Result<Norm, String> {
        // How many batches were seen; nothing depends on it.
        let batches = format!("{name}.num_batches_tracked");
        if self.tensors.get(&batches).is_some_and(|t| t.dtype == TorchType::I64) {
            self.tensors.remove(&batches);
        }
        let mut part = |part: &str| self.floats(&format!("{name}.{part}"), &[c]);
        Ok(Norm {
            gamma: part("weight")?,
            beta: part("bias")?,
            mean: part("running_mean")?,
            variance: part("running_var")?,
        })
    }
}
