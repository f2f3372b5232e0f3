//! One configuration, one call, any method.

use super::targets::{Linear, moments};
use std::sync::atomic::{AtomicUsize, Ordering};
use tagwerk_surrogate::SurrogateError;
use tagwerk_surrogate::posterior::{Checkpoints, Draws, PosteriorConfig, Surroundings, Target, TrainMember, infer};

const SCHEDULE: &str = "
[prior]
kind = 'gaussian'
sigma = 3.0
[chains]
chains = 2
steps = 12000
burn_in = 2000
every = 10
";

fn run(method: &str, target: &dyn Target) -> Result<Draws, SurrogateError> {
    let config: PosteriorConfig = toml::from_str(&format!("draws = 2000\n[method]\n{method}\n{SCHEDULE}")).unwrap();
    let around = Surroundings {
        model: "regression",
        checkpoints: None,
        goes_on: &|| true,
        train: None,
    };
    Ok(infer(&config, target, &[1.0, 1.0], &around)?.unwrap())
}

/// A regression whose posterior every method should get about right; how well is the methods' own tests' affair.
#[test]
fn every_method_runs_from_its_configuration() {
    let target = Linear::simulated(100, 2, 5);
    for (method, name, wide) in [
        (
            "kind = 'adam-mcmc'\nmode = 'frozen'\nlearning_rate = 0.01\nsigma = 0.1\nsigma_delta = 1.0",
            "adam-mcmc",
            0.5..2.0,
        ),
        ("kind = 'mala'\nstep = 0.05", "mala", 0.5..2.0),
        ("kind = 'mala'\nstep = 0.05\nleapfrog = 4", "hmc", 0.5..2.0),
        ("kind = 'sgld'\nstep = 1e-3", "sgld", 0.5..2.0),
        (
            "kind = 'sghmc'\nstep = 0.02\ngradient_noise = 0.0",
            "sghmc-scale-adapted",
            0.5..2.0,
        ),
        ("kind = 'variational'\nlearning_rate = 2e-3", "variational", 0.5..2.0),
        ("kind = 'laplace'\nsubset = { kind = 'all' }", "laplace", 0.5..2.0),
        // The width of SWAG is that of the descent, here without minibatches.
        ("kind = 'swag'\n[method.descent]\nlearning_rate = 0.1", "swag", 0.0..0.1),
    ] {
        let draws = run(method, &target).unwrap();
        assert_eq!(draws.record().method, name);
        assert_eq!(draws.record().model, "regression");
        assert!(draws.record().settings.is_object());
        let all: Vec<f32> = draws.iter().flatten().copied().collect();
        let (mean, covariance) = moments(&all, 2);
        assert!(mean.iter().all(|m| (m - 1.0).abs() < 0.4), "{name}: {mean:?}");
        // 100 events of unit noise and unit features.
        assert!(wide.contains(&(100.0 * covariance[0])), "{name}: {covariance:?}");
    }
}

#[test]
fn unknown_keys_of_a_method_are_refused() {
    let read = |text: &str| toml::from_str::<PosteriorConfig>(text).map_err(|e| e.to_string());
    assert!(read("[method]\nkind = 'mala'\nstep = 0.1").is_ok());
    let message = read("[method]\nkind = 'mala'\nsigma = 0.1").unwrap_err();
    assert!(message.contains("sigma"), "{message}");
    let message = read("[method]\nkind = 'nuts'").unwrap_err();
    assert!(message.contains("nuts") && message.contains("adam-mcmc"), "{message}");
    assert!(read("lambda = 3").is_err());
}

/// Stopped, nothing is returned that could be taken for a posterior; run again, it ends as if it had not been.
#[test]
fn a_stopped_run_is_no_posterior_and_goes_on() {
    let target = Linear::simulated(100, 2, 5);
    let config: PosteriorConfig = toml::from_str(&format!("[method]\nkind = 'mala'\nstep = 0.05\n{SCHEDULE}")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints {
        folder: folder.path().to_path_buf(),
        every: 1_000,
    };
    let asked = AtomicUsize::new(0);
    let run = |limit: usize, checkpoints: Option<&Checkpoints>| {
        let goes_on = || asked.fetch_add(1, Ordering::Relaxed) < limit;
        let around = Surroundings {
            model: "regression",
            checkpoints,
            goes_on: &goes_on,
            train: None,
        };
        infer(&config, &target, &[1.0, 1.0], &around).unwrap()
    };
    assert_eq!(run(6, Some(&checkpoints)), None);
    let resumed = run(usize::MAX, Some(&checkpoints)).unwrap();
    assert_eq!(Some(resumed), run(usize::MAX, None));
}

/// An ensemble is made of the trainings that it is given, one seed each; without any it is refused, and of one that was
/// stopped nothing comes that could be taken for an ensemble.
#[test]
fn an_ensemble_takes_the_trainings_that_it_is_given() {
    let target = Linear::simulated(100, 2, 5);
    let config: PosteriorConfig = toml::from_str("[method]\nkind = 'ensemble'\nmembers = 3\nseed = 4").unwrap();
    let run = |train: Option<&TrainMember>| {
        let around = Surroundings {
            model: "regression",
            checkpoints: None,
            goes_on: &|| true,
            train,
        };
        infer(&config, &target, &[1.0, 1.0], &around)
    };
    let draws = run(Some(&|member| Ok(Some(vec![member.index as f32, 1.0]))))
        .unwrap()
        .unwrap();
    assert_eq!(
        draws.iter().map(|weights| weights[0]).collect::<Vec<_>>(),
        [0.0, 1.0, 2.0]
    );
    let record = draws.record();
    assert_eq!((record.method.as_str(), record.draws), ("ensemble", 3));
    assert!(record.schedule.is_none() && record.notes.len() == 1);
    let stopped = run(Some(&|member| Ok((member.index != 1).then(|| vec![0.0, 0.0])))).unwrap();
    assert_eq!(stopped, None);
    assert!(run(None).unwrap_err().to_string().contains("ensemble"));
}
