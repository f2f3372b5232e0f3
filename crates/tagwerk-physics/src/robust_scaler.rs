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
    /// A channel that does not vary gets the width 1.
    ///
    /// # Errors
    /// [`PhysicsError::ColumnLength`] without any row; [`PhysicsError::NotFinite`] for a value that is no number.
    pub fn fit(view: &JaggedView) -> Result<Self, PhysicsError> {
        Self::fit_in_passes(view.width, |take| take(view))
    }

    /// The same on views that are never held together: `walk` hands all of them to `take`, and is called twice.
    ///
    /// Exact in a memory that does not grow with the rows: the first walk counts values by their leading 16 bits, the
    /// second by the other 16 where a quartile lies.
    ///
    /// ```
    /// use tagwerk_physics::{JaggedView, PhysicsError, RobustScaler};
    /// let parts = [vec![9.0, 1.0], vec![4.0, 2.0]];
    /// let scaler = RobustScaler::fit_in_passes(1, |take| {
    ///     parts.iter().try_for_each(|rows| take(&JaggedView::new(1, rows.clone(), vec![0, 2])?))
    /// })?;
    /// assert_eq!((scaler.center(), scaler.scale()), ([3.0].as_slice(), [3.5].as_slice()));
    /// # Ok::<(), PhysicsError>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit); [`PhysicsError::ColumnLength`] for a view of another width, or if the second walk is not
    /// the first one again; what `walk` says.
    pub fn fit_in_passes<E: From<PhysicsError>>(
        width: usize,
        mut walk: impl FnMut(Take<'_>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut leading = vec![vec![0u64; KEYS]; width];
        let mut row_count = 0;
        walk(&mut |view| {
            if view.width != width {
                return Err(fault(width, view.width));
            }
            if let Some(place) = view.rows.iter().position(|value| !value.is_finite()) {
                return Err(PhysicsError::NotFinite {
                    row: row_count + place / width.max(1),
                    column: "rows",
                    value: f64::from(view.rows[place]),
                });
            }
            for row in view.rows.chunks_exact(width.max(1)) {
                for (value, counts) in row.iter().zip(&mut leading) {
                    counts[(key(*value) >> 16) as usize] += 1;
                }
                row_count += 1;
            }
            Ok(())
        })?;
        if row_count == 0 {
            return Err(fault(1, 0).into());
        }
        let quartiles = [0.25, 0.5, 0.75].map(|share| Place::of(share, row_count));
        let ranks: Vec<usize> = quartiles.iter().flat_map(|place| [place.low, place.next]).collect();
        let mut channels: Vec<Vec<Bin>> = leading.iter().map(|counts| bins(counts, &ranks)).collect();
        let mut again = 0;
        walk(&mut |view| {
            if view.width != width {
                return Err(fault(width, view.width));
            }
            for row in view.rows.chunks_exact(width.max(1)) {
                for (value, bins) in row.iter().zip(&mut channels) {
                    let key = key(*value);
                    if let Some(bin) = bins.iter_mut().find(|bin| bin.leading == key >> 16) {
                        bin.counts[(key & 0xffff) as usize] += 1;
                    }
                }
                again += 1;
            }
            Ok(())
        })?;
        if again != row_count {
            return Err(fault(row_count, again).into());
        }
        let (mut center, mut scale) = (Vec::with_capacity(width), Vec::with_capacity(width));
        for bins in &channels {
            let mut values = [0.0; 3];
            for (value, place) in values.iter_mut().zip(&quartiles) {
                let at = |rank| bins.iter().find_map(|bin| bin.value(rank));
                // As many rows, but other ones: their values may lie elsewhere.
                let (Some(low), Some(next)) = (at(place.low), at(place.next)) else {
                    return Err(fault(row_count, 0).into());
                };
                *value = place.between(low, next);
            }
            let [low, median, high] = values;
            center.push(median);
            scale.push(if high > low { high - low } else { 1.0 });
        }
        Ok(Self::new(center, scale)?)
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

/// What is handed one view after the other.
pub type Take<'a> = &'a mut dyn FnMut(&JaggedView) -> Result<(), PhysicsError>;

/// Values of the leading or the other 16 bits of a key.
const KEYS: usize = 1 << 16;

/// Numbers in the order of the values.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | (1 << 31) }
}

/// The value of a key.
fn value_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

/// Between which of the sorted values a quantile lies.
struct Place {
    low: usize,
    next: usize,
    share: f64,
}

impl Place {
    fn of(share: f64, count: usize) -> Self {
        let place = share * (count - 1) as f64;
        let low = place as usize;
        Self {
            low,
            next: (low + 1).min(count - 1),
            share: place.fract(),
        }
    }

    /// Interpolated from the nearer end, as numpy does, which is exact at both.
    fn between(&self, low: f32, next: f32) -> f64 {
        let (low, next, t) = (f64::from(low), f64::from(next), self.share);
        if t < 0.5 {
            low + (next - low) * t
        } else {
            next - (next - low) * (1.0 - t)
        }
    }
}

/// Values of equal leading bits.
struct Bin {
    leading: u32,
    /// Values before the first of them.
    before: u64,
    /// By their other bits.
    counts: Vec<u64>,
}

impl Bin {
    /// The value of a rank among all, if it is one of these.
    fn value(&self, rank: usize) -> Option<f32> {
        let mut left = (rank as u64).checked_sub(self.before)?;
        for (other, &count) in self.counts.iter().enumerate() {
            if left < count {
                return Some(value_of((self.leading << 16) | other as u32));
            }
            left -= count;
        }
        None
    }
}

/// The bins in which the ranks lie, with nothing counted yet.
fn bins(leading: &[u64], ranks: &[usize]) -> Vec<Bin> {
    let mut found = Vec::new();
    let mut before = 0;
    for (bin, &count) in leading.iter().enumerate() {
        if ranks
            .iter()
            .any(|&rank| (before..before + count).contains(&(rank as u64)))
        {
            found.push(Bin {
                leading: bin as u32,
                before,
                counts: vec![0; KEYS],
            });
        }
        before += count;
    }
    found
}

fn fault(expected: usize, found: usize) -> PhysicsError {
    PhysicsError::ColumnLength {
        column: "rows",
        expected,
        found,
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
    fn passes_over_parts_find_what_sorting_the_whole_finds() {
        // Signs, zeros of both kinds, magnitudes from 1e-30 to 1e30, many equal values.
        let rows: Vec<f32> = (0..3001)
            .map(|i| {
                let x = ((i * 7919) % 1201) as f32 - 600.0;
                if i % 3 == 0 {
                    x.signum() * 10f32.powf(x.abs() / 20.0)
                } else {
                    x * 0.01
                }
            })
            .chain([0.0, -0.0, 0.0])
            .collect();
        let mut sorted = rows.clone();
        sorted.sort_by(f32::total_cmp);
        let expected = [0.25, 0.5, 0.75].map(|share| {
            let place = share * (sorted.len() - 1) as f64;
            let (low, next) = (f64::from(sorted[place as usize]), f64::from(sorted[place as usize + 1]));
            low + (next - low) * place.fract()
        });
        let scaler = RobustScaler::fit_in_passes(1, |take| rows.chunks(100).try_for_each(|part| take(&view(1, part))));
        let scaler: RobustScaler = scaler.map_err(|e: PhysicsError| e).unwrap();
        assert!((scaler.center()[0] - expected[1]).abs() <= 1e-12 * expected[1].abs());
        assert!((scaler.scale()[0] - (expected[2] - expected[0])).abs() <= 1e-12 * scaler.scale()[0]);
    }

    #[test]
    fn a_second_walk_that_is_another_one_is_refused() {
        let mut walks = 0;
        let fitted = RobustScaler::fit_in_passes(1, |take| {
            walks += 1;
            take(&view(1, &[1.0, 2.0, 3.0][..4 - walks]))
        });
        assert!(matches!(
            fitted,
            Err(PhysicsError::ColumnLength {
                expected: 3,
                found: 2,
                ..
            })
        ));
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
