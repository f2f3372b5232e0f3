//! One run: what it is begun with binds it, and where it is resumed does not matter.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tagwerk_data::JetOptions;
use tagwerk_taggers::{Context, DataConfig, RunConfig, TaggerError, resume, train};
use tagwerk_train::{CheckpointKind, Observer, Outcome, Reading, RunFolder, StepReport};

/// The sample as a file.
pub const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/top_sample.parquet");

/// A training of seconds.
pub fn small(epochs: u32) -> RunConfig {
    let mut config = RunConfig::published("topodnn").unwrap();
    config.data = DataConfig {
        train_jets: Some(400),
        validation_jets: Some(200),
        test_jets: Some(200),
        ..DataConfig::default()
    };
    (config.training.epochs, config.training.batch_size) = (epochs, 50);
    config.training.early_stopping = None;
    config
}

/// Stops after so many steps.
struct StopAfter(u64, Arc<AtomicBool>);

impl Observer for StopAfter {
    fn step(&mut self, _: &StepReport) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

fn begun(run: &Path, config: &RunConfig) {
    let context = Context::cpu(1);
    let mut observer = StopAfter(5, context.stop.clone());
    let result = train(run, config, &context, &mut observer).unwrap();
    assert!(matches!(result.outcome, Outcome::Stopped(_)));
}

#[test]
fn settings_changed_in_the_run_folder_are_refused_by_their_key() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    begun(&run, &small(2));
    let file = run.join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for (from, to, words) in [
        (
            "hidden = [300, 102, 12, 6]",
            "hidden = [300, 102, 6, 12]",
            "settings.hidden = [300,102,12,6]",
        ),
        (
            "batch_size = 50",
            "batch_size = 40",
            "training.batch_size = 50, now it is 40",
        ),
        ("seed = 0\nepochs", "seed = 1\nepochs", "training.seed = 0, now it is 1"),
        (
            "empty = \"error\"",
            "empty = \"skip\"",
            "data.options.empty = \"error\"",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        std::fs::write(&file, changed).unwrap();
        let error = resume(&run, None, &Context::cpu(1), &mut ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    std::fs::write(&file, &text).unwrap();
    let result = resume(&run, None, &Context::cpu(1), &mut ()).unwrap();
    assert!(matches!(result.outcome, Outcome::Finished(_)));
    let provenance = RunFolder::open(&run).unwrap().provenance().unwrap().unwrap();
    assert_eq!((provenance.device.as_str(), provenance.threads), ("cpu", 1));
}

#[test]
fn a_begun_training_goes_on_reading_as_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut config = small(2);
    // All 10,000 jets of the sample with views of seven features a constituent do not fit.
    config.tagger = "particlenet-lite".into();
    config.settings = toml::from_str("hidden = 8\nblocks = [{k = 2, widths = [4]}]").unwrap();
    config.data = DataConfig {
        memory_mb: 16,
        ..DataConfig::default()
    };
    begun(&run, &config);
    let streamed = Reading::Streamed { budget_bytes: 1 << 20 };
    let reading = || RunFolder::open(&run).unwrap().checkpoints().reading().unwrap();
    assert_eq!(reading(), Some(streamed));
    // With all the memory in the world it would be held, in another order.
    let file = run.join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("memory_mb = 16", "memory_mb = 8192")).unwrap();
    let result = resume(&run, None, &Context::cpu(1), &mut ()).unwrap();
    assert!(matches!(result.outcome, Outcome::Finished(_)));
    assert_eq!(reading(), Some(streamed));
    let whole = dir.path().join("whole");
    train(&whole, &config, &Context::cpu(2), &mut ()).unwrap();
    let scores = |run: &Path| std::fs::read(run.join("scores.parquet")).unwrap();
    assert!(scores(&run) == scores(&whole));
}

#[test]
fn more_epochs_end_in_the_bits_of_a_training_that_was_to_have_them() {
    let dir = tempfile::tempdir().unwrap();
    let (run, whole) = (dir.path().join("run"), dir.path().join("whole"));
    train(&run, &small(1), &Context::cpu(1), &mut ()).unwrap();
    let resumed = |epochs| resume(&run, Some(epochs), &Context::cpu(1), &mut ());
    assert!(resumed(1).unwrap_err().to_string().contains("more than the 1"));
    let result = resumed(3).unwrap();
    assert_eq!(result.outcome.summary().epochs, 3);
    train(&whole, &small(3), &Context::cpu(1), &mut ()).unwrap();
    for file in ["config.toml", "scores.parquet", "checkpoints/last/weights.safetensors"] {
        let bytes = |run: &Path| std::fs::read(run.join(file)).unwrap();
        assert!(bytes(&run) == bytes(&whole), "{file}");
    }
    let progress = |run: &Path| {
        let checkpoints = RunFolder::open(run).unwrap().checkpoints();
        checkpoints.progress(CheckpointKind::Last).unwrap().unwrap().step
    };
    assert_eq!(progress(&run), progress(&whole));
}

#[test]
fn a_refused_setting_leaves_no_folder_behind() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut config = small(1);
    config.settings.insert("hidden".into(), vec![0].into());
    let error = train(&run, &config, &Context::cpu(1), &mut ()).unwrap_err();
    assert!(matches!(error, TaggerError::Settings { .. }), "{error}");
    assert!(!run.exists());
}

#[test]
fn paths_that_are_there_are_made_absolute_and_names_stay() {
    let at = |source: &str| DataConfig {
        source: source.into(),
        ..DataConfig::default()
    };
    // Tests run in the folder of their crate.
    let file = at("../../samples/top_sample.parquet").resolved().unwrap();
    assert!(Path::new(&file.source).is_absolute() && Path::new(&file.source).is_file());
    assert_eq!(at(SAMPLE).resolved().unwrap().source, SAMPLE);
    for source in ["sample", "top-tagging", "nowhere.parquet"] {
        assert_eq!(at(source).resolved().unwrap(), at(source));
    }
    let named = DataConfig {
        path: Some("../../samples".into()),
        ..at("top-tagging")
    };
    let resolved = named.resolved().unwrap();
    assert!(resolved.source == "top-tagging" && resolved.path.unwrap().is_absolute());
    assert_eq!(JetOptions::default(), resolved.options);
}
