//! `tagwerk data ..`: list, describe, fetch, convert, inspect and generate data sets.

pub mod convert;
pub mod fetch;
pub mod info;
pub mod inspect;
pub mod list;
pub mod stand_in;

use crate::failure::Failure;
use crate::session::Session;
use clap::Subcommand;

/// What can be typed.
#[derive(Debug, Subcommand)]
pub enum Typed {
    /// List the data sets that are known by name
    List(list::Typed),
    /// Describe a data set: recipe, columns, files, how to cite it
    Info(info::Typed),
    /// Download a data set, checked, and taken up again where it broke off
    Fetch(fetch::Typed),
    /// Convert a file of jets to Parquet with Tagwerk's columns
    Convert(convert::Typed),
    /// Say what is in a file, in which ranges, and what is wrong
    Inspect(inspect::Typed),
    /// Generate events in the layout of a data set that can no longer be downloaded
    StandIn(stand_in::Typed),
}

/// Runs one of them.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    match typed {
        Typed::List(typed) => list::run(typed, session),
        Typed::Info(typed) => info::run(typed, session),
        Typed::Fetch(typed) => fetch::run(typed, session),
        Typed::Convert(typed) => convert::run(typed, session),
        Typed::Inspect(typed) => inspect::run(typed, session),
        Typed::StandIn(typed) => stand_in::run(typed, session),
    }
}
