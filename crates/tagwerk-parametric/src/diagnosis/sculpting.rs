//! What a cut on the score does to the spectrum of a quantity in background events.
//!
//! A network that is told the mass takes background events near that mass for signal. Behind a cut the background then has a
//! bump where one looks for a bump. Spectra before and behind are compared by the Jensen-Shannon divergence (in bits: 0 the
//! same, 1 nothing in common); a random choice of as many events also has one, which stands beside.

use super::{DiagnosisOptions, Sample};
use crate::error::ParametricError;
use crate::study::Scorer;
use serde::{Deserialize, Serialize};
use tagwerk_data::random;

/// Bins of a spectrum.
const BINS: usize = 30;

/// Random choices that stand beside a cut.
const CHOICES: u64 = 20;

/// Spectra of background.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sculpting {
    /// The quantity.
    pub column: String,
    /// Edges of the bins, from the 0.5th to the 99.5th percentile; what lies outside is in the outer bins.
    pub edges: Vec<f64>,
    /// Shares of the events in the bins, before any cut.
    pub before: Vec<f64>,
    /// Behind each cut.
    pub cuts: Vec<SculptedCut>,
}

/// Background behind one cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SculptedCut {
    /// What the network was told.
    pub point: Vec<f32>,
    /// Share of background that passes.
    pub background_efficiency: f64,
    /// Share of the signal of this point that passes.
    pub signal_efficiency: f64,
    /// Jensen-Shannon divergence to the spectrum before, in bits.
    pub divergence: f64,
    /// That of a random choice of as many events: mean and standard deviation.
    pub of_chance: [f64; 2],
    /// Shares of the events in the bins.
    pub spectrum: Vec<f64>,
}

pub(super) fn sculpting(
    scorer: &mut Scorer,
    sample: &Sample,
    column: usize,
    options: &DiagnosisOptions,
) -> Result<Sculpting, ParametricError> {
    let values: Vec<f64> = sample
        .background
        .iter()
        .skip(column)
        .step_by(sample.width)
        .map(|&v| f64::from(v))
        .collect();
    let edges = edges(&values);
    let bins: Vec<usize> = values.iter().map(|&v| bin(&edges, v)).collect();
    let before = spectrum(bins.iter().copied());
    let mut cuts = Vec::new();
    for (m, (own, point)) in sample.signal.iter().zip(&sample.points).enumerate() {
        let background = scorer.log_odds_at(&sample.background, point)?;
        let signal = scorer.log_odds_at(own, point)?;
        let mut order: Vec<usize> = (0..background.len()).collect();
        order.sort_by(|&a, &b| background[b].total_cmp(&background[a]));
        for (e, &efficiency) in options.efficiencies.iter().enumerate() {
            let count = ((background.len() as f64 * efficiency).round() as usize).max(1);
            let cut = background[order[count - 1]];
            let behind = spectrum(order[..count].iter().map(|&i| bins[i]));
            let number = (m * options.efficiencies.len() + e) as u64;
            cuts.push(SculptedCut {
                point: point.clone(),
                background_efficiency: count as f64 / background.len() as f64,
                signal_efficiency: signal.iter().filter(|&&s| s >= cut).count() as f64 / signal.len().max(1) as f64,
                divergence: divergence(&before, &behind),
                of_chance: chance(&bins, &before, count, options.seed, number),
                spectrum: behind,
            });
        }
    }
    Ok(Sculpting {
        column: scorer.description.features[column].clone(),
        edges,
        before,
        cuts,
    })
}

/// Equal bins over the middle 99 % of the values.
fn edges(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let (low, mut high) = (at(0.005), at(0.995));
    if high <= low {
        high = low + 1.0;
    }
    (0..=BINS)
        .map(|i| low + (high - low) * i as f64 / BINS as f64)
        .collect()
}

fn bin(edges: &[f64], value: f64) -> usize {
    let place = (value - edges[0]) / (edges[BINS] - edges[0]) * BINS as f64;
    (place.max(0.0) as usize).min(BINS - 1)
}

fn spectrum(bins: impl Iterator<Item = usize>) -> Vec<f64> {
    let mut counts = vec![0.0; BINS];
    bins.for_each(|bin| counts[bin] += 1.0);
    let total: f64 = counts.iter().sum();
    counts.iter_mut().for_each(|count| *count /= total.max(1.0));
    counts
}

/// Jensen-Shannon divergence of two distributions, in bits.
fn divergence(p: &[f64], q: &[f64]) -> f64 {
    let half = |p: &[f64], q: &[f64]| -> f64 {
        let terms = p.iter().zip(q).filter(|(p, _)| **p > 0.0);
        terms.map(|(p, q)| p * (2.0 * p / (p + q)).log2()).sum()
    };
    (0.5 * (half(p, q) + half(q, p))).max(0.0)
}

/// Mean and deviation of the divergence of random choices.
fn chance(bins: &[usize], before: &[f64], count: usize, seed: u64, number: u64) -> [f64; 2] {
    let mut rng = random::stream(seed, "random choices of background", number);
    let mut order = bins.to_vec();
    let found: Vec<f64> = (0..CHOICES)
        .map(|_| {
            random::shuffle(&mut rng, &mut order);
            divergence(before, &spectrum(order[..count].iter().copied()))
        })
        .collect();
    let mean = found.iter().sum::<f64>() / CHOICES as f64;
    let variance = found.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (CHOICES - 1) as f64;
    [mean, variance.sqrt()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divergence_is_zero_for_equals_one_for_strangers_and_its_formula_between() {
        assert_eq!(divergence(&[0.5, 0.5, 0.0], &[0.5, 0.5, 0.0]), 0.0);
        assert!((divergence(&[1.0, 0.0], &[0.0, 1.0]) - 1.0).abs() < 1e-12);
        // H(m) - (H(p) + H(q)) / 2 with m the mean, in bits.
        let (p, q) = ([0.7, 0.2, 0.1], [0.1, 0.3, 0.6]);
        let entropy = |v: &[f64]| -> f64 { v.iter().map(|x| -x * x.log2()).sum() };
        let middle: Vec<f64> = p.iter().zip(&q).map(|(a, b)| (a + b) / 2.0).collect();
        let expected = entropy(&middle) - (entropy(&p) + entropy(&q)) / 2.0;
        assert!((divergence(&p, &q) - expected).abs() < 1e-12);
    }

    #[test]
    fn chance_falls_with_the_number_of_events_and_a_peak_stands_above_it() {
        let values: Vec<f64> = (0..4000).map(|i| (f64::from(i) * 0.618).fract()).collect();
        let edges = edges(&values);
        let bins: Vec<usize> = values.iter().map(|&v| bin(&edges, v)).collect();
        let before = spectrum(bins.iter().copied());
        let ([many, _], [few, spread]) = (chance(&bins, &before, 2000, 1, 0), chance(&bins, &before, 80, 1, 0));
        assert!(many < few / 5.0, "{many} {few}");
        let peak = spectrum(bins.iter().copied().filter(|&bin| bin == 7));
        assert!(divergence(&before, &peak) > few + 5.0 * spread);
        assert_eq!((bin(&edges, -9.0), bin(&edges, 9.0)), (0, BINS - 1));
    }
}
