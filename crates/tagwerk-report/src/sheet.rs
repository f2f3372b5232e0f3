//! Tables of numbers with errors and the figures beside them: one model, rendered for terminal, page, paper and program.

mod render;

use crate::error::Result;
use crate::figure::Figure;
use crate::html::{Section, document, figure_sections, origin_sections};
use crate::number::rounded;
use crate::write::Report;
use std::path::{Path, PathBuf};

/// Everything on a page of tables and figures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sheet {
    /// Title of the page.
    pub title: String,
    /// One sentence, or a few, on the whole.
    pub summary: String,
    /// What must be known before the numbers are believed.
    pub warnings: Vec<String>,
    /// The numbers.
    pub tables: Vec<SheetTable>,
    /// The pictures.
    pub figures: Vec<Figure>,
    /// Configuration and origin: (what, value), in the order shown.
    pub provenance: Vec<(String, String)>,
    /// Commands that make this result again.
    pub commands: Vec<String>,
    /// All numbers, unrounded, as JSON: name of the file and its contents.
    pub json: Option<(String, String)>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SheetTable {
    /// Anchor in the page and stem of its CSV file: a word of the program, never text from outside.
    pub name: &'static str,
    /// Heading.
    pub title: String,
    /// What is shown, and what the errors are.
    pub caption: String,
    /// One a column.
    pub headings: Vec<String>,
    /// As many entries as headings each.
    pub rows: Vec<Vec<Entry>>,
    /// Remarks underneath.
    pub notes: Vec<String>,
}

/// One entry of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Words.
    Text(String),
    /// A number.
    Number {
        /// The number.
        value: f64,
        /// Its standard error; it decides the digits shown.
        error: Option<f64>,
        /// Decimals where there is no error.
        decimals: usize,
    },
    /// Nothing to say.
    Absent,
}

impl Entry {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number without an error, with so many decimals.
    pub fn number(value: f64, decimals: usize) -> Self {
        Self::with_error(value, None, decimals)
    }

    /// A number with its error; with so many decimals where it has none.
    pub fn with_error(value: f64, error: Option<f64>, decimals: usize) -> Self {
        Self::Number { value, error, decimals }
    }

    /// As it is printed, `plus_minus` between value and error and `dash` for what is absent.
    fn shown(&self, plus_minus: &str, dash: &str) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number { value, error, decimals } if value.is_finite() => {
                let (value, errors) = rounded(*value, error.as_slice(), *decimals);
                errors
                    .first()
                    .map_or(value.clone(), |error| format!("{value}{plus_minus}{error}"))
            }
            Self::Number { .. } | Self::Absent => dash.to_owned(),
        }
    }
}

impl SheetTable {
    /// Title, caption, aligned columns and notes, for a terminal.
    pub fn text(&self) -> String {
        render::text(self)
    }

    /// The columns alone, for a terminal.
    pub fn columns(&self) -> String {
        render::columns(self)
    }
}

impl Sheet {
    /// All tables for a terminal.
    pub fn text(&self) -> String {
        self.tables.iter().map(SheetTable::text).collect::<Vec<_>>().join("\n")
    }
}

impl Report {
    /// The page of a sheet, its tables in every form, its figures.
    pub fn of_sheet(sheet: &Sheet) -> Self {
        let mut sections: Vec<Section> = Vec::new();
        if !sheet.warnings.is_empty() {
            sections.push(("warnings", "Warnings", crate::html::list(&sheet.warnings)));
        }
        sections
            .extend((sheet.tables.iter()).map(|table| (table.name, table.title.as_str(), render::html_table(table))));
        sections.extend(figure_sections(&sheet.figures));
        sections.extend(origin_sections(&sheet.provenance, &sheet.commands));
        let html = document(&sheet.title, &sheet.summary, &sections);
        let text = sheet.text();
        let all = |of: fn(&SheetTable) -> String| sheet.tables.iter().map(of).collect::<Vec<_>>().join("\n");
        let mut files: Vec<(PathBuf, String)> = vec![
            ("table.txt".into(), text.clone()),
            ("table.md".into(), all(render::markdown)),
            ("table.tex".into(), all(render::latex)),
        ];
        files.extend(sheet.json.iter().map(|(name, numbers)| (name.into(), numbers.clone())));
        let csv = |table: &SheetTable| Path::new("tables").join(table.name).with_extension("csv");
        files.extend(sheet.tables.iter().map(|table| (csv(table), render::csv(table))));
        files.extend(sheet.figures.iter().flat_map(Figure::files));
        files.push(("report.html".into(), html.clone()));
        Self {
            html,
            text,
            figures: sheet.figures.clone(),
            files,
        }
    }
}

/// Writes the page of a sheet with its tables and figures under `folder`; returns the path of the page.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_sheet(sheet: &Sheet, folder: &Path) -> Result<PathBuf> {
    Report::of_sheet(sheet).write(folder)?;
    Ok(folder.join("report.html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let row = |name: &str, value, error| vec![Entry::text(name), Entry::with_error(value, error, 2), Entry::Absent];
        Sheet {
            title: "A & B".to_owned(),
            summary: "All <well>.".to_owned(),
            warnings: vec!["not much & many".to_owned()],
            tables: vec![SheetTable {
                name: "masses",
                title: "Masses".to_owned(),
                caption: "Area, ± test events".to_owned(),
                headings: ["mass_1", "AUC", "cut"].map(str::to_owned).to_vec(),
                rows: vec![
                    row("500", 0.654_321, Some(0.004_2)),
                    row("750, or <more>", 0.9, None),
                    row("1000", f64::NAN, None),
                ],
                notes: vec!["one | two".to_owned()],
            }],
            commands: vec!["tagwerk parametric evaluate run".to_owned()],
            json: Some(("evaluation.json".to_owned(), "{}\n".to_owned())),
            ..Sheet::default()
        }
    }

    fn file(report: &Report, name: &str) -> String {
        let found = report.files.iter().find(|(path, _)| path == Path::new(name));
        found.unwrap_or_else(|| panic!("no {name}")).1.clone()
    }

    #[test]
    fn an_error_decides_the_digits_in_every_form_but_csv() {
        let report = Report::of_sheet(&sheet());
        assert_eq!(
            report.text,
            "Masses\nArea, ± test events\n\n  mass_1          AUC            cut\n  500             0.654 ± 0.004  -\n  \
             750, or <more>  0.90           -\n  1000            -              -\n\n  one | two\n"
        );
        assert!(file(&report, "table.md").contains("| 500 | 0.654 ± 0.004 | – |"));
        let tex = file(&report, "table.tex");
        assert!(tex.contains("500 & $0.654 \\pm 0.004$ & -- \\\\"), "{tex}");
        assert!(tex.contains("mass\\_1 & AUC"), "{tex}");
        assert_eq!(
            file(&report, "tables/masses.csv"),
            "mass_1,AUC,AUC_error,cut\n500,0.654321,0.0042,\n\"750, or <more>\",0.9,,\n1000,,,\n"
        );
        assert_eq!(file(&report, "evaluation.json"), "{}\n");
    }

    #[test]
    fn the_page_parses_and_text_from_outside_is_escaped() {
        let report = Report::of_sheet(&sheet());
        let page = report.html.replacen("<!DOCTYPE html>", "", 1);
        let page = roxmltree::Document::parse(&page).unwrap();
        let text: String = page.descendants().filter_map(|node| node.text()).collect();
        for words in [
            "A & B",
            "All <well>.",
            "not much & many",
            "750, or <more>",
            "0.654 ± 0.004",
            "one | two",
        ] {
            assert!(text.contains(words), "{words}");
        }
        assert_eq!(report.files.last().unwrap().0, Path::new("report.html"));
    }
}
