//! `tagwerk data info NAME`.

use crate::failure::Failure;
use crate::format::{bytes, grouped};
use crate::session::Session;
use clap::Args;
use tagwerk_data::{CatalogueEntry, Holds, find_dataset};

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tagwerk data info top-tagging\n  tagwerk data info airshower")]
pub struct Typed {
    /// Name of the data set, as in `tagwerk data list`
    #[arg(value_name = "NAME")]
    name: String,
}

/// Describes a data set.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let entry = find_dataset(&typed.name)?;
    session.output.result(&describe(entry), entry)
}

fn describe(entry: &CatalogueEntry) -> String {
    let mut lines = vec![
        format!("{}: {}", entry.name, entry.title),
        String::new(),
        format!("task: {}", entry.task),
    ];
    lines.extend(entry.recipe.iter().map(|(what, how)| format!("{what}: {how}")));
    lines.push(String::new());
    let arrays = match &entry.holds {
        Holds::Arrays(arrays) => Some(arrays),
        Holds::Jets | Holds::Events | Holds::Scores => None,
    };
    lines.push(
        if arrays.is_some() {
            "arrays of an event"
        } else {
            "columns"
        }
        .to_owned(),
    );
    for column in entry.columns {
        let unit = if column.unit.is_empty() {
            String::new()
        } else {
            format!(", {}", column.unit)
        };
        lines.push(format!("  {} ({}{unit}): {}", column.name, column.kind, column.meaning));
    }
    let [train, validation, test] = entry.rows.map(grouped);
    lines.push(match entry.rows {
        // A layout of which no file was released.
        [0, 0, 0] => format!("split: {}", entry.split),
        _ => format!(
            "split: {} ({train} train, {validation} validation, {test} test)",
            entry.split
        ),
    });
    for file in entry.files {
        lines.push(format!(
            "file: {}, {}{} {}{}",
            file.name,
            file.bytes.map_or_else(String::new, |size| format!("{}, ", bytes(size))),
            grouped(file.rows),
            if matches!(entry.holds, Holds::Jets | Holds::Scores) {
                "jets"
            } else {
                "events"
            },
            file.md5.map_or_else(String::new, |md5| format!(", md5 {md5}"))
        ));
    }
    lines.extend(entry.base_url.map(|url| format!("from: {url}")));
    if let Some(arrays) = arrays {
        let md5 = arrays.md5.map_or_else(String::new, |md5| format!(", md5 {md5}"));
        lines.push(format!("file: {}{md5}", arrays.file));
        lines.push(format!("from: {}", arrays.how_to_obtain()));
    }
    lines.push(format!("use: {}", entry.convert));
    lines.push(format!("license: {}", entry.license));
    lines.push(format!("cite: {}", entry.citation));
    lines.extend(entry.doi.map(|doi| format!("doi: {doi}")));
    lines.push(String::new());
    lines.extend(entry.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}
