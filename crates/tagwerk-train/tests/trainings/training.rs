//! What a training does, with the toy learner.

use crate::toy::{self, Data, StopAt, Toy, bits, config, train};
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
fn a_loss_that_is_no_number_names_the_batch_and_leaves_the_last_good_checkpoint() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let path = dir.path().join("run");
    let mut learner = Toy {
        breaks_at: Some(25),
        ..Toy::new(1)
    };
    let error = train(&path, config(4), &mut learner, &data).unwrap_err();
    let TrainError::Loss {
        epoch: 3,
        step: 26,
        rows,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    let first: u64 = rows.split(',').next().unwrap().parse().unwrap();
    assert!((1000..1310).contains(&first) && rows.ends_with("and 24 more"), "{rows}");
    let run = RunFolder::open(&path).unwrap();
    let status = run.status().unwrap().unwrap();
    assert_eq!(
        (status.state, status.message),
        (RunState::Failed, Some(error.to_string()))
    );
    run.checkpoints().verify(CheckpointKind::Last).unwrap();
    // Without the fault the run goes on from epoch 2 and ends as if nothing had been.
    let sound = dir.path().join("sound");
    train(&sound, config(4), &mut Toy::new(1), &data).unwrap();
    train(&path, config(4), &mut Toy::new(1), &data).unwrap();
    assert_eq!(bits(&path), bits(&sound));
}

#[test]
fn weights_that_score_nan_never_reach_a_checkpoint() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let path = dir.path().join("run");
    let mut often = config(4);
    often.checkpoint.every_steps = 1;
    // The very step after which a checkpoint is due breaks the weights; its loss is fine.
    let mut learner = Toy {
        breaks_at: Some(13),
        ..Toy::new(1)
    };
    let error = train(&path, often, &mut learner, &data).unwrap_err();
    assert!(
        matches!(
            error,
            TrainError::Score {
                step: 14,
                row: 1000,
                ..
            }
        ),
        "{error}"
    );
    let progress = RunFolder::open(&path)
        .unwrap()
        .checkpoints()
        .progress(CheckpointKind::Last)
        .unwrap()
        .unwrap();
    assert_eq!((progress.step, progress.epochs_done, progress.batches_done), (13, 1, 3));
}

#[test]
fn a_damaged_checkpoint_is_an_error_that_names_the_file() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let path = dir.path().join("run");
    let stop = Arc::new(AtomicBool::new(false));
    let mut observer = StopAt {
        stop: stop.clone(),
        steps: Some(15),
        scorings: None,
    };
    let run = RunFolder::create(&path, &config(4)).unwrap();
    let training = config(4).check().unwrap();
    Trainer::new(&training, &run, &SystemClock::new(), stop, &mut observer)
        .run(&mut Toy::new(1), &data.sets())
        .unwrap();
    let last = run.checkpoints().path(CheckpointKind::Last);
    let message = || {
        train(&path, config(4), &mut Toy::new(1), &data)
            .unwrap_err()
            .to_string()
    };

    let file = last.join("optimizer.bin");
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[3] ^= 1;
    std::fs::write(&file, &flipped).unwrap();
    assert!(message().contains("optimizer.bin: SHA-256"), "{}", message());
    std::fs::write(&file, &good[..10]).unwrap();
    assert!(message().contains("optimizer.bin: 10 bytes"), "{}", message());
    std::fs::remove_file(&file).unwrap();
    assert!(message().contains("optimizer.bin: "), "{}", message());
    std::fs::write(&file, &good).unwrap();

    let state = last.join("state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    std::fs::write(&state, &text[..text.len() / 2]).unwrap();
    assert!(
        message().contains("state.json: ") && message().contains("delete the folder"),
        "{}",
        message()
    );
    std::fs::write(&state, &text).unwrap();
    train(&path, config(4), &mut Toy::new(1), &data).unwrap();
}

#[test]
fn one_flipped_bit_in_any_file_of_a_checkpoint_is_found_before_the_training_goes_on() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let path = dir.path().join("run");
    let run = RunFolder::create(&path, &config(4)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut observer = StopAt {
        stop: stop.clone(),
        steps: Some(15),
        scorings: None,
    };
    let training = config(4).check().unwrap();
    Trainer::new(&training, &run, &SystemClock::new(), stop, &mut observer)
        .run(&mut Toy::new(1), &data.sets())
        .unwrap();
    let mut files = 0;
    for kind in [CheckpointKind::Last, CheckpointKind::Best] {
        let folder = run.checkpoints().path(kind);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let file = entry.unwrap().path();
            let good = std::fs::read(&file).unwrap();
            for place in [0, good.len() / 2, good.len() - 1] {
                let mut flipped = good.clone();
                flipped[place] ^= 1;
                std::fs::write(&file, &flipped).unwrap();
                let error = train(&path, config(4), &mut Toy::new(1), &data)
                    .unwrap_err()
                    .to_string();
                let name = file.file_name().unwrap().to_str().unwrap();
                assert!(
                    error.contains(name) && error.contains("damaged"),
                    "byte {place} of {}: {error}",
                    file.display()
                );
            }
            std::fs::write(&file, &good).unwrap();
            files += 1;
        }
    }
    assert_eq!(files, 10, "weights, center, optimizer, state and its checksum, twice");
    // The whole folder of the best epoch gone is found at once too.
    let (best, aside) = (run.checkpoints().path(CheckpointKind::Best), dir.path().join("aside"));
    std::fs::rename(&best, &aside).unwrap();
    let error = train(&path, config(4), &mut Toy::new(1), &data)
        .unwrap_err()
        .to_string();
    assert!(error.contains("best epoch is not there"), "{error}");
    std::fs::rename(&aside, &best).unwrap();
    train(&path, config(4), &mut Toy::new(1), &data).unwrap();
}

#[test]
fn other_settings_or_data_are_refused_on_resume_by_their_names() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let run = RunFolder::create(dir.path().join("run"), &config(1)).unwrap();
    let clock = SystemClock::new();
    let go = |config: TrainingConfig, sets: &Sets| {
        let training = config.check().unwrap();
        Trainer::new(&training, &run, &clock, Arc::default(), &mut ()).run(&mut Toy::new(1), sets)
    };
    let sets = |phi: &[u32]| data.sets().fact("settings", &serde_json::json!({"phi": phi})).unwrap();
    go(config(1), &sets(&[10, 20])).unwrap();
    let changed = |result: Result<Outcome>| match result.unwrap_err() {
        TrainError::Changed {
            what, found, expected, ..
        } => (what, found, expected),
        other => panic!("{other}"),
    };
    let texts = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        changed(go(TrainingConfig { seed: 12, ..config(1) }, &sets(&[10, 20]))),
        texts("training.seed", "11", "12")
    );
    assert_eq!(
        changed(go(config(1), &sets(&[10, 30]))),
        texts("settings.phi", "[10,20]", "[10,30]")
    );
    assert_eq!(
        changed(go(config(1), &data.sets())),
        texts("settings.phi", "[10,20]", "absent")
    );
    let other = toy::examples(300, 1);
    let fewer = Sets::new(&other, &data.validation)
        .fact("settings", &serde_json::json!({"phi": [10, 20]}))
        .unwrap();
    assert_eq!(
        changed(go(config(1), &fewer)),
        texts("number of training jets", "310", "300")
    );
}

/// Jets of one class.
fn one_class(jets: &InMemory, label: f32) -> InMemory {
    InMemory::new(jets.view().clone(), vec![label; jets.len()], jets.rows().to_vec()).unwrap()
}

#[test]
fn a_part_of_one_class_is_refused_with_its_counts_before_anything_is_trained() {
    for (part, words) in [
        ("training", "the training part has 310 signal and 0 background jets"),
        ("validation", "the validation part has 0 signal and 120 background jets"),
        ("test", "the test part has 150 signal and 0 background jets"),
    ] {
        let (dir, mut data) = (tempfile::tempdir().unwrap(), Data::new());
        match part {
            "training" => data.train = one_class(&data.train, 1.0),
            "validation" => data.validation = one_class(&data.validation, 0.0),
            _ => data.test = one_class(&data.test, 1.0),
        }
        let mut learner = Toy::new(1);
        let error = train(&dir.path().join("run"), config(1), &mut learner, &data)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(learner, Toy::new(1), "no step was done");
    }
    let none = toy::examples(0, 1);
    let error = require_both_classes("test", &none).unwrap_err().to_string();
    assert!(
        error.contains("the test part has 0 signal and 0 background jets"),
        "{error}"
    );
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

fn provenance(version: &str) -> Provenance {
    Provenance {
        version: version.to_owned(),
        git: None,
        data: [].into(),
        machine: Machine::this(),
        device: "cpu".to_owned(),
        threads: 1,
    }
}

#[test]
fn two_trainings_do_not_share_a_folder() {
    struct Second<'a>(&'a RunFolder, Mutex<Option<String>>);
    impl Observer for Second<'_> {
        fn epoch_start(&mut self, _: u64, _: u64, _: u64, _: u64) {
            assert!(self.0.in_use());
            let (data, training) = (Data::new(), config(1).check().unwrap());
            let mut nobody = ();
            let second = Trainer::new(&training, self.0, &SystemClock::new(), Arc::default(), &mut nobody)
                .provenance(provenance("of the second"))
                .run(&mut Toy::new(1), &data.sets());
            *self.1.lock().unwrap() = Some(second.unwrap_err().to_string());
        }
    }
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let run = RunFolder::create(dir.path().join("run"), &config(1)).unwrap();
    let mut observer = Second(&run, Mutex::new(None));
    let training = config(1).check().unwrap();
    let outcome = Trainer::new(&training, &run, &SystemClock::new(), Arc::default(), &mut observer)
        .provenance(provenance("of the first"))
        .run(&mut Toy::new(1), &data.sets());
    assert!(matches!(outcome, Ok(Outcome::Finished(_))));
    let written = run.provenance().unwrap().unwrap();
    assert_eq!(
        written.version, "of the first",
        "who holds the lock writes the provenance"
    );
    let message = observer.1.into_inner().unwrap().unwrap();
    assert!(message.contains("is in use by process"), "{message}");
    assert!(!run.in_use());
    assert_eq!(
        run.status().unwrap().unwrap().state,
        RunState::Finished,
        "the second one must not touch the first one's files"
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
