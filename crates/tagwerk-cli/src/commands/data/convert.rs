//! `tagwerk data convert IN OUT`.

use crate::arguments::ClassArguments;
use crate::failure::Failure;
use crate::format::grouped;
use crate::output::replaceable;
use crate::progress::{Manner, Work};
use crate::session::Session;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use tagwerk_data::{ConvertOptions, Converted, DataError, EmptyJets, Packing};

const EXAMPLES: &str = "\
IN is a file of jets: Parquet, NumPy (.npy, .npz) or the reference top-tagging table (.h5). OUT is Parquet with the columns \
label, row, constituent_e, constituent_px, constituent_py, constituent_pz (GeV), one list a jet, without padding; charge, \
identity and impact parameters of the constituents (part_charge, part_d0val, ..) are kept. \
OUT appears when it is complete.

Examples:
  tagwerk data convert data/top-tagging/train.h5 data/top-tagging-parquet/train.parquet
  tagwerk data convert jetclass.parquet tops.parquet --signal label_Tbqq --background label_QCD";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// File to read
    #[arg(value_name = "IN")]
    input: PathBuf,
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

/// Converts.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    replaceable(&typed.out)?;
    let same = |path: &PathBuf| std::fs::canonicalize(path).ok();
    if typed.out.exists() && same(&typed.input) == same(&typed.out) {
        return Err(Failure::new(format!(
            "{} cannot be converted to itself",
            typed.input.display()
        )));
    }
    let source = tagwerk_data::open(&typed.input)?;
    let options = ConvertOptions {
        packing: match typed.packing {
            PackingKind::Zstd => Packing::Zstd,
            PackingKind::Snappy => Packing::Snappy,
            PackingKind::Plain => Packing::Plain,
        },
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
        input: typed.input.display().to_string(),
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
