//! Background rejection of classifier and surrogate.

use super::{Dot, Figure, Plot, Range, Series, figure};
use crate::error::Result;
use tagwerk_stats::SurrogateEvaluation;

/// The figure; `None` without a point at which background passes.
pub fn surrogate_roc_figure(evaluation: &SurrogateEvaluation) -> Result<Option<Figure>> {
    let roc = &evaluation.roc;
    let classifier: Vec<Dot> = (roc.signal_efficiency.iter())
        .map(|&e| (e, roc.classifier.background_efficiency_at(e)))
        .filter(|(_, b)| *b > 0.0)
        .map(|(e, b)| Dot::plain(e, 1.0 / b))
        .collect();
    let surrogate: Vec<Dot> = (0..roc.signal_efficiency.len().min(roc.mean.len()))
        .filter(|&i| roc.low.get(i).is_some_and(|b| *b > 0.0) && roc.mean[i] > 0.0)
        .map(|i| Dot {
            x: roc.signal_efficiency[i],
            low: 1.0 / roc.high.get(i).copied().unwrap_or(roc.mean[i]),
            value: 1.0 / roc.mean[i],
            high: 1.0 / roc.low[i],
        })
        .collect();
    let areas = |name: &str, auc: f64, error: Option<f64>| match error {
        Some(error) => format!("{name}, AUC {auc:.4} ± {error:.4}"),
        None => format!("{name}, AUC {auc:.4}"),
    };
    let detail = &evaluation.auc_detail;
    figure(
        "surrogate_roc",
        "ROC curves of classifier and surrogate",
        "Background rejection against signal efficiency; the band is from the smallest to the largest member. Errors \
         of the areas: the test sample for the classifier, the members for the surrogate.",
        1,
        vec![Plot {
            title: String::new(),
            x: Range::of("Signal efficiency").between(0.0, 1.0),
            y: Range::of("Background rejection, 1 / background efficiency").log(),
            series: vec![
                Series::line(
                    &areas("classifier", evaluation.auc.classifier, detail.classifier.error),
                    0,
                    classifier,
                ),
                Series::line(
                    &areas("surrogate", evaluation.auc.surrogate, detail.deviation),
                    1,
                    surrogate,
                ),
            ],
        }],
    )
}
