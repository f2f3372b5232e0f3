//! A learner small enough to read: logistic regression on summed features, Adam, dropout addressed by the step.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tagwerk_data::random;
use tagwerk_physics::{JaggedView, View};
use tagwerk_train::*;

pub const WIDTH: usize = 3;

/// Weights, bias last; first and second moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Toy {
    pub weights: Vec<f32>,
    pub first: Vec<f64>,
    pub second: Vec<f64>,
    /// Mean of each training sum, taken in `prepare`; scores are about it.
    pub center: f64,
    /// Calls of `prepare` and of `end_epoch` on this value.
    pub calls: [u64; 2],
    /// Pause in each step, so that a test can kill it in the middle.
    pub pause: std::time::Duration,
    /// Step whose update breaks the weights.
    pub breaks_at: Option<u64>,
}

impl Toy {
    pub fn new(seed: u64) -> Self {
        let mut rng = random::stream(seed, "initial weights", 0);
        let weights = (0..=WIDTH).map(|_| random::uniform(&mut rng) as f32 - 0.5).collect();
        let zeros = vec![0.0; WIDTH + 1];
        Self {
            weights,
            first: zeros.clone(),
            second: zeros,
            center: 0.0,
            calls: [0; 2],
            pause: std::time::Duration::ZERO,
            breaks_at: None,
        }
    }

    /// Sums of the rows of each jet, and 1 for the bias.
    fn sums(batch: &Batch) -> Vec<[f64; WIDTH + 1]> {
        let View::Jagged(view) = &batch.view else {
            panic!("the toy knows jagged views alone")
        };
        let mut sums = vec![[0.0; WIDTH + 1]; batch.len()];
        for (b, sum) in sums.iter_mut().enumerate() {
            for row in view.offsets[b]..view.offsets[b + 1] {
                for (s, &x) in sum.iter_mut().zip(&view.rows[row * WIDTH..(row + 1) * WIDTH]) {
                    *s += f64::from(x);
                }
            }
            sum[WIDTH] = 1.0;
        }
        sums
    }

    fn log_odds(&self, x: &[f64; WIDTH + 1]) -> f64 {
        x.iter().zip(&self.weights).map(|(x, &w)| x * f64::from(w)).sum()
    }
}

impl Learner for Toy {
    fn prepare(&mut self, train: &dyn Examples) -> std::result::Result<(), LearnerError> {
        self.calls[0] += 1;
        let mut sum = 0.0;
        for batch in train.batches(Order::STORED, 16, 0) {
            sum += Self::sums(&batch.map_err(LearnerError::wrap)?)
                .iter()
                .map(|s| s[0])
                .sum::<f64>();
        }
        self.center = sum / train.len() as f64;
        Ok(())
    }

    fn end_epoch(&mut self) -> std::result::Result<(), LearnerError> {
        self.calls[1] += 1;
        Ok(())
    }

    fn step(&mut self, batch: &Batch, update: Update) -> std::result::Result<f64, LearnerError> {
        std::thread::sleep(self.pause);
        let mut rng = random::stream(5, "dropout", update.step);
        let mut gradient = [0.0; WIDTH + 1];
        let mut loss = 0.0;
        for (mut x, &label) in Self::sums(batch).into_iter().zip(&batch.labels) {
            for value in &mut x[..WIDTH] {
                *value *= if random::uniform(&mut rng) < 0.1 {
                    0.0
                } else {
                    1.0 / 0.9
                };
            }
            let s = self.log_odds(&x);
            let wrong = if label > 0.5 { -s } else { s };
            loss += wrong.max(0.0) + (-wrong.abs()).exp().ln_1p();
            let slope = 1.0 / (1.0 + (-s).exp()) - f64::from(label);
            for (g, x) in gradient.iter_mut().zip(x) {
                *g += slope * x / batch.len() as f64;
            }
        }
        let t = update.step as i32 + 1;
        for (i, g) in gradient.into_iter().enumerate() {
            self.first[i] = 0.9 * self.first[i] + 0.1 * g;
            self.second[i] = 0.999 * self.second[i] + 0.001 * g * g;
            let (m, v) = (
                self.first[i] / (1.0 - 0.9_f64.powi(t)),
                self.second[i] / (1.0 - 0.999_f64.powi(t)),
            );
            self.weights[i] -= (update.learning_rate * m / (v.sqrt() + 1e-8)) as f32;
        }
        if self.breaks_at == Some(update.step) {
            self.weights[0] = f32::NAN;
        }
        Ok(loss / batch.len() as f64)
    }

    fn score(&mut self, batch: &Batch) -> std::result::Result<Vec<f32>, LearnerError> {
        Ok(Self::sums(batch)
            .iter()
            .map(|x| (self.log_odds(x) - self.center) as f32)
            .collect())
    }

    fn parameter_count(&self) -> usize {
        self.weights.len()
    }

    fn save(&self, dir: &Path) -> std::result::Result<(), LearnerError> {
        std::fs::write(
            dir.join("weights.bin"),
            self.weights.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>(),
        )?;
        std::fs::write(dir.join("center.bin"), self.center.to_le_bytes())?;
        let moments = self.first.iter().chain(&self.second);
        std::fs::write(
            dir.join("optimizer.bin"),
            moments.flat_map(|m| m.to_le_bytes()).collect::<Vec<_>>(),
        )?;
        Ok(())
    }

    fn load(&mut self, dir: &Path) -> std::result::Result<(), LearnerError> {
        self.load_weights(dir)?;
        let bytes = std::fs::read(dir.join("optimizer.bin"))?;
        let moments: Vec<f64> = bytes
            .chunks(8)
            .map(|c| f64::from_le_bytes(c.try_into().unwrap()))
            .collect();
        self.first = moments[..WIDTH + 1].to_vec();
        self.second = moments[WIDTH + 1..].to_vec();
        Ok(())
    }

    fn load_weights(&mut self, dir: &Path) -> std::result::Result<(), LearnerError> {
        self.center = f64::from_le_bytes(std::fs::read(dir.join("center.bin"))?.try_into().unwrap());
        let bytes = std::fs::read(dir.join("weights.bin"))?;
        self.weights = bytes
            .chunks(4)
            .map(|c| f32::from_le_bytes(c.try_into().unwrap()))
            .collect();
        Ok(())
    }
}

/// Jagged jets of up to 5 rows whose features lean to one side for signal.
pub fn examples(jets: usize, seed: u64) -> InMemory {
    let mut rng = random::stream(seed, "toy jets", 0);
    let mut view = JaggedView {
        width: WIDTH,
        rows: vec![],
        offsets: vec![0],
    };
    let mut labels = Vec::new();
    for b in 0..jets {
        let label = (b % 2) as f32;
        for _ in 0..1 + random::below(&mut rng, 5) {
            for c in 0..WIDTH {
                let lean = if c == 0 { 0.4 * (label - 0.5) } else { 0.0 };
                view.rows.push((random::uniform(&mut rng) - 0.5) as f32 + lean);
            }
        }
        view.offsets.push(view.rows.len() / WIDTH);
        labels.push(label);
    }
    InMemory::new(View::Jagged(view), labels, (1000..1000 + jets as u64).collect()).unwrap()
}

/// Training, validation and test jets.
pub struct Data {
    pub train: InMemory,
    pub validation: InMemory,
    pub test: InMemory,
}

impl Data {
    pub fn new() -> Self {
        Self {
            train: examples(310, 1),
            validation: examples(120, 2),
            test: examples(150, 3),
        }
    }

    pub fn sets(&self) -> Sets<'_> {
        Sets::new(&self.train, &self.validation)
            .score("test", &self.test)
            .score("validation", &self.validation)
    }
}

/// 310 jets in batches of 32: 10 steps an epoch, the last of 22 jets.
pub fn config(epochs: u32) -> TrainingConfig {
    TrainingConfig {
        seed: 11,
        epochs,
        batch_size: 32,
        score_batch_size: 50,
        optimizer: OptimizerConfig {
            learning_rate: 0.02,
            ..OptimizerConfig::default()
        },
        schedule: Schedule::OneCycle(OneCycle {
            low: 0.01,
            high: 0.05,
            end: 0.001,
            rise_epochs: 1.5,
            fall_epochs: 1.5,
            cool_epochs: 1.0,
        }),
        ..TrainingConfig::default()
    }
}

/// Raises the stop flag after some steps or in the middle of some scoring.
pub struct StopAt {
    pub stop: Arc<AtomicBool>,
    pub steps: Option<u64>,
    pub scorings: Option<u64>,
}

impl Observer for StopAt {
    fn step(&mut self, _: &StepReport) {
        count_down(&mut self.steps, &self.stop);
    }

    fn scoring(&mut self, _: &str, _: usize, _: usize) {
        count_down(&mut self.scorings, &self.stop);
    }
}

fn count_down(left: &mut Option<u64>, stop: &AtomicBool) {
    if let Some(n) = left {
        *n = n.saturating_sub(1);
        if *n == 0 {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

pub fn train(path: &Path, config: TrainingConfig, learner: &mut Toy, data: &Data) -> Result<Outcome> {
    let run = RunFolder::open_or_create(path, &config)?;
    let training = config.check()?;
    let clock = SystemClock::new();
    Trainer::new(&training, &run, &clock, Arc::default(), &mut ()).run(learner, &data.sets())
}

/// Everything of a finished run that must not depend on stops: files by name, timing fields left out.
pub fn bits(path: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for file in [
        "checkpoints/last/weights.bin",
        "checkpoints/last/optimizer.bin",
        "checkpoints/best/weights.bin",
        "scores.parquet",
        "scores-validation.parquet",
    ] {
        let bytes = std::fs::read(path.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        all.insert(file.to_owned(), format!("{bytes:?}"));
    }
    let run = RunFolder::open(path).unwrap();
    let text = std::fs::read_to_string(path.join("metrics.jsonl")).unwrap();
    for (line, metrics) in text.lines().zip(run.metrics().unwrap()) {
        let mut value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        for timing in ["seconds", "validation_seconds", "jets_per_second", "resident_bytes"] {
            assert!(value.remove(timing).is_some(), "{timing} in {line}");
        }
        all.insert(
            format!("epoch {}", metrics.epoch),
            serde_json::to_string(&value).unwrap(),
        );
    }
    for kind in [CheckpointKind::Last, CheckpointKind::Best] {
        let mut progress = run.checkpoints().progress(kind).unwrap().unwrap();
        progress.seconds = 0.0;
        all.insert(format!("{kind:?}"), format!("{progress:?}"));
    }
    all
}
