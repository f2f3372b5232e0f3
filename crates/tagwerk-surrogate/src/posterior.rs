//! Posteriors over the weights of a model: samplers and approximations that see it as a loss and its gradient.
//!
//! ```text
//!   Target            a model: losses of rows, gradient of their sum, for a flat vector of weights
//!     |
//!   Energy            lambda L - ln prior, with the reduction of L and N known
//!     |
//!   Sampler --------- AdamMcmc, Mala (HMC), Sgld, Sghmc      walk; Descent, Variational walk, too
//!     |
//!   Chain, run_chains steps, trace, stored weights, saved and resumed with the same bits
//!     |
//!   Draws             [D, P] with the record: method, lambda, N, acceptance, R-hat, ESS
//! ```
//!
//! [`infer`] does all of it for one [`PosteriorConfig`], an ensemble too where it is given the trainings. [`Swag`] is made of a descent's snapshots, [`Laplace`] of the
//! curvature at a trained network, an ensemble ([`train_ensemble`]) of trainings, [`VariationalState`] of a fit; all
//! give `[D, P]` for [`Draws`].
//!
//! # Which one
//!
//! A deep ensemble is the yardstick. The exact samplers (MALA, HMC, AdamMCMC in the modes frozen and no-momentum, all
//! with the test on all data) say what the posterior is, for a price of a few losses of all data a step. AdamMCMC in
//! its published mode is cheap and nearly invariant for betas near 1. SGLD and SGHMC have no test; SWAG and Laplace are
//! Gaussians; mean-field variational inference is too narrow wherever weights are correlated: of a Gaussian posterior
//! it finds the width 1 / sqrt(precision_ii), not the marginal one.
//!
//! # What makes a posterior comparable
//!
//! lambda with its reduction and N ([`Tempering`]); whether the Metropolis test saw all data, and if not, the noise of
//! its logarithm beside the acceptance ([`TraceSummary`]); R-hat and ESS ([`diagnose`]). Acceptance alone says nothing:
//! a test on a minibatch accepts half of everything when its noise is large.

mod adam_mcmc;
mod arrays;
mod batches;
mod chain;
mod chains;
mod descent;
mod diagnostics;
mod draws;
mod energy;
mod ensemble;
mod infer;
mod laplace;
mod linear_layers;
mod mala;
mod metropolis;
mod moments;
mod proposal;
mod sghmc;
mod sgld;
mod swag;
mod target;
mod trace;
mod variational;

pub use adam_mcmc::{AdamMcmcConfig, AdamMcmcState, Mode, TestOn};
pub use arrays::{Arrays, Element};
pub use batches::Batches;
pub use chain::{Chain, ChainState, Moment, Sampler, StepReport};
pub use chains::{ChainsConfig, Checkpoints, run_chains};
pub use descent::{DescentConfig, DescentState, Rule};
pub use diagnostics::{Diagnosis, STANDING, WeightDiagnosis, autocorrelation, diagnose, diagnose_weights};
pub use draws::{Draws, DrawsRecord, Origin};
pub use energy::{Difference, Energy, Prior, Reduction, Tempering};
pub use ensemble::{EnsembleConfig, Member, train_ensemble};
pub use infer::{Method, PosteriorConfig, Surroundings, SwagMethod, TrainMember, infer};
pub use laplace::{Curvature, Laplace, LaplaceConfig, Subset};
pub use linear_layers::{LinearLayer, LinearLayers, LinearMap, PlainMap, RowBlock};
pub use mala::{MalaConfig, MalaState};
pub use moments::{Adam, Moments};
pub use proposal::{Defects, Overlaps, Prolate};
pub use sghmc::{SghmcConfig, SghmcState};
pub use sgld::{SgldConfig, SgldState};
pub use swag::{Swag, SwagConfig};
pub use target::{OnRows, Part, Target, TargetError};
pub use trace::{Trace, TraceSummary};
pub use variational::{FlipoutMap, LocalMap, Noise, Start, VariationalConfig, VariationalState};
