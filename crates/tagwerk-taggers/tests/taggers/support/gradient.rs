//! The gradient that a step follows, and the slope of the loss by finite differences, both seen through saved weights.

use super::tensors::{self, Values};
use std::collections::BTreeMap;
use tagwerk_train::{Batch, Learner, OptimizerConfig, TrainingConfig, Update};

const WEIGHTS: &str = "weights.safetensors";

/// Saved tensors by name.
pub type Weights = BTreeMap<String, Values>;

/// A number a weight, by tensor.
pub type Direction = BTreeMap<String, Vec<f64>>;

/// The training with an Adam of epsilon 1: its first step at rate 1 moves a weight of gradient g by `g / (|g| + 1)`,
/// which keeps the size of g.
pub fn smooth(training: TrainingConfig) -> TrainingConfig {
    TrainingConfig {
        optimizer: OptimizerConfig {
            eps: 1.0,
            ..OptimizerConfig::default()
        },
        ..training
    }
}

pub fn weights(learner: &dyn Learner) -> Weights {
    let folder = tempfile::tempdir().unwrap();
    learner.save(folder.path()).unwrap();
    tensors::read(&folder.path().join(WEIGHTS))
}

pub fn load(learner: &mut dyn Learner, weights: &Weights) {
    let folder = tempfile::tempdir().unwrap();
    tensors::write(&folder.path().join(WEIGHTS), weights);
    learner.load_weights(folder.path()).unwrap();
}

fn step(learner: &mut dyn Learner, batch: &Batch, learning_rate: f64) -> f64 {
    learner.step(batch, Update { step: 0, learning_rate }).unwrap()
}

/// The gradient of the loss at the weights of a learner with the [`smooth`] training, which is spent by it. Running
/// statistics have none.
pub fn gradient(learner: &mut dyn Learner, batch: &Batch) -> Direction {
    let before = weights(learner);
    step(learner, batch, 1.0);
    let after = weights(learner);
    let trained = before.iter().filter(|(tensor, _)| !tensor.contains("running"));
    trained
        .map(|(tensor, start)| {
            let moved = start.values.iter().zip(&after[tensor].values).map(|(b, a)| b - a);
            let gradient = moved.map(|m| f64::from(m / (1.0 - m.abs()))).collect();
            (tensor.clone(), gradient)
        })
        .collect()
}

/// Euclidean length.
pub fn norm(direction: &Direction) -> f64 {
    direction.values().flatten().map(|g| g * g).sum::<f64>().sqrt()
}

/// The part of a direction that changes the tensors chosen.
pub fn part(direction: &Direction, chosen: impl Fn(&str) -> bool) -> Direction {
    let chosen = direction.iter().filter(|(tensor, _)| chosen(tensor));
    chosen
        .map(|(tensor, values)| (tensor.clone(), values.clone()))
        .collect()
}

/// The slope of the loss along a direction of any length but 0, by central differences of each of the `lengths`.
pub fn slopes(
    probe: &mut dyn Learner,
    batch: &Batch,
    start: &Weights,
    direction: &Direction,
    lengths: &[f64],
) -> Vec<f64> {
    let size = norm(direction);
    let mut loss = |length: f64| {
        let mut weights = start.clone();
        for (tensor, values) in direction {
            let weights = &mut weights.get_mut(tensor).unwrap().values;
            let moves = values.iter().map(|v| length * v / size);
            (weights.iter_mut().zip(moves)).for_each(|(w, by)| *w = (f64::from(*w) + by) as f32);
        }
        load(probe, &weights);
        step(probe, batch, 0.0)
    };
    lengths.iter().map(|&h| (loss(h) - loss(-h)) / (2.0 * h)).collect()
}

/// The slope along the gradient of each tensor of weights is the norm of that gradient, `within` of it: the check of
/// the backward passes of a whole network. `lengths` are far enough that the loss changes by more than its rounding;
/// where a kink lies within the longer ones, a shorter one must do.
pub fn check_each_tensor(
    place: &str,
    learner: &mut dyn Learner,
    probe: &mut dyn Learner,
    batch: &Batch,
    lengths: &[f64],
    within: f64,
) {
    let start = weights(learner);
    let gradient = gradient(learner, batch);
    let mut checked = 0;
    for tensor in gradient.keys() {
        let along = part(&gradient, |name| name == tensor);
        let expected = norm(&along);
        // A bias before a normalization, say, or a slope behind a ReLU: as small as the rounding of a slope, 2e-4.
        if expected < 2e-3 {
            continue;
        }
        let lengths: Vec<f64> = lengths.iter().map(|h| h / expected.max(1.0)).collect();
        let slopes = slopes(probe, batch, &start, &along, &lengths);
        let near = |slope: &f64| (slope - expected).abs() < within * expected + 2e-4;
        assert!(
            slopes.iter().any(near),
            "{place}, {tensor}: slopes {slopes:?}, gradient {expected}"
        );
        checked += 1;
    }
    assert!(
        2 * checked > gradient.len(),
        "{place}: only {checked} of {} tensors have a gradient",
        gradient.len()
    );
}
