//! Pictures: rows of pixels to Burn's `[B, C, H, W]` and back.

use crate::kernels::conv::ConvSpec;
use crate::kernels::pool::PoolSpec;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};

/// `[B H W, C]` to `[B, C, H, W]`.
fn picture(x: Tensor<2>, [h, w]: [usize; 2]) -> Tensor<4> {
    let [rows, c] = x.dims();
    x.reshape([rows / (h * w), h, w, c]).permute([0, 3, 1, 2])
}

/// `[B, C, H, W]` to `[B H W, C]`.
fn rows(x: Tensor<4>) -> Tensor<2> {
    let [b, c, h, w] = x.dims();
    x.permute([0, 2, 3, 1]).reshape([b * h * w, c])
}

/// See [`crate::ops::convolution`].
pub fn convolution(x: Tensor<2>, parameters: Tensor<1>, spec: &ConvSpec) -> Tensor<2> {
    let [kh, kw] = spec.kernel;
    let weight = parameters
        .clone()
        .slice([spec.weight()])
        .reshape([kh, kw, spec.c_in, spec.c_out])
        .permute([3, 2, 0, 1]);
    let bias = spec.bias.then(|| parameters.slice([spec.bias_range()]));
    let options = ConvOptions::new(spec.stride, spec.padding, [1, 1], 1);
    let y = rows(conv2d(picture(x, spec.input), weight, bias, options));
    if spec.relu { relu(y) } else { y }
}

/// See [`crate::ops::max_pool`].
pub fn max_pool(x: Tensor<2>, spec: PoolSpec) -> Tensor<2> {
    let options = MaxPoolOptions::new(spec.window)
        .with_stride(spec.stride)
        .with_padding(spec.padding);
    rows(max_pool2d(picture(x, spec.input), options))
}
