//! Trees as networks read them: features a node, one flag a node, and an order by levels for a whole batch.
//!
//! **Held by jets.** A [`TreeView`] keeps the nodes of a jet together, level by level from the root, left to right. In
//! this order the k-th inner node of a jet (from 0) has the children 2k + 1 and 2k + 2, so one flag a node, inner or
//! leaf, is the whole tree. Nothing in it points anywhere: jets are selected, sliced and joined as plain rows.
//!
//! **Read by levels.** A recursive network goes from the deepest level to the roots and wants all nodes of a level,
//! of all jets of the batch, in one matrix product. [`TreeLevels::of`] sorts the batch for it:
//!
//! ```text
//! level 0   roots       [ inner nodes of all jets | leaves of all jets ]     a lone constituent is a root and a leaf
//!                          |left   |right
//! level 1               [ inner nodes             | leaves             ]     left, right: positions within level 1
//! level 2               [ ...                     | ...                ]
//! ```
//!
//! ```
//! use tagwerk_physics::{JaggedView, TreeLevels, TreeView};
//!
//! // One jet of three constituents, one of a single one: root (leaf, inner (leaf, leaf)) and a leaf.
//! let nodes = JaggedView::new(1, vec![6.0, 3.0, 3.0, 2.0, 1.0, 9.0], vec![0, 5, 6])?;
//! let view = TreeView::new(nodes, vec![true, false, true, false, false, false])?;
//! let levels = TreeLevels::of(&view);
//! // The sum over leaves, as a recursive network computes it: bottom up, a level at a time.
//! let mut below: Vec<f32> = Vec::new();
//! for j in (0..levels.len()).rev() {
//!     let level = levels.level(j);
//!     let (inner, leaves) = level.rows.split_at(level.inner);
//!     let sums = (0..inner.len()).map(|i| below[level.left[i] as usize] + below[level.right[i] as usize]);
//!     let own = leaves.iter().map(|&row| view.nodes.rows[row as usize]);
//!     below = sums.chain(own).collect();
//! }
//! assert_eq!((levels.jets.as_slice(), below.as_slice()), ([0, 1].as_slice(), [6.0, 9.0].as_slice()));
//! # Ok::<(), tagwerk_physics::PhysicsError>(())
//! ```

use crate::{JaggedView, PhysicsError};
use std::ops::Range;

/// Binary trees with features a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TreeView {
    /// `[R, C]` features with the offsets of the jets; the nodes of a jet by levels, each level from left to right.
    pub nodes: JaggedView,
    /// `[R]`: whether a node has children. The k-th inner node of a jet has the jet's nodes 2k + 1 (left) and 2k + 2.
    pub inner: Vec<bool>,
}

impl TreeView {
    /// A view of the given parts. A jet without nodes is allowed.
    ///
    /// # Errors
    /// [`PhysicsError::ColumnLength`] for another number of flags than rows; [`PhysicsError::Tree`] where the flags of
    /// a jet are not a tree.
    pub fn new(nodes: JaggedView, inner: Vec<bool>) -> Result<Self, PhysicsError> {
        let view = Self { nodes, inner };
        view.check()?;
        Ok(view)
    }

    /// Checks the flags of a view put together from its public fields, whose `nodes` are whole.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn check(&self) -> Result<(), PhysicsError> {
        if self.inner.len() != self.nodes.row_count() {
            return Err(PhysicsError::ColumnLength {
                column: "inner",
                expected: self.nodes.row_count(),
                found: self.inner.len(),
            });
        }
        (0..self.len()).try_for_each(|jet| check_tree(jet, &self.inner[self.nodes.range(jet)]))
    }

    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The jets named, in that order; a jet may be named more than once.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] for a jet that does not exist.
    pub fn select(&self, jets: &[usize]) -> Result<Self, PhysicsError> {
        let nodes = self.nodes.select(jets)?;
        let mut inner = Vec::with_capacity(nodes.row_count());
        for &b in jets {
            inner.extend_from_slice(&self.inner[self.nodes.range(b)]);
        }
        Ok(Self { nodes, inner })
    }

    /// A run of neighboring jets.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] for a run that reaches past the end.
    pub fn slice(&self, jets: Range<usize>) -> Result<Self, PhysicsError> {
        let nodes = self.nodes.slice(jets.clone())?;
        let first = self.nodes.offsets.get(jets.start).copied().unwrap_or(0);
        let inner = self.inner[first..first + nodes.row_count()].to_vec();
        Ok(Self { nodes, inner })
    }

    /// Adds a run of another view's jets at the end. A view without jets takes over the other's width.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] for a run that reaches past the end; [`PhysicsError::ColumnLength`] for another width.
    pub fn append(&mut self, other: &Self, jets: Range<usize>) -> Result<(), PhysicsError> {
        if self.is_empty() {
            self.nodes.width = other.nodes.width;
            self.nodes.offsets = vec![0];
        } else if self.nodes.width != other.nodes.width {
            return Err(PhysicsError::ColumnLength {
                column: "rows",
                expected: self.nodes.width,
                found: other.nodes.width,
            });
        }
        let part = other.slice(jets)?;
        let shift = self.nodes.row_count();
        let ends = part.nodes.offsets.iter().skip(1);
        self.nodes.offsets.extend(ends.map(|end| shift + end));
        self.nodes.rows.extend_from_slice(&part.nodes.rows);
        self.inner.extend_from_slice(&part.inner);
        Ok(())
    }

    /// Bytes of memory held.
    pub fn byte_size(&self) -> usize {
        self.nodes.byte_size() + size_of_val(self.inner.as_slice())
    }
}

/// Checks that flags in level order are one tree: every node but the first is the child of an earlier one.
fn check_tree(jet: usize, inner: &[bool]) -> Result<(), PhysicsError> {
    // Nodes that exist because a parent before them calls for them.
    let mut called = usize::from(!inner.is_empty());
    for (node, &is_inner) in inner.iter().enumerate() {
        if node >= called {
            break;
        }
        called += 2 * usize::from(is_inner);
    }
    if called == inner.len() {
        return Ok(());
    }
    Err(PhysicsError::Tree {
        jet,
        expected: called,
        found: inner.len(),
    })
}

/// The nodes of a batch by levels: at each level inner nodes first, then leaves, each by jet and from left to right.
///
/// `L` levels, `R` nodes, `I` inner nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TreeLevels {
    /// `[R]`: rows of [`TreeView::nodes`], roots first. A permutation: one gather sorts the features of the batch.
    pub rows: Vec<u32>,
    /// `[L + 1]`: level `j` owns the places `offsets[j] .. offsets[j + 1]` of `rows`.
    pub offsets: Vec<usize>,
    /// `[L + 1]`: its inner nodes own the places `inner_offsets[j] .. inner_offsets[j + 1]` of `left` and `right`.
    pub inner_offsets: Vec<usize>,
    /// `[I]`: position of the left (harder) child within the next level, counted from that level's first place.
    pub left: Vec<u32>,
    /// `[I]`: position of the right child.
    pub right: Vec<u32>,
    /// The jet of each node of level 0, in its order. Jets without nodes are missing, jets of one node stand last.
    pub jets: Vec<u32>,
}

/// One level of a batch of trees, borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TreeLevel<'a> {
    /// `[n]`: rows of [`TreeView::nodes`]; the first `inner` are inner nodes, the rest leaves.
    pub rows: &'a [u32],
    /// Number of inner nodes on this level.
    pub inner: usize,
    /// `[inner]`: for each inner node the position of its left child within the next level.
    pub left: &'a [u32],
    /// `[inner]`: the same for the right child.
    pub right: &'a [u32],
}

impl TreeLevels {
    /// Sorts a batch. Linear in the number of nodes.
    ///
    /// # Panics
    /// If the public fields of the view do not fit each other; [`TreeView::new`] makes views that do.
    pub fn of(view: &TreeView) -> Self {
        let (inner, row_count) = (&view.inner, view.nodes.row_count());
        // Level of each row, from parents to children; then how many of each kind stand on each level.
        let mut level = vec![0u32; row_count];
        let mut counts: Vec<[usize; 2]> = Vec::new();
        for jet in 0..view.len() {
            let rows = view.nodes.range(jet);
            let mut child = rows.start + 1;
            for row in rows {
                let own = level[row] as usize;
                if own == counts.len() {
                    counts.push([0, 0]);
                }
                counts[own][usize::from(!inner[row])] += 1;
                if inner[row] {
                    level[child] = own as u32 + 1;
                    level[child + 1] = own as u32 + 1;
                    child += 2;
                }
            }
        }
        let running = |size: fn(&[usize; 2]) -> usize| -> Vec<usize> {
            let ends = counts.iter().scan(0, |end, count| {
                *end += size(count);
                Some(*end)
            });
            std::iter::once(0).chain(ends).collect()
        };
        let offsets = running(|count| count[0] + count[1]);
        let inner_offsets = running(|count| count[0]);

        // Places are handed out in the order of the rows: by jet, from left to right.
        let mut next: Vec<[usize; 2]> = counts.iter().map(|count| [0, count[0]]).collect();
        let mut position = vec![0u32; row_count];
        let mut rows = vec![0u32; row_count];
        for row in 0..row_count {
            let own = level[row] as usize;
            let place = &mut next[own][usize::from(!inner[row])];
            position[row] = *place as u32;
            rows[offsets[own] + *place] = row as u32;
            *place += 1;
        }
        let inner_count = inner_offsets[counts.len()];
        let (mut left, mut right) = (vec![0u32; inner_count], vec![0u32; inner_count]);
        let mut jets = vec![0u32; offsets.get(1).copied().unwrap_or(0)];
        for jet in 0..view.len() {
            let own = view.nodes.range(jet);
            if !own.is_empty() {
                jets[position[own.start] as usize] = jet as u32;
            }
            let mut child = own.start + 1;
            for row in own.filter(|&row| inner[row]) {
                let place = inner_offsets[level[row] as usize] + position[row] as usize;
                left[place] = position[child];
                right[place] = position[child + 1];
                child += 2;
            }
        }
        Self {
            rows,
            offsets,
            inner_offsets,
            left,
            right,
            jets,
        }
    }

    /// Number of levels, `L`; none if no jet has a node.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no level.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Level `j`; 0 are the roots. On level 1 the children named by level 0's `left` are the left ones.
    ///
    /// # Panics
    /// If there is no such level, like an index into a slice.
    pub fn level(&self, j: usize) -> TreeLevel<'_> {
        let inner = self.inner_offsets[j]..self.inner_offsets[j + 1];
        TreeLevel {
            rows: &self.rows[self.offsets[j]..self.offsets[j + 1]],
            inner: inner.len(),
            left: &self.left[inner.clone()],
            right: &self.right[inner],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ladder of three leaves, an empty jet, a lone leaf, a pair; the feature is the row.
    fn view() -> TreeView {
        let rows = (0..9u8).map(f32::from).collect();
        let nodes = JaggedView::new(1, rows, vec![0, 5, 5, 6, 9]).unwrap();
        TreeView::new(nodes, vec![true, false, true, false, false, false, true, false, false]).unwrap()
    }

    #[test]
    fn levels_hold_inner_nodes_first_and_point_to_children() {
        let levels = TreeLevels::of(&view());
        assert_eq!(levels.len(), 3);
        let [roots, first, second] = [0, 1, 2].map(|j| levels.level(j));
        assert_eq!((roots.rows, roots.inner), ([0, 6, 5].as_slice(), 2));
        assert_eq!(levels.jets, [0, 3, 2]);
        assert_eq!((first.rows, first.inner), ([2, 1, 7, 8].as_slice(), 1));
        // Jet 0: left child row 1 at position 1, right child row 2 at position 0. Jet 3: rows 7 and 8.
        assert_eq!((roots.left, roots.right), ([1, 2].as_slice(), [0, 3].as_slice()));
        assert_eq!((second.rows, second.inner), ([3, 4].as_slice(), 0));
        assert_eq!((first.left, first.right), ([0].as_slice(), [1].as_slice()));
    }

    #[test]
    fn selected_jets_keep_their_trees() {
        let view = view();
        let picked = view.select(&[3, 1, 0]).unwrap();
        assert_eq!(picked.nodes.rows, [6.0, 7.0, 8.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(TreeView::new(picked.nodes.clone(), picked.inner.clone()), Ok(picked));
        assert_eq!(view.slice(1..4), view.select(&[1, 2, 3]));
        assert!(view.select(&[4]).is_err() && view.slice(2..5).is_err());
        assert_eq!(TreeView::default().slice(0..0).unwrap().len(), 0);
        assert!(TreeLevels::of(&TreeView::default()).is_empty());
        let mut joined = TreeView::default();
        joined.append(&view, 2..4).unwrap();
        joined.append(&view, 0..1).unwrap();
        assert_eq!(joined, view.select(&[2, 3, 0]).unwrap());
        assert!(joined.append(&view, 3..5).is_err());
        joined.nodes.width = 2;
        assert!(joined.append(&view, 0..1).is_err());
    }

    #[test]
    fn flags_that_are_no_tree_are_refused() {
        for inner in [
            vec![true, false],
            vec![false, false],
            vec![true, false, false, false],
            vec![false, true, true],
            vec![true, true, true],
        ] {
            let nodes = JaggedView::new(0, vec![], vec![0, 0, inner.len()]).unwrap();
            let error = TreeView::new(nodes, inner.clone()).unwrap_err();
            assert!(error.to_string().contains("jet 1"), "{inner:?}: {error}");
        }
        let nodes = JaggedView::new(0, vec![], vec![0, 1]).unwrap();
        assert!(TreeView::new(nodes, vec![]).is_err());
    }
}
