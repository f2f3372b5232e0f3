//! Chains: a sampler's state, walked step by step, stored at intervals, saved and resumed.
//!
//! **Same seed, same bits.** The numbers of a step come from the stream (seed, "METHOD chain C", step) and its rows
//! from an order of their own, so a step is a function of the state before it. Chains know nothing of each other,
//! whichever thread walks them. A saved chain holds the whole state of the sampler, the optimizer's moments too, and
//! goes on as if it had never stopped.

use super::arrays::Arrays;
use super::batches::Batches;
use super::chains::ChainsConfig;
use super::energy::Energy;
use super::target::Part;
use super::trace::Trace;
use crate::SurrogateError;
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use tagwerk_data::random::{normal, stream};

/// What a step is told.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Number of the step, from 0.
    pub step: u64,
    /// Whether it belongs to burn-in, in which a sampler may adapt.
    pub burn_in: bool,
    /// The rows of the step.
    pub part: Part<'a>,
}

/// What a step tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean loss of the weights that the step began with, on the rows of its test (or of its gradient).
    pub loss: f64,
    /// min(1, ratio); 1 for samplers without a test.
    pub acceptance: f64,
    /// Whether the weights moved.
    pub accepted: bool,
    /// Standard deviation of the logarithm of the acceptance ratio that comes from testing on a part of the data: 0 is
    /// an exact test; far above 1 the test accepts by luck.
    pub noise: f64,
}

/// A way to walk through weights.
pub trait Sampler: Sync {
    /// What it remembers between steps.
    type State: ChainState;

    /// Its name in files and messages.
    fn method(&self) -> &'static str;

    /// All its settings.
    fn settings(&self) -> serde_json::Value;

    /// # Errors
    /// A setting outside its range, or one that does not go with the chains'.
    fn check(&self, chains: &ChainsConfig) -> Result<(), SurrogateError>;

    /// The state before the first step. `batches` are for a warm-up that is no step of the chain.
    ///
    /// # Errors
    /// Those of the model.
    fn start(&self, energy: &Energy, weights: Vec<f64>, batches: &mut Batches) -> Result<Self::State, SurrogateError>;

    /// One step. Random numbers come from `rng` alone.
    ///
    /// # Errors
    /// Those of the model; weights that are no longer finite.
    fn step(
        &self,
        energy: &Energy,
        state: &mut Self::State,
        now: Moment,
        rng: &mut ChaCha8Rng,
    ) -> Result<StepReport, SurrogateError>;
}

/// The state of a sampler: saved and loaded, it makes the same next step to the last bit.
pub trait ChainState: Send + Sized {
    /// The present weights, `[P]`.
    fn weights(&self) -> &[f64];

    /// Puts all of it into a file's arrays.
    fn save(&self, arrays: &mut Arrays);

    /// Takes it out again, for `weights` weights.
    ///
    /// # Errors
    /// Arrays that are missing or do not fit.
    fn load(arrays: &mut Arrays, weights: usize) -> Result<Self, SurrogateError>;
}

/// One chain.
pub struct Chain<'a, S: Sampler> {
    sampler: &'a S,
    energy: Energy<'a>,
    config: &'a ChainsConfig,
    index: usize,
    batches: Batches,
    noise: ChaCha8Rng,
    step: u64,
    state: S::State,
    trace: Trace,
    /// `[D, P]`
    draws: Vec<f32>,
}

impl<S: Sampler> std::fmt::Debug for Chain<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("method", &self.sampler.method())
            .field("index", &self.index)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl<'a, S: Sampler> Chain<'a, S> {
    /// The chain `index` at its beginning, from weights `[P]`.
    ///
    /// # Errors
    /// Settings outside their range, weights that do not fit, errors of the model.
    pub fn start(
        sampler: &'a S,
        energy: Energy<'a>,
        config: &'a ChainsConfig,
        index: usize,
        weights: &[f64],
    ) -> Result<Self, SurrogateError> {
        config.check()?;
        sampler.check(config)?;
        energy.check_weights(weights)?;
        let purpose = purpose(sampler, index);
        let mut start = weights.to_vec();
        if config.start_spread > 0.0 {
            let mut rng = stream(config.seed, &format!("{purpose}, start"), 0);
            start
                .iter_mut()
                .for_each(|w| *w += config.start_spread * normal(&mut rng));
        }
        let rows = energy.target().rows();
        let mut warm_up = Batches::new(rows, config.batch, config.seed, &format!("{purpose}, warm-up"));
        let state = sampler.start(&energy, start, &mut warm_up)?;
        Ok(Self::assemble(sampler, energy, config, index, state))
    }

    fn assemble(sampler: &'a S, energy: Energy<'a>, config: &'a ChainsConfig, index: usize, state: S::State) -> Self {
        let purpose = purpose(sampler, index);
        Self {
            sampler,
            energy,
            config,
            index,
            batches: Batches::new(energy.target().rows(), config.batch, config.seed, &purpose),
            noise: stream(config.seed, &purpose, 0),
            step: 0,
            state,
            trace: Trace::default(),
            draws: Vec::new(),
        }
    }

    /// Walks on until `steps` steps have been made in all, but no further than the configured end.
    ///
    /// # Errors
    /// Those of the model; a chain that left the finite numbers, with the step.
    pub fn advance(&mut self, steps: u64) -> Result<(), SurrogateError> {
        while self.step < steps.min(self.config.steps) {
            // The stream (seed, purpose, step), without hashing seed and purpose again.
            let mut rng = self.noise.clone();
            rng.set_stream(self.step);
            let now = Moment {
                step: self.step,
                burn_in: self.step < self.config.burn_in,
                part: self.batches.part(self.step),
            };
            let report = self.sampler.step(&self.energy, &mut self.state, now, &mut rng)?;
            self.trace.push(&report);
            self.step += 1;
            if self.config.stores(self.step) {
                if let Some(index) = self.state.weights().iter().position(|w| !w.is_finite()) {
                    return Err(SurrogateError::NotFinite {
                        what: "a weight of the chain",
                        place: format!("(chain {}, step {}, index {index})", self.index, self.step),
                    });
                }
                self.draws.extend(self.state.weights().iter().map(|&w| w as f32));
            }
        }
        Ok(())
    }

    /// The energy that is sampled.
    pub fn energy(&self) -> &Energy<'a> {
        &self.energy
    }

    /// The schedule.
    pub fn config(&self) -> &'a ChainsConfig {
        self.config
    }

    /// Name of the sampler.
    pub fn method(&self) -> &'static str {
        self.sampler.method()
    }

    /// Settings of the sampler.
    pub fn settings(&self) -> serde_json::Value {
        self.sampler.settings()
    }

    /// Number of the chain.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Steps made.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Whether the configured number of steps is made.
    pub fn is_finished(&self) -> bool {
        self.step >= self.config.steps
    }

    /// The present weights, `[P]`.
    pub fn weights(&self) -> &[f64] {
        self.state.weights()
    }

    /// The sampler's state.
    pub fn state(&self) -> &S::State {
        &self.state
    }

    /// What the steps told.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The stored weights, `[D, P]`.
    pub fn draws(&self) -> &[f32] {
        &self.draws
    }

    /// The step after which draw `draw` was stored.
    pub fn step_of_draw(&self, draw: usize) -> u64 {
        self.config.burn_in + (draw as u64 + 1) * self.config.every
    }

    /// Writes the chain: state, trace, draws.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, path: &Path) -> Result<(), SurrogateError> {
        let mut arrays = Arrays::default();
        self.state.save(&mut arrays);
        self.trace.save(&mut arrays);
        arrays.vector("step", &[self.step]);
        let weights = self.energy.target().weights();
        arrays.put("draws", &[self.draws.len() / weights, weights], &self.draws);
        let identity = identity(self.sampler, &self.energy, self.config, self.index);
        arrays.write(path, &[("chain", &identity.to_string())])
    }

    /// The chain as it was saved.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is of a chain with other settings.
    pub fn resume(
        sampler: &'a S,
        energy: Energy<'a>,
        config: &'a ChainsConfig,
        index: usize,
        path: &Path,
    ) -> Result<Self, SurrogateError> {
        config.check()?;
        sampler.check(config)?;
        let (mut arrays, found) = Arrays::read(path, "chain")?;
        if let Some(key) = first_difference(&found, &identity(sampler, &energy, config, index)) {
            return Err(arrays.fault(format!(
                "is of another chain: its `{key}` is not what is configured now"
            )));
        }
        let weights = energy.target().weights();
        let step: u64 = arrays.take_one("step")?;
        let (shape, draws) = arrays.take("draws", 2)?;
        let trace = Trace::load(&mut arrays, step)?;
        let state = S::State::load(&mut arrays, weights)?;
        arrays.finish()?;
        let mut chain = Self::assemble(sampler, energy, config, index, state);
        chain.step = step;
        let stored = step.saturating_sub(config.burn_in) / config.every;
        if shape != [stored as usize, weights] {
            let reason = format!("has draws {shape:?}, must have [{stored}, {weights}] after {step} steps");
            return Err(arrays.fault(reason));
        }
        (chain.trace, chain.draws) = (trace, draws);
        Ok(chain)
    }
}

/// The address of a chain's random numbers.
fn purpose<S: Sampler>(sampler: &S, index: usize) -> String {
    format!("{} chain {index}", sampler.method())
}

/// All that a resumed chain must agree with. The number of steps and of chains may change.
fn identity<S: Sampler>(sampler: &S, energy: &Energy, config: &ChainsConfig, index: usize) -> serde_json::Value {
    let mut chains = serde_json::json!(config);
    chains["steps"] = serde_json::Value::Null;
    chains["chains"] = serde_json::Value::Null;
    serde_json::json!({
        "format": 1,
        "method": sampler.method(),
        "settings": sampler.settings(),
        "schedule": chains,
        "chain": index,
        "tempering": energy.tempering(),
        "prior": energy.prior(),
        "weights": energy.target().weights(),
        "rows": energy.target().rows(),
    })
}

/// The first entry in which a saved identity differs. Numbers are compared as they are written: read back, a decimal
/// number may be one bit off.
fn first_difference(found: &str, expected: &serde_json::Value) -> Option<String> {
    if *found == *expected.to_string() {
        return None;
    }
    let found: serde_json::Value = serde_json::from_str(found).unwrap_or_default();
    let entries = expected.as_object().into_iter().flatten();
    let mut differing = entries.filter(|(key, value)| found.get(key) != Some(value));
    Some(differing.next().map_or("identity", |(key, _)| key).to_string())
}
