//! The velocity field v(t, x, c): three small networks in a row that see time and conditions anew.
//!
//! Bieringer, Kasieczka, Kieseler, Trabs, "Classifier surrogates", arXiv:2402.15558, and its released code.
//!
//! ```text
//! tau(t) = [cos(pi t), cos(2 pi t), cos(3 pi t), sin(pi t), sin(2 pi t), sin(3 pi t)]
//! h_1 = MLP_1([tau, x, c])    (1 + 6 + C) -> 64 -> 64 -> 64
//! h_2 = MLP_2([tau, h_1, c])  (64 + 6 + C) -> 64 -> 64 -> 64
//! v   = MLP_3([tau, h_2, c])  (64 + 6 + C) -> 64 -> 64 -> 1
//! ```
//!
//! Each MLP is Linear-ELU-Linear-ELU-Linear: nothing stands between the last layer of one and the first of the next. So
//! these two are one matrix, and [`Folded`] multiplies them once for all rows: 20,600 multiply-adds a row where the
//! network as written has 31,200. Gradients are taken of the folded network and led back by the chain rule, once a batch.

mod folded;
mod forward;
mod gradient;
mod real;
mod store;
pub(crate) mod tile;

pub use folded::Folded;
pub use forward::{Conditioned, NetScratch};
pub(crate) use gradient::Tape;
pub use real::Real;
pub(crate) use store::{bytes, content, parse, tensor, write};

use crate::error::SurrogateError;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use tagwerk_data::random;

/// What makes a velocity network. The defaults are the published one: 31,617 parameters with six conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VelocityConfig {
    /// Frequencies of the time features: cosine and sine of pi t, 2 pi t, ... Default: 3.
    pub frequencies: usize,
    /// Units of every hidden layer. Default: 64.
    pub width: usize,
    /// Networks in a row, of three layers each. Default: 3.
    pub blocks: usize,
}

impl Default for VelocityConfig {
    fn default() -> Self {
        Self {
            frequencies: 3,
            width: 64,
            blocks: 3,
        }
    }
}

/// One weight matrix or bias vector in the flat vector of all parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name in files: `blocks.0.linears.0.weight`.
    pub name: String,
    /// `[out, in]` of a weight, `[out]` of a bias.
    pub shape: Vec<usize>,
    /// Where it lies in the flat vector.
    pub range: Range<usize>,
    /// Inputs of its layer, which set the scale of the initial values.
    pub fan_in: usize,
}

/// The shape of a velocity network: what lies where in its flat vector of `P` parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct VelocityNet {
    config: VelocityConfig,
    scores: usize,
    conditions: usize,
    entries: Vec<Entry>,
}

impl VelocityNet {
    /// A network for `scores` scores (`D`) and `conditions` conditions (`C`).
    ///
    /// # Errors
    /// A size of 0, or beyond what any machine holds.
    pub fn new(config: VelocityConfig, scores: usize, conditions: usize) -> Result<Self, SurrogateError> {
        const MOST: usize = 1 << 14;
        for (setting, value) in [
            ("model.frequencies", config.frequencies),
            ("model.width", config.width),
            ("model.blocks", config.blocks),
            ("number of scores", scores),
            ("number of conditions", conditions),
        ] {
            if value == 0 || value > MOST {
                return Err(SurrogateError::Setting {
                    setting,
                    value: value.to_string(),
                    wanted: "1 to 16384",
                });
            }
        }
        let mut entries = Vec::new();
        let mut at = 0;
        let mut add = |name: String, shape: Vec<usize>, fan_in: usize| {
            let length: usize = shape.iter().product();
            entries.push(Entry {
                name,
                shape,
                range: at..at + length,
                fan_in,
            });
            at += length;
        };
        let VelocityConfig {
            frequencies,
            width,
            blocks,
        } = config;
        for block in 0..blocks {
            let hidden = if block == 0 { scores } else { width };
            let out = if block + 1 == blocks { scores } else { width };
            let sizes = [
                (2 * frequencies + hidden + conditions, width),
                (width, width),
                (width, out),
            ];
            for (layer, (input, output)) in sizes.into_iter().enumerate() {
                let name = format!("blocks.{block}.linears.{layer}");
                add(format!("{name}.weight"), vec![output, input], input);
                add(format!("{name}.bias"), vec![output], input);
            }
        }
        Ok(Self {
            config,
            scores,
            conditions,
            entries,
        })
    }

    /// What it was made of.
    pub fn config(&self) -> VelocityConfig {
        self.config
    }

    /// Components of x, `D`.
    pub fn scores(&self) -> usize {
        self.scores
    }

    /// Conditions, `C`.
    pub fn conditions(&self) -> usize {
        self.conditions
    }

    /// Numbers that time becomes, `F`.
    pub fn time_features(&self) -> usize {
        2 * self.config.frequencies
    }

    /// Number of parameters, `P`.
    pub fn parameter_count(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.range.end)
    }

    /// The parameters by name, in the order of the flat vector.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where weight and bias of a layer lie.
    fn layer(&self, block: usize, layer: usize) -> (Range<usize>, Range<usize>) {
        let at = 2 * (3 * block + layer);
        (self.entries[at].range.clone(), self.entries[at + 1].range.clone())
    }

    /// Multiply-adds of one evaluation for one row, as the network is computed: the arithmetic floor of the benches.
    pub fn multiply_adds(&self) -> usize {
        let VelocityConfig { width, blocks, .. } = self.config;
        2 * self.scores * width + (2 * blocks - 1) * width * width
    }

    /// Initial weights `[P]`: uniform in plus or minus 1 / sqrt(inputs), as PyTorch's linear layers begin. Each entry
    /// has a stream of its own, (seed, name).
    pub fn init(&self, seed: u64) -> Vec<f32> {
        let mut theta = Vec::with_capacity(self.parameter_count());
        for entry in &self.entries {
            let mut rng = random::stream(seed, &format!("initial {}", entry.name), 0);
            let bound = 1.0 / (entry.fan_in as f64).sqrt();
            theta.extend(
                entry
                    .range
                    .clone()
                    .map(|_| (bound * (2.0 * random::uniform(&mut rng) - 1.0)) as f32),
            );
        }
        theta
    }

    /// Checks the length of a flat vector.
    ///
    /// # Errors
    /// Another number of values than parameters.
    pub(crate) fn check_length(&self, what: &'static str, length: usize) -> Result<(), SurrogateError> {
        if length == self.parameter_count() {
            return Ok(());
        }
        Err(SurrogateError::Length {
            what,
            found: length,
            expected: self.parameter_count(),
        })
    }
}

/// Rows of a tile of the gradient: what partial sums are cut by.
pub(crate) fn gradient_tile() -> usize {
    gradient::TILE
}

/// Writes tau(t), `[F]`: the cosines, then the sines. Multiples by the addition theorems.
pub(crate) fn time_features<T: Real>(t: f64, tau: &mut [T]) {
    let (cosines, sines) = tau.split_at_mut(tau.len() / 2);
    let (c1, s1) = T::cos_sin_half_turn(t);
    let (mut c, mut s) = (c1, s1);
    for (cosine, sine) in cosines.iter_mut().zip(sines) {
        (*cosine, *sine) = (c, s);
        (c, s) = (c * c1 - s * s1, s * c1 + c * s1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_as_many_as_published() {
        for (conditions, expected) in [(6, 31_617), (7, 31_809), (11, 32_577), (16, 33_537)] {
            let net = VelocityNet::new(VelocityConfig::default(), 1, conditions).unwrap();
            assert_eq!(net.parameter_count(), expected);
            assert_eq!(net.entries().len(), 18);
            assert_eq!(net.init(0).len(), expected);
        }
    }

    #[test]
    fn initial_weights_fill_their_interval_and_depend_on_the_seed() {
        let net = VelocityNet::new(VelocityConfig::default(), 1, 6).unwrap();
        let theta = net.init(1);
        for entry in net.entries() {
            let values = &theta[entry.range.clone()];
            let bound = 1.0 / (entry.fan_in as f32).sqrt();
            let largest = values.iter().fold(0f32, |a, v| a.max(v.abs()));
            assert!(largest <= bound, "{}", entry.name);
            if values.len() >= 64 {
                // 64 uniform numbers all below 0.9 of the bound: probability 0.1 percent.
                assert!(largest > 0.9 * bound, "{}", entry.name);
                let mean = values.iter().sum::<f32>() / values.len() as f32;
                // Five standard errors.
                assert!(
                    mean.abs() < 5.0 * bound / (3.0 * values.len() as f32).sqrt(),
                    "{}",
                    entry.name
                );
            }
        }
        assert_ne!(theta, net.init(2));
    }

    #[test]
    fn sizes_of_zero_are_refused_by_name() {
        let error = VelocityNet::new(VelocityConfig::default(), 1, 0)
            .unwrap_err()
            .to_string();
        assert!(error.contains("number of conditions is 0"), "{error}");
    }

    #[test]
    fn time_features_are_cosines_then_sines_of_the_multiples() {
        for i in 0..=20 {
            let t = f64::from(i) / 20.0;
            let (mut narrow, mut wide) = ([0f32; 6], [0f64; 6]);
            time_features(t, &mut narrow);
            time_features(t, &mut wide);
            for k in 0..3 {
                let angle = std::f64::consts::PI * t * (k + 1) as f64;
                assert!((wide[k] - angle.cos()).abs() < 1e-14 && (wide[3 + k] - angle.sin()).abs() < 1e-14);
                assert!((f64::from(narrow[k]) - angle.cos()).abs() < 1e-6);
                assert!((f64::from(narrow[3 + k]) - angle.sin()).abs() < 1e-6);
            }
        }
    }
}
