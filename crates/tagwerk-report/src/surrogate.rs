//! The report of a surrogate: what its evaluation found, as text, page and figures.

mod tables;

pub use tables::surrogate_text;

use crate::error::Result;
use crate::figure::{
    Figure, calibration_figure, coverage_figure, epistemic_figure, pit_figure, shift_figure, single_jet_figure,
    spectrum_figure, surrogate_roc_figure,
};
use crate::sheet::Sheet;
use crate::write::Report;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tables::{summary, tables};
use tagwerk_stats::SurrogateEvaluation;

/// Everything a surrogate's report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurrogateReportInput {
    /// Title of the page.
    pub title: String,
    /// What is emulated, in a few words.
    pub classifier: String,
    /// The numbers.
    pub evaluation: SurrogateEvaluation,
    /// Configuration and origin: (what, value), in the order shown.
    #[serde(default)]
    pub provenance: Vec<(String, String)>,
    /// Commands that make this result again.
    #[serde(default)]
    pub commands: Vec<String>,
}

impl Report {
    /// Makes the tables and figures of a surrogate. Figures without data are left out.
    ///
    /// # Errors
    /// A picture that cannot be drawn.
    pub fn of_surrogate(input: &SurrogateReportInput) -> Result<Self> {
        let evaluation = &input.evaluation;
        let shifts = match &evaluation.ood {
            Some(ood) => shift_figure(ood)?,
            None => None,
        };
        let figures: Vec<Figure> = [
            calibration_figure(&evaluation.calibration)?,
            pit_figure(evaluation)?,
            coverage_figure(evaluation)?,
            surrogate_roc_figure(evaluation)?,
            spectrum_figure(evaluation)?,
            epistemic_figure(evaluation)?,
            shifts,
            single_jet_figure(&evaluation.single_jets)?,
        ]
        .into_iter()
        .flatten()
        .collect();
        Ok(Self::of_sheet(&Sheet {
            title: input.title.clone(),
            summary: summary(&input.classifier, evaluation),
            tables: tables(evaluation),
            figures,
            provenance: input.provenance.clone(),
            commands: input.commands.clone(),
            json: Some((
                "evaluation.json".to_owned(),
                serde_json::to_string_pretty(evaluation)? + "\n",
            )),
            warnings: Vec::new(),
        }))
    }
}

/// Makes the report of `input` and writes it under `folder`; returns the path of the page.
///
/// # Errors
/// A picture that cannot be drawn, a folder that cannot be written.
pub fn write_surrogate_report(input: &SurrogateReportInput, folder: &Path) -> Result<PathBuf> {
    Report::of_surrogate(input)?.write(folder)?;
    Ok(folder.join("report.html"))
}
