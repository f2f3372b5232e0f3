//! What a recalibration would do: maps learned on every second jet, judged on the others.

use super::{Study, by_level};
use crate::error::SurrogateError;
use crate::recalibrated::KNOTS;
use crate::score_model::ScoreModel;
use tagwerk_stats::{Conformal, PitRecalibration, central_coverage, pit_histogram};

/// Fewest jets of a class in each half.
const FEWEST: usize = 50;

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    /// `pit` is that of the mixture. Absent where a class has too few jets.
    pub(super) fn conformal(&self, pit: &[f64]) -> Result<Option<Conformal>, SurrogateError> {
        // Chosen jets are in random order, so every second one is a random half.
        let halves = |first: usize| -> (Vec<f64>, Vec<u32>) {
            let rows = (first..pit.len()).step_by(2);
            rows.map(|row| (pit[row], u32::from(self.table.labels()[row]))).unzip()
        };
        let ((fitted, fitted_classes), (judged, judged_classes)) = (halves(0), halves(1));
        let scarce = |classes: &[u32], class| classes.iter().filter(|&&c| c == class).count() < FEWEST;
        if [0, 1]
            .iter()
            .any(|&class| scarce(&fitted_classes, class) || scarce(&judged_classes, class))
        {
            return Ok(None);
        }
        let maps = PitRecalibration::fit_classes(&fitted, &fitted_classes, KNOTS)?;
        let corrected: Vec<f64> = (judged.iter().zip(&judged_classes))
            .map(|(&u, class)| maps[class].apply(u))
            .collect();
        let levels = &self.options.levels;
        let bins = self.options.pit_bins;
        Ok(Some(Conformal {
            calibration_rows: fitted.len(),
            before: by_level(levels, central_coverage(&judged, levels)?),
            after: by_level(levels, central_coverage(&corrected, levels)?),
            ks_before: pit_histogram(&judged, bins)?.ks,
            ks_after: pit_histogram(&corrected, bins)?.ks,
            maps: maps.into_iter().map(|(class, map)| (class.to_string(), map)).collect(),
        }))
    }
}
