//! `tagwerk resume RUN`.

use super::train::tell;
use crate::failure::Failure;
use crate::progress::{Manner, TrainingProgress};
use crate::session::Session;
use clap::Args;
use std::num::NonZeroU32;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Goes on from the last checkpoint and ends in the same bits as a training that was never stopped. A finished run is told \
again. Runs of `tagwerk parametric train` are resumed in the same way. A landscape is resumed by the same `tagwerk landscape` command.

With --epochs the run gets another number of epochs, more than it has done already, and keeps it in its config.toml. \
The learning rate goes on by its schedule: every schedule counts epochs from the start of the training and none knows \
the last one, so the run ends in the same bits as one that was to have this many epochs from the start. A one-cycle \
schedule stays at its lowest rate after its own epochs. A run that early stopping ended is not prolonged.

Examples:
  tagwerk resume runs/pfn
  tagwerk resume runs/pfn --epochs 60";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Epochs in all from now on, more than are done already [default: those of the run]
    #[arg(long, value_name = "N")]
    epochs: Option<NonZeroU32>,
}

/// Goes on.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    if session.seed.is_some() {
        return Err(Failure::Usage(
            "a run keeps its seed; start another one with `tagwerk train --seed`".to_owned(),
        ));
    }
    if tagwerk_surrogate::is_surrogate_run(&typed.run) {
        if typed.epochs.is_some() {
            return Err(Failure::Usage(
                "a surrogate keeps its number of epochs, which its schedule knows; train another one".to_owned(),
            ));
        }
        return super::surrogate::train::resume(&typed.run, session);
    }
    let context = session.context()?;
    let label = typed
        .run
        .file_name()
        .map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
    let epochs = typed.epochs.map(NonZeroU32::get);
    if tagwerk_parametric::is_parametric(&typed.run) {
        let result = {
            let mut progress = TrainingProgress::new(&label, Manner::suited(session.quiet));
            tagwerk_parametric::resume(&typed.run, epochs, &context, &mut progress)?
        };
        return super::parametric::train::tell(&result, session);
    }
    let result = {
        let mut progress = TrainingProgress::new(&label, Manner::suited(session.quiet));
        tagwerk_taggers::resume(&typed.run, epochs, &context, &mut progress)?
    };
    tell(&result, session)
}
