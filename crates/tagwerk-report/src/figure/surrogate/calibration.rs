//! One-sided calibration: observed against nominal level, and their difference.

use super::{Dot, Figure, Plot, Range, Series, figure};
use crate::error::Result;
use tagwerk_stats::CalibrationCurve;

/// The figure; `None` for a curve without points.
pub fn calibration_figure(curve: &CalibrationCurve) -> Result<Option<Figure>> {
    let dots = |about: f64| -> Vec<Dot> {
        (curve.levels.iter().zip(&curve.central).enumerate())
            .map(|(i, (&level, &central))| {
                let at = |of: &[f64]| of.get(i).copied().unwrap_or(central) - about * level;
                Dot {
                    x: level,
                    low: at(&curve.low),
                    value: central - about * level,
                    high: at(&curve.high),
                }
            })
            .collect()
    };
    let diagonal: Vec<Dot> = curve.levels.iter().map(|&level| Dot::plain(level, level)).collect();
    let allowed: Vec<Dot> = (curve.levels.iter().zip(&curve.error))
        .map(|(&level, &error)| Dot {
            x: level,
            low: -error,
            value: 0.0,
            high: error,
        })
        .collect();
    let share = || Range::of("nominal level").between(0.0, 1.0);
    figure(
        "calibration",
        "One-sided calibration",
        "Share of jets whose score lies below the predicted quantile of a level. Solid: mixture of all members; band: \
         smallest and largest member; grey: a calibrated prediction, on the right with its binomial error. Above 0 the \
         classifier's scores lie lower than predicted, below 0 higher.",
        2,
        vec![
            Plot {
                title: "observed level".to_owned(),
                x: share(),
                y: Range::of("observed level").between(0.0, 1.0),
                series: vec![
                    Series::guide("calibrated", diagonal),
                    Series::line("surrogate", 1, dots(0.0)).solid(),
                ],
            },
            Plot {
                title: "observed - nominal".to_owned(),
                x: share(),
                y: Range::of("observed - nominal level"),
                series: vec![
                    Series::guide("calibrated", allowed),
                    Series::line("surrogate", 1, dots(1.0)).solid(),
                ],
            },
        ],
    )
}
