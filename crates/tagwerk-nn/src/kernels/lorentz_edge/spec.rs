//! Sizes of the block and where its parameters lie.

use std::ops::Range;

/// What makes the edge part of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct LorentzEdgeSpec {
    /// Channels of a node, `C_in`.
    pub input: usize,
    /// Channels of a message, `C`.
    pub hidden: usize,
    /// Whether the block moves the four-vectors; the last one does not.
    pub moves: bool,
    /// Length of a move.
    pub step: f32,
    /// Largest component of one edge's contribution to a move, in the units of the four-vectors.
    pub limit: f32,
}

impl LorentzEdgeSpec {
    /// Weight `[2 C_in + 2, C]` of the first layer: rows of `h_i`, of `h_j`, of the squared distance, of the product.
    pub fn first(&self) -> Range<usize> {
        0..(2 * self.input + 2) * self.hidden
    }

    /// The rows of `h_i`, `[C_in, C]`.
    pub fn near(&self) -> Range<usize> {
        0..self.input * self.hidden
    }

    /// The rows of `h_j`, `[C_in, C]`.
    pub fn far(&self) -> Range<usize> {
        let start = self.near().end;
        start..start + self.input * self.hidden
    }

    /// The row of the squared distance, `[C]`.
    pub fn distance(&self) -> Range<usize> {
        let start = self.far().end;
        start..start + self.hidden
    }

    /// The row of the product, `[C]`.
    pub fn product(&self) -> Range<usize> {
        let start = self.distance().end;
        start..start + self.hidden
    }

    /// Gamma of the normalization, `[C]`.
    pub fn gamma(&self) -> Range<usize> {
        let start = self.first().end;
        start..start + self.hidden
    }

    /// Beta of the normalization, `[C]`.
    pub fn beta(&self) -> Range<usize> {
        let start = self.gamma().end;
        start..start + self.hidden
    }

    /// Weight of the second layer, `[C, C]`.
    pub fn second(&self) -> Range<usize> {
        let start = self.beta().end;
        start..start + self.hidden * self.hidden
    }

    /// Its bias, `[C]`.
    pub fn second_bias(&self) -> Range<usize> {
        let start = self.second().end;
        start..start + self.hidden
    }

    /// Weight of the gate, `[C, 1]`.
    pub fn gate(&self) -> Range<usize> {
        let start = self.second_bias().end;
        start..start + self.hidden
    }

    /// Its bias, `[1]`.
    pub fn gate_bias(&self) -> Range<usize> {
        let start = self.gate().end;
        start..start + 1
    }

    /// Weight of the hidden layer of the move, `[C, C]`; empty where there is none.
    pub fn shift(&self) -> Range<usize> {
        let start = self.gate_bias().end;
        start..start + self.of_move(self.hidden * self.hidden)
    }

    /// Its bias, `[C]`.
    pub fn shift_bias(&self) -> Range<usize> {
        let start = self.shift().end;
        start..start + self.of_move(self.hidden)
    }

    /// Weight of the move's factor, `[C, 1]`.
    pub fn factor(&self) -> Range<usize> {
        let start = self.shift_bias().end;
        start..start + self.of_move(self.hidden)
    }

    fn of_move(&self, length: usize) -> usize {
        if self.moves { length } else { 0 }
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.factor().end
    }

    /// Channels of the result: the messages, and the four-vector if it moves.
    pub fn output(&self) -> usize {
        self.hidden + if self.moves { 4 } else { 0 }
    }

    /// Multiply-adds of a forward pass over `rows` nodes and `edges` edges.
    pub fn multiply_adds(&self, rows: usize, edges: usize) -> usize {
        let c = self.hidden;
        rows * 2 * self.input * c + edges * (c * c + 3 * c + self.of_move(c * c + c))
    }
}
