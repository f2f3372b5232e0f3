//! A convolution of pictures or sequences of which only some pixels are computed.

use super::block::{Block, Entry, Init, check_size};
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use crate::kernels::conv::ConvSpec;
use crate::kernels::sites::Sites;
use crate::kernels::workspace::Workspace;
use crate::ops;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// What makes a convolution.
#[derive(Debug, Clone)]
pub struct ConvolutionConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Sizes; a sequence of length `L` is a picture `[1, L]`.
    pub spec: ConvSpec,
    /// How weights start; a bias starts at zero.
    pub init: Init,
}

impl ConvolutionConfig {
    /// Draws the parameters.
    ///
    /// # Errors
    /// [`NnError::Config`] for a size of zero, or a kernel larger than the padded input.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Convolution, NnError> {
        let spec = &self.spec;
        let window = &spec.window;
        let sizes = [window.input, window.size, window.stride];
        let numbers = [spec.c_in, spec.c_out, spec.groups];
        let divides = |c: usize| c.checked_rem(spec.groups) == Some(0);
        if sizes.iter().flatten().chain(&numbers).any(|&n| n == 0)
            || !divides(spec.c_in)
            || !divides(spec.c_out)
            || spec.output().contains(&0)
        {
            return Err(NnError::Config {
                what: format!("convolution '{}'", self.name),
                value: format!("{spec:?}"),
                limit: "of sizes above zero, with channels that the groups divide, and a kernel that fits into the padded input",
            });
        }
        check_size(&self.name, &[(spec.patch(), spec.c_out)])?;
        let mut entries = vec![Entry {
            name: "weight".into(),
            range: spec.weight(),
            shape: vec![spec.patch(), spec.c_out],
            init: self.init,
        }];
        if spec.bias {
            entries.push(Entry {
                name: "bias".into(),
                range: spec.bias_range(),
                shape: vec![spec.c_out],
                init: Init::Constant(0.0),
            });
        }
        Ok(Convolution {
            block: Block::new(&self.name, entries, seed, device),
            spec: Arc::new(spec.clone()),
            workspace: Workspace::default(),
        })
    }
}

/// A convolution.
#[derive(Debug)]
pub struct Convolution {
    spec: Arc<ConvSpec>,
    block: Block,
    workspace: Workspace,
}

impl Convolution {
    /// Of the pixels `from`, those of `to`; see [`ops::convolution`].
    ///
    /// # Shapes
    /// - `x`: `[R + P, C_in]`; returns `[R' + P', C_out]`
    pub fn forward(&self, x: Tensor<2>, from: &Arc<Sites>, to: &Arc<Sites>, pass: &Pass) -> Tensor<2> {
        ops::convolution(x, self.block.tensor(pass), &self.spec, from, to, &self.workspace)
    }

    /// Of all pixels.
    ///
    /// # Shapes
    /// - `x`: `[B H W, C_in]`; returns `[B H' W', C_out]`
    pub fn forward_dense(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        ops::dense_convolution(x, self.block.tensor(pass), &self.spec, &self.workspace)
    }

    /// Sizes.
    pub fn spec(&self) -> &ConvSpec {
        &self.spec
    }
}

impl Parts for Convolution {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block)]
    }
}
