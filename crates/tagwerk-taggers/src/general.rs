//! Taggers whose network is built for examples of any shape: jets, grids, decay trees of an event.
//!
//! Benato et al., "Shared Data and Algorithms for Deep Learning in Fundamental Physics", arXiv:2107.00656: one
//! algorithm, unchanged, on many data sets. A file named after such a tagger has an `init` that takes sizes and nothing
//! of jets; [`General`] calls it with the sizes of an [`Input`]. The output is one number an example: the log-odds of
//! signal, or the value of a regression.

use crate::error::TaggerError;
use crate::graph::Graph;
use crate::network::{Network, Objective, describe};
use crate::tagger::Tagger;
use tagwerk_nn::layers::{Part, PartMut, Parts, Pass};
use tagwerk_nn::{Device, Segments, Tensor, TensorData};
use tagwerk_physics::View;
use tagwerk_train::Examples;

/// What a network is built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Axes of one example: `[F]` numbers, `[N, F]` rows of `F` features, `[H, W]` pixels, `[C, H, W]` pixels of `C`
    /// channels. Of jets `[N, F]`, where any number of rows up to `N` may be there.
    pub shape: Vec<usize>,
    /// What connects the nodes, for networks on graphs. With [`Graph::Mothers`] the last column of the rows names the
    /// mother and is no feature.
    pub graph: Option<Graph>,
}

impl Input {
    /// Examples of this shape, unconnected.
    pub fn new(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            graph: None,
        }
    }

    /// The same, connected.
    pub fn with_graph(self, graph: Graph) -> Self {
        Self {
            graph: Some(graph),
            ..self
        }
    }

    /// Numbers an example.
    pub fn numbers(&self) -> usize {
        self.shape.iter().product()
    }

    /// Rows an example, `N`, and numbers a row: pixels are the rows of a picture, and of a vector its numbers.
    pub fn rows(&self) -> [usize; 2] {
        match (&self.graph, &self.shape[..]) {
            (Some(Graph::Grid { height, width }), _) => {
                let pixels = height * width;
                [pixels, self.numbers().checked_div(pixels).unwrap_or(0)]
            }
            (_, &[n, f]) => [n, f],
            (_, &[c, h, w]) => [h * w, c],
            _ => [self.numbers(), 1],
        }
    }

    /// Nodes an example, features a node, and the graph.
    ///
    /// # Errors
    /// There is no graph.
    pub fn nodes(&self, tagger: &'static str) -> Result<([usize; 2], Graph), TaggerError> {
        let graph = self.graph.clone().ok_or_else(|| TaggerError::View {
            tagger,
            expected: "nodes with a graph",
            found: format!("arrays of shape {:?} without one", self.shape),
        })?;
        let [n, width] = self.rows();
        Ok(([n, width.saturating_sub(graph.extra_columns())], graph))
    }

    /// Channels, height and width of a picture.
    ///
    /// # Errors
    /// A shape of one axis, or of more than three.
    pub fn picture(&self, tagger: &'static str) -> Result<[usize; 3], TaggerError> {
        match self.shape[..] {
            [h, w] => Ok([1, h, w]),
            [c, h, w] => Ok([c, h, w]),
            _ => Err(TaggerError::View {
                tagger,
                expected: "pictures, [H, W] or [C, H, W]",
                found: format!("arrays of shape {:?}", self.shape),
            }),
        }
    }
}

/// A tagger whose network is built for examples of any shape.
pub trait General: Tagger {
    /// A fresh network for the given examples; its output is `[B, 1]`.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses; examples of a shape that the network does not read.
    fn network(&self, input: &Input, seed: u64, device: &Device) -> Result<Box<dyn Network>, TaggerError>;

    /// Whether it wants every number of an example, padding included. Default: no.
    fn reads_vectors(&self) -> bool {
        false
    }

    /// Whether it makes something of a particle's identity itself, in place of one-hot classes. Default: no.
    fn reads_identities(&self) -> bool {
        false
    }
}

impl Parts for Box<dyn Network> {
    fn parts(&self) -> Vec<Part<'_>> {
        (**self).parts()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        (**self).parts_mut()
    }
}

impl Network for Box<dyn Network> {
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), TaggerError> {
        (**self).prepare(train)
    }

    fn objective(&self) -> Objective {
        (**self).objective()
    }

    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        (**self).forward(view, pass, device)
    }
}

/// The rows of a batch of examples, on the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows {
    /// Features a row, `F`.
    pub(crate) width: usize,
    /// `[R, F]`.
    pub(crate) values: Vec<f32>,
    /// Whose rows they are.
    pub(crate) segments: Segments,
    /// Rows of each example that are there, `[B]`; others, at its end, are padding.
    pub(crate) real: Vec<usize>,
}

impl Rows {
    /// Reads a view as examples of `n` rows of `width` numbers. Of a jagged view an example may have fewer.
    ///
    /// Pictures `[C, H, W]` of several channels become rows of pixels.
    ///
    /// # Errors
    /// A view of another size.
    pub(crate) fn of(tagger: &'static str, view: &View, n: usize, width: usize) -> Result<Self, TaggerError> {
        let size = n * width;
        match view {
            View::Jagged(v) if v.width == width && v.offsets.windows(2).all(|o| o[1] - o[0] <= n) => {
                let segments = Segments::new(v.offsets.clone())?;
                let real = v.offsets.windows(2).map(|o| o[1] - o[0]).collect();
                let values = v.rows.clone();
                Ok(Self {
                    width,
                    values,
                    segments,
                    real,
                })
            }
            View::Dense(v) if size > 0 && v.jet_size() == size => {
                let examples = v.values.len() / size;
                let values = match v.shape[..] {
                    [c, h, w] if c == width && c > 1 && h * w == n => pixel_by_pixel(&v.values, c, n),
                    _ => v.values.clone(),
                };
                Ok(Self {
                    width,
                    values,
                    segments: Segments::new((0..=examples).map(|b| b * n).collect())?,
                    real: vec![n; examples],
                })
            }
            other => Err(TaggerError::View {
                tagger,
                expected: "examples of the size that it was built for",
                found: describe(other),
            }),
        }
    }

    /// The same with every example filled up to `n` rows by zeros.
    pub(crate) fn padded(self, n: usize) -> Result<Self, TaggerError> {
        let examples = self.segments.len();
        let mut values = vec![0.0; examples * n * self.width];
        for (b, target) in values.chunks_exact_mut((n * self.width).max(1)).enumerate() {
            let start = self.segments.offsets()[b] * self.width;
            let length = self.real[b] * self.width;
            target[..length].copy_from_slice(&self.values[start..start + length]);
        }
        Ok(Self {
            values,
            segments: Segments::new((0..=examples).map(|b| b * n).collect())?,
            ..self
        })
    }

    /// The number of each row within its example, `[R]`.
    pub(crate) fn places(&self) -> Vec<u32> {
        let lengths = self.segments.offsets().windows(2).map(|o| (o[1] - o[0]) as u32);
        lengths.flat_map(|n| 0..n).collect()
    }

    /// Takes one column out of the rows: the rest, and the column `[R]`.
    pub(crate) fn without_column(mut self, column: usize) -> (Self, Vec<f32>) {
        let taken = self.values.chunks_exact(self.width).map(|row| row[column]).collect();
        let width = self.width;
        let mut at = 0;
        self.values.retain(|_| {
            at += 1;
            (at - 1) % width != column
        });
        self.width -= 1;
        (self, taken)
    }

    /// `[R, F]`.
    pub(crate) fn tensor(self, device: &Device) -> Tensor<2> {
        let shape = [self.segments.rows(), self.width];
        Tensor::from_data(TensorData::new(self.values, shape), device)
    }
}

/// Pictures `[B, C, P]` of `P` pixels as `[B, P, C]`.
fn pixel_by_pixel(pictures: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(pictures.len());
    for picture in pictures.chunks_exact(channels * pixels) {
        for pixel in 0..pixels {
            values.extend((0..channels).map(|c| picture[c * pixels + pixel]));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_physics::{DenseView, JaggedView};

    #[test]
    fn shapes_are_read_as_rows_and_pictures() {
        let jets = Input::new(&[100, 7]);
        assert_eq!((jets.numbers(), jets.rows()), (700, [100, 7]));
        let picture = Input::new(&[3, 20, 30]);
        assert_eq!((picture.rows(), picture.picture("x").unwrap()), ([600, 3], [3, 20, 30]));
        let grid = Graph::Grid { height: 20, width: 30 };
        assert_eq!(Input::new(&[20, 30]).with_graph(grid).rows(), [600, 1]);
        let event = Input::new(&[100, 191]).with_graph(Graph::Mothers);
        assert_eq!((event.numbers(), event.rows()), (19_100, [100, 191]));
        assert_eq!(event.nodes("x").unwrap(), ([100, 190], Graph::Mothers));
        assert!(Input::new(&[5]).picture("x").is_err() && Input::new(&[5]).nodes("x").is_err());
    }

    #[test]
    fn rows_keep_their_example_when_filled_up() {
        let view = View::from(JaggedView::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0, 2, 2, 3]).unwrap());
        let rows = Rows::of("x", &view, 2, 2).unwrap();
        assert_eq!((rows.real.clone(), rows.places()), (vec![2, 0, 1], vec![0, 1, 0]));
        let padded = rows.padded(3).unwrap();
        assert_eq!(padded.segments.offsets(), [0, 3, 6, 9]);
        let zeros = [0.0; 6];
        assert_eq!(
            padded.values,
            [
                &[1.0, 2.0, 3.0, 4.0, 0.0, 0.0][..],
                &zeros,
                &[5.0, 6.0, 0.0, 0.0, 0.0, 0.0]
            ]
            .concat()
        );
        assert_eq!(padded.real, [2, 0, 1]);
        assert!(
            Rows::of("x", &view, 1, 2).is_err(),
            "an example longer than the network"
        );
    }

    #[test]
    fn channels_of_a_picture_become_features_of_its_pixels() {
        let view = View::from(DenseView::new(vec![2, 1, 3], vec![1.0, 2.0, 3.0, 10.0, 20.0, 30.0]).unwrap());
        let rows = Rows::of("x", &view, 3, 2).unwrap();
        assert_eq!(rows.values, [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
        let (rest, taken) = rows.without_column(0);
        assert_eq!((rest.values, taken), (vec![10.0, 20.0, 30.0], vec![1.0, 2.0, 3.0]));
    }
}
