//! The plainest numbers of a jet, as columns: what one plots first and what later features build on.

use crate::{PhysicsError, SoftDrop, SoftDropGroomer, check_jets, constituents, jet_axis};
use rayon::prelude::*;
use tagwerk_data::Jets;

/// One value a jet in each column, `[B]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JetObservables {
    /// Invariant mass of the sum of the constituents, GeV.
    pub mass: Vec<f64>,
    /// Transverse momentum of that sum, GeV.
    pub pt: Vec<f64>,
    /// Pseudorapidity of that sum; 0 for an empty jet.
    pub eta: Vec<f64>,
    /// Azimuth of that sum, in (-pi, pi]; 0 for an empty jet.
    pub phi: Vec<f64>,
    /// Energy of that sum, GeV.
    pub energy: Vec<f64>,
    /// Number of constituents.
    pub multiplicity: Vec<u32>,
    /// Mass after soft drop, GeV; the (rounding-sized) mass of one particle where only one is left.
    pub soft_drop_mass: Vec<f64>,
}

/// The observables with the usual soft drop (z_cut = 0.1, beta = 0, R0 = 0.8).
///
/// # Errors
/// Whatever [`crate::check_jets`] finds.
pub fn jet_observables(jets: &Jets) -> Result<JetObservables, PhysicsError> {
    jet_observables_with(jets, SoftDrop::default())
}

/// The observables with a soft drop of your own.
///
/// # Errors
/// [`PhysicsError::Setting`] for an impossible soft drop; whatever [`crate::check_jets`] finds.
pub fn jet_observables_with(jets: &Jets, soft_drop: SoftDrop) -> Result<JetObservables, PhysicsError> {
    check_jets(jets)?;
    let groomer = SoftDropGroomer::new(soft_drop)?;
    let soft_drop_mass: Vec<f64> = (0..jets.len())
        .into_par_iter()
        .map_with(groomer, |groomer, b| {
            Ok(groomer.groom(constituents(jets, b))?.momentum.mass())
        })
        .collect::<Result<_, PhysicsError>>()?;
    let axes: Vec<_> = (0..jets.len()).into_par_iter().map(|b| jet_axis(jets, b)).collect();
    Ok(JetObservables {
        mass: axes.iter().map(|axis| axis.mass()).collect(),
        pt: axes.iter().map(|axis| axis.pt()).collect(),
        eta: axes.iter().map(|axis| axis.eta()).collect(),
        phi: axes.iter().map(|axis| axis.phi()).collect(),
        energy: axes.iter().map(|axis| axis.e).collect(),
        // More constituents than u32 counts would not fit into memory.
        multiplicity: (0..jets.len()).map(|b| jets.range(b).len() as u32).collect(),
        soft_drop_mass,
    })
}
