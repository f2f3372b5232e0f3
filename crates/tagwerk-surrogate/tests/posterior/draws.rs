//! Files of draws: whole, with their record, or refused.

use super::targets::{Gaussian, Linear};
use tagwerk_surrogate::posterior::{
    AdamMcmcConfig, ChainsConfig, Draws, DrawsRecord, Energy, Mode, Origin, Prior, Reduction, Tempering, run_chains,
};

fn sampled(target: &Linear, every: u64) -> Draws {
    let tempering = Tempering {
        lambda: 50.0,
        reduction: Reduction::Mean,
    };
    let energy = Energy::new(target, tempering, Prior::Flat).unwrap();
    let sampler = AdamMcmcConfig {
        mode: Mode::NoMomentum,
        learning_rate: 0.02,
        sigma: 0.3,
        ..AdamMcmcConfig::default()
    };
    let config = ChainsConfig {
        chains: 2,
        steps: 500,
        burn_in: 100,
        every,
        batch: Some(50),
        ..ChainsConfig::default()
    };
    let chains = run_chains(&sampler, energy, &config, &[vec![1.0, 1.0]], None, &|| true).unwrap();
    Draws::from_chains("sha256 of the flow", &chains).unwrap()
}

/// All values that are no lists and no objects, in order.
fn leaves(value: &serde_json::Value, see: &mut impl FnMut(&serde_json::Value)) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| leaves(item, see)),
        serde_json::Value::Object(items) => items.values().for_each(|item| leaves(item, see)),
        leaf => see(leaf),
    }
}

#[test]
fn draws_come_back_with_their_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("draws.safetensors");
    let target = Linear::simulated(100, 2, 1);
    let draws = sampled(&target, 10);
    draws.write(&file).unwrap();
    let read = Draws::read(&file).unwrap();
    assert!(read.iter().eq(draws.iter()), "every weight with its bits");
    // Decimal numbers may come back one bit off.
    let digits = |value: &serde_json::Value| match value.as_f64() {
        Some(number) => format!("{number:.12e}"),
        None => value.to_string(),
    };
    let (mut left, mut right) = (Vec::new(), Vec::new());
    leaves(&serde_json::json!(read.record()), &mut |leaf| left.push(digits(leaf)));
    leaves(&serde_json::json!(draws.record()), &mut |leaf| right.push(digits(leaf)));
    assert_eq!(left, right);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing beside it"
    );

    let record = draws.record();
    assert_eq!((record.draws, record.weights, record.rows), (80, 2, 100));
    assert_eq!(
        (record.lambda, record.reduction, record.lambda_per_datum),
        (50.0, Reduction::Mean, 0.5)
    );
    assert_eq!(record.method, "adam-mcmc");
    assert_eq!(record.settings["mode"], "no-momentum");
    assert_eq!(record.schedule.as_ref().unwrap().burn_in, 100);
    assert_eq!(record.origins[0], Origin { chain: 0, step: 110 });
    assert_eq!(record.origins[79], Origin { chain: 1, step: 500 });
    assert_eq!(record.chains.len(), 2);
    assert!(
        record
            .chains
            .iter()
            .all(|c| c.steps == 400 && c.acceptance > 0.1 && c.noise.unwrap() > 0.0)
    );
    assert!(record.loss.is_some() && record.weight.unwrap().weights == 2);
    assert!(
        record.notes.iter().any(|note| note.contains("2.000e0 times less")),
        "{:?}",
        record.notes
    );
    assert_eq!(draws.get(3), draws.iter().nth(3));
    assert_eq!(draws.get(80), None);
}

/// A record that has no diagnosis says so in words.
#[test]
fn too_few_draws_are_noted() {
    let draws = sampled(&Linear::simulated(100, 2, 1), 200);
    assert_eq!(draws.len(), 4);
    assert_eq!(draws.record().weight, None);
    assert!(
        draws.record().notes.iter().any(|note| note.contains("too few")),
        "{:?}",
        draws.record().notes
    );
}

#[test]
fn draws_of_an_approximation_have_a_record_too() {
    let target = Gaussian::correlated();
    let energy = Energy::new(&target, Tempering::default(), Prior::Gaussian { sigma: 3.0 }).unwrap();
    let origins = vec![Origin { chain: 0, step: 0 }, Origin { chain: 0, step: 1 }];
    let record = DrawsRecord::new("model", "swag", serde_json::json!({"rank": 20}), &energy, origins);
    assert!(record.notes.is_empty(), "Bayes' rule needs no note: {:?}", record.notes);
    assert!(
        Draws::new(record.clone(), vec![0.0; 3]).is_err(),
        "another number of values"
    );
    let message = Draws::new(record.clone(), vec![0.0, 0.0, f32::NAN, 0.0])
        .unwrap_err()
        .to_string();
    assert!(message.contains("draw 1, index 0"), "{message}");
    assert_eq!(
        Draws::new(record, vec![1.0, 2.0, 3.0, 4.0]).unwrap().get(1),
        Some(&[3.0, 4.0][..])
    );
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("draws.safetensors");
    let refused = |word: &str| {
        let message = Draws::read(&file).unwrap_err().to_string();
        assert!(
            message.contains("draws.safetensors") && message.contains(word),
            "{message}"
        );
    };
    refused("cannot be read");
    std::fs::write(&file, b"not a file of weights").unwrap();
    refused("safetensors");
    let draws = sampled(&Linear::simulated(100, 2, 1), 10);
    draws.write(&file).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    refused("safetensors");
    // The record says 80 draws.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let at = text.find("\\\"draws\\\":80").unwrap();
    let mut lying = bytes.clone();
    lying[at + 10..at + 12].copy_from_slice(b"81");
    std::fs::write(&file, &lying).unwrap();
    refused("81");
    // A weight that is not a number.
    let mut broken = bytes.clone();
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&file, &broken).unwrap();
    refused("draw 79, index 1");
}
