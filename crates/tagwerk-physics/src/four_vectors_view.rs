//! The view of networks that know the Minkowski metric: the four-momenta of the leading constituents, as they are.
//!
//! Butter, Kasieczka, Plehn, Russell, "Deep-learned Top Tagging with a Lorentz Layer", arXiv:1707.08966; Erdmann,
//! Geiser, Rath, Rieger, "Lorentz Boost Networks", arXiv:1812.09722. Neither centers, turns nor scales a jet.

use crate::fill::fill_jagged;
use crate::{JaggedView, PhysicsError, constituents};
use tagwerk_data::Jets;

/// (E, px, py, pz) of each leading constituent of each jet, in units of `unit` GeV.
///
/// # Shapes
/// - `jets`: `B` jets with `R` constituents, by falling transverse momentum
/// - returns: `[R', 4]` rows, at most `max_constituents` a jet
///
/// # Errors
/// [`PhysicsError::Setting`] for `max_constituents` of 0 or a unit that is not finite and above 0; whatever
/// [`crate::check_jets`] finds.
pub fn four_vectors_view(jets: &Jets, max_constituents: usize, unit: f64) -> Result<JaggedView, PhysicsError> {
    if !(unit > 0.0 && unit.is_finite()) {
        return Err(PhysicsError::Setting {
            name: "unit",
            value: unit,
            limit: "finite and above 0",
        });
    }
    fill_jagged(jets, max_constituents, 4, |b, rows, _: &mut ()| {
        for (row, v) in rows.chunks_exact_mut(4).zip(constituents(jets, b)) {
            row.copy_from_slice(&[v.e, v.px, v.py, v.pz].map(|component| (component / unit) as f32));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_constituents_are_kept_in_the_unit_asked_for() {
        let mut jets = Jets::default();
        jets.push(
            &[[50.0, 30.0, -40.0, 0.0], [13.0, 3.0, 4.0, 12.0], [1.0, 1.0, 0.0, 0.0]],
            1,
            0,
        );
        jets.push(&[], 0, 1);
        let view = four_vectors_view(&jets, 2, 10.0).unwrap();
        assert_eq!(view.offsets, [0, 2, 2]);
        assert_eq!(view.rows, [5.0, 3.0, -4.0, 0.0, 1.3, 0.3, 0.4, 1.2]);
        for unit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(four_vectors_view(&jets, 2, unit).is_err(), "{unit}");
        }
    }
}
