//! The Lorentz layer, and products of pairs of vectors.

use crate::kernels::lorentz::{LORENTZ_WEIGHTS, LorentzSpec, SMALLEST_PT_SQUARED};
use burn::tensor::{Tensor, TensorData};

/// See [`crate::ops::lorentz`].
pub fn lorentz(x: Tensor<2>, parameters: Tensor<1>, spec: LorentzSpec) -> Tensor<2> {
    let (m, device) = (spec.vectors, x.device());
    let [rows, _] = x.dims();
    let jets = rows / 4;
    let x: Tensor<3> = x.reshape([jets, 4, m]);
    let component = |c: usize| -> Tensor<2> { x.clone().slice([0..jets, c..c + 1, 0..m]).reshape([jets, m]) };
    let metric: Tensor<1> = match spec.learned_metric {
        true => parameters.clone().slice([spec.metric()]),
        false => Tensor::from_data(TensorData::new(spec.metric_of(&[]).to_vec(), [4]), &device),
    };
    let weight = |index: usize| -> Tensor<2> { parameters.clone().slice([spec.weight(index)]).reshape([m, m]) };
    let mass = (x.clone().powi_scalar(2) * metric.clone().reshape([1, 4, 1])).sum_dim(1);
    let pt2 = component(1).powi_scalar(2) + component(2).powi_scalar(2);
    let mut values = vec![
        mass.reshape([jets, m]),
        pt2.clamp_min(SMALLEST_PT_SQUARED).sqrt(),
        component(0).matmul(weight(0).transpose()),
    ];
    // d_jm, [B, M, M]
    let differences: Tensor<4> = x.clone().reshape([jets, 4, m, 1]) - x.clone().reshape([jets, 4, 1, m]);
    let distances: Tensor<3> = (differences.powi_scalar(2) * metric.reshape([1, 4, 1, 1]))
        .sum_dim(1)
        .reshape([jets, m, m]);
    for (index, name) in LORENTZ_WEIGHTS.iter().enumerate().skip(1) {
        let weighted = distances.clone() * weight(index).reshape([1, m, m]);
        let over_all = match name.starts_with("sum") {
            true => weighted.sum_dim(2),
            false => weighted.min_dim(2),
        };
        values.push(over_all.reshape([jets, m]));
    }
    Tensor::cat(values, 1) // [B, 7 M]
}

/// See [`crate::ops::pair_products`].
pub fn pair_products(x: Tensor<2>, components: usize) -> Tensor<2> {
    let device = x.device();
    let [jets, size] = x.dims();
    let m = size / components;
    let places: Vec<i32> = (0..m)
        .flat_map(|i| (i + 1..m).map(move |j| (i * m + j) as i32))
        .collect();
    if places.is_empty() || jets == 0 {
        return Tensor::zeros([jets, places.len()], &device);
    }
    let x: Tensor<3> = x.reshape([jets, components, m]);
    let all = x.clone().swap_dims(1, 2).matmul(x); // [B, M, M]
    let pairs = places.len();
    all.reshape([jets, m * m])
        .select(1, Tensor::from_data(TensorData::new(places, [pairs]), &device))
}
