//! What an evaluation of a surrogate tells: a plain result that is written as JSON, drawn by a report, packed in a
//! file.
//!
//! A surrogate predicts the score that a classifier gives to a jet of given conditions. It has one or more members
//! (weight sets of a posterior); its predictive distribution is their mixture. "E1" to "E9" are the studies of
//! Bieringer et al., "Classifier surrogates", arXiv:2402.15558, in the order of their notebooks.

use crate::calibration::{CalibrationCurve, LikelihoodSummary, PitHistogram, PitRecalibration, RankHistogram};
use crate::delong::AucEstimate;
use crate::jensen_shannon::JsDistance;
use crate::out_of_domain::OutOfDomain;
use crate::proportion::Proportion;
use crate::roc::RocCurve;
use crate::sample_mean::SampleMean;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything an evaluation finds. Keys of `coverage` are levels as decimals ("0.68"); classes are label values ("0",
/// "1"); logits are natural log-odds of the score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurrogateEvaluation {
    /// Jets evaluated.
    pub rows: usize,
    /// Members of the surrogate.
    pub members: usize,
    /// Scores drawn for a jet and member, where scores are drawn.
    pub draws: usize,
    /// Seed of the choice of jets and of the noise.
    pub seed: u64,
    /// Share of jets inside the central interval of the mixture, by level.
    pub coverage: BTreeMap<String, f64>,
    /// The same with binomial intervals (Wilson, 68.27 %).
    pub coverage_detail: BTreeMap<String, Proportion>,
    /// Coverage of each class.
    pub coverage_by_class: BTreeMap<String, BTreeMap<String, Proportion>>,
    /// Coverage in bins of equally many jets, by variable.
    pub coverage_in_bins: BTreeMap<String, Vec<LevelsInBin>>,
    /// Kolmogorov-Smirnov distance of the mixture's PIT from uniform.
    pub pit_ks: f64,
    /// PIT of the mixture.
    pub pit: PitHistogram,
    /// PIT of each class.
    pub pit_by_class: BTreeMap<String, PitHistogram>,
    /// One-sided calibration (E1): the mixture, band over members.
    pub calibration: CalibrationCurve,
    /// The same from drawn scores, at the levels of `calibration`; agrees with it to binomial error.
    pub calibration_of_draws: Vec<f64>,
    /// Jets behind `calibration_of_draws` and everything else that is drawn.
    pub drawn_rows: usize,
    /// Coverage and KS of the point estimate alone, where the surrogate has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_estimate: Option<PointEstimate>,
    /// Ranks of the classifier's score among drawn ones.
    pub ranks: RankHistogram,
    /// CRPS of the score (in [0, 1]), from draws of the mixture.
    pub crps: SampleMean,
    /// CRPS of the logit.
    pub crps_logit: SampleMean,
    /// Negative log-likelihood of the logit under the mixture.
    pub nll: LikelihoodSummary,
    /// Areas under the ROC curves on the same jets.
    pub auc: AucPair,
    /// Errors of the areas.
    pub auc_detail: AucDetail,
    /// ROC curves with the band over members (E8).
    pub roc: RocBand,
    /// Areas in bins of equally many jets, by variable (E8).
    pub auc_in_bins: BTreeMap<String, Vec<AucInBin>>,
    /// Distance of the predicted-accuracy spectrum from the classifier's (E5), mean over members.
    pub js_distance: f64,
    /// Distances of all spectra.
    pub js_detail: JsDetail,
    /// Spectrum of the predicted accuracy (E2, E5).
    pub accuracy: SpectrumBand,
    /// Marginal logits of the signal (E9).
    pub logits_signal: SpectrumBand,
    /// Marginal logits of the background (E9).
    pub logits_background: SpectrumBand,
    /// Passing shares at the classifier's working points.
    pub efficiencies: Vec<EfficiencyPoint>,
    /// Disagreement of members (E3, E4).
    pub epistemic: Epistemic,
    /// Behavior outside the domain (E6); absent without training jets to define a domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ood: Option<Ood>,
    /// Score distributions of single jets (E7).
    pub single_jets: Vec<SingleJet>,
    /// Recalibration learned on one half of the jets, judged on the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformal: Option<Conformal>,
}

/// Coverage in one bin of a variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelsInBin {
    /// Smallest value of the variable.
    pub low: f64,
    /// Largest value.
    pub high: f64,
    /// Coverage by level.
    pub coverage: BTreeMap<String, Proportion>,
}

/// The point estimate alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointEstimate {
    /// Which member it is, counted from 0.
    pub member: usize,
    /// Coverage by level.
    pub coverage: BTreeMap<String, f64>,
    /// Kolmogorov-Smirnov distance of its PIT.
    pub pit_ks: f64,
}

/// Two areas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AucPair {
    /// The classifier's.
    pub classifier: f64,
    /// The surrogate's, mean over members.
    pub surrogate: f64,
}

/// Two areas with errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AucDetail {
    /// The classifier's area and DeLong error.
    pub classifier: AucEstimate,
    /// Surrogate's minus classifier's.
    pub difference: f64,
    /// Standard deviation of the surrogate's area over members (n - 1); absent for one member.
    pub deviation: Option<f64>,
    /// Error of the difference from the finite number of jets (DeLong for two areas on the same jets; one drawn score a jet).
    pub test_error: Option<f64>,
    /// Each member's area.
    pub members: Vec<f64>,
}

/// ROC curves: the classifier's, and the surrogate's background efficiency over its members at the same signal
/// efficiencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RocBand {
    /// The classifier's curve.
    pub classifier: RocCurve,
    /// Signal efficiencies.
    pub signal_efficiency: Vec<f64>,
    /// Mean background efficiency.
    pub mean: Vec<f64>,
    /// Smallest member.
    pub low: Vec<f64>,
    /// Largest member.
    pub high: Vec<f64>,
}

/// Areas in one bin of a variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AucInBin {
    /// Smallest value of the variable.
    pub low: f64,
    /// Largest value.
    pub high: f64,
    /// The classifier's; absent where the bin has one class only.
    pub classifier: Option<AucEstimate>,
    /// The surrogate's, mean over members.
    pub surrogate: Option<f64>,
    /// Its standard deviation over members.
    pub deviation: Option<f64>,
}

/// Jensen-Shannon distances, sqrt and natural logarithm as in scipy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JsDetail {
    /// Predicted accuracy against the classifier's own (E5; not the same quantity: a passing probability and a score).
    pub accuracy: JsDistance,
    /// Marginal logits of the signal.
    pub logits_signal: JsDistance,
    /// Marginal logits of the background.
    pub logits_background: JsDistance,
}

/// Histograms over the same bins: the classifier's, and the surrogate's with its band over members. Shares of all jets
/// counted; values beyond the edges are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpectrumBand {
    /// Bin edges, ascending, one more than bins.
    pub edges: Vec<f64>,
    /// The classifier's shares.
    pub classifier: Vec<f64>,
    /// Mean over members.
    pub mean: Vec<f64>,
    /// Smallest member.
    pub low: Vec<f64>,
    /// Largest member.
    pub high: Vec<f64>,
}

/// Passing shares at one cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EfficiencyPoint {
    /// Signal efficiency of the classifier that defines the cut.
    pub working_point: f64,
    /// The cut on the logit.
    pub cut: f64,
    /// Signal jets.
    pub signal: Passing,
    /// Background jets.
    pub background: Passing,
    /// In bins of equally many jets, by variable.
    pub in_bins: BTreeMap<String, Vec<PassingInBin>>,
}

/// Passing share of one set of jets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passing {
    /// Counted on the classifier's scores.
    pub classifier: Proportion,
    /// Predicted, mean over members and jets.
    pub surrogate: f64,
    /// Smallest member.
    pub low: f64,
    /// Largest member.
    pub high: f64,
}

/// Passing shares in one bin of a variable; a class without jets in the bin is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PassingInBin {
    /// Smallest value of the variable.
    pub low: f64,
    /// Largest value.
    pub high: f64,
    /// Signal jets.
    pub signal: Option<Passing>,
    /// Background jets.
    pub background: Option<Passing>,
}

/// Median and tails of one number over jets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OverJets {
    /// Mean.
    pub mean: f64,
    /// 10 % quantile.
    pub q10: f64,
    /// Median.
    pub median: f64,
    /// 90 % quantile.
    pub q90: f64,
}

/// Disagreement of members over jets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epistemic {
    /// Jets.
    pub rows: usize,
    /// Largest - smallest member at equal noise, averaged over noise (E3); grows with the number of members. All
    /// measures are absent for a surrogate of one member.
    pub range: Option<OverJets>,
    /// Standard deviation over members.
    pub deviation: Option<OverJets>,
    /// 84 % - 16 % quantile over members.
    pub quantile_range: Option<OverJets>,
    /// Largest - smallest share a histogram bin.
    pub histogram: Option<OverJets>,
    /// `range` of each class.
    pub range_by_class: BTreeMap<String, OverJets>,
    /// Predicted accuracy of each class, mean over members (E2).
    pub accuracy_by_class: BTreeMap<String, OverJets>,
    /// Why measures are absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Against each condition (E4).
    pub profiles: Vec<EpistemicProfile>,
}

/// Spread and accuracy against one condition (E4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpistemicProfile {
    /// Name of the condition.
    pub column: String,
    /// In bins of equally many jets, by class.
    pub classes: BTreeMap<String, Vec<ProfileBin>>,
    /// Where the training jets are: bin edges.
    pub training_edges: Vec<f64>,
    /// Training jets a bin, by class; of the evaluated jets where there are no training jets.
    pub training: BTreeMap<String, Vec<u64>>,
}

/// Jets of one bin of a condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileBin {
    /// Smallest value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
    /// Jets.
    pub rows: usize,
    /// Epistemic spread (largest - smallest); absent for one member.
    pub spread: Option<OverJets>,
    /// Predicted accuracy, mean over members.
    pub accuracy: OverJets,
}

/// Behavior outside the domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ood {
    /// Jets shifted.
    pub rows: usize,
    /// Median epistemic spread of jets of the domain, to which shifted ones are compared.
    pub median_spread: Option<f64>,
    /// One condition moved, the others kept (E6).
    pub shifts: Vec<ShiftCurve>,
    /// How well each score tells the largest shift of each condition, and held-out jets, from the domain: kind of jets,
    /// then score (`mahalanobis`, `neighbors`, `epistemic`).
    pub detection: BTreeMap<String, BTreeMap<String, OutOfDomain>>,
}

/// What happens while one condition moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShiftCurve {
    /// Name of the condition.
    pub column: String,
    /// One entry an amount, ascending.
    pub points: Vec<ShiftPoint>,
}

/// Jets with one condition moved by one amount.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShiftPoint {
    /// Added to the condition, in its unit.
    pub amount: f64,
    /// Epistemic spread (largest - smallest), by class; empty for one member.
    pub spread: BTreeMap<String, OverJets>,
    /// Predicted accuracy, mean over members, by class.
    pub accuracy: BTreeMap<String, OverJets>,
    /// Mean spread of all jets over the median of the domain; absent for one member or a median of 0.
    pub spread_ratio: Option<f64>,
    /// Mahalanobis distance.
    pub mahalanobis: OverJets,
    /// Distance to the k-th neighbor.
    pub neighbors: OverJets,
    /// Share flagged by the domain.
    pub flagged: f64,
    /// Share of jets that no jet can be: E < pT cosh eta. Absent without these columns.
    pub unphysical: Option<f64>,
}

/// The score distribution of one jet (E7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SingleJet {
    /// Row of the table.
    pub row: usize,
    /// Its class.
    pub label: u8,
    /// Its conditions, by name.
    pub conditions: BTreeMap<String, f64>,
    /// The classifier's score.
    pub score: f64,
    /// Bin edges of the score.
    pub edges: Vec<f64>,
    /// Mean share over members.
    pub mean: Vec<f64>,
    /// Smallest member.
    pub low: Vec<f64>,
    /// Largest member.
    pub high: Vec<f64>,
    /// Classifier's scores of the nearest training jets of its class; empty without training jets.
    pub neighbors: Vec<f64>,
    /// How many neighbors were taken.
    pub neighbor_rows: usize,
}

/// Recalibration of the mixture, one map a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    /// Jets the maps were learned from: every second one.
    pub calibration_rows: usize,
    /// The maps, by class.
    pub maps: BTreeMap<String, PitRecalibration>,
    /// Coverage of the other jets without the maps, by level.
    pub before: BTreeMap<String, Proportion>,
    /// Coverage of the other jets with them.
    pub after: BTreeMap<String, Proportion>,
    /// KS of the other jets without.
    pub ks_before: f64,
    /// KS of the other jets with.
    pub ks_after: f64,
}
