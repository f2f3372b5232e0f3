//! The trees of some jets, in the order in which the network reads them.

use std::ops::Range;

/// No parent: a root.
const ROOT: u32 = u32::MAX;

/// Trees whose nodes are sorted: inner nodes by level from the roots on, then leaves by level.
///
/// `L` levels, `R` nodes of which `I` are inner ones. A node that has a parent fills one of its two slots, `2 p` as the
/// left child of inner node `p`, `2 p + 1` as the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forest {
    /// `[L + 1]`.
    inner: Vec<usize>,
    /// `[L + 1]`.
    leaves: Vec<usize>,
    /// `[R]`.
    slots: Vec<u32>,
    /// The jet of each root.
    jets: Vec<u32>,
}

impl Forest {
    /// From the numbers of inner nodes and of leaves above each level, `[L + 1]` both and starting with 0, the children
    /// `[I, 2]` of each inner node, as nodes, and the jet of each root, inner roots first.
    ///
    /// `None` unless every level has a node, and every node below the roots is the child of exactly one inner node of
    /// the level above.
    pub fn new(inner: Vec<usize>, leaves: Vec<usize>, children: &[[u32; 2]], jets: Vec<u32>) -> Option<Self> {
        let rising = |offsets: &[usize]| offsets.first() == Some(&0) && offsets.windows(2).all(|w| w[0] <= w[1]);
        if inner.len() != leaves.len() || !rising(&inner) || !rising(&leaves) {
            return None;
        }
        let mut sizes = inner.iter().zip(&leaves).map(|(a, b)| a + b);
        let mut above = sizes.next()?;
        if !sizes.all(|size| std::mem::replace(&mut above, size) < size) {
            return None;
        }
        let (inner_nodes, leaf_nodes) = (*inner.last()?, *leaves.last()?);
        let roots = if inner.len() > 1 { inner[1] + leaves[1] } else { 0 };
        let nodes = inner_nodes + leaf_nodes;
        // A slot is a number of 32 bits that is not that of a root.
        if children.len() != inner_nodes || jets.len() != roots || 2 * nodes >= ROOT as usize {
            return None;
        }
        let mut forest = Self {
            inner,
            leaves,
            slots: vec![ROOT; nodes],
            jets,
        };
        for level in 0..forest.levels() {
            for parent in forest.inner_on(level) {
                for (side, &child) in children[parent].iter().enumerate() {
                    let child = child as usize;
                    if level + 1 >= forest.levels() || !forest.is_on(child, level + 1) || forest.slots[child] != ROOT {
                        return None;
                    }
                    forest.slots[child] = (2 * parent + side) as u32;
                }
            }
        }
        let orphans = forest.slots.iter().filter(|&&slot| slot == ROOT).count();
        (orphans == roots).then_some(forest)
    }

    fn is_on(&self, node: usize, level: usize) -> bool {
        let leaves = self.leaves_on(level);
        let first = self.inner_nodes();
        self.inner_on(level).contains(&node) || (first + leaves.start..first + leaves.end).contains(&node)
    }

    /// Number of nodes, `R`.
    pub fn nodes(&self) -> usize {
        self.slots.len()
    }

    /// Number of levels, `L`.
    pub fn levels(&self) -> usize {
        self.inner.len() - 1
    }

    /// Number of inner nodes, `I`.
    pub fn inner_nodes(&self) -> usize {
        self.inner[self.levels()]
    }

    /// The inner nodes of a level; none of a level that does not exist.
    pub fn inner_on(&self, level: usize) -> Range<usize> {
        on(&self.inner, level)
    }

    /// The leaves of a level, counted from the first leaf.
    pub fn leaves_on(&self, level: usize) -> Range<usize> {
        on(&self.leaves, level)
    }

    /// The inner nodes below level 1.
    pub fn deep_inner(&self) -> Range<usize> {
        below(&self.inner)
    }

    /// The leaves below level 1, counted from the first leaf.
    pub fn deep_leaves(&self) -> Range<usize> {
        below(&self.leaves)
    }

    /// The jet of each root, inner roots first.
    pub fn jets(&self) -> &[u32] {
        &self.jets
    }

    /// The slot of a node that has a parent.
    pub fn slot(&self, node: usize) -> usize {
        self.slots[node] as usize
    }

    /// Writes rows of `h` channels of nodes into their slots.
    #[inline(always)]
    pub(super) fn put(&self, slots: &mut [f32], rows: &[f32], nodes: Range<usize>, h: usize) {
        for (slot, row) in self.slots[nodes].iter().zip(rows.chunks_exact(h)) {
            slots[*slot as usize * h..][..h].copy_from_slice(row);
        }
    }

    /// Writes rows of nodes of level 1 where the children of roots lie, left ones before right ones.
    #[inline(always)]
    pub(super) fn put_top(&self, top: &mut [f32], rows: &[f32], nodes: Range<usize>, h: usize) {
        for (slot, row) in self.slots[nodes].iter().zip(rows.chunks_exact(h)) {
            top[self.top(*slot) * h..][..h].copy_from_slice(row);
        }
    }

    /// Row of a child of a root among all of them, left ones before right ones.
    #[inline(always)]
    pub(super) fn top(&self, slot: u32) -> usize {
        let (parent, side) = (slot as usize / 2, slot as usize % 2);
        side * self.inner_on(0).len() + parent
    }

    /// The slots of some nodes.
    #[inline(always)]
    pub(super) fn slots(&self, nodes: Range<usize>) -> &[u32] {
        &self.slots[nodes]
    }
}

fn on(offsets: &[usize], level: usize) -> Range<usize> {
    match offsets.get(level + 1) {
        Some(&end) => offsets[level]..end,
        None => 0..0,
    }
}

fn below(offsets: &[usize]) -> Range<usize> {
    let end = offsets[offsets.len() - 1];
    offsets.get(2).copied().unwrap_or(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_forest_is_refused() {
        // A jet of three leaves, root (leaf, inner (leaf, leaf)), and a jet of one: nodes 0, 1 inner; 2 the root leaf,
        // 3, 4, 5.
        let new =
            |children: &[[u32; 2]], jets: Vec<u32>| Forest::new(vec![0, 1, 2, 2], vec![0, 1, 2, 4], children, jets);
        let forest = new(&[[3, 1], [4, 5]], vec![0, 1]).unwrap();
        assert_eq!((forest.slot(3), forest.slot(1), forest.slot(5)), (0, 1, 3));
        assert_eq!((forest.deep_inner(), forest.deep_leaves()), (2..2, 2..4));
        assert!(new(&[[3, 3], [4, 5]], vec![0, 1]).is_none(), "a child twice");
        assert!(new(&[[3, 4], [1, 5]], vec![0, 1]).is_none(), "a child of another level");
        assert!(
            new(&[[3, 1], [4, 9]], vec![0, 1]).is_none(),
            "a child that is not there"
        );
        assert!(new(&[[3, 1]], vec![0, 1]).is_none() && new(&[[3, 1], [4, 5]], vec![0]).is_none());
        assert!(Forest::new(vec![0], vec![0], &[], vec![]).is_some(), "no tree at all");
        assert!(Forest::new(vec![], vec![], &[], vec![]).is_none());
        assert!(
            Forest::new(vec![0, 0], vec![0, 0], &[], vec![]).is_none(),
            "a level of nothing"
        );
        assert!(Forest::new(vec![0, 1], vec![0, 0], &[[0, 0]], vec![0]).is_none());
        assert!(
            Forest::new(vec![0, 0], vec![0, 2], &[], vec![0, 1]).is_some(),
            "two roots that are leaves"
        );
    }
}
