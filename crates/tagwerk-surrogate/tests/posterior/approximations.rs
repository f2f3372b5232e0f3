//! SWAG, Laplace and ensembles where the answer is known: on quadratic losses.

use super::targets::{Gaussian, Linear, Logistic, moments};
use faer::Mat;
use faer::linalg::solvers::DenseSolveCore;
use proptest::prelude::*;
use tagwerk_data::random::{normal, stream};
use tagwerk_surrogate::posterior::{
    ChainsConfig, Curvature, DescentConfig, Energy, EnsembleConfig, Laplace, LaplaceConfig, OnRows, Part, Prior, Rule,
    Subset, Swag, SwagConfig, Target, Tempering, run_chains, train_ensemble,
};

fn energy(target: &dyn Target) -> Energy<'_> {
    Energy::new(target, Tempering::default(), Prior::Flat).unwrap()
}

fn all_weights(curvature: Curvature) -> LaplaceConfig {
    LaplaceConfig {
        subset: Subset::All,
        curvature,
        floor: 1e-12,
    }
}

/// Descends to the optimum with all data.
fn optimum(target: &dyn Target, prior: Prior, rate: f64) -> Vec<f64> {
    let energy = Energy::new(target, Tempering::default(), prior).unwrap();
    let sampler = DescentConfig {
        learning_rate: rate,
        ..DescentConfig::default()
    };
    let config = ChainsConfig {
        chains: 1,
        steps: 1_000,
        every: 1_000,
        batch: None,
        ..ChainsConfig::default()
    };
    let start = vec![0.0; target.weights()];
    let chains = run_chains(&sampler, energy, &config, &[start], None, &|| true).unwrap();
    chains[0].weights().to_vec()
}

/// The posterior of a quadratic loss is a Gaussian, which the Laplace approximation finds exactly.
#[test]
fn laplace_is_exact_on_a_quadratic_loss() {
    let target = Gaussian::correlated();
    let config = all_weights(Curvature::Hessian { step: 1e-4 });
    let laplace = Laplace::fit(&config, &energy(&target), &target.mean).unwrap();
    for (i, j, expected) in [(0, 0, 1.0), (0, 1, 0.3), (1, 0, 0.3), (1, 1, 0.25)] {
        assert!((laplace.covariance(i, j) - expected).abs() < 1e-8, "{i} {j}");
    }
    let draws = laplace.draws(5, 100_000);
    let (mean, covariance) = moments(&draws, 2);
    // Five standard errors.
    assert!(
        (mean[0] - 1.0).abs() < 0.016 && (mean[1] + 2.0).abs() < 0.008,
        "{mean:?}"
    );
    assert!(
        (covariance[0] - 1.0).abs() < 0.023 && (covariance[1] - 0.3).abs() < 0.01,
        "{covariance:?}"
    );
    assert_eq!(draws[..6], laplace.draws(5, 3)[..], "draw d is a function of (seed, d)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    /// Linear regression: the covariance is (lambda X^T X + 1 / sigma^2)^-1, for any data, prior and lambda.
    #[test]
    fn laplace_of_a_regression_is_its_posterior(seed in 0u64..1000, lambda in 0.1f64..3.0, sigma in 0.3f64..3.0) {
        let target = Linear::simulated(12, 3, seed);
        let tempering = Tempering { lambda, ..Tempering::default() };
        let energy = Energy::new(&target, tempering, Prior::Gaussian { sigma }).unwrap();
        let config = all_weights(Curvature::Hessian { step: 1e-3 });
        let laplace = Laplace::fit(&config, &energy, &[0.3, -0.2, 1.0]).unwrap();
        let precision = Mat::from_fn(3, 3, |i, j| {
            let product: f64 = target.x.chunks_exact(3).map(|x| x[i] * x[j]).sum();
            lambda * product + if i == j { sigma.powi(-2) } else { 0.0 }
        });
        let covariance = precision.partial_piv_lu().inverse();
        for i in 0..3 {
            for j in 0..3 {
                let (found, expected) = (laplace.covariance(i, j), covariance[(i, j)]);
                prop_assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{found} {expected}");
            }
        }
    }
}

/// On a subset the others stand still, and the covariance is that of the conditional: 1 / precision_22.
#[test]
fn laplace_on_a_subset_leaves_the_others_alone() {
    let target = Gaussian::correlated();
    let config = LaplaceConfig {
        subset: Subset::Range { begin: 1, end: 2 },
        ..all_weights(Curvature::Hessian { step: 1e-4 })
    };
    let laplace = Laplace::fit(&config, &energy(&target), &target.mean).unwrap();
    assert!((laplace.covariance(0, 0) - 0.16).abs() < 1e-8, "1 / precision");
    let draws = laplace.draws(1, 50);
    assert!(draws.chunks_exact(2).all(|draw| draw[0] == 1.0));
    assert!(draws.chunks_exact(2).any(|draw| draw[1] != -2.0));
}

/// With the loss -log p of a true model, outer products of gradients estimate the Hessian.
#[test]
fn the_empirical_fisher_agrees_with_the_hessian_of_a_true_model() {
    let target = Logistic::simulated(20_000, 8);
    let center = optimum(&target, Prior::Flat, 0.5);
    let fit = |curvature| Laplace::fit(&all_weights(curvature), &energy(&target), &center).unwrap();
    let (hessian, fisher) = (fit(Curvature::Hessian { step: 1e-4 }), fit(Curvature::EmpiricalFisher));
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
        let ratio = fisher.covariance(i, j) / hessian.covariance(i, j);
        assert!((ratio - 1.0).abs() < 0.05, "{i} {j}: {ratio}");
    }
}

#[test]
fn curvature_that_says_nothing_is_refused_or_counted() {
    let target = Gaussian::correlated();
    let fit = |config: &LaplaceConfig, target: &dyn Target, at: &[f64]| Laplace::fit(config, &energy(target), at);
    let too_far = LaplaceConfig {
        subset: Subset::Range { begin: 1, end: 3 },
        ..LaplaceConfig::default()
    };
    let message = fit(&too_far, &target, &target.mean).unwrap_err().to_string();
    assert!(message.contains("1..3"), "{message}");
    // A saddle: one direction falls.
    let saddle = Gaussian {
        mean: vec![0.0, 0.0],
        precision: vec![1.0, 0.0, 0.0, -1.0],
    };
    let config = all_weights(Curvature::Hessian { step: 1e-4 });
    assert_eq!(fit(&config, &saddle, &[0.0, 0.0]).unwrap().raised(), 1);
    // Where the data curve the wrong way, the prior stays: 1 / 0.5^2, and 1 / 0.5^2 + 1 where they do not.
    let prior = Prior::Gaussian { sigma: 0.5 };
    let energy = Energy::new(&saddle, Tempering::default(), prior).unwrap();
    let laplace = Laplace::fit(&config, &energy, &[0.0, 0.0]).unwrap();
    assert_eq!(laplace.raised(), 1);
    assert!(
        (laplace.covariance(0, 0) - 1.0 / 5.0).abs() < 1e-6,
        "{}",
        laplace.covariance(0, 0)
    );
    assert!(
        (laplace.covariance(1, 1) - 1.0 / 4.0).abs() < 1e-6,
        "{}",
        laplace.covariance(1, 1)
    );
    let hill = Gaussian {
        mean: vec![0.0],
        precision: vec![-1.0],
    };
    assert!(fit(&config, &hill, &[0.0]).is_err());
    assert!(fit(&config, &target, &[f64::NAN, 0.0]).is_err());
}

/// Snapshots that are draws of a Gaussian: with the published half diagonal, variances are right and covariances
/// halved; without a diagonal it is the covariance of the snapshots.
#[test]
fn swag_has_the_covariance_of_its_snapshots() {
    let mut rng = stream(2, "test", 0);
    // Variances 1 and 0.25, covariance 0.3.
    let snapshots: Vec<f32> = (0..400)
        .flat_map(|_| {
            let (a, b) = (normal(&mut rng), normal(&mut rng));
            [(1.0 + a) as f32, (-2.0 + 0.3 * a + 0.4 * b) as f32]
        })
        .collect();
    let (mean, covariance) = moments(&snapshots, 2);
    let unbiased = 400.0 / 399.0;
    let fit = |diagonal| Swag::fit(&SwagConfig { rank: 400, diagonal }, &snapshots, 2).unwrap();
    let (published, full) = (fit(0.5), fit(0.0));
    for (i, m) in mean.iter().enumerate() {
        assert!((published.mean()[i] - m).abs() < 1e-6);
    }
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
        let expected = unbiased * covariance[2 * i + j];
        let halved = if i == j { expected } else { 0.5 * expected };
        assert!((full.covariance(i, j) - expected).abs() < 1e-5, "{i} {j}");
        assert!((published.covariance(i, j) - halved).abs() < 1e-5, "{i} {j}");
    }
    let (_, drawn) = moments(&published.draws(3, 100_000), 2);
    for (k, (i, j)) in [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().enumerate() {
        // Five standard errors of a covariance of variances 1 and 0.25.
        assert!((drawn[k] - published.covariance(i, j)).abs() < 0.023, "{i} {j}");
    }
    // Low rank: the last K only.
    let last = Swag::fit(
        &SwagConfig {
            rank: 10,
            diagonal: 0.0,
        },
        &snapshots,
        2,
    )
    .unwrap();
    let (_, of_last) = moments(&snapshots[780..], 2);
    assert!((last.covariance(0, 1) - of_last[1] * 10.0 / 9.0).abs() < 1e-5);
}

/// SGD around the optimum of a quadratic loss: SWAG's mean is the optimum, and its width that of the stationary
/// distribution, d <theta theta^T> = 0: lr / (batch) C = H Sigma + Sigma H for small rates.
#[test]
fn swag_of_sgd_finds_the_optimum() {
    let target = Linear::simulated(1_000, 2, 6);
    let best = optimum(&target, Prior::Flat, 0.1);
    let (rate, batch) = (0.01, 10.0);
    let sampler = DescentConfig {
        learning_rate: rate,
        rule: Rule::Sgd { momentum: 0.0 },
        weight_decay: 0.0,
    };
    let config = ChainsConfig {
        chains: 1,
        steps: 402_000,
        burn_in: 2_000,
        every: 20,
        batch: Some(10),
        ..ChainsConfig::default()
    };
    let energy = energy(&target);
    let chains = run_chains(&sampler, energy, &config, std::slice::from_ref(&best), None, &|| true).unwrap();
    let swag = Swag::fit(&SwagConfig::default(), chains[0].draws(), 2).unwrap();
    for i in 0..2 {
        assert!((swag.mean()[i] - best[i]).abs() < 0.005, "{:?} {best:?}", swag.mean());
    }
    // H and C are about 1 here: a variance of rate / (2 batch), less 1 % for the batch without replacement; the order
    // of an epoch takes away more, since its noise sums to zero over 100 steps.
    let published = SwagConfig {
        rank: 20_000,
        diagonal: 1.0,
    };
    let wide = Swag::fit(&published, chains[0].draws(), 2).unwrap().covariance(0, 0);
    let expected = rate / (2.0 * batch);
    println!("SGD: variance {wide:.3e}, with independent batches {expected:.3e}");
    assert!(wide < 1.1 * expected && wide > 0.2 * expected, "{wide} {expected}");
}

#[test]
fn swag_refuses_what_is_no_set_of_snapshots() {
    let config = SwagConfig::default();
    assert!(Swag::fit(&config, &[1.0, 2.0], 2).is_err(), "one snapshot");
    assert!(Swag::fit(&config, &[1.0, 2.0, 3.0], 2).is_err(), "one and a half");
    assert!(Swag::fit(&SwagConfig { rank: 1, ..config }, &[1.0; 8], 2).is_err());
}

/// Bootstrap members of a regression spread as its posterior does, and a plan is a function of its seed.
#[test]
fn bootstrap_ensembles_of_a_regression_have_its_spread() {
    let target = Linear::simulated(200, 2, 9);
    let config = EnsembleConfig {
        members: 300,
        bootstrap: true,
        seed: 3,
    };
    assert_eq!(config.member(5, 200), config.member(5, 200));
    assert_ne!(config.member(5, 200), config.member(6, 200));
    let weights = train_ensemble(&config, target.rows(), |member| {
        let rows = member.rows.as_deref().unwrap();
        assert_eq!(rows.len(), 200);
        let resampled = OnRows::new(&target, rows)?;
        let best = optimum(&resampled, Prior::Flat, 0.1);
        Ok(best.iter().map(|&w| w as f32).collect())
    })
    .unwrap();
    let (_, covariance) = moments(&weights, 2);
    let laplace = Laplace::fit(
        &all_weights(Curvature::Hessian { step: 1e-3 }),
        &energy(&target),
        &[1.0, 1.0],
    )
    .unwrap();
    for i in 0..2 {
        let ratio = covariance[3 * i] / laplace.covariance(i, i);
        // 300 members know a variance to 8 %, and 200 data a bootstrap's to 10 %.
        assert!((0.6..1.6).contains(&ratio), "{i}: {ratio}");
    }
}

#[test]
fn rows_of_another_model_are_its_rows() {
    let target = Linear::simulated(10, 2, 1);
    let rows = [7, 7, 2];
    let some = OnRows::new(&target, &rows).unwrap();
    let losses = |target: &dyn Target, part: Part, count: usize| {
        let mut losses = vec![0.0; count];
        target.losses(&[0.5, 0.5], part, &mut losses).unwrap();
        losses
    };
    let all = losses(&target, Part::all(), 10);
    assert_eq!(losses(&some, Part::all(), 3), [all[7], all[7], all[2]]);
    assert_eq!(losses(&some, Part::of(&[2, 0]), 2), [all[2], all[7]]);
    assert!(OnRows::new(&target, &[10]).is_err());
}
