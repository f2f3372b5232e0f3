//! The significance of a counting experiment behind a cut on the score, and the best cut.
//!
//! Cuts are the lower edges of equal bins on [0, 1]: bin i of n begins at i / n, and a row passes the cut when its score is at
//! or above the edge. The best cut belongs on a validation sample; quoted is what [`CutScan::at`] says of it on the test
//! sample, because the best of a hundred cuts is too good on the rows it was picked on.

use serde::{Deserialize, Serialize};

use crate::error::{Result, StatsError};
use crate::score::{Score, widen};
use crate::truth::Truth;

/// How signal and background counts become a number of standard deviations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "formula")]
pub enum Significance {
    /// s / sqrt(s + b).
    SignalOverRootAll,
    /// s / sqrt(b).
    SignalOverRootBackground,
    /// sqrt(2 ((s + b) ln(1 + s/b) - s)): the median discovery significance of the Asimov data set (Cowan, Cranmer, Gross,
    /// Vitells, arXiv:1007.1727, eq. 97).
    Asimov,
    /// The same with a background known to `relative` of itself (Cowan, "Discovery sensitivity for a counting experiment
    /// with background uncertainty", 2012, eq. 20).
    AsimovWithError {
        /// Standard deviation of the background over the background.
        relative: f64,
    },
}

impl Significance {
    /// The significance of `s` signal events on `b` background events; `None` where the formula has no value (no events
    /// for the first, no background for the others).
    pub fn of(&self, s: f64, b: f64) -> Option<f64> {
        let defined = match self {
            Self::SignalOverRootAll => s + b > 0.0,
            _ => b > 0.0,
        };
        if !defined || s < 0.0 || b < 0.0 {
            return None;
        }
        Some(match *self {
            Self::SignalOverRootAll => s / (s + b).sqrt(),
            Self::SignalOverRootBackground => s / b.sqrt(),
            Self::Asimov => asimov(s, b),
            Self::AsimovWithError { relative } => {
                let v = (relative * b).powi(2);
                if v == 0.0 {
                    return Some(asimov(s, b));
                }
                let n = s + b;
                // The paper's logarithm of n (b + v) / (b^2 + n v), about 1 so that a weak signal does not cancel.
                let first = n * (s * b / (b * b + n * v)).ln_1p();
                let second = b * b / v * (v * s / (b * (b + v))).ln_1p();
                (2.0 * (first - second)).max(0.0).sqrt()
            }
        })
    }
}

/// For s much below b the difference of two nearly equal numbers: its series instead.
fn asimov(s: f64, b: f64) -> f64 {
    let x = s / b;
    let bracket = if x < 1e-4 {
        // (1 + x) ln(1 + x) - x = x^2/2 - x^3/6 + O(x^4).
        b * x * x * (0.5 - x / 6.0)
    } else {
        (s + b) * x.ln_1p() - s
    };
    (2.0 * bracket).max(0.0).sqrt()
}

/// How many events the two classes stand for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Yields {
    /// The sums of weights as they are.
    Weights,
    /// As many background events as signal events.
    Equal,
    /// These.
    Expected {
        /// Signal events before the cut.
        signal: f64,
        /// Background events before the cut.
        background: f64,
    },
}

/// A scan of cuts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CutOptions {
    /// Number of bins on [0, 1]. Default: 100.
    pub bins: usize,
    /// Formula. Default: s / sqrt(s + b).
    pub significance: Significance,
    /// Events. Default: as many background as signal events.
    pub yields: Yields,
}

impl Default for CutOptions {
    fn default() -> Self {
        Self {
            bins: 100,
            significance: Significance::SignalOverRootAll,
            yields: Yields::Equal,
        }
    }
}

/// One cut and what passes it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// The cut: rows with a score at or above it pass.
    pub cut: f64,
    /// Signal efficiency.
    pub signal_efficiency: f64,
    /// Background efficiency.
    pub background_efficiency: f64,
    /// The significance; absent where the formula has none.
    pub significance: Option<f64>,
    /// The significance over that of a perfect classifier, which lets all signal and no background pass; absent where one
    /// of the two is not defined (s / sqrt(b) of a perfect classifier is not).
    pub ratio: Option<f64>,
    /// Error of the ratio from the number of rows (binomial errors of both efficiencies, for this fixed cut).
    pub ratio_error: Option<f64>,
}

/// What all cuts give.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CutScan {
    /// Every cut, from 0 up.
    pub cuts: Vec<Cut>,
    /// Index of the cut of the highest significance, the lowest of equals; absent if none has any.
    pub best: Option<usize>,
}

impl CutScan {
    /// Scans the cuts on probabilities in [0, 1], one a row of `truth`.
    ///
    /// # Errors
    /// No bins, a score outside [0, 1], yields that are not finite and above 0; as [`crate::Roc::new`].
    pub fn new<S: Score>(probabilities: &[S], truth: &Truth, options: &CutOptions) -> Result<Self> {
        let refuse = |what: &str, value: f64| {
            Err(StatsError::NotFinite {
                what: what.to_owned(),
                value,
            })
        };
        if options.bins == 0 {
            return Err(StatsError::Bins { bins: 0 });
        }
        let scores = widen(probabilities, truth.rows(), "the probabilities")?;
        if let Some(row) = scores.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(StatsError::Probability {
                row,
                value: scores[row],
            });
        }
        if let Yields::Expected { signal, background } = options.yields {
            for (what, value) in [("the signal yield", signal), ("the background yield", background)] {
                if !(value.is_finite() && value > 0.0) {
                    return refuse(what, value);
                }
            }
        }
        let (signal, background) = truth.split(&scores);
        let weights = truth.class_weights();
        let signal = Class::new(&signal, weights.map(|w| &w.signal[..]), options.bins);
        let background = Class::new(&background, weights.map(|w| &w.background[..]), options.bins);
        let (n_s, n_b) = match options.yields {
            Yields::Weights => (signal.total, background.total),
            Yields::Equal => (signal.total, signal.total),
            Yields::Expected { signal, background } => (signal, background),
        };
        let perfect = options.significance.of(n_s, 0.0);
        let cuts: Vec<Cut> = (0..options.bins)
            .map(|i| {
                let (e_s, e_b) = (signal.efficiency(i), background.efficiency(i));
                let of = |e_s: f64, e_b: f64| options.significance.of(e_s * n_s, e_b * n_b);
                let significance = of(e_s, e_b);
                let ratio = |value: Option<f64>| Some(value? / perfect.filter(|&p| p > 0.0)?);
                let slope = |a: Option<f64>, b: Option<f64>, step: f64| Some((ratio(a)? - ratio(b)?) / step);
                let ratio_error = || {
                    // Slopes by differences over a tenth of an error: the formulas are smooth where they are defined.
                    let (d_s, d_b) = (signal.error(i), background.error(i));
                    let (h_s, h_b) = (0.1 * d_s, 0.1 * d_b);
                    let by_s = if h_s > 0.0 {
                        slope(of(e_s + h_s, e_b), of(e_s, e_b), h_s)?
                    } else {
                        0.0
                    };
                    let by_b = if h_b > 0.0 {
                        slope(of(e_s, e_b + h_b), of(e_s, e_b), h_b)?
                    } else {
                        0.0
                    };
                    Some((by_s * d_s).hypot(by_b * d_b))
                };
                Cut {
                    cut: i as f64 / options.bins as f64,
                    signal_efficiency: e_s,
                    background_efficiency: e_b,
                    significance,
                    ratio: ratio(significance),
                    ratio_error: ratio_error(),
                }
            })
            .collect();
        let mut best: Option<usize> = None;
        for (i, cut) in cuts.iter().enumerate() {
            if cut.significance > best.and_then(|b| cuts[b].significance) {
                best = Some(i);
            }
        }
        Ok(Self { cuts, best })
    }

    /// The best cut of this sample.
    pub fn best(&self) -> Option<&Cut> {
        self.best.map(|i| &self.cuts[i])
    }

    /// What a cut chosen elsewhere gives here: the last cut not above it.
    pub fn at(&self, cut: f64) -> &Cut {
        let next = self.cuts.partition_point(|c| c.cut <= cut);
        &self.cuts[next.saturating_sub(1)]
    }
}

/// One class, summed from the right.
struct Class {
    total: f64,
    /// Weight at or above the lower edge of each bin.
    above: Vec<f64>,
    /// Unweighted rows with the same statistical power.
    effective: f64,
}

impl Class {
    fn new(scores: &[f64], weights: Option<&[f64]>, bins: usize) -> Self {
        let mut above = vec![0.0; bins];
        let (mut total, mut squares) = (0.0, 0.0);
        for (row, &score) in scores.iter().enumerate() {
            let weight = weights.map_or(1.0, |w| w[row]);
            above[bin_of(score, bins)] += weight;
            total += weight;
            squares += weight * weight;
        }
        for i in (0..bins.saturating_sub(1)).rev() {
            above[i] += above[i + 1];
        }
        Self {
            // The same order of additions, so that everything passes the cut 0 exactly.
            total: above.first().copied().unwrap_or(total),
            above,
            effective: total * total / squares,
        }
    }

    fn efficiency(&self, i: usize) -> f64 {
        self.above[i] / self.total
    }

    fn error(&self, i: usize) -> f64 {
        let e = self.efficiency(i);
        (e * (1.0 - e) / self.effective).max(0.0).sqrt()
    }
}

/// The bin whose lower edge i / n is the last not above the score. The product alone would put 0.29 of 100 bins into bin 28.
fn bin_of(score: f64, bins: usize) -> usize {
    let n = bins as f64;
    let mut bin = ((score * n) as usize).min(bins - 1);
    while bin > 0 && bin as f64 / n > score {
        bin -= 1;
    }
    while bin + 1 < bins && (bin + 1) as f64 / n <= score {
        bin += 1;
    }
    bin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(scores: &[f64], labels: &[u8], options: CutOptions) -> CutScan {
        CutScan::new(scores, &Truth::new(labels).unwrap(), &options).unwrap()
    }

    #[test]
    fn the_ratio_is_the_best_of_tpr_over_root_tpr_plus_fpr() {
        // Cut 0.5: both signal rows pass, one of four background rows: 1 / sqrt(1 + 1/4).
        let found = scan(
            &[0.9, 0.6, 0.7, 0.2, 0.1, 0.3],
            &[1, 1, 0, 0, 0, 0],
            CutOptions::default(),
        );
        let best = found.best().unwrap();
        // Of equal cuts the lowest: all from 0.31 to 0.6 let the same rows pass.
        assert_eq!(best.cut, 0.31);
        assert!((best.ratio.unwrap() - 1.25f64.sqrt().recip()).abs() < 1e-15);
        assert_eq!((best.signal_efficiency, best.background_efficiency), (1.0, 0.25));
        assert_eq!(found.at(0.315), best);
        assert_eq!(found.cuts[0].ratio.unwrap(), 0.5f64.sqrt());
    }

    #[test]
    fn a_score_on_an_edge_passes_the_cut_at_that_edge() {
        for i in 0..100 {
            let edge = f64::from(i) / 100.0;
            assert_eq!(bin_of(edge, 100), i as usize);
        }
        assert_eq!(bin_of(1.0, 100), 99);
        assert_eq!(bin_of(0.29_f64.next_down(), 100), 28);
    }

    #[test]
    fn formulas_agree_with_independent_numbers_and_with_each_other() {
        // Computed from the papers' formulas in Python: s = 10, b = 50, and an error of 20 %.
        let asimov = Significance::Asimov.of(10.0, 50.0).unwrap();
        assert!((asimov - 1.370_615_487_755_246_6).abs() < 1e-12, "{asimov}");
        let unsure = Significance::AsimovWithError { relative: 0.2 }.of(10.0, 50.0).unwrap();
        assert!((unsure - 0.7751467687435293).abs() < 1e-12, "{unsure}");
        // Without an uncertainty the two are one.
        let sure = Significance::AsimovWithError { relative: 1e-6 }.of(10.0, 50.0).unwrap();
        assert!((sure - asimov).abs() < 1e-5, "{sure}");
        // For b much above s all become s / sqrt(b), or s / sqrt(b + sigma^2).
        let (s, b) = (1.0, 1e8);
        assert!((Significance::Asimov.of(s, b).unwrap() / 1e-4 - 1.0).abs() < 1e-6);
        let unsure = Significance::AsimovWithError { relative: 0.1 }.of(1e3, 1e8).unwrap();
        assert!((unsure / (1e3 / (1e8f64 + 1e14).sqrt()) - 1.0).abs() < 1e-3, "{unsure}");
        assert_eq!(Significance::Asimov.of(1.0, 0.0), None);
        assert_eq!(Significance::SignalOverRootAll.of(0.0, 0.0), None);
    }

    #[test]
    fn the_error_is_that_of_many_samples() {
        // Samples of 400 + 400 rows with efficiencies 0.8 and 0.1 at the cut 0.5.
        let mut state = 7u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let labels: Vec<u8> = (0..800).map(|i| u8::from(i < 400)).collect();
        let options = CutOptions {
            bins: 2,
            ..CutOptions::default()
        };
        let (mut sum, mut squares, mut told) = (0.0, 0.0, 0.0);
        let samples = 1000;
        for _ in 0..samples {
            let scores: Vec<f64> = (0..800)
                .map(|i| {
                    if uniform() < if i < 400 { 0.8 } else { 0.1 } {
                        0.9
                    } else {
                        0.1
                    }
                })
                .collect();
            let cut = scan(&scores, &labels, options).cuts[1];
            let ratio = cut.ratio.unwrap();
            sum += ratio;
            squares += ratio * ratio;
            told += cut.ratio_error.unwrap();
        }
        let n = f64::from(samples);
        let spread = (squares / n - (sum / n).powi(2)).sqrt();
        assert!((told / n / spread - 1.0).abs() < 0.1, "{} {spread}", told / n);
    }

    #[test]
    fn what_is_no_probability_is_refused_by_row() {
        let truth = Truth::new(&[1, 0]).unwrap();
        let error = CutScan::new(&[0.5, 1.5], &truth, &CutOptions::default()).unwrap_err();
        assert_eq!(error, StatsError::Probability { row: 1, value: 1.5 });
        let options = CutOptions {
            bins: 0,
            ..CutOptions::default()
        };
        assert!(CutScan::new(&[0.5, 0.5], &truth, &options).is_err());
        let options = CutOptions {
            yields: Yields::Expected {
                signal: 0.0,
                background: 1.0,
            },
            ..CutOptions::default()
        };
        assert!(CutScan::new(&[0.5, 0.5], &truth, &options).is_err());
    }
}
