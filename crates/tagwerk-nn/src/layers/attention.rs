//! Multi-head attention within each jet.

use super::Pass;
use super::dropout::keys;
use crate::error::NnError;
use crate::kernels::attention::AttentionSpec;
use crate::kernels::dropout::Drop;
use crate::kernels::workspace::Workspace;
use crate::ops;
use crate::segments::Segments;
use burn::tensor::Tensor;

/// Multi-head attention; the projections before and after it are layers of their own.
#[derive(Debug)]
pub struct Attention {
    name: String,
    spec: AttentionSpec,
    dropout: f64,
    workspace: Workspace,
}

impl Attention {
    /// `heads` heads that share `channels` channels; `dropout` of the weights while training.
    ///
    /// # Errors
    /// [`NnError::Config`] unless the heads divide the channels, or for a rate outside [0, 1).
    pub fn new(name: &str, channels: usize, heads: usize, dropout: f64) -> Result<Self, NnError> {
        let refuse = |what: &str, value: String, limit| {
            Err(NnError::Config {
                what: format!("{what} of layer '{name}'"),
                value,
                limit,
            })
        };
        if heads == 0 || channels == 0 || !channels.is_multiple_of(heads) {
            let value = format!("{heads} heads of {channels} channels");
            return refuse("the attention", value, "heads of equal width above zero");
        }
        if !(0.0..1.0).contains(&dropout) {
            return refuse("the dropout rate", dropout.to_string(), "in [0, 1)");
        }
        Ok(Self {
            name: name.to_string(),
            spec: AttentionSpec {
                heads,
                width: channels / heads,
            },
            dropout,
            workspace: Workspace::default(),
        })
    }

    /// Each row asks the rows of its own jet; see [`ops::self_attention`].
    ///
    /// # Shapes
    /// - `qkv`: `[R, 3 C]`, `bias`: `[1, sum_b H n_b^2]`; returns `[R, C]`
    pub fn forward(&self, qkv: Tensor<2>, bias: Option<Tensor<2>>, jets: &Segments, pass: &Pass) -> Tensor<2> {
        let key = keys(&self.name, std::iter::once(self.dropout), pass).pop();
        let drop = key.map(|key| Drop::new(self.dropout, key));
        ops::self_attention(qkv, bias, self.spec, jets, drop, &self.workspace)
    }

    /// Queries ask other rows of their jet, without dropout; see [`ops::cross_attention`].
    ///
    /// # Shapes
    /// - `q`: `[R_q, C]`, `kv`: `[R_k, 2 C]`; returns `[R_q, C]`
    pub fn forward_across(&self, q: Tensor<2>, kv: Tensor<2>, queries: &Segments, keys: &Segments) -> Tensor<2> {
        ops::cross_attention(q, kv, self.spec, queries, keys, &self.workspace)
    }
}
