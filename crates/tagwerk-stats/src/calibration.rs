//! Is a predictive distribution as wide as it says? Statistics of the probability integral transform (PIT).
//!
//! If F(y | c) is the predicted distribution of y given conditions c, the PIT u = F(y_observed | c) of rows that were
//! not learned from is uniform in [0, 1] when the prediction is right. Everything here sees u, or samples and the
//! observed value, and knows nothing of the model.

mod coverage;
mod crps;
mod interval_correction;
mod likelihood;
mod pit;
mod quantile_curve;
mod ranks;
mod recalibration;

pub use coverage::{CoverageBin, central_coverage, class_coverage, coverage_in_bins};
pub use crps::{crps_of_quantiles, crps_of_samples, mean_crps};
pub use interval_correction::IntervalCorrection;
pub use likelihood::{LikelihoodSummary, likelihood_summary};
pub use pit::{PitHistogram, pit_histogram};
pub use quantile_curve::{CalibrationCurve, calibration_curve, calibration_of_samples, sample_quantile};
pub use ranks::{RankHistogram, rank_of};
pub use recalibration::PitRecalibration;
