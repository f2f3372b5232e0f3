//! Filling views in parallel: blocks of jets, each with its own slice of the result.
//!
//! Every value is computed from its own jet alone and written to its own place, so the bits do not depend on
//! the number of threads.

use crate::{DenseView, JaggedView, PhysicsError, check_jets};
use rayon::prelude::*;
use tagwerk_data::Jets;

/// Jets a task: enough to hide the cost of stealing it, few enough to balance.
const BLOCK: usize = 256;

/// Fills a jagged view of `width` columns from at most `max_constituents` leading constituents a jet.
///
/// `fill(b, rows, scratch)` receives the `[n, width]` rows of jet `b`; `scratch` lives as long as its block.
pub(crate) fn fill_jagged<S: Default>(
    jets: &Jets,
    max_constituents: usize,
    width: usize,
    fill: impl Fn(usize, &mut [f32], &mut S) + Sync,
) -> Result<JaggedView, PhysicsError> {
    check_max_constituents(max_constituents)?;
    check_jets(jets)?;
    let mut offsets = Vec::with_capacity(jets.len() + 1);
    let mut row_count = 0;
    offsets.push(0);
    for b in 0..jets.len() {
        row_count += jets.range(b).len().min(max_constituents);
        offsets.push(row_count);
    }

    let mut rows = vec![0.0; row_count * width];
    let mut rest = rows.as_mut_slice();
    let mut blocks = Vec::with_capacity(jets.len().div_ceil(BLOCK));
    for first in (0..jets.len()).step_by(BLOCK) {
        let last = (first + BLOCK).min(jets.len());
        let (block, after) = rest.split_at_mut((offsets[last] - offsets[first]) * width);
        blocks.push((first..last, block));
        rest = after;
    }
    blocks.into_par_iter().for_each(|(members, mut block)| {
        let mut scratch = S::default();
        for b in members {
            let (own, after) = block.split_at_mut((offsets[b + 1] - offsets[b]) * width);
            fill(b, own, &mut scratch);
            block = after;
        }
    });
    Ok(JaggedView { width, rows, offsets })
}

/// Fills a dense view of `shape` a jet; `fill(b, values, scratch)` receives the zeroed values of jet `b`.
pub(crate) fn fill_dense<S: Default>(
    jets: &Jets,
    shape: Vec<usize>,
    fill: impl Fn(usize, &mut [f32], &mut S) + Sync,
) -> Result<DenseView, PhysicsError> {
    let values = fill_rows(jets, shape.iter().product(), fill)?;
    Ok(DenseView { shape, values })
}

/// Fills `size` values a jet, `[B, size]`; `fill(b, values, scratch)` receives the zeroed values of jet `b`.
pub(crate) fn fill_rows<T: Copy + Default + Send, S: Default>(
    jets: &Jets,
    size: usize,
    fill: impl Fn(usize, &mut [T], &mut S) + Sync,
) -> Result<Vec<T>, PhysicsError> {
    check_jets(jets)?;
    let mut values = vec![T::default(); jets.len() * size];
    if size > 0 {
        values
            .par_chunks_mut(size * BLOCK)
            .enumerate()
            .for_each(|(block, chunk)| {
                let mut scratch = S::default();
                for (i, own) in chunk.chunks_exact_mut(size).enumerate() {
                    fill(block * BLOCK + i, own, &mut scratch);
                }
            });
    }
    Ok(values)
}

fn check_max_constituents(max_constituents: usize) -> Result<(), PhysicsError> {
    if max_constituents == 0 {
        return Err(PhysicsError::Setting {
            name: "max_constituents",
            value: 0.0,
            limit: "1 or more",
        });
    }
    Ok(())
}
