//! Run-time choice of the vector instructions, once a kernel call.

/// Runs `f` compiled for the widest vector instructions of this machine (AVX-512, AVX2, or the baseline).
///
/// `f` and what it calls must be marked `#[inline(always)]` to be compiled along; anything else is merely called.
#[inline]
pub fn dispatch<R>(f: impl FnOnce() -> R) -> R {
    struct Op<F>(F);
    impl<R, F: FnOnce() -> R> pulp::WithSimd for Op<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Op(f))
}

/// `max(v, 0)`, but NaN for NaN: `f32::max` would turn a network that has diverged into one that looks healthy.
#[inline(always)]
pub fn relu(v: f32) -> f32 {
    if v < 0.0 { 0.0 } else { v }
}

/// `e^x` to 2 units in the last place over the range of f32: 2^n times a polynomial in the remainder, `|r| <= ln(2) /
/// 2`. Below -87.3 it is 0, above 88.7 infinite, NaN stays NaN.
// Comparisons by hand: `clamp` and conversions to integers keep the loop around from running in vector registers.
#[allow(clippy::manual_clamp)]
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, so that n ln 2 is exact to f32 for every n that occurs.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 2^23 rounds to the nearest integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = if x > 88.8 { 88.8 } else { x };
    let clamped = if clamped < -87.4 { -87.4 } else { clamped };
    let rounded = clamped * LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    // Taylor to the sixth order, coefficients adjusted to the interval.
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5.000_000_3e-1;
    let p = p * (r * r) + r + 1.0;
    // 2^n in two factors: n = 128 alone has no f32.
    let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    let y = p * power(half) * power(n - half);
    if x < -87.4 {
        0.0
    } else if x > 88.8 {
        f32::INFINITY
    } else {
        y
    }
}

/// The error function to 3e-7: Abramowitz, Stegun, 7.1.26 with its Gaussian.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152_1;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let y = 1.0 - p * t * exp(-a * a);
    y.copysign(x)
}

/// The natural logarithm of a positive normal number to 2 units in the last place: exponent times ln 2 plus the series
/// of the inverse hyperbolic tangent in `(m - 1) / (m + 1)`, `|.| < 0.172`. NaN and infinity stay; 0 and below give
/// nonsense.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // The exponent is that of x sqrt(2), so that the mantissa lies in [sqrt(1/2), sqrt(2)).
    let bits = x.to_bits();
    let n = ((bits.wrapping_sub(0x3f35_04f3)) as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((n as u32) << 23));
    let z = (m - 1.0) / (m + 1.0);
    let s = z * z;
    let series = z * s * (2.0 / 3.0 + s * (2.0 / 5.0 + s * (2.0 / 7.0 + s * (2.0 / 9.0))));
    let n = n as f32;
    let y = (2.0 * z + (series + n * LN2_LOW)) + n * LN2_HIGH;
    if x < f32::INFINITY { y } else { x }
}

/// The largest value of a slice; values that are no numbers are passed over.
#[inline(always)]
pub fn max(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; 16];
    let mut blocks = x.chunks_exact(16);
    for block in &mut blocks {
        for (lane, &v) in lanes.iter_mut().zip(block) {
            *lane = larger(*lane, v);
        }
    }
    let rest = blocks.remainder().iter().fold(f32::NEG_INFINITY, |a, &b| larger(a, b));
    lanes.iter().fold(rest, |a, &b| larger(a, b))
}

/// The sum of products of two slices of one length, in interleaved parts so that it runs in vector registers.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (mut a, mut b) = (a.chunks_exact(16), b.chunks_exact(16));
    for (a, b) in (&mut a).zip(&mut b) {
        for k in 0..16 {
            lanes[k] += a[k] * b[k];
        }
    }
    let (mut a, mut b) = (a.remainder().chunks_exact(8), b.remainder().chunks_exact(8));
    for (a, b) in (&mut a).zip(&mut b) {
        for k in 0..8 {
            lanes[k] += a[k] * b[k];
        }
    }
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    fold(lanes) + rest
}

/// The sum of sixteen lanes, halving.
#[inline(always)]
fn fold(lanes: [f32; 16]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// The sum of a slice, in 16 interleaved parts so that it runs in a vector register.
#[inline(always)]
pub fn sum(x: &[f32]) -> f32 {
    sum_of(x, |v| v)
}

/// The sum of `f` over a slice, as [`sum`].
#[inline(always)]
pub fn sum_of(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let mut blocks = x.chunks_exact(16);
    for block in &mut blocks {
        for (lane, &v) in lanes.iter_mut().zip(block) {
            *lane += f(v);
        }
    }
    let rest: f32 = blocks.remainder().iter().map(|&v| f(v)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The sum of `d (x - mean)` over two slices of one length, as [`sum`].
#[inline(always)]
pub fn sum_of_products(d: &[f32], x: &[f32], mean: f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (mut a, mut b) = (d.chunks_exact(16), x.chunks_exact(16));
    for (d, x) in (&mut a).zip(&mut b) {
        for ((lane, d), x) in lanes.iter_mut().zip(d).zip(x) {
            *lane += d * (x - mean);
        }
    }
    let rest: f32 = a
        .remainder()
        .iter()
        .zip(b.remainder())
        .map(|(d, x)| d * (x - mean))
        .sum();
    lanes.iter().sum::<f32>() + rest
}

/// Runs `$body` over `0..$channels` in blocks of 32, 16, 4 and 1 channels: in it `$at` is the first channel and the
/// constant `$width` their number, so that sums over rows stay in registers.
macro_rules! channel_blocks {
    ($channels:expr, |$at:ident, $width:ident| $body:expr) => {{
        let channels: usize = $channels;
        let mut $at = 0;
        while $at + 32 <= channels {
            const $width: usize = 32;
            $body;
            $at += $width;
        }
        while $at + 16 <= channels {
            const $width: usize = 16;
            $body;
            $at += $width;
        }
        while $at + 4 <= channels {
            const $width: usize = 4;
            $body;
            $at += $width;
        }
        while $at < channels {
            const $width: usize = 1;
            $body;
            $at += $width;
        }
    }};
}
pub(super) use channel_blocks;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_library_to_a_few_units_in_the_last_place() {
        for i in -8700..=8800 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp();
            assert!(
                (f64::from(exp(x)) / exact - 1.0).abs() < 4e-7,
                "{x}: {} {exact}",
                exp(x)
            );
        }
        assert_eq!((exp(-200.0), exp(200.0), exp(0.0)), (0.0, f32::INFINITY, 1.0));
        assert_eq!((exp(f32::NEG_INFINITY), exp(f32::INFINITY)), (0.0, f32::INFINITY));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_error_function_has_its_tabulated_values() {
        for (x, y) in [
            (0.0, 0.0),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
            (5.0, 1.0),
        ] {
            assert!(
                (erf(x) - y).abs() < 5e-7 && (erf(-x) + y).abs() < 5e-7,
                "{x} {}",
                erf(x)
            );
        }
    }

    #[test]
    fn sums_are_sums_at_every_length() {
        for n in 0..70 {
            let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
            assert_eq!(sum(&x), (0..n).sum::<i32>() as f32);
            assert_eq!(sum_of_products(&x, &vec![3.0; n as usize], 1.0), 2.0 * sum(&x));
        }
    }

    #[test]
    fn a_relu_keeps_what_is_no_number() {
        assert!(relu(f32::NAN).is_nan());
        assert_eq!((relu(-1.0), relu(2.0)), (0.0, 2.0));
    }
}
