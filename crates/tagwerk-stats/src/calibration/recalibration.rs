//! Recalibration of a predictive distribution: a monotone map of its PIT, learned on rows kept apart.
//!
//! If the PIT u of calibration rows is distributed as G, then G(u) is uniform. The map is G's estimate, v = G(u), so
//! the corrected distribution is G(F(y | c)) and its quantile of level a is F^-1(G^-1(a) | c). It is continuous and
//! strictly ascending, hence reversible, and fixes 0 and 1.
//!
//! With every calibration row a knot, at height i/(n + 1), it is split conformal prediction (Vovk, Gammerman, Shafer,
//! 2005; Chernozhukov, Wüthrich, Zhu, PNAS 118 (2021) e2107794118): a fresh exchangeable row has v <= a with
//! probability within 1/(n + 1) of a. With K knots that slack is 1/K more. The guarantee is over all rows; one map a
//! class (Mondrian) gives it for each class.

use crate::checks;
use crate::error::{Result, StatsError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Fewest rows from which a map is learned.
const FEWEST: usize = 20;

/// The map. Serialized as its knots; knots that do not ascend are refused when read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Knots", into = "Knots")]
pub struct PitRecalibration {
    knots: Knots,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Knots {
    /// Rows it was learned from.
    rows: usize,
    /// PIT of the prediction, ascending from 0 to 1.
    pit: Vec<f64>,
    /// Recalibrated PIT, ascending from 0 to 1.
    recalibrated: Vec<f64>,
}

impl TryFrom<Knots> for PitRecalibration {
    type Error = StatsError;

    fn try_from(knots: Knots) -> Result<Self> {
        checks::rows("the recalibrated PIT", knots.pit.len(), knots.recalibrated.len())?;
        checks::at_least("knots", 2, knots.pit.len())?;
        for column in [&knots.pit, &knots.recalibrated] {
            checks::shares("a knot of the recalibration", column)?;
            let descending = (1..column.len()).find(|&i| column[i] <= column[i - 1]);
            let open = (column[0] != 0.0 || column[column.len() - 1] != 1.0).then_some(0);
            if let Some(row) = descending.or(open) {
                return Err(StatsError::Range {
                    what: "a knot of the recalibration".to_owned(),
                    row,
                    value: column[row],
                    wanted: "ascending order from 0 to 1",
                });
            }
        }
        Ok(Self { knots })
    }
}

impl From<PitRecalibration> for Knots {
    fn from(map: PitRecalibration) -> Self {
        map.knots
    }
}

impl PitRecalibration {
    /// Learns the map from the PIT of calibration rows, with at most `knots` inner knots (0: as many as rows).
    ///
    /// Equal PIT values share a knot at the middle of their ranks; values 0 and 1 (saturation) are no inner knots.
    ///
    /// # Errors
    /// Fewer than 20 rows, values outside [0, 1].
    pub fn fit(pit: &[f64], knots: usize) -> Result<Self> {
        checks::at_least("calibration rows", FEWEST, pit.len())?;
        checks::shares("the PIT", pit)?;
        let mut sorted = pit.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        // (PIT, middle of the ranks i/(n + 1) of equal values).
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(n);
        let mut begin = 0;
        while begin < n {
            let end = begin + sorted[begin..].partition_point(|&u| u <= sorted[begin]);
            let (u, v) = (sorted[begin], (begin + 1 + end) as f64 / 2.0 / (n + 1) as f64);
            if u > 0.0 && u < 1.0 {
                points.push((u, v));
            }
            begin = end;
        }
        let kept = if knots == 0 {
            points.len()
        } else {
            knots.min(points.len())
        };
        let (mut pit, mut recalibrated) = (vec![0.0], vec![0.0]);
        for i in 0..kept {
            // Evenly chosen, the first and last among them.
            let at = if kept == 1 {
                points.len() / 2
            } else {
                i * (points.len() - 1) / (kept - 1)
            };
            pit.push(points[at].0);
            recalibrated.push(points[at].1);
        }
        pit.push(1.0);
        recalibrated.push(1.0);
        Self::try_from(Knots {
            rows: n,
            pit,
            recalibrated,
        })
    }

    /// One map a class (Mondrian), by class number.
    ///
    /// # Errors
    /// As [`PitRecalibration::fit`], for each class; columns of unequal length.
    pub fn fit_classes(pit: &[f64], classes: &[u32], knots: usize) -> Result<BTreeMap<u32, Self>> {
        checks::rows("the class column", pit.len(), classes.len())?;
        let mut by_class: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (&u, &class) in pit.iter().zip(classes) {
            by_class.entry(class).or_default().push(u);
        }
        let fit = |(class, pit): (u32, Vec<f64>)| Ok((class, Self::fit(&pit, knots)?));
        by_class.into_iter().map(fit).collect()
    }

    /// Rows it was learned from.
    pub fn rows(&self) -> usize {
        self.knots.rows
    }

    /// v = G(u): the recalibrated PIT. Outside [0, 1] the ends count.
    pub fn apply(&self, pit: f64) -> f64 {
        along(pit, &self.knots.pit, &self.knots.recalibrated)
    }

    /// u = G^-1(v): the level of the original prediction at which the recalibrated one has level v.
    pub fn invert(&self, level: f64) -> f64 {
        along(level, &self.knots.recalibrated, &self.knots.pit)
    }

    /// dG/du: the factor by which the density is multiplied. At a knot, that of the piece above.
    pub fn slope(&self, pit: f64) -> f64 {
        let (x, y) = (&self.knots.pit, &self.knots.recalibrated);
        let at = x.partition_point(|&knot| knot <= pit).clamp(1, x.len() - 1);
        (y[at] - y[at - 1]) / (x[at] - x[at - 1])
    }
}

/// The straight line between the knots around `at`.
fn along(at: f64, x: &[f64], y: &[f64]) -> f64 {
    let next = x.partition_point(|&knot| knot <= at).clamp(1, x.len() - 1);
    let share = (at - x[next - 1]) / (x[next] - x[next - 1]);
    (y[next - 1] + share * (y[next] - y[next - 1])).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::{central_coverage, pit_histogram};
    use crate::stream::{below, stream};
    use proptest::prelude::*;

    /// PIT values of a prediction that is too narrow: u -> mass moved to both ends.
    fn narrow(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = stream(seed, "narrow", 0);
        (0..n)
            .map(|_| {
                let u = (f64::from(below(&mut rng, 1 << 30)) + 0.5) / f64::from(1 << 30);
                let centered = 2.0 * u - 1.0;
                0.5 + 0.5 * centered.signum() * centered.abs().powf(0.5)
            })
            .collect()
    }

    #[test]
    fn fresh_rows_are_covered_after_it_and_not_before() {
        let map = PitRecalibration::fit(&narrow(4000, 1), 0).unwrap();
        let fresh = narrow(20_000, 2);
        let levels = [0.5, 0.68, 0.9, 0.95];
        let before = central_coverage(&fresh, &levels).unwrap();
        assert!(before[0].value < 0.3, "{before:?}");
        let corrected: Vec<f64> = fresh.iter().map(|&u| map.apply(u)).collect();
        for (share, level) in central_coverage(&corrected, &levels).unwrap().iter().zip(levels) {
            // 4000 calibration rows are good to 0.8 %, 20,000 fresh ones to 0.35 %; 4 sigma.
            assert!((share.value - level).abs() < 0.035, "{level}: {share:?}");
        }
        assert!(pit_histogram(&corrected, 20).unwrap().ks < 0.035);
    }

    #[test]
    fn the_guarantee_of_split_conformal_prediction_holds_on_average() {
        // Over many small calibration sets, P(v <= a) of one fresh row is within 1/(n + 1) of a.
        let (n, trials) = (24, 20_000_u64);
        let level = 0.8;
        let mut inside = 0;
        for trial in 0..trials {
            let all = narrow(n + 1, 100 + trial);
            let map = PitRecalibration::fit(&all[..n], 0).unwrap();
            inside += u64::from(map.apply(all[n]) <= level);
        }
        let share = inside as f64 / trials as f64;
        // Binomial error 0.0028.
        assert!((share - level).abs() < 1.0 / 25.0 + 4.0 * 0.0028, "{share}");
    }

    #[test]
    fn each_class_gets_its_own_map() {
        let (mut pit, mut classes) = (narrow(500, 3), vec![1_u32; 500]);
        pit.extend((0..500).map(|i| (f64::from(i) + 0.5) / 500.0));
        classes.extend([0; 500]);
        let maps = PitRecalibration::fit_classes(&pit, &classes, 50).unwrap();
        assert!((maps[&0].apply(0.25) - 0.25).abs() < 0.02);
        assert!(maps[&1].apply(0.25) > 0.3);
        classes[0] = 7;
        let error = PitRecalibration::fit_classes(&pit, &classes, 50).unwrap_err();
        assert_eq!(error.to_string(), "calibration rows: 1 values, at least 20 are needed");
    }

    #[test]
    fn knots_that_do_not_ascend_are_refused_when_read() {
        let map = PitRecalibration::fit(&narrow(100, 4), 10).unwrap();
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<PitRecalibration>(&text).unwrap(), map);
        for bad in [
            r#"{"rows": 1, "pit": [0.0, 0.5, 0.5, 1.0], "recalibrated": [0.0, 0.1, 0.2, 1.0]}"#,
            r#"{"rows": 1, "pit": [0.1, 1.0], "recalibrated": [0.0, 1.0]}"#,
            r#"{"rows": 1, "pit": [0.0, 1.0], "recalibrated": [0.0]}"#,
            r#"{"rows": 1, "pit": [], "recalibrated": []}"#,
        ] {
            assert!(serde_json::from_str::<PitRecalibration>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_ascends_and_comes_back(pit in proptest::collection::vec(0..=64_u32, 20..200), knots in 0..30_usize) {
            // A coarse grid: ties, and PIT values at both ends.
            let pit: Vec<f64> = pit.iter().map(|&k| f64::from(k) / 64.0).collect();
            let map = PitRecalibration::fit(&pit, knots).unwrap();
            let mut last = -1.0;
            for i in 0..=100 {
                let u = f64::from(i) / 100.0;
                let v = map.apply(u);
                prop_assert!(v > last && (map.invert(v) - u).abs() < 1e-9);
                prop_assert!(map.slope(u) > 0.0);
                last = v;
            }
            prop_assert_eq!((map.apply(0.0), map.apply(1.0)), (0.0, 1.0));
        }
    }
}
