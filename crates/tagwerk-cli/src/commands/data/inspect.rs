//! `tagwerk data inspect FILE`.

use crate::failure::Failure;
use crate::format::{columns, grouped};
use crate::session::Session;
use clap::Args;
use std::path::PathBuf;
use tagwerk_data::{ArrayDataset, ArraySet, ArraySummary, ColumnSummary, EventSummary, FileSummary, JetSummary};

const EXAMPLES: &str = "\
Reads the file once. Ends with exit code 1 if rows of a file of jets cannot be used, and says which.

Files of arrays are told with the range of each array; `--as` says whose layout a file has that does not say so itself.

Examples:
  tagwerk data inspect jets.parquet
  tagwerk data inspect spinodal.npz
  tagwerk data inspect magic04.data --as magic";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// File: .parquet, .h5, .npy, .npz, or a text table
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Data set of arrays that the file is of, as in `tagwerk data list`
    #[arg(long = "as", value_name = "NAME")]
    set: Option<String>,
}

/// Inspects.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let set = match &typed.set {
        Some(name) => Some(ArraySet::find(name).ok_or_else(|| {
            let known = ArraySet::KNOWN.map(ArraySet::name).join(", ");
            Failure::Usage(format!("--as {name}: data sets of arrays are {known}"))
        })?),
        None => ArrayDataset::recognize(&typed.file)?,
    };
    if let Some(set) = set {
        let summary = tagwerk_data::inspect_arrays(set, &typed.file)?;
        return session.output.result(&describe_arrays(&summary), &summary);
    }
    let source = tagwerk_data::open(&typed.file)?;
    let summary = tagwerk_data::inspect(source.as_ref())?;
    session.output.result(&describe(&summary), &summary)?;
    // That a file holds no jets is its own affair; it is then the first of the problems.
    let expected = usize::from(summary.jets.is_none());
    match summary.problems.get(expected) {
        None => Ok(()),
        Some(first) => Err(Failure::new(first.clone())),
    }
}

fn describe_arrays(summary: &EventSummary) -> String {
    let [train, validation, test] = summary.rows.map(grouped);
    let mut text = format!(
        "{}: {}\n{}: {train} train, {validation} validation, {test} test\n\n",
        summary.file,
        summary.format,
        summary.task.name()
    );
    let heading = ["array", "shape", "min", "mean", "max", "zeros", "-1"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let line = |array: &ArraySummary, shape: String| {
        let number = |value: f64| format!("{value:.6}");
        let share = |value: f64| format!("{:.1} %", 100.0 * value);
        vec![
            array.name.clone(),
            shape,
            number(array.min),
            number(array.mean),
            number(array.max),
            share(array.zeros),
            share(array.minus_ones),
        ]
    };
    rows.extend(
        summary
            .arrays
            .iter()
            .map(|array| line(array, format!("{:?}", array.shape))),
    );
    rows.extend(
        summary
            .fixed
            .iter()
            .map(|array| line(array, format!("{:?}, once", array.shape))),
    );
    rows.push(line(&summary.target, "target".to_owned()));
    text.push_str(&columns(&rows, &[false, false, true, true, true, true, true]));
    text
}

fn describe(summary: &FileSummary) -> String {
    let mut text = format!(
        "{}: {}, {} rows\n\n",
        summary.file,
        summary.format,
        grouped(summary.rows)
    );
    let heading = [
        "column",
        "type",
        "unit",
        "values",
        "nulls",
        "not finite",
        "min",
        "mean",
        "max",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(summary.columns.iter().map(row));
    text.push_str(&columns(
        &rows,
        &[false, false, false, true, true, true, true, true, true],
    ));
    if let Some(jets) = &summary.jets {
        text.push('\n');
        text.push_str(&describe_jets(jets));
    }
    if !summary.problems.is_empty() {
        text.push_str("\nproblems\n");
        text.extend(summary.problems.iter().map(|problem| format!("  {problem}\n")));
    }
    text
}

fn row(column: &ColumnSummary) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.6}"));
    vec![
        column.name.clone(),
        column.kind.clone(),
        column.unit.unwrap_or("").to_owned(),
        grouped(column.values),
        grouped(column.nulls),
        grouped(column.not_finite),
        number(column.min),
        number(column.mean),
        number(column.max),
    ]
}

fn describe_jets(jets: &JetSummary) -> String {
    let span = |[min, mean, max]: [f64; 3], unit: &str| format!("{min:.1} to {max:.1}{unit}, mean {mean:.1}{unit}");
    format!(
        "jets: {} ({} signal, {} background, {} rows not usable, {} of them empty)\n  from          {}\n  \
         constituents  {}\n  pT            {}\n  mass          {}\n",
        grouped(jets.jets),
        grouped(jets.signal),
        grouped(jets.background),
        grouped(jets.unusable),
        grouped(jets.empty),
        jets.layout,
        span(jets.constituents, ""),
        span(jets.pt, " GeV"),
        span(jets.mass, " GeV")
    )
}
