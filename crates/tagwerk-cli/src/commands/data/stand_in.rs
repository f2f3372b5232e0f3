//! `tagwerk data stand-in NAME -o FILE`.

use crate::failure::Failure;
use crate::format::{bytes, grouped};
use crate::output::replaceable;
use crate::progress::{Manner, Work};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use tagwerk_data::{ArraySet, DataError, StandIn, StandInOptions, find_dataset};

const EXAMPLES: &str = "\
The files of pd4ml (arXiv:2107.00656) can no longer be downloaded. A stand-in has the layout of the published file: names of arrays, \
shapes, padding, rough ranges, 70 % for training; its events come from a toy model whose classes differ and can be learned. Numbers \
on it compare algorithms with each other, and nothing with published numbers: the file says so, and so does every table made from it. \
The same seed gives the same file.

Examples:
  tagwerk data stand-in spinodal -o spinodal.npz
  tagwerk landscape --data spinodal --path spinodal.npz --trainings 1
  tagwerk data stand-in airshower -o showers.npz --events 20000 --seed 7";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// spinodal, eos, airshower or belle
    #[arg(value_name = "NAME")]
    name: String,
    /// File to write (.npz)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Events, for training and testing together
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    events: u64,
}

/// JSON of a stand-in.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    stand_in: StandIn,
    file: String,
    bytes: u64,
}

/// Generates.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let entry = find_dataset(&typed.name)?;
    let set = ArraySet::find(entry.name).ok_or_else(|| {
        Failure::Usage(format!(
            "{} needs no stand-in; there are some for spinodal, eos, airshower and belle",
            entry.name
        ))
    })?;
    if typed
        .output
        .extension()
        .is_none_or(|extension| !extension.eq_ignore_ascii_case("npz"))
    {
        return Err(Failure::Usage(format!(
            "{}: a stand-in is an .npz file",
            typed.output.display()
        )));
    }
    replaceable(&typed.output)?;
    let options = StandInOptions {
        events: typed.events,
        seed: session.seed.unwrap_or(1),
    };
    let stop = session.stoppable()?;
    let written = {
        let mut work = Work::new(
            "stand-in",
            |n| format!("{} events", grouped(n)),
            Manner::suited(session.quiet),
        );
        tagwerk_data::stand_in(set, &typed.output, options, &mut |done, total| {
            work.at(done, total);
            !stop.load(Ordering::Relaxed)
        })
    };
    let stand_in = match written {
        Err(DataError::Cancelled) => return Err(Failure::new("stopped; nothing was written")),
        Err(error @ DataError::Argument { .. }) => return Err(Failure::Usage(error.to_string())),
        other => other?,
    };
    let told = Told {
        file: typed.output.display().to_string(),
        bytes: std::fs::metadata(&typed.output).map_or(0, |meta| meta.len()),
        stand_in,
    };
    let text = format!("{}: {}, {}", told.file, told.stand_in.describe(), bytes(told.bytes));
    session.output.result(&text, &told)
}
