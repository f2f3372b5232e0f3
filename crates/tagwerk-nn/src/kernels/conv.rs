//! Convolutions over pictures and sequences, stored pixel by pixel.
//!
//! A picture of `H x W` pixels and `C` channels is `H W` rows of `C`, so that a batch is a matrix `[B H W, C]`: dense
//! layers (convolutions of one pixel) and batch normalization apply to it as to constituents. A sequence is a picture of
//! height 1. A tile of output pixels gathers its patches `[T, K]`, `K = kernel height x width x C_in`, and one matrix
//! product with the weight `[K, C_out]` gives its rows; bias and ReLU follow while the tile is in cache. Patches are
//! gathered again in the backward pass instead of being kept: they are `K / C_in` times the input.

use super::gemm::{Mat, affine, matmul, transpose, weight_gradient};
use super::partition::{self, TILE_ROWS};
use super::simd;
use super::workspace::Workspace;
use std::ops::Range;

/// Sizes of a convolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvSpec {
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step between output pixels.
    pub stride: [usize; 2],
    /// Rows and columns of zeros added on either side.
    pub padding: [usize; 2],
    /// Whether a bias is added.
    pub bias: bool,
    /// Whether a ReLU follows.
    pub relu: bool,
}

impl ConvSpec {
    /// Height and width of the output; 0 where the kernel is larger than the padded input.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|d| {
            let padded = self.input[d] + 2 * self.padding[d];
            match padded.checked_sub(self.kernel[d]) {
                Some(rest) => rest / self.stride[d] + 1,
                None => 0,
            }
        })
    }

    /// Input pixels a picture.
    pub fn input_pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Output pixels a picture.
    pub fn output_pixels(&self) -> usize {
        let [h, w] = self.output();
        h * w
    }

    /// Values of a patch, `K`.
    pub fn patch(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.c_in
    }

    /// Where the weight `[kernel height, kernel width, C_in, C_out]` lies; a bias follows.
    pub fn weight(&self) -> Range<usize> {
        0..self.patch() * self.c_out
    }

    /// Where the bias lies.
    pub fn bias_range(&self) -> Range<usize> {
        let end = self.weight().end;
        end..end + if self.bias { self.c_out } else { 0 }
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.bias_range().end
    }

    /// Multiply-adds a picture, forward, padding included.
    pub fn multiply_adds(&self) -> usize {
        self.output_pixels() * self.patch() * self.c_out
    }

    /// The input pixels under kernel row `ky` of output pixel (`oy`, `ox`) of one picture: first input pixel, and the
    /// columns of the kernel that fall inside.
    #[inline(always)]
    fn span(&self, oy: usize, ox: usize, ky: usize) -> Option<(usize, Range<usize>)> {
        let y = (oy * self.stride[0] + ky).checked_sub(self.padding[0])?;
        if y >= self.input[0] {
            return None;
        }
        let left = ox * self.stride[1];
        let first = self.padding[1].saturating_sub(left);
        let last = (self.input[1] + self.padding[1])
            .saturating_sub(left)
            .min(self.kernel[1]);
        (first < last).then(|| (y * self.input[1] + left + first - self.padding[1], first..last))
    }
}

/// Output pixels of a run of pictures, cut into tiles.
fn tiles(spec: &ConvSpec, pictures: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let pixels = spec.output_pixels();
    let (start, end) = (pictures.start * pixels, pictures.end * pixels);
    (start..end)
        .step_by(TILE_ROWS)
        .map(move |t| t..(t + TILE_ROWS).min(end))
}

/// Calls `f(row of the tile, offset in the patch, first input value, values)` for every contiguous run of input values
/// under the patches of a tile.
#[inline(always)]
fn for_runs(spec: &ConvSpec, tile: &Range<usize>, mut f: impl FnMut(usize, usize, usize, usize)) {
    let (pixels, width, c) = (spec.output_pixels(), spec.output()[1], spec.c_in);
    let (mut picture, mut pixel) = (tile.start / pixels, tile.start % pixels);
    let (mut oy, mut ox) = (pixel / width, pixel % width);
    for row in 0..tile.len() {
        for ky in 0..spec.kernel[0] {
            if let Some((first, columns)) = spec.span(oy, ox, ky) {
                let at = (ky * spec.kernel[1] + columns.start) * c;
                f(row, at, (picture * spec.input_pixels() + first) * c, columns.len() * c);
            }
        }
        pixel += 1;
        ox += 1;
        if ox == width {
            (ox, oy) = (0, oy + 1);
        }
        if pixel == pixels {
            (picture, pixel, oy, ox) = (picture + 1, 0, 0, 0);
        }
    }
}

/// Gathers the patches of a tile, `[T, K]`; what lies in the padding is zero.
#[inline(always)]
fn gather(spec: &ConvSpec, x: &[f32], tile: &Range<usize>, patches: &mut [f32]) {
    let k = spec.patch();
    if spec.padding != [0, 0] {
        patches[..tile.len() * k].fill(0.0);
    }
    for_runs(spec, tile, |row, at, from, n| {
        patches[row * k + at..][..n].copy_from_slice(&x[from..from + n]);
    });
}

/// Runs the convolution: `x: [B H W, C_in]` to `[B H' W', C_out]`.
pub fn forward(spec: &ConvSpec, parameters: &[f32], x: &[f32], workspace: &Workspace) -> Vec<f32> {
    let (pixels, c_out, k) = (spec.output_pixels(), spec.c_out, spec.patch());
    let pictures = x.len() / (spec.input_pixels() * spec.c_in);
    let mut y = vec![0.0; pictures * pixels * c_out];
    let tasks: Vec<_> = tiles(spec, &(0..pictures))
        .zip(y.chunks_mut(TILE_ROWS * c_out))
        .collect();
    let zeros;
    let bias = if spec.bias {
        &parameters[spec.bias_range()]
    } else {
        zeros = vec![0.0; c_out];
        &zeros[..]
    };
    partition::run(tasks, |(tile, y)| {
        let mut patches = workspace.take(tile.len() * k);
        simd::dispatch(
            #[inline(always)]
            || {
                gather(spec, x, &tile, &mut patches);
                let weight = &parameters[spec.weight()];
                affine(y, &patches, weight, bias, spec.relu, tile.len(), k, c_out);
            },
        );
    });
    y
}

/// The gradients of [`forward`]: of the packed parameters, and of `x` if `input_gradient`. `y` is what it returned.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    spec: &ConvSpec,
    parameters: &[f32],
    x: &[f32],
    y: &[f32],
    d_y: &[f32],
    input_gradient: bool,
    workspace: &Workspace,
) -> (Vec<f32>, Option<Vec<f32>>) {
    let (pixels, c_out, k) = (spec.output_pixels(), spec.c_out, spec.patch());
    let picture = spec.input_pixels() * spec.c_in;
    let pictures = x.len() / picture;
    let mut d_x = vec![0.0; if input_gradient { x.len() } else { 0 }];
    let groups = partition::even(pictures, partition::group_count(pictures, 1));
    let pieces = partition::split_mut(
        &mut d_x,
        groups
            .iter()
            .map(|g| if input_gradient { g.len() * picture } else { 0 }),
    );
    let mut transposed = workspace.take(if input_gradient { k * c_out } else { 0 });
    if input_gradient {
        transpose(&mut transposed, &parameters[spec.weight()], k, c_out);
    }
    let parts = partition::run(
        groups.into_iter().zip(pieces).collect(),
        |(group, d_x): (Range<usize>, &mut [f32])| {
            let longest = TILE_ROWS.min(group.len() * pixels);
            let mut gradient = workspace.zeros(spec.parameter_count());
            let (mut patches, mut d) = (workspace.take(longest * k), workspace.take(longest * c_out));
            let first = group.start * picture;
            for tile in tiles(spec, &group) {
                simd::dispatch(
                    #[inline(always)]
                    || {
                        let n = tile.len();
                        let rows = tile.start * c_out..tile.end * c_out;
                        let d = &mut d[..n * c_out];
                        d.copy_from_slice(&d_y[rows.clone()]);
                        if spec.relu {
                            for (d, y) in d.iter_mut().zip(&y[rows]) {
                                *d = if *y > 0.0 { *d } else { 0.0 };
                            }
                        }
                        if spec.bias {
                            let d_bias = &mut gradient[spec.bias_range()];
                            for d in d.chunks_exact(c_out) {
                                d_bias.iter_mut().zip(d).for_each(|(b, d)| *b += d);
                            }
                        }
                        gather(spec, x, &tile, &mut patches);
                        weight_gradient(&mut gradient[spec.weight()], true, &patches, d, n, k, c_out);
                        if input_gradient {
                            let weight = Mat::new(&transposed, c_out, k);
                            matmul(&mut patches, false, Mat::new(d, n, c_out), weight);
                            for_runs(spec, &tile, |row, at, from, n| {
                                let target = &mut d_x[from - first..from - first + n];
                                for (t, p) in target.iter_mut().zip(&patches[row * k + at..][..n]) {
                                    *t += p;
                                }
                            });
                        }
                    },
                );
            }
            gradient
        },
    );
    let mut gradient = vec![0.0; spec.parameter_count()];
    partition::sum_in_order(&mut gradient, &parts);
    (gradient, input_gradient.then_some(d_x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, salt: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + salt * 104_729) % 1000) as f32 / 500.0 - 1.0)
            .collect()
    }

    /// The definition, six nested loops in f64.
    fn naive(spec: &ConvSpec, parameters: &[f32], x: &[f32]) -> Vec<f64> {
        let [h, w] = spec.output();
        let pictures = x.len() / (spec.input_pixels() * spec.c_in);
        let mut y = Vec::new();
        for b in 0..pictures {
            for (oy, ox) in (0..h).flat_map(|oy| (0..w).map(move |ox| (oy, ox))) {
                for o in 0..spec.c_out {
                    let mut sum = if spec.bias {
                        f64::from(parameters[spec.bias_range()][o])
                    } else {
                        0.0
                    };
                    for (ky, kx) in (0..spec.kernel[0]).flat_map(|ky| (0..spec.kernel[1]).map(move |kx| (ky, kx))) {
                        let iy = (oy * spec.stride[0] + ky) as isize - spec.padding[0] as isize;
                        let ix = (ox * spec.stride[1] + kx) as isize - spec.padding[1] as isize;
                        if iy < 0 || ix < 0 || iy >= spec.input[0] as isize || ix >= spec.input[1] as isize {
                            continue;
                        }
                        let pixel = b * spec.input_pixels() + iy as usize * spec.input[1] + ix as usize;
                        for i in 0..spec.c_in {
                            let weight = parameters[((ky * spec.kernel[1] + kx) * spec.c_in + i) * spec.c_out + o];
                            sum += f64::from(x[pixel * spec.c_in + i]) * f64::from(weight);
                        }
                    }
                    y.push(if spec.relu { sum.max(0.0) } else { sum });
                }
            }
        }
        y
    }

    fn cases() -> Vec<ConvSpec> {
        let base = ConvSpec {
            input: [5, 6],
            c_in: 2,
            c_out: 3,
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1, 1],
            bias: true,
            relu: false,
        };
        vec![
            base.clone(),
            ConvSpec {
                relu: true,
                kernel: [4, 4],
                ..base.clone()
            },
            ConvSpec {
                stride: [2, 2],
                kernel: [3, 2],
                bias: false,
                ..base.clone()
            },
            ConvSpec {
                padding: [0, 0],
                c_in: 9,
                ..base.clone()
            },
            ConvSpec {
                input: [1, 17],
                kernel: [1, 3],
                padding: [0, 1],
                stride: [1, 2],
                ..base.clone()
            },
            ConvSpec {
                input: [2, 2],
                kernel: [7, 7],
                padding: [3, 3],
                stride: [2, 2],
                ..base
            },
        ]
    }

    #[test]
    fn a_convolution_and_its_gradients_equal_their_definition() {
        for spec in cases() {
            let workspace = Workspace::default();
            let x = numbers(3 * spec.input_pixels() * spec.c_in, 1);
            let parameters = numbers(spec.parameter_count(), 2);
            let y = forward(&spec, &parameters, &x, &workspace);
            let expected = naive(&spec, &parameters, &x);
            assert_eq!(y.len(), expected.len());
            for (y, e) in y.iter().zip(&expected) {
                assert!((f64::from(*y) - e).abs() < 1e-4, "{spec:?}");
            }
            // The loss sum(y d) has gradient d: compare with finite differences of the definition, linear away from kinks.
            let d_y = numbers(y.len(), 3);
            let (gradient, d_x) = backward(&spec, &parameters, &x, &y, &d_y, true, &workspace);
            let loss = |parameters: &[f32], x: &[f32]| -> f64 {
                naive(&spec, parameters, x)
                    .iter()
                    .zip(&d_y)
                    .map(|(y, d)| y * f64::from(*d))
                    .sum()
            };
            let step = 1e-3f32;
            let slope = |values: &[f32], i: usize, f: &dyn Fn(&[f32]) -> f64| {
                let (mut up, mut down) = (values.to_vec(), values.to_vec());
                up[i] += step;
                down[i] -= step;
                (f(&up) - f(&down)) / f64::from(up[i] - down[i])
            };
            for i in (0..parameters.len()).step_by(5) {
                let expected = slope(&parameters, i, &|p| loss(p, &x));
                assert!(
                    (f64::from(gradient[i]) - expected).abs() < 2e-2 * (1.0 + expected.abs()),
                    "{spec:?} {i}"
                );
            }
            let d_x = d_x.unwrap();
            for i in (0..x.len()).step_by(7) {
                let expected = slope(&x, i, &|x| loss(&parameters, x));
                assert!(
                    (f64::from(d_x[i]) - expected).abs() < 2e-2 * (1.0 + expected.abs()),
                    "{spec:?} {i}"
                );
            }
        }
    }
}
