//! Jets moved out of the domain (E6), and whether distance and spread notice them.

use super::{Study, by_class, over_jets};
use crate::domain::{Domain, DomainAnswer, QUANTILES};
use crate::error::SurrogateError;
use crate::roles::Roles;
use crate::score_model::{ScoreModel, sample};
use crate::score_table::ScoreTable;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tagwerk_stats::{
    Ood, OutOfDomain, OverJets, ShiftCurve, ShiftPoint, StatsError, epistemic_spread, logistic, normal_quantile,
    out_of_domain, threshold,
};

/// One condition moved by several amounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Name of the condition.
    pub column: String,
    /// Added to it, in its unit.
    pub amounts: Vec<f64>,
}

impl Shift {
    /// Eleven amounts from 0 to `largest`.
    pub fn to(column: &str, largest: f64) -> Self {
        Self {
            column: column.to_owned(),
            amounts: (0..=10).map(|i| largest * f64::from(i) / 10.0).collect(),
        }
    }

    /// The shifts of the paper, of the columns that there are.
    pub fn published(roles: &Roles) -> Vec<Self> {
        let largest = [
            (&roles.pt, 1000.0),
            (&roles.energy, 4000.0),
            (&roles.multiplicity, 200.0),
        ];
        let shift = |(column, largest): (&Option<String>, f64)| Some(Self::to(column.as_deref()?, largest));
        largest.into_iter().filter_map(shift).collect()
    }
}

/// Scores of unusualness of some jets; `epistemic` is empty for one member.
struct Unusual {
    answers: Vec<DomainAnswer>,
    epistemic: Vec<f64>,
}

impl Unusual {
    /// Name and values of each score that exists.
    fn scores(&self) -> Vec<(&'static str, Vec<f64>)> {
        let mut out = vec![
            ("mahalanobis", self.answers.iter().map(|a| a.mahalanobis).collect()),
            ("neighbors", self.answers.iter().map(|a| a.neighbors).collect()),
        ];
        if !self.epistemic.is_empty() {
            out.push(("epistemic", self.epistemic.clone()));
        }
        out
    }
}

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    pub(super) fn shifted(&self) -> Result<Option<Ood>, SurrogateError> {
        let Some(domain) = self.domain else {
            return Ok(None);
        };
        let rows = self.options.shift_rows.min(self.table.rows());
        let jets = self.table.take(&(0..rows).collect::<Vec<_>>());
        let inside = self.unusual(domain, jets.conditions())?;
        let median_spread = over_jets(&inside.epistemic).map(|over| over.median);
        let mut shifts = Vec::new();
        let mut detection = BTreeMap::new();
        for shift in self.options.shifts.iter().flatten() {
            let Some(column) = jets.column_number(&shift.column) else {
                continue;
            };
            let mut points = Vec::new();
            for (i, &amount) in shift.amounts.iter().enumerate() {
                let mut moved = jets.conditions().to_vec();
                moved
                    .iter_mut()
                    .skip(column)
                    .step_by(jets.columns())
                    .for_each(|v| *v += amount);
                let unusual = self.unusual(domain, &moved)?;
                points.push(self.point(domain, &jets, &moved, amount, &unusual, median_spread)?);
                if i + 1 == shift.amounts.len() {
                    let kind = format!("{} {amount:+}", shift.column);
                    detection.insert(kind, detected(&inside, &unusual, domain)?);
                }
            }
            shifts.push(ShiftCurve {
                column: shift.column.clone(),
                points,
            });
        }
        for (kind, table) in self.held_out {
            let few = table.take(&(0..rows.min(table.rows())).collect::<Vec<_>>());
            let unusual = self.unusual(domain, few.conditions())?;
            detection.insert(kind.clone(), detected(&inside, &unusual, domain)?);
        }
        Ok(Some(Ood {
            rows,
            median_spread,
            shifts,
            detection,
        }))
    }

    /// Distances, and the spread at stratified noise: the middles of equal shares of the normal distribution, the same
    /// for every jet, so that a few draws give the mean over noise.
    fn unusual(&self, domain: &Domain, conditions: &[f64]) -> Result<Unusual, SurrogateError> {
        let (columns, draws, members) = (self.table.columns(), self.options.shift_draws, self.model.members());
        let answers = conditions
            .par_chunks_exact(columns)
            .map(|jet| domain.answer(jet))
            .collect();
        let rows = conditions.len() / columns;
        let mut epistemic = Vec::new();
        if members > 1 {
            let strata: Vec<f64> = (0..draws)
                .map(|j| normal_quantile((j as f64 + 0.5) / draws as f64))
                .collect();
            let noise = strata.repeat(rows);
            let scores: Vec<Vec<f64>> = (0..members)
                .map(|member| sample(self.model, member, conditions, &noise))
                .collect::<Result<_, _>>()?;
            epistemic = (0..rows)
                .into_par_iter()
                .map(|row| {
                    let of = |member: &Vec<f64>| member[row * draws..(row + 1) * draws].to_vec();
                    let all: Vec<f64> = scores.iter().flat_map(of).map(logistic).collect();
                    Ok(epistemic_spread(&all, members)?.range)
                })
                .collect::<Result<_, StatsError>>()?;
        }
        Ok(Unusual { answers, epistemic })
    }

    fn point(
        &self,
        domain: &Domain,
        jets: &ScoreTable,
        moved: &[f64],
        amount: f64,
        unusual: &Unusual,
        median_spread: Option<f64>,
    ) -> Result<ShiftPoint, SurrogateError> {
        let members = self.model.members();
        let mut accuracy = vec![0.0; jets.rows()];
        for member in 0..members {
            let of = self.accuracy_of(member, moved, jets.labels())?;
            accuracy
                .iter_mut()
                .zip(of)
                .for_each(|(sum, a)| *sum += a / members as f64);
        }
        let share = |pick: fn(&DomainAnswer) -> bool| {
            unusual.answers.iter().filter(|a| pick(a)).count() as f64 / unusual.answers.len() as f64
        };
        let distance = |pick: fn(&DomainAnswer) -> f64| -> Result<OverJets, SurrogateError> {
            let values: Vec<f64> = unusual.answers.iter().map(pick).collect();
            Ok(over_jets(&values).ok_or(StatsError::NoEvents)?)
        };
        let spread = over_jets(&unusual.epistemic);
        Ok(ShiftPoint {
            amount,
            spread: if spread.is_some() {
                by_class(&unusual.epistemic, jets.labels())
            } else {
                BTreeMap::new()
            },
            accuracy: by_class(&accuracy, jets.labels()),
            spread_ratio: match (spread, median_spread) {
                (Some(spread), Some(median)) if median > 0.0 => Some(spread.mean / median),
                _ => None,
            },
            mahalanobis: distance(|a| a.mahalanobis)?,
            neighbors: distance(|a| a.neighbors)?,
            flagged: share(|a| a.flagged),
            unphysical: domain.knows_kinematics().then(|| share(|a| a.unphysical)),
        })
    }
}

/// Every score's separation of `outside` from the domain. Thresholds of distances are the domain's; those of the spread
/// come from one half of the jets inside, false alarms from the other.
fn detected(
    inside: &Unusual,
    outside: &Unusual,
    domain: &Domain,
) -> Result<BTreeMap<String, OutOfDomain>, SurrogateError> {
    let mut out = BTreeMap::new();
    for ((name, inside), (_, outside)) in inside.scores().into_iter().zip(outside.scores()) {
        let half = inside.len() / 2;
        let (judged, thresholds) = match name {
            "mahalanobis" => (
                &inside[..],
                domain.thresholds.iter().map(|t| (t.quantile, t.mahalanobis)).collect(),
            ),
            "neighbors" => (
                &inside[..],
                domain.thresholds.iter().map(|t| (t.quantile, t.neighbors)).collect(),
            ),
            _ => {
                let of = |&quantile: &f64| Ok((quantile, threshold(&inside[..half], quantile)?));
                let set = QUANTILES.iter().map(of).collect::<Result<Vec<_>, StatsError>>()?;
                (&inside[half..], set)
            }
        };
        out.insert(name.to_owned(), out_of_domain(judged, &outside, &thresholds)?);
    }
    Ok(out)
}
