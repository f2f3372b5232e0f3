//! What happens when one condition leaves the domain.

use super::{Dot, Figure, Plot, Range, Series, figure};
use crate::error::Result;
use std::collections::BTreeMap;
use tagwerk_stats::{Ood, OverJets, ShiftCurve, ShiftPoint};

/// The figure; `None` without shifts.
pub fn shift_figure(ood: &Ood) -> Result<Option<Figure>> {
    let mut plots = Vec::new();
    for shift in &ood.shifts {
        plots.push(by_class(shift, "epistemic spread", |p| &p.spread));
        plots.push(by_class(shift, "predicted accuracy", |p| &p.accuracy));
        plots.push(distances(shift));
    }
    figure(
        "shifts",
        "One condition moved out of the domain",
        "The other conditions stay as they are, so that a shift can make jets that cannot exist (E < pT cosh eta). \
         Medians over jets, bands from the 10 % to the 90 % quantile. Flagged: share of jets that the domain refuses.",
        3,
        plots,
    )
}

fn by_class(
    shift: &ShiftCurve,
    label: &str,
    pick: for<'a> fn(&'a ShiftPoint) -> &'a BTreeMap<String, OverJets>,
) -> Plot {
    let series = ["0", "1"].map(|class| {
        let dot = |point: &ShiftPoint| {
            pick(point).get(class).map(|over| Dot {
                x: point.amount,
                low: over.q10,
                value: over.median,
                high: over.q90,
            })
        };
        Series::class(class, shift.points.iter().filter_map(dot).collect())
    });
    Plot {
        title: format!("{} + shift", shift.column),
        x: Range::of(&format!("added to {}", shift.column)),
        y: Range::of(label),
        series: series.into(),
    }
}

fn distances(shift: &ShiftCurve) -> Plot {
    let share = |pick: fn(&ShiftPoint) -> Option<f64>| -> Vec<Dot> {
        let dot = |point: &ShiftPoint| Some(Dot::plain(point.amount, pick(point)?));
        shift.points.iter().filter_map(dot).collect()
    };
    Plot {
        title: format!("{} + shift", shift.column),
        x: Range::of(&format!("added to {}", shift.column)),
        y: Range::of("share of jets").between(0.0, 1.0),
        series: vec![
            Series::line("flagged", 0, share(|p| Some(p.flagged))),
            Series::line("impossible jets", 2, share(|p| p.unphysical)),
        ],
    }
}
