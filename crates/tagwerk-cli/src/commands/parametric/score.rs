//! `tagwerk parametric score RUN FILE --masses ..`.

use crate::failure::Failure;
use crate::format;
use crate::output::replaceable;
use crate::progress::{Manner, Work};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use tagwerk_parametric::{ScoredFile, Scorer};

const EXAMPLES: &str = "\
The result is Parquet with all columns of FILE and, for each mass, the columns score_MASS (signal probability) and out_of_range_MASS \
(whether the mass lies outside those trained on: nobody taught the network what it says there). FILE needs the features of the run and no \
label.

A list of masses is separated by commas; FIRST:LAST:STEP is a grid. Runs of several parameters take --point, once a point.

Examples:
  tagwerk parametric score runs/affine data.parquet --masses 500:1500:50 -o scored.parquet
  tagwerk parametric score runs/affine data.csv.gz --masses 600,900 -o scored.parquet
  tagwerk parametric score runs/two data.parquet --point 500,100 --point 600,150 -o scored.parquet";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder of `tagwerk parametric train`
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Events to score
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File to write (.parquet)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Masses: a list, or FIRST:LAST:STEP [default: those that the run was trained on]
    #[arg(long, value_name = "MASSES", conflicts_with = "point")]
    masses: Option<String>,
    /// A point of several parameters, separated by commas
    #[arg(long, value_name = "POINT")]
    point: Vec<String>,
}

/// JSON of a scoring.
#[derive(Serialize)]
struct Told {
    run: String,
    file: String,
    #[serde(flatten)]
    scored: ScoredFile,
}

/// Scores.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    replaceable(&typed.output)?;
    let context = session.context()?;
    let mut scorer = Scorer::open(&typed.run, &context)?;
    let points = match (&typed.masses, &typed.point[..]) {
        (Some(text), _) => masses(text)?.into_iter().map(|mass| vec![mass]).collect(),
        (None, []) => scorer.description.points.clone(),
        (None, points) => points.iter().map(|text| list(text)).collect::<Result<Vec<_>, _>>()?,
    };
    let scored = {
        let mut work = Work::new(
            "score",
            |n| format!("{} events", format::grouped(n)),
            Manner::suited(session.quiet),
        );
        scorer.score_file(&typed.file, &points, &typed.output, &mut |done, total| {
            work.at(done, total)
        })?
    };
    let mut rows = vec![["point", "column", "mean score", ""].map(str::to_owned).to_vec()];
    for point in &scored.points {
        let name = point.point.iter().map(f32::to_string).collect::<Vec<_>>().join(", ");
        let note = match (point.out_of_range, point.trained) {
            (true, _) => "outside the masses trained on",
            (false, false) => "not trained on",
            (false, true) => "",
        };
        rows.push(vec![
            name,
            point.column.clone(),
            format!("{:.4}", point.mean),
            note.to_owned(),
        ]);
    }
    let text = format!(
        "{}\n{}: {}\n",
        format::columns(&rows, &[true, false, true, false]),
        format::counted(scored.events, "event"),
        typed.output.display()
    );
    let told = Told {
        run: typed.run.to_string_lossy().into_owned(),
        file: typed.output.to_string_lossy().into_owned(),
        scored,
    };
    session.output.result(&text, &told)
}

fn number(text: &str) -> Result<f32, Failure> {
    let value: Option<f32> = text.trim().parse().ok().filter(|v: &f32| v.is_finite());
    value.ok_or_else(|| Failure::Usage(format!("`{text}` is no number")))
}

fn list(text: &str) -> Result<Vec<f32>, Failure> {
    text.split(',').map(number).collect()
}

/// A list, or a grid.
fn masses(text: &str) -> Result<Vec<f32>, Failure> {
    /// More columns than anybody looks at.
    const MOST: f64 = 10_000.0;
    let [first, last, step] = text.split(':').collect::<Vec<_>>()[..] else {
        return list(text);
    };
    let (first, last, step) = (number(first)?, number(last)?, number(step)?);
    let steps = (f64::from(last) - f64::from(first)) / f64::from(step);
    if !(step > 0.0 && (0.0..MOST).contains(&steps)) {
        return Err(Failure::Usage(format!(
            "`{text}`: FIRST:LAST:STEP goes upwards, in fewer than {MOST} steps above 0"
        )));
    }
    // The last is reached although steps are rounded.
    let count = (steps + 1e-6).floor() as usize;
    Ok((0..=count)
        .map(|i| (f64::from(first) + i as f64 * f64::from(step)) as f32)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masses_are_a_list_or_a_grid() {
        assert_eq!(masses("500, 750.5").unwrap(), [500.0, 750.5]);
        assert_eq!(masses("500:1500:250").unwrap(), [500.0, 750.0, 1000.0, 1250.0, 1500.0]);
        assert_eq!(masses("0.1:0.3:0.1").unwrap().len(), 3);
        for bad in ["", "a", "500:400:10", "500:600:0", "1:2", "0:1e9:1e-3", "inf"] {
            assert!(masses(bad).is_err(), "{bad}");
        }
    }
}
