//! Which rows belong to which jet.

use crate::error::NnError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::sync::Arc;

/// Row offsets of the `B` jets of a batch: jet `b` owns rows `offsets[b] .. offsets[b + 1]`, possibly none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    offsets: Arc<Vec<usize>>,
}

impl Segments {
    /// Checks offsets `[B + 1]`: they start with 0 and do not fall.
    ///
    /// # Errors
    /// [`NnError::Offsets`] with the first place that breaks the rule.
    pub fn new(offsets: Vec<usize>) -> Result<Self, NnError> {
        if offsets.first() != Some(&0) {
            return Err(NnError::Offsets {
                at: 0,
                value: offsets.first().copied().unwrap_or(usize::MAX),
            });
        }
        if let Some(at) = (1..offsets.len()).find(|&i| offsets[i] < offsets[i - 1]) {
            return Err(NnError::Offsets { at, value: offsets[at] });
        }
        Ok(Self {
            offsets: Arc::new(offsets),
        })
    }

    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows, `R`.
    pub fn rows(&self) -> usize {
        // The constructor guarantees at least one offset.
        self.offsets[self.offsets.len() - 1]
    }

    /// The offsets, `[B + 1]`.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// The jet of each row, `[R]`, for backends that scatter by index.
    pub fn jet_of_row(&self, device: &Device) -> Tensor<1, Int> {
        let jets: Vec<i32> = (0..self.len())
            .flat_map(|b| std::iter::repeat_n(b as i32, self.offsets[b + 1] - self.offsets[b]))
            .collect();
        let rows = jets.len();
        Tensor::from_data(TensorData::new(jets, [rows]), device)
    }

    /// Rows of each jet, at least 1, as a column `[B, 1]` to divide by.
    pub fn row_counts(&self, device: &Device) -> Tensor<2> {
        let counts: Vec<f32> = self.offsets.windows(2).map(|w| (w[1] - w[0]).max(1) as f32).collect();
        let jets = counts.len();
        Tensor::from_data(TensorData::new(counts, [jets, 1]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_that_fall_are_refused_with_their_place() {
        let error = Segments::new(vec![0, 3, 2]).unwrap_err();
        assert!(error.to_string().contains("offset 2"), "{error}");
        assert!(Segments::new(vec![1, 2]).is_err());
        assert!(Segments::new(vec![]).is_err());
        assert_eq!(Segments::new(vec![0, 0, 5]).unwrap().rows(), 5);
    }
}
