//! Rejection against what it costs: time of a training, time of scoring a jet, parameters.

use plotters::style::text_anchor::HPos;
use tagwerk_stats::{Cost, LandscapeResult, ParetoPoint, Standing};

use super::Figure;
use super::canvas::{Area, Axis, Drawn, Panel, TEXT, TICKS, glyph, pen, stroke, svg, text};
use super::placing::places;
use super::roc::shortened;
use super::style::{INK, Look, Marker, RULE};
use crate::error::Result;
use crate::escape;
use crate::table::{csv_line, csv_number};

/// Width of the page, height of the panels, room for the labels of a vertical axis that has no name.
const WIDTH: f64 = 900.0;
const PANELS: f64 = 350.0;
const NARROW: f64 = 46.0;

/// Entries of the legend beside each other.
const COLUMNS: usize = 4;

/// Heading, horizontal axis, name in the numbers.
const COSTS: [(Cost, &str, &str, &str); 3] = [
    (
        Cost::TrainingSeconds,
        "Training time",
        "Seconds a training",
        "training_seconds",
    ),
    (
        Cost::InferenceMicroseconds,
        "Scoring time",
        "Microseconds a jet",
        "inference_microseconds",
    ),
    (Cost::Parameters, "Size", "Parameters", "parameters"),
];

/// The figure; `None` when no tagger has both a rejection and a cost.
pub fn pareto_figure(landscape: &LandscapeResult) -> Result<Option<Figure>> {
    let advice = &landscape.advice;
    let drawn: Vec<_> = COSTS.iter().filter(|cost| !advice.points(cost.0).is_empty()).collect();
    let all = || drawn.iter().flat_map(|cost| advice.points(cost.0));
    let (low, high) = all()
        .map(|point| (1.0 / (point.background_efficiency + point.error), ends(point).0))
        .filter(|(low, high)| *low > 0.0 && low.is_finite() && high.is_finite())
        .fold((f64::INFINITY, 0.0_f64), |(l, h), (low, high)| {
            (l.min(low), h.max(high))
        });
    if low > high {
        return Ok(None);
    }
    // Room for the upper bars, which may be endless.
    let (low, high) = (low / 1.2, high * 2.5);
    let number = |name: &str| landscape.taggers.iter().position(|t| t.name == name).unwrap_or(0);
    let title = "Background rejection against its cost";
    let rows = landscape.taggers.len().div_ceil(COLUMNS);
    let height = PANELS + 24.0 * rows as f64 + 62.0;
    let picture = svg("pareto", title, WIDTH as u32, height as u32, |root| {
        let count = drawn.len() as f64;
        let wide = (WIDTH - 8.0 - TICKS - NARROW * (count - 1.0)) / count;
        let mut left = 4.0;
        for (i, (cost, heading, label, _)) in drawn.iter().enumerate() {
            let points = advice.points(*cost);
            let margin = if i == 0 { TICKS } else { NARROW };
            let (least, most) = limits(points);
            let x = Axis {
                label: (*label).to_owned(),
                low: least,
                high: most,
                log: true,
                whole: false,
            };
            let y = Axis {
                label: if i == 0 {
                    "Background rejection at signal efficiency 0.3".to_owned()
                } else {
                    String::new()
                },
                low,
                high,
                log: true,
                whole: false,
            };
            let panel = Panel::new(root, (left, 4.0, margin + wide, PANELS), heading, x, y, margin)?;
            left += margin + wide;
            front_line(&panel, points, (most, low))?;
            for point in points {
                entry(root, &panel, point, number(&point.name))?;
            }
            let labels: Vec<_> = points
                .iter()
                .map(|point| (number(&point.name) + 1).to_string())
                .collect();
            numbers(root, &panel, points, &labels)?;
        }
        for (i, tagger) in landscape.taggers.iter().enumerate() {
            let (column, row) = (i % COLUMNS, i / COLUMNS);
            let at = (40.0 + 215.0 * column as f64, PANELS + 24.0 + 24.0 * row as f64);
            let own = Look::of(i);
            glyph(root, at, own.marker, own.color, 4.5, true)?;
            let words = format!("{} {}", i + 1, shortened(&tagger.name));
            text(root, (at.0 + 14.0, at.1), HPos::Left, TEXT, &words)?;
        }
        standings(root, PANELS + 24.0 * rows as f64 + 36.0)
    })?;

    let head = [
        "cost",
        "tagger",
        "value",
        "rejection",
        "rejection_low",
        "rejection_high",
        "background_efficiency",
        "background_efficiency_error",
        "standing",
    ];
    let mut csv = csv_line(&head.map(str::to_owned));
    for (cost, _, _, name) in COSTS {
        for point in advice.points(cost) {
            let eps = point.background_efficiency;
            let numbers = [
                point.cost,
                1.0 / eps,
                1.0 / (eps + point.error),
                ends(point).1,
                eps,
                point.error,
            ]
            .map(csv_number);
            let standing = match point.standing {
                Standing::Front => "front",
                Standing::Undecided => "undecided",
                Standing::Dominated => "dominated",
            };
            let mut fields = vec![name.to_owned(), escape::csv(&point.name)];
            fields.extend(numbers);
            fields.push(standing.to_owned());
            csv.push_str(&csv_line(&fields));
        }
    }
    Ok(Some(Figure {
        name: "pareto".to_owned(),
        title: title.to_owned(),
        caption: "Filled, on the line: no other tagger costs no more and rejects as much. Open: one does, but not beyond two standard \
                  deviations. Small: one does, beyond them. Bars: one standard deviation of the background efficiency, spread \
                  over trainings and test sample together; an arrow marks a 95 % lower limit. Times are medians over trainings on one \
                  machine."
            .to_owned(),
        svg: picture,
        csv,
    }))
}

/// The highest drawn value of a point (its rejection, or its limit), and the upper end of its bar, which may be
/// endless.
fn ends(point: &ParetoPoint) -> (f64, f64) {
    let (eps, error) = (point.background_efficiency, point.error);
    let value = if eps > 0.0 { 1.0 / eps } else { 0.5 / error };
    let upper = if eps > error {
        1.0 / (eps - error)
    } else {
        f64::INFINITY
    };
    (value, upper)
}

/// Ends of the axis of a cost: a factor beyond the points, at whole decades where there are several.
fn limits(points: &[ParetoPoint]) -> (f64, f64) {
    let costs = points.iter().map(|point| point.cost);
    let (least, most) = costs.fold((f64::INFINITY, 0.0_f64), |(l, m), c| (l.min(c), m.max(c)));
    let (least, most) = (least / 2.0, most * 2.0);
    if most / least < 16.0 {
        return (least, most);
    }
    (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()))
}

/// What rejection is to be had for what cost: steps through the front, to the right edge.
fn front_line(panel: &Panel<'_, '_>, points: &[ParetoPoint], (right, bottom): (f64, f64)) -> Drawn {
    let mut line: Vec<(f64, f64)> = Vec::new();
    for point in points.iter().filter(|point| point.standing == Standing::Front) {
        let value = ends(point).0;
        line.push((point.cost, line.last().map_or(bottom, |last| last.1)));
        line.push((point.cost, value));
    }
    line.extend(line.last().map(|last| (right, last.1)));
    panel.line(&line, RULE, 1.2, (5, 3))
}

/// Length of the arrow that marks a limit.
const ARROW: f64 = 24.0;

/// Half the width of the room that a marker takes, and of an error bar's.
const MARKER_ROOM: f64 = 6.0;
const BAR_ROOM: f64 = 1.5;

/// A point with its error bar, or with an arrow where no background passes.
fn entry(root: &Area<'_>, panel: &Panel<'_, '_>, point: &ParetoPoint, index: usize) -> Drawn {
    let Look { color, marker, .. } = Look::of(index);
    let (x, y) = place(panel, point);
    let (top, bottom) = bar(panel, point);
    let (radius, filled) = match point.standing {
        Standing::Front => (4.8, true),
        Standing::Undecided => (4.8, false),
        Standing::Dominated => (2.8, false),
    };
    if point.background_efficiency > 0.0 {
        stroke(root, &[(x, bottom), (x, top)], pen(color, 1.0), (0, 0))?;
    } else {
        stroke(root, &[(x, bottom), (x, top)], pen(color, 1.5), (0, 0))?;
        let head = [(x - 4.0, top + 6.0), (x, top), (x + 4.0, top + 6.0)];
        stroke(root, &head, pen(color, 1.5), (0, 0))?;
    }
    glyph(root, (x, y), marker, color, radius, filled)
}

/// The numbers of the taggers beside their points, clear of markers and bars.
fn numbers(root: &Area<'_>, panel: &Panel<'_, '_>, points: &[ParetoPoint], labels: &[String]) -> Drawn {
    /// Height of a digit with some air, and its width.
    const HEIGHT: f64 = 10.0;
    const DIGIT: f64 = 6.2;
    let drawn: Vec<_> = points
        .iter()
        .flat_map(|point| {
            let (x, y) = place(panel, point);
            let (top, bottom) = bar(panel, point);
            [
                (x - MARKER_ROOM, y - MARKER_ROOM, x + MARKER_ROOM, y + MARKER_ROOM),
                (x - BAR_ROOM, top, x + BAR_ROOM, bottom),
            ]
        })
        .collect();
    let anchors: Vec<_> = points
        .iter()
        .zip(labels)
        .map(|(point, label)| (place(panel, point), DIGIT * label.len() as f64))
        .collect();
    for (at, label) in places(&anchors, HEIGHT, 3.0, &drawn, panel.frame())
        .into_iter()
        .zip(labels)
    {
        text(root, at, HPos::Center, TEXT - 3.0, label)?;
    }
    Ok(())
}

/// Where a point is drawn.
fn place(panel: &Panel<'_, '_>, point: &ParetoPoint) -> (f64, f64) {
    (panel.x(point.cost), panel.y(ends(point).0))
}

/// Upper and lower end of its error bar, or of its arrow.
fn bar(panel: &Panel<'_, '_>, point: &ParetoPoint) -> (f64, f64) {
    let (value, upper) = ends(point);
    let (eps, error) = (point.background_efficiency, point.error);
    if eps <= 0.0 {
        return (panel.y(value) - ARROW, panel.y(value));
    }
    let top = if upper.is_finite() {
        panel.y(upper)
    } else {
        panel.frame().1
    };
    (top, panel.y(1.0 / (eps + error)))
}

/// What filled, open and small markers mean.
fn standings(root: &Area<'_>, at: f64) -> Drawn {
    let kinds = [
        ("on the front", 4.8, true),
        ("not ruled out by errors", 4.8, false),
        ("dominated", 2.8, false),
    ];
    for (i, (words, radius, filled)) in kinds.into_iter().enumerate() {
        let left = 40.0 + 215.0 * i as f64;
        glyph(root, (left, at), Marker::Circle, INK, radius, filled)?;
        text(root, (left + 14.0, at), HPos::Left, TEXT - 1.0, words)?;
    }
    Ok(())
}
