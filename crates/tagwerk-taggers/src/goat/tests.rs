use super::*;
use crate::cross_fit::{Role, ScoreMatrix};
use std::sync::Arc;
use tagwerk_data::random;
use tagwerk_train::{ScoreTable, Update};

/// Three taggers of different worth on `jets` jets: signal is shifted, noise is added.
fn scores(jets: usize, seed: u64) -> Arc<ScoreMatrix> {
    let mut stream = random::stream(seed, "scores", 0);
    let labels: Vec<u8> = (0..jets).map(|b| (b % 2) as u8).collect();
    let mut table = |worth: f32| ScoreTable {
        rows: (0..jets as u64).collect(),
        labels: labels.clone(),
        weights: vec![1.0; jets],
        log_odds: labels
            .iter()
            .map(|&label| worth * (2.0 * f32::from(label) - 1.0) + 6.0 * (random::uniform(&mut stream) as f32 - 0.5))
            .collect(),
        ..ScoreTable::default()
    };
    let tables = [
        ("a-1".into(), table(1.0)),
        ("b-1".into(), table(0.5)),
        ("c-1".into(), table(0.0)),
    ];
    Arc::new(ScoreMatrix::new(&tables).unwrap())
}

fn config() -> GoatConfig {
    GoatConfig {
        inputs: ["a-1", "b-1", "c-1"]
            .map(|name| (name.to_owned(), String::new()))
            .into(),
        ..GoatConfig::default()
    }
}

fn training() -> TrainingConfig {
    TrainingConfig {
        batch_size: 250,
        ..config().training()
    }
}

fn learner(examples: &CrossFit) -> Box<dyn Learner> {
    let validation = Some(examples.in_role(Role::Validation));
    config().learner_on(&training(), &Device::flex(), validation).unwrap()
}

fn epoch(learner: &mut dyn Learner, examples: &CrossFit, epoch: u64) {
    let order = Order {
        seed: 1,
        epoch,
        shuffle: true,
    };
    for (i, batch) in examples.batches(order, 250, 0).enumerate() {
        let update = Update {
            step: 1000 * epoch + i as u64,
            learning_rate: 1e-3,
        };
        assert!(learner.step(&batch.unwrap(), update).unwrap().is_finite());
    }
    learner.end_epoch().unwrap();
}

/// Scores of all test examples.
fn tested(learner: &mut dyn Learner, examples: &CrossFit) -> Vec<f32> {
    let test = examples.in_role(Role::Test);
    let batch = test.batches(Order::STORED, test.len(), 0).next().unwrap().unwrap();
    learner.score(&batch).unwrap()
}

fn bits(scores: &[f32]) -> Vec<u32> {
    scores.iter().map(|s| s.to_bits()).collect()
}

#[test]
fn with_the_published_inputs_it_has_the_published_parameters() {
    let config = GoatConfig::default();
    let learner = config.learner(&config.training(), &Device::flex()).unwrap();
    assert_eq!(learner.parameter_count(), 34_962);
}

/// The proof of honesty: turn around the labels of the jets of one fold, and the scores of these very jets do not move
/// a bit, while those of others do.
#[test]
fn the_label_of_a_jet_has_no_part_in_its_score() {
    const JETS: usize = 500;
    let of = |turned: Option<usize>| {
        let mut stream = random::stream(2, "scores", 0);
        let mut table = ScoreTable {
            rows: (0..JETS as u64).collect(),
            labels: (0..JETS).map(|b| (b % 2) as u8).collect(),
            weights: vec![1.0; JETS],
            ..ScoreTable::default()
        };
        table.log_odds = table
            .labels
            .iter()
            .map(|&label| f32::from(label) + 3.0 * random::uniform(&mut stream) as f32)
            .collect();
        let fold_of = |table: &ScoreTable| {
            let matrix = ScoreMatrix::new(&[("a-1".into(), table.clone())]).unwrap();
            let examples = CrossFit::new(Arc::new(matrix), 5, 9);
            let test = examples.in_role(Role::Test);
            let batch = test.batches(Order::STORED, JETS, 0).next().unwrap().unwrap();
            let View::Dense(view) = batch.view else { panic!() };
            let folds: Vec<usize> = view.values.chunks_exact(2).map(|v| v[1] as usize).collect();
            (examples, folds)
        };
        let (_, folds) = fold_of(&table);
        for (b, label) in table.labels.iter_mut().enumerate() {
            if Some(folds[b]) == turned {
                *label = 1 - *label;
            }
        }
        let (examples, folds) = fold_of(&table);
        let config = GoatConfig {
            inputs: [("a-1".to_owned(), String::new())].into(),
            ..GoatConfig::default()
        };
        let validation = Some(examples.in_role(Role::Validation));
        // A patience of one: some networks stop before others.
        let mut training = training();
        training.early_stopping = Some(EarlyStopping {
            patience: 1,
            ..EarlyStopping::default()
        });
        let mut learner = config.learner_on(&training, &Device::flex(), validation).unwrap();
        learner.prepare(&examples).unwrap();
        (0..8).for_each(|n| epoch(learner.as_mut(), &examples, n));
        (tested(learner.as_mut(), &examples), folds)
    };
    let (plain, folds) = of(None);
    for turned in 0..5 {
        let (scores, _) = of(Some(turned));
        for b in (0..JETS).filter(|&b| folds[b] == turned) {
            assert_eq!(scores[b].to_bits(), plain[b].to_bits(), "jet {b} of fold {turned}");
        }
        // The network of the fold before was chosen on them, perhaps in the same epoch; all others were trained on
        // them.
        let mut trained = (0..JETS).filter(|&b| folds[b] != turned && (folds[b] + 1) % 5 != turned);
        assert!(
            trained.all(|b| scores[b] != plain[b]),
            "others saw the labels of fold {turned}"
        );
    }
}

#[test]
fn it_weighs_its_inputs_by_their_worth() {
    let examples = CrossFit::new(scores(3000, 1), 5, 1);
    let mut learner = learner(&examples);
    learner.prepare(&examples).unwrap();
    (0..6).for_each(|n| epoch(learner.as_mut(), &examples, n));
    let found = tested(learner.as_mut(), &examples);
    let truth = tagwerk_stats::Truth::new(&(0..3000).map(|b| (b % 2) as u8).collect::<Vec<_>>()).unwrap();
    let auc = |scores: &[f32]| tagwerk_stats::Roc::new(scores, &truth).unwrap().auc();
    let test = examples.in_role(Role::Test);
    let batch = test.batches(Order::STORED, 3000, 0).next().unwrap().unwrap();
    let View::Dense(view) = &batch.view else { panic!() };
    let column = |k: usize| view.values.iter().skip(k).step_by(4).copied().collect::<Vec<f32>>();
    let (stacked, best) = (auc(&found), auc(&column(0)));
    // The best input has 0.78 (two uniform clouds a third of their width apart); the second adds some 0.02.
    assert!(
        stacked > best + 0.005,
        "{stacked:.4} of inputs with {best:.4} and {:.4}",
        auc(&column(1))
    );
}

#[test]
fn saved_between_epochs_it_goes_on_to_the_same_bits() {
    let examples = CrossFit::new(scores(400, 3), 5, 1);
    let mut whole = learner(&examples);
    whole.prepare(&examples).unwrap();
    epoch(whole.as_mut(), &examples, 0);
    let dir = tempfile::tempdir().unwrap();
    whole.save(dir.path()).unwrap();
    let mut again = learner(&examples);
    again.load(dir.path()).unwrap();
    assert_eq!(
        bits(&tested(again.as_mut(), &examples)),
        bits(&tested(whole.as_mut(), &examples))
    );
    // The loop may end an epoch twice, after a resume: the second time nothing is judged.
    again.end_epoch().unwrap();
    for learner in [&mut whole, &mut again] {
        (1..4).for_each(|n| epoch(learner.as_mut(), &examples, n));
    }
    assert_eq!(
        bits(&tested(again.as_mut(), &examples)),
        bits(&tested(whole.as_mut(), &examples))
    );
    let mut scoring = config().learner(&training(), &Device::flex()).unwrap();
    again.save(dir.path()).unwrap();
    scoring.load_weights(dir.path()).unwrap();
    assert_eq!(
        bits(&tested(scoring.as_mut(), &examples)),
        bits(&tested(whole.as_mut(), &examples))
    );
}

#[test]
fn a_damaged_file_is_an_error_and_changes_nothing() {
    let examples = CrossFit::new(scores(200, 4), 5, 1);
    let mut learner = learner(&examples);
    learner.prepare(&examples).unwrap();
    epoch(learner.as_mut(), &examples, 0);
    let expected = bits(&tested(learner.as_mut(), &examples));
    for file in [
        "weights.safetensors",
        "optimizer.safetensors",
        "chosen.safetensors",
        "standing.safetensors",
    ] {
        let dir = tempfile::tempdir().unwrap();
        learner.save(dir.path()).unwrap();
        let path = dir.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = learner.load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(file), "{file}: {error}");
        std::fs::remove_file(&path).unwrap();
        assert!(learner.load(dir.path()).is_err(), "{file}");
        assert_eq!(bits(&tested(learner.as_mut(), &examples)), expected, "{file}");
    }
}

#[test]
fn figures_that_mix_the_folds_are_refused() {
    let config = config();
    let refused = |training: &TrainingConfig| match config.learner(training, &Device::flex()) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    let mut best = training();
    best.best = Metric::ValAuc;
    assert!(refused(&best).contains("best = val_auc"), "{}", refused(&best));
    let mut stopping = training();
    stopping.early_stopping = Some(EarlyStopping {
        metric: Metric::ValAccuracy,
        ..EarlyStopping::default()
    });
    assert!(refused(&stopping).contains("early_stopping.metric"));
}

#[test]
fn without_a_landscape_it_trains_on_nothing() {
    let config = config();
    let examples = CrossFit::new(scores(100, 5), 5, 1);
    let mut learner = config.learner(&training(), &Device::flex()).unwrap();
    learner.prepare(&examples).unwrap();
    let batch = examples.batches(Order::STORED, 50, 0).next().unwrap().unwrap();
    let update = Update {
        step: 0,
        learning_rate: 1e-3,
    };
    learner.step(&batch, update).unwrap();
    assert!(learner.end_epoch().unwrap_err().to_string().contains("landscape"));
    assert!(
        config
            .view(&Jets::default())
            .unwrap_err()
            .to_string()
            .contains("landscape")
    );
}

#[test]
fn a_number_of_no_network_is_refused() {
    let config = config();
    let mut learner = config.learner(&training(), &Device::flex()).unwrap();
    let examples = CrossFit::new(scores(10, 6), 5, 1);
    let whole = examples.batches(Order::STORED, 5, 0).next().unwrap().unwrap();
    for number in [5.0, -1.0, 0.5, f32::NAN, f32::INFINITY] {
        let mut batch = whole.clone();
        let View::Dense(view) = &mut batch.view else { panic!() };
        view.values[3] = number;
        assert!(learner.score(&batch).is_err(), "{number}");
    }
}
