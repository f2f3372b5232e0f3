//! EdgeConv on the edges of real constituents.
//!
//! Wang et al., "Dynamic Graph CNN", arXiv:1801.07829, with the block of Qu, Gouskos, "ParticleNet", arXiv:1902.08570:
//! `y_ij = W_L relu(bn(.. relu(bn(W_1 [x_i, x_j - x_i]))))`, the mean over the neighbors j of i, a shortcut
//! `bn(W_s x_i)`, and a ReLU of the sum.
//!
//! Three things make it cheap:
//! * the first layer is applied to nodes, not edges: `W_1 [x_i, x_j - x_i] = (W_1a - W_1b) x_i + W_1b x_j`, K times
//!   less work, and an edge's first pre-activation is the sum of two node vectors, so it is never stored;
//! * only edges that exist are computed, tile by tile, activations staying in cache between layers;
//! * scoring carries a tile through all layers at once and stores nothing an edge. Training cannot: the normalization
//!   of layer l needs all edges of layer l before layer l + 1 may begin. It keeps the pre-activations of layers 2..L,
//!   `[E, C]` each (recomputing them instead would double the matrix products), and the backward pass two gradients of
//!   that size at a time; activations and the first layer live in tiles.

mod backward;
mod forward;
mod spec;
mod tiles;
mod upstream;

pub use backward::backward;
pub use forward::{Saved, forward_scoring, forward_training};
pub use spec::{BlockStatistics, EdgeSpec};
