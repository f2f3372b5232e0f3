//! Predicted against true values, small multiples: a dot an event.

use super::Figure;
use super::canvas::svg;
use super::canvas::{Axis, Panel, TICKS};
use super::roc::shortened;
use super::style::{BACKGROUND, Marker, SIGNAL};
use crate::error::Result;
use crate::escape;
use crate::regression::PredictionCurves;
use crate::table::{csv_line, csv_number};
use tagwerk_stats::RegressionTable;

const PANEL: (f64, f64) = (300.0, 290.0);

/// A quantity with its unit, as an axis says it.
pub(super) fn with_unit(words: &str, unit: &str) -> String {
    if unit.is_empty() {
        words.to_owned()
    } else {
        format!("{words} [{unit}]")
    }
}

/// The figure; `None` without predictions.
pub fn prediction_figure(table: &RegressionTable, rows: &[PredictionCurves]) -> Result<Option<Figure>> {
    let shown: Vec<&PredictionCurves> = rows.iter().filter(|row| !row.points.is_empty()).collect();
    let ends = shown
        .iter()
        .flat_map(|row| row.points.iter().flatten())
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    if shown.is_empty() || ends.0 > ends.1 {
        return Ok(None);
    }
    let air = (0.03 * (ends.1 - ends.0)).max(1e-3 * ends.1.abs().max(1.0));
    let (low, high) = (ends.0 - air, ends.1 + air);
    let columns = shown.len().clamp(1, 3);
    let lines = shown.len().div_ceil(columns);
    let (width, height) = (PANEL.0 * columns as f64 + 8.0, PANEL.1 * lines as f64 + 4.0);
    let title = "Predicted against true values";
    let picture = svg("predictions", title, width as u32, height as u32, |root| {
        for (i, row) in shown.iter().enumerate() {
            let corner = (
                PANEL.0 * (i % columns) as f64 + 2.0,
                PANEL.1 * (i / columns) as f64 + 2.0,
            );
            let axis = |words: &str| Axis {
                label: with_unit(words, &table.unit),
                low,
                high,
                log: false,
                whole: false,
            };
            let panel = Panel::new(
                root,
                (corner.0, corner.1, PANEL.0, PANEL.1),
                &shortened(&row.tagger),
                axis(&format!("true {}", table.target)),
                axis(&format!("predicted {}", table.target)),
                TICKS,
            )?;
            for &[target, prediction] in &row.points {
                panel.marker((target, prediction), Marker::Circle, SIGNAL, 0.9, true)?;
            }
            panel.line(&[(low, low), (high, high)], BACKGROUND, 1.2, (5, 3))?;
        }
        Ok(())
    })?;
    let mut csv = csv_line(&["algorithm", "target", "prediction"].map(str::to_owned));
    for row in &shown {
        for point in &row.points {
            csv.push_str(&csv_line(
                &[&[escape::csv(&row.tagger)][..], &point.map(csv_number)[..]].concat(),
            ));
        }
    }
    Ok(Some(Figure {
        name: "predictions".to_owned(),
        title: title.to_owned(),
        caption:
            "Evenly chosen test events, for the training of median resolution. Dashed: prediction and truth are equal."
                .to_owned(),
        svg: picture,
        csv,
    }))
}
