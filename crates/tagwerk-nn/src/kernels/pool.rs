//! Largest value of each window of a picture, stored pixel by pixel as in [`super::conv`].

use super::partition;
use super::simd;

/// Sizes of a pooling; windows do not overlap the border and what does not fill a window is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSpec {
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of a window.
    pub window: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Rows and columns added on either side; they never win.
    pub padding: [usize; 2],
}

impl PoolSpec {
    /// Height and width of the output; 0 where the window is larger than the padded input.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|d| {
            let padded = self.input[d] + 2 * self.padding[d];
            match padded.checked_sub(self.window[d]) {
                Some(rest) => rest / self.stride[d] + 1,
                None => 0,
            }
        })
    }

    /// Input pixels under the window of output pixel (`oy`, `ox`), in order.
    fn pixels(&self, oy: usize, ox: usize) -> impl Iterator<Item = usize> + '_ {
        let [h, w] = self.input;
        (0..self.window[0]).flat_map(move |ky| {
            (0..self.window[1]).filter_map(move |kx| {
                let y = (oy * self.stride[0] + ky)
                    .checked_sub(self.padding[0])
                    .filter(|&y| y < h)?;
                let x = (ox * self.stride[1] + kx)
                    .checked_sub(self.padding[1])
                    .filter(|&x| x < w)?;
                Some(y * w + x)
            })
        })
    }
}

/// `x: [B H W, C]` to `[B H' W', C]`, and the input pixel (within its picture) that won each value. Of equals the first
/// wins; no number wins over numbers, so that it stays visible.
pub fn forward(spec: &PoolSpec, x: &[f32], c: usize) -> (Vec<f32>, Vec<u32>) {
    let [oh, ow] = spec.output();
    let (inputs, outputs) = (spec.input[0] * spec.input[1] * c, oh * ow * c);
    let pictures = x.len() / inputs.max(1);
    let mut y = vec![f32::NEG_INFINITY; pictures * outputs];
    let mut winners = vec![0u32; pictures * outputs];
    if outputs == 0 {
        return (y, winners);
    }
    let tasks: Vec<_> = y
        .chunks_mut(outputs)
        .zip(winners.chunks_mut(outputs))
        .zip(x.chunks(inputs))
        .collect();
    partition::run(tasks, |((y, winners), x)| {
        simd::dispatch(
            #[inline(always)]
            || {
                for (pixel, (y, winners)) in y.chunks_exact_mut(c).zip(winners.chunks_exact_mut(c)).enumerate() {
                    for source in spec.pixels(pixel / ow, pixel % ow) {
                        let x = &x[source * c..][..c];
                        for ((y, w), &x) in y.iter_mut().zip(winners.iter_mut()).zip(x) {
                            let wins = x > *y || x.is_nan();
                            *w = if wins { source as u32 } else { *w };
                            *y = if wins { x } else { *y };
                        }
                    }
                }
            },
        );
    });
    (y, winners)
}

/// The gradient of [`forward`]: a value's gradient goes to the pixel that won it.
pub fn backward(spec: &PoolSpec, winners: &[u32], d_y: &[f32], c: usize) -> Vec<f32> {
    let [oh, ow] = spec.output();
    let (inputs, outputs) = (spec.input[0] * spec.input[1] * c, oh * ow * c);
    let pictures = d_y.len() / outputs.max(1);
    let mut d_x = vec![0.0; pictures * inputs];
    if outputs == 0 {
        return d_x;
    }
    let tasks: Vec<_> = d_x
        .chunks_mut(inputs)
        .zip(winners.chunks(outputs).zip(d_y.chunks(outputs)))
        .collect();
    partition::run(tasks, |(d_x, (winners, d_y))| {
        for (w, d) in winners.chunks_exact(c).zip(d_y.chunks_exact(c)) {
            for (i, (w, d)) in w.iter().zip(d).enumerate() {
                d_x[*w as usize * c + i] += d;
            }
        }
    });
    d_x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_of_each_window_and_its_gradient() {
        let spec = PoolSpec {
            input: [3, 4],
            window: [2, 2],
            stride: [2, 2],
            padding: [0, 0],
        };
        let x: Vec<f32> = vec![1.0, 5.0, 2.0, 2.0, 3.0, 4.0, 2.0, 8.0, 9.0, 9.0, 9.0, 9.0];
        let (y, winners) = forward(&spec, &x, 1);
        assert_eq!((y, winners.clone()), (vec![5.0, 8.0], vec![1, 7]));
        let mut expected = vec![0.0; 12];
        (expected[1], expected[7]) = (10.0, 20.0);
        assert_eq!(backward(&spec, &winners, &[10.0, 20.0], 1), expected);
    }

    #[test]
    fn padding_never_wins_and_overlapping_windows_share_their_gradient() {
        let spec = PoolSpec {
            input: [1, 3],
            window: [1, 3],
            stride: [1, 1],
            padding: [0, 1],
        };
        let (y, winners) = forward(&spec, &[-3.0, -1.0, -2.0], 1);
        assert_eq!(y, [-1.0, -1.0, -1.0]);
        assert_eq!(backward(&spec, &winners, &[1.0, 2.0, 4.0], 1), [0.0, 7.0, 0.0]);
    }
}
