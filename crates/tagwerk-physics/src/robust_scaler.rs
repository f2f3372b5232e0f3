//! Scaling by order statistics, which a few wild values do not move: (x - median) / (q75 - q25), channel by channel.
//!
//! The scaler of TreeNiN, fitted once on the training jets and saved with the model. Percentiles are numpy's "linear"
//! ones: the value at the place q (n - 1) of the sorted values, interpolated between neighbors.

use crate::{JaggedView, PhysicsError};
use serde::{Deserialize, Serialize};

/// Center and width of each channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct RobustScaler {
    center: Vec<f64>,
    scale: Vec<f64>,
}

/// What a file holds, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    center: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<Parts> for RobustScaler {
    type Error = PhysicsError;

    fn try_from(parts: Parts) -> Result<Self, PhysicsError> {
        Self::new(parts.center, parts.scale)
    }
}

impl RobustScaler {
    /// A scaler of known centers and widths.
    ///
    /// # Errors
    /// [`PhysicsError::ColumnLength`] for unequal lengths; [`PhysicsError::Setting`] for a center that is not finite or
    /// a width that is not above 0.
    pub fn new(center: Vec<f64>, scale: Vec<f64>) -> Result<Self, PhysicsError> {
        if center.len() != scale.len() {
            return Err(PhysicsError::ColumnLength {
                column: "scale",
                expected: center.len(),
                found: scale.len(),
            });
        }
        let refuse = |name, value, limit| Err(PhysicsError::Setting { name, value, limit });
        if let Some(&value) = center.iter().find(|value| !value.is_finite()) {
            return refuse("center", value, "finite");
        }
        if let Some(&value) = scale.iter().find(|&&value| !(value > 0.0 && value.is_finite())) {
            return refuse("scale", value, "finite and above 0");
        }
        Ok(Self { center, scale })
    }

    /// Fits every channel on all rows of a view, which must be training jets only.
    ///
    /// A channel that does not vary gets the width 1. One channel is copied at a time.
    ///
    /// # Errors
    /// [`PhysicsError::ColumnLength`] without any row; [`PhysicsError::NotFinite`] for a value that is no number.
    pub fn fit(view: &JaggedView) -> Result<Self, PhysicsError> {
        if view.rows.is_empty() {
            return Err(PhysicsError::ColumnLength {
                column: "rows",
                expected: 1,
                found: 0,
            });
        }
        if let Some(place) = view.rows.iter().position(|value| !value.is_finite()) {
            return Err(PhysicsError::NotFinite {
                row: place / view.width,
                column: "rows",
                value: f64::from(view.rows[place]),
            });
        }
        let (mut center, mut scale) = (Vec::with_capacity(view.width), Vec::with_capacity(view.width));
        let mut column = Vec::with_capacity(view.row_count());
        for channel in 0..view.width {
            column.clear();
            column.extend(view.rows.iter().skip(channel).step_by(view.width));
            let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&mut column, share));
            center.push(median);
            scale.push(if high > low { high - low } else { 1.0 });
        }
        Self::new(center, scale)
    }

    /// Median of each channel.
    pub fn center(&self) -> &[f64] {
        &self.center
    }

    /// Distance of the quartiles of each channel.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// Scales a view in place; computed in f64.
    ///
    /// # Errors
    /// [`PhysicsError::ColumnLength`] for a view of another width.
    pub fn apply(&self, view: &mut JaggedView) -> Result<(), PhysicsError> {
        if view.width != self.center.len() {
            return Err(PhysicsError::ColumnLength {
                column: "rows",
                expected: self.center.len(),
                found: view.width,
            });
        }
        // A width of 0 has no values either.
        for row in view.rows.chunks_exact_mut(view.width.max(1)) {
            for ((value, center), scale) in row.iter_mut().zip(&self.center).zip(&self.scale) {
                *value = ((f64::from(*value) - center) / scale) as f32;
            }
        }
        Ok(())
    }
}

/// The value below which `share` of the values lie, interpolated linearly; reorders them. There must be one at least.
fn quantile(values: &mut [f32], share: f64) -> f64 {
    let place = share * (values.len() - 1) as f64;
    let (_, &mut low, above) = values.select_nth_unstable_by(place as usize, f32::total_cmp);
    let next = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    let (low, next, t) = (f64::from(low), f64::from(next), place.fract());
    // Interpolated from the nearer end, as numpy does, which is exact at both.
    if t < 0.5 {
        low + (next - low) * t
    } else {
        next - (next - low) * (1.0 - t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(width: usize, rows: &[f32]) -> JaggedView {
        JaggedView::new(width, rows.to_vec(), vec![0, rows.len() / width]).unwrap()
    }

    #[test]
    fn percentiles_are_interpolated_between_neighbors() {
        // numpy.percentile([9, 1, 4, 2], [25, 50, 75]) = [1.75, 3, 5.25].
        let scaler = RobustScaler::fit(&view(1, &[9.0, 1.0, 4.0, 2.0])).unwrap();
        assert_eq!((scaler.center(), scaler.scale()), ([3.0].as_slice(), [3.5].as_slice()));
        let lone = RobustScaler::fit(&view(2, &[5.0, -1.0])).unwrap();
        assert_eq!(
            (lone.center(), lone.scale()),
            ([5.0, -1.0].as_slice(), [1.0, 1.0].as_slice())
        );
    }

    #[test]
    fn channels_are_scaled_by_themselves_and_wild_values_do_not_matter() {
        let mut rows = view(2, &[0.0, 10.0, 1.0, 30.0, 2.0, 20.0, 3.0, 40.0, 4.0, 1e30]);
        let scaler = RobustScaler::fit(&rows).unwrap();
        assert_eq!(
            (scaler.center(), scaler.scale()),
            ([2.0, 30.0].as_slice(), [2.0, 20.0].as_slice())
        );
        scaler.apply(&mut rows).unwrap();
        assert_eq!(rows.rows[..6], [-1.0, -1.0, -0.5, 0.0, 0.0, -0.5]);
        assert!(scaler.apply(&mut view(3, &[0.0; 3])).is_err());
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        assert!(RobustScaler::fit(&JaggedView::default()).is_err());
        assert!(RobustScaler::fit(&view(1, &[1.0, f32::NAN])).is_err());
        assert!(RobustScaler::new(vec![0.0], vec![0.0]).is_err());
        assert!(RobustScaler::new(vec![0.0], vec![]).is_err());
        assert!(RobustScaler::new(vec![f64::INFINITY], vec![1.0]).is_err());
    }
}
