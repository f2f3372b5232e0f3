//! What the Particle Transformer reads: standardized features, and the four-momenta its pairs are made of.
//!
//! Qu, Li, Qian, "Particle Transformer for Jet Tagging", arXiv:2202.03772.

use crate::{
    JaggedView, PARTICLE_STANDARDIZATION, ParticleFeatures, PhysicsError, four_vectors_view, particle_view, standardize,
};
use tagwerk_data::Jets;

/// Columns of [`part_view`] behind the features: (E, px, py, pz) in GeV.
pub const PART_MOMENTA: usize = 4;

/// The features of a set by [`PARTICLE_STANDARDIZATION`], and (E, px, py, pz) in GeV beside them.
///
/// # Shapes
/// - returns: `[R', 11 | 17 | 21]` rows, at most `max_constituents` a jet
///
/// # Errors
/// As [`particle_view`].
pub fn part_view(jets: &Jets, features: ParticleFeatures, max_constituents: usize) -> Result<JaggedView, PhysicsError> {
    let width = features.count();
    let mut features = particle_view(jets, features, max_constituents)?;
    standardize(&mut features, &PARTICLE_STANDARDIZATION[..width])?;
    let vectors = four_vectors_view(jets, max_constituents, 1.0)?;
    let rows = features
        .rows
        .chunks_exact(width)
        .zip(vectors.rows.chunks_exact(PART_MOMENTA));
    let rows = rows.flat_map(|(features, vector)| features.iter().chain(vector).copied());
    JaggedView::new(width + PART_MOMENTA, rows.collect(), features.offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::particlenet_view;

    #[test]
    fn features_are_standardized_and_momenta_stand_beside_them() {
        let mut jets = Jets::default();
        jets.push(&[[50.0, 30.0, -40.0, 0.0], [13.0, 3.0, 4.0, 12.0]], 1, 0);
        jets.push(&[], 0, 1);
        let view = part_view(&jets, ParticleFeatures::Kin, 128).unwrap();
        assert_eq!((view.width, &view.offsets[..]), (11, &[0, 2, 2][..]));
        assert_eq!(view.rows[7..11], [50.0, 30.0, -40.0, 0.0]);
        let plain = particlenet_view(&jets, 128).unwrap();
        // ln 50 GeV, minus 1.7, times 0.7; the angles stay.
        assert!((view.rows[0] - (50.0f32.ln() - 1.7) * 0.7).abs() < 1e-6);
        assert_eq!(view.rows[2..4], plain.rows[2..4]);
        assert!(part_view(&jets, ParticleFeatures::Kin, 0).is_err());
    }
}
