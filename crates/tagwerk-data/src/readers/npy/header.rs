//! The header of an `.npy`: magic, version, length, and a Python dictionary with `descr`, `fortran_order`, `shape`.

use arrow_schema::DataType;
use std::io::Read;

/// What a header says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub(super) values: DataType,
    /// First axis.
    pub(super) rows: u64,
    /// The other axes.
    pub(super) shape: Vec<u64>,
    /// Length of the header itself.
    pub(super) bytes_read: u64,
}

impl Header {
    pub(super) fn read(input: &mut impl Read) -> Result<Self, String> {
        let mut lead = [0u8; 8];
        input.read_exact(&mut lead).map_err(|e| e.to_string())?;
        if &lead[..6] != b"\x93NUMPY" {
            return Err("no NumPy signature".into());
        }
        let (length, lead_length) = match lead[6] {
            1 => {
                let mut bytes = [0u8; 2];
                input.read_exact(&mut bytes).map_err(|e| e.to_string())?;
                (u64::from(u16::from_le_bytes(bytes)), 10)
            }
            2 | 3 => {
                let mut bytes = [0u8; 4];
                input.read_exact(&mut bytes).map_err(|e| e.to_string())?;
                (u64::from(u32::from_le_bytes(bytes)), 12)
            }
            version => return Err(format!("format version {version}; known: 1, 2, 3")),
        };
        // NumPy's own limit for headers it trusts.
        if length > 1 << 16 {
            return Err(format!("a header of {length} bytes; allowed: 65536"));
        }
        let mut text = Vec::with_capacity(length as usize);
        input.take(length).read_to_end(&mut text).map_err(|e| e.to_string())?;
        if text.len() as u64 != length {
            return Err("the header is cut off".into());
        }
        let text = String::from_utf8(text).map_err(|_| "the header is not text")?;
        Self::parse(&text, lead_length + length)
    }

    fn parse(text: &str, bytes_read: u64) -> Result<Self, String> {
        let after = |key: &str| {
            let at = text
                .find(&format!("'{key}'"))
                .ok_or(format!("no '{key}' in the header"))?;
            let rest = text[at + key.len() + 2..].trim_start();
            rest.strip_prefix(':')
                .map(str::trim_start)
                .ok_or(format!("no value for '{key}'"))
        };
        let descr = after("descr")?;
        let code = descr
            .strip_prefix('\'')
            .and_then(|d| d.split('\'').next())
            .ok_or("records are not supported")?;
        if after("fortran_order")?.starts_with("True") {
            return Err("Fortran order; save the array with order='C'".into());
        }
        let shape = after("shape")?
            .strip_prefix('(')
            .and_then(|s| s.split(')').next())
            .ok_or("no shape")?;
        let axes = shape
            .split(',')
            .map(str::trim)
            .filter(|axis| !axis.is_empty())
            .map(|axis| axis.parse::<u64>().map_err(|_| format!("shape ({shape})")))
            .collect::<Result<Vec<u64>, String>>()?;
        let (&rows, shape) = axes.split_first().ok_or("a single number, not an array")?;
        let values = match code {
            "|b1" => DataType::Boolean,
            "|i1" => DataType::Int8,
            "|u1" => DataType::UInt8,
            "<i2" => DataType::Int16,
            "<u2" => DataType::UInt16,
            "<i4" => DataType::Int32,
            "<u4" => DataType::UInt32,
            "<i8" => DataType::Int64,
            "<u8" => DataType::UInt64,
            "<f4" => DataType::Float32,
            "<f8" => DataType::Float64,
            other => return Err(format!("values of type {other}; allowed: little-endian numbers")),
        };
        let header = Self {
            values,
            rows,
            shape: shape.to_vec(),
            bytes_read,
        };
        let width = shape.iter().try_fold(1u64, |width, &axis| width.checked_mul(axis));
        match width {
            Some(width) if (1..=1 << 24).contains(&width) && header.total_bytes().is_some() => Ok(header),
            _ => Err(format!("shape {axes:?}; allowed: 1 to 2^24 values a row")),
        }
    }

    /// Values a row.
    pub(super) fn width(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Bytes a row.
    pub(super) fn row_bytes(&self) -> u64 {
        self.width() * self.values.primitive_width().unwrap_or(1) as u64
    }

    /// Bytes of header and values, unless that overflows.
    pub(super) fn total_bytes(&self) -> Option<u64> {
        self.row_bytes().checked_mul(self.rows)?.checked_add(self.bytes_read)
    }

    /// Holds the announced size of an archive member against the shape.
    pub(super) fn check_length(&self, size: u64) -> Result<(), String> {
        match self.total_bytes() {
            Some(expected) if expected == size => Ok(()),
            Some(expected) => Err(format!("{size} bytes where the shape needs {expected}")),
            None => Err(format!("{size} bytes where the shape needs more than 2^64")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_headers_are_errors() {
        let parse = |text: &str| Header::parse(text, 128);
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 200, 4), }";
        let header = parse(good).unwrap();
        assert_eq!((header.rows, header.width(), header.row_bytes()), (3, 800, 3200));
        for bad in [
            "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
            "{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 0), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551615, 9), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }",
            "{'descr'",
            "",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
