use super::*;
use crate::hypotheses::Distribution;
use proptest::prelude::*;

/// `n` events of one feature, their number; every third is signal at one of three masses.
pub(crate) fn events(n: usize, weights: Option<Vec<f32>>) -> Arc<Events> {
    Arc::new(Events {
        feature_names: vec!["f0".into()],
        parameter_names: vec!["mass".into()],
        process_names: vec!["a".into(), "b".into()],
        features: (0..n).map(|i| i as f32).collect(),
        parameters: (0..n).map(|i| 500.0 + 250.0 * (i / 3 % 3) as f32).collect(),
        labels: (0..n).map(|i| f32::from(i % 3 == 0)).collect(),
        weights,
        processes: (0..n).map(|i| (i % 2) as u32).collect(),
        rows: (0..n as u64).collect(),
    })
}

fn hypotheses(events: &Events) -> Arc<Hypotheses> {
    Arc::new(Hypotheses::of_signal(&events.parameters, 1, &events.labels).unwrap())
}

fn training(n: usize, distribution: Distribution, when: When, balance: Balance) -> TrainingExamples {
    let events = events(n, None);
    let points = hypotheses(&events);
    let sampling = Sampling {
        balance,
        draws: Draws::Exhaustive,
    };
    let assignment = Assignment { distribution, when };
    TrainingExamples::new(events, (0..n as u32).collect(), points, assignment, sampling, 5).unwrap()
}

fn walk(examples: &dyn Examples, epoch: u64, size: usize, skip: u64) -> Vec<Batch> {
    let order = Order {
        seed: 5,
        epoch,
        shuffle: true,
    };
    examples.batches(order, size, skip).map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_epoch_taken_up_in_the_middle_is_the_tail_of_the_epoch(
        n in 12usize..200, size in 1usize..60, skip in 0u64..20, epoch in 0u64..3, kind in 0usize..30,
    ) {
        let distribution = [Distribution::Identical, Distribution::Signal, Distribution::Uniform][kind % 3];
        let when = [When::Fixed, When::Sampled][kind / 3 % 2];
        let balances = [Balance::None, Balance::Class, Balance::Signal, Balance::Background, Balance::Full];
        let examples = training(n, distribution, when, balances[kind / 6]);
        let whole = walk(&examples, epoch, size, 0);
        let tail: Vec<Batch> = whole.iter().skip(skip as usize).cloned().collect();
        prop_assert_eq!(walk(&examples, epoch, size, skip), tail);
        prop_assert_eq!(whole.iter().map(Batch::len).sum::<usize>(), n);
        // Signal keeps its mass, whatever background is given.
        for batch in &whole {
            let View::Dense(view) = &batch.view else { panic!() };
            for (row, label) in view.values.chunks_exact(2).zip(&batch.labels) {
                if *label > 0.5 {
                    prop_assert_eq!(row[1], 500.0 + 250.0 * (row[0] as usize / 3 % 3) as f32);
                } else {
                    prop_assert!((500.0..=1000.0).contains(&row[1]));
                }
            }
        }
    }
}

/// Masses of background events by event number.
fn masses(batches: &[Batch]) -> std::collections::BTreeMap<u32, f32> {
    let mut found = std::collections::BTreeMap::new();
    for batch in batches {
        let View::Dense(view) = &batch.view else { panic!() };
        for (row, label) in view.values.chunks_exact(2).zip(&batch.labels) {
            if *label < 0.5 {
                found.insert(row[0] as u32, row[1]);
            }
        }
    }
    found
}

#[test]
fn fixed_hypotheses_stay_and_sampled_ones_change_from_epoch_to_epoch() {
    let of = |when| {
        let examples = training(300, Distribution::Identical, when, Balance::None);
        [0, 1].map(|epoch| masses(&walk(&examples, epoch, 64, 0)))
    };
    let [first, second] = of(When::Fixed);
    assert_eq!((first.len(), &first), (200, &second));
    let [first, second] = of(When::Sampled);
    let same = first.values().zip(second.values()).filter(|(a, b)| a == b).count();
    // A third by chance: 67 with a deviation of 6.7.
    assert!((27..=107).contains(&same), "{same}");
}

#[test]
fn the_gauge_sees_what_the_network_sees() {
    // Sampled and flat: the mass says next to nothing; uniform: it says all.
    let flat = training(3000, Distribution::Identical, When::Sampled, Balance::Full);
    assert!((flat.leak().unwrap() - 0.5).abs() < 0.04);
    let uniform = training(3000, Distribution::Uniform, When::Sampled, Balance::None);
    assert_eq!(uniform.leak().unwrap(), 1.0);
}

#[test]
fn weights_may_be_negative_and_have_the_mean_one() {
    let weights: Vec<f32> = (0..30).map(|i| if i % 5 == 0 { -2.0 } else { 6.0 }).collect();
    let events = events(30, Some(weights));
    let points = hypotheses(&events);
    let chosen: Vec<u32> = (0..30).collect();
    let examples = TrainingExamples::new(
        events.clone(),
        chosen.clone(),
        points.clone(),
        Assignment::default(),
        Sampling::default(),
        1,
    )
    .unwrap();
    let all: Vec<f32> = walk(&examples, 0, 7, 0)
        .iter()
        .flat_map(|b| b.weights.clone().unwrap())
        .collect();
    assert!((all.iter().sum::<f32>() / 30.0 - 1.0).abs() < 1e-5 && all.iter().any(|&w| w < 0.0));
    // A curve of signed counts is none: scoring leaves such weights out.
    let scored = ScoredExamples::new(events, &chosen, points, 3);
    let weights: Vec<f32> = walk(&scored, 0, 7, 0)
        .iter()
        .flat_map(|b| b.weights.clone().unwrap())
        .collect();
    assert!(weights.iter().all(|&w| w == 1.0 || w == 1.0 / 3.0));
}

/// 100 points of 30 signal events each, as many background events.
fn many_points(when: When, distribution: Distribution) -> TrainingExamples {
    let n = 6000;
    let events = Arc::new(Events {
        parameters: (0..n).map(|i| (i / 2 % 100) as f32).collect(),
        labels: (0..n).map(|i| (i % 2) as f32).collect(),
        ..(*events(n, None)).clone()
    });
    let points = hypotheses(&events);
    let (assignment, sampling) = (Assignment { distribution, when }, Sampling::default());
    TrainingExamples::new(events, (0..n as u32).collect(), points, assignment, sampling, 5).unwrap()
}

#[test]
fn chance_is_no_leak_where_points_are_many() {
    // Judged on the events that it was learned from, a mass that says nothing has 0.55.
    for when in [When::Sampled, When::Fixed] {
        for distribution in [Distribution::Identical, Distribution::Signal] {
            let found = many_points(when, distribution).leak().unwrap();
            // An AUC of 3000 against 3000 has an error of 1 / sqrt(6 * 3000) = 0.0075.
            assert!((found - 0.5).abs() < 0.025, "{when:?} {distribution:?} {found}");
        }
    }
}

#[test]
fn weights_say_how_often_events_are_and_the_gauge_sees_it() {
    // Signal of 500 weighs nine times that of the other masses; background is the same everywhere.
    let n = 6000;
    let weight = |i: usize| {
        if i.is_multiple_of(3) && (i / 3).is_multiple_of(3) {
            9.0
        } else {
            1.0
        }
    };
    let events = events(n, Some((0..n).map(weight).collect()));
    let points = hypotheses(&events);
    let leak = |balance| {
        let draws = Draws::Exhaustive;
        let sampling = Sampling { balance, draws };
        let (all, assignment) = ((0..n as u32).collect(), Assignment::default());
        let examples = TrainingExamples::new(events.clone(), all, points.clone(), assignment, sampling, 5);
        examples.unwrap().leak().unwrap()
    };
    // Shares 9 : 1 : 1 of the signal against 1 : 1 : 1: 9/11 (1/6 + 2/3) + 2/11 * 1/3 = 0.742.
    let none = leak(Balance::None);
    assert!((none - 0.742).abs() < 0.03, "{none}");
    // Balance over masses is not undone by weights.
    let full = leak(Balance::Full);
    assert!((full - 0.5).abs() < 0.03, "{full}");
}

#[test]
fn each_cell_of_a_balance_keeps_its_share_whatever_its_weights() {
    let n = 900;
    // Background weighs 100 times as much; within the signal the masses differ.
    let weight = |i: usize| {
        if i.is_multiple_of(3) {
            [1.0, 0.1, 0.01][i / 3 % 3]
        } else {
            100.0
        }
    };
    let all = events(n, Some((0..n).map(weight).collect()));
    let points = hypotheses(&all);
    let new = |events: Arc<Events>, balance| {
        let draws = Draws::Exhaustive;
        let sampling = Sampling { balance, draws };
        let chosen = (0..n as u32).collect();
        TrainingExamples::new(events, chosen, points.clone(), Assignment::default(), sampling, 5)
    };
    let mut sums = std::collections::BTreeMap::<String, f64>::new();
    for batch in walk(&new(all.clone(), Balance::Full).unwrap(), 0, 64, 0) {
        let View::Dense(view) = &batch.view else { panic!() };
        let rows = view.values.chunks_exact(2).zip(&batch.labels);
        for ((row, &label), &weight) in rows.zip(batch.weights.as_ref().unwrap()) {
            let cell = if label > 0.5 {
                format!("{}", row[1])
            } else {
                "background".into()
            };
            *sums.entry(cell).or_default() += f64::from(weight);
        }
    }
    let sum = |cell: &str| sums[cell];
    assert!((sum("background") / 450.0 - 1.0).abs() < 1e-5, "{sums:?}");
    for mass in ["500", "750", "1000"] {
        assert!((sum(mass) / 150.0 - 1.0).abs() < 1e-5, "{sums:?}");
    }
    // A cell that weighs nothing is refused by name, though all together weigh something.
    let nothing = |i: usize| {
        if i.is_multiple_of(3) && i / 3 % 3 == 1 {
            -0.5
        } else {
            1.0
        }
    };
    let mut bad = (*all).clone();
    bad.weights = Some((0..n).map(nothing).collect());
    let bad = Arc::new(bad);
    let message = new(bad.clone(), Balance::Full).unwrap_err().to_string();
    assert!(
        message.contains("the signal at [750.0]: their mean is -0.5"),
        "{message}"
    );
    assert!(new(bad, Balance::Class).is_ok());
}

#[test]
fn each_background_event_is_scored_at_every_point_and_points_take_turns() {
    let events = events(30, None);
    let points = hypotheses(&events);
    let chosen: Vec<u32> = (0..30).collect();
    for copies in [1, 2, 3, 9] {
        let scored = ScoredExamples::new(events.clone(), &chosen, points.clone(), copies);
        let copies = copies.min(3);
        assert_eq!(scored.len(), 10 + 20 * copies);
        let batches = walk(&scored, 0, 7, 0);
        assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), scored.len());
        let mut counts = std::collections::BTreeMap::new();
        for batch in &batches {
            for (mass, label) in batch.parameters.as_ref().unwrap().iter().zip(&batch.labels) {
                if *label < 0.5 {
                    *counts.entry(*mass as u32).or_insert(0usize) += 1;
                }
            }
        }
        let (low, high) = (counts.values().min().unwrap(), counts.values().max().unwrap());
        assert!(counts.len() == 3 && high - low <= copies, "{counts:?}");
        assert_eq!(walk(&scored, 0, 7, 2), batches[2..]);
    }
}

#[test]
fn signal_at_a_point_that_is_not_trained_on_is_refused_by_its_row() {
    let events = events(30, None);
    let points = Arc::new(Hypotheses::of_signal(&[500.0], 1, &[1.0]).unwrap());
    let refused = TrainingExamples::new(
        events,
        vec![0, 1, 3],
        points,
        Assignment::default(),
        Sampling::default(),
        1,
    );
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("row 3") && message.contains("750"), "{message}");
}
