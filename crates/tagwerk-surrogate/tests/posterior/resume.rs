//! A chain that was stopped and resumed, on any number of threads, is the chain that never stopped.

use super::targets::{Linear, Mlp};
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use tagwerk_surrogate::posterior::{
    AdamMcmcConfig, Chain, ChainsConfig, Checkpoints, DescentConfig, Draws, Energy, MalaConfig, Mode, Noise, Prior,
    Rule, Sampler, SghmcConfig, SgldConfig, Target, Tempering, TestOn, VariationalConfig, run_chains,
};

fn config(batch: Option<usize>) -> ChainsConfig {
    ChainsConfig {
        chains: 3,
        steps: 60,
        burn_in: 20,
        every: 7,
        batch,
        start_spread: 0.1,
        seed: 5,
    }
}

fn energy(target: &dyn Target) -> Energy<'_> {
    Energy::new(target, Tempering::default(), Prior::Gaussian { sigma: 1.0 }).unwrap()
}

/// State, trace and draws, bit by bit, as the file has them.
fn bits(chain: &Chain<'_, impl Sampler>, folder: &Path) -> Vec<u8> {
    let file = folder.join("bits.safetensors");
    chain.save(&file).unwrap();
    std::fs::read(file).unwrap()
}

/// Stops after `stops` steps each time, saves, forgets, resumes.
fn resumes(sampler: &impl Sampler, target: &dyn Target, batch: Option<usize>, stops: &[u64]) {
    let folder = tempfile::tempdir().unwrap();
    let (config, energy) = (config(batch), energy(target));
    let start = vec![0.2; target.weights()];
    let mut whole = Chain::start(sampler, energy, &config, 1, &start).unwrap();
    whole.advance(60).unwrap();
    let file = folder.path().join("chain.safetensors");
    Chain::start(sampler, energy, &config, 1, &start)
        .unwrap()
        .save(&file)
        .unwrap();
    for &stop in stops {
        let mut chain = Chain::resume(sampler, energy, &config, 1, &file).unwrap();
        chain.advance(stop).unwrap();
        chain.save(&file).unwrap();
    }
    let mut last = Chain::resume(sampler, energy, &config, 1, &file).unwrap();
    last.advance(60).unwrap();
    assert!(
        bits(&last, folder.path()) == bits(&whole, folder.path()),
        "{}",
        sampler.method()
    );
}

fn adam(mode: Mode) -> AdamMcmcConfig {
    AdamMcmcConfig {
        mode,
        learning_rate: 0.01,
        sigma: 0.05,
        sigma_decay: 0.99,
        kickstart: 3,
        ..AdamMcmcConfig::default()
    }
}

#[test]
fn every_sampler_resumes_with_the_same_bits() {
    let target = Linear::simulated(30, 2, 1);
    let mlp = Mlp::simulated(30, 1);
    let stops = [1, 13, 20, 21, 41];
    for batch in [None, Some(8)] {
        for mode in [
            Mode::SameUpdate,
            Mode::Recompute,
            Mode::Frozen,
            Mode::NoMomentum,
            Mode::AsReleased,
        ] {
            if mode == Mode::AsReleased {
                resumes(&adam(mode), &target, batch, &stops);
                continue;
            }
            for test_on in [TestOn::Step, TestOn::AllData] {
                let sampler = AdamMcmcConfig { test_on, ..adam(mode) };
                resumes(&sampler, &target, batch, &stops);
            }
        }
        for preconditioned in [false, true] {
            let mala = MalaConfig {
                step: 0.02,
                preconditioned,
                ..MalaConfig::default()
            };
            resumes(&mala, &target, batch, &stops);
            let sgld = SgldConfig {
                step: 1e-3,
                preconditioned,
                ..SgldConfig::default()
            };
            resumes(&sgld, &target, batch, &stops);
            let sghmc = SghmcConfig {
                scale_adapted: preconditioned,
                gradient_noise: 0.5,
                resample_every: 9,
                ..SghmcConfig::default()
            };
            resumes(&sghmc, &target, batch, &stops);
        }
        for rule in [
            Rule::Sgd { momentum: 0.9 },
            Rule::Adam {
                beta1: 0.9,
                beta2: 0.99,
            },
        ] {
            let descent = DescentConfig {
                rule,
                ..DescentConfig::default()
            };
            resumes(&descent, &target, batch, &stops);
        }
        for noise in [Noise::Shared, Noise::LocalReparameterization, Noise::Flipout] {
            let variational = VariationalConfig {
                noise,
                ..VariationalConfig::default()
            };
            resumes(&variational, &mlp, batch, &stops);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_stop_anywhere_leaves_no_trace(mut stops in prop::collection::vec(0u64..60, 1..4), seed in 0u64..100) {
        stops.sort_unstable();
        let target = Linear::simulated(20, 2, seed);
        resumes(&adam(Mode::Recompute), &target, Some(6), &stops);
    }
}

/// Several chains, stopped by the caller and run again, on one thread and on three.
#[test]
fn threads_and_interruptions_do_not_change_a_bit() {
    let target = Mlp::simulated(40, 2);
    let sampler = adam(Mode::SameUpdate);
    let config = config(Some(16));
    let start = vec![vec![0.3; 33]];
    let whole = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let chains = pool.install(|| run_chains(&sampler, energy(&target), &config, &start, None, &|| true));
        Draws::from_chains("test", &chains.unwrap()).unwrap()
    };
    let one = whole(1);
    assert_eq!(one, whole(3));
    assert_eq!(one.len(), 15);

    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints {
        folder: folder.path().to_path_buf(),
        every: 11,
    };
    let mut runs = 0;
    let resumed = loop {
        let asked = AtomicUsize::new(0);
        let goes_on = || asked.fetch_add(1, Ordering::Relaxed) < 4;
        let chains = run_chains(&sampler, energy(&target), &config, &start, Some(&checkpoints), &goes_on).unwrap();
        runs += 1;
        if chains.iter().all(Chain::is_finished) {
            break Draws::from_chains("test", &chains).unwrap();
        }
    };
    assert!(runs > 2, "it was interrupted");
    assert_eq!(one, resumed);
}

#[test]
fn chains_of_one_run_differ() {
    let target = Linear::simulated(30, 2, 1);
    let (sampler, config) = (adam(Mode::SameUpdate), config(None));
    let chains = run_chains(&sampler, energy(&target), &config, &[vec![0.0; 2]], None, &|| true).unwrap();
    assert_ne!(chains[0].draws(), chains[1].draws());
    assert_ne!(chains[1].draws(), chains[2].draws());
}

/// A longer run goes on where the shorter ended.
#[test]
fn a_finished_chain_can_be_prolonged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chain.safetensors");
    let target = Linear::simulated(30, 2, 1);
    let (sampler, short) = (adam(Mode::Recompute), config(None));
    let long = ChainsConfig {
        steps: 90,
        ..short.clone()
    };
    let mut first = Chain::start(&sampler, energy(&target), &short, 0, &[0.0; 2]).unwrap();
    first.advance(60).unwrap();
    first.save(&file).unwrap();
    let mut prolonged = Chain::resume(&sampler, energy(&target), &long, 0, &file).unwrap();
    prolonged.advance(90).unwrap();
    let mut at_once = Chain::start(&sampler, energy(&target), &long, 0, &[0.0; 2]).unwrap();
    at_once.advance(90).unwrap();
    assert_eq!(prolonged.draws(), at_once.draws());
}

/// A file of another chain, model or setting is refused, and says in what it differs.
#[test]
fn a_chain_resumes_only_as_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chain.safetensors");
    let target = Linear::simulated(30, 2, 1);
    let (sampler, config) = (adam(Mode::Recompute), config(None));
    let mut chain = Chain::start(&sampler, energy(&target), &config, 0, &[0.0; 2]).unwrap();
    chain.advance(30).unwrap();
    chain.save(&file).unwrap();
    let refused = |message: String, word: &str| assert!(message.contains(word), "{message}");
    let again = |sampler: &AdamMcmcConfig, target: &dyn Target, config: &ChainsConfig, index: usize| {
        Chain::resume(sampler, energy(target), config, index, &file)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    refused(again(&adam(Mode::Frozen), &target, &config, 0), "settings");
    refused(again(&sampler, &Linear::simulated(31, 2, 1), &config, 0), "rows");
    refused(again(&sampler, &Linear::simulated(30, 3, 1), &config, 0), "weights");
    refused(
        again(
            &sampler,
            &target,
            &ChainsConfig {
                seed: 6,
                ..config.clone()
            },
            0,
        ),
        "schedule",
    );
    refused(again(&sampler, &target, &config, 1), "chain");
    let mala = MalaConfig {
        step: 0.1,
        ..MalaConfig::default()
    };
    let message = Chain::resume(&mala, energy(&target), &config, 0, &file)
        .map(|_| ())
        .unwrap_err()
        .to_string();
    refused(message, "method");
    // Damage.
    let bytes = std::fs::read(&file).unwrap();
    for cut in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&file, &bytes[..cut]).unwrap();
        refused(again(&sampler, &target, &config, 0), "chain.safetensors");
    }
}
