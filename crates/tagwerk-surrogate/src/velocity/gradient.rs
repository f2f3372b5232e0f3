//! Forward with memory, and backward: gradients with respect to weights and x of functions of v and dv/dx.
//!
//! The derivative dv/dx of the forward pass is a tangent that travels beside the values. The backward pass leads the
//! cotangents of both, p of the values and q of the tangents, from layer to layer, so that gradients of the exact
//! likelihood, in which dv/dx stands, need no second-order automatic differentiation.

use super::folded::Folded;
use super::real::Real;
use super::tile;

/// Rows that go forward and backward together. All their activations stay in the second cache.
pub(crate) const TILE: usize = 128;

/// What a forward pass of one tile leaves behind for the backward pass.
#[derive(Debug, Default)]
pub(crate) struct Tape<T> {
    rows: usize,
    tangents: bool,
    /// Activations of each layer: `[L][rows, W]`.
    a: Vec<T>,
    /// Tangents of each layer before the activation: `[L][rows, W]`.
    dz: Vec<T>,
    /// Tangents after the activation of the layer at hand: `[rows, W]`.
    da: Vec<T>,
    /// Cotangents: `[rows, W]` each, and where the next layer's are made.
    p: Vec<T>,
    q: Vec<T>,
    spare: Vec<T>,
    /// The velocity, `[rows, D]`.
    pub(crate) v: Vec<T>,
    /// dv/dx, `[rows]`; of one score only.
    pub(crate) dv: Vec<T>,
}

impl<T: Real> Tape<T> {
    /// Computes v (and dv/dx) of a tile of rows: `features` `[rows, F + C]` (time features and conditions), `x`
    /// `[rows, D]`.
    pub(crate) fn forward(&mut self, net: &Folded<T>, features: &[T], x: &[T], tangents: bool) {
        let layout = &net.layout;
        let (width, scores, inputs) = (layout.width, layout.scores, layout.features());
        let rows = x.len() / scores;
        let size = rows * width;
        (self.rows, self.tangents) = (rows, tangents);
        self.a.resize(layout.layers() * size, T::ZERO);
        if tangents {
            self.dz.resize(layout.layers() * size, T::ZERO);
            self.da.resize(size, T::ZERO);
        }
        for layer in 0..layout.layers() {
            let (before, here) = self.a.split_at_mut(layer * size);
            let z = &mut here[..size];
            let bias = if layer % 2 == 1 {
                net.part(layout.second_bias(layer / 2))
            } else {
                net.part(layout.bias(layer / 2))
            };
            for row in z.chunks_exact_mut(width) {
                row.copy_from_slice(bias);
            }
            if layer % 2 == 0 {
                tile::product(z, features, net.part(layout.inputs(layer / 2)), rows, inputs, width);
            }
            if layer == 0 {
                tile::product(z, x, net.part(layout.x_in()), rows, scores, width);
            } else {
                tile::product(
                    z,
                    &before[(layer - 1) * size..],
                    net.part(layout.square(layer)),
                    rows,
                    width,
                    width,
                );
            }
            tile::elu(z);
            if tangents {
                let dz = &mut self.dz[layer * size..(layer + 1) * size];
                if layer == 0 {
                    // The derivative is that along x itself.
                    for row in dz.chunks_exact_mut(width) {
                        row.copy_from_slice(&net.part(layout.x_in())[..width]);
                    }
                } else {
                    dz.fill(T::ZERO);
                    tile::product(dz, &self.da, net.part(layout.square(layer)), rows, width, width);
                }
                tile::elu_tangents(&mut self.da[..size], dz, z);
            }
        }
        let (out, bias) = (net.part(layout.out()), net.part(layout.out_bias()));
        let last = &self.a[(layout.layers() - 1) * size..];
        self.v.clear();
        for _ in 0..rows {
            self.v.extend_from_slice(bias);
        }
        for d in 0..scores {
            tile::row_dots(&mut self.v[d..], scores, last, &out[d * width..(d + 1) * width]);
        }
        if tangents {
            self.dv.clear();
            self.dv.resize(rows, T::ZERO);
            tile::row_dots(&mut self.dv, 1, &self.da[..size], &out[..width]);
        }
    }

    /// Goes back from the cotangents of v, `[rows, D]`, and of dv/dx, `[rows]` (empty without tangents). Adds to
    /// `gradient`, laid out as the folded network, and writes the cotangent of x, `[rows, D]`, where it is wanted.
    pub(crate) fn backward(
        &mut self,
        net: &Folded<T>,
        features: &[T],
        x: &[T],
        cotangents: (&[T], &[T]),
        gradient: &mut [T],
        of_x: Option<&mut [T]>,
    ) {
        let layout = &net.layout;
        let (rows, width, scores, inputs) = (self.rows, layout.width, layout.scores, layout.features());
        let size = rows * width;
        let (of_v, of_dv) = cotangents;
        let tangents = self.tangents;
        let out = net.part(layout.out());
        for buffer in [&mut self.p, &mut self.q, &mut self.spare] {
            buffer.resize(size, T::ZERO);
        }
        let last = layout.layers() - 1;
        let a = &self.a[last * size..(last + 1) * size];
        tile::weight_gradient(&mut gradient[layout.out()], of_v, a, rows, scores, width);
        tile::column_sums(&mut gradient[layout.out_bias()], of_v);
        self.p.fill(T::ZERO);
        tile::product(&mut self.p, of_v, out, rows, scores, width);
        if tangents {
            tile::elu_tangents(&mut self.da[..size], &self.dz[last * size..(last + 1) * size], a);
            tile::weight_gradient(&mut gradient[layout.out()], of_dv, &self.da, rows, 1, width);
            self.q.fill(T::ZERO);
            tile::product(&mut self.q, of_dv, out, rows, 1, width);
        }
        for layer in (0..=last).rev() {
            let a = &self.a[layer * size..(layer + 1) * size];
            if tangents {
                let dz = &self.dz[layer * size..(layer + 1) * size];
                tile::elu_backward_with_tangents(&mut self.p, &mut self.q, a, dz);
            } else {
                tile::elu_backward(&mut self.p, a);
            }
            let m = layer / 2;
            if layer % 2 == 1 {
                tile::column_sums(&mut gradient[layout.second_bias(m)], &self.p);
            } else {
                tile::column_sums(&mut gradient[layout.bias(m)], &self.p);
                tile::weight_gradient(&mut gradient[layout.inputs(m)], features, &self.p, rows, inputs, width);
            }
            if layer == 0 {
                tile::weight_gradient(&mut gradient[layout.x_in()], x, &self.p, rows, scores, width);
                if tangents {
                    tile::column_sums(&mut gradient[layout.x_in()], &self.q);
                }
                continue;
            }
            let before = &self.a[(layer - 1) * size..layer * size];
            let square = layout.square(layer);
            tile::weight_gradient(&mut gradient[square.clone()], before, &self.p, rows, width, width);
            step_back(&mut self.p, &mut self.spare, net.transposed(layer), rows, width);
            if tangents {
                tile::elu_tangents(&mut self.da[..size], &self.dz[(layer - 1) * size..layer * size], before);
                tile::weight_gradient(&mut gradient[square], &self.da, &self.q, rows, width, width);
                step_back(&mut self.q, &mut self.spare, net.transposed(layer), rows, width);
            }
        }
        if let Some(of_x) = of_x {
            of_x.fill(T::ZERO);
            for d in 0..scores {
                let x_in = &net.part(layout.x_in())[d * width..(d + 1) * width];
                tile::row_dots(&mut of_x[d..], scores, &self.p, x_in);
            }
        }
    }
}

/// `p = p w`, by way of `spare`.
fn step_back<T: Real>(p: &mut Vec<T>, spare: &mut Vec<T>, w: &[T], rows: usize, width: usize) {
    spare.fill(T::ZERO);
    tile::product(spare, p, w, rows, width, width);
    std::mem::swap(p, spare);
}
