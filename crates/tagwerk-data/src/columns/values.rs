//! Typed access to columns of lists and of labels.

use super::Place;
use crate::error::DataError;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrowPrimitiveType, types};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use std::ops::Range;

/// A list column of numbers: `List`, `LargeList` or `FixedSizeList`.
pub(super) struct Lists<'a> {
    items: &'a dyn Array,
    values: Values<'a>,
    offsets: Offsets<'a>,
    rows: usize,
}

enum Values<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    Bool(&'a BooleanBuffer),
}

impl<'a> Values<'a> {
    /// The values of an array of numbers or truth values.
    fn of(items: &'a dyn Array) -> Option<Self> {
        Some(match items.data_type() {
            DataType::Float32 => Self::F32(items.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Self::F64(items.as_primitive::<Float64Type>().values()),
            DataType::Int8 => Self::I8(items.as_primitive::<types::Int8Type>().values()),
            DataType::Int16 => Self::I16(items.as_primitive::<types::Int16Type>().values()),
            DataType::Int32 => Self::I32(items.as_primitive::<types::Int32Type>().values()),
            DataType::Int64 => Self::I64(items.as_primitive::<types::Int64Type>().values()),
            DataType::UInt8 => Self::U8(items.as_primitive::<types::UInt8Type>().values()),
            DataType::UInt16 => Self::U16(items.as_primitive::<types::UInt16Type>().values()),
            DataType::UInt32 => Self::U32(items.as_primitive::<types::UInt32Type>().values()),
            DataType::UInt64 => Self::U64(items.as_primitive::<types::UInt64Type>().values()),
            DataType::Boolean => Self::Bool(items.as_boolean().values()),
            _ => return None,
        })
    }
}

enum Offsets<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    /// Width, and the first row: a fixed-size list keeps its slice's start.
    Fixed(usize),
}

impl<'a> Lists<'a> {
    /// Lists of floats; or, for labels, of integers in a fixed-size list.
    pub(super) fn new(place: &Place, name: &str, column: &'a dyn Array) -> Result<Self, DataError> {
        const ALLOWED: &str = "a list, large list or fixed-size list of f32 or f64";
        let lists = Self::find(place, name, column, ALLOWED)?;
        match (&lists.values, &lists.offsets) {
            (Values::F32(_) | Values::F64(_), _) | (Values::I64(_), Offsets::Fixed(_)) => Ok(lists),
            _ => Err(wrong_type(place, name, column, ALLOWED)),
        }
    }

    /// Lists of any type of number, or of truth values.
    pub(super) fn of_numbers(place: &Place, name: &str, column: &'a dyn Array) -> Result<Self, DataError> {
        Self::find(place, name, column, "a list of numbers or truth values")
    }

    fn find(place: &Place, name: &str, column: &'a dyn Array, allowed: &'static str) -> Result<Self, DataError> {
        let wrong = || wrong_type(place, name, column, allowed);
        refuse_nulls(place, name, column)?;
        let (items, offsets) = match column.data_type() {
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                (list.values().as_ref(), Offsets::Small(list.value_offsets()))
            }
            DataType::LargeList(_) => {
                let list = column.as_list::<i64>();
                (list.values().as_ref(), Offsets::Large(list.value_offsets()))
            }
            DataType::FixedSizeList(_, width) => (
                column.as_fixed_size_list().values().as_ref(),
                Offsets::Fixed(*width as usize),
            ),
            _ => return Err(wrong()),
        };
        let lists = Self {
            items,
            values: Values::of(items).ok_or_else(wrong)?,
            offsets,
            rows: column.len(),
        };
        if items.null_count() > 0 {
            // Only nulls that a row shows count; a slice may carry others behind its borders.
            for i in 0..lists.rows {
                if let Some(k) = lists.range(i).find(|&k| items.is_null(k)) {
                    return Err(null_error(place, i, &format!("{name}[{}]", k - lists.range(i).start)));
                }
            }
        }
        Ok(lists)
    }

    /// Positions of row `i` among the values.
    #[inline]
    pub(super) fn range(&self, i: usize) -> Range<usize> {
        match self.offsets {
            Offsets::Small(offsets) => offsets[i] as usize..offsets[i + 1] as usize,
            Offsets::Large(offsets) => offsets[i] as usize..offsets[i + 1] as usize,
            Offsets::Fixed(width) => i * width..(i + 1) * width,
        }
    }

    #[inline]
    pub(super) fn get(&self, k: usize) -> f64 {
        match &self.values {
            Values::F32(values) => f64::from(values[k]),
            Values::F64(values) => values[k],
            Values::I8(values) => f64::from(values[k]),
            Values::I16(values) => f64::from(values[k]),
            Values::I32(values) => f64::from(values[k]),
            Values::I64(values) => values[k] as f64,
            Values::U8(values) => f64::from(values[k]),
            Values::U16(values) => f64::from(values[k]),
            Values::U32(values) => f64::from(values[k]),
            Values::U64(values) => values[k] as f64,
            Values::Bool(values) => f64::from(u8::from(values.value(k))),
        }
    }

    /// The values of row `i`, if they are f32.
    #[inline]
    pub(super) fn f32s(&self, i: usize) -> Option<&'a [f32]> {
        match self.values {
            Values::F32(values) => values.get(self.range(i)),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> &'a dyn Array {
        self.items
    }

    /// Width of a fixed-size list; 1 for others.
    pub(super) fn fixed_width(&self) -> usize {
        match self.offsets {
            Offsets::Fixed(width) => width,
            _ => 1,
        }
    }
}

/// Labels: the values at `position`, `position + stride`, ... of an array of any number type.
pub(super) fn label_values(
    place: &Place,
    name: &str,
    column: &dyn Array,
    position: usize,
    stride: usize,
) -> Result<Vec<u8>, DataError> {
    refuse_nulls(place, name, column)?;
    let numbers: Vec<f64> = match column.data_type() {
        DataType::Boolean => column.as_boolean().values().iter().map(f64::from).collect(),
        DataType::Int8 => numbers::<types::Int8Type>(column, |v| v.into()),
        DataType::Int16 => numbers::<types::Int16Type>(column, |v| v.into()),
        DataType::Int32 => numbers::<types::Int32Type>(column, |v| v.into()),
        DataType::Int64 => numbers::<types::Int64Type>(column, |v| v as f64),
        DataType::UInt8 => numbers::<types::UInt8Type>(column, |v| v.into()),
        DataType::UInt16 => numbers::<types::UInt16Type>(column, |v| v.into()),
        DataType::UInt32 => numbers::<types::UInt32Type>(column, |v| v.into()),
        DataType::UInt64 => numbers::<types::UInt64Type>(column, |v| v as f64),
        DataType::Float32 => numbers::<Float32Type>(column, |v| v.into()),
        DataType::Float64 => numbers::<Float64Type>(column, |v| v),
        other => {
            return Err(DataError::WrongType {
                file: place.file.to_owned(),
                column: name.to_owned(),
                found: other.to_string(),
                allowed: "a number or truth value a row",
            });
        }
    };
    numbers
        .iter()
        .skip(position)
        .step_by(stride.max(1))
        .enumerate()
        .map(|(i, &value)| match value {
            0.0 => Ok(0),
            1.0 => Ok(1),
            other => Err(DataError::Value {
                file: place.file.to_owned(),
                row: place.rows.get(i).copied().unwrap_or(i as u64),
                column: name.to_owned(),
                value: other.to_string(),
                allowed: "0 (background) or 1 (signal)",
            }),
        })
        .collect()
}

fn numbers<T: ArrowPrimitiveType>(column: &dyn Array, to: impl Fn(T::Native) -> f64) -> Vec<f64> {
    column
        .as_primitive::<T>()
        .values()
        .iter()
        .map(|&value| to(value))
        .collect()
}

fn wrong_type(place: &Place, name: &str, column: &dyn Array, allowed: &'static str) -> DataError {
    DataError::WrongType {
        file: place.file.to_owned(),
        column: name.to_owned(),
        found: column.data_type().to_string(),
        allowed,
    }
}

fn refuse_nulls(place: &Place, name: &str, column: &dyn Array) -> Result<(), DataError> {
    match (0..column.len()).find(|&i| column.null_count() > 0 && column.is_null(i)) {
        Some(i) => Err(null_error(place, i, name)),
        None => Ok(()),
    }
}

fn null_error(place: &Place, i: usize, column: &str) -> DataError {
    DataError::Value {
        file: place.file.to_owned(),
        row: place.rows.get(i).copied().unwrap_or(i as u64),
        column: column.to_owned(),
        value: "null".into(),
        allowed: "a number",
    }
}
