//! The report of a regression: its table, figures and page.

mod page;
mod table;

pub use table::{regression_csv, regression_latex, regression_markdown, regression_text, regression_trainings_csv};

use crate::error::Result;
use crate::figure::{Figure, prediction_figure, residual_figure, resolution_figure, training_figure};
use crate::input::History;
use crate::write::{Report, Tables};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tagwerk_stats::{RegressionBin, RegressionTable, Score, StatsError, regression_bins};

/// Points drawn of each row.
pub const POINTS: usize = 1500;

/// Bins of the target in which bias and resolution are told.
pub const TARGET_BINS: usize = 10;

/// Everything a regression's report shows. Only `table` is needed; each empty list leaves its section out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionReportInput {
    /// Title of the page.
    pub title: String,
    /// The numbers.
    pub table: RegressionTable,
    /// Predictions, one entry a row of the table.
    #[serde(default)]
    pub curves: Vec<PredictionCurves>,
    /// What happened during training, one entry a training.
    #[serde(default)]
    pub histories: Vec<History>,
    /// Configuration and origin: (what, value), in the order shown.
    #[serde(default)]
    pub provenance: Vec<(String, String)>,
    /// Commands that make this result again.
    #[serde(default)]
    pub commands: Vec<String>,
}

/// The predictions of one row's training of median resolution, for drawing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionCurves {
    /// Name, as in the table.
    pub tagger: String,
    /// (target, prediction) of evenly chosen events, at most [`POINTS`].
    pub points: Vec<[f64; 2]>,
    /// Prediction - target of all events, ascending.
    pub residuals: Vec<f64>,
    /// Bias and resolution in bins of the target.
    pub bins: Vec<RegressionBin>,
}

impl PredictionCurves {
    /// From the predictions of all events.
    ///
    /// # Errors
    /// Lengths that differ, values that are no numbers.
    pub fn new<P: Score, T: Score>(
        tagger: &str,
        predictions: &[P],
        targets: &[T],
    ) -> std::result::Result<Self, StatsError> {
        let bins = regression_bins(predictions, targets, TARGET_BINS)?;
        let all = || targets.iter().zip(predictions).map(|(t, p)| [t.widen(), p.widen()]);
        let step = targets.len().div_ceil(POINTS).max(1);
        let mut residuals: Vec<f64> = all().map(|[t, p]| p - t).collect();
        residuals.sort_by(f64::total_cmp);
        Ok(Self {
            tagger: tagger.to_owned(),
            points: all().step_by(step).collect(),
            residuals,
            bins,
        })
    }
}

impl Report {
    /// Makes every table and figure of a regression. Figures without data are left out.
    ///
    /// # Errors
    /// A picture that cannot be drawn.
    pub fn of_regression(input: &RegressionReportInput) -> Result<Self> {
        let table = &input.table;
        let figures: Vec<Figure> = [
            prediction_figure(table, &input.curves)?,
            residual_figure(table, &input.curves)?,
            resolution_figure(table, &input.curves)?,
            training_figure(&input.histories)?,
        ]
        .into_iter()
        .flatten()
        .collect();
        let tables = Tables {
            json: serde_json::to_string_pretty(table)?,
            text: regression_text(table),
            markdown: regression_markdown(table),
            latex: regression_latex(table),
            csv: regression_csv(table),
            trainings: regression_trainings_csv(table),
        };
        Ok(Self::assembled(page::page(input, &figures), figures, tables))
    }
}

/// Makes the report of `input` and writes it under `folder`; returns the path of the page.
///
/// # Errors
/// A picture that cannot be drawn, a folder that cannot be written.
pub fn write_regression_report(input: &RegressionReportInput, folder: &Path) -> Result<PathBuf> {
    Report::of_regression(input)?.write(folder)?;
    Ok(folder.join("report.html"))
}
