//! Jets of fewer than k + 1 constituents as codes see them that pad jets.
//!
//! There every constituent has k neighbors: where real ones are lacking, slots of the padding are taken, whose features
//! are zero, and the mean over neighbors counts them. Here short jets, and only they, get as many rows of zeros as the
//! search for neighbors needs. Longer jets have k real neighbors in both, so that nothing changes for them.

use crate::error::TaggerError;
use tagwerk_nn::{Device, Segments, Tensor, TensorData};
use tagwerk_physics::JaggedView;

/// How far from all real rows the rows of zeros are put, in every coordinate: they are neighbors only where real ones
/// are lacking.
const APART: f32 = 1e9;

/// A batch in which every jet that has a row has at least a given number of them.
pub(super) struct FilledJets {
    features: Tensor<2>,
    jets: Segments,
    /// 1 for real rows, 0 for added ones, `[R, 1]`.
    real: Tensor<2>,
    /// 0 for real rows, [`APART`] for added ones, `[R, 1]`.
    shift: Tensor<2>,
    /// Rows over real rows, `[B, 1]`.
    share: Tensor<2>,
}

impl FilledJets {
    /// Adds rows of zeros to jets of fewer than `least` rows, but for empty ones; `None` if there is no such jet.
    pub(super) fn new(view: &JaggedView, least: usize, device: &Device) -> Result<Option<Self>, TaggerError> {
        let lengths = || view.offsets.windows(2).map(|pair| pair[1] - pair[0]);
        if !lengths().any(|n| n > 0 && n < least) {
            return Ok(None);
        }
        let (mut features, mut real) = (Vec::new(), Vec::new());
        let (mut offsets, mut share) = (vec![0], Vec::new());
        for (b, n) in lengths().enumerate() {
            let rows = if n == 0 { 0 } else { n.max(least) };
            let start = view.offsets[b] * view.width;
            features.extend_from_slice(&view.rows[start..start + n * view.width]);
            features.resize(features.len() + (rows - n) * view.width, 0.0);
            real.resize(real.len() + n, 1.0f32);
            real.resize(real.len() + rows - n, 0.0);
            offsets.push(real.len());
            share.push(rows.max(1) as f32 / n.max(1) as f32);
        }
        let shift: Vec<f32> = real.iter().map(|&real| (1.0 - real) * APART).collect();
        let (rows, jets) = (real.len(), share.len());
        let column = |values: Vec<f32>, n| Tensor::from_data(TensorData::new(values, [n, 1]), device);
        Ok(Some(Self {
            features: Tensor::from_data(TensorData::new(features, [rows, view.width]), device),
            jets: Segments::new(offsets)?,
            real: column(real, rows),
            shift: column(shift, rows),
            share: column(share, jets),
        }))
    }

    /// The features, `[R, C]`.
    pub(super) fn features(&self) -> Tensor<2> {
        self.features.clone()
    }

    /// The jets of the rows, added ones included.
    pub(super) fn jets(&self) -> &Segments {
        &self.jets
    }

    /// `[R, C]` with zeros in the added rows.
    pub(super) fn zeroed(&self, x: Tensor<2>) -> Tensor<2> {
        x * self.real.clone()
    }

    /// Coordinates `[R, C]` with the added rows far away.
    pub(super) fn apart(&self, points: Tensor<2>) -> Tensor<2> {
        points + self.shift.clone()
    }

    /// A mean over all rows of a jet, `[B, C]`, as one over its real rows.
    pub(super) fn over_real(&self, mean: Tensor<2>) -> Tensor<2> {
        mean * self.share.clone()
    }
}
