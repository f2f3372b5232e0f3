//! What connects the nodes of an example, as sparse matrices of a batch.
//!
//! Three graphs, those of Benato et al., arXiv:2107.00656: nearest neighbors of constituents, neighboring pixels,
//! decays. Examples are blocks on the diagonal of one matrix `[R, R]`; padding has no edges.

use crate::error::TaggerError;
use crate::general::Rows;
use std::sync::Arc;
use tagwerk_nn::kernels::knn::k_nearest;
use tagwerk_nn::ops::SparseMatrix;

/// What connects the nodes of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Graph {
    /// A node looks at its nearest others in the plane of two of its features: constituents in (deta, dphi).
    Nearest {
        /// Others looked at, at most.
        k: usize,
        /// The two features.
        columns: [usize; 2],
    },
    /// A pixel is connected to the eight around it, fewer at the border. Pixels are numbered row by row.
    Grid {
        /// Rows of pixels.
        height: usize,
        /// Pixels a row.
        width: usize,
    },
    /// A particle is connected to its mother, whose row number stands in the last column; below 0 for none.
    Mothers,
}

/// Who is connected to whom: node `i` to `sources[offsets[i] .. offsets[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edges {
    offsets: Vec<usize>,
    sources: Vec<u32>,
}

impl Graph {
    /// Columns of the view that are no features: the mother's number.
    pub fn extra_columns(&self) -> usize {
        usize::from(*self == Self::Mothers)
    }

    /// The features and, of decays, the mothers `[R]`.
    pub(crate) fn split(&self, rows: Rows) -> (Rows, Vec<f32>) {
        match self {
            Self::Mothers => {
                let last = rows.width - 1;
                rows.without_column(last)
            }
            _ => (rows, Vec::new()),
        }
    }

    /// The matrix of zeros and ones of the original, `[R, R]`.
    ///
    /// Nearest neighbors: row `i` has a one for itself and for each node that looks at `i`, a matrix that is not
    /// symmetric and whose rows are not all of one length. Pixels: a one for each of the eight, none for itself.
    /// Decays: a one for the mother and for each daughter, and for itself where there is a mother.
    ///
    /// # Errors
    /// Rows that are no such graph.
    pub(crate) fn adjacency(
        &self,
        tagger: &'static str,
        rows: &Rows,
        mothers: &[f32],
    ) -> Result<Arc<SparseMatrix>, TaggerError> {
        let loops = !matches!(self, Self::Grid { .. });
        let edges = self.edges(tagger, rows, mothers, loops)?;
        let matrix = edges.matrix(tagger, rows, None)?;
        Ok(Arc::new(match self {
            Self::Nearest { .. } => matrix.transposed(),
            _ => matrix,
        }))
    }

    /// `factor D^-1/2 W D^-1/2`, `[R, R]`, with `W` the symmetric matrix of `weight(i, j)` where `i` or `j` looks at
    /// the other, and `D` its sums over rows. A node without edges has a row of zeros.
    ///
    /// With `loops` a node is connected to itself: every real one, of decays those with a mother.
    ///
    /// # Errors
    /// Rows that are no such graph.
    pub(crate) fn normalized(
        &self,
        tagger: &'static str,
        rows: &Rows,
        mothers: &[f32],
        loops: bool,
        factor: f64,
        weight: impl Fn(usize, usize) -> f64,
    ) -> Result<Arc<SparseMatrix>, TaggerError> {
        let edges = self.edges(tagger, rows, mothers, loops)?.symmetric(rows);
        let weights: Vec<f64> = edges.iter().map(|(i, j)| weight(i, j)).collect();
        let inverse: Vec<f64> = edges
            .offsets
            .windows(2)
            .map(|range| weights[range[0]..range[1]].iter().sum::<f64>())
            // Not a number stays not a number, so that the loss shows it.
            .map(|degree| if degree <= 0.0 { 0.0 } else { 1.0 / degree.sqrt() })
            .collect();
        let values = edges
            .iter()
            .zip(&weights)
            .map(|((i, j), w)| (factor * inverse[i] * w * inverse[j]) as f32)
            .collect();
        Ok(Arc::new(edges.matrix(tagger, rows, Some(values))?))
    }

    /// What each node looks at.
    fn edges(&self, tagger: &'static str, rows: &Rows, mothers: &[f32], loops: bool) -> Result<Edges, TaggerError> {
        match *self {
            Self::Nearest { k, columns } => Ok(nearest(rows, k, columns, loops)),
            Self::Grid { height, width } => {
                if rows.real.iter().any(|&n| n != height * width) {
                    return Err(TaggerError::View {
                        tagger,
                        expected: "as many rows as its grid has pixels",
                        found: format!("{:?} rows for {height} x {width} pixels", rows.real.first()),
                    });
                }
                Ok(grid(rows, height, width, loops))
            }
            Self::Mothers => decays(tagger, rows, mothers, loops),
        }
    }
}

impl Edges {
    fn with_rows(count: usize) -> Self {
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.push(0);
        Self {
            offsets,
            sources: Vec::new(),
        }
    }

    fn end_row(&mut self) {
        self.offsets.push(self.sources.len());
    }

    /// (node, node looked at) of each edge.
    fn iter(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.offsets.len() - 1).flat_map(|i| {
            self.sources[self.offsets[i]..self.offsets[i + 1]]
                .iter()
                .map(move |&j| (i, j as usize))
        })
    }

    /// Each edge in both directions, once.
    fn symmetric(&self, rows: &Rows) -> Self {
        let mut out = Self::with_rows(rows.segments.rows());
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for span in rows.segments.offsets().windows(2) {
            pairs.clear();
            for i in span[0]..span[1] {
                for &j in &self.sources[self.offsets[i]..self.offsets[i + 1]] {
                    pairs.extend([(i as u32, j), (j, i as u32)]);
                }
            }
            pairs.sort_unstable();
            pairs.dedup();
            let mut rest = &pairs[..];
            for i in span[0]..span[1] {
                let mine = rest.partition_point(|pair| pair.0 as usize <= i);
                out.sources.extend(rest[..mine].iter().map(|pair| pair.1));
                out.end_row();
                rest = &rest[mine..];
            }
        }
        out
    }

    fn matrix(self, tagger: &'static str, rows: &Rows, values: Option<Vec<f32>>) -> Result<SparseMatrix, TaggerError> {
        let (edges, columns) = (self.sources.len(), rows.segments.rows());
        SparseMatrix::new(&self.offsets, self.sources, values, columns).ok_or_else(|| TaggerError::View {
            tagger,
            expected: "batches of fewer than 2^32 nodes and edges",
            found: format!("{columns} nodes and {edges} edges"),
        })
    }
}

fn nearest(rows: &Rows, k: usize, columns: [usize; 2], loops: bool) -> Edges {
    let starts = rows.segments.offsets();
    let (mut points, mut compact) = (Vec::new(), vec![0]);
    for (&start, &n) in starts.iter().zip(&rows.real) {
        for row in rows.values[start * rows.width..].chunks_exact(rows.width).take(n) {
            points.extend(columns.map(|c| row[c]));
        }
        compact.push(points.len() / 2);
    }
    let found = k_nearest(&points, 2, &compact, k);
    let mut edges = Edges::with_rows(rows.segments.rows());
    for (b, &n) in rows.real.iter().enumerate() {
        for i in 0..starts[b + 1] - starts[b] {
            if i < n {
                let row = compact[b] + i;
                edges.sources.extend(loops.then_some((starts[b] + i) as u32));
                let others = &found.sources[found.offsets[row]..found.offsets[row + 1]];
                edges
                    .sources
                    .extend(others.iter().map(|&j| (j as usize - compact[b] + starts[b]) as u32));
            }
            edges.end_row();
        }
    }
    edges
}

fn grid(rows: &Rows, height: usize, width: usize, loops: bool) -> Edges {
    let mut edges = Edges::with_rows(rows.segments.rows());
    for &start in &rows.segments.offsets()[..rows.segments.len()] {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for near_y in y.saturating_sub(1)..(y + 2).min(height) {
                for near_x in x.saturating_sub(1)..(x + 2).min(width) {
                    if loops || (near_y, near_x) != (y, x) {
                        edges.sources.push((start + near_y * width + near_x) as u32);
                    }
                }
            }
            edges.end_row();
        }
    }
    edges
}

fn decays(tagger: &'static str, rows: &Rows, mothers: &[f32], loops: bool) -> Result<Edges, TaggerError> {
    let mut edges = Edges::with_rows(rows.segments.rows());
    for (b, span) in rows.segments.offsets().windows(2).enumerate() {
        for (i, &mother) in (span[0]..span[1]).zip(&mothers[span[0]..span[1]]) {
            // Padding is filled with zeros, which is a row number.
            if i - span[0] < rows.real[b] && (mother >= 0.0 || mother.is_nan()) {
                let known = mother < (span[1] - span[0]) as f32 && mother.fract() == 0.0;
                if !known {
                    return Err(TaggerError::View {
                        tagger,
                        expected: "in the last column the row number of a particle's mother, or -1",
                        found: format!("{mother} in an example of {} rows", span[1] - span[0]),
                    });
                }
                edges.sources.push((span[0] + mother as usize) as u32);
                edges.sources.extend(loops.then_some(i as u32));
            }
            edges.end_row();
        }
    }
    Ok(edges.symmetric(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_nn::Segments;

    fn rows(width: usize, values: Vec<f32>, offsets: Vec<usize>) -> Rows {
        Rows {
            width,
            values,
            real: offsets.windows(2).map(|o| o[1] - o[0]).collect(),
            segments: Segments::new(offsets).unwrap(),
        }
    }

    fn entries(matrix: &SparseMatrix) -> Vec<(usize, usize, f32)> {
        let mut all: Vec<_> = matrix.iter().collect();
        all.sort_by_key(|&(i, j, _)| (i, j));
        all
    }

    /// The numbers of non-zeros of the original's matrices for 9 x 9, 20 x 20 and 24 x 24 pixels.
    #[test]
    fn grids_have_the_edges_of_the_original() {
        for (side, edges) in [(9, 544), (20, 2964), (24, 4324)] {
            let graph = Graph::Grid {
                height: side,
                width: side,
            };
            let pixels = side * side;
            let two = rows(1, vec![0.0; 2 * pixels], vec![0, pixels, 2 * pixels]);
            let matrix = graph.adjacency("x", &two, &[]).unwrap();
            assert_eq!(matrix.entries(), 2 * edges);
            // Neighbors are at a distance of at most one in both directions, and another pixel of the same picture.
            for (i, j, value) in matrix.iter() {
                let place = |p: usize| [p % pixels / side, p % side];
                let apart = (0..2).map(|d| place(i)[d].abs_diff(place(j)[d])).max().unwrap();
                assert!((i / pixels, value) == (j / pixels, 1.0) && (side * side == pixels) && apart == 1);
            }
        }
        let wrong = Graph::Grid { height: 2, width: 2 }.adjacency("x", &rows(1, vec![0.0; 3], vec![0, 3]), &[]);
        assert!(wrong.is_err());
    }

    /// Points at 0, 1 and 3 on a line, k = 1: 0 and 1 look at each other, 3 looks at 1. In the original's transposed
    /// matrix row 1 has those that look at it, 0 and 3, and itself; nobody looks at 3.
    #[test]
    fn a_constituent_takes_from_those_that_look_at_it() {
        let line = rows(2, vec![0.0, 0.0, 1.0, 0.0, 3.0, 0.0, 9.0, 9.0], vec![0, 3, 3, 4]);
        let graph = Graph::Nearest { k: 1, columns: [0, 1] };
        let matrix = graph.adjacency("x", &line, &[]).unwrap();
        let expected = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2), (3, 3)];
        assert_eq!(entries(&matrix), expected.map(|(i, j)| (i, j, 1.0)));
        // Padded, the same edges, and none at the padding.
        let padded = line.clone().padded(4).unwrap();
        let matrix = graph.adjacency("x", &padded, &[]).unwrap();
        let place = |i: usize| if i == 3 { 8 } else { i };
        assert_eq!(entries(&matrix), expected.map(|(i, j)| (place(i), place(j), 1.0)));
    }

    /// Rows 1 and 2 are daughters of 0, row 3 of 1; row 0 and the unrelated row 4 have no mother.
    #[test]
    fn a_decay_connects_mothers_and_daughters_both_ways() {
        let event = rows(1, vec![0.0; 5], vec![0, 5]);
        let mothers = [-1.0, 0.0, 0.0, 1.0, -1.0];
        let matrix = Graph::Mothers.adjacency("x", &event, &mothers).unwrap();
        let expected = [(0, 1), (0, 2), (1, 0), (1, 1), (1, 3), (2, 0), (2, 2), (3, 1), (3, 3)];
        assert_eq!(entries(&matrix), expected.map(|(i, j)| (i, j, 1.0)));
        for bad in [5.0, 0.5, f32::NAN] {
            let error = Graph::Mothers
                .adjacency("x", &event, &[-1.0, bad, -1.0, -1.0, -1.0])
                .unwrap_err();
            assert!(error.to_string().contains("mother"), "{error}");
        }
    }

    /// Degrees with loops: 3 for row 1, 2 for rows 0 and 2. Kipf, Welling, arXiv:1609.02907: 1 / sqrt(D_i D_j).
    #[test]
    fn a_normalized_matrix_divides_by_the_roots_of_both_degrees() {
        let line = rows(2, vec![0.0, 0.0, 1.0, 0.0, 3.0, 0.0], vec![0, 3]);
        let graph = Graph::Nearest { k: 1, columns: [0, 1] };
        let matrix = graph.normalized("x", &line, &[], true, 1.0, |_, _| 1.0).unwrap();
        let expected = [
            ((0, 0), 0.5),
            ((0, 1), 0.408_248_3),
            ((1, 0), 0.408_248_3),
            ((1, 1), 0.333_333_3),
            ((1, 2), 0.408_248_3),
            ((2, 1), 0.408_248_3),
            ((2, 2), 0.5),
        ];
        assert_eq!(matrix.entries(), expected.len());
        for ((i, j, value), (place, expected)) in entries(&matrix).into_iter().zip(expected) {
            assert!((i, j) == place && (value - expected).abs() < 1e-6, "{i} {j} {value}");
        }
        // Without loops and with weights of 2 the weights drop out; a lone node has no edge.
        let lone = rows(2, vec![0.0; 2], vec![0, 1]);
        assert_eq!(
            graph
                .normalized("x", &lone, &[], false, 1.0, |_, _| 2.0)
                .unwrap()
                .entries(),
            0
        );
    }
}
