//! The loop with real targets: what epochs are judged by, what is written, what is refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tagwerk_data::{Task, random};
use tagwerk_physics::{DenseView, View};
use tagwerk_train::*;

/// y = a x + b by gradient descent on the squared error.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    a: f32,
    b: f32,
}

fn numbers(batch: &Batch) -> &[f32] {
    match &batch.view {
        View::Dense(view) => &view.values,
        other => panic!("{other:?}"),
    }
}

impl Learner for Line {
    fn step(&mut self, batch: &Batch, update: Update) -> std::result::Result<f64, LearnerError> {
        let n = batch.len() as f64;
        let (mut loss, mut da, mut db) = (0.0, 0.0, 0.0);
        for (&x, &y) in numbers(batch).iter().zip(&batch.labels) {
            let d = f64::from(self.a * x + self.b - y);
            loss += d * d / n;
            da += 2.0 * d * f64::from(x) / n;
            db += 2.0 * d / n;
        }
        self.a -= (update.learning_rate * da) as f32;
        self.b -= (update.learning_rate * db) as f32;
        Ok(loss)
    }

    fn score(&mut self, batch: &Batch) -> std::result::Result<Vec<f32>, LearnerError> {
        Ok(numbers(batch).iter().map(|x| self.a * x + self.b).collect())
    }

    fn parameter_count(&self) -> usize {
        2
    }

    fn save(&self, dir: &Path) -> std::result::Result<(), LearnerError> {
        let bytes = [self.a.to_le_bytes(), self.b.to_le_bytes()].concat();
        Ok(std::fs::write(dir.join("line.bin"), bytes)?)
    }

    fn load(&mut self, dir: &Path) -> std::result::Result<(), LearnerError> {
        self.load_weights(dir)
    }

    fn load_weights(&mut self, dir: &Path) -> std::result::Result<(), LearnerError> {
        let bytes = std::fs::read(dir.join("line.bin"))?;
        self.a = f32::from_le_bytes(bytes[..4].try_into().unwrap());
        self.b = f32::from_le_bytes(bytes[4..].try_into().unwrap());
        Ok(())
    }
}

/// x in [-1, 1), y = 3 x - 2 and noise of width 0.1.
fn events(count: u64, seed: u64) -> InMemory {
    let mut rng = random::stream(seed, "line", 0);
    let (mut values, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let x = 2.0 * random::uniform(&mut rng) - 1.0;
        values.push(x as f32);
        targets.push((3.0 * x - 2.0 + 0.1 * random::normal(&mut rng)) as f32);
    }
    let view = View::Dense(DenseView { shape: vec![1], values });
    InMemory::regression(view, targets, (0..count).collect()).unwrap()
}

fn config() -> TrainingConfig {
    let mut config = TrainingConfig {
        epochs: 6,
        batch_size: 20,
        score_batch_size: 30,
        best: Metric::ValResolution,
        ..TrainingConfig::default()
    };
    config.optimizer.learning_rate = 0.1;
    config
}

fn train(path: &Path, config: TrainingConfig, sets: &Sets) -> Result<Outcome> {
    let run = RunFolder::open_or_create(path, &config)?;
    let training = config.check()?;
    let (clock, stop) = (SystemClock::new(), Arc::new(AtomicBool::new(false)));
    Trainer::new(&training, &run, &clock, stop, &mut ()).run(&mut Line { a: 0.0, b: 0.0 }, sets)
}

#[test]
fn epochs_are_judged_by_the_errors_of_predictions() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b, c) = (events(200, 1), events(100, 2), events(150, 3));
    let path = dir.path().join("run");
    let outcome = train(&path, config(), &Sets::new(&a, &b).score("test", &c)).unwrap();
    let run = RunFolder::open(&path).unwrap();
    let metrics = run.metrics().unwrap();
    assert_eq!(metrics.len(), 6);
    let best = outcome.summary().best.clone().unwrap();
    let least = metrics
        .iter()
        .map(|m| m.val_resolution.unwrap())
        .fold(f64::INFINITY, f64::min);
    assert_eq!((best.metric, best.value), (Metric::ValResolution, least));
    // The noise is what is left.
    assert!(
        least < 0.15 && metrics[0].val_resolution.unwrap() > 2.0 * least,
        "{metrics:?}"
    );
    for epoch in &metrics {
        let (bias, resolution) = (epoch.val_bias.unwrap(), epoch.val_resolution.unwrap());
        assert!((epoch.val_loss - bias * bias - resolution * resolution).abs() < 1e-9);
        assert!(epoch.val_auc.is_none() && epoch.val_rejection.is_empty());
    }
    let text = std::fs::read_to_string(path.join("metrics.jsonl")).unwrap();
    assert!(!text.contains("auc") && text.contains("val_bias"), "{text}");

    let Scored::Values(table) = run.scored("test").unwrap() else {
        panic!("predictions, not scores")
    };
    assert_eq!((table.rows.len(), &table.targets[..]), (150, c.labels()));
    let found = tagwerk_stats::evaluate_regression(&table.predictions, &table.targets).unwrap();
    assert!((found.resolution - 0.1).abs() < 0.03, "{found:?}");
    // Scoring again by hand gives the same; scores of classes there are none.
    let mut line = Line { a: 0.0, b: 0.0 };
    line.load_weights(&run.checkpoints().path(CheckpointKind::Best))
        .unwrap();
    let again = score_any(&mut line, &c, 7, "test", &mut (), &AtomicBool::new(false))
        .unwrap()
        .unwrap();
    assert_eq!(again, Scored::Values(table));
    assert!(score(&mut line, &c, 7, "test", &mut (), &AtomicBool::new(false)).is_err());
    assert!(run.scores("test").is_err());
}

#[test]
fn what_no_regression_can_be_made_of_is_refused_before_anything_is_trained() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (events(50, 1), events(20, 2));
    let message = |name: &str, config: TrainingConfig, sets: &Sets| {
        let error = train(&dir.path().join(name), config, sets).unwrap_err().to_string();
        assert!(!dir.path().join(name).join("metrics.jsonl").exists());
        error
    };
    let auc = TrainingConfig {
        best: Metric::ValAuc,
        ..config()
    };
    let error = message("auc", auc, &Sets::new(&a, &b));
    assert_eq!(
        error,
        "best = val_auc; allowed for a regression: val_loss, val_resolution"
    );
    let patient = TrainingConfig {
        early_stopping: Some(EarlyStopping {
            metric: Metric::ValAccuracy,
            ..EarlyStopping::default()
        }),
        ..config()
    };
    let error = message("patient", patient, &Sets::new(&a, &b));
    assert!(error.contains("early_stopping.metric = val_accuracy"), "{error}");

    let view = || {
        View::Dense(DenseView {
            shape: vec![1],
            values: vec![0.0; 3],
        })
    };
    let flat = InMemory::regression(view(), vec![7.5; 3], vec![0, 1, 2]).unwrap();
    let error = message("flat", config(), &Sets::new(&flat, &b));
    assert!(
        error.contains("training part has 3 events, all with the target 7.5"),
        "{error}"
    );
    let classes = InMemory::new(view(), vec![0.0, 1.0, 0.0], vec![0, 1, 2]).unwrap();
    assert_eq!(classes.task(), Task::Classification);
    let error = message("mixed", config(), &Sets::new(&a, &classes));
    assert!(
        error.contains("validation part: of a classification; that for training is of a regression"),
        "{error}"
    );
}
