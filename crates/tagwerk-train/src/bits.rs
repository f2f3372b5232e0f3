//! Floating-point numbers in text files without loss: 16 hexadecimal digits. Decimal JSON may come back one bit off,
//! and does not know infinity.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&format!("{:016x}", value.to_bits()))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    let text = String::deserialize(d)?;
    let bits =
        u64::from_str_radix(&text, 16).map_err(|e| D::Error::custom(format!("`{text}` is no number in bits: {e}")))?;
    Ok(f64::from_bits(bits))
}

/// The same for a number that may be absent.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Serializer};

    #[derive(serde::Serialize, Deserialize)]
    struct Bits(#[serde(with = "super")] f64);

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, s: S) -> Result<S::Ok, S::Error> {
        serde::Serialize::serialize(&value.map(Bits), s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Bits>::deserialize(d)?.map(|bits| bits.0))
    }
}
