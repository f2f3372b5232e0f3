//! One stage of a CNN-2D: a convolution that keeps the size of its picture, a pooling, and what ends a layer.

use super::{NAME, Pooling};
use crate::error::TaggerError;
use std::sync::Arc;
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::layers::{BatchNorm, Convolution, Dropout, PRelu, Part, PartMut, Parts, Pass};
use tagwerk_nn::ops::{Activation, SparseMatrix, Window, activate, dense_max_pool, sparse_product};
use tagwerk_nn::{Device, Tensor};

/// What ends a layer: normalization and slopes, where there are any, and dropout.
#[derive(Debug)]
pub(super) struct Ending {
    normalization: Option<(BatchNorm, PRelu)>,
    dropout: Dropout,
}

impl Ending {
    /// With slopes for so many pixels, if it is to be `normalized`.
    pub(super) fn new(
        name: &str,
        normalized: bool,
        pixels: usize,
        c: usize,
        dropout: f64,
        device: &Device,
    ) -> Result<Self, TaggerError> {
        Ok(Self {
            normalization: normalized.then(|| {
                let slopes = PRelu::new(&format!("{name}.prelu"), pixels, c, device);
                (BatchNorm::new(&format!("{name}.norm"), c, device), slopes)
            }),
            dropout: Dropout::new(name, dropout)?,
        })
    }

    /// # Shapes
    /// - `x`: `[R, C]`, each row of `places` in turn; returns `[R, C]`
    pub(super) fn forward(&mut self, mut x: Tensor<2>, places: usize, pass: &Pass) -> Tensor<2> {
        if let Some((norm, slopes)) = &mut self.normalization {
            let [rows, _] = x.dims();
            let places = Arc::new((0..rows).map(|row| (row % places.max(1)) as u32).collect());
            x = slopes.forward_at(norm.forward(x, pass), &places, pass);
        }
        self.dropout.forward(x, pass)
    }
}

impl Parts for Ending {
    fn parts(&self) -> Vec<Part<'_>> {
        let layers = self.normalization.iter();
        layers
            .flat_map(|(norm, slopes)| [norm.parts(), slopes.parts()])
            .flatten()
            .collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let layers = self.normalization.iter_mut();
        layers
            .flat_map(|(norm, slopes)| [norm.parts_mut(), slopes.parts_mut()])
            .flatten()
            .collect()
    }
}

/// A convolution and what follows it.
#[derive(Debug)]
pub(super) struct Stage {
    convolution: Convolution,
    pooling: Pooling,
    ending: Ending,
    workspace: Workspace,
}

/// The mean of each `window` x `window` pixels of pictures of which the first `skip` rows and columns are left out:
/// `[B H W, B H' W']` with `H = (H' - skip) / window`. A window of 1 only leaves out.
fn mean_of(pictures: usize, [h, w]: [usize; 2], skip: usize, window: usize) -> Option<SparseMatrix> {
    let (mut offsets, mut from) = (vec![0], Vec::new());
    for b in 0..pictures {
        for y in (skip..=h.saturating_sub(window)).step_by(window) {
            for x in (skip..=w.saturating_sub(window)).step_by(window) {
                let inside = (y..y + window).flat_map(|y| (x..x + window).map(move |x| (y, x)));
                from.extend(inside.map(|(y, x)| ((b * h + y) * w + x) as u32));
                offsets.push(from.len());
            }
        }
    }
    let share = 1.0 / (window * window) as f32;
    let values = (window > 1).then(|| vec![share; from.len()]);
    SparseMatrix::new(&offsets, from, values, pictures * h * w)
}

impl Stage {
    pub(super) fn new(convolution: Convolution, pooling: Pooling, ending: Ending) -> Self {
        Self {
            convolution,
            pooling,
            ending,
            workspace: Workspace::default(),
        }
    }

    /// # Shapes
    /// - `x`: `[B H W, C]`; returns `[B H' W', C']`, and `H' W'`
    pub(super) fn forward(
        &mut self,
        x: Tensor<2>,
        pictures: usize,
        pass: &Pass,
    ) -> Result<(Tensor<2>, usize), TaggerError> {
        let spec = self.convolution.spec();
        let ([h, w], out) = (spec.window.input, spec.output());
        let (skip, activated) = (out[0] - h, spec.relu);
        let mut x = self.convolution.forward_dense(x, pass);
        let window = if self.pooling == Pooling::Average { 2 } else { 1 };
        if skip > 0 || window > 1 {
            let matrix = mean_of(pictures, out, skip, window).ok_or_else(|| TaggerError::View {
                tagger: NAME,
                expected: "batches of fewer than 2^32 pixels",
                found: format!("{pictures} pictures of {h} x {w}"),
            })?;
            x = sparse_product(&Arc::new(matrix), x);
        }
        if self.pooling == Pooling::Max {
            let halves = Window {
                input: [h, w],
                size: [2; 2],
                stride: [2; 2],
                padding: [0; 2],
            };
            x = dense_max_pool(x, halves, &self.workspace);
        }
        if !activated && self.ending.normalization.is_none() {
            x = activate(x, Activation::Relu);
        }
        let [rows, _] = x.dims();
        let pixels = rows / pictures.max(1);
        Ok((self.ending.forward(x, pixels, pass), pixels))
    }
}

impl Parts for Stage {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.convolution.parts();
        parts.extend(self.ending.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = self.convolution.parts_mut();
        parts.extend(self.ending.parts_mut());
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_the_first_row_and_column_and_the_rest_is_averaged() {
        // 3 x 3 pixels numbered from 0; without the first row and column 4, 5, 7, 8 are left.
        let four: Vec<_> = mean_of(1, [3, 3], 1, 2).unwrap().iter().collect();
        assert_eq!(four, [4, 5, 7, 8].map(|from| (0, from, 0.25)));
        let kept: Vec<_> = mean_of(2, [2, 2], 1, 1).unwrap().iter().collect();
        assert_eq!(kept, [(0, 3, 1.0), (1, 7, 1.0)]);
        // An odd row at the end belongs to no window.
        assert_eq!(mean_of(1, [3, 2], 0, 2).unwrap().rows(), 1);
    }
}
