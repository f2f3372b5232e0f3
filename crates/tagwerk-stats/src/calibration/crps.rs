//! Continuous ranked probability score: integral of (F(x) - 1[x >= y])^2, in units of y, smaller is better.
//!
//! Gneiting, Raftery, J. Am. Stat. Assoc. 102 (2007) 359. A proper score: only the true distribution minimizes its
//! expectation, and unlike the likelihood it exists for a prediction with steps.

use super::quantile_curve::draws_a_row;
use crate::checks;
use crate::error::{Result, StatsError};
use crate::sample_mean::SampleMean;
use rayon::prelude::*;

/// CRPS of `m` samples of a prediction: the fair form, whose expectation over samples is the prediction's own CRPS
/// (Ferro, Q. J. R. Meteorol. Soc. 140 (2014) 1917):
///
/// mean |x_i - y| - sum_{i<j} |x_i - x_j| / (m (m - 1)).
///
/// It can be below 0 for one row; its mean is what counts.
///
/// # Errors
/// Fewer than two samples, values that are not finite.
pub fn crps_of_samples(samples: &[f64], observed: f64) -> Result<f64> {
    checks::at_least("samples for a CRPS", 2, samples.len())?;
    checks::finite("a sample", samples)?;
    checks::finite("the observed value", &[observed])?;
    Ok(fair(&mut samples.to_vec(), observed))
}

/// Of finite samples, which are sorted.
fn fair(samples: &mut [f64], observed: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let m = samples.len() as f64;
    let distance = samples.iter().map(|x| (x - observed).abs()).sum::<f64>() / m;
    // sum_{i<j} (x_j - x_i) = sum_k (2 k - m + 1) x_k in ascending order; about the median, where sums stay small.
    let middle = samples[samples.len() / 2];
    let pairs: f64 = (samples.iter().enumerate())
        .map(|(k, x)| (2.0 * k as f64 - m + 1.0) * (x - middle))
        .sum();
    distance - pairs / (m * (m - 1.0))
}

/// Mean fair CRPS over rows: samples `[rows, draws]`, one observed value a row.
///
/// # Errors
/// As [`crps_of_samples`]; samples that do not divide among the rows.
pub fn mean_crps(samples: &[f64], observed: &[f64]) -> Result<SampleMean> {
    checks::finite("the observed value", observed)?;
    let draws = draws_a_row(samples, observed.len())?;
    checks::at_least("samples for a CRPS", 2, draws)?;
    let scores: Vec<f64> = samples
        .par_chunks_exact(draws)
        .zip(observed)
        .map(|(draws, &y)| fair(&mut draws.to_vec(), y))
        .collect();
    SampleMean::of(&scores).ok_or(StatsError::NoEvents)
}

/// CRPS of a prediction given by quantiles: twice the integral over levels of the pinball loss, each quantile standing
/// for the levels nearer to it than to its neighbors. With K levels (k - 1/2)/K it is the CRPS of K samples at the
/// quantiles, not fair, too large by order 1/K.
///
/// # Errors
/// Levels that do not ascend in (0, 1), unequal lengths, values that are not finite.
pub fn crps_of_quantiles(levels: &[f64], quantiles: &[f64], observed: f64) -> Result<f64> {
    checks::at_least("levels for a CRPS", 1, levels.len())?;
    checks::rows("the quantiles", levels.len(), quantiles.len())?;
    checks::range("the level", levels, "(0, 1)", |a| a > 0.0 && a < 1.0)?;
    checks::finite("a quantile", quantiles)?;
    checks::finite("the observed value", &[observed])?;
    if let Some(row) = (1..levels.len()).find(|&i| levels[i] <= levels[i - 1]) {
        return Err(StatsError::Range {
            what: "the level".to_owned(),
            row,
            value: levels[row],
            wanted: "ascending order",
        });
    }
    let last = levels.len() - 1;
    let edge = |i: usize| match i {
        0 => 0.0,
        i if i > last => 1.0,
        i => (levels[i - 1] + levels[i]) / 2.0,
    };
    let pinball = |i: usize| {
        let above = observed - quantiles[i];
        let loss = if above >= 0.0 {
            levels[i] * above
        } else {
            (levels[i] - 1.0) * above
        };
        loss * (edge(i + 1) - edge(i))
    };
    Ok(2.0 * (0..levels.len()).map(pinball).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::{normal_cdf, normal_quantile};
    use serde_json::Value;

    /// CRPS of a normal prediction (Gneiting et al., Mon. Weather Rev. 133 (2005) 1098).
    fn normal_crps(mean: f64, sigma: f64, y: f64) -> f64 {
        let z = (y - mean) / sigma;
        let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
        sigma * (z * (2.0 * normal_cdf(z) - 1.0) + 2.0 * density - 1.0 / std::f64::consts::PI.sqrt())
    }

    #[test]
    fn the_sum_over_pairs_is_that_of_numpy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        let case = &json["samples"];
        let column = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
        let (samples, observed, reference) = (column("samples"), column("observed"), column("crps"));
        let draws = samples.len() / observed.len();
        for (i, draws) in samples.chunks(draws).enumerate() {
            let ours = crps_of_samples(draws, observed[i]).unwrap();
            assert!(
                (ours - reference[i]).abs() < 1e-12,
                "{i}: {ours} instead of {}",
                reference[i]
            );
        }
        let mean = mean_crps(&samples, &observed).unwrap();
        assert!((mean.value - reference.iter().sum::<f64>() / reference.len() as f64).abs() < 1e-12);
    }

    #[test]
    fn quantiles_of_a_normal_give_its_closed_form() {
        let levels: Vec<f64> = (0..2000).map(|i| (f64::from(i) + 0.5) / 2000.0).collect();
        for (mean, sigma, y) in [(0.0, 1.0, 0.3), (2.0, 0.5, 3.1), (-1.0, 3.0, -9.0)] {
            let quantiles: Vec<f64> = levels.iter().map(|&p| mean + sigma * normal_quantile(p)).collect();
            let exact = normal_crps(mean, sigma, y);
            let ours = crps_of_quantiles(&levels, &quantiles, y).unwrap();
            assert!((ours - exact).abs() < 3e-3 * exact, "{ours} {exact}");
        }
    }

    #[test]
    fn the_fair_score_of_two_samples_is_unbiased() {
        // Expectation over all pairs of the equally likely outcomes {0, 1, 3}, drawn without replacement of the
        // distribution: the prediction's CRPS at y is E|X - y| - E|X - X'| / 2 with independent X, X'.
        let outcomes = [0.0, 1.0, 3.0];
        let y = 0.4;
        let mut fair_mean = 0.0;
        for a in outcomes {
            for b in outcomes {
                fair_mean += crps_of_samples(&[a, b], y).unwrap() / 9.0;
            }
        }
        let distance: f64 = outcomes.iter().map(|x| (x - y).abs()).sum::<f64>() / 3.0;
        let pairs: f64 = outcomes
            .iter()
            .flat_map(|a| outcomes.map(|b| (a - b).abs()))
            .sum::<f64>()
            / 9.0;
        assert!((fair_mean - (distance - pairs / 2.0)).abs() < 1e-12);
    }

    #[test]
    fn one_sample_and_unordered_levels_are_refused() {
        assert!(crps_of_samples(&[1.0], 1.0).is_err());
        assert!(crps_of_quantiles(&[0.5, 0.2], &[1.0, 2.0], 0.0).is_err());
        assert!(mean_crps(&[1.0, 2.0, f64::NAN, 1.0], &[1.0, 2.0]).is_err());
    }
}
