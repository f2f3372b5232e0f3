//! The score of an event as a function of the mass that the network is told.

use super::{Sample, probability};
use crate::error::ParametricError;
use crate::hypotheses::Hypotheses;
use crate::study::Scorer;
use serde::{Deserialize, Serialize};

/// Events of each kind: a grid of masses times these are scored.
const EVENTS: usize = 1000;

/// Scores along a grid of masses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Smoothness {
    /// The masses, evenly from the lowest to the highest trained on, `[G]`.
    pub grid: Vec<f64>,
    /// Mean score of the signal of each point of the test, `[M][G]`.
    pub signal: Vec<Vec<f64>>,
    /// Points of `signal`.
    pub points: Vec<f64>,
    /// Mean score of background, `[G]`.
    pub background: Vec<f64>,
    /// Mean |change of an event's score| from a mass to the next of the grid, `[G - 1]`.
    pub step: Vec<f64>,
    /// Mean |second difference of an event's score| at each inner mass of the grid, `[G - 2]`.
    pub bend: Vec<f64>,
    /// Mean bend at the grid's masses nearest to those trained on over the mean bend of the others; a network that knows its
    /// training masses by heart has kinks there and is far above 1. Absent where no trained mass lies inside, or nothing bends.
    pub bend_at_trained: Option<f64>,
}

pub(super) fn smoothness(
    scorer: &mut Scorer,
    sample: &Sample,
    trained: &Hypotheses,
    grid: usize,
) -> Result<Option<Smoothness>, ParametricError> {
    if trained.width() != 1 || trained.len() < 2 {
        return Ok(None);
    }
    let [low, high] = trained.range()[0];
    let (low, high) = (f64::from(low), f64::from(high));
    let masses: Vec<f64> = (0..grid)
        .map(|i| low + (high - low) * i as f64 / (grid - 1) as f64)
        .collect();
    let c = sample.width;
    let few = |values: &[f32]| values[..values.len().min(EVENTS * c)].to_vec();
    let kinds: Vec<Vec<f32>> = sample
        .signal
        .iter()
        .chain([&sample.background])
        .map(|v| few(v))
        .collect();
    // [kind][G][B]
    let mut scores: Vec<Vec<Vec<f64>>> = vec![Vec::new(); kinds.len()];
    for &mass in &masses {
        for (kind, found) in kinds.iter().zip(&mut scores) {
            let log_odds = scorer.log_odds_at(kind, &[mass as f32])?;
            found.push(log_odds.into_iter().map(probability).collect());
        }
    }
    let (step, bend) = differences(&scores);
    let mean = |of: &Vec<Vec<f64>>| -> Vec<f64> {
        let means = of
            .iter()
            .map(|events| events.iter().sum::<f64>() / events.len().max(1) as f64);
        means.collect()
    };
    let mut means: Vec<Vec<f64>> = scores.iter().map(mean).collect();
    let background = means.pop().unwrap_or_default();
    let at_trained: Vec<usize> = (0..trained.len())
        .map(|i| ((f64::from(trained.point(i)[0]) - low) / (high - low) * (grid - 1) as f64).round() as usize)
        .collect();
    Ok(Some(Smoothness {
        bend_at_trained: kinks(&bend, &at_trained),
        points: sample.points.iter().map(|p| f64::from(p[0])).collect(),
        grid: masses,
        signal: means,
        background,
        step,
        bend,
    }))
}

/// Mean absolute first and second differences over all events.
fn differences(scores: &[Vec<Vec<f64>>]) -> (Vec<f64>, Vec<f64>) {
    let grid = scores.first().map_or(0, Vec::len);
    let events: usize = scores.iter().map(|of| of.first().map_or(0, Vec::len)).sum();
    let mean = |at: &dyn Fn(&[Vec<f64>], usize) -> f64| -> f64 {
        let sum: f64 = scores
            .iter()
            .map(|of| (0..of[0].len()).map(|event| at(of, event).abs()).sum::<f64>())
            .sum();
        sum / events.max(1) as f64
    };
    let step = (1..grid)
        .map(|g| mean(&|of, event| of[g][event] - of[g - 1][event]))
        .collect();
    let bend = (1..grid.saturating_sub(1))
        .map(|g| mean(&|of, event| of[g + 1][event] - 2.0 * of[g][event] + of[g - 1][event]))
        .collect();
    (step, bend)
}

/// Bend near the given places of the grid over that elsewhere; `bend[0]` is at place 1.
fn kinks(bend: &[f64], places: &[usize]) -> Option<f64> {
    let near: Vec<bool> = (0..bend.len()).map(|i| places.contains(&(i + 1))).collect();
    let mean = |wanted: bool| {
        let of: Vec<f64> = bend
            .iter()
            .zip(&near)
            .filter(|(_, n)| **n == wanted)
            .map(|(b, _)| *b)
            .collect();
        (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64)
    };
    let (at, elsewhere) = (mean(true)?, mean(false)?);
    (elsewhere > 0.0).then(|| at / elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kink_at_a_trained_mass_is_seen_and_a_smooth_curve_has_none() {
        let of = |f: &dyn Fn(f64) -> f64| {
            let curve: Vec<Vec<f64>> = (0..21).map(|g| vec![f(f64::from(g) / 20.0); 3]).collect();
            let (step, bend) = differences(&[curve]);
            assert_eq!((step.len(), bend.len()), (20, 19));
            kinks(&bend, &[0, 10, 20])
        };
        // A parabola bends everywhere alike.
        assert!((of(&|m| m * m).unwrap() - 1.0).abs() < 1e-9);
        // A spike at one mass: twice its height there, once on either side, nothing elsewhere: 2 against 2 / 18.
        let spike = of(&|m| f64::from((m - 0.5).abs() < 0.01)).unwrap();
        assert!((spike - 18.0).abs() < 1e-9, "{spike}");
        assert_eq!(of(&|_| 0.3), None, "nothing bends");
    }
}
