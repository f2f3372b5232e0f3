//! Score distributions of single jets with their band over members, beside the classifier's scores of the training jets
//! nearest to them (E7).

use super::Study;
use crate::error::SurrogateError;
use crate::score_model::{ScoreModel, sample};
use crate::score_table::ScoreTable;
use tagwerk_data::random::{normal, stream};
use tagwerk_stats::{SingleJet, logistic};

/// Bins of the score, as in the paper.
const BINS: usize = 10;

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    /// From the whole table, whose rows the options name.
    pub(super) fn single_jets(&self, whole: &ScoreTable) -> Result<Vec<SingleJet>, SurrogateError> {
        let rows = if self.options.single_jets.is_empty() {
            self.at_middle_pt(whole)
        } else {
            self.options.single_jets.clone()
        };
        rows.into_iter().map(|row| self.single_jet(whole, row)).collect()
    }

    /// One row of each class, at the middle of the order in pT (in the first condition that varies, without pT).
    fn at_middle_pt(&self, whole: &ScoreTable) -> Vec<usize> {
        let column = (self.options.roles.pt.as_ref())
            .and_then(|name| whole.column_number(name))
            .or_else(|| whole.continuous_columns().first().copied())
            .unwrap_or(0);
        let values = whole.column(column);
        let middle = |label: u8| {
            let mut of: Vec<usize> = self
                .rows
                .iter()
                .copied()
                .filter(|&row| whole.labels()[row] == label)
                .collect();
            of.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
            of.get(of.len() / 2).copied()
        };
        [0, 1].into_iter().filter_map(middle).collect()
    }

    fn single_jet(&self, whole: &ScoreTable, row: usize) -> Result<SingleJet, SurrogateError> {
        if row >= whole.rows() {
            return Err(SurrogateError::Setting {
                setting: "single_jets",
                value: row.to_string(),
                wanted: "a row of the table",
            });
        }
        let draws = self.options.single_draws;
        let mut rng = stream(self.options.seed, "single jet", row as u64);
        let noise: Vec<f64> = (0..draws).map(|_| normal(&mut rng)).collect();
        let mut members = Vec::new();
        for member in 0..self.model.members() {
            let mut shares = vec![0.0; BINS];
            for logit in sample(self.model, member, whole.row(row), &noise)? {
                shares[bin(logistic(logit))] += 1.0 / draws as f64;
            }
            members.push(shares);
        }
        let over = |fold: fn(f64, f64) -> f64| -> Vec<f64> {
            let at = |i: usize| members.iter().map(|m| m[i]).reduce(fold).unwrap_or(0.0);
            (0..BINS).map(at).collect()
        };
        let scores = self.nearest(whole, row);
        let mut neighbors = vec![0.0; if scores.is_empty() { 0 } else { BINS }];
        for &score in &scores {
            neighbors[bin(score)] += 1.0 / scores.len() as f64;
        }
        Ok(SingleJet {
            row,
            label: whole.labels()[row],
            conditions: whole
                .names()
                .iter()
                .cloned()
                .zip(whole.row(row).iter().copied())
                .collect(),
            score: logistic(whole.logits()[row]),
            edges: (0..=BINS).map(|i| i as f64 / BINS as f64).collect(),
            mean: over(|a, b| a + b)
                .into_iter()
                .map(|sum| sum / members.len() as f64)
                .collect(),
            low: over(f64::min),
            high: over(f64::max),
            neighbors,
            neighbor_rows: scores.len(),
        })
    }

    /// The classifier's scores of the nearest training jets of the same class, in standardized conditions.
    fn nearest(&self, whole: &ScoreTable, row: usize) -> Vec<f64> {
        let Some(training) = self.training else {
            return Vec::new();
        };
        // As in the paper; all that vary where one is missing.
        let roles = &self.options.roles;
        let near = [&roles.pt, &roles.energy, &roles.multiplicity];
        let named: Option<Vec<usize>> = near
            .iter()
            .map(|name| training.column_number(name.as_deref()?))
            .collect();
        let columns = named.unwrap_or_else(|| training.continuous_columns());
        let mut squares = vec![0.0; training.rows()];
        for column in columns {
            let values = training.column(column);
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            if variance > 0.0 {
                let own = whole.row(row)[column];
                squares
                    .iter_mut()
                    .zip(&values)
                    .for_each(|(s, v)| *s += (v - own).powi(2) / variance);
            }
        }
        let mut order: Vec<usize> = (0..training.rows())
            .filter(|&i| training.labels()[i] == whole.labels()[row])
            .collect();
        order.sort_by(|&a, &b| squares[a].total_cmp(&squares[b]).then(a.cmp(&b)));
        order.truncate(self.options.single_neighbors);
        order.into_iter().map(|i| logistic(training.logits()[i])).collect()
    }
}

fn bin(score: f64) -> usize {
    ((score * BINS as f64) as usize).min(BINS - 1)
}
