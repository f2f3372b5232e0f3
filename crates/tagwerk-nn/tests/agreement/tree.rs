//! The embedding of trees.

use super::{agree, matrix, value_and_gradients, vector};
use proptest::prelude::*;
use std::sync::Arc;
use tagwerk_nn::Tensor;
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::ops::{self, Forest, TreeSpec, plain};

/// Trees of up to seven levels for the jets named, an inner root in three of four.
fn forest(salt: u64, jets: std::ops::Range<u32>) -> Forest {
    let mut state = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    // Whether the nodes of each level are inner ones; the k-th inner one has the nodes 2 k and 2 k + 1 of the next
    // level.
    let mut levels: Vec<Vec<bool>> = vec![jets.clone().map(|_| draw(4) > 0).collect()];
    while levels[levels.len() - 1].contains(&true) {
        let children = 2 * levels[levels.len() - 1].iter().filter(|inner| **inner).count();
        let deepest = levels.len() == 6;
        levels.push((0..children).map(|_| !deepest && draw(20) < 11).collect());
    }
    let running = |kind: bool| -> Vec<usize> {
        let ends = levels.iter().scan(0, |end, level| {
            *end += level.iter().filter(|inner| **inner == kind).count();
            Some(*end)
        });
        std::iter::once(0).chain(ends).collect()
    };
    let (inner, leaves) = (running(true), running(false));
    let place = |j: usize, node: usize| {
        let rank = levels[j][..node]
            .iter()
            .filter(|other| **other == levels[j][node])
            .count();
        match levels[j][node] {
            true => inner[j] + rank,
            false => inner[levels.len()] + leaves[j] + rank,
        }
    };
    let mut children = Vec::new();
    for j in 0..levels.len() - 1 {
        for k in 0..inner[j + 1] - inner[j] {
            children.push([2 * k, 2 * k + 1].map(|child| place(j + 1, child) as u32));
        }
    }
    let named = |kind: bool| {
        jets.clone()
            .zip(&levels[0])
            .filter(move |(_, inner)| **inner == kind)
            .map(|(jet, _)| jet)
    };
    let roots = named(true).chain(named(false)).collect();
    Forest::new(inner.clone(), leaves.clone(), &children, roots).unwrap()
}

const SPEC: TreeSpec = TreeSpec { input: 4, hidden: 6 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Three forests, one of a single jet; jets 9 and 12 have no tree.
    #[test]
    fn an_embedding_of_trees_agrees_with_plain_ops(salt in 0..10_000u64) {
        let forests = Arc::new(vec![forest(salt, 0..1), forest(salt + 1, 1..9), forest(salt + 2, 10..12)]);
        let rows = forests.iter().map(Forest::nodes).sum();
        let (x, p) = (matrix(rows, SPEC.input, salt), vector(SPEC.parameter_count(), salt + 1));
        let workspace = Workspace::default();
        agree(
            &x,
            &p,
            |x, p| ops::tree_embedding(x, p, SPEC, &forests, 13, true, &workspace),
            |x, p| plain::tree_embedding(x, p, SPEC, &forests, 13),
            2e-5,
        );
    }
}

/// Jets cut into forests otherwise, and nothing kept: the same embeddings. A chain of ten inner nodes reaches further
/// down than any drawn tree.
#[test]
fn a_deep_tree_and_scoring_agree_with_plain_ops() {
    let chain = |jet: u32| {
        // Inner nodes 0..10, the next one left; leaves 10..21, one a level and two on the last.
        let inner: Vec<usize> = (0..=10).chain([10]).collect();
        let leaves: Vec<usize> = [0, 0].into_iter().chain(1..=9).chain([11]).collect();
        let children: Vec<[u32; 2]> = (0..9).map(|i| [i + 1, 10 + i]).chain([[19, 20]]).collect();
        Forest::new(inner, leaves, &children, vec![jet]).unwrap()
    };
    let forests = Arc::new(vec![chain(1), chain(0)]);
    let (x, p) = (matrix(42, SPEC.input, 3), vector(SPEC.parameter_count(), 4));
    let workspace = Workspace::default();
    let embed = |train: bool| {
        let (forests, workspace) = (&forests, &workspace);
        move |x: Tensor<2>, p| ops::tree_embedding(x, p, SPEC, forests, 2, train, workspace)
    };
    let plain_forests = [chain(1), chain(0)];
    agree(
        &x,
        &p,
        embed(true),
        |x, p| plain::tree_embedding(x, p, SPEC, &plain_forests, 2),
        2e-5,
    );
    let trained = value_and_gradients(&x, &p, embed(true)).0;
    let scored = embed(false)(x.clone().inner(), p.clone().inner());
    assert_eq!(super::numbers(scored), trained);
    assert!(trained.iter().any(|v| *v > 0.0));
}
