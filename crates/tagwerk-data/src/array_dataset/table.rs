//! Tables as text: a line an event, numbers and a class.
//!
//! Fields are separated by commas, tabs, semicolons or blanks, whichever the first line has; the file may be gzipped.
//! HIGGS has its label first, MAGIC a letter last, neither has a header. Someone's own table has one, and its label is
//! the column `label`, `y`, `class` or `target`, or the one that is named. Text has no index, so the file is read
//! whole, decoded on all cores, and kept.

use super::{ArrayInfo, Reader};
use crate::array_set::ArraySet;
use crate::error::DataError;
use crate::split::RowSet;
use flate2::read::MultiGzDecoder;
use rayon::prelude::*;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Names of the label column of someone's own table.
const LABELS: [&str; 4] = ["label", "y", "class", "target"];

/// Bytes of text that are decoded at once.
const BLOCK: usize = 16 << 20;

/// A longer line is no line of a table.
const LONGEST_LINE: usize = 1 << 20;

/// Features and targets of some lines, or the line that is wrong and why.
type Decoded = Result<(Vec<f32>, Vec<f32>), (usize, String)>;

/// A table in memory.
#[derive(Debug)]
pub(super) struct Table {
    format: Format,
    /// `[B, C]`.
    features: Vec<f32>,
    /// `[B]`.
    targets: Vec<f32>,
}

/// How a line is read.
#[derive(Debug, Clone)]
struct Format {
    separator: Option<char>,
    columns: usize,
    label: usize,
    letters: bool,
}

impl Table {
    pub(super) fn open(set: ArraySet, path: &Path, label: Option<&str>) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let handle = File::open(path).map_err(DataError::io(path, "open"))?;
        let gzipped = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
        let mut input: Box<dyn Read> = if gzipped {
            Box::new(MultiGzDecoder::new(handle))
        } else {
            Box::new(handle)
        };
        let fault = |reason: String| DataError::Arrays {
            name: file.clone(),
            reason,
        };
        let mut table: Option<Self> = None;
        let (mut text, mut line, mut empty, mut ended) = (Vec::new(), 0, 0, false);
        while !ended {
            let carried = text.len();
            let read = (&mut input).take(BLOCK as u64).read_to_end(&mut text);
            ended = read.map_err(DataError::io(path, "read"))? == 0;
            let whole = match text[carried..].iter().rposition(|&b| b == b'\n') {
                Some(at) => carried + at + 1,
                None if ended => text.len(),
                None if text.len() > LONGEST_LINE => {
                    return Err(fault(format!("line {}: longer than {LONGEST_LINE} bytes", line + 1)));
                }
                None => continue,
            };
            let rest = text.split_off(whole);
            let block = std::str::from_utf8(&text).map_err(|_| fault(format!("after line {line}: not text")))?;
            let mut lines: Vec<&str> = block.lines().collect();
            // Empty lines may end a file; anywhere else they are a fault.
            let held = lines
                .iter()
                .rposition(|line| !line.trim().is_empty())
                .map_or(0, |last| last + 1);
            if held > 0 && empty > 0 {
                return Err(fault(format!("line {line}: empty, and more lines follow")));
            }
            empty += lines.len() - held;
            let counted = lines.len();
            lines.truncate(held);
            let mut first = 0;
            if table.is_none()
                && let Some(&head) = lines.first()
            {
                let (format, header) = Format::find(set, head, label).map_err(&fault)?;
                first = usize::from(header);
                let (features, targets) = (Vec::new(), Vec::new());
                table = Some(Self {
                    format,
                    features,
                    targets,
                });
            }
            if let Some(table) = &mut table {
                table
                    .add(&lines[first..])
                    .map_err(|(at, reason)| fault(format!("line {}: {reason}", line + first + at + 1)))?;
            }
            line += counted;
            text = rest;
        }
        table
            .filter(|table| !table.targets.is_empty())
            .ok_or_else(|| fault("no events".into()))
    }

    /// Decodes lines; an error tells which.
    fn add(&mut self, lines: &[&str]) -> Result<(), (usize, String)> {
        const LINES: usize = 4096;
        let format = &self.format;
        let decode = |(chunk, lines): (usize, &[&str])| {
            let mut features = Vec::with_capacity(lines.len() * (format.columns - 1));
            let mut targets = Vec::with_capacity(lines.len());
            for (i, line) in lines.iter().enumerate() {
                format
                    .decode(line, &mut features, &mut targets)
                    .map_err(|reason| (chunk * LINES + i, reason))?;
            }
            Ok((features, targets))
        };
        let decoded: Vec<Decoded> = lines.par_chunks(LINES).enumerate().map(decode).collect();
        for piece in decoded {
            let (features, targets) = piece?;
            self.features.extend(features);
            self.targets.extend(targets);
        }
        Ok(())
    }
}

impl Format {
    /// From the first line, and whether that is a header.
    fn find(set: ArraySet, line: &str, label: Option<&str>) -> Result<(Self, bool), String> {
        let separator = ['\t', ',', ';'].into_iter().find(|&c| line.contains(c));
        let fields: Vec<&str> = Self::fields(line, separator).collect();
        let columns = fields.len();
        let letters = set == ArraySet::Magic;
        let numbers = &fields[..columns.saturating_sub(usize::from(letters))];
        let header = numbers.iter().any(|field| field.parse::<f32>().is_err());
        let expected = set
            .arrays()
            .and_then(|entry| entry.arrays.first()?.shape.first())
            .map(|c| c + 1);
        if let Some(expected) = expected.filter(|&expected| expected != columns) {
            return Err(format!("{columns} fields a line; {} has {expected}", set.name()));
        }
        let label = match set {
            ArraySet::Magic => columns - 1,
            ArraySet::Other => {
                let names = match label {
                    Some(name) => vec![name],
                    None => LABELS.to_vec(),
                };
                let at = names
                    .iter()
                    .find_map(|name| fields.iter().position(|f| f.eq_ignore_ascii_case(name)));
                at.filter(|_| header).ok_or_else(|| {
                    let names = names.join("`, `");
                    format!("the first line names no column `{names}`: it is {line:.80}")
                })?
            }
            _ => 0,
        };
        if columns < 2 {
            return Err(format!(
                "{columns} fields a line; allowed: a label and at least one number"
            ));
        }
        let format = Self {
            separator,
            columns,
            label,
            letters,
        };
        Ok((format, header))
    }

    fn fields(line: &str, separator: Option<char>) -> impl Iterator<Item = &str> {
        let (split, blanks) = match separator {
            Some(separator) => (Some(line.split(separator)), None),
            None => (None, Some(line.split_whitespace())),
        };
        let all = split.into_iter().flatten().chain(blanks.into_iter().flatten());
        all.map(|field| field.trim().trim_matches('"'))
    }

    fn decode(&self, line: &str, features: &mut Vec<f32>, targets: &mut Vec<f32>) -> Result<(), String> {
        let mut found = 0;
        for (i, field) in Self::fields(line, self.separator).enumerate() {
            found = i + 1;
            if found > self.columns {
                continue;
            }
            if i == self.label && self.letters {
                targets.push(match field {
                    "g" => 1.0,
                    "h" => 0.0,
                    _ => return Err(format!("class `{field:.20}`; allowed: g and h")),
                });
                continue;
            }
            let value: f32 = field
                .parse()
                .ok()
                .filter(|value: &f32| value.is_finite())
                .ok_or_else(|| format!("field {found}: `{field:.20}`; allowed: a finite number"))?;
            if i == self.label {
                targets.push(value);
            } else {
                features.push(value);
            }
        }
        if found == self.columns {
            return Ok(());
        }
        Err(format!("{found} fields; the first line has {}", self.columns))
    }
}

impl Reader for Table {
    fn format(&self) -> String {
        let by = match self.format.separator {
            Some('\t') => "tabs",
            Some(',') => "commas",
            Some(_) => "semicolons",
            None => "blanks",
        };
        format!("text with {by}")
    }

    fn arrays(&self) -> Vec<ArrayInfo> {
        vec![ArrayInfo {
            name: "features".into(),
            shape: vec![self.format.columns - 1],
        }]
    }

    fn segments(&self) -> Vec<u64> {
        vec![self.targets.len() as u64]
    }

    fn read(
        &self,
        _segment: usize,
        rows: &RowSet,
        values: &mut [Vec<f32>],
        targets: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let size = self.format.columns - 1;
        for range in rows.ranges_within(&(0..self.targets.len() as u64)) {
            let range = range.start as usize..range.end as usize;
            targets.extend_from_slice(&self.targets[range.clone()]);
            if let Some(out) = values.first_mut() {
                out.extend_from_slice(&self.features[range.start * size..range.end * size]);
            }
        }
        Ok(())
    }
}
