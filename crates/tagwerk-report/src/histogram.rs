//! Histogram of scores by class.

use serde::{Deserialize, Serialize};
use tagwerk_stats::{Score, Truth};

/// Bins of a score histogram.
pub const SCORE_BINS: usize = 50;

/// Share of each class a bin. Scores in [0, 1] are binned there; others between their finite extremes. Infinite scores
/// fall into the outermost bins, so that nothing is lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreHistogram {
    /// Bin edges, ascending, one more than bins.
    pub edges: Vec<f64>,
    /// Share of the signal jets a bin; sums to 1.
    pub signal: Vec<f64>,
    /// Share of the background jets a bin; sums to 1.
    pub background: Vec<f64>,
}

impl ScoreHistogram {
    /// Counts scores; one a row of `truth`, jets unweighted (the distribution a user will see in data).
    pub fn new<S: Score>(scores: &[S], truth: &Truth) -> Self {
        let finite = scores.iter().map(|s| s.widen()).filter(|s| s.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), s| (l.min(s), h.max(s)));
        let (low, high) = if low >= 0.0 && high <= 1.0 || low > high {
            (0.0, 1.0)
        } else if high > low {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        };
        let width = (high - low) / SCORE_BINS as f64;
        let share = |rows: &[u32]| {
            let mut bins = vec![0.0; SCORE_BINS];
            for &row in rows {
                if let Some(score) = scores.get(row as usize) {
                    // Saturating casts send infinities to the outermost bins and NaN to the first.
                    bins[(((score.widen() - low) / width) as usize).min(SCORE_BINS - 1)] += 1.0;
                }
            }
            let total = rows.len().max(1) as f64;
            bins.iter().map(|b| b / total).collect()
        };
        Self {
            edges: (0..=SCORE_BINS).map(|i| low + width * i as f64).collect(),
            signal: share(truth.signal_rows()),
            background: share(truth.background_rows()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_at_the_ends() {
        let truth = Truth::new(&[1, 1, 1, 0, 0]).unwrap();
        let histogram = ScoreHistogram::new(&[1.0, 0.0, 0.51, 0.5, 0.999], &truth);
        assert_eq!((histogram.edges[0], histogram.edges[SCORE_BINS]), (0.0, 1.0));
        assert!((histogram.signal.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(histogram.signal[SCORE_BINS - 1], 1.0 / 3.0);
        assert_eq!(histogram.background[25], 0.5);
    }

    #[test]
    fn logits_and_infinities_have_a_range() {
        let truth = Truth::new(&[1, 1, 0]).unwrap();
        let histogram = ScoreHistogram::new(&[f64::INFINITY, 4.0, -6.0], &truth);
        assert_eq!((histogram.edges[0], histogram.edges[SCORE_BINS]), (-6.0, 4.0));
        assert_eq!(histogram.signal[SCORE_BINS - 1], 1.0);
        let constant = ScoreHistogram::new(&[7.0, 7.0, 7.0], &truth);
        assert!(constant.edges.windows(2).all(|w| w[0] < w[1]));
    }
}
