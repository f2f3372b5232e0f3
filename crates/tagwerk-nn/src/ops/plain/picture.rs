//! Pictures: all pixels of all pictures as Burn's `[B, C, H, W]`, and back to the rows that are computed.

use super::row;
use crate::kernels::conv::ConvSpec;
use crate::kernels::norm::{EPSILON, Statistics};
use crate::kernels::sites::{Sites, Window};
use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Int, Tensor, TensorData};

fn index(list: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let n = list.len();
    Tensor::from_data(TensorData::new(list, [n]), device)
}

/// Rows `[R + P, C]` to pictures `[B + 1, C, H, W]`, the empty one last.
fn pictures(x: Tensor<2>, sites: &Sites) -> Tensor<4> {
    let ([h, w], [_, c]) = (sites.size(), x.dims());
    let rows = index(sites.rows().iter().map(|&row| row as i32).collect(), &x.device());
    x.select(0, rows)
        .reshape([sites.len() + 1, h, w, c])
        .permute([0, 3, 1, 2])
}

/// `[B + 1, C, H, W]` to rows `[R + P, C]`.
fn rows(x: Tensor<4>, sites: &Sites) -> Tensor<2> {
    let [b, c, h, w] = x.dims();
    let places = index(sites.places(), &x.device());
    x.permute([0, 2, 3, 1]).reshape([b * h * w, c]).select(0, places)
}

/// See [`crate::ops::convolution`].
pub fn convolution(x: Tensor<2>, parameters: Tensor<1>, spec: &ConvSpec, from: &Sites, to: &Sites) -> Tensor<2> {
    let [kh, kw] = spec.window.size;
    let weight = parameters
        .clone()
        .slice([spec.weight()])
        .reshape([kh, kw, spec.group_inputs(), spec.c_out])
        .permute([3, 2, 0, 1]);
    let bias = spec.bias.then(|| parameters.slice([spec.bias_range()]));
    let options = ConvOptions::new(spec.window.stride, spec.window.padding, [1, 1], spec.groups);
    let y = rows(conv2d(pictures(x, from), weight, bias, options), to);
    if spec.relu { relu(y) } else { y }
}

/// See [`crate::ops::max_pool`].
pub fn max_pool(x: Tensor<2>, window: Window, from: &Sites, to: &Sites) -> Tensor<2> {
    let options = MaxPoolOptions::new(window.size)
        .with_stride(window.stride)
        .with_padding(window.padding);
    rows(max_pool2d(pictures(x, from), options), to)
}

/// See [`crate::ops::site_norm_training`].
pub fn site_norm_training(
    x: Tensor<2>,
    parameters: Tensor<1>,
    sites: &Sites,
    with_relu: bool,
) -> (Tensor<2>, Statistics) {
    let [_, c] = x.dims();
    let count = sites.len() * sites.pixels();
    let own = std::iter::repeat_n(1.0, sites.own());
    let times: Vec<f32> = own.chain(sites.shared().iter().map(|&n| n as f32)).collect();
    let n = times.len();
    let share = Tensor::<2>::from_data(TensorData::new(times, [n, 1]), &x.device()) / count.max(1) as f64;
    let mean = (x.clone() * share.clone()).sum_dim(0);
    let centered = x - mean.clone();
    let variance = (centered.clone().powi_scalar(2) * share).sum_dim(0);
    let y = centered / (variance.clone() + EPSILON).sqrt() * row(&parameters, 0..c) + row(&parameters, c..2 * c);
    let statistics = Statistics {
        mean: crate::ops::floats(mean.detach()),
        variance: crate::ops::floats(variance.detach()),
        count,
    };
    (if with_relu { relu(y) } else { y }, statistics)
}

/// See [`crate::ops::site_norm_scoring`].
pub fn site_norm_scoring(x: Tensor<2>, parameters: Tensor<1>, statistics: &Statistics, with_relu: bool) -> Tensor<2> {
    let y = super::batch_norm_scoring(x, parameters, statistics);
    if with_relu { relu(y) } else { y }
}
