//! A look into a file of arrays: shapes, ranges, targets.

use crate::array_dataset::ArrayDataset;
use crate::array_set::ArraySet;
use crate::dataset::JetOptions;
use crate::error::DataError;
use crate::split::{Part, Split};
use crate::stand_in::StandIn;
use crate::task::Task;
use std::path::Path;

/// What a file of arrays holds.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct EventSummary {
    /// The file.
    pub file: String,
    /// The data set, `arrays` for someone's own.
    pub set: &'static str,
    /// How it was generated, if it is a stand-in.
    pub stand_in: Option<StandIn>,
    /// Format and arrays, in words.
    pub format: String,
    /// What is learned.
    pub task: Task,
    /// Events of the parts, in the order of [`Part::ALL`].
    pub rows: [u64; 3],
    /// The arrays of an event.
    pub arrays: Vec<ArraySummary>,
    /// Arrays that are not per event.
    pub fixed: Vec<ArraySummary>,
    /// The target.
    pub target: ArraySummary,
}

/// Range of one array over all events.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ArraySummary {
    /// Name.
    pub name: String,
    /// Shape of one event.
    pub shape: Vec<usize>,
    /// Smallest value.
    pub min: f64,
    /// Mean of all values.
    pub mean: f64,
    /// Largest value.
    pub max: f64,
    /// Share of values that are 0.
    pub zeros: f64,
    /// Share of values that are -1, which is padding in some data sets.
    pub minus_ones: f64,
}

/// Reads a file of arrays whole and sums it up.
///
/// # Errors
/// As [`ArrayDataset::open`] and [`ArrayDataset::load`]: a file of arrays is right or an error.
pub fn inspect_arrays(set: ArraySet, path: &Path) -> Result<EventSummary, DataError> {
    let data = ArrayDataset::open(set, path, &JetOptions::default())?;
    let whole = Split::Fractions {
        train: 1.0,
        validation: 0.0,
        test: 0.0,
    };
    let options = JetOptions {
        split: Some(whole),
        ..JetOptions::default()
    };
    let events = ArrayDataset::open(set, path, &options)?.load(Part::Train, None)?;
    let arrays = |arrays: &[crate::arrays::NamedArray]| {
        let summary = |array: &crate::arrays::NamedArray| summary(&array.name, &array.shape, &array.values);
        arrays.iter().map(summary).collect()
    };
    Ok(EventSummary {
        file: path.display().to_string(),
        set: set.name(),
        stand_in: data.stand_in().cloned(),
        format: data.describe(),
        task: data.task(),
        rows: Part::ALL.map(|part| data.rows(part)),
        arrays: arrays(events.arrays()),
        fixed: arrays(events.fixed()),
        target: summary(data.target().0, &[], events.targets()),
    })
}

fn summary(name: &str, shape: &[usize], values: &[f32]) -> ArraySummary {
    let wide = || values.iter().map(|&v| f64::from(v));
    let share = |wanted: f32| values.iter().filter(|&&v| v == wanted).count() as f64 / values.len().max(1) as f64;
    ArraySummary {
        name: name.to_owned(),
        shape: shape.to_vec(),
        min: wide().fold(f64::INFINITY, f64::min),
        mean: wide().sum::<f64>() / values.len().max(1) as f64,
        max: wide().fold(f64::NEG_INFINITY, f64::max),
        zeros: share(0.0),
        minus_ones: share(-1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{StandInOptions, stand_in};

    #[test]
    fn a_stand_in_is_summed_up_with_its_padding_and_origin() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("showers.npz");
        let options = StandInOptions { events: 40, seed: 2 };
        let note = stand_in(ArraySet::Airshower, &path, options, &mut |_, _| true).unwrap();
        let found = inspect_arrays(ArraySet::Airshower, &path).unwrap();
        assert_eq!((found.task, found.rows), (Task::Regression, [22, 6, 12]));
        assert_eq!(found.stand_in, Some(note));
        let names: Vec<&str> = found
            .arrays
            .iter()
            .chain(&found.fixed)
            .map(|a| a.name.as_str())
            .collect();
        assert_eq!(names, ["X_0", "X_1", "X_2"]);
        // Most stations see nothing.
        assert!(found.arrays[1].minus_ones > 0.3 && found.arrays[1].min == -1.0 && found.arrays[1].max > 0.0);
        assert_eq!((found.fixed[0].min, found.fixed[0].max), (-6000.0, 6000.0));
        assert!(found.target.min > 300.0 && found.target.max < 1600.0);
    }
}
