//! The vocabulary of a topic model: which words the training jets use, and a number for each.
//!
//! It is fitted on training jets only and saved with the model. Words that it does not know are left out of a new
//! jet's document and counted, as topic models do with unseen words.

use crate::PhysicsError;
use crate::lda_words::{LdaWordConfig, LdaWords};
use serde::{Deserialize, Serialize};

/// Known words, with the bins they were made in. The id of a word is its rank among the known ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct LdaVocabulary {
    config: LdaWordConfig,
    /// Rising, so that a word is found by bisection.
    words: Vec<u64>,
}

/// What a file holds, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    config: LdaWordConfig,
    words: Vec<u64>,
}

impl TryFrom<Parts> for LdaVocabulary {
    type Error = PhysicsError;

    fn try_from(Parts { config, words }: Parts) -> Result<Self, PhysicsError> {
        config.check()?;
        if let Some(pair) = words.windows(2).find(|pair| pair[1] <= pair[0]) {
            return Err(PhysicsError::Setting {
                name: "words",
                value: pair[1] as f64,
                limit: "words that rise strictly",
            });
        }
        Ok(Self { config, words })
    }
}

impl LdaVocabulary {
    /// The words of at least `min_jets` training jets (0 and 1: all).
    pub fn fit(training: &LdaWords, min_jets: u32) -> Self {
        // Each word once a jet, all jets together, sorted: equal words of different jets then stand side by side.
        let mut seen = Vec::with_capacity(training.words.len());
        let mut own = Vec::new();
        for jet in 0..training.len() {
            own.clear();
            own.extend_from_slice(training.jet(jet));
            own.sort_unstable();
            own.dedup();
            seen.extend_from_slice(&own);
        }
        seen.sort_unstable();
        let groups = seen.chunk_by(|a, b| a == b);
        Self {
            config: training.config.clone(),
            words: groups
                .filter(|group| group.len() >= min_jets as usize)
                .map(|group| group[0])
                .collect(),
        }
    }

    /// Of words that were counted elsewhere, rising strictly.
    ///
    /// # Errors
    /// [`PhysicsError::Setting`] for words that do not rise; as [`LdaWordConfig::check`].
    pub fn of_words(config: LdaWordConfig, words: Vec<u64>) -> Result<Self, PhysicsError> {
        Parts { config, words }.try_into()
    }

    /// Number of words, `V`.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether no word is known.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How the words are made.
    pub fn config(&self) -> &LdaWordConfig {
        &self.config
    }

    /// The known words, rising; the place of a word is its id.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The id of a word, below `V`; `None` for an unknown one.
    pub fn id(&self, word: u64) -> Option<u32> {
        // A vocabulary of 2^32 words would not fit into memory.
        self.words.binary_search(&word).ok().map(|id| id as u32)
    }

    /// Jets as bags of known words.
    ///
    /// # Errors
    /// [`PhysicsError::Binning`] for words made with another configuration.
    pub fn documents(&self, words: &LdaWords) -> Result<LdaDocuments, PhysicsError> {
        if words.config != self.config {
            return Err(PhysicsError::Binning);
        }
        let mut documents = LdaDocuments {
            ids: Vec::new(),
            counts: Vec::new(),
            offsets: Vec::with_capacity(words.len() + 1),
            unknown: Vec::with_capacity(words.len()),
        };
        documents.offsets.push(0);
        let mut own = Vec::new();
        for jet in 0..words.len() {
            let all = words.jet(jet);
            own.clear();
            own.extend(all.iter().filter_map(|&word| self.id(word)));
            own.sort_unstable();
            for group in own.chunk_by(|a, b| a == b) {
                documents.ids.push(group[0]);
                documents.counts.push(group.len() as u32);
            }
            documents.offsets.push(documents.ids.len());
            documents.unknown.push((all.len() - own.len()) as u32);
        }
        Ok(documents)
    }
}

/// Jets as bags of words, jagged: jet `b` owns the entries `offsets[b] .. offsets[b + 1]`, by rising id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LdaDocuments {
    /// `[E]`: ids of the words, each once a jet.
    pub ids: Vec<u32>,
    /// `[E]`: how often the word stands in the jet.
    pub counts: Vec<u32>,
    /// `[B + 1]`, starting with 0.
    pub offsets: Vec<usize>,
    /// `[B]`: words of the jet that the vocabulary does not know.
    pub unknown: Vec<u32>,
}

impl LdaDocuments {
    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.unknown.len()
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.unknown.is_empty()
    }

    /// Ids and counts of jet `b`.
    ///
    /// # Panics
    /// If there is no jet `b`, like an index into a slice.
    pub fn jet(&self, b: usize) -> (&[u32], &[u32]) {
        let own = self.offsets[b]..self.offsets[b + 1];
        (&self.ids[own.clone()], &self.counts[own])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(jets: &[&[u64]]) -> LdaWords {
        let mut offsets = vec![0];
        for jet in jets {
            offsets.push(offsets[offsets.len() - 1] + jet.len());
        }
        LdaWords {
            config: LdaWordConfig::default(),
            words: jets.concat(),
            offsets,
            degenerate: 0,
        }
    }

    #[test]
    fn documents_count_known_words_and_report_the_others() {
        let vocabulary = LdaVocabulary::fit(&words(&[&[70, 5, 70], &[], &[5, 9]]), 1);
        assert_eq!(vocabulary.words(), [5, 9, 70]);
        let documents = vocabulary.documents(&words(&[&[70, 1, 5, 70, 2], &[]])).unwrap();
        assert_eq!(documents.jet(0), ([0, 2].as_slice(), [1, 2].as_slice()));
        assert_eq!(documents.unknown, [2, 0]);
        assert_eq!(documents.jet(1), ([].as_slice(), [].as_slice()));
    }

    #[test]
    fn rare_words_are_counted_by_jets_not_by_uses() {
        let vocabulary = LdaVocabulary::fit(&words(&[&[70, 70, 70, 5], &[5]]), 2);
        assert_eq!(vocabulary.words(), [5]);
        assert!(LdaVocabulary::fit(&words(&[]), 1).is_empty());
    }

    #[test]
    fn words_counted_elsewhere_must_rise() {
        let of = |words: &[u64]| LdaVocabulary::of_words(LdaWordConfig::default(), words.to_vec());
        assert_eq!(of(&[5, 9, 70]).unwrap(), LdaVocabulary::fit(&words(&[&[70, 5, 9]]), 1));
        assert!(of(&[5, 5]).is_err() && of(&[9, 5]).is_err());
    }

    #[test]
    fn words_of_other_bins_are_refused() {
        let vocabulary = LdaVocabulary::fit(&words(&[&[1]]), 1);
        let mut others = words(&[&[1]]);
        others.config.mass_floor = 0.0;
        assert_eq!(vocabulary.documents(&others), Err(PhysicsError::Binning));
    }
}
