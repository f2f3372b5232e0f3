//! The two precisions of the engine: f32 to train and sample, f64 as the reference that f32 is held against.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// A floating-point number of the engine.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The nearest number.
    fn of(x: f64) -> Self;
    /// The number in f64, without loss.
    fn wide(self) -> f64;
    /// `self * a + b`, rounded once. Only where the machine has the instruction: elsewhere it is a slow call.
    fn fused(self, a: Self, b: Self) -> Self;
    /// `e^self` for numbers that are not above 0; NaN stays.
    fn exp_of_negative(self) -> Self;
    /// `(cos(pi t), sin(pi t))` for `t` in `[0, 1]`.
    fn cos_sin_half_turn(t: f64) -> (Self, Self);
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    /// 2^n times a polynomial in the remainder, `|r| <= ln(2) / 2`; 0 below -87.
    // Comparisons by hand: `clamp` and conversions to integers keep the loop around from running in vector registers.
    #[allow(clippy::manual_clamp)]
    #[inline(always)]
    fn exp_of_negative(self) -> Self {
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        // Adding 1.5 2^23 rounds to the nearest integer, which then stands in the low bits.
        const ROUND: f32 = 12_582_912.0;
        let x = if self < -87.0 { -87.0 } else { self };
        let rounded = x * std::f32::consts::LOG2_E + ROUND;
        let n = rounded - ROUND;
        let r = (x - n * LN2_HIGH) - n * LN2_LOW;
        // Taylor to the sixth order, coefficients adjusted to the interval.
        let p = 1.398_199_9e-3;
        let p = p * r + 8.333_452e-3;
        let p = p * r + 4.166_579_6e-2;
        let p = p * r + 1.666_666_5e-1;
        let p = p * r + 5.000_000_3e-1;
        let p = p * (r * r) + r + 1.0;
        let n = rounded.to_bits().wrapping_sub(ROUND.to_bits());
        p * f32::from_bits(n.wrapping_add(127) << 23)
    }

    /// Series around a quarter turn: to 6e-8, and loops over rows run in vector registers.
    #[inline(always)]
    fn cos_sin_half_turn(t: f64) -> (Self, Self) {
        // u in [-pi/2, pi/2]: cos(pi t) = -sin(u), sin(pi t) = cos(u).
        let u = ((t - 0.5) * std::f64::consts::PI) as f32;
        let s = u * u;
        let p = -2.505_210_8e-8;
        let p = p * s + 2.755_732e-6;
        let p = p * s - 1.984_127e-4;
        let p = p * s + 8.333_333e-3;
        let p = p * s - 1.666_666_7e-1;
        let sin = u + u * s * p;
        let q = 2.087_675_7e-9;
        let q = q * s - 2.755_732e-7;
        let q = q * s + 2.480_158_7e-5;
        let q = q * s - 1.388_888_9e-3;
        let q = q * s + 4.166_666_7e-2;
        let q = q * s - 0.5;
        (-sin, 1.0 + s * q)
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    #[inline(always)]
    fn exp_of_negative(self) -> Self {
        self.exp()
    }

    #[inline(always)]
    fn cos_sin_half_turn(t: f64) -> (Self, Self) {
        let (sin, cos) = (std::f64::consts::PI * t).sin_cos();
        (cos, sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_of_negative_numbers_is_that_of_the_library() {
        for i in 0..=8700 {
            let x = -0.01 * i as f32;
            let exact = f64::from(x).exp();
            let relative = f64::from(x.exp_of_negative()) / exact - 1.0;
            // The last term of the series that is left out is 2e-7 at the ends of the interval.
            assert!(relative.abs() < 4e-7, "{x}: {relative}");
        }
        assert_eq!(0f32.exp_of_negative(), 1.0);
        assert!(f32::NAN.exp_of_negative().is_nan());
        assert!(f32::NEG_INFINITY.exp_of_negative() < 1e-37);
    }

    #[test]
    fn half_turns_agree_in_both_precisions() {
        for i in 0..=1000 {
            let t = f64::from(i) / 1000.0;
            let (cos, sin) = f32::cos_sin_half_turn(t);
            let (c, s) = f64::cos_sin_half_turn(t);
            assert!(
                (f64::from(cos) - c).abs() < 2e-7 && (f64::from(sin) - s).abs() < 2e-7,
                "{t}"
            );
        }
    }
}
