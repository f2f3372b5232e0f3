//! Sequential recombination: anti-kT, Cambridge/Aachen and kT with their full history.
//!
//! Cacciari, Salam, Soyez, "The anti-kT jet clustering algorithm", arXiv:0802.1189; the O(N^2) form after
//! Cacciari, Salam, "Dispelling the N^3 myth for the kT jet-finder", hep-ph/0512210. The step of smallest distance
//! d_ij = min(pT_i^2p, pT_j^2p) dR_ij^2 / R^2, d_iB = pT_i^2p is taken until nothing is left. The lemma that makes it
//! quadratic: of the pair of smallest d_ij one is the geometrical nearest neighbor of the other, the one of lower
//! scale, so one cached neighbor a particle suffices. No tiling: jets have at most some 200 constituents.

use crate::active_set::{ActiveSet, Closest, Member};
use crate::cluster_history::{ClusterHistory, ClusterStep};
use crate::constituents::check_jet;
use crate::{FourVector, PhysicsError, constituents};
use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;

/// Which power of the transverse momentum weighs the distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterAlgorithm {
    /// Power -2: hard particles first, round jets.
    AntiKt,
    /// Power 0: by angle alone.
    CambridgeAachen,
    /// Power 2: soft particles first, undoing the shower.
    Kt,
}

/// How two pseudojets become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recombination {
    /// Four-vectors are added.
    #[default]
    EScheme,
    /// Transverse momenta are added; rapidity, azimuth and mass are those of the harder one (arXiv:1310.7584), so
    /// that the axis does not recoil.
    WinnerTakeAll,
}

/// What makes a clustering.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JetDefinition {
    /// The distance measure.
    pub algorithm: ClusterAlgorithm,
    /// Jet radius R, above 0 and at most 1000.
    pub radius: f64,
    /// How two pseudojets become one. Default: E-scheme.
    #[serde(default)]
    pub recombination: Recombination,
}

/// A radius at which everything ends in one jet.
pub const MAX_RADIUS: f64 = 1000.0;

impl JetDefinition {
    /// A definition with E-scheme recombination.
    pub fn new(algorithm: ClusterAlgorithm, radius: f64) -> Self {
        Self {
            algorithm,
            radius,
            recombination: Recombination::EScheme,
        }
    }
}

/// A clustering with its working memory: one a thread, any number of jets.
///
/// ```
/// use tagwerk_physics::{ClusterAlgorithm, Clusterer, FourVector, JetDefinition};
///
/// let mut clusterer = Clusterer::new(JetDefinition::new(ClusterAlgorithm::Kt, 0.8))?;
/// let particles = [(100.0, 0.0), (50.0, 0.3), (10.0, 0.35)]
///     .map(|(pt, phi)| FourVector::from_pt_eta_phi_mass(pt, 0.0, phi, 0.0));
/// let history = clusterer.cluster(particles)?;
/// let subjets = history.exclusive_jets(2)?;
/// assert_eq!(history.constituents(subjets[1]), [1, 2]);
/// # Ok::<(), tagwerk_physics::PhysicsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Clusterer {
    definition: JetDefinition,
    inverse_radius2: f64,
    active: ActiveSet,
    history: ClusterHistory,
}

impl Clusterer {
    /// A clusterer for one definition.
    ///
    /// # Errors
    /// [`PhysicsError::Setting`] for a radius outside (0, 1000].
    pub fn new(definition: JetDefinition) -> Result<Self, PhysicsError> {
        let radius = definition.radius;
        if !(radius > 0.0 && radius <= MAX_RADIUS) {
            return Err(PhysicsError::Setting {
                name: "radius",
                value: radius,
                limit: "above 0 and at most 1000",
            });
        }
        Ok(Self {
            definition,
            inverse_radius2: 1.0 / (radius * radius),
            active: ActiveSet::new(radius * radius),
            history: ClusterHistory::default(),
        })
    }

    /// The definition this clusterer was made for.
    pub fn definition(&self) -> JetDefinition {
        self.definition
    }

    /// The history of the last clustering.
    pub fn history(&self) -> &ClusterHistory {
        &self.history
    }

    /// Clusters jet `b`'s constituents; particle `i` of the history is the `i`-th constituent of the jet.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] if there is no jet `b`, [`PhysicsError::ColumnLength`] or [`PhysicsError::Offsets`] if
    /// its rows do not exist; otherwise as [`cluster`](Self::cluster).
    pub fn cluster_jet(&mut self, jets: &Jets, b: usize) -> Result<&ClusterHistory, PhysicsError> {
        check_jet(jets, b)?;
        self.cluster(constituents(jets, b))
    }

    /// Clusters particles to the end and returns the history, which lives until the next call (clone to keep it).
    ///
    /// No particles give an empty history.
    ///
    /// # Errors
    /// [`PhysicsError::NotFinite`] for a momentum that is not finite, or so large that its square is not.
    pub fn cluster(
        &mut self,
        particles: impl IntoIterator<Item = FourVector>,
    ) -> Result<&ClusterHistory, PhysicsError> {
        self.start(particles)?;
        // With the widest vector instructions of the machine.
        Arch::new().dispatch(Run(self));
        Ok(&self.history)
    }

    /// Empties the history and takes the particles in.
    fn start(&mut self, particles: impl IntoIterator<Item = FourVector>) -> Result<(), PhysicsError> {
        let history = &mut self.history;
        history.momenta.clear();
        history.directions.clear();
        history.steps.clear();
        history.consumed.clear();
        history.formed.clear();
        history.particle_count = 0;
        for (row, particle) in particles.into_iter().enumerate() {
            if let Err(error) = check_finite(row, &particle) {
                history.momenta.clear();
                history.directions.clear();
                return Err(error);
            }
            history.momenta.push(particle);
            history.directions.push([particle.rapidity(), particle.phi()]);
        }
        let count = history.momenta.len();
        history.particle_count = count;
        history.consumed.resize(count, 0);
        Ok(())
    }

    /// Takes all steps.
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S) {
        let algorithm = self.definition.algorithm;
        let particles = self.history.momenta.iter().zip(&self.history.directions);
        let members = particles.map(|(momentum, &direction)| member(algorithm, momentum, direction));
        self.active.fill(simd, members);
        while let Some(closest) = self.active.closest(simd) {
            match closest.neighbor {
                None => self.finish(simd, closest),
                Some(neighbor) => self.merge(simd, closest, neighbor),
            }
        }
    }

    /// Takes a step with the beam: the node is an inclusive jet.
    #[inline(always)]
    fn finish<S: Simd>(&mut self, simd: S, closest: Closest) {
        let Closest { node, distance, .. } = closest;
        self.history.consumed[node] = self.history.steps.len() as u32;
        self.history.steps.push(ClusterStep {
            first: node,
            second: None,
            merged: None,
            distance: distance * self.inverse_radius2,
        });
        self.active.remove(simd, node);
    }

    /// Takes a step that merges two.
    #[inline(always)]
    fn merge<S: Simd>(&mut self, simd: S, closest: Closest, second: usize) {
        let (first, distance) = (closest.node, closest.distance * self.inverse_radius2);
        let (momentum, direction) = self.recombined(first, second);
        let history = &mut self.history;
        let merged = history.momenta.len();
        let step = history.steps.len() as u32;
        history.momenta.push(momentum);
        history.directions.push(direction);
        history.consumed.push(0);
        history.formed.push(step);
        history.consumed[first] = step;
        history.consumed[second] = step;
        history.steps.push(ClusterStep {
            first,
            second: Some(second),
            merged: Some(merged),
            distance,
        });
        let member = member(self.definition.algorithm, &momentum, direction);
        self.active.merge(simd, [first, second], member);
    }

    /// Momentum and direction of two nodes made one.
    #[inline(always)]
    fn recombined(&self, first: usize, second: usize) -> (FourVector, [f64; 2]) {
        let (a, b) = (self.history.momenta[first], self.history.momenta[second]);
        match self.definition.recombination {
            Recombination::EScheme => {
                let sum = a + b;
                (sum, [sum.rapidity(), sum.phi()])
            }
            Recombination::WinnerTakeAll => {
                let (harder, winner) = if a.pt2() >= b.pt2() { (first, a) } else { (second, b) };
                // The direction is handed on as it is, not recomputed: it stays exactly that of a particle.
                let direction = self.history.directions[harder];
                // The magnitude, as FastJet does: rounding makes massless input spacelike as often as timelike.
                let mass = winner.mass().abs();
                let [y, phi] = direction;
                let momentum = FourVector::from_pt_rapidity_phi_mass(a.pt() + b.pt(), y, phi, mass);
                (momentum, direction)
            }
        }
    }
}

/// A clustering about to run on some kind of vector instructions.
struct Run<'a>(&'a mut Clusterer);

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run(simd);
    }
}

#[inline(always)]
fn member(algorithm: ClusterAlgorithm, momentum: &FourVector, [y, phi]: [f64; 2]) -> Member {
    Member {
        y,
        phi,
        scale: scale(algorithm, momentum.pt2()),
    }
}

/// pT^2p, the momentum factor of the distances.
#[inline]
fn scale(algorithm: ClusterAlgorithm, pt2: f64) -> f64 {
    match algorithm {
        ClusterAlgorithm::Kt => pt2,
        ClusterAlgorithm::CambridgeAachen => 1.0,
        // A particle without transverse momentum comes last, at a finite distance.
        ClusterAlgorithm::AntiKt => {
            if pt2 > 1e-300 {
                1.0 / pt2
            } else {
                1e300
            }
        }
    }
}

/// Refuses momenta whose squares overflow: distances would be infinite and the order of steps undefined.
#[inline]
fn check_finite(row: usize, particle: &FourVector) -> Result<(), PhysicsError> {
    const LIMIT: f64 = 1e100;
    for (column, value) in [
        ("e", particle.e),
        ("px", particle.px),
        ("py", particle.py),
        ("pz", particle.pz),
    ] {
        if value.is_nan() || value.abs() >= LIMIT {
            return Err(PhysicsError::NotFinite { row, column, value });
        }
    }
    Ok(())
}
