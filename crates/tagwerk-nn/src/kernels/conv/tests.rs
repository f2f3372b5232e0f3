//! Convolutions against their definition: six nested loops in f64 over all pixels of all pictures.

use super::*;

fn numbers(n: usize, salt: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919 + salt * 104_729) % 1000) as f32 / 500.0 - 1.0)
        .collect()
}

/// Pictures `[B + 1, P, C]`, the empty one last, of rows `[R + P, C]`.
fn expanded(sites: &Sites, rows: &[f32], c: usize) -> Vec<f32> {
    (0..=sites.len())
        .flat_map(|b| sites.picture(b))
        .flat_map(|&row| &rows[row as usize * c..][..c])
        .copied()
        .collect()
}

fn naive(spec: &ConvSpec, parameters: &[f32], x: &[f32]) -> Vec<f64> {
    let [h, w] = spec.output();
    let Window {
        input,
        size,
        stride,
        padding,
    } = spec.window;
    let pictures = x.len() / (spec.window.input_pixels() * spec.c_in);
    let (share_in, share_out) = (spec.group_inputs(), spec.c_out / spec.groups);
    let mut y = Vec::new();
    for b in 0..pictures {
        for (oy, ox) in (0..h).flat_map(|oy| (0..w).map(move |ox| (oy, ox))) {
            for o in 0..spec.c_out {
                let mut sum = if spec.bias {
                    f64::from(parameters[spec.bias_range()][o])
                } else {
                    0.0
                };
                for (ky, kx) in (0..size[0]).flat_map(|ky| (0..size[1]).map(move |kx| (ky, kx))) {
                    let iy = (oy * stride[0] + ky) as isize - padding[0] as isize;
                    let ix = (ox * stride[1] + kx) as isize - padding[1] as isize;
                    if iy < 0 || ix < 0 || iy >= input[0] as isize || ix >= input[1] as isize {
                        continue;
                    }
                    let pixel = b * spec.window.input_pixels() + iy as usize * input[1] + ix as usize;
                    for i in 0..share_in {
                        let weight = parameters[((ky * size[1] + kx) * share_in + i) * spec.c_out + o];
                        let value = x[pixel * spec.c_in + o / share_out * share_in + i];
                        sum += f64::from(value) * f64::from(weight);
                    }
                }
                y.push(if spec.relu { sum.max(0.0) } else { sum });
            }
        }
    }
    y
}

fn cases() -> Vec<ConvSpec> {
    let spec = |input, size, stride, padding, [c_in, c_out, groups]: [usize; 3], bias, relu| ConvSpec {
        window: Window {
            input,
            size,
            stride,
            padding,
        },
        c_in,
        c_out,
        groups,
        bias,
        relu,
    };
    vec![
        spec([5, 6], [3, 3], [1, 1], [1, 1], [2, 3, 1], true, false),
        spec([5, 6], [4, 4], [1, 1], [1, 1], [2, 3, 1], true, true),
        spec([5, 6], [3, 2], [2, 2], [1, 1], [2, 3, 1], false, false),
        spec([5, 6], [3, 3], [1, 1], [0, 0], [9, 37, 1], true, false),
        spec([1, 17], [1, 3], [1, 2], [0, 1], [8, 32, 1], true, true),
        spec([2, 2], [7, 7], [2, 2], [3, 3], [2, 3, 1], true, false),
        spec([4, 4], [1, 1], [1, 1], [0, 0], [10, 12, 1], true, true),
        spec([4, 4], [1, 1], [2, 2], [0, 0], [10, 12, 1], false, false),
        spec([5, 6], [3, 3], [1, 1], [1, 1], [4, 4, 4], true, false),
        spec([5, 6], [3, 3], [2, 2], [1, 1], [6, 12, 3], true, true),
        spec([5, 6], [3, 3], [1, 1], [1, 1], [32, 32, 4], false, false),
        spec([1, 9], [1, 3], [1, 1], [0, 1], [64, 64, 32], false, false),
    ]
}

/// Some pixels own, one picture without any and one with all.
fn sites(size: [usize; 2]) -> Sites {
    let pixels = size[0] * size[1];
    let marks: Vec<bool> = (0..5 * pixels)
        .map(|i| match i / pixels {
            1 => false,
            2 => true,
            b => (i * i + b) % 5 < 2,
        })
        .collect();
    Sites::new(size, &marks).unwrap()
}

#[test]
fn a_convolution_and_its_gradients_equal_their_definition() {
    for spec in cases() {
        let workspace = Workspace::default();
        let from = sites(spec.window.input);
        let to = from.through(&spec.window).unwrap();
        // A point reads and writes the same rows; elsewhere the output may have more own pixels than the input reaches.
        let to = if spec.window.is_point() || spec.relu {
            to
        } else {
            let marks: Vec<bool> = (0..5)
                .flat_map(|b| {
                    to.picture(b)
                        .iter()
                        .map(|&row| (row as usize) < to.own() || row % 3 == 0)
                })
                .collect();
            Sites::new(spec.output(), &marks).unwrap()
        };
        let grids = Grids { from: &from, to: &to };
        let x = numbers(from.row_count() * spec.c_in, 1);
        let parameters = numbers(spec.parameter_count(), 2);
        let y = forward(&spec, &parameters, &x, grids, &workspace);
        let all = naive(&spec, &parameters, &expanded(&from, &x, spec.c_in));
        let found = expanded(&to, &y, spec.c_out);
        assert_eq!(found.len(), all.len());
        for (y, e) in found.iter().zip(&all) {
            assert!((f64::from(*y) - e).abs() < 1e-4, "{spec:?}: {y} {e}");
        }
        // The loss sum(y d) over rows is linear away from kinks: compare with finite differences of the definition.
        let d_y = numbers(y.len(), 3);
        let (gradient, d_x) = backward(&spec, &parameters, &x, &y, &d_y, grids, true, &workspace);
        let (alone, none) = backward(&spec, &parameters, &x, &y, &d_y, grids, false, &workspace);
        assert!(alone == gradient && none.is_none());
        let loss = |parameters: &[f32], x: &[f32]| -> f64 {
            let y = naive(&spec, parameters, &expanded(&from, x, spec.c_in));
            let mut sum = 0.0;
            for b in 0..=to.len() {
                for (pixel, &row) in to.picture(b).iter().enumerate() {
                    // Once a row: where it is a picture's own, or the empty picture's.
                    if (row as usize) < to.own() || b == to.len() {
                        for o in 0..spec.c_out {
                            let y = y[(b * to.pixels() + pixel) * spec.c_out + o];
                            sum += y * f64::from(d_y[row as usize * spec.c_out + o]);
                        }
                    }
                }
            }
            sum
        };
        let step = 1e-3f32;
        let slope = |values: &[f32], i: usize, f: &dyn Fn(&[f32]) -> f64| {
            let (mut up, mut down) = (values.to_vec(), values.to_vec());
            up[i] += step;
            down[i] -= step;
            (f(&up) - f(&down)) / f64::from(up[i] - down[i])
        };
        let near = |found: f32, expected: f64| (f64::from(found) - expected).abs() < 1e-3 * (1.0 + expected.abs());
        let (mut good, mut count) = (0, 0);
        for i in (0..parameters.len()).step_by(1 + parameters.len() / 40) {
            good += usize::from(near(gradient[i], slope(&parameters, i, &|p| loss(p, &x))));
            count += 1;
        }
        let d_x = d_x.unwrap();
        for i in (0..x.len()).step_by(1 + x.len() / 60) {
            good += usize::from(near(d_x[i], slope(&x, i, &|x| loss(&parameters, x))));
            count += 1;
        }
        // A value within a step of its ReLU's kink has no slope: one in twenty.
        let least = if spec.relu { count - count / 20 } else { count };
        assert!(good >= least, "{good} of {count} slopes agree: {spec:?}");
    }
}

#[test]
#[should_panic(expected = "is not own")]
fn an_output_without_a_pixel_that_it_needs_is_refused() {
    let spec = &cases()[0];
    let from = sites(spec.window.input);
    let to = Sites::new(spec.output(), &[false; 5 * 30]).unwrap();
    let (x, p) = (numbers(from.row_count() * 2, 1), numbers(spec.parameter_count(), 2));
    let grids = Grids { from: &from, to: &to };
    forward(spec, &p, &x, grids, &Workspace::default());
}
