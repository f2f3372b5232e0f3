//! One sentence of an error.

use std::error::Error;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Failed, or stopped: exit code 1.
    Sentence(String),
    /// Arguments that fit together for the parser but not for the command: exit code 2.
    Usage(String),
    /// Whoever read standard output is gone; there is nobody to tell.
    ReaderGone,
}

impl Failure {
    /// A failure in words.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self::Sentence(sentence.into())
    }

    /// The same failure with advice behind it.
    pub fn hint(self, advice: &str) -> Self {
        match self {
            Self::Sentence(sentence) => Self::Sentence(format!("{sentence} ({advice})")),
            other => other,
        }
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Sentence(chain(&error))
    }
}

/// An error and its causes, leaving out those that the error already tells.
fn chain(error: &dyn Error) -> String {
    let mut sentence = error.to_string().trim_end().to_owned();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let text = deeper.to_string();
        if !sentence.contains(text.trim_end()) {
            sentence.push_str(": ");
            sentence.push_str(text.trim_end());
        }
        cause = deeper.source();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn causes_are_told_once() {
        let deepest = Layer("disk full", None);
        let middle = Layer("a.parquet: disk full", Some(Box::new(deepest)));
        let error = Layer("cannot convert", Some(Box::new(middle)));
        assert_eq!(chain(&error), "cannot convert: a.parquet: disk full");
    }
}
