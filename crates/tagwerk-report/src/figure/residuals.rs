//! Histogram of prediction - target, a line a row of the table.

use super::Figure;
use super::canvas::{Axis, Panel, TICKS, legend_entry, svg};
use super::predictions::with_unit;
use super::roc::shortened;
use super::style::Look;
use crate::error::Result;
use crate::escape;
use crate::regression::PredictionCurves;
use crate::table::{csv_line, csv_number};
use tagwerk_stats::RegressionTable;

const BINS: usize = 60;

/// The figure; `None` without predictions.
pub fn residual_figure(table: &RegressionTable, rows: &[PredictionCurves]) -> Result<Option<Figure>> {
    let shown: Vec<&PredictionCurves> = rows.iter().filter(|row| !row.residuals.is_empty()).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    // Between the 0.2 and 99.8 percentiles of all rows: a few far events must not squeeze the rest into two bins.
    let at = |residuals: &[f64], share: f64| residuals[(share * (residuals.len() - 1) as f64).round() as usize];
    let low = shown
        .iter()
        .map(|row| at(&row.residuals, 0.002))
        .fold(f64::INFINITY, f64::min);
    let high = shown
        .iter()
        .map(|row| at(&row.residuals, 0.998))
        .fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low < high {
        (low, high)
    } else {
        (low - 0.5, low + 0.5)
    };
    let bin = (high - low) / BINS as f64;
    let histogram = |row: &PredictionCurves| -> Vec<f64> {
        let mut shares = vec![0.0; BINS];
        for residual in &row.residuals {
            let place = ((residual - low) / bin).floor();
            if (0.0..BINS as f64).contains(&place) {
                shares[place as usize] += 1.0 / row.residuals.len() as f64;
            }
        }
        shares
    };
    let histograms: Vec<Vec<f64>> = shown.iter().map(|row| histogram(row)).collect();
    let top = histograms.iter().flatten().copied().fold(0.0, f64::max) * 1.08;
    let (width, height) = (900_u32, 420_u32.max(60 + 24 * shown.len() as u32));
    let title = "Distribution of the residuals";
    let picture = svg("residuals", title, width, height, |root| {
        let x = Axis {
            label: with_unit(&format!("predicted - true {}", table.target), &table.unit),
            low,
            high,
            log: false,
            whole: false,
        };
        let y = Axis {
            label: "share of events per bin".to_owned(),
            low: 0.0,
            high: top.max(1e-6),
            log: false,
            whole: false,
        };
        let panel = Panel::new(root, (4.0, 6.0, 690.0, f64::from(height) - 8.0), "", x, y, TICKS)?;
        for (i, shares) in histograms.iter().enumerate() {
            let look = Look::of(i);
            let edge = |b: usize| low + bin * b as f64;
            let steps: Vec<(f64, f64)> = shares
                .iter()
                .enumerate()
                .flat_map(|(b, &share)| [(edge(b), share), (edge(b + 1), share)])
                .collect();
            panel.line(&steps, look.color, 1.5, look.dash)?;
            legend_entry(
                root,
                (706.0, 24.0 + 24.0 * i as f64),
                look,
                &shortened(&shown[i].tagger),
            )?;
        }
        Ok(())
    })?;
    let mut csv = csv_line(&["algorithm", "bin_low", "bin_high", "share"].map(str::to_owned));
    for (row, shares) in shown.iter().zip(&histograms) {
        for (b, &share) in shares.iter().enumerate() {
            let numbers = [low + bin * b as f64, low + bin * (b + 1) as f64, share].map(csv_number);
            csv.push_str(&csv_line(&[&[escape::csv(&row.tagger)][..], &numbers[..]].concat()));
        }
    }
    Ok(Some(Figure {
        name: "residuals".to_owned(),
        title: title.to_owned(),
        caption:
            "All test events, for the training of median resolution; the outermost 0.2 % on each side may lie outside."
                .to_owned(),
        svg: picture,
        csv,
    }))
}
