//! Accuracy at the cut 0.5.

use crate::truth::Truth;

/// (Weighted) share of jets on the right side of the cut 0.5.
///
/// Rounding a score half to even sends 0.5 to 0, so a jet is called signal when its score is above 0.5. This holds for
/// scores in [0, 1]; whether they are is told by [`Evaluation::notes`](crate::Evaluation::notes).
pub(crate) fn accuracy(signal: &[f64], background: &[f64], truth: &Truth) -> f64 {
    match truth.class_weights() {
        None => {
            let right = signal.iter().filter(|s| **s > 0.5).count() + background.iter().filter(|s| **s <= 0.5).count();
            right as f64 / truth.rows() as f64
        }
        Some(w) => {
            let (mut right, mut all) = (0.0, 0.0);
            for (score, weight) in signal.iter().zip(&w.signal) {
                all += weight;
                right += if *score > 0.5 { *weight } else { 0.0 };
            }
            for (score, weight) in background.iter().zip(&w.background) {
                all += weight;
                right += if *score <= 0.5 { *weight } else { 0.0 };
            }
            right / all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_half_rounds_to_background() {
        let truth = Truth::new(&[1, 1, 0, 0]).unwrap();
        assert_eq!(accuracy(&[0.5, 0.6], &[0.5, 0.4], &truth), 0.75);
    }

    #[test]
    fn weights_count_jets() {
        let truth = Truth::weighted(&[1, 0], &[3.0, 1.0]).unwrap();
        assert_eq!(accuracy(&[0.9], &[0.9], &truth), 0.75);
    }
}
