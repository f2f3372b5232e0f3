//! Distance to the k-th nearest of the rows learned from, in standardized columns.
//!
//! Sun, Ming, Zhu, Li, arXiv:2204.06507 (there on features of a network). It sees holes inside the domain, where an
//! ellipsoid does not, and costs the rows themselves. A k-d tree answers without looking at most of them.

use super::{block, standardization};
use crate::checks;
use crate::error::{Result, StatsError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows of a leaf.
const LEAF: usize = 16;

/// The rows learned from, in a tree. Serialized as settings and standardized rows; the tree is built again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Neighbors {
    k: usize,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// Standardized rows in the order of the tree: halves of halves.
    rows: Vec<f64>,
    /// Split of each inner node, in the order in which the tree is walked.
    splits: Vec<Split>,
}

/// An inner node: rows before the middle have at most `at` in `column`, rows from the middle at least.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Split {
    column: usize,
    at: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// Which neighbor.
    k: usize,
    /// Mean of each column.
    mean: Vec<f64>,
    /// Deviation of each column.
    deviation: Vec<f64>,
    /// Standardized rows, `[rows, columns]`.
    rows: Vec<f64>,
}

impl TryFrom<Parts> for Neighbors {
    type Error = StatsError;

    fn try_from(parts: Parts) -> Result<Self> {
        let columns = parts.mean.len();
        checks::rows("the deviations", columns, parts.deviation.len())?;
        checks::finite("a mean", &parts.mean)?;
        checks::range("a deviation", &parts.deviation, "(0, infinity)", |x| {
            x.is_finite() && x > 0.0
        })?;
        let n = block("rows of the domain", &parts.rows, columns)?;
        if parts.k == 0 {
            return Err(StatsError::Setting {
                what: "the number of the neighbor",
                value: 0.0,
                wanted: "at least 1",
            });
        }
        checks::at_least("rows of the domain", parts.k, n)?;
        let mut splits = Vec::new();
        let mut order: Vec<usize> = (0..n).collect();
        split(&parts.rows, columns, &mut order, &mut splits);
        let sorted = order
            .iter()
            .flat_map(|&row| &parts.rows[row * columns..(row + 1) * columns]);
        Ok(Self {
            k: parts.k,
            mean: parts.mean,
            deviation: parts.deviation,
            rows: sorted.copied().collect(),
            splits,
        })
    }
}

impl From<Neighbors> for Parts {
    fn from(neighbors: Neighbors) -> Self {
        Self {
            k: neighbors.k,
            mean: neighbors.mean,
            deviation: neighbors.deviation,
            rows: neighbors.rows,
        }
    }
}

/// Orders rows into halves along their widest column, halves of halves, down to leaves.
fn split(rows: &[f64], columns: usize, order: &mut [usize], splits: &mut Vec<Split>) {
    if order.len() <= LEAF {
        return;
    }
    let width = |column: usize| {
        let values = order.iter().map(|&row| rows[row * columns + column]);
        values.clone().fold(f64::NEG_INFINITY, f64::max) - values.fold(f64::INFINITY, f64::min)
    };
    let (mut column, mut widest) = (0, -1.0);
    for c in 0..columns {
        let w = width(c);
        if w > widest {
            (column, widest) = (c, w);
        }
    }
    let middle = order.len() / 2;
    let value = |row: &usize| rows[row * columns + column];
    order.select_nth_unstable_by(middle, |a, b| value(a).total_cmp(&value(b)).then(a.cmp(b)));
    splits.push(Split {
        column,
        at: value(&order[middle]),
    });
    let (low, high) = order.split_at_mut(middle);
    split(rows, columns, low, splits);
    split(rows, columns, high, splits);
}

/// Inner nodes of a tree of `n` rows, to find the second half's splits.
fn inner_nodes(n: usize) -> usize {
    if n <= LEAF {
        0
    } else {
        1 + inner_nodes(n / 2) + inner_nodes(n - n / 2)
    }
}

/// The nearest squared distances so far, ascending.
struct Nearest {
    squares: Vec<f64>,
}

impl Nearest {
    fn furthest(&self) -> f64 {
        self.squares[self.squares.len() - 1]
    }

    fn offer(&mut self, square: f64) {
        if square < self.furthest() {
            let at = self.squares.partition_point(|&s| s <= square);
            self.squares.pop();
            self.squares.insert(at, square);
        }
    }
}

impl Neighbors {
    /// Keeps `rows`, `[rows, columns]`; distances are to the `k`-th nearest of them, in units of the columns'
    /// deviations.
    ///
    /// # Errors
    /// k of 0, fewer rows than k, a constant column, values that are not finite.
    pub fn fit(rows: &[f64], columns: usize, k: usize) -> Result<Self> {
        let (mean, deviation) = standardization("rows of the domain", rows, columns)?;
        let standard = rows.chunks_exact(columns).flat_map(|row| {
            let (mean, deviation) = (&mean, &deviation);
            (0..columns).map(move |c| (row[c] - mean[c]) / deviation[c])
        });
        let standard = standard.collect();
        Self::try_from(Parts {
            k,
            mean,
            deviation,
            rows: standard,
        })
    }

    /// Columns of a row.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// Rows kept.
    pub fn rows(&self) -> usize {
        self.rows.len() / self.columns()
    }

    /// Distance of one row to its k-th nearest; infinite for values that are not finite. A row of the domain itself is
    /// its own nearest. A row of another length is infinitely far.
    pub fn distance(&self, row: &[f64]) -> f64 {
        let columns = self.columns();
        if row.len() != columns || row.iter().any(|x| !x.is_finite()) {
            return f64::INFINITY;
        }
        let query: Vec<f64> = (0..columns)
            .map(|c| (row[c] - self.mean[c]) / self.deviation[c])
            .collect();
        let mut nearest = Nearest {
            squares: vec![f64::INFINITY; self.k],
        };
        let mut offset = vec![0.0; columns];
        self.visit(&query, 0..self.rows(), 0, 0.0, &mut offset, &mut nearest);
        nearest.furthest().sqrt()
    }

    /// Looks at the rows of a node: the side of the query first, the other only if its box may hold a nearer row.
    /// `offset` holds the distance to the box in each column, `outside` the sum of squares.
    fn visit(
        &self,
        query: &[f64],
        rows: std::ops::Range<usize>,
        node: usize,
        outside: f64,
        offset: &mut [f64],
        nearest: &mut Nearest,
    ) {
        let columns = query.len();
        if rows.len() <= LEAF {
            for row in self.rows[rows.start * columns..rows.end * columns].chunks_exact(columns) {
                nearest.offer(row.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum());
            }
            return;
        }
        let Split { column, at } = self.splits[node];
        let middle = rows.start + rows.len() / 2;
        let (low, high) = (rows.start..middle, middle..rows.end);
        let (low_node, high_node) = (node + 1, node + 1 + inner_nodes(low.len()));
        let gap = query[column] - at;
        let ((near, near_node), (far, far_node)) = if gap < 0.0 {
            ((low, low_node), (high, high_node))
        } else {
            ((high, high_node), (low, low_node))
        };
        self.visit(query, near, near_node, outside, offset, nearest);
        let before = offset[column];
        let outside = outside - before * before + gap * gap;
        if outside < nearest.furthest() {
            offset[column] = gap;
            self.visit(query, far, far_node, outside, offset, nearest);
            offset[column] = before;
        }
    }

    /// Distance of each row of `[rows, columns]`.
    ///
    /// # Errors
    /// A block that does not divide into rows, values that are not finite.
    pub fn distances(&self, rows: &[f64]) -> Result<Vec<f64>> {
        block("rows to compare", rows, self.columns())?;
        Ok(rows
            .par_chunks_exact(self.columns())
            .map(|row| self.distance(row))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn distances_are_those_of_scipy() {
        let json: Value = serde_json::from_str(include_str!("../../tests/reference/calibration.json")).unwrap();
        let case = &json["domain"];
        let column = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
        let fitted = Neighbors::fit(&column("rows"), 3, 10).unwrap();
        for (a, b) in fitted
            .distances(&column("queries"))
            .unwrap()
            .iter()
            .zip(column("neighbor_10"))
        {
            assert!((a / b - 1.0).abs() < 1e-9, "{a} instead of {b}");
        }
    }

    #[test]
    fn it_comes_back_from_its_file_with_the_same_answers() {
        let rows: Vec<f64> = (0..200).map(|i| f64::from(i * i % 61)).collect();
        let fitted = Neighbors::fit(&rows, 2, 3).unwrap();
        let read: Neighbors = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
        for query in [[0.0, 0.0], [30.0, 31.0], [500.0, -3.0]] {
            assert_eq!(read.distance(&query), fitted.distance(&query));
        }
        assert!(Neighbors::fit(&rows, 2, 0).is_err() && Neighbors::fit(&rows[..4], 2, 3).is_err());
        assert_eq!(fitted.distance(&[1.0]), f64::INFINITY);
        assert_eq!(fitted.distance(&[1.0, f64::NAN]), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_looking_at_all_rows_finds(
            // A coarse grid: many equal rows and splits through ties.
            rows in proptest::collection::vec(0..9_i32, 60..600),
            query in [-3..12_i32, -3..12, -3..12],
            k in 1..20_usize,
        ) {
            let rows: Vec<f64> = rows[..rows.len() / 3 * 3].iter().map(|&x| f64::from(x)).collect();
            let fitted = Neighbors::fit(&rows, 3, k);
            prop_assume!(fitted.is_ok());
            let fitted = fitted.unwrap();
            let query = query.map(f64::from);
            let mut all: Vec<f64> = rows
                .chunks(3)
                .map(|row| (0..3).map(|c| ((row[c] - query[c]) / fitted.deviation[c]).powi(2)).sum::<f64>().sqrt())
                .collect();
            all.sort_by(f64::total_cmp);
            prop_assert!((fitted.distance(&query) - all[k - 1]).abs() < 1e-9);
        }
    }
}
