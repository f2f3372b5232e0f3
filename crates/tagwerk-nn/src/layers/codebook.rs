//! Identities as one-hot classes: the list of the most frequent ones of the training data, kept with the weights, never
//! trained.

use super::{Part, PartMut, Parts};
use crate::error::NnError;

/// What an unused place of the list holds; identities are 0 or above.
const UNUSED: f32 = -1.0;

/// Turns the identity in one channel of rows into as many channels as the list has places, of which that of its place
/// is
/// 1. Identities that are not in the list are all zeros, as everything is before [`Codebook::fit`].
#[derive(Debug, Clone, PartialEq)]
pub struct Codebook {
    name: String,
    codes: Vec<f32>,
    /// Place of each identity; unused places are in no order.
    places: std::collections::HashMap<u32, usize>,
}

impl Codebook {
    /// An empty list of `classes` places.
    pub fn new(name: &str, classes: usize) -> Self {
        Self {
            name: name.to_string(),
            codes: vec![UNUSED; classes],
            places: Default::default(),
        }
    }

    /// Takes the identities in the order of their places, at most as many as there are places.
    ///
    /// # Errors
    /// [`NnError::Config`] for too many, for one that is no whole number from 0 to 2^24, or that comes twice.
    pub fn fit(&mut self, codes: &[f32]) -> Result<(), NnError> {
        /// Whole numbers up to it are exact in single precision.
        const LARGEST: f32 = 16_777_216.0;
        let refuse = |value: String, limit| {
            Err(NnError::Config {
                what: format!("an identity of {}", self.name),
                value,
                limit,
            })
        };
        if codes.len() > self.codes.len() {
            return refuse(format!("number {}", codes.len()), "no more than places");
        }
        for (place, code) in codes.iter().enumerate() {
            if code.fract() != 0.0 || !(0.0..=LARGEST).contains(code) {
                return refuse(code.to_string(), "a whole number from 0 to 2^24");
            }
            if codes[..place].contains(code) {
                return refuse(code.to_string(), "each once");
            }
        }
        self.restore(codes.to_vec());
        Ok(())
    }

    /// Number of places.
    pub fn classes(&self) -> usize {
        self.codes.len()
    }

    /// Rows `[R, C]` with the identity in `channel` as rows `[R, C - 1 + classes]`.
    pub fn apply(&self, rows: &[f32], channels: usize, channel: usize) -> Vec<f32> {
        let width = channels - 1 + self.codes.len();
        let mut out = vec![0.0; rows.len() / channels.max(1) * width];
        for (row, out) in rows.chunks_exact(channels).zip(out.chunks_exact_mut(width)) {
            let (before, after) = (&row[..channel], &row[channel + 1..]);
            out[..channel].copy_from_slice(before);
            out[width - after.len()..].copy_from_slice(after);
            // What is no whole number has no bits of one.
            if let Some(place) = self.places.get(&row[channel].to_bits()) {
                out[channel + place] = 1.0;
            }
        }
        out
    }

    /// Name, unique in its network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Identity of each place; -1 where there is none.
    pub fn codes(&self) -> &[f32] {
        &self.codes
    }

    /// Puts in what a file holds, whose length was checked, or fewer.
    pub(crate) fn restore(&mut self, mut codes: Vec<f32>) {
        codes.resize(self.codes.len(), UNUSED);
        let used = codes.iter().enumerate().filter(|(_, code)| **code != UNUSED);
        self.places = used.map(|(place, code)| (code.to_bits(), place)).collect();
        self.codes = codes;
    }
}

impl Parts for Codebook {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Codebook(self)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Codebook(self)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_becomes_the_place_it_has_and_a_rare_one_nothing() {
        let mut book = Codebook::new("input", 3);
        let rows = [0.5, 7.0, 1.5, 2.5, 9.0, 3.5, 4.5, 11.0, 5.5];
        let zeros = book.apply(&rows, 3, 1);
        assert_eq!(zeros[..5], [0.5, 0.0, 0.0, 0.0, 1.5], "before the fit");
        book.fit(&[9.0, 7.0]).unwrap();
        let out = book.apply(&rows, 3, 1);
        assert_eq!(out[..5], [0.5, 0.0, 1.0, 0.0, 1.5]);
        assert_eq!(out[5..10], [2.5, 1.0, 0.0, 0.0, 3.5]);
        assert_eq!(out[10..], [4.5, 0.0, 0.0, 0.0, 5.5]);
        // -1 is no identity, although unused places hold it.
        assert_eq!(book.apply(&[-1.0], 1, 0), [0.0; 3]);
        assert_eq!((book.codes(), book.parameter_count()), ([9.0, 7.0, -1.0].as_slice(), 0));
    }

    #[test]
    fn what_is_no_list_of_identities_is_refused_and_changes_nothing() {
        let mut book = Codebook::new("input", 2);
        for bad in [&[1.0, 2.0, 3.0][..], &[1.5], &[-1.0], &[4.0, 4.0], &[f32::NAN], &[1e9]] {
            assert!(book.fit(bad).is_err(), "{bad:?}");
        }
        assert_eq!(book.codes(), [-1.0, -1.0]);
    }
}
