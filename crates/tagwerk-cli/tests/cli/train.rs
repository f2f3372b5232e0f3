//! Training, resuming, scoring and evaluating agree with each other.

use crate::sandbox::Sandbox;

/// A training of seconds: few jets, two epochs.
pub const SMALL: &str = "--jets 400 --validation-jets 200 --test-jets 500 --epochs 2 --batch-size 64";

#[test]
fn train_resume_score_and_evaluate_tell_the_same_numbers() {
    let sandbox = Sandbox::new();
    let trained = sandbox
        .tagwerk(&format!("train --tagger pfn {SMALL} -o run --seed 3 --json -"))
        .json();
    assert_eq!(trained["run"], "run");
    assert_eq!(trained["epochs"], 2);
    assert_eq!(
        (&trained["outcome"], &trained["parameters"]),
        (&"finished".into(), &82_458.into())
    );
    assert!(trained["seconds"].as_f64().unwrap() > 0.0);
    let best = &trained["best"];
    assert!(
        best["metric"].is_string() && best["value"].is_f64() && best["epoch"].as_u64().unwrap() <= 2,
        "{best}"
    );

    let evaluated = sandbox.tagwerk("evaluate run/scores.parquet --json -").json();
    assert_eq!(evaluated, trained["test"]);
    assert_eq!(
        evaluated["n_signal"].as_u64().unwrap() + evaluated["n_background"].as_u64().unwrap(),
        500
    );
    assert!(evaluated["auc"].as_f64().unwrap() > 0.6, "{evaluated}");

    let scored = sandbox.tagwerk("score run -o again.parquet --json -").json();
    assert_eq!(scored["evaluation"], evaluated);
    assert_eq!(sandbox.bytes("again.parquet"), sandbox.bytes("run/scores.parquet"));

    let before = sandbox.bytes("run/checkpoints/best/weights.safetensors");
    let resumed = sandbox.tagwerk("resume run --json -").json();
    assert_eq!(resumed["test"], evaluated);
    assert_eq!(sandbox.bytes("run/checkpoints/best/weights.safetensors"), before);
}

#[test]
fn the_same_seed_gives_the_same_bits_with_any_number_of_threads() {
    let sandbox = Sandbox::new();
    for (run, options) in [
        ("a", "--seed 5 --threads 1"),
        ("b", "--seed 5 --threads 2"),
        ("c", "--seed 6"),
    ] {
        sandbox
            .tagwerk(&format!("train --tagger topodnn {SMALL} -o {run} {options}"))
            .good();
    }
    assert_eq!(sandbox.bytes("a/scores.parquet"), sandbox.bytes("b/scores.parquet"));
    assert_ne!(sandbox.bytes("a/scores.parquet"), sandbox.bytes("c/scores.parquet"));
}

#[test]
fn a_configuration_file_is_laid_under_the_options() {
    let sandbox = Sandbox::new();
    let text = "tagger = 'topodnn'\n[data]\ntrain_jets = 300\nvalidation_jets = 100\ntest_jets = 200\n[training]\nepochs = 9\nseed = 4\n";
    sandbox.write("small.toml", text);
    let trained = sandbox
        .tagwerk("train small.toml --epochs 1 --quiet --json told.json")
        .good();
    assert!(trained.stderr.is_empty(), "{trained:#?}");
    let told = sandbox.json_file("told.json");
    assert_eq!((&told["epochs"], &told["run"]), (&1.into(), &"runs/small".into()));
    let config = String::from_utf8(sandbox.bytes("runs/small/config.toml")).unwrap();
    assert!(
        config.contains("seed = 4") && config.contains("train_jets = 300") && config.contains("epochs = 1"),
        "{config}"
    );
}

#[test]
fn another_training_in_the_folder_of_a_run_is_refused() {
    let sandbox = Sandbox::new();
    sandbox
        .tagwerk(&format!("train --tagger topodnn {SMALL} -o run"))
        .good();
    let sentence = sandbox
        .tagwerk(&format!("train --tagger pfn {SMALL} -o run"))
        .sentence();
    assert!(
        sentence.contains("topodnn") && sentence.contains("pfn") && sentence.contains("-o"),
        "{sentence}"
    );
    assert!(sandbox.tagwerk("resume nowhere").sentence().contains("nowhere"));
}

#[test]
fn every_row_of_a_file_can_be_scored() {
    let sandbox = Sandbox::new();
    sandbox
        .tagwerk(&format!("train --tagger topodnn {SMALL} -o run"))
        .good();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/top_sample.parquet");
    let all = sandbox
        .tagwerk(&format!("score run {sample} --part all -o all.parquet --json -"))
        .json();
    assert_eq!(all["jets"], 10_000);
    let test = sandbox
        .tagwerk(&format!("score run {sample} -o test.parquet --json -"))
        .json();
    assert_eq!(test["jets"], 2_000);
}

#[test]
fn more_epochs_are_a_word_of_resume_and_stay_in_the_configuration() {
    let sandbox = Sandbox::new();
    sandbox
        .tagwerk(&format!("train --tagger topodnn {SMALL} -o run"))
        .good();
    for epochs in ["1", "2"] {
        let sentence = sandbox.tagwerk(&format!("resume run --epochs {epochs}")).sentence();
        assert!(
            sentence.contains(&format!("epochs = {epochs}; allowed: more than the 2 that are done")),
            "{sentence}"
        );
    }
    let told = sandbox.tagwerk("resume run --epochs 4 --json -").json();
    assert_eq!((&told["epochs"], &told["outcome"]), (&4.into(), &"finished".into()));
    let config = String::from_utf8(sandbox.bytes("run/config.toml")).unwrap();
    assert!(config.contains("epochs = 4"), "{config}");
    sandbox
        .tagwerk(&format!(
            "train --tagger topodnn {} -o whole",
            SMALL.replace("--epochs 2", "--epochs 4")
        ))
        .good();
    assert_eq!(
        sandbox.bytes("run/scores.parquet"),
        sandbox.bytes("whole/scores.parquet")
    );
}

#[test]
fn a_run_on_a_file_beside_it_is_resumed_from_another_folder() {
    let sandbox = Sandbox::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/top_sample.parquet");
    sandbox.write("jets.parquet", std::fs::read(sample).unwrap());
    sandbox
        .tagwerk(&format!("train --tagger topodnn --data jets.parquet {SMALL} -o run"))
        .good();
    std::fs::create_dir(sandbox.path("elsewhere")).unwrap();
    let output = sandbox
        .command("resume ../run --epochs 3")
        .current_dir(sandbox.path("elsewhere"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The same words in the first folder are still the same run.
    sandbox
        .tagwerk(&format!(
            "train --tagger topodnn --data jets.parquet {} -o run",
            SMALL.replace("--epochs 2", "--epochs 3")
        ))
        .good();
}

#[test]
fn jets_of_one_class_are_refused_before_the_training_with_the_part_and_the_counts() {
    let sandbox = Sandbox::new();
    let text =
        "tagger = 'topodnn'\n[data]\nsource = 'sample'\ntrain_jets = 100\nvalidation_jets = 100\ntest_jets = 1\n";
    sandbox.write("one.toml", text);
    let sentence = sandbox.tagwerk("train one.toml -o run").sentence();
    assert!(
        sentence.contains("the test part has") && sentence.contains("at least 1 of each"),
        "{sentence}"
    );
    assert!(!sandbox.path("run").exists());
}
