//! The table for a terminal.

use tagwerk_stats::LandscapeResult;

use super::{HEADINGS, footnotes, rows};
use crate::comparison::comparison_lines;
use crate::escape::plain;

/// Width to which footnotes are wrapped.
const WIDTH: usize = 118;

/// Aligned columns, the published line under each measured one, differences to the best tagger, footnotes.
pub fn table_text(landscape: &LandscapeResult) -> String {
    // `R(0.3) mean ens.` takes two lines, so that the numbers decide the width.
    let split = HEADINGS.map(|h| h.split_once(' ').unwrap_or((h, "")));
    let mut lines: Vec<Vec<String>> = vec![
        split.map(|h| h.0.to_owned()).to_vec(),
        split.map(|h| h.1.to_owned()).to_vec(),
    ];
    for row in rows(landscape) {
        let mut line = vec![row.name.as_deref().map_or("  published".to_owned(), plain)];
        for (i, cell) in row.cells.iter().enumerate() {
            line.push(if i < 2 {
                cell.compact("-")
            } else {
                cell.joined(" ± ", "-")
            });
        }
        line.push(row.parameters);
        lines.push(line);
    }
    let mut out = aligned(&lines, 2);
    let comparisons = comparison_lines(landscape);
    if !comparisons.is_empty() {
        out.push('\n');
        for line in comparisons {
            out.push_str(&plain(&line));
            out.push('\n');
        }
    }
    out.push('\n');
    for note in footnotes(landscape) {
        out.push_str(&wrap(&plain(&note)));
    }
    out
}

/// Lines of equally many cells as columns two blanks apart, the first flush left and the others right, with a rule under
/// the first `headings` lines.
pub(crate) fn aligned(lines: &[Vec<String>], headings: usize) -> String {
    let width = |text: &str| text.chars().count();
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|c| lines.iter().map(|line| width(&line[c])).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        let mut text = String::new();
        for (c, cell) in line.iter().enumerate() {
            let fill = " ".repeat(widths[c] - width(cell));
            match c {
                0 => text.push_str(&format!("{cell}{fill}")),
                _ => text.push_str(&format!("  {fill}{cell}")),
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
        if number + 1 == headings {
            out.push_str(&"-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
            out.push('\n');
        }
    }
    out
}

/// Breaks a sentence at spaces.
pub(crate) fn wrap(text: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            column = 0;
        }
        if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out.push('\n');
    out
}
