//! Trainings on a toy whose density is known.

use super::*;
use crate::config::{Optimizer, SurrogateTraining};
use crate::exact::encode;
use crate::ode::Solver;
use crate::table::Columns;
use crate::velocity::VelocityConfig;
use std::sync::Arc;
use tagwerk_data::random;
use tagwerk_stats::{logistic, normal_cdf};
use tagwerk_train::SystemClock;

/// Mean and width of the logit of a toy jet.
fn truth(label: f64, n: f64) -> (f64, f64) {
    (if label > 0.5 { 5.0 } else { -4.0 }, 1.0 + 2.0 * n)
}

/// Rows of (label, n in 0..1) with a score of known density.
fn toy(rows: usize, index: u64) -> Table {
    let mut rng = random::stream(3, "toy surrogate", index);
    let (mut c, mut labels, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        let (label, n) = ((row % 2) as f64, random::uniform(&mut rng));
        let (mean, width) = truth(label, n);
        c.extend([label, n]);
        labels.push(label);
        scores.push(logistic(mean + width * random::normal(&mut rng)));
    }
    let columns = Columns {
        conditions: vec!["label".to_owned(), "n".to_owned()],
        label: Some("label".to_owned()),
        scores: vec!["score".to_owned()],
    };
    Table::new(columns, c, labels, scores).unwrap()
}

fn config(epochs: u32) -> SurrogateConfig {
    let mut config = SurrogateConfig {
        model: VelocityConfig {
            width: 16,
            ..VelocityConfig::default()
        },
        training: SurrogateTraining {
            epochs,
            batch_size: 256,
            optimizer: Optimizer {
                learning_rate: 5e-3,
                ..Optimizer::default()
            },
            schedule: crate::config::StepSchedule::Cosine { end: 0.01 },
            nll_rows: 256,
            ..SurrogateTraining::default()
        },
        ..SurrogateConfig::default()
    };
    config.data.conditions = vec!["label".to_owned(), "n".to_owned()];
    config
}

/// Sets the stop after a number of steps.
struct StopAfter(u64, Arc<AtomicBool>);

impl Observer for StopAfter {
    fn step(&mut self, _: &StepReport) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

fn train(config: &SurrogateConfig, run: &RunFolder, steps: u64) -> Result<TrainingSummary, SurrogateError> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut observer = StopAfter(steps, stop.clone());
    SurrogateTrainer::new(config, run, &SystemClock::new(), &stop, &mut observer).run(&toy(2000, 0), &toy(500, 1))
}

fn folder(config: &SurrogateConfig) -> (tempfile::TempDir, RunFolder) {
    let dir = tempfile::tempdir().unwrap();
    let run = RunFolder::create(dir.path().join("run"), config).unwrap();
    (dir, run)
}

/// Step, training loss, validation loss and likelihood of an epoch.
type Figures = (u64, f64, f64, Option<f64>);

/// Weights, and the figures of all epochs without times.
fn outcome(run: &RunFolder) -> (Vec<u8>, Vec<Figures>) {
    let weights = std::fs::read(run.path().join("surrogate/weights.safetensors")).unwrap();
    let figures = run.metrics().unwrap();
    let figures = figures.iter().map(|m| (m.step, m.train_loss, m.val_loss, m.val_nll));
    (weights, figures.collect())
}

#[test]
fn a_stopped_training_ends_in_the_bits_of_one_left_alone() {
    let config = SurrogateConfig {
        training: SurrogateTraining {
            ema: Some(0.9),
            ..config(3).training
        },
        ..config(3)
    };
    let (_one, alone) = folder(&config);
    assert!(train(&config, &alone, u64::MAX).unwrap().finished);
    let (_two, stopped) = folder(&config);
    // In the middle of an epoch of 8 steps, at its end, and just before the end of all.
    for steps in [3, 5, 14] {
        let summary = train(&config, &stopped, steps).unwrap();
        assert!(!summary.finished);
        assert_eq!(stopped.status().unwrap().unwrap().state, RunState::Stopped);
    }
    let summary = train(&config, &stopped, u64::MAX).unwrap();
    assert!(summary.finished && summary.steps == 24);
    assert_eq!(outcome(&stopped), outcome(&alone));
    // Told again, nothing moves.
    train(&config, &stopped, u64::MAX).unwrap();
    assert_eq!(outcome(&stopped), outcome(&alone));
}

#[test]
fn a_kill_after_the_checkpoint_costs_nothing_and_a_torn_journal_is_mended() {
    let config = config(3);
    let (_one, alone) = folder(&config);
    train(&config, &alone, u64::MAX).unwrap();
    let (_two, killed) = folder(&config);
    train(&config, &killed, 12).unwrap();
    // As a kill leaves it: the figures of an epoch that the checkpoint does not have, and half a line.
    let path = killed.path().join("metrics.jsonl");
    let line = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{line}{line}{{\"epo")).unwrap();
    train(&config, &killed, u64::MAX).unwrap();
    assert_eq!(outcome(&killed), outcome(&alone));
}

#[test]
fn threads_do_not_change_a_bit() {
    let config = config(2);
    let runs: Vec<_> = [1, 2, 3]
        .into_iter()
        .map(|threads| {
            let (dir, run) = folder(&config);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| train(&config, &run, u64::MAX)).unwrap();
            let result = outcome(&run);
            drop(dir);
            result
        })
        .collect();
    assert!(runs[0] == runs[1] && runs[1] == runs[2]);
}

#[test]
fn another_training_is_refused_and_a_diverging_one_stops_with_its_rows() {
    let (_dir, run) = folder(&config(3));
    train(&config(3), &run, 5).unwrap();
    let mut other = config(3);
    other.training.seed = 1;
    let error = train(&other, &run, 5).unwrap_err().to_string();
    assert!(error.contains("begun with other settings"), "{error}");
    let mut wild = config(3);
    wild.training.optimizer.learning_rate = 1e20;
    let (_dir, run) = folder(&wild);
    let error = train(&wild, &run, u64::MAX).unwrap_err().to_string();
    assert!(error.contains("the loss is"), "{error}");
    assert!(!run.path().join("surrogate").exists());
}

#[test]
fn a_known_density_is_learned_at_every_condition() {
    let config = config(40);
    let (_dir, run) = folder(&config);
    let stop = AtomicBool::new(false);
    let clock = SystemClock::new();
    let summary = SurrogateTrainer::new(&config, &run, &clock, &stop, &mut ())
        .run(&toy(20_000, 0), &toy(2000, 1))
        .unwrap();
    let surrogate = Surrogate::load(&run.path().join("surrogate")).unwrap();
    let test = toy(4000, 2);
    let learned = surrogate.cdf(test.conditions(), test.scores()).unwrap();
    let mut worst = 0f64;
    let mut mean = 0f64;
    for (row, &f) in learned.iter().enumerate() {
        let (label, n) = (test.conditions()[2 * row], test.conditions()[2 * row + 1]);
        let (m, w) = truth(label, n);
        let s = test.scores()[row];
        let exact = normal_cdf(((s / (1.0 - s)).ln() - m) / w);
        worst = worst.max((f - exact).abs());
        mean += (f - exact).abs() / learned.len() as f64;
    }
    // 20,000 rows know a distribution function to about 1 / sqrt(20,000 / 10 bins of the conditions) = 0.02.
    assert!(worst < 0.12 && mean < 0.025, "{worst} {mean}");
    // The best epoch's likelihood is that of the surrogate's rows, and near that of the truth.
    let best = summary.best.unwrap().value;
    let entropy = |table: &Table| {
        let rows = table.conditions().chunks_exact(2);
        rows.map(|c| truth(c[0], c[1]).1.ln() - 20f64.ln() + 0.5 + 0.918_938_5)
            .sum::<f64>()
            / table.len() as f64
    };
    assert!(
        (best - entropy(&toy(2000, 1))).abs() < 0.15,
        "{best} {}",
        entropy(&toy(2000, 1))
    );
    let log_prob = surrogate.log_prob(test.conditions(), test.scores()).unwrap();
    assert!(log_prob.iter().all(|l| l.is_finite()));
}

#[test]
fn optimal_coupling_learns_the_same_density() {
    let mut config = config(15);
    config.flow.coupling = crate::flow::Coupling::Optimal { group: 8 };
    let (_dir, run) = folder(&config);
    let stop = AtomicBool::new(false);
    SurrogateTrainer::new(&config, &run, &SystemClock::new(), &stop, &mut ())
        .run(&toy(10_000, 0), &toy(500, 1))
        .unwrap();
    let surrogate = Surrogate::load(&run.path().join("surrogate")).unwrap();
    let inputs: Vec<f32> = surrogate.conditions().standardize(&[1.0, 0.5]);
    let folded = surrogate.net().fold(&surrogate.members()[0]).unwrap();
    let velocity = folded.condition(&inputs).unwrap();
    let (mean, width) = truth(1.0, 0.5);
    let x = [(mean - width) / 20.0, mean / 20.0, (mean + width) / 20.0];
    let z = encode(&velocity, &Solver::default(), &[0; 3], &x).unwrap().z;
    for (z, expected) in z.iter().zip([-1.0, 0.0, 1.0]) {
        assert!((z - expected).abs() < 0.2, "{z} {expected}");
    }
}
