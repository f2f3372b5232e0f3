//! One-sided calibration: how often the predicted quantile of a level lies above the observed value.
//!
//! C(a) = share of rows with Q_a >= y, which for a continuous prediction is the share with PIT <= a. On the diagonal
//! the prediction is calibrated. Above it, observed values lie low in the prediction; below it, high. This is the sign
//! of a bias, not a width: for widths see central coverage.
//!
//! With several members (weight sets of a Bayesian model) the band is the smallest and largest member at each level.

use crate::checks;
use crate::error::{Result, StatsError};
use serde::{Deserialize, Serialize};

/// Observed against nominal levels, for one central prediction and its members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationCurve {
    /// Nominal levels, as given.
    pub levels: Vec<f64>,
    /// Observed share of the central prediction at each level.
    pub central: Vec<f64>,
    /// Its binomial error if the prediction were right: sqrt(a (1 - a) / n).
    pub error: Vec<f64>,
    /// Smallest member at each level; empty without members.
    pub low: Vec<f64>,
    /// Largest member at each level; empty without members.
    pub high: Vec<f64>,
    /// Largest distance of the central curve from the diagonal at the levels.
    pub largest_deviation: f64,
}

/// The curve of PIT values: `central` those of the prediction that is used, `members` those of each weight set (may be
/// none). Which prediction is central is the caller's to say; it is not member 0.
///
/// # Errors
/// No rows, no levels, values outside [0, 1], members with another number of rows.
pub fn calibration_curve(central: &[f64], members: &[Vec<f64>], levels: &[f64]) -> Result<CalibrationCurve> {
    checks::at_least("PIT values", 1, central.len())?;
    checks::at_least("levels", 1, levels.len())?;
    checks::shares("the level", levels)?;
    let observed = |pit: &[f64]| -> Result<Vec<f64>> {
        checks::rows("the PIT of a member", central.len(), pit.len())?;
        checks::shares("the PIT", pit)?;
        let mut sorted = pit.to_vec();
        sorted.sort_by(f64::total_cmp);
        let share = |level: &f64| sorted.partition_point(|u| u <= level) as f64 / pit.len() as f64;
        Ok(levels.iter().map(share).collect())
    };
    let curve = observed(central)?;
    let members: Vec<Vec<f64>> = members.iter().map(|m| observed(m)).collect::<Result<_>>()?;
    let extreme = |pick: fn(f64, f64) -> f64| -> Vec<f64> {
        let at = |i: usize| members.iter().map(|m| m[i]).reduce(pick);
        (0..levels.len()).filter_map(at).collect()
    };
    let n = central.len() as f64;
    Ok(CalibrationCurve {
        levels: levels.to_vec(),
        error: levels.iter().map(|a| (a * (1.0 - a) / n).sqrt()).collect(),
        low: extreme(f64::min),
        high: extreme(f64::max),
        largest_deviation: levels.iter().zip(&curve).fold(0.0, |d, (a, c)| d.max((a - c).abs())),
        central: curve,
    })
}

/// C(a) from samples `[rows, draws]` instead of exact PIT values: the quantiles are numpy's (linear between order
/// statistics).
///
/// # Errors
/// No rows, no draws, samples that do not divide among the rows, values that are not finite.
pub fn calibration_of_samples(samples: &[f64], observed: &[f64], levels: &[f64]) -> Result<Vec<f64>> {
    checks::at_least("observed values", 1, observed.len())?;
    checks::shares("the level", levels)?;
    checks::finite("the observed value", observed)?;
    let draws = draws_a_row(samples, observed.len())?;
    let mut below = vec![0_u64; levels.len()];
    for (draws, &y) in samples.chunks_exact(draws).zip(observed) {
        let mut sorted = draws.to_vec();
        sorted.sort_by(f64::total_cmp);
        for (count, &level) in below.iter_mut().zip(levels) {
            *count += u64::from(sample_quantile(&sorted, level) >= y);
        }
    }
    Ok(below.iter().map(|&c| c as f64 / observed.len() as f64).collect())
}

/// Samples a row, when `samples` is `[rows, draws]` with at least one finite draw a row.
pub(super) fn draws_a_row(samples: &[f64], rows: usize) -> Result<usize> {
    checks::finite("a sample", samples)?;
    if rows == 0 || samples.is_empty() || !samples.len().is_multiple_of(rows) {
        return Err(StatsError::Length {
            what: "the block of samples".to_owned(),
            expected: rows,
            found: samples.len(),
        });
    }
    Ok(samples.len() / rows)
}

/// The quantile of ascending values, linear between order statistics (numpy's default). `sorted` must not be empty.
pub fn sample_quantile(sorted: &[f64], level: f64) -> f64 {
    let at = level.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let low = at.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    let (a, b, t) = (sorted[low], sorted[high], at - low as f64);
    // As numpy: from the nearer end, so that equal values give themselves.
    if t >= 0.5 {
        b - (b - a) * (1.0 - t)
    } else {
        a + (b - a) * t
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn curves_of_samples_and_of_pit_are_those_of_numpy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        let case = &json["samples"];
        let column = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
        let levels: Vec<f64> = (0..11).map(|i| f64::from(i) / 10.0).collect();
        let curve = calibration_of_samples(&column("samples"), &column("observed"), &levels).unwrap();
        assert_eq!(curve, column("curve"));
        let (pit, shifted) = (column("pit"), column("pit_of_a_member"));
        let curve = calibration_curve(&pit, &[pit.clone(), shifted], &levels).unwrap();
        for (i, &level) in levels.iter().enumerate() {
            let share = |column: &str| -> f64 {
                let pit: Vec<f64> = serde_json::from_value(case[column].clone()).unwrap();
                pit.iter().filter(|&&u| u <= level).count() as f64 / pit.len() as f64
            };
            let (a, b) = (share("pit"), share("pit_of_a_member"));
            assert_eq!((curve.central[i], curve.low[i], curve.high[i]), (a, a.min(b), a.max(b)));
        }
        assert_eq!(curve.error[5], (0.25 / pit.len() as f64).sqrt());
    }

    #[test]
    fn a_ragged_block_of_samples_is_refused() {
        assert!(calibration_of_samples(&[1.0, 2.0, 3.0], &[1.0, 2.0], &[0.5]).is_err());
        assert!(calibration_of_samples(&[], &[1.0], &[0.5]).is_err());
        assert!(calibration_curve(&[0.5], &[vec![0.5, 0.6]], &[0.5]).is_err());
        let alone = calibration_curve(&[0.5], &[], &[0.2, 0.7]).unwrap();
        assert_eq!((alone.low.len(), alone.central), (0, vec![0.0, 1.0]));
    }
}
