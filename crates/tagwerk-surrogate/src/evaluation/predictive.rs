//! PIT, coverage, likelihood and the one-sided calibration curve (E1), all from exact distribution functions.

use super::{Study, by_level, values};
use crate::error::SurrogateError;
use crate::score_model::{ScoreModel, cdf, log_density};
use std::collections::BTreeMap;
use tagwerk_stats::{
    CalibrationCurve, LevelsInBin, LikelihoodSummary, PitHistogram, PointEstimate, Proportion, calibration_curve,
    central_coverage, class_coverage, coverage_in_bins, likelihood_summary, pit_histogram,
};

pub(super) struct Predictive {
    /// PIT of the mixture, one a chosen jet.
    pub(super) mixture: Vec<f64>,
    pub(super) coverage: BTreeMap<String, Proportion>,
    pub(super) by_class: BTreeMap<String, BTreeMap<String, Proportion>>,
    pub(super) in_bins: BTreeMap<String, Vec<LevelsInBin>>,
    pub(super) pit: PitHistogram,
    pub(super) pit_by_class: BTreeMap<String, PitHistogram>,
    pub(super) calibration: CalibrationCurve,
    pub(super) point_estimate: Option<PointEstimate>,
    pub(super) nll: LikelihoodSummary,
}

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    pub(super) fn predictive(&self) -> Result<Predictive, SurrogateError> {
        let (table, options) = (self.table, self.options);
        let count = self.model.members();
        let mut members = Vec::with_capacity(count);
        let mut mixture = vec![0.0; table.rows()];
        let mut densities: Vec<Vec<f64>> = Vec::with_capacity(count);
        for member in 0..count {
            let pit = cdf(self.model, member, table.conditions(), table.logits())?;
            mixture
                .iter_mut()
                .zip(&pit)
                .for_each(|(sum, u)| *sum += u / count as f64);
            members.push(pit);
            densities.push(log_density(self.model, member, table.conditions(), table.logits())?);
        }
        mixture.iter_mut().for_each(|u| *u = u.clamp(0.0, 1.0));
        let levels = &options.levels;
        let classes: Vec<u32> = table.labels().iter().map(|&l| u32::from(l)).collect();
        let mut in_bins = BTreeMap::new();
        for (name, variable) in self.variables() {
            let bins = coverage_in_bins(&mixture, &variable, options.bins, levels)?;
            let bin = |bin: tagwerk_stats::CoverageBin| LevelsInBin {
                low: bin.low,
                high: bin.high,
                coverage: by_level(levels, bin.coverage),
            };
            in_bins.insert(name, bins.into_iter().map(bin).collect());
        }
        let mut pit_by_class = BTreeMap::new();
        for label in [0, 1] {
            let of: Vec<f64> = self.class_rows(label).iter().map(|&row| mixture[row]).collect();
            if !of.is_empty() {
                pit_by_class.insert(label.to_string(), pit_histogram(&of, options.pit_bins)?);
            }
        }
        let point_estimate = match self.model.point_estimate().filter(|&member| member < count) {
            None => None,
            Some(member) => Some(PointEstimate {
                member,
                coverage: values(&by_level(levels, central_coverage(&members[member], levels)?)),
                pit_ks: pit_histogram(&members[member], options.pit_bins)?.ks,
            }),
        };
        let points = options.curve_points;
        let curve_levels: Vec<f64> = (0..points).map(|i| i as f64 / (points - 1) as f64).collect();
        Ok(Predictive {
            coverage: by_level(levels, central_coverage(&mixture, levels)?),
            by_class: class_coverage(&mixture, &classes, levels)?
                .into_iter()
                .map(|(class, shares)| (class.to_string(), by_level(levels, shares)))
                .collect(),
            in_bins,
            pit: pit_histogram(&mixture, options.pit_bins)?,
            pit_by_class,
            calibration: calibration_curve(&mixture, &members, &curve_levels)?,
            point_estimate,
            nll: likelihood_summary(&mean_density(&densities))?,
            mixture,
        })
    }
}

/// Log of the mean density over members, for each jet.
fn mean_density(members: &[Vec<f64>]) -> Vec<f64> {
    let rows = members.first().map_or(0, Vec::len);
    let mean = |row: usize| {
        let top = members.iter().map(|m| m[row]).fold(f64::NEG_INFINITY, f64::max);
        if top == f64::NEG_INFINITY {
            return top;
        }
        let sum: f64 = members.iter().map(|m| (m[row] - top).exp()).sum();
        top + (sum / members.len() as f64).ln()
    };
    (0..rows).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_are_averaged_not_their_logarithms() {
        let mean = mean_density(&[vec![0.0, -1e4], vec![f64::NEG_INFINITY, -1e4]]);
        assert!((mean[0] - 0.5_f64.ln()).abs() < 1e-15);
        assert_eq!(mean[1], -1e4);
    }
}
