//! The landscape's result: contract keys, round trip, and the rules for few trainings and missing rejections.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // The test settings of clippy.toml do not reach the free functions of a test file.

use tagwerk_stats::{
    BootstrapOptions, Landscape, LandscapeOptions, LandscapeResult, Published, PublishedValue, StatsError, TaggerInput,
    TrainingInput, Truth,
};

const PUBLISHED: Published = Published {
    auc: Some(0.982),
    accuracy: Some(0.932),
    rejection_single: Some(PublishedValue::with_spread(891.0, 18.0)),
    parameters: Some(82_458),
    ..Published::NONE
};

fn options(bootstrap: bool) -> LandscapeOptions {
    LandscapeOptions {
        dataset: "toy".to_owned(),
        counted: "jets",
        published_test_set: false,
        bootstrap: bootstrap.then_some(BootstrapOptions { replicas: 20, seed: 7 }),
    }
}

/// `n` trainings on 4,000 jets; `noise` makes the tagger worse.
fn scores(n: u32, noise: f64) -> Vec<Vec<f32>> {
    let uniform = |i: u32, salt: u32| {
        f64::from((i ^ salt.wrapping_mul(0x9e37_79b9)).wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24)
    };
    let one = |t: u32| {
        (0..4000_u32)
            .map(|i| (f64::from(1 - i % 2) * 0.1 + 0.4 * uniform(i, 99) + noise * uniform(i, t)) as f32)
            .collect()
    };
    (1..=n).map(one).collect()
}

fn truth() -> Truth {
    Truth::new(&(0..4000_u32).map(|i| u8::from(i % 2 == 0)).collect::<Vec<_>>()).unwrap()
}

fn input<'a>(name: &str, runs: &'a [Vec<f32>]) -> TaggerInput<'a, f32> {
    TaggerInput {
        name: name.to_owned(),
        parameters: Some(82_458),
        published: Some(PUBLISHED),
        trainings: (1..)
            .zip(runs)
            .map(|(seed, scores)| TrainingInput {
                seed,
                scores,
                epochs: 3,
                seconds: 1.5,
                threads: Some(1),
                scoring: None,
            })
            .collect(),
    }
}

#[test]
fn the_table_has_the_contract_keys_and_survives_json() {
    let (truth, good, bad) = (truth(), scores(9, 0.15), scores(3, 0.4));
    let result =
        LandscapeResult::evaluate(&truth, options(true), vec![input("pfn", &good), input("topodnn", &bad)]).unwrap();
    let json = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<LandscapeResult>(&json).unwrap(), result);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let keys = |value: &serde_json::Value, keys: &[&str]| {
        for key in keys {
            assert!(value.get(key).is_some_and(|v| !v.is_null()), "{key} in {value}");
        }
    };
    keys(&value, &["dataset", "test_rows", "taggers"]);
    let pfn = &value["taggers"][0];
    keys(
        pfn,
        &[
            "name",
            "parameters",
            "trainings",
            "auc",
            "accuracy",
            "rejection_single",
            "rejection_mean",
            "rejection_median",
        ],
    );
    keys(
        &pfn["trainings"][8],
        &[
            "seed",
            "auc",
            "accuracy",
            "rejection_30",
            "rejection_50",
            "epochs",
            "seconds",
        ],
    );
    for column in ["rejection_single", "rejection_mean", "rejection_median"] {
        keys(&pfn[column], &["value", "spread", "test_error"]);
    }
    assert_eq!(pfn["published"]["rejection_single"]["spread"], 18.0);
    assert_eq!(result.taggers[0].ensemble_rule.subsets, 84);
    assert!(
        result.taggers[0].comparison.is_none(),
        "the best has nothing to be compared with"
    );
    let comparison = result.taggers[1].comparison.as_ref().unwrap();
    assert_eq!(comparison.best, "pfn");
    assert!(comparison.auc.difference < 0.0 && comparison.auc.z.unwrap() < -3.0);
    assert!(comparison.rejection_30.as_ref().unwrap().difference.error.unwrap() > 0.0);
}

#[test]
fn one_training_has_values_and_says_why_it_has_no_spread() {
    let (truth, runs) = (truth(), scores(1, 0.2));
    let result = LandscapeResult::evaluate(&truth, options(false), vec![input("efp", &runs)]).unwrap();
    let efp = &result.taggers[0];
    assert!(efp.rejection_single.value.is_some() && efp.rejection_single.test_error.is_some());
    assert_eq!(efp.rejection_single.spread, None);
    assert_eq!(
        efp.rejection_single.reason.as_deref(),
        Some("one training has no spread")
    );
    assert_eq!(efp.rejection_mean.value, None);
    assert!(efp.rejection_mean.reason.is_some());
}

#[test]
fn a_perfect_tagger_has_a_limit_instead_of_infinity() {
    let truth = truth();
    let runs: Vec<Vec<f32>> = vec![(0..4000_u32).map(|i| if i % 2 == 0 { 0.9 } else { 0.1 }).collect(); 2];
    let result = LandscapeResult::evaluate(&truth, options(true), vec![input("oracle", &runs)]).unwrap();
    let single = &result.taggers[0].rejection_single;
    assert_eq!((single.value, single.spread, single.test_error), (None, None, None));
    // 2,000 background jets: about 2000/3.
    assert!((single.lower_limit.unwrap() - 668.1).abs() < 0.2, "{single:?}");
    assert!(single.reason.as_ref().unwrap().starts_with("2 of 2"));
    let json = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<LandscapeResult>(&json).unwrap(), result);
}

#[test]
fn an_undetermined_rejection_beats_a_determined_one() {
    let truth = truth();
    let perfect: Vec<Vec<f32>> = vec![(0..4000_u32).map(|i| if i % 2 == 0 { 0.9 } else { 0.1 }).collect(); 2];
    let plain = scores(2, 0.2);
    let result = LandscapeResult::evaluate(
        &truth,
        options(false),
        vec![input("pfn", &plain), input("oracle", &perfect)],
    )
    .unwrap();
    assert_eq!(result.best().unwrap().name, "oracle");
    assert_eq!(result.taggers[0].comparison.as_ref().unwrap().best, "oracle");
}

#[test]
fn weights_of_one_change_no_number_of_the_table() {
    let (plain, runs) = (truth(), scores(5, 0.2));
    let labels: Vec<u8> = (0..4000_u32).map(|i| u8::from(i % 2 == 0)).collect();
    let weighted = Truth::weighted(&labels, &vec![1.0; 4000]).unwrap();
    let run = |truth: &Truth| LandscapeResult::evaluate(truth, options(false), vec![input("pfn", &runs)]).unwrap();
    let (a, b) = (run(&plain), run(&weighted));
    let (a, b) = (&a.taggers[0].rejection_single, &b.taggers[0].rejection_single);
    assert_eq!((a.value, a.spread), (b.value, b.spread));
    assert!((a.test_error.unwrap() / b.test_error.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn mistakes_are_named() {
    let (truth, runs) = (truth(), scores(1, 0.2));
    let mut landscape = Landscape::new(&truth, options(false));
    landscape.add(input("pfn", &runs)).unwrap();
    assert_eq!(
        landscape.add(input("pfn", &runs)).unwrap_err(),
        StatsError::DuplicateTagger { name: "pfn".to_owned() }
    );
    assert_eq!(
        landscape.add(input("efn", &[])).unwrap_err().to_string(),
        "the tagger \"efn\" has no training: at least one is needed"
    );
    let short = vec![vec![0.5_f32; 3]];
    let error = landscape.add(input("efn", &short)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tagger \"efn\", seed 1 has 3 rows, the labels have 4000"
    );
}
