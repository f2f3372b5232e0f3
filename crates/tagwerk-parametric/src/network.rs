//! A dense network that is told the hypothesis.
//!
//! Baldi, Cranmer, Faucett, Sadowski, Whiteson, arXiv:1601.07913: the mass is one more input. Anzalone, Diotalevi,
//! Bonacorsi, arXiv:2202.00424: it may instead shift, scale or both (affine) the inputs, every hidden layer or the last
//! one. An event is a vector of `C` features and, behind them, the `P` parameters of its hypothesis; preprocessing is
//! a part of the network, so that what is shared is complete.

mod config;

pub use config::{Hidden, Method, NetworkConfig, Place, Start, WeightInit};

use crate::error::ParametricError;
use std::collections::HashMap;
use std::sync::Arc;
use tagwerk_data::random;
use tagwerk_nn::layers::{
    BatchNorm, Condition, ConditionConfig, ConditionStart, DenseChain, DenseChainConfig, Init, Part, PartMut, Parts,
    Pass, Standardize,
};
use tagwerk_nn::ops::{self, Activation, ConditionSpec};
use tagwerk_nn::{Device, Tensor, TensorData, loss};
use tagwerk_physics::{DenseView, View};
use tagwerk_taggers::{Network, TaggerError};
use tagwerk_train::{Batch, Examples, Order};

const NAME: &str = "parametric network";

/// Dense layers with nothing between them, and what follows.
#[derive(Debug)]
struct Stretch {
    dense: DenseChain,
    selu: bool,
    /// Whether the hypothesis is appended behind the layers.
    concat: bool,
    condition: Option<Condition>,
    norm: Option<BatchNorm>,
    dropout: Option<Condition>,
}

/// The network.
#[derive(Debug)]
pub struct ParametricNetwork {
    config: NetworkConfig,
    features: usize,
    parameters: usize,
    standardize: Standardize,
    /// Conditioning of the inputs.
    input: Option<Condition>,
    stretches: Vec<Stretch>,
    decays: HashMap<String, Arc<Vec<f32>>>,
}

impl NetworkConfig {
    /// Draws the parameters of a network of `features` features and `parameters` parameters of the hypothesis.
    ///
    /// # Errors
    /// Settings that [`check`](Self::check) refuses.
    pub fn init(
        &self,
        features: usize,
        parameters: usize,
        seed: u64,
        device: &Device,
    ) -> Result<ParametricNetwork, ParametricError> {
        self.check(features, parameters)?;
        let map = |name: String, channels: usize, dropout: f64| {
            let method = if name.starts_with("dropout") {
                Method::None
            } else {
                self.method
            };
            let spec = ConditionSpec {
                inputs: parameters,
                channels,
                scale: matches!(method, Method::Scaling | Method::Affine),
                shift: matches!(method, Method::Biasing | Method::Affine),
            };
            let start = match self.start {
                Start::Identity => ConditionStart::Identity,
                Start::Glorot => ConditionStart::Glorot,
            };
            let config = ConditionConfig {
                name,
                spec,
                start,
                dropout,
            };
            config.init(seed, device).map_err(ParametricError::from)
        };
        let maps = matches!(self.method, Method::Biasing | Method::Scaling | Method::Affine);
        let concat_at = |place: Place| self.method == Method::Concat && self.place == place;
        let appended = |yes: bool| if yes { parameters } else { 0 };
        let last = self.hidden.len() - 1;
        let mut stretches = Vec::new();
        let mut widths = vec![features + appended(concat_at(Place::Start))];
        let mut first = 0;
        for (l, &width) in self.hidden.iter().enumerate() {
            widths.push(width);
            let at_end = self.place == Place::End && l == last;
            let conditioned = self.place == Place::All || at_end;
            let concat = self.method == Method::Concat && conditioned;
            let condition = maps && conditioned;
            // The original conditions, normalizes and drops, in this order; at the end it conditions last.
            let before_dropout = condition && !at_end;
            let fused = before_dropout && !self.batch_norm;
            let rate = self.dropout;
            let plain = self.activation == Hidden::Relu && !concat && !condition && !self.batch_norm && rate == 0.0;
            if plain && l < last {
                continue;
            }
            let whole = plain && l == last;
            if whole {
                widths.push(1);
            }
            let channels = width + appended(concat && self.place == Place::All);
            let condition = condition
                .then(|| map(format!("condition{l}"), width, if fused { rate } else { 0.0 }))
                .transpose()?;
            let dropout = (rate > 0.0 && !fused)
                .then(|| map(format!("dropout{l}"), channels, rate))
                .transpose()?;
            stretches.push(Stretch {
                dense: self.chain(&format!("dense{first}"), &widths, !whole, seed, device)?,
                selu: self.activation == Hidden::Selu,
                concat,
                condition,
                norm: self
                    .batch_norm
                    .then(|| BatchNorm::new(&format!("norm{l}"), channels, device)),
                dropout,
            });
            first = l + 1;
            widths = vec![width + appended(concat)];
            if whole {
                widths.clear();
            }
        }
        if !widths.is_empty() {
            widths.push(1);
            stretches.push(Stretch {
                dense: self.chain("output", &widths, false, seed, device)?,
                selu: false,
                concat: false,
                condition: None,
                norm: None,
                dropout: None,
            });
        }
        let mut network = ParametricNetwork {
            config: self.clone(),
            features,
            parameters,
            standardize: Standardize::new("input", features),
            input: (maps && self.place == Place::Start)
                .then(|| map("condition_input".into(), features, 0.0))
                .transpose()?,
            stretches,
            decays: HashMap::new(),
        };
        network.decays = decays(self, &network.parts());
        Ok(network)
    }

    fn chain(
        &self,
        name: &str,
        widths: &[usize],
        activate_last: bool,
        seed: u64,
        device: &Device,
    ) -> Result<DenseChain, ParametricError> {
        let config = DenseChainConfig {
            name: name.to_owned(),
            widths: widths.to_vec(),
            activate_last: activate_last && self.activation == Hidden::Relu,
            init: match self.init {
                WeightInit::HeUniform => Init::HeUniform,
                WeightInit::GlorotUniform => Init::GlorotUniform,
                // Normal of variance 1 / fan_in; the layers of a chain have the same kind of start, so the first decides.
                WeightInit::LecunNormal => Init::Normal((1.0 / widths[0] as f64).sqrt() as f32),
            },
        };
        Ok(config.init(seed, device)?)
    }
}

impl ParametricNetwork {
    /// Splits a batch into standardized features `[B, C]` and scaled hypotheses `[B, P]`.
    fn inputs(&self, view: &View, pass: &Pass) -> Result<(Vec<f32>, Vec<f32>), TaggerError> {
        let (c, p) = (self.features, self.parameters);
        let values = match view {
            View::Dense(DenseView { shape, values }) if shape[..] == [c + p] => values,
            _ => {
                return Err(TaggerError::View {
                    tagger: NAME,
                    expected: "features and parameters of an event",
                    found: format!("another view than vectors of {c} + {p}"),
                });
            }
        };
        let rows = values.len() / (c + p);
        let (mut x, mut m) = (Vec::with_capacity(rows * c), Vec::with_capacity(rows * p));
        for row in values.chunks_exact(c + p) {
            x.extend_from_slice(&row[..c]);
            m.extend(
                row[c..]
                    .iter()
                    .enumerate()
                    .map(|(i, &v)| v / self.config.scale_of(i) as f32),
            );
        }
        self.standardize.apply(&mut x);
        if let Some(limit) = self.config.clip {
            let limit = limit as f32;
            x.iter_mut().for_each(|v| *v = v.clamp(-limit, limit));
        }
        if let Pass::Training { seed, step } = *pass
            && self.config.parameter_noise > 0.0
        {
            let mut stream = random::stream(seed, "parameter noise", step);
            for m in &mut m {
                *m += (self.config.parameter_noise * random::normal(&mut stream)) as f32;
            }
        }
        Ok((x, m))
    }
}

/// Lambda of each parameter of the blocks whose squares the loss counts, by the block's name.
fn decays(config: &NetworkConfig, parts: &[Part<'_>]) -> HashMap<String, Arc<Vec<f32>>> {
    let mut found = HashMap::new();
    for part in parts {
        let Part::Block(block) = part else { continue };
        let dense = block.name().starts_with("dense") || block.name() == "output";
        if !dense || (config.l2_kernel == 0.0 && config.l2_bias == 0.0) {
            continue;
        }
        let mut lambda = vec![0.0; block.len()];
        for entry in block.entries() {
            let kernel = entry.shape.len() == 2;
            let value = if kernel { config.l2_kernel } else { config.l2_bias };
            lambda[entry.range.clone()].fill(value as f32);
        }
        found.insert(block.name().to_owned(), Arc::new(lambda));
    }
    found
}

impl Network for ParametricNetwork {
    /// Mean and standard deviation of each feature of the training events, if the settings ask for it.
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), TaggerError> {
        if !self.config.standardize {
            return Ok(());
        }
        const BATCH: usize = 4096;
        let (c, p) = (self.features, self.parameters);
        let mut count = 0u64;
        let (mut mean, mut squares) = (vec![0.0f64; c], vec![0.0f64; c]);
        for batch in train.batches(Order::STORED, BATCH, 0) {
            let batch = batch?;
            let View::Dense(view) = &batch.view else { continue };
            for row in view.values.chunks_exact(c + p) {
                count += 1;
                for ((mean, squares), &value) in mean.iter_mut().zip(&mut squares).zip(row) {
                    // Welford 1962: no digits are lost to a large mean.
                    let before = f64::from(value) - *mean;
                    *mean += before / count as f64;
                    *squares += before * (f64::from(value) - *mean);
                }
            }
        }
        let scale = squares.iter().map(|s| (s / count.max(1) as f64).sqrt());
        // A feature of one value alone carries nothing and stays at 0.
        let scale = scale.map(|s| if s > 0.0 { s as f32 } else { 1.0 }).collect();
        self.standardize.fit(mean.iter().map(|&m| m as f32).collect(), scale)?;
        Ok(())
    }

    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (x, m) = self.inputs(view, pass)?;
        let (c, p) = (self.features, self.parameters);
        let rows = x.len() / c;
        let mut x = Tensor::<2>::from_data(TensorData::new(x, [rows, c]), device); // [B, C]
        let appended = (self.config.method == Method::Concat)
            .then(|| Tensor::<2>::from_data(TensorData::new(m.clone(), [rows, p]), device)); // [B, P]
        let append = |x: Tensor<2>| match &appended {
            Some(m) => Tensor::cat(vec![x, m.clone()], 1),
            None => x,
        };
        let m = Arc::new(m);
        if self.config.place == Place::Start {
            x = append(x); // [B, C + P]
        }
        if let Some(condition) = &self.input {
            x = condition.forward(x, &m, pass);
        }
        let at_end = self.config.place == Place::End;
        for stretch in &mut self.stretches {
            x = stretch.dense.forward(x, pass); // [B, H]
            if stretch.selu {
                x = ops::activate(x, Activation::Selu);
            }
            if !at_end {
                x = stretch
                    .condition
                    .as_ref()
                    .map_or(x.clone(), |layer| layer.forward(x, &m, pass));
                if stretch.concat {
                    x = append(x); // [B, H + P]
                }
            }
            if let Some(norm) = &mut stretch.norm {
                x = norm.forward(x, pass);
            }
            if let Some(dropout) = &stretch.dropout {
                x = dropout.forward(x, &m, pass);
            }
            if at_end {
                x = stretch
                    .condition
                    .as_ref()
                    .map_or(x.clone(), |layer| layer.forward(x, &m, pass));
                if stretch.concat {
                    x = append(x);
                }
            }
        }
        Ok(x) // [B, 1]
    }

    /// Cross entropy or focal loss, and the squares of the dense weights.
    fn loss(&self, logits: Tensor<2>, batch: &Batch, pass: &Pass) -> Tensor<1> {
        let mut total = loss::focal(logits, &batch.labels, batch.weights.as_deref(), self.config.focal_gamma);
        for part in self.parts() {
            if let Part::Block(block) = part
                && let Some(lambda) = self.decays.get(block.name())
            {
                total = total + ops::weighted_squares(block.tensor(pass), lambda);
            }
        }
        total
    }
}

impl Parts for ParametricNetwork {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.standardize.parts();
        parts.extend(self.input.iter().flat_map(Parts::parts));
        for stretch in &self.stretches {
            parts.extend(stretch.dense.parts());
            parts.extend(stretch.condition.iter().flat_map(Parts::parts));
            parts.extend(stretch.norm.iter().flat_map(Parts::parts));
        }
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = self.standardize.parts_mut();
        parts.extend(self.input.iter_mut().flat_map(Parts::parts_mut));
        for stretch in &mut self.stretches {
            parts.extend(stretch.dense.parts_mut());
            parts.extend(stretch.condition.iter_mut().flat_map(Parts::parts_mut));
            parts.extend(stretch.norm.iter_mut().flat_map(Parts::parts_mut));
        }
        parts
    }
}

#[cfg(test)]
mod tests;
