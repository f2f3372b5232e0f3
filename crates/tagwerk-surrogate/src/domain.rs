//! The domain of a surrogate: which conditions it has learned from, and whether a jet is among them.
//!
//! Four questions, from cheap to costly: is each condition within the range of the training jets; can such a jet exist
//! (E >= pT cosh eta); how far is it from their middle (Mahalanobis); how far is it from its nearest neighbors among
//! them. The label takes no part: a jet of one class lies where jets do, whichever class it is.
//!
//! Thresholds are set on training jets that made neither ellipsoid nor tree, so that the share of false alarms is what
//! they say.

use crate::error::SurrogateError;
use crate::roles::Roles;
use crate::score_table::ScoreTable;
use serde::{Deserialize, Serialize};
use tagwerk_data::random::{shuffle, stream};
use tagwerk_stats::{Mahalanobis, Neighbors, sample_quantile, threshold};

/// Which neighbor's distance counts.
pub const NEIGHBOR: usize = 10;

/// Most training jets kept in the tree: 20,000 jets of six conditions are a megabyte.
pub const TREE_ROWS: usize = 20_000;

/// Share of training jets that a threshold leaves unflagged.
pub const QUANTILES: [f64; 3] = [0.95, 0.99, 0.999];

/// The quantile whose thresholds flag a jet.
pub const FLAG_QUANTILE: f64 = 0.999;

/// One condition of the training jets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionRange {
    /// Its name.
    pub name: String,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation (n).
    pub std: f64,
    /// Quantiles 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999.
    pub quantiles: Vec<f64>,
}

/// Levels of [`ConditionRange::quantiles`].
pub const RANGE_QUANTILES: [f64; 7] = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];

/// A threshold at each of [`QUANTILES`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainThreshold {
    /// Share of training jets left unflagged.
    pub quantile: f64,
    /// Mahalanobis distance.
    pub mahalanobis: f64,
    /// Distance to the k-th neighbor.
    pub neighbors: f64,
}

/// What the training jets looked like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Every condition, in the model's order.
    pub conditions: Vec<ConditionRange>,
    /// Which condition is which: what possible jets are told by.
    pub roles: Roles,
    /// Numbers of the conditions that distances are measured in.
    pub measured: Vec<usize>,
    /// Training jets behind it.
    pub rows: usize,
    /// Thresholds, by ascending quantile.
    pub thresholds: Vec<DomainThreshold>,
    /// The ellipsoid.
    pub mahalanobis: Mahalanobis,
    /// The neighbors.
    pub neighbors: Neighbors,
}

/// What the domain says of one jet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DomainAnswer {
    /// Mahalanobis distance.
    pub mahalanobis: f64,
    /// Distance to the k-th neighbor, in standard deviations.
    pub neighbors: f64,
    /// Conditions beyond the range of the training jets.
    pub beyond_range: usize,
    /// No jet can be like this: E < pT cosh eta by more than one in a thousand.
    pub unphysical: bool,
    /// Beyond a range, unphysical, or beyond a threshold at [`FLAG_QUANTILE`]: do not trust the answer.
    pub flagged: bool,
}

impl Domain {
    /// Learns the domain of training jets whose columns have their usual names; `seed` chooses which of them make
    /// ellipsoid and tree and which the thresholds.
    ///
    /// # Errors
    /// Fewer than 200 jets, or no condition that varies.
    pub fn fit(table: &ScoreTable, seed: u64) -> Result<Self, SurrogateError> {
        Self::fit_with(table, &Roles::default(), seed)
    }

    /// The same with other names of columns.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); a role of a column that the table does not have.
    pub fn fit_with(table: &ScoreTable, roles: &Roles, seed: u64) -> Result<Self, SurrogateError> {
        const FEWEST: usize = 200;
        let roles = roles.among(table.names())?;
        if table.rows() < FEWEST {
            return Err(SurrogateError::Length {
                what: "training jets of a domain",
                found: table.rows(),
                expected: FEWEST,
            });
        }
        let measured = table.continuous_columns();
        if measured.is_empty() {
            return Err(SurrogateError::Length {
                what: "conditions that vary",
                found: 0,
                expected: 1,
            });
        }
        let mut order: Vec<usize> = (0..table.rows()).collect();
        shuffle(&mut stream(seed, "domain", 0), &mut order);
        // A third of the jets, at most as many as the tree has, set the thresholds.
        let (held, learned) = order.split_at((table.rows() / 3).min(TREE_ROWS));
        let block = |rows: &[usize]| -> Vec<f64> {
            let row = |&row: &usize| measured.iter().map(move |&c| table.row(row)[c]);
            rows.iter().flat_map(row).collect()
        };
        let mahalanobis = Mahalanobis::fit(&block(learned), measured.len())?;
        let tree = &learned[..learned.len().min(TREE_ROWS)];
        let neighbors = Neighbors::fit(&block(tree), measured.len(), NEIGHBOR)?;
        let held = block(held);
        let (far, near) = (mahalanobis.distances(&held)?, neighbors.distances(&held)?);
        let thresholds = QUANTILES
            .iter()
            .map(|&quantile| {
                Ok(DomainThreshold {
                    quantile,
                    mahalanobis: threshold(&far, quantile)?,
                    neighbors: threshold(&near, quantile)?,
                })
            })
            .collect::<Result<_, SurrogateError>>()?;
        Ok(Self {
            conditions: (0..table.columns())
                .map(|c| range(&table.names()[c], table.column(c)))
                .collect(),
            roles,
            measured,
            rows: table.rows(),
            thresholds,
            mahalanobis,
            neighbors,
        })
    }

    /// What it says of a jet of conditions `[C]` in the model's order. Conditions that are not finite are beyond every
    /// range and threshold.
    pub fn answer(&self, conditions: &[f64]) -> DomainAnswer {
        let measured: Vec<f64> = (self.measured.iter())
            .map(|&c| conditions.get(c).copied().unwrap_or(f64::NAN))
            .collect();
        let (mahalanobis, neighbors) = (self.mahalanobis.distance(&measured), self.neighbors.distance(&measured));
        let beyond = |(range, &value): (&ConditionRange, &f64)| !(range.min..=range.max).contains(&value);
        let beyond_range = self
            .conditions
            .iter()
            .zip(conditions)
            .filter(|&pair| beyond(pair))
            .count();
        let unphysical = self.unphysical(conditions).unwrap_or(false);
        let last = self.thresholds.iter().rev().find(|t| t.quantile <= FLAG_QUANTILE);
        let far = last.is_some_and(|t| mahalanobis > t.mahalanobis || neighbors > t.neighbors);
        DomainAnswer {
            mahalanobis,
            neighbors,
            beyond_range,
            unphysical,
            flagged: beyond_range > 0 || unphysical || far || conditions.len() != self.conditions.len(),
        }
    }

    /// Whether E < pT cosh eta; absent where pT, eta or energy is no condition. One in a thousand is allowed for
    /// single-precision columns.
    fn unphysical(&self, conditions: &[f64]) -> Option<bool> {
        let value = |name: &Option<String>| {
            let name = name.as_ref()?;
            let number = self.conditions.iter().position(|c| c.name == *name)?;
            conditions.get(number).copied()
        };
        let Roles { pt, eta, energy, .. } = &self.roles;
        let (pt, eta, energy) = (value(pt)?, value(eta)?, value(energy)?);
        Some(energy < 0.999 * pt * eta.cosh())
    }

    /// Whether the domain can tell impossible jets.
    pub fn knows_kinematics(&self) -> bool {
        let zeros = vec![0.0; self.conditions.len()];
        self.unphysical(&zeros).is_some()
    }
}

fn range(name: &str, mut values: Vec<f64>) -> ConditionRange {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    values.sort_by(f64::total_cmp);
    ConditionRange {
        name: name.to_owned(),
        min: values[0],
        max: values[values.len() - 1],
        mean,
        std,
        quantiles: RANGE_QUANTILES.iter().map(|&q| sample_quantile(&values, q)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::SyntheticClassifier;

    fn domain() -> Domain {
        Domain::fit(&SyntheticClassifier::default().table(6000, 0).unwrap(), 1).unwrap()
    }

    #[test]
    fn false_alarms_are_as_rare_as_the_thresholds_say() {
        let (domain, fresh) = (domain(), SyntheticClassifier::default().table(10_000, 5).unwrap());
        let answers: Vec<DomainAnswer> = (0..fresh.rows()).map(|row| domain.answer(fresh.row(row))).collect();
        for t in &domain.thresholds {
            let above = |pick: fn(&DomainAnswer) -> f64, limit: f64| {
                answers.iter().filter(|a| pick(a) > limit).count() as f64 / answers.len() as f64
            };
            for share in [
                above(|a| a.mahalanobis, t.mahalanobis),
                above(|a| a.neighbors, t.neighbors),
            ] {
                // 2000 jets set the threshold: sqrt(p / 2000), and as much again from 10,000 jets; 4 sigma.
                let limit = 4.0 * ((1.0 - t.quantile) / 1500.0).sqrt() + 1e-3;
                assert!((share - (1.0 - t.quantile)).abs() < limit, "{t:?}: {share}");
            }
        }
        assert!(answers.iter().all(|a| !a.unphysical));
        let flagged = answers.iter().filter(|a| a.flagged).count();
        assert!(flagged < 100, "{flagged}");
    }

    #[test]
    fn impossible_far_and_broken_jets_are_flagged() {
        let domain = domain();
        let good = [1.0, 600.0, 0.5, 1.0, 700.0, 45.0];
        assert!(!domain.answer(&good).flagged, "{:?}", domain.answer(&good));
        let changed = |column: usize, value: f64| {
            let mut jet = good;
            jet[column] = value;
            domain.answer(&jet)
        };
        assert!(changed(4, 400.0).unphysical && changed(4, 400.0).flagged);
        assert!(changed(1, 1500.0).flagged && changed(5, 200.0).beyond_range == 1);
        let broken = changed(2, f64::NAN);
        assert!(broken.flagged && broken.mahalanobis == f64::INFINITY);
        assert!(domain.answer(&good[..3]).flagged);
    }

    #[test]
    fn a_hole_in_the_domain_is_seen_by_neighbors_and_not_by_the_ellipsoid() {
        // Jets at x = -5 and x = 5, none between.
        let mut rng = stream(1, "hole", 0);
        let mut noise = || tagwerk_data::random::uniform(&mut rng) - 0.5;
        let rows: Vec<f64> = (0..2000)
            .flat_map(|i| [if i % 4 < 2 { -5.0 } else { 5.0 } + noise(), noise()])
            .collect();
        let labels = (0..2000).map(|i| (i % 2) as u8).collect();
        let names = vec!["x".to_owned(), "y".to_owned()];
        let domain = Domain::fit(&ScoreTable::new(names, rows, labels, vec![0.0; 2000]).unwrap(), 1).unwrap();
        let middle = domain.answer(&[0.0, 0.0]);
        assert!(middle.flagged && middle.beyond_range == 0, "{middle:?}");
        assert!(middle.mahalanobis < domain.thresholds[0].mahalanobis);
        assert!(!domain.answer(&[5.0, 0.0]).flagged);
    }

    #[test]
    fn it_comes_back_from_json_with_the_same_answers() {
        let domain = domain();
        let read: Domain = serde_json::from_str(&serde_json::to_string(&domain).unwrap()).unwrap();
        let jet = [0.0, 800.0, -1.0, 0.1, 1300.0, 30.0];
        let (a, b) = (domain.answer(&jet), read.answer(&jet));
        assert!((a.mahalanobis - b.mahalanobis).abs() < 1e-12 && (a.neighbors - b.neighbors).abs() < 1e-12);
        assert!(Domain::fit(&SyntheticClassifier::default().table(100, 0).unwrap(), 1).is_err());
    }
}
