//! Gradients through whole networks against finite differences of the loss: backward passes written by hand, with
//! everything around them.

use crate::support::sample::{batch, jets};
use crate::support::tensors;
use std::path::Path;
use tagwerk_data::Part;
use tagwerk_taggers::{Device, Tagger, registry};
use tagwerk_train::{Batch, InMemory, Learner, OptimizerConfig, TrainingConfig, Update};

const WEIGHTS: &str = "weights.safetensors";

/// Adam with epsilon 1 and a learning rate of 1: its first step is `g / (|g| + 1)`, of which g is read back.
fn learner(tagger: &dyn Tagger) -> Box<dyn Learner> {
    let training = TrainingConfig {
        seed: 4,
        optimizer: OptimizerConfig {
            eps: 1.0,
            ..OptimizerConfig::default()
        },
        ..tagger.training()
    };
    tagger.learner(&training, &Device::flex()).unwrap()
}

fn step(learner: &mut dyn Learner, batch: &Batch) -> f64 {
    let update = Update {
        step: 0,
        learning_rate: 1.0,
    };
    learner.step(batch, update).unwrap()
}

/// The loss with the weights of a folder.
fn loss_at(tagger: &dyn Tagger, folder: &Path, batch: &Batch) -> f64 {
    let mut learner = learner(tagger);
    learner.load_weights(folder).unwrap();
    step(learner.as_mut(), batch)
}

/// Compares the largest gradients of each weight on eight jets. A ReLU's kink within the difference may spoil one in
/// ten.
fn check(name: &str, settings: &str) {
    const EACH: usize = 4;
    // Where a kink lies within the longer one, the shorter must do.
    const STEPS: [f32; 2] = [2e-3, 2e-4];
    let tagger = registry::tagger(name, &toml::from_str(settings).unwrap()).unwrap();
    let jets = jets(Part::Train, 8);
    let batch = batch(tagger.as_ref(), &jets);
    let mut first = learner(tagger.as_ref());
    let examples = InMemory::of_jets(&jets, tagger.view(&jets).unwrap()).unwrap();
    first.prepare(&examples).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let read = |learner: &dyn Learner| {
        learner.save(folder.path()).unwrap();
        tensors::read(&folder.path().join(WEIGHTS))
    };
    let before = read(first.as_ref());
    step(first.as_mut(), &batch);
    let after = read(first.as_ref());
    let (mut compared, mut good, mut report) = (0, 0, String::new());
    for (tensor, values) in &before {
        let moved = values.values.iter().zip(&after[tensor].values).map(|(b, a)| b - a);
        let gradient: Vec<f32> = moved.map(|m| m / (1.0 - m.abs())).collect();
        let mut places: Vec<usize> = (0..gradient.len()).filter(|&i| gradient[i].abs() > 1e-3).collect();
        places.sort_by(|&a, &b| gradient[b].abs().total_cmp(&gradient[a].abs()));
        for &i in places.iter().take(EACH) {
            let shifted = |by: f32| {
                let mut other = before.clone();
                if let Some(tensor) = other.get_mut(tensor) {
                    tensor.values[i] += by;
                }
                tensors::write(&folder.path().join(WEIGHTS), &other);
                loss_at(tagger.as_ref(), folder.path(), &batch)
            };
            let found = gradient[i];
            let differences = STEPS.map(|h| ((shifted(h) - shifted(-h)) / f64::from(2.0 * h)) as f32);
            let near = |expected: &f32| (found - expected).abs() < 1e-3 + 0.02 * expected.abs();
            compared += 1;
            if differences.iter().any(near) {
                good += 1;
            } else {
                report += &format!("{tensor}[{i}]: {found}, by differences {differences:?}; ");
            }
        }
    }
    assert!(compared >= 20, "{name}: only {compared} gradients to compare");
    assert!(
        good * 10 >= compared * 9,
        "{name}: {good} of {compared} agree; {report}"
    );
}

#[test]
fn gradients_of_treenin_are_those_of_finite_differences() {
    check("treenin", "hidden = 12");
}

#[test]
fn gradients_of_lola_are_those_of_finite_differences_with_a_learned_metric_too() {
    for metric in [false, true] {
        check(
            "lola",
            &format!("constituents = 20\ncombinations = 4\nhidden = [12]\nlearned_metric = {metric}"),
        );
    }
}

#[test]
fn gradients_of_lbn_are_those_of_finite_differences_for_every_feature() {
    check(
        "lbn",
        "constituents = 12\nparticles = 4\nhidden = [10]\npairs = ['cos', 'dr', 'ds', 'dy']\n\
         singles = ['e', 'px', 'py', 'pz', 'p', 'pt', 'eta', 'phi', 'm', 'beta', 'gamma']",
    );
}
