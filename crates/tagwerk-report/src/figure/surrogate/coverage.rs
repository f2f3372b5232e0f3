//! Central coverage in bins of the variables.

use super::{Dot, Drawn, Figure, Plot, Range, Series, figure};
use crate::error::Result;
use tagwerk_stats::{LevelsInBin, SurrogateEvaluation};

/// The figure; `None` when coverage was told in no bins.
pub fn coverage_figure(evaluation: &SurrogateEvaluation) -> Result<Option<Figure>> {
    let plots = evaluation
        .coverage_in_bins
        .iter()
        .map(|(variable, bins)| plot(variable, bins))
        .collect();
    figure(
        "coverage",
        "Central coverage in bins",
        "Share of jets inside the central interval of each level, in bins of equally many jets; bars are 68 % Wilson \
         intervals, grey lines the nominal levels.",
        2,
        plots,
    )
}

fn plot(variable: &str, bins: &[LevelsInBin]) -> Plot {
    let mut series = Vec::new();
    let levels: Vec<&String> = bins
        .first()
        .map(|bin| bin.coverage.keys().collect())
        .unwrap_or_default();
    let (low, high) = bins.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), b| {
        (l.min(b.low), h.max(b.high))
    });
    for (i, level) in levels.into_iter().enumerate() {
        let nominal = level.parse().unwrap_or(f64::NAN);
        series.push(Series::guide(
            "nominal",
            vec![Dot::plain(low, nominal), Dot::plain(high, nominal)],
        ));
        let dot = |bin: &LevelsInBin| {
            let share = bin.coverage.get(level)?;
            Some(Dot {
                x: (bin.low + bin.high) / 2.0,
                low: share.low,
                value: share.value,
                high: share.high,
            })
        };
        let dots = bins.iter().filter_map(dot).collect();
        series.push(Series::line(level, i + 1, dots).solid().drawn(Drawn::Points));
    }
    Plot {
        title: variable.to_owned(),
        x: Range::of(variable),
        y: Range::of("observed coverage"),
        series,
    }
}
