//! Surrogates of a finished classifier: which scores it would give, from observables that anyone has.
//!
//! # What
//!
//! A classifier needs inputs that only its experiment has. A surrogate models p(score | conditions) with conditions that
//! everyone has: kinematics, multiplicity, the truth label (Bieringer, Kasieczka, Kieseler, Trabs, arXiv:2402.15558). It
//! draws scores, and of one score it knows distribution, quantiles and tail efficiency exactly.
//!
//! A [`Table`] of conditions and scores, a [`Transform`] of the scores, standardized [`Conditions`] with the domain that was
//! seen, and a velocity network ([`VelocityNet`]) that is trained by [`flow`] matching and solved by [`solve`] give a
//! [`Surrogate`]. [`SurrogateTrainer`] does it in a run folder from one [`SurrogateConfig`]. Several sets of weights, draws
//! of a [`posterior`], make its ignorance visible.
//!
//! # Why so
//!
//! **No tensor library.** The network has 31,617 weights; it is evaluated hundreds of millions of times. Its weights are one
//! flat vector, so that samplers of posteriors see a vector, and values, derivatives and gradients are functions on
//! slices: tiles that stay in cache, both derivatives written by hand and held against PyTorch's automatic ones.
//!
//! **Linear layers that meet are one.** No activation stands between the blocks of the network, so two of three matrices
//! there are multiplied beforehand; time, when all rows have the same, is a bias; conditions are multiplied once a jet.
//!
//! **An answer about a jet is about that jet.** Sums run in an order that does not depend on the rows beside it, error
//! control is the row's own, noise is addressed by (seed, jet): the same bits in any batch, on any number of threads.
//!
//! **One score is a monotone function of the noise.** So a thousand samples are a thousand values of one increasing
//! function, which fewer solves determine to a chosen accuracy ([`Interpolation`]); and no sample is needed where
//! a distribution or an efficiency is asked for.
//!
//! # What it costs
//!
//! The folded network cannot freeze or prune single matrices. Hand-written gradients exist for this network and no other.
//! Gradients of the exact likelihood are those of a solver with fixed steps, for one score.

mod conditions;
mod config;
mod ddpm;
mod error;
pub mod exact;
pub mod flow;
mod ode;
pub mod posterior;
mod surrogate;
mod table;
mod train;
mod transform;
mod velocity;

pub use conditions::{Condition, Conditions, DOMAIN_LEVELS};
pub use config::{Optimizer, StepSchedule, SurrogateConfig, SurrogateTraining};
pub use ddpm::{Ddpm, DdpmConfig, DdpmWeights, NoisyBatch};
pub use error::SurrogateError;
pub use exact::{Encoded, Interpolation};
pub use flow::{
    Coupling, ExactLikelihood, Examples, FlowConfig, FlowLoss, FlowTarget, Pairs, Path, matching_loss, matching_losses,
};
pub use ode::{Adaptive, Fixed, Scheme, Solution, Solver, Times, Velocity, solve};
pub use surrogate::{Samples, Surrogate};
pub use table::{Columns, Table, TableConfig};
pub use train::{Adam, SurrogateTrainer, TrainingSummary};
pub use transform::{Clamped, ScoreKind, Transform};
pub use velocity::{Conditioned, Entry, Folded, NetScratch, Real, VelocityConfig, VelocityNet};

// Calibration, evaluation, sharing.
mod answers;
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
mod roles;
mod run;
mod score_model;
mod score_table;
mod shared;
pub mod synthetic;
mod verify;

pub use answers::{Answered, Questions, answer_jets};
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
pub use roles::Roles;
pub use run::{
    MembersConfig, POINT_ESTIMATE, PackSurroundings, Posterior, PosteriorOutcome, RunContext, SurrogateRun,
    declaration_template, is_surrogate_run, read_declaration, sample_declaration, usual_members,
};
pub use score_model::{BLOCK, ScoreModel, cdf, efficiency, log_density, sample};
pub use score_table::ScoreTable;
pub use shared::{SharedSurrogate, SurrogateRecord};
pub use tagwerk_stats::SurrogateEvaluation;
pub use verify::{Check, Verification, open_packed, verify};
