//! A training stopped at any moments and resumed ends in the bits of one left alone.

use crate::toy::{self, Data, StopAt, Toy, bits};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use tagwerk_train::*;

fn settings() -> TrainingConfig {
    TrainingConfig {
        best: Metric::ValAuc,
        early_stopping: Some(EarlyStopping {
            metric: Metric::ValRejection(40),
            patience: 3,
            ..EarlyStopping::default()
        }),
        ..toy::config(4)
    }
}

fn uninterrupted() -> &'static BTreeMap<String, String> {
    static BITS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    BITS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        toy::train(&dir.path().join("run"), settings(), &mut Toy::new(1), &Data::new()).unwrap();
        bits(&dir.path().join("run"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 14, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stops_at_any_steps_and_in_any_scoring_change_no_bit(
        stops in proptest::collection::vec((proptest::option::of(1u64..25), proptest::option::of(1u64..8)), 1..5),
        every_steps in 0u64..4,
    ) {
        let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
        let mut config = settings();
        config.checkpoint.every_steps = every_steps;
        let run = RunFolder::create(dir.path().join("run"), &config).unwrap();
        let training = config.check().unwrap();
        let clock = SystemClock::new();
        for (steps, scorings) in stops {
            let stop = Arc::new(AtomicBool::new(false));
            let mut observer = StopAt { stop: stop.clone(), steps, scorings };
            Trainer::new(&training, &run, &clock, stop, &mut observer).run(&mut Toy::new(1), &data.sets()).unwrap();
        }
        // What a kill between the records of an epoch leaves: a line beyond the checkpoint, a torn one, half a new
        // checkpoint.
        let metrics = run.path().join("metrics.jsonl");
        let text = std::fs::read_to_string(&metrics).unwrap_or_default();
        std::fs::write(&metrics, text + "{\"epoch\":7}\n{\"epo").unwrap();
        std::fs::create_dir(run.path().join("checkpoints/.last.new")).unwrap();
        let outcome = Trainer::new(&training, &run, &clock, Arc::default(), &mut ()).run(&mut Toy::new(1), &data.sets()).unwrap();
        prop_assert!(matches!(outcome, Outcome::Finished(_)));
        prop_assert_eq!(&bits(run.path()), uninterrupted());
    }
}

#[test]
fn a_learner_is_prepared_once_and_told_of_the_end_of_each_epoch() {
    let (dir, data) = (tempfile::tempdir().unwrap(), Data::new());
    let (run, mut toy) = (dir.path().join("run"), Toy::new(1));
    let config = TrainingConfig {
        early_stopping: None,
        ..settings()
    };
    toy::train(&run, config.clone(), &mut toy, &data).unwrap();
    assert_eq!(toy.calls, [1, u64::from(config.epochs)]);
    let mut again = Toy::new(1);
    toy::train(&run, config, &mut again, &data).unwrap();
    assert_eq!(again.calls, [0, 0], "a finished training is only told again");
    assert_eq!(again.center, toy.center, "what was prepared is kept with the weights");
}
