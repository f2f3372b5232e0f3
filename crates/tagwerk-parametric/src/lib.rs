//! One network for all masses.
//!
//! # What
//!
//! A classifier for a resonance of unknown mass can be trained once for all masses if the mass is an input (Baldi,
//! Cranmer, Faucett, Sadowski, Whiteson, arXiv:1601.07913; Anzalone, Diotalevi, Bonacorsi, arXiv:2202.00424). Signal has
//! its mass; background has none and is given one. [`Hypotheses`] holds the signal's points and draws for the
//! background, [`Sampler`] makes batches that are even over classes, masses and processes, and [`leak()`] tells how much
//! of the class the mass alone gives away.
//!
//! # Why so
//!
//! Everything drawn is addressed by (seed, purpose, index): a training stopped and resumed sees the same masses with the
//! same events. Points may have any number of parameters and need not form a grid.

#![forbid(unsafe_code)]

mod balance;
mod error;
mod hypotheses;
mod leak;

pub use balance::{Balance, Draws, Sampler, Walk, original_steps, training_share};
pub use error::ParametricError;
pub use hypotheses::{Assignment, Distribution, Hypotheses, When};
pub use leak::leak;
