//! Boosted decision trees on twenty classic observables: what top tagging was before networks.
//!
//! Gradient boosting as in Chen, Guestrin, "XGBoost", arXiv:1603.02754: trees are added one after the other, each
//! fitted to the first and second derivatives of the cross entropy on binned observables. The observables are those of
//! [`tagwerk_physics::high_level_view`].
//!
//! **What is ours.** `forust-ml` grows the trees; its sums do not depend on the number of threads. We keep them as
//! plain lists ([`forest`]), score with a walk of ten lines and save them as JSON, so that a saved tagger does not
//! depend on that library.

mod forest;

use crate::arrays::{ArrayReader, ArrayWriter};
use crate::error::TaggerError;
use crate::labels::{class_weights, is_finite, mean_cross_entropy};
use crate::network::dense;
use crate::settings::{check_number, table_of};
use crate::tagger::Tagger;
use forest::Forest;
use forust_ml::sampler::SampleMethod;
use forust_ml::{GradientBooster, Matrix};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tagwerk_data::Jets;
use tagwerk_nn::Device;
use tagwerk_physics::{DenseView, HIGH_LEVEL_OBSERVABLES, View, high_level_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Batch, Learner, LearnerError, TrainingConfig, Update};

const NAME: &str = "bdt";

/// Observables of a jet.
const WIDTH: usize = HIGH_LEVEL_OBSERVABLES.len();

/// What makes the trees. The defaults are ours: those of the published trees are not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BdtConfig {
    /// Number of trees, 1 to 10,000. Default: 500.
    pub trees: usize,
    /// What each tree's answer is multiplied by, above 0, at most 1. Default: 0.05.
    pub learning_rate: f32,
    /// Most splits from the root to a leaf, 1 to 12. Default: 5.
    pub depth: usize,
    /// Least sum of second derivatives in a leaf, 0 or more: a jet that nothing is known of counts 1/4. Default: 20.
    pub min_leaf_weight: f32,
    /// Penalty of squared leaf values, 0 or more. Default: 1.
    pub l2: f32,
    /// Share of the jets that each tree sees, drawn by the seed, above 0, at most 1. Default: 0.5.
    pub subsample: f32,
    /// Bins an observable is cut into, 2 to 1,000. Default: 256.
    pub bins: u16,
}

impl Default for BdtConfig {
    fn default() -> Self {
        Self {
            trees: 500,
            learning_rate: 0.05,
            depth: 5,
            min_leaf_weight: 20.0,
            l2: 1.0,
            subsample: 0.5,
            bins: 256,
        }
    }
}

/// Boosted trees on classic observables, on the published test set. No number but the rejection is known.
pub const PUBLISHED: Published = Published {
    rejection_single: Some(PublishedValue::with_spread(90.0, 1.0)),
    source: std::borrow::Cow::Borrowed("arXiv:2512.17011"),
    ..Published::NONE
};

impl Tagger for BdtConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "vector"
    }

    fn view_key(&self) -> String {
        "high-level".into()
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Dense(high_level_view(jets)?))
    }

    /// One pass: trees are grown on all jets at once.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 1000,
            epochs: 1,
            ..TrainingConfig::default()
        }
    }

    fn published(&self) -> Published {
        PUBLISHED
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let positive = |value: f32, most: f32| value > 0.0 && value <= most;
        check_number(
            NAME,
            "trees",
            self.trees,
            (1..=10_000).contains(&self.trees),
            "1 to 10,000",
        )?;
        let rate = self.learning_rate;
        check_number(
            NAME,
            "learning_rate",
            rate,
            positive(rate, 1.0),
            "above 0 and at most 1",
        )?;
        check_number(NAME, "depth", self.depth, (1..=12).contains(&self.depth), "1 to 12")?;
        for (key, value) in [("min_leaf_weight", self.min_leaf_weight), ("l2", self.l2)] {
            check_number(NAME, key, value, value >= 0.0 && value.is_finite(), "0 or more")?;
        }
        let share = self.subsample;
        check_number(NAME, "subsample", share, positive(share, 1.0), "above 0 and at most 1")?;
        check_number(NAME, "bins", self.bins, (2..=1000).contains(&self.bins), "2 to 1,000")
    }

    /// One comparison a level.
    fn multiply_adds(&self, _constituents: f64) -> f64 {
        (self.trees * self.depth) as f64
    }

    fn learner(&self, training: &TrainingConfig, _device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        self.check()?;
        Ok(Box::new(BdtLearner::new(self, training.seed)))
    }
}

/// Collects in steps, grows at the end of an epoch.
#[derive(Debug)]
struct BdtLearner {
    config: BdtConfig,
    seed: u64,
    /// `[n, 20]` of the epoch so far.
    observables: Vec<f32>,
    /// `[n]`.
    classes: Vec<u64>,
    /// `[n]`.
    weights: Vec<f64>,
    forest: Option<Forest>,
}

const FILE: &str = "trees.json";
const COLLECTED: &str = "collected.safetensors";

impl BdtLearner {
    fn new(config: &BdtConfig, seed: u64) -> Self {
        Self {
            config: config.clone(),
            seed,
            observables: Vec::new(),
            classes: Vec::new(),
            weights: Vec::new(),
            forest: None,
        }
    }

    fn booster(&self) -> GradientBooster {
        let BdtConfig { subsample, .. } = self.config;
        let sample_method = if subsample < 1.0 {
            SampleMethod::Random
        } else {
            SampleMethod::None
        };
        let mut booster = GradientBooster::default();
        booster.iterations = self.config.trees;
        booster.learning_rate = self.config.learning_rate;
        booster.max_depth = self.config.depth;
        booster.min_leaf_weight = self.config.min_leaf_weight;
        booster.l2 = self.config.l2;
        booster.subsample = subsample;
        booster.sample_method = sample_method;
        booster.nbins = self.config.bins;
        booster.seed = self.seed;
        booster.initialize_base_score = true;
        booster
    }

    /// Grows the trees on what was collected.
    fn grow(&self) -> Result<GradientBooster, TaggerError> {
        let fail = |reason: String| TaggerError::Fit { tagger: NAME, reason };
        let jets = self.classes.len();
        let of_class = |class: u64| {
            let own = self.classes.iter().zip(&self.weights).filter(|(c, _)| **c == class);
            own.map(|(_, weight)| weight).sum::<f64>()
        };
        let weights = [of_class(0), of_class(1)];
        if weights.iter().any(|&weight| weight <= 0.0) {
            return Err(fail(format!(
                "{jets} jets, weights {weights:?} of background and signal; both classes are needed"
            )));
        }
        let columns: Vec<f64> = (0..WIDTH)
            .flat_map(|c| self.observables.iter().skip(c).step_by(WIDTH).map(|&x| f64::from(x)))
            .collect();
        let labels: Vec<f64> = self.classes.iter().map(|&class| class as f64).collect();
        let mut booster = self.booster();
        booster
            .fit(&Matrix::new(&columns, jets, WIDTH), &labels, &self.weights, None)
            .map_err(|e| fail(e.to_string()))?;
        Ok(booster)
    }

    fn log_odds(&self, view: &DenseView) -> Vec<f32> {
        match &self.forest {
            Some(forest) => view
                .values
                .par_chunks_exact(WIDTH)
                .map(|row| forest.log_odds(row))
                .collect(),
            None => vec![0.0; view.len()],
        }
    }

    fn read(dir: &Path) -> Result<Option<Forest>, TaggerError> {
        Forest::read(&dir.join(FILE), &HIGH_LEVEL_OBSERVABLES)
    }
}

impl Learner for BdtLearner {
    fn step(&mut self, batch: &Batch, _update: Update) -> Result<f64, LearnerError> {
        let view = dense(NAME, &batch.view, WIDTH).map_err(LearnerError::wrap)?;
        if !is_finite(batch) {
            return Ok(f64::NAN);
        }
        let loss = mean_cross_entropy(&self.log_odds(view), batch);
        self.observables.extend_from_slice(&view.values);
        for (class, weight) in class_weights(batch) {
            self.classes.push(class as u64);
            self.weights.push(weight);
        }
        Ok(loss)
    }

    fn end_epoch(&mut self) -> Result<(), LearnerError> {
        if self.classes.is_empty() {
            return Ok(());
        }
        let booster = self.grow().map_err(LearnerError::wrap)?;
        self.forest = Some(Forest::of(&booster, &HIGH_LEVEL_OBSERVABLES).map_err(LearnerError::wrap)?);
        self.observables.clear();
        self.classes.clear();
        self.weights.clear();
        Ok(())
    }

    fn score(&mut self, batch: &Batch) -> Result<Vec<f32>, LearnerError> {
        let view = dense(NAME, &batch.view, WIDTH).map_err(LearnerError::wrap)?;
        Ok(self.log_odds(view))
    }

    /// Thresholds and leaf values: one a node. Before the trees are grown, as many as there can be.
    fn parameter_count(&self) -> usize {
        match &self.forest {
            Some(forest) => forest.nodes(),
            None => self.config.trees * ((2 << self.config.depth) - 1),
        }
    }

    fn save(&self, dir: &Path) -> Result<(), LearnerError> {
        let collected = ArrayWriter::default()
            .with("observables", &self.observables)
            .with("classes", &self.classes)
            .with("jet_weights", &self.weights);
        collected.write(&dir.join(COLLECTED)).map_err(LearnerError::wrap)?;
        Forest::write(self.forest.as_ref(), &dir.join(FILE)).map_err(LearnerError::wrap)
    }

    fn load(&mut self, dir: &Path) -> Result<(), LearnerError> {
        let forest = Self::read(dir).map_err(LearnerError::wrap)?;
        let collected = || {
            let mut arrays = ArrayReader::open(&dir.join(COLLECTED))?;
            let classes: Vec<u64> = arrays.take("classes")?;
            if let Some(bad) = classes.iter().find(|&&class| class > 1) {
                return Err(arrays.fault(format!("classes holds the value {bad}; allowed: 0 and 1")));
            }
            let observables = arrays.take_exactly("observables", classes.len() * WIDTH)?;
            let weights = arrays.take_exactly("jet_weights", classes.len())?;
            arrays.finish()?;
            Ok::<_, TaggerError>((observables, classes, weights))
        };
        (self.observables, self.classes, self.weights) = collected().map_err(LearnerError::wrap)?;
        self.forest = forest;
        Ok(())
    }

    fn load_weights(&mut self, dir: &Path) -> Result<(), LearnerError> {
        self.forest = Self::read(dir).map_err(LearnerError::wrap)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
