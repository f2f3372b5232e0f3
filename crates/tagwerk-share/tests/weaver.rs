//! Weights of weaver-core's ParticleNet score as in PyTorch. `tests/reference/weaver_particlenet.py` made weights, jets
//! and scores; among the jets are such of 1, 2, 3, 5, 16 and 17 constituents, around the 17 that k = 16 needs.

#![allow(clippy::unwrap_used)]

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use std::path::{Path, PathBuf};
use tagwerk_data::{ParquetFile, Part, Plan, Source, Split};
use tagwerk_share::{ImportOptions, ShareError, import, inspect};
use tagwerk_taggers::{Context, DataConfig, resume, score};
use tagwerk_train::{RunFolder, Scored, TrainError};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/reference/data/weaver_particlenet")
        .join(name)
}

/// Logits of a case in PyTorch, in f64: one list a jet.
fn logits(case: &str) -> Vec<Vec<f64>> {
    let file = ParquetFile::open(&fixture("scores.parquet")).unwrap();
    let batches = file.read(&Plan::default()).unwrap();
    let mut jets = Vec::new();
    for batch in batches {
        let batch = batch.unwrap();
        let lists = batch.column_by_name(case).unwrap().as_list::<i32>();
        jets.extend((0..lists.len()).map(|i| lists.value(i).as_primitive::<Float64Type>().values().to_vec()));
    }
    jets
}

/// Log-odds of the reference jets by an imported run.
fn log_odds(run: &Path) -> Vec<f32> {
    let mut data = DataConfig {
        source: fixture("jets.parquet").to_string_lossy().into_owned(),
        ..DataConfig::default()
    };
    data.options.split = Some(Split::Fractions {
        train: 0.0,
        validation: 0.0,
        test: 1.0,
    });
    let table = score(run, Some(&data), Part::Test, &Context::cpu(2), &mut ())
        .unwrap()
        .unwrap();
    match table {
        Scored::Classes(table) => table.log_odds,
        Scored::Values(_) => panic!("an imported tagger predicts a number"),
    }
}

fn options(signal: &str, background: &str) -> ImportOptions {
    ImportOptions {
        signal: Some(signal.to_owned()),
        background: Some(background.to_owned()),
        ..ImportOptions::default()
    }
}

/// Within 1e-4 of PyTorch in log-odds.
#[track_caller]
fn assert_scores(run: &Path, case: &str, signal: usize, background: usize) {
    let expected = logits(case);
    let found = log_odds(run);
    assert_eq!(found.len(), expected.len());
    for (jet, (found, logits)) in found.iter().zip(&expected).enumerate() {
        let expected = logits[signal] - logits[background];
        let error = (f64::from(*found) - expected).abs();
        assert!(error < 1e-4, "jet {jet}: {found}, PyTorch has {expected}");
    }
}

#[test]
fn the_kinematic_variant_scores_as_in_pytorch() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let told = import(&fixture("kin.pt"), &run, &ImportOptions::default(), &Context::cpu(1)).unwrap();
    assert_eq!((told.network.variant, told.network.classes), (Some("kin"), 2));
    assert_eq!(told.network.blocks, [[8; 3], [12; 3], [16; 3]]);
    // With two classes nothing is left out of the file's parameters.
    assert_eq!(told.parameters, told.network.parameters);
    assert_eq!(
        (told.choices["signal"].as_str(), told.choices["neighbors"].as_str()),
        ("0", "16")
    );
    assert_scores(&run, "kin", 0, 1);
    // The other way round.
    let turned = dir.path().join("turned");
    import(&fixture("kin.pt"), &turned, &options("1", "0"), &Context::cpu(1)).unwrap();
    assert_scores(&turned, "kin", 1, 0);
}

#[test]
fn other_features_classes_and_layers_score_as_in_pytorch() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let options = ImportOptions {
        preprocess: Some(fixture("general.preprocess.json")),
        neighbors: Some(7),
        ..options("label_8", "label_0")
    };
    let told = import(&fixture("general.pt"), &run, &options, &Context::cpu(1)).unwrap();
    assert_eq!((told.network.fusion, told.network.feature_norm), (Some(11), false));
    assert_eq!(told.choices["signal"], "8 (label_8)");
    assert_scores(&run, "general", 8, 0);
}

#[test]
fn a_neighbor_more_or_a_swapped_class_is_seen_by_this_test() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let options = ImportOptions {
        neighbors: Some(15),
        ..ImportOptions::default()
    };
    import(&fixture("kin.pt"), &run, &options, &Context::cpu(1)).unwrap();
    let expected = logits("kin");
    let off = log_odds(&run)
        .iter()
        .zip(&expected)
        .map(|(s, l)| (f64::from(*s) - (l[0] - l[1])).abs())
        .fold(0.0, f64::max);
    assert!(off > 1e-3, "{off}");
}

#[test]
fn an_imported_run_says_where_it_is_from_and_is_not_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let told = import(&fixture("kin.pt"), &run, &ImportOptions::default(), &Context::cpu(1)).unwrap();
    let provenance = RunFolder::open(&run).unwrap().provenance().unwrap().unwrap();
    let imported = provenance.imported.unwrap();
    assert_eq!((imported.file.as_str(), &imported.sha256), ("kin.pt", &told.sha256));
    assert_eq!(imported.choices, told.choices);
    for error in [
        resume(&run, None, &Context::cpu(1), &mut ()).unwrap_err(),
        resume(&run, Some(40), &Context::cpu(1), &mut ()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("imported"), "{error}");
    }
    // A second import does not replace the first, nor does one over anything else.
    let again = import(&fixture("kin.pt"), &run, &ImportOptions::default(), &Context::cpu(1)).unwrap_err();
    assert!(matches!(again, ShareError::Train(TrainError::Exists { .. })), "{again}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_imported_is_refused_in_words_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    for (weights, options, words) in [
        (
            "types.pt",
            ImportOptions::default(),
            "there is no edge_convs.0.convs.0.weight",
        ),
        (
            "general.pt",
            ImportOptions::default(),
            "its classes are 0 (label_QCD), 1 (label_Hbb)",
        ),
        ("general.pt", options("label_Tbqq", "11"), "background = 11 is no class"),
        ("kin.pt", options("1", "1"), "both 1"),
        (
            "kin.pt",
            ImportOptions {
                tagger: Some("pfn".into()),
                ..ImportOptions::default()
            },
            "tagger = pfn",
        ),
        (
            "kin.pt",
            ImportOptions {
                neighbors: Some(0),
                ..ImportOptions::default()
            },
            "neighbors = 0",
        ),
        (
            "kin.pt",
            ImportOptions {
                preprocess: Some(fixture("general.preprocess.json")),
                ..ImportOptions::default()
            },
            "output_names has 10 classes, the network 2",
        ),
        ("jets.parquet", ImportOptions::default(), "not a file of torch.save"),
        ("nothing.pt", ImportOptions::default(), "nothing.pt"),
    ] {
        let error = import(&fixture(weights), &run, &options, &Context::cpu(1))
            .unwrap_err()
            .to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{words} in {error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{words}");
    }
}

#[test]
fn an_inspection_shows_shapes_and_why_weights_cannot_be_imported() {
    let found = inspect(&fixture("kin.pt"), None).unwrap();
    assert!(found.reason.is_none() && found.features[0] == "part_pt_log");
    let first = found
        .tensors
        .iter()
        .find(|t| t.name == "mod.edge_convs.0.convs.0.weight")
        .unwrap();
    assert_eq!(first.shape, [8, 14, 1, 1]);
    let found = inspect(&fixture("kinpid.pt"), None).unwrap();
    assert_eq!(found.network.unwrap().variant, Some("kinpid"));
    let reason = found.reason.unwrap();
    assert!(
        reason.contains("13 features") && reason.contains("part_isMuon"),
        "{reason}"
    );
    let refused = import(
        &fixture("kinpid.pt"),
        Path::new("never"),
        &options("8", "0"),
        &Context::cpu(1),
    )
    .unwrap_err();
    assert_eq!(refused.to_string(), reason);
    let found = inspect(&fixture("types.pt"), None).unwrap();
    assert!(found.network.is_none() && found.tensors.len() == 8);
}
