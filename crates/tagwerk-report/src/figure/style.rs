//! How taggers are told apart: color, dash and marker together.

use plotters::prelude::*;

/// Eight colors that stay apart for color-blind eyes (Okabe and Ito, 2008), darkest first so that a short list prints
/// well.
const COLORS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(176, 120, 0),
    RGBColor(110, 110, 110),
];

/// (dash, gap) in pixels of the page; the first is solid. With five markers, twenty lines differ without color.
const DASHES: [(u32, u32); 4] = [(0, 0), (9, 4), (3, 3), (14, 6)];

/// Marker shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
}

const MARKERS: [Marker; 5] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Cross,
];

/// Look of the `index`-th tagger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) color: RGBColor,
    pub(crate) dash: (u32, u32),
    pub(crate) marker: Marker,
}

impl Look {
    pub(crate) fn of(index: usize) -> Self {
        Self {
            color: COLORS[index % COLORS.len()],
            dash: DASHES[index % DASHES.len()],
            marker: MARKERS[index % MARKERS.len()],
        }
    }
}

/// Axis text.
pub(crate) const INK: RGBColor = RGBColor(34, 34, 34);
/// Axis lines.
pub(crate) const RULE: RGBColor = RGBColor(110, 110, 110);
/// Grid.
pub(crate) const GRID: RGBColor = RGBColor(222, 222, 222);
/// Signal in two-class figures.
pub(crate) const SIGNAL: RGBColor = RGBColor(0, 90, 150);
/// Background in two-class figures.
pub(crate) const BACKGROUND: RGBColor = RGBColor(190, 80, 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_lines_differ_without_color() {
        for a in 0..20 {
            for b in 0..a {
                let (x, y) = (Look::of(a), Look::of(b));
                assert!(x.dash != y.dash || x.marker != y.marker, "{a} {b}");
            }
        }
    }
}
