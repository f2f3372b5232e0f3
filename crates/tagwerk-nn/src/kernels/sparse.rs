//! Products with a sparse matrix whose entries are not learned: gathering rows, sums over neighbors, graph Laplacians.
//!
//! `y = A x` for `A: [E, R]` in compressed rows. Taking rows by index is a matrix with a single one in each row; a sum
//! over neighbors has ones where an edge is. The gradient is the product with the transpose, which is made once when
//! the matrix is, so that forward and backward pass share rows among threads and add in a fixed order.

use super::partition;
use super::simd;

/// A sparse matrix and its transpose, `[rows, columns]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseMatrix {
    forward: Compressed,
    transpose: Compressed,
}

/// Compressed rows.
#[derive(Debug, Clone, PartialEq)]
struct Compressed {
    /// `[rows + 1]`.
    offsets: Vec<u32>,
    /// Column of each entry.
    columns: Vec<u32>,
    /// Value of each entry; all one if empty.
    values: Vec<f32>,
}

impl SparseMatrix {
    /// From row offsets `[rows + 1]`, the column of each entry, and its value (all one if absent).
    ///
    /// `None` if the offsets fall or do not cover the entries, a column is `columns` or more, or a size exceeds 2^32.
    pub fn new(offsets: &[usize], entries: Vec<u32>, values: Option<Vec<f32>>, columns: usize) -> Option<Self> {
        let covered = offsets.first() == Some(&0)
            && offsets.last() == Some(&entries.len())
            && offsets.windows(2).all(|w| w[0] <= w[1])
            && values.as_ref().is_none_or(|v| v.len() == entries.len());
        if !covered || u32::try_from(entries.len()).is_err() || u32::try_from(columns).is_err() {
            return None;
        }
        let forward = Compressed {
            offsets: offsets.iter().map(|&o| o as u32).collect(),
            columns: entries,
            values: values.unwrap_or_default(),
        };
        let transpose = forward.transpose(columns)?;
        Some(Self { forward, transpose })
    }

    /// The matrix that takes the given rows out of `rows`: `y_e = x_{index(e)}`.
    ///
    /// `None` if a row lies outside.
    pub fn selection(index: Vec<u32>, rows: usize) -> Option<Self> {
        let offsets: Vec<usize> = (0..=index.len()).collect();
        Self::new(&offsets, index, None, rows)
    }

    /// The matrix whose rows are this one's columns.
    pub fn transposed(self) -> Self {
        Self {
            forward: self.transpose,
            transpose: self.forward,
        }
    }

    /// Rows of the result.
    pub fn rows(&self) -> usize {
        self.forward.offsets.len() - 1
    }

    /// Rows of what it is applied to.
    pub fn columns(&self) -> usize {
        self.transpose.offsets.len() - 1
    }

    /// Number of entries.
    pub fn entries(&self) -> usize {
        self.forward.columns.len()
    }

    /// (row, column, value) of each entry, by rows.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, f32)> + '_ {
        let m = &self.forward;
        (0..self.rows()).flat_map(move |r| {
            (m.offsets[r] as usize..m.offsets[r + 1] as usize)
                .map(move |e| (r, m.columns[e] as usize, m.values.get(e).copied().unwrap_or(1.0)))
        })
    }
}

impl Compressed {
    fn transpose(&self, columns: usize) -> Option<Self> {
        let mut offsets = vec![0u32; columns + 1];
        for &c in &self.columns {
            *offsets.get_mut(c as usize + 1)? += 1;
        }
        for c in 0..columns {
            offsets[c + 1] += offsets[c];
        }
        let mut next = offsets.clone();
        let mut rows = vec![0u32; self.columns.len()];
        let mut values = vec![0.0; self.values.len()];
        for r in 0..self.offsets.len() - 1 {
            for e in self.offsets[r] as usize..self.offsets[r + 1] as usize {
                let slot = &mut next[self.columns[e] as usize];
                rows[*slot as usize] = r as u32;
                if let Some(value) = values.get_mut(*slot as usize) {
                    *value = self.values[e];
                }
                *slot += 1;
            }
        }
        Some(Self {
            offsets,
            columns: rows,
            values,
        })
    }

    fn apply(&self, x: &[f32], c: usize) -> Vec<f32> {
        let mut y = vec![0.0; (self.offsets.len() - 1) * c];
        let tasks: Vec<_> = y.chunks_mut((PIECE * c).max(1)).enumerate().collect();
        partition::run(tasks, |(piece, y)| {
            simd::dispatch(
                #[inline(always)]
                || {
                    for (i, y) in y.chunks_exact_mut(c).enumerate() {
                        let row = piece * PIECE + i;
                        let entries = self.offsets[row] as usize..self.offsets[row + 1] as usize;
                        let source = |e: usize| &x[self.columns[e] as usize * c..][..c];
                        if self.values.is_empty() {
                            match entries.len() {
                                1 => y.copy_from_slice(source(entries.start)),
                                _ => {
                                    for e in entries {
                                        y.iter_mut().zip(source(e)).for_each(|(y, x)| *y += x);
                                    }
                                }
                            }
                        } else {
                            for e in entries {
                                let value = self.values[e];
                                y.iter_mut().zip(source(e)).for_each(|(y, x)| *y += value * x);
                            }
                        }
                    }
                },
            );
        });
        y
    }
}

/// Rows a task: enough to be worth a thread's while.
const PIECE: usize = 512;

/// `A x`: `x: [columns, C]` to `[rows, C]`.
pub fn forward(matrix: &SparseMatrix, x: &[f32], c: usize) -> Vec<f32> {
    matrix.forward.apply(x, c)
}

/// The gradient of [`forward`], `A^T d_y`.
pub fn backward(matrix: &SparseMatrix, d_y: &[f32], c: usize) -> Vec<f32> {
    matrix.transpose.apply(d_y, c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_of_rows_taken_twice_add_and_of_rows_not_taken_vanish() {
        let rows = SparseMatrix::selection(vec![2, 0, 2], 3).unwrap();
        let y = forward(&rows, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2);
        assert_eq!(y, [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        let d = backward(&rows, &[1.0, 1.0, 10.0, 10.0, 100.0, 100.0], 2);
        assert_eq!(d, [10.0, 10.0, 0.0, 0.0, 101.0, 101.0]);
    }

    #[test]
    fn a_weighted_matrix_and_its_transpose_are_adjoint() {
        let matrix = SparseMatrix::new(&[0, 2, 2, 3], vec![1, 3, 0], Some(vec![0.5, -2.0, 4.0]), 4).unwrap();
        let (x, d) = ([1.0, 2.0, 3.0, 4.0], [7.0, 11.0, 13.0]);
        let y = forward(&matrix, &x, 1);
        assert_eq!(y, [1.0 - 8.0, 0.0, 4.0]);
        let left: f32 = y.iter().zip(&d).map(|(a, b)| a * b).sum();
        let right: f32 = backward(&matrix, &d, 1).iter().zip(&x).map(|(a, b)| a * b).sum();
        assert_eq!(left, right);
        assert_eq!(forward(&matrix.clone().transposed(), &d, 1), backward(&matrix, &d, 1));
    }

    #[test]
    fn what_is_no_matrix_is_refused() {
        assert!(SparseMatrix::selection(vec![3], 3).is_none());
        assert!(SparseMatrix::new(&[0, 2], vec![0], None, 3).is_none());
        assert!(SparseMatrix::new(&[0, 1], vec![0], Some(vec![]), 3).is_none());
    }
}
