//! Scores of a test sample, sorted within each class.
//!
//! Sorting the classes apart and merging them on the walk needs no payload beside the key, which makes a full curve of
//! 404,000 jets a matter of milliseconds; where only the background at a working point is asked for, not even a sort is
//! needed ([`background_at_point`]).

use crate::scan::{At, Scan, interpolate};
use crate::score::{descending_key, score_of_key};
use crate::truth::Truth;

/// One class: keys ascending (scores descending), weights in the same order.
struct Class {
    keys: Vec<u64>,
    weights: Option<Vec<f64>>,
}

impl Class {
    fn new(scores: &[f64], weights: Option<&[f64]>) -> Self {
        match weights {
            None => {
                let mut keys: Vec<u64> = scores.iter().map(|&s| descending_key(s)).collect();
                keys.sort_unstable();
                Self { keys, weights: None }
            }
            Some(weights) => {
                let mut pairs: Vec<(u64, f64)> = scores
                    .iter()
                    .map(|&s| descending_key(s))
                    .zip(weights.iter().copied())
                    .collect();
                // Stable, so that the sum over tied jets has one order.
                pairs.sort_by_key(|p| p.0);
                let (keys, weights) = pairs.into_iter().unzip();
                Self {
                    keys,
                    weights: Some(weights),
                }
            }
        }
    }

    /// Sums (weight, squared weight) over the rows from `from` on whose key is `key`; returns the row after them.
    #[inline]
    fn take(&self, key: u64, from: usize, sum: &mut f64, squares: &mut f64) -> usize {
        let mut row = from;
        while row < self.keys.len() && self.keys[row] == key {
            let w = self.weights.as_ref().map_or(1.0, |w| w[row]);
            *sum += w;
            *squares += w * w;
            row += 1;
        }
        row
    }

    fn total(&self) -> f64 {
        // The same order of additions as the walk, so that the last efficiency is exactly 1.
        self.weights.as_ref().map_or(self.keys.len() as f64, |w| w.iter().sum())
    }
}

/// One distinct threshold of the walk: sums over the jets at or above it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Step {
    pub(crate) threshold: f64,
    pub(crate) signal: f64,
    pub(crate) background: f64,
    pub(crate) signal_squares: f64,
    pub(crate) background_squares: f64,
}

/// Both classes, sorted.
pub(crate) struct Ranked {
    signal: Class,
    background: Class,
    pub(crate) total_signal: f64,
    pub(crate) total_background: f64,
}

impl Ranked {
    /// `signal` and `background`: scores in the row order of `truth`'s classes.
    pub(crate) fn new(signal: &[f64], background: &[f64], truth: &Truth) -> Self {
        let weights = truth.class_weights();
        let signal = Class::new(signal, weights.map(|w| w.signal.as_slice()));
        let background = Class::new(background, weights.map(|w| w.background.as_slice()));
        let (total_signal, total_background) = (signal.total(), background.total());
        Self {
            signal,
            background,
            total_signal,
            total_background,
        }
    }

    /// Visits every distinct threshold from the highest to the lowest.
    pub(crate) fn walk(&self, mut visit: impl FnMut(Step)) {
        let (mut s, mut b) = (0, 0);
        let mut step = Step::default();
        loop {
            let key = match (self.signal.keys.get(s), self.background.keys.get(b)) {
                (Some(&x), Some(&y)) => x.min(y),
                (Some(&x), None) | (None, Some(&x)) => x,
                (None, None) => return,
            };
            s = self.signal.take(key, s, &mut step.signal, &mut step.signal_squares);
            b = self
                .background
                .take(key, b, &mut step.background, &mut step.background_squares);
            step.threshold = score_of_key(key);
            visit(step);
        }
    }

    /// Area and background at the working points.
    pub(crate) fn summary(&self, points: &[f64]) -> (f64, Vec<At>) {
        let mut scan = Scan::new(self.total_signal, self.total_background, points);
        self.walk(|step| scan.step(step.signal, step.background, step.background_squares));
        (scan.auc(), scan.at())
    }
}

/// Background efficiency at one working point of an unweighted sample, by selection instead of sorting: O(N).
///
/// The curve passes the working point between the score t of the (c+1)-th best signal jet, c being the largest count
/// with c / n not above the point, and the next higher threshold; both ends are plain counts. The result has the bits
/// of the full walk's. `keys` is scratch space.
pub(crate) fn background_at_point(signal: &[f64], background: &[f64], point: f64, keys: &mut Vec<u64>) -> f64 {
    let n = signal.len() as f64;
    let mut count = ((point * n) as usize).min(signal.len());
    while count > 0 && count as f64 / n > point {
        count -= 1;
    }
    while count < signal.len() && (count + 1) as f64 / n <= point {
        count += 1;
    }
    if count >= signal.len() {
        return 1.0;
    }
    keys.clear();
    keys.extend(signal.iter().map(|&s| descending_key(s)));
    let (_, &mut key, _) = keys.select_nth_unstable(count);
    let threshold = score_of_key(key);
    let counts = |scores: &[f64]| {
        let (mut above, mut from) = (0_u64, 0_u64);
        for &score in scores {
            above += u64::from(score > threshold);
            from += u64::from(score >= threshold);
        }
        (above as f64, from as f64)
    };
    let (s0, s1) = counts(signal);
    let (b0, b1) = counts(background);
    let total = background.len() as f64;
    interpolate(point, s0 / n, b0 / total, s1 / n, b1 / total)
}
