//! The table in Markdown.

use tagwerk_stats::LandscapeResult;

use super::{HEADINGS, footnotes, rows};
use crate::comparison::comparison_lines;
use crate::escape::markdown;

/// A pipe table with full errors, then comparisons and footnotes as lists.
pub fn table_markdown(landscape: &LandscapeResult) -> String {
    let mut out = format!(
        "| {} |\n|:---|{}\n",
        HEADINGS.join(" | "),
        "---:|".repeat(HEADINGS.len() - 1)
    );
    for row in rows(landscape) {
        let name = row
            .name
            .as_deref()
            .map_or("*published*".to_owned(), |n| format!("**{}**", markdown(n)));
        let cells: Vec<String> = row
            .cells
            .iter()
            .map(|c| c.joined(" ± ", "–").replace('>', "&gt;"))
            .collect();
        out.push_str(&format!("| {name} | {} | {} |\n", cells.join(" | "), row.parameters));
    }
    for lines in [comparison_lines(landscape), footnotes(landscape)] {
        if !lines.is_empty() {
            out.push('\n');
        }
        for line in lines {
            out.push_str(&format!("- {}\n", markdown(&line)));
        }
    }
    out
}
