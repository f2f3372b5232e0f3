//! `tagwerk parametric interpolate [CONFIG]`.

use super::train::{configuration, explained};
use super::write_figure;
use crate::arguments::TrainingArguments;
use crate::config_file;
use crate::failure::Failure;
use crate::format;
use crate::progress::{Manner, Work};
use crate::session::Session;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tagwerk_parametric::{
    Compared, InterpolationConfig, InterpolationResult, MassStudy, ParametricError, StudyObserver, interpolate,
};
use tagwerk_report::{MassLine, MassPoint};
use tagwerk_train::Observer;

const EXAMPLES: &str = "\
Trains the classifier of the configuration on all masses, on the two at the ends, and on all but one in turn, and networks of \
one mass each, each with several seeds, and compares them at every mass on the same test events. The table `interpolation` \
of the configuration chooses:

  [interpolation]
  seeds = 3
  ends = true
  leave_one_out = true
  individual = true

Trainings run side by side, one a thread, each in a folder of its own; the same command goes on after a stop.

Examples:
  tagwerk parametric interpolate
  tagwerk parametric interpolate configs/hepmass-affine.toml -o runs/affine-study --json study.json";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Configuration file (TOML) [default: the affine network on the built-in sample]
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Folder for the runs [default: runs/CONFIG-interpolation]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Trainings of each kind [default: that of the configuration, or 3]
    #[arg(long, value_name = "N")]
    seeds: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    training: TrainingArguments,
}

/// Counts trainings.
struct Progress(Mutex<Work>);

impl StudyObserver for Progress {
    fn training(&self, _: &str) -> Box<dyn Observer> {
        Box::new(())
    }

    fn done(&self, done: usize, total: usize) {
        if let Ok(mut work) = self.0.lock() {
            work.at(done as u64, total as u64);
        }
    }
}

/// Runs the study.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let (config, name) = configuration(typed.config.as_deref(), &typed.training, session.seed)?;
    let mut study = match &typed.config {
        Some(path) => config_file::read(path, InterpolationConfig::from_toml)?,
        None => InterpolationConfig::default(),
    };
    study.seeds = typed.seeds.map_or(study.seeds, Into::into);
    let folder = typed
        .output
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(format!("{name}-interpolation")));
    let context = session.context()?;
    let result = {
        let work = Work::new("trainings", format::grouped, Manner::suited(session.quiet));
        interpolate(&folder, &config, &study, &context, &Progress(Mutex::new(work))).map_err(|error| match error {
            ParametricError::Stopped { .. } => Failure::from(error).hint("the same command goes on"),
            other => explained(other),
        })?
    };
    figure(&folder.join("report"), &result)?;
    let text = format!(
        "{}\n{}\n{} of {} each, in {}\n",
        table(&result),
        result.verdict,
        format::counted(result.trainings as u64, "training"),
        format::counted(result.seeds as u64, "seed"),
        folder.display()
    );
    session.output.result(&text, &result)
}

/// Who stands in the table.
type Column = (&'static str, fn(&MassStudy) -> Option<Compared>);

const COLUMNS: [Column; 6] = [
    ("all masses", |m| Some(m.all)),
    ("this one left out", |m| m.left_out),
    ("loss", |m| m.loss_left_out),
    ("two ends", |m| m.ends),
    ("this one alone", |m| m.individual),
    ("nearest alone", |m| m.nearest_individual),
];

fn table(result: &InterpolationResult) -> String {
    let shown: Vec<&Column> = COLUMNS
        .iter()
        .filter(|(_, of)| result.masses.iter().any(|mass| of(mass).is_some()))
        .collect();
    let head = std::iter::once("mass".to_owned()).chain(shown.iter().map(|(name, _)| (*name).to_owned()));
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    for mass in &result.masses {
        let cells = shown.iter().map(|(_, of)| match of(mass) {
            Some(value) => format::with_error(value.value, value.error),
            None => String::new(),
        });
        rows.push(std::iter::once(mass.mass.to_string()).chain(cells).collect());
    }
    format::columns(&rows, &vec![false; shown.len() + 1])
}

fn figure(folder: &Path, result: &InterpolationResult) -> Result<(), Failure> {
    let lines: Vec<MassLine> = COLUMNS
        .iter()
        .filter(|(name, _)| *name != "loss")
        .map(|(name, of)| MassLine {
            name: (*name).to_owned(),
            points: result
                .masses
                .iter()
                .filter_map(|mass| {
                    of(mass).map(|value| MassPoint {
                        mass: mass.mass,
                        value: value.value,
                        error: value.error,
                    })
                })
                .collect(),
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    write_figure(folder, "interpolation", "AUC (ROC)", &lines)
}
