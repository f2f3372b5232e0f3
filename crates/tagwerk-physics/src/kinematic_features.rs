//! The seven kinematic features of a constituent, as ParticleNet and P-CNN read them.
//!
//! Qu, Gouskos, "ParticleNet: Jet Tagging via Particle Clouds", arXiv:1902.08570; the same seven, standardized,
//! feed the Particle Transformer, arXiv:2202.03772.

use crate::fill::fill_jagged;
use crate::{JaggedView, PhysicsError, constituents, jet_axis, wrap_phi};
use serde::{Deserialize, Serialize, Serializer};
use tagwerk_data::Jets;

/// Names of the columns of [`particlenet_view`], in order. Columns 2 and 3 are the points of the first graph.
pub const KINEMATIC_FEATURES: [&str; 7] = [
    "log_pt",
    "log_e",
    "delta_eta",
    "delta_phi",
    "log_pt_rel",
    "log_e_rel",
    "delta_r",
];

/// The smallest argument of a logarithm, in GeV or as a fraction: far below any measured constituent, and there
/// so that a constituent of zero energy yields a finite feature.
const LOG_FLOOR: f64 = 1e-8;

/// Seven features for each of the leading constituents of each jet.
///
/// Columns: ln pT, ln E, deta, dphi, ln(pT / pT_jet), ln(E / E_jet), dR; natural logarithms, GeV.
/// deta = (eta - eta_jet) * sgn(eta_jet) with sgn(0) = +1, so that "away from the center" is always positive;
/// dphi is wrapped into (-pi, pi]; dR = hypot(deta, dphi). Logarithms are taken of at least 1e-8.
///
/// The jet four-vector is the sum of **all** constituents of the jet, also of those past `max_constituents`:
/// the reference is then a property of the jet, not of the cut.
///
/// # Shapes
/// - `jets`: `B` jets with `R` constituents, by falling transverse momentum
/// - returns: `[R', 7]` rows, at most `max_constituents` a jet
///
/// # Errors
/// [`PhysicsError::Setting`] for `max_constituents` of 0; whatever [`crate::check_jets`] finds.
pub fn particlenet_view(jets: &Jets, max_constituents: usize) -> Result<JaggedView, PhysicsError> {
    fill_jagged(
        jets,
        max_constituents,
        KINEMATIC_FEATURES.len(),
        |b, rows, _: &mut ()| {
            let jet = jet_axis(jets, b);
            let (jet_pt, jet_eta, jet_phi) = (jet.pt(), jet.eta(), jet.phi());
            let sign = if jet_eta < 0.0 { -1.0 } else { 1.0 };
            for (row, particle) in rows
                .chunks_exact_mut(KINEMATIC_FEATURES.len())
                .zip(constituents(jets, b))
            {
                let pt = particle.pt();
                let delta_eta = (particle.eta() - jet_eta) * sign;
                let delta_phi = wrap_phi(particle.phi() - jet_phi);
                let features = [
                    log(pt),
                    log(particle.e),
                    delta_eta,
                    delta_phi,
                    log(ratio(pt, jet_pt)),
                    log(ratio(particle.e, jet.e)),
                    delta_eta.hypot(delta_phi),
                ];
                for (slot, feature) in row.iter_mut().zip(features) {
                    *slot = feature as f32;
                }
            }
        },
    )
}

/// How a column is standardized: (x - shift) * scale, cut to [low, high].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardization {
    /// Subtracted first.
    #[serde(serialize_with = "decimal")]
    pub shift: f32,
    /// Multiplied after.
    #[serde(serialize_with = "decimal")]
    pub scale: f32,
    /// Smaller results become this. Default: -5.
    #[serde(default = "Standardization::default_low", serialize_with = "decimal")]
    pub low: f32,
    /// Larger results become this. Default: 5.
    #[serde(default = "Standardization::default_high", serialize_with = "decimal")]
    pub high: f32,
}

impl Standardization {
    const LIMIT: f32 = 5.0;

    /// Cut to [-5, 5], as the Particle Transformer does.
    pub const fn new(shift: f32, scale: f32) -> Self {
        Self {
            shift,
            scale,
            low: -Self::LIMIT,
            high: Self::LIMIT,
        }
    }

    fn default_low() -> f32 {
        -Self::LIMIT
    }

    fn default_high() -> f32 {
        Self::LIMIT
    }

    /// Whether every number is finite and the limits are in order.
    pub fn is_sound(&self) -> bool {
        let all = [self.shift, self.scale, self.low, self.high];
        all.iter().all(|value| value.is_finite()) && self.low <= self.high
    }
}

/// The Particle Transformer's constants for the seven columns of [`particlenet_view`]; `None` leaves a column raw.
pub const PART_STANDARDIZATION: [Option<Standardization>; 7] = [
    Some(Standardization::new(1.7, 0.7)),
    Some(Standardization::new(2.0, 0.7)),
    None,
    None,
    Some(Standardization::new(-4.7, 0.7)),
    Some(Standardization::new(-4.7, 0.7)),
    Some(Standardization::new(0.2, 4.0)),
];

/// Standardizes the columns of a view in place, for example with [`PART_STANDARDIZATION`].
///
/// # Errors
/// [`PhysicsError::ColumnLength`] unless there is one entry a column; [`PhysicsError::Setting`] for constants that are
/// not finite or limits out of order.
pub fn standardize(view: &mut JaggedView, columns: &[Option<Standardization>]) -> Result<(), PhysicsError> {
    if columns.len() != view.width {
        return Err(PhysicsError::ColumnLength {
            column: "standardization",
            expected: view.width,
            found: columns.len(),
        });
    }
    if let Some(bad) = columns.iter().flatten().find(|constants| !constants.is_sound()) {
        let all = [bad.shift, bad.scale, bad.high - bad.low];
        return Err(PhysicsError::Setting {
            name: "standardization",
            value: f64::from(all.into_iter().find(|v| !v.is_finite()).unwrap_or(bad.high - bad.low)),
            limit: "finite constants, low at most high",
        });
    }
    if columns.is_empty() {
        return Ok(());
    }
    for row in view.rows.chunks_exact_mut(columns.len()) {
        for (value, column) in row.iter_mut().zip(columns) {
            if let Some(constants) = column {
                *value = ((*value - constants.shift) * constants.scale).clamp(constants.low, constants.high);
            }
        }
    }
    Ok(())
}

/// Writes 0.7 as 0.7, not as the nearest f32 in the digits of an f64; it reads back as the same f32.
fn decimal<S: Serializer>(value: &f32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(value.to_string().parse().unwrap_or(f64::from(*value)))
}

fn log(value: f64) -> f64 {
    value.max(LOG_FLOOR).ln()
}

/// `part / whole`, and 0 where there is no whole.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
