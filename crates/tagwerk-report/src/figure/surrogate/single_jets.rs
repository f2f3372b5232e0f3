//! Score distributions of single jets.

use super::{Dot, Drawn, Figure, Plot, Range, Series, figure, steps};
use crate::error::Result;
use tagwerk_stats::SingleJet;

/// The figure; `None` without jets.
pub fn single_jet_figure(jets: &[SingleJet]) -> Result<Option<Figure>> {
    figure(
        "single_jets",
        "Scores of single jets",
        "Predicted distribution of the score of one jet, band over members, beside the classifier's scores of the \
         training jets nearest to it in pT, energy and number of particles. Vertical: what the classifier says of this \
         jet.",
        2,
        jets.iter().map(plot).collect(),
    )
}

fn plot(jet: &SingleJet) -> Plot {
    let shares = || jet.mean.iter().chain(&jet.neighbors).copied().filter(|v| *v > 0.0);
    let bottom = 10_f64
        .powf(shares().fold(0.1, f64::min).log10().floor())
        .clamp(1e-6, 0.1);
    let kind = if jet.label == 1 { "signal" } else { "background" };
    let named = ["jet_pt", "jet_nparticles"]
        .iter()
        .filter_map(|name| Some(format!("{name} {:.0}", jet.conditions.get(*name)?)));
    let title = std::iter::once(kind.to_owned())
        .chain(named)
        .collect::<Vec<_>>()
        .join(", ");
    let neighbors = steps(&jet.edges, &jet.neighbors, None);
    Plot {
        title,
        x: Range::of("score").between(0.0, 1.0),
        y: Range::of("share a bin").between(bottom, 1.0).log(),
        series: vec![
            Series::line("nearest training jets", 0, neighbors).drawn(Drawn::Steps),
            Series::line(
                "surrogate",
                1,
                steps(&jet.edges, &jet.mean, Some((&jet.low, &jet.high))),
            )
            .drawn(Drawn::Steps),
            Series::guide(
                "this jet",
                vec![Dot::plain(jet.score, bottom), Dot::plain(jet.score, 1.0)],
            ),
        ],
    }
}
