//! Networks of the taggers under the samplers of posteriors.
#![allow(clippy::unwrap_used)] // The test settings of clippy.toml do not reach the free functions of a test file.

use tagwerk_data::{JetDataset, Part as DataPart};
use tagwerk_nn::Device;
use tagwerk_physics::View;
use tagwerk_share::TaggerTarget;
use tagwerk_surrogate::posterior::{
    AdamMcmcConfig, ChainsConfig, Method, Part, PosteriorConfig, Surroundings, Target, infer,
};
use tagwerk_taggers::{
    CnnConfig, LorentzNetConfig, Network, PartConfig, ParticleNet, ParticleNetConfig, PcnnConfig, Tagger, TreeNinConfig,
};

/// A small ParticleNet on jets of the embedded sample.
fn target(jets: usize, group: usize, dropout: f64) -> TaggerTarget<ParticleNet> {
    let settings = "hidden = 8\nblocks = [{ k = 4, widths = [6, 6] }, { k = 4, widths = [8] }]";
    let config: ParticleNetConfig = toml::from_str(&format!("dropout = {dropout:?}\n{settings}")).unwrap();
    let all = JetDataset::sample().unwrap().load(DataPart::Train, None).unwrap();
    let jets = all.slice(0..jets);
    let labels = jets.labels.iter().map(|&label| f32::from(label)).collect();
    let view = config.view(&jets).unwrap();
    let network = config.init(1, &Device::flex()).unwrap();
    TaggerTarget::new(network, view, labels, 5, &Device::flex())
        .unwrap()
        .with_groups(group)
}

fn losses(target: &TaggerTarget<ParticleNet>, weights: &[f64], part: Part) -> Vec<f64> {
    let mut losses = vec![0.0; part.len(target.rows())];
    target.losses(weights, part, &mut losses).unwrap();
    losses
}

#[test]
fn the_gradient_is_that_of_the_sum_of_the_losses() {
    let target = target(60, 25, 0.1);
    let start = target.start();
    assert_eq!((start.len(), target.rows()), (target.weights(), 60));
    assert_eq!(target.tensors().iter().sum::<usize>(), start.len());
    let rows: Vec<usize> = (0..60).rev().step_by(2).collect();
    for part in [Part::all(), Part::of(&rows).with_draw(3)] {
        let n = part.len(60);
        let (mut own, mut gradient) = (vec![0.0; n], vec![f64::NAN; start.len()]);
        target.loss_and_gradient(&start, part, &mut own, &mut gradient).unwrap();
        assert_eq!(own, losses(&target, &start, part), "with a gradient and without");
        // Along the gradient itself, where the loss changes most, and along a direction that mixes all weights.
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let along: Vec<f64> = gradient.iter().map(|g| g / norm).collect();
        let mixed: Vec<f64> = (0..start.len())
            .map(|i| ((i * 7919) as f64).sin() / (start.len() as f64).sqrt())
            .collect();
        for direction in [along, mixed] {
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            // The kinks of ReLU and the rounding of f32 weights limit how small a step may be.
            let h = 2e-4;
            let at = |sign: f64| -> f64 {
                let moved: Vec<f64> = start.iter().zip(&direction).map(|(w, d)| w + sign * h * d).collect();
                losses(&target, &moved, part).iter().sum()
            };
            let difference = (at(1.0) - at(-1.0)) / (2.0 * h);
            assert!(
                (slope - difference).abs() < 0.02 * norm,
                "{slope} for {difference}, norm {norm}"
            );
        }
    }
}

#[test]
fn equal_calls_give_equal_bits_and_a_draw_is_a_dropout_of_its_own() {
    let target = target(40, 20, 0.3);
    let start = target.start();
    let first = losses(&target, &start, Part::all());
    let other: Vec<f64> = start.iter().map(|w| w * 0.9).collect();
    let elsewhere = losses(&target, &other, Part::all());
    assert_ne!(first, elsewhere);
    assert_eq!(first, losses(&target, &start, Part::all()));
    let rows: Vec<usize> = (0..40).collect();
    assert_eq!(first, losses(&target, &start, Part::of(&rows)));
    assert_ne!(first, losses(&target, &start, Part::of(&rows).with_draw(1)));
}

/// Losses come of a pass that nothing is recorded of, with the statistics and the dropout of one that is.
#[test]
fn losses_are_those_of_training_for_layers_with_statistics_or_dropout() {
    let all = JetDataset::sample().unwrap().load(DataPart::Train, None).unwrap();
    let jets = all.slice(0..12);
    let labels: Vec<f32> = jets.labels.iter().map(|&label| f32::from(label)).collect();
    fn check<N: Network>(name: &str, network: N, view: View, labels: &[f32]) {
        let target = TaggerTarget::new(network, view, labels.to_vec(), 5, &Device::flex())
            .unwrap()
            .with_groups(5);
        let weights = target.start();
        let part = Part::all().with_draw(2);
        let (mut recorded, mut trial) = (vec![0.0; labels.len()], vec![0.0; labels.len()]);
        let mut gradient = vec![0.0; weights.len()];
        (target.loss_and_gradient(&weights, part, &mut recorded, &mut gradient)).unwrap();
        target.losses(&weights, part, &mut trial).unwrap();
        assert_eq!(recorded, trial, "{name}");
        assert!(gradient.iter().any(|g| *g != 0.0), "{name}");
    }
    macro_rules! check {
        ($($config:ty => $settings:expr),+ $(,)?) => {$(
            let config: $config = toml::from_str($settings).unwrap();
            let (network, view) = (config.init(1, &Device::flex()).unwrap(), config.view(&jets).unwrap());
            check(stringify!($config), network, view, &labels);
        )+};
    }
    check!(
        ParticleNetConfig => "dropout = 0.2\nhidden = 8\nblocks = [{ k = 4, widths = [6] }]",
        PartConfig => "",
        LorentzNetConfig => "",
        TreeNinConfig => "",
        CnnConfig => "",
        PcnnConfig => "",
    );
}

#[test]
fn adam_mcmc_walks_a_particlenet_and_its_draws_explain_the_jets() {
    let target = target(200, 100, 0.0);
    let start = target.start();
    let mean = |weights: &[f64]| losses(&target, weights, Part::all()).iter().sum::<f64>() / 200.0;
    let config = PosteriorConfig {
        method: Method::AdamMcmc(AdamMcmcConfig {
            learning_rate: 3e-3,
            sigma: 0.02,
            // Six lengths of a step, in the window where the paper finds acceptance.
            sigma_delta: 120.0,
            kickstart: 5,
            ..AdamMcmcConfig::default()
        }),
        chains: ChainsConfig {
            chains: 2,
            steps: 120,
            burn_in: 60,
            every: 20,
            batch: None,
            ..ChainsConfig::default()
        },
        ..PosteriorConfig::default()
    };
    let around = Surroundings {
        model: "particlenet",
        checkpoints: None,
        goes_on: &|| true,
        train: None,
    };
    let draws = infer(&config, &target, &start, &around).unwrap().unwrap();
    assert_eq!(draws.len(), 6);
    for draw in draws.iter() {
        let weights: Vec<f64> = draw.iter().map(|&w| f64::from(w)).collect();
        assert!(
            mean(&weights) < 0.9 * mean(&start),
            "{} from {}",
            mean(&weights),
            mean(&start)
        );
    }
    for chain in &draws.record().chains {
        assert!(chain.acceptance > 0.1 && chain.acceptance < 1.0, "{chain:?}");
    }
    assert_ne!(draws.get(0), draws.get(2));
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    let config: ParticleNetConfig = toml::from_str("hidden = 4\nblocks = [{ k = 2, widths = [4] }]").unwrap();
    let jets = JetDataset::sample()
        .unwrap()
        .load(DataPart::Train, None)
        .unwrap()
        .slice(0..3);
    let refused = |labels: Vec<f32>| {
        let network = config.init(1, &Device::flex()).unwrap();
        let view = config.view(&jets).unwrap();
        TaggerTarget::new(network, view, labels, 1, &Device::flex())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refused(vec![1.0, 0.0]), "2 labels of 3 jets");
    assert!(refused(vec![1.0, 0.5, 0.0]).contains("jet 1 has the label 0.5"));
}
