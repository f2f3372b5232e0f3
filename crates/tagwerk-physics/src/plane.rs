//! A jet as weighted points in the (rapidity or pseudorapidity, azimuth) plane, and its standard orientation.
//!
//! Jets have no preferred direction about their axis; turning them all the same way spares the network learning
//! the rotation. Steps after arXiv:1407.5675 and arXiv:1803.00107: center, rotate, reflect.

use crate::wrap_phi;

/// A weighted point in the plane; the weight is a transverse momentum or a share of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PlanePoint {
    pub weight: f64,
    /// Horizontal: rapidity or pseudorapidity.
    pub x: f64,
    /// Vertical: azimuth.
    pub phi: f64,
}

/// Moves the weighted mean to the origin.
///
/// Azimuths are first taken relative to the heaviest point and wrapped there, so a jet that straddles
/// phi = pi keeps its shape; after that they are plain numbers and not wrapped again.
pub(crate) fn center(points: &mut [PlanePoint]) {
    let mut heaviest = match points.first() {
        Some(first) => *first,
        None => return,
    };
    for point in points.iter() {
        if point.weight > heaviest.weight {
            heaviest = *point;
        }
    }
    let (mut total, mut mean_x, mut mean_phi) = (0.0, 0.0, 0.0);
    for point in points.iter_mut() {
        // Differences of x as well: sums of small numbers keep their digits.
        point.x -= heaviest.x;
        point.phi = wrap_phi(point.phi - heaviest.phi);
        total += point.weight;
        mean_x += point.weight * point.x;
        mean_phi += point.weight * point.phi;
    }
    if total > 0.0 {
        mean_x /= total;
        mean_phi /= total;
        for point in points {
            point.x -= mean_x;
            point.phi -= mean_phi;
        }
    }
}

/// Rotates about the origin so that the axis of the largest second moment is vertical (along phi).
///
/// With M20 = sum w x^2, M02 = sum w phi^2, M11 = sum w x phi the axis stands at the angle atan2(2 M11, M20 - M02) / 2
/// from horizontal. A jet without a preferred axis (one point, or perfectly round) stays as it is.
pub(crate) fn rotate_upright(points: &mut [PlanePoint]) {
    let (mut m20, mut m02, mut m11) = (0.0, 0.0, 0.0);
    for point in points.iter() {
        m20 += point.weight * point.x * point.x;
        m02 += point.weight * point.phi * point.phi;
        m11 += point.weight * point.x * point.phi;
    }
    if m11 == 0.0 && m20 == m02 {
        return;
    }
    let axis = 0.5 * (2.0 * m11).atan2(m20 - m02);
    let (sin, cos) = (std::f64::consts::FRAC_PI_2 - axis).sin_cos();
    for point in points {
        let (x, phi) = (point.x, point.phi);
        point.x = x * cos - phi * sin;
        point.phi = x * sin + phi * cos;
    }
}

/// Mirrors so that the upper and the right half-plane hold the larger summed weight.
pub(crate) fn reflect_up_right(points: &mut [PlanePoint]) {
    // Weight above minus weight below; points on the axis belong to neither half.
    let balance = |coordinate: fn(&PlanePoint) -> f64, points: &[PlanePoint]| -> f64 {
        points
            .iter()
            .map(|point| match coordinate(point) {
                c if c > 0.0 => point.weight,
                c if c < 0.0 => -point.weight,
                _ => 0.0,
            })
            .sum()
    };
    let flip_x = balance(|point| point.x, points) < 0.0;
    let flip_phi = balance(|point| point.phi, points) < 0.0;
    for point in points {
        if flip_x {
            point.x = -point.x;
        }
        if flip_phi {
            point.phi = -point.phi;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points() -> impl Strategy<Value = Vec<PlanePoint>> {
        let point = (0.01..100.0f64, -0.8..0.8f64, 2.4..4.0f64).prop_map(|(weight, x, phi)| PlanePoint {
            weight,
            x,
            // Across the seam at pi.
            phi: wrap_phi(phi),
        });
        proptest::collection::vec(point, 2..80)
    }

    fn moment(points: &[PlanePoint], of: impl Fn(&PlanePoint) -> f64) -> f64 {
        let total: f64 = points.iter().map(|p| p.weight).sum();
        points.iter().map(|p| p.weight * of(p)).sum::<f64>() / total
    }

    proptest! {
        #[test]
        fn after_centering_the_weighted_mean_is_zero(mut points in points()) {
            center(&mut points);
            prop_assert!(moment(&points, |p| p.x).abs() < 1e-12);
            prop_assert!(moment(&points, |p| p.phi).abs() < 1e-12);
            prop_assert!(points.iter().all(|p| p.phi.abs() < 1.7), "a point stayed behind the seam");
        }

        #[test]
        fn after_rotation_the_principal_axis_is_vertical(mut points in points()) {
            center(&mut points);
            rotate_upright(&mut points);
            prop_assert!(moment(&points, |p| p.x * p.phi).abs() < 1e-12);
            prop_assert!(moment(&points, |p| p.phi * p.phi) >= moment(&points, |p| p.x * p.x) - 1e-12);
        }

        #[test]
        fn after_reflection_the_upper_right_is_the_heavier(mut points in points()) {
            center(&mut points);
            reflect_up_right(&mut points);
            let up: f64 = points.iter().filter(|p| p.phi > 0.0).map(|p| p.weight).sum();
            let down: f64 = points.iter().filter(|p| p.phi < 0.0).map(|p| p.weight).sum();
            let right: f64 = points.iter().filter(|p| p.x > 0.0).map(|p| p.weight).sum();
            let left: f64 = points.iter().filter(|p| p.x < 0.0).map(|p| p.weight).sum();
            prop_assert!(up >= down * (1.0 - 1e-12) && right >= left * (1.0 - 1e-12));
        }

        #[test]
        fn the_standard_orientation_forgets_a_rotation(points in points(), angle in -3.0..3.0f64) {
            let mut upright = points.clone();
            center(&mut upright);
            let mut turned = upright.clone();
            let (sin, cos) = angle.sin_cos();
            for p in &mut turned {
                (p.x, p.phi) = (p.x * cos - p.phi * sin, p.x * sin + p.phi * cos);
            }
            for jet in [&mut upright, &mut turned] {
                rotate_upright(jet);
                reflect_up_right(jet);
            }
            // Rounding may decide an almost even balance or an almost round jet either way.
            let spread = moment(&upright, |p| p.phi * p.phi) - moment(&upright, |p| p.x * p.x);
            let up = moment(&upright, |p| if p.phi > 0.0 { 1.0 } else { -1.0 });
            let right = moment(&upright, |p| if p.x > 0.0 { 1.0 } else { -1.0 });
            prop_assume!(spread > 1e-6 && up > 1e-3 && right > 1e-3);
            for (a, b) in upright.iter().zip(&turned) {
                prop_assert!((a.x - b.x).abs() < 1e-8 && (a.phi - b.phi).abs() < 1e-8);
            }
        }
    }
}
