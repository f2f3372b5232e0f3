//! How work is cut: by the data alone, so that sums are added in the same order on any number of threads.

use rayon::prelude::*;
use std::ops::Range;

/// Rows a tile aims at: 256 rows of 256 channels in f32 fill a quarter of a megabyte, which stays in an L2 cache.
pub const TILE_ROWS: usize = 256;

/// Most groups a partition has: each owns a gradient buffer, and more groups than cores only cost sums.
pub const MAX_GROUPS: usize = 16;

/// Cuts `0..n` into at most `groups` ranges of equal length (the last may be shorter).
pub fn even(n: usize, groups: usize) -> Vec<Range<usize>> {
    let step = n.div_ceil(groups.max(1)).max(1);
    (0..n).step_by(step).map(|start| start..(start + step).min(n)).collect()
}

/// Cuts the segments of `offsets` into consecutive runs of about `target` rows each; a run holds at least one segment.
pub fn by_rows(offsets: &[usize], target: usize) -> Vec<Range<usize>> {
    let segments = offsets.len().saturating_sub(1);
    let mut runs = Vec::new();
    let mut start = 0;
    while start < segments {
        let mut end = start + 1;
        while end < segments && offsets[end + 1] - offsets[start] <= target {
            end += 1;
        }
        runs.push(start..end);
        start = end;
    }
    runs
}

/// Number of groups for `n` items when one group should hold at least `least`: a power of two, at most [`MAX_GROUPS`].
pub fn group_count(n: usize, least: usize) -> usize {
    (n / least.max(1)).max(1).next_power_of_two().min(MAX_GROUPS)
}

/// Runs `f` on each task in parallel and returns the results in order.
pub fn run<T: Send, R: Send>(tasks: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    if tasks.len() <= 1 || rayon::current_num_threads() == 1 {
        tasks.into_iter().map(f).collect()
    } else {
        tasks.into_par_iter().with_max_len(1).map(f).collect()
    }
}

/// Cuts `data` into consecutive mutable pieces of the given lengths.
///
/// # Panics
/// If the lengths exceed the data: a bug in the caller's partition.
pub fn split_mut(mut data: &mut [f32], lengths: impl IntoIterator<Item = usize>) -> Vec<&mut [f32]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = std::mem::take(&mut data).split_at_mut(length);
        pieces.push(piece);
        data = rest;
    }
    pieces
}

/// Adds partial sums in their order, in parallel over positions: `target[i] = sum_g parts[g][i]`.
pub fn sum_in_order<B: std::ops::Deref<Target = [f32]> + Sync>(target: &mut [f32], parts: &[B]) {
    let pieces: Vec<(usize, &mut [f32])> = target.chunks_mut(8192).enumerate().collect();
    run(pieces, |(index, piece)| {
        let start = index * 8192;
        super::simd::dispatch(
            #[inline(always)]
            || {
                piece.fill(0.0);
                for part in parts {
                    for (t, p) in piece.iter_mut().zip(&part[start..]) {
                        *t += p;
                    }
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_rows_cover_every_segment_once() {
        let offsets = [0, 10, 10, 300, 310, 320, 900];
        let runs = by_rows(&offsets, 256);
        let covered: Vec<usize> = runs.iter().cloned().flatten().collect();
        assert_eq!(covered, (0..6).collect::<Vec<_>>());
        assert!(
            runs.iter()
                .all(|r| r.len() == 1 || offsets[r.end] - offsets[r.start] <= 256)
        );
    }

    #[test]
    fn even_cuts_cover_and_an_empty_range_gives_none() {
        assert_eq!(even(10, 4), vec![0..3, 3..6, 6..9, 9..10]);
        assert!(even(0, 4).is_empty());
    }
}
