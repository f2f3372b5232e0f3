//! `tagwerk data fetch NAME`.

use crate::failure::Failure;
use crate::format::{bytes, duration};
use crate::progress::{Manner, Work};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tagwerk_data::{DataError, FetchEvent, FetchOptions, find_dataset};

const EXAMPLES: &str = "\
Size and checksum are verified before a file gets its name. A broken download goes on where it stopped; files that are there \
already are checked, not fetched again.

Examples:
  tagwerk data fetch top-tagging
  tagwerk data fetch hepmass --file all_train.csv.gz --file all_test.csv.gz
  tagwerk data fetch top-tagging --path /big/disk/top --mirror https://example.org/top";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Name of the data set, as in `tagwerk data list`
    #[arg(value_name = "NAME")]
    name: String,
    /// Folder for the files [default: data/NAME]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Only this file of the data set; can be given several times [default: all files]
    #[arg(long, value_name = "FILE")]
    file: Vec<String>,
    /// Address to fetch from, to which /FILE is added [default: that of the catalogue]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Attempts without any progress before giving up
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
}

#[derive(Serialize)]
struct Told {
    dataset: &'static str,
    files: Vec<String>,
}

/// Fetches.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let entry = find_dataset(&typed.name)?;
    let folder = typed.path.clone().unwrap_or_else(|| Path::new("data").join(entry.name));
    let options = FetchOptions {
        base_url: typed.mirror.clone(),
        attempts: typed.attempts,
        cancel: session.stoppable()?,
        ..FetchOptions::default()
    };
    let fetched = {
        let mut work = Work::new(entry.name, bytes, Manner::suited(session.quiet));
        tagwerk_data::fetch_only(entry, &typed.file, &folder, &options, &mut |event| match event {
            FetchEvent::Progress { received, total, .. } => work.at(received, total),
            FetchEvent::Present { file } => work.say(&format!("{file} is there already")),
            FetchEvent::Retry { file, reason, wait } => {
                work.say(&format!("{file}: {reason}; again in {}", duration(wait.as_secs_f64())));
            }
            FetchEvent::Done { file } => work.say(&format!("{file} is complete")),
        })
    };
    let paths = match fetched {
        Err(DataError::Cancelled) => {
            return Err(Failure::new(
                "stopped; what has arrived is kept, and the same command goes on",
            ));
        }
        other => other?,
    };
    let told = Told {
        dataset: entry.name,
        files: paths.iter().map(|path| path.display().to_string()).collect(),
    };
    let text = match &told.files[..] {
        [] => format!("{} is built in; there is nothing to fetch", entry.name),
        files => files.join("\n"),
    };
    session.output.result(&text, &told)
}
