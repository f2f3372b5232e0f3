//! A ReLU with learned slopes below zero, one for each channel of each place.
//!
//! He, Zhang, Ren, Sun, arXiv:1502.01852: `y = x` above zero and `a x` below. A place is whatever shares its slopes:
//! all rows, or the rows of the same number within their jet, or the same pixel of all pictures.

use super::partition::{self, TILE_ROWS};
use super::simd;
use super::workspace::Workspace;

/// `x: [R, C]` with slopes `[P, C]` and the place of each row `[R]`, below `P`, to `[R, C]`.
pub fn forward(slopes: &[f32], places: &[u32], x: &[f32], c: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let tasks: Vec<_> = y
        .chunks_mut((TILE_ROWS * c).max(1))
        .zip(x.chunks((TILE_ROWS * c).max(1)).zip(places.chunks(TILE_ROWS)))
        .collect();
    partition::run(tasks, |(y, (x, places))| {
        simd::dispatch(
            #[inline(always)]
            || {
                for ((y, x), &place) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)).zip(places) {
                    let slopes = &slopes[place as usize * c..][..c];
                    for ((y, &x), a) in y.iter_mut().zip(x).zip(slopes) {
                        // NaN takes the second branch and stays NaN.
                        *y = if x > 0.0 { x } else { a * x };
                    }
                }
            },
        );
    });
    y
}

/// The gradients of [`forward`]: of the slopes `[P, C]`, and of `x`.
pub fn backward(
    slopes: &[f32],
    places: &[u32],
    x: &[f32],
    d_y: &[f32],
    c: usize,
    workspace: &Workspace,
) -> (Vec<f32>, Vec<f32>) {
    let rows = places.len();
    let mut d_x = vec![0.0; x.len()];
    let groups = partition::even(rows, partition::group_count(rows, 4 * TILE_ROWS));
    let pieces = partition::split_mut(&mut d_x, groups.iter().map(|g| g.len() * c));
    let parts = partition::run(groups.into_iter().zip(pieces).collect(), |(group, d_x)| {
        let mut gradient = workspace.zeros(slopes.len());
        simd::dispatch(
            #[inline(always)]
            || {
                let span = group.start * c..group.end * c;
                let rows = x[span.clone()].chunks_exact(c).zip(d_y[span].chunks_exact(c));
                for ((d_x, (x, d_y)), &place) in d_x.chunks_exact_mut(c).zip(rows).zip(&places[group]) {
                    let at = place as usize * c;
                    let (slopes, d_slopes) = (&slopes[at..][..c], &mut gradient[at..][..c]);
                    for i in 0..c {
                        let above = x[i] > 0.0;
                        d_x[i] = if above { d_y[i] } else { slopes[i] * d_y[i] };
                        d_slopes[i] += if above { 0.0 } else { x[i] * d_y[i] };
                    }
                }
            },
        );
        gradient
    });
    let mut gradient = vec![0.0; slopes.len()];
    partition::sum_in_order(&mut gradient, &parts);
    (gradient, d_x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_own_slopes() {
        let (slopes, places) = ([0.5, 0.0, -1.0, 2.0], [1, 0, 1]);
        let x = [-1.0, -1.0, -4.0, 3.0, 2.0, -3.0];
        assert_eq!(forward(&slopes, &places, &x, 2), [1.0, -2.0, -2.0, 3.0, 2.0, -6.0]);
        let (d_slopes, d_x) = backward(&slopes, &places, &x, &[1.0; 6], 2, &Workspace::default());
        assert_eq!(d_slopes, [-4.0, 0.0, -1.0, -4.0]);
        assert_eq!(d_x, [-1.0, 2.0, 0.5, 1.0, 1.0, 2.0]);
    }

    #[test]
    fn what_is_no_number_stays_visible_whatever_the_slope() {
        assert!(forward(&[0.0], &[0], &[f32::NAN], 1)[0].is_nan());
        let (d_slopes, _) = backward(&[0.0], &[0], &[f32::NAN], &[1.0], 1, &Workspace::default());
        assert!(d_slopes[0].is_nan());
    }
}
