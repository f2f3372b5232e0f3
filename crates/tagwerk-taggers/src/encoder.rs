//! What is fitted on training events that are arrays, and applied to every batch: the working side of
//! [`tagwerk_physics::Encoding`].
//!
//! Sums run in f64 over the training views in stored order, twice (means, then squares about them), so the same bits
//! come out on any number of threads. What is fitted is a part of the network and lies in its weight files.

use crate::error::TaggerError;
use crate::network::describe;
use std::borrow::Cow;
use std::collections::HashMap;
use tagwerk_nn::layers::{Codebook, Part, PartMut, Parts, Standardize};
use tagwerk_physics::{ArrayInput, DenseView, Encoding, JaggedView, View};
use tagwerk_train::{Batches, Examples, Order, Reading};

/// Name of its parts in weight files.
const NAME: &str = "events";

/// Events looked at at once while fitting.
const BATCH: usize = 1024;

/// Changes views into what a network sees.
#[derive(Debug)]
pub(crate) struct Encoder {
    tagger: &'static str,
    fitted: Fitted,
    /// Rows, and the last number of one of padding, where events of different lengths are to be made equal.
    filled: Option<(usize, f32)>,
}

#[derive(Debug)]
enum Fitted {
    Nothing,
    /// Every number of an event.
    Each(Standardize),
    /// `count` of the `values` numbers of an event from `start` on.
    Run {
        scale: Standardize,
        start: usize,
        count: usize,
        values: usize,
    },
    Classes {
        book: Codebook,
        channel: usize,
        channels: usize,
    },
}

impl Encoder {
    /// For a tagger on such events; `vectors` makes all events one length, for networks that want every number.
    pub(crate) fn new(tagger: &'static str, input: &ArrayInput, vectors: bool) -> Self {
        let fitted = match input.encoding {
            Encoding::None => Fitted::Nothing,
            Encoding::Standardize { values } => Fitted::Each(Standardize::new(NAME, values)),
            Encoding::Scale { start, count, values } => Fitted::Run {
                scale: Standardize::new(NAME, 1),
                start,
                count,
                values,
            },
            Encoding::Classes {
                channel,
                channels,
                classes,
            } => Fitted::Classes {
                book: Codebook::new(NAME, classes),
                channel,
                channels,
            },
        };
        let rows = input.shape.first().copied().unwrap_or(0);
        Self {
            tagger,
            fitted,
            filled: input.padding.filter(|_| vectors).map(|padding| (rows, padding)),
        }
    }

    /// Fits on the training events.
    ///
    /// # Errors
    /// Events that cannot be read or have another shape.
    pub(crate) fn fit(&mut self, train: &dyn Examples) -> Result<(), TaggerError> {
        let tagger = self.tagger;
        match &mut self.fitted {
            Fitted::Nothing => Ok(()),
            Fitted::Each(layer) => {
                let size = layer.values()[0].len();
                let (center, scale) = moments(train, size, |view, add| {
                    for event in dense(tagger, view, size)?.values.chunks_exact(size) {
                        event.iter().enumerate().for_each(|(i, &value)| add(i, value));
                    }
                    Ok(())
                })?;
                Ok(layer.fit(center, scale)?)
            }
            Fitted::Run {
                scale,
                start,
                count,
                values,
            } => {
                let (start, count, size) = (*start, *count, *values);
                let (_, found) = moments(train, 1, |view, add| {
                    for event in dense(tagger, view, size)?.values.chunks_exact(size) {
                        let own = event[start..start + count].iter().filter(|&&value| value != 0.0);
                        own.for_each(|&value| add(0, value));
                    }
                    Ok(())
                })?;
                Ok(scale.fit(vec![0.0], found)?)
            }
            Fitted::Classes {
                book,
                channel,
                channels,
            } => {
                let mut counts: HashMap<u32, u64> = HashMap::new();
                for batch in train.batches(Order::STORED, BATCH, 0) {
                    let batch = batch?;
                    let rows = jagged(tagger, &batch.view, *channels)?;
                    for row in rows.rows.chunks_exact(*channels) {
                        // Views hold identities as whole numbers from 0 on.
                        *counts.entry(row[*channel] as u32).or_default() += 1;
                    }
                }
                counts.remove(&0);
                let mut ranked: Vec<(u32, u64)> = counts.into_iter().collect();
                ranked.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
                let codes: Vec<f32> = ranked
                    .iter()
                    .take(book.classes())
                    .map(|&(code, _)| code as f32)
                    .collect();
                Ok(book.fit(&codes)?)
            }
        }
    }

    /// What the network sees of a view.
    ///
    /// # Errors
    /// A view of another shape.
    pub(crate) fn apply<'v>(&self, view: &'v View) -> Result<Cow<'v, View>, TaggerError> {
        let encoded = match &self.fitted {
            Fitted::Nothing => Cow::Borrowed(view),
            Fitted::Each(layer) => {
                let mut own = dense(self.tagger, view, layer.values()[0].len())?.clone();
                layer.apply(&mut own.values);
                Cow::Owned(View::Dense(own))
            }
            Fitted::Run {
                scale,
                start,
                count,
                values,
            } => {
                let mut own = dense(self.tagger, view, *values)?.clone();
                for event in own.values.chunks_exact_mut(*values) {
                    scale.apply(&mut event[*start..*start + *count]);
                }
                Cow::Owned(View::Dense(own))
            }
            Fitted::Classes {
                book,
                channel,
                channels,
            } => {
                let rows = jagged(self.tagger, view, *channels)?;
                Cow::Owned(View::Jagged(JaggedView {
                    width: channels - 1 + book.classes(),
                    rows: book.apply(&rows.rows, *channels, *channel),
                    offsets: rows.offsets.clone(),
                }))
            }
        };
        match (self.filled, encoded.as_ref()) {
            (Some((rows, padding)), View::Jagged(view)) => Ok(Cow::Owned(filled(view, rows, padding))),
            _ => Ok(encoded),
        }
    }
}

/// Rows filled up to `rows`, with zeros and `padding` as the last number; what is longer is cut off.
fn filled(view: &JaggedView, rows: usize, padding: f32) -> View {
    let width = view.width;
    let mut values = vec![0.0; view.len() * rows * width];
    for (b, event) in values.chunks_exact_mut((rows * width).max(1)).enumerate() {
        let own = view.jet(b);
        let length = own.len().min(event.len());
        event[..length].copy_from_slice(&own[..length]);
        for row in event[length..].chunks_exact_mut(width) {
            row[width - 1] = padding;
        }
    }
    View::Dense(DenseView {
        shape: vec![rows, width],
        values,
    })
}

/// Mean and population standard deviation of each of `size` numbers, 1 for one that does not vary. `visit` adds the
/// values of a view.
fn moments(
    train: &dyn Examples,
    size: usize,
    visit: impl Fn(&View, &mut dyn FnMut(usize, f32)) -> Result<(), TaggerError>,
) -> Result<(Vec<f32>, Vec<f32>), TaggerError> {
    let (mut counts, mut means, mut squares) = (vec![0u64; size], vec![0.0f64; size], vec![0.0f64; size]);
    for batch in train.batches(Order::STORED, BATCH, 0) {
        visit(&batch?.view, &mut |i, value| {
            counts[i] += 1;
            means[i] += f64::from(value);
        })?;
    }
    for (mean, &count) in means.iter_mut().zip(&counts) {
        *mean /= count.max(1) as f64;
    }
    for batch in train.batches(Order::STORED, BATCH, 0) {
        visit(&batch?.view, &mut |i, value| {
            squares[i] += (f64::from(value) - means[i]).powi(2)
        })?;
    }
    let deviation = |(square, &count): (&f64, &u64)| (square / count.max(1) as f64).sqrt() as f32;
    let scales = squares.iter().zip(&counts).map(deviation);
    Ok((
        means.iter().map(|&mean| mean as f32).collect(),
        scales.map(|scale| if scale > 0.0 { scale } else { 1.0 }).collect(),
    ))
}

fn dense<'v>(tagger: &'static str, view: &'v View, size: usize) -> Result<&'v DenseView, TaggerError> {
    match view {
        View::Dense(dense) if dense.jet_size() == size && size > 0 => Ok(dense),
        other => Err(wrong(tagger, other)),
    }
}

fn jagged<'v>(tagger: &'static str, view: &'v View, channels: usize) -> Result<&'v JaggedView, TaggerError> {
    match view {
        View::Jagged(jagged) if jagged.width == channels => Ok(jagged),
        other => Err(wrong(tagger, other)),
    }
}

fn wrong(tagger: &'static str, view: &View) -> TaggerError {
    TaggerError::View {
        tagger,
        expected: "events of the data set that it was built for",
        found: describe(view),
    }
}

impl Parts for Encoder {
    fn parts(&self) -> Vec<Part<'_>> {
        match &self.fitted {
            Fitted::Nothing => Vec::new(),
            Fitted::Each(layer) | Fitted::Run { scale: layer, .. } => layer.parts(),
            Fitted::Classes { book, .. } => book.parts(),
        }
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        match &mut self.fitted {
            Fitted::Nothing => Vec::new(),
            Fitted::Each(layer) | Fitted::Run { scale: layer, .. } => layer.parts_mut(),
            Fitted::Classes { book, .. } => book.parts_mut(),
        }
    }
}

/// Examples as the network sees them, for networks that are prepared on them themselves.
pub(crate) struct Encoded<'e> {
    pub(crate) examples: &'e dyn Examples,
    pub(crate) encoder: &'e Encoder,
}

impl Examples for Encoded<'_> {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn task(&self) -> tagwerk_data::Task {
        self.examples.task()
    }

    fn reading(&self) -> Reading {
        self.examples.reading()
    }

    fn batches(&self, order: Order, batch_size: usize, skip_batches: u64) -> Batches<'_> {
        let batches = self.examples.batches(order, batch_size, skip_batches);
        Box::new(batches.map(move |batch| {
            let mut batch = batch?;
            let row = batch.rows.first().copied().unwrap_or_default();
            let view = self.encoder.apply(&batch.view).map(Cow::into_owned);
            batch.view = view.map_err(|e| tagwerk_train::TrainError::View {
                row,
                source: Box::new(e),
            })?;
            Ok(batch)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_data::{ArrayInfo, ArraySet};
    use tagwerk_train::InMemory;

    fn input(set: ArraySet) -> ArrayInput {
        let arrays = set.arrays().unwrap().arrays.iter().filter(|array| array.per_event);
        let arrays: Vec<ArrayInfo> = arrays
            .map(|array| ArrayInfo {
                name: array.name.into(),
                shape: array.shape.to_vec(),
            })
            .collect();
        ArrayInput::new(set, &arrays)
    }

    fn examples(view: View) -> InMemory {
        let events = view.len();
        let labels = (0..events).map(|b| (b % 2) as f32).collect();
        InMemory::new(view, labels, (0..events as u64).collect()).unwrap()
    }

    /// The numbers of tests/reference/physics_arrays.py.
    fn number(i: usize, period: usize) -> f32 {
        ((i * 7919 + 13) % period) as f32
    }

    #[test]
    fn every_number_is_standardized_as_scikit_learn_does() {
        let mut values: Vec<f32> = (0..35).map(|i| number(i, 23)).collect();
        values.iter_mut().skip(4).step_by(5).for_each(|v| *v = 2.5);
        let view: View = DenseView::new(vec![5], values).unwrap().into();
        let five = ArrayInput {
            shape: vec![5],
            encoding: Encoding::Standardize { values: 5 },
            ..input(ArraySet::Magic)
        };
        let mut encoder = Encoder::new("x", &five, true);
        assert_eq!(encoder.apply(&view).unwrap().as_ref(), &view, "nothing before the fit");
        encoder.fit(&examples(view.clone())).unwrap();
        let View::Dense(out) = encoder.apply(&view).unwrap().into_owned() else {
            panic!()
        };
        // tests/reference/physics_arrays.py: STANDARDIZED_ROW_3.
        let expected = [-1.137_276_8, -0.439_392_4, 1.137_276_8, -1.137_276_8, 0.0];
        for (found, expected) in out.jet(3).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn only_times_that_are_not_zero_are_scaled_by_one_deviation() {
        let size = 81 * 81;
        let mut values = vec![3.0; 2 * size];
        values[6480..size].fill(0.0);
        values[size + 6480..].fill(0.0);
        (values[6480], values[6481], values[size + 6490]) = (1.0, -2.0, 4.0);
        let view: View = DenseView::new(vec![81, 9, 9], values).unwrap().into();
        let mut encoder = Encoder::new("x", &input(ArraySet::Airshower), false);
        encoder.fit(&examples(view.clone())).unwrap();
        let View::Dense(out) = encoder.apply(&view).unwrap().into_owned() else {
            panic!()
        };
        // Population deviation of 1, -2, 4 is sqrt(6).
        assert!(
            (out.values[6480] - 1.0 / 6f32.sqrt()).abs() < 1e-6,
            "{}",
            out.values[6480]
        );
        assert_eq!((out.values[0], out.values[6485]), (3.0, 0.0));
    }

    #[test]
    fn identities_are_ranked_by_their_frequency_in_training() {
        let rows: Vec<f32> = (0..40)
            .flat_map(|i| {
                let mut row = [0.25; 10];
                (row[8], row[9]) = ((number(i, 29) as usize % 9 * 3) as f32, if i == 0 { -1.0 } else { 0.0 });
                row
            })
            .collect();
        let view: View = JaggedView::new(10, rows, vec![0, 15, 15, 40]).unwrap().into();
        let mut encoder = Encoder::new("x", &input(ArraySet::Belle), true);
        encoder.fit(&examples(view.clone())).unwrap();
        let Fitted::Classes { book, .. } = &encoder.fitted else {
            panic!()
        };
        // tests/reference/physics_arrays.py: RANKED.
        assert_eq!(book.codes()[..9], [3.0, 12.0, 6.0, 9.0, 15.0, 18.0, 21.0, 24.0, -1.0]);
        // Padded to 100 rows of 191: kinematics, classes, mother.
        let View::Dense(out) = encoder.apply(&view).unwrap().into_owned() else {
            panic!()
        };
        assert_eq!((&out.shape[..], out.jet_size()), ([100, 191].as_slice(), 19_100));
        let row = &out.jet(0)[..191];
        let code = number(0, 29) as usize % 9 * 3;
        let place = book.codes().iter().position(|&c| c == code as f32);
        let ones: Vec<usize> = (8..190).filter(|&i| row[i] == 1.0).collect();
        assert_eq!(ones, place.map(|p| p + 8).into_iter().collect::<Vec<_>>());
        assert_eq!((row[7], row[190]), (0.25, -1.0));
        let padding = &out.jet(1)[..191];
        assert!(
            padding[..190].iter().all(|&v| v == 0.0) && padding[190] == -1.0,
            "an event of no particle"
        );
        // A graph network gets the particles that are there.
        let graph = Encoder::new("x", &input(ArraySet::Belle), false);
        assert!(matches!(graph.apply(&view).unwrap().as_ref(), View::Jagged(v) if v.width == 191 && v.len() == 3));
    }

    #[test]
    fn views_of_other_data_are_refused() {
        let view: View = DenseView::new(vec![3], vec![0.0; 6]).unwrap().into();
        for set in [ArraySet::Magic, ArraySet::Airshower, ArraySet::Belle] {
            let mut encoder = Encoder::new("fcn", &input(set), true);
            assert!(encoder.apply(&view).is_err() && encoder.fit(&examples(view.clone())).is_err());
        }
    }
}
