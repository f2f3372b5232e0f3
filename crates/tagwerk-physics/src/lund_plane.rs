//! Lund planes: every splitting of a jet as a point in (ln 1/Delta, ln kt).
//!
//! Dreyer, Salam, Soyez, "The Lund jet plane", arXiv:1807.04758. The jet is reclustered with Cambridge/Aachen and taken
//! apart from the root. At a splitting into a (harder) and b (softer, by transverse momentum)
//!
//! ```text
//! Delta = sqrt((y_a - y_b)^2 + (phi_a - phi_b)^2)     kt    = pT_b Delta
//! z     = pT_b / (pT_a + pT_b)                        kappa = z Delta
//! psi   = atan2(y_b - y_a, phi_b - phi_a)             m     = mass of a + b
//! ```
//!
//! The **primary** plane follows the harder branch, so its splittings come in the order of falling angle. The softer
//! branch of each of them opens a **secondary** plane, and so on ([`LundConfig::depth`]).
//!
//! A splitting without an angle or without transverse momentum in the softer branch has no place in the plane (its
//! logarithms are infinite). It is left out and counted; the walk goes on along the harder branch.

use crate::declustering::{harder_first, hardest_jet};
use crate::jet_blocks::gather_histories;
use crate::{
    ClusterAlgorithm, ClusterHistory, FourVector, JaggedView, JetDefinition, MAX_RADIUS, NO_NODE, PhysicsError,
    wrap_phi,
};
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;

/// Which planes are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LundConfig {
    /// How often a walk may turn into a softer branch: 0 is the primary plane, 1 adds the secondary planes, a large
    /// number takes all splittings of the tree. Default: 0.
    pub depth: u32,
}

/// One splitting as a point of a Lund plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LundDeclustering {
    /// ln(1 / Delta).
    pub ln_inverse_delta: f64,
    /// ln(kt / GeV).
    pub ln_kt: f64,
    /// ln z, at most -ln 2.
    pub ln_z: f64,
    /// ln kappa.
    pub ln_kappa: f64,
    /// Azimuth of the softer branch about the harder one, in (-pi, pi]; 0 along phi.
    pub psi: f64,
    /// Mass of the pair, GeV, with the sign of its square (see [`FourVector::mass`]).
    pub mass: f64,
    /// 0 in the primary plane, 1 in a secondary plane, and so on.
    pub depth: u32,
    /// The splitting whose softer branch opened this plane, counted within the jet; [`NO_NODE`] in the primary plane.
    pub origin: u32,
}

/// Names of the coordinates in a [`lund_view`], in their order.
pub const LUND_COORDINATES: [&str; 6] = ["ln_inverse_delta", "ln_kt", "ln_z", "ln_kappa", "psi", "mass"];

impl LundDeclustering {
    /// The point of a splitting; `None` where it has none.
    pub fn new(harder: &FourVector, softer: &FourVector) -> Option<Self> {
        let direction = |v: &FourVector| [v.rapidity(), v.phi()];
        Self::at(harder, direction(harder), softer, direction(softer))
    }

    /// As [`new`](Self::new), with (rapidity, azimuth) of both at hand.
    fn at(harder: &FourVector, [y, phi]: [f64; 2], softer: &FourVector, [soft_y, soft_phi]: [f64; 2]) -> Option<Self> {
        let (dy, dphi) = (soft_y - y, wrap_phi(soft_phi - phi));
        let delta = dy.hypot(dphi);
        let (softer_pt, total_pt) = (softer.pt(), softer.pt() + harder.pt());
        let z = softer_pt / total_pt;
        // Written so that NaN is refused too.
        if !(delta > 0.0 && softer_pt > 0.0 && z > 0.0) {
            return None;
        }
        let (ln_delta, ln_z) = (delta.ln(), z.ln());
        Some(Self {
            ln_inverse_delta: -ln_delta,
            ln_kt: softer_pt.ln() + ln_delta,
            ln_z,
            ln_kappa: ln_z + ln_delta,
            psi: dy.atan2(dphi),
            mass: (*harder + *softer).mass(),
            depth: 0,
            origin: NO_NODE,
        })
    }

    /// ln(1/Delta), ln kt, ln z, ln kappa, psi, m.
    pub fn coordinates(&self) -> [f64; 6] {
        [
            self.ln_inverse_delta,
            self.ln_kt,
            self.ln_z,
            self.ln_kappa,
            self.psi,
            self.mass,
        ]
    }
}

/// The Lund planes of many jets, jagged: jet `b` owns `declusterings[offsets[b] .. offsets[b + 1]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LundPlanes {
    /// `[R]`: the primary plane from the widest angle down, then the plane of its first splitting, of its second, and
    /// so on.
    pub declusterings: Vec<LundDeclustering>,
    /// `[B + 1]`, starting with 0.
    pub offsets: Vec<usize>,
    /// Splittings left out because they have no place in the plane, of all jets.
    pub degenerate: u64,
}

impl LundPlanes {
    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The splittings of jet `b`.
    ///
    /// # Panics
    /// If there is no jet `b`, like an index into a slice.
    pub fn jet(&self, b: usize) -> &[LundDeclustering] {
        &self.declusterings[self.offsets[b]..self.offsets[b + 1]]
    }
}

/// The Lund planes of all jets, in parallel over jets.
///
/// # Errors
/// Whatever [`crate::check_jets`] finds.
pub fn lund_planes(jets: &Jets, config: &LundConfig) -> Result<LundPlanes, PhysicsError> {
    // The largest radius, so that reclustering ends in one jet.
    let definition = JetDefinition::new(ClusterAlgorithm::CambridgeAachen, MAX_RADIUS);
    let gathered = gather_histories(jets, definition, |_, history, points, walks| {
        walk(history, config.depth, points, walks)
    })?;
    Ok(LundPlanes {
        declusterings: gathered.items,
        offsets: gathered.offsets,
        degenerate: gathered.left_out,
    })
}

/// The Lund planes as a network reads them.
///
/// # Shapes
/// - returns: `[R, 6]`, a row a splitting, channels [`LUND_COORDINATES`]
///
/// # Errors
/// As [`lund_planes`].
pub fn lund_view(jets: &Jets, config: &LundConfig) -> Result<JaggedView, PhysicsError> {
    let planes = lund_planes(jets, config)?;
    let points = planes.declusterings.iter();
    Ok(JaggedView {
        width: LUND_COORDINATES.len(),
        rows: points
            .flat_map(|point| point.coordinates().map(|value| value as f32))
            .collect(),
        offsets: planes.offsets,
    })
}

/// A walk still to be made.
struct Walk {
    /// The node it starts from.
    start: usize,
    depth: u32,
    /// The splitting it comes from.
    origin: u32,
}

/// Adds the splittings of the hardest jet of a history, plane by plane, and returns how many have no place in one.
fn walk(history: &ClusterHistory, depth_limit: u32, points: &mut Vec<LundDeclustering>, walks: &mut Vec<Walk>) -> u64 {
    let (first, mut degenerate) = (points.len(), 0);
    walks.clear();
    walks.extend(hardest_jet(history).map(|start| Walk {
        start,
        depth: 0,
        origin: NO_NODE,
    }));
    let mut next = 0;
    while let Some(&Walk { start, depth, origin }) = walks.get(next) {
        let mut node = start;
        while let Some(children) = history.children(node) {
            let [harder, softer] = harder_first(history, children);
            let (a, b) = (history.momentum(harder), history.momentum(softer));
            match LundDeclustering::at(&a, history.direction(harder), &b, history.direction(softer)) {
                Some(point) => {
                    if depth < depth_limit && !history.is_particle(softer) {
                        walks.push(Walk {
                            start: softer,
                            depth: depth + 1,
                            // A history counts its nodes in u32.
                            origin: (points.len() - first) as u32,
                        });
                    }
                    points.push(LundDeclustering { depth, origin, ..point });
                }
                None => degenerate += 1,
            }
            node = harder;
        }
        next += 1;
    }
    degenerate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn particle(pt: f64, eta: f64, phi: f64) -> FourVector {
        FourVector::from_pt_eta_phi_mass(pt, eta, phi, 0.0)
    }

    fn planes(particles: &[FourVector], depth: u32) -> LundPlanes {
        let column = |of: fn(&FourVector) -> f64| particles.iter().map(|v| of(v) as f32).collect();
        let jets = Jets {
            e: column(|v| v.e),
            px: column(|v| v.px),
            py: column(|v| v.py),
            pz: column(|v| v.pz),
            offsets: vec![0, particles.len()],
            labels: vec![0],
            rows: vec![0],
        };
        lund_planes(&jets, &LundConfig { depth }).unwrap()
    }

    #[test]
    fn a_splitting_has_the_coordinates_of_its_definition() {
        let (hard, soft) = (particle(90.0, 0.1, 3.0), particle(10.0, 0.4, -3.0));
        let point = LundDeclustering::new(&hard, &soft).unwrap();
        let dphi = std::f64::consts::TAU - 6.0;
        let delta = 0.3f64.hypot(dphi);
        let mass = (2.0 * 900.0 * (0.3f64.cosh() - dphi.cos())).sqrt();
        let expected = [
            -delta.ln(),
            (10.0 * delta).ln(),
            0.1f64.ln(),
            (0.1 * delta).ln(),
            0.3f64.atan2(dphi),
            mass,
        ];
        for ((name, found), expected) in LUND_COORDINATES.iter().zip(point.coordinates()).zip(expected) {
            assert!(
                (found - expected).abs() < 1e-12 * expected.abs(),
                "{name}: {found}, {expected}"
            );
        }
    }

    #[test]
    fn secondary_planes_hang_on_the_splitting_they_came_from() {
        // Two prongs of two: the softer prong's splitting is secondary.
        let jet = [
            particle(90.0, 0.0, 0.0),
            particle(40.0, 0.0, 0.6),
            particle(5.0, 0.0, 0.05),
            particle(4.0, 0.1, 0.6),
        ];
        let primary = planes(&jet, 0);
        assert_eq!(primary.len(), 1);
        assert_eq!(primary.jet(0).len(), 2);
        assert!(primary.jet(0)[0].ln_inverse_delta < primary.jet(0)[1].ln_inverse_delta);
        let all = planes(&jet, 1);
        assert_eq!(all.declusterings[..2], primary.declusterings);
        let secondary = all.declusterings[2];
        assert_eq!((all.declusterings.len(), secondary.depth, secondary.origin), (3, 1, 0));
        assert!((secondary.ln_kt - 0.4f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn splittings_without_a_place_are_left_out_and_counted() {
        let twice = planes(&[particle(5.0, 0.0, 1.0), particle(5.0, 0.0, 1.0)], 9);
        assert_eq!((twice.declusterings.len(), twice.degenerate), (0, 1));
        let beam = FourVector::new(7.0, 0.0, 0.0, 7.0);
        let forward = planes(&[particle(5.0, 0.0, 1.0), particle(4.0, 0.0, 1.1), beam, beam], 9);
        assert!(
            forward
                .declusterings
                .iter()
                .all(|point| point.coordinates().iter().all(|x| x.is_finite()))
        );
        assert_eq!(planes(&[], 0).offsets, [0, 0]);
        assert_eq!(planes(&[particle(5.0, 0.0, 1.0)], 0).offsets, [0, 0]);
    }
}
