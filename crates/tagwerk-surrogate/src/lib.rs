//! Surrogates of a finished classifier: which scores it would give, from observables that anyone has.

mod error;
pub mod posterior;

pub use error::SurrogateError;
