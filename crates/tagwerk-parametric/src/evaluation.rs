//! Scores of a parametric network, point by point.
//!
//! At each hypothesis M: the signal of M against all background, which is given M too (arXiv:2202.00424). Cuts are chosen
//! on validation events and quoted on test events.

use crate::error::ParametricError;
use crate::hypotheses::Hypotheses;
use serde::{Deserialize, Serialize};
use tagwerk_stats::{CutOptions, CutScan, PrecisionRecall, Roc, Truth, delong, logistic};
use tagwerk_train::ScoreTable;

/// Groups of the delete-a-group jackknife.
const GROUPS: u64 = 20;

/// Where a cut comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutFrom {
    /// Chosen on validation events of this point.
    Validation,
    /// Between the cuts of the neighboring points that were trained on.
    Interpolated,
    /// That of the lowest or highest point trained on: this one lies beyond.
    Nearest,
    /// That of the network of another mass, which serves this one.
    Serving,
    /// The best on the test events themselves, for want of others: too good.
    Test,
}

/// One hypothesis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointEvaluation {
    /// Value of the parameter, the first of several.
    pub mass: f64,
    /// All parameters, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Vec<f32>>,
    /// Area under the ROC curve.
    pub auc_roc: f64,
    /// Its error by DeLong.
    pub auc_roc_error: Option<f64>,
    /// Average precision, background weighted with 1 / number of points.
    pub auc_pr: f64,
    /// Its error by the jackknife.
    pub auc_pr_error: Option<f64>,
    /// s / sqrt(s + b) at the cut over that of a perfect classifier, as much background as signal before the cut.
    pub significance_ratio: f64,
    /// Its error: efficiencies on the test events.
    pub significance_ratio_error: Option<f64>,
    /// The highest ratio of any cut on the test events: what literature quotes.
    pub significance_ratio_best: f64,
    /// The cut.
    pub best_cut: f64,
    /// Where it comes from.
    pub cut_from: CutFrom,
    /// Whether the point lies outside the range of those trained on.
    pub out_of_range: bool,
    /// Whether the network was trained on signal of this point.
    pub trained: bool,
    /// Signal events.
    pub n_signal: usize,
    /// Background events.
    pub n_background: usize,
}

impl PointEvaluation {
    /// What a mean over points has too.
    pub(crate) fn figures(&self) -> MeanEvaluation {
        MeanEvaluation {
            auc_roc: self.auc_roc,
            auc_roc_error: self.auc_roc_error,
            auc_pr: self.auc_pr,
            auc_pr_error: self.auc_pr_error,
            significance_ratio: self.significance_ratio,
            significance_ratio_error: self.significance_ratio_error,
            best_cut: self.best_cut,
        }
    }
}

/// Means over the points, each with the same weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeanEvaluation {
    /// Area under the ROC curve.
    pub auc_roc: f64,
    /// Its error by the jackknife over events: points share their background.
    pub auc_roc_error: Option<f64>,
    /// Average precision.
    pub auc_pr: f64,
    /// Its error.
    pub auc_pr_error: Option<f64>,
    /// Significance ratio.
    pub significance_ratio: f64,
    /// Its error.
    pub significance_ratio_error: Option<f64>,
    /// The cut.
    pub best_cut: f64,
}

/// A network, point by point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyEvaluation {
    /// Ascending.
    pub masses: Vec<PointEvaluation>,
    /// Over all of them.
    pub mean: MeanEvaluation,
    /// Trained parameters of the network.
    pub parameters: usize,
}

/// A figure over the seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Mean.
    pub value: f64,
    /// Its error: test events and seeds together.
    pub error: Option<f64>,
    /// Standard deviation over the seeds; absent for one.
    pub spread: Option<f64>,
}

impl Compared {
    /// The mean with the error of the test events, which all trainings share, and of the seeds.
    pub(crate) fn over(values: &[f64], errors: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let spread =
            (values.len() > 1).then(|| (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt());
        let test = (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64);
        Some(Self {
            value: mean,
            error: test.map(|test| test.hypot(spread.unwrap_or(0.0) / n.sqrt())),
            spread,
        })
    }
}

/// Scores of one hypothesis.
#[derive(Debug, Clone)]
pub(crate) struct PointScores {
    pub(crate) name: f32,
    pub(crate) log_odds: Vec<f32>,
    pub(crate) labels: Vec<u8>,
    weights: Vec<f64>,
    rows: Vec<u64>,
}

impl PointScores {
    /// Points of a table that have both classes, ascending.
    pub(crate) fn of(table: &ScoreTable) -> Vec<Self> {
        let Some(names) = &table.parameters else {
            return Vec::new();
        };
        let mut order: Vec<usize> = (0..table.len()).collect();
        order.sort_by(|&a, &b| names[a].total_cmp(&names[b]));
        let points = order.chunk_by(|&a, &b| names[a] == names[b]).map(|rows| Self {
            name: names[rows[0]],
            log_odds: rows.iter().map(|&i| table.log_odds[i]).collect(),
            labels: rows.iter().map(|&i| table.labels[i]).collect(),
            weights: rows.iter().map(|&i| f64::from(table.weights[i])).collect(),
            rows: rows.iter().map(|&i| table.rows[i]).collect(),
        });
        points
            .filter(|p| p.labels.contains(&0) && p.labels.contains(&1))
            .collect()
    }

    pub(crate) fn truth(&self) -> Result<Truth, ParametricError> {
        Ok(Truth::weighted(&self.labels, &self.weights)?)
    }

    /// The same without the events of a group.
    fn without(&self, group: u64) -> Self {
        let kept: Vec<usize> = (0..self.rows.len())
            .filter(|&i| group_of(self.rows[i]) != group)
            .collect();
        Self {
            name: self.name,
            log_odds: kept.iter().map(|&i| self.log_odds[i]).collect(),
            labels: kept.iter().map(|&i| self.labels[i]).collect(),
            weights: kept.iter().map(|&i| self.weights[i]).collect(),
            rows: kept.iter().map(|&i| self.rows[i]).collect(),
        }
    }

    pub(crate) fn probabilities(&self) -> Vec<f64> {
        self.log_odds.iter().map(|&s| logistic(f64::from(s))).collect()
    }

    fn scan(&self) -> Result<CutScan, ParametricError> {
        Ok(CutScan::new(
            &self.probabilities(),
            &self.truth()?,
            &CutOptions::default(),
        )?)
    }

    /// AUC, average precision, significance ratio at a cut.
    fn figures(&self, cut: f64) -> Result<[f64; 3], ParametricError> {
        let truth = self.truth()?;
        Ok([
            Roc::new(&self.log_odds, &truth)?.auc(),
            PrecisionRecall::new(&self.log_odds, &truth)?.average_precision,
            self.scan()?.at(cut).ratio.unwrap_or(0.0),
        ])
    }
}

/// Which group of the jackknife an event is in: neighbors in a file are in different ones.
fn group_of(row: u64) -> u64 {
    (row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % GROUPS
}

/// The deviation of the mean of all by leaving out each group in turn.
fn jackknife(parts: &[f64]) -> Option<f64> {
    let n = parts.len() as f64;
    if parts.len() < 2 {
        return None;
    }
    let mean = parts.iter().sum::<f64>() / n;
    let squares: f64 = parts.iter().map(|p| (p - mean).powi(2)).sum();
    Some(((n - 1.0) / n * squares).sqrt())
}

/// Figures of the test events of each point. `trained` are the points of the training, `tested` those of the test, by
/// whose number a table names points of several parameters.
///
/// # Errors
/// A table without parameters or without a point of both classes.
pub fn evaluate_scores(
    test: &ScoreTable,
    validation: Option<&ScoreTable>,
    trained: &Hypotheses,
    tested: &Hypotheses,
    parameters: usize,
) -> Result<StudyEvaluation, ParametricError> {
    let cuts = match validation {
        Some(validation) => cuts_of(validation, trained)?,
        None => Vec::new(),
    };
    evaluate_cut(test, &|point| cut_at(&cuts, point), trained, tested, parameters)
}

/// The best cuts on validation events, by their points, ascending.
pub(crate) fn cuts_of(validation: &ScoreTable, trained: &Hypotheses) -> Result<Vec<(Vec<f32>, f64)>, ParametricError> {
    let mut cuts = Vec::new();
    for scores in PointScores::of(validation) {
        if let Some(best) = scores.scan()?.best() {
            cuts.push((point_of(scores.name, trained), best.cut));
        }
    }
    Ok(cuts)
}

/// The cut of a point, and where it comes from.
pub(crate) type CutFor<'a> = dyn Fn(&[f32]) -> Option<(f64, CutFrom)> + 'a;

/// As [`evaluate_scores`], with the cut that `cut_for` has for a point; where it has none, the best of the test itself.
pub(crate) fn evaluate_cut(
    test: &ScoreTable,
    cut_for: &CutFor<'_>,
    trained: &Hypotheses,
    tested: &Hypotheses,
    parameters: usize,
) -> Result<StudyEvaluation, ParametricError> {
    let points = PointScores::of(test);
    if points.is_empty() {
        return Err(ParametricError::Events {
            what: "scores".to_owned(),
            reason: "no hypothesis has both signal and background".to_owned(),
        });
    }
    let mut masses = Vec::new();
    let mut without: Vec<Vec<[f64; 3]>> = vec![Vec::new(); GROUPS as usize];
    for scores in &points {
        let point = point_of(scores.name, tested);
        let scan = scores.scan()?;
        let test_best = scan.best().map_or(0.5, |best| best.cut);
        let (cut, cut_from) = cut_for(&point).unwrap_or((test_best, CutFrom::Test));
        let [_, auc_pr, ratio] = scores.figures(cut)?;
        let mut left: [Vec<f64>; 3] = Default::default();
        for group in 0..GROUPS {
            // A group may hold all events of a class of a small sample.
            if let Ok(figures) = scores.without(group).figures(cut) {
                without[group as usize].push(figures);
                left.iter_mut()
                    .zip(figures)
                    .for_each(|(left, figure)| left.push(figure));
            }
        }
        let auc = delong(&scores.log_odds, &scores.truth()?)?;
        let at = scan.at(cut);
        masses.push(PointEvaluation {
            mass: f64::from(point[0]),
            auc_roc: auc.auc,
            auc_roc_error: auc.error.or_else(|| jackknife(&left[0])),
            auc_pr,
            auc_pr_error: jackknife(&left[1]),
            significance_ratio: ratio,
            significance_ratio_error: at.ratio_error,
            significance_ratio_best: scan.best().and_then(|best| best.ratio).unwrap_or(0.0),
            best_cut: cut,
            cut_from,
            out_of_range: trained.outside(&point),
            trained: trained.find(&point).is_some(),
            n_signal: scores.labels.iter().filter(|&&l| l == 1).count(),
            n_background: scores.labels.iter().filter(|&&l| l == 0).count(),
            point: (point.len() > 1).then_some(point),
        });
    }
    let mean = |of: fn(&PointEvaluation) -> f64| masses.iter().map(of).sum::<f64>() / masses.len() as f64;
    let error = |figure: usize| {
        let whole = without.iter().filter(|points| points.len() == masses.len());
        let means = whole.map(|points| points.iter().map(|p| p[figure]).sum::<f64>() / points.len() as f64);
        jackknife(&means.collect::<Vec<_>>())
    };
    let mean = MeanEvaluation {
        auc_roc: mean(|p| p.auc_roc),
        auc_roc_error: error(0),
        auc_pr: mean(|p| p.auc_pr),
        auc_pr_error: error(1),
        significance_ratio: mean(|p| p.significance_ratio),
        significance_ratio_error: error(2),
        best_cut: mean(|p| p.best_cut),
    };
    Ok(StudyEvaluation {
        masses,
        mean,
        parameters,
    })
}

/// The point that a score file names.
pub(crate) fn point_of(name: f32, points: &Hypotheses) -> Vec<f32> {
    match points.width() {
        1 => vec![name],
        // Points of several parameters go by their number.
        _ if (name as usize) < points.len() => points.point(name as usize).to_vec(),
        width => vec![f32::NAN; width],
    }
}

/// The cut of a point, or of one parameter's value between two that have one. Beyond the ends, the end's.
fn cut_at(cuts: &[(Vec<f32>, f64)], point: &[f32]) -> Option<(f64, CutFrom)> {
    if let Some((_, cut)) = cuts.iter().find(|(known, _)| known == point) {
        return Some((*cut, CutFrom::Validation));
    }
    let [value] = point else { return None };
    let below = cuts.iter().rev().find(|(known, _)| known[0] < *value);
    let above = cuts.iter().find(|(known, _)| known[0] > *value);
    match (below, above) {
        (Some((low, a)), Some((high, b))) => {
            let share = f64::from((value - low[0]) / (high[0] - low[0]));
            Some((a + (b - a) * share, CutFrom::Interpolated))
        }
        (Some((_, cut)), None) | (None, Some((_, cut))) => Some((*cut, CutFrom::Nearest)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signal of 500 and 1000 at scores spread by `power`, each background event at both.
    fn table(n: u64, shift: f32) -> ScoreTable {
        let mut table = ScoreTable {
            weighted: true,
            parameters: Some(Vec::new()),
            ..ScoreTable::default()
        };
        for row in 0..n {
            let u = ((row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1u64 << 53) as f64) as f32;
            for (mass, power) in [(500.0, 1.0), (1000.0, 3.0)] {
                let signal = row % 2 == 0;
                if signal && (row % 4 == 0) != (mass == 500.0) {
                    continue;
                }
                table.rows.push(row);
                table.labels.push(u8::from(signal));
                table.weights.push(if signal { 1.0 } else { 0.5 });
                table.log_odds.push(if signal { shift + power * u } else { u });
                if let Some(names) = &mut table.parameters {
                    names.push(mass);
                }
            }
        }
        table
    }

    fn points(values: &[f32]) -> Hypotheses {
        Hypotheses::of_signal(values, 1, &vec![1.0; values.len()]).unwrap()
    }

    #[test]
    fn each_point_has_all_background_and_its_own_signal() {
        let (test, validation) = (table(2000, 0.2), table(1000, 0.2));
        let (trained, tested) = (points(&[500.0]), points(&[500.0, 1000.0]));
        let found = evaluate_scores(&test, Some(&validation), &trained, &tested, 7).unwrap();
        assert_eq!(
            found
                .masses
                .iter()
                .map(|p| (p.n_signal, p.n_background))
                .collect::<Vec<_>>(),
            [(500, 1000); 2]
        );
        // P(u_s + 0.2 > u_b) of uniform numbers: 1 - 0.8^2 / 2 = 0.68.
        assert!(
            (found.masses[0].auc_roc - 0.68).abs() < 0.02,
            "{}",
            found.masses[0].auc_roc
        );
        assert!(found.masses[1].out_of_range && !found.masses[0].out_of_range);
        assert!(found.masses[0].trained && !found.masses[1].trained);
        let mean = (found.masses[0].auc_roc + found.masses[1].auc_roc) / 2.0;
        assert!((found.mean.auc_roc - mean).abs() < 1e-12);
        // The quoted ratio cannot beat the best of the test itself.
        assert!(
            found
                .masses
                .iter()
                .all(|p| p.significance_ratio <= p.significance_ratio_best + 1e-12)
        );
    }

    #[test]
    fn the_jackknife_of_an_auc_is_near_delongs_error() {
        let test = table(4000, 0.3);
        let scores = &PointScores::of(&test)[0];
        let left: Vec<f64> = (0..GROUPS)
            .map(|g| scores.without(g).figures(0.5).unwrap()[0])
            .collect();
        let own = jackknife(&left).unwrap();
        let theirs = delong(&scores.log_odds, &scores.truth().unwrap())
            .unwrap()
            .error
            .unwrap();
        // 20 groups know their deviation to a sixth; half as much again is three times that.
        assert!(own / theirs > 0.5 && own / theirs < 1.5, "{own} {theirs}");
    }

    #[test]
    fn a_cut_is_that_of_the_point_or_lies_between_its_neighbors() {
        let cuts = [(vec![500.0], 0.2), (vec![1000.0], 0.6)];
        assert_eq!(cut_at(&cuts, &[500.0]), Some((0.2, CutFrom::Validation)));
        let (cut, from) = cut_at(&cuts, &[750.0]).unwrap();
        assert!((cut - 0.4).abs() < 1e-12 && from == CutFrom::Interpolated);
        // Nothing lies between that it could come from.
        assert_eq!(cut_at(&cuts, &[1500.0]), Some((0.6, CutFrom::Nearest)));
        assert_eq!(cut_at(&cuts, &[400.0]), Some((0.2, CutFrom::Nearest)));
        assert_eq!(cut_at(&cuts, &[750.0, 1.0]), None);
        assert_eq!(cut_at(&[], &[750.0]), None);
    }

    #[test]
    fn scores_without_hypotheses_are_refused() {
        let mut test = table(100, 0.2);
        test.parameters = None;
        let points = points(&[500.0]);
        let error = evaluate_scores(&test, None, &points, &points, 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("no hypothesis"), "{error}");
    }

    #[test]
    fn seeds_and_test_events_both_make_the_error() {
        let found = Compared::over(&[0.8, 0.9], &[0.03, 0.05]).unwrap();
        let spread = 0.005f64.sqrt();
        assert!((found.spread.unwrap() - spread).abs() < 1e-12 && (found.value - 0.85).abs() < 1e-12);
        assert!((found.error.unwrap() - 0.04f64.hypot(0.05)).abs() < 1e-12);
        assert_eq!(Compared::over(&[], &[]), None);
        assert_eq!(Compared::over(&[0.8], &[0.03]).unwrap().spread, None);
    }
}
