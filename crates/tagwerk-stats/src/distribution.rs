//! The few distribution functions that tests of calibration need: normal, chi-square, Kolmogorov and Smirnov.

mod chi_square;
mod kolmogorov;
mod normal;

pub use chi_square::chi_square_tail;
pub use kolmogorov::kolmogorov_tail;
pub use normal::{normal_cdf, normal_quantile, normal_tail};
