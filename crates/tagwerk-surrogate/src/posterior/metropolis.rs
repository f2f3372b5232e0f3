//! The Metropolis test in f64.

use super::energy::Difference;
use rand_chacha::ChaCha8Rng;
use tagwerk_data::random::uniform;

/// Outcome of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict {
    pub accepted: bool,
    /// min(1, ratio)
    pub acceptance: f64,
}

/// Accepts with probability min(1, exp(-difference + log_proposal_ratio)).
///
/// With `penalty`, half the variance of a difference from a part of the data is subtracted from the logarithm: exact if
/// the estimate's error is normal with that variance (Ceperley, Dewing, "The penalty method for random walks with
/// uncertain energies", J. Chem. Phys. 110 (1999) 9812). A ratio that is not a number is a rejection.
pub(crate) fn test(difference: Difference, log_proposal_ratio: f64, penalty: bool, rng: &mut ChaCha8Rng) -> Verdict {
    let mut logarithm = log_proposal_ratio - difference.energy;
    if penalty {
        logarithm -= 0.5 * difference.noise * difference.noise;
    }
    // Drawn whether it is needed or not, so that the next numbers of the stream do not depend on the outcome.
    let limit = uniform(rng).ln();
    Verdict {
        accepted: limit < logarithm,
        acceptance: if logarithm.is_nan() {
            0.0
        } else {
            logarithm.min(0.0).exp()
        },
    }
}
