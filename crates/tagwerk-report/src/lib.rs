//! Tables, figures and one self-contained HTML page from a landscape's numbers.
//!
//! # What
//!
//! [`write_report`] turns a [`ReportInput`] (the [`LandscapeResult`](tagwerk_stats::LandscapeResult), ROC curves, score
//! histograms, training histories, provenance, commands) into a folder:
//!
//! ```text
//! report.html            everything, in one file that can be mailed, archived and printed
//! table.{txt,md,tex,csv} the landscape table; csv unrounded
//! trainings.csv          every training, unrounded
//! landscape.json         the numbers in their documented JSON form
//! figures/*.{svg,csv}    each figure, and the numbers it plots
//! ```
//!
//! [`table_text`] and [`advice_text`] are what a terminal shows. The advice is in no table file: the same scores give
//! the same tables, times are of a machine and an hour.
//!
//! [`write_regression_report`] does the same for predictions of a number: the table has resolution, bias and mean
//! squared error, the figures are predicted against true values, residuals, and the resolution in bins of the target.
//!
//! [`write_surrogate_report`] does it for the evaluation of a surrogate: coverage, areas, efficiencies and detection as
//! tables, calibration, PIT, spectra, epistemic spread and shifts as figures.
//!
//! [`write_sheet`] does it for any [`Sheet`] of tables and figures: the masses of a parametric classifier, a study of
//! interpolation. Its tables are also `table.{md,tex}` and, unrounded, `tables/*.csv`.
//!
//! # Why so
//!
//! A comparison is judged by its errors, so each rejection carries two (trainings, test sample), the published line
//! stands directly under the measured one, and the footnotes say what each error is and whether the two lines may be
//! compared at all. A figure that cannot be re-plotted is half a figure, so the numbers lie beside it. The page has no
//! script and no external resource: it reads the same in ten years and behind a firewall. All text from outside is
//! escaped for each format; names become file names nowhere.
//!
//! # What it costs
//!
//! Curves are thinned to [`CURVE_POINTS`] points before they are drawn; a page of fifteen taggers is about a megabyte
//! and takes well under a second. The drawing library works on whole pixels, so figures are drawn at four times their
//! size and scaled by the SVG's view box.

#![forbid(unsafe_code)]

mod advice;
mod comparison;
mod error;
mod escape;
mod figure;
mod histogram;
mod html;
mod input;
mod number;
mod regression;
mod sheet;
mod surrogate;
mod table;
mod write;

pub use advice::{advice_lines, advice_text};
pub use comparison::{comparison_lines, summary};
pub use error::{ReportError, Result};
pub use figure::{
    Figure, LineWords, MassLine, MassPoint, calibration_figure, coverage_figure, epistemic_figure, line_figure,
    pareto_figure, pit_figure, prediction_figure, rejection_overview, residual_figure, resolution_figure, roc_figure,
    score_figure, shift_figure, single_jet_figure, spectrum_figure, surrogate_roc_figure, training_figure,
};
pub use histogram::{SCORE_BINS, ScoreHistogram};
pub use html::page;
pub use input::{CURVE_POINTS, EpochRecord, History, ReportInput, TaggerCurves};
pub use regression::{
    POINTS, PredictionCurves, RegressionReportInput, TARGET_BINS, regression_csv, regression_latex,
    regression_markdown, regression_text, regression_trainings_csv, write_regression_report,
};
pub use sheet::{Entry, Sheet, SheetTable, write_sheet};
pub use surrogate::{SurrogateReportInput, surrogate_text, write_surrogate_report};
pub use table::{footnotes, table_csv, table_latex, table_markdown, table_text, trainings_csv};
pub use write::{Report, write_report};
