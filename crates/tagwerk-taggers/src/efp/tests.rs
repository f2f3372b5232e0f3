use super::*;
use tagwerk_data::{JetDataset, Part};
use tagwerk_train::InMemory;

fn sample(part: Part, jets: usize) -> Jets {
    JetDataset::sample().unwrap().load(part, None).unwrap().slice(0..jets)
}

fn small() -> Efp {
    Efp::from(EfpConfig {
        max_degree: 5,
        ..EfpConfig::default()
    })
}

fn examples(tagger: &Efp, jets: &Jets) -> InMemory {
    InMemory::of_jets(jets, tagger.view(jets).unwrap()).unwrap()
}

const UPDATE: Update = Update {
    step: 0,
    learning_rate: 1e-3,
};

fn trained(tagger: &Efp, jets: &Jets) -> Box<dyn Learner> {
    let train = examples(tagger, jets);
    let mut learner = tagger.learner(&tagger.training(), &Device::flex()).unwrap();
    learner.prepare(&train).unwrap();
    let order = Order {
        seed: 1,
        epoch: 0,
        shuffle: true,
    };
    for batch in train.batches(order, 100, 0) {
        let loss = learner.step(&batch.unwrap(), UPDATE).unwrap();
        assert!(
            (loss - 2f64.ln()).abs() < 1e-12,
            "nothing is known before the fit: {loss}"
        );
    }
    learner.end_epoch().unwrap();
    learner
}

fn scores(tagger: &Efp, learner: &mut dyn Learner, jets: &Jets) -> Vec<f32> {
    let batch = examples(tagger, jets).batches(Order::STORED, jets.len(), 0).next();
    learner.score(&batch.unwrap().unwrap()).unwrap()
}

/// `tests/reference/taggers_discriminant.py`: polynomials by EnergyFlow, the fit by scikit-learn. Log-odds are of order
/// 1 to 10.
fn reference(name: &str) -> Vec<f64> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/reference/data/taggers_discriminant.json"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let columns: std::collections::BTreeMap<String, Vec<f64>> = serde_json::from_str(&text).unwrap();
    columns[name].clone()
}

#[test]
fn log_odds_agree_with_energyflow_and_scikit_learn() {
    let train = sample(Part::Train, 1500);
    let signal: f64 = train.labels.iter().map(|&label| f64::from(label)).sum();
    let prior = (signal / (train.len() as f64 - signal)).ln();
    for (tolerance, limit, column) in [(1e-2, 1e-5, "log_odds_cut"), (1e-12, 1.0, "log_odds")] {
        let tagger = Efp::from(EfpConfig {
            max_degree: 5,
            tolerance,
            ..EfpConfig::default()
        });
        let mut learner = trained(&tagger, &train);
        let found = scores(&tagger, learner.as_mut(), &sample(Part::Test, 200));
        // scikit-learn divides the covariance by n, since 1.9; we by n - 2, the number of rows that are free.
        let unbiased = |log_odds: f64| prior + (log_odds - prior) * (train.len() as f64 - 2.0) / train.len() as f64;
        let expected: Vec<f64> = reference(column).into_iter().map(unbiased).collect();
        assert_eq!(found.len(), expected.len());
        let errors = found.iter().zip(&expected).map(|(found, expected)| {
            let error = (f64::from(*found) - expected).abs();
            error / expected.abs().max(1.0)
        });
        let largest = errors.fold(0.0, f64::max);
        assert!(largest < limit, "tolerance {tolerance}: {largest:e}");
    }
}

#[test]
fn the_number_of_polynomials_is_that_of_the_physics() {
    for max_degree in 1..=7 {
        let config = EfpConfig {
            max_degree,
            ..EfpConfig::default()
        };
        let planned = Efps::new(config.polynomials()).unwrap();
        assert_eq!(config.width(), planned.len(), "{max_degree} edges");
    }
}

#[test]
fn another_order_of_constituents_is_the_same_jet() {
    let tagger = small();
    let mut learner = trained(&tagger, &sample(Part::Train, 600));
    let jets = sample(Part::Test, 50);
    let mut turned = Jets::default();
    for b in 0..jets.len() {
        let mut particles: Vec<[f32; 4]> = jets
            .range(b)
            .map(|i| [jets.e[i], jets.px[i], jets.py[i], jets.pz[i]])
            .collect();
        particles.reverse();
        turned.push(&particles, jets.labels[b], jets.rows[b]);
    }
    let (plain, other) = (
        scores(&tagger, learner.as_mut(), &jets),
        scores(&tagger, learner.as_mut(), &turned),
    );
    // The sums round otherwise in f64; in f32 that moves a polynomial by its last digit at most, and now and then.
    for (b, (a, b2)) in plain.iter().zip(&other).enumerate() {
        assert!((a - b2).abs() < 0.02 * a.abs().max(1.0), "jet {b}: {a}, {b2}");
    }
}

#[test]
fn a_step_before_the_preparation_is_an_error() {
    let tagger = small();
    let mut learner = tagger.learner(&tagger.training(), &Device::flex()).unwrap();
    let train = examples(&tagger, &sample(Part::Train, 20));
    let batch = train.batches(Order::STORED, 20, 0).next().unwrap().unwrap();
    assert!(
        learner
            .step(&batch, UPDATE)
            .unwrap_err()
            .to_string()
            .contains("preparation")
    );
}
