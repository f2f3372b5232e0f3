//! Variational inference where its optimum is known, and its noise against the weights' own.

use super::targets::{Gaussian, Mlp, moments};
use tagwerk_data::random::{normal, stream};
use tagwerk_stats::softplus;
use tagwerk_surrogate::posterior::{
    Chain, ChainsConfig, Energy, FlipoutMap, LinearLayers, LinearMap, LocalMap, Noise, Part, PlainMap, Prior, RowBlock,
    Start, Target, Tempering, VariationalConfig, run_chains,
};

fn schedule(steps: u64, batch: Option<usize>) -> ChainsConfig {
    ChainsConfig {
        chains: 1,
        steps,
        burn_in: steps / 2,
        every: 1,
        batch,
        ..ChainsConfig::default()
    }
}

/// Fits, and returns mu averaged over the second half, and sigma at the end.
fn fit(config: &VariationalConfig, target: &dyn Target, prior: f64, lambda: f64, steps: u64) -> (Vec<f64>, Vec<f64>) {
    let tempering = Tempering {
        lambda,
        ..Tempering::default()
    };
    let energy = Energy::new(target, tempering, Prior::Gaussian { sigma: prior }).unwrap();
    let schedule = schedule(steps, None);
    let start = vec![0.0; target.weights()];
    let chains = run_chains(config, energy, &schedule, &[start], None, &|| true).unwrap();
    let (mean, _) = moments(chains[0].draws(), target.weights());
    (mean, chains[0].state().deviation())
}

fn slow() -> VariationalConfig {
    VariationalConfig {
        learning_rate: 5e-4,
        draws_per_step: 16,
        ..VariationalConfig::default()
    }
}

/// The mean field of a Gaussian with precision A has variances 1 / (lambda A_ii + 1 / prior^2), narrower than the
/// marginal ones (0.16 instead of 0.25), and the posterior's mean.
#[test]
fn the_mean_field_of_a_correlated_gaussian_is_found() {
    let target = Gaussian::correlated();
    for (prior, lambda) in [(1e3f64, 1.0), (1.0, 2.0)] {
        let (mean, deviation) = fit(&slow(), &target, prior, lambda, 30_000);
        let extra = prior.powi(-2);
        for i in 0..2 {
            let expected = (lambda * target.precision[3 * i] + extra).powf(-0.5);
            assert!(
                (deviation[i] / expected - 1.0).abs() < 0.03,
                "{deviation:?}, {expected}"
            );
        }
        // (lambda A + extra) mean = lambda A (1, -2)
        let a = &target.precision;
        let right = [lambda * (a[0] - 2.0 * a[1]), lambda * (a[2] - 2.0 * a[3])];
        let (p, q, r) = (lambda * a[0] + extra, lambda * a[1], lambda * a[3] + extra);
        let determinant = p * r - q * q;
        let expected = [
            (r * right[0] - q * right[1]) / determinant,
            (p * right[1] - q * right[0]) / determinant,
        ];
        for i in 0..2 {
            assert!((mean[i] - expected[i]).abs() < 0.03, "{mean:?} {expected:?}");
        }
    }
}

/// beta_KL multiplies the KL: with factor 4 the variances are 4 / (A_ii + 4 / prior^2).
#[test]
fn beta_widens_as_a_temperature_on_the_data() {
    let target = Gaussian::diagonal(&[1.0, 0.25]);
    let warm = VariationalConfig {
        beta_kl: 4.0,
        warm_up: 1_000,
        ..slow()
    };
    let (_, deviation) = fit(&warm, &target, 10.0, 1.0, 30_000);
    for (found, precision) in deviation.iter().zip([1.0, 4.0f64]) {
        let expected = (4.0 / (precision + 4.0 / 100.0)).sqrt();
        assert!((found / expected - 1.0).abs() < 0.03, "{found} {expected}");
    }
}

/// The released code has no gradient of KL, so that nothing keeps sigma from shrinking. With it, sigma stands.
#[test]
fn without_the_gradient_of_kl_sigma_shrinks() {
    let target = Gaussian::diagonal(&[1.0, 0.25]);
    let released = VariationalConfig {
        as_released: true,
        ..slow()
    };
    let (_, short) = fit(&released, &target, 1.0, 1.0, 1_000);
    let (_, long) = fit(&released, &target, 1.0, 1.0, 4_000);
    assert!(
        long[0] < 0.5 * short[0] && long[1] < 0.5 * short[1],
        "{short:?} {long:?}"
    );
    assert_eq!(VariationalConfig::as_released().weight_decay, 0.01);
}

/// Draws for use have the fitted mean and width, and are functions of (seed, number).
#[test]
fn draws_have_the_fitted_width() {
    let target = Gaussian::correlated();
    let energy = Energy::new(&target, Tempering::default(), Prior::Gaussian { sigma: 1.0 }).unwrap();
    let (config, schedule) = (slow(), schedule(50, None));
    let mut chain = Chain::start(&config, energy, &schedule, 0, &[0.0, 0.0]).unwrap();
    chain.advance(50).unwrap();
    let state = chain.state();
    let draws = state.draws(7, 50_000);
    let (mean, covariance) = moments(&draws, 2);
    for i in 0..2 {
        let sigma = state.deviation()[i];
        assert!((mean[i] - state.mean()[i]).abs() < 5.0 * sigma / 50_000f64.sqrt());
        assert!((covariance[3 * i] / (sigma * sigma) - 1.0).abs() < 5.0 * (2.0 / 50_000f64).sqrt());
    }
    assert_eq!(draws[..4], state.draws(7, 2)[..]);
    assert_ne!(draws[..4], state.draws(8, 2)[..]);
}

fn weights(mlp: &Mlp) -> (Vec<f64>, Vec<f64>) {
    let mut rng = stream(12, "test", 0);
    let mu: Vec<f64> = (0..mlp.weights()).map(|_| 0.7 * normal(&mut rng)).collect();
    let rho: Vec<f64> = mu.iter().map(|_| -1.5 + 0.3 * normal(&mut rng)).collect();
    (mu, rho)
}

/// The contract of a model that shows its layers: with the layers themselves, both ways give one gradient.
#[test]
fn a_model_through_its_own_layers_is_the_model() {
    let mlp = Mlp::simulated(50, 1);
    let (mu, _) = weights(&mlp);
    let plain = PlainMap::new(mlp.layers(), &mu);
    let part = Part::of(&[3, 3, 49, 0, 12]);
    let (mut losses, mut gradient) = (vec![0.0; 5], vec![0.0; mlp.weights()]);
    mlp.loss_and_gradient(&mu, part, &mut losses, &mut gradient).unwrap();
    let (mut through, mut by_weights) = (vec![0.0; 5], vec![0.0; mlp.weights()]);
    mlp.loss_and_gradient_through(&plain, part, &mut through, &mut by_weights)
        .unwrap();
    for (a, b) in losses.iter().chain(&gradient).zip(through.iter().chain(&by_weights)) {
        assert!((a - b).abs() < 1e-5 * (1.0 + a.abs()), "{a} {b}");
    }
}

/// Both maps against finite differences in every mu and rho, at fixed noise. The layers compute in f32.
#[test]
fn gradients_through_noisy_layers_are_those_of_the_loss() {
    let mlp = Mlp::simulated(40, 2);
    let (mu, rho) = weights(&mlp);
    let p = mlp.weights();
    for flipout in [false, true] {
        let evaluate = |parameters: &[f64]| {
            let (mu, rho) = parameters.split_at(p);
            let (mut losses, mut gradient) = (vec![0.0; 40], vec![0.0; 2 * p]);
            let map: Box<dyn LinearMap> = if flipout {
                Box::new(FlipoutMap::new(mlp.layers(), mu, rho, 5))
            } else {
                Box::new(LocalMap::new(mlp.layers(), mu, rho, 5))
            };
            mlp.loss_and_gradient_through(&*map, Part::all(), &mut losses, &mut gradient)
                .unwrap();
            (losses.iter().sum::<f64>(), gradient)
        };
        let parameters: Vec<f64> = mu.iter().chain(&rho).copied().collect();
        let (_, gradient) = evaluate(&parameters);
        let size = gradient.iter().map(|g| g.abs()).fold(0.0, f64::max);
        for i in 0..2 * p {
            let shifted = |h: f64| {
                let mut moved = parameters.clone();
                moved[i] += h;
                evaluate(&moved).0
            };
            // Fourth order, so that a step of 0.02 is fine and rounding small against it.
            let h = 0.02;
            let difference = (8.0 * (shifted(h) - shifted(-h)) - (shifted(2.0 * h) - shifted(-2.0 * h))) / (12.0 * h);
            assert!(
                (difference - gradient[i]).abs() < 2e-3 * size,
                "flipout {flipout}, parameter {i}: {difference}, {}",
                gradient[i]
            );
        }
    }
}

/// Outputs of one layer over many seeds: each map has the mean and the variance that drawing weights has,
/// x mu + mu_b and x^2 sigma^2 + sigma_b^2. Rows of one draw of weights are correlated; with noise of their own they
/// are not.
#[test]
fn noisy_layers_have_the_moments_of_drawn_weights() {
    let mlp = Mlp::simulated(1, 3);
    let (mu, rho) = weights(&mlp);
    let layer = mlp.layers()[0].clone();
    // The same input twice.
    let x = [0.8f32, -1.3, 0.8, -1.3];
    let block = RowBlock { first: 0, rows: 2 };
    let draws = 20_000;
    let output = 2;
    let mean = mu[2 * output] * 0.8 - mu[2 * output + 1] * 1.3 + mu[layer.bias.start + output];
    let squared = |i: usize| softplus(rho[i]).powi(2);
    let variance = squared(2 * output) * 0.64 + squared(2 * output + 1) * 1.69 + squared(layer.bias.start + output);
    for flipout in [false, true] {
        let pairs: Vec<f32> = (0..draws)
            .flat_map(|seed| {
                let mut y = vec![0.0; 16];
                if flipout {
                    FlipoutMap::new(mlp.layers(), &mu, &rho, seed).forward(0, block, &x, &mut y);
                } else {
                    LocalMap::new(mlp.layers(), &mu, &rho, seed).forward(0, block, &x, &mut y);
                }
                [y[output], y[8 + output]]
            })
            .collect();
        let (means, covariance) = moments(&pairs, 2);
        let root = (draws as f64).sqrt();
        for i in 0..2 {
            assert!(
                (means[i] - mean).abs() < 5.0 * variance.sqrt() / root,
                "flipout {flipout}: {means:?}, {mean}"
            );
            let limit = 5.0 * variance * 2f64.sqrt() / root;
            assert!(
                (covariance[3 * i] - variance).abs() < limit,
                "flipout {flipout}: {covariance:?}, {variance}"
            );
        }
        assert!(
            covariance[1].abs() < 5.0 * variance / root,
            "flipout {flipout}: rows are independent"
        );
    }
}

/// Why one would want it: on a batch of 64 the gradient scatters less than with one draw for all.
#[test]
fn noise_of_each_rows_own_makes_calmer_gradients() {
    let mlp = Mlp::simulated(64, 4);
    let (mu, rho) = weights(&mlp);
    let p = mlp.weights();
    let (mut losses, mut gradient) = (vec![0.0; 64], vec![0.0; 2 * p]);
    let mut scatter = [0.0; 3];
    let mut means = [vec![0.0; p], vec![0.0; p], vec![0.0; p]];
    let draws = 400;
    for kind in 0..3 {
        let mut all = Vec::new();
        for seed in 0..draws {
            if kind == 0 {
                let mut rng = stream(seed, "test", 0);
                let pairs = mu.iter().zip(&rho);
                let drawn: Vec<f64> = pairs.map(|(m, &r)| m + softplus(r) * normal(&mut rng)).collect();
                mlp.loss_and_gradient(&drawn, Part::all(), &mut losses, &mut gradient[..p])
                    .unwrap();
            } else if kind == 1 {
                let map = LocalMap::new(mlp.layers(), &mu, &rho, seed);
                mlp.loss_and_gradient_through(&map, Part::all(), &mut losses, &mut gradient)
                    .unwrap();
            } else {
                let map = FlipoutMap::new(mlp.layers(), &mu, &rho, seed);
                mlp.loss_and_gradient_through(&map, Part::all(), &mut losses, &mut gradient)
                    .unwrap();
            }
            all.extend(gradient[..p].iter().map(|&g| g as f32));
        }
        let (mean, covariance) = moments(&all, p);
        scatter[kind] = (0..p).map(|i| covariance[i * p + i]).sum();
        means[kind] = mean;
    }
    println!(
        "scatter of the gradient by mu: shared {:.3e}, local {:.3e}, flipout {:.3e}",
        scatter[0], scatter[1], scatter[2]
    );
    assert!(
        scatter[1] < 0.5 * scatter[0] && scatter[2] < 0.5 * scatter[0],
        "{scatter:?}"
    );
    // One expectation: the difference of means within five errors, in the norm. (Flipout and shared draws have exactly
    // the same marginal of each row; local reparameterization draws the layers' outputs, also the same for each row.)
    for kind in 1..3 {
        let off: f64 = means[kind].iter().zip(&means[0]).map(|(a, b)| (a - b).powi(2)).sum();
        let error = (scatter[0] + scatter[kind]) / draws as f64;
        assert!(off < 4.0 * error, "{kind}: {off} {error}");
    }
}

/// The fit through the layers reaches the loss that a fit with shared draws reaches.
#[test]
fn fits_with_any_noise_agree() {
    let mlp = Mlp::simulated(200, 5);
    let energy = Energy::new(&mlp, Tempering::default(), Prior::Gaussian { sigma: 1.0 }).unwrap();
    let mut reached = Vec::new();
    for noise in [Noise::Shared, Noise::LocalReparameterization, Noise::Flipout] {
        let config = VariationalConfig {
            learning_rate: 5e-3,
            noise,
            start: Start::Random,
            mean_spread: 0.5,
            ..VariationalConfig::default()
        };
        let schedule = schedule(4_000, Some(50));
        let chains = run_chains(&config, energy, &schedule, &[vec![0.0; 33]], None, &|| true).unwrap();
        let loss = chains[0].trace().summary(3_000).unwrap().loss;
        let kl: f64 = chains[0].state().kl(1.0).iter().sum();
        println!("{noise:?}: loss {loss:.4}, KL {kl:.2}, bound {:.4}", loss + kl / 200.0);
        reached.push(loss + kl / 200.0);
    }
    let (low, high) = reached
        .iter()
        .fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
    assert!(high / low < 1.15, "{reached:?}");
}

#[test]
fn what_variational_inference_cannot_do_is_refused() {
    let target = Gaussian::correlated();
    let flat = Energy::new(&target, Tempering::default(), Prior::Flat).unwrap();
    let schedule = schedule(10, None);
    let config = VariationalConfig::default();
    let message = Chain::start(&config, flat, &schedule, 0, &[0.0, 0.0])
        .unwrap_err()
        .to_string();
    assert!(message.contains("gaussian"), "{message}");
    let gaussian = Energy::new(&target, Tempering::default(), Prior::Gaussian { sigma: 1.0 }).unwrap();
    let local = VariationalConfig {
        noise: Noise::Flipout,
        ..config
    };
    let message = Chain::start(&local, gaussian, &schedule, 0, &[0.0, 0.0])
        .unwrap_err()
        .to_string();
    assert!(message.contains("linear layers"), "{message}");
}
