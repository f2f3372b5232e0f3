//! What a person sees while a program works: bars on a terminal, plain lines every few seconds elsewhere, nothing when
//! quiet.

mod landscape;
mod pace;
mod training;
mod work;

pub use landscape::LandscapeProgress;
pub use training::TrainingProgress;
pub use work::Work;

use indicatif::ProgressStyle;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Plain lines come at most this often.
const EVERY: Duration = Duration::from_secs(5);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Not at all.
    Silent,
    /// Lines on standard error.
    Lines,
    /// Bars on a terminal.
    Bars,
}

impl Manner {
    /// What suits standard error.
    pub fn suited(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Silent,
            (false, true) => Self::Bars,
            (false, false) => Self::Lines,
        }
    }
}

/// A line of progress; that nobody reads it is no reason to end.
fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A bar with its name before and its news behind.
fn style(template: &str) -> ProgressStyle {
    // A template that does not parse is seen in the first test that draws one; a plain bar does until then.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_parse() {
        for template in [training::TEMPLATE, landscape::TEMPLATE, work::TEMPLATE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
