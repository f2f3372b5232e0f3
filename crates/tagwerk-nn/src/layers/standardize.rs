//! Standardization of inputs: numbers taken from the training data once, kept with the weights, never trained.

use super::{Part, PartMut, Parts};
use crate::error::NnError;

/// `(x - center) / scale`, channel by channel, of rows on the host.
///
/// Inputs need no gradient, so this runs before a tensor is made. Before [`Standardize::fit`] it changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Standardize {
    name: String,
    center: Vec<f32>,
    scale: Vec<f32>,
}

impl Standardize {
    /// Center 0 and scale 1 for `c` channels.
    pub fn new(name: &str, c: usize) -> Self {
        Self {
            name: name.to_string(),
            center: vec![0.0; c],
            scale: vec![1.0; c],
        }
    }

    /// Takes center and scale of each channel, `[C]` both.
    ///
    /// # Errors
    /// [`NnError::Config`] for another number of channels, a center that is not finite, a scale that is not above 0.
    pub fn fit(&mut self, center: Vec<f32>, scale: Vec<f32>) -> Result<(), NnError> {
        let refuse = |what: &str, value: String, limit| {
            Err(NnError::Config {
                what: format!("{what} of {}", self.name),
                value,
                limit,
            })
        };
        let c = self.center.len();
        if center.len() != c || scale.len() != c {
            let found = format!("{} and {}, not {c}", center.len(), scale.len());
            return refuse("centers and scales", found, "one a channel");
        }
        if let Some(bad) = center.iter().find(|value| !value.is_finite()) {
            return refuse("center", bad.to_string(), "finite");
        }
        if let Some(bad) = scale.iter().find(|&&value| !(value > 0.0 && value.is_finite())) {
            return refuse("scale", bad.to_string(), "finite and above 0");
        }
        (self.center, self.scale) = (center, scale);
        Ok(())
    }

    /// Standardizes rows `[R, C]` in place.
    pub fn apply(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.center.len().max(1)) {
            for ((x, center), scale) in row.iter_mut().zip(&self.center).zip(&self.scale) {
                *x = (*x - center) / scale;
            }
        }
    }

    /// Name, unique in its network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Center and scale, `[C]` each.
    pub fn values(&self) -> [&[f32]; 2] {
        [&self.center, &self.scale]
    }

    /// Puts in what a file holds, whose lengths were checked.
    pub(crate) fn restore(&mut self, center: Vec<f32>, scale: Vec<f32>) {
        (self.center, self.scale) = (center, scale);
    }
}

impl Parts for Standardize {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Standardize(self)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Standardize(self)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_centered_and_scaled_by_what_was_fitted() {
        let mut layer = Standardize::new("input", 2);
        let mut rows = [1.0, 2.0, 3.0, 6.0];
        layer.apply(&mut rows);
        assert_eq!(rows, [1.0, 2.0, 3.0, 6.0], "before the fit nothing changes");
        layer.fit(vec![1.0, 2.0], vec![2.0, 4.0]).unwrap();
        layer.apply(&mut rows);
        assert_eq!(rows, [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(layer.parameter_count(), 0, "fitted, not trained");
    }

    #[test]
    fn what_would_make_no_numbers_is_refused_and_changes_nothing() {
        let mut layer = Standardize::new("input", 1);
        for (center, scale) in [
            (vec![0.0], vec![0.0]),
            (vec![f32::NAN], vec![1.0]),
            (vec![0.0; 2], vec![1.0]),
        ] {
            assert!(layer.fit(center, scale).is_err());
        }
        assert_eq!(layer.values(), [&[0.0][..], &[1.0]]);
    }
}
