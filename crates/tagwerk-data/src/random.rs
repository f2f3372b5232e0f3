//! Random numbers addressed by (seed, purpose, index).
//!
//! There is no global generator. Whoever draws names the stream: the user's seed, what the numbers are for, and
//! an index (epoch, row, training, ...). Equal addresses give equal bits on every machine and with every number of
//! threads; different addresses give independent streams of ChaCha8.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// The stream of (seed, purpose, index).
///
/// The key is SHA-256 of seed and purpose, the index is ChaCha's stream number.
pub fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(purpose.as_bytes());
    let mut rng = ChaCha8Rng::from_seed(hasher.finalize().into());
    rng.set_stream(index);
    rng
}

/// A uniform integer in `[0, bound)`, without modulo bias (Lemire, arXiv:1805.10941). `bound` 0 gives 0.
pub fn below(rng: &mut impl Rng, bound: u64) -> u64 {
    if bound == 0 {
        return 0;
    }
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as u64;
        }
    }
}

/// A uniform number in `[0, 1)` with 53 random bits.
pub fn uniform(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A number of the normal distribution with mean 0 and deviation 1 (Box, Muller 1958), from two uniform ones.
pub fn normal(rng: &mut impl Rng) -> f64 {
    // 1 - u lies in (0, 1], so that the logarithm is finite.
    let radius = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(rng)).cos()
}

/// An exponential number of mean 1.
pub fn exponential(rng: &mut impl Rng) -> f64 {
    -(1.0 - uniform(rng)).ln()
}

/// A Poisson number. From a mean of 64 on it is a rounded normal number, whose skewness is off by an eighth of a
/// standard deviation at most. A mean that is not above 0 gives 0.
pub fn poisson(rng: &mut impl Rng, mean: f64) -> u64 {
    if mean >= 64.0 {
        return (mean + mean.sqrt() * normal(rng)).round().max(0.0) as u64;
    }
    // Arrivals of a process of rate 1 up to `mean`.
    let (mut count, mut time) = (0, exponential(rng));
    while time < mean {
        count += 1;
        time += exponential(rng);
    }
    count
}

/// Shuffles in place, every order equally likely (Fisher and Yates).
pub fn shuffle<T>(rng: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_addresses_give_equal_bits_and_different_ones_do_not() {
        let draw = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        assert_eq!(draw(1, "split", 0), draw(1, "split", 0));
        let others = [draw(2, "split", 0), draw(1, "shuffle", 0), draw(1, "split", 1)];
        assert!(others.iter().all(|&other| other != draw(1, "split", 0)));
    }

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let values: Vec<f64> = (0..40_000).map(|_| draw()).collect();
            let mean = values.iter().sum::<f64>() / 40_000.0;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 40_000.0;
            (mean, variance)
        };
        let mut rng = stream(3, "test", 0);
        // Five standard deviations of the mean (1/200 of the width) and of the variance.
        let (mean, variance) = moments(&mut || normal(&mut rng));
        assert!(
            mean.abs() < 0.025 && (variance - 1.0).abs() < 0.036,
            "{mean} {variance}"
        );
        let (mean, variance) = moments(&mut || exponential(&mut rng));
        assert!(
            (mean - 1.0).abs() < 0.025 && (variance - 1.0).abs() < 0.071,
            "{mean} {variance}"
        );
        for expected in [0.3, 7.0, 100.0] {
            let (mean, variance) = moments(&mut || poisson(&mut rng, expected) as f64);
            let limit = 5.0 * (expected / 40_000.0f64).sqrt();
            assert!((mean - expected).abs() < limit, "{mean}");
            // Var(s^2) = (mu_4 - sigma^4) / n with mu_4 = 3 mean^2 + mean. Rounding adds 1/12.
            let limit = 5.0 * ((2.0 * expected * expected + expected) / 40_000.0f64).sqrt() + 0.1;
            assert!((variance - expected).abs() < limit, "{variance}");
        }
        assert_eq!(poisson(&mut rng, f64::NAN), 0);
    }

    #[test]
    fn normal_draws_have_the_moments_of_the_normal_distribution() {
        let mut rng = stream(7, "normal", 0);
        let draws: Vec<f64> = (0..100_000).map(|_| normal(&mut rng)).collect();
        // Six standard errors: sqrt((moment 2k - moment k squared) / n) is 0.0032, 0.0045 and 0.031.
        for (power, expected, limit) in [(1, 0.0, 0.019), (2, 1.0, 0.027), (4, 3.0, 0.19)] {
            let moment = draws.iter().map(|x| x.powi(power)).sum::<f64>() / draws.len() as f64;
            assert!((moment - expected).abs() < limit, "moment {power}: {moment}");
        }
    }

    #[test]
    fn bounded_draws_are_uniform() {
        let mut rng = stream(7, "test", 0);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[below(&mut rng, 6) as usize] += 1;
        }
        // Six standard deviations of a binomial count around 10,000.
        assert!(counts.iter().all(|&c| (9_450..10_550).contains(&c)), "{counts:?}");
    }
}
