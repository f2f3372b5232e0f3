use super::*;
use crate::{Balance, Sampling};
use tagwerk_data::Events;

/// Signal at 500 and 1500, `light` times as much at the former; as much background.
fn uneven_events(light: usize) -> StudyData {
    let n = 1000 * (light + 1);
    let events = Events {
        feature_names: vec!["f0".into()],
        parameter_names: vec!["mass".into()],
        process_names: vec![String::new()],
        features: (0..n).map(|i| (i as f32 * 0.618_034).fract()).collect(),
        parameters: (0..n)
            .map(|i| if i / 2 % (light + 1) < light { 500.0 } else { 1500.0 })
            .collect(),
        labels: (0..n).map(|i| (i % 2) as f32).collect(),
        weights: None,
        processes: vec![0; n],
        rows: (0..n as u64).collect(),
    };
    let events = std::sync::Arc::new(events);
    StudyData {
        train: events.clone(),
        test: events,
        training: (0..n as u32).filter(|i| i % 14 < 10).collect(),
        validation: (0..n as u32).filter(|i| i % 14 >= 10).collect(),
        checksums: Default::default(),
    }
}

fn described(data: &StudyData, distribution: Distribution, balance: Balance) -> Description {
    let mut config = StudyConfig::default();
    config.assignment.distribution = distribution;
    config.sampling = Sampling {
        balance,
        ..Sampling::default()
    };
    describe(data, &data.parts(&config).unwrap(), &config).unwrap()
}

#[test]
fn hypotheses_as_frequent_as_the_signals_and_batches_that_are_flat_in_them_are_warned_of() {
    let data = uneven_events(9);
    for balance in [Balance::Signal, Balance::Full] {
        let found = described(&data, Distribution::Signal, balance);
        // Flat signal against background of 9 : 1, heavy first: 0.5 (0.9 + 0.1 / 2) + 0.5 * 0.9 / 2 = 0.70.
        assert!((found.leak.unwrap() - 0.7).abs() < 0.05, "{:?}", found.leak);
        assert!(
            found.warnings[0].contains("batches are made flat"),
            "{:?}",
            found.warnings
        );
        let identical = described(&data, Distribution::Identical, balance);
        assert!((identical.leak.unwrap() - 0.5).abs() < 0.05 && identical.warnings.is_empty());
    }
    for balance in [Balance::None, Balance::Class, Balance::Background] {
        let found = described(&data, Distribution::Signal, balance);
        assert!((found.leak.unwrap() - 0.5).abs() < 0.05, "{:?}", found.leak);
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    }
    // A flat signal is flat either way.
    let flat = described(&uneven_events(1), Distribution::Signal, Balance::Full);
    assert!(flat.warnings.is_empty(), "{:?}", flat.warnings);
}

#[test]
fn a_decorrelation_says_what_its_epoch_was_chosen_by() {
    let data = uneven_events(1);
    let mut config = StudyConfig::default();
    let warnings = |config: &StudyConfig| describe(&data, &data.parts(config).unwrap(), config).unwrap().warnings;
    assert!(warnings(&config).is_empty());
    config.decorrelation = Some(DecorrelationConfig {
        feature: "f0".into(),
        strength: 1.0,
    });
    assert!(warnings(&config)[0].contains("val_auc_mean, which knows nothing of the decorrelation"));
}

#[test]
fn points_of_the_training_have_its_counts_and_those_of_imported_weights_count_alike() {
    let mut description = described(&uneven_events(9), Distribution::Identical, Balance::None);
    let trained = description.trained().unwrap();
    assert_eq!(trained.counts(), description.counts);
    assert!(trained.counts()[0] > 5 * trained.counts()[1], "{:?}", trained.counts());
    description.counts = vec![0, 0];
    assert_eq!(description.trained().unwrap().counts(), [1, 1]);
}

#[test]
fn a_run_with_weights_keeps_its_description_whatever_is_asked_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, light: usize, shift: usize| {
        let row = |i: usize| {
            let mass = if i / 2 % (light + 1) < light { 500 } else { 1500 };
            format!("{},{},{mass}\n", i % 2, ((i + shift) as f64 * 0.618_034).fract())
        };
        let path = dir.path().join(name);
        let rows: String = (0..400).map(row).collect();
        std::fs::write(&path, format!("label,f0,mass\n{rows}")).unwrap();
        path
    };
    let mut config = StudyConfig::default();
    config.data.train = vec![file("train.csv", 1, 0)];
    config.data.test = vec![file("test.csv", 1, 1000)];
    config.network.hidden = vec![4];
    config.training.epochs = 1;
    let run = dir.path().join("run");
    let begin = || train(&run, &config, &Context::cpu(1), &mut ());
    let first = begin().unwrap();
    let before = std::fs::read(run.join(DESCRIPTION)).unwrap();
    // The same command on other events under the same name.
    file("train.csv", 3, 0);
    let refused = begin().unwrap_err().to_string();
    assert!(refused.contains("was begun with events = signal"), "{refused}");
    assert_eq!(std::fs::read(run.join(DESCRIPTION)).unwrap(), before);
    // With the first ones it is what it was.
    file("train.csv", 1, 0);
    assert_eq!(begin().unwrap().evaluation, first.evaluation);
    // What has no weights yet is begun on whatever there is now.
    let folder = RunFolder::create(dir.path().join("new"), &config).unwrap();
    settle_description(&folder, &first.description).unwrap();
    let mut other = first.description.clone();
    other.points = vec![vec![1.0]];
    other.counts = vec![7];
    settle_description(&folder, &other).unwrap();
    assert_eq!(opened(folder.path()).unwrap().1, other);
}
