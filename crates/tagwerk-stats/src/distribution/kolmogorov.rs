//! The two-sided Kolmogorov-Smirnov test: how likely is a distance at least this large.
//!
//! Three ways, each where it is exact or as good as exact. A large distance is twice the one-sided probability
//! (Smirnov's sum; the event that both sides exceed it is negligible). A small one in a small sample is the matrix
//! power of Marsaglia, Tsang, Wang (J. Stat. Softw. 8 (2003) 18). A small one in a large sample is the expansion of
//! Pelz and Good (J. R. Stat. Soc. B 38 (1976) 152), as Simard and L'Ecuyer give it (J. Stat. Softw. 39 (2011) 11).

use std::f64::consts::{FRAC_PI_2, PI};

/// Samples up to this size are computed exactly.
const EXACT: usize = 500;

/// Probability that `n` independent values of the distribution tested differ from it by at least `distance`.
pub fn kolmogorov_tail(distance: f64, n: usize) -> f64 {
    let size = n as f64;
    if n == 0 || distance.is_nan() || distance <= 0.5 / size {
        // No sample comes closer than half a step.
        return 1.0;
    }
    if distance >= 1.0 {
        return 0.0;
    }
    let z2 = size * distance * distance;
    let tail = if z2 > 2.65 {
        2.0 * one_sided(distance, n)
    } else if n <= EXACT {
        1.0 - matrix(distance, n)
    } else {
        1.0 - expansion(z2.sqrt(), size)
    };
    tail.clamp(0.0, 1.0)
}

/// Smirnov's one-sided probability: x sum_j C(n, j) (x + j/n)^(j-1) (1 - x - j/n)^(n-j).
fn one_sided(x: f64, n: usize) -> f64 {
    let size = n as f64;
    let last = (size * (1.0 - x)).floor() as usize;
    let total = libm::lgamma(size + 1.0);
    let mut sum = 0.0;
    for j in 0..=last.min(n) {
        let k = j as f64;
        let rest = 1.0 - x - k / size;
        let choose = total - libm::lgamma(k + 1.0) - libm::lgamma(size - k + 1.0);
        let tail = if n == j {
            0.0
        } else if rest > 0.0 {
            (size - k) * rest.ln()
        } else {
            continue;
        };
        sum += (choose + (k - 1.0) * (x + k / size).ln() + tail).exp();
    }
    x * sum
}

/// P(D < d) by the matrix power; entries stay below 1e218 for n up to [`EXACT`].
fn matrix(d: f64, n: usize) -> f64 {
    let size = n as f64;
    let k = (size * d).floor() as usize + 1;
    let m = 2 * k - 1;
    let h = k as f64 - size * d;
    let mut base = vec![0.0; m * m];
    for i in 0..m {
        for j in 0..m {
            base[i * m + j] = if i + 1 >= j { 1.0 } else { 0.0 };
        }
    }
    for i in 0..m {
        let corner = h.powi(i as i32 + 1);
        base[i * m] -= corner;
        base[(m - 1) * m + (m - 1 - i)] -= corner;
    }
    if 2.0 * h > 1.0 {
        base[(m - 1) * m] += (2.0 * h - 1.0).powi(m as i32);
    }
    for i in 0..m {
        for j in 0..=i.min(m - 1) {
            for g in 1..=(i - j + 1) {
                base[i * m + j] /= g as f64;
            }
        }
    }
    let product = |a: &[f64], b: &[f64]| {
        let mut out = vec![0.0; m * m];
        for i in 0..m {
            for l in 0..m {
                let factor = a[i * m + l];
                for j in 0..m {
                    out[i * m + j] += factor * b[l * m + j];
                }
            }
        }
        out
    };
    let mut power: Vec<f64> = (0..m * m).map(|i| f64::from(u8::from(i % (m + 1) == 0))).collect();
    let mut exponent = n;
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = product(&power, &base);
        }
        base = product(&base, &base);
        exponent >>= 1;
    }
    let mut value = power[(k - 1) * m + k - 1];
    for i in 1..=n {
        value *= i as f64 / size;
    }
    value
}

/// P(sqrt(n) D < z), to order n^(-3/2).
fn expansion(z: f64, n: f64) -> f64 {
    let (z2, z4, z6) = (z * z, z.powi(4), z.powi(6));
    let (mut k0, mut k1, mut k2, mut k3) = (0.0, 0.0, 0.0, 0.0);
    // Both series run over all integers; with z^2 below 2.65 a term of index 20 is below 1e-300.
    for i in 0..20 {
        // The half-integers k + 1/2 and -(k + 1/2) give the same.
        let h2 = PI * PI * (f64::from(i) + 0.5).powi(2);
        let fall = 2.0 * (-h2 / (2.0 * z2)).exp();
        k0 += fall;
        k1 += (h2 - z2) * fall;
        k2 += (6.0 * z6 + 2.0 * z4 + h2 * (2.0 * z4 - 5.0 * z2) + h2 * h2 * (1.0 - 2.0 * z2)) * fall / 72.0;
        k3 += (h2.powi(3) * (5.0 - 30.0 * z2) + h2 * h2 * (-60.0 * z2 + 212.0 * z4) + h2 * (135.0 * z4 - 96.0 * z6)
            - (30.0 * z6 + 90.0 * z.powi(8)))
            * fall
            / 6480.0;
        let w2 = PI * PI * f64::from(i).powi(2);
        let fall = 2.0 * (-w2 / (2.0 * z2)).exp();
        k2 -= w2 * fall * z4 / 36.0;
        k3 += (-w2 * w2 + 3.0 * w2 * z2) * fall * z4 / 216.0;
    }
    let root = FRAC_PI_2.sqrt();
    root * (k0 / z + k1 / (6.0 * z4) / n.sqrt() + k2 / z.powi(7) / n + k3 / z.powi(10) / n.powf(1.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn tails_are_those_of_scipy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        for case in json["kolmogorov"].as_array().unwrap() {
            let number = |key: &str| case[key].as_f64().unwrap();
            let ours = kolmogorov_tail(number("distance"), number("n") as usize);
            // Scipy's own expansion, from 140 values on, is good to a few 1e-6.
            let tail = number("tail");
            assert!((ours - tail).abs() < 5e-6 * tail.max(0.01), "{case}: {ours}");
        }
    }

    #[test]
    fn no_sample_is_closer_than_half_a_step() {
        assert_eq!(kolmogorov_tail(0.04, 10), 1.0);
        assert_eq!(kolmogorov_tail(1.0, 10), 0.0);
        assert_eq!(kolmogorov_tail(0.3, 0), 1.0);
        // One value u: D = max(u, 1 - u), so P(D >= d) = 2 (1 - d).
        assert!((kolmogorov_tail(0.8, 1) - 0.4).abs() < 1e-12);
    }
}
