//! What is learned of an event.

use serde::{Deserialize, Serialize};

/// What is learned of an event: one of two classes, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Signal (1) against background (0).
    #[default]
    Classification,
    /// A real target.
    Regression,
}

impl Task {
    /// Name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
        }
    }
}
