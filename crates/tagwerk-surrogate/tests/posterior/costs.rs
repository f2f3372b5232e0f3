//! What a step costs, counted: the table in the documentation of AdamMCMC.

use super::targets::Linear;
use std::sync::atomic::{AtomicU64, Ordering};
use tagwerk_surrogate::posterior::{
    AdamMcmcConfig, Chain, ChainsConfig, Energy, MalaConfig, Mode, Part, Prior, Sampler, Target, TargetError,
    Tempering, TestOn,
};

/// Counts rows with gradient, and rows without.
struct Counting {
    inner: Linear,
    gradients: AtomicU64,
    losses: AtomicU64,
}

impl Target for Counting {
    fn weights(&self) -> usize {
        self.inner.weights()
    }

    fn rows(&self) -> usize {
        self.inner.rows()
    }

    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        self.losses.fetch_add(losses.len() as u64, Ordering::Relaxed);
        self.inner.losses(weights, part, losses)
    }

    fn loss_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        self.gradients.fetch_add(losses.len() as u64, Ordering::Relaxed);
        self.inner.loss_and_gradient(weights, part, losses, gradient)
    }
}

/// Rows with gradient and rows without, per step, of 100 steps after the first ten; and the share of moves.
fn per_step(sampler: &impl Sampler, batch: Option<usize>) -> (f64, f64, f64) {
    let target = Counting {
        inner: Linear::simulated(40, 2, 1),
        gradients: AtomicU64::new(0),
        losses: AtomicU64::new(0),
    };
    let energy = Energy::new(&target, Tempering::default(), Prior::Flat).unwrap();
    let config = ChainsConfig {
        steps: 110,
        burn_in: 10,
        every: 10,
        batch,
        ..ChainsConfig::default()
    };
    let mut chain = Chain::start(sampler, energy, &config, 0, &[1.0, 1.0]).unwrap();
    chain.advance(10).unwrap();
    let count = || {
        (
            target.gradients.load(Ordering::Relaxed),
            target.losses.load(Ordering::Relaxed),
        )
    };
    let before = count();
    chain.advance(110).unwrap();
    let after = count();
    let moved = chain.trace().summary(10).unwrap().acceptance;
    assert!(moved > 0.0 && moved < 1.0, "both outcomes are counted: {moved}");
    let per_step = |before: u64, after: u64| (after - before) as f64 / 100.0;
    (per_step(before.0, after.0), per_step(before.1, after.1), moved)
}

fn adam(mode: Mode, test_on: TestOn) -> AdamMcmcConfig {
    AdamMcmcConfig {
        mode,
        test_on,
        learning_rate: 0.02,
        sigma: 0.2,
        sigma_delta: 1.0,
        ..AdamMcmcConfig::default()
    }
}

#[test]
fn steps_cost_what_the_documentation_says() {
    // 40 rows, batches of 10.
    let table = [
        (Mode::SameUpdate, TestOn::Step, Some(10), (10.0, 10.0)),
        (Mode::SameUpdate, TestOn::AllData, Some(10), (10.0, 40.0)),
        (Mode::Recompute, TestOn::Step, Some(10), (20.0, 0.0)),
        (Mode::Recompute, TestOn::AllData, Some(10), (20.0, 40.0)),
        (Mode::Recompute, TestOn::Step, None, (40.0, 0.0)),
        (Mode::Frozen, TestOn::AllData, None, (40.0, 0.0)),
        (Mode::NoMomentum, TestOn::AllData, Some(10), (20.0, 40.0)),
        (Mode::AsReleased, TestOn::Step, Some(10), (10.0, 0.0)),
    ];
    for (mode, test_on, batch, expected) in table {
        let sampler = adam(mode, test_on);
        let (gradients, losses, _) = per_step(&sampler, batch);
        assert_eq!((gradients, losses), expected, "{mode:?}, {test_on:?}, {batch:?}");
    }
    // A gradient after moves only; the first of the hundred steps looks back on one before them.
    let (gradients, losses, moved) = per_step(&adam(Mode::SameUpdate, TestOn::Step), None);
    assert_eq!(losses, 40.0);
    assert!((gradients - 40.0 * moved).abs() <= 0.4 + 1e-9, "{gradients} {moved}");
    for (leapfrog, batch, expected) in [
        (1, None, 40.0),
        (1, Some(10), 20.0),
        (3, None, 120.0),
        (3, Some(10), 40.0),
    ] {
        let sampler = MalaConfig {
            step: 0.1,
            leapfrog,
            target_acceptance: None,
            ..MalaConfig::default()
        };
        let (gradients, losses, _) = per_step(&sampler, batch);
        assert_eq!((gradients, losses), (expected, 0.0), "{leapfrog}, {batch:?}");
    }
}
