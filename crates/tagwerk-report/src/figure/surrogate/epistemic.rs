//! Epistemic spread and predicted accuracy against the conditions, above where the training jets are.

use super::{Dot, Drawn, Figure, Plot, Range, Series, figure, steps};
use crate::error::Result;
use tagwerk_stats::{EpistemicProfile, OverJets, ProfileBin, SurrogateEvaluation};

/// The figure; `None` without conditions.
pub fn epistemic_figure(evaluation: &SurrogateEvaluation) -> Result<Option<Figure>> {
    let profiles = &evaluation.epistemic.profiles;
    let mut plots = Vec::new();
    for profile in profiles {
        plots.push(plot(profile, "epistemic spread", |bin| bin.spread));
        plots.push(plot(profile, "predicted accuracy", |bin| Some(bin.accuracy)));
    }
    figure(
        "epistemic",
        "Epistemic spread and predicted accuracy against the conditions",
        "Medians over jets in bins of equally many; bars from the 10 % to the 90 % quantile over jets. The spread is \
         the largest minus the smallest member at equal noise. Steps at the bottom: where the training jets are, in \
         arbitrary units. A surrogate that knows its limits spreads where they thin out.",
        2,
        plots,
    )
}

fn plot(profile: &EpistemicProfile, label: &str, pick: fn(&ProfileBin) -> Option<OverJets>) -> Plot {
    let mut series = Vec::new();
    let mut highest = 0.0_f64;
    let mut lowest = f64::INFINITY;
    for (class, bins) in &profile.classes {
        let dot = |bin: &ProfileBin| {
            pick(bin).map(|over| Dot {
                x: (bin.low + bin.high) / 2.0,
                low: over.q10,
                value: over.median,
                high: over.q90,
            })
        };
        let dots: Vec<Dot> = bins.iter().filter_map(dot).collect();
        highest = dots.iter().fold(highest, |h, d| h.max(d.high));
        lowest = dots.iter().fold(lowest, |l, d| l.min(d.low));
        series.push(Series::class(class, dots).drawn(Drawn::Points));
    }
    if series.iter().all(|s| s.dots.is_empty()) {
        series.clear();
    } else {
        // A quarter of the panel's height, from its bottom.
        let bottom = if label == "epistemic spread" {
            0.0
        } else {
            (lowest - 0.3 * (highest - lowest)).max(0.0)
        };
        let most = profile.training.values().flatten().copied().max().unwrap_or(1).max(1) as f64;
        let scale = 0.25 * (highest - bottom).max(1e-9) / most;
        for (class, counts) in &profile.training {
            let shares: Vec<f64> = counts.iter().map(|&count| bottom + scale * count as f64).collect();
            let mut training = Series::class(class, steps(&profile.training_edges, &shares, None)).drawn(Drawn::Steps);
            training.name = format!("training {}", training.name);
            training.dash = (1, 2);
            series.push(training);
        }
    }
    Plot {
        title: profile.column.clone(),
        x: Range::of(&profile.column),
        y: if label == "epistemic spread" {
            Range::of(label).from(0.0)
        } else {
            Range::of(label)
        },
        series,
    }
}
