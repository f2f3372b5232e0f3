//! Jets with conditions, class and the classifier's logit: what a surrogate is judged on.

use crate::error::SurrogateError;

/// A checked table of `B` jets and `C` conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreTable {
    names: Vec<String>,
    conditions: Vec<f64>,
    labels: Vec<u8>,
    logits: Vec<f64>,
}

impl ScoreTable {
    /// Names of the conditions `[C]`, their values `[B, C]` in physical units, labels (1 signal, 0 background) and
    /// logits `[B]` of the classifier.
    ///
    /// # Errors
    /// Unequal lengths, labels other than 0 and 1, values that are not finite. (A score of exactly 0 or 1 has no finite
    /// logit: whoever reads scores says how they are clamped.)
    pub fn new(
        names: Vec<String>,
        conditions: Vec<f64>,
        labels: Vec<u8>,
        logits: Vec<f64>,
    ) -> Result<Self, SurrogateError> {
        let rows = logits.len();
        for (what, found, expected) in [
            ("the conditions of a table", conditions.len(), rows * names.len()),
            ("the labels of a table", labels.len(), rows),
        ] {
            if found != expected {
                return Err(SurrogateError::Length { what, found, expected });
            }
        }
        if names.is_empty() {
            return Err(SurrogateError::Length {
                what: "the columns of a table",
                found: 0,
                expected: 1,
            });
        }
        if let Some(row) = labels.iter().position(|&label| label > 1) {
            return Err(tagwerk_stats::StatsError::Label {
                row,
                value: f64::from(labels[row]),
            }
            .into());
        }
        let broken = conditions.iter().position(|v| !v.is_finite());
        if let Some(at) = broken {
            return Err(not_finite(&names[at % names.len()], at / names.len(), conditions[at]));
        }
        if let Some(row) = logits.iter().position(|v| !v.is_finite()) {
            return Err(not_finite("the logit", row, logits[row]));
        }
        Ok(Self {
            names,
            conditions,
            labels,
            logits,
        })
    }

    /// Names of the conditions, `[C]`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Jets, B.
    pub fn rows(&self) -> usize {
        self.logits.len()
    }

    /// Conditions a jet, C.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// `[B, C]`.
    pub fn conditions(&self) -> &[f64] {
        &self.conditions
    }

    /// The conditions of one jet, `[C]`.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.conditions[row * self.columns()..(row + 1) * self.columns()]
    }

    /// `[B]`.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// `[B]`.
    pub fn logits(&self) -> &[f64] {
        &self.logits
    }

    /// The number of a column.
    pub fn column_number(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    /// One column, `[B]`.
    pub fn column(&self, number: usize) -> Vec<f64> {
        self.conditions
            .iter()
            .skip(number)
            .step_by(self.columns())
            .copied()
            .collect()
    }

    /// The table of some rows, in their order. Rows must exist.
    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            names: self.names.clone(),
            conditions: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            logits: rows.iter().map(|&row| self.logits[row]).collect(),
        }
    }

    /// Numbers of the columns that may take any value: all but those that only repeat the label or never change.
    pub fn continuous_columns(&self) -> Vec<usize> {
        let changes = |&c: &usize| {
            let values = self.column(c);
            let constant = values.iter().all(|v| *v == values[0]);
            // One value for each class, whatever it is: a label column, standardized or not.
            let of = |label: u8| {
                values
                    .iter()
                    .zip(&self.labels)
                    .find(|(_, l)| **l == label)
                    .map(|(v, _)| *v)
            };
            let label = values.iter().zip(&self.labels).all(|(v, &l)| Some(*v) == of(l));
            !constant && !label
        };
        (0..self.columns()).filter(changes).collect()
    }
}

fn not_finite(what: &str, row: usize, value: f64) -> SurrogateError {
    tagwerk_stats::StatsError::Range {
        what: what.to_owned(),
        row,
        value,
        wanted: "the finite numbers",
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["label_top".to_owned(), "jet_pt".to_owned(), "year".to_owned()]
    }

    #[test]
    fn labels_and_constants_are_no_continuous_columns() {
        let table = ScoreTable::new(
            names(),
            vec![1.0, 500.0, 2018.0, 0.0, 600.0, 2018.0, 1.0, 600.0, 2018.0],
            vec![1, 0, 1],
            vec![0.0; 3],
        )
        .unwrap();
        assert_eq!(table.continuous_columns(), [1]);
        assert_eq!(table.column(1), [500.0, 600.0, 600.0]);
        assert_eq!(table.take(&[2, 0]).row(0), [1.0, 600.0, 2018.0]);
    }

    #[test]
    fn broken_tables_name_column_and_row() {
        let bad = |value: f64, label: u8, logit: f64| {
            ScoreTable::new(names(), vec![1.0, value, 3.0], vec![label], vec![logit])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            bad(f64::NAN, 1, 0.0),
            "jet_pt is NaN in row 0: it must lie in the finite numbers"
        );
        assert!(bad(1.0, 2, 0.0).contains("label 2 in row 0"));
        assert!(bad(1.0, 1, f64::INFINITY).contains("the logit is inf in row 0"));
        assert!(ScoreTable::new(names(), vec![1.0], vec![1], vec![0.0]).is_err());
        assert!(ScoreTable::new(vec![], vec![], vec![], vec![]).is_err());
    }
}
