//! The diffusion model: gradients are slopes, a known density is learned.

use super::*;
use crate::config::Optimizer;
use crate::train::Adam;

#[test]
fn parameters_are_as_many_as_the_released_network_has() {
    // About 1.07 million with sixteen conditions; the exact number is that of tests/reference/surrogate_ddpm.py.
    assert_eq!(
        Ddpm::new(DdpmConfig::default(), 16).unwrap().parameter_count(),
        1_066_497
    );
    assert!(
        Ddpm::new(
            DdpmConfig {
                steps: 0,
                ..DdpmConfig::default()
            },
            3
        )
        .is_err()
    );
}

fn small() -> (Ddpm, DdpmWeights, NoisyBatch) {
    let config = DdpmConfig {
        width: 6,
        steps: 20,
        ..DdpmConfig::default()
    };
    let model = Ddpm::new(config, 2).unwrap();
    let mut rng = random::stream(1, "ddpm test", 0);
    let mut numbers = |n: usize| (0..n).map(|_| random::normal(&mut rng) as f32).collect::<Vec<f32>>();
    let (x, c) = (numbers(40), numbers(80));
    let examples = Examples::new(&x, &c, 1, 2).unwrap();
    let batch = model
        .draw(examples, &(0..40).collect::<Vec<_>>(), (1, "test", 0))
        .unwrap();
    let weights = model.init(3);
    (model, weights, batch)
}

#[test]
fn gradients_are_slopes_with_and_without_the_statistics_of_the_batch() {
    let (model, weights, batch) = small();
    for frozen in [false, true] {
        let mut gradient = vec![0.0; model.parameter_count()];
        model
            .loss_and_gradient(&mut weights.clone(), &batch, frozen, &mut gradient)
            .unwrap();
        for seed in 0..5 {
            let mut rng = random::stream(seed, "direction", 0);
            let direction: Vec<f32> = gradient.iter().map(|_| random::normal(&mut rng) as f32).collect();
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let at = |h: f32| {
                let mut moved = weights.clone();
                moved.theta.iter_mut().zip(&direction).for_each(|(w, d)| *w += h * d);
                let mut unused = vec![0.0; gradient.len()];
                model
                    .loss_and_gradient(&mut moved, &batch, frozen, &mut unused)
                    .unwrap()
            };
            let numeric = (at(3e-4) - at(-3e-4)) / 6e-4;
            // Single precision: a loss of 1 with errors of 1e-7 over steps of 6e-4, and third derivatives.
            assert!(
                (slope - numeric).abs() < 3e-3 * (1.0 + numeric.abs()),
                "{frozen}: {slope} {numeric}"
            );
        }
    }
}

#[test]
fn a_known_density_is_learned() {
    let config = DdpmConfig {
        width: 32,
        steps: 60,
        last_beta: 0.15,
        ..DdpmConfig::default()
    };
    let model = Ddpm::new(config, 1).unwrap();
    let mut rng = random::stream(2, "ddpm test", 0);
    let c: Vec<f32> = (0..8000).map(|i| (i % 2) as f32 * 2.0 - 1.0).collect();
    let x: Vec<f32> = c
        .iter()
        .map(|c| 0.5 * c + (0.2 * random::normal(&mut rng)) as f32)
        .collect();
    let examples = Examples::new(&x, &c, 1, 1).unwrap();
    let mut weights = model.init(1);
    let mut adam = Adam::new(weights.theta.len());
    let optimizer = Optimizer {
        weight_decay: 0.0,
        ..Optimizer::default()
    };
    let steps = 600;
    for step in 0..steps {
        let rows: Vec<usize> = (0..500).map(|i| (step as usize * 500 + i) % x.len()).collect();
        let batch = model.draw(examples, &rows, (1, "train", step)).unwrap();
        let mut gradient = vec![0.0; model.parameter_count()];
        model
            .loss_and_gradient(&mut weights, &batch, step >= steps * 4 / 5, &mut gradient)
            .unwrap();
        let rate = 5e-3 * (1.0 - step as f64 / steps as f64);
        adam.step(&optimizer, rate, step, &mut weights.theta, &gradient);
    }
    for (condition, mean) in [(-1.0, -0.5), (1.0, 0.5)] {
        let samples = model.sample(&weights, &[condition], 4000, 5).unwrap();
        let found = samples.iter().sum::<f64>() / 4000.0;
        let width = (samples.iter().map(|x| (x - found).powi(2)).sum::<f64>() / 4000.0).sqrt();
        assert!(
            (found - mean).abs() < 0.06 && (width - 0.2).abs() < 0.06,
            "{found} {width}"
        );
    }
}
