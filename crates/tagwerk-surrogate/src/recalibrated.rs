//! A surrogate behind a recalibration: the same questions, answered through a monotone map of the PIT.
//!
//! With the map v = G(u) of [`PitRecalibration`] the distribution becomes G(F(x | c)), its density F'(x | c) G'(F), and
//! noise z draws F^-1(G^-1(Phi(z)) | c). Every member goes through the same map, so that members keep their
//! differences. The map is learned from the PIT of the mixture; for one member it makes the calibration rows uniform
//! exactly, for several as far as their distributions overlap.

use crate::error::SurrogateError;
use crate::score_model::{ScoreModel, cdf};
use crate::score_table::ScoreTable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tagwerk_stats::{PitRecalibration, normal_cdf, normal_quantile};

/// Knots of a stored map: a slack of half a percent in each level.
pub const KNOTS: usize = 200;

/// One map for all jets, or one for each value of a column (the label).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Recalibration {
    /// One map.
    All(PitRecalibration),
    /// A map for each value of a condition; jets of other values keep their distribution.
    ByClass {
        /// Number of the condition.
        column: usize,
        /// The value of the condition, and its map.
        maps: Vec<(f64, PitRecalibration)>,
    },
}

impl Recalibration {
    /// Learns one map from calibration jets that the surrogate has not seen.
    ///
    /// # Errors
    /// Fewer than 20 jets, a model that fails.
    pub fn fit<M: ScoreModel + ?Sized>(model: &M, table: &ScoreTable) -> Result<Self, SurrogateError> {
        Ok(Self::All(PitRecalibration::fit(&mixture_pit(model, table)?, KNOTS)?))
    }

    /// Learns a map for each value of a condition (Mondrian).
    ///
    /// # Errors
    /// A column that does not exist, more than 64 values, fewer than 20 jets of a value, a model that fails.
    pub fn fit_classes<M: ScoreModel + ?Sized>(
        model: &M,
        table: &ScoreTable,
        column: usize,
    ) -> Result<Self, SurrogateError> {
        if column >= table.columns() {
            return Err(SurrogateError::Setting {
                setting: "the column of classes",
                value: column.to_string(),
                wanted: "a condition of the table",
            });
        }
        let values = table.column(column);
        let mut distinct = values.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        if distinct.len() > 64 {
            return Err(SurrogateError::Setting {
                setting: "the column of classes",
                value: format!("{} ({} values)", table.names()[column], distinct.len()),
                wanted: "a condition of at most 64 values",
            });
        }
        let pit = mixture_pit(model, table)?;
        // Every value is among the distinct ones.
        let number = |v: &f64| distinct.partition_point(|d| d < v) as u32;
        let classes: Vec<u32> = values.iter().map(number).collect();
        let maps: BTreeMap<u32, PitRecalibration> = PitRecalibration::fit_classes(&pit, &classes, KNOTS)?;
        Ok(Self::ByClass {
            column,
            maps: maps
                .into_iter()
                .map(|(class, map)| (distinct[class as usize], map))
                .collect(),
        })
    }

    fn map(&self, conditions: &[f64]) -> Option<&PitRecalibration> {
        match self {
            Self::All(map) => Some(map),
            Self::ByClass { column, maps } => {
                let value = conditions.get(*column)?;
                maps.iter().find(|(v, _)| v == value).map(|(_, map)| map)
            }
        }
    }
}

/// PIT of the mixture of all members, `[B]`.
///
/// # Errors
/// A model that fails.
pub fn mixture_pit<M: ScoreModel + ?Sized>(model: &M, table: &ScoreTable) -> Result<Vec<f64>, SurrogateError> {
    let members = model.members();
    let mut mixture = vec![0.0; table.rows()];
    for member in 0..members {
        let pit = cdf(model, member, table.conditions(), table.logits())?;
        mixture
            .iter_mut()
            .zip(pit)
            .for_each(|(sum, u)| *sum += u / members as f64);
    }
    mixture.iter_mut().for_each(|u| *u = u.clamp(0.0, 1.0));
    Ok(mixture)
}

/// A model and its recalibration.
#[derive(Debug, Clone)]
pub struct Recalibrated<M> {
    /// The model as trained.
    pub model: M,
    /// What stands before its answers.
    pub recalibration: Recalibration,
}

impl<M: ScoreModel> ScoreModel for Recalibrated<M> {
    fn members(&self) -> usize {
        self.model.members()
    }

    fn columns(&self) -> usize {
        self.model.columns()
    }

    fn point_estimate(&self) -> Option<usize> {
        self.model.point_estimate()
    }

    fn cdf(&self, member: usize, conditions: &[f64], logits: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
        self.model.cdf(member, conditions, logits, out)?;
        for (row, u) in conditions.chunks_exact(self.columns()).zip(out) {
            if let Some(map) = self.recalibration.map(row) {
                *u = map.apply(*u);
            }
        }
        Ok(())
    }

    fn log_density(
        &self,
        member: usize,
        conditions: &[f64],
        logits: &[f64],
        out: &mut [f64],
    ) -> Result<(), SurrogateError> {
        let mut pit = vec![0.0; out.len()];
        self.model.cdf(member, conditions, logits, &mut pit)?;
        self.model.log_density(member, conditions, logits, out)?;
        for ((row, u), density) in conditions.chunks_exact(self.columns()).zip(pit).zip(out) {
            if let Some(map) = self.recalibration.map(row) {
                *density += map.slope(u).ln();
            }
        }
        Ok(())
    }

    fn sample(&self, member: usize, conditions: &[f64], noise: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
        let rows = conditions.len() / self.columns();
        let each = noise.len() / rows.max(1);
        let mut moved = noise.to_vec();
        for (row, noise) in conditions
            .chunks_exact(self.columns())
            .zip(moved.chunks_exact_mut(each.max(1)))
        {
            if let Some(map) = self.recalibration.map(row) {
                for z in noise {
                    // A level of exactly 0 or 1 would ask for an infinite logit.
                    let level = map.invert(normal_cdf(*z)).clamp(1e-300, 1.0 - f64::EPSILON / 2.0);
                    *z = normal_quantile(level);
                }
            }
        }
        self.model.sample(member, conditions, &moved, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{Distortion, SyntheticClassifier, SyntheticSurrogate};
    use tagwerk_stats::central_coverage;

    #[test]
    fn a_narrow_surrogate_is_mended_for_each_class_and_answers_fit_together() {
        let truth = SyntheticClassifier::default();
        let narrow = SyntheticSurrogate::new(
            truth.clone(),
            vec![Distortion {
                width: 0.6,
                ..Distortion::default()
            }],
        );
        let calibration = truth.table(4000, 1).unwrap();
        let recalibration = Recalibration::fit_classes(&narrow, &calibration, 0).unwrap();
        let text = serde_json::to_string(&recalibration).unwrap();
        assert_eq!(serde_json::from_str::<Recalibration>(&text).unwrap(), recalibration);
        let fresh = truth.table(8000, 2).unwrap();
        let covered = |pit: &[f64]| central_coverage(pit, &[0.68]).unwrap()[0].value;
        assert!(covered(&mixture_pit(&narrow, &fresh).unwrap()) < 0.55);
        let mended = Recalibrated {
            model: narrow,
            recalibration,
        };
        // 2000 calibration jets a class: 1 % each; 8000 jets: 0.5 %. Four sigma.
        let after = covered(&mixture_pit(&mended, &fresh).unwrap());
        assert!((after - 0.68).abs() < 0.04, "{after}");
        // F(F^-1(z)) = Phi(z), and the density is the slope of F.
        let row = fresh.row(0);
        for z in [-2.0, -0.3, 0.9, 1.7] {
            let (mut x, mut u, mut above, mut density) = ([0.0], [0.0], [0.0], [0.0]);
            mended.sample(0, row, &[z], &mut x).unwrap();
            mended.cdf(0, row, &x, &mut u).unwrap();
            assert!((u[0] - normal_cdf(z)).abs() < 1e-9, "{z}");
            mended.cdf(0, row, &[x[0] + 1e-7], &mut above).unwrap();
            mended.log_density(0, row, &x, &mut density).unwrap();
            let slope = (above[0] - u[0]) / 1e-7;
            assert!(
                (slope / density[0].exp() - 1.0).abs() < 1e-4,
                "{z}: {slope} {}",
                density[0].exp()
            );
        }
    }

    #[test]
    fn a_column_of_many_values_is_no_class() {
        let truth = SyntheticClassifier::default();
        let table = truth.table(500, 1).unwrap();
        let error = Recalibration::fit_classes(&truth.exact(), &table, 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("jet_pt") && error.contains("at most 64"), "{error}");
        assert!(Recalibration::fit_classes(&truth.exact(), &table, 99).is_err());
    }
}
