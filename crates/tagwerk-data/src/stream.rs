//! Jets in the order of an epoch, read ahead by a thread, within a byte budget.

use crate::dataset::{Block, Gauge, Inner};
use crate::error::DataError;
use crate::jets::Jets;
use crate::prefetch::Prefetch;
use crate::shuffle::Windows;
use crate::split::RowSet;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How to stream a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StreamOptions {
    /// Seed of the order. Default: 0.
    pub seed: u64,
    /// Epoch; each has its own order. Default: 0.
    pub epoch: u64,
    /// Whether to shuffle; else file order. Default: true.
    pub shuffle: bool,
    /// Most bytes of decoded data held at a time, at least 1 MiB. It also sets how far a shuffle reaches, so the order
    /// of data that do not fit is a function of (seed, epoch, budget). Default: 1 GiB.
    pub budget_bytes: u64,
    /// Jets of the epoch to leave out at its start: where an interrupted run goes on. Default: 0.
    pub skip: u64,
    /// Number of jets picked for all epochs, as in [`crate::JetDataset::load`]. Default: all.
    pub limit: Option<u64>,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            epoch: 0,
            shuffle: true,
            budget_bytes: 1 << 30,
            skip: 0,
            limit: None,
        }
    }
}

/// Chunks of jets in the order of an epoch.
///
/// The order is a pure function of (seed, epoch): the plain [`crate::permutation`] when the part fits two fifths of the
/// budget, else windows of shuffled blocks ([`crate::Windows`]). Chunks have whatever length the budget suggests; the
/// order is what is promised. Blocks are decoded on all cores. An error comes after the jets before it and ends the
/// stream. Dropping the stream stops its thread within one batch of decoding.
#[derive(Debug)]
pub struct JetStream {
    // Dropped in this order: first the flag is raised, then the thread is waited for.
    stop: StopOnDrop,
    ahead: Prefetch<(Jets, u64)>,
    position: u64,
    rows: u64,
}

#[derive(Debug)]
struct StopOnDrop(Arc<Gauge>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

impl JetStream {
    pub(crate) fn start(
        inner: Arc<Inner>,
        rows: &[(usize, RowSet)],
        options: StreamOptions,
    ) -> Result<Self, DataError> {
        const LEAST: u64 = 1 << 20;
        let budget = options.budget_bytes;
        if budget < LEAST {
            return Err(DataError::Argument {
                name: "budget_bytes",
                value: budget.to_string(),
                allowed: "at least 1048576 (1 MiB)",
            });
        }
        // Of the budget, 2/5 hold the window, 1/4 the chunks that wait, 1/16 the chunk being made; batches being
        // decoded take an eighth; the rest is slack for blocks above their estimate.
        let window = budget * 2 / 5;
        let whole = inner.blocks(rows, u64::MAX);
        let fits = whole.iter().map(|block| block.bytes).sum::<u64>() <= window;
        if !fits && rows.iter().any(|(file, _)| !inner.files[*file].source.seekable()) {
            return Err(DataError::Argument {
                name: "budget_bytes",
                value: budget.to_string(),
                allowed: "enough for the whole file, because a compressed .npz cannot be read in parts; or convert it to Parquet",
            });
        }
        // Several blocks a window, or there is nothing to mix.
        let mut blocks = if fits { whole } else { inner.blocks(rows, window / 4) };
        let total: u64 = blocks.iter().map(|block| block.rows).sum();
        let skip = options.skip.min(total);
        if !options.shuffle {
            drop_rows(&mut blocks, skip);
        }
        let sizes: Vec<(u64, u64)> = blocks.iter().map(|block| (block.rows, block.bytes)).collect();
        let window = if options.shuffle { window } else { window / 2 };
        let windows = Windows::new(&sizes, window, options.seed, options.epoch, options.shuffle);
        let gauge = Arc::new(Gauge::default());
        let chunk = (budget / 16) as usize;
        let mut producer = Producer {
            batch: (budget as usize / (16 * rayon::current_num_threads())).clamp(16 << 10, 1 << 20),
            position: skip,
            base: if options.shuffle { 0 } else { skip },
            inner,
            blocks,
            windows,
            next: 0,
            shuffled: options.shuffle,
            window: None,
            chunk,
            gauge: gauge.clone(),
        };
        let ahead = Prefetch::spawn(
            "jets ahead",
            budget as usize / 4,
            chunk,
            |(jets, _): &(Jets, u64)| jets.bytes(),
            move || producer.chunk(),
        )?;
        Ok(Self {
            stop: StopOnDrop(gauge),
            ahead,
            position: skip,
            rows: total,
        })
    }

    /// Jets of the epoch that are behind: those left out at the start, and those handed out. To go on later from
    /// here, give it as [`StreamOptions::skip`].
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Jets of the whole epoch.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Most bytes of decoded data held at once so far, without what the consumer holds.
    pub fn peak_bytes(&self) -> usize {
        self.stop.0.peak()
    }
}

impl Iterator for JetStream {
    type Item = Result<Jets, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.ahead.next()?.map(|(jets, position)| {
            self.stop.0.sub(jets.bytes());
            self.position = position;
            jets
        }))
    }
}

/// Leaves out the first `skip` rows.
fn drop_rows(blocks: &mut Vec<Block>, mut skip: u64) {
    let whole = blocks.iter().take_while(|block| {
        let before = block.rows <= skip;
        skip -= if before { block.rows } else { 0 };
        before
    });
    let whole = whole.count();
    blocks.drain(..whole);
    if let Some(first) = blocks.first_mut() {
        first.bytes -= first.bytes * skip / first.rows;
        first.rows -= skip;
        for range in &mut first.ranges {
            let cut = skip.min(range.end - range.start);
            range.start += cut;
            skip -= cut;
        }
        first.ranges.retain(|range| range.start < range.end);
    }
}

/// The state of the reading thread.
struct Producer {
    inner: Arc<Inner>,
    blocks: Vec<Block>,
    windows: Windows,
    /// Next window to decode.
    next: usize,
    shuffled: bool,
    window: Option<Loaded>,
    /// Position in the epoch.
    position: u64,
    /// Position of the first window's first row.
    base: u64,
    /// Bytes of a chunk.
    chunk: usize,
    /// Bytes of a batch being decoded.
    batch: usize,
    gauge: Arc<Gauge>,
}

/// A window in memory.
struct Loaded {
    /// One table a block, and the position of its first row in the window.
    pieces: Vec<(Jets, u64)>,
    /// Blocks of the pieces.
    blocks: Vec<usize>,
    /// Rows of the window still to come, by position in the window.
    order: VecDeque<usize>,
    /// What went wrong behind the last row of `order`.
    failure: Option<DataError>,
    bytes: usize,
}

impl Producer {
    /// The next chunk and the position behind it.
    fn chunk(&mut self) -> Option<Result<(Jets, u64), DataError>> {
        loop {
            let Some(window) = &mut self.window else {
                match self.load()? {
                    Ok(()) => continue,
                    Err(error) => return Some(Err(error)),
                }
            };
            let mut jets = Jets::default();
            // One jet more than fits would break the bound, so the next one is weighed first.
            while let Some(&at) = window.order.front() {
                if let Some((piece, b)) = find(window, &self.blocks, &self.inner, at) {
                    let bytes = piece.constituent_bytes() * piece.range(b).len() + 17;
                    if !jets.is_empty() && jets.bytes() + bytes > self.chunk {
                        break;
                    }
                    jets.append_jet(piece, b);
                }
                window.order.pop_front();
                self.position += 1;
            }
            let drained = window.order.is_empty();
            let failure = if drained { window.failure.take() } else { None };
            if drained && failure.is_none() {
                self.gauge.sub(window.bytes);
                self.window = None;
            }
            if !jets.is_empty() {
                if let (Some(failure), Some(window)) = (failure, &mut self.window) {
                    window.failure = Some(failure);
                }
                self.gauge.add(jets.bytes());
                return Some(Ok((jets, self.position)));
            }
            if let Some(failure) = failure {
                return Some(Err(failure));
            }
        }
    }

    /// Decodes the next window that holds rows still wanted.
    fn load(&mut self) -> Option<Result<(), DataError>> {
        let window = loop {
            let window = self.windows.windows().get(self.next)?;
            self.next += 1;
            if window.positions.end + self.base > self.position {
                break window;
            }
        };
        let mut order: VecDeque<usize> = if self.shuffled {
            self.windows.order(window).into()
        } else {
            (0..(window.positions.end - window.positions.start) as usize).collect()
        };
        order.drain(..(self.position - window.positions.start - self.base) as usize);
        let (inner, blocks, batch, gauge) = (&self.inner, &self.blocks, self.batch, &self.gauge);
        let read: Vec<Result<Jets, DataError>> = inner.on_readers(|| {
            window
                .blocks
                .par_iter()
                .map(|&block| inner.read_block(&blocks[block], batch, gauge))
                .collect()
        });
        let mut loaded = Loaded {
            pieces: Vec::new(),
            blocks: window.blocks.clone(),
            order,
            failure: None,
            bytes: 0,
        };
        let mut start = 0;
        for (result, &block) in read.into_iter().zip(&window.blocks) {
            match result {
                Ok(jets) => {
                    loaded.bytes += jets.bytes();
                    loaded.pieces.push((jets, start));
                    start += self.blocks[block].rows;
                }
                // Shuffled, the rows of the broken block are everywhere; in file order, those before it still count.
                Err(error) if self.shuffled => return Some(Err(error)),
                Err(error) => {
                    loaded.order.retain(|&at| (at as u64) < start);
                    loaded.failure = Some(error);
                    break;
                }
            }
        }
        self.window = Some(loaded);
        Some(Ok(()))
    }
}

/// The table and the place of the jet at position `at` of a window; `None` for an empty jet that was left out.
fn find<'a>(window: &'a Loaded, blocks: &[Block], inner: &Inner, at: usize) -> Option<(&'a Jets, usize)> {
    let at = at as u64;
    let index = window
        .pieces
        .partition_point(|(_, start)| *start <= at)
        .checked_sub(1)?;
    let (piece, start) = &window.pieces[index];
    let block = &blocks[window.blocks[index]];
    let offset = at - start;
    if piece.len() as u64 == block.rows {
        return Some((piece, offset as usize));
    }
    let mut before = 0;
    let row = block.ranges.iter().find_map(|range| {
        let length = range.end - range.start;
        before += length;
        (offset < before).then(|| range.start + offset - (before - length))
    })?;
    let row = row + inner.files[block.file].first_row;
    piece.rows.binary_search(&row).ok().map(|b| (piece, b))
}

#[cfg(test)]
mod tests;
