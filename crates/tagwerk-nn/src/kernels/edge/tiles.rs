//! Groups of jets, tiles of edges, and what is done to a tile.

use crate::kernels::knn::Neighbors;
use crate::kernels::norm::Affine;
use crate::kernels::partition::{self, TILE_ROWS};
use crate::kernels::simd::relu;
use std::ops::Range;

/// Rows of a group of jets and its tiles, each a run of rows with about [`TILE_ROWS`] edges.
pub(super) struct Group {
    pub(super) rows: Range<usize>,
    pub(super) tiles: Vec<Range<usize>>,
}

/// Jets are never split between groups, so that a group owns the rows its edges point to.
pub(super) fn groups(jets: &[usize], graph: &Neighbors) -> Vec<Group> {
    let edges_before: Vec<usize> = jets.iter().map(|&r| graph.offsets[r]).collect();
    let count = partition::group_count(graph.edges(), 1024);
    partition::by_rows(&edges_before, graph.edges().div_ceil(count).max(1))
        .into_iter()
        .map(|run| {
            let rows = jets[run.start]..jets[run.end];
            let tiles = partition::by_rows(&graph.offsets[rows.start..=rows.end], TILE_ROWS)
                .into_iter()
                .map(|t| rows.start + t.start..rows.start + t.end)
                .collect();
            Group { rows, tiles }
        })
        .collect()
}

pub(super) fn edge_range(graph: &Neighbors, rows: &Range<usize>) -> Range<usize> {
    graph.offsets[rows.start]..graph.offsets[rows.end]
}

/// Largest number of edges in a tile.
pub(super) fn longest_tile(groups: &[Group], graph: &Neighbors) -> usize {
    groups
        .iter()
        .flat_map(|g| &g.tiles)
        .map(|t| edge_range(graph, t).len())
        .max()
        .unwrap_or(0)
}

/// `y_e = near_i + far_j` for the edges of some rows.
#[inline(always)]
pub(super) fn gather(y: &mut [f32], near: &[f32], far: &[f32], c: usize, graph: &Neighbors, rows: &Range<usize>) {
    let mut y = y.chunks_exact_mut(c);
    for i in rows.clone() {
        let near = &near[i * c..][..c];
        for &j in &graph.sources[graph.offsets[i]..graph.offsets[i + 1]] {
            let far = &far[j as usize * c..][..c];
            if let Some(y) = y.next() {
                for ((y, a), b) in y.iter_mut().zip(near).zip(far) {
                    *y = a + b;
                }
            }
        }
    }
}

/// `h = relu(scale y + shift)`.
#[inline(always)]
pub(super) fn normalize_relu(h: &mut [f32], y: &[f32], map: &Affine) {
    let c = map.scale.len();
    for (h, y) in h.chunks_exact_mut(c).zip(y.chunks_exact(c)) {
        for (((h, y), a), b) in h.iter_mut().zip(y).zip(&map.scale).zip(&map.shift) {
            *h = relu(a * y + b);
        }
    }
}

/// `h_e = relu(scale (near_i + far_j) + shift)`.
#[inline(always)]
pub(super) fn gather_normalized(
    h: &mut [f32],
    near: &[f32],
    far: &[f32],
    map: &Affine,
    graph: &Neighbors,
    rows: &Range<usize>,
) {
    let c = map.scale.len();
    let mut h = h.chunks_exact_mut(c);
    for i in rows.clone() {
        let near = &near[i * c..][..c];
        for &j in &graph.sources[graph.offsets[i]..graph.offsets[i + 1]] {
            let far = &far[j as usize * c..][..c];
            if let Some(h) = h.next() {
                for ((((h, p), q), a), b) in h.iter_mut().zip(near).zip(far).zip(&map.scale).zip(&map.shift) {
                    *h = relu(a * (p + q) + b);
                }
            }
        }
    }
}
