//! How much the members of a posterior disagree about one jet's scores, at equal noise.
//!
//! Every member turns the same noise numbers into scores, so that what differs between members is the weights alone and
//! not the draw. For noise j, member n gives s_nj; each measure is taken over n and averaged over j. The largest minus
//! the smallest grows with the number of members; the standard deviation and the quantile range do not, so they compare
//! posteriors of different sizes.

use crate::calibration::sample_quantile;
use crate::checks;
use crate::error::{Result, StatsError};
use serde::{Deserialize, Serialize};

/// Bins of [0, 1] in the histogram measure.
pub const SPREAD_BINS: usize = 20;

/// Disagreement of the members about one jet, in units of the score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpistemicSpread {
    /// Mean over noise of (largest - smallest member).
    pub range: f64,
    /// Mean over noise of the members' standard deviation (n - 1).
    pub deviation: f64,
    /// Mean over noise of the members' 84 % quantile minus their 16 % quantile.
    pub quantile_range: f64,
    /// Mean over [`SPREAD_BINS`] bins of [0, 1] of (largest - smallest member's share of scores in the bin): does not
    /// need equal noise.
    pub histogram: f64,
}

/// From the scores `[members, draws]` of one jet.
///
/// # Errors
/// Fewer than two members, no draws, scores outside [0, 1].
pub fn epistemic_spread(scores: &[f64], members: usize) -> Result<EpistemicSpread> {
    checks::at_least("members for an epistemic spread", 2, members)?;
    checks::shares("the score", scores)?;
    if scores.is_empty() || !scores.len().is_multiple_of(members) {
        return Err(StatsError::Length {
            what: "the block of scores".to_owned(),
            expected: members,
            found: scores.len(),
        });
    }
    let draws = scores.len() / members;
    let (mut range, mut deviation, mut quantile_range) = (0.0, 0.0, 0.0);
    let mut column = vec![0.0; members];
    for j in 0..draws {
        for (n, value) in column.iter_mut().enumerate() {
            *value = scores[n * draws + j];
        }
        column.sort_by(f64::total_cmp);
        let mean = column.iter().sum::<f64>() / members as f64;
        let squares = column.iter().map(|s| (s - mean).powi(2)).sum::<f64>();
        range += column[members - 1] - column[0];
        deviation += (squares / (members - 1) as f64).sqrt();
        quantile_range += sample_quantile(&column, 0.84) - sample_quantile(&column, 0.16);
    }
    let mut shares = vec![0.0; members * SPREAD_BINS];
    for (n, row) in scores.chunks_exact(draws).enumerate() {
        for s in row {
            shares[n * SPREAD_BINS + ((s * SPREAD_BINS as f64) as usize).min(SPREAD_BINS - 1)] += 1.0 / draws as f64;
        }
    }
    let histogram = (0..SPREAD_BINS)
        .map(|bin| {
            let of = (0..members).map(|n| shares[n * SPREAD_BINS + bin]);
            of.clone().fold(0.0, f64::max) - of.fold(f64::INFINITY, f64::min)
        })
        .sum::<f64>();
    let draws = draws as f64;
    Ok(EpistemicSpread {
        range: range / draws,
        deviation: deviation / draws,
        quantile_range: quantile_range / draws,
        histogram: histogram / SPREAD_BINS as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn measures_are_those_of_numpy() {
        let json: Value = serde_json::from_str(include_str!("../tests/reference/calibration.json")).unwrap();
        let case = &json["epistemic"];
        let scores: Vec<f64> = serde_json::from_value(case["scores"].clone()).unwrap();
        let ours = epistemic_spread(&scores, case["members"].as_u64().unwrap() as usize).unwrap();
        let ours = serde_json::to_value(ours).unwrap();
        for key in ["range", "deviation", "quantile_range", "histogram"] {
            let (a, b) = (ours[key].as_f64().unwrap(), case[key].as_f64().unwrap());
            assert!((a - b).abs() < 1e-12, "{key}: {a} instead of {b}");
        }
    }

    #[test]
    fn equal_members_do_not_disagree_and_one_member_cannot() {
        let same = epistemic_spread(&[0.1, 0.9, 0.1, 0.9], 2).unwrap();
        assert_eq!((same.range, same.deviation, same.histogram), (0.0, 0.0, 0.0));
        // Scores in another order are the same histogram, yet another answer to the same noise.
        let swapped = epistemic_spread(&[0.1, 0.9, 0.9, 0.1], 2).unwrap();
        assert!((swapped.range - 0.8).abs() < 1e-15 && swapped.histogram == 0.0);
        assert!(epistemic_spread(&[0.1], 1).is_err() && epistemic_spread(&[0.1, 0.2, 0.3], 2).is_err());
    }
}
