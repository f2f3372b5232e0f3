//! Mahalanobis distance from the mean of the rows learned from: how many standard deviations away, with correlations.
//!
//! Mahalanobis, Proc. Natl. Inst. Sci. India 2 (1936) 49. One ellipsoid: cheap and smooth, blind to holes inside it.

use super::{block, standardization};
use crate::checks;
use crate::error::{Result, StatsError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Mean and covariance of the rows learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Mahalanobis {
    parts: Parts,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// Mean of each column.
    mean: Vec<f64>,
    /// Deviation of each column.
    deviation: Vec<f64>,
    /// Lower Cholesky factor of the correlation matrix plus `ridge`, `[columns, columns]`, zeros above the diagonal.
    factor: Vec<f64>,
    /// Added to the diagonal of the correlation matrix; above 1e-9 only where columns depend on each other.
    ridge: f64,
}

impl TryFrom<Parts> for Mahalanobis {
    type Error = StatsError;

    fn try_from(parts: Parts) -> Result<Self> {
        let columns = parts.mean.len();
        checks::at_least("columns", 1, columns)?;
        checks::rows("the deviations", columns, parts.deviation.len())?;
        checks::rows("the Cholesky factor", columns * columns, parts.factor.len())?;
        checks::finite("a mean", &parts.mean)?;
        checks::finite("the Cholesky factor", &parts.factor)?;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        checks::range("a deviation", &parts.deviation, "(0, infinity)", positive)?;
        let diagonal: Vec<f64> = (0..columns).map(|i| parts.factor[i * columns + i]).collect();
        checks::range("the diagonal of the factor", &diagonal, "(0, infinity)", positive)?;
        Ok(Self { parts })
    }
}

impl From<Mahalanobis> for Parts {
    fn from(distance: Mahalanobis) -> Self {
        distance.parts
    }
}

impl Mahalanobis {
    /// Learns mean and covariance of `rows`, `[rows, columns]`.
    ///
    /// # Errors
    /// Fewer than two rows, a constant column, values that are not finite.
    pub fn fit(rows: &[f64], columns: usize) -> Result<Self> {
        let (mean, deviation) = standardization("rows of the domain", rows, columns)?;
        let n = rows.len() / columns;
        let mut correlation = vec![0.0; columns * columns];
        let mut standard = vec![0.0; columns];
        for row in rows.chunks_exact(columns) {
            for c in 0..columns {
                standard[c] = (row[c] - mean[c]) / deviation[c];
            }
            for i in 0..columns {
                for j in 0..=i {
                    correlation[i * columns + j] += standard[i] * standard[j] / (n - 1) as f64;
                }
            }
        }
        let mut ridge = 1e-9;
        loop {
            if let Some(factor) = cholesky(&correlation, columns, ridge) {
                return Self::try_from(Parts {
                    mean,
                    deviation,
                    factor,
                    ridge,
                });
            }
            // Correlations are at most 1, so a ridge of `columns` always succeeds.
            ridge *= 10.0;
        }
    }

    /// Columns of a row.
    pub fn columns(&self) -> usize {
        self.parts.mean.len()
    }

    /// Distance of one row; infinite for values that are not finite, NaN never. A row of another length is compared in
    /// the columns it has.
    pub fn distance(&self, row: &[f64]) -> f64 {
        let (
            columns,
            Parts {
                mean,
                deviation,
                factor,
                ..
            },
        ) = (self.columns(), &self.parts);
        let mut solved = vec![0.0; columns];
        let mut sum = 0.0;
        for (i, x) in row.iter().enumerate().take(columns) {
            let below: f64 = (0..i).map(|j| factor[i * columns + j] * solved[j]).sum();
            solved[i] = ((x - mean[i]) / deviation[i] - below) / factor[i * columns + i];
            sum += solved[i] * solved[i];
        }
        if sum.is_nan() { f64::INFINITY } else { sum.sqrt() }
    }

    /// Distance of each row of `[rows, columns]`.
    ///
    /// # Errors
    /// A block that does not divide into rows, values that are not finite.
    pub fn distances(&self, rows: &[f64]) -> Result<Vec<f64>> {
        block("rows to compare", rows, self.columns())?;
        Ok(rows
            .par_chunks_exact(self.columns())
            .map(|row| self.distance(row))
            .collect())
    }
}

/// Lower factor of a symmetric matrix given by its lower half, plus `ridge` on the diagonal.
fn cholesky(matrix: &[f64], n: usize, ridge: f64) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            factor[i * n + j] = if i == j {
                // Rounding of a dependent column leaves 1e-16; less than half the ridge is that.
                let pivot = rest + ridge;
                if pivot.is_nan() || pivot < 0.5 * ridge {
                    return None;
                }
                pivot.sqrt()
            } else {
                rest / factor[j * n + j]
            };
        }
    }
    Some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn distances_are_those_of_scipy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        let case = &json["domain"];
        let column = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
        let fitted = Mahalanobis::fit(&column("rows"), 3).unwrap();
        let ours = fitted.distances(&column("queries")).unwrap();
        for (a, b) in ours.iter().zip(column("mahalanobis")) {
            assert!((a / b - 1.0).abs() < 1e-7, "{a} instead of {b}");
        }
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<Mahalanobis>(&text).unwrap(), fitted);
        assert!(serde_json::from_str::<Mahalanobis>(&text.replace("\"ridge\"", "\"rigde\"")).is_err());
    }

    #[test]
    fn a_dependent_column_is_survived_and_a_constant_one_refused() {
        let rows: Vec<f64> = (0..50).flat_map(|i| [f64::from(i), 2.0 * f64::from(i) + 1.0]).collect();
        let fitted = Mahalanobis::fit(&rows, 2).unwrap();
        assert!(fitted.distance(&[25.0, 51.0]) < 1.0);
        // Off the line that all rows lie on.
        assert!(fitted.distance(&[25.0, 80.0]) > 100.0);
        let constant: Vec<f64> = (0..50).flat_map(|i| [f64::from(i), 0.1]).collect();
        assert_eq!(
            Mahalanobis::fit(&constant, 2).unwrap_err(),
            StatsError::Constant { column: 1, value: 0.1 }
        );
        assert!(Mahalanobis::fit(&rows[..2], 2).is_err() && Mahalanobis::fit(&rows, 3).is_err());
    }

    #[test]
    fn a_broken_row_is_infinitely_far() {
        let rows: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(Mahalanobis::fit(&rows, 1).unwrap().distance(&[f64::NAN]), f64::INFINITY);
    }
}
