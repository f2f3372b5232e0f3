//! Sum, mean and maximum over each jet's rows.

use super::{partition, simd};

/// What is taken over the rows of a jet. An empty jet gives zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The sum.
    Sum,
    /// The sum divided by the true number of rows.
    Mean,
    /// The largest value a channel; the first row wins a tie.
    Max,
}

/// `x: [R, C]` to `[B, C]`; for the maximum also the winning row of each entry, `[B, C]`.
pub fn forward(x: &[f32], c: usize, offsets: &[usize], reduction: Reduction) -> (Vec<f32>, Vec<usize>) {
    let segments = offsets.len() - 1;
    let mut out = vec![0.0f32; segments * c];
    let mut winners = vec![usize::MAX; if reduction == Reduction::Max { segments * c } else { 0 }];
    if reduction == Reduction::Max {
        for (s, (out, win)) in out.chunks_exact_mut(c).zip(winners.chunks_exact_mut(c)).enumerate() {
            for r in offsets[s]..offsets[s + 1] {
                for (j, &v) in x[r * c..][..c].iter().enumerate() {
                    if win[j] == usize::MAX || v > out[j] {
                        (out[j], win[j]) = (v, r);
                    }
                }
            }
        }
        return (out, winners);
    }
    let pieces: Vec<_> = out.chunks_mut(64 * c).enumerate().collect();
    partition::run(pieces, |(index, piece)| {
        simd::dispatch(
            #[inline(always)]
            || {
                for (k, out) in piece.chunks_exact_mut(c).enumerate() {
                    let rows = offsets[index * 64 + k]..offsets[index * 64 + k + 1];
                    for x in x[rows.start * c..rows.end * c].chunks_exact(c) {
                        for (o, x) in out.iter_mut().zip(x) {
                            *o += x;
                        }
                    }
                    if reduction == Reduction::Mean && !rows.is_empty() {
                        let scale = 1.0 / rows.len() as f32;
                        out.iter_mut().for_each(|o| *o *= scale);
                    }
                }
            },
        );
    });
    (out, winners)
}

/// The gradient of [`forward`] with respect to `x`, `[R, C]`.
pub fn backward(d_out: &[f32], c: usize, offsets: &[usize], reduction: Reduction, winners: &[usize]) -> Vec<f32> {
    let rows = offsets[offsets.len() - 1];
    let mut d_x = vec![0.0; rows * c];
    if reduction == Reduction::Max {
        for (i, &row) in winners.iter().enumerate() {
            if row != usize::MAX {
                d_x[row * c + i % c] += d_out[i];
            }
        }
        return d_x;
    }
    for (segment, d) in d_out.chunks_exact(c).enumerate() {
        let range = offsets[segment]..offsets[segment + 1];
        let scale = match reduction {
            Reduction::Mean => 1.0 / range.len().max(1) as f32,
            _ => 1.0,
        };
        for row in d_x[range.start * c..range.end * c].chunks_exact_mut(c) {
            for (x, d) in row.iter_mut().zip(d) {
                *x = scale * d;
            }
        }
    }
    d_x
}
