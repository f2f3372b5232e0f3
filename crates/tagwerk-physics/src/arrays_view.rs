//! Events that are arrays as networks read them: pixels, stations, particles, or the numbers of a table.
//!
//! Each data set of pd4ml (arXiv:2107.00656) has its published preprocessing, in a file of its own below; tables and
//! someone's own arrays have a plain one. What an event alone decides is done here, in f64. What must be taken from the
//! training events (means, standard deviations, the list of frequent identities) is only named here, as an
//! [`Encoding`]: a learner fits it on the training views, applies it to each batch, and keeps it with its weights. So
//! nothing is fitted on other events, a run can be scored anywhere, and the 19,100 numbers of a Belle event (most of
//! them zeros of a one-hot code) exist a batch at a time only.
//!
//! One view serves all networks: a dense one flattens it, a convolution takes it as a picture `[C, H, W]`, a graph
//! network as nodes `[N, F]` whose [`Connection`] is a fact of the data set.

mod airshower;
mod belle;

pub use belle::{BELLE_CLASSES, BELLE_PARTICLES};

use crate::{DenseView, PhysicsError, View};
use rayon::prelude::*;
use tagwerk_data::{ArrayInfo, ArraySet, Arrays, NamedArray};

/// What joins the rows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Each pixel and the eight around it, fewer at the border.
    Grid {
        /// Rows of pixels.
        height: usize,
        /// Pixels a row.
        width: usize,
    },
    /// Each particle and its mother, whose row is the last number of a particle; -1 for none.
    Mothers,
}

/// What is fitted on the training events and applied to every batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Nothing: the view is what the network sees.
    None,
    /// Each of the `values` numbers of an event has its own mean subtracted and is divided by its own standard
    /// deviation (of the population; by 1 where it does not vary), as scikit-learn's `StandardScaler` does.
    Standardize {
        /// Numbers an event.
        values: usize,
    },
    /// `count` of the `values` numbers of an event, from `start` on, are divided by one standard deviation: that of
    /// those that are not zero.
    Scale {
        /// The first of them.
        start: usize,
        /// How many.
        count: usize,
        /// Numbers an event.
        values: usize,
    },
    /// The identity in one channel of the rows becomes `classes` channels in its place, of which that of its rank is 1.
    /// Ranks are by falling frequency in the training rows, equal frequencies by the smaller identity first; 0 has
    /// none, nor have rarer ones: they are all zeros.
    Classes {
        /// Channel of the identity.
        channel: usize,
        /// Channels of a row before.
        channels: usize,
        /// Identities that have a class.
        classes: usize,
    },
}

/// What events of a data set look like to a network, known before one is read.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayInput {
    /// The data set.
    pub set: ArraySet,
    /// Axes of one event as the network sees it, encoding applied: `[F]` numbers, `[H, W]` pixels, `[C, H, W]` pixels
    /// of `C` channels, `[N, F]` rows of `F` features.
    pub shape: Vec<usize>,
    /// What joins the rows.
    pub connection: Option<Connection>,
    /// What is fitted on the training events.
    pub encoding: Encoding,
    /// Last number of a row of padding, where events have different numbers of rows and a network wants all.
    pub padding: Option<f32>,
    /// Bytes of one event's view in memory at most, before the encoding.
    pub view_bytes: u64,
}

impl ArrayInput {
    /// Of a data set whose events have these arrays.
    pub fn new(set: ArraySet, arrays: &[ArrayInfo]) -> Self {
        match set {
            ArraySet::Belle => belle::input(),
            ArraySet::Airshower => airshower::input(),
            _ => {
                let shape = match arrays {
                    [only] => only.shape.clone(),
                    all => vec![all.iter().map(|array| array.shape.iter().product::<usize>()).sum()],
                };
                // Images of one channel are [H, W]; of several, the network wants channels first.
                let shape = match shape[..] {
                    [h, w, 1] => vec![h, w],
                    [h, w, c] => vec![c, h, w],
                    _ => shape,
                };
                let connection = match shape[..] {
                    [height, width] | [_, height, width] => Some(Connection::Grid { height, width }),
                    _ => None,
                };
                let values = shape.iter().product();
                let encoding = match set {
                    ArraySet::Spinodal | ArraySet::JetImages => Encoding::None,
                    _ => Encoding::Standardize { values },
                };
                Self {
                    set,
                    shape,
                    connection,
                    encoding,
                    padding: None,
                    view_bytes: 4 * values as u64,
                }
            }
        }
    }

    /// The same with identities as they are, for networks that make something of them themselves; nothing changes where
    /// there are none.
    pub fn with_identities(self) -> Self {
        match (self.encoding, &self.shape[..]) {
            (Encoding::Classes { channels, .. }, &[rows, _]) => Self {
                shape: vec![rows, channels],
                encoding: Encoding::None,
                ..self
            },
            _ => self,
        }
    }

    /// Numbers an event at most.
    pub fn numbers(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The view of events, as [`ArrayInput`] of the same data set announces it, before its encoding: dense `[B, shape..]`,
/// or jagged rows where events have different numbers of particles.
///
/// # Errors
/// [`PhysicsError::Particle`] for a Belle event with impossible identities or mothers; arrays that are missing.
pub fn arrays_view(arrays: &Arrays) -> Result<View, PhysicsError> {
    let infos: Vec<ArrayInfo> = arrays
        .arrays()
        .iter()
        .map(|array| ArrayInfo {
            name: array.name.clone(),
            shape: array.shape.clone(),
        })
        .collect();
    let input = ArrayInput::new(arrays.set(), &infos);
    let values = match (arrays.set(), arrays.arrays()) {
        (ArraySet::Belle, _) => return belle::view(arrays),
        (ArraySet::Airshower, _) => airshower::values(arrays)?,
        (ArraySet::JetImages, [image]) => unit_sum(image),
        (_, [only]) => match only.shape[..] {
            [h, w, c] => channels_first(&only.values, h * w, c),
            _ => only.values.clone(),
        },
        (_, all) => joined(all, arrays.len()),
    };
    Ok(DenseView::new(input.shape, values)?.into())
}

/// The `index`-th array, or how many there should be.
fn array(arrays: &Arrays, index: usize) -> Result<&NamedArray, PhysicsError> {
    arrays.arrays().get(index).ok_or(PhysicsError::ColumnLength {
        column: "arrays",
        expected: index + 1,
        found: arrays.arrays().len(),
    })
}

/// `[B, P, C]` as `[B, C, P]`.
fn channels_first(values: &[f32], pixels: usize, channels: usize) -> Vec<f32> {
    let size = (pixels * channels).max(1);
    let mut out = vec![0.0; values.len()];
    let events = out.par_chunks_exact_mut(size).zip(values.par_chunks_exact(size));
    events.for_each(|(out, event)| {
        for (pixel, row) in event.chunks_exact(channels).enumerate() {
            for (channel, value) in row.iter().enumerate() {
                out[channel * pixels + pixel] = *value;
            }
        }
    });
    out
}

/// Images divided by their sums. An image without positive sum stays as it is.
fn unit_sum(image: &NamedArray) -> Vec<f32> {
    let mut values = image.values.clone();
    values
        .par_chunks_exact_mut(image.event_size().max(1))
        .for_each(|image| {
            let sum: f64 = image.iter().map(|&v| f64::from(v)).sum();
            if sum > 0.0 {
                image.iter_mut().for_each(|v| *v = (f64::from(*v) / sum) as f32);
            }
        });
    values
}

/// The arrays of each event one after the other.
fn joined(arrays: &[NamedArray], events: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(arrays.iter().map(|array| array.values.len()).sum());
    for b in 0..events {
        for array in arrays {
            values.extend_from_slice(array.event(b));
        }
    }
    values
}

#[cfg(test)]
mod tests;
