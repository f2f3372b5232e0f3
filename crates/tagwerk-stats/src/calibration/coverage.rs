//! Central coverage: how often the observed value lies in the central interval of a level.
//!
//! The interval of level a holds the middle share a of the predicted distribution: (1 - a)/2 <= PIT <= (1 + a)/2.
//! Shares carry Wilson's binomial interval ([`Proportion`]).

use crate::checks;
use crate::error::Result;
use crate::proportion::Proportion;
use crate::quantile_bins::quantile_bins;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Coverage of the rows in one bin of a variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverageBin {
    /// Smallest value of the variable in the bin.
    pub low: f64,
    /// Largest value.
    pub high: f64,
    /// Observed coverage, one a level in the order given.
    pub coverage: Vec<Proportion>,
}

/// Share of rows inside the central interval, one a level.
///
/// # Errors
/// PIT values or levels outside [0, 1], no rows.
pub fn central_coverage(pit: &[f64], levels: &[f64]) -> Result<Vec<Proportion>> {
    checks::at_least("PIT values", 1, pit.len())?;
    checks::shares("the PIT", pit)?;
    checks::shares("the coverage level", levels)?;
    Ok(counted(pit.iter().copied(), levels))
}

fn counted(pit: impl Iterator<Item = f64> + Clone, levels: &[f64]) -> Vec<Proportion> {
    let inside = |level: &f64| {
        let (low, high) = ((1.0 - level) / 2.0, (1.0 + level) / 2.0);
        let (mut count, mut rows) = (0, 0);
        for u in pit.clone() {
            count += u64::from((low..=high).contains(&u));
            rows += 1;
        }
        Proportion::new(count, rows)
    };
    levels.iter().map(inside).collect()
}

/// [`central_coverage`] of each class, by class number.
///
/// # Errors
/// As [`central_coverage`]; columns of unequal length.
pub fn class_coverage(pit: &[f64], classes: &[u32], levels: &[f64]) -> Result<BTreeMap<u32, Vec<Proportion>>> {
    checks::rows("the class column", pit.len(), classes.len())?;
    checks::shares("the PIT", pit)?;
    checks::shares("the coverage level", levels)?;
    let mut by_class: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (&u, &class) in pit.iter().zip(classes) {
        by_class.entry(class).or_default().push(u);
    }
    let covered = |(class, pit): (u32, Vec<f64>)| (class, counted(pit.into_iter(), levels));
    Ok(by_class.into_iter().map(covered).collect())
}

/// [`central_coverage`] in bins of a variable that hold equally many rows.
///
/// # Errors
/// As [`central_coverage`]; columns of unequal length, values of the variable that are not finite.
pub fn coverage_in_bins(pit: &[f64], variable: &[f64], bins: usize, levels: &[f64]) -> Result<Vec<CoverageBin>> {
    checks::rows("the binned variable", pit.len(), variable.len())?;
    checks::shares("the PIT", pit)?;
    checks::shares("the coverage level", levels)?;
    let bin = |bin: crate::quantile_bins::QuantileBin| CoverageBin {
        low: bin.low,
        high: bin.high,
        coverage: counted(bin.rows.iter().map(|&row| pit[row]), levels),
    };
    Ok(quantile_bins(variable, bins)?.into_iter().map(bin).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const LEVELS: [f64; 4] = [0.5, 0.68, 0.9, 0.95];

    #[test]
    fn shares_and_bins_are_those_of_numpy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        let case = &json["coverage"];
        let column = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
        let (pit, variable) = (column("pit"), column("variable"));
        let values = |of: &[Proportion]| of.iter().map(|p| p.value).collect::<Vec<_>>();
        assert_eq!(values(&central_coverage(&pit, &LEVELS).unwrap()), column("overall"));
        let bins = coverage_in_bins(&pit, &variable, 5, &LEVELS).unwrap();
        let reference: Vec<Vec<f64>> = serde_json::from_value(case["bins"].clone()).unwrap();
        assert_eq!(bins.iter().map(|b| values(&b.coverage)).collect::<Vec<_>>(), reference);
        let classes: Vec<u32> = serde_json::from_value(case["classes"].clone()).unwrap();
        let by_class = class_coverage(&pit, &classes, &LEVELS).unwrap();
        let reference: Vec<Vec<f64>> = serde_json::from_value(case["by_class"].clone()).unwrap();
        assert_eq!(by_class.values().map(|c| values(c)).collect::<Vec<_>>(), reference);
    }

    #[test]
    fn columns_of_unequal_length_are_refused() {
        assert!(class_coverage(&[0.5], &[0, 1], &LEVELS).is_err());
        assert!(coverage_in_bins(&[0.5], &[], 2, &LEVELS).is_err());
        assert!(central_coverage(&[0.5], &[1.5]).is_err());
    }
}
