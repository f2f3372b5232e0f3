//! The M-body basis: N-subjettinesses that together span the phase space of M prongs.
//!
//! Datta, Larkoski, "How Much Information is in a Jet?", arXiv:1704.08249; as a top tagger: Moore, Nordström, Varma,
//! Fairbairn, "Reports of My Demise Are Greatly Exaggerated: N-subjettiness Taggers Take On Jet Images",
//! arXiv:1807.04769. M massless prongs have 3M - 4 degrees of freedom once the jet's momentum is given, and as many
//! observables fix them: tau_1^(0.5), tau_1^(1), tau_1^(2), .., tau_{M-2}^(0.5, 1, 2), tau_{M-1}^(1), tau_{M-1}^(2).

use crate::fill::fill_rows;
use crate::{
    DenseView, DistancePlane, MAX_RADIUS, Nsubjettiness, NsubjettinessConfig, OnePass, PhysicsError, SubjetAxes,
    constituents, jet_axis, nsubjettiness,
};
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;

/// The angular powers of the basis.
const BETAS: [f64; 3] = [0.5, 1.0, 2.0];

/// Transverse momentum and mass enter in TeV, of the same order as the taus.
const GEV_PER_TEV: f64 = 1000.0;

/// What makes an M-body basis. The defaults are the published 8-body basis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MBodyConfig {
    /// Number of bodies M, 2 to 201. Default: 8.
    pub bodies: usize,
    /// The axes. Default: exclusive kT.
    pub axes: SubjetAxes,
    /// Radius of the clustering that finds them. Default: [`MAX_RADIUS`].
    pub radius: f64,
    /// The plane of the distances. Default: rapidity.
    pub plane: DistancePlane,
    /// Whether the axes are moved to a minimum of each tau. Default: no.
    pub minimize: Option<OnePass>,
}

impl Default for MBodyConfig {
    fn default() -> Self {
        Self {
            bodies: 8,
            axes: SubjetAxes::ExclusiveKt,
            radius: MAX_RADIUS,
            plane: DistancePlane::Rapidity,
            minimize: None,
        }
    }
}

impl MBodyConfig {
    /// Values a jet, 3M - 2: 16 for six bodies, 22 for eight.
    pub fn width(&self) -> usize {
        (3 * self.bodies).saturating_sub(2)
    }

    /// The names of the values, in order.
    pub fn names(&self) -> Vec<String> {
        let last = self.bodies.saturating_sub(1);
        let mut names: Vec<String> = (1..=last)
            .flat_map(|n| {
                let betas = if n == last { &BETAS[1..] } else { &BETAS[..] };
                betas.iter().map(move |beta| format!("tau{n}_beta{beta}"))
            })
            .collect();
        names.extend(["pt_tev".to_owned(), "mass_tev".to_owned()]);
        names
    }

    pub(crate) fn check(&self) -> Result<(), PhysicsError> {
        self.checked().map(drop)
    }

    fn checked(&self) -> Result<Nsubjettiness, PhysicsError> {
        if !(2..=201).contains(&self.bodies) {
            return Err(PhysicsError::Setting {
                name: "bodies",
                value: self.bodies as f64,
                limit: "2 to 201",
            });
        }
        Nsubjettiness::new(NsubjettinessConfig {
            max_axes: self.bodies - 1,
            betas: BETAS.to_vec(),
            axes: self.axes,
            radius: self.radius,
            plane: self.plane,
            minimize: self.minimize,
        })
    }
}

/// The M-body basis of every jet, with its transverse momentum and mass.
///
/// tau_N is 0 where N is the number of constituents or more. The mass is that of the sum of the constituents, 0 where
/// rounding made its square negative.
///
/// # Shapes
/// - returns: `[B, 3M - 2]`: the 3M - 4 taus by rising N, and by rising power within it (tau_{M-1} without the power
///   0.5), then pT and mass in TeV
///
/// # Errors
/// [`PhysicsError::Setting`] for an impossible configuration; whatever [`crate::check_jets`] finds.
pub fn m_body_view(jets: &Jets, config: &MBodyConfig) -> Result<DenseView, PhysicsError> {
    // Momenta that cancel to almost nothing make an absurd tau, but no infinite one.
    let round = |value: f64| value.min(f64::from(f32::MAX)) as f32;
    DenseView::new(vec![config.width()], fill(jets, config, round)?)
}

/// As [`m_body_view`], in f64 and as plain values.
///
/// # Shapes
/// - returns: `[B, 3M - 2]`, row-major, named by [`MBodyConfig::names`]
///
/// # Errors
/// As [`m_body_view`].
pub fn m_body_basis(jets: &Jets, config: &MBodyConfig) -> Result<Vec<f64>, PhysicsError> {
    fill(jets, config, |value| value)
}

fn fill<T: Copy + Default + Send>(
    jets: &Jets,
    config: &MBodyConfig,
    round: impl Fn(f64) -> T + Sync,
) -> Result<Vec<T>, PhysicsError> {
    let prototype = config.checked()?;
    fill_rows(
        jets,
        config.width(),
        |b, values, scratch: &mut Option<Nsubjettiness>| {
            let nsubjettiness = scratch.get_or_insert_with(|| prototype.clone());
            // The jets are checked, and f32 momenta are far below what clustering refuses.
            let Ok(taus) = nsubjettiness.compute(constituents(jets, b)) else {
                return;
            };
            let jet = jet_axis(jets, b);
            let last = taus.len() - BETAS.len();
            let kept = taus[..last].iter().chain(&taus[last + 1..]).copied();
            let momentum = [jet.pt() / GEV_PER_TEV, jet.mass2().max(0.0).sqrt() / GEV_PER_TEV];
            for (slot, value) in values.iter_mut().zip(kept.chain(momentum)) {
                *slot = round(value);
            }
        },
    )
}

/// Ratios of N-subjettinesses, `[B]` each: small where the jet has the number of prongs named first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TauRatios {
    /// tau_2 / tau_1; 0 where tau_1 is 0.
    pub tau21: Vec<f64>,
    /// tau_3 / tau_2; 0 where tau_2 is 0.
    pub tau32: Vec<f64>,
}

/// tau_2 / tau_1 and tau_3 / tau_2 of every jet at the power `beta`, with the axes of `config`, whose number and powers
/// do not matter here.
///
/// # Errors
/// As [`nsubjettiness`].
pub fn tau_ratios(jets: &Jets, beta: f64, config: &NsubjettinessConfig) -> Result<TauRatios, PhysicsError> {
    let config = NsubjettinessConfig {
        max_axes: 3,
        betas: vec![beta],
        ..config.clone()
    };
    let taus = nsubjettiness(jets, &config)?;
    let ratio = |n: usize| {
        let of_jet = |tau: &[f64]| if tau[n - 1] > 0.0 { tau[n] / tau[n - 1] } else { 0.0 };
        taus.chunks_exact(3).map(of_jet).collect()
    };
    Ok(TauRatios {
        tau21: ratio(1),
        tau32: ratio(2),
    })
}
