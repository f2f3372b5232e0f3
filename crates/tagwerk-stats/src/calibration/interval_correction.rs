//! Conformal correction of an interval by one number: conformalized quantile regression.
//!
//! Romano, Patterson, Candès, arXiv:1905.03222. For a calibration row with predicted interval [l, h] and observed y the
//! conformity score is max(l - y, y - h): how far the interval must grow (or may shrink) to hold y. Growing every
//! interval by the ceil((n + 1) a)-th smallest score covers a fresh exchangeable row with probability at least a, and
//! at most a + 1/(n + 1) when scores differ.

use crate::checks;
use crate::error::{Result, StatsError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much intervals of one level must grow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntervalCorrection {
    /// Level that the corrected interval covers.
    pub level: f64,
    /// Added to the upper end and taken from the lower, in units of the observed value; negative when intervals are too
    /// wide.
    pub growth: f64,
    /// Calibration rows.
    pub rows: usize,
}

impl IntervalCorrection {
    /// Learns the growth from calibration rows with predicted intervals [low, high].
    ///
    /// # Errors
    /// A level outside (0, 1), columns of unequal length, values that are not finite, fewer rows than the level needs
    /// (n >= a / (1 - a), since the largest score must be able to cover).
    pub fn fit(low: &[f64], high: &[f64], observed: &[f64], level: f64) -> Result<Self> {
        if !(level > 0.0 && level < 1.0) {
            return Err(StatsError::Setting {
                what: "the level of an interval",
                value: level,
                wanted: "in (0, 1)",
            });
        }
        let n = observed.len();
        checks::rows("the lower ends", n, low.len())?;
        checks::rows("the upper ends", n, high.len())?;
        for (what, column) in [
            ("the lower end", low),
            ("the upper end", high),
            ("the observed value", observed),
        ] {
            checks::finite(what, column)?;
        }
        // A level of 0.9 is 0.90000000000000002: the last digits must not ask for one row more.
        let rank = ((n + 1) as f64 * level - 1e-9).ceil() as usize;
        if rank > n {
            let needed = (level / (1.0 - level) - 1e-9).ceil() as usize;
            checks::at_least("calibration rows for an interval", needed, n)?;
        }
        let mut scores: Vec<f64> = (0..n)
            .map(|i| (low[i] - observed[i]).max(observed[i] - high[i]))
            .collect();
        scores.sort_by(f64::total_cmp);
        Ok(Self {
            level,
            growth: scores[rank.clamp(1, n) - 1],
            rows: n,
        })
    }

    /// One correction a class (Mondrian), by class number.
    ///
    /// # Errors
    /// As [`IntervalCorrection::fit`], for each class.
    pub fn fit_classes(
        low: &[f64],
        high: &[f64],
        observed: &[f64],
        classes: &[u32],
        level: f64,
    ) -> Result<BTreeMap<u32, Self>> {
        let n = observed.len();
        checks::rows("the class column", n, classes.len())?;
        checks::rows("the lower ends", n, low.len())?;
        checks::rows("the upper ends", n, high.len())?;
        let mut rows: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (row, &class) in classes.iter().enumerate() {
            rows.entry(class).or_default().push(row);
        }
        let fit = |(class, rows): (u32, Vec<usize>)| {
            let pick = |column: &[f64]| rows.iter().map(|&row| column[row]).collect::<Vec<f64>>();
            Ok((class, Self::fit(&pick(low), &pick(high), &pick(observed), level)?))
        };
        rows.into_iter().map(fit).collect()
    }

    /// The corrected interval. One that would shrink below nothing becomes its middle.
    pub fn apply(&self, low: f64, high: f64) -> (f64, f64) {
        let (a, b) = (low - self.growth, high + self.growth);
        if a <= b {
            return (a, b);
        }
        let middle = (low + high) / 2.0;
        (middle, middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_growth_is_that_of_numpy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        let case = &json["intervals"];
        let column = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
        for fitted in case["fits"].as_array().unwrap() {
            let level = fitted["level"].as_f64().unwrap();
            let ours = IntervalCorrection::fit(&column("low"), &column("high"), &column("observed"), level).unwrap();
            assert_eq!(ours.growth, fitted["growth"].as_f64().unwrap(), "{level}");
        }
        let classes: Vec<u32> = (0..column("low").len() as u32).map(|i| i % 2).collect();
        let maps = IntervalCorrection::fit_classes(&column("low"), &column("high"), &column("observed"), &classes, 0.8);
        assert_eq!(maps.unwrap().len(), 2);
    }

    #[test]
    fn every_calibration_row_but_the_promised_few_is_covered() {
        let observed: Vec<f64> = (0..99).map(|i| f64::from(i * 37 % 99)).collect();
        let (low, high) = (vec![40.0; 99], vec![60.0; 99]);
        let fit = IntervalCorrection::fit(&low, &high, &observed, 0.9).unwrap();
        let (a, b) = fit.apply(40.0, 60.0);
        // ceil(100 x 0.9) = 90 rows.
        assert!(observed.iter().filter(|y| (a..=b).contains(y)).count() >= 90);
        let shrinks = IntervalCorrection {
            level: 0.5,
            growth: -30.0,
            rows: 9,
        };
        assert_eq!(shrinks.apply(40.0, 60.0), (50.0, 50.0));
    }

    #[test]
    fn too_few_rows_for_the_level_say_how_many() {
        let error = IntervalCorrection::fit(&[0.0; 10], &[1.0; 10], &[0.5; 10], 0.95).unwrap_err();
        assert_eq!(
            error.to_string(),
            "calibration rows for an interval: 10 values, at least 19 are needed"
        );
        assert!(IntervalCorrection::fit(&[0.0; 19], &[1.0; 19], &[0.5; 19], 0.95).is_ok());
        assert!(IntervalCorrection::fit(&[0.0], &[1.0], &[0.5], 1.0).is_err());
    }
}
