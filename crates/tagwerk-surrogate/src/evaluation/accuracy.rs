//! Predicted accuracy of each jet (E2) and its spectrum (E5).
//!
//! The accuracy of a top jet is the probability of a score above 1/2, of a background jet that of a score below. The
//! spectrum is compared with the classifier's own t = s (top) or 1 - s (background), as the paper does; the one is a
//! probability of passing, the other a score, so their distance is not 0 for a perfect surrogate. The marginal logits
//! are the cleaner comparison.

use super::Study;
use crate::error::SurrogateError;
use crate::score_model::{ScoreModel, efficiency};
use tagwerk_stats::{JsDistance, SpectrumBand, js_over_members, logistic};

/// Bins of the paper's spectrum: numpy's linspace(0.5, 1.1, 20).
const EDGES: usize = 20;

pub(super) struct Accuracy {
    /// Mean over members, one a chosen jet.
    pub(super) mean: Vec<f64>,
    pub(super) spectrum: SpectrumBand,
    pub(super) distance: JsDistance,
}

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    pub(super) fn accuracy(&self) -> Result<Accuracy, SurrogateError> {
        let table = self.table;
        let members: Vec<Vec<f64>> = (0..self.model.members())
            .map(|member| self.accuracy_of(member, table.conditions(), table.labels()))
            .collect::<Result<_, _>>()?;
        let edges: Vec<f64> = (0..EDGES).map(|i| 0.5 + 0.6 * i as f64 / (EDGES - 1) as f64).collect();
        let own: Vec<f64> = (table.logits().iter().zip(table.labels()))
            .map(|(&x, &label)| logistic(if label == 1 { x } else { -x }))
            .collect();
        let (spectrum, distance) = spectrum(&edges, &own, &members)?;
        let mean = |row: usize| members.iter().map(|m| m[row]).sum::<f64>() / members.len() as f64;
        Ok(Accuracy {
            mean: (0..table.rows()).map(mean).collect(),
            spectrum,
            distance,
        })
    }

    /// Accuracy predicted by one member, for jets of given conditions and labels.
    pub(super) fn accuracy_of(
        &self,
        member: usize,
        conditions: &[f64],
        labels: &[u8],
    ) -> Result<Vec<f64>, SurrogateError> {
        let passing = efficiency(self.model, member, conditions, 0.0)?;
        let right = |(p, &label): (f64, &u8)| if label == 1 { p } else { 1.0 - p };
        Ok(passing.into_iter().zip(labels).map(right).collect())
    }
}

/// Histograms of the classifier's values and of each member's, and their distance.
pub(super) fn spectrum(
    edges: &[f64],
    classifier: &[f64],
    members: &[Vec<f64>],
) -> Result<(SpectrumBand, JsDistance), SurrogateError> {
    let own = shares(edges, classifier);
    let members: Vec<Vec<f64>> = members.iter().map(|values| shares(edges, values)).collect();
    let distance = js_over_members(&members, &own)?;
    let bins = edges.len() - 1;
    let over = |fold: fn(f64, f64) -> f64| -> Vec<f64> {
        let bin = |i: usize| members.iter().map(|m| m[i]).reduce(fold).unwrap_or(0.0);
        (0..bins).map(bin).collect()
    };
    let band = SpectrumBand {
        edges: edges.to_vec(),
        classifier: own,
        mean: over(|a, b| a + b)
            .into_iter()
            .map(|sum| sum / members.len() as f64)
            .collect(),
        low: over(f64::min),
        high: over(f64::max),
    };
    Ok((band, distance))
}

/// Share of all values a bin; as numpy's histogram, the last bin holds its upper edge.
fn shares(edges: &[f64], values: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; edges.len() - 1];
    for &value in values {
        let after = edges.partition_point(|&edge| edge <= value);
        if after > 0 && after < edges.len() {
            out[after - 1] += 1.0 / values.len() as f64;
        } else if value == edges[edges.len() - 1] {
            out[edges.len() - 2] += 1.0 / values.len() as f64;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_closed_as_those_of_numpy() {
        // numpy.histogram([0, 0.5, 1, 1.5, 2, 2.1, -1], bins=[0, 1, 2])
        assert_eq!(
            shares(&[0.0, 1.0, 2.0], &[0.0, 0.5, 1.0, 1.5, 2.0, 2.1, -1.0]),
            [2.0 / 7.0, 3.0 / 7.0]
        );
    }

    #[test]
    fn the_band_holds_the_members_and_the_mean_is_theirs() {
        let (band, distance) = spectrum(&[0.0, 1.0, 2.0], &[0.5, 1.5], &[vec![0.5, 0.5], vec![1.5, 0.5]]).unwrap();
        assert_eq!(
            (band.mean, band.low, band.high),
            (vec![0.75, 0.25], vec![0.5, 0.0], vec![1.0, 0.5])
        );
        assert!(distance.members[1] == 0.0 && distance.members[0] > 0.4);
    }
}
