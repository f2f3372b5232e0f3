//! What a sequential clustering leaves behind: every merge in order, and with it every jet and every tree.
//!
//! Nodes are numbered: 0 to N - 1 are the particles, N and up the merged pseudojets in the order of their making.
//! Each of the N steps takes away exactly one active node, by merging two into one or by declaring one a
//! final jet ("recombination with the beam"), so the state before the last n steps holds exactly n jets.

use crate::{FourVector, PhysicsError, wrap_phi};

/// One step of a clustering.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterStep {
    /// The node that was merged, or declared a jet.
    pub first: usize,
    /// The node it was merged with; `None` for the beam, which makes `first` an inclusive jet.
    pub second: Option<usize>,
    /// The node that came out of a merge; `None` for the beam.
    pub merged: Option<usize>,
    /// The distance of the step: min(pT_i^2p, pT_j^2p) dR^2 / R^2, or pT_i^2p for the beam.
    pub distance: f64,
}

/// The full history of one clustering.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterHistory {
    pub(crate) particle_count: usize,
    pub(crate) momenta: Vec<FourVector>,
    /// (rapidity, azimuth) of all nodes.
    pub(crate) directions: Vec<[f64; 2]>,
    pub(crate) steps: Vec<ClusterStep>,
    /// For each node the step that consumed it.
    pub(crate) consumed: Vec<u32>,
    /// For each merged node the step that made it; index 0 is node `particle_count`.
    pub(crate) formed: Vec<u32>,
}

impl ClusterHistory {
    /// Number of particles clustered, N.
    pub fn particle_count(&self) -> usize {
        self.particle_count
    }

    /// Number of nodes: particles and merged pseudojets.
    pub fn node_count(&self) -> usize {
        self.momenta.len()
    }

    /// The N steps in the order they were taken.
    pub fn steps(&self) -> &[ClusterStep] {
        &self.steps
    }

    /// Four-momenta of all nodes.
    pub fn momenta(&self) -> &[FourVector] {
        &self.momenta
    }

    /// Four-momentum of a node.
    ///
    /// # Panics
    /// If there is no such node, like an index into a slice; so do the other functions that take a node.
    pub fn momentum(&self, node: usize) -> FourVector {
        self.momenta[node]
    }

    /// Rapidity and azimuth of a node: those of its momentum, and with winner-take-all recombination exactly those of
    /// a particle.
    pub fn direction(&self, node: usize) -> [f64; 2] {
        self.directions[node]
    }

    /// Distance of two nodes in the (rapidity, azimuth) plane.
    pub fn separation(&self, a: usize, b: usize) -> f64 {
        let ([y_a, phi_a], [y_b, phi_b]) = (self.directions[a], self.directions[b]);
        (y_a - y_b).hypot(wrap_phi(phi_a - phi_b))
    }

    /// Whether a node is a particle.
    pub fn is_particle(&self, node: usize) -> bool {
        node < self.particle_count
    }

    /// The two nodes that were merged into this one, in no particular order; `None` for a particle.
    ///
    /// These are the children in the tree whose root is the jet. (FastJet, which looks along the merging, calls them
    /// parents.)
    pub fn children(&self, node: usize) -> Option<[usize; 2]> {
        let step = self.steps[self.formation_step(node)?];
        // A step that forms a node has merged two.
        Some([step.first, step.second?])
    }

    /// As [`children`](Self::children), the one of higher transverse momentum first.
    pub fn children_by_pt(&self, node: usize) -> Option<[usize; 2]> {
        let [a, b] = self.children(node)?;
        Some(if self.momenta[b].pt2() > self.momenta[a].pt2() {
            [b, a]
        } else {
            [a, b]
        })
    }

    /// The node this one was merged into; `None` for an inclusive jet.
    pub fn parent(&self, node: usize) -> Option<usize> {
        self.steps[self.consumed[node] as usize].merged
    }

    /// The distance at which a node was made by a merge; `None` for a particle.
    pub fn merge_distance(&self, node: usize) -> Option<f64> {
        self.formation_step(node).map(|step| self.steps[step].distance)
    }

    /// The particles that make up a node, rising.
    pub fn constituents(&self, node: usize) -> Vec<usize> {
        let mut particles = Vec::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            match self.children(node) {
                Some(children) => open.extend(children),
                None => particles.push(node),
            }
        }
        particles.sort_unstable();
        particles
    }

    /// The inclusive jets of at least `pt_min` GeV, as nodes by falling transverse momentum.
    pub fn inclusive_jets(&self, pt_min: f64) -> Vec<usize> {
        let finished = self
            .steps
            .iter()
            .filter(|step| step.merged.is_none())
            .map(|step| step.first);
        self.by_falling_pt(finished.filter(|&node| self.momenta[node].pt() >= pt_min).collect())
    }

    /// The `count` jets that exist before the last `count` steps, as nodes by falling transverse momentum.
    ///
    /// # Errors
    /// [`PhysicsError::ExclusiveJets`] if there are fewer particles than that.
    pub fn exclusive_jets(&self, count: usize) -> Result<Vec<usize>, PhysicsError> {
        let Some(taken) = self.particle_count.checked_sub(count) else {
            return Err(PhysicsError::ExclusiveJets {
                wanted: count,
                available: self.particle_count,
            });
        };
        Ok(self.jets_after(taken))
    }

    /// The jets that exist once every step of a distance up to `d_cut` is taken, by falling transverse momentum.
    ///
    /// Distances need not rise from step to step (anti-kT): the clustering stops after the last step whose distance, or
    /// that of a step before it, calls for it, which is where the largest distance so far first exceeds the cut.
    pub fn exclusive_jets_below(&self, d_cut: f64) -> Vec<usize> {
        let taken = self
            .steps
            .iter()
            .position(|step| step.distance > d_cut)
            .unwrap_or(self.steps.len());
        self.jets_after(taken)
    }

    /// The distance of the step that leaves `count` jets: y_{count, count+1} without its normalization.
    /// `None` if there never were more than `count`.
    pub fn exclusive_distance(&self, count: usize) -> Option<f64> {
        let step = self.particle_count.checked_sub(count + 1)?;
        self.steps.get(step).map(|step| step.distance)
    }

    /// The step that made a node; `None` for a particle.
    fn formation_step(&self, node: usize) -> Option<usize> {
        assert!(node < self.momenta.len(), "node {node} of {}", self.momenta.len());
        let merged = node.checked_sub(self.particle_count)?;
        Some(self.formed[merged] as usize)
    }

    /// The nodes active after the first `taken` steps.
    fn jets_after(&self, taken: usize) -> Vec<usize> {
        let active = (0..self.momenta.len()).filter(|&node| {
            let made = self.formation_step(node).is_none_or(|step| step < taken);
            made && self.consumed[node] as usize >= taken
        });
        self.by_falling_pt(active.collect())
    }

    /// Sorts nodes by falling transverse momentum, equal ones by number.
    fn by_falling_pt(&self, mut nodes: Vec<usize>) -> Vec<usize> {
        nodes.sort_by(|&a, &b| self.momenta[b].pt2().total_cmp(&self.momenta[a].pt2()).then(a.cmp(&b)));
        nodes
    }
}
