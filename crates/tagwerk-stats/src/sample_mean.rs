//! A mean over the rows of a test sample, with its error.

use serde::{Deserialize, Serialize};

/// Mean of one number a row. The error is what another sample of as many rows would change: the deviation over the
/// square root of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SampleMean {
    /// The mean.
    pub value: f64,
    /// Its standard error; absent for one row.
    pub error: Option<f64>,
    /// Rows.
    pub rows: usize,
}

impl SampleMean {
    /// Of values that are all finite; no value gives no mean.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        Some(Self {
            value: mean,
            error: (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt()),
            rows: values.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_sample_deviation_over_root_n() {
        let mean = SampleMean::of(&[1.0, 2.0, 3.0, 6.0]).unwrap();
        assert_eq!(mean.value, 3.0);
        assert!((mean.error.unwrap() - (14.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-15);
        assert_eq!(SampleMean::of(&[5.0]).unwrap().error, None);
        assert_eq!(SampleMean::of(&[]), None);
    }
}
