//! The bytes of a pickle, taken from the front.

use crate::torch::Parsed;

/// A pickle and the place of the next byte.
pub(super) struct Cursor<'a> {
    pickle: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(pickle: &'a [u8]) -> Self {
        Self { pickle, at: 0 }
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let slice = self.slice(N)?;
        slice.try_into().map_err(|_| "cut off".to_owned())
    }

    pub(super) fn slice(&mut self, length: usize) -> Parsed<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.pickle.len());
        let end = end.ok_or("cut off")?;
        let slice = &self.pickle[self.at..end];
        self.at = end;
        Ok(slice)
    }

    pub(super) fn text(&mut self) -> Parsed<String> {
        let length = u32::from_le_bytes(self.bytes()?);
        let bytes = self.slice(length as usize)?;
        let text = std::str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?;
        Ok(text.to_owned())
    }

    /// An integer of up to eight bytes, two's complement.
    pub(super) fn long(&mut self) -> Parsed<i64> {
        let [length] = self.bytes()?;
        if length > 8 {
            return Err(format!("an integer of {length} bytes; allowed: at most 8"));
        }
        let bytes = self.slice(length.into())?;
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut all = [if negative { 0xff } else { 0 }; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(all))
    }

    /// A line, without its end.
    pub(super) fn line(&mut self) -> Parsed<String> {
        let rest = &self.pickle[self.at..];
        let end = rest.iter().take(200).position(|&b| b == b'\n');
        let end = end.ok_or("a name without an end")?;
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }
}
