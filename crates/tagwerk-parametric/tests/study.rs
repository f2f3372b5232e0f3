//! A study from its configuration to its figures.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tagwerk_parametric::{
    CutFrom, DiagnosisOptions, Method, Scorer, StudyConfig, diagnose, evaluate_set, resume, train,
};
use tagwerk_taggers::Context;
use tagwerk_train::{Observer, Outcome, StepReport};

/// A network of seconds on a part of the sample.
fn small(more: &str) -> StudyConfig {
    let text = format!(
        "[data]\ntrain_events = 2000\ntest_events = 1500\n[network]\nhidden = [24, 12]\nbatch_norm = true\n\
         parameter_noise = 0.01\n[sampling]\nbalance = 'full'\n[training]\nepochs = 3\nbatch_size = 128\nseed = 4\n{more}"
    );
    StudyConfig::from_toml(&text, Path::new("small.toml")).unwrap()
}

/// Stops a training after so many steps.
struct StopAfter(u64, Arc<AtomicBool>);

impl Observer for StopAfter {
    fn step(&mut self, _: &StepReport) {
        self.0 -= 1;
        if self.0 == 0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_training_stopped_in_the_middle_of_an_epoch_ends_in_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let config = small("");
    let whole = dir.path().join("whole");
    let finished = train(&whole, &config, &Context::cpu(2), &mut ()).unwrap();
    let parts = dir.path().join("parts");
    for steps in [5, 9, 7] {
        let context = Context::cpu(1);
        let mut observer = StopAfter(steps, context.stop.clone());
        let result = train(&parts, &config, &context, &mut observer).unwrap();
        assert!(matches!(result.outcome, Outcome::Stopped(_)) && result.evaluation.is_none());
    }
    let resumed = train(&parts, &config, &Context::cpu(1), &mut ()).unwrap();
    assert_eq!(resumed.evaluation, finished.evaluation);
    for file in ["scores.parquet", "checkpoints/best/weights.safetensors"] {
        assert_eq!(
            std::fs::read(whole.join(file)).unwrap(),
            std::fs::read(parts.join(file)).unwrap(),
            "{file}"
        );
    }
}

#[test]
fn networks_of_one_mass_make_a_set_that_says_which_serves_what() {
    let dir = tempfile::tempdir().unwrap();
    let runs = [500.0, 1500.0].map(|mass| {
        let mut config = small("");
        config.network.method = Method::None;
        config.data.masses = Some(vec![mass]);
        config.data.own_background = true;
        let run = dir.path().join(format!("alone-{mass}"));
        let result = train(&run, &config, &Context::cpu(1), &mut ()).unwrap();
        (run, result.evaluation.unwrap())
    });
    let (set, served) = evaluate_set(&[runs[1].0.clone(), runs[0].0.clone()]).unwrap();
    let by: Vec<_> = served.iter().map(|s| (s.mass, s.by)).collect();
    assert_eq!(
        by,
        [
            (500.0, 500.0),
            (750.0, 500.0),
            (1000.0, 500.0),
            (1250.0, 1500.0),
            (1500.0, 1500.0)
        ]
    );
    assert_eq!(served.iter().filter_map(|s| s.warning()).count(), 3);
    // At its own mass the set is the network of this mass.
    assert_eq!(set.masses[0].auc_roc, runs[0].1.masses[0].auc_roc);
    assert_eq!(set.masses[4].auc_roc, runs[1].1.masses[4].auc_roc);
    assert_eq!(set.masses[1].auc_roc, runs[0].1.masses[1].auc_roc);
    assert_eq!(set.parameters, runs[0].1.parameters + runs[1].1.parameters);
    // A cut is that of the network that serves, never one between the cuts of two networks.
    let cuts: Vec<_> = set.masses.iter().map(|m| (m.best_cut, m.cut_from)).collect();
    let own = [runs[0].1.masses[0].best_cut, runs[1].1.masses[4].best_cut];
    assert_ne!(own[0], own[1], "equal cuts tell nothing");
    assert_eq!(
        cuts[..3],
        [
            (own[0], CutFrom::Validation),
            (own[0], CutFrom::Serving),
            (own[0], CutFrom::Serving)
        ]
    );
    assert_eq!(cuts[3..], [(own[1], CutFrom::Serving), (own[1], CutFrom::Validation)]);
    // The same mass twice is no set.
    let twice = evaluate_set(&[runs[0].0.clone(), runs[0].0.clone()])
        .unwrap_err()
        .to_string();
    assert!(twice.contains("the mass 500 too"), "{twice}");
}

#[test]
fn each_background_process_can_be_a_class_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let rows = |first: usize, count: usize| {
        let mut text = "label,f0,f1,mass,name\n".to_owned();
        for i in first..first + count {
            let (a, b) = ((i as f64 * 0.618_034).fract(), (i as f64 * 0.754_878).fract());
            // Signal in the middle, one background to its left, the other above it.
            let (label, x, y, name) = match i % 4 {
                0 | 1 => (1, a, b, "X"),
                2 => (0, a - 0.6, b, "top"),
                _ => (0, a, b + 0.6, "qcd"),
            };
            text += &format!("{label},{x},{y},{},{name}\n", [500, 1000][i / 4 % 2]);
        }
        text
    };
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("train.csv"), rows(0, 2000)).unwrap();
    std::fs::write(path("test.csv"), rows(4000, 1200)).unwrap();
    let text = format!(
        "[data]\ntrain = [{:?}]\ntest = [{:?}]\n[network]\nhidden = [16]\nprocesses = true\ndropout = 0.0\n\
         [training]\nepochs = 20\nbatch_size = 100\n[training.optimizer]\nlearning_rate = 0.01\n",
        path("train.csv"),
        path("test.csv")
    );
    let config = StudyConfig::from_toml(&text, Path::new("processes.toml")).unwrap();
    let result = train(&path("run"), &config, &Context::cpu(1), &mut ()).unwrap();
    assert_eq!(result.description.processes, ["top", "qcd"]);
    // 2 x 16 + 16, affine 4 x 16, three outputs.
    assert_eq!(result.parameters, 48 + 64 + 16 * 3 + 3);
    let masses = result.evaluation.unwrap().masses;
    // Overlaps of 0.4 in one direction each: a perfect classifier has 1 - 0.4^2 / 2 = 0.92 against either alone.
    assert!(masses.iter().all(|m| m.auc_roc > 0.85), "{masses:?}");
    let mut scorer = Scorer::open(&path("run"), &Context::cpu(1)).unwrap();
    let scores = scorer.log_odds_at(&[0.5, 0.5, -0.4, 0.5, 0.5, 1.4], &[500.0]).unwrap();
    assert!(scores[0] > 0.0 && scores[1] < 0.0 && scores[2] < 0.0, "{scores:?}");
    // The sample has one background.
    let mut one = small("");
    one.network.processes = true;
    let refused = train(&path("one"), &one, &Context::cpu(1), &mut ())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("network.processes"), "{refused}");
}

#[test]
fn a_run_is_resumed_by_its_folder_alone_and_prolonged() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let long = small("").training.epochs + 1;
    let mut config = small("");
    config.training.epochs = long;
    let finished = train(&whole, &config, &Context::cpu(1), &mut ()).unwrap();
    let run = dir.path().join("run");
    let context = Context::cpu(1);
    let stopped = train(&run, &small(""), &context, &mut StopAfter(9, context.stop.clone())).unwrap();
    assert!(matches!(stopped.outcome, Outcome::Stopped(_)));
    let resumed = resume(&run, Some(long), &Context::cpu(1), &mut ()).unwrap();
    assert_eq!(resumed.evaluation, finished.evaluation);
    let again = resume(&run, None, &Context::cpu(1), &mut ()).unwrap();
    assert_eq!(again.evaluation, finished.evaluation, "a finished run is told again");
    assert!(
        resume(&run, Some(2), &Context::cpu(1), &mut ()).is_err(),
        "more is done already"
    );
    assert!(resume(dir.path(), None, &Context::cpu(1), &mut ()).is_err());
}

#[test]
fn a_diagnosis_finds_what_the_network_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut config = small("");
    config.training.epochs = 12;
    train(&run, &config, &Context::cpu(1), &mut ()).unwrap();
    let options = DiagnosisOptions {
        events: 300,
        grid: 11,
        ..DiagnosisOptions::default()
    };
    let found = diagnose(&run, &options, &Context::cpu(1)).unwrap();
    // Masses of background are those of the signal: they tell nothing.
    assert!(
        (found.features_removed.auc_without - 0.5).abs() < 0.1,
        "{:?}",
        found.features_removed
    );
    assert!(found.features_removed.auc > 0.6, "{:?}", found.features_removed);
    assert_eq!((found.wrong_mass.len(), found.wrong_mass[0].auc.len()), (5, 5));
    // Told 500, the network is worse for 1500 than told the truth.
    let heavy = &found.wrong_mass[4].auc;
    assert!(heavy[4] > heavy[0], "{heavy:?}");
    assert_eq!(found.importance.len(), 27);
    // The momentum of the leading jet is worth more than any azimuth.
    let place = |name: &str| found.importance.iter().position(|f| f.feature == name).unwrap();
    for azimuth in ["f2", "f4", "f8", "f12"] {
        assert!(place("f6") < place(azimuth), "{azimuth}: {:?}", found.importance);
    }
    let smooth = found.smoothness.unwrap();
    assert_eq!((smooth.grid.len(), smooth.step.len(), smooth.bend.len()), (11, 10, 9));
    assert_eq!((smooth.grid[0], smooth.grid[10]), (500.0, 1500.0));
    // A tight cut at 1500 leaves heavy background.
    let tight = found.sculpting.cuts.last().unwrap();
    assert_eq!(found.sculpting.column, "f26");
    assert!(tight.divergence > tight.of_chance[0], "{tight:?}");
    for mass in &found.masses {
        assert!(mass.calibration.is_some() && mass.discovery.unwrap().significance.unwrap() > 0.0);
        assert!((mass.signal.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
    let bad = DiagnosisOptions {
        column: Some("f99".into()),
        ..options
    };
    assert!(
        diagnose(&run, &bad, &Context::cpu(1))
            .unwrap_err()
            .to_string()
            .contains("f99")
    );
}

#[test]
fn a_network_that_lives_on_the_mass_alone_is_found_out_by_a_test_that_is_flat_in_it() {
    let dir = tempfile::tempdir().unwrap();
    // A feature that says nothing. In training nine of ten signal events are light, in the test half of them.
    let file = |name: &str, light: usize, first: usize| {
        let mut text = "label,f0,mass\n".to_owned();
        for i in first..first + 2000 {
            let mass = if i / 2 % (light + 1) < light { 500 } else { 1500 };
            text += &format!("{},{},{mass}\n", i % 2, (i as f64 * 0.618_034).fract());
        }
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (train_file, test_file) = (file("train.csv", 9, 0), file("test.csv", 1, 5000));
    let reliance = |balance: &str| {
        let text = format!(
            "[data]\ntrain = [{train_file:?}]\ntest = [{test_file:?}]\n[network]\nhidden = [8]\ndropout = 0.0\n\
             [sampling]\nbalance = '{balance}'\n[training]\nepochs = 15\nbatch_size = 100\nbest = 'val_loss'\n\
             [training.optimizer]\nlearning_rate = 0.01\n"
        );
        let config = StudyConfig::from_toml(&text, Path::new("own.toml")).unwrap();
        let run = dir.path().join(balance);
        train(&run, &config, &Context::cpu(1), &mut ()).unwrap();
        let options = DiagnosisOptions {
            events: 300,
            grid: 5,
            ..DiagnosisOptions::default()
        };
        diagnose(&run, &options, &Context::cpu(1)).unwrap().features_removed
    };
    // Light signal 0.9 of all, background half and half: 0.9 * 0.75 + 0.1 * 0.25 = 0.70.
    let none = reliance("none");
    assert!((none.auc_without - 0.7).abs() < 0.05, "{none:?}");
    assert!((none.reliance_percent - 200.0 * (none.auc_without - 0.5).abs()).abs() < 1e-9);
    // Batches even in the masses leave nothing to live on.
    let full = reliance("full");
    assert!((full.auc_without - 0.5).abs() < 0.06, "{full:?}");
}

#[test]
fn scores_at_any_mass_stand_beside_the_events() {
    use tagwerk_data::{Plan, open};
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    train(&run, &small(""), &Context::cpu(1), &mut ()).unwrap();
    // Data: features and a run number, no label.
    let names: Vec<String> = (0..27).map(|i| format!("f{i}")).collect();
    let mut text = format!("event,{}\n", names.join(","));
    for i in 0..50 {
        let values: Vec<String> = (0..27)
            .map(|k| format!("{}", ((i * 27 + k) as f64 * 0.618).fract()))
            .collect();
        text += &format!("{i},{}\n", values.join(","));
    }
    let csv = dir.path().join("data.csv");
    std::fs::write(&csv, &text).unwrap();
    let out = dir.path().join("scored.parquet");
    let mut scorer = Scorer::open(&run, &Context::cpu(1)).unwrap();
    let told = scorer
        .score_file(&csv, &[vec![600.0], vec![2000.0]], &out, &mut |_, _| ())
        .unwrap();
    assert_eq!(told.events, 50);
    let flags: Vec<_> = told.points.iter().map(|p| (p.out_of_range, p.trained)).collect();
    assert_eq!(flags, [(false, false), (true, false)]);
    let source = open(&out).unwrap();
    let batch = source.read(&Plan::default()).unwrap().next().unwrap().unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns()), (50, 28 + 4));
    let column = |name: &str| {
        use arrow_array::cast::AsArray;
        let values = batch
            .column_by_name(name)
            .unwrap()
            .as_primitive::<arrow_array::types::Float32Type>();
        values.values().to_vec()
    };
    let features: Vec<f32> = (0..50 * 27).map(|k| (k as f64 * 0.618).fract() as f32).collect();
    let expected = scorer.log_odds_at(&features, &[600.0]).unwrap();
    for (found, z) in column("score_600").iter().zip(expected) {
        assert!((found - 1.0 / (1.0 + (-z).exp())).abs() < 1e-6);
    }
    assert_ne!(column("score_600"), column("score_2000"));
    // Two columns of one name could not be told apart.
    let mut refused = |points: &[Vec<f32>], out: &Path| {
        let error = scorer.score_file(&csv, points, out, &mut |_, _| ()).unwrap_err();
        error.to_string()
    };
    let twice = refused(
        &[vec![500.0], vec![600.0], vec![500.0]],
        &dir.path().join("twice.parquet"),
    );
    assert!(twice.contains("[500.0] twice"), "{twice}");
    // The events are not written over, by whatever name they are called.
    let itself = refused(&[vec![600.0]], &dir.path().join("run/../data.csv"));
    assert!(itself.contains("another file"), "{itself}");
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), text);
    // Twice is once too often: the columns are there.
    let again = dir.path().join("again.parquet");
    let taken = scorer
        .score_file(&out, &[vec![600.0]], &again, &mut |_, _| ())
        .unwrap_err()
        .to_string();
    assert!(taken.contains("score_600"), "{taken}");
    assert!(
        scorer
            .score_file(&csv, &[vec![1.0, 2.0]], &again, &mut |_, _| ())
            .is_err()
    );
}
