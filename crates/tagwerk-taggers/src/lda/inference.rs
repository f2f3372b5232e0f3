//! The expectation step: to which topic each word of a jet belongs, given the topics and the prior of the jet.

/// Iterations at most, and the mean change of gamma at which they end, as Hoffman's own program has them.
const ITERATIONS: usize = 100;
const TOLERANCE: f64 = 1e-3;

/// exp(E log beta) of two topics, `[V]` each.
pub(super) struct Expectation([Vec<f64>; 2]);

impl Expectation {
    /// From the parameters of their Dirichlet distributions.
    pub(super) fn of(topics: &[Vec<f64>; 2]) -> Self {
        Self(topics.each_ref().map(|topic| {
            let total = digamma(topic.iter().sum());
            topic.iter().map(|&lambda| (digamma(lambda) - total).exp()).collect()
        }))
    }
}

/// The share of the second topic in each word of a jet, `[W]`: phi_w1 of Hoffman, Blei, Bach 2010, algorithm 2.
pub(super) fn topic_shares(ids: &[u32], expectation: &Expectation, prior: [f64; 2]) -> Vec<f64> {
    let mut gamma = {
        let total = prior[0] + prior[1];
        prior.map(|alpha| alpha + ids.len() as f64 * alpha / total)
    };
    let mut shares = vec![0.0; ids.len()];
    for _ in 0..ITERATIONS {
        // The total of gamma is common to both.
        let weight = gamma.map(|gamma| digamma(gamma).exp());
        for (share, &id) in shares.iter_mut().zip(ids) {
            let of = |k: usize| weight[k] * expectation.0[k][id as usize];
            let total = of(0) + of(1);
            // Two topics in which a word has underflown know nothing of it.
            *share = if total > 0.0 { of(1) / total } else { 0.5 };
        }
        let signal: f64 = shares.iter().sum();
        let next = [prior[0] + ids.len() as f64 - signal, prior[1] + signal];
        let change = 0.5 * ((next[0] - gamma[0]).abs() + (next[1] - gamma[1]).abs());
        gamma = next;
        if change < TOLERANCE {
            break;
        }
    }
    shares
}

/// The digamma function of x > 0: by the recurrence up to 6, then by its asymptotic series (Abramowitz, Stegun, 6.3.5
/// and 6.3.18).
pub(super) fn digamma(x: f64) -> f64 {
    let (mut x, mut result) = (x, 0.0);
    while x < 6.0 {
        result -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    // B_2n / 2n: 1/12, -1/120, 1/252, -1/240, 1/132, -691/32760, 1/12.
    let series = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32_760.0,
        1.0 / 12.0,
    ];
    let tail = series.iter().rev().fold(0.0, |sum, term| (sum + term) * square);
    result + x.ln() - 0.5 / x - tail
}
