//! Activations that a chain does not fuse, value by value.

use super::partition;
use super::simd;

/// lambda and alpha of SELU, arXiv:1706.02515, eq. 14.
pub const SELU_SCALE: f32 = 1.050_701;
/// See [`SELU_SCALE`].
pub const SELU_ALPHA: f32 = 1.673_263_2;

/// A function of each value alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `x Phi(x)` with the normal distribution function: Hendrycks, Gimpel, arXiv:1606.08415.
    Gelu,
    /// `x` above 0, `e^x - 1` below: Clevert, Unterthiner, Hochreiter, arXiv:1511.07289.
    Elu,
    /// `max(x, 0)`.
    Relu,
    /// The exponential linear unit that keeps mean 0 and variance 1: Klambauer et al., arXiv:1706.02515.
    Selu,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `sign(x) ln(1 + |x|)`: the compression of LorentzNet, arXiv:2201.08187, eq. 3.3.
    SignedLog,
}

impl Activation {
    /// The function.
    #[inline(always)]
    pub fn value(self, x: f32) -> f32 {
        match self {
            Self::Gelu => gelu(x).0,
            Self::Elu => {
                if x > 0.0 {
                    x
                } else {
                    simd::exp(x) - 1.0
                }
            }
            Self::Relu => simd::relu(x),
            Self::Selu => SELU_SCALE * if x > 0.0 { x } else { SELU_ALPHA * (simd::exp(x) - 1.0) },
            Self::Sigmoid => 1.0 / (1.0 + simd::exp(-x)),
            Self::Tanh => 1.0 - 2.0 / (1.0 + simd::exp(2.0 * x)),
            Self::SignedLog => (1.0 + x.abs()).ln().copysign(x),
        }
    }

    /// Its derivative.
    #[inline(always)]
    pub fn slope(self, x: f32) -> f32 {
        match self {
            Self::Gelu => gelu(x).1,
            Self::Elu => {
                if x > 0.0 {
                    1.0
                } else {
                    simd::exp(x)
                }
            }
            Self::Relu => {
                if x > 0.0 {
                    1.0
                } else {
                    0.0
                }
            }
            Self::Selu => SELU_SCALE * if x > 0.0 { 1.0 } else { SELU_ALPHA * simd::exp(x) },
            Self::Sigmoid => {
                let y = self.value(x);
                y * (1.0 - y)
            }
            Self::Tanh => {
                let y = self.value(x);
                1.0 - y * y
            }
            Self::SignedLog => 1.0 / (1.0 + x.abs()),
        }
    }
}

/// GELU and its derivative: `x Phi(x)` and `Phi(x) + x phi(x)`.
///
/// The normal distribution function to 2e-7 by Abramowitz, Stegun, 7.1.26; its Gaussian is the density too, so both
/// cost one exponential.
#[inline(always)]
pub fn gelu(x: f32) -> (f32, f32) {
    let gauss = simd::exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let p = 1.061_405_4;
    let p = p * t - 1.453_152_1;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * gauss;
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    const INVERSE_ROOT_TWO_PI: f32 = 0.398_942_3;
    (x * below, below + x * INVERSE_ROOT_TWO_PI * gauss)
}

/// Values a task.
const PIECE: usize = 1 << 14;

/// `y = f(x)`.
pub fn forward(f: Activation, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let tasks: Vec<_> = y.chunks_mut(PIECE).zip(x.chunks(PIECE)).collect();
    partition::run(tasks, |(y, x)| {
        simd::dispatch(
            #[inline(always)]
            || y.iter_mut().zip(x).for_each(|(y, &x)| *y = f.value(x)),
        );
    });
    y
}

/// `d_x = f'(x) d_y`.
pub fn backward(f: Activation, x: &[f32], d_y: &[f32]) -> Vec<f32> {
    let mut d_x = vec![0.0; x.len()];
    let tasks: Vec<_> = d_x
        .chunks_mut(PIECE)
        .zip(x.chunks(PIECE).zip(d_y.chunks(PIECE)))
        .collect();
    partition::run(tasks, |(d_x, (x, d_y))| {
        simd::dispatch(
            #[inline(always)]
            || {
                for ((d_x, &x), d_y) in d_x.iter_mut().zip(x).zip(d_y) {
                    *d_x = f.slope(x) * d_y;
                }
            },
        );
    });
    d_x
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Activation; 7] = [
        Activation::Gelu,
        Activation::Elu,
        Activation::Relu,
        Activation::Selu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::SignedLog,
    ];

    #[test]
    fn slopes_are_those_of_the_values() {
        for f in ALL {
            for i in -40..40 {
                let x = i as f32 * 0.2 + 0.03;
                let difference = (f64::from(f.value(x + 1e-2)) - f64::from(f.value(x - 1e-2))) / 2e-2;
                assert!((difference - f64::from(f.slope(x))).abs() < 2e-3, "{f:?} at {x}");
            }
        }
    }

    #[test]
    fn values_are_finite_far_out_and_no_numbers_stay_visible() {
        for f in ALL {
            assert!(f.value(1e4).is_finite() && f.value(-1e4).is_finite(), "{f:?}");
            assert!(f.slope(1e4).is_finite() && f.slope(-1e4).is_finite(), "{f:?}");
            assert!(f.value(f32::NAN).is_nan(), "{f:?}");
        }
    }

    #[test]
    fn gelu_is_the_exact_one() {
        // x Phi(x), from tables of the normal distribution.
        for (x, y) in [
            (1.0, 0.841_344_8),
            (-1.0, -0.158_655_25),
            (2.5, 2.484_475_9),
            (-3.0, -0.004_049_69),
        ] {
            assert!((Activation::Gelu.value(x) - y).abs() < 2e-6, "{x}");
        }
    }
}
