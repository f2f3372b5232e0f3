//! The view of the Energy Flow and Particle Flow Networks: momentum shares at points of the plane.
//!
//! Komiske, Metodiev, Thaler, "Energy Flow Networks", arXiv:1810.05165. The published top tagger rotates and
//! reflects too ("r.r."), which matters to the EFN far more than to the PFN.

use crate::fill::fill_jagged;
use crate::plane::{PlanePoint, center, reflect_up_right, rotate_upright};
use crate::{JaggedView, PhysicsError, constituents};
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;

/// What is done to a jet before an EFN or PFN sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PfnPreprocessing {
    /// Leading constituents kept. Default: 200, all that the reference data set stores.
    pub max_constituents: usize,
    /// Whether the origin is moved to the pT-weighted mean of (y, phi). Default: true.
    pub center: bool,
    /// Whether the principal axis is turned vertical and the heavier halves up and right. Needs `center`. Default:
    /// true.
    pub rotate_reflect: bool,
}

impl Default for PfnPreprocessing {
    fn default() -> Self {
        Self {
            max_constituents: 200,
            center: true,
            rotate_reflect: true,
        }
    }
}

/// (z, y, phi) of each leading constituent of each jet.
///
/// z = pT / sum pT. The scalar sum, the mean, the principal axis and the halves are those of **all** constituents of
/// the jet, also of those past `max_constituents`: properties of the jet, not of the cut. So z sums to 1 where
/// nothing was cut off, to the kept share otherwise. Without `center`, y and phi are the constituent's own, phi in
/// (-pi, pi]. y is the rapidity, which for massless constituents is the pseudorapidity.
///
/// # Shapes
/// - `jets`: `B` jets with `R` constituents, by falling transverse momentum
/// - returns: `[R', 3]` rows of (z, y, phi), at most `max_constituents` a jet
///
/// # Errors
/// [`PhysicsError::Setting`] for `max_constituents` of 0 or rotation without centering; whatever
/// [`crate::check_jets`] finds.
pub fn pfn_view(jets: &Jets, preprocessing: &PfnPreprocessing) -> Result<JaggedView, PhysicsError> {
    if preprocessing.rotate_reflect && !preprocessing.center {
        return Err(PhysicsError::Setting {
            name: "center",
            value: 0.0,
            limit: "true where `rotate_reflect` is true: a jet is turned about its center",
        });
    }
    fill_jagged(
        jets,
        preprocessing.max_constituents,
        3,
        |b, rows, points: &mut Vec<PlanePoint>| {
            points.clear();
            points.extend(constituents(jets, b).map(|particle| PlanePoint {
                weight: particle.pt(),
                x: particle.rapidity(),
                phi: particle.phi(),
            }));
            let total: f64 = points.iter().map(|point| point.weight).sum();
            if total > 0.0 {
                points.iter_mut().for_each(|point| point.weight /= total);
            }
            if preprocessing.center {
                center(points);
            }
            if preprocessing.rotate_reflect {
                rotate_upright(points);
                reflect_up_right(points);
            }
            for (row, point) in rows.chunks_exact_mut(3).zip(points.iter()) {
                row.copy_from_slice(&[point.weight as f32, point.x as f32, point.phi as f32]);
            }
        },
    )
}
