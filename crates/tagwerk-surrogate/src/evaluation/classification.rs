//! The surrogate as a classifier: ROC curves with their band (E8), marginal logits (E9), areas in bins.

use super::{Study, accuracy::spectrum};
use crate::error::SurrogateError;
use crate::score_model::{ScoreModel, sample};
use std::collections::BTreeMap;
use tagwerk_stats::{
    AucDetail, AucInBin, AucPair, JsDistance, Roc, RocBand, SpectrumBand, Truth, delong, delong_pair, quantile_bins,
    sample_quantile,
};

/// Points of a drawn ROC curve.
const CURVE_POINTS: usize = 400;

/// Bins of the marginal logits.
const LOGIT_BINS: usize = 100;

pub(super) struct Classification {
    pub(super) auc: AucPair,
    pub(super) auc_detail: AucDetail,
    pub(super) roc: RocBand,
    pub(super) in_bins: BTreeMap<String, Vec<AucInBin>>,
    pub(super) logits_signal: SpectrumBand,
    pub(super) logits_background: SpectrumBand,
    pub(super) js_signal: JsDistance,
    pub(super) js_background: JsDistance,
}

impl<M: ScoreModel + ?Sized> Study<'_, M> {
    pub(super) fn classification(&self) -> Result<Classification, SurrogateError> {
        let (table, each) = (self.table, self.options.roc_draws);
        let noise = self.noise(0..table.rows(), "classifying scores", each);
        // [rows, draws] for each member.
        let members: Vec<Vec<f64>> = (0..self.model.members())
            .map(|member| sample(self.model, member, table.conditions(), &noise))
            .collect::<Result<_, _>>()?;
        let truth = Truth::new(table.labels())?;
        let repeated: Vec<u8> = table
            .labels()
            .iter()
            .flat_map(|&l| std::iter::repeat_n(l, each))
            .collect();
        let repeated = Truth::new(&repeated)?;
        let own = Roc::new(table.logits(), &truth)?;
        let grid: Vec<f64> = (0..=95).map(|i| 0.05 + 0.01 * f64::from(i)).collect();
        let (mut areas, mut curves) = (Vec::new(), Vec::new());
        for logits in &members {
            let roc = Roc::new(logits, &repeated)?;
            areas.push(roc.auc());
            curves.push(
                grid.iter()
                    .map(|&e| roc.background_efficiency_at(e.min(1.0)))
                    .collect::<Vec<f64>>(),
            );
        }
        let (mean, deviation) = mean_and_deviation(&areas);
        let classifier = delong(table.logits(), &truth)?;
        let first: Vec<f64> = members[0].iter().step_by(each).copied().collect();
        let over = |fold: fn(f64, f64) -> f64| -> Vec<f64> {
            let at = |i: usize| curves.iter().map(|c| c[i]).reduce(fold).unwrap_or(0.0);
            (0..grid.len()).map(at).collect()
        };
        let (logits_signal, js_signal) = self.marginal(1, each, &members)?;
        let (logits_background, js_background) = self.marginal(0, each, &members)?;
        Ok(Classification {
            auc: AucPair {
                classifier: classifier.auc,
                surrogate: mean,
            },
            auc_detail: AucDetail {
                difference: mean - classifier.auc,
                classifier,
                deviation,
                test_error: delong_pair(&first, self.table.logits(), &truth)?.error,
                members: areas,
            },
            roc: RocBand {
                classifier: own.thin(CURVE_POINTS),
                mean: over(|a, b| a + b)
                    .into_iter()
                    .map(|sum| sum / curves.len() as f64)
                    .collect(),
                low: over(f64::min),
                high: over(f64::max),
                signal_efficiency: grid,
            },
            in_bins: self.areas_in_bins(each, &members)?,
            logits_signal,
            logits_background,
            js_signal,
            js_background,
        })
    }

    /// Marginal logits of one class, in bins between the classifier's extremes and beyond them as far as members go.
    fn marginal(
        &self,
        label: u8,
        each: usize,
        members: &[Vec<f64>],
    ) -> Result<(SpectrumBand, JsDistance), SurrogateError> {
        let rows = self.class_rows(label);
        let own: Vec<f64> = rows.iter().map(|&row| self.table.logits()[row]).collect();
        let drawn: Vec<Vec<f64>> = (members.iter())
            .map(|logits| {
                rows.iter()
                    .flat_map(|&row| &logits[row * each..(row + 1) * each])
                    .copied()
                    .collect()
            })
            .collect();
        // The outermost thousandth of either would stretch the axis.
        let ends = |values: &[f64]| {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            (sample_quantile(&sorted, 0.001), sample_quantile(&sorted, 0.999))
        };
        let (low, high) = std::iter::once(&own)
            .chain(&drawn)
            .map(|values| ends(values))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (a, b)| {
                (l.min(a), h.max(b))
            });
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low - 0.5, low + 0.5)
        };
        let edge = |i: usize| low + (high - low) * i as f64 / LOGIT_BINS as f64;
        spectrum(&(0..=LOGIT_BINS).map(edge).collect::<Vec<f64>>(), &own, &drawn)
    }

    fn areas_in_bins(
        &self,
        each: usize,
        members: &[Vec<f64>],
    ) -> Result<BTreeMap<String, Vec<AucInBin>>, SurrogateError> {
        let mut out = BTreeMap::new();
        for (name, variable) in self.variables() {
            let mut bins = Vec::new();
            for bin in quantile_bins(&variable, self.options.bins)? {
                let labels: Vec<u8> = bin.rows.iter().map(|&row| self.table.labels()[row]).collect();
                let mut found = AucInBin {
                    low: bin.low,
                    high: bin.high,
                    classifier: None,
                    surrogate: None,
                    deviation: None,
                };
                if labels.contains(&0) && labels.contains(&1) {
                    let own: Vec<f64> = bin.rows.iter().map(|&row| self.table.logits()[row]).collect();
                    found.classifier = Some(delong(&own, &Truth::new(&labels)?)?);
                    let repeated: Vec<u8> = labels.iter().flat_map(|&l| std::iter::repeat_n(l, each)).collect();
                    let repeated = Truth::new(&repeated)?;
                    let mut areas = Vec::new();
                    for logits in members {
                        let of = |&row: &usize| logits[row * each..(row + 1) * each].iter().copied();
                        let logits: Vec<f64> = bin.rows.iter().flat_map(of).collect();
                        areas.push(Roc::new(&logits, &repeated)?.auc());
                    }
                    let (mean, deviation) = mean_and_deviation(&areas);
                    (found.surrogate, found.deviation) = (Some(mean), deviation);
                }
                bins.push(found);
            }
            out.insert(name, bins);
        }
        Ok(out)
    }
}

/// Mean and deviation (n - 1); no deviation of one value.
fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}
