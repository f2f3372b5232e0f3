//! TreeNiN's view of a jet: the kT tree with seven features a node.
//!
//! Macaluso, Cranmer, "Tree Network in Network (TreeNiN) for jet physics", after Louppe, Cho, Becot, Cranmer,
//! "QCD-aware recursive neural networks", arXiv:1702.00748. The constituents are reclustered with kT, R = 0.8,
//! E-scheme; the hardest reclustered jet is kept; leaves and inner nodes carry the same features:
//! |p|, eta, phi, E, E / E_jet, pT, theta, in GeV and radians, infinities replaced by 0. They are scaled by a
//! [`RobustScaler`](crate::RobustScaler) fitted on all nodes of the training jets.

use crate::declustering::DeclusteringTree;
use crate::jet_blocks::tree_blocks;
use crate::{ClusterAlgorithm, FourVector, JaggedView, JetDefinition, NO_NODE, PhysicsError, Recombination, TreeView};
use tagwerk_data::Jets;

/// Names of the features a node, in their order.
pub const TREE_FEATURES: [&str; 7] = ["p", "eta", "phi", "e", "e_share", "pt", "theta"];

/// The published reclustering: kT with R = 0.8.
pub const TREENIN_DEFINITION: JetDefinition = JetDefinition {
    algorithm: ClusterAlgorithm::Kt,
    radius: 0.8,
    recombination: Recombination::EScheme,
};

/// The tree of each jet with the seven features a node, not scaled; in parallel over jets.
///
/// The published tagger takes [`TREENIN_DEFINITION`]. E_jet is the energy of the root. Some 90 nodes a jet cost 2.6 kB.
///
/// # Shapes
/// - returns: nodes `[R, 7]`, 2N - 1 rows for a jet of N constituents, none for an empty jet
///
/// # Errors
/// [`PhysicsError::Setting`] for a radius outside (0, 1000]; whatever [`crate::check_jets`] finds.
pub fn treenin_view(jets: &Jets, definition: JetDefinition) -> Result<TreeView, PhysicsError> {
    let blocks = tree_blocks(jets, definition, |_, tree, block: &mut Block| {
        block.push(tree);
    })?;
    let node_count = blocks.iter().map(|block| block.inner.len()).sum();
    let mut rows = Vec::with_capacity(node_count * TREE_FEATURES.len());
    let mut inner = Vec::with_capacity(node_count);
    let mut offsets = Vec::with_capacity(jets.len() + 1);
    offsets.push(0);
    for block in blocks {
        let first = inner.len();
        offsets.extend(block.ends.iter().map(|end| first + end));
        rows.extend_from_slice(&block.rows);
        inner.extend_from_slice(&block.inner);
    }
    let width = TREE_FEATURES.len();
    Ok(TreeView {
        nodes: JaggedView { width, rows, offsets },
        inner,
    })
}

/// The nodes of a block of jets.
#[derive(Default)]
struct Block {
    rows: Vec<f32>,
    inner: Vec<bool>,
    ends: Vec<usize>,
}

impl Block {
    fn push(&mut self, tree: DeclusteringTree<'_>) {
        let jet_energy = tree.momenta.first().map_or(0.0, |root| root.e);
        for node in tree.momenta {
            self.rows
                .extend(node_features(node, jet_energy).map(|feature| feature as f32));
        }
        self.inner.extend(tree.left.iter().map(|&left| left != NO_NODE));
        self.ends.push(self.inner.len());
    }
}

/// |p|, eta, phi, E, E / E_jet, pT, theta of a four-momentum.
///
/// Along the beam eta is infinite and becomes 0, theta is 0 or pi; the null momentum has eta = 0, theta = pi / 2.
pub fn node_features(node: &FourVector, jet_energy: f64) -> [f64; 7] {
    // Plain roots: constituents are single-precision numbers, whose squares neither overflow nor vanish.
    let pt = node.pt2().sqrt();
    let p = (node.pt2() + node.pz * node.pz).sqrt();
    let (eta, theta) = if pt > 0.0 {
        // theta = 2 atan(exp(-eta)) is the polar angle.
        ((node.pz / pt).asinh(), pt.atan2(node.pz))
    } else if node.pz == 0.0 {
        (0.0, std::f64::consts::FRAC_PI_2)
    } else {
        (0.0, pt.atan2(node.pz))
    };
    let share = if jet_energy == 0.0 { 0.0 } else { node.e / jet_energy };
    [p, eta, node.phi(), node.e, share, pt, theta].map(|feature| if feature.is_finite() { feature } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_those_of_the_formulas() {
        let node = FourVector::from_pt_eta_phi_mass(30.0, -1.2, 2.5, 10.0);
        let found = node_features(&node, 200.0);
        let expected = [
            30.0 * 1.2f64.cosh(),
            -1.2,
            2.5,
            node.e,
            node.e / 200.0,
            30.0,
            2.0 * 1.2f64.exp().atan(),
        ];
        for ((name, found), expected) in TREE_FEATURES.iter().zip(found).zip(expected) {
            assert!((found - expected).abs() < 1e-12 * expected.abs(), "{name}: {found}");
        }
    }

    #[test]
    fn what_is_infinite_becomes_zero() {
        let beam = node_features(&FourVector::new(5.0, 0.0, 0.0, -5.0), 0.0);
        assert_eq!(beam, [5.0, 0.0, 0.0, 5.0, 0.0, 0.0, std::f64::consts::PI]);
        let nothing = node_features(&FourVector::default(), 10.0);
        assert_eq!(nothing[..6], [0.0; 6]);
        let wild = node_features(&FourVector::new(1.0, 1e-300, 0.0, 1.0), f64::MIN_POSITIVE);
        assert!(wild.iter().all(|x| x.is_finite()), "{wild:?}");
    }
}
