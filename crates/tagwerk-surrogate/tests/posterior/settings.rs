//! Configurations: the published defaults, unknown keys, values out of range; and models that fail.

use super::targets::{Gaussian, Linear};
use serde::de::DeserializeOwned;
use tagwerk_surrogate::SurrogateError;
use tagwerk_surrogate::posterior::{
    AdamMcmcConfig, Chain, ChainsConfig, DescentConfig, Energy, EnsembleConfig, LaplaceConfig, MalaConfig, Mode, Part,
    Prior, Sampler, SghmcConfig, SgldConfig, SwagConfig, Target, TargetError, Tempering, VariationalConfig,
};

fn accepts_nothing_unknown<T: DeserializeOwned + Default + PartialEq + std::fmt::Debug>() {
    assert_eq!(toml::from_str::<T>("").unwrap(), T::default(), "all keys have defaults");
    let message = toml::from_str::<T>("no_such_key = 1").unwrap_err().to_string();
    assert!(message.contains("no_such_key"), "{message}");
}

#[test]
fn unknown_keys_are_refused_everywhere() {
    accepts_nothing_unknown::<AdamMcmcConfig>();
    accepts_nothing_unknown::<ChainsConfig>();
    accepts_nothing_unknown::<DescentConfig>();
    accepts_nothing_unknown::<EnsembleConfig>();
    accepts_nothing_unknown::<LaplaceConfig>();
    accepts_nothing_unknown::<MalaConfig>();
    accepts_nothing_unknown::<SghmcConfig>();
    accepts_nothing_unknown::<SgldConfig>();
    accepts_nothing_unknown::<SwagConfig>();
    accepts_nothing_unknown::<Tempering>();
    accepts_nothing_unknown::<VariationalConfig>();
}

/// What a user types.
#[test]
fn configurations_are_read_from_toml() {
    let adam: AdamMcmcConfig =
        toml::from_str("mode = \"as-released\"\nsigma = 0.2\ntest_on = \"step\"\n[defects]\ninverted_axis = true\n")
            .unwrap();
    assert_eq!(adam.mode, Mode::AsReleased);
    assert!(adam.defects.inverted_axis && !adam.defects.stale_batch);
    let prior: Prior = toml::from_str("kind = \"gaussian\"\nsigma = 0.5").unwrap();
    assert_eq!(prior, Prior::Gaussian { sigma: 0.5 });
    let laplace: LaplaceConfig =
        toml::from_str("subset = { kind = \"last-tensors\", count = 4 }\ncurvature = { kind = \"empirical-fisher\" }")
            .unwrap();
    assert_ne!(laplace, LaplaceConfig::default());
}

/// lr 5e-6, betas (0.9, 0.999), sigma = sigma_delta = 0.05, 996 epochs of 31 batches of 131,072, 10 draws, lambda 50 on
/// the mean: 80,000 times hotter than Bayes' rule for 4 million jets.
#[test]
fn defaults_are_the_published_surrogate() {
    let adam = AdamMcmcConfig::default();
    assert_eq!((adam.learning_rate, adam.beta1, adam.beta2), (5e-6, 0.9, 0.999));
    assert_eq!((adam.sigma, adam.sigma_factor, adam.sigma_delta), (0.05, 0.99, 0.05));
    let chains = ChainsConfig::default();
    assert_eq!((chains.batch, chains.draws_of_a_chain()), (Some(131_072), 10));
    let per_datum = Tempering::published_surrogate().per_datum(4_000_000);
    assert!((1.0 / per_datum - 80_000.0).abs() < 1e-6);
    assert!(AdamMcmcConfig::as_published().defects.inverted_axis);
}

fn start(sampler: &impl Sampler, config: &ChainsConfig, prior: Prior) -> Result<(), SurrogateError> {
    let target = Gaussian::correlated();
    let energy = Energy::new(&target, Tempering::default(), prior)?;
    Chain::start(sampler, energy, config, 0, &[0.0, 0.0]).map(|_| ())
}

#[test]
fn values_out_of_range_are_named_with_their_limit() {
    let chains = ChainsConfig::default();
    let refused = |outcome: Result<(), SurrogateError>, words: &[&str]| {
        let message = outcome.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let with = |change: fn(&mut ChainsConfig)| {
        let mut config = ChainsConfig::default();
        change(&mut config);
        start(&AdamMcmcConfig::default(), &config, Prior::Flat)
    };
    refused(with(|c| c.every = 0), &["every is 0", "at least 1"]);
    refused(with(|c| c.batch = Some(0)), &["batch is 0"]);
    refused(with(|c| c.burn_in = 30_000), &["steps is 30900", "burn_in"]);
    refused(with(|c| c.start_spread = f64::NAN), &["start_spread is NaN"]);
    let frozen = AdamMcmcConfig {
        mode: Mode::Frozen,
        ..AdamMcmcConfig::default()
    };
    refused(start(&frozen, &chains, Prior::Flat), &["burn_in is 0", "frozen"]);
    let target = MalaConfig {
        target_acceptance: Some(1.0),
        ..MalaConfig::default()
    };
    refused(start(&target, &chains, Prior::Flat), &["target_acceptance is 1"]);
    refused(start(&SghmcConfig::default(), &chains, Prior::Flat), &["burn_in is 0"]);
    let plain = SghmcConfig {
        scale_adapted: false,
        ..SghmcConfig::default()
    };
    refused(start(&plain, &chains, Prior::Flat), &["gradient_noise is 1"]);
    let sgld = SgldConfig {
        step: -1.0,
        ..SgldConfig::default()
    };
    refused(start(&sgld, &chains, Prior::Flat), &["step is -1"]);
    refused(
        start(&sgld, &chains, Prior::Gaussian { sigma: 0.0 }),
        &["prior.sigma is 0"],
    );
    let target = Linear::simulated(4, 2, 1);
    for lambda in [0.0, -1.0, f64::INFINITY] {
        let tempering = Tempering {
            lambda,
            ..Tempering::default()
        };
        assert!(Energy::new(&target, tempering, Prior::Flat).is_err(), "{lambda}");
    }
}

/// A model with a cliff: beyond 1 its loss is infinite, beyond 2 it fails.
struct Cliff;

impl Target for Cliff {
    fn weights(&self) -> usize {
        1
    }

    fn rows(&self) -> usize {
        1
    }

    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        self.loss_and_gradient(weights, part, losses, &mut [0.0])
    }

    fn loss_and_gradient(
        &self,
        weights: &[f64],
        _: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        if weights[0] > 2.0 {
            return Err("the solver gave up".into());
        }
        losses[0] = match weights[0] {
            w if w > 1.5 => f64::NAN,
            w if w > 1.0 => f64::INFINITY,
            w => 0.5 * w * w,
        };
        gradient[0] = weights[0];
        Ok(())
    }
}

/// A loss that is no number rejects a proposal; it never becomes the chain's own, and an error of the model ends the
/// chain with the model's words.
#[test]
fn proposals_without_a_loss_are_rejected() {
    let energy = Energy::new(&Cliff, Tempering::default(), Prior::Flat).unwrap();
    let config = ChainsConfig {
        steps: 20_000,
        every: 1,
        batch: None,
        ..ChainsConfig::default()
    };
    let sampler = AdamMcmcConfig {
        mode: Mode::NoMomentum,
        learning_rate: 0.05,
        sigma: 0.2,
        sigma_delta: 0.0,
        ..AdamMcmcConfig::default()
    };
    let mut chain = Chain::start(&sampler, energy, &config, 0, &[0.9]).unwrap();
    chain.advance(20_000).unwrap();
    assert!(chain.draws().iter().all(|&w| w <= 1.0));
    let summary = chain.trace().summary(0).unwrap();
    assert!(summary.acceptance < 0.99 && summary.loss.is_finite(), "{summary:?}");
    // The same with a test that has the proposal's loss only.
    let same = AdamMcmcConfig {
        mode: Mode::SameUpdate,
        ..sampler.clone()
    };
    let mut chain = Chain::start(&same, energy, &config, 0, &[0.9]).unwrap();
    chain.advance(2_000).unwrap();
    assert!(chain.draws().iter().all(|&w| w <= 1.0));

    let mut off = Chain::start(&sampler, energy, &config, 0, &[1.2]).unwrap();
    let message = off.advance(1).unwrap_err().to_string();
    assert!(message.contains("not finite at step 0"), "{message}");
    let mut beyond = Chain::start(&sampler, energy, &config, 0, &[3.0]).unwrap();
    let message = beyond.advance(1).unwrap_err().to_string();
    assert!(message.contains("the solver gave up"), "{message}");
    assert!(Chain::start(&sampler, energy, &config, 0, &[0.0, 0.0]).is_err());
    assert!(Chain::start(&sampler, energy, &config, 0, &[f64::NAN]).is_err());
}

/// Samplers without a test say that they diverged instead of going on with numbers that are none.
#[test]
fn a_diverging_chain_is_an_error() {
    let target = Linear::simulated(50, 2, 1);
    let energy = Energy::new(&target, Tempering::default(), Prior::Flat).unwrap();
    let config = ChainsConfig {
        steps: 10_000,
        every: 10_000,
        batch: None,
        ..ChainsConfig::default()
    };
    let sampler = SgldConfig {
        step: 10.0,
        ..SgldConfig::default()
    };
    let mut chain = Chain::start(&sampler, energy, &config, 0, &[0.0, 0.0]).unwrap();
    let message = chain.advance(10_000).unwrap_err().to_string();
    assert!(message.contains("too large"), "{message}");
}
