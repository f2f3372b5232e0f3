//! The network as it is computed: input-major matrices, and what is linear in a row merged.

use super::real::Real;
use super::tile;
use super::{VelocityConfig, VelocityNet};
use crate::error::SurrogateError;
use std::ops::Range;

/// Where the parts of a folded network lie.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    pub(crate) width: usize,
    pub(crate) blocks: usize,
    pub(crate) scores: usize,
    pub(crate) time: usize,
    pub(crate) conditions: usize,
    length: usize,
}

impl Layout {
    fn new(net: &VelocityNet) -> Self {
        let VelocityConfig { width, blocks, .. } = net.config();
        let (scores, time, conditions) = (net.scores(), net.time_features(), net.conditions());
        let mut layout = Self {
            width,
            blocks,
            scores,
            time,
            conditions,
            length: 0,
        };
        layout.length = layout.out_bias().end;
        layout
    }

    /// Numbers in all.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Time features and conditions, `F + C`.
    pub(crate) fn features(&self) -> usize {
        self.time + self.conditions
    }

    /// Layers with an activation.
    pub(crate) fn layers(&self) -> usize {
        2 * self.blocks
    }

    /// From x to the first layer: `[D, W]`.
    pub(crate) fn x_in(&self) -> Range<usize> {
        0..self.scores * self.width
    }

    fn block(&self, m: usize) -> usize {
        let block = (self.features() + 1 + self.width + 1) * self.width;
        self.x_in().end + m * block
    }

    /// From time and conditions to the first layer of block `m`: `[F + C, W]`.
    pub(crate) fn inputs(&self, m: usize) -> Range<usize> {
        let start = self.block(m);
        start..start + self.features() * self.width
    }

    /// Bias of the first layer of block `m`, with what the bias of the layer before becomes: `[W]`.
    pub(crate) fn bias(&self, m: usize) -> Range<usize> {
        let start = self.inputs(m).end;
        start..start + self.width
    }

    /// The second layer of block `m`: `[W, W]`, input-major.
    pub(crate) fn second(&self, m: usize) -> Range<usize> {
        let start = self.bias(m).end;
        start..start + self.width * self.width
    }

    /// Its bias: `[W]`.
    pub(crate) fn second_bias(&self, m: usize) -> Range<usize> {
        let start = self.second(m).end;
        start..start + self.width
    }

    /// The last layer of block `m` and the first of the next, merged: `[W, W]`, input-major.
    pub(crate) fn merged(&self, m: usize) -> Range<usize> {
        let start = self.block(self.blocks) + m * self.width * self.width;
        start..start + self.width * self.width
    }

    /// The last layer: `[D, W]`, output-major.
    pub(crate) fn out(&self) -> Range<usize> {
        let start = self.merged(self.blocks - 1).start;
        start..start + self.scores * self.width
    }

    /// Its bias: `[D]`.
    pub(crate) fn out_bias(&self) -> Range<usize> {
        let start = self.out().end;
        start..start + self.scores
    }

    /// The square matrix before layer `layer` (from 1): the second of a block, or a merged one.
    pub(crate) fn square(&self, layer: usize) -> Range<usize> {
        if layer % 2 == 1 {
            self.second(layer / 2)
        } else {
            self.merged(layer / 2 - 1)
        }
    }
}

/// A network with its weights, folded; see [`VelocityNet::fold`].
#[derive(Debug, Clone)]
pub struct Folded<T> {
    pub(crate) layout: Layout,
    pub(crate) values: Vec<T>,
    /// The square matrices output-major, for gradients: `[2 B - 1][W, W]`.
    pub(crate) transposed: Vec<T>,
}

impl<T: Real> Folded<T> {
    /// Numbers of the folded network; a gradient with respect to it has as many.
    pub(crate) fn len(&self) -> usize {
        self.layout.len()
    }

    pub(crate) fn part(&self, range: Range<usize>) -> &[T] {
        &self.values[range]
    }

    /// Square matrix before `layer`, output-major.
    pub(crate) fn transposed(&self, layer: usize) -> &[T] {
        let size = self.layout.width * self.layout.width;
        &self.transposed[(layer - 1) * size..layer * size]
    }
}

fn transpose<T: Real>(rows: usize, cols: usize, at: impl Fn(usize, usize) -> T) -> Vec<T> {
    (0..cols)
        .flat_map(|c| (0..rows).map(move |r| (r, c)))
        .map(|(r, c)| at(r, c))
        .collect()
}

impl VelocityNet {
    /// Folds the weights `theta` `[P]`.
    ///
    /// # Errors
    /// Another number of weights than parameters.
    pub fn fold<T: Real>(&self, theta: &[T]) -> Result<Folded<T>, SurrogateError> {
        self.check_length("weights", theta.len())?;
        let layout = Layout::new(self);
        let (width, time) = (layout.width, layout.time);
        let mut values = vec![T::ZERO; layout.len()];
        for m in 0..layout.blocks {
            let hidden = if m == 0 { layout.scores } else { width };
            let input = time + hidden + layout.conditions;
            let (weight, bias) = self.layer(m, 0);
            let first = &theta[weight];
            for (j, row) in first.chunks_exact(input).enumerate() {
                let inputs = &mut values[layout.inputs(m)];
                for (f, &w) in row[..time].iter().chain(&row[time + hidden..]).enumerate() {
                    inputs[f * width + j] = w;
                }
            }
            values[layout.bias(m)].copy_from_slice(&theta[bias]);
            if m == 0 {
                let x_in = &mut values[layout.x_in()];
                for (j, row) in first.chunks_exact(input).enumerate() {
                    for (d, &w) in row[time..time + hidden].iter().enumerate() {
                        x_in[d * width + j] = w;
                    }
                }
            } else {
                let (last, last_bias) = self.layer(m - 1, 2);
                // H^T: [k, j]
                let from_hidden = transpose(width, width, |j, k| first[j * input + time + k]);
                // M[i, j] = sum_k U[k, i] H[j, k]
                tile::weight_gradient(
                    &mut values[layout.merged(m - 1)],
                    &theta[last],
                    &from_hidden,
                    width,
                    width,
                    width,
                );
                tile::product(
                    &mut values[layout.bias(m)],
                    &theta[last_bias],
                    &from_hidden,
                    1,
                    width,
                    width,
                );
            }
            let (weight, bias) = self.layer(m, 1);
            let second = &theta[weight];
            values[layout.second(m)].copy_from_slice(&transpose(width, width, |j, i| second[j * width + i]));
            values[layout.second_bias(m)].copy_from_slice(&theta[bias]);
        }
        let (weight, bias) = self.layer(layout.blocks - 1, 2);
        values[layout.out()].copy_from_slice(&theta[weight]);
        values[layout.out_bias()].copy_from_slice(&theta[bias]);
        let mut transposed = Vec::with_capacity((layout.layers() - 1) * width * width);
        for layer in 1..layout.layers() {
            let square = &values[layout.square(layer)];
            transposed.extend(transpose(width, width, |i, j| square[i * width + j]));
        }
        Ok(Folded {
            layout,
            values,
            transposed,
        })
    }

    /// Leads the gradient with respect to the folded network back to the weights: adds to `gradient` `[P]`.
    pub(crate) fn unfold_gradient<T: Real>(&self, theta: &[T], folded: &[T], gradient: &mut [T]) {
        let layout = Layout::new(self);
        let (width, time) = (layout.width, layout.time);
        let add = |to: &mut [T], from: &[T]| to.iter_mut().zip(from).for_each(|(t, &f)| *t += f);
        for m in 0..layout.blocks {
            let hidden = if m == 0 { layout.scores } else { width };
            let input = time + hidden + layout.conditions;
            let (weight, bias) = self.layer(m, 0);
            let d_bias = &folded[layout.bias(m)];
            let inputs = &folded[layout.inputs(m)];
            for (j, row) in gradient[weight.clone()].chunks_exact_mut(input).enumerate() {
                let (before, after) = row.split_at_mut(time + hidden);
                for (f, d) in before[..time].iter_mut().chain(after).enumerate() {
                    *d += inputs[f * width + j];
                }
            }
            add(&mut gradient[bias], d_bias);
            if m == 0 {
                let x_in = &folded[layout.x_in()];
                for (j, row) in gradient[weight].chunks_exact_mut(input).enumerate() {
                    for (d, g) in row[time..time + hidden].iter_mut().enumerate() {
                        *g += x_in[d * width + j];
                    }
                }
            } else {
                let (last, last_bias) = self.layer(m - 1, 2);
                let first = &theta[weight.clone()];
                let d_merged = &folded[layout.merged(m - 1)];
                // dH[j, k] = sum_i dM[i, j] U[k, i] + db[j] u[k]
                let last_t = transpose(width, width, |k, i| theta[last.start + k * width + i]);
                let mut d_hidden = vec![T::ZERO; width * width];
                tile::weight_gradient(&mut d_hidden, d_merged, &last_t, width, width, width);
                tile::weight_gradient(&mut d_hidden, d_bias, &theta[last_bias.clone()], 1, width, width);
                for (row, d) in gradient[weight]
                    .chunks_exact_mut(input)
                    .zip(d_hidden.chunks_exact(width))
                {
                    add(&mut row[time..time + hidden], d);
                }
                // dU[k, i] = sum_j H[j, k] dM[i, j]; du[k] = sum_j db[j] H[j, k]
                let from_hidden: Vec<T> = first
                    .chunks_exact(input)
                    .flat_map(|row| row[time..time + hidden].iter().copied())
                    .collect();
                let d_merged_t = transpose(width, width, |i, j| d_merged[i * width + j]);
                tile::weight_gradient(&mut gradient[last], &from_hidden, &d_merged_t, width, width, width);
                tile::product(&mut gradient[last_bias], d_bias, &from_hidden, 1, width, width);
            }
            let (weight, bias) = self.layer(m, 1);
            let second = &folded[layout.second(m)];
            add(
                &mut gradient[weight],
                &transpose(width, width, |i, j| second[i * width + j]),
            );
            add(&mut gradient[bias], &folded[layout.second_bias(m)]);
        }
        let (weight, bias) = self.layer(layout.blocks - 1, 2);
        add(&mut gradient[weight], &folded[layout.out()]);
        add(&mut gradient[bias], &folded[layout.out_bias()]);
    }
}
