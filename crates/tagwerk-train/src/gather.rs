//! Collecting jets of a view into a new view, one memory copy a run of jets.

use std::ops::Range;
use tagwerk_physics::{DenseView, JaggedView, TreeView, View};

/// Number of jets of a view, `B`. A dense view without values or with an empty shape has none.
pub(crate) fn jets(view: &View) -> usize {
    match view {
        View::Jagged(v) => v.offsets.len().saturating_sub(1),
        View::Dense(v) => v.values.len().checked_div(v.shape.iter().product()).unwrap_or(0),
        View::Tree(v) => v.nodes.offsets.len().saturating_sub(1),
    }
}

/// Says what is wrong with a view, if anything: offsets that do not rise from 0 to the rows, values that are no
/// numbers.
pub(crate) fn fault(view: &View) -> Option<String> {
    match view {
        View::Jagged(v) => jagged_fault(v),
        View::Dense(v) => {
            let per_jet: usize = v.shape.iter().product();
            if per_jet == 0 || v.values.len() % per_jet != 0 {
                return Some(format!("{} values for jets of shape {:?}", v.values.len(), v.shape));
            }
            bad_value(&v.values, |bad| bad / per_jet)
        }
        // The flags are checked against whole nodes only.
        View::Tree(v) => jagged_fault(&v.nodes).or_else(|| v.check().err().map(|e| e.to_string())),
    }
}

fn jagged_fault(v: &JaggedView) -> Option<String> {
    if v.offsets.first() != Some(&0) {
        return Some("the offsets do not start with 0".to_owned());
    }
    if let Some(jet) = v.offsets.windows(2).position(|w| w[0] > w[1]) {
        return Some(format!("the offsets fall at jet {jet}"));
    }
    let last = v.offsets.last().copied().unwrap_or(0);
    if last.checked_mul(v.width) != Some(v.rows.len()) {
        return Some(format!(
            "{} values for {last} rows of {} channels",
            v.rows.len(),
            v.width
        ));
    }
    bad_value(&v.rows, |bad| {
        v.offsets.partition_point(|&o| o <= bad / v.width.max(1)) - 1
    })
}

fn bad_value(values: &[f32], jet_of: impl Fn(usize) -> usize) -> Option<String> {
    let bad = values.iter().position(|x| !x.is_finite())?;
    Some(format!(
        "jet {} has the value {}; features must be finite",
        jet_of(bad),
        values[bad]
    ))
}

/// Whether jets of both views can stand in one batch.
pub(crate) fn same_kind(a: &View, b: &View) -> bool {
    match (a, b) {
        (View::Jagged(a), View::Jagged(b)) => a.width == b.width,
        (View::Dense(a), View::Dense(b)) => a.shape == b.shape,
        (View::Tree(a), View::Tree(b)) => a.nodes.width == b.nodes.width,
        _ => false,
    }
}

/// The jets of `ranges`, in this order.
pub(crate) fn collect<'a>(parts: impl Iterator<Item = (&'a View, Range<usize>)> + Clone) -> Option<View> {
    let first = parts.clone().next()?.0;
    Some(match first {
        View::Jagged(first) => {
            let (mut jets, mut rows) = (0, 0);
            for (view, range) in parts.clone() {
                let View::Jagged(v) = view else { return None };
                jets += range.len();
                rows += v.offsets[range.end] - v.offsets[range.start];
            }
            let width = first.width;
            let mut out = JaggedView {
                width,
                rows: Vec::with_capacity(rows * width),
                offsets: Vec::with_capacity(jets + 1),
            };
            out.offsets.push(0);
            for (view, range) in parts {
                let View::Jagged(v) = view else { return None };
                let (from, to) = (v.offsets[range.start], v.offsets[range.end]);
                let shift = out.rows.len() / width.max(1);
                out.rows.extend_from_slice(&v.rows[from * width..to * width]);
                out.offsets
                    .extend(v.offsets[range.start + 1..=range.end].iter().map(|o| o - from + shift));
            }
            View::Jagged(out)
        }
        View::Dense(first) => {
            let per_jet: usize = first.shape.iter().product();
            let jets: usize = parts.clone().map(|(_, range)| range.len()).sum();
            let mut values = Vec::with_capacity(jets * per_jet);
            for (view, range) in parts {
                let View::Dense(v) = view else { return None };
                values.extend_from_slice(&v.values[range.start * per_jet..range.end * per_jet]);
            }
            View::Dense(DenseView {
                shape: first.shape.clone(),
                values,
            })
        }
        View::Tree(_) => {
            let mut out = TreeView::default();
            for (view, range) in parts {
                let View::Tree(v) = view else { return None };
                out.append(v, range).ok()?;
            }
            View::Tree(out)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jagged() -> View {
        View::Jagged(JaggedView {
            width: 2,
            rows: (0..12).map(|i| i as f32).collect(),
            offsets: vec![0, 3, 3, 4, 6],
        })
    }

    #[test]
    fn jagged_jets_keep_their_rows_in_any_order_and_empty_jets_stay_empty() {
        let view = jagged();
        let picked = collect([2..3, 1..2, 0..1].into_iter().map(|r| (&view, r))).unwrap();
        let View::Jagged(picked) = picked else { panic!() };
        assert_eq!(picked.offsets, [0, 1, 1, 4]);
        assert_eq!(picked.rows, [6., 7., 0., 1., 2., 3., 4., 5.]);
        assert_eq!(collect(std::iter::once((&view, 0..4))).unwrap(), view);
    }

    #[test]
    fn a_jagged_view_of_no_channels_does_not_divide_by_zero() {
        let view = View::Jagged(JaggedView {
            width: 0,
            rows: vec![],
            offsets: vec![0, 2, 3],
        });
        assert_eq!(fault(&view), None);
        assert_eq!(jets(&collect(std::iter::once((&view, 0..2))).unwrap()), 2);
    }

    #[test]
    fn trees_are_collected_whole() {
        let nodes = JaggedView::new(1, (0..4).map(|i| i as f32).collect(), vec![0, 3, 4]).unwrap();
        let view = View::Tree(TreeView::new(nodes, vec![true, false, false, false]).unwrap());
        assert_eq!((jets(&view), fault(&view)), (2, None));
        let Some(View::Tree(picked)) = collect([1..2, 0..1].into_iter().map(|r| (&view, r))) else {
            panic!()
        };
        assert_eq!(picked.nodes.rows, [3.0, 0.0, 1.0, 2.0]);
        assert_eq!(picked.inner, [false, true, false, false]);
        assert_eq!(picked.check(), Ok(()));
    }

    #[test]
    fn a_bad_number_is_found_in_its_jet() {
        let View::Jagged(mut v) = jagged() else { panic!() };
        v.rows[7] = f32::NAN;
        assert_eq!(
            fault(&View::Jagged(v)).unwrap(),
            "jet 2 has the value NaN; features must be finite"
        );
        let dense = DenseView {
            shape: vec![2],
            values: vec![0., 1., 2., f32::INFINITY],
        };
        assert_eq!(
            fault(&View::Dense(dense)).unwrap(),
            "jet 1 has the value inf; features must be finite"
        );
    }

    #[test]
    fn broken_offsets_and_shapes_are_refused() {
        let broken = |offsets: Vec<usize>| {
            fault(&View::Jagged(JaggedView {
                width: 1,
                rows: vec![0.; 3],
                offsets,
            }))
        };
        assert!(broken(vec![]).is_some() && broken(vec![1, 3]).is_some());
        assert!(broken(vec![0, 2, 1, 3]).unwrap().contains("fall at jet 1"));
        assert!(broken(vec![0, 4]).is_some() && broken(vec![0, 3]).is_none());
        assert!(
            fault(&View::Dense(DenseView {
                shape: vec![0],
                values: vec![]
            }))
            .is_some()
        );
        assert!(
            fault(&View::Dense(DenseView {
                shape: vec![2],
                values: vec![0.; 3]
            }))
            .is_some()
        );
    }
}
