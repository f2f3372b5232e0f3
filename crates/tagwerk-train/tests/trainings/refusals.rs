//! What a training refuses: numbers that are none, damaged checkpoints, other settings or data, a folder in use.

use crate::toy::{self, Data, StopAt, Toy, bits, config, train};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use tagwerk_train::*;

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

fn provenance(version: &str) -> Provenance {
    Provenance {
        version: version.to_owned(),
        git: None,
        data: [].into(),
        machine: Machine::this(),
        device: "cpu".to_owned(),
        threads: 1,
        imported: None,
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

#[test]
fn imported_weights_make_a_finished_run_that_is_not_trained_on() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let path = dir.path().join("runs/imported");
    let from = Provenance {
        imported: Some(ImportedWeights {
            file: "weights.pt".to_owned(),
            sha256: "0".repeat(64),
            format: "toy".to_owned(),
            choices: [].into(),
        }),
        ..provenance("1")
    };
    let make = || RunFolder::import(&path, &config(2), &Toy::new(5), &from, &SystemClock::new());
    let run = make().unwrap();
    assert_eq!(run.status().unwrap().unwrap().state, RunState::Finished);
    run.checkpoints().verify(CheckpointKind::Best).unwrap();
    let mut learner = Toy::new(1);
    learner
        .load_weights(&run.checkpoints().path(CheckpointKind::Best))
        .unwrap();
    assert!(matches!(make(), Err(TrainError::Exists { .. })));
    let before = std::fs::read(path.join("log.jsonl")).unwrap();
    for refused in [
        train(&path, config(2), &mut Toy::new(1), &data).map(|_| ()),
        run.set_epochs(9, &SystemClock::new(), |config: &mut TrainingConfig| config.epochs = 9),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, TrainError::Imported { .. }), "{error}");
    }
    assert_eq!(std::fs::read(path.join("log.jsonl")).unwrap(), before);
    // An empty folder is no obstacle, a file of that name is; neither leaves anything beside it.
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    make().unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    assert!(make().is_err());
    assert_eq!(std::fs::read_dir(dir.path().join("runs")).unwrap().count(), 1);
}
