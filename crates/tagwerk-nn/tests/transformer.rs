//! The operations of transformers and of LorentzNet: fused kernels against plain operations, finite differences, and
//! the same bits on any number of threads.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod support;

use proptest::prelude::*;
use std::cell::Cell;
use std::sync::Arc;
use support::{
    assert_near, assert_slopes, device, distance, matrix, numbers, segments, values, vector, with_gradients,
};
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::ops::{self, AttentionSpec, Drop, LorentzEdgeSpec, Map, PairSpec, Places, Residual, RowSpec, plain};
use tagwerk_nn::{Segments, Tensor};

/// Number of scores of all jets and heads.
fn scores(jets: &Segments, heads: usize) -> usize {
    heads * jets.offsets().windows(2).map(|w| (w[1] - w[0]).pow(2)).sum::<usize>()
}

/// The chains of the Particle Transformer, small.
fn chains() -> [(&'static str, RowSpec); 4] {
    let (norm, gelu) = (Map::Norm, Map::Gelu);
    let chain = |widths: &[usize], maps: &[&[Map]], residual| {
        RowSpec::new(widths.to_vec(), maps.iter().map(|m| m.to_vec()).collect(), residual)
    };
    let drop = Map::Dropout;
    [
        (
            "embedding",
            chain(
                &[7, 5, 9, 6],
                &[&[norm], &[gelu, norm], &[gelu, norm], &[gelu]],
                Residual::None,
            ),
        ),
        ("projection", chain(&[6, 18], &[&[norm], &[]], Residual::None)),
        (
            "after the attention",
            chain(&[6, 6], &[&[], &[Map::Scale(3), norm, drop(0.3)]], Residual::Other),
        ),
        (
            "dense layers",
            chain(
                &[6, 10, 6],
                &[&[norm], &[gelu, drop(0.2), norm], &[drop(0.4)]],
                Residual::WeightedInput,
            ),
        ),
    ]
}

/// Keys of all dropouts of a chain.
fn keys(spec: &RowSpec) -> Vec<[u32; 2]> {
    spec.dropouts().enumerate().map(|(i, _)| [7 + i as u32, 11]).collect()
}

/// `x`, the residual and the parameters of a chain.
fn inputs_of(spec: &RowSpec, rows: usize) -> [Tensor<2>; 3] {
    [
        matrix(rows, spec.input(), 1) * 2.0,
        matrix(rows, spec.output(), 2),
        matrix(1, spec.parameter_count(), 3),
    ]
}

/// The other tensor of a residual, if the chain adds one.
fn other(spec: &RowSpec, tensor: Tensor<2>) -> Option<Tensor<2>> {
    (spec.residual() == Residual::Other).then_some(tensor)
}

#[test]
fn chains_with_maps_agree_with_plain_ops_with_and_without_dropout() {
    for (name, spec) in chains() {
        let (spec, n) = (Arc::new(spec), chains().len());
        for (rows, keys) in [(1, vec![]), (37, keys(&spec)), (300, keys(&spec)), (n, vec![])] {
            let inputs = inputs_of(&spec, rows);
            let p = spec.parameter_count();
            let fused = with_gradients(&inputs, |[x, o, w]| {
                ops::row_chain(
                    x,
                    other(&spec, o),
                    w.reshape([p]),
                    &spec,
                    keys.clone(),
                    true,
                    &Workspace::default(),
                )
            });
            let plain = with_gradients(&inputs, |[x, o, w]| {
                plain::row_chain(x, other(&spec, o), w.reshape([p]), &spec, &keys)
            });
            assert_near(&fused, &plain, &format!("{name}, {rows} rows"));
            let [x, o, w] = inputs;
            let scored = ops::row_chain(
                x,
                other(&spec, o),
                w.reshape([p]),
                &spec,
                keys,
                false,
                &Workspace::default(),
            );
            assert_eq!(numbers(scored), fused.0, "{name}: what is kept changes the value");
        }
    }
}

#[test]
fn attention_agrees_with_plain_ops_on_jets_of_all_sizes() {
    let spec = AttentionSpec { heads: 3, width: 4 };
    let (c, workspace) = (spec.channels(), Workspace::default());
    let jets = Segments::new(vec![0, 5, 5, 6, 40]).unwrap();
    let inputs = [matrix(40, 3 * c, 1) * 3.0, matrix(1, scores(&jets, 3), 4) * 2.0];
    for drop in [None, Some(Drop::new(0.3, [5, 6]))] {
        let fused = with_gradients(&inputs, |[x, u]| {
            ops::self_attention(x, Some(u), spec, &jets, drop, &workspace)
        });
        let plain = with_gradients(&inputs, |[x, u]| plain::self_attention(x, Some(u), spec, &jets, drop));
        assert_near(&fused, &plain, "attention with bias");
        let one = [inputs[0].clone()];
        let fused = with_gradients(&one, |[x]| ops::self_attention(x, None, spec, &jets, drop, &workspace));
        let plain = with_gradients(&one, |[x]| plain::self_attention(x, None, spec, &jets, drop));
        assert_near(&fused, &plain, "attention without bias");
    }
    let queries = Segments::new(vec![0, 1, 3, 3, 4]).unwrap();
    let inputs = [matrix(4, c, 1) * 3.0, matrix(40, 2 * c, 2) * 3.0];
    let fused = with_gradients(&inputs, |[q, kv]| {
        ops::cross_attention(q, kv, spec, &queries, &jets, &workspace)
    });
    let plain = with_gradients(&inputs, |[q, kv]| plain::cross_attention(q, kv, spec, &queries, &jets));
    assert_near(&fused, &plain, "attention to others");
}

/// Features and their places.
fn pairs(jets: &Segments) -> (Arc<Vec<f32>>, Arc<Places>) {
    let places = Places::new(jets.offsets());
    let features = values(4 * places.pairs(), 3).iter().map(|v| 5.0 * v - 3.0).collect();
    (Arc::new(features), Arc::new(places))
}

#[test]
fn the_embedding_of_pairs_agrees_with_plain_ops() {
    let jets = Segments::new(vec![0, 6, 6, 7, 40, 42]).unwrap();
    let (features, places) = pairs(&jets);
    for widths in [vec![4, 6, 3], vec![4, 8, 6, 5, 2]] {
        let spec = Arc::new(PairSpec::new(widths));
        let n = spec.parameter_count();
        // A variance that is small against its epsilon would blow rounding up.
        let p = [matrix(1, n, 1) * 2.0];
        let workspace = Workspace::default();
        let fused = with_gradients(&p, |[p]| {
            ops::pair_embedding_training(p.reshape([n]), &features, &spec, &places, &workspace).0
        });
        let plain = with_gradients(&p, |[p]| {
            plain::pair_embedding(p.reshape([n]), &features, &spec, &places, None).0
        });
        assert!(distance(&fused.0, &plain.0) < 2e-5, "values");
        assert!(distance(&fused.1[0], &plain.1[0]) < 1e-4, "gradients");
        let p = p[0].clone().reshape([n]);
        let (value, statistics) = ops::pair_embedding_training(p.clone(), &features, &spec, &places, &workspace);
        let (_, expected) = plain::pair_embedding(p.clone(), &features, &spec, &places, None);
        for (a, b) in statistics.iter().zip(&expected) {
            assert!(distance(&a.mean, &b.mean) < 1e-5 && distance(&a.variance, &b.variance) < 1e-5);
            assert_eq!(a.count, b.count);
        }
        let scored = ops::pair_embedding_scoring(p.clone(), &features, &spec, &places, &statistics, &workspace);
        assert!(
            distance(&numbers(scored), &numbers(value)) < 2e-5,
            "scoring with the batch's statistics"
        );
        let mut expected = expected;
        expected
            .iter_mut()
            .flat_map(|s| &mut s.mean)
            .for_each(|mean| *mean += 0.3);
        let scored = ops::pair_embedding_scoring(p.clone(), &features, &spec, &places, &expected, &workspace);
        let plain = plain::pair_embedding(p, &features, &spec, &places, Some(&expected)).0;
        assert!(
            distance(&numbers(scored), &numbers(plain)) < 2e-5,
            "scoring with other statistics"
        );
    }
}

#[test]
fn jets_without_a_pair_have_an_empty_bias() {
    let jets = Segments::new(vec![0, 0, 0]).unwrap();
    let (features, places) = pairs(&jets);
    let spec = Arc::new(PairSpec::new(vec![4, 6, 3]));
    let p = vector(spec.parameter_count(), 1).require_grad();
    let (bias, statistics) = ops::pair_embedding_training(p.clone(), &features, &spec, &places, &Workspace::default());
    assert_eq!(bias.dims(), [1, 0]);
    assert!(statistics.iter().all(|s| s.count == 0));
    let gradients = bias.sum().backward();
    assert!(numbers(p.grad(&gradients).unwrap()).iter().all(|&g| g == 0.0));
}

/// Nodes, four-vectors of energies around 4, and parameters of the edges of a block.
fn lorentz(spec: &LorentzEdgeSpec, nodes: usize, salt: u64) -> [Tensor<2>; 3] {
    let energy = Tensor::<2>::from_data([[4.0, 0.0, 0.0, 0.0]], &device());
    [
        matrix(nodes, spec.input, salt),
        matrix(nodes, 4, salt + 1) * 2.0 + energy,
        matrix(1, spec.parameter_count(), salt + 2),
    ]
}

fn lorentz_spec(moves: bool) -> Arc<LorentzEdgeSpec> {
    Arc::new(LorentzEdgeSpec {
        input: 5,
        hidden: 9,
        moves,
        step: 0.3,
        limit: 1.0,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_edges_of_a_lorentz_block_agree_with_plain_ops(
        // A variance over a handful of edges can be tiny and blows rounding up: thirty rows or more.
        jets in segments().prop_filter("rows for a variance", |s| s.rows() >= 30), moves in any::<bool>(), salt in 0..1000u64) {
        let spec = lorentz_spec(moves);
        let n = spec.parameter_count();
        let workspace = Workspace::default();
        let inputs = lorentz(&spec, jets.rows(), salt);
        let fused = with_gradients(&inputs, |[h, x, p]| {
            ops::lorentz_edge_training([h, x], p.reshape([n]), &spec, &jets, &workspace).0
        });
        let plain = with_gradients(&inputs, |[h, x, p]| {
            plain::lorentz_edge([h, x], p.reshape([n]), &spec, &jets, None).0
        });
        prop_assert!(distance(&fused.0, &plain.0) < 5e-5, "values differ by {}", distance(&fused.0, &plain.0));
        for (i, (a, b)) in fused.1.iter().zip(&plain.1).enumerate() {
            let most = support::distance_of_most(a, b);
            // Gradients run through logarithms of products that nearly cancel, in f32 on both sides.
            prop_assert!(most < 2e-2, "gradient {i} differs by {most}");
        }
        let [h, x, p] = inputs;
        let p = p.reshape([n]);
        let (_, mut a) = ops::lorentz_edge_training([h.clone(), x.clone()], p.clone(), &spec, &jets, &workspace);
        let (_, b) = plain::lorentz_edge([h.clone(), x.clone()], p.clone(), &spec, &jets, None);
        prop_assert!(distance(&a.mean, &b.mean) < 1e-5 && distance(&a.variance, &b.variance) < 1e-4);
        prop_assert_eq!(a.count, b.count);
        a.mean.iter_mut().for_each(|m| *m += 0.2);
        let scored = ops::lorentz_edge_scoring([h.clone(), x.clone()], p.clone(), &spec, &jets, &a, &workspace);
        let expected = plain::lorentz_edge([h, x], p, &spec, &jets, Some(&a)).0;
        prop_assert!(distance(&numbers(scored), &numbers(expected)) < 5e-5);
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    let workspace = Workspace::default();
    for (name, spec) in chains() {
        let (p, spec) = (spec.parameter_count(), Arc::new(spec));
        assert_slopes(&inputs_of(&spec, 5), name, 3, false, |[x, o, w]| {
            // The residual enters, or all its slopes would be zero.
            let y = ops::row_chain(
                x,
                other(&spec, o.clone()),
                w.reshape([p]),
                &spec,
                keys(&spec),
                true,
                &workspace,
            );
            y + o * 0.1
        });
    }
    let spec = AttentionSpec { heads: 2, width: 3 };
    let jets = Segments::new(vec![0, 3, 4, 4, 6]).unwrap();
    let inputs = [matrix(6, 18, 1), matrix(1, scores(&jets, 2), 4)];
    assert_slopes(&inputs, "attention", 1, false, |[x, u]| {
        let drop = Some(Drop::new(0.3, [5, 6]));
        ops::self_attention(x, Some(u), spec, &jets, drop, &workspace)
    });
    let queries = Segments::new(vec![0, 1, 1, 3, 4]).unwrap();
    let inputs = [matrix(4, 6, 1), matrix(6, 12, 2)];
    assert_slopes(&inputs, "attention to others", 1, false, |[q, kv]| {
        ops::cross_attention(q, kv, spec, &queries, &jets, &workspace)
    });
    let (features, places) = pairs(&jets);
    let pair_spec = Arc::new(PairSpec::new(vec![4, 6, 2]));
    let n = pair_spec.parameter_count();
    assert_slopes(&[matrix(1, n, 1)], "pair embedding", 1, false, |[p]| {
        ops::pair_embedding_training(p.reshape([n]), &features, &pair_spec, &places, &workspace).0
    });
    for moves in [false, true] {
        let spec = lorentz_spec(moves);
        let n = spec.parameter_count();
        let jets = Segments::new(vec![0, 4, 4, 5, 12]).unwrap();
        assert_slopes(
            &lorentz(&spec, 12, 1),
            "edges of a Lorentz block",
            3,
            true,
            |[h, x, p]| ops::lorentz_edge_training([h, x], p.reshape([n]), &spec, &jets, &workspace).0,
        );
    }
}

#[test]
fn the_same_bits_come_out_on_any_number_of_threads() {
    let jets = Segments::new((0..=40).map(|i| i * 37).collect()).unwrap();
    let n = jets.rows();
    let (features, places) = pairs(&jets);
    let pair_spec = Arc::new(PairSpec::new(vec![4, 6, 5, 3]));
    let [(_, embedding), (_, projection), (_, after), (_, dense)] = chains().map(|(n, s)| (n, Arc::new(s)));
    let attention = AttentionSpec { heads: 3, width: 2 };
    let edges = lorentz_spec(true);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let all = embedding.parameter_count() + projection.parameter_count() + after.parameter_count();
            let all = all + dense.parameter_count() + pair_spec.parameter_count() + edges.parameter_count();
            let inputs = [matrix(n, 7, 1), matrix(1, all, 2), lorentz(&edges, n, 3)[1].clone()];
            with_gradients(&inputs, |[x, p, v]| {
                let workspace = Workspace::default();
                let at = Cell::new(0);
                let next = |length: usize| {
                    let from = at.replace(at.get() + length);
                    p.clone().slice([0..1, from..from + length]).reshape([length])
                };
                let chain = |x: Tensor<2>, onto: Option<Tensor<2>>, spec: &Arc<RowSpec>| {
                    ops::row_chain(
                        x,
                        onto,
                        next(spec.parameter_count()),
                        spec,
                        keys(spec),
                        true,
                        &workspace,
                    )
                };
                let x = chain(x, None, &embedding); // [R, 6]
                let qkv = chain(x.clone(), None, &projection);
                let drop = Some(Drop::new(0.1, [1, 2]));
                let parameters = next(pair_spec.parameter_count());
                let (bias, _) = ops::pair_embedding_training(parameters, &features, &pair_spec, &places, &workspace);
                let y = ops::self_attention(qkv, Some(bias), attention, &jets, drop, &workspace);
                let y = chain(chain(y, Some(x), &after), None, &dense); // [R, 6]
                let h = y.slice([0..n, 0..5]);
                let p = next(edges.parameter_count());
                ops::lorentz_edge_training([h, v], p, &edges, &jets, &workspace).0
            })
        })
    };
    assert_eq!(run(1), run(3));
}
