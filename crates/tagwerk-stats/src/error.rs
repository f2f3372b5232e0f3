//! What can be wrong with scores, labels and weights.

use thiserror::Error;

/// Everything this crate refuses to compute with.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StatsError {
    /// One of the two classes has no row (or no weight), so no efficiency is defined.
    #[error(
        "the test sample has no {class} ({rows} rows in all): both classes need at least one row of positive weight"
    )]
    EmptyClass {
        /// `"signal"` or `"background"`.
        class: &'static str,
        /// Rows of both classes together.
        rows: usize,
    },
    /// Two columns that describe the same jets differ in length.
    #[error("{what} has {found} rows, the labels have {expected}")]
    Length {
        /// The column that does not fit.
        what: String,
        /// Rows of the labels.
        expected: usize,
        /// Rows found.
        found: usize,
    },
    /// A label is neither 0 (background) nor 1 (signal).
    #[error("label {value} in row {row}: only 0 (background) and 1 (signal) are labels")]
    Label {
        /// Row, counted from 0.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// A score is not a number.
    #[error("score {value} in row {row} of {what}: a score must be a number")]
    NotANumber {
        /// Which scores.
        what: String,
        /// Row, counted from 0.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// A weight is negative, infinite or not a number.
    #[error("weight {value} in row {row}: weights must be finite and not below 0")]
    Weight {
        /// Row, counted from 0.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// More rows than the index type holds.
    #[error("{rows} rows exceed the limit of {limit}")]
    TooManyRows {
        /// Rows given.
        rows: usize,
        /// The limit.
        limit: usize,
    },
    /// A working point outside (0, 1].
    #[error("working point {value}: a signal efficiency must lie in (0, 1]")]
    WorkingPoint {
        /// The value given.
        value: f64,
    },
    /// An ensemble or a table row of no training.
    #[error("{what} has no training: at least one is needed")]
    NoTrainings {
        /// The tagger or file group.
        what: String,
    },
    /// A score that is no probability.
    #[error("probability {value} in row {row}: it must lie between 0 and 1")]
    Probability {
        /// Row, counted from 0.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// A histogram or a scan without bins.
    #[error("{bins} bins: at least 1 is needed")]
    Bins {
        /// The number asked for.
        bins: usize,
    },
    /// A sample without events.
    #[error("the test sample has no events: at least one is needed")]
    NoEvents,
    /// Two taggers of one name in one table.
    #[error("the tagger {name:?} is in the table already")]
    DuplicateTagger {
        /// The name.
        name: String,
    },
    /// Too few bootstrap replicas for a standard deviation.
    #[error("{replicas} bootstrap replicas: at least {limit} are needed for an error")]
    Replicas {
        /// The number asked for.
        replicas: usize,
        /// The least that is accepted.
        limit: usize,
    },
    /// A number that must be finite is not.
    #[error("{what} is {value}: it must be finite")]
    NotFinite {
        /// What it is.
        what: String,
        /// The value found.
        value: f64,
    },
    /// A number of a column lies outside its range.
    #[error("{what} is {value} in row {row}: it must lie in {wanted}")]
    Range {
        /// What it is.
        what: String,
        /// Row, counted from 0.
        row: usize,
        /// The value found.
        value: f64,
        /// The range.
        wanted: &'static str,
    },
    /// A setting outside its range.
    #[error("{what} is {value}: it must be {wanted}")]
    Setting {
        /// Name of the setting.
        what: &'static str,
        /// The value given.
        value: f64,
        /// The range.
        wanted: &'static str,
    },
    /// Fewer values than the statistic needs.
    #[error("{what}: {found} values, at least {needed} are needed")]
    TooFew {
        /// What was counted.
        what: String,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A column of one value only, which has no width to measure distances in.
    #[error("column {column} is {value} in every row: leave it out")]
    Constant {
        /// Column, counted from 0.
        column: usize,
        /// Its value.
        value: f64,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, StatsError>;
