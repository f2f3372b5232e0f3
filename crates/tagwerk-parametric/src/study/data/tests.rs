use super::*;
use std::path::Path;

/// A file of `n` events of one feature, the number of the event from `first` on; signal at three masses.
fn written(path: &Path, first: usize, n: usize) -> PathBuf {
    let mut text = "label,f0,mass\n".to_owned();
    for i in first..first + n {
        text += &format!("{},{i},{}\n", i % 2, [500, 750, 1000][i / 2 % 3]);
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    path.to_owned()
}

fn config(train: &[&PathBuf], test: &[&PathBuf]) -> EventsConfig {
    let list = |files: &[&PathBuf]| files.iter().map(|&path| path.clone()).collect();
    EventsConfig {
        train: list(train),
        test: list(test),
        ..EventsConfig::default()
    }
}

fn refused(config: &EventsConfig) -> String {
    StudyData::open(config).unwrap_err().to_string()
}

#[test]
fn files_of_one_name_in_two_folders_have_a_checksum_each() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, first| written(&dir.path().join(name), first, 30);
    let (a, b, c) = (file("a/part.csv", 0), file("b/part.csv", 30), file("c/part.csv", 60));
    let data = StudyData::open(&config(&[&a, &b], &[&c])).unwrap();
    let names: Vec<&String> = data.checksums.keys().collect();
    assert_eq!(names, ["test.0:part.csv", "train.0:part.csv", "train.1:part.csv"]);
    let mut digests: Vec<&String> = data.checksums.values().collect();
    digests.dedup();
    assert_eq!(digests.len(), 3);
}

#[test]
fn a_test_on_a_training_file_is_refused_under_whatever_name() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (
        written(&dir.path().join("a.csv"), 0, 30),
        written(&dir.path().join("b.csv"), 30, 30),
    );
    assert!(refused(&config(&[&a], &[&a])).contains("data.test = test.0:a.csv"));
    let copy = dir.path().join("copy.csv");
    std::fs::copy(&a, &copy).unwrap();
    let message = refused(&config(&[&a, &b], &[&copy]));
    assert!(
        message.contains("copy.csv") && message.contains("data.test_share"),
        "{message}"
    );
    assert!(StudyData::open(&config(&[&a], &[&b])).is_ok());
}

#[test]
fn a_share_of_one_file_is_tested_on_and_never_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(&dir.path().join("all.csv"), 0, 300);
    let mut config = config(&[&file], &[]);
    assert!(refused(&config).contains("data.test_share"));
    config.test_share = Some(0.2);
    let data = StudyData::open(&config).unwrap();
    // Of 150 events of each class 30.
    assert_eq!((data.train.len(), data.test.len()), (240, 60));
    assert_eq!(data.test.labels.iter().filter(|&&label| label > 0.5).count(), 30);
    assert_eq!(data.training.len() + data.validation.len(), 240);
    let mut all: Vec<u64> = data.train.rows.iter().chain(&data.test.rows).copied().collect();
    all.sort_unstable();
    assert_eq!(all, (0..300).collect::<Vec<u64>>());
    for events in [&data.train, &data.test] {
        for i in 0..events.len() {
            // Each event is still the one of its row.
            assert_eq!(
                (events.event(i)[0], events.labels[i]),
                (events.rows[i] as f32, (events.rows[i] % 2) as f32)
            );
        }
    }
    // Whoever asks for the test events later gets the same.
    assert_eq!(test_events(&config).unwrap(), *data.test);
    config.test_share = Some(1.0);
    assert!(refused(&config).contains("data.test_share = 1"));
    config.test_share = Some(0.2);
    config.test = vec![file];
    assert!(refused(&config).contains("data.test_share"));
}

#[test]
fn a_mass_without_signal_is_named_with_those_that_have_some() {
    let data = StudyData::open(&EventsConfig::default()).unwrap();
    let mut study = StudyConfig::default();
    study.data.masses = Some(vec![500.0, 600.0]);
    let message = data.parts(&study).unwrap_err().to_string();
    assert_eq!(
        message,
        "data.masses = 600: the files have signal at [500.0, 750.0, 1000.0, 1250.0, 1500.0]"
    );
    // Also where nothing is left of the signal.
    study.data.masses = Some(vec![600.0]);
    assert!(
        data.parts(&study)
            .unwrap_err()
            .to_string()
            .contains("data.masses = 600")
    );
}

#[test]
fn a_quantity_of_the_events_is_no_parameter() {
    let dir = tempfile::tempdir().unwrap();
    let text = |n: usize| {
        let row = |i: usize| format!("{},0.5,{}\n", i % 2, i as f64 + 0.25);
        format!("label,f0,met\n{}", (0..n).map(row).collect::<String>())
    };
    let (train, test) = (dir.path().join("train.csv"), dir.path().join("test.csv"));
    std::fs::write(&train, text(4000)).unwrap();
    std::fs::write(&test, text(600)).unwrap();
    let mut study = StudyConfig {
        data: config(&[&train], &[&test]),
        ..StudyConfig::default()
    };
    study.data.columns.parameters = Some(vec!["met".into()]);
    let message = StudyData::open(&study.data)
        .unwrap()
        .parts(&study)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("column `met`: 1500 different values in signal") && message.contains("at most 1000 points"),
        "{message}"
    );
    // The test files are asked the same.
    std::fs::write(&test, text(4002)).unwrap();
    // Few of the training's values are asked for.
    study.data.masses = Some((0..40).map(|i| 2.0 * i as f32 + 1.25).collect());
    let message = StudyData::open(&study.data)
        .unwrap()
        .parts(&study)
        .unwrap_err()
        .to_string();
    assert!(message.contains("2001 different values"), "{message}");
}
