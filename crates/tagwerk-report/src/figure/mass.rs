//! A quantity against another: a line a network, or whatever else there are several of.

use super::Figure;
use super::canvas::{Axis, Panel, TICKS, legend_entry, pen, stroke, svg};
use super::style::Look;
use crate::error::Result;
use crate::escape;
use crate::table::{csv_line, csv_number};

/// One network at one mass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MassPoint {
    /// The mass in GeV.
    pub mass: f64,
    /// The figure of merit.
    pub value: f64,
    /// Its error.
    pub error: Option<f64>,
}

/// One network at several masses.
#[derive(Debug, Clone, PartialEq)]
pub struct MassLine {
    /// Its name.
    pub name: String,
    /// By ascending mass.
    pub points: Vec<MassPoint>,
}

const WIDTH: f64 = 860.0;
const PLOT: f64 = 620.0;
const HEIGHT: f64 = 360.0;
/// Room of a legend entry.
const ENTRY: f64 = 22.0;

/// What stands in a figure of lines.
#[derive(Debug, Clone, Copy)]
pub struct LineWords<'a> {
    /// Its title.
    pub title: &'a str,
    /// The horizontal axis, with its unit.
    pub x: &'a str,
    /// The vertical axis.
    pub y: &'a str,
    /// Column of the CSV with what the horizontal axis shows.
    pub column: &'a str,
    /// What there is a line of.
    pub of: &'a str,
}

/// The figure `name` of lines; `None` when there is no finite number. `mass` of a point is its place on the horizontal axis.
pub fn line_figure(name: &str, words: &LineWords<'_>, lines: &[MassLine]) -> Result<Option<Figure>> {
    let all = || {
        lines
            .iter()
            .flat_map(|line| &line.points)
            .filter(|p| p.mass.is_finite() && p.value.is_finite())
    };
    let span = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
    };
    let masses = span(&mut all().map(|p| p.mass));
    let values = span(&mut all().flat_map(|p| {
        let error = p.error.filter(|e| e.is_finite()).unwrap_or(0.0);
        [p.value - error, p.value + error]
    }));
    if masses.0 > masses.1 {
        return Ok(None);
    }
    // A single mass or a constant gets a range of its own size, so that no axis is empty.
    let air = |(low, high): (f64, f64)| {
        let width = if high > low {
            0.05 * (high - low)
        } else {
            0.1 * high.abs().max(0.1)
        };
        (low - width, high + width)
    };
    let ((left, right), (low, high)) = (air(masses), air(values));
    let title = words.title.to_owned();
    let picture = svg(name, &title, WIDTH as u32, HEIGHT as u32, |root| {
        let axis = |label: &str, low, high| Axis {
            label: label.to_owned(),
            low,
            high,
            log: false,
            whole: false,
        };
        let panel = Panel::new(
            root,
            (2.0, 2.0, PLOT, HEIGHT - 4.0),
            "",
            axis(words.x, left, right),
            axis(words.y, low, high),
            TICKS,
        )?;
        for (i, line) in lines.iter().enumerate() {
            let look = Look::of(i);
            let points: Vec<(f64, f64)> = line.points.iter().map(|p| (p.mass, p.value)).collect();
            panel.line(&points, look.color, 1.5, look.dash)?;
            for point in line.points.iter().filter(|p| p.mass.is_finite() && p.value.is_finite()) {
                if let Some(error) = point.error.filter(|e| e.is_finite()) {
                    let x = panel.x(point.mass);
                    let bar = [(x, panel.y(point.value - error)), (x, panel.y(point.value + error))];
                    stroke(root, &bar, pen(look.color, 1.2), (0, 0))?;
                }
                panel.marker((point.mass, point.value), look.marker, look.color, 4.0, true)?;
            }
            let at = (PLOT + 14.0, 24.0 + ENTRY * i as f64);
            legend_entry(root, at, look, &line.name)?;
        }
        Ok(())
    })?;
    let mut csv = csv_line(&[words.of, words.column, "value", "error"].map(str::to_owned));
    for line in lines {
        for point in &line.points {
            let error = point.error.map(csv_number).unwrap_or_default();
            csv.push_str(&csv_line(&[
                escape::csv(&line.name),
                csv_number(point.mass),
                csv_number(point.value),
                error,
            ]));
        }
    }
    Ok(Some(Figure {
        name: name.to_owned(),
        title,
        caption: format!("One line a {}; bars are one standard deviation.", words.of),
        svg: picture,
        csv,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, values: &[f64]) -> MassLine {
        let points = values.iter().enumerate().map(|(i, &value)| MassPoint {
            mass: 500.0 + 250.0 * i as f64,
            value,
            error: Some(0.01),
        });
        MassLine {
            name: name.to_owned(),
            points: points.collect(),
        }
    }

    fn figure(lines: &[MassLine]) -> Option<Figure> {
        let words = LineWords {
            title: "AUC against mass",
            x: "mass [GeV]",
            y: "AUC",
            column: "mass",
            of: "network",
        };
        line_figure("auc", &words, lines).unwrap()
    }

    #[test]
    fn the_picture_parses_and_the_numbers_stand_beside_it() {
        let lines = [
            line("all <masses> & more", &[0.7, 0.9, 0.97]),
            line("two ends", &[0.7, f64::NAN, 0.97]),
        ];
        let figure = figure(&lines).unwrap();
        let picture = roxmltree::Document::parse(&figure.svg).unwrap();
        assert!(
            picture
                .descendants()
                .any(|n| n.text().map(str::trim) == Some("mass [GeV]")),
            "{}",
            figure.svg
        );
        assert!(figure.csv.starts_with("network,mass,value,error\n"));
        assert!(figure.csv.contains(",750,0.9,0.01"), "{}", figure.csv);
    }

    #[test]
    fn one_point_has_a_picture_and_none_has_none() {
        assert!(figure(&[line("one", &[0.7])]).is_some());
        assert!(figure(&[]).is_none());
        assert!(figure(&[line("none", &[f64::NAN])]).is_none());
    }
}
