//! `tagwerk parametric interpolate [CONFIG]`.

use super::axis;
use super::page::provenance;
use super::train::{configuration, explained};
use crate::arguments::TrainingArguments;
use crate::config_file;
use crate::failure::Failure;
use crate::format;
use crate::progress::{Manner, Work};
use crate::report_input::typed_command;
use crate::session::Session;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tagwerk_parametric::{
    Compared, InterpolationConfig, InterpolationResult, MassStudy, ParametricError, StudyObserver, Verdict, interpolate,
};
use tagwerk_report::{Entry, Figure, LineWords, MassLine, MassPoint, Sheet, SheetTable, line_figure, write_sheet};
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
    let table = table(&result);
    let sheet = Sheet {
        title: "Does the network know masses that it never saw?".to_owned(),
        summary: result.verdict.replace('\n', " "),
        tables: vec![table.clone(), losses(&result)],
        figures: figure(&result)?.into_iter().collect(),
        provenance: provenance(&folder.join(format!("all-{}", config.training.seed)))?,
        commands: vec![typed_command()],
        json: Some(("study.json".to_owned(), serde_json::to_string_pretty(&result)? + "\n")),
        warnings: Vec::new(),
    };
    let page = write_sheet(&sheet, &folder.join("report"))?;
    let text = format!(
        "{}\n{}\n{} of {} each, in {}\nreport: {}\n",
        table.columns(),
        result.verdict,
        format::counted(result.trainings as u64, "training"),
        format::counted(result.seeds as u64, "seed"),
        folder.display(),
        page.display()
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

fn cell(value: Option<Compared>) -> Entry {
    value.map_or(Entry::Absent, |value| Entry::with_error(value.value, value.error, 4))
}

fn table(result: &InterpolationResult) -> SheetTable {
    let shown: Vec<&Column> = COLUMNS
        .iter()
        .filter(|(_, of)| result.masses.iter().any(|mass| of(mass).is_some()))
        .collect();
    let head = std::iter::once(result.parameter.clone()).chain(shown.iter().map(|(name, _)| (*name).to_owned()));
    let row = |mass: &MassStudy| {
        let cells = shown.iter().map(|(_, of)| cell(of(mass)));
        std::iter::once(Entry::Text(mass.mass.to_string()))
            .chain(cells)
            .collect()
    };
    SheetTable {
        name: "masses",
        title: "Area under the ROC curve".to_owned(),
        caption: format!(
            "Of networks trained on different masses, at each mass on the same test events; mean of {} each, ± test sample and \
             trainings together. `nearest alone` is what a set of networks of one mass each has where it has none.",
            format::counted(result.seeds as u64, "training")
        ),
        headings: head.collect(),
        rows: result.masses.iter().map(row).collect(),
        notes: Vec::new(),
    }
}

fn losses(result: &InterpolationResult) -> SheetTable {
    let verdict = |verdict: Option<Verdict>| {
        verdict.map_or(Entry::Absent, |verdict| {
            Entry::text(match verdict {
                Verdict::Interpolates => "as good",
                Verdict::SmallLoss => "small loss",
                Verdict::Fails => "fails",
                Verdict::Undecided => "cannot be told",
            })
        })
    };
    let row = |mass: &MassStudy| {
        vec![
            Entry::Text(mass.mass.to_string()),
            Entry::text(if mass.end {
                "beyond the others"
            } else {
                "between the others"
            }),
            cell(mass.loss_left_out),
            verdict(mass.verdict),
            cell(mass.loss_ends),
            verdict(mass.verdict_ends),
        ]
    };
    let headings = [
        &result.parameter,
        "place",
        "lost without it",
        "verdict",
        "lost by the two ends",
        "verdict, ends",
    ];
    SheetTable {
        name: "losses",
        title: "What a network loses at a mass that it never saw".to_owned(),
        caption: "Area under the ROC curve of the network of all masses minus that of the network without this one, and of the two ends \
                  alone, seed by seed on the same events. `as good`: below two errors or 0.002; `fails`: above 0.02 and two errors; \
                  `cannot be told`: two errors more would be above 0.02."
            .to_owned(),
        headings: headings.map(str::to_owned).to_vec(),
        rows: result.masses.iter().map(row).collect(),
        notes: Vec::new(),
    }
}

fn figure(result: &InterpolationResult) -> Result<Option<Figure>, Failure> {
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
    let words = LineWords {
        title: &format!("AUC (ROC) against {}", result.parameter),
        x: &axis(std::slice::from_ref(&result.parameter)),
        y: "AUC (ROC)",
        column: &result.parameter,
        of: "network",
    };
    Ok(line_figure("interpolation", &words, &lines)?)
}
