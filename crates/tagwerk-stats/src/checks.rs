//! Checks that columns of a predictive distribution share: length, finiteness, range.

use crate::error::{Result, StatsError};

/// A column has as many rows as it must.
pub(crate) fn rows(what: &str, expected: usize, found: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(StatsError::Length {
        what: what.to_owned(),
        expected,
        found,
    })
}

/// At least `needed` values.
pub(crate) fn at_least(what: &str, needed: usize, found: usize) -> Result<()> {
    if found >= needed {
        return Ok(());
    }
    Err(StatsError::TooFew {
        what: what.to_owned(),
        found,
        needed,
    })
}

/// Every value is finite.
pub(crate) fn finite(what: &str, values: &[f64]) -> Result<()> {
    range(what, values, "the finite numbers", |v| v.is_finite())
}

/// Every value lies in [0, 1].
pub(crate) fn shares(what: &str, values: &[f64]) -> Result<()> {
    range(what, values, "[0, 1]", |v| (0.0..=1.0).contains(&v))
}

/// Every value is one that `accepted` accepts; `wanted` says which those are.
pub(crate) fn range(what: &str, values: &[f64], wanted: &'static str, accepted: impl Fn(f64) -> bool) -> Result<()> {
    match values.iter().position(|&v| !accepted(v)) {
        None => Ok(()),
        Some(row) => Err(StatsError::Range {
            what: what.to_owned(),
            row,
            value: values[row],
            wanted,
        }),
    }
}
