//! `tagwerk evaluate SCORES..`.

use crate::failure::Failure;
use crate::format;
use crate::score_file::{ColumnNames, ScoreFile, Sought};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;
use tagwerk_stats::{
    RegressionEvaluation, RejectionColumn, RepeatedEvaluation, WorkingPoints, evaluate, evaluate_regression,
    evaluate_repeated,
};
use tagwerk_train::PredictionTable;

const EXAMPLES: &str = "\
A score file is Parquet or CSV (.csv, .csv.gz) with the columns `score` and `label`, optionally `weight` and `row`, or NumPy (.npy) \
with one score a row, whose labels come with --labels. Labels are 1 for signal, 0 for background; higher scores mean signal. \
R(e) is the background rejection 1/eps_B at signal efficiency e; errors are those of the test sample. \
Several files are trainings of one tagger on the same jets: each is evaluated, and ensembles of them as in arXiv:1902.09914.
Files with the columns `prediction` and `target`, as a regression writes them, get mean squared error, bias and resolution.

Examples:
  tagwerk evaluate runs/pfn/scores.parquet
  tagwerk evaluate scores.npy --labels labels.npy --json -
  tagwerk evaluate runs/sample/pfn-*/scores.parquet --working-points 0.3,0.5,0.7";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Score files: .parquet, .csv, .csv.gz, .npy or .npz
    #[arg(required = true, value_name = "SCORES")]
    scores: Vec<PathBuf>,
    /// File with the labels [default: the label column of the score files]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Signal efficiencies at which the rejection is told, each in (0, 1]
    #[arg(long, value_name = "E,..", value_delimiter = ',', default_value = "0.3,0.5")]
    working_points: Vec<f64>,
    /// Column with the scores
    #[arg(long, value_name = "NAME", default_value = "score")]
    score_column: String,
    /// Column with the labels
    #[arg(long, value_name = "NAME", default_value = "label")]
    label_column: String,
}

/// Evaluates the files.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let names = ColumnNames {
        score: typed.score_column.clone(),
        label: typed.label_column.clone(),
    };
    if let Some(tables) = predictions(&typed.scores)? {
        return run_regression(&tables, session);
    }
    let points = WorkingPoints::new(&typed.working_points).map_err(|error| Failure::Usage(error.to_string()))?;
    let files: Vec<ScoreFile> = typed
        .scores
        .iter()
        .map(|path| ScoreFile::read(path, &names, Sought::Scores))
        .collect::<Result<_, _>>()?;
    let labels = typed
        .labels
        .as_deref()
        .map(|path| ScoreFile::read(path, &names, Sought::Labels))
        .transpose()?;
    let reference = labels.as_ref().unwrap_or(&files[0]);
    for file in &files {
        reference.same_jets(file)?;
    }
    let truth = reference.truth()?;
    let called = |file: &ScoreFile, error: tagwerk_stats::StatsError| Failure::new(format!("{}: {error}", file.name));
    if let [file] = &files[..] {
        let result = evaluate(file.scores(), &truth, &points).map_err(|error| called(file, error))?;
        return session
            .output
            .result(&format!("{}\n{}", file.name, format::evaluation(&result)), &result);
    }
    let mut text = String::new();
    for file in &files {
        file.finite()?;
        let own = evaluate(file.scores(), &truth, &points).map_err(|error| called(file, error))?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\n{}", file.name, format::evaluation(&own));
    }
    let columns: Vec<&[f64]> = files.iter().map(ScoreFile::scores).collect();
    let result = evaluate_repeated(&columns, &truth, &points)?;
    text.push_str(&ensemble_text(&result));
    session.output.result(&text, &result)
}

/// Prediction files, if the first file is one.
fn predictions(paths: &[PathBuf]) -> Result<Option<Vec<(String, PredictionTable)>>, Failure> {
    let parquet = |path: &PathBuf| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    match paths.first() {
        Some(first) if parquet(first) && PredictionTable::is_one(first)? => {}
        _ => return Ok(None),
    }
    let read = |path: &PathBuf| Ok((path.display().to_string(), PredictionTable::read(path)?));
    let tables: Vec<(String, PredictionTable)> = paths.iter().map(read).collect::<Result<_, Failure>>()?;
    let (first, own) = &tables[0];
    for (other, table) in &tables[1..] {
        if (&table.rows, &table.targets) != (&own.rows, &own.targets) {
            return Err(Failure::new(format!(
                "{first} and {other} hold other events; files of one call hold the same"
            )));
        }
    }
    Ok(Some(tables))
}

/// JSON of several prediction files.
#[derive(Serialize)]
struct Repeated {
    trainings: Vec<RegressionEvaluation>,
    /// The mean of all predictions.
    ensemble: RegressionEvaluation,
}

fn run_regression(tables: &[(String, PredictionTable)], session: &Session) -> Result<(), Failure> {
    let mut text = String::new();
    let mut trainings = Vec::new();
    for (name, table) in tables {
        let own = evaluate_regression(&table.predictions, &table.targets)
            .map_err(|error| Failure::new(format!("{name}: {error}")))?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}\n{}", format::regression(&own));
        trainings.push(own);
    }
    if let [own] = &trainings[..] {
        return session.output.result(&text, own);
    }
    let first = &tables[0].1;
    let mean =
        |row: usize| tables.iter().map(|(_, t)| f64::from(t.predictions[row])).sum::<f64>() / tables.len() as f64;
    let mean: Vec<f64> = (0..first.len()).map(mean).collect();
    let targets: Vec<f64> = first.targets.iter().map(|&t| f64::from(t)).collect();
    let ensemble = evaluate_regression(&mean, &targets)?;
    text.push_str(&format!(
        "mean prediction of {} trainings\n{}\n",
        tables.len(),
        format::regression(&ensemble)
    ));
    session.output.result(&text, &Repeated { trainings, ensemble })
}

fn ensemble_text(result: &RepeatedEvaluation) -> String {
    let column = |column: &RejectionColumn| match column.value {
        None => column.reason.clone().unwrap_or_else(|| "no value".to_owned()),
        Some(value) => {
            let spread = column
                .spread
                .map_or_else(String::new, |s| format!(", spread over ensembles {s:.1}"));
            let auc = column.auc.map_or_else(String::new, |auc| {
                format!(", AUC {}", format::with_error(auc, column.auc_error))
            });
            format!("{}{spread}{auc}", format::with_error(value, column.test_error))
        }
    };
    let ensemble = &result.ensemble;
    format!(
        "ensembles of {} trainings, R(0.3)\n  mean      {}\n  median    {}\n",
        result.trainings.len(),
        column(&ensemble.mean),
        column(&ensemble.median)
    )
}
