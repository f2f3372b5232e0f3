//! The report of a surrogate: what its evaluation found, as text, page and figures.

mod tables;

pub use tables::surrogate_text;

use crate::error::Result;
use crate::figure::{
    Figure, calibration_figure, coverage_figure, epistemic_figure, pit_figure, shift_figure, single_jet_figure,
    spectrum_figure, surrogate_roc_figure,
};
use crate::html::{Section, document, figure_sections, list, origin_sections, wide_table};
use crate::write::Report;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tables::{Table, summary, tables};
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
        let text = surrogate_text(evaluation);
        let html = page(input, &figures);
        let mut files: Vec<(PathBuf, String)> = vec![
            (
                "evaluation.json".into(),
                serde_json::to_string_pretty(evaluation)? + "\n",
            ),
            ("table.txt".into(), text.clone()),
        ];
        files.extend(figures.iter().flat_map(Figure::files));
        files.push(("report.html".into(), html.clone()));
        Ok(Self {
            html,
            text,
            figures,
            files,
        })
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

fn page(input: &SurrogateReportInput, figures: &[Figure]) -> String {
    let tables = tables(&input.evaluation);
    let mut sections: Vec<Section> = tables
        .iter()
        .map(|table| (table.anchor, table.title, html(table)))
        .collect();
    sections.extend(figure_sections(figures));
    sections.extend(origin_sections(&input.provenance, &input.commands));
    document(&input.title, &summary(&input.classifier, &input.evaluation), &sections)
}

fn html(table: &Table) -> String {
    let escaped = |text: &String| crate::escape::html(text);
    let mut body = String::new();
    for row in &table.rows {
        for (i, cell) in row.iter().enumerate() {
            let cell = escaped(cell);
            body.push_str(&if i == 0 {
                format!("<tr class=\"measured\"><th scope=\"row\">{cell}</th>")
            } else {
                format!("<td>{cell}</td>")
            });
        }
        body.push_str("</tr>\n");
    }
    let headings: Vec<String> = table.headings.iter().map(escaped).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut out = wide_table(&crate::escape::html(&table.caption), &headings, &body);
    out.push_str(&list(&table.notes));
    out
}
