use super::*;
use proptest::prelude::*;
use tagwerk_data::random;

/// Rows of two classes: a mixed Gaussian-like cloud, shifted for signal.
fn rows(count: usize, width: usize, seed: u64) -> Vec<(usize, Vec<f64>)> {
    let mut stream = random::stream(seed, "rows", 0);
    (0..count)
        .map(|i| {
            let class = i % 2;
            let draws: Vec<f64> = (0..width).map(|_| random::uniform(&mut stream) - 0.5).collect();
            // Neighbors are correlated, channels of different size.
            let row = (0..width).map(|c| {
                let mixed = draws[c] + 0.7 * draws[(c + 1) % width] + 0.3 * class as f64 * (c % 3) as f64;
                mixed * 10f64.powi(c as i32 - 2) + 5.0
            });
            (class, row.collect())
        })
        .collect()
}

fn fitted(rows: &[(usize, Vec<f64>)], weight: f64, tolerance: f64) -> Discriminant {
    let width = rows[0].1.len();
    let mut moments = ClassMoments::new(width);
    rows.iter().for_each(|(class, row)| moments.add(*class, weight, row));
    let mut within = WithinClass::new(width);
    within.extend(&moments, rows.iter().map(|(class, row)| (*class, weight, &row[..])));
    within.fit("test", &moments, tolerance).unwrap()
}

fn log_odds(fitted: &Discriminant, rows: &[(usize, Vec<f64>)]) -> Vec<f64> {
    rows.iter().map(|(_, row)| fitted.log_odds(row)).collect()
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The textbook way: the covariance, and a solution by Gauss elimination.
fn by_covariance(rows: &[(usize, Vec<f64>)]) -> Vec<f64> {
    let width = rows[0].1.len();
    let of_class = |k: usize| rows.iter().filter(move |(class, _)| *class == k);
    let mean = |k: usize| -> Vec<f64> {
        let n = of_class(k).count() as f64;
        (0..width)
            .map(|c| of_class(k).map(|(_, row)| row[c]).sum::<f64>() / n)
            .collect()
    };
    let means = [mean(0), mean(1)];
    let mut system = vec![vec![0.0; width + 1]; width];
    for (class, row) in rows {
        for a in 0..width {
            for b in 0..width {
                system[a][b] += (row[a] - means[*class][a]) * (row[b] - means[*class][b]) / (rows.len() as f64 - 2.0);
            }
        }
    }
    (0..width).for_each(|a| system[a][width] = means[1][a] - means[0][a]);
    for a in 0..width {
        let pivot = system[a].clone();
        for (b, row) in system.iter_mut().enumerate().filter(|(b, _)| *b != a) {
            let factor = row[a] / pivot[a];
            row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
            row[a] = if a == b { row[a] } else { 0.0 };
        }
    }
    let prior = (of_class(1).count() as f64 / of_class(0).count() as f64).ln();
    rows.iter()
        .map(|(_, row)| {
            let along = |a: usize| system[a][width] / system[a][a] * (row[a] - 0.5 * (means[0][a] + means[1][a]));
            prior + (0..width).map(along).sum::<f64>()
        })
        .collect()
}

#[test]
fn well_conditioned_rows_give_what_the_covariance_gives() {
    // More rows than a block, so that factors are joined.
    for (count, width) in [(101, 2), (1000, 5), (400, 6)] {
        let rows = rows(count, width, 1);
        let found = log_odds(&fitted(&rows, 1.0, 1e-12), &rows);
        let difference = largest_difference(&found, &by_covariance(&rows));
        assert!(difference < 1e-9, "{count} rows of {width}: {difference:e}");
    }
}

#[test]
fn a_channel_twice_or_without_spread_changes_nothing() {
    let plain = rows(300, 4, 2);
    let expected = log_odds(&fitted(&plain, 1.0, 1e-12), &plain);
    let mut wider = plain.clone();
    wider
        .iter_mut()
        .for_each(|(_, row)| row.extend([row[1], 3.0 * row[2], 1.0]));
    let found = fitted(&wider, 1.0, 1e-12);
    assert_eq!(found.weights.last(), Some(&0.0), "the constant channel has no say");
    let difference = largest_difference(&log_odds(&found, &wider), &expected);
    assert!(difference < 1e-9, "{difference:e}");
}

#[test]
fn a_direction_below_the_tolerance_is_left_out() {
    // The second channel is the first and a thousandth of what separates the classes.
    let rows: Vec<_> = rows(400, 2, 3)
        .into_iter()
        .map(|(class, row)| (class, vec![row[0], row[0] + 1e-3 * (row[1] + class as f64)]))
        .collect();
    let with = fitted(&rows, 1.0, 1e-12);
    let without = fitted(&rows, 1.0, 0.1);
    let right = |fitted: &Discriminant| {
        let scores = log_odds(fitted, &rows);
        scores
            .iter()
            .zip(&rows)
            .filter(|(s, (class, _))| (**s > 0.0) == (*class == 1))
            .count()
    };
    assert!(
        right(&with) > right(&without) + 50,
        "{} and {}",
        right(&with),
        right(&without)
    );
    assert!(without.weights.iter().all(|w| w.abs() < 10.0), "{:?}", without.weights);
}

#[test]
fn weights_are_shares_and_weightless_rows_do_not_count() {
    let rows = rows(200, 3, 4);
    let expected = log_odds(&fitted(&rows, 1.0, 1e-12), &rows);
    assert!(largest_difference(&log_odds(&fitted(&rows, 2.5, 1e-12), &rows), &expected) < 1e-10);
    let mut moments = ClassMoments::new(3);
    rows.iter().for_each(|(class, row)| moments.add(*class, 1.0, row));
    let before = moments.clone();
    moments.add(1, 0.0, &[1e9; 3]);
    assert_eq!(moments, before);
}

#[test]
fn saved_between_rows_the_fit_ends_in_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let rows = rows(500, 7, 5);
    let mut moments = ClassMoments::new(7);
    rows.iter().for_each(|(class, row)| moments.add(*class, 1.0, row));
    let of = |rows: &[(usize, Vec<f64>)], within: &mut WithinClass, moments: &ClassMoments| {
        within.extend(moments, rows.iter().map(|(class, row)| (*class, 1.0, &row[..])));
    };
    let mut whole = WithinClass::new(7);
    of(&rows, &mut whole, &moments);
    let expected = whole.fit("test", &moments, 1e-12).unwrap();
    for cut in [0, 1, 64, 250, 499] {
        let mut begun = WithinClass::new(7);
        of(&rows[..cut], &mut begun, &moments);
        begun.save(moments.save(ArrayWriter::default())).write(&path).unwrap();
        let mut arrays = ArrayReader::open(&path).unwrap();
        let (kept, mut again) = (
            ClassMoments::load(&mut arrays, 7).unwrap(),
            WithinClass::load(&mut arrays, 7).unwrap(),
        );
        arrays.finish().unwrap();
        assert_eq!((&kept, &again), (&moments, &begun));
        of(&rows[cut..], &mut again, &kept);
        assert_eq!(again.fit("test", &kept, 1e-12).unwrap(), expected, "cut at {cut}");
    }
    let arrays = expected.save(ArrayWriter::default());
    arrays.write(&path).unwrap();
    assert_eq!(
        Discriminant::load(&mut ArrayReader::open(&path).unwrap(), 7).unwrap(),
        expected
    );
}

#[test]
fn a_factor_of_another_shape_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    for (rows, factor, waiting) in [(5, 4, 0), (5, 0, 4), (0, 3, 0), (5, 0, 0), (9, 7, 3)] {
        let arrays = ArrayWriter::default().with("rows", &[rows as u64]);
        let arrays = arrays
            .with("factor", &vec![1.0; factor])
            .with("waiting", &vec![1.0; waiting]);
        arrays.write(&path).unwrap();
        let error = WithinClass::load(&mut ArrayReader::open(&path).unwrap(), 3).unwrap_err();
        assert!(
            error.to_string().contains("no fit leaves"),
            "{rows} {factor} {waiting}: {error}"
        );
    }
}

#[test]
fn a_class_without_rows_is_refused() {
    let rows: Vec<_> = rows(20, 2, 6).into_iter().filter(|(class, _)| *class == 1).collect();
    let mut moments = ClassMoments::new(2);
    rows.iter().for_each(|(class, row)| moments.add(*class, 1.0, row));
    let mut within = WithinClass::new(2);
    within.extend(&moments, rows.iter().map(|(class, row)| (*class, 1.0, &row[..])));
    let error = within.fit("test", &moments, 0.0).unwrap_err().to_string();
    assert!(error.contains("both classes"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_order_of_rows_and_the_units_of_channels_do_not_matter(
        count in 20usize..300, width in 1usize..6, seed in 0u64..1000, unit in -8i32..8,
    ) {
        let rows = rows(count, width, seed);
        let expected = log_odds(&fitted(&rows, 1.0, 1e-12), &rows);
        let mut other = rows.clone();
        other.reverse();
        let factor = 10f64.powi(unit);
        other.iter_mut().for_each(|(_, row)| row[0] *= factor);
        let mut found = log_odds(&fitted(&other, 1.0, 1e-12), &other);
        found.reverse();
        let size = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        prop_assert!(largest_difference(&found, &expected) < 1e-8 * size);
    }
}
