//! Spectra: predicted accuracy and marginal logits, classifier and surrogate.

use super::{Drawn, Figure, Plot, Range, Series, figure, steps};
use crate::error::Result;
use tagwerk_stats::{JsDistance, SpectrumBand, SurrogateEvaluation};

/// The figure.
pub fn spectrum_figure(evaluation: &SurrogateEvaluation) -> Result<Option<Figure>> {
    let js = &evaluation.js_detail;
    figure(
        "spectra",
        "Spectra of accuracy and scores",
        "Share of jets a bin, over a logarithmic axis; band: smallest and largest member. The accuracy is the \
         predicted probability of being on the right side of 1/2, compared with the classifier's own score of the \
         right class: two different quantities, as in arXiv:2402.15558. Logits are like with like. JS: \
         Jensen-Shannon distance.",
        2,
        vec![
            plot("accuracy", "predicted accuracy", &evaluation.accuracy, &js.accuracy),
            plot(
                "signal",
                "logit of the score",
                &evaluation.logits_signal,
                &js.logits_signal,
            ),
            plot(
                "background",
                "logit of the score",
                &evaluation.logits_background,
                &js.logits_background,
            ),
        ],
    )
}

fn plot(name: &str, label: &str, band: &SpectrumBand, distance: &JsDistance) -> Plot {
    let spread = distance
        .spread
        .map_or(String::new(), |spread| format!(" ± {spread:.3}"));
    // Empty bins lie on the frame.
    let shares = || band.classifier.iter().chain(&band.mean).copied().filter(|v| *v > 0.0);
    let bottom = 10_f64
        .powf(shares().fold(1.0, f64::min).log10().floor())
        .clamp(1e-7, 0.1);
    let surrogate = steps(&band.edges, &band.mean, Some((&band.low, &band.high)));
    Plot {
        title: format!("{name}, JS {:.3}{spread}", distance.value),
        x: Range::of(label),
        y: Range::of("share of jets a bin").between(bottom, 1.0).log(),
        series: vec![
            Series::line("classifier", 0, steps(&band.edges, &band.classifier, None)).drawn(Drawn::Steps),
            Series::line("surrogate", 1, surrogate).drawn(Drawn::Steps),
        ],
    }
}
