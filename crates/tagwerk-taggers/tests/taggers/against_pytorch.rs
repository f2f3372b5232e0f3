//! Every tagger against an independent PyTorch implementation in f64: scores, loss, gradients, one step of Adam.
//!
//! `tests/reference/taggers_forward.py` made the numbers. Its batch has a jet of one constituent, one of three (fewer
//! than any block's k + 1), and, but for vectors, one without any.

use crate::support::tensors::{self, Values};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagwerk_physics::{DenseView, JaggedView, View};
use tagwerk_taggers::{Device, Tagger, registry};
use tagwerk_train::{Batch, Learner, OptimizerConfig, TrainingConfig, Update};

/// One folder of the reference, and the tagger that it describes.
struct Case {
    tagger: Box<dyn Tagger>,
    folder: PathBuf,
    expected: BTreeMap<String, Values>,
}

impl Case {
    fn new(name: &str, settings: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/reference/data/taggers_forward")
            .join(name);
        Self {
            tagger: registry::tagger(name, &toml::from_str(settings).unwrap()).unwrap(),
            expected: tensors::read(&folder.join("expected.safetensors")),
            folder,
        }
    }

    fn expected(&self, name: &str) -> &[f32] {
        &self.expected[name].values
    }

    fn batch(&self) -> Batch {
        let rows = self.expected["rows"].clone();
        let width = rows.shape[1];
        let view: View = match self.tagger.view_kind() {
            "vector" => DenseView::new(vec![width], rows.values).unwrap().into(),
            "image" => DenseView::new(vec![1, width.isqrt(), width.isqrt()], rows.values)
                .unwrap()
                .into(),
            _ => {
                let offsets = self.expected("offsets").iter().map(|&at| at as usize).collect();
                JaggedView::new(width, rows.values, offsets).unwrap().into()
            }
        };
        let labels = self.expected("labels").to_vec();
        Batch {
            rows: (0..labels.len() as u64).collect(),
            view,
            labels,
            weights: None,
            parameters: None,
        }
    }

    /// The network of the reference; Adam with the given epsilon.
    fn learner(&self, eps: f64) -> Box<dyn Learner> {
        let training = TrainingConfig {
            optimizer: OptimizerConfig {
                eps,
                ..OptimizerConfig::default()
            },
            ..self.tagger.training()
        };
        let mut learner = self.tagger.learner(&training, &Device::flex()).unwrap();
        learner.load_weights(&self.folder).unwrap();
        learner
    }

    fn assert_scores(&self, learner: &mut dyn Learner, expected: &str) {
        let scores = learner.score(&self.batch()).unwrap();
        let tolerance = |expected: f32| 1e-4 * expected.abs().max(1.0);
        assert_close(&scores, self.expected(expected), expected, tolerance);
    }

    /// Scores; loss, gradients and running statistics through a smooth step; a step of the usual Adam.
    fn run(&self) {
        self.assert_scores(self.learner(1e-8).as_mut(), "log_odds");
        self.check_smooth_step();
        if self.expected.keys().any(|name| name.starts_with("adam.")) {
            self.check_adam_step();
        }
    }

    fn step(&self, learner: &mut dyn Learner, learning_rate: f64) -> BTreeMap<String, Values> {
        let update = Update { step: 0, learning_rate };
        let loss = learner.step(&self.batch(), update).unwrap();
        assert_close(&[loss as f32], self.expected("loss"), "loss", |_| 1e-5);
        let saved = tempfile::tempdir().unwrap();
        learner.save(saved.path()).unwrap();
        tensors::read(&saved.path().join("weights.safetensors"))
    }

    /// With learning rate and epsilon 1, Adam's first step is `g / (|g| + 1)`: it keeps the size of the gradient, so
    /// that all gradients can be compared, each at its own scale, through nothing but saved weights.
    fn check_smooth_step(&self) {
        let mut learner = self.learner(1.0);
        let (before, after) = (
            tensors::read(&self.folder.join("weights.safetensors")),
            self.step(learner.as_mut(), 1.0),
        );
        for (name, gradient) in self.named("gradient.") {
            assert_eq!(after[name].shape, gradient.shape, "{name}");
            let moved: Vec<f32> = before[name]
                .values
                .iter()
                .zip(&after[name].values)
                .map(|(b, a)| b - a)
                .collect();
            let expected: Vec<f32> = gradient.values.iter().map(|g| g / (g.abs() + 1.0)).collect();
            // f32 sums over some hundred rows, and a difference of weights of order 1.
            assert_close(&moved, &expected, &format!("gradient of {name}"), |g| {
                1e-6 + 2e-4 * g.abs()
            });
        }
        self.assert_scores(learner.as_mut(), "smooth.log_odds");
    }

    /// The usual Adam's first step is the learning rate times the sign of the gradient, however small that is. Where
    /// the gradient is rounding error, so is its sign: the shift of a normalization that another one follows, say, has
    /// no gradient but for rounding. These weights are only asked not to have moved further than the learning rate.
    fn check_adam_step(&self) {
        let (rate, before) = (1e-3, tensors::read(&self.folder.join("weights.safetensors")));
        let after = self.step(self.learner(1e-8).as_mut(), f64::from(rate));
        let (mut compared, mut all) = (0, 0);
        for (name, expected) in self.named("adam.") {
            let found = &after[name];
            assert_eq!(found.shape, expected.shape, "{name}");
            let Some(gradient) = self.expected.get(&format!("gradient.{name}")) else {
                assert_close(&found.values, &expected.values, name, |v| 1e-5 * v.abs().max(1.0)); // running statistics
                continue;
            };
            let largest = gradient.values.iter().fold(0.0f32, |m, g| m.max(g.abs()));
            for (i, g) in gradient.values.iter().enumerate() {
                let (before, found, expected) = (before[name].values[i], found.values[i], expected.values[i]);
                let clear = g.abs() > (1e-4 * largest).max(1e-7) || *g == 0.0;
                // Epsilon enters at the relative size 1e-8 / |g|; the rest is the rounding of a weight of order 1.
                let limit = if clear { 2e-6 } else { 2.0 * rate + 1e-6 };
                assert!(
                    (found - expected).abs() <= limit,
                    "{name}[{i}]: {before} became {found}, not {expected}; its gradient is {g:e}"
                );
                all += 1;
                compared += usize::from(clear);
            }
        }
        assert!(
            compared * 10 >= all * 9,
            "only {compared} of {all} gradients are clear of rounding"
        );
    }

    fn named(&self, prefix: &str) -> impl Iterator<Item = (&str, &Values)> {
        self.expected
            .iter()
            .filter_map(move |(name, values)| Some((name.strip_prefix(prefix)?, values)))
    }
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str, tolerance: impl Fn(f32) -> f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error <= tolerance(expected),
            "{what}[{i}]: {found}, expected {expected}"
        );
    }
}

#[test]
fn topodnn_agrees_with_pytorch() {
    Case::new("topodnn", "hidden = [20, 6]").run();
}

#[test]
fn efn_agrees_with_pytorch() {
    Case::new("efn", "phi = [16, 20, 36]\nf = [16, 8]").run();
}

#[test]
fn pfn_agrees_with_pytorch() {
    Case::new("pfn", "phi = [16, 20, 36]\nf = [16, 8]").run();
}

#[test]
fn particlenet_agrees_with_pytorch() {
    let settings = "hidden = 10\ndropout = 0.0\nblocks = [{k = 3, widths = [8, 8]}, {k = 5, widths = [12, 37]}]";
    Case::new("particlenet", settings).run();
}

#[test]
fn published_particlenet_lite_agrees_with_pytorch() {
    Case::new("particlenet-lite", "dropout = 0.0").run();
}

#[test]
fn nsubjettiness_agrees_with_pytorch() {
    Case::new("nsub8", "hidden = [12, 8]\ndropout = []").run();
}

#[test]
fn cnn_agrees_with_pytorch() {
    Case::new("cnn", "pixels = 20\nstages = [[4, 3], [5]]\nhidden = [6]").run();
}

#[test]
fn pcnn_agrees_with_pytorch() {
    Case::new(
        "pcnn",
        "length = 39\nstem = 6\nstages = [8, 10]\nhidden = 12\ndropout = 0.0",
    )
    .run();
}
