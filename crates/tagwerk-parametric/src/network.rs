//! A dense network that is told the hypothesis.
//!
//! Baldi, Cranmer, Faucett, Sadowski, Whiteson, arXiv:1601.07913: the mass is one more input. Anzalone, Diotalevi,
//! Bonacorsi, arXiv:2202.00424: it may instead shift, scale or both (affine) the inputs, every hidden layer or the last
//! one. An event is a vector of `C` features and, behind them, the `P` parameters of its hypothesis; preprocessing is
//! a part of the network, so that what is shared is complete.

mod build;
mod config;
mod generated;
mod objective;

pub use config::{Hidden, Method, NetworkConfig, Place, Start, WeightInit};

use generated::{Film, Hyper};
use std::collections::HashMap;
use std::sync::Arc;
use tagwerk_data::random;
use tagwerk_nn::layers::{BatchNorm, Condition, DenseChain, Part, PartMut, Parts, Pass, Standardize};
use tagwerk_nn::ops::{self, Activation};
use tagwerk_nn::{Device, Tensor, TensorData};
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
    condition: Option<Told>,
    /// What the hypothesis adds to the layer, before its activation.
    hyper: Option<Hyper>,
    norm: Option<BatchNorm>,
    dropout: Option<Condition>,
}

/// A conditioning of channels.
#[derive(Debug)]
enum Told {
    Linear(Box<Condition>),
    Film(Box<Film>),
}

impl Told {
    /// # Shapes
    /// - `x`: `[B, C]`, `m`: `[B, P]` twice; returns `[B, C]`
    fn forward(&self, x: Tensor<2>, m: &Hypothesis, pass: &Pass) -> Tensor<2> {
        match (self, &m.tensor) {
            (Self::Linear(condition), _) => condition.forward(x, &m.values, pass),
            (Self::Film(film), Some(tensor)) => film.forward(x, tensor, pass),
            // Made whenever there is such a layer.
            (Self::Film(_), None) => x,
        }
    }
}

impl Parts for Told {
    fn parts(&self) -> Vec<Part<'_>> {
        match self {
            Self::Linear(condition) => condition.parts(),
            Self::Film(film) => film.parts(),
        }
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        match self {
            Self::Linear(condition) => condition.parts_mut(),
            Self::Film(film) => film.parts_mut(),
        }
    }
}

/// The hypotheses of a batch as the network knows them, `[B, P]`.
struct Hypothesis {
    values: Arc<Vec<f32>>,
    /// The same where a layer differentiates through them.
    tensor: Option<Tensor<2>>,
}

/// The network.
#[derive(Debug)]
pub struct ParametricNetwork {
    config: NetworkConfig,
    features: usize,
    parameters: usize,
    standardize: Standardize,
    /// Conditioning of the inputs.
    input: Option<Told>,
    stretches: Vec<Stretch>,
    decays: HashMap<String, Arc<Vec<f32>>>,
    decorrelation: Option<(usize, f64)>,
    /// Outputs: 1, or signal and each background process.
    outputs: usize,
    /// Class of each row of the data, 0 signal; only training needs it.
    classes: Arc<Vec<u32>>,
}

impl ParametricNetwork {
    /// Adds `strength` times the squared distance correlation of score and feature number `feature` in background events
    /// to the loss (DisCo, Kasieczka, Shih, arXiv:2001.05310), at each hypothesis of a batch on its own.
    pub fn decorrelate(&mut self, feature: usize, strength: f64) {
        self.decorrelation = Some((feature, strength));
    }

    /// Tells the class of each row of the data: 0 signal, from 1 on the background processes.
    pub fn tell_classes(&mut self, classes: Arc<Vec<u32>>) {
        self.classes = classes;
    }

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
        if let Some((seed, step)) = pass.draws()
            && self.config.parameter_noise > 0.0
        {
            let mut stream = random::stream(seed, "parameter noise", step);
            for m in &mut m {
                *m += (self.config.parameter_noise * random::normal(&mut stream)) as f32;
            }
        }
        if self.config.fourier > 0 {
            m = generated::fourier(&m, p, self.config.fourier);
        }
        Ok((x, m))
    }
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
        let (c, p) = (self.features, self.config.known(self.parameters));
        let rows = x.len() / c;
        let mut x = Tensor::<2>::from_data(TensorData::new(x, [rows, c]), device); // [B, C]
        let differentiated = matches!(self.config.method, Method::Concat | Method::Film | Method::Hyper);
        let appended = differentiated.then(|| Tensor::<2>::from_data(TensorData::new(m.clone(), [rows, p]), device)); // [B, P]
        let append = |x: Tensor<2>| match &appended {
            Some(m) => Tensor::cat(vec![x, m.clone()], 1),
            None => x,
        };
        let m = Hypothesis {
            values: Arc::new(m),
            tensor: appended.clone(),
        };
        if self.config.method == Method::Concat && self.config.place == Place::Start {
            x = append(x); // [B, C + P]
        }
        if let Some(condition) = &self.input {
            x = condition.forward(x, &m, pass);
        }
        let at_end = self.config.place == Place::End;
        for stretch in &mut self.stretches {
            let added = match (&stretch.hyper, &m.tensor) {
                (Some(hyper), Some(tensor)) => Some(hyper.forward(x.clone(), tensor, pass)),
                _ => None,
            };
            x = stretch.dense.forward(x, pass); // [B, H]
            if let Some(added) = added {
                x = x + added;
                if !stretch.selu {
                    x = ops::activate(x, Activation::Relu);
                }
            }
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
                x = dropout.forward(x, &m.values, pass);
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
        Ok(match pass {
            // The loss needs all classes.
            Pass::Training { .. } | Pass::Trial { .. } => x, // [B, 1 + K]
            Pass::Scoring => self.signal(x),                 // [B, 1]
        })
    }

    fn loss(&self, logits: Tensor<2>, batch: &Batch, pass: &Pass) -> Tensor<1> {
        self.objective(&logits, batch, pass)
    }
}

impl Parts for ParametricNetwork {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.standardize.parts();
        parts.extend(self.input.iter().flat_map(Parts::parts));
        for stretch in &self.stretches {
            parts.extend(stretch.dense.parts());
            parts.extend(stretch.hyper.iter().flat_map(Parts::parts));
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
            parts.extend(stretch.hyper.iter_mut().flat_map(Parts::parts_mut));
            parts.extend(stretch.condition.iter_mut().flat_map(Parts::parts_mut));
            parts.extend(stretch.norm.iter_mut().flat_map(Parts::parts_mut));
        }
        parts
    }
}

#[cfg(test)]
mod tests;
