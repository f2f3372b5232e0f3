//! What a chain is made of and where its parameters lie.

use std::ops::Range;

/// A map of a row to a row of the same width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Map {
    /// Layer normalization, with a gamma and a beta a channel.
    Norm,
    /// `x Phi(x)`.
    Gelu,
    /// Times a number for each of so many equal groups of channels.
    Scale(usize),
    /// Drops values with this probability while training.
    Dropout(f64),
}

/// What is added at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residual {
    /// Nothing.
    None,
    /// Another tensor.
    Other,
    /// The input of the chain, times a weight a channel.
    WeightedInput,
}

/// A chain: maps, product, maps, product, .., maps, residual.
#[derive(Debug, Clone, PartialEq)]
pub struct RowSpec {
    widths: Vec<usize>,
    maps: Vec<Vec<Map>>,
    residual: Residual,
    /// Of each map, where its parameters begin.
    starts: Vec<Vec<usize>>,
    /// Of each layer, where its weight begins.
    weights: Vec<usize>,
    residual_start: usize,
}

impl RowSpec {
    /// A chain through `widths` (input first) with one list of maps before each product and one after the last.
    ///
    /// # Panics
    /// If a width is zero, there is no product, a list of maps is missing, groups do not divide their width, or the
    /// weighted input has another width than the output; configurations are checked before they come here.
    pub fn new(widths: Vec<usize>, maps: Vec<Vec<Map>>, residual: Residual) -> Self {
        assert!(widths.len() >= 2 && !widths.contains(&0) && maps.len() == widths.len());
        assert!(residual != Residual::WeightedInput || widths[0] == widths[widths.len() - 1]);
        let (mut starts, mut weights, mut at) = (Vec::new(), Vec::new(), 0);
        for (l, maps) in maps.iter().enumerate() {
            let mut here = Vec::new();
            for map in maps {
                here.push(at);
                at += match *map {
                    Map::Norm => 2 * widths[l],
                    Map::Scale(groups) => {
                        assert!(groups > 0 && widths[l].is_multiple_of(groups));
                        groups
                    }
                    Map::Gelu | Map::Dropout(_) => 0,
                };
            }
            starts.push(here);
            if l + 1 < widths.len() {
                weights.push(at);
                at += (widths[l] + 1) * widths[l + 1];
            }
        }
        Self {
            widths,
            maps,
            residual,
            starts,
            weights,
            residual_start: at,
        }
    }

    /// Number of products, `L`.
    pub fn layers(&self) -> usize {
        self.weights.len()
    }

    /// Width before product `l`, or of the output for `l = L`.
    pub fn width(&self, l: usize) -> usize {
        self.widths[l]
    }

    /// Width of the input.
    pub fn input(&self) -> usize {
        self.widths[0]
    }

    /// Width of the output.
    pub fn output(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// The maps before product `l`, or after the last for `l = L`.
    pub fn maps(&self, l: usize) -> &[Map] {
        &self.maps[l]
    }

    /// What is added at the end.
    pub fn residual(&self) -> Residual {
        self.residual
    }

    /// Weight `[C_l, C_(l+1)]` of product `l`; its bias follows.
    pub fn weight(&self, l: usize) -> Range<usize> {
        self.weights[l]..self.weights[l] + self.widths[l] * self.widths[l + 1]
    }

    /// Bias of product `l`.
    pub fn bias(&self, l: usize) -> Range<usize> {
        let start = self.weight(l).end;
        start..start + self.widths[l + 1]
    }

    /// Parameters of map `m` of list `l`: gamma and beta, or a factor a group, or none.
    pub fn map(&self, l: usize, m: usize) -> Range<usize> {
        let start = self.starts[l][m];
        let length = match self.maps[l][m] {
            Map::Norm => 2 * self.widths[l],
            Map::Scale(groups) => groups,
            Map::Gelu | Map::Dropout(_) => 0,
        };
        start..start + length
    }

    /// Weights of the residual, `[C_0]`, or none.
    pub fn residual_weight(&self) -> Range<usize> {
        let length = match self.residual {
            Residual::WeightedInput => self.widths[0],
            Residual::None | Residual::Other => 0,
        };
        self.residual_start..self.residual_start + length
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.residual_weight().end
    }

    /// Rates of all dropouts, in order: as many keys a training pass needs.
    pub fn dropouts(&self) -> impl Iterator<Item = f64> + '_ {
        self.maps.iter().flatten().filter_map(|map| match map {
            Map::Dropout(rate) => Some(*rate),
            _ => None,
        })
    }

    /// Whether the backward pass needs what product `l` wrote: some map after it does.
    pub(super) fn keeps(&self, l: usize) -> bool {
        let later = l + 1 < self.layers();
        later || self.maps[l + 1].iter().any(|map| !matches!(map, Map::Dropout(_)))
    }

    /// Multiply-adds a row, forward.
    pub fn multiply_adds(&self) -> usize {
        self.widths.windows(2).map(|w| w[0] * w[1]).sum()
    }
}
