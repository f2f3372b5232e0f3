//! One network for all masses.
//!
//! # What
//!
//! A classifier for a resonance of unknown mass can be trained once for all masses if the mass is an input (Baldi,
//! Cranmer, Faucett, Sadowski, Whiteson, arXiv:1601.07913; Anzalone, Diotalevi, Bonacorsi, arXiv:2202.00424). Signal has
//! its mass; background has none and is given one. [`Hypotheses`] holds the signal's points and draws for the
//! background, [`Sampler`] makes batches that are even over classes, masses and processes, and [`leak()`] tells how much
//! of the class the mass alone gives away. [`ParametricNetwork`] is told the mass by one of four methods at one of three
//! places. [`train`] trains one, [`evaluate`] tells how good it is at each mass, and [`interpolate`] whether it knows masses
//! that it never saw.
//!
//! ```no_run
//! # fn f() -> Result<(), tagwerk_parametric::ParametricError> {
//! use tagwerk_parametric::{StudyConfig, train};
//! use tagwerk_taggers::Context;
//!
//! let config = StudyConfig::default(); // The affine network on the sample inside the program.
//! let result = train("runs/affine".as_ref(), &config, &Context::cpu(2), &mut ())?;
//! for mass in result.evaluation.iter().flat_map(|e| &e.masses) {
//!     println!("{}: {}", mass.mass, mass.auc_roc);
//! }
//! # Ok(()) }
//! ```
//!
//! # Why so
//!
//! **A hypothesis is a part of the event.** The network sees vectors of features with the parameters behind them, so loop,
//! run folder, exact resume and score files are those of every other training. Everything drawn is addressed by (seed,
//! purpose, index): a training stopped and resumed sees the same masses with the same events. Points may have any number
//! of parameters and need not form a grid.
//!
//! **Selection sees each mass.** An AUC of all masses mixed is that of the easy ones; epochs are chosen by the mean (or the
//! worst) of the AUCs of single masses, every background event tried at several of them.
//!
//! **A verdict needs masses left out.** Validation on masses that were trained on says nothing of those between.
//!
//! # What it costs
//!
//! Scoring background at `M` hypotheses is `M` passes. A table of events lies in memory as f32: 7 million events of 27
//! features take 1 GB.

#![forbid(unsafe_code)]

mod balance;
mod diagnosis;
mod error;
mod evaluation;
mod examples;
mod hypotheses;
mod interpolation;
mod leak;
mod network;
mod repeats;
mod set;
mod study;

pub use balance::{Balance, Draws, Sampler, Walk, original_steps, training_share};
pub use diagnosis::{
    Calibration, Diagnosis, DiagnosisOptions, Discovery, FeatureImportance, FeaturesRemoved, MassDiagnosis,
    Reliability, ReliabilityBin, SculptedCut, Sculpting, Smoothness, WrongMass, diagnose,
};
pub use error::ParametricError;
pub use evaluation::{Compared, CutFrom, MeanEvaluation, PointEvaluation, StudyEvaluation, evaluate_scores};
pub use examples::{Sampling, ScoredExamples, TrainingExamples};
pub use hypotheses::{Assignment, Distribution, Hypotheses, When};
pub use interpolation::{InterpolationConfig, InterpolationResult, MassStudy, StudyObserver, Verdict, interpolate};
pub use leak::leak;
pub use network::{Hidden, Method, NetworkConfig, ParametricNetwork, Place, Start, WeightInit};
pub use repeats::{RepeatedEvaluation, SeedSpread, evaluate_repeats};
pub use set::{Served, evaluate_set};
pub use study::{
    DecorrelationConfig, Description, EventsConfig, ScoredFile, ScoredPoint, Scorer, StudyConfig, StudyData,
    StudyParts, StudyResult, default_training, description, evaluate, evaluate_files, import_run, is_parametric,
    resume, scores, train,
};
