//! Landscapes: what is counted when they are stopped, and what is told when trainings fail.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tagwerk_taggers::{
    Context, DataConfig, LandscapeConfig, LandscapeObserver, LandscapeOutcome, TaggerError, landscape,
};
use tagwerk_train::{Observer, StepReport, TrainError};

fn config() -> LandscapeConfig {
    LandscapeConfig {
        trainings: 2,
        bootstrap: 0,
        data: DataConfig {
            train_jets: Some(200),
            validation_jets: Some(100),
            test_jets: Some(200),
            ..DataConfig::default()
        },
        training: toml::from_str("epochs = 1").unwrap(),
        taggers: vec!["topodnn".into(), "pfn".into()],
        ..LandscapeConfig::default()
    }
}

/// Raises the stop flag when so many trainings are done.
struct StopAfter {
    trainings: usize,
    done: Mutex<usize>,
    context: Context,
}

impl LandscapeObserver for StopAfter {
    fn training_started(&self, _: &str, _: u64) -> Box<dyn Observer> {
        Box::new(())
    }

    fn training_done(&self, _: &str, _: u64) {
        let mut done = self.done.lock().unwrap();
        *done += 1;
        if *done == self.trainings {
            self.context.stop.store(true, Ordering::Relaxed);
        }
    }

    fn message(&self, _: &str) {
        if self.trainings == 0 {
            self.context.stop.store(true, Ordering::Relaxed);
        }
    }
}

fn observer(trainings: usize) -> StopAfter {
    StopAfter {
        trainings,
        done: Mutex::default(),
        context: Context {
            stop: Arc::default(),
            ..Context::cpu(1)
        },
    }
}

#[test]
fn a_stopped_landscape_counts_what_is_done_from_earlier_sittings_too() {
    let dir = tempfile::tempdir().unwrap();
    let run = |trainings| {
        let observer = observer(trainings);
        landscape(dir.path(), &config(), &observer.context, &observer).unwrap()
    };
    let counted = |outcome| match outcome {
        LandscapeOutcome::Stopped { done, total } => (done, total),
        LandscapeOutcome::Finished(_) => panic!("not stopped"),
    };
    assert_eq!(counted(run(0)), (0, 4));
    assert_eq!(counted(run(3)), (3, 4));
    // Stopped while the views are computed, before any training is looked at.
    assert_eq!(counted(run(0)), (3, 4));
    // Stopped after one of the finished ones was taken as it is.
    assert_eq!(counted(run(1)), (3, 4));
    let LandscapeOutcome::Finished(finished) = run(99) else {
        panic!("not finished")
    };
    assert_eq!(finished.runs.len(), 4);
}

/// Raises the stop flag in a step of GoaT.
struct StopGoat {
    step: u64,
    context: Context,
}

struct CountSteps(u64, Arc<std::sync::atomic::AtomicBool>);

impl Observer for CountSteps {
    fn step(&mut self, _: &StepReport) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

impl LandscapeObserver for StopGoat {
    fn training_started(&self, tagger: &str, _: u64) -> Box<dyn Observer> {
        match tagger {
            "goat" => Box::new(CountSteps(self.step, self.context.stop.clone())),
            _ => Box::new(()),
        }
    }

    fn training_done(&self, _: &str, _: u64) {}

    fn message(&self, _: &str) {}
}

#[test]
fn goat_stopped_in_any_step_ends_in_the_bits_of_one_never_stopped() {
    let mut config = config();
    config.taggers = vec!["goat".into(), "topodnn".into()];
    config.taggers[0].training = toml::from_str("epochs = 3\nbatch_size = 200").unwrap();
    let run = |folder: &std::path::Path, step, threads| {
        let context = Context {
            stop: Arc::default(),
            ..Context::cpu(threads)
        };
        let observer = StopGoat { step, context };
        landscape(folder, &config, &observer.context, &observer).unwrap()
    };
    let whole = tempfile::tempdir().unwrap();
    let LandscapeOutcome::Finished(finished) = run(whole.path(), u64::MAX, 2) else {
        panic!("not finished")
    };
    assert_eq!(
        finished.runs.iter().map(|r| r.tagger.as_str()).collect::<Vec<_>>(),
        ["goat", "goat", "topodnn", "topodnn"]
    );
    // 600 pairs of jet and network: three steps an epoch, the last of the second one too.
    for step in [1, 2, 6] {
        let dir = tempfile::tempdir().unwrap();
        let LandscapeOutcome::Stopped { done, total } = run(dir.path(), step, 1) else {
            panic!("not stopped in step {step}")
        };
        assert_eq!((done, total), (2, 4));
        let LandscapeOutcome::Finished(_) = run(dir.path(), u64::MAX, 1) else {
            panic!("not finished")
        };
        for seed in [1, 2] {
            let scores = |folder: &std::path::Path| std::fs::read(folder.join(format!("goat-{seed}/scores.parquet")));
            assert!(
                scores(dir.path()).unwrap() == scores(whole.path()).unwrap(),
                "step {step}, seed {seed}"
            );
        }
    }
}

#[test]
fn failed_trainings_are_errors_with_their_causes_and_the_others_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let begin = observer(1);
    let outcome = landscape(dir.path(), &config(), &begin.context, &begin).unwrap();
    assert!(matches!(outcome, LandscapeOutcome::Stopped { done: 1, .. }));
    // The costly tagger's first training is done; its checkpoint is damaged now.
    let file = dir.path().join("pfn-1/checkpoints/last/weights.safetensors");
    std::fs::write(&file, "noise").unwrap();
    let observer = observer(99);
    let error = landscape(dir.path(), &config(), &observer.context, &observer).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("1 of 4 trainings failed; pfn-1: checkpoint "),
        "{text}"
    );
    let source = error.source().and_then(|e| e.downcast_ref::<TaggerError>()).unwrap();
    assert!(
        matches!(source, TaggerError::Train(TrainError::Checkpoint { .. })),
        "{source:?}"
    );
    let TaggerError::Trainings(all) = &error else { panic!() };
    assert_eq!(all.failed().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["pfn-1"]);
    assert_eq!(*observer.done.lock().unwrap(), 3, "the others went on");
}

#[test]
fn the_cost_of_a_training_grows_with_its_own_epochs() {
    let mut config = config();
    let costs = config.costs().unwrap();
    assert_eq!(
        costs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["topodnn", "pfn"]
    );
    config.taggers[1].training = toml::from_str("epochs = 7").unwrap();
    let more = config.costs().unwrap();
    assert_eq!((more[0].1, more[1].1), (costs[0].1, 7.0 * costs[1].1));
}

#[test]
fn a_landscape_that_cannot_begin_leaves_no_run_that_binds_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = config();
    wrong.data.memory_mb = 0;
    let error = landscape(dir.path(), &wrong, &Context::cpu(1), &observer(99)).unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{error}");
}
