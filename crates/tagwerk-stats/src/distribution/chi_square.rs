//! The tail of the chi-square distribution: the regularized incomplete gamma function.

/// Probability that a chi-square of `degrees` degrees of freedom is at least `chi2`. No degree of freedom: 1.
///
/// Q(a, x) with a = degrees / 2, x = chi2 / 2: below the mean by its power series, above by its continued fraction
/// (Lentz's method; NIST Handbook 8.7.1 and 8.9.2).
pub fn chi_square_tail(chi2: f64, degrees: usize) -> f64 {
    let (a, x) = (degrees as f64 / 2.0, chi2 / 2.0);
    if degrees == 0 || chi2.is_nan() || x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - libm::lgamma(a)).exp();
    // Terms fall geometrically once n exceeds x; a few hundred suffice for any histogram.
    const TERMS: usize = 100_000;
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..TERMS {
            term *= x / (a + n as f64);
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for n in 1..TERMS {
        let n = n as f64;
        let numerator = -n * (n - a);
        b += 2.0;
        d = numerator * d + b;
        d = 1.0 / if d.abs() < TINY { TINY } else { d };
        c = b + numerator / c;
        c = if c.abs() < TINY { TINY } else { c };
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn tails_are_those_of_scipy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        for case in json["chi_square"].as_array().unwrap() {
            let number = |key: &str| case[key].as_f64().unwrap();
            let ours = chi_square_tail(number("chi2"), number("degrees") as usize);
            assert!((ours / number("tail") - 1.0).abs() < 1e-11, "{case}: {ours}");
        }
        assert_eq!(chi_square_tail(3.0, 0), 1.0);
    }
}
