//! Configuration files: errors name the file, the key and the line.

use crate::failure::Failure;
use std::fmt::Display;
use std::path::Path;

/// Reads a file and parses it.
pub fn read<T, E: Display>(path: &Path, parse: impl Fn(&str, &Path) -> Result<T, E>) -> Result<T, Failure> {
    let place = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| Failure::new(format!("{place}: read: {error}")))?;
    parse(&text, path).map_err(|error| {
        let mut sentence = error.to_string().trim_end().to_owned();
        if !sentence.contains(&place.to_string()) {
            sentence = format!("{place}: {sentence}");
        }
        if !sentence.contains("line ")
            && let Some(line) = line_of_key(&text, &sentence)
        {
            sentence.push_str(&format!(" (line {line})"));
        }
        Failure::new(sentence)
    })
}

/// The line of the first key that the sentence names in backticks. Tables that are merged over defaults are checked
/// after parsing, when lines are forgotten. A key that stands at several places is not guessed at.
fn line_of_key(text: &str, sentence: &str) -> Option<usize> {
    sentence.split('`').skip(1).step_by(2).find_map(|key| {
        let stands = |line: &str| {
            line.split(['=', ']'])
                .next()
                .is_some_and(|left| left.trim_matches([' ', '[', '"', '\'', '\t']) == key)
        };
        let mut lines = (1..)
            .zip(text.lines())
            .filter(|(_, line)| stands(line))
            .map(|(number, _)| number);
        lines.next().filter(|_| lines.next().is_none())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_once_is_found() {
        let text = "seed = 1\n[training]\nepoch=3\n seed = 2\n[odd]\n";
        assert_eq!(line_of_key(text, "unknown field `epoch`, expected `epochs`"), Some(3));
        assert_eq!(line_of_key(text, "unknown field `seed`"), None);
        assert_eq!(line_of_key(text, "unknown field `odd`"), Some(5));
        assert_eq!(line_of_key(text, "nothing"), None);
    }
}
