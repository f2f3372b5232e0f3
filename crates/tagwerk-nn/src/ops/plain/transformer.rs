//! What a transformer is made of: attention, the dense layers between, the bias of pairs.

use super::{batch_norm_scoring, batch_norm_training, layer_norm, norm_parameters, row, weight};
use crate::kernels::attention::AttentionSpec;
use crate::kernels::dropout::Drop;
use crate::kernels::norm::Statistics;
use crate::kernels::pair_embedding::{PairSpec, Places};
use crate::kernels::row_chain::{Map, Residual, RowSpec};
use crate::segments::Segments;
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use std::ops::Range;

/// The factors of a dropout for the places from `first` on, `[rows, columns]`.
pub(super) fn factors(drop: Drop, first: usize, [rows, columns]: [usize; 2], device: &Device) -> Tensor<2> {
    let kept = drop.kept();
    let values: Vec<f32> = (0..rows * columns)
        .map(|i| drop.factor((first + i) as u32, kept))
        .collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// Head `h` of some rows, of channels from `first` on.
fn head(x: &Tensor<2>, rows: &Range<usize>, spec: AttentionSpec, h: usize, first: usize) -> Tensor<2> {
    let start = first + h * spec.width;
    x.clone().slice([rows.clone(), start..start + spec.width])
}

/// One jet and head: `softmax(q k^T / sqrt(D) + bias) v`, with dropped weights.
fn attend([q, k, v]: [Tensor<2>; 3], bias: Option<Tensor<2>>, dropped: Option<Tensor<2>>) -> Tensor<2> {
    let [_, d] = q.dims();
    let mut scores = q.matmul(k.transpose()) / (d as f64).sqrt();
    if let Some(bias) = bias {
        scores = scores + bias;
    }
    let mut weights = softmax(scores, 1);
    if let Some(factors) = dropped {
        weights = weights * factors;
    }
    weights.matmul(v)
}

/// The jets' rows one after the other.
fn stack(jets: Vec<Tensor<2>>, channels: usize, device: &Device) -> Tensor<2> {
    match jets.is_empty() {
        true => Tensor::zeros([0, channels], device),
        false => Tensor::cat(jets, 0),
    }
}

/// See [`crate::ops::self_attention`]: jet by jet and head by head.
pub fn self_attention(
    qkv: Tensor<2>,
    bias: Option<Tensor<2>>,
    spec: AttentionSpec,
    jets: &Segments,
    drop: Option<Drop>,
) -> Tensor<2> {
    let (device, c) = (qkv.device(), spec.channels());
    let (mut out, mut at) = (Vec::new(), 0);
    for rows in jets.offsets().windows(2).map(|w| w[0]..w[1]) {
        let n = rows.len();
        if n == 0 {
            continue;
        }
        let heads = (0..spec.heads).map(|h| {
            let first = at + h * n * n;
            let bias = bias
                .clone()
                .map(|b| b.slice([0..1, first..first + n * n]).reshape([n, n]));
            let dropped = drop.map(|drop| factors(drop, first, [n, n], &device));
            attend(
                [0, c, 2 * c].map(|start| head(&qkv, &rows, spec, h, start)),
                bias,
                dropped,
            )
        });
        out.push(Tensor::cat(heads.collect(), 1));
        at += spec.heads * n * n;
    }
    stack(out, c, &device)
}

/// See [`crate::ops::cross_attention`].
pub fn cross_attention(
    q: Tensor<2>,
    kv: Tensor<2>,
    spec: AttentionSpec,
    queries: &Segments,
    keys: &Segments,
) -> Tensor<2> {
    let (device, c) = (q.device(), spec.channels());
    let mut out = Vec::new();
    for (rows, columns) in queries.offsets().windows(2).zip(keys.offsets().windows(2)) {
        let (rows, columns) = (rows[0]..rows[1], columns[0]..columns[1]);
        if rows.is_empty() {
            continue;
        }
        if columns.is_empty() {
            out.push(Tensor::zeros([rows.len(), c], &device));
            continue;
        }
        let heads = (0..spec.heads).map(|h| {
            let [k, v] = [0, c].map(|start| head(&kv, &columns, spec, h, start));
            attend([head(&q, &rows, spec, h, 0), k, v], None, None)
        });
        out.push(Tensor::cat(heads.collect(), 1));
    }
    stack(out, c, &device)
}

/// See [`crate::ops::row_chain`].
pub fn row_chain(
    x: Tensor<2>,
    other: Option<Tensor<2>>,
    parameters: Tensor<1>,
    spec: &RowSpec,
    keys: &[[u32; 2]],
) -> Tensor<2> {
    let device = x.device();
    let [rows, _] = x.dims();
    let mut keys = keys.iter();
    let mut y = x.clone();
    for l in 0..=spec.layers() {
        let c = spec.width(l);
        for (m, map) in spec.maps(l).iter().enumerate() {
            let at = spec.map(l, m);
            y = match *map {
                Map::Norm => layer_norm(y, parameters.clone().slice([at])),
                Map::Gelu => gelu(y),
                Map::Scale(groups) => {
                    let scale = parameters.clone().slice([at]).reshape([groups, 1]);
                    y * scale.repeat_dim(1, c / groups).reshape([1, c])
                }
                Map::Dropout(rate) => match keys.next() {
                    Some(&key) => y * factors(Drop::new(rate, key), 0, [rows, c], &device),
                    None => y,
                },
            };
        }
        if l < spec.layers() {
            let w = weight(&parameters, spec.weight(l), c, spec.width(l + 1));
            y = y.matmul(w) + row(&parameters, spec.bias(l));
        }
    }
    match (spec.residual(), other) {
        (Residual::Other, Some(other)) => y + other,
        (Residual::WeightedInput, _) => y + x * row(&parameters, spec.residual_weight()),
        _ => y,
    }
}

/// See [`crate::ops::pair_embedding_training`].
pub fn pair_embedding(
    parameters: Tensor<1>,
    features: &[f32],
    spec: &PairSpec,
    places: &Places,
    given: Option<&[Statistics]>,
) -> (Tensor<2>, Vec<Statistics>) {
    let device = parameters.device();
    let (pairs, heads) = (places.pairs(), spec.heads());
    let mut statistics = given.map(<[_]>::to_vec).unwrap_or_default();
    if pairs == 0 {
        let empty = |&c: &usize| Statistics {
            mean: vec![0.0; c],
            variance: vec![0.0; c],
            count: 0,
        };
        let statistics = spec.normalizations().iter().map(empty).collect();
        return (Tensor::zeros([1, 0], &device), statistics);
    }
    let mut normalize = |n: usize, x: Tensor<2>| {
        let p = norm_parameters(&parameters, spec.gamma(n), spec.beta(n));
        match given {
            Some(given) => batch_norm_scoring(x, p, &given[n]),
            None => {
                let (y, measured) = batch_norm_training(x, p);
                statistics.push(measured);
                y
            }
        }
    };
    let x = Tensor::<2>::from_data(TensorData::new(features.to_vec(), [pairs, spec.features()]), &device);
    let mut x = normalize(0, x);
    for l in 0..spec.layers() {
        let w = weight(&parameters, spec.weight(l), spec.width(l), spec.width(l + 1));
        x = gelu(normalize(l + 1, x.matmul(w) + row(&parameters, spec.bias(l)))); // [P, C]
    }
    let mut index: Vec<i32> = Vec::with_capacity(places.values() * heads);
    for (b, &n) in places.sizes.iter().enumerate() {
        for h in 0..heads {
            for i in 0..n {
                for j in 0..n {
                    let (high, low) = (i.max(j), i.min(j));
                    let pair = places.unordered[b] + high * (high + 1) / 2 + low;
                    index.push((pair * heads + h) as i32);
                }
            }
        }
    }
    let values = index.len();
    let index = Tensor::from_data(TensorData::new(index, [values]), &device);
    let bias = x.reshape([pairs * heads]).select(0, index).reshape([1, values]);
    (bias, statistics)
}
