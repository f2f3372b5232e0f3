use super::*;
use crate::fixtures::{file, gather, jets, whole, write_jets};
use crate::shuffle::permutation;
use crate::{EmptyJets, JetDataset, JetOptions, Part, inspect};
use std::time::{Duration, Instant};

fn order(dataset: &JetDataset, options: StreamOptions) -> Vec<u64> {
    gather(dataset.stream(Part::Train, options).unwrap()).rows
}

#[test]
fn a_stream_that_fits_is_the_plain_permutation() {
    let sample = JetDataset::sample().unwrap();
    let train = sample.load(Part::Train, None).unwrap();
    for epoch in 0..2 {
        let stream = sample
            .stream(
                Part::Train,
                StreamOptions {
                    seed: 5,
                    epoch,
                    ..Default::default()
                },
            )
            .unwrap();
        assert_eq!(gather(stream), train.select(&permutation(6_000, 5, epoch)));
    }
    let plain = sample
        .stream(
            Part::Train,
            StreamOptions {
                shuffle: false,
                ..Default::default()
            },
        )
        .unwrap();
    assert_eq!(gather(plain), train);
}

#[test]
fn a_file_larger_than_the_budget_streams_within_it() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, wanted) = file(dir.path(), 60_000, 60);
    let budget = 4 << 20;
    assert!(wanted.bytes() > 5 * budget as usize, "{}", wanted.bytes());
    for shuffle in [true, false] {
        let options = StreamOptions {
            budget_bytes: budget,
            shuffle,
            seed: 1,
            ..Default::default()
        };
        let mut stream = dataset.stream(Part::Train, options).unwrap();
        let mut all = Jets::default();
        while let Some(chunk) = stream.next() {
            all.append(&chunk.unwrap());
            assert_eq!(stream.position(), all.len() as u64);
        }
        assert!(
            stream.peak_bytes() as u64 <= budget,
            "{} of {budget}",
            stream.peak_bytes()
        );
        assert!(stream.peak_bytes() as u64 > budget / 8);
        let mut sorted: Vec<usize> = (0..all.len()).collect();
        sorted.sort_by_key(|&b| all.rows[b]);
        assert_eq!(all.rows.is_sorted(), !shuffle);
        assert!(all.select(&sorted) == wanted, "every jet once, unchanged");
    }
}

#[test]
fn the_order_is_a_function_of_seed_and_epoch_and_resumes_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, wanted) = file(dir.path(), 40_000, 20);
    for (shuffle, budget_bytes) in [(true, 2 << 20), (true, 1 << 30), (false, 2 << 20)] {
        let options = StreamOptions {
            seed: 3,
            epoch: 7,
            shuffle,
            budget_bytes,
            ..Default::default()
        };
        let first = order(&dataset, options);
        assert_eq!(first, order(&dataset, options));
        if shuffle {
            assert_ne!(first, order(&dataset, StreamOptions { epoch: 8, ..options }));
            assert_ne!(first, order(&dataset, StreamOptions { seed: 4, ..options }));
        }
        for skip in [1, 8_191, 8_192, 20_001, 39_999, 40_000, 50_000] {
            let rest = order(&dataset, StreamOptions { skip, ..options });
            assert_eq!(rest, first[(skip as usize).min(wanted.len())..], "after {skip}");
        }
    }
}

#[test]
fn a_windowed_shuffle_mends_runs_of_labels() {
    let dir = tempfile::tempdir().unwrap();
    // Labels come in runs of ten, as in the reference files.
    let (dataset, _) = file(dir.path(), 40_000, 20);
    let options = StreamOptions {
        budget_bytes: 2 << 20,
        ..Default::default()
    };
    let stream = gather(dataset.stream(Part::Train, options).unwrap());
    let batches: Vec<f64> = stream
        .labels
        .chunks_exact(100)
        .map(|b| b.iter().map(|&l| f64::from(l)).sum())
        .collect();
    let mean = batches.iter().sum::<f64>() / batches.len() as f64;
    let variance = batches.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / batches.len() as f64;
    // Independent draws: 100 x 1/4; runs of ten in file order would give 0 here, runs kept whole 250.
    assert!((variance - 25.0).abs() < 6.0, "{variance}");
}

#[test]
fn errors_come_after_the_jets_before_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.parquet");
    let mut bad = jets(30_000, 30, 2);
    let at = bad.offsets[20_000];
    bad.e[at] = f32::NAN;
    write_jets(&path, &bad);
    let dataset = JetDataset::open(&path, &whole()).unwrap();
    let options = StreamOptions {
        shuffle: false,
        budget_bytes: 2 << 20,
        ..Default::default()
    };
    let mut stream = dataset.stream(Part::Train, options).unwrap();
    let mut seen = 0;
    let error = loop {
        match stream.next() {
            Some(Ok(jets)) => seen += jets.len(),
            Some(Err(error)) => break error,
            None => panic!("the error got lost"),
        }
    };
    assert!(
        matches!(&error, DataError::Value { row: 20_000, column, .. } if column == "constituent_e[0]"),
        "{error}"
    );
    assert!((10_000..=20_000).contains(&seen), "{seen}");
    assert!(stream.next().is_none());
    assert!(matches!(
        dataset.load(Part::Train, None),
        Err(DataError::Value { row: 20_000, .. })
    ));
    let summary = inspect(crate::open(&path).unwrap().as_ref()).unwrap();
    assert_eq!(summary.jets.unwrap().unusable, 1);
    assert!(summary.problems[0].contains("row 20000"));
}

#[test]
fn dropping_a_stream_stops_it_promptly() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, _) = file(dir.path(), 60_000, 60);
    let start = Instant::now();
    for _ in 0..5 {
        let mut stream = dataset
            .stream(
                Part::Train,
                StreamOptions {
                    budget_bytes: 8 << 20,
                    ..Default::default()
                },
            )
            .unwrap();
        assert!(stream.next().unwrap().is_ok());
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn consumers_on_every_thread_of_the_common_pool_do_not_starve_the_readers() {
    let sample = JetDataset::sample().unwrap();
    let jets: u64 = (0..4 * rayon::current_num_threads() as u64)
        .into_par_iter()
        .map(|seed| {
            let options = StreamOptions {
                seed,
                budget_bytes: 2 << 20,
                ..Default::default()
            };
            gather(sample.stream(Part::Test, options).unwrap()).len() as u64
        })
        .sum();
    assert_eq!(jets, 4 * rayon::current_num_threads() as u64 * 2_000);
}

#[test]
fn empty_jets_are_an_error_or_are_left_out_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty.parquet");
    let mut holes = Jets::default();
    for (row, jet) in (0..).zip(0..20_000) {
        let momentum = [10.0, 1.0, 2.0, jet as f32 / 1e4];
        holes.push(
            if jet % 7 == 3 {
                &[]
            } else {
                std::slice::from_ref(&momentum)
            },
            1,
            row,
        );
    }
    write_jets(&path, &holes);
    assert!(matches!(
        JetDataset::open(&path, &whole()).unwrap().load(Part::Train, None),
        Err(DataError::EmptyJet { row: 3, .. })
    ));
    let dataset = JetDataset::open(
        &path,
        &JetOptions {
            empty: EmptyJets::Skip,
            ..whole()
        },
    )
    .unwrap();
    let wanted: Vec<u64> = (0..20_000).filter(|row| row % 7 != 3).collect();
    assert_eq!(dataset.load(Part::Train, None).unwrap().rows, wanted);
    assert_eq!(dataset.skipped_empty(), 20_000 - wanted.len() as u64);
    for budget_bytes in [1 << 20, 1 << 30] {
        let options = StreamOptions {
            budget_bytes,
            ..Default::default()
        };
        let full = order(&dataset, options);
        let mut sorted = full.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, wanted);
        // Positions count the jets left out, so that resuming does not depend on them.
        let mut stream = dataset.stream(Part::Train, options).unwrap();
        let first = stream.next().unwrap().unwrap();
        let rest = order(
            &dataset,
            StreamOptions {
                skip: stream.position(),
                ..options
            },
        );
        assert_eq!([first.rows, rest].concat(), full);
    }
}
