//! `tagwerk data list`.

use crate::failure::Failure;
use crate::format::{bytes, columns, grouped};
use crate::session::Session;
use clap::Args;
use tagwerk_data::{CATALOGUE, CatalogueEntry, Holds};

/// What can be typed.
#[derive(Debug, Args)]
pub struct Typed {}

/// Lists the catalogue.
pub fn run(_: &Typed, session: &Session) -> Result<(), Failure> {
    let mut rows = vec![
        ["name", "train", "validation", "test", "download", "title"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(CATALOGUE.iter().map(|entry| row(entry)));
    session
        .output
        .result(&columns(&rows, &[false, true, true, true, true, false]), &CATALOGUE)
}

fn row(entry: &CatalogueEntry) -> Vec<String> {
    let size: Option<u64> = entry.files.iter().map(|file| file.bytes).sum();
    let download = match &entry.holds {
        Holds::Arrays(arrays) if arrays.stand_in => "stand-in".to_owned(),
        Holds::Arrays(_) => "by hand".to_owned(),
        Holds::Jets | Holds::Events | Holds::Scores if entry.files.is_empty() => "built in".to_owned(),
        Holds::Jets | Holds::Events | Holds::Scores => size.map_or_else(|| "size unknown".to_owned(), bytes),
    };
    // A layout of which no file was released has no rows.
    let [train, validation, test] = entry
        .rows
        .map(|rows| if rows == 0 { "-".to_owned() } else { grouped(rows) });
    vec![
        entry.name.to_owned(),
        train,
        validation,
        test,
        download,
        entry.title.to_owned(),
    ]
}
