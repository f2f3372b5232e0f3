//! Trainings that are killed or stopped end in the same bits as one left alone.

use crate::sandbox::Sandbox;
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CONFIG: &str = "tagger = 'pfn'
[data]
train_jets = 1500
validation_jets = 300
test_jets = 400
[training]
epochs = 4
batch_size = 32
seed = 11
[training.checkpoint]
every_steps = 5
";

/// Steps done as far as the run folder tells.
fn steps(sandbox: &Sandbox) -> u64 {
    let text = std::fs::read(sandbox.path("run/status.json")).unwrap_or_default();
    serde_json::from_slice::<Value>(&text)
        .ok()
        .and_then(|status| status["step"].as_u64())
        .unwrap_or(0)
}

fn start(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command("train run.toml -o run --threads 1");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the training has done more than `step` steps; false when it ended before.
fn reaches(child: &mut Child, sandbox: &Sandbox, step: u64) -> bool {
    let deadline = Instant::now() + Duration::from_secs(120);
    while steps(sandbox) <= step {
        assert!(Instant::now() < deadline, "no step in two minutes");
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.try_wait().unwrap().is_none()
}

fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// The bits that must not depend on how often a training was stopped.
fn bits(sandbox: &Sandbox) -> [Vec<u8>; 3] {
    [
        "run/scores.parquet",
        "run/checkpoints/best/weights.safetensors",
        "run/checkpoints/last/weights.safetensors",
    ]
    .map(|file| sandbox.bytes(file))
}

fn left_alone() -> [Vec<u8>; 3] {
    let sandbox = Sandbox::new();
    sandbox.write("run.toml", CONFIG);
    sandbox.tagwerk("train run.toml -o run --threads 1").good();
    bits(&sandbox)
}

#[test]
fn a_training_killed_again_and_again_ends_in_the_bits_of_one_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("run.toml", CONFIG);
    let mut kills = 0;
    // Moments within a step, a checkpoint or a validation, in no fixed relation to any of them.
    let mut moment: u64 = 1;
    while kills < 8 {
        let mut child = start(&sandbox);
        let step = steps(&sandbox);
        if !reaches(&mut child, &sandbox, step) {
            break;
        }
        moment = moment * 48_271 % 2_147_483_647;
        std::thread::sleep(Duration::from_micros(moment % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills >= 2, "the training was too fast to be killed");
    sandbox.tagwerk("resume run --threads 1").good();
    assert_eq!(bits(&sandbox), left_alone());
}

#[test]
fn ctrl_c_stops_with_a_checkpoint_and_says_how_to_go_on() {
    let sandbox = Sandbox::new();
    sandbox.write("run.toml", CONFIG);
    let mut child = start(&sandbox);
    assert!(
        reaches(&mut child, &sandbox, 0),
        "the training ended before it could be stopped"
    );
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("tagwerk: stopped after") && told.contains("tagwerk resume run"),
        "{told}"
    );
    let status = sandbox.json_file("run/status.json");
    assert_eq!(status["state"], "stopped");
    assert!(!sandbox.path("run/scores.parquet").exists());
    sandbox.tagwerk("resume run --threads 1").good();
    assert_eq!(bits(&sandbox), left_alone());
}

#[test]
fn a_second_process_in_the_folder_is_turned_away() {
    let sandbox = Sandbox::new();
    sandbox.write("run.toml", CONFIG);
    let mut child = start(&sandbox);
    assert!(reaches(&mut child, &sandbox, 0));
    let id = child.id().to_string();
    let sentence = sandbox.tagwerk("resume run").sentence();
    assert!(sentence.contains("in use") && sentence.contains(&id), "{sentence}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_stopped_landscape_goes_on_with_the_same_command() {
    let sandbox = Sandbox::new();
    let words = "landscape --taggers topodnn,pfn --trainings 2 --jets 1500 --validation-jets 200 --test-jets 400 \
                 --epochs 4 --bootstrap 10 -o land --threads 1";
    let mut child = sandbox
        .command(words)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let begun = |sandbox: &Sandbox| {
        sandbox
            .path("land")
            .read_dir()
            .is_ok_and(|mut folders| folders.next().is_some())
    };
    while !begun(&sandbox) && child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("trainings done; the same command goes on: tagwerk landscape --taggers"),
        "{told}"
    );
    let counted = |told: &str| -> usize {
        let (_, rest) = told.split_once("stopped with ").unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    let finished = ["topodnn-1", "topodnn-2", "pfn-1", "pfn-2"]
        .iter()
        .filter(|run| sandbox.path(&format!("land/{run}/scores.parquet")).is_file())
        .count();
    assert_eq!(counted(&told), finished, "{told}");
    let ran = sandbox.tagwerk(words).good();
    assert!(ran.stdout.contains("published"), "{ran:#?}");
}
