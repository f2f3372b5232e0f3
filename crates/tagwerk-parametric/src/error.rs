//! What can be wrong with a parametric study.

use thiserror::Error;

/// Everything this crate refuses.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParametricError {
    /// Columns that do not fit each other.
    #[error("{what}: {found} values, and {expected} are needed")]
    Length {
        /// The column.
        what: &'static str,
        /// Values needed.
        expected: usize,
        /// Values found.
        found: usize,
    },
    /// A parameter of a signal event that is no number.
    #[error("row {row}: the signal's parameter is {value}; it must be finite")]
    Parameter {
        /// Row, counted from 0.
        row: usize,
        /// The value.
        value: f32,
    },
    /// Nothing to take hypotheses from.
    #[error("none of the {rows} rows is signal: the parameter's values are those of the signal")]
    NoSignal {
        /// Rows in all.
        rows: usize,
    },
    /// A class without events.
    #[error("{rows} rows, and one of the two classes has none: nothing can be balanced")]
    EmptyClass {
        /// Rows in all.
        rows: usize,
    },
    /// More rows than can be numbered.
    #[error("{rows} rows exceed the limit of {limit}")]
    TooManyRows {
        /// Rows given.
        rows: usize,
        /// The limit.
        limit: usize,
    },
    /// Statistics.
    #[error(transparent)]
    Stats(#[from] tagwerk_stats::StatsError),
}
