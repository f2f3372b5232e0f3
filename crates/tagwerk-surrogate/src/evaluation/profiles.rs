//! Epistemic spread and predicted accuracy against each condition, above where the training jets are (E4).

use super::{Study, over_jets};
use crate::error::SurrogateError;
use crate::score_model::ScoreModel;
use std::collections::BTreeMap;
use tagwerk_stats::{EpistemicProfile, ProfileBin, quantile_bins};

/// Bins of the training jets, as in the paper.
const TRAINING_BINS: usize = 40;

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    /// `spread` of the drawn jets (the first of the table; none for one member), `accuracy` of all.
    pub(super) fn profiles(&self, spread: &[f64], accuracy: &[f64]) -> Result<Vec<EpistemicProfile>, SurrogateError> {
        let learned = self.training.unwrap_or(self.table);
        // Bins of the jets that have both.
        let rows = if spread.is_empty() {
            accuracy.len()
        } else {
            spread.len()
        };
        let mut out = Vec::new();
        for column in self.table.continuous_columns() {
            let (values, training) = (self.table.column(column), learned.column(column));
            let mut classes = BTreeMap::new();
            for label in [0, 1] {
                let of: Vec<usize> = (0..rows).filter(|&row| self.table.labels()[row] == label).collect();
                if of.is_empty() {
                    continue;
                }
                let variable: Vec<f64> = of.iter().map(|&row| values[row]).collect();
                let mut bins = Vec::new();
                for bin in quantile_bins(&variable, self.options.profile_bins)? {
                    let pick = |numbers: &[f64]| bin.rows.iter().map(|&i| numbers[of[i]]).collect::<Vec<f64>>();
                    if let Some(accuracy) = over_jets(&pick(accuracy)) {
                        bins.push(ProfileBin {
                            low: bin.low,
                            high: bin.high,
                            rows: bin.rows.len(),
                            spread: if spread.is_empty() {
                                None
                            } else {
                                over_jets(&pick(spread))
                            },
                            accuracy,
                        });
                    }
                }
                classes.insert(label.to_string(), bins);
            }
            let (low, high) = training
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
            let width = (high - low).max(f64::MIN_POSITIVE) / TRAINING_BINS as f64;
            let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            for (&value, label) in training.iter().zip(learned.labels()) {
                let bin = (((value - low) / width) as usize).min(TRAINING_BINS - 1);
                counts
                    .entry(label.to_string())
                    .or_insert_with(|| vec![0; TRAINING_BINS])[bin] += 1;
            }
            out.push(EpistemicProfile {
                column: self.table.names()[column].clone(),
                classes,
                training_edges: (0..=TRAINING_BINS).map(|i| low + width * i as f64).collect(),
                training: counts,
            });
        }
        Ok(out)
    }
}
