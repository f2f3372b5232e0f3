//! The ROC curve over all distinct thresholds.

use serde::{Deserialize, Serialize};

use crate::error::{Result, StatsError};
use crate::ranked::Ranked;
use crate::rejection::Rejection;
use crate::scan::{At, interpolate};
use crate::score::{Score, widen};
use crate::truth::Truth;

/// Signal efficiency against background efficiency at every distinct score; no point is dropped.
///
/// Points run from the strictest threshold (infinity: nothing passes) to the loosest (everything passes). Jets of equal
/// score move together, so a tie is a slanted line, not a staircase whose shape depends on the order of the rows.
#[derive(Debug, Clone)]
pub struct Roc {
    thresholds: Vec<f64>,
    signal_efficiency: Vec<f64>,
    background_efficiency: Vec<f64>,
    squares: Vec<f64>,
    auc: f64,
    total_background: f64,
    truth: Truth,
}

impl Roc {
    /// Builds the curve of one column of scores, one a row of `truth`, higher meaning more signal-like.
    pub fn new<S: Score>(scores: &[S], truth: &Truth) -> Result<Self> {
        let scores = widen(scores, truth.rows(), "the scores")?;
        let (signal, background) = truth.split(&scores);
        let ranked = Ranked::new(&signal, &background, truth);
        let mut roc = Self {
            thresholds: vec![f64::INFINITY],
            signal_efficiency: vec![0.0],
            background_efficiency: vec![0.0],
            squares: vec![0.0],
            auc: ranked.summary(&[]).0,
            total_background: ranked.total_background,
            truth: truth.clone(),
        };
        ranked.walk(|step| {
            roc.thresholds.push(step.threshold);
            roc.signal_efficiency.push(step.signal / ranked.total_signal);
            roc.background_efficiency
                .push(step.background / ranked.total_background);
            roc.squares.push(step.background_squares);
        });
        Ok(roc)
    }

    /// Scores at which the points were taken, descending; the first is infinity. A jet passes when its score is at or
    /// above.
    pub fn thresholds(&self) -> &[f64] {
        &self.thresholds
    }

    /// Signal efficiency (true positive rate) at each threshold, ascending.
    pub fn signal_efficiency(&self) -> &[f64] {
        &self.signal_efficiency
    }

    /// Background efficiency (false positive rate) at each threshold, ascending.
    pub fn background_efficiency(&self) -> &[f64] {
        &self.background_efficiency
    }

    /// Area under the curve: the probability that a signal jet scores above a background jet, ties counted one half.
    pub fn auc(&self) -> f64 {
        self.auc
    }

    /// Background efficiency at a signal efficiency in [0, 1], linearly interpolated.
    ///
    /// Where several points share the signal efficiency asked for, the one with the largest background counts, as in
    /// numpy's `interp`.
    pub fn background_efficiency_at(&self, signal_efficiency: f64) -> f64 {
        self.at(signal_efficiency).background_efficiency
    }

    /// Background rejection at a working point in (0, 1], with its test-sample error.
    pub fn rejection_at(&self, signal_efficiency: f64) -> Result<Rejection> {
        if !(signal_efficiency > 0.0 && signal_efficiency <= 1.0) {
            return Err(StatsError::WorkingPoint {
                value: signal_efficiency,
            });
        }
        Ok(Rejection::from_background(
            signal_efficiency,
            self.at(signal_efficiency),
            self.total_background,
            &self.truth,
        ))
    }

    fn at(&self, point: f64) -> At {
        let next = self.signal_efficiency.partition_point(|&x| x <= point);
        let last = next.saturating_sub(1);
        if next >= self.signal_efficiency.len() {
            return At {
                background_efficiency: self.background_efficiency[last],
                squares: self.squares[last],
            };
        }
        let (x0, x1) = (self.signal_efficiency[last], self.signal_efficiency[next]);
        let line = |y: &[f64]| interpolate(point, x0, y[last], x1, y[next]);
        At {
            background_efficiency: line(&self.background_efficiency),
            squares: line(&self.squares),
        }
    }

    /// The curve with at most `points` points (at least 2), for drawing. See [`RocCurve`].
    pub fn thin(&self, points: usize) -> RocCurve {
        let floor = 0.5 / self.truth.n_background() as f64;
        RocCurve::thinned(&self.signal_efficiency, &self.background_efficiency, floor, points)
    }
}

/// A drawn ROC curve: few points that reproduce the full curve on a plot of 1/eps_B (logarithmic) against eps_S
/// (linear).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RocCurve {
    /// Signal efficiency, ascending from 0 to 1.
    pub signal_efficiency: Vec<f64>,
    /// Background efficiency, ascending from 0 to 1.
    pub background_efficiency: Vec<f64>,
}

impl RocCurve {
    /// Keeps the points that a straight line between their neighbors would miss by more than a tolerance (Douglas and
    /// Peucker, 1973), in the coordinates of the plot: eps_S from 0 to 1 and six decades of eps_B. The tolerance starts
    /// below what a print resolves (1/4000 of the plot) and doubles until the curve fits into `points`.
    fn thinned(x: &[f64], y: &[f64], floor: f64, points: usize) -> Self {
        let plotted: Vec<f64> = y.iter().map(|v| v.max(floor).log10() / 6.0).collect();
        let mut tolerance = 1.0 / 4000.0;
        let mut kept = simplify(x, &plotted, tolerance);
        while kept.len() > points.max(2) {
            tolerance *= 2.0;
            kept = simplify(x, &plotted, tolerance);
        }
        Self {
            signal_efficiency: kept.iter().map(|&i| x[i]).collect(),
            background_efficiency: kept.iter().map(|&i| y[i]).collect(),
        }
    }

    /// Background efficiency at a signal efficiency, linearly interpolated; at shared signal efficiencies the largest.
    pub fn background_efficiency_at(&self, signal_efficiency: f64) -> f64 {
        let (x, y) = (&self.signal_efficiency, &self.background_efficiency);
        let next = x.partition_point(|&v| v <= signal_efficiency);
        match (next.checked_sub(1), next < x.len()) {
            (None, _) => 0.0,
            (Some(last), false) => y[last],
            (Some(last), true) => interpolate(signal_efficiency, x[last], y[last], x[next], y[next]),
        }
    }
}

/// Indices of the points kept by Douglas-Peucker, ascending; the first and last always are. An explicit stack, because
/// a curve of a million points would overflow the call stack in the worst case.
fn simplify(x: &[f64], y: &[f64], tolerance: f64) -> Vec<usize> {
    let mut keep = vec![false; x.len()];
    if let Some(last) = keep.last_mut() {
        *last = true;
    }
    keep[0] = true;
    let mut spans = vec![(0, x.len() - 1)];
    while let Some((a, b)) = spans.pop() {
        let (dx, dy) = (x[b] - x[a], y[b] - y[a]);
        let length = dx.hypot(dy);
        let (mut worst, mut at) = (0.0, a);
        for i in a + 1..b {
            let (px, py) = (x[i] - x[a], y[i] - y[a]);
            let distance = if length > 0.0 {
                (px * dy - py * dx).abs() / length
            } else {
                px.hypot(py)
            };
            if distance > worst {
                (worst, at) = (distance, i);
            }
        }
        if worst > tolerance {
            keep[at] = true;
            spans.push((a, at));
            spans.push((at, b));
        }
    }
    (0..x.len()).filter(|&i| keep[i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(n: u32) -> Roc {
        let labels: Vec<u8> = (0..n).map(|i| u8::from(i % 2 == 0)).collect();
        let scores: Vec<f64> = (0..n)
            .map(|i| {
                let u = f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
                if i % 2 == 0 { u.powf(0.2) } else { u.powi(4) }
            })
            .collect();
        Roc::new(&scores, &Truth::new(&labels).unwrap()).unwrap()
    }

    #[test]
    fn tied_jets_move_together() {
        // Scores .9 (s), .5 (s, b), .1 (b).
        let roc = Roc::new(&[0.9, 0.5, 0.5, 0.1], &Truth::new(&[1, 1, 0, 0]).unwrap()).unwrap();
        assert_eq!(roc.thresholds(), [f64::INFINITY, 0.9, 0.5, 0.1]);
        assert_eq!(roc.signal_efficiency(), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(roc.background_efficiency(), [0.0, 0.0, 0.5, 1.0]);
        assert_eq!(roc.auc(), 0.875);
        assert_eq!(roc.background_efficiency_at(0.75), 0.25);
        assert_eq!(roc.background_efficiency_at(1.0), 1.0);
    }

    #[test]
    fn a_thinned_curve_is_short_and_still_the_curve() {
        let roc = curve(40_000);
        let thin = roc.thin(500);
        assert!(thin.signal_efficiency.len() <= 500);
        for point in (60..=100).map(|i| f64::from(i) / 100.0) {
            let (full, drawn) = (
                roc.background_efficiency_at(point),
                thin.background_efficiency_at(point),
            );
            assert!((drawn.log10() - full.log10()).abs() < 0.02, "{point}: {full} {drawn}");
        }
        assert_eq!(
            (thin.signal_efficiency[0], *thin.signal_efficiency.last().unwrap()),
            (0.0, 1.0)
        );
    }

    #[test]
    fn working_points_outside_the_unit_interval_are_errors() {
        let roc = curve(100);
        assert!(roc.rejection_at(0.0).is_err());
        assert!(roc.rejection_at(f64::NAN).is_err());
        assert_eq!(roc.rejection_at(1.0).unwrap().value, Some(1.0));
    }
}
