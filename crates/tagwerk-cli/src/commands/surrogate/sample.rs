//! `tagwerk surrogate sample RUN|FILE JETS.. -o FILE`.

use super::{WhichWeights, shown};
use crate::failure::Failure;
use crate::format;
use crate::output::replaceable;
use crate::progress::{Manner, Work};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use tagwerk_surrogate::{Answered, Domain, Questions, SharedSurrogate, SurrogateRun, Table, answer_jets, open_packed};

const EXAMPLES: &str = "\
JETS are tables (Parquet, HDF5, NumPy, CSV) with the surrogate's conditions by name. The result is Parquet with a row a jet:
  row                        number of the jet, from 0
  flagged                    whether the surrogate does not know such jets; its answers are then not to be used
  beyond_range, unphysical, mahalanobis, neighbors    why
  epistemic                  disagreement of the members: max - min of the score at equal noise
  samples                    with --samples: that many scores, of all members in turn
  q0.5, q0.5_spread          with --quantiles: mean over members, and their standard deviation
  pass0.9, pass0.9_spread    with --cuts: probability of a score above, and its standard deviation over members
The same seed gives a row the same noise, whatever rows stand around it.

Examples:
  tagwerk surrogate sample top-1.0.0.surrogate.zip jets.csv -o answers.parquet
  tagwerk surrogate sample runs/s jets.parquet --samples 100 --seed 7 -o answers.parquet
  tagwerk surrogate sample runs/s tops.csv --label 1 --cuts 0.5,0.9,0.99 -o answers.parquet";

/// Asked when nothing is.
const USUAL: [f64; 3] = [0.16, 0.5, 0.84];

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder of `tagwerk surrogate train`, or a file of `tagwerk surrogate pack`
    #[arg(value_name = "RUN|FILE")]
    surrogate: PathBuf,
    /// Tables of jets, laid end to end
    #[arg(required = true, value_name = "JETS")]
    jets: Vec<PathBuf>,
    /// File to write (.parquet)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Scores drawn for each jet
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(0..=1_000_000))]
    samples: usize,
    /// Probabilities whose quantiles are told [default: 0.16,0.5,0.84, if nothing else is asked]
    #[arg(long, value_name = "P,..", value_delimiter = ',')]
    quantiles: Vec<f64>,
    /// Scores whose probability of being passed is told
    #[arg(long, value_name = "S,..", value_delimiter = ',', allow_negative_numbers = true)]
    cuts: Vec<f64>,
    /// Label of all jets, where the tables have no such column
    #[arg(long, value_name = "LABEL")]
    label: Option<f64>,
    #[command(flatten)]
    weights: WhichWeights,
}

/// JSON of the answers.
#[derive(Serialize)]
struct Told<'a> {
    surrogate: String,
    file: String,
    questions: &'a Questions,
    #[serde(flatten)]
    answered: &'a Answered,
}

/// Answers.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    replaceable(&typed.output)?;
    if typed.output.extension().is_none_or(|end| end != "parquet") {
        return Err(Failure::Usage(format!(
            "{}: answers are Parquet; give a name that ends in .parquet",
            typed.output.display()
        )));
    }
    let own = std::fs::canonicalize(&typed.output).ok();
    let mut read = typed.jets.iter().chain(std::iter::once(&typed.surrogate));
    if own.is_some() && read.any(|path| std::fs::canonicalize(path).ok() == own) {
        return Err(Failure::new(format!(
            "{} is what is read; answers go to another file",
            typed.output.display()
        )));
    }
    let nothing = typed.samples == 0 && typed.quantiles.is_empty() && typed.cuts.is_empty();
    let questions = Questions {
        samples: typed.samples,
        quantiles: if nothing {
            USUAL.to_vec()
        } else {
            typed.quantiles.clone()
        },
        cuts: typed.cuts.clone(),
        seed: session.seed.unwrap_or(0),
    };
    let (shared, domain) = open(typed)?;
    let conditions = shared.surrogate().conditions().names();
    let given = typed.label.map(|value| (shared.record().label.as_str(), value));
    let jets = Table::jets(&typed.jets, &conditions, given)?;
    let stop = session.stoppable()?;
    let answered = {
        let mut work = Work::new(
            "sample",
            |n| format!("{} jets", format::grouped(n)),
            Manner::suited(session.quiet),
        );
        answer_jets(
            &shared,
            &domain,
            &jets,
            &questions,
            &typed.output,
            &mut |done, total| {
                work.at(done, total);
                !stop.load(Ordering::Relaxed)
            },
        )?
    };
    let Some(answered) = answered else {
        return Err(Failure::new("stopped; nothing was written"));
    };
    let mut text = format!(
        "{} answered by {}; {} flagged: not like the training jets\n",
        format::counted(answered.jets, "jet"),
        format::counted(answered.members as u64, "member"),
        format::grouped(answered.flagged)
    );
    for (cut, mean) in questions.cuts.iter().zip(&answered.mean_efficiency) {
        text.push_str(&format!("mean probability of a score above {cut}: {mean:.5}\n"));
    }
    if let Some(spread) = answered.mean_epistemic {
        text.push_str(&format!("mean disagreement of the members: {spread:.5}\n"));
    }
    let told = Told {
        surrogate: shown(&typed.surrogate),
        file: shown(&typed.output),
        questions: &questions,
        answered: &answered,
    };
    text.push_str(&format!("answers: {}\n", told.file));
    session.output.result(&text, &told)
}

fn open(typed: &Typed) -> Result<(SharedSurrogate, Domain), Failure> {
    if typed.surrogate.is_dir() {
        let run = SurrogateRun::open(&typed.surrogate)?;
        let (shared, _) = typed.weights.of(&run)?;
        return Ok((shared, run.domain()?));
    }
    if typed.weights.given() {
        return Err(Failure::Usage(
            "a packed surrogate has its members and recalibration already; leave --posterior and --recalibrate out"
                .to_owned(),
        ));
    }
    let (shared, _, domain) = open_packed::<SharedSurrogate>(&typed.surrogate)?;
    Ok((shared, domain))
}
