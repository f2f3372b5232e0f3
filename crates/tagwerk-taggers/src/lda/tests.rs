use super::inference::{Expectation, digamma, topic_shares};
use super::learner::FILE;
use super::*;
use crate::arrays::ArrayWriter;
use serde_json::Value;
use tagwerk_data::{JetDataset, Part};
use tagwerk_train::{Batch, Examples, InMemory, Order, Update};

const UPDATE: Update = Update {
    step: 0,
    learning_rate: 1e-3,
};

/// `tests/reference/taggers_lda.py`: scipy, scikit-learn, numpy.
fn reference(part: &str) -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/reference/data/taggers_lda.json"
    );
    serde_json::from_str::<Value>(&std::fs::read_to_string(path).unwrap()).unwrap()[part].clone()
}

fn numbers<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// Jets of given words.
fn examples(documents: &[Vec<u32>], labels: &[u32]) -> InMemory {
    let mut offsets = vec![0];
    documents
        .iter()
        .for_each(|words| offsets.push(offsets[offsets.len() - 1] + words.len()));
    let rows = documents.iter().flatten().map(|&word| word as f32).collect();
    let view = JaggedView::new(1, rows, offsets).unwrap();
    let count = labels.len() as u64;
    InMemory::new(
        view.into(),
        labels.iter().map(|&l| l as f32).collect(),
        (0..count).collect(),
    )
    .unwrap()
}

fn sample(part: Part, jets: usize) -> InMemory {
    let jets = JetDataset::sample().unwrap().load(part, None).unwrap().slice(0..jets);
    InMemory::of_jets(&jets, LdaConfig::default().view(&jets).unwrap()).unwrap()
}

fn batch(examples: &InMemory) -> Batch {
    examples
        .batches(Order::STORED, examples.len(), 0)
        .next()
        .unwrap()
        .unwrap()
}

fn trained(config: &LdaConfig, examples: &InMemory, batch_size: usize) -> LdaLearner {
    let mut learner = LdaLearner::new(config);
    learner.prepare(examples).unwrap();
    for batch in examples.batches(Order::STORED, batch_size, 0) {
        learner.step(&batch.unwrap(), UPDATE).unwrap();
    }
    learner.end_epoch().unwrap();
    learner
}

#[test]
fn digamma_agrees_with_scipy() {
    let part = reference("digamma");
    for (x, expected) in numbers::<Vec<f64>>(&part["x"])
        .into_iter()
        .zip(numbers::<Vec<f64>>(&part["value"]))
    {
        assert!(
            (digamma(x) - expected).abs() < 1e-12 * expected.abs().max(1.0),
            "{x}: {}",
            digamma(x)
        );
    }
}

#[test]
fn the_share_of_a_topic_in_a_jet_agrees_with_scikit_learn() {
    let part = reference("inference");
    let expectation = Expectation::of(&numbers(&part["topics"]));
    let alpha: f64 = numbers(&part["alpha"]);
    let expected: Vec<f64> = numbers(&part["share"]);
    for (words, expected) in numbers::<Vec<Vec<u32>>>(&part["documents"]).into_iter().zip(expected) {
        let signal: f64 = topic_shares(&words, &expectation, [alpha; 2]).iter().sum();
        let share = (alpha + signal) / (2.0 * alpha + words.len() as f64);
        // Ours ends when gamma moves by less than 1e-3; the reference was run to its end.
        assert!(
            (share - expected).abs() < 5e-3,
            "{words:?}: {share}, expected {expected}"
        );
    }
}

#[test]
fn topics_agree_with_numpy_after_every_step() {
    let part = reference("online");
    let number = |key: &str| numbers::<f64>(&part[key]);
    let config = LdaConfig {
        other_topic: number("other_topic"),
        word_prior: number("word_prior"),
        delay: number("delay"),
        decay: number("decay"),
        ..LdaConfig::default()
    };
    let examples = examples(
        &numbers::<Vec<Vec<u32>>>(&part["documents"]),
        &numbers::<Vec<u32>>(&part["labels"]),
    );
    let mut learner = LdaLearner::new(&config);
    learner.prepare(&examples).unwrap();
    let expected: Vec<[Vec<f64>; 2]> = numbers(&part["topics"]);
    let size = numbers::<usize>(&part["batch"]);
    for (t, (batch, expected)) in examples.batches(Order::STORED, size, 0).zip(expected).enumerate() {
        learner.step(&batch.unwrap(), UPDATE).unwrap();
        for (found, expected) in learner.model.topics.iter().flatten().zip(expected.iter().flatten()) {
            assert!(
                (found - expected).abs() < 1e-10 * expected,
                "step {t}: {found}, expected {expected}"
            );
        }
    }
}

#[test]
fn with_labels_that_decide_one_pass_counts_words_whatever_the_batches() {
    let documents = vec![vec![3, 3, 7], vec![7], vec![], vec![9, 3], vec![7, 7]];
    let examples = examples(&documents, &[1, 0, 0, 1, 1]);
    for batch_size in [1, 2, 5] {
        let model = trained(&LdaConfig::default(), &examples, batch_size).model;
        assert_eq!(model.vocabulary.words(), [3, 7, 9]);
        let expected = [[0.5, 1.5, 0.5], [3.5, 3.5, 1.5]];
        for (found, expected) in model.topics.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-12, "{:?}", model.topics);
        }
    }
    // Bayes by hand: the words of the first jet, and three signal jets to two.
    let mut learner = trained(&LdaConfig::default(), &examples, 5);
    let scores = learner.score(&batch(&examples)).unwrap();
    let of_word = |signal: f64, background: f64| (signal / 8.5).ln() - (background / 2.5).ln();
    let expected = 1.5f64.ln() + 2.0 * of_word(3.5, 0.5) + of_word(3.5, 1.5);
    assert!(
        (f64::from(scores[0]) - expected).abs() < 1e-6,
        "{}, {expected}",
        scores[0]
    );
    assert!(
        (scores[2] - 1.5f32.ln()).abs() < 1e-6,
        "a jet without a word has the prior"
    );
}

#[test]
fn words_that_training_jets_do_not_have_say_nothing() {
    let train = examples(&[vec![3, 7], vec![7], vec![3]], &[1, 0, 1]);
    let mut learner = trained(&LdaConfig::default(), &train, 3);
    let other = examples(&[vec![3, 7], vec![3, 80_000, 7, 4]], &[1, 1]);
    let scores = learner.score(&batch(&other)).unwrap();
    assert_eq!(scores[0], scores[1]);
    let rare = LdaConfig {
        min_jets: 2,
        ..LdaConfig::default()
    };
    assert_eq!(trained(&rare, &train, 3).parameter_count(), 4);
    let none = LdaConfig {
        min_jets: 4,
        ..LdaConfig::default()
    };
    let error = LdaLearner::new(&none).prepare(&train).unwrap_err().to_string();
    assert!(error.contains("4 training jets"), "{error}");
}

#[test]
fn words_are_whole_numbers_of_the_view_and_their_order_does_not_matter() {
    let examples = sample(Part::Test, 200);
    let View::Jagged(view) = examples.view() else { panic!() };
    assert!(view.rows.iter().all(|word| word.fract() == 0.0 && *word < 86_400.0));
    assert!(view.rows.len() > 400, "{} words in 200 jets", view.rows.len());
    let mut learner = trained(&LdaConfig::default(), &sample(Part::Train, 500), 100);
    let mut turned = batch(&examples);
    let View::Jagged(rows) = &mut turned.view else { panic!() };
    for b in 0..rows.len() {
        let range = rows.range(b);
        rows.rows[range].reverse();
    }
    let scores = [batch(&examples), turned].map(|batch| learner.score(&batch).unwrap());
    for (a, b) in scores[0].iter().zip(&scores[1]) {
        assert!((a - b).abs() < 1e-5 * a.abs().max(1.0), "{a}, {b}");
    }
}

#[test]
fn three_jet_level_numbers_are_tau_ratios_and_others_are_refused() {
    let config = LdaConfig {
        words: LdaWordConfig::default().with_tau_ratios(),
        ..LdaConfig::default()
    };
    config.check().unwrap();
    let jets = JetDataset::sample()
        .unwrap()
        .load(Part::Test, None)
        .unwrap()
        .slice(0..50);
    let View::Jagged(view) = config.view(&jets).unwrap() else {
        panic!()
    };
    let taus = tagwerk_physics::tau_ratios(&jets, 1.0, &NsubjettinessConfig::default()).unwrap();
    let bin = |value: f64| (value / 0.2).floor().min(4.0) as usize;
    let mut seen = 0;
    for b in 0..view.len() {
        for &word in view.jet(b) {
            let digits = config.words.decode(word as u64);
            let (tau21, tau32) = (taus.tau21[b], taus.tau32[b]);
            assert_eq!(digits[5..], [bin(tau32), bin(tau32 * tau21), bin(tau21)], "jet {b}");
            seen += 1;
        }
    }
    assert!(seen > 50);
    let mut two = config.clone();
    two.words.jet_level.pop();
    assert!(two.check().unwrap_err().to_string().contains("tau3/tau2"));
    let mut many = config;
    many.words.jet_level = vec![(1..100).map(|i| f64::from(i) / 100.0).collect(); 3];
    assert!(many.check().unwrap_err().to_string().contains("2^24"));
}

#[test]
fn a_file_of_other_words_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let learner = trained(&LdaConfig::default(), &sample(Part::Train, 100), 50);
    learner.save(dir.path()).unwrap();
    let mut small = LdaConfig::default();
    small.words.parent_mass.truncate(1);
    let error = LdaLearner::new(&small).load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("these bins spell") && error.contains(FILE), "{error}");
    let arrays = ArrayWriter::default().with("words", &[5u64, 5]);
    arrays.write(&dir.path().join(FILE)).unwrap();
    let error = LdaLearner::new(&LdaConfig::default())
        .load(dir.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("rise strictly"), "{error}");
}
