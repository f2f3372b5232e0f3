//! The gradients of whole networks against finite differences of their loss.

use crate::support::sample::{batch, jets};
use crate::support::tensors::{self, Values};
use std::collections::BTreeMap;
use tagwerk_data::Part;
use tagwerk_taggers::{Device, Tagger, registry};
use tagwerk_train::{Learner, OptimizerConfig, OptimizerKind, TrainingConfig, Update};

const WEIGHTS: &str = "weights.safetensors";

/// Small networks without dropout.
const CASES: [(&str, &str); 2] = [
    (
        "part",
        "embed = [8, 12, 8]\npairs = [6, 5]\nheads = 2\nblocks = 2\nclass_blocks = 2\nexpansion = 2\ndropout = 0.0",
    ),
    ("lorentznet", "channels = 8\nblocks = 3\ndropout = 0.0\nstep = 0.1"),
];

/// Lengths of a difference, above the rounding of a loss. A ReLU of many edges has kinks within the longer ones; of a
/// small gradient the shortest sees rounding.
const STEPS: [f64; 3] = [4e-3, 1e-3, 1e-4];

/// A learner with an Adam of epsilon 1 and no decay: its first step at rate 1 moves a weight by `g / (|g| + 1)`.
fn learner(tagger: &dyn Tagger) -> Box<dyn Learner> {
    let training = TrainingConfig {
        optimizer: OptimizerConfig {
            kind: OptimizerKind::Adam,
            eps: 1.0,
            ..OptimizerConfig::default()
        },
        ..tagger.training()
    };
    tagger.learner(&training, &Device::flex()).unwrap()
}

fn saved(learner: &dyn Learner) -> BTreeMap<String, Values> {
    let folder = tempfile::tempdir().unwrap();
    learner.save(folder.path()).unwrap();
    tensors::read(&folder.path().join(WEIGHTS))
}

/// The slope of the loss along the gradient of each tensor of weights is the norm of that gradient.
#[test]
fn gradients_of_part_and_lorentznet_agree_with_finite_differences() {
    for (name, settings) in CASES {
        let tagger = registry::tagger(name, &toml::from_str(settings).unwrap()).unwrap();
        let batch = batch(tagger.as_ref(), &jets(Part::Train, 12));
        let at_rate = |learning_rate| Update { step: 0, learning_rate };
        let mut stepped = learner(tagger.as_ref());
        let before = saved(stepped.as_ref());
        stepped.step(&batch, at_rate(1.0)).unwrap();
        let after = saved(stepped.as_ref());
        let mut probe = learner(tagger.as_ref());
        let mut loss = |weights: &BTreeMap<String, Values>| {
            let folder = tempfile::tempdir().unwrap();
            tensors::write(&folder.path().join(WEIGHTS), weights);
            probe.load_weights(folder.path()).unwrap();
            probe.step(&batch, at_rate(0.0)).unwrap()
        };
        let (mut checked, mut all) = (0, 0);
        for (tensor, start) in before.iter().filter(|(tensor, _)| !tensor.contains("running")) {
            all += 1;
            let moved = start
                .values
                .iter()
                .zip(&after[tensor].values)
                .map(|(b, a)| f64::from(b - a));
            let gradient: Vec<f64> = moved.map(|moved| moved / (1.0 - moved.abs())).collect();
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            if norm < 1e-3 {
                continue; // A bias before a normalization, say: nothing but rounding.
            }
            let mut shifted = |by: f64| {
                let mut weights = before.clone();
                let values = weights.get_mut(tensor).unwrap().values.iter_mut();
                values.zip(&gradient).for_each(|(w, g)| *w += (by * g / norm) as f32);
                loss(&weights)
            };
            let slopes = STEPS.map(|h| (shifted(h) - shifted(-h)) / (2.0 * h));
            let near = |slope: &f64| (slope - norm).abs() < 0.02 * norm + 2e-4;
            assert!(
                slopes.iter().any(near),
                "{name}, {tensor}: the loss rises by {slopes:?}, the gradient is {norm}"
            );
            checked += 1;
        }
        assert!(
            2 * checked > all,
            "{name}: only {checked} of {all} tensors have a gradient"
        );
    }
}
