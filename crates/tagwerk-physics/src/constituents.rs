//! The constituents of a jet as four-vectors, the jet axis, and the check that a table of jets is whole.

use crate::{FourVector, PhysicsError};
use tagwerk_data::Jets;

/// The constituents of jet `b` as f64 four-vectors, in stored order (falling transverse momentum).
///
/// # Panics
/// If there is no jet `b`, or if the columns are shorter than its rows: call [`check_jets`] on jets from outside.
pub fn constituents(jets: &Jets, b: usize) -> impl ExactSizeIterator<Item = FourVector> + Clone + '_ {
    jets.range(b).map(|r| FourVector {
        e: f64::from(jets.e[r]),
        px: f64::from(jets.px[r]),
        py: f64::from(jets.py[r]),
        pz: f64::from(jets.pz[r]),
    })
}

/// The jet four-vector: the sum of all constituents; the null vector for an empty jet.
///
/// # Panics
/// As [`constituents`].
pub fn jet_axis(jets: &Jets, b: usize) -> FourVector {
    constituents(jets, b).sum()
}

/// Checks that offsets, columns and labels belong together and that every momentum is finite.
///
/// Every function of this crate that takes [`Jets`] calls this first: one pass over memory, small beside the
/// work that follows.
///
/// # Errors
/// [`PhysicsError::Offsets`], [`PhysicsError::ColumnLength`] or [`PhysicsError::NotFinite`], for the first fault found.
pub fn check_jets(jets: &Jets) -> Result<(), PhysicsError> {
    // `Jets::default()` has no offsets at all and counts as no jets.
    let offsets: &[usize] = if jets.offsets.is_empty() { &[0] } else { &jets.offsets };
    check_offsets(offsets)?;
    let jet_count = offsets.len() - 1;
    if jets.labels.len() != jet_count {
        return Err(PhysicsError::ColumnLength {
            column: "labels",
            expected: jet_count,
            found: jets.labels.len(),
        });
    }
    let row_count = offsets[jet_count];
    for (column, values) in [("e", &jets.e), ("px", &jets.px), ("py", &jets.py), ("pz", &jets.pz)] {
        if values.len() != row_count {
            return Err(PhysicsError::ColumnLength {
                column,
                expected: row_count,
                found: values.len(),
            });
        }
        if let Some(row) = values.iter().position(|value| !value.is_finite()) {
            return Err(PhysicsError::NotFinite {
                row,
                column,
                value: f64::from(values[row]),
            });
        }
    }
    Ok(())
}

/// Checks that jet `b` and all its rows exist: what one jet needs of [`check_jets`].
pub(crate) fn check_jet(jets: &Jets, b: usize) -> Result<(), PhysicsError> {
    let (Some(&start), Some(&end)) = (jets.offsets.get(b), jets.offsets.get(b.saturating_add(1))) else {
        return Err(PhysicsError::Index {
            what: "jet",
            index: b,
            len: jets.offsets.len().saturating_sub(1),
        });
    };
    if start > end {
        return Err(PhysicsError::Offsets { jet: b, start, end });
    }
    for (column, values) in [("e", &jets.e), ("px", &jets.px), ("py", &jets.py), ("pz", &jets.pz)] {
        if values.len() < end {
            return Err(PhysicsError::ColumnLength {
                column,
                expected: end,
                found: values.len(),
            });
        }
    }
    Ok(())
}

/// Checks that row offsets start with 0 and never fall; `offsets` must not be empty.
pub(crate) fn check_offsets(offsets: &[usize]) -> Result<(), PhysicsError> {
    if offsets[0] != 0 {
        return Err(PhysicsError::Offsets {
            jet: 0,
            start: offsets[0],
            end: offsets.get(1).copied().unwrap_or(0),
        });
    }
    match offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        Some(jet) => Err(PhysicsError::Offsets {
            jet,
            start: offsets[jet],
            end: offsets[jet + 1],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_jets() -> Jets {
        Jets {
            e: vec![5.0, 2.0, 1.0],
            px: vec![3.0, 1.0, 0.5],
            py: vec![4.0, 0.0, 0.0],
            pz: vec![0.0, 1.0, 0.5],
            offsets: vec![0, 2, 3],
            labels: vec![1, 0],
            rows: vec![7, 9],
            ..Jets::default()
        }
    }

    #[test]
    fn the_axis_is_the_sum_of_the_constituents() {
        let jets = two_jets();
        assert_eq!(check_jets(&jets), Ok(()));
        assert_eq!(check_jets(&Jets::default()), Ok(()));
        assert_eq!(jet_axis(&jets, 0), FourVector::new(7.0, 4.0, 4.0, 1.0));
    }

    #[test]
    fn broken_tables_are_named() {
        let mut jets = two_jets();
        jets.py.pop();
        assert_eq!(
            check_jets(&jets),
            Err(PhysicsError::ColumnLength {
                column: "py",
                expected: 3,
                found: 2
            })
        );
        let mut jets = two_jets();
        jets.offsets = vec![0, 4, 3];
        assert_eq!(
            check_jets(&jets),
            Err(PhysicsError::Offsets {
                jet: 1,
                start: 4,
                end: 3
            })
        );
        let mut jets = two_jets();
        jets.labels.push(0);
        assert!(check_jets(&jets).is_err());
        let mut jets = two_jets();
        jets.pz[2] = f32::INFINITY;
        let error = check_jets(&jets).unwrap_err();
        assert_eq!(
            error,
            PhysicsError::NotFinite {
                row: 2,
                column: "pz",
                value: f64::INFINITY
            }
        );
        assert!(error.to_string().contains("row 2"));
    }
}
