//! Writing a report: every file complete or not there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{ReportError, Result};
use crate::figure::{self, Figure, pareto_figure, rejection_overview, roc_figure, score_figure, training_figure};
use crate::html;
use crate::input::ReportInput;
use crate::table::{table_csv, table_latex, table_markdown, table_text, trainings_csv};

/// Names of all tables that have a file of their own.
const TABLES: [&str; 8] = [
    "coverage-table",
    "scores-table",
    "efficiency-table",
    "epistemic-table",
    "detection-table",
    "masses",
    "spread",
    "losses",
];

/// One table in all its forms.
pub(crate) struct Tables {
    pub(crate) json: String,
    pub(crate) text: String,
    pub(crate) markdown: String,
    pub(crate) latex: String,
    pub(crate) csv: String,
    /// Every training, as CSV.
    pub(crate) trainings: String,
}

/// A report in memory: its page and its files.
#[derive(Debug, Clone)]
pub struct Report {
    /// The page, also among `files` as `report.html`.
    pub html: String,
    /// The terminal table.
    pub text: String,
    /// Figures, in the order of the page.
    pub figures: Vec<Figure>,
    /// Path relative to the report's folder, and contents; `report.html` last.
    pub files: Vec<(PathBuf, String)>,
}

impl Report {
    /// Makes every table and figure. Figures without data are left out.
    pub fn new(input: &ReportInput) -> Result<Self> {
        let landscape = &input.landscape;
        let figures: Vec<Figure> = [
            roc_figure(&input.curves)?,
            rejection_overview(landscape)?,
            pareto_figure(landscape)?,
            score_figure(&input.curves)?,
            training_figure(&input.histories)?,
        ]
        .into_iter()
        .flatten()
        .collect();
        let tables = Tables {
            json: serde_json::to_string_pretty(landscape)?,
            text: table_text(landscape),
            markdown: table_markdown(landscape),
            latex: table_latex(landscape),
            csv: table_csv(landscape),
            trainings: trainings_csv(landscape),
        };
        Ok(Self::assembled(html::page(input, &figures), figures, tables))
    }

    /// The files of a page with its figures and tables.
    pub(crate) fn assembled(html: String, figures: Vec<Figure>, tables: Tables) -> Self {
        let mut files: Vec<(PathBuf, String)> = vec![
            ("landscape.json".into(), format!("{}\n", tables.json)),
            ("table.txt".into(), tables.text.clone()),
            ("table.md".into(), tables.markdown),
            ("table.tex".into(), tables.latex),
            ("table.csv".into(), tables.csv),
            ("trainings.csv".into(), tables.trainings),
        ];
        files.extend(figures.iter().flat_map(Figure::files));
        files.push(("report.html".into(), html.clone()));
        Self {
            html,
            text: tables.text,
            figures,
            files,
        }
    }

    /// Writes all files under `folder`, which is made when it is not there.
    ///
    /// Each file is written beside its place and renamed, so that a reader never sees half a file; `report.html` comes
    /// last, so that its presence says that the rest is there. Figures and tables of an earlier report that this one does
    /// not have are removed.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let wanted = |file: &Path| self.files.iter().any(|(path, _)| path == file);
        let stems = figure::NAMES
            .iter()
            .flat_map(|stem| ["svg", "csv"].map(|end| Path::new("figures").join(stem).with_extension(end)));
        let tables = TABLES
            .iter()
            .map(|stem| Path::new("tables").join(stem).with_extension("csv"));
        // Without a page there was no report here, and files of these names are somebody's own.
        let replaces = folder.join("report.html").is_file();
        for file in stems.chain(tables).filter(|file| replaces && !wanted(file)) {
            let path = folder.join(file);
            match fs::remove_file(&path) {
                Err(source) if !matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Err(ReportError::Write { path, source });
                }
                _ => {}
            }
        }
        let folders: BTreeSet<&Path> = self.files.iter().filter_map(|(path, _)| path.parent()).collect();
        for place in folders.into_iter().map(|place| folder.join(place)) {
            fs::create_dir_all(&place).map_err(|source| ReportError::Write { path: place, source })?;
        }
        for (name, contents) in &self.files {
            replace(&folder.join(name), contents.as_bytes())?;
        }
        Ok(())
    }
}

/// Makes the report of `input` and writes it under `folder`; returns the path of the page.
pub fn write_report(input: &ReportInput, folder: &Path) -> Result<PathBuf> {
    Report::new(input)?.write(folder)?;
    Ok(folder.join("report.html"))
}

/// Writes a file beside its place, then renames it.
fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&beside)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| {
        // The part file is of no use; that it could not be removed either adds nothing to the first error.
        let _ = fs::remove_file(&beside);
        ReportError::Write {
            path: path.to_owned(),
            source,
        }
    })
}
