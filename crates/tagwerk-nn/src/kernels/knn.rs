//! The k nearest neighbors of each constituent among those of its own jet.

use super::gemm::{Mat, matmul};
use super::partition;

/// Directed edges of a batch: row `i` looks at its neighbors `sources[offsets[i] .. offsets[i + 1]]`, nearest first.
///
/// A constituent is not its own neighbor. A jet of `n` constituents gives each at most `n - 1` neighbors: a jet with
/// fewer than `k + 1` has fewer edges, never padded ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbors {
    /// Largest number of neighbors a row, `K`.
    pub k: usize,
    /// Edge offsets, `[R + 1]`.
    pub offsets: Vec<usize>,
    /// Row of the neighbor, `[E]`.
    pub sources: Vec<u32>,
}

impl Neighbors {
    /// Number of edges, `E`.
    pub fn edges(&self) -> usize {
        self.sources.len()
    }
}

/// Finds the `k` nearest rows by Euclidean distance over all `C` channels of `points: [R, C]`.
///
/// Ties go to the lower row. Distances are `|x_i|^2 + |x_j|^2 - 2 x_i x_j` with the products as one matrix product a
/// jet; in few dimensions they are summed directly, which is exact.
pub fn k_nearest(points: &[f32], c: usize, offsets: &[usize], k: usize) -> Neighbors {
    let rows = offsets[offsets.len() - 1];
    let mut edge_offsets = Vec::with_capacity(rows + 1);
    edge_offsets.push(0);
    for jet in offsets.windows(2) {
        let n = jet[1] - jet[0];
        let degree = k.min(n.saturating_sub(1));
        for _ in 0..n {
            edge_offsets.push(edge_offsets[edge_offsets.len() - 1] + degree);
        }
    }
    let mut sources = vec![0u32; edge_offsets[rows]];
    let runs = partition::by_rows(offsets, 1024);
    let mut rest = &mut sources[..];
    let mut tasks = Vec::with_capacity(runs.len());
    for run in runs {
        let edges = edge_offsets[offsets[run.end]] - edge_offsets[offsets[run.start]];
        let (piece, tail) = std::mem::take(&mut rest).split_at_mut(edges);
        rest = tail;
        tasks.push((run, piece));
    }
    partition::run(tasks, |(run, mut out)| {
        let mut distances = Vec::new();
        let mut scratch = Scratch::default();
        for jet in run {
            let (start, end) = (offsets[jet], offsets[jet + 1]);
            let (n, degree) = (end - start, k.min((end - start).saturating_sub(1)));
            if degree == 0 {
                continue;
            }
            let (mine, rest) = std::mem::take(&mut out).split_at_mut(n * degree);
            out = rest;
            super::simd::dispatch(
                #[inline(always)]
                || {
                    pairwise(&points[start * c..end * c], n, c, &mut distances);
                    for (i, mine) in mine.chunks_exact_mut(degree).enumerate() {
                        nearest(&distances[i * n..(i + 1) * n], i, start as u32, &mut scratch, mine);
                    }
                },
            );
        }
    });
    Neighbors {
        k,
        offsets: edge_offsets,
        sources,
    }
}

/// The `out.len()` smallest of a row of distances but for `own`, in order, ties to the lower index.
///
/// A candidate's place is the number of candidates before it. Counting them all is quadratic, but in vector registers
/// with no branch that depends on the data, where a selection has many that cannot be predicted.
#[inline(always)]
fn nearest(distances: &[f32], own: usize, start: u32, scratch: &mut Scratch, out: &mut [u32]) {
    let Scratch { row, places } = scratch;
    row.clear();
    row.extend_from_slice(&distances[..own]);
    row.extend_from_slice(&distances[own + 1..]);
    // A distance that is no number comes last.
    row.iter_mut()
        .for_each(|d| *d = if d.is_nan() { f32::INFINITY } else { *d });
    places.clear();
    places.resize(row.len(), 0);
    for &d in row.iter() {
        for (place, &other) in places.iter_mut().zip(row.iter()) {
            *place += u32::from(d < other);
        }
    }
    let index = |j: usize| start + (j + usize::from(j >= own)) as u32;
    out.fill(u32::MAX);
    let mut taken = 0;
    for (j, &place) in places.iter().enumerate() {
        if let Some(slot) = out.get_mut(place as usize) {
            taken += usize::from(*slot == u32::MAX);
            *slot = if *slot == u32::MAX { index(j) } else { *slot };
        }
    }
    if taken < out.len() {
        // Equal distances share a place: sort these few rows properly.
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[a].total_cmp(&row[b]));
        out.iter_mut().zip(order).for_each(|(slot, j)| *slot = index(j));
    }
}

/// Buffers of [`nearest`].
#[derive(Default)]
struct Scratch {
    row: Vec<f32>,
    places: Vec<u32>,
}

/// Squared distances `[n, n]` of `n` points in `c` dimensions.
#[inline(always)]
fn pairwise(points: &[f32], n: usize, c: usize, distances: &mut Vec<f32>) {
    distances.clear();
    distances.resize(n * n, 0.0);
    if c <= 4 {
        for i in 0..n {
            for j in 0..n {
                let (a, b) = (&points[i * c..][..c], &points[j * c..][..c]);
                distances[i * n + j] = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
            }
        }
        return;
    }
    let matrix = Mat::new(points, n, c);
    matmul(distances, false, matrix, matrix.t());
    let norms: Vec<f32> = (0..n).map(|i| distances[i * n + i]).collect();
    for (row, a) in distances.chunks_exact_mut(n).zip(&norms) {
        for (d, b) in row.iter_mut().zip(&norms) {
            *d = a + b - 2.0 * *d;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_stay_inside_their_jet_and_short_jets_have_fewer() {
        // Two jets on a line: three points and one point; k = 2.
        let points = [0.0, 1.0, 5.0, 0.1];
        let found = k_nearest(&points, 1, &[0, 3, 3, 4], 2);
        assert_eq!(found.offsets, [0, 2, 4, 6, 6]);
        assert_eq!(found.sources, [1, 2, 0, 2, 1, 0]);
    }

    #[test]
    fn equal_distances_go_to_the_lower_row() {
        let found = k_nearest(&[0.0, 1.0, -1.0, 1.0, 2.0], 1, &[0, 5], 3);
        assert_eq!(found.sources[..3], [1, 2, 3]);
        assert_eq!(found.sources[3..6], [3, 0, 4]);
    }

    #[test]
    fn the_gram_path_agrees_with_sorting_all_distances() {
        let (n, c, k) = (30, 6, 7);
        let points: Vec<f32> = (0..n * c).map(|i| (i as f32 * 1.7).sin() * 3.0).collect();
        let found = k_nearest(&points, c, &[0, n], k);
        for i in 0..n {
            let distance = |j: usize| -> f64 {
                (0..c)
                    .map(|d| f64::from(points[i * c + d] - points[j * c + d]).powi(2))
                    .sum()
            };
            let mut all: Vec<usize> = (0..n).filter(|&j| j != i).collect();
            all.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            let expected: Vec<u32> = all[..k].iter().map(|&j| j as u32).collect();
            assert_eq!(found.sources[i * k..(i + 1) * k], expected, "row {i}");
        }
    }
}
