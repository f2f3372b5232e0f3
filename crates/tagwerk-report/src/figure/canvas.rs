//! The drawing surface: panels with axes, lines, bands, markers and text in page pixels.
//!
//! The plotting library draws on whole pixels. A surface of four times the page's pixels, scaled down by the SVG's view
//! box, puts lines at quarter pixels and makes curves smooth; everything here is given in page pixels.

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::style::{GRID, INK, Look, Marker, RULE};
use crate::error::{ReportError, Result};
use crate::escape;

/// Surface pixels a page pixel.
pub(crate) const SCALE: i32 = 4;

/// Height of small text in page pixels.
pub(crate) const TEXT: f64 = 13.0;

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Runs `draw` on a white surface of `width` x `height` page pixels and returns a well-formed SVG with a title.
pub(crate) fn svg(
    name: &str,
    title: &str,
    width: u32,
    height: u32,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String> {
    let failed = |message: String| ReportError::Draw {
        figure: name.to_owned(),
        message,
    };
    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, (width * SCALE as u32, height * SCALE as u32)).into_drawing_area();
        root.fill(&WHITE).map_err(|e| failed(e.to_string()))?;
        draw(&root).map_err(failed)?;
        root.present().map_err(|e| failed(e.to_string()))?;
    }
    // The size attributes become page pixels, the view box stays; the title is what a screen reader says.
    let (big, small) = (
        format!(
            "width=\"{}\" height=\"{}\"",
            width * SCALE as u32,
            height * SCALE as u32
        ),
        format!("width=\"{width}\" height=\"{height}\""),
    );
    let out = out.replacen(&big, &format!("{small} role=\"img\""), 1);
    match out.split_once(">\n") {
        Some((head, body)) => Ok(format!("{head}>\n<title>{}</title>\n{body}", escape::html(title))),
        None => Err(failed("the picture is empty".to_owned())),
    }
}

/// Outcome of a drawing step; the text is the library's message.
pub(crate) type Drawn = std::result::Result<(), String>;

/// Turns the library's errors into their text.
pub(crate) trait Told<T> {
    fn told(self) -> std::result::Result<T, String>;
}

impl<T, E: std::error::Error + Send + Sync> Told<T> for std::result::Result<T, DrawingAreaErrorKind<E>> {
    fn told(self) -> std::result::Result<T, String> {
        self.map_err(|e| e.to_string())
    }
}

/// Page pixels to surface pixels.
pub(crate) fn px(page: f64) -> i32 {
    (page * f64::from(SCALE)).round() as i32
}

/// A line width, at least one surface pixel.
pub(crate) fn pen(color: RGBColor, width: f64) -> ShapeStyle {
    color.stroke_width(px(width).max(1) as u32)
}

/// Text style at a size in page pixels. The library divides SVG font sizes by 1.24, which is undone here.
fn font(size: f64, color: RGBColor, position: Pos) -> TextStyle<'static> {
    ("sans-serif", size * f64::from(SCALE) * 1.24)
        .into_font()
        .color(&color)
        .pos(position)
}

/// Writes text with its middle left (or right, or center) at a page position.
pub(crate) fn text(area: &Area<'_>, at: (f64, f64), horizontal: HPos, size: f64, words: &str) -> Drawn {
    area.draw(&Text::new(
        escape::plain(words),
        (px(at.0), px(at.1)),
        font(size, INK, Pos::new(horizontal, VPos::Center)),
    ))
    .told()
}

/// One axis.
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) log: bool,
    /// Ticks at whole numbers only (epochs).
    pub(crate) whole: bool,
}

/// A rectangle with axes; data coordinates go in, page pixels come out. Points beyond the axes are drawn on the frame.
pub(crate) struct Panel<'a, 'b> {
    area: &'a Area<'b>,
    /// Left, top, right, bottom of the data region in page pixels.
    plot: (f64, f64, f64, f64),
    x: Axis,
    y: Axis,
}

impl<'a, 'b> Panel<'a, 'b> {
    /// Draws axes, ticks and grid in the page rectangle (left, top, width, height), labels included. `left_margin` is
    /// the room for the labels of the vertical axis; [`TICKS`] when it has ticks.
    pub(crate) fn new(
        area: &'a Area<'b>,
        rectangle: (f64, f64, f64, f64),
        title: &str,
        x: Axis,
        y: Axis,
        left_margin: f64,
    ) -> std::result::Result<Self, String> {
        let (left, top, width, height) = rectangle;
        let head = if title.is_empty() { 6.0 } else { 24.0 };
        let plot = (left + left_margin, top + head, left + width - 14.0, top + height - 46.0);
        let panel = Self { area, plot, x, y };
        if !title.is_empty() {
            text(area, ((plot.0 + plot.2) / 2.0, top + 11.0), HPos::Center, TEXT, title)?;
        }
        for (value, label) in panel.x.ticks(((plot.2 - plot.0) / 45.0) as usize) {
            let at = panel.x(value);
            panel.segment((at, plot.1), (at, plot.3), pen(GRID, 0.75))?;
            panel.segment((at, plot.3), (at, plot.3 + 4.0), pen(RULE, 1.0))?;
            text(area, (at, plot.3 + 13.0), HPos::Center, TEXT - 1.0, &label)?;
        }
        for (value, label) in panel.y.ticks(((plot.3 - plot.1) / 34.0) as usize) {
            let at = panel.y(value);
            panel.segment((plot.0, at), (plot.2, at), pen(GRID, 0.75))?;
            panel.segment((plot.0 - 4.0, at), (plot.0, at), pen(RULE, 1.0))?;
            text(area, (plot.0 - 7.0, at), HPos::Right, TEXT - 1.0, &label)?;
        }
        area.draw(&Rectangle::new(
            [(px(plot.0), px(plot.1)), (px(plot.2), px(plot.3))],
            pen(RULE, 1.0),
        ))
        .told()?;
        text(
            area,
            ((plot.0 + plot.2) / 2.0, plot.3 + 34.0),
            HPos::Center,
            TEXT,
            &panel.x.label,
        )?;
        if !panel.y.label.is_empty() {
            let turned = font(TEXT, INK, Pos::new(HPos::Center, VPos::Center)).transform(FontTransform::Rotate270);
            let at = (px(left + 10.0), px((plot.1 + plot.3) / 2.0));
            area.draw(&Text::new(escape::plain(&panel.y.label), at, turned))
                .told()?;
        }
        Ok(panel)
    }

    /// Page position of a value on the horizontal axis.
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.plot.0 + self.x.share(value) * (self.plot.2 - self.plot.0)
    }

    /// Page position of a value on the vertical axis.
    pub(crate) fn y(&self, value: f64) -> f64 {
        self.plot.3 - self.y.share(value) * (self.plot.3 - self.plot.1)
    }

    /// Left, top, right, bottom of the data region in page pixels.
    pub(crate) fn frame(&self) -> (f64, f64, f64, f64) {
        self.plot
    }

    fn place(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (px(self.x(x)), px(self.y(y)))
    }

    fn segment(&self, from: (f64, f64), to: (f64, f64), style: ShapeStyle) -> Drawn {
        stroke(self.area, &[from, to], style, (0, 0))
    }

    /// A line through points, dashed when `dash.0 > 0`; dash and gap in page pixels.
    pub(crate) fn line(&self, points: &[(f64, f64)], color: RGBColor, width: f64, dash: (u32, u32)) -> Drawn {
        let finite = points.iter().filter(|p| p.0.is_finite() && p.1.is_finite());
        let page: Vec<(f64, f64)> = finite.map(|&(x, y)| (self.x(x), self.y(y))).collect();
        stroke(self.area, &page, pen(color, width), dash)
    }

    /// A pale band between two lines over the same x: (x, low, high).
    pub(crate) fn band(&self, points: &[(f64, f64, f64)], color: RGBColor) -> Drawn {
        if points.len() < 2 {
            return Ok(());
        }
        let upper = points.iter().map(|&(x, _, high)| self.place((x, high)));
        let lower = points.iter().rev().map(|&(x, low, _)| self.place((x, low)));
        self.area
            .draw(&Polygon::new(upper.chain(lower).collect::<Vec<_>>(), color.mix(0.2)))
            .told()
    }

    /// A marker at a point; radius in page pixels.
    pub(crate) fn marker(&self, at: (f64, f64), marker: Marker, color: RGBColor, radius: f64, filled: bool) -> Drawn {
        if !at.0.is_finite() || !at.1.is_finite() {
            return Ok(());
        }
        glyph(self.area, (self.x(at.0), self.y(at.1)), marker, color, radius, filled)
    }
}

/// Room for the labels of a vertical axis in page pixels.
pub(crate) const TICKS: f64 = 66.0;

/// A line through page positions.
pub(crate) fn stroke(area: &Area<'_>, points: &[(f64, f64)], style: ShapeStyle, dash: (u32, u32)) -> Drawn {
    let points: Vec<(i32, i32)> = points.iter().map(|p| (px(p.0), px(p.1))).collect();
    if points.len() < 2 {
        Ok(())
    } else if dash.0 == 0 {
        area.draw(&PathElement::new(points, style)).told()
    } else {
        let (size, gap) = (dash.0 * SCALE as u32, dash.1 * SCALE as u32);
        area.draw(&DashedPathElement::new(points, size, gap, style)).told()
    }
}

/// A marker at a page position; open markers are filled white, so that a line under them does not show through.
pub(crate) fn glyph(
    area: &Area<'_>,
    at: (f64, f64),
    marker: Marker,
    color: RGBColor,
    radius: f64,
    filled: bool,
) -> Drawn {
    let shape: Vec<(i32, i32)> = outline(marker, radius)
        .into_iter()
        .map(|(x, y)| (px(at.0 + x), px(at.1 + y)))
        .collect();
    if marker == Marker::Cross {
        return area.draw(&PathElement::new(shape, pen(color, 1.8))).told();
    }
    let closed: Vec<(i32, i32)> = shape.iter().chain(shape.first()).copied().collect();
    area.draw(&Polygon::new(shape, if filled { color } else { WHITE }))
        .told()?;
    area.draw(&PathElement::new(closed, pen(color, 1.3))).told()
}

/// Legend entry: a piece of line with its marker, then words. Returns the page width it takes.
pub(crate) fn legend_entry(area: &Area<'_>, at: (f64, f64), look: Look, words: &str) -> Drawn {
    stroke(area, &[at, (at.0 + 34.0, at.1)], pen(look.color, 2.0), look.dash)?;
    glyph(area, (at.0 + 17.0, at.1), look.marker, look.color, 4.0, true)?;
    text(area, (at.0 + 42.0, at.1), HPos::Left, TEXT, words)
}

impl Axis {
    fn position(&self, value: f64) -> f64 {
        if self.log {
            value.max(f64::MIN_POSITIVE).log10()
        } else {
            value
        }
    }

    /// Where a value lies between the ends, 0 to 1; beyond them, at the nearer end.
    fn share(&self, value: f64) -> f64 {
        let (low, high) = (self.position(self.low), self.position(self.high));
        ((self.position(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Tick values with labels, about `count` of them.
    fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if self.log {
            let (low, high) = (self.low.log10(), self.high.log10());
            let decades =
                (low.ceil() as i32..=high.floor() as i32).step_by(((high - low) as usize / count.max(2) + 1).max(1));
            let whole: Vec<(f64, String)> = decades.map(|d| (10_f64.powi(d), decade(d))).collect();
            if whole.len() >= 3 {
                return whole;
            }
            // Less than two decades: 1, 2, 5 in each.
            let fine =
                (low.floor() as i32..=high.ceil() as i32).flat_map(|d| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(d)));
            return fine
                .filter(|v| *v >= self.low * 0.999 && *v <= self.high * 1.001)
                .map(|v| (v, v.to_string()))
                .collect();
        }
        let raw = (self.high - self.low) / count.max(2) as f64;
        let magnitude = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|m| m * magnitude)
            .into_iter()
            .find(|s| *s >= raw * 0.7)
            .unwrap_or(raw);
        let step = if self.whole { step.round().max(1.0) } else { step };
        if !(step.is_finite() && step > 0.0) {
            return Vec::new();
        }
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let (first, last) = (
            (self.low / step - 1e-9).ceil() as i64,
            (self.high / step + 1e-9).floor() as i64,
        );
        (first..=last)
            .take(50)
            .map(|i| i as f64 * step)
            .map(|v| (v, format!("{v:.decimals$}")))
            .collect()
    }
}

/// 10^d as people read it.
fn decade(d: i32) -> String {
    match d {
        0..=4 => 10_i64.pow(d as u32).to_string(),
        -3..=-1 => format!("{:.*}", -d as usize, 10_f64.powi(d)),
        _ => {
            let plain = d.to_string();
            let digits = plain.chars().map(|c| match c {
                '-' => '⁻',
                c => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][c.to_digit(10).unwrap_or(0) as usize],
            });
            format!("10{}", digits.collect::<String>())
        }
    }
}

/// Outline of a marker in page pixels around its center.
fn outline(marker: Marker, radius: f64) -> Vec<(f64, f64)> {
    let corners: Vec<(f64, f64)> = match marker {
        Marker::Circle => (0..24)
            .map(|i| f64::from(i) / 24.0 * std::f64::consts::TAU)
            .map(|a| (a.cos(), a.sin()))
            .collect(),
        Marker::Square => vec![(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        Marker::Triangle => vec![(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
        Marker::Diamond => vec![(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)],
        Marker::Cross => vec![(-1.0, -1.0), (1.0, 1.0), (0.0, 0.0), (-1.0, 1.0), (1.0, -1.0)],
    };
    corners.into_iter().map(|(x, y)| (x * radius, y * radius)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(low: f64, high: f64, log: bool) -> Axis {
        Axis {
            label: String::new(),
            low,
            high,
            log,
            whole: false,
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |axis: Axis, count| axis.ticks(count).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(
            labels(axis(0.0, 1.0, false), 5),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(axis(1.0, 1e5, true), 9),
            ["1", "10", "100", "1000", "10000", "10⁵"]
        );
        assert_eq!(labels(axis(150.0, 2000.0, true), 9), ["200", "500", "1000", "2000"]);
        assert_eq!(labels(axis(1e-4, 1.0, true), 9), ["10⁻⁴", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(
            labels(
                Axis {
                    whole: true,
                    ..axis(1.0, 3.0, false)
                },
                8
            ),
            ["1", "2", "3"]
        );
        assert!(axis(1.0, 1.0, false).ticks(5).is_empty());
    }

    #[test]
    fn points_beyond_the_axes_stay_on_the_frame() {
        let log = axis(1.0, 100.0, true);
        assert_eq!((log.share(10.0), log.share(0.0), log.share(1e9)), (0.5, 0.0, 1.0));
    }
}
