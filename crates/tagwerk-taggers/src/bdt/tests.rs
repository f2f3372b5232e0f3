use super::*;
use tagwerk_data::{JetDataset, Part};
use tagwerk_train::{Examples, InMemory, Order};

const UPDATE: Update = Update {
    step: 0,
    learning_rate: 1e-3,
};

fn sample(part: Part) -> Batch {
    let jets = JetDataset::sample().unwrap().load(part, None).unwrap();
    let view = high_level_view(&jets).unwrap();
    let count = jets.len();
    let examples = InMemory::of_jets(&jets, view.into()).unwrap();
    examples.batches(Order::STORED, count, 0).next().unwrap().unwrap()
}

fn few() -> BdtConfig {
    BdtConfig {
        trees: 40,
        ..BdtConfig::default()
    }
}

fn collected(config: &BdtConfig, seed: u64, batch: &Batch) -> BdtLearner {
    let mut learner = BdtLearner::new(config, seed);
    learner.step(batch, UPDATE).unwrap();
    learner
}

fn values(batch: &Batch) -> &DenseView {
    dense(NAME, &batch.view, WIDTH).unwrap()
}

/// Our walk over our lists against the library's own prediction, to the last bit of an f32.
#[test]
fn kept_trees_answer_as_the_library_does() {
    let (train, test) = (sample(Part::Train), sample(Part::Test));
    let booster = collected(&few(), 1, &train).grow().unwrap();
    let forest = Forest::of(&booster, &HIGH_LEVEL_OBSERVABLES).unwrap();
    let rows = &values(&test).values;
    let columns: Vec<f64> = (0..WIDTH)
        .flat_map(|c| rows.iter().skip(c).step_by(WIDTH).map(|&x| f64::from(x)))
        .collect();
    let expected = booster.predict(&Matrix::new(&columns, test.len(), WIDTH), false);
    let mut answers = std::collections::BTreeSet::new();
    for (row, expected) in rows.chunks_exact(WIDTH).zip(&expected) {
        assert_eq!(forest.log_odds(row), *expected as f32);
        answers.insert(expected.to_bits());
    }
    assert!(answers.len() > 100, "{} different answers only", answers.len());
}

/// arXiv:1603.02754, eq. 5: a leaf holds -G / (H + lambda), with G the sum of p - y and H that of p (1 - p); p is 1/2
/// before the first tree.
#[test]
fn a_single_split_has_the_leaf_values_of_the_formula() {
    let config = BdtConfig {
        trees: 1,
        learning_rate: 0.25,
        depth: 1,
        min_leaf_weight: 0.5,
        l2: 2.0,
        subsample: 1.0,
        ..BdtConfig::default()
    };
    // Four background jets of small and six signal jets, four of large mass and two of small.
    let masses = [10.0, 20.0, 30.0, 40.0, 110.0, 120.0, 130.0, 140.0, 5.0, 15.0];
    let mut values = vec![0.0; masses.len() * WIDTH];
    masses
        .iter()
        .enumerate()
        .for_each(|(b, &mass)| values[b * WIDTH] = mass);
    let labels: Vec<f32> = (0..10).map(|b| if b < 4 { 0.0 } else { 1.0 }).collect();
    let batch = Batch {
        view: DenseView::new(vec![WIDTH], values).unwrap().into(),
        // So that both classes weigh the same.
        weights: Some(labels.iter().map(|&y| if y > 0.5 { 1.0 } else { 1.5 }).collect()),
        labels,
        parameters: None,
        rows: (0..10).collect(),
    };
    let mut learner = collected(&config, 1, &batch);
    learner.end_epoch().unwrap();
    let scores = learner.score(&batch).unwrap();
    // Below: G = 1.5 * 4 / 2 - 2 / 2 = 2, H = (1.5 * 4 + 2) / 4 = 2. Above: G = -4 / 2, H = 4 / 4.
    let (below, above) = (-0.25 * 2.0 / (2.0 + 2.0), 0.25 * 2.0 / (1.0 + 2.0));
    for (b, score) in scores.iter().enumerate() {
        let expected = if (4..8).contains(&b) { above } else { below };
        assert!((score - expected).abs() < 1e-6, "jet {b}: {score}, expected {expected}");
    }
    assert_eq!(learner.parameter_count(), 3);
}

#[test]
fn the_seed_decides_the_trees_and_the_number_of_threads_does_not() {
    // 6,000 jets: the library's sums over jets are cut into several tasks.
    let train = sample(Part::Train);
    let grown = |seed, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut learner = collected(&few(), seed, &train);
        pool.install(|| learner.end_epoch()).unwrap();
        learner.forest.unwrap()
    };
    assert_eq!(grown(1, 1), grown(1, 3));
    assert_ne!(grown(1, 1), grown(2, 1));
}

#[test]
fn jets_without_weight_do_not_count() {
    let train = sample(Part::Train);
    let plain = {
        let mut learner = BdtLearner::new(
            &BdtConfig {
                subsample: 1.0,
                ..few()
            },
            1,
        );
        let mut half = train.clone();
        half.weights = Some((0..train.len()).map(|b| if b < 3000 { 1.0 } else { 0.0 }).collect());
        learner.step(&half, UPDATE).unwrap();
        learner.end_epoch().unwrap();
        learner
    };
    // Labels of weightless jets turned around: nothing changes but the bins, which count jets.
    let turned = {
        let mut learner = BdtLearner::new(&plain.config, 1);
        let mut half = train.clone();
        half.weights = Some((0..train.len()).map(|b| if b < 3000 { 1.0 } else { 0.0 }).collect());
        half.labels
            .iter_mut()
            .skip(3000)
            .for_each(|label| *label = 1.0 - *label);
        learner.step(&half, UPDATE).unwrap();
        learner.end_epoch().unwrap();
        learner
    };
    assert_eq!(plain.forest, turned.forest);
}

#[test]
fn damaged_trees_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let mut learner = collected(&BdtConfig { trees: 2, ..few() }, 1, &sample(Part::Validation));
    learner.end_epoch().unwrap();
    learner.save(dir.path()).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let below = whole["trees"][0]["below"][0].clone();
    assert_eq!(below, 1);
    for (pointer, value, reason) in [
        ("/trees/0/below/0", 0.into(), "leads to nodes"),
        ("/trees/1/above/0", 100_000.into(), "leads to nodes"),
        ("/trees/0/observable/0", 20.into(), "observable 20 of 20"),
        ("/trees/0/value", serde_json::json!([1.0]), "different lengths"),
        ("/observables/3", "charm".into(), "charm"),
        ("/format", 2.into(), "format 2"),
        ("/base", "much".into(), "no trees of this tagger"),
    ] {
        let mut damaged = whole.clone();
        *damaged.pointer_mut(pointer).unwrap() = value;
        std::fs::write(&path, damaged.to_string()).unwrap();
        let error = learner.load(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("trees.json") && error.contains(reason),
            "{pointer}: {error}"
        );
    }
    // A node that leads back would never end.
    let mut damaged = whole.clone();
    let leaf = whole["trees"][0]["below"]
        .as_array()
        .unwrap()
        .iter()
        .rposition(|b| *b != 0)
        .unwrap();
    damaged["trees"][0]["below"][leaf] = leaf.into();
    std::fs::write(&path, damaged.to_string()).unwrap();
    assert!(
        learner
            .load(dir.path())
            .unwrap_err()
            .to_string()
            .contains("leads to nodes")
    );
}
