//! `tagwerk surrogate posterior RUN`.

use super::{shown, surroundings};
use crate::config_file;
use crate::failure::Failure;
use crate::format;
use crate::progress::{Manner, Work};
use crate::session::Session;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use tagwerk_surrogate::posterior::DrawsRecord;
use tagwerk_surrogate::{MembersConfig, SurrogateRun, usual_members};
use tagwerk_train::SystemClock;

const EXAMPLES: &str = "\
Members are sets of weights that the training jets leave possible; their disagreement is the surrogate's ignorance.

  adam-mcmc    Metropolis-corrected Adam on the exact likelihood, lambda as published (arXiv:2312.14027)
  variational  a normal distribution for each weight (Bayes by backprop)
  ensemble     trainings from other seeds: the yardstick, and as many trainings long
  swag         a normal distribution of the weights of a descent (arXiv:1902.02476)
  laplace      the curvature at the trained weights
  sghmc, sgld  Langevin chains without a test
  mala         Langevin chains with an exact test on all jets

--method takes settings for minutes to an hour on two cores; a file of --config says all of it:

  draws = 10                       # from each fit (variational, swag, laplace)
  [method]
  kind = \"adam-mcmc\"
  sigma = 0.05
  [loss]
  kind = \"likelihood\"              # or \"matching\"
  steps = 8
  [tempering]
  lambda = 50.0
  reduction = \"mean\"               # \"sum\" and lambda 1 are Bayes' rule
  [chains]
  chains = 4
  steps = 30900
  every = 3090
  batch = 131072

Members are kept in RUN/posteriors/NAME with acceptance, R-hat and effective sizes. \
The same command again goes on where it stopped.

Examples:
  tagwerk surrogate posterior runs/s --method ensemble --draws 5
  tagwerk surrogate posterior runs/s --method adam-mcmc --draws 16 --chains 4 --seed 3
  tagwerk surrogate posterior runs/s --config posterior.toml --name bayes";

/// The methods by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the help explains them")]
pub enum Method {
    AdamMcmc,
    Variational,
    Ensemble,
    Swag,
    Laplace,
    Sghmc,
    Sgld,
    Mala,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::AdamMcmc => "adam-mcmc",
            Self::Variational => "variational",
            Self::Ensemble => "ensemble",
            Self::Swag => "swag",
            Self::Laplace => "laplace",
            Self::Sghmc => "sghmc",
            Self::Sgld => "sgld",
            Self::Mala => "mala",
        }
    }
}

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder of `tagwerk surrogate train`
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// How members are found [default: ensemble]
    #[arg(long, value_name = "METHOD")]
    method: Option<Method>,
    /// Settings of a method (TOML)
    #[arg(long, value_name = "FILE", conflicts_with = "method")]
    config: Option<PathBuf>,
    /// Members in all; rounded up to as many from each chain
    #[arg(long, value_name = "N")]
    draws: Option<NonZeroUsize>,
    /// Chains, or fits
    #[arg(long, value_name = "N")]
    chains: Option<NonZeroUsize>,
    /// Name of the posterior [default: the method]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// JSON of a posterior.
#[derive(Serialize)]
struct Told<'a> {
    run: String,
    posterior: String,
    folder: String,
    seconds: f64,
    members: usize,
    record: &'a DrawsRecord,
}

/// Finds members.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let mut config = match &typed.config {
        Some(path) => config_file::read(path, MembersConfig::from_toml)?,
        None => usual_members(typed.method.unwrap_or(Method::Ensemble).name())?,
    };
    if let Some(chains) = typed.chains {
        config = config.with_chains(chains.into());
    }
    if let Some(members) = typed.draws {
        config = config.with_members(members.into())?;
    }
    if let Some(seed) = session.seed {
        config = config.with_seed(seed);
    }
    let name = typed.name.clone().unwrap_or_else(|| config.method_name().to_owned());
    let run = SurrogateRun::open(&typed.run)?;
    let (context, clock) = (session.context()?, SystemClock::new());
    let outcome = {
        let amount: fn(u64) -> String = match config.method_name() {
            "ensemble" => |n| format::counted(n, "epoch"),
            _ => |n| format::counted(n, "step"),
        };
        let work = Mutex::new(Work::new(&name, amount, Manner::suited(session.quiet)));
        let told = |done: u64, total: u64| {
            // Progress that cannot be shown is no reason to end.
            if let Ok(mut work) = work.lock() {
                work.at(done, total);
            }
        };
        run.infer(&name, &config, &surroundings(&context, &clock)?, &told)?
    };
    let Some(posterior) = &outcome.posterior else {
        return Err(Failure::new("stopped; the same command goes on"));
    };
    let told = Told {
        run: shown(&typed.run),
        posterior: name,
        folder: shown(&outcome.folder),
        seconds: outcome.seconds,
        members: posterior.record.draws,
        record: &posterior.record,
    };
    session.output.result(&text(&told), &told)
}

fn text(told: &Told<'_>) -> String {
    let record = told.record;
    let mut text = format!(
        "{}: {} of {} weights each in {}\n",
        record.method,
        format::counted(told.members as u64, "member"),
        format::grouped(record.weights as u64),
        format::duration(told.seconds)
    );
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<12} {value}\n"));
    if record.schedule.is_some() {
        let lambda = format!(
            "{:.3e} for each jet; 1 is Bayes' rule of a likelihood",
            record.lambda_per_datum
        );
        line("lambda", lambda);
    }
    if !record.chains.is_empty() && !record.is_tested() {
        line("acceptance", "no Metropolis test: every step is taken".to_owned());
    }
    if !record.chains.is_empty() && record.is_tested() {
        let acceptance: Vec<String> = record.chains.iter().map(|c| format!("{:.3}", c.acceptance)).collect();
        line("acceptance", acceptance.join(", "));
        let noise = record.chains.iter().filter_map(|c| c.noise).fold(0.0, f64::max);
        line("noise", format!("{noise:.3} of the test's logarithm, at most"));
    }
    if let Some(loss) = record.loss {
        line("loss", format!("R-hat {:.3}, ESS {:.0}", loss.rhat, loss.ess_bulk));
    }
    if let Some(weight) = record.weight {
        line(
            "weights",
            format!(
                "R-hat {:.3} at most, {:.3} in the middle; ESS {:.1} at least",
                weight.rhat_largest, weight.rhat_median, weight.ess_bulk_smallest
            ),
        );
    }
    for note in &record.notes {
        line("note", note.clone());
    }
    text.push_str(&format!("posterior: {}\n", told.folder));
    text
}
