//! What must hold of any weights: gradients are slopes, the flow increases, tiles and threads change nothing.

// Helpers of tests may unwrap as tests may.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use tagwerk_surrogate::{
    Adaptive, ExactLikelihood, Examples, Fixed, FlowConfig, Interpolation, Scheme, Solver, VelocityConfig, VelocityNet,
    exact, matching_loss,
};

fn net(width: usize, blocks: usize, conditions: usize) -> VelocityNet {
    let config = VelocityConfig {
        width,
        blocks,
        ..VelocityConfig::default()
    };
    VelocityNet::new(config, 1, conditions).unwrap()
}

fn weights(net: &VelocityNet, seed: u64) -> Vec<f64> {
    net.init(seed).iter().map(|&w| 1.5 * f64::from(w)).collect()
}

fn numbers(n: usize, salt: u64) -> Vec<f64> {
    (0..n)
        .map(|i| ((i as f64 + 1.0) * (1.37 + salt as f64)).sin())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn gradients_of_both_losses_are_their_slopes(
        width in 1usize..20, blocks in 1usize..4, conditions in 1usize..5, rows in 1usize..12, seed in 0u64..1000,
    ) {
        let net = net(width, blocks, conditions);
        let theta = weights(&net, seed);
        let (x, c) = (numbers(rows, seed), numbers(rows * conditions, seed + 1));
        let examples = Examples::new(&x, &c, 1, conditions).unwrap();
        let all: Vec<usize> = (0..rows).collect();
        let pairs = FlowConfig::default().draw(examples, &all, (seed, "test", 0)).unwrap();
        let exact = ExactLikelihood { steps: Fixed { scheme: Scheme::Rk4, steps: 3 } };
        let direction = numbers(theta.len(), seed + 2);
        let moved = |h: f64| -> Vec<f64> { theta.iter().zip(&direction).map(|(w, d)| w + h * d).collect() };
        let h = 1e-5;
        let mut gradient = vec![0.0; theta.len()];
        matching_loss(&net, &theta, &pairs, Some(&mut gradient)).unwrap();
        let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let at = |h| matching_loss(&net, &moved(h), &pairs, None).unwrap();
        let numeric = (at(h) - at(-h)) / (2.0 * h);
        prop_assert!((slope - numeric).abs() < 1e-5 * (1.0 + numeric.abs()), "{slope} {numeric}");

        let mut gradient = vec![0.0; theta.len()];
        exact.loss_and_gradient(&net, &theta, examples, &all, &mut gradient).unwrap();
        let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let at = |h| exact.loss(&net, &moved(h), examples, &all).unwrap();
        let numeric = (at(h) - at(-h)) / (2.0 * h);
        // The divergence holds the first derivative of ELU, which has a corner at 0. With one between the two points the
        // slope is that of the side without it.
        let sides = [(at(h) - at(0.0)) / h, (at(0.0) - at(-h)) / h];
        let near = |found: f64, share: f64| (slope - found).abs() < share * (1.0 + found.abs());
        prop_assert!(near(numeric, 1e-5) || sides.iter().any(|&side| near(side, 1e-4)), "{slope} {numeric} {sides:?}");
    }

    #[test]
    fn the_flow_increases_and_encoding_undoes_decoding(seed in 0u64..1000) {
        let net = net(16, 3, 2);
        // In double precision: some flows squeeze x so much that the digits of f32 do not lead back.
        let start: Vec<f64> = net.init(seed).iter().map(|&w| f64::from(w)).collect();
        let folded = net.fold(&start).unwrap();
        let velocity = folded.condition(&[0.3, -1.0]).unwrap();
        let z: Vec<f64> = (0..200).map(|i| f64::from(i) * 0.04 - 4.0).collect();
        let jets = vec![0; z.len()];
        let solver = Solver::Adaptive(Adaptive { absolute: 1e-7, relative: 1e-7, ..Adaptive::default() });
        let x = exact::decode(&velocity, &solver, &jets, &z).unwrap();
        prop_assert!(x.windows(2).all(|w| w[0] < w[1]));
        let back = exact::encode(&velocity, &solver, &jets, &x).unwrap();
        for (z, b) in z.iter().zip(&back.z) {
            // At most 3.3e-4 with any of these seeds, and 2.4e-3 of the density.
            prop_assert!((z - b).abs() < 1e-3, "{z} {b}");
        }
        // The log-density is the slope of the distribution: dz/dx by differences of neighbors.
        for i in (1..199).step_by(20) {
            let slope = (z[i + 1] - z[i - 1]) / (x[i + 1] - x[i - 1]);
            let density = slope.ln() - 0.5 * z[i] * z[i] - 0.918_938_533;
            prop_assert!((density - back.log_prob[i]).abs() < 5e-3, "{density} {}", back.log_prob[i]);
        }
    }
}

#[test]
fn both_precisions_agree_on_the_published_network() {
    let net = net(64, 3, 6);
    let narrow = net.init(5);
    let wide: Vec<f64> = narrow.iter().map(|&w| f64::from(w)).collect();
    let rows = 301;
    let (x, c) = (numbers(rows, 1), numbers(rows * 6, 2));
    let all: Vec<usize> = (0..rows).collect();
    let examples = Examples::new(&x, &c, 1, 6).unwrap();
    let pairs = FlowConfig::default().draw(examples, &all, (1, "test", 0)).unwrap();
    let (x32, c32): (Vec<f32>, Vec<f32>) = (
        x.iter().map(|&v| v as f32).collect(),
        c.iter().map(|&v| v as f32).collect(),
    );
    let pairs32 = tagwerk_surrogate::Pairs {
        times: pairs.times.clone(),
        y: pairs.y.iter().map(|&v| v as f32).collect(),
        u: pairs.u.iter().map(|&v| v as f32).collect(),
        c: c32.clone(),
    };
    let (mut g, mut g32) = (vec![0.0; wide.len()], vec![0.0f32; wide.len()]);
    let loss = matching_loss(&net, &wide, &pairs, Some(&mut g)).unwrap();
    let loss32 = matching_loss(&net, &narrow, &pairs32, Some(&mut g32)).unwrap();
    let largest = g.iter().fold(0f64, |a, v| a.max(v.abs()));
    assert!((loss - loss32).abs() < 1e-5);
    assert!(
        g.iter()
            .zip(&g32)
            .all(|(a, b)| (a - f64::from(*b)).abs() < 1e-5 * largest)
    );
    let exact = ExactLikelihood {
        steps: Fixed::default(),
    };
    let (mut g, mut g32) = (vec![0.0; wide.len()], vec![0.0f32; wide.len()]);
    let loss = exact.loss_and_gradient(&net, &wide, examples, &all, &mut g).unwrap();
    let examples32 = Examples::new(&x32, &c32, 1, 6).unwrap();
    let loss32 = exact
        .loss_and_gradient(&net, &narrow, examples32, &all, &mut g32)
        .unwrap();
    let largest = g.iter().fold(0f64, |a, v| a.max(v.abs()));
    assert!((loss - loss32).abs() < 1e-5 && (exact.loss(&net, &narrow, examples32, &all).unwrap() - loss).abs() < 1e-5);
    assert!(
        g.iter()
            .zip(&g32)
            .all(|(a, b)| (a - f64::from(*b)).abs() < 1e-4 * largest)
    );
}

#[test]
fn threads_change_no_bit_of_losses_gradients_and_samples() {
    let net = net(32, 3, 2);
    let theta = net.init(2);
    let rows = 3000;
    let x: Vec<f32> = numbers(rows, 1).iter().map(|&v| v as f32).collect();
    let c: Vec<f32> = numbers(rows * 2, 2).iter().map(|&v| v as f32).collect();
    let compute = || {
        let examples = Examples::new(&x, &c, 1, 2).unwrap();
        let all: Vec<usize> = (0..rows).collect();
        let pairs = FlowConfig::default().draw(examples, &all, (1, "test", 0)).unwrap();
        let mut gradient = vec![0.0f32; theta.len()];
        let loss = matching_loss(&net, &theta, &pairs, Some(&mut gradient)).unwrap();
        let exact = ExactLikelihood {
            steps: Fixed {
                scheme: Scheme::Heun,
                steps: 4,
            },
        };
        let nll = exact
            .loss_and_gradient(&net, &theta, examples, &all, &mut gradient)
            .unwrap();
        let folded = net.fold(&theta).unwrap();
        let velocity = folded.condition(&c[..200]).unwrap();
        let jets: Vec<u32> = (0..100).collect();
        let z: Vec<f64> = (0..100 * 80).map(|i| 2.0 * f64::from(i).sin()).collect();
        let samples = exact::sample(&velocity, &Solver::default(), &Interpolation::default(), &jets, &z).unwrap();
        (pairs, loss.to_bits(), nll.to_bits(), gradient, samples)
    };
    let in_threads = |n| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .unwrap()
            .install(compute)
    };
    let one = in_threads(1);
    assert!(one == in_threads(2) && one == in_threads(3));
}

#[test]
fn losses_of_rows_have_the_mean_and_the_gradient_of_their_sum_is_n_times_the_means() {
    let net = net(8, 2, 2);
    let theta = weights(&net, 4);
    let rows: Vec<usize> = (0..333).map(|i| (i * 7) % 400).collect();
    let n = rows.len() as f64;
    let (x, c) = (numbers(400, 1), numbers(800, 2));
    let examples = Examples::new(&x, &c, 1, 2).unwrap();
    let pairs = FlowConfig::default()
        .draw_by_row(examples, &rows, (1, "test", 0))
        .unwrap();
    let exact = ExactLikelihood {
        steps: Fixed {
            scheme: Scheme::Heun,
            steps: 5,
        },
    };
    let zeros = || vec![0.0; theta.len()];
    let (mut one, mut two, mut losses) = (zeros(), zeros(), vec![0.0; rows.len()]);
    let mean = matching_loss(&net, &theta, &pairs, Some(&mut one)).unwrap();
    tagwerk_surrogate::matching_losses(&net, &theta, &pairs, &mut losses, Some(&mut two)).unwrap();
    let same = |one: &[f64], two: &[f64]| {
        one.iter()
            .zip(two)
            .all(|(a, b)| (n * a - b).abs() < 1e-9 * (1.0 + b.abs()))
    };
    assert!((losses.iter().sum::<f64>() / n - mean).abs() < 1e-12 && same(&one, &two));
    let (mut one, mut two) = (zeros(), zeros());
    let mean = exact
        .loss_and_gradient(&net, &theta, examples, &rows, &mut one)
        .unwrap();
    exact
        .losses_and_gradient(&net, &theta, examples, &rows, &mut losses, &mut two)
        .unwrap();
    assert!((losses.iter().sum::<f64>() / n - mean).abs() < 1e-12 && same(&one, &two));
    let mut alone = vec![0.0; rows.len()];
    exact.losses(&net, &theta, examples, &rows, &mut alone).unwrap();
    assert!(alone.iter().zip(&losses).all(|(a, b)| (a - b).abs() < 1e-9));
    // Weights at which the flow leaves the numbers are a loss that is no number, not an error.
    let wild: Vec<f64> = theta.iter().map(|w| 1e200 * w).collect();
    exact.losses(&net, &wild, examples, &rows, &mut alone).unwrap();
    assert!(alone.iter().any(|loss| !loss.is_finite()));
    assert!(exact.loss(&net, &wild, examples, &rows).is_err());
}
