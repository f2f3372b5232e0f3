//! Features of a constituent in three sets: kinematics alone, with charge and identity, with impact parameters too.
//!
//! The sets are those of the public data configurations for JetClass (Qu, Li, Qian, "Particle Transformer for Jet
//! Tagging", arXiv:2202.03772): `kin`, `kinpid`, `full`.

use crate::fill::fill_jagged;
use crate::kinematic_features::{KINEMATIC_FEATURES, PART_STANDARDIZATION, Standardization, fill_kinematics};
use crate::{JaggedView, PhysicsError};
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;

/// Names of the columns of [`particle_view`] with all features, in order: the kinematic ones, then charge, flags of the
/// identity, and impact parameters.
pub const PARTICLE_FEATURES: [&str; 17] = [
    KINEMATIC_FEATURES[0],
    KINEMATIC_FEATURES[1],
    KINEMATIC_FEATURES[2],
    KINEMATIC_FEATURES[3],
    KINEMATIC_FEATURES[4],
    KINEMATIC_FEATURES[5],
    KINEMATIC_FEATURES[6],
    "charge",
    "is_charged_hadron",
    "is_neutral_hadron",
    "is_photon",
    "is_electron",
    "is_muon",
    "d0",
    "d0_err",
    "dz",
    "dz_err",
];

/// The columns of [`Jets`] behind the features from number 7 on, in their order.
const COLUMNS: [&str; 10] = tagwerk_data::PARTICLE_COLUMNS;

/// The published constants for the columns of [`particle_view`]: of the kinematic ones [`PART_STANDARDIZATION`]; charge,
/// flags and impact parameters are taken as they are; the errors of the latter are cut to [0, 1].
pub const PARTICLE_STANDARDIZATION: [Option<Standardization>; 17] = {
    let mut all = [None; 17];
    let mut c = 0;
    while c < PART_STANDARDIZATION.len() {
        all[c] = PART_STANDARDIZATION[c];
        c += 1;
    }
    let unit = Standardization {
        shift: 0.0,
        scale: 1.0,
        low: 0.0,
        high: 1.0,
    };
    all[14] = Some(unit);
    all[16] = Some(unit);
    all
};

/// Which features of a constituent a network reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParticleFeatures {
    /// The seven of [`KINEMATIC_FEATURES`], which momenta tell.
    #[default]
    Kin,
    /// These, charge, and five flags: charged hadron, neutral hadron, photon, electron, muon.
    KinPid,
    /// These, the two impact parameters, and their errors.
    Full,
}

impl ParticleFeatures {
    /// All sets.
    pub const ALL: [Self; 3] = [Self::Kin, Self::KinPid, Self::Full];

    /// The name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kin => "kin",
            Self::KinPid => "kinpid",
            Self::Full => "full",
        }
    }

    /// Names of the features, in the order of the columns of [`particle_view`].
    pub fn names(self) -> &'static [&'static str] {
        &PARTICLE_FEATURES[..self.count()]
    }

    /// Number of features: 7, 13 or 17.
    pub const fn count(self) -> usize {
        match self {
            Self::Kin => 7,
            Self::KinPid => 13,
            Self::Full => 17,
        }
    }

    /// The set with so many features.
    pub fn of_count(count: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.count() == count)
    }

    /// Columns that jets must have beyond momenta: see [`Jets::columns`].
    pub fn columns(self) -> &'static [&'static str] {
        &COLUMNS[..self.count() - KINEMATIC_FEATURES.len()]
    }
}

/// The features of a set for each of the leading constituents of each jet.
///
/// Columns are those of [`PARTICLE_FEATURES`]: the seven of [`crate::particlenet_view`]; charge in units of e; flags, 1
/// for the one that the constituent is; d0 and dz as tanh of the impact parameters in mm, whose tails reach meters;
/// their errors in mm, as they are. [`PARTICLE_STANDARDIZATION`] cuts the errors as the published configurations do.
///
/// # Shapes
/// - `jets`: `B` jets with `R` constituents, by falling transverse momentum
/// - returns: `[R', 7 | 13 | 17]` rows, at most `max_constituents` a jet
///
/// # Errors
/// [`PhysicsError::MissingColumn`] where jets lack one of [`ParticleFeatures::columns`], [`PhysicsError::ColumnLength`]
/// and [`PhysicsError::NotFinite`] for one that does not fit or has holes; as [`crate::particlenet_view`].
pub fn particle_view(
    jets: &Jets,
    features: ParticleFeatures,
    max_constituents: usize,
) -> Result<JaggedView, PhysicsError> {
    const KINEMATIC: usize = KINEMATIC_FEATURES.len();
    let columns = features
        .columns()
        .iter()
        .map(|&column| checked(jets, column, features))
        .collect::<Result<Vec<_>, _>>()?;
    let width = features.count();
    fill_jagged(jets, max_constituents, width, |b, rows, _: &mut ()| {
        fill_kinematics(jets, b, rows, width);
        for (row, r) in rows.chunks_exact_mut(width).zip(jets.range(b)) {
            for (c, (slot, column)) in row[KINEMATIC..].iter_mut().zip(&columns).enumerate() {
                let value = f64::from(column[r]);
                let tanh = matches!(PARTICLE_FEATURES[KINEMATIC + c], "d0" | "dz");
                *slot = if tanh { value.tanh() } else { value } as f32;
            }
        }
    })
}

/// A column of as many finite values as there are constituents.
fn checked<'a>(jets: &'a Jets, column: &'static str, features: ParticleFeatures) -> Result<&'a [f32], PhysicsError> {
    let values = jets.column(column).ok_or(PhysicsError::MissingColumn {
        column,
        features: features.name(),
    })?;
    if values.len() != jets.constituents() {
        return Err(PhysicsError::ColumnLength {
            column,
            expected: jets.constituents(),
            found: values.len(),
        });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(PhysicsError::NotFinite {
            row,
            column,
            value: f64::from(values[row]),
        }),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{particlenet_view, standardize};

    fn two_jets() -> Jets {
        let mut jets = Jets::default();
        jets.push(&[[50.0, 30.0, -40.0, 0.0], [13.0, 3.0, 4.0, 12.0]], 1, 0);
        jets.push(&[], 0, 1);
        jets.push(&[[6.0, 4.0, 0.0, 4.0]], 0, 2);
        jets
    }

    /// The value of column c of constituent r is 10 c + r, of impact parameters a 64th of it.
    fn complete() -> Jets {
        let filled = |jets: Jets, (c, name): (usize, &&str)| {
            let scale = if name.ends_with("val") { 1.0 / 64.0 } else { 1.0 };
            let values = (0..3).map(|r| (10 * c + r) as f32 * scale).collect();
            jets.with_column(name, values).unwrap()
        };
        COLUMNS.iter().enumerate().fold(two_jets(), filled)
    }

    #[test]
    fn each_set_is_the_beginning_of_the_next() {
        let jets = complete();
        let full = particle_view(&jets, ParticleFeatures::Full, 10).unwrap();
        assert_eq!((full.width, &full.offsets[..]), (17, &[0, 2, 2, 3][..]));
        for set in ParticleFeatures::ALL {
            let view = particle_view(&jets, set, 10).unwrap();
            assert_eq!((view.width, set.names().len()), (set.count(), set.count()));
            for (own, all) in view.rows.chunks(set.count()).zip(full.rows.chunks(17)) {
                assert_eq!(own, &all[..set.count()]);
            }
            assert_eq!(ParticleFeatures::of_count(set.count()), Some(set));
        }
        let kin = particle_view(&jets, ParticleFeatures::Kin, 10).unwrap();
        assert_eq!(kin, particlenet_view(&jets, 10).unwrap());
        assert_eq!(ParticleFeatures::of_count(8), None);
    }

    #[test]
    fn impact_parameters_are_squeezed_and_their_errors_cut_by_the_standardization_alone() {
        let mut full = particle_view(&complete(), ParticleFeatures::Full, 1).unwrap();
        // Leading constituents only: rows 0 and 2 of the table.
        let last = &full.rows[17 + 7..];
        let (d0, dz) = ((62.0f64 / 64.0).tanh() as f32, (82.0f64 / 64.0).tanh() as f32);
        assert_eq!(last, [2.0, 12.0, 22.0, 32.0, 42.0, 52.0, d0, 72.0, dz, 92.0]);
        standardize(&mut full, &PARTICLE_STANDARDIZATION).unwrap();
        assert_eq!(
            full.rows[17 + 7..],
            [2.0, 12.0, 22.0, 32.0, 42.0, 52.0, d0, 1.0, dz, 1.0]
        );
    }

    #[test]
    fn missing_columns_and_holes_are_named() {
        let error = particle_view(&two_jets(), ParticleFeatures::KinPid, 10).unwrap_err();
        assert!(
            error.to_string().contains("`charge`") && error.to_string().contains("kinpid"),
            "{error}"
        );
        let mut holes = complete();
        holes.push(&[[1.0, 1.0, 0.0, 0.0]], 0, 3);
        let error = particle_view(&holes, ParticleFeatures::Full, 10).unwrap_err();
        assert!(
            matches!(
                error,
                PhysicsError::NotFinite {
                    row: 3,
                    column: "charge",
                    ..
                }
            ),
            "{error}"
        );
        assert!(particle_view(&holes, ParticleFeatures::Kin, 10).is_ok());
        let mut short = complete();
        short.columns[9].values.pop();
        let error = particle_view(&short, ParticleFeatures::Full, 10).unwrap_err();
        assert!(matches!(
            error,
            PhysicsError::ColumnLength {
                column: "dzerr",
                expected: 3,
                found: 2
            }
        ));
    }
}
