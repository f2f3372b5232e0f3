//! The layout of pd4ml: arrays of training and test events in one `.npz`.

use super::{ArrayInfo, Reader};
use crate::array_set::ArraySet;
use crate::arrays::NamedArray;
use crate::error::DataError;
use crate::readers::{NumpyArrays, NumpyMember};
use crate::source::{Plan, Source};
use crate::split::RowSet;
use crate::stand_in::StandIn;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, types};
use arrow_schema::DataType;
use std::path::{Path, PathBuf};

/// Names of the targets of a file without parts.
const TARGETS: [&str; 3] = ["y", "label", "labels"];

/// An opened archive.
#[derive(Debug)]
pub(super) struct Npz {
    path: PathBuf,
    arrays: Vec<ArrayInfo>,
    segments: Vec<Segment>,
    /// Members that are not per event, with their names.
    fixed: Vec<(String, NumpyMember)>,
}

/// The events of one part of the file.
#[derive(Debug)]
struct Segment {
    source: NumpyArrays,
    /// Members of the arrays, then that of the targets.
    members: Vec<String>,
}

impl Npz {
    /// Finds the arrays of a data set; also what the archive says of its origin, if it is a stand-in.
    pub(super) fn open(set: ArraySet, path: &Path) -> Result<(Self, Option<StandIn>), DataError> {
        let file = path.display().to_string();
        let (members, comment) = NumpyArrays::members(path)?;
        let fault = |reason: String| DataError::Arrays {
            name: file.clone(),
            reason,
        };
        let note = StandIn::from_comment(&comment);
        if let Some(note) = note.as_ref().filter(|note| note.set != set) {
            let (found, expected) = (note.set.name(), set.name());
            return Err(fault(format!("a stand-in of {found}, not of {expected}")));
        }
        let has = |name: &str| members.iter().any(|m| m.name == name);
        let prefixes: &[&str] = if has("y_train") || has("X_train_0") {
            &["_train", "_test"]
        } else {
            &[""]
        };
        let mut this = Self {
            path: path.to_owned(),
            arrays: Vec::new(),
            segments: Vec::new(),
            fixed: Vec::new(),
        };
        for prefix in prefixes {
            this.take(set, prefix, &members).map_err(|reason| {
                let found: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
                fault(format!("{reason}; the file has {}", found.join(", ")))
            })??;
        }
        Ok((this, note))
    }

    /// Takes the arrays of one part. The outer error is what does not fit, the inner one is of the file.
    fn take(&mut self, set: ArraySet, part: &str, members: &[NumpyMember]) -> Result<Result<(), DataError>, String> {
        let find = |name: &str| members.iter().find(|m| m.name == name);
        let target = match part {
            "" => TARGETS.iter().find_map(|name| find(name)),
            _ => find(&format!("y{part}")),
        };
        let target = target.ok_or_else(|| format!("no targets `y{part}`"))?;
        if target.shape.iter().product::<usize>() != 1 {
            return Err(format!(
                "`{}` has {:?} values an event; allowed: one",
                target.name, target.shape
            ));
        }
        let numbered = (0..).map_while(|i| find(&format!("X{part}_{i}")).map(|m| (format!("X_{i}"), m)));
        let mut found: Vec<(String, &NumpyMember)> = numbered.collect();
        if found.is_empty() && part.is_empty() {
            found.extend(find("X").map(|m| ("X_0".to_owned(), m)));
        }
        let known = set.arrays();
        let mut arrays = Vec::new();
        let mut names = Vec::new();
        let mut fixed = Vec::new();
        for (i, (name, member)) in found.into_iter().enumerate() {
            let per_event = match known.and_then(|entry| entry.arrays.get(i)) {
                Some(entry) => entry.per_event,
                None => member.rows == target.rows,
            };
            if !per_event {
                fixed.push((name, member.clone()));
                continue;
            }
            if member.rows != target.rows {
                let (a, b) = (member.rows, target.rows);
                return Err(format!("`{}` has {a} events, `{}` has {b}", member.name, target.name));
            }
            // A number an event is an array of one.
            let shape = if member.shape.is_empty() {
                vec![1]
            } else {
                member.shape.clone()
            };
            arrays.push(ArrayInfo { name, shape });
            names.push(member.name.clone());
        }
        if arrays.is_empty() {
            return Err(format!(
                "no arrays `X{part}_0`, .. of as many events as `{}`",
                target.name
            ));
        }
        if self.segments.is_empty() {
            (self.arrays, self.fixed) = (arrays, fixed);
        } else if self.arrays != arrays {
            let shapes = |arrays: &[ArrayInfo]| -> Vec<Vec<usize>> { arrays.iter().map(|a| a.shape.clone()).collect() };
            return Err(format!(
                "events beside `{}` have arrays of shape {:?}, those for training {:?}",
                target.name,
                shapes(&arrays),
                shapes(&self.arrays)
            ));
        }
        names.push(target.name.clone());
        let columns: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(NumpyArrays::open_arrays(&self.path, Some(&columns)).map(|source| {
            self.segments.push(Segment { source, members: names });
        }))
    }
}

impl Reader for Npz {
    fn format(&self) -> String {
        "NPZ".into()
    }

    fn arrays(&self) -> Vec<ArrayInfo> {
        self.arrays.clone()
    }

    fn fixed(&self) -> Result<Vec<NamedArray>, DataError> {
        let read = |(name, member): &(String, NumpyMember)| {
            let source = NumpyArrays::open_arrays(&self.path, Some(&[&member.name]))?;
            let mut values = Vec::new();
            for batch in source.read(&Plan::default())? {
                numbers(batch?.column(0), &mut values);
            }
            let shape = std::iter::once(member.rows as usize).chain(member.shape.iter().copied());
            Ok(NamedArray {
                name: name.clone(),
                shape: shape.collect(),
                values,
            })
        };
        self.fixed.iter().map(read).collect()
    }

    fn segments(&self) -> Vec<u64> {
        self.segments.iter().map(|segment| segment.source.row_count()).collect()
    }

    fn has_parts(&self) -> bool {
        self.segments.len() == 2
    }

    fn read(
        &self,
        segment: usize,
        rows: &RowSet,
        values: &mut [Vec<f32>],
        targets: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let Segment { source, members } = &self.segments[segment];
        // Targets alone, where no array is wanted.
        let wanted = &members[if values.is_empty() { members.len() - 1 } else { 0 }..];
        let ranges = rows.ranges_within(&(0..source.row_count()));
        for batch in source.read(&Plan::default().columns(wanted).ranges(ranges))? {
            let batch = batch?;
            for (column, out) in batch
                .columns()
                .iter()
                .zip(values.iter_mut().chain(std::iter::once(&mut *targets)))
            {
                numbers(column, out);
            }
        }
        Ok(())
    }
}

/// Adds the numbers of a column, lists flattened, as f32. The reader of NumPy files makes no other types than these.
fn numbers(column: &ArrayRef, out: &mut Vec<f32>) {
    macro_rules! add {
        ($kind:ty) => {
            out.extend(column.as_primitive::<$kind>().values().iter().map(|&v| v as f32))
        };
    }
    match column.data_type() {
        DataType::FixedSizeList(..) => numbers(column.as_fixed_size_list().values(), out),
        DataType::Boolean => out.extend((0..column.len()).map(|i| f32::from(column.as_boolean().value(i)))),
        DataType::Int8 => add!(types::Int8Type),
        DataType::UInt8 => add!(types::UInt8Type),
        DataType::Int16 => add!(types::Int16Type),
        DataType::UInt16 => add!(types::UInt16Type),
        DataType::Int32 => add!(types::Int32Type),
        DataType::UInt32 => add!(types::UInt32Type),
        DataType::Int64 => add!(types::Int64Type),
        DataType::UInt64 => add!(types::UInt64Type),
        DataType::Float32 => add!(types::Float32Type),
        _ => add!(types::Float64Type),
    }
}
