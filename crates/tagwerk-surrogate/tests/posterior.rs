//! Posteriors over weights against what is known exactly.
// The test settings of clippy.toml do not reach the free functions of a test file; and indices of matrices read better
// than zipped rows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::needless_range_loop
)]

#[path = "posterior/approximations.rs"]
mod approximations;
#[path = "posterior/costs.rs"]
mod costs;
#[path = "posterior/density.rs"]
mod density;
#[path = "posterior/diagnostics.rs"]
mod diagnostics;
#[path = "posterior/draws.rs"]
mod draws;
#[path = "posterior/infer.rs"]
mod infer;
#[path = "posterior/minibatches.rs"]
mod minibatches;
#[path = "posterior/resume.rs"]
mod resume;
#[path = "posterior/samplers.rs"]
mod samplers;
#[path = "posterior/settings.rs"]
mod settings;
#[path = "posterior/targets.rs"]
mod targets;
#[path = "posterior/toy.rs"]
mod toy;
#[path = "posterior/variational.rs"]
mod variational;
