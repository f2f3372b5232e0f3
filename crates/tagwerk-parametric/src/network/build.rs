//! The layers of a configuration, in the order of the original.

use super::generated::{Film, Generator, Hyper};
use super::objective::decays;
use super::{Hidden, Method, NetworkConfig, ParametricNetwork, Place, Start, Stretch, Told, WeightInit};
use crate::error::ParametricError;
use std::collections::HashMap;
use std::sync::Arc;
use tagwerk_nn::Device;
use tagwerk_nn::layers::{
    BatchNorm, ConditionConfig, ConditionStart, DenseChain, DenseChainConfig, Init, Parts, Standardize,
};
use tagwerk_nn::ops::ConditionSpec;

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
            Method::Film => Film::new(&name, channels, generator).map(|film| Told::Film(Box::new(film))),
            _ => map(name, channels, dropout).map(|linear| Told::Linear(Box::new(linear))),
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
            let relu = self.activation == Hidden::Relu;
            let plain = relu && !concat && !condition && !hyper && !self.batch_norm;
            // Where dropout follows the activation at once, the chain of layers drops.
            let between = self.batch_norm || before_dropout || (concat && self.place == Place::All);
            let chained = relu && !between;
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
            let dropout = (rate > 0.0 && !fused && (!chained || hyper))
                .then(|| map(format!("dropout{l}"), channels, rate))
                .transpose()?;
            let ends = [widths[0], width];
            stretches.push(Stretch {
                dense: self
                    .chain(&format!("dense{first}"), &widths, !whole && !hyper, seed, device)?
                    .with_dropout(if chained { rate } else { 0.0 })?,
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
                WeightInit::LecunNormal => Init::LecunNormal,
            },
        };
        Ok(config.init(seed, device)?)
    }
}
