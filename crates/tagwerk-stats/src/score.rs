//! Scores as sortable keys.
//!
//! Curves are walked from the highest score to the lowest. A score is turned into an integer whose ascending order is
//! that order, because integers sort two to three times faster than floats compared with `partial_cmp`, and equal
//! scores (ties, frequent where single-precision outputs saturate at 0 or 1) become equal integers.

use crate::error::{Result, StatsError};

/// A number a classifier gives: `f32` or `f64`. Single precision is widened exactly, never rounded.
pub trait Score: Copy + Send + Sync {
    /// The score in double precision.
    fn widen(self) -> f64;
}

impl Score for f32 {
    fn widen(self) -> f64 {
        f64::from(self)
    }
}

impl Score for f64 {
    fn widen(self) -> f64 {
        self
    }
}

/// Key whose ascending order is the descending order of scores; -0 and +0 tie.
#[inline]
pub(crate) fn descending_key(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits();
    let ascending = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    !ascending
}

/// The score a key came from.
#[inline]
pub(crate) fn score_of_key(key: u64) -> f64 {
    let ascending = !key;
    f64::from_bits(if ascending >> 63 == 1 {
        ascending & !(1 << 63)
    } else {
        !ascending
    })
}

/// Widens a column of scores and refuses what is not a number. `what` names the column in the error.
pub(crate) fn widen<S: Score>(scores: &[S], rows: usize, what: &str) -> Result<Vec<f64>> {
    if scores.len() != rows {
        return Err(StatsError::Length {
            what: what.to_owned(),
            expected: rows,
            found: scores.len(),
        });
    }
    let mut out = Vec::with_capacity(rows);
    for (row, score) in scores.iter().enumerate() {
        let value = score.widen();
        if value.is_nan() {
            return Err(StatsError::NotANumber {
                what: what.to_owned(),
                row,
                value,
            });
        }
        out.push(value);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_scores_downwards_and_come_back() {
        let scores = [
            f64::INFINITY,
            3.5,
            1.0,
            f64::MIN_POSITIVE,
            0.0,
            -1e-300,
            -2.0,
            f64::NEG_INFINITY,
        ];
        let keys: Vec<u64> = scores.iter().map(|&s| descending_key(s)).collect();
        assert!(keys.windows(2).all(|w| w[0] < w[1]), "{keys:?}");
        assert_eq!(keys.iter().map(|&k| score_of_key(k)).collect::<Vec<_>>(), scores);
        assert_eq!(descending_key(-0.0), descending_key(0.0));
    }

    #[test]
    fn a_score_that_is_no_number_is_named_by_row() {
        let error = widen(&[0.1_f32, f32::NAN], 2, "run 3").unwrap_err();
        assert_eq!(
            error.to_string(),
            "score NaN in row 1 of run 3: a score must be a number"
        );
    }
}
