//! What the mass that the network is told does on its own.

use super::{Sample, auc};
use crate::error::ParametricError;
use crate::hypotheses::Hypotheses;
use crate::study::Scorer;
use serde::{Deserialize, Serialize};
use tagwerk_data::random;
use tagwerk_stats::{Roc, Truth};

/// The score when every event has the mean of each feature, so that only the mass differs: signal at its own, each mass as
/// frequent as the training's batches had it, background as the training assigned it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FeaturesRemoved {
    /// AUC of all masses mixed, with the features.
    pub auc: f64,
    /// The same without; 0.5 if the network reads nothing off the mass.
    pub auc_without: f64,
    /// Mass reliance `200 |auc_without - 0.5|` in per cent: 0 for a network that reads nothing off the mass, 100 for one
    /// that needs nothing else. (The original code divides by `auc` first, and is 0 for no network.)
    pub reliance_percent: f64,
}

pub(super) fn features_removed(
    scorer: &mut Scorer,
    sample: &Sample,
    trained: &Hypotheses,
    seed: u64,
) -> Result<FeaturesRemoved, ParametricError> {
    let c = sample.width;
    let distribution = scorer.config.assignment.distribution;
    let mut rng = random::stream(seed, "hypotheses of background", 0);
    let flat = scorer.config.sampling.balance.splits_signal();
    let (mut features, mut points, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for (own, point) in sample.signal.iter().zip(&sample.points) {
        // Masses that the training did not have say nothing of what it learned from them.
        if let Some(at) = trained.find(point) {
            let events = own.len() / c;
            features.extend_from_slice(own);
            points.extend(point.repeat(events));
            // A test flat in the masses would hide what is learned of a training that is not.
            let share = if flat { 1.0 } else { trained.counts()[at] as f64 };
            weights.extend(std::iter::repeat_n(share / events.max(1) as f64, events));
        }
    }
    let signal = weights.len();
    weights.resize(signal + sample.background.len() / c, 1.0);
    let labels: Vec<u8> = (0..weights.len()).map(|i| u8::from(i < signal)).collect();
    let truth = Truth::weighted(&labels, &weights)?;
    features.extend_from_slice(&sample.background);
    for _ in 0..sample.background.len() / c {
        let mut point = vec![0.0; trained.width()];
        trained.draw(distribution, &mut rng, &mut point);
        points.extend(point);
    }
    let rows = features.len() / c;
    let mut mean = vec![0.0f64; c];
    for event in features.chunks_exact(c) {
        mean.iter_mut()
            .zip(event)
            .for_each(|(m, &v)| *m += f64::from(v) / rows as f64);
    }
    let mean: Vec<f32> = mean.iter().map(|&m| m as f32).collect();
    let mut of = |features: &[f32]| -> Result<f64, ParametricError> {
        let scores = scorer.log_odds(features, &points)?;
        Ok(Roc::new(&scores, &truth)?.auc())
    };
    let (with, without) = (of(&features)?, of(&mean.repeat(rows))?);
    Ok(FeaturesRemoved {
        auc: with,
        auc_without: without,
        reliance_percent: 200.0 * (without - 0.5).abs(),
    })
}

/// The signal of one point, told others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrongMass {
    /// Where the signal is.
    pub point: Vec<f32>,
    /// What the network, and all background, was told.
    pub told: Vec<Vec<f32>>,
    /// AUC of this signal against all background.
    pub auc: Vec<f64>,
}

pub(super) fn wrong_mass(scorer: &mut Scorer, sample: &Sample) -> Result<Vec<WrongMass>, ParametricError> {
    let mut found: Vec<WrongMass> = sample
        .points
        .iter()
        .map(|point| WrongMass {
            point: point.clone(),
            told: sample.points.clone(),
            auc: Vec::new(),
        })
        .collect();
    for told in &sample.points {
        let background = scorer.log_odds_at(&sample.background, told)?;
        for (found, own) in found.iter_mut().zip(&sample.signal) {
            found.auc.push(auc(&scorer.log_odds_at(own, told)?, &background)?);
        }
    }
    Ok(found)
}
