//! Stand-ins for published data sets that can no longer be had: generated events of the same layout.
//!
//! The five files of pd4ml (arXiv:2107.00656) cannot be downloaded any more. For four of them a toy model makes events
//! of the same arrays, shapes, padding and rough ranges, with classes that differ as the physics says they should, so
//! that everything from the reader to the table can be run and algorithms compared. They are not the published events,
//! and nothing may be compared to published numbers: the archive says `stand-in` in its comment, the data set's name
//! does, and with it every table. (Top tagging has generated jets inside the program: `sample`.)
//!
//! An event is a function of (seed, number). The file is written in one pass an array, so memory holds a few hundred
//! events at a time, and the same seed gives the same file, byte for byte.

mod airshower;
mod belle;
mod decay;
mod eos;
mod spinodal;

use crate::array_set::ArraySet;
use crate::arrays::NamedArray;
use crate::atomic::AtomicFile;
use crate::error::DataError;
use rayon::prelude::*;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use zip::write::SimpleFileOptions;

/// Counts up when a toy model changes, so that events of two versions are told apart.
const RECIPE: u32 = 1;

/// Events that are generated at once.
const CHUNK: u64 = 512;

/// What generated events say of themselves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StandIn {
    /// The data set that they stand in for.
    pub set: ArraySet,
    /// Events.
    pub events: u64,
    /// Seed.
    pub seed: u64,
    /// Version of the toy model.
    pub recipe: u32,
}

/// How many events, from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandInOptions {
    /// Events, at least 20: 70 % for training (a fifth of which validate), the others for testing.
    pub events: u64,
    /// Seed.
    pub seed: u64,
}

/// One generated event: the values of each array, and the target.
struct Event {
    arrays: Vec<Vec<f32>>,
    target: f32,
}

const MARK: &str = "tagwerk stand-in";

impl StandIn {
    /// What stands in the archive's comment.
    fn comment(&self) -> String {
        let Self {
            set,
            events,
            seed,
            recipe,
        } = self;
        let name = set.name();
        format!(
            "{MARK}: generated events of a toy model, not the published data; set {name}; events {events}; seed {seed}; recipe {recipe}"
        )
    }

    /// Reads an archive's comment back; `None` if it is not of a stand-in.
    pub(crate) fn from_comment(comment: &str) -> Option<Self> {
        let rest = comment.strip_prefix(MARK)?;
        let field = |key: &str| {
            let fields = rest.split("; ").map(str::trim);
            fields
                .filter_map(|field| field.strip_prefix(key)?.strip_prefix(' '))
                .next()
        };
        Some(Self {
            set: ArraySet::find(field("set")?)?,
            events: field("events")?.parse().ok()?,
            seed: field("seed")?.parse().ok()?,
            recipe: field("recipe")?.parse().ok()?,
        })
    }

    /// In words, for listings.
    pub fn describe(&self) -> String {
        format!(
            "stand-in: {} events of a toy model, seed {}, recipe {}; not the published data",
            self.events, self.seed, self.recipe
        )
    }
}

/// Writes generated events of a data set to `path`, in the layout of the published file.
///
/// `progress` hears how much is done of how much, and stops the work by returning `false`.
///
/// # Errors
/// A data set without a toy model, fewer than 20 events, a disk that refuses, [`DataError::Cancelled`].
pub fn stand_in(
    set: ArraySet,
    path: &Path,
    options: StandInOptions,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<StandIn, DataError> {
    const LEAST: u64 = 20;
    let (Some(model), Some(entry)) = (model(set), set.arrays()) else {
        return Err(DataError::Argument {
            name: "data set of a stand-in",
            value: set.name().into(),
            allowed: "spinodal, eos, airshower, belle",
        });
    };
    if options.events < LEAST {
        return Err(DataError::Argument {
            name: "events",
            value: options.events.to_string(),
            allowed: "at least 20",
        });
    }
    let note = StandIn {
        set,
        events: options.events,
        seed: options.seed,
        recipe: RECIPE,
    };
    let train = options.events * 7 / 10;
    let fault = |e: &dyn std::fmt::Display| DataError::Arrays {
        name: path.display().to_string(),
        reason: format!("writing: {e}"),
    };
    let mut archive = zip::ZipWriter::new(AtomicFile::create(path)?);
    archive.set_comment(note.comment());
    let per_event = entry.arrays.iter().filter(|array| array.per_event).count() as u64;
    let (total, mut done) = (options.events * (per_event + 1), 0);
    for (part, range) in [("train", 0..train), ("test", train..options.events)] {
        let (mut fixed, mut nth) = (model.fixed.iter(), 0);
        for (i, array) in entry.arrays.iter().enumerate() {
            let name = format!("X_{part}_{i}");
            if !array.per_event {
                if let Some(make) = fixed.next() {
                    start(&mut archive, &name, array.shape).map_err(|e| fault(&e))?;
                    archive.write_all(&bytes(&make().values)).map_err(|e| fault(&e))?;
                }
                continue;
            }
            let shape: Vec<usize> = std::iter::once((range.end - range.start) as usize)
                .chain(array.shape.iter().copied())
                .collect();
            start(&mut archive, &name, &shape).map_err(|e| fault(&e))?;
            for chunk in chunks(&range) {
                let values = generate(&model, options.seed, &chunk, |mut event| {
                    std::mem::take(&mut event.arrays[nth])
                });
                archive.write_all(&bytes(&values.concat())).map_err(|e| fault(&e))?;
                done += chunk.end - chunk.start;
                if !progress(done, total) {
                    return Err(DataError::Cancelled);
                }
            }
            nth += 1;
        }
        start(
            &mut archive,
            &format!("y_{part}"),
            &[(range.end - range.start) as usize],
        )
        .map_err(|e| fault(&e))?;
        for chunk in chunks(&range) {
            let targets = generate(&model, options.seed, &chunk, |event| event.target);
            archive.write_all(&bytes(&targets)).map_err(|e| fault(&e))?;
            done += chunk.end - chunk.start;
            if !progress(done, total) {
                return Err(DataError::Cancelled);
            }
        }
    }
    archive.finish().map_err(|e| fault(&e))?.commit()?;
    Ok(note)
}

/// How events of a data set are made.
struct Model {
    /// The event of (seed, number).
    event: fn(u64, u64) -> Event,
    /// Arrays that are not per event, in order.
    fixed: &'static [fn() -> NamedArray],
}

fn model(set: ArraySet) -> Option<Model> {
    let fixed: &'static [fn() -> NamedArray] = match set {
        ArraySet::Airshower => &[airshower::stations],
        _ => &[],
    };
    let event = match set {
        ArraySet::Spinodal => spinodal::event as fn(u64, u64) -> Event,
        ArraySet::Eos => eos::event,
        ArraySet::Airshower => airshower::event,
        ArraySet::Belle => belle::event,
        _ => return None,
    };
    Some(Model { event, fixed })
}

fn chunks(range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let (start, end) = (range.start, range.end);
    (start..end)
        .step_by(CHUNK as usize)
        .map(move |from| from..(from + CHUNK).min(end))
}

/// Something of each event of a range, in order, made on all cores.
fn generate<T: Send>(model: &Model, seed: u64, range: &Range<u64>, take: impl Fn(Event) -> T + Sync) -> Vec<T> {
    range
        .clone()
        .into_par_iter()
        .map(|index| take((model.event)(seed, index)))
        .collect()
}

/// Begins a member of the archive: the header of an `.npy` of f32.
fn start(archive: &mut zip::ZipWriter<AtomicFile>, name: &str, shape: &[usize]) -> Result<(), std::io::Error> {
    let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if axes.len() == 1 { "," } else { "" };
    let mut text = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}",
        axes.join(", ")
    );
    // NumPy wants magic, length and text to end on a multiple of 64 bytes, with a line feed.
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let length = 10 + text.len() + 4 * shape.iter().product::<usize>();
    // Without a time the archive depends on nothing but its contents.
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .large_file(length as u64 > u64::from(u32::MAX) / 2);
    archive.start_file(format!("{name}.npy"), options)?;
    archive.write_all(b"\x93NUMPY\x01\x00")?;
    archive.write_all(&(text.len() as u16).to_le_bytes())?;
    archive.write_all(text.as_bytes())
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests;
