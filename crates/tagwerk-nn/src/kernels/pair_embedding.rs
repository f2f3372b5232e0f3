//! From features of pairs of constituents to a bias a head: the interaction embedding of the Particle Transformer.
//!
//! Qu, Li, Qian, arXiv:2202.03772, sec. 4: a batch normalization of the features, then 1 x 1 convolutions, each with a
//! batch normalization and a GELU, over all pairs. The features are symmetric, so each unordered pair (i >= j, a
//! constituent with itself included) is computed once and written to both places; n (n + 1) / 2 pairs a jet of n.
//!
//! The normalizations couple all pairs of a batch, so training goes layer by layer and keeps the pre-activations of
//! layers 2 to L, `[P, C]` each. Activations live in tiles, and so does the first layer: it is affine in four features,
//! cheaper computed again than read, and its statistics follow from the covariance of the features. The features come
//! from the data; they get no gradient.
//!
//! A bias before a normalization has no effect on it. It is a parameter all the same, as published, enters the running
//! means, and gets the gradient 0 that it has in exact arithmetic.

mod backward;
mod features;
mod forward;
mod spec;

pub use backward::backward;
pub use forward::{Saved, forward};
pub use spec::{PairSpec, Places};
