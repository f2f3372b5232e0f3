//! A share of rows with its binomial interval.
//!
//! Wilson's score interval (Wilson, J. Am. Stat. Assoc. 22 (1927) 209) at one standard deviation, 68.27 %. It is the
//! set of true shares that the count does not exclude, it stays in [0, 1], and it has a width at shares 0 and 1, where
//! sqrt(p (1 - p) / n) has none. Its coverage is right on average, not at least right for each share as Clopper and
//! Pearson's is, which would be wider.

use serde::{Deserialize, Serialize};

/// A share of rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    /// Counted rows over all rows.
    pub value: f64,
    /// Lower end of the 68.27 % Wilson interval.
    pub low: f64,
    /// Upper end of the 68.27 % Wilson interval.
    pub high: f64,
    /// Rows counted.
    pub count: u64,
    /// All rows.
    pub rows: u64,
}

impl Proportion {
    /// `count` of `rows`; the count is at most the rows. No rows: the share is unknown, the interval is [0, 1] and the
    /// value its middle.
    pub fn new(count: u64, rows: u64) -> Self {
        let (low, high) = wilson(count, rows, 1.0);
        Self {
            value: if rows == 0 { 0.5 } else { count as f64 / rows as f64 },
            low,
            high,
            count,
            rows,
        }
    }

    /// Whether a share lies within `sigmas` of Wilson's interval.
    pub fn allows(&self, share: f64, sigmas: f64) -> bool {
        let (low, high) = wilson(self.count, self.rows, sigmas);
        (low..=high).contains(&share)
    }
}

/// Wilson's interval at `z` standard deviations.
fn wilson(count: u64, rows: u64, z: f64) -> (f64, f64) {
    let (k, n) = (count as f64, rows as f64);
    if rows == 0 {
        return (0.0, 1.0);
    }
    let middle = (k + z * z / 2.0) / (n + z * z);
    let half = z / (n + z * z) * ((k * (n - k) / n).max(0.0) + z * z / 4.0).sqrt();
    // Exact at the ends, where rounding would leave 1e-17.
    let low = if count == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if count >= rows { 1.0 } else { (middle + half).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn intervals_are_those_of_statsmodels_definition() {
        let json: Value = serde_json::from_str(include_str!("../tests/reference/calibration.json")).unwrap();
        for case in json["wilson"].as_array().unwrap() {
            let number = |key: &str| case[key].as_f64().unwrap();
            let ours = Proportion::new(number("count") as u64, number("rows") as u64);
            assert!((ours.low - number("low")).abs() < 1e-12, "{case}: {ours:?}");
            assert!((ours.high - number("high")).abs() < 1e-12, "{case}: {ours:?}");
        }
    }

    #[test]
    fn none_and_all_have_a_width_and_no_rows_say_nothing() {
        assert_eq!(
            (Proportion::new(0, 10).low, Proportion::new(0, 10).high > 0.05),
            (0.0, true)
        );
        assert_eq!(
            (Proportion::new(10, 10).high, Proportion::new(10, 10).low < 0.95),
            (1.0, true)
        );
        let unknown = Proportion::new(0, 0);
        assert_eq!((unknown.low, unknown.high), (0.0, 1.0));
        assert!(Proportion::new(45, 100).allows(0.5, 2.0) && !Proportion::new(30, 100).allows(0.5, 2.0));
    }
}
