//! What a training does, and when it ends, with the toy learner.

use crate::toy::{Data, Toy, bits, config, train};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tagwerk_train::*;

#[test]
fn the_loss_falls_and_the_records_are_complete() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let path = dir.path().join("run");
    let mut learner = Toy::new(1);
    let outcome = train(&path, config(4), &mut learner, &data).unwrap();
    let Outcome::Finished(summary) = outcome else {
        panic!("{outcome:?}")
    };
    let run = RunFolder::open(&path).unwrap();
    let metrics = run.metrics().unwrap();
    assert_eq!(
        (summary.epochs, summary.steps, summary.ending),
        (4, 40, Some(Ending::AllEpochs))
    );
    assert_eq!(
        metrics.iter().map(|m| (m.epoch, m.step)).collect::<Vec<_>>(),
        [(1, 10), (2, 20), (3, 30), (4, 40)]
    );
    assert!(metrics[3].train_loss < 0.9 * metrics[0].train_loss, "{metrics:?}");
    assert!(
        metrics[3].val_auc > Some(0.7) && metrics[3].val_auc > metrics[0].val_auc,
        "{metrics:?}"
    );
    let best = summary.best.unwrap();
    let least = metrics.iter().min_by(|a, b| a.val_loss.total_cmp(&b.val_loss)).unwrap();
    assert_eq!(best.epoch, least.epoch);
    // Decimals read back from JSON may be one bit off.
    assert!((best.value - least.val_loss).abs() < 1e-15, "{best:?}");
    let status = run.status().unwrap().unwrap();
    assert_eq!(
        (status.state, status.epochs_done, status.steps_per_epoch),
        (RunState::Finished, 4, 10)
    );
    let log = std::fs::read_to_string(path.join("log.jsonl")).unwrap();
    assert!(
        log.contains("\"begun\"") && log.lines().last().unwrap().contains("\"finished\""),
        "{log}"
    );
}

#[test]
fn scoring_is_timed_where_it_is_done_and_told_again_afterwards() {
    let (dir, mut data) = (tempfile::tempdir().unwrap(), Data::new());
    data.test = data.test.with_view_seconds(0.25);
    let path = dir.path().join("run");
    let first = train(&path, config(1), &mut Toy::new(1), &data).unwrap();
    let times = first.summary().scoring.clone();
    let jets: Vec<_> = times.iter().map(|(part, time)| (part.as_str(), time.jets)).collect();
    assert_eq!(jets, [("test", 150), ("validation", 120)]);
    assert_eq!(
        (times["test"].view_seconds, times["validation"].view_seconds),
        (0.25, 0.0)
    );
    assert!(times.values().all(|time| time.seconds >= 0.0 && time.threads > 0));
    // Nothing is scored the second time.
    let second = train(&path, config(1), &mut Toy::new(1), &data).unwrap();
    assert_eq!(second.summary().scoring, times);
    assert_eq!(RunFolder::open(&path).unwrap().scoring_times().unwrap(), times);
}

#[test]
fn scores_are_those_of_the_best_weights_in_stored_order() {
    let (dir, mut data) = (tempfile::tempdir().unwrap(), Data::new());
    let path = dir.path().join("run");
    // Validation jets with exchanged labels: the more is learned the worse they look, so the best epoch is the first.
    let exchanged = data.validation.labels().iter().map(|l| 1.0 - l).collect();
    data.validation = InMemory::new(
        data.validation.view().clone(),
        exchanged,
        data.validation.rows().to_vec(),
    )
    .unwrap();
    let mut learner = Toy::new(1);
    let summary = train(&path, config(5), &mut learner, &data).unwrap().summary().clone();
    assert_eq!(summary.best.as_ref().unwrap().epoch, 1, "{summary:?}");
    let run = RunFolder::open(&path).unwrap();
    let mut best = Toy::new(99);
    best.load_weights(&run.checkpoints().path(CheckpointKind::Best))
        .unwrap();
    let expected = score(&mut best, &data.test, 7, "test", &mut (), &AtomicBool::new(false))
        .unwrap()
        .unwrap();
    assert_eq!(run.scores("test").unwrap(), expected);
    assert_eq!(expected.rows, (1000..1150).collect::<Vec<_>>());
    assert_eq!(learner.weights, best.weights, "the learner ends with the best weights");
    let validation = figures(&run.scores("validation").unwrap(), "validation", &[]).unwrap();
    assert_eq!(validation.loss, summary.best.unwrap().value);
}

#[test]
fn early_stopping_ends_the_training_and_says_so() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let mut patient = config(50);
    patient.early_stopping = Some(EarlyStopping {
        patience: 2,
        min_delta: 0.5,
        ..EarlyStopping::default()
    });
    let outcome = train(&dir.path().join("run"), patient, &mut Toy::new(1), &data).unwrap();
    let summary = outcome.summary();
    // No epoch gains 0.5, so epochs 2 and 3 use up the patience.
    assert_eq!((summary.ending, summary.epochs), (Some(Ending::EarlyStopping), 3));
}

#[test]
fn a_finished_run_is_not_trained_again_but_can_be_prolonged() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let (short, long) = (dir.path().join("short"), dir.path().join("long"));
    train(&short, config(2), &mut Toy::new(1), &data).unwrap();
    let before = bits(&short);
    let again = train(&short, config(2), &mut Toy::new(1), &data).unwrap();
    assert_eq!((again.summary().steps, bits(&short)), (20, before));
    // Two more epochs on top are the four of a run that was to have four from the start.
    let run = RunFolder::open(&short).unwrap();
    let training = config(4).check().unwrap();
    let clock = SystemClock::new();
    Trainer::new(&training, &run, &clock, Arc::default(), &mut ())
        .run(&mut Toy::new(1), &data.sets())
        .unwrap();
    train(&long, config(4), &mut Toy::new(1), &data).unwrap();
    assert_eq!(bits(&short), bits(&long));
}

#[test]
fn the_number_of_epochs_is_raised_in_the_configuration_and_never_below_what_is_done() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let path = dir.path().join("run");
    train(&path, config(3), &mut Toy::new(1), &data).unwrap();
    let run = RunFolder::open(&path).unwrap();
    let clock = SystemClock::new();
    let set = |epochs| run.set_epochs(epochs, &clock, |c: &mut TrainingConfig| c.epochs = epochs);
    for epochs in [1, 3] {
        let error = set(epochs).unwrap_err().to_string();
        assert!(
            error.contains(&format!("epochs = {epochs}; allowed: more than the 3 that are done")),
            "{error}"
        );
    }
    assert_eq!(run.config::<TrainingConfig>().unwrap(), config(3));
    let lock = RunLock::take(&path).unwrap();
    assert!(matches!(set(5), Err(TrainError::Locked { .. })));
    drop(lock);
    set(5).unwrap();
    assert_eq!(run.config::<TrainingConfig>().unwrap(), config(5));
    assert!(
        std::fs::read_to_string(path.join("log.jsonl"))
            .unwrap()
            .contains("epochs changed")
    );
    train(&path, config(5), &mut Toy::new(1), &data).unwrap();
    let whole = dir.path().join("whole");
    train(&whole, config(5), &mut Toy::new(1), &data).unwrap();
    assert_eq!(bits(&path), bits(&whole));
}

#[test]
fn a_run_that_early_stopping_ended_is_not_prolonged() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let path = dir.path().join("run");
    let mut patient = config(50);
    patient.early_stopping = Some(EarlyStopping {
        patience: 1,
        min_delta: 0.5,
        ..EarlyStopping::default()
    });
    train(&path, patient, &mut Toy::new(1), &data).unwrap();
    let error = RunFolder::open(&path)
        .unwrap()
        .set_epochs(90, &SystemClock::new(), |c: &mut TrainingConfig| c.epochs = 90)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("early stopping ended the training after epoch 2"),
        "{error}"
    );
}

/// Time that moves one second at every look.
struct Hands(Mutex<f64>);

impl Clock for Hands {
    fn seconds(&self) -> f64 {
        let mut now = self.0.lock().unwrap();
        *now += 1.0;
        *now
    }

    fn unix_seconds(&self) -> f64 {
        0.0
    }
}

#[test]
fn checkpoints_within_an_epoch_come_by_time() {
    #[derive(Default)]
    struct Count(usize, Vec<u64>);
    impl Observer for Count {
        fn checkpoint(&mut self, kind: CheckpointKind) {
            self.0 += usize::from(kind == CheckpointKind::Last);
        }
        fn step(&mut self, report: &StepReport) {
            assert_eq!(report.steps, 10);
            self.1.push(report.done);
        }
    }
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let mut by_time = config(1);
    by_time.checkpoint.every_seconds = 4.0;
    let run = RunFolder::create(dir.path().join("run"), &by_time).unwrap();
    let mut count = Count::default();
    let training = by_time.check().unwrap();
    Trainer::new(&training, &run, &Hands(Mutex::new(0.0)), Arc::default(), &mut count)
        .run(&mut Toy::new(1), &data.sets())
        .unwrap();
    // A look at the clock each step and each save: one after steps 3 or 4, again 4 to 5 looks later, and at the epoch's
    // end.
    assert!((3..=4).contains(&count.0), "{}", count.0);
    assert_eq!(count.1, (1..=10).collect::<Vec<_>>());
}

#[test]
fn trainings_side_by_side_end_in_the_bits_of_trainings_one_by_one() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let run_all = |folder: &str, workers| {
        let jobs = (0..6)
            .map(|i| {
                let (path, data) = (dir.path().join(folder).join(i.to_string()), &data);
                let settings = TrainingConfig {
                    seed: i,
                    batch_size: if i == 4 { 0 } else { 32 },
                    ..config(2)
                };
                Job::new(i.to_string(), move || {
                    train(&path, settings, &mut Toy::new(i), data).map(|_| bits(&path))
                })
            })
            .collect();
        run_many(jobs, workers, &AtomicBool::new(false)).unwrap()
    };
    let (one, many) = (run_all("one", 1), run_all("many", 3));
    for (i, (a, b)) in one.into_iter().zip(many).enumerate() {
        if i == 4 {
            let JobOutcome::Failed(error) = b else {
                panic!("a batch size of 0 trained")
            };
            assert!(error.to_string().contains("batch_size = 0"));
        } else {
            let (a, b) = (a.done().unwrap(), b.done().unwrap());
            assert!(a == b, "training {i}");
        }
    }
}

#[test]
fn a_stop_before_the_first_step_writes_nothing_that_binds() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let run = RunFolder::create(dir.path().join("run"), &config(2)).unwrap();
    let training = config(2).check().unwrap();
    let stop = Arc::new(AtomicBool::new(true));
    let outcome =
        Trainer::new(&training, &run, &SystemClock::new(), stop.clone(), &mut ()).run(&mut Toy::new(1), &data.sets());
    assert_eq!(outcome.unwrap().summary().steps, 0);
    assert_eq!(run.checkpoints().progress(CheckpointKind::Last).unwrap(), None);
    stop.store(false, Ordering::Relaxed);
    train(run.path(), config(2), &mut Toy::new(1), &data).unwrap();
}
