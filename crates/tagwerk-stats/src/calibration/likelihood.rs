//! Summary of log-densities at the observed values.

use crate::checks;
use crate::error::{Result, StatsError};
use crate::sample_mean::SampleMean;
use serde::{Deserialize, Serialize};

/// Negative log-likelihood a row. It depends on the variable in which the density is taken; compare only like with
/// like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodSummary {
    /// Mean of -ln p over the rows whose density is not 0.
    pub nll: SampleMean,
    /// Median of -ln p, over all rows.
    pub median: f64,
    /// Largest -ln p of a row whose density is not 0: the worst surprise.
    pub largest: f64,
    /// Rows of density 0. With any, the true mean is infinite.
    pub impossible_rows: usize,
}

/// Summarizes natural-log densities. Minus infinity (density 0) is counted apart, so that no infinity is reported.
///
/// # Errors
/// No rows, all rows impossible, densities that are NaN or infinite.
pub fn likelihood_summary(log_density: &[f64]) -> Result<LikelihoodSummary> {
    checks::range("the log-density", log_density, "the numbers below infinity", |v| {
        !v.is_nan() && v < f64::INFINITY
    })?;
    let mut nll: Vec<f64> = log_density.iter().filter(|v| v.is_finite()).map(|v| -v).collect();
    let Some(mean) = SampleMean::of(&nll) else {
        return Err(StatsError::NoEvents);
    };
    nll.sort_by(f64::total_cmp);
    let impossible = log_density.len() - nll.len();
    let middle = (log_density.len() - 1) as f64 / 2.0;
    let largest = nll[nll.len() - 1];
    // Impossible rows are beyond the end; a median among them is told as the largest finite one.
    let at = |i: f64| nll.get(i as usize).copied().unwrap_or(largest);
    Ok(LikelihoodSummary {
        nll: mean,
        median: (at(middle.floor()) + at(middle.ceil())) / 2.0,
        largest,
        impossible_rows: impossible,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_rows_are_counted_and_not_averaged() {
        let summary = likelihood_summary(&[-1.0, -3.0, f64::NEG_INFINITY, -2.0]).unwrap();
        assert_eq!(
            (summary.nll.value, summary.nll.rows, summary.impossible_rows),
            (2.0, 3, 1)
        );
        assert_eq!((summary.median, summary.largest), (2.5, 3.0));
        assert!(likelihood_summary(&[f64::NEG_INFINITY]).is_err());
        assert!(likelihood_summary(&[f64::NAN]).is_err() && likelihood_summary(&[f64::INFINITY]).is_err());
        assert!(likelihood_summary(&[]).is_err());
    }
}
