//! What needs drawn scores: ranks, CRPS, calibration from samples, epistemic spread (E3).
//!
//! All members answer the same noise. Draws of the mixture take draw j from member (j + row) modulo members.

use super::{Study, accuracy::Accuracy, by_class, over_jets};
use crate::error::SurrogateError;
use crate::score_model::{ScoreModel, sample};
use rayon::prelude::*;
use std::collections::BTreeMap;
use tagwerk_data::random::{normal, stream};
use tagwerk_stats::{
    Epistemic, EpistemicSpread, OverJets, RankHistogram, SampleMean, StatsError, crps_of_samples, epistemic_spread,
    logistic, rank_of, sample_quantile,
};

/// Jets whose draws are in memory at once.
const JETS: usize = 512;

pub(super) struct Drawn {
    /// The first `rows` of the chosen jets were drawn.
    pub(super) rows: usize,
    pub(super) ranks: RankHistogram,
    pub(super) crps: SampleMean,
    pub(super) crps_logit: SampleMean,
    pub(super) calibration: Vec<f64>,
    /// One a drawn jet; empty for one member.
    pub(super) spreads: Vec<EpistemicSpread>,
}

/// What one jet's draws give.
struct Jet {
    rank: usize,
    crps: f64,
    crps_logit: f64,
    /// Whether the quantile of each level is at or above the classifier's logit.
    above: Vec<bool>,
    spread: Option<EpistemicSpread>,
}

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    pub(super) fn drawn(&self) -> Result<Drawn, SurrogateError> {
        let (options, columns) = (self.options, self.table.columns());
        let rows = options.drawn_rows.min(self.table.rows());
        let mut jets: Vec<Jet> = Vec::with_capacity(rows);
        for begin in (0..rows).step_by(JETS) {
            let end = (begin + JETS).min(rows);
            let conditions = &self.table.conditions()[begin * columns..end * columns];
            let noise = self.noise(begin..end, "drawn scores", options.draws);
            let members: Vec<Vec<f64>> = (0..self.model.members())
                .map(|member| sample(self.model, member, conditions, &noise))
                .collect::<Result<_, _>>()?;
            let block: Vec<Jet> = (begin..end)
                .into_par_iter()
                .map(|row| self.jet(row, row - begin, &members))
                .collect::<Result<_, SurrogateError>>()?;
            jets.extend(block);
        }
        let of = |pick: fn(&Jet) -> f64| -> Result<SampleMean, SurrogateError> {
            let values: Vec<f64> = jets.iter().map(pick).collect();
            Ok(SampleMean::of(&values).ok_or(StatsError::NoEvents)?)
        };
        let ranks: Vec<usize> = jets.iter().map(|jet| jet.rank).collect();
        let share = |level: usize| jets.iter().filter(|jet| jet.above[level]).count() as f64 / rows as f64;
        Ok(Drawn {
            rows,
            ranks: RankHistogram::new(&ranks, options.draws, options.pit_bins.min(options.draws + 1))?,
            crps: of(|jet| jet.crps)?,
            crps_logit: of(|jet| jet.crps_logit)?,
            calibration: (0..options.curve_points).map(share).collect(),
            spreads: jets.iter().filter_map(|jet| jet.spread).collect(),
        })
    }

    /// Noise of chosen jets, `[jets, draws]`, by the row in the whole table.
    pub(super) fn noise(&self, jets: std::ops::Range<usize>, purpose: &str, draws: usize) -> Vec<f64> {
        let row = |jet: usize| {
            let mut rng = stream(self.options.seed, purpose, self.rows[jet] as u64);
            (0..draws).map(move |_| normal(&mut rng)).collect::<Vec<f64>>()
        };
        jets.into_par_iter().flat_map_iter(row).collect()
    }

    fn jet(&self, row: usize, place: usize, members: &[Vec<f64>]) -> Result<Jet, SurrogateError> {
        let draws = self.options.draws;
        let of = |member: usize| &members[member][place * draws..(place + 1) * draws];
        let mut logits: Vec<f64> = (0..draws).map(|j| of((j + row) % members.len())[j]).collect();
        let observed = self.table.logits()[row];
        let scores: Vec<f64> = logits.iter().map(|&x| logistic(x)).collect();
        let rank = rank_of(&logits, observed, self.options.seed, self.rows[row] as u64);
        let crps_logit = crps_of_samples(&logits, observed)?;
        logits.sort_by(f64::total_cmp);
        let last = (self.options.curve_points - 1) as f64;
        let above = |i: usize| sample_quantile(&logits, i as f64 / last) >= observed;
        let spread = if members.len() > 1 {
            let all: Vec<f64> = (0..members.len())
                .flat_map(|member| of(member).iter().map(|&x| logistic(x)))
                .collect();
            Some(epistemic_spread(&all, members.len())?)
        } else {
            None
        };
        Ok(Jet {
            rank,
            crps: crps_of_samples(&scores, logistic(observed))?,
            crps_logit,
            above: (0..self.options.curve_points).map(above).collect(),
            spread,
        })
    }

    /// Summary of the spreads, and of the predicted accuracy of the same jets.
    pub(super) fn epistemic(&self, drawn: &Drawn, accuracy: &Accuracy) -> Result<Epistemic, SurrogateError> {
        let of = |pick: fn(&EpistemicSpread) -> f64| -> Vec<f64> { drawn.spreads.iter().map(pick).collect() };
        let range = of(|s| s.range);
        let labels = &self.table.labels()[..drawn.rows];
        let range_by_class: BTreeMap<String, OverJets> = if range.is_empty() {
            BTreeMap::new()
        } else {
            by_class(&range, labels)
        };
        Ok(Epistemic {
            rows: drawn.rows,
            range: over_jets(&range),
            deviation: over_jets(&of(|s| s.deviation)),
            quantile_range: over_jets(&of(|s| s.quantile_range)),
            histogram: over_jets(&of(|s| s.histogram)),
            range_by_class,
            accuracy_by_class: by_class(&accuracy.mean, self.table.labels()),
            reason: (range.is_empty())
                .then(|| "the surrogate has one member, and a spread over members needs two".to_owned()),
            profiles: self.profiles(&range, &accuracy.mean)?,
        })
    }
}
