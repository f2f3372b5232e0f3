//! Tests on a part of the data: their noise is reported, it biases, and there are ways out.

use super::targets::{Linear, moments};
use rayon::prelude::*;
use tagwerk_data::random::{shuffle, stream};
use tagwerk_surrogate::posterior::{
    AdamMcmcConfig, ChainsConfig, Draws, Energy, Mode, Part, Prior, Tempering, TestOn, run_chains,
};

/// The reported noise is the scatter of the difference over many parts, for any part's size.
#[test]
fn the_noise_of_a_difference_is_its_scatter_over_parts() {
    let target = Linear::simulated(200, 2, 4);
    let tempering = Tempering {
        lambda: 0.3,
        ..Tempering::default()
    };
    let energy = Energy::new(&target, tempering, Prior::Gaussian { sigma: 2.0 }).unwrap();
    let (from, to) = ([1.0, 1.0], [1.2, 0.9]);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut of = |part: Part| {
        energy.losses(&from, part, &mut before).unwrap();
        energy.losses(&to, part, &mut after).unwrap();
        energy.difference(&from, &before, &to, &after)
    };
    let exact = of(Part::all());
    assert_eq!(exact.noise, 0.0);
    for size in [10, 150] {
        let mut rows: Vec<usize> = (0..200).collect();
        let mut rng = stream(1, "test", size as u64);
        let (mut sum, mut squares, mut noise) = (0.0, 0.0, 0.0);
        let parts = 4_000;
        for _ in 0..parts {
            shuffle(&mut rng, &mut rows);
            let found = of(Part::of(&rows[..size]));
            sum += found.energy - exact.energy;
            squares += (found.energy - exact.energy).powi(2);
            noise += found.noise * found.noise;
        }
        let parts = f64::from(parts);
        let scatter = squares / parts;
        assert!((sum / parts).abs() < 5.0 * (scatter / parts).sqrt(), "unbiased");
        assert!(
            (noise / parts / scatter - 1.0).abs() < 0.12,
            "{size}: {} {scatter}",
            noise / parts
        );
    }
}

/// The prior counts once whatever the part, and as the energy itself says.
#[test]
fn differences_of_the_energy_have_the_prior() {
    let target = Linear::simulated(4, 2, 4);
    let energy = Energy::new(&target, Tempering::default(), Prior::Gaussian { sigma: 0.5 }).unwrap();
    let difference = energy.difference(&[1.0, 2.0], &[0.0; 4], &[2.0, 0.0], &[0.0; 4]);
    // (4 + 0 - 1 - 4) / 2 / 0.25
    assert!((difference.energy + 2.0).abs() < 1e-12, "{difference:?}");
}

/// The posterior of a regression with 400 events, of known variance, from tests on 200 of them: too wide as it stands,
/// right with the penalty, right with all data.
#[test]
fn tests_on_a_part_widen_the_posterior_and_the_penalty_mends_it() {
    let target = Linear::simulated(400, 1, 2);
    let variance = 1.0 / target.x.iter().map(|x| x * x).sum::<f64>();
    let run = |test_on, penalty| {
        let energy = Energy::new(&target, Tempering::default(), Prior::Flat).unwrap();
        let sampler = AdamMcmcConfig {
            mode: Mode::NoMomentum,
            learning_rate: 0.02,
            sigma: 0.04,
            sigma_delta: 0.0,
            test_on,
            penalty,
            ..AdamMcmcConfig::default()
        };
        let config = ChainsConfig {
            chains: 4,
            steps: 51_000,
            burn_in: 1_000,
            every: 5,
            batch: Some(200),
            ..ChainsConfig::default()
        };
        let chains = run_chains(&sampler, energy, &config, &[vec![1.0]], None, &|| true).unwrap();
        let draws = Draws::from_chains("test", &chains).unwrap();
        let all: Vec<f32> = draws.iter().flatten().copied().collect();
        (
            moments(&all, 1).1[0] / variance,
            draws.record().chains[0].noise.unwrap(),
        )
    };
    let ways = [(TestOn::Step, false), (TestOn::Step, true), (TestOn::AllData, false)];
    let found: Vec<_> = ways
        .into_par_iter()
        .map(|(test_on, penalty)| run(test_on, penalty))
        .collect();
    println!("relative variance and noise: {found:?}");
    let [(as_it_is, noise), (penalized, _), (exact, none)] = found[..] else {
        panic!()
    };
    assert!(noise > 0.5 && none == 0.0, "{noise} {none}");
    assert!(as_it_is > 1.15, "{as_it_is}");
    assert!((penalized - 1.0).abs() < 0.08, "{penalized}");
    assert!((exact - 1.0).abs() < 0.05, "{exact}");
}
