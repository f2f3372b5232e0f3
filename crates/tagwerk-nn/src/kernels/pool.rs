//! Largest value of each window of pictures of which only some pixels are computed; see [`super::sites`].

use super::partition;
use super::simd;
use super::sites::{OUTSIDE, Sites, Window};
use super::workspace::Workspace;

/// `x: [R + P, C]` to `[R' + P', C]`, and the input row that won each value. Padding never wins, of equals the first
/// does; what is no number wins over numbers, so that it stays visible.
///
/// # Panics
/// If the sites are not the window's: a bug in the caller.
pub fn forward(window: &Window, x: &[f32], c: usize, from: &Sites, to: &Sites) -> (Vec<f32>, Vec<u32>) {
    assert_eq!((from.size(), to.size()), (window.input, window.output()));
    let (k, inputs) = (window.places(), window.inputs());
    let mut y = vec![f32::NEG_INFINITY; to.row_count() * c];
    let mut winners = vec![0u32; y.len()];
    let groups = partition::even(to.len() + 1, partition::group_count(to.len() + 1, 1));
    let length = |g: &std::ops::Range<usize>| (to.offsets()[g.end] - to.offsets()[g.start]) * c;
    let (mut y_rest, mut winners_rest) = (&mut y[..], &mut winners[..]);
    let mut tasks = Vec::new();
    for group in groups {
        let (y, rest) = std::mem::take(&mut y_rest).split_at_mut(length(&group));
        let (w, others) = std::mem::take(&mut winners_rest).split_at_mut(length(&group));
        (y_rest, winners_rest) = (rest, others);
        tasks.push((group, y, w));
    }
    partition::run(tasks, |(group, y, winners)| {
        let first = to.offsets()[group.start];
        for b in group {
            let (rows, own) = (from.picture(b), to.offsets()[b]..to.offsets()[b + 1]);
            let place = (own.start - first) * c..(own.end - first) * c;
            let (y, winners) = (&mut y[place.clone()], &mut winners[place]);
            simd::dispatch(
                #[inline(always)]
                || {
                    let outputs = y.chunks_exact_mut(c).zip(winners.chunks_exact_mut(c));
                    for ((y, winners), &pixel) in outputs.zip(&to.pixel_of_row()[own.clone()]) {
                        for &input in inputs[pixel as usize * k..][..k].iter().filter(|i| **i != OUTSIDE) {
                            let row = rows[input as usize];
                            let x = &x[row as usize * c..][..c];
                            for ((y, w), &x) in y.iter_mut().zip(winners.iter_mut()).zip(x) {
                                let wins = x > *y || x.is_nan();
                                *w = if wins { row } else { *w };
                                *y = if wins { x } else { *y };
                            }
                        }
                    }
                },
            );
        }
    });
    (y, winners)
}

/// The gradient of [`forward`]: a value's gradient goes to the row that won it.
pub fn backward(winners: &[u32], d_y: &[f32], c: usize, from: &Sites, to: &Sites, workspace: &Workspace) -> Vec<f32> {
    let mut d_x = vec![0.0; from.row_count() * c];
    let groups = partition::even(to.len() + 1, partition::group_count(to.len() + 1, 1));
    let own = from.own();
    let (d_own, d_empty) = d_x.split_at_mut(own * c);
    let rows = |b: usize| from.offsets()[b].min(own);
    let pieces = partition::split_mut(d_own, groups.iter().map(|g| (rows(g.end) - rows(g.start)) * c));
    // The empty picture's rows are everybody's: each group adds up its own part.
    let parts = partition::run(groups.into_iter().zip(pieces).collect(), |(group, d_own)| {
        let mut d_empty = workspace.zeros(from.pixels() * c);
        let first = rows(group.start);
        let span = to.offsets()[group.start] * c..to.offsets()[group.end] * c;
        for (winners, d) in winners[span.clone()].chunks_exact(c).zip(d_y[span].chunks_exact(c)) {
            for (i, (&row, d)) in winners.iter().zip(d).enumerate() {
                let row = row as usize;
                if row < own {
                    d_own[(row - first) * c + i] += d;
                } else {
                    d_empty[(row - own) * c + i] += d;
                }
            }
        }
        d_empty
    });
    partition::sum_in_order(d_empty, &parts);
    d_x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(input: [usize; 2], size: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Window {
        Window {
            input,
            size,
            stride,
            padding,
        }
    }

    #[test]
    fn the_largest_value_of_each_window_and_its_gradient() {
        let window = window([3, 4], [2, 2], [2, 2], [0, 0]);
        let from = Sites::new([3, 4], &[true; 12]).unwrap();
        let to = from.through(&window).unwrap();
        let mut x: Vec<f32> = vec![1.0, 5.0, 2.0, 2.0, 3.0, 4.0, 2.0, 8.0, 9.0, 9.0, 9.0, 9.0];
        x.extend([0.0; 12]);
        let (y, winners) = forward(&window, &x, 1, &from, &to);
        // The empty picture's pixels are rows 12 and following; of its equal values the first of each window wins.
        assert_eq!((y, winners.clone()), (vec![5.0, 8.0, 0.0, 0.0], vec![1, 7, 12, 14]));
        let mut expected = vec![0.0; 24];
        (expected[1], expected[7], expected[12], expected[14]) = (10.0, 20.0, 30.0, 40.0);
        let d = backward(
            &winners,
            &[10.0, 20.0, 30.0, 40.0],
            1,
            &from,
            &to,
            &Workspace::default(),
        );
        assert_eq!(d, expected);
    }

    #[test]
    fn padding_never_wins_and_overlapping_windows_and_pictures_share_a_gradient() {
        let window = window([1, 3], [1, 3], [1, 1], [0, 1]);
        // Two pictures whose last pixel is their own; the others are the empty picture's.
        let own = [false, false, true, false, false, true];
        let from = Sites::new([1, 3], &own).unwrap();
        let to = from.through(&window).unwrap();
        let x = [-2.0, -2.0, -3.0, -1.0, -5.0];
        let (y, winners) = forward(&window, &x, 1, &from, &to);
        // The pictures' second and third pixel, then the empty picture.
        assert_eq!(y, [-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0]);
        let d = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
        let d = backward(&winners, &d, 1, &from, &to, &Workspace::default());
        assert_eq!(d, [0.0, 0.0, 0.0, 127.0, 0.0]);
    }
}
