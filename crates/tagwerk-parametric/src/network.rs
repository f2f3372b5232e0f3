//! A dense network that is told the hypothesis.
//!
//! Baldi, Cranmer, Faucett, Sadowski, Whiteson, arXiv:1601.07913: the mass is one more input. Anzalone, Diotalevi,
//! Bonacorsi, arXiv:2202.00424: it may instead shift, scale or both (affine) the inputs, every hidden layer or the last
//! one. An event is a vector of `C` features and, behind them, the `P` parameters of its hypothesis; preprocessing is
//! a part of the network, so that what is shared is complete.

mod config;
mod generated;

pub use config::{Hidden, Method, NetworkConfig, Place, Start, WeightInit};

use crate::error::ParametricError;
use generated::{Film, Generator, Hyper};
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
    condition: Option<Told>,
    /// What the hypothesis adds to the layer, before its activation.
    hyper: Option<Hyper>,
    norm: Option<BatchNorm>,
    dropout: Option<Condition>,
}

/// A conditioning of channels.
#[derive(Debug)]
enum Told {
    Linear(Condition),
    Film(Film),
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
        self.init_with_processes(features, parameters, 0, seed, device)
    }

    /// The same with an output for each of so many background processes and one for the signal, where `processes` is set.
    ///
    /// # Errors
    /// As [`init`](Self::init); fewer than two processes.
    pub fn init_with_processes(
        &self,
        features: usize,
        parameters: usize,
        processes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<ParametricNetwork, ParametricError> {
        let outputs = match (self.processes, processes) {
            (false, _) => 1,
            (true, 2..=1000) => 1 + processes,
            (true, _) => {
                return Err(ParametricError::Setting {
                    key: "network.processes",
                    value: format!("true for {processes} background processes"),
                    allowed: "2 to 1000 of them, told apart by a column of names",
                });
            }
        };
        self.check(features, parameters)?;
        let known = self.known(parameters);
        let generator = Generator {
            inputs: known,
            hidden: &self.generator,
            seed,
            device,
        };
        let map = |name: String, channels: usize, dropout: f64| {
            let method = if name.starts_with("dropout") {
                Method::None
            } else {
                self.method
            };
            let spec = ConditionSpec {
                inputs: known,
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
        let told = |name: String, channels: usize, dropout: f64| match self.method {
            Method::Film => Film::new(&name, channels, generator).map(Told::Film),
            _ => map(name, channels, dropout).map(Told::Linear),
        };
        let maps = matches!(
            self.method,
            Method::Biasing | Method::Scaling | Method::Affine | Method::Film
        );
        let concat_at = |place: Place| self.method == Method::Concat && self.place == place;
        let appended = |yes: bool| if yes { known } else { 0 };
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
            let fused = before_dropout && !self.batch_norm && self.method != Method::Film;
            let hyper = self.method == Method::Hyper
                && match self.place {
                    Place::Start => l == 0,
                    Place::All => true,
                    Place::End => l == last,
                };
            let rate = self.dropout;
            let plain =
                self.activation == Hidden::Relu && !concat && !condition && !hyper && !self.batch_norm && rate == 0.0;
            // A layer whose weights depend on the hypothesis is a chain of its own.
            let next = self.method == Method::Hyper
                && (self.place == Place::All || (self.place == Place::End && l + 1 == last));
            if plain && l < last && !next {
                continue;
            }
            let whole = plain && l == last;
            if whole {
                widths.push(outputs);
            }
            let channels = width + appended(concat && self.place == Place::All);
            let condition = condition
                .then(|| told(format!("condition{l}"), width, if fused { rate } else { 0.0 }))
                .transpose()?;
            let dropout = (rate > 0.0 && !fused)
                .then(|| map(format!("dropout{l}"), channels, rate))
                .transpose()?;
            let ends = [widths[0], width];
            stretches.push(Stretch {
                dense: self.chain(&format!("dense{first}"), &widths, !whole && !hyper, seed, device)?,
                selu: self.activation == Hidden::Selu,
                hyper: hyper
                    .then(|| Hyper::new(&format!("hyper{l}"), ends, self.rank, generator))
                    .transpose()?,
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
            widths.push(outputs);
            stretches.push(Stretch {
                dense: self.chain("output", &widths, false, seed, device)?,
                selu: false,
                hyper: None,
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
                .then(|| told("condition_input".into(), features, 0.0))
                .transpose()?,
            stretches,
            decays: HashMap::new(),
            decorrelation: None,
            outputs,
            classes: Arc::default(),
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
    /// Adds `strength` times the squared distance correlation of score and feature number `feature` in background events
    /// to the loss (DisCo, Kasieczka, Shih, arXiv:2001.05310), at each hypothesis of a batch on its own.
    pub fn decorrelate(&mut self, feature: usize, strength: f64) {
        self.decorrelation = Some((feature, strength));
    }

    /// Tells the class of each row of the data: 0 signal, from 1 on the background processes.
    pub fn tell_classes(&mut self, classes: Arc<Vec<u32>>) {
        self.classes = classes;
    }

    /// The log-odds of signal against everything else, `[B, 1]`, of logits `[B, 1 + K]`.
    fn signal(&self, logits: Tensor<2>) -> Tensor<2> {
        if self.outputs == 1 {
            return logits;
        }
        let [rows, n] = logits.dims();
        let signal = logits.clone().slice([0..rows, 0..1]);
        signal - log_sum(logits.slice([0..rows, 1..n]))
    }

    /// Mean of `-log p(class)` of a softmax, `[1]`.
    fn softmax_loss(&self, logits: &Tensor<2>, batch: &Batch) -> Tensor<1> {
        let n = self.outputs;
        let mut chosen = vec![0.0f32; batch.len() * n];
        for (i, &row) in batch.rows.iter().enumerate() {
            // Rows beyond those that were told are of the first process.
            let process = self.classes.get(row as usize).map_or(1, |&class| class as usize);
            let class = if batch.labels[i] > 0.5 {
                0
            } else {
                process.clamp(1, n - 1)
            };
            chosen[i * n + class] = 1.0;
        }
        let device = logits.device();
        let chosen = Tensor::<2>::from_data(TensorData::new(chosen, [batch.len(), n]), &device);
        let loss = log_sum(logits.clone()) - (logits.clone() * chosen).sum_dim(1); // [B, 1]
        match &batch.weights {
            None => loss.mean(),
            Some(weights) => {
                let weights = Tensor::<2>::from_data(TensorData::new(weights.clone(), [batch.len(), 1]), &device);
                (loss * weights).mean()
            }
        }
    }

    /// The distance correlation of a batch, `[1]`: over its hypotheses, each with as much weight as it has background.
    fn correlation(&self, logits: &Tensor<2>, batch: &Batch, feature: usize) -> Option<Tensor<1>> {
        /// Fewer events than these say nothing of a correlation.
        const FEWEST: usize = 16;
        /// More are not looked at: the matrices of distances are squares.
        const MOST: usize = 2048;
        let View::Dense(view) = &batch.view else { return None };
        let (c, p) = (self.features, self.parameters);
        let row = |i: usize| &view.values[i * (c + p)..(i + 1) * (c + p)];
        let background: Vec<usize> = (0..batch.len()).filter(|&i| batch.labels[i] < 0.5).take(MOST).collect();
        let mut groups = std::collections::BTreeMap::<Vec<u32>, Vec<usize>>::new();
        for &i in &background {
            let point = row(i)[c..].iter().map(|v| v.to_bits()).collect();
            groups.entry(point).or_default().push(i);
        }
        // Hypotheses anywhere: nearly every event has its own, and they are taken together.
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        if groups.len() * FEWEST > background.len() {
            groups = vec![background];
        }
        groups.retain(|rows| rows.len() >= FEWEST);
        let total: usize = groups.iter().map(Vec::len).sum();
        let scores = ops::activate(self.signal(logits.clone()), Activation::Sigmoid);
        let scores = scores.reshape([batch.len()]);
        let mut sum: Option<Tensor<1>> = None;
        for rows in groups {
            let values: Vec<f32> = rows.iter().map(|&i| row(i)[feature]).collect();
            let share = rows.len() as f64 / total as f64;
            let own = loss::distance_correlation(loss::rows_of(scores.clone(), &rows), &values) * share;
            sum = Some(match sum {
                Some(sum) => sum + own,
                None => own,
            });
        }
        sum
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
        if let Pass::Training { seed, step } = *pass
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

/// `log sum exp` of each row, which never overflows.
///
/// # Shapes
/// - `x`: `[B, K]`; returns `[B, 1]`
fn log_sum(x: Tensor<2>) -> Tensor<2> {
    let highest = x.clone().detach().max_dim(1);
    (x - highest.clone()).exp().sum_dim(1).log() + highest
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
            Pass::Training { .. } => x,      // [B, 1 + K]
            Pass::Scoring => self.signal(x), // [B, 1]
        })
    }

    /// Cross entropy or focal loss, and the squares of the dense weights.
    fn loss(&self, logits: Tensor<2>, batch: &Batch, pass: &Pass) -> Tensor<1> {
        let mut total = match self.outputs {
            1 => loss::focal(
                logits.clone(),
                &batch.labels,
                batch.weights.as_deref(),
                self.config.focal_gamma,
            ),
            _ => self.softmax_loss(&logits, batch),
        };
        for part in self.parts() {
            if let Part::Block(block) = part
                && let Some(lambda) = self.decays.get(block.name())
            {
                total = total + ops::weighted_squares(block.tensor(pass), lambda);
            }
        }
        if let Some((feature, strength)) = self.decorrelation
            && let Some(correlation) = self.correlation(&logits, batch, feature)
        {
            total = total + correlation * strength;
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
