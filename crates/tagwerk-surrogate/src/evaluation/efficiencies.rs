//! Passing shares at the classifier's working points: what a recast analysis uses first.

use super::Study;
use crate::error::SurrogateError;
use crate::score_model::{ScoreModel, efficiency};
use std::collections::BTreeMap;
use tagwerk_stats::{EfficiencyPoint, Passing, PassingInBin, Proportion, quantile_bins, sample_quantile};

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    pub(super) fn efficiencies(&self) -> Result<Vec<EfficiencyPoint>, SurrogateError> {
        let table = self.table;
        let (signal, background) = (self.class_rows(1), self.class_rows(0));
        let mut of_signal: Vec<f64> = signal.iter().map(|&row| table.logits()[row]).collect();
        of_signal.sort_by(f64::total_cmp);
        let variables = self.variables();
        let mut out = Vec::new();
        for &working_point in &self.options.working_points {
            let cut = sample_quantile(&of_signal, 1.0 - working_point);
            let members: Vec<Vec<f64>> = (0..self.model.members())
                .map(|member| efficiency(self.model, member, table.conditions(), cut))
                .collect::<Result<_, _>>()?;
            let passing = |rows: &[usize]| self.passing(rows, cut, &members);
            let mut in_bins = BTreeMap::new();
            for (name, variable) in &variables {
                let bins = quantile_bins(variable, self.options.bins)?.into_iter().map(|bin| {
                    let of = |label: u8| -> Vec<usize> {
                        bin.rows
                            .iter()
                            .copied()
                            .filter(|&row| table.labels()[row] == label)
                            .collect()
                    };
                    PassingInBin {
                        low: bin.low,
                        high: bin.high,
                        signal: passing(&of(1)),
                        background: passing(&of(0)),
                    }
                });
                in_bins.insert(name.clone(), bins.collect());
            }
            // Both classes have jets: the ROC curve was made of them.
            if let (Some(signal), Some(background)) = (passing(&signal), passing(&background)) {
                out.push(EfficiencyPoint {
                    working_point,
                    cut,
                    signal,
                    background,
                    in_bins,
                });
            }
        }
        Ok(out)
    }

    fn passing(&self, rows: &[usize], cut: f64, members: &[Vec<f64>]) -> Option<Passing> {
        if rows.is_empty() {
            return None;
        }
        let count = rows.iter().filter(|&&row| self.table.logits()[row] > cut).count();
        let means: Vec<f64> = (members.iter())
            .map(|member| rows.iter().map(|&row| member[row]).sum::<f64>() / rows.len() as f64)
            .collect();
        Some(Passing {
            classifier: Proportion::new(count as u64, rows.len() as u64),
            surrogate: means.iter().sum::<f64>() / means.len() as f64,
            low: means.iter().copied().fold(f64::INFINITY, f64::min),
            high: means.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}
