//! The flow against PyTorch: velocities, losses, likelihoods and all their gradients, in both precisions.
//!
//! `tests/reference/surrogate_cfm.py` computes the numbers in double precision by automatic differentiation of the network
//! as it is written. Here the network is folded, its derivatives are by hand.

// Helpers of tests may unwrap as tests may.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde::Deserialize;
use std::collections::BTreeMap;
use tagwerk_surrogate::exact;
use tagwerk_surrogate::{
    ExactLikelihood, Examples, Fixed, Pairs, Real, Scheme, Solver, Times, Velocity, VelocityConfig, VelocityNet,
    matching_loss,
};

#[derive(Deserialize)]
struct Reference {
    parameters: BTreeMap<String, usize>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    scores: usize,
    conditions: usize,
    width: usize,
    weights: Vec<f64>,
    t: Vec<f64>,
    x: Vec<f64>,
    z: Vec<f64>,
    c: Vec<f64>,
    y: Vec<f64>,
    u: Vec<f64>,
    v: Vec<f64>,
    divergence: Vec<f64>,
    cfm_loss: f64,
    cfm_gradient: Vec<f64>,
    likelihoods: Vec<Likelihood>,
}

#[derive(Deserialize)]
struct Likelihood {
    scheme: Scheme,
    steps: u32,
    log_prob: Vec<f64>,
    nll_gradient: Option<Vec<f64>>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../tests/reference/data/surrogate_cfm.json")).unwrap()
}

impl Case {
    fn net(&self) -> VelocityNet {
        let config = VelocityConfig {
            width: self.width,
            ..VelocityConfig::default()
        };
        VelocityNet::new(config, self.scores, self.conditions).unwrap()
    }

    fn pairs<T: Real>(&self) -> Pairs<T> {
        Pairs {
            times: self.t.clone(),
            y: cast(&self.y),
            u: cast(&self.u),
            c: cast(&self.c),
        }
    }
}

fn cast<T: Real>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::of(v)).collect()
}

/// Largest difference, relative to the largest of the expected numbers.
fn off<T: Real>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1e-300, |a: f64, e| a.max(e.abs()));
    let pairs = found.iter().zip(expected);
    pairs.map(|(f, e)| (f.wide() - e).abs() / scale).fold(0.0, f64::max)
}

fn in_precision<T: Real>(tolerance: f64) {
    for case in reference().cases {
        let net = case.net();
        let theta: Vec<T> = cast(&case.weights);
        assert_eq!(theta.len(), net.parameter_count());
        let c: Vec<T> = cast(&case.c);
        let name = format!("{} scores", case.scores);

        let v = net.velocity(&theta, &case.t, &case.y, &c).unwrap();
        assert!(off(&v, &case.v) < tolerance, "{name}: v");
        let folded = net.fold(&theta).unwrap();
        let conditioned = folded.condition(&c).unwrap();
        let jets: Vec<u32> = (0..case.t.len() as u32).collect();
        let (mut v, mut divergence) = (vec![0.0; case.v.len()], vec![0.0; jets.len()]);
        let times = Times::Each(&case.t);
        conditioned.evaluate(
            &mut Default::default(),
            &jets,
            times,
            &case.y,
            &mut v,
            Some(&mut divergence),
        );
        assert!(off(&v, &case.v) < tolerance, "{name}: v beside its divergence");
        assert!(off(&divergence, &case.divergence) < tolerance, "{name}: divergence");
        // One time for all rows goes another way through the first layers.
        let mut one = vec![0.0; case.v.len()];
        let t = case.t[3];
        conditioned.evaluate(
            &mut Default::default(),
            &jets,
            Times::Shared(t),
            &case.y,
            &mut one,
            None,
        );
        let d = case.scores;
        assert!(
            off(&one[3 * d..4 * d], &case.v[3 * d..4 * d]) < tolerance,
            "{name}: v at a shared time"
        );

        let mut gradient = vec![T::ZERO; theta.len()];
        let loss = matching_loss(&net, &theta, &case.pairs(), Some(&mut gradient)).unwrap();
        assert!(
            (loss / case.cfm_loss - 1.0).abs() < tolerance,
            "{name}: loss {loss} {}",
            case.cfm_loss
        );
        assert!(
            off(&gradient, &case.cfm_gradient) < tolerance,
            "{name}: {}",
            off(&gradient, &case.cfm_gradient)
        );

        for likelihood in &case.likelihoods {
            let steps = Fixed {
                scheme: likelihood.scheme,
                steps: likelihood.steps,
            };
            let found = exact::encode(&conditioned, &Solver::Fixed(steps), &jets, &case.x).unwrap();
            let log_prob = off(&found.log_prob, &likelihood.log_prob);
            assert!(log_prob < tolerance, "{name} {steps:?}: {log_prob}");
            let Some(expected) = &likelihood.nll_gradient else {
                continue;
            };
            let x: Vec<T> = cast(&case.x);
            let examples = Examples::new(&x, &c, 1, case.conditions).unwrap();
            let rows: Vec<usize> = (0..x.len()).collect();
            let exact = ExactLikelihood { steps };
            let mut gradient = vec![T::ZERO; theta.len()];
            let loss = exact
                .loss_and_gradient(&net, &theta, examples, &rows, &mut gradient)
                .unwrap();
            let mean = -likelihood.log_prob.iter().sum::<f64>() / x.len() as f64;
            assert!((loss - mean).abs() < tolerance * (1.0 + mean.abs()), "{name} {steps:?}");
            assert!((exact.loss(&net, &theta, examples, &rows).unwrap() - mean).abs() < tolerance * (1.0 + mean.abs()));
            assert!(
                off(&gradient, expected) < tolerance,
                "{name} {steps:?}: {}",
                off(&gradient, expected)
            );
        }
    }
}

#[test]
fn in_double_precision_everything_is_pytorchs() {
    in_precision::<f64>(1e-11);
}

#[test]
fn in_single_precision_everything_is_pytorchs_to_the_digits_of_f32() {
    in_precision::<f32>(2e-5);
}

#[test]
fn parameters_are_as_many_as_pytorch_counts() {
    for (conditions, count) in reference().parameters {
        let net = VelocityNet::new(VelocityConfig::default(), 1, conditions.parse().unwrap()).unwrap();
        assert_eq!(net.parameter_count(), count);
    }
}

/// x of the reference cases, moved by the noise that made y: holds the path's formula to the script's.
#[test]
fn the_path_is_the_scripts() {
    for case in reference().cases {
        for i in 0..case.x.len() {
            let t = case.t[i / case.scores];
            let (x, z) = (case.x[i], case.z[i]);
            assert!(((1.0 - t) * x + (1e-4 + (1.0 - 1e-4) * t) * z - case.y[i]).abs() < 1e-14);
        }
    }
}

/// The diffusion model: `tests/reference/surrogate_ddpm.py`.
#[test]
fn the_diffusion_model_is_pytorchs() {
    #[derive(Deserialize)]
    struct Ddpm {
        parameters: usize,
        weights: Vec<f64>,
        x: Vec<f64>,
        times: Vec<f64>,
        c: Vec<f64>,
        noise: Vec<f64>,
        loss: f64,
        gradient: Vec<f64>,
        running: Vec<f64>,
        prediction: Vec<f64>,
    }
    let expected: Ddpm =
        serde_json::from_str(include_str!("../../../tests/reference/data/surrogate_ddpm.json")).unwrap();
    let of = |width, conditions| {
        let config = tagwerk_surrogate::DdpmConfig {
            width,
            ..Default::default()
        };
        tagwerk_surrogate::Ddpm::new(config, conditions).unwrap()
    };
    assert_eq!(of(256, 16).parameter_count(), expected.parameters);
    let model = of(5, 3);
    let mut weights = model.init(0);
    weights.theta = cast(&expected.weights);
    let batch = tagwerk_surrogate::NoisyBatch {
        x: cast(&expected.x),
        times: cast(&expected.times),
        c: cast(&expected.c),
        noise: cast(&expected.noise),
    };
    let mut gradient = vec![0.0; model.parameter_count()];
    let loss = model
        .loss_and_gradient(&mut weights, &batch, false, &mut gradient)
        .unwrap();
    assert!((loss / expected.loss - 1.0).abs() < 1e-5, "{loss} {}", expected.loss);
    assert!(
        off(&gradient, &expected.gradient) < 1e-5,
        "{}",
        off(&gradient, &expected.gradient)
    );
    assert!(off(&weights.running, &expected.running) < 1e-6);
    assert!(off(&model.predict(&weights, &batch).unwrap(), &expected.prediction) < 1e-5);
}
