//! `tagwerk surrogate ..`: share a classifier without the detector.

pub mod evaluate;
pub mod pack;
pub mod posterior;
pub mod sample;
pub mod train;

use crate::failure::Failure;
use crate::session::Session;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tagwerk_surrogate::{Posterior, RunContext, SharedSurrogate, SurrogateRun};
use tagwerk_taggers::Context;
use tagwerk_train::SystemClock;

/// What can be typed.
#[derive(Debug, Subcommand)]
pub enum Typed {
    /// Train a surrogate on a table of conditions, labels and a classifier's scores
    Train(train::Typed),
    /// Find members around a trained surrogate: a posterior over its weights, or an ensemble
    Posterior(posterior::Typed),
    /// Calibration, ROC, ignorance and behavior outside the domain, on the test jets
    Evaluate(evaluate::Typed),
    /// Answer for a table of jets: drawn scores, quantiles, probabilities of passing cuts, domain flags
    Sample(sample::Typed),
    /// Write one file for outsiders, with all that they need to use and to check it
    Pack(pack::Typed),
}

/// Runs one of them.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    match typed {
        Typed::Train(typed) => train::run(typed, session),
        Typed::Posterior(typed) => posterior::run(typed, session),
        Typed::Evaluate(typed) => evaluate::run(typed, session),
        Typed::Sample(typed) => sample::run(typed, session),
        Typed::Pack(typed) => pack::run(typed, session),
    }
}

/// Which weights of a run answer.
#[derive(Debug, Default, Args)]
pub struct WhichWeights {
    /// Name of the posterior whose members answer; `none` for the point estimate [default: the only posterior, or the point
    /// estimate where there is none]
    #[arg(long, value_name = "NAME")]
    posterior: Option<String>,
    /// Put a monotone map of the distribution in front, learned on the validation jets
    #[arg(long)]
    recalibrate: bool,
}

impl WhichWeights {
    /// The surrogate with these weights, and the posterior that they are of.
    pub(super) fn of(&self, run: &SurrogateRun) -> Result<(SharedSurrogate, Option<Posterior>), Failure> {
        let posterior = run.posterior(self.posterior.as_deref())?;
        Ok((run.shared(posterior.as_ref(), self.recalibrate)?, posterior))
    }

    /// In the words of a command line.
    pub(super) fn words(&self) -> String {
        let named = self.posterior.as_ref().map(|name| format!(" --posterior {name}"));
        let mapped = if self.recalibrate { " --recalibrate" } else { "" };
        named.unwrap_or_default() + mapped
    }

    fn given(&self) -> bool {
        self.posterior.is_some() || self.recalibrate
    }
}

/// Time, stop flag and program, for the library. Surrogates run on the processor.
fn surroundings<'a>(context: &'a Context, clock: &'a SystemClock) -> Result<RunContext<'a>, Failure> {
    if context.device_name != "cpu" {
        return Err(Failure::Usage(format!(
            "surrogates run on the processor, not on {}; leave --device out",
            context.device_name
        )));
    }
    Ok(RunContext {
        clock,
        stop: &context.stop,
        version: &context.version,
        git: context.git.as_deref(),
        threads: context.threads,
    })
}

/// A path in words.
fn shown(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Name of the folder, for progress.
fn label(run: &std::path::Path) -> String {
    let name = run.file_name().map(PathBuf::from);
    name.map_or_else(|| "surrogate".to_owned(), |name| shown(&name))
}
