//! Soft drop: removes soft wide-angle radiation from a jet.
//!
//! Larkoski, Marzani, Soyez, Thaler, "Soft Drop", arXiv:1402.2657. The jet is reclustered with Cambridge/Aachen and
//! walked from the root along the harder branch until min(pT1, pT2) / (pT1 + pT2) > z_cut (dR12 / R0)^beta.

use crate::declustering::hardest_jet;
use crate::{ClusterAlgorithm, ClusterHistory, Clusterer, FourVector, JetDefinition, MAX_RADIUS, PhysicsError};
use serde::{Deserialize, Serialize};

/// The soft-drop condition. The defaults are the usual choice for boosted tops; beta = 0 is the modified mass-drop
/// tagger.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftDrop {
    /// Least momentum share of the softer branch, 0 to below 0.5. Default: 0.1.
    pub z_cut: f64,
    /// Power of the opening angle. Default: 0.
    pub beta: f64,
    /// Radius R0 that angles are measured in, the jet's. Default: 0.8.
    pub radius: f64,
}

impl Default for SoftDrop {
    fn default() -> Self {
        Self {
            z_cut: 0.1,
            beta: 0.0,
            radius: 0.8,
        }
    }
}

/// A groomed jet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroomedJet {
    /// Its four-momentum; the null vector for an empty jet.
    pub momentum: FourVector,
    /// Its node in the Cambridge/Aachen history; `None` for an empty jet.
    pub node: Option<usize>,
    /// Branches dropped on the way.
    pub dropped: usize,
    /// Momentum share z_g and opening angle R_g of the splitting that passed; `None` where none did and a
    /// single particle is left.
    pub splitting: Option<(f64, f64)>,
}

/// A soft-drop groomer with its working memory: one a thread, any number of jets.
#[derive(Debug, Clone)]
pub struct SoftDropGroomer {
    condition: SoftDrop,
    clusterer: Clusterer,
}

impl SoftDropGroomer {
    /// A groomer for one condition.
    ///
    /// # Errors
    /// [`PhysicsError::Setting`] for a cut outside [0, 0.5), a power that is not finite, or a radius outside (0, 1000].
    pub fn new(condition: SoftDrop) -> Result<Self, PhysicsError> {
        let refuse = |name, value, limit| Err(PhysicsError::Setting { name, value, limit });
        if !(condition.z_cut >= 0.0 && condition.z_cut < 0.5) {
            return refuse("z_cut", condition.z_cut, "at least 0 and below 0.5");
        }
        if !condition.beta.is_finite() {
            return refuse("beta", condition.beta, "finite");
        }
        if !(condition.radius > 0.0 && condition.radius <= MAX_RADIUS) {
            return refuse("radius", condition.radius, "above 0 and at most 1000");
        }
        // The largest radius, so that reclustering always ends in one jet.
        let definition = JetDefinition::new(ClusterAlgorithm::CambridgeAachen, MAX_RADIUS);
        Ok(Self {
            condition,
            clusterer: Clusterer::new(definition)?,
        })
    }

    /// The Cambridge/Aachen history of the last jet, in which [`GroomedJet::node`] is a node.
    pub fn history(&self) -> &ClusterHistory {
        self.clusterer.history()
    }

    /// Grooms one jet, given its constituents.
    ///
    /// # Errors
    /// As [`Clusterer::cluster`].
    pub fn groom(&mut self, particles: impl IntoIterator<Item = FourVector>) -> Result<GroomedJet, PhysicsError> {
        let history = self.clusterer.cluster(particles)?;
        let SoftDrop { z_cut, beta, radius } = self.condition;
        // The root of the tree: the last step takes the only pseudojet left to the beam. Directions along the beam
        // can lie further apart than the radius; the hardest jet is groomed then.
        let Some(mut node) = hardest_jet(history) else {
            return Ok(GroomedJet {
                momentum: FourVector::default(),
                node: None,
                dropped: 0,
                splitting: None,
            });
        };
        let mut dropped = 0;
        let mut splitting = None;
        while let Some([harder, softer]) = history.children_by_pt(node) {
            let (hard, soft) = (history.momentum(harder), history.momentum(softer));
            let angle = history.separation(harder, softer);
            let total = hard.pt() + soft.pt();
            let share = if total > 0.0 { soft.pt() / total } else { 0.0 };
            if share > z_cut * (angle / radius).powf(beta) {
                splitting = Some((share, angle));
                break;
            }
            node = harder;
            dropped += 1;
        }
        Ok(GroomedJet {
            momentum: history.momentum(node),
            node: Some(node),
            dropped,
            splitting,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn particle(pt: f64, phi: f64) -> FourVector {
        FourVector::from_pt_eta_phi_mass(pt, 0.0, phi, 0.0)
    }

    #[test]
    fn soft_wide_radiation_goes_and_the_hard_splitting_stays() {
        let mut groomer = SoftDropGroomer::new(SoftDrop::default()).unwrap();
        let jet = groomer
            .groom([particle(100.0, 0.0), particle(40.0, 0.2), particle(2.0, 0.7)])
            .unwrap();
        assert_eq!(jet.dropped, 1);
        assert!((jet.momentum.mass() - (particle(100.0, 0.0) + particle(40.0, 0.2)).mass()).abs() < 1e-12);
        let (share, angle) = jet.splitting.unwrap();
        assert!((share - 40.0 / 140.0).abs() < 1e-12 && (angle - 0.2).abs() < 1e-12);
        assert_eq!(groomer.history().constituents(jet.node.unwrap()), [0, 1]);
    }

    #[test]
    fn an_angular_power_forgives_collinear_radiation() {
        let jet = [particle(100.0, 0.0), particle(6.0, 0.1)];
        let plain = SoftDropGroomer::new(SoftDrop::default()).unwrap().groom(jet).unwrap();
        let angular = SoftDropGroomer::new(SoftDrop {
            beta: 2.0,
            ..SoftDrop::default()
        })
        .unwrap()
        .groom(jet)
        .unwrap();
        assert_eq!((plain.dropped, angular.dropped), (1, 0));
    }

    #[test]
    fn empty_and_lone_jets_are_groomed_to_themselves() {
        let mut groomer = SoftDropGroomer::new(SoftDrop::default()).unwrap();
        assert_eq!(groomer.groom([]).unwrap().momentum, FourVector::default());
        let lone = groomer.groom([particle(5.0, 1.0)]).unwrap();
        assert_eq!(
            (lone.momentum, lone.splitting, lone.dropped),
            (particle(5.0, 1.0), None, 0)
        );
    }

    #[test]
    fn impossible_conditions_are_refused() {
        for condition in [
            SoftDrop {
                z_cut: 0.5,
                ..SoftDrop::default()
            },
            SoftDrop {
                z_cut: f64::NAN,
                ..SoftDrop::default()
            },
            SoftDrop {
                beta: f64::INFINITY,
                ..SoftDrop::default()
            },
            SoftDrop {
                radius: 0.0,
                ..SoftDrop::default()
            },
        ] {
            assert!(SoftDropGroomer::new(condition).is_err(), "{condition:?}");
        }
    }
}
