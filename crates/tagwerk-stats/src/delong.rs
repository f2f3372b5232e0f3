//! Error of an AUC, and of the difference of two AUCs on the same jets.
//!
//! DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988) 837: each signal jet contributes the share of background below
//! it, each background jet the share of signal above it (ties one half); the variance of the AUC is the variance of
//! these placements over their counts. All placements come out of one walk along the sorted scores, O(N log N) as in
//! Sun and Xu, IEEE Signal Processing Letters 21 (2014) 1389, not out of the N^2 pairs.
//!
//! With weights the sums become weighted sums and the denominator m(m-1) becomes (sum w)^2 - sum w^2, which is m(m-1)
//! at equal weights.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ranked::{Ranked, Step};
use crate::score::{Score, widen};
use crate::truth::Truth;

/// An AUC and its DeLong error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AucEstimate {
    /// Area under the ROC curve.
    pub auc: f64,
    /// Standard deviation from the finite test sample; absent when a class has one jet only.
    pub error: Option<f64>,
}

/// Two taggers' AUCs on the same jets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AucComparison {
    /// First tagger.
    pub a: AucEstimate,
    /// Second tagger.
    pub b: AucEstimate,
    /// Covariance of the two AUCs; absent when a class has one jet only.
    pub covariance: Option<f64>,
    /// First minus second.
    pub difference: f64,
    /// Error of the difference, the correlation taken into account.
    pub error: Option<f64>,
    /// Difference over error; absent when the error is 0 or unknown (identical scores, say).
    pub z: Option<f64>,
    /// Two-sided probability of a difference at least this large between equally good taggers.
    pub p_value: Option<f64>,
}

/// AUC and DeLong error of one column of scores.
pub fn delong<S: Score>(scores: &[S], truth: &Truth) -> Result<AucEstimate> {
    let scores = widen(scores, truth.rows(), "the scores")?;
    let (signal, background) = truth.split(&scores);
    let ranked = Ranked::new(&signal, &background, truth);
    let (auc, _) = ranked.summary(&[]);
    Ok(AucEstimate {
        auc,
        error: auc_error(&ranked, auc),
    })
}

/// DeLong error of the AUC of sorted scores.
pub(crate) fn auc_error(ranked: &Ranked, auc: f64) -> Option<f64> {
    let (s_total, b_total) = (ranked.total_signal, ranked.total_background);
    let (mut s_sum, mut b_sum) = (0.0, 0.0);
    let mut last = Step::default();
    ranked.walk(|step| {
        let below = 1.0 - (last.background + step.background) / 2.0 / b_total;
        let above = (last.signal + step.signal) / 2.0 / s_total;
        s_sum += (step.signal_squares - last.signal_squares) * (below - auc).powi(2);
        b_sum += (step.background_squares - last.background_squares) * (above - auc).powi(2);
        last = step;
    });
    let s_pairs = s_total * s_total - last.signal_squares;
    let b_pairs = b_total * b_total - last.background_squares;
    // One jet of weight w: w^2 - w^2 up to rounding.
    let enough = s_pairs > 1e-9 * s_total * s_total && b_pairs > 1e-9 * b_total * b_total;
    enough.then(|| (s_sum / s_pairs + b_sum / b_pairs).sqrt())
}

/// AUCs of two columns of scores on the same jets, their covariance and the significance of their difference.
pub fn delong_pair<A: Score, B: Score>(a: &[A], b: &[B], truth: &Truth) -> Result<AucComparison> {
    let first = Placements::new(&widen(a, truth.rows(), "the first scores")?, truth);
    let second = Placements::new(&widen(b, truth.rows(), "the second scores")?, truth);
    let estimate = |p: &Placements| AucEstimate {
        auc: p.auc,
        error: p.covariance(p, truth).map(f64::sqrt),
    };
    let covariance = first.covariance(&second, truth);
    let (a, b) = (estimate(&first), estimate(&second));
    let difference = a.auc - b.auc;
    let error = match (a.error, b.error, covariance) {
        (Some(x), Some(y), Some(c)) => Some((x * x + y * y - 2.0 * c).max(0.0).sqrt()),
        _ => None,
    };
    // Identical scores leave rounding dust instead of an exact 0.
    let z = error.filter(|e| *e > 1e-12).map(|e| difference / e);
    let p_value = z.map(|z| libm::erfc(z.abs() / std::f64::consts::SQRT_2));
    Ok(AucComparison {
        a,
        b,
        covariance,
        difference,
        error,
        z,
        p_value,
    })
}

/// Placement of each jet within the other class, in the row order of its class.
struct Placements {
    auc: f64,
    signal: Vec<f64>,
    background: Vec<f64>,
}

impl Placements {
    fn new(scores: &[f64], truth: &Truth) -> Self {
        let (signal, background) = truth.split(scores);
        let weights = truth.class_weights();
        let (ws, wb) = (
            weights.map(|w| w.signal.as_slice()),
            weights.map(|w| w.background.as_slice()),
        );
        let (signal_order, background_order) = (descending(&signal), descending(&background));
        let weight = |w: Option<&[f64]>, row: usize| w.map_or(1.0, |w| w[row]);
        let total = |w: Option<&[f64]>, n: usize| w.map_or(n as f64, |w| w.iter().sum());
        let (s_total, b_total) = (total(ws, signal.len()), total(wb, background.len()));

        let mut out = Self {
            auc: 0.0,
            signal: vec![0.0; signal.len()],
            background: vec![0.0; background.len()],
        };
        let (mut s, mut b, mut s_above, mut b_above) = (0, 0, 0.0, 0.0);
        while s < signal.len() || b < background.len() {
            let next =
                |order: &[usize], scores: &[f64], i: usize| order.get(i).map_or(f64::NEG_INFINITY, |&r| scores[r]);
            let threshold = next(&signal_order, &signal, s).max(next(&background_order, &background, b));
            let (s_start, b_start, s_before, b_before) = (s, b, s_above, b_above);
            while s < signal.len() && signal[signal_order[s]] == threshold {
                s_above += weight(ws, signal_order[s]);
                s += 1;
            }
            while b < background.len() && background[background_order[b]] == threshold {
                b_above += weight(wb, background_order[b]);
                b += 1;
            }
            for &row in &signal_order[s_start..s] {
                out.signal[row] = 1.0 - (b_before + b_above) / 2.0 / b_total;
            }
            for &row in &background_order[b_start..b] {
                out.background[row] = (s_before + s_above) / 2.0 / s_total;
            }
        }
        out.auc = out
            .signal
            .iter()
            .enumerate()
            .map(|(row, v)| weight(ws, row) * v)
            .sum::<f64>()
            / s_total;
        out
    }

    fn covariance(&self, other: &Self, truth: &Truth) -> Option<f64> {
        let weights = truth.class_weights();
        let class = |x: &[f64], y: &[f64], w: Option<&[f64]>| {
            let (mut sum, mut total, mut squares) = (0.0, 0.0, 0.0);
            for (row, (x, y)) in x.iter().zip(y).enumerate() {
                let w = w.map_or(1.0, |w| w[row]);
                sum += w * w * (x - self.auc) * (y - other.auc);
                total += w;
                squares += w * w;
            }
            let pairs = total * total - squares;
            (pairs > 1e-9 * total * total).then(|| sum / pairs)
        };
        let signal = class(&self.signal, &other.signal, weights.map(|w| w.signal.as_slice()))?;
        let background = class(
            &self.background,
            &other.background,
            weights.map(|w| w.background.as_slice()),
        )?;
        Some(signal + background)
    }
}

/// Rows sorted by descending score.
fn descending(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap_or(std::cmp::Ordering::Equal));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_jet_of_a_class_has_an_auc_and_no_error() {
        let truth = Truth::new(&[1, 0, 0]).unwrap();
        let estimate = delong(&[0.5, 0.4, 0.6], &truth).unwrap();
        assert_eq!(estimate, AucEstimate { auc: 0.5, error: None });
    }

    #[test]
    fn a_tagger_against_itself_is_no_difference_and_no_significance() {
        let truth = Truth::new(&[1, 0, 1, 0, 1, 0]).unwrap();
        let scores = [0.9, 0.2, 0.4, 0.5, 0.7, 0.1];
        let pair = delong_pair(&scores, &scores, &truth).unwrap();
        assert_eq!(pair.difference, 0.0);
        assert!(pair.error.unwrap() < 1e-8);
        assert_eq!((pair.z, pair.p_value), (None, None));
    }

    #[test]
    fn both_ways_to_the_error_agree_with_ties_and_weights() {
        let labels: Vec<u8> = (0..200).map(|i| u8::from(i % 3 == 0)).collect();
        let scores: Vec<f64> = (0..200).map(|i| f64::from((i * 37) % 23 + (i % 3) * 4)).collect();
        let weights: Vec<f64> = (0..200).map(|i| 0.5 + f64::from(i % 7)).collect();
        for truth in [
            Truth::new(&labels).unwrap(),
            Truth::weighted(&labels, &weights).unwrap(),
        ] {
            let one = delong(&scores, &truth).unwrap();
            let pair = delong_pair(&scores, &scores, &truth).unwrap();
            assert!((one.auc - pair.a.auc).abs() < 1e-12);
            assert!((one.error.unwrap() - pair.a.error.unwrap()).abs() < 1e-12);
        }
    }
}
