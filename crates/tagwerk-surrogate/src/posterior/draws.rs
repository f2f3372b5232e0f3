//! Draws of weights and the record of how they came about: what every method ends in, and what a surrogate is packed
//! with.
//!
//! One safetensors file: the tensor `draws` `[D, P]` in f32, and under `posterior` in its header a JSON record with
//! method, all settings, lambda with its reduction and N, acceptance, R-hat and effective sizes. One file cannot
//! disagree with itself, and is there whole or not at all.
//!
//! A draw is one network: it stays fixed through a solve, and for all jets.

use super::arrays::{Arrays, fault};
use super::chain::{Chain, Sampler};
use super::chains::ChainsConfig;
use super::diagnostics::{Diagnosis, WeightDiagnosis, diagnose, diagnose_weights};
use super::energy::{Energy, Prior, Reduction};
use super::trace::TraceSummary;
use crate::SurrogateError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The layout of the record.
const FORMAT: u32 = 1;

/// Losses of a chain that are diagnosed. The cost grows with their number times the autocorrelation time.
const MOST_LOSSES: usize = 10_000;

/// How draws came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawsRecord {
    /// Layout of this record: 1.
    pub format: u32,
    /// What the weights belong to: the SHA-256 of the point estimate's file, say.
    pub model: String,
    /// Name of the method.
    pub method: String,
    /// All its settings.
    pub settings: serde_json::Value,
    /// Steps, burn-in, thinning, batch, seed; absent for methods without chains.
    pub schedule: Option<ChainsConfig>,
    /// The factor on the loss.
    pub lambda: f64,
    /// What it multiplies.
    pub reduction: Reduction,
    /// Number of data N.
    pub rows: usize,
    /// The factor on the loss of one datum; 1 is Bayes' rule if the loss is -log p.
    pub lambda_per_datum: f64,
    /// The prior.
    pub prior: Prior,
    /// Number of draws D.
    pub draws: usize,
    /// Number of weights P.
    pub weights: usize,
    /// Where each draw is from.
    pub origins: Vec<Origin>,
    /// Loss, acceptance and noise of each chain after burn-in.
    pub chains: Vec<TraceSummary>,
    /// Diagnosis of the mean loss of the steps after burn-in, of 10,000 evenly spaced ones at most; on minibatches the
    /// noise of the batches is in it.
    pub loss: Option<Diagnosis>,
    /// Diagnosis of the weights over the stored draws.
    pub weight: Option<WeightDiagnosis>,
    /// What a user should know, in words.
    pub notes: Vec<String>,
}

/// Where a draw is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Chain, or member of an ensemble.
    pub chain: usize,
    /// Steps made, or number of the draw from an approximation.
    pub step: u64,
}

impl DrawsRecord {
    /// Whether steps of the chains were accepted or refused by a Metropolis test.
    pub fn is_tested(&self) -> bool {
        matches!(self.method.as_str(), "adam-mcmc" | "mala")
    }

    /// The record of `origins.len()` draws without chains: of an approximation or an ensemble.
    pub fn new(model: &str, method: &str, settings: serde_json::Value, energy: &Energy, origins: Vec<Origin>) -> Self {
        let tempering = energy.tempering();
        let mut record = Self {
            format: FORMAT,
            model: model.to_string(),
            method: method.to_string(),
            settings,
            schedule: None,
            lambda: tempering.lambda,
            reduction: tempering.reduction,
            rows: energy.target().rows(),
            lambda_per_datum: energy.per_datum(),
            prior: energy.prior(),
            draws: origins.len(),
            weights: energy.target().weights(),
            origins,
            chains: Vec::new(),
            loss: None,
            weight: None,
            notes: Vec::new(),
        };
        record.notes.extend(tempered(record.lambda_per_datum));
        record
    }
}

/// Draws and their record.
#[derive(Debug, Clone, PartialEq)]
pub struct Draws {
    record: DrawsRecord,
    /// `[D, P]`
    values: Vec<f32>,
}

impl Draws {
    /// Draws `[D, P]` with their record.
    ///
    /// # Errors
    /// Another number of values than the record says; a value that is not finite.
    pub fn new(record: DrawsRecord, values: Vec<f32>) -> Result<Self, SurrogateError> {
        if values.len() != record.draws * record.weights || record.origins.len() != record.draws {
            return Err(SurrogateError::Length {
                what: "draws of weights",
                found: values.len(),
                expected: record.draws * record.weights,
            });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(SurrogateError::NotFinite {
                what: "a weight",
                place: format!(
                    "in draw {}, index {}",
                    index / record.weights.max(1),
                    index % record.weights.max(1)
                ),
            });
        }
        Ok(Self { record, values })
    }

    /// What chains of one run stored, chain by chain, with their diagnoses.
    ///
    /// # Errors
    /// No chain.
    pub fn from_chains<S: Sampler>(model: &str, chains: &[Chain<'_, S>]) -> Result<Self, SurrogateError> {
        let Some(first) = chains.first() else {
            return Err(SurrogateError::Length {
                what: "chains",
                found: 0,
                expected: 1,
            });
        };
        let energy = first.energy();
        let weights = energy.target().weights();
        let mut origins = Vec::new();
        for chain in chains {
            let draws = chain.draws().len() / weights;
            origins.extend((0..draws).map(|draw| Origin {
                chain: chain.index(),
                step: chain.step_of_draw(draw),
            }));
        }
        let mut record = DrawsRecord::new(model, first.method(), first.settings(), energy, origins);
        let skip = first.config().burn_in as usize;
        record.schedule = Some(first.config().clone());
        record.chains = chains.iter().filter_map(|chain| chain.trace().summary(skip)).collect();
        let losses: Vec<Vec<f64>> = chains
            .iter()
            .map(|chain| {
                let after = chain.trace().loss.get(skip..).unwrap_or_default();
                let stride = after.len().div_ceil(MOST_LOSSES).max(1);
                after.iter().step_by(stride).copied().collect()
            })
            .collect();
        record.loss = diagnose(&losses.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let stored: Vec<&[f32]> = chains.iter().map(Chain::draws).collect();
        record.weight = diagnose_weights(&stored, weights);
        record.notes.extend(notes(&record));
        Self::new(record, stored.concat())
    }

    /// How they came about.
    pub fn record(&self) -> &DrawsRecord {
        &self.record
    }

    /// Number of draws D.
    pub fn len(&self) -> usize {
        self.record.draws
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.record.draws == 0
    }

    /// The weights of a draw, `[P]`; `None` beyond the last.
    pub fn get(&self, draw: usize) -> Option<&[f32]> {
        self.iter().nth(draw)
    }

    /// The weights of each draw.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.record.weights.max(1))
    }

    /// Writes the file: beside its name first, then renamed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), SurrogateError> {
        let record = serde_json::to_string(&self.record).map_err(|e| fault(path, e.to_string()))?;
        let mut arrays = Arrays::default();
        arrays.put("draws", &[self.record.draws, self.record.weights], &self.values);
        arrays.write(path, &[("posterior", &record)])
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A file that is not there, no file of draws, damaged, or one whose record and tensor disagree.
    pub fn read(path: &Path) -> Result<Self, SurrogateError> {
        let (mut arrays, text) = Arrays::read(path, "posterior")?;
        let record: DrawsRecord =
            serde_json::from_str(&text).map_err(|e| arrays.fault(format!("its record cannot be read: {e}")))?;
        if record.format != FORMAT {
            let reason = format!("has layout {}, this program reads {FORMAT}", record.format);
            return Err(arrays.fault(reason));
        }
        let (shape, values) = arrays.take("draws", 2)?;
        arrays.finish()?;
        if shape != [record.draws, record.weights] {
            let reason = format!(
                "has draws {shape:?}, its record says [{}, {}]",
                record.draws, record.weights
            );
            return Err(arrays.fault(reason));
        }
        Self::new(record, values).map_err(|e| arrays.fault(e.to_string()))
    }
}

/// What lambda_per_datum means where it is not 1.
fn tempered(lambda_per_datum: f64) -> Option<String> {
    let (factor, manner) = match lambda_per_datum {
        lambda if (lambda - 1.0).abs() < 1e-9 => return None,
        lambda if lambda < 1.0 => (1.0 / lambda, "less"),
        lambda => (lambda, "more"),
    };
    Some(format!(
        "lambda_per_datum is {lambda_per_datum:.3e}: if the loss is -log p, the data count {factor:.3e} times {manner} than in \
         Bayes' rule"
    ))
}

/// What the numbers of chains mean.
fn notes(record: &DrawsRecord) -> Vec<String> {
    let mut notes = Vec::new();
    if record.weight.is_none() {
        notes.push("too few stored draws for R-hat and ESS of the weights: nothing is known about convergence".into());
    }
    if let Some(weight) = record.weight.filter(|weight| weight.rhat_largest > 1.01) {
        notes.push(format!(
            "R-hat of the weights reaches {:.3} (99 % below {:.3}): above 1.01 the chains have not mixed",
            weight.rhat_largest, weight.rhat_99
        ));
    }
    let noise = record.chains.iter().filter_map(|chain| chain.noise).fold(0.0, f64::max);
    if noise > 1.0 {
        notes.push(format!(
            "the test's logarithm has noise {noise:.2} from minibatches: above 1 acceptance is mostly luck"
        ));
    }
    let longest = record.chains.iter().map(|chain| chain.longest_rejection).max();
    if let Some(longest) = longest.filter(|&longest| longest > 100) {
        notes.push(format!("a chain stood still for {longest} steps"));
    }
    notes
}
