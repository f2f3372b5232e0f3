//! Bins of a variable that hold equally many rows, as far as equal values let them.

use crate::checks;
use crate::error::Result;

/// Rows of one bin.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantileBin {
    /// Smallest value in it.
    pub low: f64,
    /// Largest value in it.
    pub high: f64,
    /// Row numbers, ascending.
    pub rows: Vec<usize>,
}

/// Cuts rows into at most `bins` bins. Rows of one value stay together, so that a count (of constituents, say) is in
/// one bin only; there are then fewer bins than asked for.
///
/// # Errors
/// No rows, values that are not finite.
pub fn quantile_bins(values: &[f64], bins: usize) -> Result<Vec<QuantileBin>> {
    checks::at_least("the binned variable", 1, values.len())?;
    checks::finite("the binned variable", values)?;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    let bins = bins.clamp(1, order.len());
    let mut out: Vec<QuantileBin> = Vec::with_capacity(bins);
    let mut begin = 0;
    for bin in 1..=bins {
        let mut end = (bin * order.len() / bins).max(begin);
        // A cut between equal values moves up.
        while end > begin && end < order.len() && values[order[end]] == values[order[end - 1]] {
            end += 1;
        }
        if end == begin {
            continue;
        }
        let mut rows = order[begin..end].to_vec();
        let (low, high) = (values[rows[0]], values[order[end - 1]]);
        rows.sort_unstable();
        out.push(QuantileBin { low, high, rows });
        begin = end;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_share_the_rows_and_never_split_a_value() {
        let counts: Vec<f64> = (0..100).map(|i| f64::from(i * i % 17)).collect();
        let bins = quantile_bins(&counts, 5).unwrap();
        assert_eq!(bins.iter().map(|b| b.rows.len()).sum::<usize>(), 100);
        assert!(bins.windows(2).all(|w| w[0].high < w[1].low), "{bins:?}");
        let even = quantile_bins(&(0..100).map(f64::from).collect::<Vec<_>>(), 5).unwrap();
        assert!(even.iter().all(|b| b.rows.len() == 20) && even.len() == 5);
        assert_eq!(quantile_bins(&[3.0; 7], 4).unwrap().len(), 1);
        assert!(quantile_bins(&[], 4).is_err() && quantile_bins(&[f64::NAN], 4).is_err());
    }
}
