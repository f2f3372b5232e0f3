//! Rejections of all taggers at one glance: measured values with both errors beside the published ones.

use plotters::prelude::RGBColor;
use plotters::style::text_anchor::HPos;
use tagwerk_stats::{LandscapeResult, PublishedValue, RejectionColumn, TaggerResult};

use super::Figure;
use super::canvas::{Area, Axis, Drawn, Panel, TEXT, glyph, pen, stroke, svg, text};
use super::roc::shortened;
use super::style::{INK, Marker, RULE};
use crate::error::Result;
use crate::escape;
use crate::table::{csv_line, csv_optional};

/// Height of a tagger in page pixels.
const LANE: f64 = 46.0;
/// The three columns: name, marker, color.
const COLUMNS: [(&str, Marker, RGBColor); 3] = [
    ("single", Marker::Circle, RGBColor(0, 0, 0)),
    ("mean ens.", Marker::Square, RGBColor(0, 90, 150)),
    ("median ens.", Marker::Triangle, RGBColor(190, 80, 0)),
];

/// The figure; `None` when no rejection is determined. Taggers by falling single rejection.
pub fn rejection_overview(landscape: &LandscapeResult) -> Result<Option<Figure>> {
    let mut taggers: Vec<&TaggerResult> = landscape.taggers.iter().collect();
    let key = |t: &TaggerResult| {
        t.rejection_single
            .value
            .or(t.rejection_single.lower_limit)
            .unwrap_or(0.0)
    };
    taggers.sort_by(|a, b| key(b).total_cmp(&key(a)));
    let ends = taggers
        .iter()
        .flat_map(|t| columns(t))
        .flat_map(|(measured, published)| {
            let total = measured.spread.unwrap_or(0.0).hypot(measured.test_error.unwrap_or(0.0));
            let measured = measured.value.map_or([measured.lower_limit; 2], |v| {
                [Some((v - total).max(v / 3.0)), Some(v + total)]
            });
            let published = published.map(|p| p.value);
            [measured[0], measured[1], published]
        });
    let (low, high) = ends
        .flatten()
        .filter(|v| v.is_finite() && *v > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return Ok(None);
    }
    let (low, high) = (low / 1.15, high * 1.15);

    let (width, height) = (900_u32, (LANE * taggers.len() as f64 + 60.0).max(230.0) as u32);
    let title = "Background rejection at a signal efficiency of 0.3";
    let picture = svg("rejection", title, width, height, |root| {
        let x = Axis {
            label: "Background rejection, 1 / background efficiency (logarithmic)".to_owned(),
            low,
            high,
            log: true,
            whole: false,
        };
        // No ticks on the vertical axis: an empty range has none, and the names stand there.
        let y = Axis {
            label: String::new(),
            low: 0.0,
            high: 0.0,
            log: false,
            whole: false,
        };
        let panel = Panel::new(
            root,
            (4.0, 4.0, 690.0, LANE * taggers.len() as f64 + 52.0),
            "",
            x,
            y,
            140.0,
        )?;
        let frame = panel.frame();
        for (lane, tagger) in taggers.iter().enumerate() {
            let middle = frame.1 + LANE * (lane as f64 + 0.5);
            text(
                root,
                (frame.0 - 8.0, middle),
                HPos::Right,
                TEXT,
                &shortened(&tagger.name),
            )?;
            if lane > 0 {
                let edge = middle - LANE / 2.0;
                stroke(root, &[(frame.0, edge), (frame.2, edge)], pen(RULE, 0.5), (0, 0))?;
            }
            for (i, (measured, published)) in columns(tagger).into_iter().enumerate() {
                let at = middle + 13.0 * (i as f64 - 1.0);
                entry(root, &panel, at, COLUMNS[i], measured, published)?;
            }
        }
        legend(root)
    })?;

    let head = [
        "tagger",
        "column",
        "rejection",
        "spread",
        "test_error",
        "lower_limit",
        "published",
        "published_spread",
    ];
    let mut csv = csv_line(&head.map(str::to_owned));
    for tagger in &taggers {
        for ((measured, published), (name, _, _)) in columns(tagger).into_iter().zip(COLUMNS) {
            let numbers = [
                measured.value,
                measured.spread,
                measured.test_error,
                measured.lower_limit,
                published.map(|p| p.value),
                published.and_then(|p| p.spread),
            ]
            .map(csv_optional);
            csv.push_str(&csv_line(
                &[&[escape::csv(&tagger.name), name.to_owned()][..], &numbers[..]].concat(),
            ));
        }
    }
    let comparable = if landscape.published_test_set {
        ""
    } else {
        ", from another test set"
    };
    Ok(Some(Figure {
        name: "rejection".to_owned(),
        title: title.to_owned(),
        caption: format!(
            "Filled: measured; thick bar: spread over trainings or ensembles; thin bar: with the test-sample error added in quadrature; \
             an arrow marks a 95 % lower limit. Open: published{comparable}, with its spread."
        ),
        svg: picture,
        csv,
    }))
}

fn columns(tagger: &TaggerResult) -> [(&RejectionColumn, Option<PublishedValue>); 3] {
    let published = tagger.published.as_ref();
    [
        (&tagger.rejection_single, published.and_then(|p| p.rejection_single)),
        (&tagger.rejection_mean, published.and_then(|p| p.rejection_mean)),
        (&tagger.rejection_median, published.and_then(|p| p.rejection_median)),
    ]
}

/// One column of one tagger: published below measured, so that the measured stays readable.
fn entry(
    root: &Area<'_>,
    panel: &Panel<'_, '_>,
    at: f64,
    (_, marker, color): (&str, Marker, RGBColor),
    measured: &RejectionColumn,
    published: Option<PublishedValue>,
) -> Drawn {
    let bar = |value: f64, error: f64, width: f64, at: f64| {
        let ends = [(panel.x(value - error), at), (panel.x(value + error), at)];
        stroke(root, &ends, pen(color, width), (0, 0))
    };
    if let Some(p) = published.filter(|p| p.value > 0.0) {
        let below = at + 4.0;
        if let Some(spread) = p.spread {
            bar(p.value, spread, 1.0, below)?;
        }
        glyph(root, (panel.x(p.value), below), marker, color, 3.6, false)?;
    }
    match (measured.value, measured.lower_limit) {
        (Some(value), _) => {
            let above = at - 1.5;
            let spread = measured.spread.unwrap_or(0.0);
            bar(value, spread.hypot(measured.test_error.unwrap_or(0.0)), 1.0, above)?;
            bar(value, spread, 3.0, above)?;
            glyph(root, (panel.x(value), above), marker, color, 4.0, true)
        }
        (None, Some(limit)) => {
            let x = panel.x(limit);
            stroke(root, &[(x, at - 4.0), (x, at + 4.0)], pen(color, 1.5), (0, 0))?;
            stroke(root, &[(x, at), (x + 24.0, at)], pen(color, 1.5), (0, 0))?;
            stroke(
                root,
                &[(x + 18.0, at - 4.0), (x + 24.0, at), (x + 18.0, at + 4.0)],
                pen(color, 1.5),
                (0, 0),
            )
        }
        (None, None) => Ok(()),
    }
}

fn legend(root: &Area<'_>) -> Drawn {
    let (left, mut top) = (712.0, 22.0);
    for (name, marker, color) in COLUMNS {
        stroke(root, &[(left, top), (left + 34.0, top)], pen(color, 1.0), (0, 0))?;
        stroke(root, &[(left + 9.0, top), (left + 25.0, top)], pen(color, 3.0), (0, 0))?;
        glyph(root, (left + 17.0, top), marker, color, 4.0, true)?;
        text(root, (left + 42.0, top), HPos::Left, TEXT, name)?;
        top += 24.0;
    }
    stroke(root, &[(left, top), (left + 34.0, top)], pen(INK, 1.0), (0, 0))?;
    glyph(root, (left + 17.0, top), Marker::Circle, INK, 3.6, false)?;
    text(root, (left + 42.0, top), HPos::Left, TEXT, "published (open)")?;
    for words in ["thick: trainings", "thin: and test sample"] {
        top += 24.0;
        text(root, (left + 42.0, top), HPos::Left, TEXT - 1.0, words)?;
    }
    Ok(())
}
