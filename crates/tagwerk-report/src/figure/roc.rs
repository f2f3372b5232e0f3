//! Background rejection against signal efficiency, one line a tagger with a band over its trainings.

use tagwerk_stats::RocCurve;

use super::Figure;
use super::canvas::{Axis, Panel, TICKS, legend_entry, svg};
use super::style::Look;
use crate::error::Result;
use crate::escape;
use crate::input::TaggerCurves;
use crate::table::{csv_line, csv_number};

/// Step of the drawn grid in signal efficiency.
const STEPS: usize = 200;

/// One grid point of one tagger: rejections over its trainings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BandPoint {
    pub(crate) signal_efficiency: f64,
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

/// Lowest, median and highest rejection over the trainings on the grid, where every training has some background left.
pub(crate) fn band(curves: &[RocCurve]) -> Vec<BandPoint> {
    let grid = (1..=STEPS).map(|i| i as f64 / STEPS as f64);
    grid.filter_map(|signal_efficiency| {
        let mut rates: Vec<f64> = curves
            .iter()
            .map(|c| c.background_efficiency_at(signal_efficiency))
            .collect();
        rates.sort_by(f64::total_cmp);
        let (least, most) = (*rates.first()?, *rates.last()?);
        if least <= 0.0 {
            return None;
        }
        let middle = (rates[(rates.len() - 1) / 2] + rates[rates.len() / 2]) / 2.0;
        Some(BandPoint {
            signal_efficiency,
            low: 1.0 / most,
            median: 1.0 / middle,
            high: 1.0 / least,
        })
    })
    .collect()
}

/// The figure; `None` when no tagger has a curve.
pub fn roc_figure(taggers: &[TaggerCurves]) -> Result<Option<Figure>> {
    let bands: Vec<(usize, &TaggerCurves, Vec<BandPoint>)> = taggers
        .iter()
        .enumerate()
        .map(|(i, t)| (i, t, band(&t.roc)))
        .filter(|(_, _, points)| !points.is_empty())
        .collect();
    if bands.is_empty() {
        return Ok(None);
    }
    // The region below an efficiency of 0.1 is a handful of jets: it may leave the frame.
    let highest = bands
        .iter()
        .flat_map(|b| b.2.iter().filter(|p| p.signal_efficiency >= 0.1).map(|p| p.high))
        .fold(10.0, f64::max);
    let top = 10_f64.powf((highest.log10() * 1.02 * 2.0).ceil() / 2.0);

    let (width, height) = (900_u32, 560_u32.max(60 + 24 * bands.len() as u32));
    let title = "Background rejection against signal efficiency";
    let picture = svg("roc", title, width, height, |root| {
        let x = Axis {
            label: "Signal efficiency".to_owned(),
            low: 0.0,
            high: 1.0,
            log: false,
            whole: false,
        };
        let y = Axis {
            label: "Background rejection, 1 / background efficiency".to_owned(),
            low: 1.0,
            high: top,
            log: true,
            whole: false,
        };
        let panel = Panel::new(root, (4.0, 6.0, 690.0, f64::from(height) - 8.0), "", x, y, TICKS)?;
        for (index, _, points) in &bands {
            let outline: Vec<(f64, f64, f64)> = points.iter().map(|p| (p.signal_efficiency, p.low, p.high)).collect();
            panel.band(&outline, Look::of(*index).color)?;
        }
        for (rank, (index, _, points)) in bands.iter().enumerate() {
            let look = Look::of(*index);
            let line: Vec<(f64, f64)> = points.iter().map(|p| (p.signal_efficiency, p.median)).collect();
            panel.line(&line, look.color, 1.6, look.dash)?;
            // Markers at three places, shifted from line to line so that they do not cover each other.
            let shift = (rank % 6) as f64 * 0.02;
            for place in [0.22, 0.50, 0.78] {
                let marked = line.iter().find(|p| p.0 >= place + shift);
                marked.map_or(Ok(()), |p| panel.marker(*p, look.marker, look.color, 3.6, true))?;
            }
        }
        for (rank, (index, tagger, _)) in bands.iter().enumerate() {
            legend_entry(
                root,
                (706.0, 24.0 + 24.0 * rank as f64),
                Look::of(*index),
                &shortened(&tagger.tagger),
            )?;
        }
        Ok(())
    })?;

    let mut csv = csv_line(
        &[
            "tagger",
            "signal_efficiency",
            "rejection_low",
            "rejection_median",
            "rejection_high",
        ]
        .map(str::to_owned),
    );
    for (_, tagger, points) in &bands {
        for p in points {
            let numbers = [p.signal_efficiency, p.low, p.median, p.high].map(csv_number);
            csv.push_str(&csv_line(&[&[escape::csv(&tagger.tagger)][..], &numbers[..]].concat()));
        }
    }
    Ok(Some(Figure {
        name: "roc".to_owned(),
        title: title.to_owned(),
        caption: "Line: median over the trainings. Band: lowest to highest training. A line begins where every training lets some \
                  background pass."
            .to_owned(),
        svg: picture,
        csv,
    }))
}

/// A name that fits beside a legend line.
pub(crate) fn shortened(name: &str) -> String {
    const ROOM: usize = 18;
    if name.chars().count() <= ROOM {
        name.to_owned()
    } else {
        name.chars().take(ROOM - 1).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(power: f64) -> RocCurve {
        let signal_efficiency: Vec<f64> = (0..=100).map(|i| f64::from(i) / 100.0).collect();
        let background_efficiency = signal_efficiency.iter().map(|x| x.powf(power)).collect();
        RocCurve {
            signal_efficiency,
            background_efficiency,
        }
    }

    #[test]
    fn the_band_contains_its_lines() {
        let curves = [curve(3.0), curve(4.0), curve(3.5), curve(6.0)];
        let points = band(&curves);
        assert_eq!(points.len(), STEPS);
        for p in &points {
            assert!(p.low <= p.median && p.median <= p.high, "{p:?}");
            for c in &curves {
                let line = 1.0 / c.background_efficiency_at(p.signal_efficiency);
                assert!(p.low <= line && line <= p.high, "{p:?} {line}");
            }
        }
    }

    #[test]
    fn no_curve_is_no_figure_and_zero_background_begins_later() {
        assert!(roc_figure(&[]).unwrap().is_none());
        let perfect = RocCurve {
            signal_efficiency: vec![0.0, 1.0, 1.0],
            background_efficiency: vec![0.0, 0.0, 1.0],
        };
        let points = band(std::slice::from_ref(&perfect));
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].median, 1.0);
        let figure = roc_figure(&[TaggerCurves {
            tagger: "oracle".to_owned(),
            roc: vec![perfect],
            histogram: None,
        }]);
        assert!(figure.unwrap().is_some());
    }
}
