//! Tables of events: one row an event, a fixed number of features, for classifiers that depend on a parameter.
//!
//! The layout of HEPMASS (Baldi et al., arXiv:1601.07913) is the default: `label`, `f0` .. `f26`, `mass`, in CSV, gzipped
//! CSV, Parquet or any other file that [`crate::open`] knows. Files are read batch by batch; what stays is one table of
//! f32. A value that cannot be right ends the reading with file, row, column, value and what is allowed.

mod columns;
mod convert;
mod recipe;
mod sample;
mod text;

pub use columns::{EventColumns, features_of};
pub use convert::{ConvertEventsOptions, ConvertedEvents, PointCount, convert_events, holds_events};
pub use recipe::Recipe;
pub use sample::hepmass_sample;

use crate::error::DataError;
use crate::source::{Plan, Source};
use crate::split::{RowSet, subset};
use columns::Found;

/// Events in memory: `B` rows of `C` features and `P` parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Events {
    /// Names of the features, `[C]`.
    pub feature_names: Vec<String>,
    /// Names of the parameters, `[P]`.
    pub parameter_names: Vec<String>,
    /// Names of the processes, in the order in which they were met.
    pub process_names: Vec<String>,
    /// `[B, C]`.
    pub features: Vec<f32>,
    /// `[B, P]`; what the file has for background may say nothing, and is NaN where it has no number.
    pub parameters: Vec<f32>,
    /// 1 signal, 0 background, `[B]`.
    pub labels: Vec<f32>,
    /// Weight of each event, also below 0, `[B]`; all 1 when absent.
    pub weights: Option<Vec<f32>>,
    /// Number of each event's process, `[B]`.
    pub processes: Vec<u32>,
    /// Row of each event, counted through all files, `[B]`.
    pub rows: Vec<u64>,
}

impl Events {
    /// Number of events, `B`.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Features an event, `C`.
    pub fn width(&self) -> usize {
        self.feature_names.len()
    }

    /// Features of event `i`, `[C]`.
    ///
    /// # Panics
    /// If there is no event `i`, like an index into a slice.
    pub fn event(&self, i: usize) -> &[f32] {
        &self.features[i * self.width()..(i + 1) * self.width()]
    }

    /// Parameters of event `i`, `[P]`.
    ///
    /// # Panics
    /// As [`event`](Self::event).
    pub fn point(&self, i: usize) -> &[f32] {
        let p = self.parameter_names.len();
        &self.parameters[i * p..(i + 1) * p]
    }

    /// Whether any weight is below 0.
    pub fn has_negative_weights(&self) -> bool {
        self.weights.as_ref().is_some_and(|w| w.iter().any(|&w| w < 0.0))
    }

    /// Reads the files one after the other; with a `limit`, so many rows drawn from all over them by (seed, row).
    ///
    /// # Errors
    /// Columns that are missing or of another type, files whose columns differ, a label other than 0 and 1, a value that
    /// is not finite, more than `memory` bytes.
    pub fn read(
        sources: &[&dyn Source],
        columns: &EventColumns,
        limit: Option<u64>,
        seed: u64,
        memory: u64,
    ) -> Result<Self, DataError> {
        let mut first_rows = Vec::new();
        let mut rows = 0;
        for source in sources {
            first_rows.push(rows);
            rows += source.row_count();
        }
        let all: Vec<(usize, RowSet)> = (0..sources.len())
            .map(|i| (i, RowSet::Range(0..sources[i].row_count())))
            .collect();
        let wanted = match limit {
            Some(limit) => subset(&all, &first_rows, limit, seed),
            None => all,
        };
        let mut events = Self::default();
        for (i, (at, set)) in wanted.iter().enumerate() {
            let source = sources[*at];
            let found = Found::new(source, columns)?;
            if i == 0 {
                events.feature_names = found.feature_names();
                events.parameter_names = found.parameter_names();
                let count: u64 = wanted.iter().map(|(_, set)| set.len()).sum();
                events.reserve(count, memory)?;
            } else if events.feature_names != found.feature_names() {
                return Err(DataError::MissingColumn {
                    file: source.file().to_owned(),
                    column: events.feature_names.join(", "),
                    found: found.feature_names().join(", "),
                });
            } else if events.parameter_names != found.parameter_names() {
                return Err(DataError::MissingColumn {
                    file: source.file().to_owned(),
                    column: events.parameter_names.join(", "),
                    found: found.parameter_names().join(", "),
                });
            }
            let ranges = set.ranges_within(&(0..source.row_count()));
            let plan = Plan::default().columns(&found.names()).ranges(ranges.clone());
            let mut numbers = ranges.into_iter().flatten();
            for batch in source.read(&plan)? {
                let batch = batch?;
                let rows: Vec<u64> = numbers.by_ref().take(batch.num_rows()).collect();
                found.append(&batch, &rows, first_rows[*at], &mut events)?;
            }
        }
        Ok(events)
    }

    /// Takes the memory for `count` events, if it is allowed.
    fn reserve(&mut self, count: u64, memory: u64) -> Result<(), DataError> {
        let (c, p) = (self.width() as u64, self.parameter_names.len() as u64);
        // Features, parameters, label, weight, process, row.
        let bytes = count.saturating_mul(4 * (c + p + 3) + 8);
        if bytes > memory {
            const MIB: u64 = 1 << 20;
            return Err(DataError::Argument {
                name: "memory_mb",
                value: format!(
                    "{}; {count} events of {c} features take {} MiB",
                    memory / MIB,
                    bytes.div_ceil(MIB)
                ),
                allowed: "as much as the events take, or fewer events",
            });
        }
        let count = count as usize;
        self.features.reserve_exact(count * c as usize);
        self.parameters.reserve_exact(count * p as usize);
        self.labels.reserve_exact(count);
        self.processes.reserve_exact(count);
        self.rows.reserve_exact(count);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
