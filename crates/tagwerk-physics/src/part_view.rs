//! What the Particle Transformer reads: standardized kinematic features, and the four-momenta its pairs are made of.
//!
//! Qu, Li, Qian, "Particle Transformer for Jet Tagging", arXiv:2202.03772.

use crate::{
    JaggedView, KINEMATIC_FEATURES, PART_STANDARDIZATION, PhysicsError, four_vectors_view, particlenet_view,
    standardize,
};
use tagwerk_data::Jets;

/// Columns of [`part_view`]: the features of [`KINEMATIC_FEATURES`], then (E, px, py, pz) in GeV.
pub const PART_COLUMNS: usize = KINEMATIC_FEATURES.len() + 4;

/// The kinematic features by [`PART_STANDARDIZATION`], and (E, px, py, pz) in GeV beside them.
///
/// # Shapes
/// - returns: `[R', 11]` rows, at most `max_constituents` a jet
///
/// # Errors
/// As [`particlenet_view`].
pub fn part_view(jets: &Jets, max_constituents: usize) -> Result<JaggedView, PhysicsError> {
    let mut features = particlenet_view(jets, max_constituents)?;
    standardize(&mut features, &PART_STANDARDIZATION)?;
    let vectors = four_vectors_view(jets, max_constituents, 1.0)?;
    let rows = features
        .rows
        .chunks_exact(features.width)
        .zip(vectors.rows.chunks_exact(4));
    let rows = rows.flat_map(|(features, vector)| features.iter().chain(vector).copied());
    JaggedView::new(PART_COLUMNS, rows.collect(), features.offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_standardized_and_momenta_stand_beside_them() {
        let mut jets = Jets::default();
        jets.push(&[[50.0, 30.0, -40.0, 0.0], [13.0, 3.0, 4.0, 12.0]], 1, 0);
        jets.push(&[], 0, 1);
        let view = part_view(&jets, 128).unwrap();
        assert_eq!((view.width, &view.offsets[..]), (11, &[0, 2, 2][..]));
        assert_eq!(view.rows[7..11], [50.0, 30.0, -40.0, 0.0]);
        let plain = particlenet_view(&jets, 128).unwrap();
        // ln 50 GeV, minus 1.7, times 0.7; the angles stay.
        assert!((view.rows[0] - (50.0f32.ln() - 1.7) * 0.7).abs() < 1e-6);
        assert_eq!(view.rows[2..4], plain.rows[2..4]);
        assert!(part_view(&jets, 0).is_err());
    }
}
