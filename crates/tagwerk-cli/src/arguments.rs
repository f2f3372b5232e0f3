//! What a user can type. Nothing below a command sees these types.

use crate::commands;
use clap::builder::RangedU64ValueParser;
use clap::builder::styling::Styles;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use tagwerk_data::{CATALOGUE, Holds, JetOptions, Part, Split, find_dataset};
use tagwerk_taggers::{DataConfig, SAMPLE};
use tagwerk_train::TrainingConfig;

/// Largest seed: the largest integer of TOML, in which configurations are kept.
const LARGEST_SEED: u64 = i64::MAX as u64;

/// More threads than any machine has cores; a slip of the finger must not start a million.
const MOST_THREADS: u64 = 4096;

const ABOUT: &str = "Compares classifiers of particle jets: every tagger, on one data set, with one set of metrics, \
                     each number with its error, next to the published number.";

const EXAMPLES: &str = "\
Examples:
  tagwerk landscape                                  four taggers on the built-in sample: table and report
  tagwerk landscape --data top-tagging --path data/top-tagging --taggers pfn,particlenet
  tagwerk landscape --data magic --path magic04.data     general algorithms on events that are no jets
  tagwerk train --tagger pfn --data jets.parquet --epochs 30 -o runs/pfn
  tagwerk resume runs/pfn
  tagwerk score runs/pfn other.parquet -o scores.parquet
  tagwerk evaluate scores.parquet --json -
  tagwerk surrogate train configs/surrogate-top.toml -o runs/s
  tagwerk import weights.pt -o runs/theirs
  tagwerk parametric train                           one classifier for all masses, on the built-in sample
  tagwerk taggers

Exit codes: 0 done; 1 failed or stopped, with one sentence on standard error; 2 wrong usage.
Ctrl-C stops a training cleanly, and the same command goes on with it; a second Ctrl-C ends at once.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "tagwerk", version, about = ABOUT, after_help = EXAMPLES, styles = Styles::plain(), max_term_width = 110)]
#[command(propagate_version = true, subcommand_required = true, arg_required_else_help = false)]
pub struct Arguments {
    /// For all commands.
    #[command(flatten)]
    pub global: GlobalArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArguments {
    /// Also write the result as JSON, unrounded, to this file; `-`: to standard output in place of the text
    #[arg(long, global = true, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Threads to work with; trainings of a landscape run one a thread [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_THREADS))]
    pub threads: Option<usize>,
    /// Where networks run: cpu, cuda:N or wgpu:N
    #[arg(long, global = true, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// Seed of all random draws; the same seed gives the same bits [default: that of the configuration]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(..=LARGEST_SEED))]
    pub seed: Option<u64>,
    /// No progress and no notes: results and errors only
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Log to standard error from this level on [default: warn]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<LogLevel>,
}

/// How much to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it, and clap would print a comment as help")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// All commands; each is a file of [`commands`].
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train many taggers many times on one data set and make one table and report
    Landscape(commands::landscape::Typed),
    /// Train one tagger
    Train(commands::train::Typed),
    /// Go on with a training that was stopped or killed
    Resume(commands::resume::Typed),
    /// Score jets with a trained tagger
    Score(commands::score::Typed),
    /// AUC, accuracy and background rejection of score files, with errors
    Evaluate(commands::evaluate::Typed),
    /// Surrogates of a classifier: train, posterior, evaluate, sample, pack
    #[command(subcommand)]
    Surrogate(commands::surrogate::Typed),
    /// Check a packed surrogate: hashes, manifest, golden outputs, coverage
    Verify(commands::verify::Typed),
    /// Make a run of weights that PyTorch trained
    Import(commands::import::Typed),
    /// List all taggers with their parameters and published numbers
    Taggers(commands::taggers::Typed),
    /// Compute observables of jets and write them as a table
    Features(commands::features::Typed),
    /// One classifier for all masses: train, evaluate, interpolate
    #[command(subcommand)]
    Parametric(commands::parametric::Typed),
    /// Data sets: list, describe, fetch, convert, inspect
    #[command(subcommand)]
    Data(commands::data::Typed),
    /// Tables, figures and an HTML page from finished trainings
    Report(commands::report::Typed),
    /// Print completions for a shell
    Completions(commands::completions::Typed),
}

/// Which two classes, of jets that have many.
#[derive(Debug, Default, Args)]
pub struct ClassArguments {
    /// Column of the signal, in a file that has a column a class (label_QCD, label_Tbqq, ..); jets of classes that are not
    /// named are left out
    #[arg(long, value_name = "COLUMN", requires = "background")]
    pub signal: Option<String>,
    /// Column of the background, in such a file
    #[arg(long, value_name = "COLUMN", requires = "signal")]
    pub background: Option<String>,
}

impl ClassArguments {
    /// Lays what was typed over the options of a data set.
    pub fn lay_over(&self, options: &mut JetOptions) {
        if self.signal.is_some() {
            options.label = None;
            options.signal.clone_from(&self.signal);
            options.background.clone_from(&self.background);
        }
    }
}

/// Which jets.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArguments {
    /// `sample` (built in), a name of `tagwerk data list`, or the path of a file or folder of jets, or of a table or
    /// arrays
    #[arg(long, value_name = "D")]
    pub data: Option<String>,
    /// Folder with the files, or the file, of a data set named by --data [default: data/NAME, if it is there]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// Training jets at most, drawn from all over the training part [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub jets: Option<u64>,
    /// Validation jets at most [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub validation_jets: Option<u64>,
    /// Test jets at most [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub test_jets: Option<u64>,
    /// Memory for the jets of all trainings together in MiB; what does not fit is read from disk in each epoch
    /// [default: 8192]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    pub memory: Option<u64>,
    /// Two classes of many.
    #[command(flatten)]
    pub classes: ClassArguments,
}

impl DataArguments {
    /// Lays what was typed over a configuration.
    pub fn lay_over(&self, data: &mut DataConfig) {
        if let Some(source) = &self.data {
            *data = DataConfig {
                source: source.clone(),
                path: None,
                ..data.clone()
            };
        }
        if self.path.is_some() {
            data.path.clone_from(&self.path);
        }
        data.path = data.path.take().or_else(|| usual_folder(&data.source));
        data.train_jets = self.jets.or(data.train_jets);
        data.validation_jets = self.validation_jets.or(data.validation_jets);
        data.test_jets = self.test_jets.or(data.test_jets);
        data.memory_mb = self.memory.unwrap_or(data.memory_mb);
        self.classes.lay_over(&mut data.options);
    }
}

/// Which jets of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhichJets {
    /// Those that set the weights
    Train,
    /// Those that chose among weights
    Validation,
    /// Those that nothing was chosen on
    Test,
    /// All rows of a single file
    All,
}

impl WhichJets {
    /// The part of the data set, and the name of the choice; all rows are a part once nothing is divided.
    pub fn of(self, data: &mut DataConfig) -> (Part, &'static str) {
        match self {
            Self::Train => (Part::Train, "train"),
            Self::Validation => (Part::Validation, "validation"),
            Self::Test => (Part::Test, "test"),
            Self::All => {
                data.options.split = Some(Split::Fractions {
                    train: 0.0,
                    validation: 0.0,
                    test: 1.0,
                });
                data.test_jets = None;
                (Part::Test, "all")
            }
        }
    }
}

/// Where `tagwerk data fetch NAME` puts a data set of the catalogue, or where one would put a file that it cannot
/// fetch, if it is there.
pub fn usual_folder(source: &str) -> Option<PathBuf> {
    let folder = PathBuf::from("data").join(source);
    let there = CATALOGUE
        .iter()
        .find(|entry| entry.name == source)
        .is_some_and(|entry| match &entry.holds {
            Holds::Jets | Holds::Events | Holds::Scores => !entry.files.is_empty() && folder.is_dir(),
            Holds::Arrays(arrays) => folder.join(arrays.file).is_file(),
        });
    there.then_some(folder)
}

/// A word for a data set that can be part of a folder's name.
pub fn short_name(source: &str) -> String {
    if source == SAMPLE || find_dataset(source).is_ok() {
        return source.to_owned();
    }
    let stem = PathBuf::from(source)
        .file_stem()
        .map_or_else(|| "data".to_owned(), |s| s.to_string_lossy().into_owned());
    stem.chars()
        .map(|c| {
            if c.is_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect()
}

/// How to train.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Training")]
pub struct TrainingArguments {
    /// Passes over the training jets at most [default: that of the configuration, or as published]
    #[arg(long, value_name = "N")]
    pub epochs: Option<NonZeroU32>,
    /// Jets in a step [default: that of the configuration, or as published]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroUsize>,
}

impl TrainingArguments {
    /// Lays what was typed over a configuration.
    pub fn lay_over(&self, training: &mut TrainingConfig) {
        training.epochs = self.epochs.map_or(training.epochs, Into::into);
        training.batch_size = self.batch_size.map_or(training.batch_size, Into::into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_data_set_by_another_name_does_not_keep_the_folder_of_the_first() {
        let mut data = DataConfig {
            source: "top-tagging".into(),
            path: Some("a".into()),
            test_jets: Some(5),
            ..Default::default()
        };
        let typed = DataArguments {
            data: Some("jets.parquet".into()),
            jets: Some(7),
            ..Default::default()
        };
        typed.lay_over(&mut data);
        assert_eq!((data.source.as_str(), data.path), ("jets.parquet", None));
        assert_eq!((data.train_jets, data.test_jets), (Some(7), Some(5)));
    }

    #[test]
    fn short_names_are_one_word() {
        assert_eq!(short_name("top-tagging"), "top-tagging");
        assert_eq!(short_name("/some/where/my jets.parquet"), "my-jets");
    }
}
