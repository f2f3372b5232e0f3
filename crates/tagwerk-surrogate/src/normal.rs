//! The normal distribution in f64, into both tails.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Phi(z).
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// 1 - Phi(z), without the loss of digits in the upper tail.
pub fn normal_tail(z: f64) -> f64 {
    normal_cdf(-z)
}

/// The z with Phi(z) = p; minus infinity at 0, infinity at 1, NaN outside.
///
/// A rational start (Abramowitz, Stegun, 26.2.23, to 4.5e-4) and three steps of Halley's method.
pub fn normal_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    let t = (-2.0 * p.ln()).sqrt();
    let above = 2.515517 + t * (0.802853 + t * 0.010328);
    let below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let mut z = above / below - t;
    for _ in 0..3 {
        let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
        if density == 0.0 {
            break;
        }
        let off = (normal_cdf(z) - p) / density;
        z -= off / (1.0 + 0.5 * z * off);
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
