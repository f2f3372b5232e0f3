//! Streaming gives the jets of a part in batches, each once, from any position, and trains and resumes like memory
//! does.

use crate::toy;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tagwerk_data::{
    EmptyJets, JetDataset, JetOptions, Jets, Packing, ParquetSink, Part, Split, jets_schema, jets_to_record_batch,
};
use tagwerk_physics::{JaggedView, View};
use tagwerk_train::*;

const SMALLEST_BUDGET: u64 = 1 << 20;

/// A file of jets with 1 to 9 constituents, jet `b` made of the number `b`; at `empty` a jet of none.
fn dataset(folder: &Path, jets: u64, empty: Option<u64>, split: [f64; 3], options: EmptyJets) -> JetDataset {
    let mut table = Jets::default();
    for b in 0..jets {
        let rows = if empty == Some(b) { 0 } else { 1 + b % 9 };
        let constituents: Vec<[f32; 4]> = (0..rows)
            .map(|i| [100.0 + i as f32, b as f32 % 97.0, (b % 2) as f32, 1.0])
            .collect();
        table.push(&constituents, (b % 2) as u8, b);
    }
    let path = folder.join("jets.parquet");
    let mut sink = ParquetSink::create(&path, jets_schema(), Packing::Plain).unwrap();
    sink.write(&jets_to_record_batch(&table).unwrap()).unwrap();
    sink.finish().unwrap();
    let [train, validation, test] = split;
    let split = Some(Split::Fractions {
        train,
        validation,
        test,
    });
    JetDataset::open(
        &path,
        &JetOptions {
            split,
            empty: options,
            ..JetOptions::default()
        },
    )
    .unwrap()
}

fn view(jets: &Jets) -> std::result::Result<View, Box<dyn std::error::Error + Send + Sync>> {
    let mut rows = Vec::new();
    for ((&px, &py), &e) in jets.px.iter().zip(&jets.py).zip(&jets.e) {
        rows.extend([py - 0.5, px / 97.0 - 0.5, e / 100.0 - 1.0]);
    }
    Ok(View::Jagged(JaggedView {
        width: toy::WIDTH,
        rows,
        offsets: jets.offsets.clone(),
    }))
}

fn all(examples: &dyn Examples, order: Order, skip: u64) -> Vec<Batch> {
    examples.batches(order, 1000, skip).map(|b| b.unwrap()).collect()
}

const SHUFFLED: Order = Order {
    seed: 3,
    epoch: 5,
    shuffle: true,
};

#[test]
fn batches_beyond_memory_hold_every_jet_once_and_start_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path(), 60_500, None, [1.0, 0.0, 0.0], EmptyJets::default());
    let stream = Streaming::new(&data, Part::Train, None, SMALLEST_BUDGET, view).unwrap();
    let memory = InMemory::of_jets(
        &data.load(Part::Train, None).unwrap(),
        view(&data.load(Part::Train, None).unwrap()).unwrap(),
    )
    .unwrap();
    let shuffled = all(&stream, SHUFFLED, 0);
    assert_eq!(
        shuffled.iter().map(Batch::len).collect::<Vec<_>>(),
        [vec![1000; 60], vec![500]].concat()
    );
    let mut rows: Vec<u64> = shuffled.iter().flat_map(|b| b.rows.clone()).collect();
    assert_ne!(rows, memory.rows());
    rows.sort_unstable();
    assert_eq!(rows, memory.rows());
    for batch in &shuffled {
        let View::Jagged(view) = &batch.view else { panic!() };
        for (i, &row) in batch.rows.iter().enumerate() {
            assert_eq!(view.offsets[i + 1] - view.offsets[i], 1 + row as usize % 9);
            assert_eq!(
                (batch.labels[i], view.rows[view.offsets[i] * 3]),
                ((row % 2) as f32, (row % 2) as f32 - 0.5)
            );
        }
    }
    for skip in [1, 17, 60, 61, 1000] {
        let tail: Vec<Batch> = shuffled.iter().skip(skip).cloned().collect();
        assert!(all(&stream, SHUFFLED, skip as u64) == tail, "{skip}");
    }
    // Stored order is the order of memory, and so is a shuffle within the budget.
    assert!(all(&stream, Order::STORED, 3) == all(&memory, Order::STORED, 3));
    let roomy = Streaming::new(&data, Part::Train, None, 1 << 30, view).unwrap();
    assert!(all(&roomy, SHUFFLED, 3) == all(&memory, SHUFFLED, 3));
}

#[test]
fn a_limit_holds_in_every_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path(), 5_000, None, [0.8, 0.1, 0.1], EmptyJets::default());
    let stream = Streaming::new(&data, Part::Train, Some(1500), SMALLEST_BUDGET, view).unwrap();
    let rows = |epoch| {
        let mut rows: Vec<u64> = all(&stream, Order { epoch, ..SHUFFLED }, 0)
            .iter()
            .flat_map(|b| b.rows.clone())
            .collect();
        rows.sort_unstable();
        rows
    };
    assert_eq!((stream.len(), rows(0).len()), (1500, 1500));
    assert_eq!(rows(0), rows(1));
}

#[test]
fn empty_jets_and_failing_views_are_errors_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path(), 3_000, Some(700), [1.0, 0.0, 0.0], EmptyJets::Skip);
    let stream = Streaming::new(&data, Part::Train, None, SMALLEST_BUDGET, view).unwrap();
    let error = stream
        .batches(Order::STORED, 100, 0)
        .find_map(|b| b.err())
        .unwrap()
        .to_string();
    assert!(error.contains("1 jets without constituents"), "{error}");
    let failing = Streaming::new(
        &data,
        Part::Train,
        None,
        SMALLEST_BUDGET,
        |_| Err("no such view".into()),
    )
    .unwrap();
    let mut batches = failing.batches(
        Order {
            shuffle: false,
            ..SHUFFLED
        },
        100,
        10,
    );
    let error = batches.next().unwrap().unwrap_err().to_string();
    assert!(
        error.contains("data row") || error.contains("without constituents"),
        "{error}"
    );
    assert!(batches.next().is_none());
    let part = Streaming::new(&data, Part::Test, None, SMALLEST_BUDGET, view);
    assert!(part.err().unwrap().to_string().contains("no jets"));
}

#[test]
fn a_streamed_training_stopped_and_resumed_ends_in_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path(), 30_000, None, [0.9, 0.05, 0.05], EmptyJets::default());
    let part = |part| Streaming::new(&data, part, None, SMALLEST_BUDGET, view).unwrap();
    let (train, validation, test) = (part(Part::Train), part(Part::Validation), part(Part::Test));
    let config = TrainingConfig {
        batch_size: 500,
        ..toy::config(2)
    };
    let training = config.clone().check().unwrap();
    let run_with = |name: &str, stops: &[u64]| {
        let run = RunFolder::create(dir.path().join(name), &config).unwrap();
        for steps in stops.iter().map(|&s| Some(s)).chain([None]) {
            let stop = Arc::new(AtomicBool::new(false));
            let mut observer = toy::StopAt {
                stop: stop.clone(),
                steps,
                scorings: None,
            };
            let sets = Sets::new(&train, &validation)
                .score("test", &test)
                .score("validation", &validation);
            Trainer::new(&training, &run, &SystemClock::new(), stop, &mut observer)
                .run(&mut toy::Toy::new(1), &sets)
                .unwrap();
        }
        (toy::bits(run.path()), run.metrics().unwrap())
    };
    let (whole, metrics) = run_with("whole", &[]);
    assert_eq!(run_with("stopped", &[1, 40, 20]).0, whole);
    assert!(metrics[1].val_accuracy.unwrap() > 0.9, "{metrics:?}");
}

#[test]
fn a_training_begun_from_memory_does_not_go_on_from_disk_but_a_finished_one_is_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path(), 6_000, None, [0.6, 0.2, 0.2], EmptyJets::default());
    let held = |part| {
        let jets = data.load(part, None).unwrap();
        InMemory::of_jets(&jets, view(&jets).unwrap()).unwrap()
    };
    let (train, validation) = (held(Part::Train), held(Part::Validation));
    let streamed = Streaming::new(&data, Part::Train, None, SMALLEST_BUDGET, view).unwrap();
    let config = toy::config(2);
    let run = RunFolder::create(dir.path().join("run"), &config).unwrap();
    let training = config.check().unwrap();
    let go = |train: &dyn Examples, steps| {
        let stop = Arc::new(AtomicBool::new(false));
        let mut observer = toy::StopAt {
            stop: stop.clone(),
            steps,
            scorings: None,
        };
        Trainer::new(&training, &run, &SystemClock::new(), stop, &mut observer)
            .run(&mut toy::Toy::new(1), &Sets::new(train, &validation))
    };
    go(&train, Some(5)).unwrap();
    assert_eq!(run.checkpoints().reading().unwrap(), Some(Reading::InMemory));
    let error = go(&streamed, None).unwrap_err().to_string();
    assert!(
        error.contains("reading of the training jets = in memory, now it is from disk within 1048576 bytes"),
        "{error}"
    );
    go(&train, None).unwrap();
    assert!(matches!(go(&streamed, None), Ok(Outcome::Finished(_))));
}
