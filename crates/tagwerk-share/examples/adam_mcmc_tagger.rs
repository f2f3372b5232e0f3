//! AdamMCMC on ParticleNet-Lite: the weights of a jet tagger as draws from a posterior.
//!
//! Bieringer, Kasieczka, Steffen, Trabs, arXiv:2312.14027, with their settings for top tagging: learning rate 1e-3, both
//! betas 0.99, batches of 512, sigma 0.2, sigma_delta = P / 100, five plain steps of Adam to begin with, from untrained
//! weights. The last half of the chain is kept, ten draws of it.
//!
//! ```sh
//! cargo run --release -p tagwerk-share --example adam_mcmc_tagger -- jets.parquet
//! cargo run --release -p tagwerk-share --example adam_mcmc_tagger -- jets.parquet --sigma 2 --share 0 --epochs 20
//! ```
//!
//! Without a file it takes the jets inside the program. It prints the acceptance, accuracy and AUC of every draw and of
//! their mean, how far the draws differ on jets that are told rightly and wrongly, and the mutual information between
//! label and weights: in the paper the spread is several times larger where the tagger is wrong.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use tagwerk_data::{JetDataset, JetOptions, Jets, Part as DataPart};
use tagwerk_nn::Device;
use tagwerk_share::TaggerTarget;
use tagwerk_stats::{Truth, delong, logistic};
use tagwerk_surrogate::posterior::{
    AdamMcmcConfig, ChainsConfig, Draws, Method, Part, PosteriorConfig, Reduction, Surroundings, Target, Tempering,
    infer,
};
use tagwerk_taggers::{ParticleNet, ParticleNetConfig, ParticleNetLiteConfig, Tagger};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What can be typed.
struct Typed {
    file: Option<String>,
    jets: u64,
    epochs: u64,
    batch: usize,
    sigma: f64,
    /// sigma_delta / P.
    share: f64,
    lambda: f64,
    seed: u64,
}

fn typed() -> Outcome<Typed> {
    let mut typed = Typed {
        file: None,
        jets: 10_000,
        epochs: 100,
        batch: 512,
        sigma: 0.2,
        share: 0.01,
        lambda: 1.0,
        seed: 0,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--jets" => typed.jets = value()?.parse()?,
            "--epochs" => typed.epochs = value()?.parse()?,
            "--batch" => typed.batch = value()?.parse()?,
            "--sigma" => typed.sigma = value()?.parse()?,
            "--share" => typed.share = value()?.parse()?,
            "--lambda" => typed.lambda = value()?.parse()?,
            "--seed" => typed.seed = value()?.parse()?,
            other if !other.starts_with('-') => typed.file = Some(other.to_owned()),
            other => return Err(format!("{other} is not known").into()),
        }
    }
    Ok(typed)
}

fn main() -> Outcome<()> {
    let typed = typed()?;
    let data = match &typed.file {
        Some(file) => JetDataset::open(Path::new(file), &JetOptions::default())?,
        None => JetDataset::sample()?,
    };
    let config = ParticleNetConfig::from(ParticleNetLiteConfig::default());
    let target = |jets: &Jets| -> Outcome<TaggerTarget<ParticleNet>> {
        let labels = jets.labels.iter().map(|&label| f32::from(label)).collect();
        let network = config.init(typed.seed, &Device::flex())?;
        TaggerTarget::new(network, config.view(jets)?, labels, typed.seed, &Device::flex())
    };
    let (training, test) = (
        data.load(DataPart::Train, Some(typed.jets))?,
        data.load(DataPart::Test, Some(typed.jets))?,
    );
    let learned = target(&training)?;
    let (rows, weights) = (learned.rows(), learned.weights());
    let steps_an_epoch = rows.div_ceil(typed.batch) as u64;
    let steps = typed.epochs * steps_an_epoch;
    println!(
        "{rows} jets to learn from, {} to test; {weights} weights, {steps} steps of {}",
        test.labels.len(),
        typed.batch
    );
    let posterior = PosteriorConfig {
        method: Method::AdamMcmc(AdamMcmcConfig {
            sigma: typed.sigma,
            sigma_delta: typed.share * weights as f64,
            ..AdamMcmcConfig::top_tagging(weights)
        }),
        tempering: Tempering {
            lambda: typed.lambda,
            reduction: Reduction::Mean,
        },
        chains: ChainsConfig {
            chains: 1,
            steps,
            burn_in: steps / 2,
            every: (steps / 20).max(1),
            batch: Some(typed.batch),
            seed: typed.seed,
            ..ChainsConfig::default()
        },
        ..PosteriorConfig::default()
    };
    let around = Surroundings {
        model: "particlenet-lite",
        checkpoints: None,
        goes_on: &|| true,
        train: None,
    };
    let begin = std::time::Instant::now();
    let draws = infer(&posterior, &learned, &learned.start(), &around)?.ok_or("stopped")?;
    let seconds = begin.elapsed().as_secs_f64();
    println!("{seconds:.0} s, {:.0} ms a step", 1e3 * seconds / steps as f64);
    for chain in &draws.record().chains {
        println!("acceptance in the second half {:.3}", chain.acceptance);
    }
    tell(&draws, &target(&test)?, &test.labels)
}

/// Tells how good draws and their mean are, and where they differ.
fn tell(draws: &Draws, test: &TaggerTarget<ParticleNet>, labels: &[u8]) -> Outcome<()> {
    let truth = Truth::new(labels)?;
    // Probabilities of signal, a list a draw.
    let mut all: Vec<Vec<f64>> = Vec::new();
    for (draw, weights) in draws.iter().enumerate() {
        let weights: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
        let odds = test.log_odds(&weights, Part::all())?;
        let probabilities: Vec<f64> = odds.iter().map(|&odds| logistic(odds)).collect();
        line(&format!("draw {draw}"), &probabilities, labels, &truth)?;
        all.push(probabilities);
    }
    let of_jet = |jet: usize| all.iter().map(move |draw| draw[jet]).collect::<Vec<f64>>();
    let mean: Vec<f64> = (0..labels.len())
        .map(|jet| of_jet(jet).iter().sum::<f64>() / all.len() as f64)
        .collect();
    line("mean of draws", &mean, labels, &truth)?;
    // Interquartile range, and mutual information: entropy of the mean less the mean entropy.
    let mut sums = [[0.0; 3]; 2];
    for (jet, &label) in labels.iter().enumerate() {
        let mut own = of_jet(jet);
        own.sort_by(f64::total_cmp);
        let spread = quantile(&own, 0.75) - quantile(&own, 0.25);
        let information = entropy(mean[jet]) - own.iter().map(|&p| entropy(p)).sum::<f64>() / own.len() as f64;
        let right = usize::from((mean[jet] > 0.5) == (label == 1));
        for (sum, value) in sums[right].iter_mut().zip([1.0, spread, information]) {
            *sum += value;
        }
    }
    for (name, [jets, spread, information]) in [("wrongly", sums[0]), ("rightly", sums[1])] {
        println!(
            "{jets} jets told {name}: spread q75 - q25 {:.4}, mutual information {:.5}, on the mean",
            spread / jets,
            information / jets
        );
    }
    Ok(())
}

fn line(name: &str, probabilities: &[f64], labels: &[u8], truth: &Truth) -> Outcome<()> {
    let right = (probabilities.iter().zip(labels))
        .filter(|&(&p, &label)| (p > 0.5) == (label == 1))
        .count();
    let accuracy = right as f64 / labels.len() as f64;
    let area = delong(probabilities, truth)?;
    println!(
        "{name:14} accuracy {accuracy:.4} ± {:.4}, AUC {:.4} ± {:.4}",
        (accuracy * (1.0 - accuracy) / labels.len() as f64).sqrt(),
        area.auc,
        area.error.unwrap_or(f64::NAN)
    );
    Ok(())
}

/// Of sorted values, linear between them.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// Of two classes, in nats.
fn entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    part(p) + part(1.0 - p)
}
