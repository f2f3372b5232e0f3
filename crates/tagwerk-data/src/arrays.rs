//! Events that are arrays of one fixed shape: histograms, station grids, particle lists with padding, rows of a table.
//!
//! The other kind of event beside [`crate::Jets`]. An event has one or more arrays, each of the same shape in every
//! event, and a target: a class, 0 or 1, or a real number. What belongs to the data set and not to an event (where the
//! stations stand) is kept once. Padding stays as the files have it, because a data set's own rules say what it means;
//! views (tagwerk-physics) drop it where they can.

use crate::array_set::ArraySet;
use crate::error::DataError;

/// One array: of every event, or of the whole data set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NamedArray {
    /// Name: the file's, without the part (`X_0`), or `features` for a table.
    pub name: String,
    /// Shape of one event, for example `[20, 20]`; of the whole for an array that is not per event.
    pub shape: Vec<usize>,
    /// `[B, shape..]`, row-major; `[shape..]` for an array that is not per event.
    pub values: Vec<f32>,
}

impl NamedArray {
    /// Values an event: the product of the shape.
    pub fn event_size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The values of event `b`.
    ///
    /// # Panics
    /// If there is no event `b`, like an index into a slice.
    pub fn event(&self, b: usize) -> &[f32] {
        let size = self.event_size();
        &self.values[b * size..(b + 1) * size]
    }
}

/// `B` events of one data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrays {
    set: ArraySet,
    arrays: Vec<NamedArray>,
    fixed: Vec<NamedArray>,
    targets: Vec<f32>,
    rows: Vec<u64>,
}

impl Arrays {
    /// Checks and takes `B` events: arrays of them, arrays that are not per event, targets `[B]` and rows in the data
    /// set `[B]`.
    ///
    /// # Errors
    /// Arrays that do not hold `B` events, values or targets that are not finite.
    pub fn new(
        set: ArraySet,
        arrays: Vec<NamedArray>,
        fixed: Vec<NamedArray>,
        targets: Vec<f32>,
        rows: Vec<u64>,
    ) -> Result<Self, DataError> {
        let events = targets.len();
        let fault = |reason: String| DataError::Arrays {
            name: set.name().to_owned(),
            reason,
        };
        if rows.len() != events {
            return Err(fault(format!("{} rows for {events} targets", rows.len())));
        }
        for array in &arrays {
            let size = array.event_size();
            if size == 0 || array.values.len() != events * size {
                let found = array.values.len();
                let NamedArray { name, shape, .. } = array;
                return Err(fault(format!(
                    "{name}: {found} values for {events} events of shape {shape:?}"
                )));
            }
            if let Some(bad) = array.values.iter().position(|v| !v.is_finite()) {
                let (name, row, value) = (&array.name, rows[bad / size], array.values[bad]);
                return Err(fault(format!(
                    "{name}, row {row}, value {}: {value}; allowed: finite",
                    bad % size
                )));
            }
        }
        for array in &fixed {
            if array.values.len() != array.event_size() || array.values.iter().any(|v| !v.is_finite()) {
                let NamedArray { name, shape, .. } = array;
                return Err(fault(format!(
                    "{name} is not an array of shape {shape:?} of finite values"
                )));
            }
        }
        if let Some(bad) = targets.iter().position(|v| !v.is_finite()) {
            return Err(fault(format!(
                "row {}: the target is {}; allowed: finite",
                rows[bad], targets[bad]
            )));
        }
        Ok(Self {
            set,
            arrays,
            fixed,
            targets,
            rows,
        })
    }

    /// The data set that the events are of.
    pub fn set(&self) -> ArraySet {
        self.set
    }

    /// Number of events, `B`.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The arrays of an event, in the order of the file.
    pub fn arrays(&self) -> &[NamedArray] {
        &self.arrays
    }

    /// The `index`-th array of an event.
    ///
    /// # Errors
    /// [`DataError::Arrays`] if there are fewer.
    pub fn array(&self, index: usize) -> Result<&NamedArray, DataError> {
        self.arrays.get(index).ok_or_else(|| DataError::Arrays {
            name: self.set.name().to_owned(),
            reason: format!("array {index} was asked for; there are {}", self.arrays.len()),
        })
    }

    /// Arrays that are not per event, such as the positions of stations.
    pub fn fixed(&self) -> &[NamedArray] {
        &self.fixed
    }

    /// Targets, `[B]`: 1 and 0 of a classification, any number of a regression.
    pub fn targets(&self) -> &[f32] {
        &self.targets
    }

    /// Row of each event in its data set, `[B]`.
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// Bytes of memory held by the values.
    pub fn bytes(&self) -> usize {
        let all = self.arrays.iter().chain(&self.fixed);
        all.map(|array| size_of_val(array.values.as_slice())).sum::<usize>()
            + size_of_val(self.targets.as_slice())
            + size_of_val(self.rows.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize], values: Vec<f32>) -> NamedArray {
        NamedArray {
            name: "X_0".into(),
            shape: shape.to_vec(),
            values,
        }
    }

    #[test]
    fn events_are_taken_whole() {
        let events = Arrays::new(
            ArraySet::Other,
            vec![array(&[2, 1], vec![1.0, 2.0, 3.0, 4.0])],
            vec![array(&[3], vec![7.0; 3])],
            vec![0.0, 1.0],
            vec![4, 9],
        )
        .unwrap();
        assert_eq!(
            (events.len(), events.array(0).unwrap().event(1)),
            (2, [3.0, 4.0].as_slice())
        );
        assert_eq!(events.bytes(), 4 * (4 + 3 + 2) + 16);
        assert!(events.array(1).unwrap_err().to_string().contains("there are 1"));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let new = |shape: &[usize], values, targets: Vec<f32>| {
            let rows = (10..10 + targets.len() as u64).collect();
            Arrays::new(ArraySet::Other, vec![array(shape, values)], vec![], targets, rows).map_err(|e| e.to_string())
        };
        let message = new(&[2], vec![0.0; 3], vec![0.0; 2]).unwrap_err();
        assert!(message.contains("3 values for 2 events of shape [2]"), "{message}");
        let message = new(&[2], vec![0.0, 0.0, 0.0, f32::NAN], vec![0.0; 2]).unwrap_err();
        assert!(message.contains("row 11, value 1: NaN"), "{message}");
        let message = new(&[1], vec![0.0; 2], vec![0.0, f32::INFINITY]).unwrap_err();
        assert!(message.contains("row 11: the target is inf"), "{message}");
        assert!(new(&[0], vec![], vec![]).is_err());
    }
}
