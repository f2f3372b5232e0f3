//! The edges of a Lorentz group equivariant block, on the complete graph of each jet.
//!
//! Gong et al., "An Efficient Lorentz Equivariant Graph Neural Network for Jet Tagging", arXiv:2201.08187, eqs. 3.2 to
//! 3.4. Node i has channels `h_i` and a four-vector `x_i`; `psi(v) = sign(v) ln(1 + |v|)`. For every ordered pair i !=
//! j of one jet
//!
//! ```text
//! m_ij = gate(e) e,   e = relu(W_2 relu(bn(W_1 [h_i, h_j, psi(|x_i - x_j|^2), psi(x_i . x_j)])) + b_2)
//! M_i  = sum_j m_ij
//! x_i' = x_i + step mean_j clamp(phi_x(m_ij) (x_i - x_j), limit)
//! ```
//!
//! with Minkowski products, `gate(e) = sigmoid(w_g . e + b_g)` and `phi_x(m) = w_4 . relu(W_3 m + b_3)`.
//!
//! A jet of 50 has 2,450 edges, a batch of 32 some 80,000, and one `[E, C]` of them is 20 MB. None is ever made:
//! * `W_1` acts on nodes and on two scalars: `y_ij = near_i + far_j + n_ij w_n + p_ij w_p`. Its mean and variance over
//!   the edges, which the normalization wants before the first edge can be finished, follow from sums over nodes.
//! * an edge then runs through all layers in a tile that stays in cache, forward and, computed again, backward. Kept is
//!   one number an edge and where `W_3 m + b_3` was positive, one byte a channel;
//! * the gradient of a normalization is linear in the gradient after it and in `y`, so what flows on to `near`, `far`
//!   and the scalars needs sums over a node's edges only, and no second pass over edges `[E, C]`.

mod backward;
mod forward;
mod nodes;
mod padded;
mod pairs;
mod spec;
mod statistics;
mod walk;

pub use backward::{Gradients, backward};
pub use forward::{Saved, forward};
pub use spec::LorentzEdgeSpec;
