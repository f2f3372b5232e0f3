//! Surrogates of a finished classifier: which scores it would give, from observables that anyone has.

mod error;
pub mod posterior;

pub use error::SurrogateError;

// Calibration, evaluation, sharing.
mod archive;
mod csv;
mod datacard;
mod domain;
mod evaluation;
mod golden;
pub mod manifest;
mod pack;
mod recalibrated;
mod rerun;
mod score_model;
mod score_table;
pub mod synthetic;
mod verify;

pub use archive::{EXTENSION, LARGEST_ARCHIVE, LARGEST_CONTENT, MOST_MEMBERS};
pub use domain::{
    ConditionRange, Domain, DomainAnswer, DomainThreshold, FLAG_QUANTILE, NEIGHBOR, QUANTILES, RANGE_QUANTILES,
    TREE_ROWS,
};
pub use evaluation::{EvaluationOptions, Shift, evaluate};
pub use golden::FEWEST_GOLDEN;
pub use pack::{PackOptions, Package, pack};
pub use recalibrated::{KNOTS, Recalibrated, Recalibration, mixture_pit};
pub use rerun::Rerun;
pub use score_model::{BLOCK, ScoreModel, cdf, efficiency, log_density, sample, score_of_logit};
pub use score_table::ScoreTable;
pub use tagwerk_stats::SurrogateEvaluation;
pub use verify::{Check, Verification, open_packed, verify};
