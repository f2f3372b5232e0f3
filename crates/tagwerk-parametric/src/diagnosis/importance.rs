//! What a feature is worth: the AUC that is lost when it is exchanged between events.

use super::{Sample, auc};
use crate::error::ParametricError;
use crate::study::Scorer;
use serde::{Deserialize, Serialize};
use tagwerk_data::random;

/// One feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureImportance {
    /// Its name.
    pub feature: String,
    /// AUC lost at each point of the test, in the order of `wrong_mass`.
    pub loss: Vec<f64>,
    /// Mean over the points.
    pub mean: f64,
    /// Standard deviation of a loss that comes from exchanging at random: over three permutations, pooled over the points.
    pub error: f64,
}

/// Permutations.
const REPEATS: u64 = 3;

pub(super) fn importance(
    scorer: &mut Scorer,
    sample: &Sample,
    seed: u64,
) -> Result<Vec<FeatureImportance>, ParametricError> {
    let c = sample.width;
    let names = scorer.description.features.clone();
    let mut whole = Vec::new();
    for (own, point) in sample.signal.iter().zip(&sample.points) {
        let signal = scorer.log_odds_at(own, point)?;
        whole.push(auc(&signal, &scorer.log_odds_at(&sample.background, point)?)?);
    }
    let mut found = Vec::new();
    for (at, name) in names.into_iter().enumerate() {
        let (mut loss, mut variance) = (Vec::new(), 0.0);
        for (m, (own, point)) in sample.signal.iter().zip(&sample.points).enumerate() {
            // Signal and background exchange among themselves: the feature then says nothing of the class.
            let together = [&own[..], &sample.background].concat();
            let signal = own.len() / c;
            let mut losses = Vec::new();
            for repeat in 0..REPEATS {
                let stream = format!("permutation {repeat} of {name}");
                let exchanged = exchanged(&together, c, at, &mut random::stream(seed, &stream, m as u64));
                let scores = scorer.log_odds_at(&exchanged, point)?;
                losses.push(whole[m] - auc(&scores[..signal], &scores[signal..])?);
            }
            let mean = losses.iter().sum::<f64>() / REPEATS as f64;
            variance += losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (REPEATS - 1) as f64;
            loss.push(mean);
        }
        let points = loss.len().max(1) as f64;
        found.push(FeatureImportance {
            feature: name,
            mean: loss.iter().sum::<f64>() / points,
            error: (variance / points / REPEATS as f64).sqrt(),
            loss,
        });
    }
    found.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    Ok(found)
}

/// The events with one feature exchanged between them.
fn exchanged(features: &[f32], c: usize, at: usize, rng: &mut impl rand_core::Rng) -> Vec<f32> {
    let mut values: Vec<f32> = features.iter().skip(at).step_by(c).copied().collect();
    random::shuffle(rng, &mut values);
    let mut out = features.to_vec();
    out.iter_mut()
        .skip(at)
        .step_by(c)
        .zip(values)
        .for_each(|(old, new)| *old = new);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_feature_changes_places_and_the_others_stay() {
        let features: Vec<f32> = (0..300).map(|i| i as f32).collect();
        let found = exchanged(&features, 3, 1, &mut random::stream(1, "test", 0));
        let column = |values: &[f32], at: usize| values.iter().skip(at).step_by(3).copied().collect::<Vec<f32>>();
        assert_eq!(column(&found, 0), column(&features, 0));
        assert_eq!(column(&found, 2), column(&features, 2));
        let mut moved = column(&found, 1);
        assert_ne!(moved, column(&features, 1));
        moved.sort_by(f32::total_cmp);
        assert_eq!(moved, column(&features, 1));
    }
}
