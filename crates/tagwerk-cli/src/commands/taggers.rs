//! `tagwerk taggers`.

use crate::failure::Failure;
use crate::format::{columns, grouped};
use crate::session::Session;
use clap::Args;
use tagwerk_stats::PublishedValue;
use tagwerk_taggers::registry::{self, Listing};

const EXAMPLES: &str = "\
Published numbers are those of the top-tagging reference data set (`tagwerk data info top-tagging`):
R is the background rejection at a signal efficiency of 0.3.

Examples:
  tagwerk taggers
  tagwerk taggers --json - | jq '.[].name'";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {}

/// Lists all taggers.
pub fn run(_: &Typed, session: &Session) -> Result<(), Failure> {
    let taggers = registry::list()?;
    let heading = [
        "tagger",
        "view",
        "parameters",
        "published",
        "AUC",
        "accuracy",
        "R(0.3)",
        "mean ens.",
        "median ens.",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(taggers.iter().map(row));
    let mut right = [true; 9];
    right[..2].fill(false);
    let sources = sources(&taggers);
    session
        .output
        .result(&format!("{}\n{sources}", columns(&rows, &right)), &taggers)
}

fn row(tagger: &Listing) -> Vec<String> {
    let published = &tagger.published;
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
    let rejection = |value: Option<PublishedValue>| match value {
        None => "-".to_owned(),
        Some(PublishedValue { value, spread: None }) => value.to_string(),
        Some(PublishedValue {
            value,
            spread: Some(spread),
        }) => format!("{value} ± {spread}"),
    };
    vec![
        tagger.name.clone(),
        tagger.view.clone(),
        grouped(tagger.parameters as u64),
        published.parameters.map_or_else(|| "-".to_owned(), grouped),
        number(published.auc),
        number(published.accuracy),
        rejection(published.rejection_single),
        rejection(published.rejection_mean),
        rejection(published.rejection_median),
    ]
}

/// Where the published numbers stand, each source once.
fn sources(taggers: &[Listing]) -> String {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for tagger in taggers.iter().filter(|t| !t.published.source.is_empty()) {
        match lines.iter_mut().find(|(source, _)| *source == tagger.published.source) {
            Some((_, names)) => names.push(&tagger.name),
            None => lines.push((tagger.published.source.to_string(), vec![&tagger.name])),
        }
    }
    lines
        .iter()
        .map(|(source, names)| format!("{}: {source}\n", names.join(", ")))
        .collect()
}
