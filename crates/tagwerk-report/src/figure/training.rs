//! Loss and validation AUC (of a regression the resolution) against epoch, small multiples: a line a training.

use plotters::style::text_anchor::HPos;

use super::Figure;
use super::canvas::{Axis, Panel, TEXT, TICKS, pen, stroke, svg, text};
use super::roc::shortened;
use super::style::{BACKGROUND, SIGNAL};
use crate::error::Result;
use crate::escape;
use crate::input::{EpochRecord, History};
use crate::table::{csv_line, csv_optional};

const PANEL: (f64, f64) = (250.0, 220.0);
const HEAD: f64 = 34.0;
/// Dash of the training loss.
const DASH: (u32, u32) = (5, 3);

/// The figure; `None` when no training has a record with a number.
pub fn training_figure(histories: &[History]) -> Result<Option<Figure>> {
    // Taggers in order of first appearance.
    let mut taggers: Vec<(&str, Vec<&History>)> = Vec::new();
    for history in histories.iter().filter(|h| h.epochs.iter().any(has_number)) {
        match taggers.iter_mut().find(|t| t.0 == history.tagger) {
            Some(tagger) => tagger.1.push(history),
            None => taggers.push((&history.tagger, vec![history])),
        }
    }
    if taggers.is_empty() {
        return Ok(None);
    }
    let regression = histories
        .iter()
        .flat_map(|h| &h.epochs)
        .any(|e| e.validation_resolution.is_some());
    let (second, judged): (&str, fn(&EpochRecord) -> Option<f64>) = if regression {
        ("validation resolution", |e| e.validation_resolution)
    } else {
        ("validation AUC", |e| e.validation_auc)
    };
    // Two panels (loss, AUC or resolution) a tagger, two taggers a line.
    let columns = taggers.len().min(2);
    let lines = taggers.len().div_ceil(columns);
    let (width, height) = (
        (2.0 * PANEL.0 * columns as f64).max(520.0),
        HEAD + PANEL.1 * lines as f64,
    );
    let title = "Course of the trainings";
    let picture = svg("training", title, width as u32 + 4, height as u32, |root| {
        let center = width / 2.0;
        for (left, words, color, dash) in [
            (center - 150.0, "training", BACKGROUND, DASH),
            (center + 20.0, "validation", SIGNAL, (0, 0)),
        ] {
            stroke(root, &[(left, 16.0), (left + 34.0, 16.0)], pen(color, 2.0), dash)?;
            text(root, (left + 42.0, 16.0), HPos::Left, TEXT, words)?;
        }
        for (i, (name, runs)) in taggers.iter().enumerate() {
            let corner = (
                2.0 * PANEL.0 * (i % columns) as f64 + 2.0,
                HEAD + PANEL.1 * (i / columns) as f64,
            );
            let all = || runs.iter().flat_map(|h| &h.epochs);
            let epochs = all()
                .map(|e| e.epoch)
                .fold((usize::MAX, 0), |(l, h), e| (l.min(e), h.max(e)));
            let epochs = if epochs.0 < epochs.1 {
                (epochs.0 as f64, epochs.1 as f64)
            } else {
                (epochs.0 as f64 - 0.5, epochs.0 as f64 + 0.5)
            };
            let x = || Axis {
                label: "epoch".to_owned(),
                low: epochs.0,
                high: epochs.1,
                log: false,
                whole: false,
            };
            let name = shortened(name);

            let losses = all().flat_map(|e| [e.training_loss, e.validation_loss]).flatten();
            let panel = Panel::new(
                root,
                (corner.0, corner.1, PANEL.0, PANEL.1),
                &name,
                x(),
                spanning("loss", losses),
                TICKS,
            )?;
            for run in runs {
                panel.line(&points(run, |e| e.training_loss), BACKGROUND, 1.0, DASH)?;
                panel.line(&points(run, |e| e.validation_loss), SIGNAL, 1.0, (0, 0))?;
            }
            let figures = all().filter_map(judged);
            let right = (corner.0 + PANEL.0, corner.1, PANEL.0, PANEL.1);
            let panel = Panel::new(root, right, &name, x(), spanning(second, figures), TICKS)?;
            for run in runs {
                panel.line(&points(run, judged), SIGNAL, 1.0, (0, 0))?;
            }
        }
        Ok(())
    })?;

    let mut csv = csv_line(
        &[
            "tagger",
            "seed",
            "epoch",
            "training_loss",
            "validation_loss",
            if regression {
                "validation_resolution"
            } else {
                "validation_auc"
            },
        ]
        .map(str::to_owned),
    );
    for history in histories {
        for e in &history.epochs {
            let numbers = [e.training_loss, e.validation_loss, judged(e)].map(csv_optional);
            let address = [
                escape::csv(&history.tagger),
                history.seed.to_string(),
                e.epoch.to_string(),
            ];
            csv.push_str(&csv_line(&[&address[..], &numbers[..]].concat()));
        }
    }
    Ok(Some(Figure {
        name: "training".to_owned(),
        title: title.to_owned(),
        caption: "One line a training. The vertical axes differ from panel to panel.".to_owned(),
        svg: picture,
        csv,
    }))
}

fn has_number(epoch: &EpochRecord) -> bool {
    [
        epoch.training_loss,
        epoch.validation_loss,
        epoch.validation_auc,
        epoch.validation_resolution,
    ]
    .iter()
    .flatten()
    .any(|v| v.is_finite())
}

fn points(history: &History, value: fn(&EpochRecord) -> Option<f64>) -> Vec<(f64, f64)> {
    history
        .epochs
        .iter()
        .filter_map(|e| Some((e.epoch as f64, value(e)?)))
        .collect()
}

/// An axis around the finite values, with a little air.
fn spanning(label: &str, values: impl Iterator<Item = f64>) -> Axis {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
    // A constant gets a range of its own size, so that the axis is never empty.
    let air = if high > low {
        0.05 * (high - low)
    } else {
        (high.abs() * 0.05).max(1e-3)
    };
    Axis {
        label: label.to_owned(),
        low: low - air,
        high: high + air,
        log: false,
        whole: false,
    }
}
