//! The settings of ParticleNet that weights of other programs need. Their scores are compared with PyTorch where such
//! weights are imported; here is what training and other jets see of them.

use crate::support::sample::{batch, cut, jets};
use crate::support::tensors::{self, Values};
use crate::support::{learner, update};
use std::collections::BTreeMap;
use std::path::Path;
use tagwerk_data::{Jets, Part};
use tagwerk_nn::weights::save_tensors;
use tagwerk_taggers::{Device, Tagger, registry};
use tagwerk_train::{Batch, Learner, OptimizerConfig, TrainingConfig, Update};

const SMALL: &str = "dropout = 0.0\nhidden = 6\nblocks = [{k = 5, widths = [6, 6]}, {k = 9, widths = [8]}]\n";

fn tagger(settings: &str) -> Box<dyn Tagger> {
    let table = toml::from_str(&format!("{settings}{SMALL}")).unwrap();
    registry::tagger("particlenet", &table).unwrap()
}

/// Real jets with all their constituents, and one of three.
fn mixed() -> (Jets, Jets) {
    let long = jets(Part::Train, 8);
    let mut all = long.clone();
    let short = cut(&long, 0, 3);
    let vectors: Vec<[f32; 4]> = (0..3)
        .map(|i| [short.e[i], short.px[i], short.py[i], short.pz[i]])
        .collect();
    all.push(&vectors, 1, 1000);
    (long, all)
}

#[test]
fn zeros_for_missing_neighbors_change_short_jets_alone() {
    let (plain, zeros) = (tagger(""), tagger("zero_neighbors = true\n"));
    let (_, all) = mixed();
    assert!(
        (0..8).all(|b| all.range(b).len() > 10),
        "long jets have all their neighbors"
    );
    let score = |tagger: &dyn Tagger| learner(tagger, 1).score(&batch(tagger, &all)).unwrap();
    let (plain, zeros) = (score(plain.as_ref()), score(zeros.as_ref()));
    for b in 0..8 {
        assert!(
            (plain[b] - zeros[b]).abs() < 2e-5 * plain[b].abs().max(1.0),
            "{b}: {} {}",
            plain[b],
            zeros[b]
        );
    }
    assert!((plain[8] - zeros[8]).abs() > 1e-4, "{} {}", plain[8], zeros[8]);
}

#[test]
fn a_standardization_is_part_of_the_view_and_of_its_key() {
    let settings = "[standardization.log_pt]\nshift = 1.7\nscale = 0.7\nhigh = 2.0\n";
    let table: toml::Table = toml::from_str(settings).unwrap();
    let scaled = registry::tagger("particlenet", &table).unwrap();
    let plain = registry::tagger("particlenet", &toml::Table::new()).unwrap();
    assert_ne!(scaled.view_key(), plain.view_key());
    let jets = jets(Part::Train, 20);
    let (scaled, plain) = (batch(scaled.as_ref(), &jets).view, batch(plain.as_ref(), &jets).view);
    let (tagwerk_physics::View::Jagged(scaled), tagwerk_physics::View::Jagged(plain)) = (scaled, plain) else {
        panic!("constituents are jagged");
    };
    let mut cut = 0;
    for (scaled, plain) in scaled.rows.chunks(7).zip(plain.rows.chunks(7)) {
        let expected = ((plain[0] - 1.7) * 0.7).clamp(-5.0, 2.0);
        assert!((scaled[0] - expected).abs() < 1e-6 && scaled[1..] == plain[1..]);
        cut += usize::from(expected == 2.0);
    }
    assert!(cut > 0);
    for (settings, word) in [
        ("[standardization.log_px]\nshift = 0.0\nscale = 1.0\n", "log_px"),
        (
            "[standardization.log_pt]\nshift = nan\nscale = 1.0\n",
            "standardization.log_pt",
        ),
        (
            "[standardization.log_pt]\nshift = 0.0\nscale = 1.0\nlow = 6.0\n",
            "standardization.log_pt",
        ),
    ] {
        let tagger = registry::tagger("particlenet", &toml::from_str(settings).unwrap()).unwrap();
        let error = tagger.check().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn settings_that_are_off_are_in_no_configuration() {
    let settings = registry::tagger("particlenet", &toml::Table::new())
        .unwrap()
        .settings()
        .unwrap();
    let keys: Vec<&str> = settings.keys().map(String::as_str).collect();
    assert_eq!(keys, ["blocks", "dropout", "hidden", "max_constituents"]);
}

fn weights(learner: &dyn Learner) -> BTreeMap<String, Values> {
    let folder = tempfile::tempdir().unwrap();
    learner.save(folder.path()).unwrap();
    tensors::read(&folder.path().join("weights.safetensors"))
}

/// The loss of a batch with these weights: a step tells it before it changes anything.
fn loss(tagger: &dyn Tagger, weights: &BTreeMap<String, Values>, batch: &Batch) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let named: Vec<_> = weights
        .iter()
        .map(|(name, v)| (name.clone(), v.shape.clone(), v.values.clone()))
        .collect();
    save_tensors(&named, &folder.path().join("weights.safetensors")).unwrap();
    let mut learner = learner(tagger, 1);
    learner.load_weights(Path::new(folder.path())).unwrap();
    learner.step(batch, update(0)).unwrap()
}

#[test]
fn the_gradient_with_fusion_and_zeros_agrees_with_finite_differences() {
    let tagger = tagger("zero_neighbors = true\nfusion = 7\n");
    let (_, all) = mixed();
    let batch = batch(tagger.as_ref(), &all);
    // An Adam of learning rate and epsilon 1 moves each weight by g / (|g| + 1).
    let training = TrainingConfig {
        seed: 1,
        optimizer: OptimizerConfig {
            eps: 1.0,
            ..OptimizerConfig::default()
        },
        ..tagger.training()
    };
    let mut learner = tagger.learner(&training, &Device::flex()).unwrap();
    let before = weights(learner.as_ref());
    let smooth = Update {
        step: 0,
        learning_rate: 1.0,
    };
    learner.step(&batch, smooth).unwrap();
    let after = weights(learner.as_ref());
    for part in ["fusion.", "fusion_norm.", "block1.", "norm.", "hidden."] {
        let trained = |name: &String| name.starts_with(part) && !name.contains("running");
        let mut square = 0.0;
        let shifted = |by: f64, square: &mut f64| {
            let mut weights = before.clone();
            for (name, values) in weights.iter_mut().filter(|(name, _)| trained(name)) {
                for (value, after) in values.values.iter_mut().zip(&after[name].values) {
                    let moved = f64::from(*value) - f64::from(*after);
                    let gradient = moved / (1.0 - moved.abs());
                    *square += gradient * gradient;
                    *value = (f64::from(*value) + by * gradient) as f32;
                }
            }
            weights
        };
        shifted(0.0, &mut square);
        assert!(square > 1e-8, "{part} has no gradient");
        let (mut unused, high) = (0.0, |by: f64, s: &mut f64| {
            loss(tagger.as_ref(), &shifted(by, s), &batch)
        });
        // Steps along the gradient that change the loss by about a hundredth and less. The later blocks choose their
        // neighbors by features: where a longer step crosses a choice, a shorter one must do.
        let slopes = [5e-3, 2e-4, 4e-5, 1e-5].map(|change| {
            let step = change / square;
            (high(step, &mut unused) - high(-step, &mut unused)) / (2.0 * step)
        });
        let near = |slope: &f64| (slope / square - 1.0).abs() < 0.03;
        assert!(slopes.iter().any(near), "{part}: {slopes:?} for {square}");
    }
}
