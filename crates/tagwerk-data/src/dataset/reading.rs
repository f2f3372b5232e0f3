//! Blocks of rows, read one at a time by whichever thread is free.

use super::Inner;
use crate::error::DataError;
use crate::jets::Jets;
use crate::source::{Plan, batch_bytes};
use crate::split::RowSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Rows of one file that are read together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    pub(crate) file: usize,
    /// Ascending ranges of the file's rows.
    pub(crate) ranges: Vec<Range<u64>>,
    /// Rows of all ranges.
    pub(crate) rows: u64,
    /// What their jets take in memory, at most as far as metadata tell.
    pub(crate) bytes: u64,
}

/// Decoded bytes held at a time, the most ever, and a flag that stops reading.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    now: AtomicUsize,
    peak: AtomicUsize,
    pub(crate) stop: AtomicBool,
}

impl Gauge {
    pub(crate) fn add(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, bytes: usize) {
        self.now.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Inner {
    /// The files' natural blocks, cut down to these rows, none above `most_bytes` (but at least one row each).
    pub(crate) fn blocks(&self, rows: &[(usize, RowSet)], most_bytes: u64) -> Vec<Block> {
        let mut blocks = Vec::new();
        for (file, set) in rows {
            let data = &self.files[*file];
            for natural in data.source.blocks() {
                let ranges = set.ranges_within(&natural);
                let count: u64 = ranges.iter().map(|range| range.end - range.start).sum();
                if count == 0 {
                    continue;
                }
                let whole = data.columns.jet_bytes(data.source.as_ref(), &natural);
                let a_row = whole / (natural.end - natural.start) as f64;
                let most = (most_bytes as f64 / a_row).max(1.0) as u64;
                for ranges in cut(ranges, most.min(count)) {
                    let rows = ranges.iter().map(|range| range.end - range.start).sum();
                    blocks.push(Block {
                        file: *file,
                        ranges,
                        rows,
                        bytes: (a_row * rows as f64).ceil() as u64,
                    });
                }
            }
        }
        blocks
    }

    /// The jets of a block. `batch` bounds the bytes of columns that exist at a time beside the jets.
    pub(crate) fn read_block(&self, block: &Block, batch: usize, gauge: &Gauge) -> Result<Jets, DataError> {
        let data = &self.files[block.file];
        let plan = Plan::default()
            .columns(&data.columns.names())
            .ranges(block.ranges.clone())
            .budget(batch);
        let mut numbers = block.ranges.iter().flat_map(Range::clone);
        let mut jets = Jets::default();
        let mut counted = 0;
        for batch in data.source.read(&plan)? {
            if gauge.stop.load(Ordering::Relaxed) {
                return Err(DataError::Cancelled);
            }
            let batch = batch?;
            let rows: Vec<u64> = numbers.by_ref().take(batch.num_rows()).collect();
            let held = batch_bytes(&batch);
            gauge.add(held);
            let skipped = data
                .columns
                .read_into(&batch, data.source.file(), &rows, self.empty, &mut jets);
            gauge.sub(held);
            let skipped = skipped?;
            if skipped > 0 {
                self.skipped.fetch_add(skipped, Ordering::Relaxed);
            }
            // Tables grow by doubling; what is not filled is not touched, and so not in memory.
            gauge.add(jets.bytes() - counted);
            counted = jets.bytes();
            if jets.len() == rows.len() {
                reserve_rest(&mut jets, block.rows);
            }
        }
        for row in &mut jets.rows {
            *row += data.first_row;
        }
        Ok(jets)
    }
}

/// After the first batch of a block: room for the rest, so that the table is not moved while it grows.
fn reserve_rest(jets: &mut Jets, rows: u64) {
    let jets_left = (rows as usize).saturating_sub(jets.len());
    let rows_left = jets.constituents() / jets.len().max(1) * jets_left + jets.constituents() / 8;
    let particles = jets.columns.iter_mut().map(|column| &mut column.values);
    for column in [&mut jets.e, &mut jets.px, &mut jets.py, &mut jets.pz]
        .into_iter()
        .chain(particles)
    {
        column.reserve(rows_left);
    }
    jets.offsets.reserve(jets_left);
    jets.labels.reserve(jets_left);
    jets.rows.reserve(jets_left);
}

/// Cuts ranges into groups of at most `most` rows.
fn cut(ranges: Vec<Range<u64>>, most: u64) -> Vec<Vec<Range<u64>>> {
    let mut groups: Vec<Vec<Range<u64>>> = vec![Vec::new()];
    let mut room = most;
    for range in ranges {
        let mut start = range.start;
        while start < range.end {
            if room == 0 {
                groups.push(Vec::new());
                room = most;
            }
            let end = range.end.min(start + room);
            if let Some(group) = groups.last_mut() {
                group.push(start..end);
            }
            room -= end - start;
            start = end;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_keeps_every_row_once() {
        assert_eq!(
            cut(vec![0..5, 7..8, 9..20], 4),
            [
                vec![0..4],
                vec![4..5, 7..8, 9..11],
                vec![11..15],
                vec![15..19],
                vec![19..20]
            ]
        );
        assert_eq!(cut(vec![0..5], 5), [vec![0..5]]);
    }
}
