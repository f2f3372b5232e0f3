//! Figures: SVG for the eye, and the plotted numbers beside it as CSV for everything else.
//!
//! Every figure has axes with units or definitions, its legend outside the data, and lines that differ in dash and
//! marker, not in color alone, so that a print in grey reads as well.

mod canvas;
mod mass;
mod overview;
mod pareto;
mod placing;
mod predictions;
mod residuals;
mod resolution;
mod roc;
mod scores;
mod style;
mod surrogate;
mod training;

pub use mass::{LineWords, MassLine, MassPoint, line_figure};
pub use overview::rejection_overview;
pub use pareto::pareto_figure;
pub use predictions::prediction_figure;
pub use residuals::residual_figure;
pub use resolution::resolution_figure;
pub use roc::roc_figure;
pub use scores::score_figure;
pub use surrogate::{
    calibration_figure, coverage_figure, epistemic_figure, pit_figure, shift_figure, single_jet_figure,
    spectrum_figure, surrogate_roc_figure,
};
pub use training::training_figure;

/// Names of all figures that a page can have.
pub(crate) const NAMES: [&str; 21] = [
    "roc",
    "rejection",
    "pareto",
    "scores",
    "training",
    "predictions",
    "residuals",
    "resolution",
    "calibration",
    "pit",
    "coverage",
    "surrogate_roc",
    "spectra",
    "epistemic",
    "shifts",
    "single_jets",
    "auc-roc",
    "auc-pr",
    "significance-ratio",
    "best-cut",
    "interpolation",
];

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// File stem.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What is shown, and what lines, bands and errors mean.
    pub caption: String,
    /// The picture.
    pub svg: String,
    /// The plotted numbers.
    pub csv: String,
}

impl Figure {
    /// Its anchor on a page: a fixed word, never text from outside.
    pub(crate) fn anchor(&self) -> &'static str {
        NAMES.into_iter().find(|&name| name == self.name).unwrap_or("figure")
    }

    /// Its files: path relative to the report's folder, and contents.
    pub(crate) fn files(&self) -> [(std::path::PathBuf, String); 2] {
        let stem = std::path::PathBuf::from("figures").join(crate::escape::file_stem(&self.name));
        [
            (stem.with_extension("svg"), self.svg.clone()),
            (stem.with_extension("csv"), self.csv.clone()),
        ]
    }
}
