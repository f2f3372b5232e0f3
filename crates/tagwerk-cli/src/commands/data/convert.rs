//! `tagwerk data convert IN OUT`.

use crate::arguments::ClassArguments;
use crate::failure::Failure;
use crate::format::{self, bytes, grouped};
use crate::output::replaceable;
use crate::progress::{Manner, Work};
use crate::session::Session;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use tagwerk_data::{
    ConvertEventsOptions, ConvertOptions, Converted, ConvertedEvents, DataError, EmptyJets, EventColumns, Packing,
    Recipe,
};

const EXAMPLES: &str = "\
IN is a file of jets: Parquet, NumPy (.npy, .npz) or the reference top-tagging table (.h5). OUT is Parquet with the columns \
label, row, constituent_e, constituent_px, constituent_py, constituent_pz (GeV), one list a jet, without padding; charge, \
identity and impact parameters of the constituents (part_charge, part_d0val, ..) are kept. \
OUT appears when it is complete.

Or IN are tables of events for `tagwerk parametric`: CSV (also gzipped), zip archives of CSV, Parquet, with a label, features f0, f1, .. and parameters. OUT has the columns label (0 or 1), features and parameters in single precision, and what else there is; several IN are joined. The mass 499.99997 of HEPMASS becomes 500. With --recipe hepmass-imb only so much signal is kept as HEPMASS-IMB has: 50, 20, 5, 1 and 0.3 % at 500, 750, 1000, 1250 and 1500 GeV.

Examples:
  tagwerk data convert data/top-tagging/train.h5 data/top-tagging-parquet/train.parquet
  tagwerk data convert jetclass.parquet tops.parquet --signal label_Tbqq --background label_QCD
  tagwerk data convert data/hepmass/all_train.csv.gz data/hepmass/all_train.parquet
  tagwerk data convert --recipe hepmass-imb data/hepmass/all_train.csv.gz data/hepmass-imb.parquet";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// File to read; several tables of events are joined
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// File to write (.parquet)
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Compression
    #[arg(long, value_name = "KIND", default_value = "zstd")]
    packing: PackingKind,
    /// Leave jets without constituents out instead of ending with an error
    #[arg(long)]
    skip_empty: bool,
    /// Column with the labels, if it has no usual name
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Keep only the events of this recipe: hepmass-imb
    #[arg(long, value_name = "RECIPE")]
    recipe: Option<String>,
    #[command(flatten)]
    classes: ClassArguments,
}

/// Compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PackingKind {
    /// Zstandard: small
    Zstd,
    /// Snappy: larger, read everywhere
    Snappy,
    /// No compression
    Plain,
}

#[derive(Serialize)]
struct Told {
    input: String,
    output: String,
    #[serde(flatten)]
    converted: Converted,
}

/// JSON of a conversion of events.
#[derive(Serialize)]
struct ToldEvents {
    inputs: Vec<String>,
    output: String,
    recipe: Option<&'static str>,
    #[serde(flatten)]
    converted: ConvertedEvents,
}

/// Converts.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    replaceable(&typed.out)?;
    let same = |path: &PathBuf| std::fs::canonicalize(path).ok();
    for input in &typed.inputs {
        if typed.out.exists() && same(input) == same(&typed.out) {
            return Err(Failure::new(format!(
                "{} cannot be converted to itself",
                input.display()
            )));
        }
    }
    let columns = EventColumns {
        label: typed.label_column.clone(),
        ..EventColumns::default()
    };
    let recipe = typed.recipe.as_deref().map(Recipe::find).transpose()?;
    let packing = match typed.packing {
        PackingKind::Zstd => Packing::Zstd,
        PackingKind::Snappy => Packing::Snappy,
        PackingKind::Plain => Packing::Plain,
    };
    match &typed.inputs[..] {
        [input] if recipe.is_none() && !tagwerk_data::holds_events(input, &columns)? => {
            jets(typed, input, packing, session)
        }
        _ => events(
            typed,
            ConvertEventsOptions {
                packing,
                columns,
                recipe,
                seed: session.seed.unwrap_or(0),
            },
            session,
        ),
    }
}

fn events(typed: &Typed, options: ConvertEventsOptions, session: &Session) -> Result<(), Failure> {
    let stop = session.stoppable()?;
    let converted = {
        let mut work = Work::new("convert", bytes, Manner::suited(session.quiet));
        tagwerk_data::convert_events(&typed.inputs, &typed.out, &options, &mut |done, total| {
            work.at(done, total);
            !stop.load(Ordering::Relaxed)
        })
    };
    let converted = match converted {
        Err(DataError::Cancelled) => return Err(Failure::new("stopped; nothing was written")),
        other => other?,
    };
    let signal: Vec<String> = converted
        .signal
        .iter()
        .map(|point| match point.mass {
            Some(mass) => format!("{} at {mass}", grouped(point.events)),
            None => grouped(point.events),
        })
        .collect();
    let text = format!(
        "{}: {} of background, signal {}; {} left out: {}",
        format::counted(converted.events, "event"),
        grouped(converted.background),
        if signal.is_empty() {
            "none".to_owned()
        } else {
            signal.join(", ")
        },
        grouped(converted.left_out),
        typed.out.display()
    );
    let told = ToldEvents {
        inputs: typed.inputs.iter().map(|path| path.display().to_string()).collect(),
        output: typed.out.display().to_string(),
        recipe: options.recipe.map(Recipe::name),
        converted,
    };
    session.output.result(&text, &told)
}

fn jets(typed: &Typed, input: &Path, packing: Packing, session: &Session) -> Result<(), Failure> {
    let source = tagwerk_data::open(input)?;
    let options = ConvertOptions {
        packing,
        empty: if typed.skip_empty {
            EmptyJets::Skip
        } else {
            EmptyJets::Error
        },
        label: typed.label_column.clone(),
        signal: typed.classes.signal.clone(),
        background: typed.classes.background.clone(),
    };
    let (stop, rows) = (session.stoppable()?, source.row_count());
    let converted = {
        let mut work = Work::new(
            "convert",
            |n| format!("{} jets", grouped(n)),
            Manner::suited(session.quiet),
        );
        tagwerk_data::convert(source.as_ref(), &typed.out, &options, &mut |row| {
            work.at(row, rows);
            !stop.load(Ordering::Relaxed)
        })
    };
    let converted = match converted {
        Err(DataError::Cancelled) => return Err(Failure::new("stopped; nothing was written")),
        other => other?,
    };
    let told = Told {
        input: input.display().to_string(),
        output: typed.out.display().to_string(),
        converted,
    };
    let text = format!(
        "{} jets with {} constituents, {} empty ones left out: {}",
        grouped(converted.jets),
        grouped(converted.constituents),
        grouped(converted.skipped_empty),
        told.output
    );
    session.output.result(&text, &told)
}
