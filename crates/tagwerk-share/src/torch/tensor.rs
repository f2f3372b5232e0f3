//! A tensor: shape, strides and the storage that they lie over.

use super::Parsed;
use serde::Serialize;
use std::fmt;

/// Most axes.
pub(super) const MOST_AXES: usize = 8;

/// Type of a tensor's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TorchType {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// 16-bit floating point of IEEE 754.
    F16,
    /// 64-bit integers.
    I64,
}

impl TorchType {
    /// By the name that PyTorch gives the storage.
    pub(super) fn of_storage(name: &str) -> Option<Self> {
        match name {
            "FloatStorage" => Some(Self::F32),
            "DoubleStorage" => Some(Self::F64),
            "HalfStorage" => Some(Self::F16),
            "LongStorage" => Some(Self::I64),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }
}

impl fmt::Display for TorchType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::F16 => "f16",
            Self::I64 => "i64",
        })
    }
}

/// Values of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum TorchValues {
    /// Of floating point, rounded to f32.
    Floats(Vec<f32>),
    /// Integers.
    Integers(Vec<i64>),
}

/// A tensor of a state dict.
#[derive(Debug, Clone, PartialEq)]
pub struct TorchTensor {
    /// Type in the file.
    pub dtype: TorchType,
    /// Shape; empty for a single number.
    pub shape: Vec<usize>,
    /// Values.
    pub values: TorchValues,
}

impl TorchTensor {
    /// Number of values.
    pub fn len(&self) -> usize {
        match &self.values {
            TorchValues::Floats(values) => values.len(),
            TorchValues::Integers(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A storage as the pickle names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StorageName {
    pub(super) dtype: TorchType,
    pub(super) key: String,
    /// Values in it.
    pub(super) length: usize,
}

/// Where the values of a tensor lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorPlace {
    pub(super) storage: StorageName,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl TensorPlace {
    /// The values, from the bytes of the storage.
    ///
    /// A view that repeats values (a stride of 0) is refused where it has more of them than its storage: a few bytes
    /// must not become gigabytes.
    pub(super) fn read(&self, bytes: &[u8]) -> Parsed<TorchTensor> {
        let StorageName { dtype, length, .. } = self.storage;
        if length
            .checked_mul(dtype.bytes())
            .is_none_or(|needed| needed > bytes.len())
        {
            return Err(format!(
                "its storage has {} bytes, {length} values of {dtype} are promised",
                bytes.len()
            ));
        }
        if self.shape.len() != self.strides.len() {
            let (axes, strides) = (self.shape.len(), self.strides.len());
            return Err(format!("{axes} axes and {strides} strides; allowed: as many of both"));
        }
        let count = self.shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |at, (&axis, &stride)| {
                at.checked_add(axis.saturating_sub(1).checked_mul(stride)?)
            });
        let count = match (count, last) {
            (Some(0), _) => 0,
            (Some(count), Some(last)) if count <= length && last < length => count,
            _ => {
                return Err(format!(
                    "shape {:?} with strides {:?} from value {} does not fit into a storage of {length} values",
                    self.shape, self.strides, self.offset
                ));
            }
        };
        let places = self.places(count);
        let values = match dtype {
            TorchType::F32 => TorchValues::Floats(gather(&places, bytes, f32::from_le_bytes)),
            TorchType::F64 => TorchValues::Floats(gather(&places, bytes, |b| f64::from_le_bytes(b) as f32)),
            TorchType::F16 => TorchValues::Floats(gather(&places, bytes, |b| half(u16::from_le_bytes(b)))),
            TorchType::I64 => TorchValues::Integers(gather(&places, bytes, i64::from_le_bytes)),
        };
        Ok(TorchTensor {
            dtype,
            shape: self.shape.clone(),
            values,
        })
    }

    /// The place in the storage of each value, row-major. The caller has checked that they are inside.
    fn places(&self, count: usize) -> Vec<usize> {
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        let mut places = Vec::with_capacity(count);
        for _ in 0..count {
            places.push(at);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= self.strides[axis] * self.shape[axis];
                index[axis] = 0;
            }
        }
        places
    }
}

/// The values at these places. All of them are inside.
fn gather<const N: usize, T>(places: &[usize], bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (values, _) = bytes.as_chunks::<N>();
    places.iter().map(|&at| value(values[at])).collect()
}

/// A half-precision number (IEEE 754 binary16) as f32, exactly.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(length: usize, offset: usize, shape: &[usize], strides: &[usize]) -> TensorPlace {
        TensorPlace {
            storage: StorageName {
                dtype: TorchType::F32,
                key: "0".into(),
                length,
            },
            offset,
            shape: shape.into(),
            strides: strides.into(),
        }
    }

    fn bytes(count: u8) -> Vec<u8> {
        (0..count).flat_map(|i| f32::from(i).to_le_bytes()).collect()
    }

    #[test]
    fn a_transposed_view_reads_in_the_order_of_its_shape() {
        let read = place(6, 0, &[3, 2], &[1, 3]).read(&bytes(6)).unwrap();
        assert_eq!(read.values, TorchValues::Floats(vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        let one = place(6, 4, &[], &[]).read(&bytes(6)).unwrap();
        assert_eq!((one.len(), one.values), (1, TorchValues::Floats(vec![4.0])));
        let none = place(6, 9, &[0, 5], &[5, 1]).read(&bytes(6)).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn views_outside_their_storage_are_refused_with_shape_and_limit() {
        for (place, bytes) in [
            (place(6, 1, &[3, 2], &[2, 1]), bytes(6)),
            (place(6, 0, &[7], &[0]), bytes(6)),
            (place(6, 0, &[usize::MAX, 2], &[1, 1]), bytes(6)),
            (place(6, usize::MAX, &[2], &[1]), bytes(6)),
            (place(6, 0, &[2], &[usize::MAX]), bytes(6)),
            (place(7, 0, &[1], &[1]), bytes(6)),
            (place(6, 0, &[1], &[]), bytes(6)),
        ] {
            let error = place.read(&bytes).unwrap_err();
            assert!(
                error.contains("shape") || error.contains("bytes") || error.contains("axes"),
                "{error}"
            );
        }
    }

    #[test]
    fn half_precision_is_exact() {
        // From the standard: 1, -2, largest, smallest normal, smallest subnormal, a third.
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x8000, -0.0),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
