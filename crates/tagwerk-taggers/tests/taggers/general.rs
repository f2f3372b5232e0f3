//! The general taggers on jets and on what is no jet: gradients, saved weights, a rule on a grid.

use crate::support::sample::{batch, jets};
use crate::support::tensors::{self, Values};
use std::collections::BTreeMap;
use tagwerk_data::Part;
use tagwerk_physics::DenseView;
use tagwerk_taggers::{Device, Graph, Input, NetworkLearner, registry};
use tagwerk_train::{Batch, InMemory, Learner, OptimizerConfig, TrainingConfig, Update};

const WEIGHTS: &str = "weights.safetensors";

/// Small, and nothing random in a step.
fn settings(name: &str) -> toml::Table {
    let text = match name {
        "fcn" => "hidden = [8, 6]",
        "cnn1d" => "kernel = 3\nchannels = [6, 8]\nhidden = 6\ndropout = 0.0",
        "cnn2d" => {
            "normalize = true\nstages = [{kernel = 2, channels = 4, pooling = 'average'}, {kernel = 3, channels = 4, pooling = 'max'}]"
        }
        "gcn" => "neighbors = 4\ndense = [8]\ngraph = [8, 6]\nhead = [6]",
        "graphnet" => "neighbors = 4\ndense = [8]\ngraph = [8, 6]\nhead = [6]\ndropout = 0.0\nlast_dropout = 0.0",
        "chebnet" => "neighbors = 4\norder = 3\nchannels = [6, 8]\nhidden = 6",
        _ => panic!("{name} has no small form"),
    };
    toml::from_str(text).unwrap()
}

/// Training settings whose first step of Adam with rate 1 moves a weight of gradient g by g / (|g| + 1).
fn smooth() -> TrainingConfig {
    TrainingConfig {
        optimizer: OptimizerConfig {
            eps: 1.0,
            ..OptimizerConfig::default()
        },
        ..TrainingConfig::default()
    }
}

fn learner(name: &str, input: Option<&Input>) -> Box<dyn Learner> {
    let (tagger, device) = (registry::general(name, &settings(name)).unwrap(), Device::flex());
    match input {
        None => tagger.learner(&smooth(), &device).unwrap(),
        Some(input) => {
            let network = tagger.network(input, 1, &device).unwrap();
            Box::new(NetworkLearner::new(network, &smooth(), &device))
        }
    }
}

/// Numbers in (-1, 1) that follow no rule a network could learn.
fn numbers(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * i * 7 % 1009) as f32 / 504.5 - 1.0) * 1.3)
        .collect()
}

fn arrays(shape: &[usize], values: Vec<f32>) -> Batch {
    let view = DenseView::new(shape.to_vec(), values).unwrap();
    let examples = view.len();
    Batch {
        labels: (0..examples).map(|b| (b % 2) as f32).collect(),
        rows: (0..examples as u64).collect(),
        view: view.into(),
        weights: None,
        parameters: None,
    }
}

/// Each general tagger with what it reads: pictures of two channels, decays of six particles, jets.
fn cases() -> Vec<(&'static str, Option<Input>, Batch)> {
    let mut cases = Vec::new();
    let pictures = arrays(&[2, 5, 6], numbers(12 * 60));
    let mut events = numbers(12 * 6 * 4);
    for (i, row) in events.chunks_exact_mut(4).enumerate() {
        row[3] = if i % 6 == 0 || i % 4 == 3 {
            -1.0
        } else {
            (i * 5 % (i % 6)) as f32
        };
    }
    let events = arrays(&[6, 4], events);
    for name in registry::general_names() {
        let graph = Graph::Grid { height: 5, width: 6 };
        cases.push((name, Some(Input::new(&[2, 5, 6]).with_graph(graph)), pictures.clone()));
        if name != "cnn2d" {
            cases.push((
                name,
                Some(Input::new(&[6, 4]).with_graph(Graph::Mothers)),
                events.clone(),
            ));
        }
        let tagger = registry::general(name, &settings(name)).unwrap();
        cases.push((name, None, batch(tagger.as_ref(), &jets(Part::Train, 24))));
    }
    cases
}

fn saved(learner: &dyn Learner) -> BTreeMap<String, Values> {
    let folder = tempfile::tempdir().unwrap();
    learner.save(folder.path()).unwrap();
    tensors::read(&folder.path().join(WEIGHTS))
}

fn load(learner: &mut dyn Learner, weights: &BTreeMap<String, Values>) {
    let folder = tempfile::tempdir().unwrap();
    tensors::write(&folder.path().join(WEIGHTS), weights);
    learner.load_weights(folder.path()).unwrap();
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

/// The loss along the gradient of each tensor of weights, by central differences: its slope is the gradient's norm. The
/// gradient comes out of a step, as in `against_pytorch.rs`.
#[test]
fn gradients_of_the_general_taggers_agree_with_finite_differences() {
    for (name, input, batch) in cases() {
        let mut stepped = learner(name, input.as_ref());
        // Off the start, where biases and slopes are zero and an example without any signal sits on a kink.
        let mut before = saved(stepped.as_ref());
        for (_, weights) in before.iter_mut().filter(|(tensor, _)| !tensor.contains("running")) {
            let moves = numbers(weights.values.len() + 30);
            (weights.values.iter_mut().zip(&moves[30..])).for_each(|(w, by)| *w += 0.1 * by);
        }
        load(stepped.as_mut(), &before);
        let rate = |learning_rate| Update { step: 0, learning_rate };
        stepped.step(&batch, rate(1.0)).unwrap();
        let after = saved(stepped.as_ref());
        let mut probe = learner(name, input.as_ref());
        let mut loss = |tensor: &str, gradient: &[f32], by: f64| {
            let mut weights = before.clone();
            let values = &mut weights.get_mut(tensor).unwrap().values;
            values
                .iter_mut()
                .zip(gradient)
                .for_each(|(w, g)| *w += (f64::from(*g) * by) as f32);
            load(probe.as_mut(), &weights);
            probe.step(&batch, rate(0.0)).unwrap()
        };
        let mut checked = 0;
        for (tensor, start) in &before {
            if tensor.contains("running") {
                continue;
            }
            let gradient: Vec<f32> = start
                .values
                .iter()
                .zip(&after[tensor].values)
                .map(|(before, after)| (before - after) / (1.0 - (before - after).abs()))
                .collect();
            let expected = norm(&gradient);
            if expected < 1e-3 {
                continue; // a shift before a normalization, a slope behind a ReLU: nothing but rounding
            }
            // Far enough that the loss changes by more than its rounding, near enough that few kinks are passed. Where
            // one is, or a normalization divides by next to nothing, a shorter way must do.
            let slopes = [1e-3, 1e-4].map(|h| {
                let h = h / expected.max(1.0);
                let along = h / expected;
                (loss(tensor, &gradient, along) - loss(tensor, &gradient, -along)) / (2.0 * h)
            });
            assert!(
                slopes
                    .iter()
                    .any(|slope| (slope - expected).abs() < 0.03 * expected + 2e-4),
                "{name} on {input:?}, {tensor}: slopes {slopes:?}, gradient {expected}"
            );
            checked += 1;
        }
        assert!(
            2 * checked > before.keys().filter(|k| !k.contains("running")).count(),
            "{name}: {checked} checked"
        );
    }
}

#[test]
fn saved_and_loaded_general_taggers_score_the_same_bits() {
    for (name, input, batch) in cases() {
        let mut kept = learner(name, input.as_ref());
        let update = |step| Update {
            step,
            learning_rate: 1e-2,
        };
        kept.step(&batch, update(0)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        kept.save(folder.path()).unwrap();
        let mut loaded = learner(name, input.as_ref());
        let bits = |learner: &mut dyn Learner| -> Vec<u32> {
            learner.score(&batch).unwrap().into_iter().map(f32::to_bits).collect()
        };
        assert_ne!(bits(kept.as_mut()), bits(loaded.as_mut()), "{name}");
        loaded.load(folder.path()).unwrap();
        assert_eq!(bits(kept.as_mut()), bits(loaded.as_mut()), "{name}");
        let losses = [&mut kept, &mut loaded].map(|l| l.step(&batch, update(1)).unwrap().to_bits());
        assert_eq!(losses[0], losses[1], "{name}");
        assert_eq!(saved(kept.as_ref()), saved(loaded.as_ref()), "{name}");
    }
}

#[test]
fn examples_of_another_size_are_refused() {
    let other = arrays(&[2, 5, 7], numbers(2 * 70));
    for (name, input, _) in cases() {
        let Some(input) = input else { continue };
        let error = learner(name, Some(&input)).score(&other).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("[2, 5, 7]"), "{error}");
    }
}

/// Standardized pixels do not depend on the unit of a picture, nor on a constant added to it; a pixel that is always
/// the same is harmless. Mean and scale are saved with the weights.
#[test]
fn a_standardized_cnn_does_not_see_units() {
    let mut values = numbers(40 * 16);
    values.iter_mut().step_by(16).for_each(|corner| *corner = 7.0);
    let other: Vec<f32> = values.iter().map(|v| 1000.0 * v + 3000.0).collect();
    let mut settings = settings("cnn2d");
    settings.insert("standardize".into(), true.into());
    let trained = |values: Vec<f32>| {
        let network = registry::general("cnn2d", &settings).unwrap();
        let network = network.network(&Input::new(&[4, 4]), 1, &Device::flex()).unwrap();
        let mut learner = NetworkLearner::new(network, &smooth(), &Device::flex());
        let batch = arrays(&[4, 4], values);
        let examples = InMemory::new(batch.view.clone(), batch.labels.clone(), batch.rows.clone());
        learner.prepare(&examples.unwrap()).unwrap();
        let weights = saved(&learner);
        (learner.score(&batch).unwrap(), weights)
    };
    let ((scores, weights), (others, _)) = (trained(values), trained(other));
    for (a, b) in scores.iter().zip(&others) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
    assert!(norm(&scores) > 0.1, "{scores:?}");
    assert_eq!(
        (weights["input.center"].values[0], weights["input.scale"].values[0]),
        (7.0, 1.0)
    );
}
