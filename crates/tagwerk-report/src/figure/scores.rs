//! Score histograms: signal and background of each tagger, small multiples.

use plotters::style::text_anchor::HPos;

use super::Figure;
use super::canvas::{Axis, Panel, TEXT, TICKS, pen, stroke, svg, text};
use super::style::{BACKGROUND, SIGNAL};
use crate::error::Result;
use crate::escape;
use crate::histogram::ScoreHistogram;
use crate::input::TaggerCurves;
use crate::table::{csv_line, csv_number};

const PANEL: (f64, f64) = (300.0, 240.0);
/// Room for the legend on top.
const HEAD: f64 = 34.0;
/// Dash of the background.
const DASH: (u32, u32) = (5, 3);

/// The figure; `None` when no tagger has a histogram.
pub fn score_figure(taggers: &[TaggerCurves]) -> Result<Option<Figure>> {
    let shown: Vec<(&str, &ScoreHistogram)> = taggers
        .iter()
        .filter_map(|t| Some((t.tagger.as_str(), t.histogram.as_ref()?)))
        .filter(|(_, h)| drawable(h))
        .collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let columns = shown.len().clamp(2, 3);
    let lines = shown.len().div_ceil(columns);
    let (width, height) = (PANEL.0 * columns as f64 + 8.0, HEAD + PANEL.1 * lines as f64);
    let title = "Distribution of the scores";
    // One vertical axis for all panels: the smallest share that is not zero decides its bottom.
    let shares = shown
        .iter()
        .flat_map(|(_, h)| h.signal.iter().chain(&h.background))
        .copied()
        .filter(|v| *v > 0.0);
    let bottom = 10_f64.powf(shares.fold(1.0, f64::min).log10().floor()).clamp(1e-7, 0.1);

    let picture = svg("scores", title, width as u32, height as u32, |root| {
        let center = width / 2.0;
        for (left, words, color, dash) in [
            (center - 130.0, "signal", SIGNAL, (0, 0)),
            (center + 20.0, "background", BACKGROUND, DASH),
        ] {
            stroke(root, &[(left, 16.0), (left + 34.0, 16.0)], pen(color, 2.0), dash)?;
            text(root, (left + 42.0, 16.0), HPos::Left, TEXT, words)?;
        }
        for (i, (name, histogram)) in shown.iter().enumerate() {
            let corner = (
                PANEL.0 * (i % columns) as f64 + 2.0,
                HEAD + PANEL.1 * (i / columns) as f64,
            );
            let (low, high) = (histogram.edges[0], histogram.edges[histogram.edges.len() - 1]);
            let x = Axis {
                label: "score".to_owned(),
                low,
                high,
                log: false,
                whole: false,
            };
            let y = Axis {
                label: "share of jets per bin".to_owned(),
                low: bottom,
                high: 1.0,
                log: true,
                whole: false,
            };
            let panel = Panel::new(
                root,
                (corner.0, corner.1, PANEL.0, PANEL.1),
                &super::roc::shortened(name),
                x,
                y,
                TICKS,
            )?;
            panel.line(&steps(histogram, &histogram.background), BACKGROUND, 1.4, DASH)?;
            panel.line(&steps(histogram, &histogram.signal), SIGNAL, 1.4, (0, 0))?;
        }
        Ok(())
    })?;

    let mut csv = csv_line(&["tagger", "bin_low", "bin_high", "signal_share", "background_share"].map(str::to_owned));
    for (name, h) in &shown {
        for i in 0..h.signal.len() {
            let numbers = [h.edges[i], h.edges[i + 1], h.signal[i], h.background[i]].map(csv_number);
            csv.push_str(&csv_line(&[&[escape::csv(name)][..], &numbers[..]].concat()));
        }
    }
    Ok(Some(Figure {
        name: "scores".to_owned(),
        title: title.to_owned(),
        caption: "Share of the jets of each class per bin, for the training of median AUC. Empty bins lie on the lower frame.".to_owned(),
        svg: picture,
        csv,
    }))
}

/// Outline of a histogram.
fn steps(histogram: &ScoreHistogram, shares: &[f64]) -> Vec<(f64, f64)> {
    shares
        .iter()
        .enumerate()
        .flat_map(|(i, &v)| [(histogram.edges[i], v), (histogram.edges[i + 1], v)])
        .collect()
}

/// Whether edges and contents fit together, which a histogram read from a file may fail.
fn drawable(h: &ScoreHistogram) -> bool {
    let bins = h.signal.len();
    bins > 0
        && h.background.len() == bins
        && h.edges.len() == bins + 1
        && h.edges
            .windows(2)
            .all(|w| w[0] < w[1] && w[0].is_finite() && w[1].is_finite())
}
