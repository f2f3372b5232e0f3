//! Figures: SVG for the eye, and the plotted numbers beside it as CSV for everything else.
//!
//! Every figure has axes with units or definitions, its legend outside the data, and lines that differ in dash and marker, not in
//! color alone, so that a print in grey reads as well.

mod canvas;
mod mass;
mod overview;
mod roc;
mod scores;
mod style;
mod training;

pub use mass::{MassLine, MassPoint, mass_figure};
pub use overview::rejection_overview;
pub use roc::roc_figure;
pub use scores::score_figure;
pub use training::training_figure;

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
