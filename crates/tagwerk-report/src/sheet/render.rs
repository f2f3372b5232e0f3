//! A table of a sheet as text, page, Markdown, LaTeX and CSV.

use super::{Entry, SheetTable};
use crate::escape;
use crate::html::{list, wide_table};
use crate::table::{csv_line, csv_number, csv_optional};

pub(super) fn text(table: &SheetTable) -> String {
    let mut out = format!("{}\n{}\n\n", escape::plain(&table.title), escape::plain(&table.caption));
    out.push_str(&columns(table));
    for note in &table.notes {
        out.push_str(&format!("\n  {}\n", escape::plain(note)));
    }
    out
}

/// Columns flush left, indented by two blanks.
pub(super) fn columns(table: &SheetTable) -> String {
    let shown = |row: &Vec<Entry>| row.iter().map(|e| escape::plain(&e.shown(" ± ", "-"))).collect();
    let lines: Vec<Vec<String>> = std::iter::once(table.headings.iter().map(|h| escape::plain(h)).collect())
        .chain(table.rows.iter().map(shown))
        .collect();
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = (0..table.headings.len())
        .map(|c| {
            lines
                .iter()
                .filter_map(|line| line.get(c))
                .map(|cell| width(cell))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for line in lines {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, full)| format!("{cell}{}", " ".repeat(full - width(cell))));
        out.push_str(format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end());
        out.push('\n');
    }
    out
}

pub(super) fn html_table(table: &SheetTable) -> String {
    let mut body = String::new();
    for row in &table.rows {
        for (i, entry) in row.iter().enumerate() {
            let cell = escape::html(&entry.shown(" ± ", "–"));
            body.push_str(&match i {
                0 => format!("<tr class=\"measured\"><th scope=\"row\">{cell}</th>"),
                _ => format!("<td>{cell}</td>"),
            });
        }
        body.push_str("</tr>\n");
    }
    let headings: Vec<String> = table.headings.iter().map(|h| escape::html(h)).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut out = wide_table(&escape::html(&table.caption), &headings, &body);
    out.push_str(&list(&table.notes));
    out
}

pub(super) fn markdown(table: &SheetTable) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = format!(
        "**{}.** {}\n\n",
        escape::markdown(&table.title),
        escape::markdown(&table.caption)
    );
    out.push_str(&line(table.headings.iter().map(|h| escape::markdown(h)).collect()));
    out.push_str(&format!(
        "|:---|{}\n",
        "---:|".repeat(table.headings.len().saturating_sub(1))
    ));
    for row in &table.rows {
        out.push_str(&line(
            row.iter().map(|e| escape::markdown(&e.shown(" ± ", "–"))).collect(),
        ));
    }
    for (i, note) in table.notes.iter().enumerate() {
        out.push_str(&format!(
            "{}- {}\n",
            if i == 0 { "\n" } else { "" },
            escape::markdown(note)
        ));
    }
    out
}

pub(super) fn latex(table: &SheetTable) -> String {
    let entry = |entry: &Entry| match entry {
        Entry::Number { value, .. } if value.is_finite() => format!("${}$", entry.shown(" \\pm ", "")),
        Entry::Text(text) => escape::latex(text),
        Entry::Number { .. } | Entry::Absent => "--".to_owned(),
    };
    let line = |cells: Vec<String>| format!("    {} \\\\\n", cells.join(" & "));
    let mut out = format!(
        "% Needs \\usepackage{{booktabs}} and \\usepackage[T1]{{fontenc}}.\n\\begin{{table}}\n  \\centering\n  \
         \\begin{{tabular}}{{l{}}}\n    \\toprule\n",
        "r".repeat(table.headings.len().saturating_sub(1))
    );
    out.push_str(&line(table.headings.iter().map(|h| escape::latex(h)).collect()));
    out.push_str("    \\midrule\n");
    for row in &table.rows {
        out.push_str(&line(row.iter().map(entry).collect()));
    }
    let words: Vec<String> = (std::iter::once(&table.caption).chain(&table.notes))
        .map(|words| escape::latex(words))
        .collect();
    out.push_str(&format!(
        "    \\bottomrule\n  \\end{{tabular}}\n  \\caption{{{}}}\n\\end{{table}}\n",
        words.join(" ")
    ));
    out
}

/// Unrounded numbers; a column of errors beside each column that has some.
pub(super) fn csv(table: &SheetTable) -> String {
    let has_errors = |column: usize| {
        let mut entries = table.rows.iter().filter_map(|row| row.get(column));
        entries.any(|entry| matches!(entry, Entry::Number { error: Some(_), .. }))
    };
    let with_errors: Vec<bool> = (0..table.headings.len()).map(has_errors).collect();
    let mut heading = Vec::new();
    for (name, errors) in table.headings.iter().zip(&with_errors) {
        heading.push(escape::csv(name));
        heading.extend(errors.then(|| escape::csv(&format!("{name}_error"))));
    }
    let mut out = csv_line(&heading);
    for row in &table.rows {
        let mut fields = Vec::new();
        for (entry, errors) in row.iter().zip(&with_errors) {
            let (value, error) = match entry {
                Entry::Text(text) => (escape::csv(text), None),
                Entry::Number { value, error, .. } => (csv_number(*value), *error),
                Entry::Absent => (String::new(), None),
            };
            fields.push(value);
            fields.extend(errors.then(|| csv_optional(error)));
        }
        out.push_str(&csv_line(&fields));
    }
    out
}
