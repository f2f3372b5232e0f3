//! Is the surrogate right, and does it know when it is not? The studies E1 to E9 of Bieringer et al., arXiv:2402.15558,
//! and what they leave out: central coverage, exact PIT, per class and in bins, proper scores, rank tests, conformal
//! correction, detection of jets outside the domain.
//!
//! # What is taken as the prediction
//!
//! The mixture of all members. A point estimate, where there is one, is told apart and by its number; no study takes
//! "member 0" for anything else than a member.
//!
//! # Exact where one dimension allows it
//!
//! A surrogate of one score has a distribution function, so PIT, coverage, calibration, predicted accuracy and
//! efficiencies come from one call a jet and member and carry no sampling noise. Scores are drawn only where a study is
//! about draws (ranks, CRPS, epistemic spread, ROC, marginals), from noise addressed by (seed, purpose, row of the
//! table) and handed to every member alike.
//!
//! # Departures from the original studies
//!
//! The calibration curve is computed with every member's own weights from beginning to end (the original kept the last
//! sample in place of the point estimate for 9 of 10 batches). Its central line and that of the accuracy spectrum are
//! the mixture for every posterior. Shifts have 11 amounts instead of 10, so that +500 GeV and +100 particles are among
//! them, and use stratified noise, which gives the same mean with fewer draws. Single jets are chosen by their place in
//! the order of pT.

mod accuracy;
mod classification;
mod conformal;
mod drawn;
mod efficiencies;
mod predictive;
mod profiles;
mod shifts;
mod single_jets;

pub use shifts::Shift;

use crate::domain::Domain;
use crate::error::SurrogateError;
use crate::roles::{Roles, no_condition};
use crate::score_model::ScoreModel;
use crate::score_table::ScoreTable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tagwerk_data::random::{shuffle, stream};
use tagwerk_stats::{OverJets, Proportion, SurrogateEvaluation, sample_quantile, working_point_key};

/// What an evaluation computes. Counts of jets are limits: a smaller table is used whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationOptions {
    /// Seed of the choice of jets and of all noise. Default: 231957.
    pub seed: u64,
    /// Jets evaluated exactly. Default: 10,000.
    pub rows: usize,
    /// Jets for which scores are drawn. Default: 2,000.
    pub drawn_rows: usize,
    /// Scores drawn for each of them by each member. Default: 100.
    pub draws: usize,
    /// Levels of central coverage. Default: 0.5, 0.68, 0.9, 0.95.
    pub levels: Vec<f64>,
    /// Points of the calibration curve between 0 and 1. Default: 50.
    pub curve_points: usize,
    /// Bins of the PIT histogram. Default: 20.
    pub pit_bins: usize,
    /// Which condition is which; set from the configuration's `data.roles`. Default: found by their usual names.
    #[serde(skip)]
    pub roles: Roles,
    /// Conditions in whose bins coverage, areas and efficiencies are told. Default: transverse momentum and multiplicity,
    /// where the table has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<String>>,
    /// Bins of each of them. Default: 5.
    pub bins: usize,
    /// Scores drawn a jet and member for ROC curves and marginals. Default: 4.
    pub roc_draws: usize,
    /// Signal efficiencies of the classifier whose cuts are compared. Default: 0.3, 0.5, 0.8.
    pub working_points: Vec<f64>,
    /// Bins of conditions in which spread and accuracy are told (E4). Default: 10.
    pub profile_bins: usize,
    /// Shifts of one condition (E6). Default: transverse momentum by up to 1000, energy by up to 4000, multiplicity by
    /// up to 200, as in the paper, where the table has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shifts: Option<Vec<Shift>>,
    /// Jets that are shifted. Default: 500.
    pub shift_rows: usize,
    /// Scores a shifted jet and member. Default: 20.
    pub shift_draws: usize,
    /// Rows of the table shown as single jets (E7). Default: none named, so one of each class is taken at the middle of
    /// the order in pT.
    pub single_jets: Vec<usize>,
    /// Scores drawn for each single jet by each member. Default: 5,000.
    pub single_draws: usize,
    /// Nearest training jets whose classifier's scores stand beside a single jet. Default: 1,000.
    pub single_neighbors: usize,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self {
            seed: 231_957,
            rows: 10_000,
            drawn_rows: 2_000,
            draws: 100,
            levels: vec![0.5, 0.68, 0.9, 0.95],
            curve_points: 50,
            pit_bins: 20,
            roles: Roles::default(),
            variables: None,
            bins: 5,
            roc_draws: 4,
            working_points: vec![0.3, 0.5, 0.8],
            profile_bins: 10,
            shifts: None,
            shift_rows: 500,
            shift_draws: 20,
            single_jets: Vec::new(),
            single_draws: 5_000,
            single_neighbors: 1_000,
        }
    }
}

impl EvaluationOptions {
    /// # Errors
    /// A count of 0, a level or working point outside (0, 1), no levels.
    pub(crate) fn check(&self) -> Result<(), SurrogateError> {
        for (setting, value, fewest) in [
            ("rows", self.rows, 20),
            ("drawn_rows", self.drawn_rows, 2),
            ("draws", self.draws, 2),
            ("curve_points", self.curve_points, 2),
            ("pit_bins", self.pit_bins, 1),
            ("bins", self.bins, 1),
            ("roc_draws", self.roc_draws, 1),
            ("profile_bins", self.profile_bins, 1),
            ("shift_rows", self.shift_rows, 4),
            ("shift_draws", self.shift_draws, 1),
            ("single_draws", self.single_draws, 1),
            ("single_neighbors", self.single_neighbors, 1),
            ("the number of levels", self.levels.len(), 1),
        ] {
            if value < fewest {
                return Err(SurrogateError::Setting {
                    setting,
                    value: value.to_string(),
                    wanted: "larger (20 rows, 4 shifted rows, 2 draws and curve points, 1 of the others at least)",
                });
            }
        }
        for (setting, values) in [("levels", &self.levels), ("working_points", &self.working_points)] {
            if let Some(value) = values.iter().find(|v| !(**v > 0.0 && **v < 1.0)) {
                return Err(SurrogateError::Setting {
                    setting,
                    value: value.to_string(),
                    wanted: "in (0, 1)",
                });
            }
        }
        Ok(())
    }

    /// The same with roles, variables and shifts filled in for conditions `names`.
    ///
    /// # Errors
    /// A role, a variable or a shift of a column that is no condition, by its name.
    pub fn resolved(&self, names: &[String]) -> Result<Self, SurrogateError> {
        let roles = self.roles.among(names)?;
        let known = |what: &str, name: &String| match names.contains(name) {
            true => Ok(()),
            false => Err(no_condition(what, name, names)),
        };
        for name in self.variables.iter().flatten() {
            known("evaluation.variables names", name)?;
        }
        for shift in self.shifts.iter().flatten() {
            known("evaluation.shifts moves", &shift.column)?;
        }
        let usual = || {
            [&roles.pt, &roles.multiplicity]
                .into_iter()
                .flatten()
                .cloned()
                .collect()
        };
        Ok(Self {
            variables: Some(self.variables.clone().unwrap_or_else(usual)),
            shifts: Some(self.shifts.clone().unwrap_or_else(|| Shift::published(&roles))),
            roles,
            ..self.clone()
        })
    }
}

/// Evaluates a surrogate on jets that neither it nor (better) the classifier has learned from.
///
/// `training` and `domain` are what the surrogate has learned from; without a domain there is no out-of-domain part.
/// `held_out` are kinds of jets that it has not learned from, by name; only their conditions count.
///
/// # Errors
/// A table of other columns than the model's, of one class or of fewer than 20 jets; options out of range; a model that
/// fails or answers nonsense.
pub fn evaluate<M: ScoreModel + ?Sized>(
    model: &M,
    table: &ScoreTable,
    training: Option<&ScoreTable>,
    domain: Option<&Domain>,
    held_out: &[(String, ScoreTable)],
    options: &EvaluationOptions,
) -> Result<SurrogateEvaluation, SurrogateError> {
    options.check()?;
    let options = &options.resolved(table.names())?;
    let tables = [Some(table), training].into_iter().flatten();
    for table in tables.chain(held_out.iter().map(|(_, table)| table)) {
        if table.columns() != model.columns() {
            return Err(SurrogateError::Length {
                what: "conditions of a jet",
                found: table.columns(),
                expected: model.columns(),
            });
        }
    }
    if table.rows() < 20 || model.members() == 0 {
        return Err(SurrogateError::Length {
            what: "jets to evaluate (and members to ask)",
            found: table.rows().min(model.members()),
            expected: 20,
        });
    }
    let mut rows: Vec<usize> = (0..table.rows()).collect();
    shuffle(&mut stream(options.seed, "evaluated jets", 0), &mut rows);
    rows.truncate(options.rows);
    let chosen = table.take(&rows);
    let study = Study {
        model,
        table: &chosen,
        rows: &rows,
        training,
        domain,
        held_out,
        options,
    };
    study.run(table)
}

/// What every study sees.
struct Study<'a, M: ?Sized> {
    model: &'a M,
    /// The chosen jets, in random order.
    table: &'a ScoreTable,
    /// Their rows in the whole table: the address of their noise.
    rows: &'a [usize],
    training: Option<&'a ScoreTable>,
    domain: Option<&'a Domain>,
    held_out: &'a [(String, ScoreTable)],
    options: &'a EvaluationOptions,
}

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    fn run(&self, whole: &ScoreTable) -> Result<SurrogateEvaluation, SurrogateError> {
        let predictive = self.predictive()?;
        let accuracy = self.accuracy()?;
        let drawn = self.drawn()?;
        let classification = self.classification()?;
        Ok(SurrogateEvaluation {
            rows: self.table.rows(),
            members: self.model.members(),
            draws: self.options.draws,
            seed: self.options.seed,
            coverage: values(&predictive.coverage),
            coverage_detail: predictive.coverage,
            coverage_by_class: predictive.by_class,
            coverage_in_bins: predictive.in_bins,
            pit_ks: predictive.pit.ks,
            pit: predictive.pit,
            pit_by_class: predictive.pit_by_class,
            calibration: predictive.calibration,
            calibration_of_draws: drawn.calibration.clone(),
            drawn_rows: drawn.rows,
            point_estimate: predictive.point_estimate,
            ranks: drawn.ranks.clone(),
            crps: drawn.crps,
            crps_logit: drawn.crps_logit,
            nll: predictive.nll,
            auc: classification.auc,
            auc_detail: classification.auc_detail,
            roc: classification.roc,
            auc_in_bins: classification.in_bins,
            js_distance: accuracy.distance.value,
            js_detail: tagwerk_stats::JsDetail {
                accuracy: accuracy.distance.clone(),
                logits_signal: classification.js_signal,
                logits_background: classification.js_background,
            },
            accuracy: accuracy.spectrum.clone(),
            logits_signal: classification.logits_signal,
            logits_background: classification.logits_background,
            efficiencies: self.efficiencies()?,
            epistemic: self.epistemic(&drawn, &accuracy)?,
            ood: self.shifted()?,
            single_jets: self.single_jets(whole)?,
            conformal: self.conformal(&predictive.mixture)?,
        })
    }

    /// Variables of the options that the table has: name and values.
    fn variables(&self) -> Vec<(String, Vec<f64>)> {
        let column = |name: &String| Some((name.clone(), self.table.column(self.table.column_number(name)?)));
        self.options.variables.iter().flatten().filter_map(column).collect()
    }

    /// Row numbers of one class in the chosen table.
    fn class_rows(&self, label: u8) -> Vec<usize> {
        (0..self.table.rows())
            .filter(|&row| self.table.labels()[row] == label)
            .collect()
    }
}

/// One number a level, by the level's key.
fn by_level<T>(levels: &[f64], numbers: impl IntoIterator<Item = T>) -> BTreeMap<String, T> {
    levels
        .iter()
        .map(|&level| working_point_key(level))
        .zip(numbers)
        .collect()
}

fn values(shares: &BTreeMap<String, Proportion>) -> BTreeMap<String, f64> {
    shares.iter().map(|(key, share)| (key.clone(), share.value)).collect()
}

/// Mean, median and tails; `None` of no values.
fn over_jets(values: &[f64]) -> Option<OverJets> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| OverJets {
        mean: values.iter().sum::<f64>() / values.len() as f64,
        q10: sample_quantile(&sorted, 0.1),
        median: sample_quantile(&sorted, 0.5),
        q90: sample_quantile(&sorted, 0.9),
    })
}

/// [`over_jets`] of each class that has jets, by label.
fn by_class(values: &[f64], labels: &[u8]) -> BTreeMap<String, OverJets> {
    let class = |label: u8| {
        let of: Vec<f64> = values
            .iter()
            .zip(labels)
            .filter(|(_, l)| **l == label)
            .map(|(v, _)| *v)
            .collect();
        Some((label.to_string(), over_jets(&of)?))
    };
    [0, 1].into_iter().filter_map(class).collect()
}
