//! The embedding of trees, level by level.

use super::{row, scatter_sum, weight};
use crate::kernels::tree::{Forest, TREE_LAYERS, TreeSpec};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::Range;

/// See [`crate::ops::tree_embedding`].
pub fn tree_embedding(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: TreeSpec,
    forests: &[Forest],
    jets: usize,
) -> Tensor<2> {
    let device = x.device();
    let dense = |name: &str, x: Tensor<2>| {
        // The names are those of the list.
        let layer = TREE_LAYERS.iter().position(|known| *known == name).unwrap_or_default();
        let [c_in, c_out] = spec.widths(layer);
        let product = x.matmul(weight(&parameters, spec.weight(layer), c_in, c_out));
        relu(product + row(&parameters, spec.bias(layer)))
    };
    let nin = |kind: &str, x| dense(&format!("nin_{kind}.1"), dense(&format!("nin_{kind}.0"), x));
    let (mut first, mut embeddings) = (0, Tensor::zeros([jets, spec.hidden], &device));
    for forest in forests {
        // The children [2 I, H] of the inner nodes of the level above, left and right in turn.
        let mut children: Option<Tensor<2>> = None;
        for j in (0..forest.levels()).rev() {
            let (inner, leaves) = (forest.inner_on(j), forest.leaves_on(j));
            let leaf_nodes = forest.inner_nodes() + leaves.start..forest.inner_nodes() + leaves.end;
            // h of the nodes that are there, inner ones and leaves, and which they are.
            let mut levels: Vec<(Tensor<2>, Range<usize>, &str)> = Vec::new();
            let features =
                |nodes: &Range<usize>| x.clone().slice([first + nodes.start..first + nodes.end, 0..spec.input]);
            if let Some(children) = children.take() {
                let both = children.reshape([inner.len(), 2 * spec.hidden]);
                let u = dense("inner", features(&inner));
                levels.push((dense("combine", Tensor::cat(vec![both, u], 1)), inner, "inner"));
            }
            if !leaves.is_empty() {
                levels.push((dense("leaf", features(&leaf_nodes)), leaf_nodes, "leaf"));
            }
            if j == 0 {
                let roots = Tensor::cat(levels.into_iter().map(|(h, ..)| h).collect(), 0);
                let jet = forest.jets().iter().map(|&jet| jet as i32).collect();
                embeddings = embeddings + scatter_sum(roots, index(jet, &device), jets);
                continue;
            }
            let parents = forest.inner_on(j - 1);
            let slots = |nodes: &Range<usize>| nodes.clone().map(|node| forest.slot(node) - 2 * parents.start);
            if j > 1 {
                let places = levels
                    .iter()
                    .flat_map(|(_, nodes, _)| slots(nodes).map(|slot| slot as i32));
                let places = index(places.collect(), &device);
                let y = Tensor::cat(levels.into_iter().map(|(h, _, kind)| nin(kind, h)).collect(), 0);
                children = Some(scatter_sum(y, places, 2 * parents.len()));
            } else {
                let places: Vec<usize> = levels.iter().flat_map(|(_, nodes, _)| slots(nodes)).collect();
                let h = Tensor::cat(levels.into_iter().map(|(h, ..)| h).collect(), 0);
                let side = |side: usize| {
                    let mut rows = vec![0; parents.len()];
                    let own = places.iter().enumerate().filter(|(_, slot)| **slot % 2 == side);
                    own.for_each(|(node, slot)| rows[slot / 2] = node as i32);
                    h.clone().select(0, index(rows, &device))
                };
                let pair = vec![nin("left", side(0)), nin("right", side(1))];
                children = Some(Tensor::cat(pair, 1).reshape([2 * parents.len(), spec.hidden]));
            }
        }
        first += forest.nodes();
    }
    embeddings
}

fn index(places: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let n = places.len();
    Tensor::from_data(TensorData::new(places, [n]), device)
}
