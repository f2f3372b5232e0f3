//! Simulation-based calibration: the rank of the observed value among samples of the prediction.
//!
//! Talts, Betancourt, Simpson, Vehtari, Gelman, arXiv:1804.06788. With L samples the rank is one of L + 1 values, each
//! equally likely when the prediction is right. Ranks need samples only; where an exact PIT exists it says more.

use crate::checks;
use crate::distribution::chi_square_tail;
use crate::error::{Result, StatsError};
use crate::stream;
use serde::{Deserialize, Serialize};

/// Ranks in bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankHistogram {
    /// Rows a bin.
    pub counts: Vec<u64>,
    /// Rows expected in each bin; bins hold equally many ranks only when their number divides L + 1.
    pub expected: Vec<f64>,
    /// Samples a row, L.
    pub draws: usize,
    /// Chi-square of the counts.
    pub chi2: f64,
    /// Probability of a chi-square at least this large when the prediction is right.
    pub chi2_p_value: f64,
}

/// Rank of the observed value: samples below it, and of those equal to it as many as chance says, by the stream of
/// (seed, row), so that a prediction with steps (saturated scores) is not found guilty of its ties.
pub fn rank_of(samples: &[f64], observed: f64, seed: u64, row: u64) -> usize {
    let below = samples.iter().filter(|&&x| x < observed).count();
    match samples.iter().filter(|&&x| x == observed).count() {
        0 => below,
        ties => below + stream::below(&mut stream::stream(seed, "rank", row), ties as u32 + 1) as usize,
    }
}

impl RankHistogram {
    /// Of ranks in `0..=draws`.
    ///
    /// # Errors
    /// No rows, no bins or more bins than ranks, a rank above the draws.
    pub fn new(ranks: &[usize], draws: usize, bins: usize) -> Result<Self> {
        checks::at_least("ranks", 1, ranks.len())?;
        if bins == 0 || bins > draws + 1 {
            return Err(StatsError::Setting {
                what: "the number of rank bins",
                value: bins as f64,
                wanted: "from 1 to one more than the samples a row",
            });
        }
        let values = draws + 1;
        let mut counts = vec![0_u64; bins];
        for (row, &rank) in ranks.iter().enumerate() {
            if rank > draws {
                return Err(StatsError::Range {
                    what: "the rank".to_owned(),
                    row,
                    value: rank as f64,
                    wanted: "[0, samples a row]",
                });
            }
            counts[rank * bins / values] += 1;
        }
        let expected: Vec<f64> = (0..bins)
            .map(|bin| {
                // Ranks r with floor(r bins / values) = bin.
                let held = ((bin + 1) * values).div_ceil(bins) - (bin * values).div_ceil(bins);
                ranks.len() as f64 * held as f64 / values as f64
            })
            .collect();
        let chi2 = (counts.iter().zip(&expected))
            .map(|(&c, e)| (c as f64 - e).powi(2) / e)
            .sum();
        Ok(Self {
            counts,
            expected,
            draws,
            chi2,
            chi2_p_value: chi_square_tail(chi2, bins - 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn counts_and_test_are_those_of_scipy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        let case = &json["ranks"];
        let ranks: Vec<usize> = serde_json::from_value(case["ranks"].clone()).unwrap();
        let ours = RankHistogram::new(&ranks, 99, 20).unwrap();
        assert_eq!(serde_json::to_value(&ours.counts).unwrap(), case["counts"]);
        assert!((ours.chi2 - case["chi2"].as_f64().unwrap()).abs() < 1e-9);
        assert!((ours.chi2_p_value / case["chi2_p_value"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn uneven_bins_know_what_they_hold() {
        // 11 ranks in 4 bins: 3, 3, 3, 2.
        let ranks: Vec<usize> = (0..11).collect();
        let ours = RankHistogram::new(&ranks, 10, 4).unwrap();
        assert_eq!(ours.expected, [3.0, 3.0, 3.0, 2.0]);
        assert_eq!((ours.counts, ours.chi2), (vec![3, 3, 3, 2], 0.0));
        assert!(RankHistogram::new(&ranks, 9, 4).is_err() && RankHistogram::new(&ranks, 10, 12).is_err());
    }

    #[test]
    fn ties_are_shared_out_evenly() {
        let mut counts = [0; 4];
        for row in 0..4000 {
            counts[rank_of(&[1.0, 1.0, 1.0], 1.0, 5, row)] += 1;
        }
        // 1000 +- 27 each; 5 sigma.
        assert!(counts.iter().all(|&c: &i32| c.abs_diff(1000) < 137), "{counts:?}");
        assert_eq!(rank_of(&[0.0, 2.0, 3.0], 2.5, 1, 0), 2);
    }
}
