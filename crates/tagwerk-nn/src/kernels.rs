//! The CPU kernels: plain slices in, plain slices out, no tensor library in sight.
//!
//! Each kernel splits its work into a partition that depends on the data alone, never on the number of threads, and
//! adds partial sums in the order of that partition: the same input gives the same bits on one thread or twenty.
//! Threads come from the rayon pool the caller runs in, so a training confined to a pool of one stays on one core.

pub mod activation;
pub mod adam;
pub mod attention;
pub mod chain;
pub mod condition;
pub mod conv;
pub mod dropout;
pub mod edge;
pub mod gemm;
pub mod knn;
pub mod layer_norm;
pub mod lorentz;
pub mod lorentz_edge;
pub mod norm;
pub mod pair_embedding;
pub mod pair_products;
pub mod panel;
pub mod partition;
pub mod pool;
pub mod prelu;
pub mod row_chain;
pub mod segment;
pub mod simd;
pub mod site_norm;
pub mod sites;
pub mod sparse;
pub mod tree;
pub mod workspace;
