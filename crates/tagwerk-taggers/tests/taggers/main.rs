//! What every tagger promises, and runs and landscapes of them.

// Helpers of tests may unwrap as tests may.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod against_pytorch;
mod general;
mod gradients;
mod landscape;
mod learns;
mod particlenet_settings;
mod properties;
mod run;
mod slopes;
mod support;
