//! Sizes of an EdgeConv block, where its parameters lie, and its statistics.

use crate::kernels::norm::Statistics;
use std::ops::Range;

/// Widths of an EdgeConv block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSpec {
    /// Channels of a node, `C_in`.
    pub input: usize,
    /// Output channels of each layer of the edge function.
    pub widths: Vec<usize>,
}

impl EdgeSpec {
    /// Number of layers, `L`.
    pub fn layers(&self) -> usize {
        self.widths.len()
    }

    /// Output channels of the block.
    pub fn output(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// Input channels of layer `l`: `2 C_in` for the first.
    pub fn c_in(&self, l: usize) -> usize {
        if l == 0 { 2 * self.input } else { self.widths[l - 1] }
    }

    /// Weight `[c_in, c_out]` of layer `l` in the packed parameters; gamma and beta `[c_out]` follow it.
    pub fn weight(&self, l: usize) -> Range<usize> {
        let start: usize = (0..l).map(|i| (self.c_in(i) + 2) * self.widths[i]).sum();
        start..start + self.c_in(l) * self.widths[l]
    }

    /// The first layer as it acts on nodes, `[C_in, C_1]` each: `W_a - W_b` on the row itself and `W_b` on its
    /// neighbor.
    pub(super) fn node_weights<'a>(&self, parameters: &'a [f32]) -> (Vec<f32>, &'a [f32]) {
        let (w_a, w_b) = parameters[self.weight(0)].split_at(self.input * self.widths[0]);
        (w_a.iter().zip(w_b).map(|(a, b)| a - b).collect(), w_b)
    }

    /// Gamma of layer `l`'s normalization.
    pub fn gamma(&self, l: usize) -> Range<usize> {
        let end = self.weight(l).end;
        end..end + self.widths[l]
    }

    /// Beta of layer `l`'s normalization.
    pub fn beta(&self, l: usize) -> Range<usize> {
        let end = self.gamma(l).end;
        end..end + self.widths[l]
    }

    /// Weight `[C_in, C_out]` of the shortcut; its gamma and beta follow.
    pub fn shortcut(&self) -> Range<usize> {
        let start = self.beta(self.layers() - 1).end;
        start..start + self.input * self.output()
    }

    /// Gamma of the shortcut's normalization.
    pub fn shortcut_gamma(&self) -> Range<usize> {
        let end = self.shortcut().end;
        end..end + self.output()
    }

    /// Beta of the shortcut's normalization.
    pub fn shortcut_beta(&self) -> Range<usize> {
        let end = self.shortcut_gamma().end;
        end..end + self.output()
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.shortcut_beta().end
    }

    /// Multiply-adds of a forward pass over `rows` nodes and `edges` edges.
    pub fn multiply_adds(&self, rows: usize, edges: usize) -> usize {
        let node = 2 * self.input * self.widths[0] + self.input * self.output();
        let edge: usize = (1..self.layers()).map(|l| self.c_in(l) * self.widths[l]).sum();
        rows * node + edges * edge
    }
}

/// Statistics of all normalizations of a block: one a layer, then the shortcut's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlockStatistics {
    /// One a layer.
    pub layers: Vec<Statistics>,
    /// The shortcut's.
    pub shortcut: Statistics,
}
