//! What a network sees of a jet: a view, computed once from the constituents.

use crate::constituents::check_offsets;
use crate::{PhysicsError, TreeView};
use std::ops::Range;

/// Jagged rows of `C` channels: jet `b` owns rows `offsets[b] .. offsets[b + 1]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JaggedView {
    /// Channels a row, `C`.
    pub width: usize,
    /// `[R, C]`, row-major.
    pub rows: Vec<f32>,
    /// `[B + 1]`, starting with 0.
    pub offsets: Vec<usize>,
}

impl JaggedView {
    /// A view of the given parts.
    ///
    /// # Errors
    /// [`PhysicsError::Offsets`] or [`PhysicsError::ColumnLength`] where offsets and rows do not fit each other.
    pub fn new(width: usize, rows: Vec<f32>, offsets: Vec<usize>) -> Result<Self, PhysicsError> {
        let Some(&row_count) = offsets.last() else {
            return Err(PhysicsError::ColumnLength {
                column: "offsets",
                expected: 1,
                found: 0,
            });
        };
        check_offsets(&offsets)?;
        // Saturating: an absurd width is a mismatch, not an overflow.
        let expected = row_count.saturating_mul(width);
        if rows.len() != expected {
            return Err(PhysicsError::ColumnLength {
                column: "rows",
                expected,
                found: rows.len(),
            });
        }
        Ok(Self { width, rows, offsets })
    }

    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows, `R`.
    pub fn row_count(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// The row numbers of jet `b`.
    ///
    /// # Panics
    /// If there is no jet `b`, like an index into a slice.
    pub fn range(&self, b: usize) -> Range<usize> {
        self.offsets[b]..self.offsets[b + 1]
    }

    /// The `[n, C]` rows of jet `b`.
    ///
    /// # Panics
    /// If there is no jet `b`, like an index into a slice.
    pub fn jet(&self, b: usize) -> &[f32] {
        &self.rows[self.offsets[b] * self.width..self.offsets[b + 1] * self.width]
    }

    /// The jets named, in that order; a jet may be named more than once.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] for a jet that does not exist.
    pub fn select(&self, jets: &[usize]) -> Result<Self, PhysicsError> {
        check_indices(jets, self.len())?;
        let row_count: usize = jets.iter().map(|&b| self.range(b).len()).sum();
        let mut rows = Vec::with_capacity(row_count * self.width);
        let mut offsets = Vec::with_capacity(jets.len() + 1);
        let mut end = 0;
        offsets.push(0);
        for &b in jets {
            rows.extend_from_slice(self.jet(b));
            end += self.range(b).len();
            offsets.push(end);
        }
        Ok(Self {
            width: self.width,
            rows,
            offsets,
        })
    }

    /// A run of neighboring jets.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] for a run that reaches past the end.
    pub fn slice(&self, jets: Range<usize>) -> Result<Self, PhysicsError> {
        check_range(&jets, self.len())?;
        // A default view has no offsets; the only run it has is the empty one.
        let offsets = self.offsets.get(jets.start..=jets.end).unwrap_or(&[0]);
        let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
        Ok(Self {
            width: self.width,
            rows: self.rows[first * self.width..last * self.width].to_vec(),
            offsets: offsets.iter().map(|offset| offset - first).collect(),
        })
    }

    /// Bytes of memory held by rows and offsets.
    pub fn byte_size(&self) -> usize {
        size_of_val(self.rows.as_slice()) + size_of_val(self.offsets.as_slice())
    }
}

/// A fixed shape a jet: a vector, an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DenseView {
    /// Shape of one jet, for example `[90]` or `[1, 40, 40]`.
    pub shape: Vec<usize>,
    /// `[B, shape..]`, row-major.
    pub values: Vec<f32>,
}

impl DenseView {
    /// A view of the given parts.
    ///
    /// # Errors
    /// [`PhysicsError::ColumnLength`] if the values are not a whole number of jets.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Result<Self, PhysicsError> {
        // Saturating: an absurd shape is a mismatch, not an overflow.
        let size = shape.iter().fold(1usize, |size, &side| size.saturating_mul(side));
        let whole = values.len().checked_div(size).unwrap_or(0) * size;
        if whole != values.len() {
            return Err(PhysicsError::ColumnLength {
                column: "values",
                expected: whole,
                found: values.len(),
            });
        }
        Ok(Self { shape, values })
    }

    /// Values a jet: the product of the shape.
    pub fn jet_size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.jet_size()).unwrap_or(0)
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of jet `b`, of the view's shape.
    ///
    /// # Panics
    /// If there is no jet `b`, like an index into a slice.
    pub fn jet(&self, b: usize) -> &[f32] {
        let size = self.jet_size();
        &self.values[b * size..(b + 1) * size]
    }

    /// The jets named, in that order; a jet may be named more than once.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] for a jet that does not exist.
    pub fn select(&self, jets: &[usize]) -> Result<Self, PhysicsError> {
        check_indices(jets, self.len())?;
        let mut values = Vec::with_capacity(jets.len() * self.jet_size());
        for &b in jets {
            values.extend_from_slice(self.jet(b));
        }
        Ok(Self {
            shape: self.shape.clone(),
            values,
        })
    }

    /// A run of neighboring jets.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] for a run that reaches past the end.
    pub fn slice(&self, jets: Range<usize>) -> Result<Self, PhysicsError> {
        check_range(&jets, self.len())?;
        let size = self.jet_size();
        Ok(Self {
            shape: self.shape.clone(),
            values: self.values[jets.start * size..jets.end * size].to_vec(),
        })
    }

    /// Bytes of memory held by the values.
    pub fn byte_size(&self) -> usize {
        size_of_val(self.values.as_slice())
    }
}

/// Any view of a set of jets.
#[derive(Debug, Clone, PartialEq)]
pub enum View {
    /// Constituents or graph nodes.
    Jagged(JaggedView),
    /// Vectors and images.
    Dense(DenseView),
    /// Binary trees.
    Tree(TreeView),
}

impl View {
    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        match self {
            Self::Jagged(view) => view.len(),
            Self::Dense(view) => view.len(),
            Self::Tree(view) => view.len(),
        }
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The jets named, in that order; a jet may be named more than once.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] for a jet that does not exist.
    pub fn select(&self, jets: &[usize]) -> Result<Self, PhysicsError> {
        match self {
            Self::Jagged(view) => view.select(jets).map(Self::Jagged),
            Self::Dense(view) => view.select(jets).map(Self::Dense),
            Self::Tree(view) => view.select(jets).map(Self::Tree),
        }
    }

    /// A run of neighboring jets.
    ///
    /// # Errors
    /// [`PhysicsError::Index`] for a run that reaches past the end.
    pub fn slice(&self, jets: Range<usize>) -> Result<Self, PhysicsError> {
        match self {
            Self::Jagged(view) => view.slice(jets).map(Self::Jagged),
            Self::Dense(view) => view.slice(jets).map(Self::Dense),
            Self::Tree(view) => view.slice(jets).map(Self::Tree),
        }
    }

    /// Bytes of memory held.
    pub fn byte_size(&self) -> usize {
        match self {
            Self::Jagged(view) => view.byte_size(),
            Self::Dense(view) => view.byte_size(),
            Self::Tree(view) => view.byte_size(),
        }
    }
}

impl From<JaggedView> for View {
    fn from(view: JaggedView) -> Self {
        Self::Jagged(view)
    }
}

impl From<DenseView> for View {
    fn from(view: DenseView) -> Self {
        Self::Dense(view)
    }
}

impl From<TreeView> for View {
    fn from(view: TreeView) -> Self {
        Self::Tree(view)
    }
}

fn check_indices(jets: &[usize], len: usize) -> Result<(), PhysicsError> {
    match jets.iter().find(|&&b| b >= len) {
        Some(&index) => Err(PhysicsError::Index {
            what: "jet",
            index,
            len,
        }),
        None => Ok(()),
    }
}

fn check_range(jets: &Range<usize>, len: usize) -> Result<(), PhysicsError> {
    if jets.start > jets.end || jets.end > len {
        return Err(PhysicsError::Index {
            what: "jet",
            index: jets.start.max(jets.end),
            len,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_jets() -> JaggedView {
        JaggedView::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0, 2, 2, 3]).unwrap()
    }

    #[test]
    fn a_selection_keeps_rows_with_their_jet() {
        let view = three_jets();
        let picked = view.select(&[2, 1, 0, 2]).unwrap();
        assert_eq!(picked.rows, [5.0, 6.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(picked.offsets, [0, 1, 1, 3, 4]);
        assert_eq!(
            view.select(&[3]),
            Err(PhysicsError::Index {
                what: "jet",
                index: 3,
                len: 3
            })
        );
        let images = DenseView::new(vec![1, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(images.select(&[1, 0]).unwrap().values, [3.0, 4.0, 1.0, 2.0]);
        assert!(View::from(images).select(&[2]).is_err());
    }

    #[test]
    fn a_slice_is_the_selection_of_its_range() {
        let view = three_jets();
        for (start, end) in [(0, 3), (1, 3), (2, 2), (3, 3)] {
            let named: Vec<_> = (start..end).collect();
            assert_eq!(view.slice(start..end), view.select(&named));
        }
        assert!(view.slice(1..4).is_err());
        assert_eq!(JaggedView::default().slice(0..0).unwrap().len(), 0);
        let images = DenseView::new(vec![2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(images.slice(1..2), images.select(&[1]));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert!(JaggedView::new(2, vec![0.0; 5], vec![0, 2]).is_err());
        assert!(JaggedView::new(1, vec![0.0; 2], vec![0, 3, 2]).is_err());
        assert!(JaggedView::new(1, vec![], vec![]).is_err());
        assert!(DenseView::new(vec![3], vec![0.0; 4]).is_err());
        assert!(DenseView::new(vec![0], vec![0.0; 4]).is_err());
        assert!(DenseView::new(vec![usize::MAX, 2], vec![0.0; 4]).is_err());
    }

    #[test]
    fn sizes_count_what_is_held() {
        assert_eq!(three_jets().byte_size(), 6 * 4 + 4 * size_of::<usize>());
        assert_eq!(View::from(three_jets()).len(), 3);
        assert_eq!(three_jets().row_count(), 3);
        assert_eq!(DenseView::default().len(), 0);
    }
}
