//! The binary tree of a reclustered jet, as flat arrays: what walks over splittings (TreeNiN, Lund planes, words)
//! reads.
//!
//! The constituents are clustered once more (kT, Cambridge/Aachen or anti-kT), the hardest jet that comes out is kept,
//! and its history is read backwards: the root is the jet, an inner node a merged pseudojet, a leaf a constituent.
//!
//! **Order of the nodes.** Level by level from the root (node 0), from left to right within a level; the child of
//! higher transverse momentum is the left one. So a parent always stands before its children (bottom up is backwards
//! through the arrays), the two children of a node are neighbors, and the k-th inner node (from 0) has the children 2k
//! + 1 and 2k + 2. [`TreeView`](crate::TreeView) is built on the last.

use crate::jet_blocks::history_blocks;
use crate::{ClusterHistory, Clusterer, FourVector, JetDefinition, PhysicsError};
use tagwerk_data::Jets;

/// Stands for "no node" and "no particle": children of a leaf, parent of the root, particle of an inner node.
pub const NO_NODE: u32 = u32::MAX;

/// The tree of one jet, borrowed; `M` nodes, 2N - 1 of them for N leaves, none for an empty jet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeclusteringTree<'a> {
    /// `[M]`: four-momentum, GeV; with E-scheme recombination the sum of the two children's.
    pub momenta: &'a [FourVector],
    /// `[M]`: the child of higher transverse momentum; [`NO_NODE`] for a leaf.
    pub left: &'a [u32],
    /// `[M]`: the other child, `left + 1`; [`NO_NODE`] for a leaf.
    pub right: &'a [u32],
    /// `[M]`: the node this one came from; [`NO_NODE`] for the root.
    pub parent: &'a [u32],
    /// `[M]`: steps from the root, 0 for the root itself; never falls along the array.
    pub level: &'a [u32],
    /// `[M]`: the constituent of the jet that a leaf is; [`NO_NODE`] for an inner node.
    pub particle: &'a [u32],
}

impl DeclusteringTree<'_> {
    /// Number of nodes, `M`.
    pub fn len(&self) -> usize {
        self.momenta.len()
    }

    /// Whether there is no node: the tree of an empty jet.
    pub fn is_empty(&self) -> bool {
        self.momenta.is_empty()
    }

    /// The children of a node, harder first; `None` for a leaf.
    ///
    /// # Panics
    /// If there is no such node, like an index into a slice.
    pub fn children(&self, node: usize) -> Option<[usize; 2]> {
        let left = self.left[node];
        (left != NO_NODE).then(|| [left as usize, self.right[node] as usize])
    }

    /// Number of leaves.
    pub fn leaf_count(&self) -> usize {
        self.len().div_ceil(2)
    }
}

/// Trees of many jets, jagged: jet `b` owns the nodes `offsets[b] .. offsets[b + 1]`.
///
/// Node numbers in `left`, `right` and `parent` count from the jet's own root, so that jets can be cut out and moved.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclusteringTrees {
    /// `[B + 1]`, starting with 0.
    pub offsets: Vec<usize>,
    /// `[R]`, as in [`DeclusteringTree::momenta`]; so all that follow.
    pub momenta: Vec<FourVector>,
    /// `[R]`.
    pub left: Vec<u32>,
    /// `[R]`.
    pub right: Vec<u32>,
    /// `[R]`.
    pub parent: Vec<u32>,
    /// `[R]`.
    pub level: Vec<u32>,
    /// `[R]`.
    pub particle: Vec<u32>,
}

impl Default for DeclusteringTrees {
    fn default() -> Self {
        Self {
            offsets: vec![0],
            momenta: Vec::new(),
            left: Vec::new(),
            right: Vec::new(),
            parent: Vec::new(),
            level: Vec::new(),
            particle: Vec::new(),
        }
    }
}

impl DeclusteringTrees {
    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tree of jet `b`.
    ///
    /// # Panics
    /// If there is no jet `b`, like an index into a slice.
    pub fn tree(&self, b: usize) -> DeclusteringTree<'_> {
        let nodes = self.offsets[b]..self.offsets[b + 1];
        DeclusteringTree {
            momenta: &self.momenta[nodes.clone()],
            left: &self.left[nodes.clone()],
            right: &self.right[nodes.clone()],
            parent: &self.parent[nodes.clone()],
            level: &self.level[nodes.clone()],
            particle: &self.particle[nodes],
        }
    }

    /// Adds the tree below `root`, a node of `history`; `None` adds the empty tree.
    ///
    /// # Panics
    /// If there is no such node, like an index into a slice.
    pub fn push(&mut self, history: &ClusterHistory, root: Option<usize>) {
        let first = self.momenta.len();
        if let Some(root) = root {
            self.add(history, root, NO_NODE, 0);
        }
        // The arrays are their own queue; until its turn comes, a node keeps its number in the history as `particle`.
        let mut at = first;
        while at < self.momenta.len() {
            if let Some(children) = history.children(self.particle[at] as usize) {
                let [harder, softer] = harder_first(history, children);
                let (own, left, level) = (at - first, self.momenta.len() - first, self.level[at] + 1);
                // A history counts its nodes in u32.
                self.left[at] = left as u32;
                self.right[at] = left as u32 + 1;
                self.particle[at] = NO_NODE;
                self.add(history, harder, own as u32, level);
                self.add(history, softer, own as u32, level);
            }
            at += 1;
        }
        self.offsets.push(self.momenta.len());
    }

    fn add(&mut self, history: &ClusterHistory, node: usize, parent: u32, level: u32) {
        self.momenta.push(history.momentum(node));
        self.left.push(NO_NODE);
        self.right.push(NO_NODE);
        self.parent.push(parent);
        self.level.push(level);
        self.particle.push(node as u32);
    }

    /// Forgets all trees and makes that of the hardest jet.
    pub(crate) fn refill(&mut self, history: &ClusterHistory) -> DeclusteringTree<'_> {
        self.clear();
        self.push(history, hardest_jet(history));
        self.tree(0)
    }

    fn clear(&mut self) {
        self.offsets.truncate(1);
        self.momenta.clear();
        self.left.clear();
        self.right.clear();
        self.parent.clear();
        self.level.clear();
        self.particle.clear();
    }

    fn append(&mut self, other: &Self) {
        let shift = self.momenta.len();
        self.offsets
            .extend(other.offsets[1..].iter().map(|offset| offset + shift));
        self.momenta.extend_from_slice(&other.momenta);
        self.left.extend_from_slice(&other.left);
        self.right.extend_from_slice(&other.right);
        self.parent.extend_from_slice(&other.parent);
        self.level.extend_from_slice(&other.level);
        self.particle.extend_from_slice(&other.particle);
    }
}

/// Makes trees with its own working memory: one a thread, any number of jets.
///
/// ```
/// use tagwerk_physics::{ClusterAlgorithm, Declusterer, FourVector, JetDefinition};
///
/// let mut declusterer = Declusterer::new(JetDefinition::new(ClusterAlgorithm::CambridgeAachen, 0.8))?;
/// let particles = [(10.0, 0.35), (100.0, 0.0), (50.0, 0.3)]
///     .map(|(pt, phi)| FourVector::from_pt_eta_phi_mass(pt, 0.0, phi, 0.0));
/// let tree = declusterer.decluster(particles)?;
/// assert_eq!(tree.children(0), Some([1, 2]));
/// assert_eq!(tree.particle[1], 1);
/// assert_eq!(tree.level, [0, 1, 1, 2, 2]);
/// # Ok::<(), tagwerk_physics::PhysicsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Declusterer {
    clusterer: Clusterer,
    own: DeclusteringTrees,
}

impl Declusterer {
    /// A declusterer for one definition.
    ///
    /// # Errors
    /// As [`Clusterer::new`].
    pub fn new(definition: JetDefinition) -> Result<Self, PhysicsError> {
        Ok(Self {
            clusterer: Clusterer::new(definition)?,
            own: DeclusteringTrees::default(),
        })
    }

    /// The tree of the hardest jet reclustered from `particles`; it lives until the next call.
    ///
    /// No particles give an empty tree. With a radius as large as the jet, "the hardest" is all of it.
    ///
    /// # Errors
    /// As [`Clusterer::cluster`].
    pub fn decluster(
        &mut self,
        particles: impl IntoIterator<Item = FourVector>,
    ) -> Result<DeclusteringTree<'_>, PhysicsError> {
        let history = self.clusterer.cluster(particles)?;
        Ok(self.own.refill(history))
    }
}

/// The trees of all jets, in parallel over jets.
///
/// # Errors
/// [`PhysicsError::Setting`] for a radius outside (0, 1000]; whatever [`crate::check_jets`] finds.
pub fn declustering_trees(jets: &Jets, definition: JetDefinition) -> Result<DeclusteringTrees, PhysicsError> {
    let blocks = history_blocks(jets, definition, |_, history, block: &mut DeclusteringTrees| {
        block.push(history, hardest_jet(history));
    })?;
    let mut trees = DeclusteringTrees::default();
    for block in &blocks {
        trees.append(block);
    }
    Ok(trees)
}

/// The inclusive jet of the highest transverse momentum.
pub(crate) fn hardest_jet(history: &ClusterHistory) -> Option<usize> {
    let jets = history.steps().iter().filter(|step| step.merged.is_none());
    jets.map(|step| step.first).reduce(|hardest, node| {
        let [first, _] = harder_first(history, [hardest, node]);
        first
    })
}

/// Two nodes by falling transverse momentum.
///
/// Equal ones by their components: the order in which a clustering names two partners follows the order of the
/// input, which must not show.
pub(crate) fn harder_first(history: &ClusterHistory, [a, b]: [usize; 2]) -> [usize; 2] {
    let (p, q) = (history.momentum(a), history.momentum(b));
    let order = p.pt2().total_cmp(&q.pt2());
    let order = order.then_with(|| p.px.total_cmp(&q.px).then_with(|| p.py.total_cmp(&q.py)));
    let order = order.then_with(|| p.pz.total_cmp(&q.pz).then_with(|| p.e.total_cmp(&q.e)));
    if order.is_lt() { [b, a] } else { [a, b] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClusterAlgorithm, Recombination};

    fn particle(pt: f64, phi: f64) -> FourVector {
        FourVector::from_pt_eta_phi_mass(pt, 0.0, phi, 0.0)
    }

    #[test]
    fn the_shape_of_a_tree_follows_the_algorithm() {
        // A hard core of three within 0.2 and a soft particle far off.
        let jet = [
            particle(100.0, 0.0),
            particle(40.0, 0.2),
            particle(1.0, 0.05),
            particle(2.0, 0.7),
        ];
        for (algorithm, levels) in [
            // Soft first: 1 with 100, 2 with 40, then those two.
            (ClusterAlgorithm::Kt, [0, 1, 1, 2, 2, 2, 2]),
            // Close first, hard first: a ladder from the core outwards.
            (ClusterAlgorithm::CambridgeAachen, [0, 1, 1, 2, 2, 3, 3]),
            (ClusterAlgorithm::AntiKt, [0, 1, 1, 2, 2, 3, 3]),
        ] {
            let mut declusterer = Declusterer::new(JetDefinition::new(algorithm, 1.0)).unwrap();
            let tree = declusterer.decluster(jet).unwrap();
            assert_eq!(tree.level, levels, "{algorithm:?}");
            assert_eq!(tree.leaf_count(), 4);
            assert_eq!((tree.parent[0], tree.parent[1], tree.parent[2]), (NO_NODE, 0, 0));
        }
    }

    #[test]
    fn a_small_radius_keeps_the_hardest_jet_only() {
        let jet = [particle(1.0, 2.0), particle(50.0, 0.0), particle(20.0, 0.1)];
        let mut declusterer = Declusterer::new(JetDefinition::new(ClusterAlgorithm::AntiKt, 0.4)).unwrap();
        let tree = declusterer.decluster(jet).unwrap();
        assert_eq!(tree.particle, [NO_NODE, 1, 2]);
        assert_eq!(tree.momenta[0], jet[1] + jet[2]);
    }

    #[test]
    fn empty_and_lone_jets_have_trees() {
        for recombination in [Recombination::EScheme, Recombination::WinnerTakeAll] {
            let definition = JetDefinition {
                recombination,
                ..JetDefinition::new(ClusterAlgorithm::Kt, 0.8)
            };
            let mut declusterer = Declusterer::new(definition).unwrap();
            assert!(declusterer.decluster([]).unwrap().is_empty());
            let tree = declusterer.decluster([particle(3.0, 1.0)]).unwrap();
            assert_eq!((tree.len(), tree.children(0), tree.particle[0]), (1, None, 0));
            assert!(declusterer.decluster([]).unwrap().is_empty());
        }
    }

    #[test]
    fn equal_children_do_not_show_the_order_of_the_input() {
        let (a, b) = (particle(5.0, 0.1), particle(5.0, -0.1));
        assert_eq!(a.pt2(), b.pt2());
        let mut declusterer = Declusterer::new(JetDefinition::new(ClusterAlgorithm::Kt, 0.8)).unwrap();
        let plain = declusterer.decluster([a, b]).unwrap().momenta.to_vec();
        assert_eq!(declusterer.decluster([b, a]).unwrap().momenta, plain);
    }
}
