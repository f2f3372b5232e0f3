//! Dense layers with what a transformer puts between them, row by row: everything of a block but its attention.
//!
//! Layer normalization, GELU, dropout, a factor a head and the residual sum are each a pass over memory that does next
//! to nothing; a block has a dozen of them. Here a tile of rows goes through the whole chain while it is in cache: the
//! maps between two products are applied to one row at a time, in the first-level cache, when the product reads or has
//! written it.
//!
//! Training keeps what the products write, `[R, C]` each, and only where a map needs it again; the backward pass
//! computes the maps once more, which is cheaper than to read their results from memory.

mod backward;
mod forward;
mod maps;
mod spec;

pub use backward::{Gradients, backward};
pub use forward::{Saved, forward};
pub use spec::{Map, Residual, RowSpec};
