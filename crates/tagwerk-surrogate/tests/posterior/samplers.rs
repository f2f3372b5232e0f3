//! Samplers against posteriors that are known: a correlated Gaussian exactly, a logistic regression by quadrature.

use super::targets::{Gaussian, Logistic, moments};
use rayon::prelude::*;
use serde::Deserialize;
use tagwerk_surrogate::posterior::{
    AdamMcmcConfig, ChainsConfig, Draws, Energy, MalaConfig, Mode, Prior, Sampler, SghmcConfig, SgldConfig, Target,
    Tempering, TestOn, run_chains,
};

/// Mean and covariance of four chains, and the largest R-hat of a weight.
type Found = (Vec<f64>, Vec<f64>, f64);

/// Four chains from starts that differ by the width of the posterior.
fn sampled(sampler: &impl Sampler, target: &dyn Target, prior: Prior, steps: u64, every: u64) -> Found {
    let energy = Energy::new(target, Tempering::default(), prior).unwrap();
    let config = ChainsConfig {
        chains: 4,
        steps: steps + 4_000,
        burn_in: 4_000,
        every,
        batch: None,
        start_spread: 1.0,
        seed: 11,
    };
    let start = vec![0.0; target.weights()];
    let chains = run_chains(sampler, energy, &config, &[start], None, &|| true).unwrap();
    let stored: Vec<f32> = chains.iter().flat_map(|chain| chain.draws().to_vec()).collect();
    let draws = Draws::from_chains("test", &chains).unwrap();
    let weight = draws.record().weight.unwrap();
    let (mean, covariance) = moments(&stored, target.weights());
    (mean, covariance, weight.rhat_largest)
}

/// A name, and what samples.
type Run<'a> = (&'a str, Box<dyn Fn() -> Found + Sync + Send + 'a>);

fn frozen() -> AdamMcmcConfig {
    AdamMcmcConfig {
        mode: Mode::Frozen,
        learning_rate: 0.1,
        beta2: 0.999,
        sigma: 0.6,
        sigma_delta: 3.0,
        ..AdamMcmcConfig::default()
    }
}

fn mala(preconditioned: bool) -> MalaConfig {
    MalaConfig {
        step: 0.1,
        preconditioned,
        ..MalaConfig::default()
    }
}

fn hmc() -> MalaConfig {
    MalaConfig {
        step: 0.1,
        leapfrog: 5,
        target_acceptance: Some(0.8),
        ..MalaConfig::default()
    }
}

fn sghmc(scale_adapted: bool, step: f64) -> SghmcConfig {
    SghmcConfig {
        step,
        friction: 0.1,
        scale_adapted,
        gradient_noise: 0.0,
        resample_every: 0,
    }
}

fn sgld(step: f64) -> SgldConfig {
    SgldConfig {
        step,
        ..SgldConfig::default()
    }
}

/// Means 1 and -2, variances 1 and 0.25, covariance 0.3, each within 4 % of a standard deviation or variance.
#[test]
fn samplers_recover_a_correlated_gaussian() {
    let target = Gaussian::correlated();
    let flat = Prior::Flat;
    let runs: Vec<Run> = vec![
        ("mala", Box::new(|| sampled(&mala(false), &target, flat, 100_000, 2))),
        (
            "mala, preconditioned",
            Box::new(|| sampled(&mala(true), &target, flat, 100_000, 2)),
        ),
        ("hmc", Box::new(|| sampled(&hmc(), &target, flat, 40_000, 1))),
        (
            "adam-mcmc, frozen",
            Box::new(|| sampled(&frozen(), &target, flat, 200_000, 4)),
        ),
        (
            "sghmc",
            Box::new(|| sampled(&sghmc(false, 0.1), &target, flat, 400_000, 8)),
        ),
        (
            "sghmc, scale-adapted",
            Box::new(|| sampled(&sghmc(true, 0.1), &target, flat, 400_000, 8)),
        ),
        ("sgld", Box::new(|| sampled(&sgld(0.02), &target, flat, 1_000_000, 20))),
    ];
    let found: Vec<_> = runs.par_iter().map(|(name, run)| (*name, run())).collect();
    let mut faults = Vec::new();
    for (name, (mean, covariance, rhat)) in found {
        println!("{name}: {mean:?} {covariance:?}, R-hat {rhat}");
        if rhat > 1.02 {
            faults.push(format!("{name}: R-hat {rhat}"));
        }
        let off = [
            mean[0] - 1.0,
            2.0 * (mean[1] + 2.0),
            covariance[0] - 1.0,
            2.0 * (covariance[1] - 0.3),
            4.0 * (covariance[3] - 0.25),
        ];
        if off.iter().any(|off| off.abs() > 0.04) {
            faults.push(format!("{name}: off by {off:?}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[derive(Deserialize)]
struct Reference {
    x: Vec<f64>,
    y: Vec<f64>,
    prior_sigma: f64,
    mean: Vec<f64>,
    covariance: Vec<f64>,
}

/// A posterior that is no Gaussian: 20 events, prior N(0, 2^2). The reference integrates on a grid
/// (`tests/reference/surrogate_logistic.py`).
#[test]
fn samplers_recover_a_logistic_regression() {
    let text = include_str!("../../../../tests/reference/data/surrogate_logistic.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    let target = Logistic::new(reference.x, reference.y);
    let prior = Prior::Gaussian {
        sigma: reference.prior_sigma,
    };
    let exact = AdamMcmcConfig {
        test_on: TestOn::AllData,
        ..frozen()
    };
    let runs: Vec<Run> = vec![
        ("mala", Box::new(|| sampled(&mala(false), &target, prior, 100_000, 2))),
        ("hmc", Box::new(|| sampled(&hmc(), &target, prior, 40_000, 1))),
        ("adam-mcmc", Box::new(|| sampled(&exact, &target, prior, 100_000, 2))),
        (
            "sghmc",
            Box::new(|| sampled(&sghmc(true, 0.1), &target, prior, 200_000, 4)),
        ),
        ("sgld", Box::new(|| sampled(&sgld(0.02), &target, prior, 400_000, 10))),
    ];
    let found: Vec<_> = runs.par_iter().map(|(name, run)| (*name, run())).collect();
    let mut faults = Vec::new();
    for (name, (mean, covariance, rhat)) in found {
        println!("{name}: {mean:?} {covariance:?}, R-hat {rhat}");
        if rhat > 1.02 {
            faults.push(format!("{name}: R-hat {rhat}"));
        }
        for (i, (found, expected)) in mean.iter().zip(&reference.mean).enumerate() {
            let spread = reference.covariance[3 * i].sqrt();
            if (found - expected).abs() > 0.05 * spread {
                faults.push(format!("{name}: mean {i} {found}, reference {expected}"));
            }
        }
        let size = (reference.covariance[0] * reference.covariance[3]).sqrt();
        for (k, &scale) in [reference.covariance[0], size, size, reference.covariance[3]]
            .iter()
            .enumerate()
        {
            if (covariance[k] - reference.covariance[k]).abs() > 0.05 * scale {
                faults.push(format!(
                    "{name}: covariance {k} {}, reference {}",
                    covariance[k], reference.covariance[k]
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// lambda narrows the posterior as 1 / lambda, and mean and sum with lambda_mean = N lambda_sum are one posterior.
#[test]
fn lambda_and_its_reduction_do_what_they_say() {
    let target = super::targets::Linear::simulated(50, 2, 3);
    let run = |lambda, reduction| {
        let tempering = Tempering { lambda, reduction };
        let energy = Energy::new(&target, tempering, Prior::Flat).unwrap();
        let config = ChainsConfig {
            chains: 2,
            steps: 22_000,
            burn_in: 2_000,
            every: 1,
            batch: None,
            ..ChainsConfig::default()
        };
        let sampler = mala(false);
        let chains = run_chains(&sampler, energy, &config, &[vec![1.0, 1.0]], None, &|| true).unwrap();
        let draws = Draws::from_chains("test", &chains).unwrap();
        let all: Vec<f32> = draws.iter().flatten().copied().collect();
        (draws.record().lambda_per_datum, moments(&all, 2).1[0])
    };
    use tagwerk_surrogate::posterior::Reduction::{Mean, Sum};
    let (sum_per_datum, sum) = run(1.0, Sum);
    let (mean_per_datum, mean) = run(50.0, Mean);
    assert_eq!((sum_per_datum, mean_per_datum), (1.0, 1.0));
    assert!((mean / sum - 1.0).abs() < 1e-6, "the same steps: {mean} {sum}");
    let (per_datum, hot) = run(5.0, Mean);
    assert!((per_datum - 0.1).abs() < 1e-12);
    assert!((hot / sum - 10.0).abs() < 1.0, "{hot} {sum}");
}

/// SGLD's error is of the order of its step: too large a step must show.
#[test]
fn a_large_step_without_a_test_is_wide() {
    let target = Gaussian::correlated();
    let (_, covariance, _) = sampled(&sgld(0.2), &target, Prior::Flat, 200_000, 2);
    assert!(covariance[3] > 1.08 * 0.25, "{covariance:?}");
}
