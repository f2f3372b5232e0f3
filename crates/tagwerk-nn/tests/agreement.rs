//! Holds the fused CPU kernels and their plain-ops twins together: values and gradients, on random jagged batches with
//! empty jets and jets of fewer than k constituents.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod support;

use proptest::prelude::*;
use std::sync::Arc;
use support::{
    agree, assert_near, assert_slopes, device, distance, matrix, numbers, segments, value_and_gradients, values,
    vector, with_gradients,
};
use tagwerk_nn::kernels::chain::ChainSpec;
use tagwerk_nn::kernels::edge::EdgeSpec;
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::ops::{
    self, Activation, AdamStep, ConditionSpec, ConvSpec, Drop, Reduction, Sites, SparseMatrix, Window, plain,
};
use tagwerk_nn::{Segments, Tensor, TensorData};

#[path = "agreement/lorentz.rs"]
mod lorentz;
#[path = "agreement/tree.rs"]
mod tree;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_agrees_with_plain_ops(
        rows in 1..700usize, c_in in 1..14usize, last in any::<bool>(), dropped in any::<bool>(), salt in 0..1000u64,
    ) {
        let spec = Arc::new(ChainSpec::new(vec![c_in, 20, 9, 5], last));
        let (x, p) = (matrix(rows, c_in, salt), vector(spec.parameter_count(), salt + 1));
        let drops: Vec<Drop> = (0..if dropped { 3 } else { 0 }).map(|l| Drop::new(0.25, [salt as u32, l])).collect();
        agree(
            &x,
            &p,
            |x, p| ops::chain(x, p, &spec, drops.clone(), &Workspace::default()),
            |x, p| plain::chain(x, p, &spec, &drops),
            2e-5,
        );
    }

    #[test]
    fn a_conditioning_agrees_with_plain_ops(
        rows in 1..700usize, inputs in 1..4usize, c in 1..40usize, scale in any::<bool>(), shift in any::<bool>(),
        dropped in any::<bool>(), salt in 0..1000u64,
    ) {
        let spec = ConditionSpec { inputs, channels: c, scale: scale || !shift, shift };
        let (x, p) = (matrix(rows, c, salt), vector(spec.parameter_count(), salt + 1));
        let m = Arc::new(values(rows * inputs, salt + 2));
        let drop = dropped.then(|| Drop::new(0.25, [salt as u32, 3]));
        let workspace = Workspace::default();
        agree(
            &x,
            &p,
            |x, p| ops::condition(x, p, spec, &m, drop, &workspace),
            |x, p| plain::condition(x, p, spec, &m, drop),
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
            rectified: false,
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

/// Five pictures with some pixels of their own: the second has none, the third all.
fn sites(size: [usize; 2]) -> Arc<Sites> {
    let pixels = size[0] * size[1];
    let own: Vec<bool> = (0..5 * pixels)
        .map(|i| match i / pixels {
            1 => false,
            2 => true,
            b => (i * i + b) % 5 < 2,
        })
        .collect();
    Arc::new(Sites::new(size, &own).unwrap())
}

fn window(input: [usize; 2], size: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Window {
    Window {
        input,
        size,
        stride,
        padding,
    }
}

/// A convolution of 3 channels to 4, or of 6 to 12 in 3 groups.
fn convolution(window: Window, groups: usize, bias: bool, relu: bool) -> Arc<ConvSpec> {
    let [c_in, c_out] = if groups > 1 { [6, 12] } else { [3, 4] };
    Arc::new(ConvSpec {
        window,
        c_in,
        c_out,
        groups,
        bias,
        relu,
    })
}

#[test]
fn convolutions_and_poolings_agree_with_plain_ops() {
    for spec in [
        convolution(window([6, 5], [4, 3], [1, 1], [1, 1]), 1, true, true),
        convolution(window([6, 5], [4, 3], [2, 2], [0, 2]), 1, false, false),
        convolution(window([1, 30], [1, 3], [1, 1], [0, 1]), 1, true, false),
        convolution(window([5, 5], [1, 1], [1, 1], [0, 0]), 1, false, false),
        convolution(window([5, 5], [1, 1], [2, 2], [0, 0]), 1, false, false),
        convolution(window([6, 5], [3, 3], [2, 2], [1, 1]), 3, true, true),
        convolution(window([6, 5], [3, 3], [1, 1], [1, 1]), 3, false, false),
    ] {
        let from = sites(spec.window.input);
        let to = Arc::new(from.through(&spec.window).unwrap());
        let x = matrix(from.row_count(), spec.c_in, 5);
        let p = vector(spec.parameter_count(), 6);
        let workspace = Workspace::default();
        let fused = value_and_gradients(&x, &p, |x, p| ops::convolution(x, p, &spec, &from, &to, &workspace));
        let plain = value_and_gradients(&x, &p, |x, p| plain::convolution(x, p, &spec, &from, &to));
        for (a, b) in [(fused.0, plain.0), (fused.1, plain.1), (fused.2, plain.2)] {
            assert!(distance(&a, &b) < 1e-5, "{spec:?}: {}", distance(&a, &b));
        }
    }
    let window = window([6, 5], [3, 2], [2, 2], [1, 0]);
    let from = sites(window.input);
    let to = Arc::new(from.through(&window).unwrap());
    let (x, workspace) = ([matrix(from.row_count(), 3, 8)], Workspace::default());
    let fused = with_gradients(&x, |[x]| ops::max_pool(x, window, &from, &to, &workspace));
    assert_near(
        &fused,
        &with_gradients(&x, |[x]| plain::max_pool(x, window, &from, &to)),
        "max pool",
    );
}

#[test]
fn a_normalization_of_pictures_agrees_with_plain_ops() {
    let sites = sites([5, 7]);
    let (x, p) = (matrix(sites.row_count(), 6, 3), vector(12, 4));
    for relu in [false, true] {
        let fused = value_and_gradients(&x, &p, |x, p| ops::site_norm_training(x, p, &sites, relu).0);
        let plain = value_and_gradients(&x, &p, |x, p| plain::site_norm_training(x, p, &sites, relu).0);
        for (a, b) in [(fused.0, plain.0), (fused.1, plain.1), (fused.2, plain.2)] {
            assert!(distance(&a, &b) < 1e-5, "relu {relu}: {}", distance(&a, &b));
        }
        let (_, fused) = ops::site_norm_training(x.clone(), p.clone(), &sites, relu);
        let (_, plain) = plain::site_norm_training(x.clone(), p.clone(), &sites, relu);
        assert_eq!((fused.count, plain.count), (5 * 35, 5 * 35));
        assert!(distance(&fused.mean, &plain.mean) < 1e-6 && distance(&fused.variance, &plain.variance) < 1e-6);
        let given = value_and_gradients(&x, &p, |x, p| ops::site_norm_scoring(x, p, &fused, &sites, relu));
        let plain = value_and_gradients(&x, &p, |x, p| plain::site_norm_scoring(x, p, &fused, relu));
        for (a, b) in [(given.0, plain.0), (given.1, plain.1), (given.2, plain.2)] {
            assert!(distance(&a, &b) < 1e-5, "scoring, relu {relu}: {}", distance(&a, &b));
        }
    }
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
fn gradients_of_the_other_operations_agree_with_finite_differences() {
    let workspace = Workspace::default();
    for (groups, relu) in [(1, false), (1, true), (3, false)] {
        let spec = convolution(window([5, 4], [3, 2], [2, 1], [1, 1]), groups, true, relu);
        let from = sites(spec.window.input);
        let to = Arc::new(from.through(&spec.window).unwrap());
        let n = spec.parameter_count();
        let inputs = [matrix(from.row_count(), spec.c_in, 1), matrix(1, n, 2)];
        assert_slopes(&inputs, "convolution", 5, relu, |[x, p]| {
            ops::convolution(x, p.reshape([n]), &spec, &from, &to, &workspace)
        });
    }
    let pool = window([5, 4], [3, 3], [2, 2], [1, 1]);
    let from = sites(pool.input);
    let to = Arc::new(from.through(&pool).unwrap());
    assert_slopes(&[matrix(from.row_count(), 3, 3)], "max pool", 1, true, |[x]| {
        ops::max_pool(x, pool, &from, &to, &workspace)
    });
    let inputs = [matrix(from.row_count(), 3, 9), matrix(1, 6, 5)];
    assert_slopes(&inputs, "normalization of pictures", 1, true, |[x, p]| {
        ops::site_norm_training(x, p.reshape([6]), &from, true).0
    });
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
}

#[test]
fn the_other_operations_give_the_same_bits_on_any_number_of_threads() {
    let spec = Arc::new(ConvSpec {
        window: window([12, 12], [3, 3], [1, 1], [1, 1]),
        c_in: 5,
        c_out: 16,
        groups: 1,
        bias: true,
        relu: true,
    });
    let pool = window([12, 12], [2, 2], [2, 2], [0, 0]);
    let own: Vec<bool> = (0..40 * 144usize).map(|i| i * i % 7 < 4).collect();
    let from = Arc::new(Sites::new([12, 12], &own).unwrap());
    let to = Arc::new(from.through(&spec.window).unwrap());
    let pooled = Arc::new(to.through(&pool).unwrap());
    let every = Arc::new(pooled.expansion());
    let jets = Segments::new((0..=40).map(|i| i * 36).collect()).unwrap();
    let selection = Arc::new(SparseMatrix::selection((0..3000u32).map(|i| i * i % 1440).collect(), 1440).unwrap());
    let (x, p) = (matrix(from.row_count(), 5, 3), vector(spec.parameter_count(), 4));
    let norm = vector(32, 5);
    let run = |threads: usize| {
        let pool_of_threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool_of_threads.install(|| {
            value_and_gradients(&x, &p, |x, p| {
                let workspace = Workspace::default();
                let y = ops::convolution(x, p, &spec, &from, &to, &workspace);
                let y = ops::site_norm_training(y, norm.clone(), &to, true).0;
                let y = ops::max_pool(y, pool, &to, &pooled, &workspace);
                let y = ops::sparse_product(&every, y); // [40 * 36, 16]
                let y = ops::activate(ops::layer_norm(y, norm.clone(), &workspace), Activation::Gelu);
                let y = ops::segment_reduce(y, &jets, Reduction::Mean).repeat_dim(0, 36); // [40 * 36, 16]
                ops::sparse_product(&selection, y)
            })
        })
    };
    assert_eq!(run(1), run(3));
}
