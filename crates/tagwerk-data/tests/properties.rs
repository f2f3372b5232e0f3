//! What must hold for every table, split and seed.
#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use tagwerk_data::*;

/// Random jets, from none to many, with 1 to 12 constituents by falling pT.
fn any_jets() -> impl Strategy<Value = Jets> {
    let constituent = (0.1f32..500.0, -3.1f32..3.1, -2.0f32..2.0);
    let jet = (prop::collection::vec(constituent, 1..12), 0u8..2);
    prop::collection::vec(jet, 0..80).prop_map(|list| {
        let mut jets = Jets::with_capacity(0, 0);
        for (row, (mut constituents, label)) in list.into_iter().enumerate() {
            constituents.sort_by(|a, b| b.0.total_cmp(&a.0));
            let momenta: Vec<[f32; 4]> = constituents
                .iter()
                .map(|&(pt, phi, z)| [pt * (1.0 + z * z).sqrt(), pt * phi.cos(), pt * phi.sin(), pt * z])
                .collect();
            jets.push(&momenta, label, row as u64);
        }
        jets
    })
}

/// The same with columns of their constituents, from none to two.
fn any_jets_with_columns() -> impl Strategy<Value = Jets> {
    (any_jets(), prop::collection::vec(any::<i8>(), 960), 0usize..3).prop_map(|(jets, values, columns)| {
        ["charge", "d0val"][..columns].iter().fold(jets, |jets, name| {
            let values = values.iter().map(|&v| f32::from(v) * name.len() as f32);
            let values = values.take(jets.constituents()).collect();
            jets.with_column(name, values).unwrap()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parquet_gives_back_every_bit(jets in any_jets_with_columns(), packing in 0usize..3) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jets.parquet");
        let packing = [Packing::Zstd, Packing::Snappy, Packing::Plain][packing];
        let names: Vec<&str> = jets.columns.iter().map(|column| &*column.name).collect();
        let mut sink = ParquetSink::create(&path, jets_schema_with(&names), packing).unwrap();
        sink.write(&jets_to_record_batch(&jets).unwrap()).unwrap();
        prop_assert_eq!(sink.finish().unwrap(), jets.len() as u64);
        let source = open(&path).unwrap();
        prop_assert_eq!(source.row_count(), jets.len() as u64);
        let mut back = Jets::with_capacity(0, 0);
        let columns = JetColumns::find(&source.schema(), "f", Labels::Usual).unwrap();
        let columns = columns.with_columns(&source.schema(), "f", &names).unwrap();
        for batch in source.read(&Plan::default().budget(2_000)).unwrap() {
            let batch = batch.unwrap();
            let first = back.len() as u64;
            let rows: Vec<u64> = (first..first + batch.num_rows() as u64).collect();
            back.append(&columns.read(&batch, "f", &rows, EmptyJets::Error).unwrap().jets);
        }
        if jets.is_empty() {
            back.columns.clone_from(&jets.columns);
        }
        prop_assert_eq!(back, jets);
    }

    #[test]
    fn pieces_put_together_are_the_whole_with_their_columns(
        jets in any_jets_with_columns(), cuts in prop::collection::vec(0.0f64..1.0, 0..4),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| (cut * jets.len() as f64) as usize).collect();
        cuts.extend([0, jets.len()]);
        cuts.sort_unstable();
        let pieces: Vec<Jets> = cuts.windows(2).map(|cut| jets.slice(cut[0]..cut[1])).collect();
        let mut appended = Jets::default();
        let mut single = Jets::with_capacity(0, 0);
        for piece in &pieces {
            appended.append(piece);
            (0..piece.len()).for_each(|b| single.append_jet(piece, b));
        }
        if !jets.is_empty() {
            prop_assert_eq!(&appended, &jets);
            prop_assert_eq!(&single, &jets);
            prop_assert_eq!(&Jets::concat(pieces), &jets);
            let order = permutation(jets.len(), 1, 2);
            let mut back = vec![0; order.len()];
            order.iter().enumerate().for_each(|(at, &b)| back[b] = at);
            prop_assert_eq!(&jets.select(&order).select(&back), &jets);
        }
    }

    #[test]
    fn parts_are_disjoint_and_complete(rows in 0u64..3_000, seed: u64, a in 0.0f64..1.0, b in 0.0f64..1.0) {
        let (train, validation) = (a * b, a * (1.0 - b));
        let test = 1.0 - train - validation;
        for split in [Split::Fractions { train, validation, test }, Split::Hash { seed, train, validation, test }] {
            let parts = split_rows(&split, rows).unwrap();
            prop_assert_eq!(&parts, &split_rows(&split, rows).unwrap());
            let mut all: Vec<u64> = parts.iter().flat_map(|part| (0..part.len()).map(|at| part.row(at).unwrap())).collect();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..rows));
        }
    }

    #[test]
    fn the_hash_split_of_a_row_does_not_depend_on_the_rows_behind_it(rows in 1u64..2_000, more in 0u64..2_000, seed: u64) {
        let split = Split::Hash { seed, train: 0.5, validation: 0.3, test: 0.2 };
        let (short, long) = (split_rows(&split, rows).unwrap(), split_rows(&split, rows + more).unwrap());
        for (short, long) in short.iter().zip(&long) {
            prop_assert_eq!(short.ranges_within(&(0..rows)), long.ranges_within(&(0..rows)));
        }
    }

    #[test]
    fn subsets_are_nested(rows in 1u64..2_000, seed: u64, small in 0u64..2_000, large in 0u64..2_000) {
        let sets = [(0, RowSet::Range(0..rows / 2)), (1, RowSet::Range(0..rows - rows / 2))];
        let firsts = [0, rows / 2];
        let list = |count: u64| -> Vec<(usize, u64)> {
            let chosen = subset(&sets, &firsts, count, seed);
            chosen.iter().flat_map(|(file, set)| (0..set.len()).map(|at| (*file, set.row(at).unwrap()))).collect()
        };
        let (small, large) = (small.min(large), small.max(large));
        let (few, many) = (list(small), list(large));
        prop_assert_eq!(few.len() as u64, small.min(rows));
        prop_assert_eq!(many.len() as u64, large.min(rows));
        prop_assert!(few.iter().all(|row| many.contains(row)));
        prop_assert!(few.is_sorted());
    }

    #[test]
    fn windows_hold_every_block_once_within_the_budget(
        blocks in prop::collection::vec((0u64..50, 1u64..100), 0..40), budget in 1u64..500, seed: u64, shuffled: bool,
    ) {
        let windows = Windows::new(&blocks, budget, seed, 0, shuffled);
        prop_assert_eq!(&windows, &Windows::new(&blocks, budget, seed, 0, shuffled));
        let mut seen: Vec<usize> = Vec::new();
        let mut position = 0;
        for window in windows.windows() {
            let bytes: u64 = window.blocks.iter().map(|&block| blocks[block].1).sum();
            prop_assert!(bytes <= budget || window.blocks.len() == 1);
            prop_assert_eq!(window.positions.start, position);
            position = window.positions.end;
            let mut order = windows.order(window);
            order.sort_unstable();
            prop_assert!(order.into_iter().eq(0..(window.positions.end - window.positions.start) as usize));
            seen.extend(&window.blocks);
        }
        seen.sort_unstable();
        let wanted: Vec<usize> = (0..blocks.len()).filter(|&block| blocks[block].0 > 0).collect();
        prop_assert_eq!(seen, wanted);
    }

    #[test]
    fn a_permutation_is_one_and_only_of_its_address(n in 0usize..500, seed: u64, epoch: u64) {
        let order = permutation(n, seed, epoch);
        prop_assert_eq!(&order, &permutation(n, seed, epoch));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert!(sorted.into_iter().eq(0..n));
        if n > 20 {
            prop_assert_ne!(order, permutation(n, seed, epoch ^ 1));
        }
    }
}

/// Every position is equally likely for every row: chi-square of 8 x 8 counts over 4,000 epochs.
#[test]
fn permutations_are_uniform() {
    let mut counts = [[0f64; 8]; 8];
    for epoch in 0..4_000 {
        for (at, row) in permutation(8, 1, epoch).into_iter().enumerate() {
            counts[row][at] += 1.0;
        }
    }
    let chi2: f64 = counts.iter().flatten().map(|c| (c - 500.0).powi(2) / 500.0).sum();
    // 49 degrees of freedom: mean 49, standard deviation 9.9.
    assert!(chi2 < 49.0 + 5.0 * 9.9, "{chi2}");
}
