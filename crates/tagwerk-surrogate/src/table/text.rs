//! Text with a header line: one row a line, fields between commas, semicolons or tabs.

use crate::error::SurrogateError;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Whether a file is text, by its extension.
pub(super) fn is_text(file: &Path) -> bool {
    let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ["csv", "tsv", "txt"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

/// The separator of a header line, and its names.
fn split_header(header: &str) -> (char, Vec<String>) {
    let header = header.trim_start_matches('\u{feff}');
    let separator = ['\t', ';', ',']
        .into_iter()
        .find(|&c| header.contains(c))
        .unwrap_or(',');
    let field = |field: &str| field.trim().trim_matches('"').to_owned();
    (separator, header.split(separator).map(field).collect())
}

/// The names of all columns.
pub(super) fn header(file: &Path) -> Result<Vec<String>, SurrogateError> {
    let handle = std::fs::File::open(file).map_err(SurrogateError::io(file, "open"))?;
    let mut line = String::new();
    BufReader::new(handle)
        .read_line(&mut line)
        .map_err(SurrogateError::io(file, "read"))?;
    Ok(split_header(line.trim_end_matches(['\r', '\n'])).1)
}

/// The named columns, as f64.
pub(super) fn read(file: &Path, names: &[String]) -> Result<Vec<Vec<f64>>, SurrogateError> {
    let name = file.display().to_string();
    let fault = |reason: String| SurrogateError::Table {
        file: name.clone(),
        reason,
    };
    let handle = std::fs::File::open(file).map_err(SurrogateError::io(file, "open"))?;
    let mut lines = BufReader::new(handle).lines();
    let mut next = || lines.next().transpose().map_err(SurrogateError::io(file, "read"));
    let header = next()?.ok_or_else(|| fault("the file is empty; a header line is needed".to_owned()))?;
    let (separator, found) = split_header(&header);
    let mut at = Vec::with_capacity(names.len());
    for column in names {
        let position = found.iter().position(|f| f == column);
        at.push(position.ok_or_else(|| fault(format!("no column `{column}`; the file has {}", found.join(", "))))?);
    }
    let mut columns = vec![Vec::new(); names.len()];
    let mut row = 0;
    let mut blank = None;
    while let Some(line) = next()? {
        if line.trim().is_empty() {
            blank.get_or_insert(row);
            continue;
        }
        if let Some(at) = blank {
            return Err(fault(format!("the line of row {at} is empty, and more lines follow")));
        }
        let fields: Vec<&str> = line.split(separator).collect();
        if fields.len() != found.len() {
            return Err(fault(format!(
                "row {row} has {} fields; the header has {}",
                fields.len(),
                found.len()
            )));
        }
        for ((column, &at), name_of) in columns.iter_mut().zip(&at).zip(names) {
            let text = fields[at].trim().trim_matches('"');
            column.push(text.parse::<f64>().map_err(|_| SurrogateError::Value {
                file: name.clone(),
                row,
                column: name_of.clone(),
                value: format!("`{text:.40}`"),
                allowed: "a number",
            })?);
        }
        row += 1;
    }
    Ok(columns)
}
