//! Is this row like the rows that were learned from? Scores that grow with distance, thresholds, and how well they tell
//! other kinds of rows apart.

mod mahalanobis;
mod neighbors;

pub use mahalanobis::Mahalanobis;
pub use neighbors::Neighbors;

use crate::checks;
use crate::delong::{AucEstimate, delong};
use crate::error::{Result, StatsError};
use crate::proportion::Proportion;
use crate::roc::{Roc, RocCurve};
use crate::truth::Truth;
use serde::{Deserialize, Serialize};

/// Points kept of a ROC curve.
const CURVE_POINTS: usize = 100;

/// Rows flagged at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flagged {
    /// Share of in-domain rows that the threshold is to leave unflagged.
    pub quantile: f64,
    /// Scores above it are flagged.
    pub threshold: f64,
    /// Share flagged of the rows inside the domain: false alarms.
    pub inside: Proportion,
    /// Share flagged of the other kind of rows.
    pub outside: Proportion,
}

/// How well a score tells one kind of rows outside the domain from rows inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutOfDomain {
    /// Area under the ROC curve with the outside as signal: 1/2 when the score does not see the difference.
    pub auc: AucEstimate,
    /// The curve: share of the outside above a score (signal efficiency) against share of the inside.
    pub roc: RocCurve,
    /// Flags at each threshold.
    pub flagged: Vec<Flagged>,
}

/// The score that a share `quantile` of rows stays at or below: an order statistic, so that at most a share
/// 1 - `quantile` of these rows lies above.
///
/// # Errors
/// No rows, scores that are not finite, a quantile outside [0, 1].
pub fn threshold(scores: &[f64], quantile: f64) -> Result<f64> {
    checks::at_least("scores for a threshold", 1, scores.len())?;
    checks::finite("a score", scores)?;
    checks::shares("the quantile of a threshold", &[quantile])?;
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * quantile - 1e-9).ceil() as usize;
    Ok(sorted[rank.clamp(1, sorted.len()) - 1])
}

/// Separation of `inside` from `outside`. `thresholds` are (quantile, threshold) from [`threshold`] on other rows of
/// the domain, so that false alarms are not judged on the rows that set the threshold.
///
/// # Errors
/// No rows on one side, scores that are not numbers.
pub fn out_of_domain(inside: &[f64], outside: &[f64], thresholds: &[(f64, f64)]) -> Result<OutOfDomain> {
    let labels: Vec<u8> = std::iter::repeat_n(0, inside.len())
        .chain(std::iter::repeat_n(1, outside.len()))
        .collect();
    let scores: Vec<f64> = inside.iter().chain(outside).copied().collect();
    let truth = Truth::new(&labels)?;
    let auc = delong(&scores, &truth)?;
    let above = |rows: &[f64], threshold: f64| {
        Proportion::new(
            rows.iter().filter(|&&s| s > threshold).count() as u64,
            rows.len() as u64,
        )
    };
    Ok(OutOfDomain {
        auc,
        roc: Roc::new(&scores, &truth)?.thin(CURVE_POINTS),
        flagged: (thresholds.iter())
            .map(|&(quantile, threshold)| Flagged {
                quantile,
                threshold,
                inside: above(inside, threshold),
                outside: above(outside, threshold),
            })
            .collect(),
    })
}

/// Rows of `[rows, columns]`, all finite.
fn block(what: &str, rows: &[f64], columns: usize) -> Result<usize> {
    checks::finite(what, rows)?;
    if columns == 0 || !rows.len().is_multiple_of(columns) {
        return Err(StatsError::Length {
            what: what.to_owned(),
            expected: columns,
            found: rows.len(),
        });
    }
    Ok(rows.len() / columns)
}

/// Mean and deviation (n - 1) of each column.
fn standardization(what: &str, rows: &[f64], columns: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let n = block(what, rows, columns)?;
    checks::at_least(what, 2, n)?;
    let mut mean = vec![0.0; columns];
    for row in rows.chunks_exact(columns) {
        mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / n as f64);
    }
    let mut squares = vec![0.0; columns];
    for row in rows.chunks_exact(columns) {
        for (c, x) in row.iter().enumerate() {
            squares[c] += (x - mean[c]).powi(2);
        }
    }
    let deviation: Vec<f64> = squares.iter().map(|s| (s / (n - 1) as f64).sqrt()).collect();
    // A constant column leaves rounding of its mean.
    let constant = |c: &usize| deviation[*c] <= 1e-12 * mean[*c].abs() || deviation[*c] == 0.0;
    match (0..columns).find(constant) {
        Some(column) => Err(StatsError::Constant {
            column,
            value: rows[column],
        }),
        None => Ok((mean, deviation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_leaves_the_asked_share_below() {
        let scores: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(threshold(&scores, 0.99).unwrap(), 99.0);
        assert_eq!(threshold(&scores, 1.0).unwrap(), 100.0);
        assert_eq!(threshold(&scores, 0.0).unwrap(), 1.0);
        assert!(threshold(&[], 0.5).is_err() && threshold(&scores, 1.1).is_err());
    }

    #[test]
    fn flags_count_false_alarms_and_catches_apart() {
        let inside: Vec<f64> = (0..100).map(f64::from).collect();
        let outside: Vec<f64> = (50..150).map(f64::from).collect();
        let told = out_of_domain(&inside, &outside, &[(0.9, 89.0)]).unwrap();
        assert_eq!(
            (told.flagged[0].inside.value, told.flagged[0].outside.value),
            (0.1, 0.6)
        );
        // Pairs where outside exceeds inside, ties one half: 1 - 50 x 50 / 2 / 10^4.
        assert!((told.auc.auc - 0.875).abs() < 1e-12);
        // Above 89 lie 0.6 of the outside and 0.1 of the inside.
        assert!((told.roc.background_efficiency_at(0.6) - 0.1).abs() < 1e-9);
        assert!(out_of_domain(&[], &outside, &[]).is_err());
    }
}
