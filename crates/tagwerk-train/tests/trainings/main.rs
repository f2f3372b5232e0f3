//! What a training promises, with a learner small enough to read.

// Helpers of tests may unwrap as tests may.
#![allow(clippy::unwrap_used)]

mod kill_and_resume;
mod refusals;
mod regression;
mod stop_and_resume;
mod streaming;
mod toy;
mod training;
