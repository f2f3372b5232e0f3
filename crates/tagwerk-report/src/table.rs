//! The landscape table: one model, four renderings.
//!
//! Every measured row is followed by the published one, so that the eye compares down a column. Rejections carry two
//! errors, in this order everywhere: the spread over trainings (or ensembles), then the test-sample error.

mod csv;
mod footnote;
mod latex;
mod markdown;
mod text;

pub(crate) use csv::{csv_line, csv_number, csv_optional};
pub use csv::{table_csv, trainings_csv};
pub use footnote::footnotes;
pub use latex::table_latex;
pub use markdown::table_markdown;
pub use text::table_text;
pub(crate) use text::{aligned, wrap};

use tagwerk_stats::{LandscapeResult, Published, PublishedValue, RejectionColumn, TaggerResult};

use crate::number::{as_printed, decimals_of_rejection, grouped, rounded};

/// Column headings, short enough for a terminal.
pub(crate) const HEADINGS: [&str; 8] = [
    "tagger",
    "AUC",
    "accuracy",
    "R(0.3) single",
    "R(0.3) mean ens.",
    "R(0.3) median ens.",
    "R(0.5) single",
    "parameters",
];

/// One number with its errors, formatted digit by digit but not yet joined.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Value, spread over trainings, test-sample error.
    Number {
        value: String,
        spread: Option<String>,
        test_error: Option<String>,
    },
    /// At least this much, at 95 %.
    Above(String),
    /// Nothing to say.
    Empty,
}

/// One line of the table.
pub(crate) struct Row {
    /// Name of the tagger, or `None` for a line of published numbers.
    pub(crate) name: Option<String>,
    /// AUC, accuracy, the four rejections.
    pub(crate) cells: [Cell; 6],
    /// Number of parameters, grouped.
    pub(crate) parameters: String,
}

impl Row {
    /// Whether this line repeats a publication.
    pub(crate) fn is_published(&self) -> bool {
        self.name.is_none()
    }
}

/// Lines of the table in the order of the landscape.
pub(crate) fn rows(landscape: &LandscapeResult) -> Vec<Row> {
    let mut rows = Vec::with_capacity(2 * landscape.taggers.len());
    for tagger in &landscape.taggers {
        rows.push(measured(tagger));
        if let Some(published) = tagger.published.as_ref().filter(|p| !p.is_none()) {
            rows.push(published_row(published));
        }
    }
    rows
}

fn measured(tagger: &TaggerResult) -> Row {
    let share = |value, spread, error| number(value, spread, error, 4);
    Row {
        name: Some(tagger.name.clone()),
        cells: [
            share(tagger.auc, tagger.auc_spread, tagger.auc_error),
            share(tagger.accuracy, tagger.accuracy_spread, tagger.accuracy_error),
            rejection(&tagger.rejection_single),
            rejection(&tagger.rejection_mean),
            rejection(&tagger.rejection_median),
            rejection(&tagger.rejection_50),
        ],
        parameters: tagger.parameters.map(grouped).unwrap_or_default(),
    }
}

fn published_row(published: &Published) -> Row {
    let share = |value: Option<f64>| {
        value.map_or(Cell::Empty, |v| Cell::Number {
            value: as_printed(v, 3),
            spread: None,
            test_error: None,
        })
    };
    let rejection = |value: Option<PublishedValue>| {
        value.map_or(Cell::Empty, |v| Cell::Number {
            value: as_printed(v.value, 0),
            spread: v.spread.map(|s| as_printed(s, 0)),
            test_error: None,
        })
    };
    Row {
        name: None,
        cells: [
            share(published.auc),
            share(published.accuracy),
            rejection(published.rejection_single),
            rejection(published.rejection_mean),
            rejection(published.rejection_median),
            rejection(published.rejection_50),
        ],
        parameters: published.parameters.map(grouped).unwrap_or_default(),
    }
}

/// A rejection column as a cell.
pub(crate) fn rejection(column: &RejectionColumn) -> Cell {
    match (column.value, column.lower_limit) {
        (Some(value), _) => number(value, column.spread, column.test_error, decimals_of_rejection(value)),
        (None, Some(limit)) => Cell::Above(format!("{limit:.0}")),
        (None, None) => Cell::Empty,
    }
}

pub(crate) fn number(value: f64, spread: Option<f64>, test_error: Option<f64>, fallback: usize) -> Cell {
    let given: Vec<f64> = spread.into_iter().chain(test_error).collect();
    let (value, mut errors) = rounded(value, &given, fallback);
    let test_error = test_error.and_then(|_| errors.pop());
    let spread = spread.and_then(|_| errors.pop());
    Cell::Number {
        value,
        spread,
        test_error,
    }
}

impl Cell {
    /// `1147 ± 47 ± 87`; a missing spread before a test error is a dash, so that the second error is always the second.
    pub(crate) fn joined(&self, plus_minus: &str, dash: &str) -> String {
        match self {
            Self::Number {
                value,
                spread,
                test_error,
            } => match (spread, test_error) {
                (Some(s), Some(t)) => format!("{value}{plus_minus}{s}{plus_minus}{t}"),
                (None, Some(t)) => format!("{value}{plus_minus}{dash}{plus_minus}{t}"),
                (Some(s), None) => format!("{value}{plus_minus}{s}"),
                (None, None) => value.clone(),
            },
            Self::Above(limit) => format!("> {limit}"),
            Self::Empty => String::new(),
        }
    }

    /// `0.98372(12)(16)`: errors in units of the last digit, for narrow columns. The order is that of [`Cell::joined`].
    pub(crate) fn compact(&self, dash: &str) -> String {
        let last_digits = |error: &String| {
            let digits: String = error.chars().filter(char::is_ascii_digit).collect();
            let trimmed = digits.trim_start_matches('0');
            if trimmed.is_empty() {
                "0".to_owned()
            } else {
                trimmed.to_owned()
            }
        };
        match self {
            Self::Number {
                value,
                spread,
                test_error,
            } => match (spread, test_error) {
                (None, None) => value.clone(),
                (Some(s), None) => format!("{value}({})", last_digits(s)),
                (s, Some(t)) => {
                    let spread = s.as_ref().map_or(dash.to_owned(), last_digits);
                    format!("{value}({spread})({})", last_digits(t))
                }
            },
            other => other.joined("", dash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_errors_are_units_of_the_last_digit() {
        let cell = number(0.983_715, Some(0.000_124), Some(0.000_163), 4);
        assert_eq!(cell.compact("-"), "0.98372(12)(16)");
        assert_eq!(
            number(0.983_715, None, Some(0.000_163), 4).compact("-"),
            "0.98372(-)(16)"
        );
        assert_eq!(number(0.9, Some(0.0), Some(0.02), 4).compact("-"), "0.900(0)(20)");
    }

    #[test]
    fn the_second_error_stays_the_second_when_the_first_is_missing() {
        assert_eq!(number(384.0, None, Some(16.7), 0).joined(" ± ", "–"), "384 ± – ± 17");
    }
}
