//! Histograms of the probability integral transform and of the ranks.

use super::{Dot, Drawn, Figure, Plot, Range, Series, figure, steps};
use crate::error::Result;
use tagwerk_stats::{PitHistogram, SurrogateEvaluation};

/// The figure.
pub fn pit_figure(evaluation: &SurrogateEvaluation) -> Result<Option<Figure>> {
    let mut plots = vec![plot("all jets", &evaluation.pit)];
    for (label, pit) in &evaluation.pit_by_class {
        plots.push(plot(if label == "1" { "signal" } else { "background" }, pit));
    }
    let ranks = &evaluation.ranks;
    let expected: f64 = ranks.expected.iter().sum::<f64>() / ranks.expected.len().max(1) as f64;
    let counts: Vec<f64> = (ranks.counts.iter().zip(&ranks.expected))
        .map(|(&count, expected)| count as f64 / expected)
        .collect();
    plots.push(ratios(
        &format!("ranks among {} draws, p = {:.3}", ranks.draws, ranks.chi2_p_value),
        "rank / draws",
        &counts,
        expected,
    ));
    figure(
        "pit",
        "Probability integral transform",
        "Jets a bin over the number expected of a right prediction; the grey band is its Poisson error. A U-shape says \
         that the prediction is too narrow, a hump that it is too wide, a slope that it is shifted.",
        2,
        plots,
    )
}

fn plot(name: &str, pit: &PitHistogram) -> Plot {
    let expected = pit.rows as f64 / pit.counts.len().max(1) as f64;
    let counts: Vec<f64> = pit.counts.iter().map(|&count| count as f64 / expected).collect();
    ratios(
        &format!("{name}: KS {:.4}, p = {:.3}", pit.ks, pit.ks_p_value),
        "PIT",
        &counts,
        expected,
    )
}

fn ratios(title: &str, label: &str, counts: &[f64], expected: f64) -> Plot {
    let edges: Vec<f64> = (0..=counts.len())
        .map(|i| i as f64 / counts.len().max(1) as f64)
        .collect();
    let error = 1.0 / expected.max(1.0).sqrt();
    let uniform = |x: f64| Dot {
        x,
        low: 1.0 - error,
        value: 1.0,
        high: 1.0 + error,
    };
    let highest = counts.iter().copied().fold(1.0 + 2.0 * error, f64::max);
    Plot {
        title: title.to_owned(),
        x: Range::of(label).between(0.0, 1.0),
        y: Range::of("jets / expected").between(0.0, 1.1 * highest),
        series: vec![
            Series::guide("uniform", vec![uniform(0.0), uniform(1.0)]),
            Series::line("surrogate", 1, steps(&edges, counts, None))
                .solid()
                .drawn(Drawn::Steps),
        ],
    }
}
