//! ELU with its first and second derivative, on whole tiles.

use super::super::real::Real;
use super::{Kernel, dispatch};

/// ELU in place: `x` above 0, `e^x - 1` below (arXiv:1511.07289).
pub(crate) fn elu<T: Real>(z: &mut [T]) {
    struct Elu<'a, T>(&'a mut [T]);
    impl<T: Real> Kernel for Elu<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool, const WIDE: bool>(self) {
            for z in self.0 {
                *z = elu_of(*z);
            }
        }
    }
    dispatch(Elu(z));
}

#[inline(always)]
fn elu_of<T: Real>(z: T) -> T {
    // NaN is not below 0 and comes out as it went in.
    let negative = if z < T::ZERO { z } else { T::ZERO };
    let below = negative.exp_of_negative() - T::ONE;
    if z < T::ZERO { below } else { z }
}

/// ELU of values and tangents in place: `a = elu(z)`, `da = elu'(z) dz`.
pub(crate) fn elu_with_tangents<T: Real>(z: &mut [T], dz: &mut [T]) {
    struct Elu<'a, T>(&'a mut [T], &'a mut [T]);
    impl<T: Real> Kernel for Elu<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool, const WIDE: bool>(self) {
            for (z, dz) in self.0.iter_mut().zip(self.1) {
                let a = elu_of(*z);
                *dz = *dz * slope(a);
                *z = a;
            }
        }
    }
    dispatch(Elu(z, dz));
}

/// The slope of ELU where its value is `a`: 1 above 0, `a + 1` below.
#[inline(always)]
fn slope<T: Real>(a: T) -> T {
    if a < T::ZERO { a + T::ONE } else { T::ONE }
}

/// `dz = da elu'(z)` in place, from the value `a = elu(z)`.
pub(crate) fn elu_backward<T: Real>(da: &mut [T], a: &[T]) {
    struct Back<'a, T>(&'a mut [T], &'a [T]);
    impl<T: Real> Kernel for Back<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool, const WIDE: bool>(self) {
            for (d, &a) in self.0.iter_mut().zip(self.1) {
                *d = *d * slope(a);
            }
        }
    }
    dispatch(Back(da, a));
}

/// Tangents through ELU out of place: `da = elu'(z) dz` from the value `a = elu(z)`.
pub(crate) fn elu_tangents<T: Real>(da: &mut [T], dz: &[T], a: &[T]) {
    struct Tangents<'a, T>(&'a mut [T], &'a [T], &'a [T]);
    impl<T: Real> Kernel for Tangents<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool, const WIDE: bool>(self) {
            for ((da, &dz), &a) in self.0.iter_mut().zip(self.1).zip(self.2) {
                *da = dz * slope(a);
            }
        }
    }
    dispatch(Tangents(da, dz, a));
}

/// Backward through the value and the tangent of ELU, in place.
///
/// With `a = elu(z)` and `da = elu'(z) dz`: the cotangent `p` of `a` becomes that of `z`, `p elu'(z) + q elu''(z) dz`,
/// and the cotangent `q` of `da` becomes that of `dz`, `q elu'(z)`. Below 0 the second derivative of ELU is its first;
/// above it is 0.
pub(crate) fn elu_backward_with_tangents<T: Real>(p: &mut [T], q: &mut [T], a: &[T], dz: &[T]) {
    struct Back<'a, T>(&'a mut [T], &'a mut [T], &'a [T], &'a [T]);
    impl<T: Real> Kernel for Back<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool, const WIDE: bool>(self) {
            for (((p, q), &a), &dz) in self.0.iter_mut().zip(self.1).zip(self.2).zip(self.3) {
                let first = slope(a);
                let second = if a < T::ZERO { first } else { T::ZERO };
                *p = *p * first + *q * second * dz;
                *q = *q * first;
            }
        }
    }
    dispatch(Back(p, q, a, dz));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elu_and_its_two_derivatives_agree_with_finite_differences() {
        let z: Vec<f64> = (-40..=40).filter(|&i| i != 0).map(|i| f64::from(i) * 0.15).collect();
        let dz: Vec<f64> = (0..z.len()).map(|i| (i as f64 * 0.7).sin()).collect();
        let value = |z: f64| if z < 0.0 { z.exp() - 1.0 } else { z };
        let first = |z: f64| if z < 0.0 { z.exp() } else { 1.0 };
        let (mut a, mut da) = (z.clone(), dz.clone());
        elu_with_tangents(&mut a, &mut da);
        let (mut p, mut q) = (vec![0.3; z.len()], vec![-0.8; z.len()]);
        elu_backward_with_tangents(&mut p, &mut q, &a, &dz);
        for i in 0..z.len() {
            assert!((a[i] - value(z[i])).abs() < 1e-12 && (da[i] - first(z[i]) * dz[i]).abs() < 1e-12);
            // d/dz of 0.3 elu(z) - 0.8 elu'(z) dz.
            let of = |z: f64| 0.3 * value(z) - 0.8 * first(z) * dz[i];
            let numeric = (of(z[i] + 1e-6) - of(z[i] - 1e-6)) / 2e-6;
            assert!((p[i] - numeric).abs() < 1e-8, "{}: {} {numeric}", z[i], p[i]);
            assert!((q[i] + 0.8 * first(z[i])).abs() < 1e-12);
        }
        let mut nan = [f32::NAN, -1.0];
        elu(&mut nan);
        assert!(nan[0].is_nan() && (nan[1] + 0.632_120_5).abs() < 1e-6);
    }
}
