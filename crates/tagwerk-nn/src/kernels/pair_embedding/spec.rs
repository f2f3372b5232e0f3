//! Sizes, where parameters lie, and which pair is where.

use crate::kernels::norm::Statistics;
use std::ops::Range;

/// Widths of a pair embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairSpec {
    /// Features of a pair first, heads last; at least one hidden width between.
    widths: Vec<usize>,
}

impl PairSpec {
    /// An embedding through `widths`: features first, heads last.
    ///
    /// # Panics
    /// If there are fewer than three widths or one is zero; configurations are checked before they come here.
    pub fn new(widths: Vec<usize>) -> Self {
        assert!(widths.len() >= 3 && !widths.contains(&0), "pair widths {widths:?}");
        Self { widths }
    }

    /// Number of layers, `L`.
    pub fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// Features of a pair, `F`.
    pub fn features(&self) -> usize {
        self.widths[0]
    }

    /// Heads, `H`.
    pub fn heads(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// Width before layer `l`, or after the last for `l = L`.
    pub fn width(&self, l: usize) -> usize {
        self.widths[l]
    }

    /// Gamma of normalization `n`: 0 is that of the features, `l + 1` that of layer `l`.
    pub fn gamma(&self, n: usize) -> Range<usize> {
        let start = match n {
            0 => 0,
            _ => self.bias(n - 1).end,
        };
        start..start + self.widths[n]
    }

    /// Beta of normalization `n`.
    pub fn beta(&self, n: usize) -> Range<usize> {
        let start = self.gamma(n).end;
        start..start + self.widths[n]
    }

    /// Weight `[C_l, C_(l+1)]` of layer `l`.
    pub fn weight(&self, l: usize) -> Range<usize> {
        let start = self.beta(l).end;
        start..start + self.widths[l] * self.widths[l + 1]
    }

    /// Bias of layer `l`.
    pub fn bias(&self, l: usize) -> Range<usize> {
        let start = self.weight(l).end;
        start..start + self.widths[l + 1]
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.beta(self.layers()).end
    }

    /// Widths of the normalizations, `L + 1`.
    pub fn normalizations(&self) -> &[usize] {
        &self.widths
    }

    /// Multiply-adds a pair, forward.
    pub fn multiply_adds(&self) -> usize {
        self.widths.windows(2).map(|w| w[0] * w[1]).sum()
    }

    /// Statistics of layer `l` as those of its product without bias.
    pub(super) fn without_bias(&self, parameters: &[f32], l: usize, statistics: &Statistics) -> Statistics {
        let bias = &parameters[self.bias(l)];
        Statistics {
            mean: statistics.mean.iter().zip(bias).map(|(m, b)| m - b).collect(),
            ..statistics.clone()
        }
    }
}

/// Where the pairs of each jet are: unordered, `n (n + 1) / 2` rows a jet, (i, j <= i) at `i (i + 1) / 2 + j`; and in
/// the result, `H n^2` values a jet, (h, i, j) at `(h n + i) n + j`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Constituents of each jet, `[B]`.
    pub sizes: Vec<usize>,
    /// `[B + 1]`: where a jet's unordered pairs begin.
    pub unordered: Vec<usize>,
    /// `[B + 1]`: where a jet's ordered pairs begin.
    pub ordered: Vec<usize>,
}

impl Places {
    /// Of jets with offsets `[B + 1]`.
    pub fn new(jets: &[usize]) -> Self {
        let sizes: Vec<usize> = jets.windows(2).map(|w| w[1] - w[0]).collect();
        let offsets = |pairs: fn(usize) -> usize| {
            let mut offsets = vec![0];
            for &n in &sizes {
                offsets.push(offsets[offsets.len() - 1] + pairs(n));
            }
            offsets
        };
        Self {
            unordered: offsets(|n| n * (n + 1) / 2),
            ordered: offsets(|n| n * n),
            sizes,
        }
    }

    /// Number of unordered pairs, `P`.
    pub fn pairs(&self) -> usize {
        self.unordered[self.unordered.len() - 1]
    }

    /// Number of ordered pairs.
    pub fn values(&self) -> usize {
        self.ordered[self.ordered.len() - 1]
    }
}
