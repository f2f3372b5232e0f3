//! The logistic function, its integral, and the cross entropy of log-odds.

/// The probability of log-odds z, 1 / (1 + e^-z): without overflow, and with the digits of small probabilities.
pub fn logistic(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + (-z).exp())
    } else {
        let e = z.exp();
        e / (1.0 + e)
    }
}

/// ln(1 + e^z), without overflow; its derivative is [`logistic`].
pub fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// -ln p(class) in nats at log-odds of signal: ln 2 where nothing is known.
pub fn cross_entropy(log_odds: f64, signal: bool) -> f64 {
    softplus(if signal { -log_odds } else { log_odds })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from mpmath at 30 digits.
    #[test]
    fn values_keep_their_digits_at_both_ends() {
        assert_eq!(logistic(0.0), 0.5);
        assert!((logistic(-40.0) / 4.248_354_255_291_589e-18 - 1.0).abs() < 1e-14);
        assert!((1.0 - logistic(2.0) - logistic(-2.0)).abs() < 1e-15);
        assert_eq!((logistic(-800.0), logistic(800.0)), (0.0, 1.0));
        assert!((softplus(-40.0) / 4.248_354_255_291_589e-18 - 1.0).abs() < 1e-14);
        assert_eq!(softplus(800.0), 800.0);
        assert!((softplus(1.0) - 1.313_261_687_518_222_8).abs() < 1e-15);
        assert_eq!(cross_entropy(0.0, true), std::f64::consts::LN_2);
        assert_eq!(cross_entropy(800.0, false), 800.0);
        assert_eq!(cross_entropy(800.0, true), 0.0);
    }
}
