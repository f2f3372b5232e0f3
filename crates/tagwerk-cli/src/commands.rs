//! The commands, one file each: what can be typed, the library call, what is said of the result.

pub mod completions;
pub mod data;
pub mod evaluate;
pub mod features;
pub mod import;
pub mod landscape;
pub mod parametric;
pub mod report;
pub mod resume;
pub mod score;
pub mod surrogate;
pub mod taggers;
pub mod train;
pub mod verify;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::session::Session;

/// Runs what was typed.
pub fn run(typed: Arguments) -> Result<(), Failure> {
    let session = Session::new(&typed.global)?;
    match typed.command {
        Command::Landscape(typed) => landscape::run(&typed, &session),
        Command::Train(typed) => train::run(&typed, &session),
        Command::Resume(typed) => resume::run(&typed, &session),
        Command::Score(typed) => score::run(&typed, &session),
        Command::Evaluate(typed) => evaluate::run(&typed, &session),
        Command::Surrogate(typed) => surrogate::run(&typed, &session),
        Command::Verify(typed) => verify::run(&typed, &session),
        Command::Import(typed) => import::run(&typed, &session),
        Command::Taggers(typed) => taggers::run(&typed, &session),
        Command::Parametric(typed) => parametric::run(&typed, &session),
        Command::Features(typed) => features::run(&typed, &session),
        Command::Data(typed) => data::run(&typed, &session),
        Command::Report(typed) => report::run(&typed, &session),
        Command::Completions(typed) => completions::run(&typed),
    }
}
