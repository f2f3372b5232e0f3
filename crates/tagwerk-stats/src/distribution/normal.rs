//! The normal distribution and its inverse.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// Probability below `x` of the normal distribution with mean 0 and deviation 1, to the last digits also in the lower
/// tail.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// 1 - [`normal_cdf`], without the loss of digits in the upper tail.
pub fn normal_tail(x: f64) -> f64 {
    normal_cdf(-x)
}

/// The value below which a share `p` lies: the inverse of [`normal_cdf`]. 0 gives minus infinity, 1 infinity; outside
/// [0, 1] and for NaN there is none, which is NaN.
///
/// A rational start (P. Acklam's coefficients, good to 1e-9) and one step of Halley's method.
pub fn normal_quantile(p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.5 {
        return -lower(1.0 - p);
    }
    lower(p)
}

/// For p in [0, 0.5].
fn lower(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let horner = |c: &[f64], x: f64| c.iter().fold(0.0, |sum, c| sum * x + c);
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    let start = if p < 0.024_25 {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / horner(&D, q)
    } else {
        let q = p - 0.5;
        q * horner(&A, q * q) / horner(&B, q * q)
    };
    let density = (-0.5 * start * start).exp() / TAU.sqrt();
    if density == 0.0 {
        return start;
    }
    let step = (normal_cdf(start) - p) / density;
    start - step / (1.0 + 0.5 * start * step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn both_are_those_of_scipy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        for case in json["normal"].as_array().unwrap() {
            let (x, cdf) = (case["x"].as_f64().unwrap(), case["cdf"].as_f64().unwrap());
            assert!((normal_cdf(x) / cdf - 1.0).abs() < 1e-13, "{x}");
            let (p, quantile) = (case["p"].as_f64().unwrap(), case["quantile"].as_f64().unwrap());
            assert!(
                (normal_quantile(p) - quantile).abs() < 1e-13 * (1.0 + quantile.abs()),
                "{p}"
            );
        }
        assert_eq!(
            (normal_quantile(0.0), normal_quantile(1.0)),
            (f64::NEG_INFINITY, f64::INFINITY)
        );
        assert!(normal_quantile(1.5).is_nan() && normal_quantile(f64::NAN).is_nan());
    }

    #[test]
    fn quantiles_have_their_tabulated_values() {
        // Python: statistics.NormalDist().inv_cdf(p).
        for (p, z) in [
            (0.5, 0.0),
            (0.8413447460685429, 1.0),
            (0.975, 1.9599639845400536),
            (1e-10, -6.361340902404056),
            (0.001, -3.090232306167813),
        ] {
            assert!(
                (normal_quantile(p) - z).abs() < 1e-12 * (1.0 + z.abs()),
                "{p}: {}",
                normal_quantile(p)
            );
        }
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(-0.1).is_nan() && normal_quantile(f64::NAN).is_nan());
    }

    #[test]
    fn the_quantile_inverts_the_distribution_into_the_far_tail() {
        for i in -370..=80 {
            let z = f64::from(i) * 0.1;
            let back = normal_quantile(normal_cdf(z));
            // Near 1 the probability has no digits left to tell z from.
            let tolerance = if z > 0.0 { 1e-15 / (-0.5 * z * z).exp() } else { 0.0 };
            assert!((back - z).abs() < 1e-9 + 10.0 * tolerance, "{z} {back}");
        }
        assert!((normal_tail(30.0) / 4.906_713_927_148_187e-198 - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_inverse_inverts(x in -36.0..6.0_f64) {
            // Above 6 a share of 1 - 1e-9 has no digits left for x.
            prop_assert!((normal_quantile(normal_cdf(x)) - x).abs() < 1e-7);
        }
    }
}
