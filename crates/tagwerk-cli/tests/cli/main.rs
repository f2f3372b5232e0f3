//! The binary from outside: exit codes, sentences, JSON, files.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod arrays;
mod catalogue;
mod damaged;
mod evaluate;
mod features;
mod import;
#[cfg(unix)]
mod interrupted;
mod jetclass;
mod landscape;
mod parametric;
mod sandbox;
mod surrogate;
mod train;
mod usage;
