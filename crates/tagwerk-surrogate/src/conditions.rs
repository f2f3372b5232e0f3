//! The inputs of a surrogate: their names, how they are standardized, and the domain that they were trained in.

use crate::error::SurrogateError;
use crate::velocity::Real;
use serde::{Deserialize, Serialize};

/// Probabilities whose quantiles are kept of each condition.
pub const DOMAIN_LEVELS: [f64; 7] = [0.001, 0.01, 0.05, 0.5, 0.95, 0.99, 0.999];

/// One condition, as the training rows have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Column name.
    pub name: String,
    /// What is subtracted.
    pub mean: f64,
    /// What it is then divided by: the population standard deviation.
    pub deviation: f64,
    /// Smallest value of training.
    pub min: f64,
    /// Largest value of training.
    pub max: f64,
    /// Quantiles of training at [`DOMAIN_LEVELS`].
    pub quantiles: [f64; 7],
}

/// All conditions, in the order of the network's inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conditions {
    columns: Vec<Condition>,
}

impl Conditions {
    /// Fits the standardization and the domain on training rows `c` `[N, C]`.
    ///
    /// # Errors
    /// No rows; a value that is not finite; a condition with one value throughout, from which nothing can be learned.
    pub fn fit(names: &[String], c: &[f64]) -> Result<Self, SurrogateError> {
        let width = names.len();
        if width == 0 || c.is_empty() || !c.len().is_multiple_of(width) {
            return Err(SurrogateError::Length {
                what: "conditions of the training rows",
                found: c.len(),
                expected: width.max(1),
            });
        }
        let mut columns = Vec::with_capacity(width);
        for (k, name) in names.iter().enumerate() {
            let mut values: Vec<f64> = c.iter().skip(k).step_by(width).copied().collect();
            if let Some(row) = values.iter().position(|v| !v.is_finite()) {
                return Err(SurrogateError::Value {
                    file: "training rows".to_owned(),
                    row: row as u64,
                    column: name.clone(),
                    value: values[row].to_string(),
                    allowed: "a finite number",
                });
            }
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            values.sort_unstable_by(f64::total_cmp);
            let (min, max) = (values[0], values[values.len() - 1]);
            if min == max {
                return Err(SurrogateError::Table {
                    file: "training rows".to_owned(),
                    reason: format!("column `{name}` is {min} in all {} rows: leave it out", values.len()),
                });
            }
            // Between the two neighbors of (n - 1) p, linearly.
            let quantile = |p: f64| {
                let at = p * (n - 1.0);
                let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
                low + (high - low) * at.fract()
            };
            columns.push(Condition {
                name: name.clone(),
                mean,
                deviation,
                min,
                max,
                quantiles: DOMAIN_LEVELS.map(quantile),
            });
        }
        Ok(Self { columns })
    }

    /// The conditions in order.
    pub fn columns(&self) -> &[Condition] {
        &self.columns
    }

    /// Number of conditions, `C`.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Standardizes rows `c` `[N, C]`.
    pub fn standardize<T: Real>(&self, c: &[f64]) -> Vec<T> {
        let columns = self.columns.iter().cycle();
        c.iter()
            .zip(columns)
            .map(|(v, column)| T::of((v - column.mean) / column.deviation))
            .collect()
    }

    /// Whether each row of `c` `[N, C]` has a value outside the training's smallest to largest, `[N]`.
    pub fn outside(&self, c: &[f64]) -> Vec<bool> {
        let row = |row: &[f64]| {
            // A NaN is inside of nothing.
            !row.iter()
                .zip(&self.columns)
                .all(|(v, column)| *v >= column.min && *v <= column.max)
        };
        c.chunks_exact(self.columns.len().max(1)).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["label".to_owned(), "pt".to_owned()]
    }

    #[test]
    fn a_balanced_label_becomes_plus_and_minus_one_and_the_domain_is_kept() {
        let c: Vec<f64> = (0..1001)
            .flat_map(|i| [f64::from(i % 2), 500.0 + f64::from(i) * 0.5])
            .collect();
        let conditions = Conditions::fit(&names(), &c[..2000]).unwrap();
        let standardized: Vec<f64> = conditions.standardize(&c[..2000]);
        assert_eq!(&standardized[..3], &[-1.0, standardized[1], 1.0]);
        let mean = standardized.iter().skip(1).step_by(2).sum::<f64>() / 1000.0;
        let square = standardized.iter().skip(1).step_by(2).map(|v| v * v).sum::<f64>() / 1000.0;
        assert!(mean.abs() < 1e-12 && (square - 1.0).abs() < 1e-12);
        let pt = &conditions.columns()[1];
        assert_eq!((pt.min, pt.max), (500.0, 999.5));
        assert!((pt.quantiles[3] - 749.75).abs() < 1e-9 && (pt.quantiles[2] - 524.975).abs() < 1e-9);
        assert_eq!(
            conditions.outside(&[0.0, 600.0, 1.0, 1200.0, 0.0, f64::NAN]),
            [false, true, true]
        );
        let text = serde_json::to_string(&conditions).unwrap();
        assert_eq!(serde_json::from_str::<Conditions>(&text).unwrap(), conditions);
    }

    #[test]
    fn a_constant_or_broken_condition_is_refused_by_name() {
        let error = Conditions::fit(&names(), &[0.0, 5.0, 1.0, 5.0])
            .unwrap_err()
            .to_string();
        assert!(error.contains("`pt` is 5"), "{error}");
        let error = Conditions::fit(&names(), &[0.0, 5.0, 1.0, f64::INFINITY])
            .unwrap_err()
            .to_string();
        assert!(error.contains("row 1") && error.contains("pt"), "{error}");
        assert!(Conditions::fit(&names(), &[]).is_err());
    }
}
