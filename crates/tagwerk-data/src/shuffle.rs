//! The order of an epoch, as a pure function of (seed, epoch).
//!
//! Data that fit into memory are permuted as a whole: every order is equally likely ([`permutation`]).
//!
//! Larger data are shuffled on two levels ([`Windows`]). The blocks of the files (row groups, runs of chunks) are put
//! in random order, consecutive blocks form a window that fits the memory budget, and the rows of a window are
//! permuted as a whole. What that is worth: two rows of one block meet in the same window in every epoch, and are
//! uniformly placed inside it; two rows of different blocks are placed independently up to the blocks' order. The
//! signal fraction of a window of n rows in blocks of k spreads like that of n / k independent blocks, so a file that
//! is sorted by class is *not* mended by it, while the runs of tens of equal labels in the reference files vanish
//! (measured in the tests: the spread of the signal fraction of batches is that of independent draws). Sorted files:
//! convert once, with a shuffle.

use crate::random;
use std::ops::Range;

/// A uniformly random order of `0..n`.
pub fn permutation(n: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    random::shuffle(&mut random::stream(seed, "shuffle", epoch), &mut order);
    order
}

/// Consecutive blocks that are in memory together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Number of the window in its epoch.
    pub index: u64,
    /// Blocks, in the order in which they are read.
    pub blocks: Vec<usize>,
    /// Positions of its rows in the epoch.
    pub positions: Range<u64>,
}

/// The windows of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    seed: u64,
    epoch: u64,
    /// Everything fits one window, which then is permuted as data in memory are.
    whole: bool,
    windows: Vec<Window>,
}

impl Windows {
    /// Orders blocks of (rows, bytes) and gathers them into windows of at most `budget` bytes (at least one block
    /// each). Without shuffling, and when all blocks fit, they keep their order.
    pub fn new(blocks: &[(u64, u64)], budget: u64, seed: u64, epoch: u64, shuffled: bool) -> Self {
        let mut order: Vec<usize> = (0..blocks.len()).filter(|&block| blocks[block].0 > 0).collect();
        let whole = blocks.iter().map(|block| block.1).sum::<u64>() <= budget;
        if shuffled && !whole {
            random::shuffle(&mut random::stream(seed, "shuffle blocks", epoch), &mut order);
        }
        let mut windows: Vec<Window> = Vec::new();
        let mut bytes = 0;
        for block in order {
            let (rows, size) = blocks[block];
            match windows.last_mut() {
                Some(window) if bytes + size <= budget => {
                    window.blocks.push(block);
                    window.positions.end += rows;
                    bytes += size;
                }
                last => {
                    let start = last.map_or(0, |window| window.positions.end);
                    let index = windows.len() as u64;
                    windows.push(Window {
                        index,
                        blocks: vec![block],
                        positions: start..start + rows,
                    });
                    bytes = size;
                }
            }
        }
        Self {
            seed,
            epoch,
            whole,
            windows,
        }
    }

    /// The windows in order.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The order of the rows of a window: positions into its blocks laid end to end.
    pub fn order(&self, window: &Window) -> Vec<usize> {
        let rows = (window.positions.end - window.positions.start) as usize;
        if self.whole {
            return permutation(rows, self.seed, self.epoch);
        }
        let mut order: Vec<usize> = (0..rows).collect();
        // One stream an epoch would make windows share numbers; the purpose carries the window instead.
        let purpose = format!("shuffle window {}", window.index);
        random::shuffle(&mut random::stream(self.seed, &purpose, self.epoch), &mut order);
        order
    }
}
