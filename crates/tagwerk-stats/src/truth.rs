//! What a test sample is: labels and, optionally, one weight a jet.

use crate::error::{Result, StatsError};

/// Labels and weights of one test sample, checked once and shared by every tagger scored on it.
///
/// Both classes have at least one row of positive weight; weights are finite and not negative.
#[derive(Debug, Clone)]
pub struct Truth {
    rows: usize,
    signal: Vec<u32>,
    background: Vec<u32>,
    weights: Option<ClassWeights>,
}

#[derive(Debug, Clone)]
pub(crate) struct ClassWeights {
    pub(crate) signal: Vec<f64>,
    pub(crate) background: Vec<f64>,
}

impl Truth {
    /// Unweighted sample from labels 1 (signal) and 0 (background).
    pub fn new(labels: &[u8]) -> Result<Self> {
        Self::build(labels, None)
    }

    /// Weighted sample: one weight a jet, finite and not below 0, in any unit.
    pub fn weighted(labels: &[u8], weights: &[f64]) -> Result<Self> {
        Self::build(labels, Some(weights))
    }

    /// Unweighted sample from flags, `true` for signal.
    pub fn from_flags(is_signal: &[bool]) -> Result<Self> {
        let labels: Vec<u8> = is_signal.iter().map(|&s| u8::from(s)).collect();
        Self::new(&labels)
    }

    fn build(labels: &[u8], weights: Option<&[f64]>) -> Result<Self> {
        let rows = labels.len();
        if u32::try_from(rows).is_err() {
            return Err(StatsError::TooManyRows {
                rows,
                limit: u32::MAX as usize,
            });
        }
        let (mut signal, mut background) = (Vec::new(), Vec::new());
        for (row, &label) in (0_u32..).zip(labels) {
            match label {
                1 => signal.push(row),
                0 => background.push(row),
                other => {
                    return Err(StatsError::Label {
                        row: row as usize,
                        value: f64::from(other),
                    });
                }
            }
        }
        let weights = match weights {
            None => None,
            Some(w) => {
                if w.len() != rows {
                    return Err(StatsError::Length {
                        what: "the weight column".to_owned(),
                        expected: rows,
                        found: w.len(),
                    });
                }
                if let Some(row) = w.iter().position(|x| !x.is_finite() || *x < 0.0) {
                    return Err(StatsError::Weight { row, value: w[row] });
                }
                let pick = |rows: &[u32]| rows.iter().map(|&r| w[r as usize]).collect::<Vec<f64>>();
                Some(ClassWeights {
                    signal: pick(&signal),
                    background: pick(&background),
                })
            }
        };
        let empty =
            |rows: &[u32], w: Option<&Vec<f64>>| rows.is_empty() || w.is_some_and(|w| w.iter().all(|&x| x == 0.0));
        if empty(&signal, weights.as_ref().map(|w| &w.signal)) {
            return Err(StatsError::EmptyClass { class: "signal", rows });
        }
        if empty(&background, weights.as_ref().map(|w| &w.background)) {
            return Err(StatsError::EmptyClass {
                class: "background",
                rows,
            });
        }
        Ok(Self {
            rows,
            signal,
            background,
            weights,
        })
    }

    /// Rows of both classes.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Signal rows, weights not counted.
    pub fn n_signal(&self) -> usize {
        self.signal.len()
    }

    /// Background rows, weights not counted.
    pub fn n_background(&self) -> usize {
        self.background.len()
    }

    /// Whether jets carry weights.
    pub fn is_weighted(&self) -> bool {
        self.weights.is_some()
    }

    /// Row numbers of the signal, ascending.
    pub fn signal_rows(&self) -> &[u32] {
        &self.signal
    }

    /// Row numbers of the background, ascending.
    pub fn background_rows(&self) -> &[u32] {
        &self.background
    }

    /// Number of unweighted background jets with the same statistical power: (sum w)^2 / sum w^2.
    pub fn effective_background(&self) -> f64 {
        match &self.weights {
            None => self.background.len() as f64,
            Some(w) => {
                let (sum, squares) = w.background.iter().fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
                sum * sum / squares
            }
        }
    }

    pub(crate) fn class_weights(&self) -> Option<&ClassWeights> {
        self.weights.as_ref()
    }

    /// Values of one column split into (signal, background), each in row order.
    pub(crate) fn split(&self, column: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let pick = |rows: &[u32]| rows.iter().map(|&r| column[r as usize]).collect();
        (pick(&self.signal), pick(&self.background))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_of_one_class_is_refused_by_name() {
        assert_eq!(
            Truth::new(&[1, 1]).unwrap_err(),
            StatsError::EmptyClass {
                class: "background",
                rows: 2
            }
        );
        assert_eq!(
            Truth::new(&[]).unwrap_err(),
            StatsError::EmptyClass {
                class: "signal",
                rows: 0
            }
        );
        assert!(matches!(
            Truth::weighted(&[1, 0], &[0.0, 1.0]),
            Err(StatsError::EmptyClass { class: "signal", .. })
        ));
    }

    #[test]
    fn bad_labels_and_weights_name_their_row() {
        assert_eq!(
            Truth::new(&[1, 0, 7]).unwrap_err(),
            StatsError::Label { row: 2, value: 7.0 }
        );
        assert_eq!(
            Truth::weighted(&[1, 0], &[1.0, -2.0]).unwrap_err(),
            StatsError::Weight { row: 1, value: -2.0 }
        );
        assert!(Truth::weighted(&[1, 0], &[1.0]).is_err());
    }

    #[test]
    fn effective_background_of_equal_weights_is_the_count() {
        let truth = Truth::weighted(&[1, 0, 0, 0], &[1.0, 0.5, 0.5, 0.5]).unwrap();
        assert!((truth.effective_background() - 3.0).abs() < 1e-12);
    }
}
