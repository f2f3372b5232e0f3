//! Layers and fused jagged kernels on Burn; the one crate that names Burn's backends.
//!
//! # What
//!
//! A batch of jets is rows and offsets ([`Segments`]): no padded row is stored, moved or multiplied. [`ops`] holds the
//! differentiable operations: dense chains, sums over a jet, batch normalization over real rows, EdgeConv on real
//! edges. Each is one hand-written kernel with its backward pass on the CPU ([`kernels`]), registered with Burn as a
//! backend extension, and ordinary Burn operations on every other device. [`layers`] give them parameters; [`loss`],
//! [`optimizer`] and [`weights`] complete what training needs.
//!
//! # Why so
//!
//! A jet has 20 to 100 constituents, a padded one 100 to 200; and a chain of small layers over many rows is bound by
//! memory, not arithmetic, unless activations stay in cache. So a kernel carries tiles of 256 rows through a whole
//! chain, and its parameters are one packed tensor. Burn differentiates between the kernels, runs everything else
//! (loss, dropout, whatever a new tagger needs), and brings the GPU backends.
//!
//! # What it costs
//!
//! A kernel and its plain twin say the same thing twice; a property test holds them together, values and gradients.
//! Neighbor search and running statistics go through the host on GPUs too, one synchronization a block.

pub mod device;
mod error;
pub mod kernels;
pub mod layers;
pub mod loss;
pub mod ops;
pub mod optimizer;
mod segments;
pub mod weights;

pub use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
pub use error::NnError;
pub use segments::Segments;
