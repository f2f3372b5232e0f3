//! The same with real signals: this test runs itself as a child process, kills it (SIGKILL) several times at moments
//! spread over its work, and compares the final bits.

use crate::toy::{self, Data, Toy, bits};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tagwerk_data::random;
use tagwerk_train::*;

const MARKER: &str = "TAGWERK_TRAIN_KILL_TEST_RUN";

fn settings() -> TrainingConfig {
    let mut config = toy::config(6);
    config.checkpoint.every_steps = 2;
    config
}

/// The child: trains in the folder that the environment names. Without the variable there is nothing to do.
#[test]
fn child_trains_where_the_environment_says() {
    let Ok(path) = std::env::var(MARKER) else { return };
    let mut learner = Toy {
        pause: Duration::from_millis(2),
        ..Toy::new(1)
    };
    toy::train(Path::new(&path), settings(), &mut learner, &Data::new()).unwrap();
}

fn child(path: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill_and_resume::child_trains_where_the_environment_says"])
        .env(MARKER, path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[cfg(unix)]
#[test]
fn a_run_killed_again_and_again_ends_in_the_bits_of_one_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    // The time one run takes from its start here and now: the kills are spread over it.
    let start = Instant::now();
    assert!(child(&whole).wait().unwrap().success());
    let length = start.elapsed().as_millis() as u64;
    let expected = bits(&whole);

    let mut rng = random::stream(20_261_122, "kill", 0);
    let mut longest_wait = length / 2;
    let mut midway = 0;
    for run in 0..12 {
        let path = dir.path().join(format!("killed-{run}"));
        let before = midway;
        for _ in 0..8 {
            let mut process = child(&path);
            std::thread::sleep(Duration::from_millis(random::below(&mut rng, longest_wait)));
            process.kill().unwrap(); // SIGKILL
            process.wait().unwrap();
            let last = |run: RunFolder| run.checkpoints().progress(CheckpointKind::Last).ok().flatten();
            match RunFolder::open(&path).ok().and_then(last) {
                Some(progress) if progress.ending.is_some() => break,
                Some(_) => midway += 1,
                None => {} // killed before the first checkpoint
            }
        }
        // The last time in this process: the dead one's lock must be gone.
        let outcome = toy::train(&path, settings(), &mut Toy::new(1), &Data::new()).unwrap();
        assert!(matches!(outcome, Outcome::Finished(_)));
        assert_eq!(bits(&path), expected, "run {run}");
        if midway == before {
            longest_wait = (longest_wait / 2).max(2); // the machine has become faster since the length was taken
        }
        if run >= 2 && midway >= 10 {
            return;
        }
    }
    assert!(midway > 0, "no kill hit a training between two checkpoints");
}
