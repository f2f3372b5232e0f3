//! What can keep a report from being written.

use std::path::PathBuf;

use thiserror::Error;

/// Everything that can go wrong between the numbers and the files.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A folder or file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The final path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A figure could not be drawn.
    #[error("cannot draw the figure {figure:?}: {message}")]
    Draw {
        /// File stem of the figure.
        figure: String,
        /// What the plotting library said.
        message: String,
    },
    /// The result could not be turned into JSON.
    #[error("cannot write the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The statistics refused the scores.
    #[error(transparent)]
    Stats(#[from] tagwerk_stats::StatsError),
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, ReportError>;
