//! Advice from tables whose background efficiencies are set by hand.
#![allow(clippy::unwrap_used)] // The test settings of clippy.toml do not reach the free functions of a test file.

use tagwerk_stats::{
    Advice, BootstrapOptions, Cost, Landscape, LandscapeOptions, LandscapeResult, ScoringTime, Standing, TaggerInput,
    TrainingInput, Truth,
};

const EACH: usize = 2000;

/// Scores of 2,000 signal jets, then as many of background, of which `passing` pass where 30 % of the signal do.
fn scores(passing: usize) -> Vec<f32> {
    let signal = (0..EACH).map(|i| if i < EACH * 3 / 10 { 0.9 } else { 0.5 });
    let background = (0..EACH).map(|i| if i < passing { 0.95 } else { 0.1 });
    signal.chain(background).collect()
}

/// Name, background jets that pass in each training, seconds of a training, microseconds a jet, parameters.
type Tagger = (&'static str, &'static [usize], f64, f64, Option<u64>);

fn result(taggers: &[Tagger], bootstrap: bool) -> LandscapeResult {
    let truth = Truth::new(&[vec![1_u8; EACH], vec![0; EACH]].concat()).unwrap();
    let columns: Vec<Vec<Vec<f32>>> = taggers
        .iter()
        .map(|(_, passing, ..)| passing.iter().map(|&n| scores(n)).collect())
        .collect();
    let inputs = taggers
        .iter()
        .zip(&columns)
        .map(|((name, _, seconds, each, parameters), columns)| TaggerInput {
            name: (*name).to_owned(),
            parameters: *parameters,
            published: None,
            trainings: (1..)
                .zip(columns)
                .map(|(seed, scores)| TrainingInput {
                    seed,
                    scores: scores.as_slice(),
                    epochs: 3,
                    seconds: *seconds,
                    threads: Some(1),
                    scoring: (*each > 0.0).then_some(ScoringTime {
                        jets: 2 * EACH,
                        seconds: each * 1e-6 * 2.0 * EACH as f64,
                        view_seconds: 0.0,
                        threads: 1,
                    }),
                })
                .collect(),
        });
    let options = LandscapeOptions {
        dataset: "hand".to_owned(),
        counted: "jets",
        published_test_set: false,
        bootstrap: bootstrap.then_some(BootstrapOptions { replicas: 100, seed: 1 }),
    };
    LandscapeResult::evaluate(&truth, options, inputs.collect()).unwrap()
}

fn advice(taggers: &[Tagger], bootstrap: bool) -> Advice {
    result(taggers, bootstrap).advice
}

fn standing(advice: &Advice, cost: Cost, name: &str) -> Standing {
    advice
        .points(cost)
        .iter()
        .find(|point| point.name == name)
        .unwrap()
        .standing
}

const FOUR: [Tagger; 4] = [
    ("best", &[20, 21, 22], 1000.0, 500.0, Some(366_160)),
    ("near", &[24, 24, 25], 100.0, 100.0, Some(82_000)),
    ("small", &[200, 210, 190], 10.0, 5.0, Some(1000)),
    ("poor", &[400, 410, 420], 500.0, 600.0, Some(400_000)),
];

#[test]
fn the_best_the_bargain_and_what_is_not_worth_it_are_named() {
    for bootstrap in [false, true] {
        let advice = advice(&FOUR, bootstrap);
        assert_eq!(advice.highest_rejection.as_deref(), Some("best"));
        // 24 against 21 of 2,000: 3 of some 7 jets.
        assert_eq!(advice.not_distinguishable, ["near"]);
        assert_eq!(advice.not_worth_it, ["poor"]);
        let names: Vec<_> = advice
            .nearly_as_good
            .iter()
            .map(|b| (b.cost, b.name.as_str()))
            .collect();
        assert_eq!(names, Cost::ALL.map(|cost| (cost, "near")));
        let training = &advice.nearly_as_good[0];
        assert!((training.rejection_share - 21.0 / 24.0).abs() < 1e-12 && (training.cost_share - 0.1).abs() < 1e-12);
        for cost in Cost::ALL {
            let order: Vec<&str> = advice.points(cost).iter().map(|point| point.name.as_str()).collect();
            assert_eq!(order[..2], ["small", "near"]);
            for name in ["best", "near", "small"] {
                assert_eq!(standing(&advice, cost, name), Standing::Front);
            }
            assert_eq!(standing(&advice, cost, "poor"), Standing::Dominated);
        }
        let point = &advice.parameters[0];
        assert_eq!((point.cost, point.background_efficiency), (1000.0, 0.1));
        // Poisson: sqrt(200) / 2000; spread of 190, 200, 210 over trainings: sqrt(200 / 3) / 2000.
        let expected = f64::hypot(200.0_f64.sqrt(), (200.0_f64 / 3.0).sqrt()) / 2000.0;
        assert!(
            (point.error - expected).abs() < 0.02 * expected,
            "{} for {expected}",
            point.error
        );
    }
}

#[test]
fn common_jets_make_a_difference_certain_that_separate_errors_leave_open() {
    // The same 60 background jets pass both, 22 more pass the other: 4.7 sigma on these jets, 1.8 on others.
    let two: [Tagger; 2] = [("a", &[60], 1.0, 1.0, Some(1)), ("b", &[82], 2.0, 2.0, Some(2))];
    let (apart, paired) = (advice(&two, false), advice(&two, true));
    assert_eq!(standing(&apart, Cost::Parameters, "b"), Standing::Undecided);
    assert_eq!(standing(&paired, Cost::Parameters, "b"), Standing::Dominated);
}

#[test]
fn missing_rejections_and_costs_leave_no_hole() {
    let taggers: [Tagger; 3] = [
        ("perfect", &[0, 0], 50.0, 9.0, None),
        ("imported", &[1, 1], 0.0, 3.0, Some(5)),
        ("untimed", &[400, 400], 1.0, 0.0, Some(7)),
    ];
    for bootstrap in [false, true] {
        let result = result(&taggers, bootstrap);
        let advice = &result.advice;
        assert_eq!(advice.highest_rejection.as_deref(), Some("perfect"));
        assert_eq!(advice.not_distinguishable, ["imported"]);
        let names = |cost: Cost| -> Vec<&str> { advice.points(cost).iter().map(|p| p.name.as_str()).collect() };
        assert_eq!(names(Cost::TrainingSeconds), ["untimed", "perfect"]);
        assert_eq!(names(Cost::InferenceMicroseconds), ["imported", "perfect"]);
        assert_eq!(names(Cost::Parameters), ["imported", "untimed"]);
        assert_eq!(advice.training_seconds[1].background_efficiency, 0.0);
        assert!(advice.nearly_as_good.is_empty());
        let json = serde_json::to_string(&result).unwrap();
        assert_eq!(serde_json::from_str::<LandscapeResult>(&json).unwrap(), result);
        assert!(json.contains("\"standing\":\"front\""), "{json}");
    }
}

#[test]
fn one_tagger_is_the_advice_and_equals_share_it() {
    let one = advice(&FOUR[..1], true);
    assert_eq!(one.highest_rejection.as_deref(), Some("best"));
    assert!(one.not_distinguishable.is_empty() && one.nearly_as_good.is_empty() && one.not_worth_it.is_empty());
    assert_eq!(one.parameters.len(), 1);
    let twins: [Tagger; 2] = [("a", &[30], 1.0, 1.0, Some(9)), ("b", &[30], 1.0, 1.0, Some(9))];
    let advice = advice(&twins, true);
    assert_eq!(
        (advice.highest_rejection.as_deref(), &advice.not_distinguishable[..]),
        (Some("a"), &["b".to_owned()][..])
    );
    assert!(advice.nearly_as_good.is_empty());
    assert!(
        Cost::ALL
            .iter()
            .all(|&cost| advice.points(cost).iter().all(|p| p.standing == Standing::Front))
    );
    let both: [Tagger; 2] = [("a", &[0], 2.0, 2.0, Some(9)), ("b", &[0], 1.0, 1.0, Some(3))];
    let advice = self::advice(&both, true);
    assert_eq!(advice.nearly_as_good.len(), 3);
    assert!(
        advice
            .nearly_as_good
            .iter()
            .all(|b| b.name == "b" && b.rejection_share == 1.0)
    );
}

#[test]
fn a_tagger_that_reads_others_costs_what_they_cost() {
    let three: [Tagger; 3] = [
        ("stacked", &[10], 1.0, 0.5, Some(100)),
        ("a", &[40, 44], 30.0, 4.0, Some(1000)),
        ("b", &[50], 20.0, 8.0, Some(500)),
    ];
    let truth = Truth::new(&[vec![1_u8; EACH], vec![0; EACH]].concat()).unwrap();
    let alone = result(&three, false);
    let stacked = |table: &LandscapeResult| Cost::ALL.map(|cost| table.cost(&table.taggers[0], cost));
    assert_eq!(alone.advice.training_seconds[0].name, "stacked");
    assert_eq!(stacked(&alone)[0], Some(1.0));

    let columns = [scores(10), scores(40), scores(44), scores(50)];
    let options = LandscapeOptions {
        dataset: "hand".to_owned(),
        counted: "jets",
        published_test_set: false,
        bootstrap: None,
    };
    let mut table = Landscape::new(&truth, options);
    for (name, own, (seconds, each, parameters)) in [
        ("stacked", &columns[..1], (1.0, 0.5, 100)),
        ("a", &columns[1..3], (30.0, 4.0, 1000)),
        ("b", &columns[3..], (20.0, 8.0, 500)),
    ] {
        let trainings = (1..).zip(own).map(|(seed, scores)| TrainingInput {
            seed,
            scores: scores.as_slice(),
            epochs: 3,
            seconds,
            threads: Some(1),
            scoring: Some(ScoringTime {
                jets: 2 * EACH,
                seconds: each * 1e-6 * 2.0 * EACH as f64,
                view_seconds: 0.0,
                threads: 1,
            }),
        });
        table
            .add(TaggerInput {
                name: name.to_owned(),
                parameters: Some(parameters),
                published: None,
                trainings: trainings.collect(),
            })
            .unwrap();
    }
    table.reads("stacked", ["a".to_owned(), "b".to_owned()]);
    let read = table.finish().unwrap();
    // Its own, twice that of a, once that of b.
    let [seconds, each, parameters] = stacked(&read).map(Option::unwrap);
    assert_eq!(
        (seconds, parameters),
        (1.0 + 2.0 * 30.0 + 20.0, 100.0 + 2.0 * 1000.0 + 500.0)
    );
    assert!((each - (0.5 + 2.0 * 4.0 + 8.0)).abs() < 1e-9);
    assert_eq!(
        read.advice.training_seconds.last().map(|p| p.name.as_str()),
        Some("stacked")
    );
    // One that reads a tagger of another table costs nobody knows what.
    let mut unknown = read.clone();
    unknown.taggers[0].reads.push("c".to_owned());
    assert_eq!(stacked(&unknown), [None; 3]);
}

#[test]
fn an_empty_table_has_no_advice() {
    let advice = advice(&[], true);
    assert_eq!(advice, Advice::default());
}
