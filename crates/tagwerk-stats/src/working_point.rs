//! Signal efficiencies at which rejections are quoted.

use crate::error::{Result, StatsError};

/// Signal efficiencies in (0, 1], ascending, each once. The default is 0.3 and 0.5.
///
/// The landscape's analysis interpolates on the grid `linspace(0.05, 1, 476)` and reads the grid indices 125, 175 and
/// 225. In double precision these grid points are 0.3, 0.4 and 0.5 to the last bit, so interpolating at the working
///      point itself is
/// the same computation, and any other working point is treated alike.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkingPoints(Vec<f64>);

impl WorkingPoints {
    /// Checks, sorts and removes repetitions.
    pub fn new(points: &[f64]) -> Result<Self> {
        if let Some(&value) = points.iter().find(|p| !(**p > 0.0 && **p <= 1.0)) {
            return Err(StatsError::WorkingPoint { value });
        }
        let mut points = points.to_vec();
        points.sort_by(f64::total_cmp);
        points.dedup();
        Ok(Self(points))
    }

    /// The points, ascending.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }
}

impl Default for WorkingPoints {
    fn default() -> Self {
        Self(vec![0.3, 0.5])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_grid_points_are_the_working_points() {
        // numpy: start + index * step with step = (1 - 0.05) / 475.
        let grid = |index: u32| 0.05 + f64::from(index) * ((1.0 - 0.05) / 475.0);
        assert_eq!([grid(125), grid(175), grid(225)], [0.3, 0.4, 0.5]);
    }

    #[test]
    fn points_outside_the_unit_interval_are_refused() {
        assert!(WorkingPoints::new(&[0.3, 0.0]).is_err());
        assert!(WorkingPoints::new(&[1.2]).is_err());
        assert!(WorkingPoints::new(&[f64::NAN]).is_err());
        assert_eq!(WorkingPoints::new(&[0.5, 0.3, 0.5]).unwrap().as_slice(), [0.3, 0.5]);
    }
}
