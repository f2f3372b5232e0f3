//! Figures of a surrogate: panels of lines, steps and points with bands or error bars, all drawn by one function from
//! one description, which is also their CSV.

mod accuracy;
mod calibration;
mod coverage;
mod epistemic;
mod pit;
mod roc;
mod shifts;
mod single_jets;

pub use accuracy::spectrum_figure;
pub use calibration::calibration_figure;
pub use coverage::coverage_figure;
pub use epistemic::epistemic_figure;
pub use pit::pit_figure;
pub use roc::surrogate_roc_figure;
pub use shifts::shift_figure;
pub use single_jets::single_jet_figure;

use plotters::prelude::RGBColor;
use plotters::style::text_anchor::HPos;

use super::Figure;
use super::canvas::{Axis, Panel, TEXT, TICKS, glyph, pen, stroke, svg, text};
use super::style::{BACKGROUND, Look, Marker, RULE, SIGNAL};
use crate::error::Result;
use crate::escape;
use crate::table::{csv_line, csv_number};

/// Size of one panel in page pixels.
const PANEL: (f64, f64) = (440.0, 300.0);

/// What a series looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drawn {
    /// A line with its band.
    Line,
    /// A histogram: each point is the left edge of a bin, the last the right edge of the last.
    Steps,
    /// Markers with error bars, joined by a thin line.
    Points,
}

/// One value with its band: where it is, lower end, value, upper end.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Dot {
    x: f64,
    low: f64,
    value: f64,
    high: f64,
}

impl Dot {
    fn plain(x: f64, value: f64) -> Self {
        Self {
            x,
            low: value,
            value,
            high: value,
        }
    }
}

struct Series {
    name: String,
    color: RGBColor,
    dash: (u32, u32),
    marker: Marker,
    drawn: Drawn,
    dots: Vec<Dot>,
}

impl Series {
    /// A line, by its place in the list of looks.
    fn line(name: &str, index: usize, dots: Vec<Dot>) -> Self {
        let look = Look::of(index);
        Self {
            name: name.to_owned(),
            color: look.color,
            dash: look.dash,
            marker: look.marker,
            drawn: Drawn::Line,
            dots,
        }
    }

    /// A line in the color of a class: "1" is signal.
    fn class(label: &str, dots: Vec<Dot>) -> Self {
        let signal = label == "1";
        Self {
            name: if signal { "signal" } else { "background" }.to_owned(),
            color: if signal { SIGNAL } else { BACKGROUND },
            dash: if signal { (0, 0) } else { (6, 3) },
            marker: if signal { Marker::Circle } else { Marker::Square },
            drawn: Drawn::Line,
            dots,
        }
    }

    /// A thin grey line to compare with.
    fn guide(name: &str, dots: Vec<Dot>) -> Self {
        Self {
            name: name.to_owned(),
            color: RULE,
            dash: (3, 3),
            marker: Marker::Cross,
            drawn: Drawn::Line,
            dots,
        }
    }

    /// Without dashes, where a dash would hide a step or a curve beside its guide.
    fn solid(mut self) -> Self {
        self.dash = (0, 0);
        self
    }

    fn drawn(mut self, drawn: Drawn) -> Self {
        self.drawn = drawn;
        self
    }
}

/// A histogram's dots from edges and shares; shares beyond the edges are not drawn.
fn steps(edges: &[f64], value: &[f64], band: Option<(&[f64], &[f64])>) -> Vec<Dot> {
    let dot = |i: usize, x: f64| {
        let value = value.get(i).copied().unwrap_or(0.0);
        let (low, high) = band.map_or((value, value), |(low, high)| {
            let at = |of: &[f64]| of.get(i).copied().unwrap_or(value);
            (at(low), at(high))
        });
        Dot { x, low, value, high }
    };
    let bins = edges.len().saturating_sub(1).min(value.len());
    let mut dots: Vec<Dot> = (0..bins).map(|i| dot(i, edges[i])).collect();
    if bins > 0 {
        dots.push(dot(bins - 1, edges[bins]));
    }
    dots
}

/// Ends of an axis; `None` finds them in the values.
struct Range {
    label: String,
    low: Option<f64>,
    high: Option<f64>,
    log: bool,
}

impl Range {
    fn of(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            low: None,
            high: None,
            log: false,
        }
    }

    fn between(mut self, low: f64, high: f64) -> Self {
        (self.low, self.high) = (Some(low), Some(high));
        self
    }

    fn from(mut self, low: f64) -> Self {
        self.low = Some(low);
        self
    }

    fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// The axis for values, with a little air at ends that were found.
    fn axis(&self, values: impl Iterator<Item = f64>, air: f64) -> Axis {
        let usable = |v: &f64| v.is_finite() && (!self.log || *v > 0.0);
        let (mut low, mut high) = values
            .filter(usable)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            (low, high) = if self.log { (0.1, 1.0) } else { (0.0, 1.0) };
        }
        let room = if self.log { 0.0 } else { air * (high - low) };
        let grow = if self.log { 1.0 + 4.0 * air } else { 1.0 };
        let mut low = self.low.unwrap_or((low - room) / grow);
        let mut high = self.high.unwrap_or((high + room) * grow);
        if low >= high {
            let half = if low == 0.0 { 0.5 } else { 0.05 * low.abs() };
            (low, high) = if self.log {
                (low / 2.0, low * 2.0)
            } else {
                (low - half, low + half)
            };
        }
        Axis {
            label: self.label.clone(),
            low,
            high,
            log: self.log,
            whole: false,
        }
    }
}

struct Plot {
    title: String,
    x: Range,
    y: Range,
    series: Vec<Series>,
}

/// Draws plots in rows of `columns`; `None` when no series has a dot.
fn figure(name: &str, title: &str, caption: &str, columns: usize, plots: Vec<Plot>) -> Result<Option<Figure>> {
    let plots: Vec<Plot> = plots
        .into_iter()
        .filter(|plot| plot.series.iter().any(|s| !s.dots.is_empty()))
        .collect();
    if plots.is_empty() {
        return Ok(None);
    }
    let columns = columns.min(plots.len()).max(1);
    let rows = plots.len().div_ceil(columns);
    // Every name once, in the order of appearance.
    let mut legend: Vec<&Series> = Vec::new();
    for series in plots.iter().flat_map(|plot| &plot.series) {
        if !series.dots.is_empty() && legend.iter().all(|known| known.name != series.name) {
            legend.push(series);
        }
    }
    let width = (PANEL.0 * columns as f64 + 8.0).max(620.0);
    let places = legend_places(&legend, width);
    let head = 12.0 + 20.0 * places.last().map_or(1.0, |p| p.1 + 1.0);
    let height = head + PANEL.1 * rows as f64 + 4.0;
    let picture = svg(name, title, width as u32, height as u32, |root| {
        for (series, (left, line)) in legend.iter().zip(&places) {
            let at = (*left, 14.0 + 20.0 * line);
            stroke(root, &[at, (at.0 + 30.0, at.1)], pen(series.color, 1.8), series.dash)?;
            if series.drawn == Drawn::Points {
                glyph(root, (at.0 + 15.0, at.1), series.marker, series.color, 3.6, true)?;
            }
            text(root, (at.0 + 37.0, at.1), HPos::Left, TEXT, &series.name)?;
        }
        for (i, plot) in plots.iter().enumerate() {
            let corner = (
                2.0 + PANEL.0 * (i % columns) as f64,
                head + PANEL.1 * (i / columns) as f64,
            );
            let dots = || plot.series.iter().flat_map(|s| &s.dots);
            let x = plot.x.axis(dots().map(|d| d.x), 0.0);
            let y = plot.y.axis(dots().flat_map(|d| [d.low, d.value, d.high]), 0.06);
            let panel = Panel::new(root, (corner.0, corner.1, PANEL.0, PANEL.1), &plot.title, x, y, TICKS)?;
            for series in &plot.series {
                draw(&panel, series)?;
            }
        }
        Ok(())
    })?;
    let mut csv = csv_line(&["panel", "series", "x", "low", "value", "high"].map(str::to_owned));
    for plot in &plots {
        for series in &plot.series {
            for dot in &series.dots {
                let numbers = [dot.x, dot.low, dot.value, dot.high].map(csv_number);
                let names = [&plot.title, &series.name].map(|name| escape::csv(name));
                csv.push_str(&csv_line(&[&names[..], &numbers[..]].concat()));
            }
        }
    }
    Ok(Some(Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        caption: caption.to_owned(),
        svg: picture,
        csv,
    }))
}

/// Left end and line of each legend entry, as many in a line as fit.
fn legend_places(legend: &[&Series], width: f64) -> Vec<(f64, f64)> {
    let (mut left, mut line) = (20.0, 0.0);
    let mut places = Vec::new();
    for series in legend {
        let room = 60.0 + 7.2 * series.name.chars().count() as f64;
        if left + room > width && left > 20.0 {
            (left, line) = (20.0, line + 1.0);
        }
        places.push((left, line));
        left += room;
    }
    places
}

fn draw(panel: &Panel<'_, '_>, series: &Series) -> super::canvas::Drawn {
    let finite: Vec<Dot> = series
        .dots
        .iter()
        .filter(|d| [d.x, d.low, d.value, d.high].iter().all(|v| v.is_finite()))
        .copied()
        .collect();
    // Both corners of every step.
    let dots: Vec<Dot> = if series.drawn == Drawn::Steps {
        let pair = |w: &[Dot]| [w[0], Dot { x: w[1].x, ..w[0] }];
        finite.windows(2).flat_map(pair).collect()
    } else {
        finite
    };
    let line: Vec<(f64, f64)> = dots.iter().map(|d| (d.x, d.value)).collect();
    if series.drawn == Drawn::Points {
        panel.line(&line, series.color, 0.8, series.dash)?;
        for dot in &dots {
            panel.line(&[(dot.x, dot.low), (dot.x, dot.high)], series.color, 1.2, (0, 0))?;
            panel.marker((dot.x, dot.value), series.marker, series.color, 3.4, true)?;
        }
        return Ok(());
    }
    if dots.iter().any(|d| d.low < d.high) {
        panel.band(
            &dots.iter().map(|d| (d.x, d.low, d.high)).collect::<Vec<_>>(),
            series.color,
        )?;
    }
    panel.line(&line, series.color, 1.5, series.dash)
}
