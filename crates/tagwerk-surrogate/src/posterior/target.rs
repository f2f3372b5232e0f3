//! What a posterior asks of a model: a loss for each datum, and the gradient of their sum, for a flat vector of
//! weights.
//!
//! Nothing else is known about the model, so that the same samplers serve a flow, a tagger and a Gaussian of a test.
//!
//! **Precision.** Weights, losses and gradients are f64. A network that computes in f32 rounds the weights at its door;
//! the posterior is then that of the rounded network, and acceptance stays exact for it. Losses of single data are
//! subtracted before they are added, so that a difference of 1e-3 between two sums of 1e6 keeps its digits as far as
//! the model's own rounding lets it.

use super::linear_layers::LinearLayers;
use crate::SurrogateError;

/// What a model says when it fails.
pub type TargetError = Box<dyn std::error::Error + Send + Sync>;

/// Data of one call: all rows, or some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    rows: Option<&'a [usize]>,
    draw: u64,
}

impl<'a> Part<'a> {
    /// All rows in their order.
    pub fn all() -> Self {
        Self { rows: None, draw: 0 }
    }

    /// These rows, each below [`Target::rows`]; a row may stand more than once.
    pub fn of(rows: &'a [usize]) -> Self {
        Self {
            rows: Some(rows),
            draw: 0,
        }
    }

    /// The same rows with another number for noise that the model draws itself.
    pub fn with_draw(self, draw: u64) -> Self {
        Self { draw, ..self }
    }

    /// The rows, or `None` for all.
    pub fn rows(&self) -> Option<&'a [usize]> {
        self.rows
    }

    /// Which draw of the model's own noise this is. A loss with random numbers in it (times and noise of flow matching,
    /// dropout) takes them from a stream addressed by (seed, row, draw), so that two calls with one `Part` see the same
    /// noise.
    pub fn draw(&self) -> u64 {
        self.draw
    }

    /// Number of rows, `total` being that of the model.
    pub fn len(&self, total: usize) -> usize {
        self.rows.map_or(total, <[usize]>::len)
    }

    /// Whether there is no row, `total` being that of the model.
    pub fn is_empty(&self, total: usize) -> bool {
        self.len(total) == 0
    }

    /// The row at a position of this part.
    ///
    /// # Panics
    /// For a position that is not below [`len`](Self::len).
    pub fn row(&self, position: usize) -> usize {
        self.rows.map_or(position, |rows| rows[position])
    }
}

/// A model as a loss on its weights.
///
/// Calls with equal arguments give equal bits, on any number of threads: an exact resume and a Metropolis test rest on
/// it. A loss that is infinite or not a number is a statement about the weights (a solver that diverged), not an error:
/// a proposal with such a loss is rejected.
pub trait Target: Sync {
    /// Number of weights `P`.
    fn weights(&self) -> usize;

    /// Number of data `N`.
    fn rows(&self) -> usize;

    /// Lengths of the tensors that the flat vector consists of, in order. They matter only where a method treats
    /// tensors apart, as the averaged KL of [`VariationalState::released_kl`](super::VariationalState::released_kl)
    /// does.
    fn tensors(&self) -> Vec<usize> {
        vec![self.weights()]
    }

    /// The model with its linear layers shown, if it can show them.
    fn linear_layers(&self) -> Option<&dyn LinearLayers> {
        None
    }

    /// The loss of each row of `part`.
    ///
    /// # Shapes
    /// - `weights`: `[P]`
    /// - `losses`: as many as `part` has rows, overwritten
    ///
    /// # Errors
    /// What makes any further call useless.
    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError>;

    /// The loss of each row of `part`, and the gradient of the **sum** of these losses.
    ///
    /// # Shapes
    /// - `weights`: `[P]`
    /// - `losses`: as many as `part` has rows, overwritten
    /// - `gradient`: `[P]`, overwritten
    ///
    /// # Errors
    /// What makes any further call useless.
    fn loss_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError>;
}

/// Refuses a vector of another length than the model has weights, or with a weight that is not finite.
pub(crate) fn check_weights(target: &dyn Target, weights: &[f64]) -> Result<(), SurrogateError> {
    if weights.len() != target.weights() {
        return Err(SurrogateError::Length {
            what: "vector of weights",
            found: weights.len(),
            expected: target.weights(),
        });
    }
    match weights.iter().position(|w| !w.is_finite()) {
        Some(index) => Err(SurrogateError::NotFinite {
            what: "a weight",
            place: format!("at index {index}"),
        }),
        None => Ok(()),
    }
}

/// A model that sees some rows of another's data: a bootstrap sample, or what is left when a fold is kept back.
pub struct OnRows<'a> {
    target: &'a dyn Target,
    rows: &'a [usize],
}

impl<'a> OnRows<'a> {
    /// # Errors
    /// A row that the model does not have.
    pub fn new(target: &'a dyn Target, rows: &'a [usize]) -> Result<Self, SurrogateError> {
        match rows.iter().find(|&&row| row >= target.rows()) {
            Some(row) => Err(SurrogateError::Setting {
                setting: "row",
                value: row.to_string(),
                wanted: "below the number of rows of the model",
            }),
            None => Ok(Self { target, rows }),
        }
    }

    fn rows_of(&self, part: Part) -> Vec<usize> {
        match part.rows() {
            Some(rows) => rows.iter().map(|&row| self.rows[row]).collect(),
            None => self.rows.to_vec(),
        }
    }
}

impl Target for OnRows<'_> {
    fn weights(&self) -> usize {
        self.target.weights()
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn tensors(&self) -> Vec<usize> {
        self.target.tensors()
    }

    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        let rows = self.rows_of(part);
        self.target
            .losses(weights, Part::of(&rows).with_draw(part.draw()), losses)
    }

    fn loss_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        let rows = self.rows_of(part);
        let part = Part::of(&rows).with_draw(part.draw());
        self.target.loss_and_gradient(weights, part, losses, gradient)
    }
}
