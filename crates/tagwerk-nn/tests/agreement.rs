//! Holds the fused CPU kernels and their plain-ops twins together: values and gradients, on random jagged batches with
//! empty jets and jets of fewer than k constituents.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::sync::Arc;
use tagwerk_nn::kernels::chain::ChainSpec;
use tagwerk_nn::kernels::edge::EdgeSpec;
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::ops::{
    self, Activation, AdamStep, AttentionSpec, ConditionSpec, ConvSpec, DropoutMask, PoolSpec, Reduction, SparseMatrix,
    plain,
};
use tagwerk_nn::{Device, Segments, Tensor, TensorData};

#[path = "agreement/lorentz.rs"]
mod lorentz;
#[path = "agreement/tree.rs"]
mod tree;

fn device() -> Device {
    Device::flex().autodiff()
}

/// Reproducible values in (-1, 1) without a generator: the fractional parts of a quadratic sequence.
fn values(n: usize, salt: u64) -> Vec<f32> {
    (0..n as u64)
        .map(|i| {
            let x = (i + 1) as f64 * 0.754_877_666 + (salt + 1) as f64 * 0.569_840_291 * (i % 17 + 1) as f64;
            (2.0 * x.fract() - 1.0) as f32
        })
        .collect()
}

fn matrix(rows: usize, c: usize, salt: u64) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values(rows * c, salt), [rows, c]), &device())
}

fn vector(n: usize, salt: u64) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values(n, salt), [n]), &device())
}

fn numbers<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// Largest difference relative to the larger of 1 and the largest value.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0f32, |m, (a, b)| {
        assert!(a.is_finite() && b.is_finite(), "{a} {b}");
        m.max((a - b).abs() / scale)
    })
}

/// [`distance`] of all but the two percent of entries that differ most.
///
/// A pre-activation within rounding of zero may fall on either side of its ReLU in the two implementations, which changes
/// a few gradients by their own size: no error of either.
fn distance_of_most(a: &[f32], b: &[f32]) -> f32 {
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
fn value_and_gradients(
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

fn agree(
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
fn segments() -> impl Strategy<Value = Segments> {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_agrees_with_plain_ops(rows in 1..700usize, c_in in 1..14usize, last in any::<bool>(), salt in 0..1000u64) {
        let spec = Arc::new(ChainSpec::new(vec![c_in, 20, 9, 5], last));
        let (x, p) = (matrix(rows, c_in, salt), vector(spec.parameter_count(), salt + 1));
        agree(&x, &p, |x, p| ops::chain(x, p, &spec, &Workspace::default()), |x, p| plain::chain(x, p, &spec), 2e-5);
    }

    #[test]
    fn a_conditioning_agrees_with_plain_ops(
        rows in 1..700usize, inputs in 1..4usize, c in 1..40usize, scale in any::<bool>(), shift in any::<bool>(),
        dropped in any::<bool>(), salt in 0..1000u64,
    ) {
        let spec = ConditionSpec { inputs, channels: c, scale: scale || !shift, shift };
        let (x, p) = (matrix(rows, c, salt), vector(spec.parameter_count(), salt + 1));
        let m = Arc::new(values(rows * inputs, salt + 2));
        let kept = values(rows * c, salt + 3).iter().map(|v| u8::from(*v > -0.5)).collect();
        let mask = dropped.then(|| Arc::new(DropoutMask::new(kept, 4.0 / 3.0)));
        let workspace = Workspace::default();
        agree(
            &x,
            &p,
            |x, p| ops::condition(x, p, spec, &m, mask.clone(), &workspace),
            |x, p| plain::condition(x, p, spec, &m, mask.as_deref()),
            2e-5,
        );
    }

    #[test]
    fn weighted_squares_agree_with_plain_ops(n in 1..3000usize, salt in 0..1000u64) {
        let (x, p) = (matrix(1, 1, salt), vector(n, salt + 1));
        let weights = Arc::new(values(n, salt + 2));
        // A matrix of one row, as the comparison wants it; `x` takes no part but has a gradient.
        let row = |y: Tensor<1>, x: Tensor<2>| y.reshape([1, 1]) + x;
        agree(
            &x,
            &p,
            |x, p| row(ops::weighted_squares(p, &weights), x),
            |x, p| row(plain::weighted_squares(p, &weights), x),
            2e-5,
        );
    }

    #[test]
    fn a_summed_chain_agrees_with_plain_ops(segments in segments(), layers in 1..4usize, weighted in any::<bool>(), salt in 0..1000u64) {
        let spec = Arc::new(ChainSpec::new([3, 30, 12, 18][..=layers].to_vec(), true));
        let (x, p) = (matrix(segments.rows(), 3, salt), vector(spec.parameter_count(), salt + 1));
        let weights = weighted.then(|| Arc::new(values(segments.rows(), salt + 2)));
        agree(
            &x,
            &p,
            |x, p| ops::chain_sum(x, p, &spec, &segments, weights.clone(), &Workspace::default()),
            |x, p| plain::chain_sum(x, p, &spec, &segments, weights.as_deref().map(Vec::as_slice)),
            2e-5,
        );
    }

    #[test]
    fn a_segment_reduction_agrees_with_plain_ops(segments in segments(), salt in 0..1000u64) {
        let (x, p) = (matrix(segments.rows(), 7, salt), vector(1, 0));
        for reduction in [Reduction::Sum, Reduction::Mean, Reduction::Max] {
            agree(
                &x,
                &p,
                |x, p| ops::segment_reduce(x, &segments, reduction) * p.unsqueeze::<2>(),
                |x, p| plain::segment_reduce(x, &segments, reduction) * p.unsqueeze::<2>(),
                1e-5,
            );
        }
    }

    #[test]
    fn a_batch_normalization_agrees_with_plain_ops(rows in 2..3000usize, salt in 0..1000u64) {
        let (x, p) = (matrix(rows, 6, salt), vector(12, salt + 1));
        agree(&x, &p, |x, p| ops::batch_norm_training(x, p).0, |x, p| plain::batch_norm_training(x, p).0, 1e-4);
        let (_, fused) = ops::batch_norm_training(x.clone(), p.clone());
        let (_, plain) = plain::batch_norm_training(x, p);
        prop_assert!(distance(&fused.mean, &plain.mean) < 1e-5);
        prop_assert!(distance(&fused.variance, &plain.variance) < 1e-5);
    }

    #[test]
    fn an_edge_convolution_agrees_with_plain_ops(
        // A variance over a handful of edges can be tiny and blows rounding up: thirty rows or more.
        segments in segments().prop_filter("rows for a variance", |s| s.rows() >= 30), layers in 1..4usize, k in 1..9usize, salt in 0..1000u64) {
        let spec = Arc::new(EdgeSpec { input: 5, widths: [16, 16, 12][..layers].to_vec() });
        let (x, p) = (matrix(segments.rows(), 5, salt), vector(spec.parameter_count(), salt + 1));
        let graph = ops::k_nearest(&x, &segments, k);
        let workspace = Workspace::default();
        agree(
            &x,
            &p,
            |x, p| ops::edge_conv_training(x, p, &spec, &segments, &graph, &workspace).0,
            |x, p| plain::edge_conv_training(x, p, &spec, &graph).0,
            5e-4,
        );
        let (_, fused) = ops::edge_conv_training(x.clone(), p.clone(), &spec, &segments, &graph, &workspace);
        let (_, plain) = plain::edge_conv_training(x.clone(), p.clone(), &spec, &graph);
        for (a, b) in fused.layers.iter().chain([&fused.shortcut]).zip(plain.layers.iter().chain([&plain.shortcut])) {
            prop_assert!(distance(&a.mean, &b.mean) < 1e-4);
            prop_assert!(distance(&a.variance, &b.variance) < 1e-4);
            prop_assert_eq!(a.count, b.count);
        }
        let statistics = Arc::new(fused);
        let scored = numbers(ops::edge_conv_scoring(x.clone(), p.clone(), &spec, &segments, &graph, &statistics, &workspace));
        let expected = numbers(plain::edge_conv_scoring(x, p, &spec, &graph, &statistics));
        prop_assert!(distance(&scored, &expected) < 1e-4);
    }
}

#[test]
fn adam_agrees_with_plain_ops_over_ten_steps() {
    let inner = device().inner();
    let on = |v: Vec<f32>| Tensor::<1>::from_data(TensorData::new(v, [300]), &inner);
    let zeros = || on(vec![0.0; 300]);
    let (mut a, mut b) = (
        (on(values(300, 1)), zeros(), zeros()),
        (on(values(300, 1)), zeros(), zeros()),
    );
    for step in 1..=10 {
        let g = on(values(300, 50 + step));
        let step = AdamStep {
            learning_rate: 1e-2,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 1e-2,
            step,
        };
        a = ops::adam(a.0, g.clone(), a.1, a.2, step);
        b = plain::adam(b.0, g, b.1, b.2, step);
    }
    assert!(distance(&numbers(a.0), &numbers(b.0)) < 1e-5);
    assert!(distance(&numbers(a.2), &numbers(b.2)) < 1e-5);
}

/// The plain path could be wrong together with the fused one: finite differences of the fused value cannot.
#[test]
fn gradients_of_the_fused_edge_convolution_agree_with_finite_differences() {
    let segments = Segments::new(vec![0, 5, 5, 6, 14]).unwrap();
    let spec = Arc::new(EdgeSpec {
        input: 3,
        widths: vec![6, 5],
    });
    let (x, p) = (matrix(14, 3, 3), vector(spec.parameter_count(), 4));
    let graph = ops::k_nearest(&x, &segments, 3);
    let f =
        |x: Tensor<2>, p: Tensor<1>| ops::edge_conv_training(x, p, &spec, &segments, &graph, &Workspace::default()).0;
    let (y, dx, dp) = value_and_gradients(&x, &p, f);
    let weights = values(y.len(), 99);
    let loss = |x: Tensor<2>, p: Tensor<1>| -> f64 {
        numbers(f(x, p))
            .iter()
            .zip(&weights)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let h = 2e-3f32;
    let difference = |at: usize, in_x: bool| {
        let shifted = |sign: f32| {
            let (mut xv, mut pv) = (numbers(x.clone()), numbers(p.clone()));
            if in_x {
                xv[at] += sign * h
            } else {
                pv[at] += sign * h
            }
            let n = pv.len();
            loss(
                Tensor::from_data(TensorData::new(xv, [14, 3]), &device()),
                Tensor::from_data(TensorData::new(pv, [n]), &device()),
            )
        };
        ((shifted(1.0) - shifted(-1.0)) / (2.0 * f64::from(h))) as f32
    };
    let close = |got: f32, expected: f32| (got - expected).abs() < 0.02 + 0.02 * expected.abs();
    // A ReLU's kink inside the step spoils single entries: nine in ten must agree.
    for (gradient, in_x) in [(&dx, true), (&dp, false)] {
        let good = (0..gradient.len())
            .filter(|&i| close(gradient[i], difference(i, in_x)))
            .count();
        assert!(good * 10 >= gradient.len() * 9, "{good} of {} agree", gradient.len());
    }
}

#[test]
fn the_same_bits_come_out_on_any_number_of_threads() {
    let segments = Segments::new((0..=120).map(|i| i * 37).collect()).unwrap();
    let spec = Arc::new(EdgeSpec {
        input: 5,
        widths: vec![16, 16],
    });
    let (x, p) = (matrix(segments.rows(), 5, 3), vector(spec.parameter_count(), 4));
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| {
                let graph = ops::k_nearest(&x, &segments, 7);
                value_and_gradients(&x, &p, |x, p| {
                    let y = ops::edge_conv_training(x, p, &spec, &segments, &graph, &Workspace::default()).0;
                    let chain = Arc::new(ChainSpec::new(vec![16, 40, 8], true));
                    let q = vector(chain.parameter_count(), 7);
                    ops::chain_sum(y, q, &chain, &segments, None, &Workspace::default())
                })
            })
    };
    assert_eq!(run(1), run(3));
}

/// Value and gradients of `sum(f(inputs) * c)` for fixed random `c`, with respect to each input.
fn with_gradients<const N: usize>(
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

fn assert_near<const N: usize>(a: &(Vec<f32>, [Vec<f32>; N]), b: &(Vec<f32>, [Vec<f32>; N]), what: &str) {
    assert!(distance(&a.0, &b.0) < 1e-5, "value of {what}");
    for (i, (a, b)) in a.1.iter().zip(&b.1).enumerate() {
        assert!(distance(a, b) < 2e-5, "gradient {i} of {what}: {}", distance(a, b));
    }
}

#[test]
fn convolutions_and_poolings_agree_with_plain_ops() {
    let base = ConvSpec {
        input: [6, 5],
        c_in: 3,
        c_out: 4,
        kernel: [4, 3],
        stride: [1, 1],
        padding: [1, 1],
        bias: true,
        relu: false,
    };
    let cases = [
        base.clone(),
        ConvSpec {
            stride: [2, 2],
            bias: false,
            padding: [0, 2],
            ..base.clone()
        },
        ConvSpec {
            input: [1, 30],
            kernel: [1, 3],
            padding: [0, 1],
            c_in: 12,
            ..base
        },
    ];
    for spec in cases {
        let spec = Arc::new(spec);
        let x = matrix(7 * spec.input_pixels(), spec.c_in, 5);
        let p = vector(spec.parameter_count(), 6);
        let workspace = Workspace::default();
        let fused = value_and_gradients(&x, &p, |x, p| ops::convolution(x, p, &spec, &workspace));
        let plain = value_and_gradients(&x, &p, |x, p| plain::convolution(x, p, &spec));
        for (a, b) in [(fused.0, plain.0), (fused.1, plain.1), (fused.2, plain.2)] {
            assert!(distance(&a, &b) < 1e-5, "{spec:?}");
        }
    }
    let spec = PoolSpec {
        input: [6, 5],
        window: [3, 2],
        stride: [2, 2],
        padding: [1, 0],
    };
    let x = [matrix(4 * 30, 3, 8)];
    let fused = with_gradients(&x, |[x]| ops::max_pool(x, spec));
    assert_near(&fused, &with_gradients(&x, |[x]| plain::max_pool(x, spec)), "max pool");
}

#[test]
fn row_operations_agree_with_plain_ops() {
    let x = [matrix(37, 19, 1)];
    for f in [
        Activation::Gelu,
        Activation::Elu,
        Activation::Relu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::SignedLog,
    ] {
        let scaled = [x[0].clone() * 4.0];
        let fused = with_gradients(&scaled, |[x]| ops::activate(x, f));
        assert_near(
            &fused,
            &with_gradients(&scaled, |[x]| plain::activate(x, f)),
            &format!("{f:?}"),
        );
    }
    let p = vector(38, 2);
    let workspace = Workspace::default();
    let fused = value_and_gradients(&x[0], &p, |x, p| ops::layer_norm(x, p, &workspace));
    let plain = value_and_gradients(&x[0], &p, plain::layer_norm);
    for (a, b) in [(fused.0, plain.0), (fused.1, plain.1), (fused.2, plain.2)] {
        assert!(distance(&a, &b) < 1e-5, "layer norm");
    }
    let slopes = vector(5 * 19, 4);
    let places: Arc<Vec<u32>> = Arc::new((0..37u32).map(|i| i * i % 5).collect());
    let fused = value_and_gradients(&x[0], &slopes, |x, a| ops::prelu(x, a, &places, &workspace));
    let plain = value_and_gradients(&x[0], &slopes, |x, a| plain::prelu(x, a, &places));
    for (a, b) in [(fused.0, plain.0), (fused.1, plain.1), (fused.2, plain.2)] {
        assert!(distance(&a, &b) < 1e-5, "learned slopes");
    }
    let columns: Vec<u32> = (0..90u32).map(|i| i * i % 37).collect();
    let offsets: Vec<usize> = (0..=30).map(|r| (3 * r + r % 2).min(90)).chain([90]).collect();
    let weights = Some(values(90, 3));
    let sparse = Arc::new(SparseMatrix::new(&offsets, columns, weights, 37).unwrap());
    let fused = with_gradients(&x, |[x]| ops::sparse_product(&sparse, x));
    assert_near(
        &fused,
        &with_gradients(&x, |[x]| plain::sparse_product(&sparse, x)),
        "sparse product",
    );
}

#[test]
fn attention_agrees_with_plain_ops_on_jets_of_all_sizes() {
    let spec = AttentionSpec { heads: 3, width: 4 };
    let keys = Segments::new(vec![0, 5, 5, 6, 40]).unwrap();
    let one_each = Segments::new(vec![0, 1, 2, 3, 4]).unwrap();
    for queries in [&keys, &one_each] {
        let pairs: usize = (0..4)
            .map(|b| {
                let n = |s: &Segments| s.offsets()[b + 1] - s.offsets()[b];
                n(queries) * n(&keys)
            })
            .sum();
        let workspace = Workspace::default();
        let c = spec.channels();
        let inputs = [
            matrix(queries.rows(), c, 1) * 3.0,
            matrix(keys.rows(), c, 2) * 3.0,
            matrix(keys.rows(), c, 3),
            matrix(pairs, spec.heads, 4) * 2.0,
        ];
        let fused = with_gradients(&inputs, |[q, k, v, u]| {
            ops::attention([q, k, v], Some(u), spec, queries, &keys, &workspace)
        });
        let plain = with_gradients(&inputs, |[q, k, v, u]| {
            plain::attention([q, k, v], Some(u), spec, queries, &keys)
        });
        assert_near(&fused, &plain, "attention with bias");
        let [q, k, v, _] = inputs;
        let inputs = [q, k, v];
        let fused = with_gradients(&inputs, |x| ops::attention(x, None, spec, queries, &keys, &workspace));
        let plain = with_gradients(&inputs, |x| plain::attention(x, None, spec, queries, &keys));
        assert_near(&fused, &plain, "attention");
    }
}

/// Central differences of the fused value, in every `stride`-th entry of each input, against the fused gradients; both
/// could be wrong together with the plain path, these cannot. `kinks`: one in ten may fall on the kink of a maximum.
fn assert_slopes<const N: usize>(
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

#[test]
fn gradients_of_the_other_operations_agree_with_finite_differences() {
    let workspace = Workspace::default();
    for relu in [false, true] {
        let spec = Arc::new(ConvSpec {
            input: [5, 4],
            c_in: 3,
            c_out: 4,
            kernel: [3, 2],
            stride: [2, 1],
            padding: [1, 1],
            bias: true,
            relu,
        });
        let n = spec.parameter_count();
        let inputs = [matrix(2 * 20, 3, 1), matrix(1, n, 2)];
        assert_slopes(&inputs, "convolution", 1, relu, |[x, p]| {
            ops::convolution(x, p.reshape([n]), &spec, &workspace)
        });
    }
    let pool = PoolSpec {
        input: [5, 4],
        window: [3, 3],
        stride: [2, 2],
        padding: [1, 1],
    };
    assert_slopes(&[matrix(40, 3, 3)], "max pool", 1, true, |[x]| ops::max_pool(x, pool));
    let inputs = [matrix(7, 12, 4), matrix(1, 24, 5)];
    assert_slopes(&inputs, "layer norm", 1, false, |[x, p]| {
        ops::layer_norm(x, p.reshape([24]), &workspace)
    });
    for f in [
        Activation::Gelu,
        Activation::Elu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::SignedLog,
    ] {
        // The second derivatives of ELU and of the signed logarithm jump at 0.
        let kinks = matches!(f, Activation::Elu | Activation::SignedLog);
        let x = [matrix(9, 5, 6) * 3.0];
        assert_slopes(&x, &format!("{f:?}"), 1, kinks, |[x]| ops::activate(x, f));
    }
    let columns: Vec<u32> = (0..30u32).map(|i| i * i % 11).collect();
    let offsets: Vec<usize> = (0..=10).map(|r| 3 * r).collect();
    let sparse = Arc::new(SparseMatrix::new(&offsets, columns, Some(values(30, 7)), 11).unwrap());
    assert_slopes(&[matrix(11, 3, 8)], "sparse product", 1, false, |[x]| {
        ops::sparse_product(&sparse, x)
    });
    let spec = AttentionSpec { heads: 2, width: 3 };
    let (queries, keys) = (
        Segments::new(vec![0, 3, 4, 4, 6]).unwrap(),
        Segments::new(vec![0, 5, 5, 6, 8]).unwrap(),
    );
    let inputs = [
        matrix(6, 6, 1),
        matrix(8, 6, 2),
        matrix(8, 6, 3),
        matrix(3 * 5 + 2 * 2, 2, 4),
    ];
    assert_slopes(&inputs, "attention", 1, false, |[q, k, v, u]| {
        ops::attention([q, k, v], Some(u), spec, &queries, &keys, &workspace)
    });
}

#[test]
fn the_other_operations_give_the_same_bits_on_any_number_of_threads() {
    let spec = Arc::new(ConvSpec {
        input: [12, 12],
        c_in: 5,
        c_out: 16,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        bias: true,
        relu: true,
    });
    let pool = PoolSpec {
        input: [12, 12],
        window: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
    };
    let attention = AttentionSpec { heads: 4, width: 4 };
    let jets = Segments::new((0..=40).map(|i| i * 36).collect()).unwrap();
    let selection = Arc::new(SparseMatrix::selection((0..3000u32).map(|i| i * i % 1440).collect(), 1440).unwrap());
    let (x, p) = (matrix(40 * 144, 5, 3), vector(spec.parameter_count(), 4));
    let norm = vector(32, 5);
    let run = |threads: usize| {
        let pool_of_threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool_of_threads.install(|| {
            value_and_gradients(&x, &p, |x, p| {
                let workspace = Workspace::default();
                let y = ops::max_pool(ops::convolution(x, p, &spec, &workspace), pool); // [40 * 36, 16]
                let y = ops::activate(ops::layer_norm(y, norm.clone(), &workspace), Activation::Gelu);
                let inputs = [y.clone(), y.clone(), y];
                let y = ops::attention(inputs, None, attention, &jets, &jets, &workspace);
                ops::sparse_product(&selection, y)
            })
        })
    };
    assert_eq!(run(1), run(3));
}
