//! Histogram of the probability integral transform, with its tests of uniformity.
//!
//! A U-shape says that the prediction is too narrow, a hump that it is too wide, a slope that it is shifted. Dawid,
//! J. R. Stat. Soc. A 147 (1984) 278; Gneiting, Balabdaoui, Raftery, J. R. Stat. Soc. B 69 (2007) 243.

use crate::checks;
use crate::distribution::{chi_square_tail, kolmogorov_tail};
use crate::error::{Result, StatsError};
use serde::{Deserialize, Serialize};

/// PIT values in equal bins of [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PitHistogram {
    /// Rows a bin.
    pub counts: Vec<u64>,
    /// Rows.
    pub rows: usize,
    /// Largest distance between the distribution of the PIT and the uniform one (Kolmogorov-Smirnov).
    pub ks: f64,
    /// Probability of a distance at least this large when the prediction is right.
    pub ks_p_value: f64,
    /// Chi-square of the counts against equal ones.
    pub chi2: f64,
    /// Its degrees of freedom: bins - 1.
    pub chi2_degrees: usize,
    /// Probability of a chi-square at least this large when the prediction is right.
    pub chi2_p_value: f64,
    /// Mean of the PIT: 1/2 when right; above when observed values lie above the prediction.
    pub mean: f64,
    /// Variance of the PIT: 1/12 when right; larger when the prediction is too narrow.
    pub variance: f64,
}

/// Tests PIT values for uniformity. A value 1 counts in the last bin.
///
/// # Errors
/// No rows, values outside [0, 1], no bins.
pub fn pit_histogram(pit: &[f64], bins: usize) -> Result<PitHistogram> {
    checks::at_least("PIT values", 1, pit.len())?;
    checks::shares("the PIT", pit)?;
    if bins == 0 {
        return Err(StatsError::Setting {
            what: "the number of PIT bins",
            value: 0.0,
            wanted: "at least 1",
        });
    }
    let mut sorted = pit.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = pit.len() as f64;
    let mut counts = vec![0_u64; bins];
    let (mut ks, mut sum) = (0.0_f64, 0.0);
    for (i, &u) in sorted.iter().enumerate() {
        counts[((u * bins as f64) as usize).min(bins - 1)] += 1;
        ks = ks.max(u - i as f64 / n).max((i + 1) as f64 / n - u);
        sum += u;
    }
    let mean = sum / n;
    let variance = sorted.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / n;
    let expected = n / bins as f64;
    let chi2 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
    Ok(PitHistogram {
        counts,
        rows: pit.len(),
        ks,
        ks_p_value: kolmogorov_tail(ks, pit.len()),
        chi2,
        chi2_degrees: bins - 1,
        chi2_p_value: chi_square_tail(chi2, bins - 1),
        mean,
        variance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn statistics_and_p_values_are_those_of_scipy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        for case in json["pit"].as_array().unwrap() {
            let pit: Vec<f64> = serde_json::from_value(case["values"].clone()).unwrap();
            let ours = serde_json::to_value(pit_histogram(&pit, 10).unwrap()).unwrap();
            assert_eq!(ours["counts"], case["counts"]);
            for key in ["ks", "ks_p_value", "chi2", "chi2_p_value", "mean", "variance"] {
                let (a, b) = (ours[key].as_f64().unwrap(), case[key].as_f64().unwrap());
                assert!((a - b).abs() < 1e-6 * b.abs().max(1e-6), "{key}: {a} instead of {b}");
            }
        }
    }

    #[test]
    fn values_that_are_no_shares_are_named_by_row() {
        let error = pit_histogram(&[0.2, 1.1], 10).unwrap_err();
        assert_eq!(error.to_string(), "the PIT is 1.1 in row 1: it must lie in [0, 1]");
        assert!(pit_histogram(&[], 10).is_err() && pit_histogram(&[0.5], 0).is_err());
    }
}
