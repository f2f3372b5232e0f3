//! What the tests of operations share: reproducible inputs, gradients, distances.

use proptest::prelude::*;
use tagwerk_nn::{Device, Segments, Tensor, TensorData};

pub fn device() -> Device {
    Device::flex().autodiff()
}

/// Reproducible values in (-1, 1) without a generator: the fractional parts of a quadratic sequence.
pub fn values(n: usize, salt: u64) -> Vec<f32> {
    (0..n as u64)
        .map(|i| {
            let x = (i + 1) as f64 * 0.754_877_666 + (salt + 1) as f64 * 0.569_840_291 * (i % 17 + 1) as f64;
            (2.0 * x.fract() - 1.0) as f32
        })
        .collect()
}

pub fn matrix(rows: usize, c: usize, salt: u64) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values(rows * c, salt), [rows, c]), &device())
}

pub fn vector(n: usize, salt: u64) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values(n, salt), [n]), &device())
}

pub fn numbers<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// Largest difference relative to the larger of 1 and the largest value.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0f32, |m, (a, b)| {
        assert!(a.is_finite() && b.is_finite(), "{a} {b}");
        m.max((a - b).abs() / scale)
    })
}

/// [`distance`] of all but the two percent of entries that differ most.
///
/// A pre-activation within rounding of zero may fall on either side of its ReLU in the two implementations, which
/// changes a few gradients by their own size: no error of either.
pub fn distance_of_most(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    let mut differences: Vec<f32> = a.iter().zip(b).map(|(a, b)| (a - b).abs() / scale).collect();
    assert!(differences.iter().all(|d| d.is_finite()));
    differences.sort_by(f32::total_cmp);
    differences
        .get(differences.len().saturating_sub(1 + differences.len() / 50))
        .copied()
        .unwrap_or(0.0)
}

/// Value and the gradients with respect to `x` and `p` of `sum(f(x, p) * c)` for fixed random `c`.
pub fn value_and_gradients(
    x: &Tensor<2>,
    p: &Tensor<1>,
    f: impl Fn(Tensor<2>, Tensor<1>) -> Tensor<2>,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let (x, p) = (x.clone().require_grad(), p.clone().require_grad());
    let y = f(x.clone(), p.clone());
    let [rows, c] = y.dims();
    let gradients = (y.clone() * matrix(rows, c, 99)).sum().backward();
    (
        numbers(y),
        x.grad(&gradients).map(numbers).unwrap_or_default(),
        p.grad(&gradients).map(numbers).unwrap_or_default(),
    )
}

pub fn agree(
    x: &Tensor<2>,
    p: &Tensor<1>,
    fused: impl Fn(Tensor<2>, Tensor<1>) -> Tensor<2>,
    plain: impl Fn(Tensor<2>, Tensor<1>) -> Tensor<2>,
    tolerance: f32,
) {
    let (y, dx, dp) = value_and_gradients(x, p, fused);
    let (y0, dx0, dp0) = value_and_gradients(x, p, plain);
    assert!(distance(&y, &y0) < tolerance, "values differ by {}", distance(&y, &y0));
    assert!(
        distance_of_most(&dx, &dx0) < tolerance,
        "input gradients differ by {}",
        distance(&dx, &dx0)
    );
    assert!(
        distance_of_most(&dp, &dp0) < tolerance,
        "parameter gradients differ by {}",
        distance(&dp, &dp0)
    );
}

/// Jets of 0 to 40 rows, at least one row in all.
pub fn segments() -> impl Strategy<Value = Segments> {
    proptest::collection::vec(prop_oneof![Just(0usize), 1..6usize, 6..40usize], 1..14)
        .prop_filter("some rows", |c| c.iter().sum::<usize>() > 1)
        .prop_map(|counts| {
            let mut offsets = vec![0];
            for n in counts {
                offsets.push(offsets[offsets.len() - 1] + n);
            }
            Segments::new(offsets).unwrap()
        })
}

/// Value and gradients of `sum(f(inputs) * c)` for fixed random `c`, with respect to each input.
pub fn with_gradients<const N: usize>(
    inputs: &[Tensor<2>; N],
    f: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) -> (Vec<f32>, [Vec<f32>; N]) {
    let inputs = inputs.clone().map(Tensor::require_grad);
    let y = f(inputs.clone());
    let [rows, c] = y.dims();
    let gradients = (y.clone() * matrix(rows, c, 99)).sum().backward();
    (
        numbers(y),
        inputs.map(|x| x.grad(&gradients).map(numbers).unwrap_or_default()),
    )
}

pub fn assert_near<const N: usize>(a: &(Vec<f32>, [Vec<f32>; N]), b: &(Vec<f32>, [Vec<f32>; N]), what: &str) {
    assert!(distance(&a.0, &b.0) < 1e-5, "value of {what}");
    for (i, (a, b)) in a.1.iter().zip(&b.1).enumerate() {
        assert!(distance(a, b) < 2e-5, "gradient {i} of {what}: {}", distance(a, b));
    }
}

/// Central differences of the fused value, in every `stride`-th entry of each input, against the fused gradients; both
/// could be wrong together with the plain path, these cannot. `kinks`: one in ten may fall on the kink of a maximum.
pub fn assert_slopes<const N: usize>(
    inputs: &[Tensor<2>; N],
    what: &str,
    stride: usize,
    kinks: bool,
    f: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) {
    let (y, gradients) = with_gradients(inputs, &f);
    let weights = values(y.len(), 99);
    let h = 5e-3f32;
    let shifted = |input: usize, at: usize, by: f32| -> f64 {
        let mut inputs = inputs.clone();
        let (shape, mut v) = (inputs[input].dims(), numbers(inputs[input].clone()));
        v[at] += by;
        inputs[input] = Tensor::from_data(TensorData::new(v, shape), &device());
        let y = numbers(f(inputs));
        y.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    for (input, gradient) in gradients.iter().enumerate() {
        let (mut good, mut all) = (0, 0);
        for at in (0..gradient.len()).step_by(stride) {
            let slope = (shifted(input, at, h) - shifted(input, at, -h)) / (2.0 * f64::from(h));
            let error = (f64::from(gradient[at]) - slope).abs();
            // The third derivative times h^2 / 6, and f32 rounding of the values divided by h.
            good += usize::from(error < 2e-3 + 2e-3 * slope.abs());
            all += 1;
        }
        let least = if kinks { all - all / 10 } else { all };
        assert!(
            all > 0 && good >= least,
            "{what}, input {input}: {good} of {all} slopes agree"
        );
    }
}
