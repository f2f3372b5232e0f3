//! Clustering every jet of a table, blocks of jets in parallel, for results whose size is known only afterwards.
//!
//! Blocks come back in the order of the jets, so the result does not depend on the number of threads.

use crate::declustering::{DeclusteringTree, DeclusteringTrees};
use crate::{ClusterHistory, Clusterer, JetDefinition, PhysicsError, check_jets, constituents};
use rayon::prelude::*;
use tagwerk_data::Jets;

/// Jets a task: enough to hide the cost of stealing it, few enough to balance.
const BLOCK: usize = 256;

/// What the jets of a table give, jagged: jet `b` owns `items[offsets[b] .. offsets[b + 1]]`.
pub(crate) struct Gathered<T> {
    pub items: Vec<T>,
    /// `[B + 1]`, starting with 0.
    pub offsets: Vec<usize>,
    /// Splittings without an item, of all jets.
    pub left_out: u64,
}

/// Clusters every jet and hands its history to `take(b, history, items, scratch)`, which adds the items of the jet and
/// returns how many splittings have none. `scratch` lives as long as its block.
pub(crate) fn gather_histories<T: Copy + Send, S: Default + Send>(
    jets: &Jets,
    definition: JetDefinition,
    take: impl Fn(usize, &ClusterHistory, &mut Vec<T>, &mut S) -> u64 + Sync,
) -> Result<Gathered<T>, PhysicsError> {
    let blocks = history_blocks(
        jets,
        definition,
        |b, history, (block, scratch): &mut (Gathered<T>, S)| {
            block.left_out += take(b, history, &mut block.items, scratch);
            block.offsets.push(block.items.len());
        },
    )?;
    let mut all = Gathered::default();
    all.items
        .reserve(blocks.iter().map(|(block, _)| block.items.len()).sum());
    all.offsets.reserve(jets.len());
    for (block, _) in blocks {
        let first = all.items.len();
        all.offsets.extend(block.offsets[1..].iter().map(|end| first + end));
        all.items.extend_from_slice(&block.items);
        all.left_out += block.left_out;
    }
    Ok(all)
}

/// As [`gather_histories`], with the tree of the jet.
pub(crate) fn gather_trees<T: Copy + Send, S: Default + Send>(
    jets: &Jets,
    definition: JetDefinition,
    take: impl Fn(usize, DeclusteringTree<'_>, &mut Vec<T>, &mut S) -> u64 + Sync,
) -> Result<Gathered<T>, PhysicsError> {
    gather_histories(
        jets,
        definition,
        |b, history, items, (own, scratch): &mut (DeclusteringTrees, S)| take(b, own.refill(history), items, scratch),
    )
}

/// Makes the tree of every jet and hands it to `take(b, tree, block)`.
pub(crate) fn tree_blocks<T: Default + Send>(
    jets: &Jets,
    definition: JetDefinition,
    take: impl Fn(usize, DeclusteringTree<'_>, &mut T) + Sync,
) -> Result<Vec<T>, PhysicsError> {
    let blocks = history_blocks(
        jets,
        definition,
        |b, history, (block, own): &mut (T, DeclusteringTrees)| take(b, own.refill(history), block),
    )?;
    Ok(blocks.into_iter().map(|(block, _)| block).collect())
}

/// Clusters every jet and hands its history to `take(b, history, block)`.
pub(crate) fn history_blocks<T: Default + Send>(
    jets: &Jets,
    definition: JetDefinition,
    take: impl Fn(usize, &ClusterHistory, &mut T) + Sync,
) -> Result<Vec<T>, PhysicsError> {
    check_jets(jets)?;
    let clusterer = Clusterer::new(definition)?;
    (0..jets.len().div_ceil(BLOCK))
        .into_par_iter()
        .map_with(clusterer, |clusterer, block| {
            let mut result = T::default();
            for b in block * BLOCK..((block + 1) * BLOCK).min(jets.len()) {
                take(b, clusterer.cluster(constituents(jets, b))?, &mut result);
            }
            Ok(result)
        })
        .collect()
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            offsets: vec![0],
            left_out: 0,
        }
    }
}
