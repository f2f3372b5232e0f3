//! Resolution and bias in bins of the target, with their errors.

use plotters::style::text_anchor::HPos;

use super::Figure;
use super::canvas::{Axis, Panel, TEXT, TICKS, glyph, pen, stroke, svg, text};
use super::predictions::with_unit;
use super::roc::shortened;
use super::style::Look;
use crate::error::Result;
use crate::escape;
use crate::regression::PredictionCurves;
use crate::table::{csv_line, csv_number, csv_optional};
use tagwerk_stats::{RegressionBin, RegressionTable};

const PANEL: (f64, f64) = (390.0, 330.0);

/// Value and error of a bin.
type Take = fn(&RegressionBin) -> (f64, Option<f64>);

/// The figure; `None` without bins.
pub fn resolution_figure(table: &RegressionTable, rows: &[PredictionCurves]) -> Result<Option<Figure>> {
    let shown: Vec<&PredictionCurves> = rows.iter().filter(|row| !row.bins.is_empty()).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let bins = || shown.iter().flat_map(|row| &row.bins);
    let targets = bins().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), bin| {
        (l.min(bin.low), h.max(bin.high))
    });
    let targets = if targets.0 < targets.1 {
        targets
    } else {
        (targets.0 - 0.5, targets.0 + 0.5)
    };
    let takes: [(&str, Take, bool); 2] = [
        (
            "resolution",
            |bin| (bin.evaluation.resolution, bin.evaluation.resolution_error),
            true,
        ),
        ("bias", |bin| (bin.evaluation.bias, bin.evaluation.bias_error), false),
    ];
    let head = 12.0 + 20.0 * shown.len().div_ceil(4) as f64;
    let (width, height) = (2.0 * PANEL.0 + 8.0, head + PANEL.1);
    let title = "Resolution and bias against the target";
    let picture = svg("resolution", title, width as u32, height as u32, |root| {
        for (i, row) in shown.iter().enumerate() {
            let at = (20.0 + 190.0 * (i % 4) as f64, 14.0 + 20.0 * (i / 4) as f64);
            let look = Look::of(i);
            stroke(root, &[at, (at.0 + 30.0, at.1)], pen(look.color, 1.8), look.dash)?;
            glyph(root, (at.0 + 15.0, at.1), look.marker, look.color, 3.6, true)?;
            text(root, (at.0 + 37.0, at.1), HPos::Left, TEXT, &shortened(&row.tagger))?;
        }
        for (p, (words, take, from_zero)) in takes.iter().enumerate() {
            let ends = bins()
                .map(take)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (value, error)| {
                    let error = error.unwrap_or(0.0);
                    (l.min(value - error), h.max(value + error))
                });
            let air = (0.08 * (ends.1 - ends.0)).max(1e-3 * ends.1.abs().max(1e-3));
            let y = Axis {
                label: with_unit(words, &table.unit),
                low: if *from_zero { 0.0 } else { ends.0 - air },
                high: ends.1 + air,
                log: false,
                whole: false,
            };
            let x = Axis {
                label: with_unit(&format!("true {}", table.target), &table.unit),
                low: targets.0,
                high: targets.1,
                log: false,
                whole: false,
            };
            let rectangle = (2.0 + PANEL.0 * p as f64, head, PANEL.0, PANEL.1);
            let panel = Panel::new(root, rectangle, "", x, y, TICKS)?;
            for (i, row) in shown.iter().enumerate() {
                let look = Look::of(i);
                let line: Vec<(f64, f64)> = row.bins.iter().map(|bin| (bin.target, take(bin).0)).collect();
                panel.line(&line, look.color, 1.4, look.dash)?;
                for bin in &row.bins {
                    let (value, error) = take(bin);
                    let error = error.unwrap_or(0.0);
                    panel.line(
                        &[(bin.target, value - error), (bin.target, value + error)],
                        look.color,
                        1.0,
                        (0, 0),
                    )?;
                    panel.marker((bin.target, value), look.marker, look.color, 3.4, true)?;
                }
            }
        }
        Ok(())
    })?;
    let head = [
        "algorithm",
        "target_low",
        "target_high",
        "target_mean",
        "events",
        "resolution",
        "resolution_error",
        "bias",
        "bias_error",
    ];
    let mut csv = csv_line(&head.map(str::to_owned));
    for row in &shown {
        for bin in &row.bins {
            let e = &bin.evaluation;
            csv.push_str(&csv_line(&[
                escape::csv(&row.tagger),
                csv_number(bin.low),
                csv_number(bin.high),
                csv_number(bin.target),
                e.events.to_string(),
                csv_number(e.resolution),
                csv_optional(e.resolution_error),
                csv_number(e.bias),
                csv_optional(e.bias_error),
            ]));
        }
    }
    Ok(Some(Figure {
        name: "resolution".to_owned(),
        title: title.to_owned(),
        caption: "Bins of equally many test events, each at its mean target, for the training of median resolution; bars are the errors \
                  of the test sample. A bias that falls with the target shows predictions drawn towards the mean."
            .to_owned(),
        svg: picture,
        csv,
    }))
}
