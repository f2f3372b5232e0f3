//! What is typed wrongly, and what is typed to learn.

use crate::sandbox::Sandbox;
use std::process::Stdio;

#[test]
fn wrong_usage_ends_with_code_2_and_says_what_is_wrong() {
    let sandbox = Sandbox::new();
    for (words, told) in [
        ("", "Usage"),
        ("landscpe", "landscpe"),
        ("train", "--tagger"),
        ("train a.toml --tagger pfn", "cannot be used with"),
        ("taggers --threads 0", "--threads"),
        ("taggers --threads 100000", "4096"),
        ("taggers --seed=-1", "--seed"),
        ("score runs/a", "--output"),
        ("evaluate", "SCORES"),
        ("evaluate a.csv --working-points 0", "working point 0"),
        ("resume runs/a --seed 3", "keeps its seed"),
        ("data", "Usage"),
        ("completions tcsh", "tcsh"),
    ] {
        let ran = sandbox.tagwerk(words);
        assert_eq!(ran.code, 2, "{words}: {ran:#?}");
        assert!(ran.stderr.contains(told) && ran.stdout.is_empty(), "{words}: {ran:#?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output_with_code_0() {
    let sandbox = Sandbox::new();
    for words in ["--help", "landscape --help", "train -h", "data --help", "help evaluate"] {
        let ran = sandbox.tagwerk(words).good();
        assert!(
            ran.stdout.contains("Usage: tagwerk") && ran.stderr.is_empty(),
            "{words}: {ran:#?}"
        );
    }
    assert!(sandbox.tagwerk("landscape --help").stdout.contains("Examples:"));
    assert_eq!(
        sandbox.tagwerk("--version").good().stdout.trim(),
        concat!("tagwerk ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn completions_know_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.tagwerk(&format!("completions {shell}")).good().stdout;
        assert!(
            script.contains("landscape") && script.contains("working-points"),
            "{shell}: {script}"
        );
    }
}

#[test]
fn an_unknown_device_is_refused_before_anything_is_made() {
    let sandbox = Sandbox::new();
    let sentence = sandbox.tagwerk("train --tagger pfn --device tpu -o run").sentence();
    assert!(sentence.contains("tpu") && sentence.contains("cuda:N"), "{sentence}");
    assert!(!sandbox.path("run").exists());
}

#[test]
fn a_json_file_that_cannot_be_written_is_told_before_the_work() {
    let sandbox = Sandbox::new();
    let sentence = sandbox
        .tagwerk("train --tagger pfn -o run --json no/where.json")
        .sentence();
    assert!(sentence.contains("no/where.json"), "{sentence}");
    assert!(!sandbox.path("run").exists());
}

#[cfg(unix)]
#[test]
fn a_device_file_is_never_replaced_by_a_result() {
    let sandbox = Sandbox::new();
    sandbox.tagwerk("taggers --json /dev/null").good();
    let sentence = sandbox.tagwerk("score run -o /dev/null").sentence();
    assert!(sentence.contains("/dev/null"), "{sentence}");
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_reader_that_goes_away_ends_the_program_in_silence() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .command("completions bash")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
