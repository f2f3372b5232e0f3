//! Scores in, numbers out: ROC curves, rejections, ensembles, and the error of each.
//!
//! # What
//!
//! A [`Truth`] holds the labels (and optionally weights) of a test sample. Scores on it become an [`Evaluation`] (one
//! training), a [`RepeatedEvaluation`] (several trainings of one tagger) or a [`LandscapeResult`] (many taggers): area
//! under the ROC curve, accuracy at the cut 0.5 and background rejection R = 1/eps_B at fixed signal efficiency, with
//! the definitions of the top-tagging landscape (arXiv:1902.09914), so that a number from here can stand beside a
//! published one.
//!
//! ```
//! use tagwerk_stats::{evaluate, Truth, WorkingPoints};
//!
//! let truth = Truth::new(&[1, 1, 0, 0, 0])?;
//! let result = evaluate(&[0.9_f32, 0.6, 0.7, 0.2, 0.1], &truth, &WorkingPoints::new(&[0.8])?)?;
//! assert!((result.auc - 5.0 / 6.0).abs() < 1e-12);
//! assert_eq!(result.rejection["0.8"].value, Some(3.0));
//! # Ok::<(), tagwerk_stats::StatsError>(())
//! ```
//!
//! Predictions of a real number become a [`RegressionEvaluation`] or a [`RegressionTable`]: mean squared error, bias,
//! resolution.
//!
//! A predictive distribution (a surrogate's, say) is judged by its probability integral transforms: [`pit_histogram`],
//! [`central_coverage`], [`calibration_curve`], [`RankHistogram`], [`crps_of_samples`]; corrected by
//! [`PitRecalibration`] and [`IntervalCorrection`]; its ignorance is told by [`epistemic_spread`] and
//! [`class_entropy`], and rows unlike those it has learned from by [`Mahalanobis`] and [`Neighbors`].
//!
//! # Why so
//!
//! **Two errors, never one.** The spread over trainings says what another training would give; the test-sample error
//! says what other jets would give. Published tables mostly give the first, which at R = 1000 on 202,000 background
//! jets is a few per cent of R while the second is 7 %. Both are in every rejection ([`RejectionColumn`]). Between two
//! taggers on the same jets most of the second cancels: [`paired_bootstrap`] and [`delong_pair`] give the error of the
//! difference.
//!
//! **Every distinct score is a threshold.** Single-precision outputs saturate at exactly 0 and 1, and a curve that
//! orders tied jets by their row would depend on the file's order. Tied jets move together; the AUC counts them one
//! half.
//!
//! **No infinity is printed.** When no background jet passes, the rejection is absent, with the 95 % lower limit that
//! the sample does give and a reason in words ([`Rejection`]). The same holds for a spread of one training. JSON made
//! from the results contains no value that JSON lacks.
//!
//! # What it costs
//!
//! A full curve of 404,000 jets is two integer sorts and a merge; the 2 x 84 ensembles of nine
//! trainings need no sort at all; a bootstrap replica is a walk along a sorted list. All sums are
//! in double precision (unweighted counts are exact), and results do not depend on the number of threads.

#![forbid(unsafe_code)]

mod accuracy;
mod advice;
mod bootstrap;
mod calibration;
mod checks;
mod class_entropy;
mod column;
mod combination;
mod delong;
mod distribution;
mod ensemble;
mod epistemic;
mod error;
mod evaluation;
mod jensen_shannon;
mod landscape;
mod logistic;
mod out_of_domain;
mod pareto;
mod precision_recall;
mod proportion;
mod published;
mod quantile_bins;
mod ranked;
mod regression;
mod regression_table;
mod rejection;
mod roc;
mod sample_mean;
mod scan;
mod score;
mod scoring_time;
mod significance;
mod spread;
mod stream;
mod surrogate_evaluation;
mod truth;
mod working_point;

pub use advice::{Advice, Bargain, Cost, NEARLY};
pub use bootstrap::{
    BootstrapErrors, BootstrapEstimate, BootstrapOptions, PairedBootstrap, PairedDifference, bootstrap,
    paired_bootstrap,
};
pub use calibration::{
    CalibrationCurve, CoverageBin, IntervalCorrection, LikelihoodSummary, PitHistogram, PitRecalibration,
    RankHistogram, calibration_curve, calibration_of_samples, central_coverage, class_coverage, coverage_in_bins,
    crps_of_quantiles, crps_of_samples, likelihood_summary, mean_crps, pit_histogram, rank_of, sample_quantile,
};
pub use class_entropy::{ClassEntropy, class_entropy};
pub use column::RejectionColumn;
pub use combination::EnsembleRule;
pub use delong::{AucComparison, AucEstimate, delong, delong_pair};
pub use distribution::{chi_square_tail, kolmogorov_tail, normal_cdf, normal_quantile, normal_tail};
pub use ensemble::{ENSEMBLE_POINT, Ensembles, ensembles};
pub use epistemic::{EpistemicSpread, SPREAD_BINS, epistemic_spread};
pub use error::{Result, StatsError};
pub use evaluation::{Evaluation, RepeatedEvaluation, evaluate, evaluate_repeated, working_point_key};
pub use jensen_shannon::{JsDistance, jensen_shannon, js_over_members};
pub use landscape::{
    Comparison, Landscape, LandscapeOptions, LandscapeResult, TaggerInput, TaggerResult, TrainingInput, TrainingResult,
};
pub use logistic::{cross_entropy, logistic, softplus};
pub use out_of_domain::{Flagged, Mahalanobis, Neighbors, OutOfDomain, out_of_domain, threshold};
pub use pareto::{ParetoPoint, SIGMAS, Standing, pareto_front};
pub use precision_recall::PrecisionRecall;
pub use proportion::Proportion;
pub use published::{Published, PublishedValue};
pub use quantile_bins::{QuantileBin, quantile_bins};
pub use regression::{
    RegressionBin, RegressionEvaluation, ResolutionDifference, evaluate_regression, regression_bins,
    resolution_difference,
};
pub use regression_table::{
    RegressionColumn, RegressionComparison, RegressionLandscape, RegressionRow, RegressionTable, RegressionTraining,
    RegressionTrainingResult,
};
pub use rejection::{Rejection, limit_of_none, rejection_test_error};
pub use roc::{Roc, RocCurve};
pub use sample_mean::SampleMean;
pub use score::Score;
pub use scoring_time::ScoringTime;
pub use significance::{Cut, CutOptions, CutScan, Significance, Yields};
pub use spread::{MINIMUM_FOR_CUT, TrainingSpread, training_spread};
pub use surrogate_evaluation::{
    AucDetail, AucInBin, AucPair, Conformal, EfficiencyPoint, Epistemic, EpistemicProfile, JsDetail, LevelsInBin, Ood,
    OverJets, Passing, PassingInBin, PointEstimate, ProfileBin, RocBand, ShiftCurve, ShiftPoint, SingleJet,
    SpectrumBand, SurrogateEvaluation,
};
pub use truth::Truth;
pub use working_point::WorkingPoints;
