//! `tagwerk resume RUN`.

use super::train::{other_folder, tell};
use crate::failure::Failure;
use crate::progress::{Manner, TrainingProgress};
use crate::session::Session;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Goes on from the last checkpoint and ends in the same bits as a training that was never stopped. A finished run is told again. \
A landscape is resumed by the same `tagwerk landscape` command.

Example:
  tagwerk resume runs/pfn";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

/// Goes on.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    if session.seed.is_some() {
        return Err(Failure::Usage(
            "a run keeps its seed; start another one with `tagwerk train --seed`".to_owned(),
        ));
    }
    let context = session.context()?;
    let label = typed
        .run
        .file_name()
        .map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
    let result = {
        let mut progress = TrainingProgress::new(&label, Manner::suited(session.quiet));
        tagwerk_taggers::resume(&typed.run, &context, &mut progress).map_err(other_folder)?
    };
    tell(&result, session)
}
