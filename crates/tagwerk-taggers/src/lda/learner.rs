//! Vocabulary and topics, and the steps that move them.

use super::inference::{Expectation, topic_shares};
use super::{LdaConfig, NAME};
use crate::arrays::{ArrayReader, ArrayWriter};
use crate::error::TaggerError;
use crate::labels::{class_weights, is_finite, mean_cross_entropy};
use crate::network::jagged;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use tagwerk_physics::{JaggedView, LdaVocabulary, LdaWords};
use tagwerk_train::{Batch, Examples, Learner, LearnerError, Order, Update};

/// Moves the topics a little in each step.
#[derive(Debug)]
pub(super) struct LdaLearner {
    config: LdaConfig,
    pub(super) model: Model,
}

/// All that is saved.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    pub(super) vocabulary: LdaVocabulary,
    /// Background and signal: parameters of their Dirichlet distributions (lambda), `[V]` each.
    pub(super) topics: [Vec<f64>; 2],
    /// Weight of the training jets of both classes.
    jets: [f64; 2],
    /// Weight of the jets of all steps.
    seen: f64,
}

impl Model {
    /// Topics that know nothing.
    fn new(config: &LdaConfig, words: Vec<u64>, jets: [f64; 2], used: f64) -> Result<Self, TaggerError> {
        let vocabulary = LdaVocabulary::of_words(config.words.clone(), words)?;
        // As large as after all jets, with every word as likely as any other.
        let each = config.word_prior + 0.5 * used / vocabulary.len().max(1) as f64;
        let topic = vec![each; vocabulary.len()];
        Ok(Self {
            topics: [topic.clone(), topic],
            vocabulary,
            jets,
            seen: 0.0,
        })
    }

    /// The known words of a jet by their ids.
    fn ids(&self, rows: &[f32]) -> Vec<u32> {
        // Words are whole numbers of the view; the vocabulary knows no other.
        rows.iter()
            .filter_map(|&word| self.vocabulary.id(word as u64))
            .collect()
    }

    /// log(E beta_1w / E beta_0w) for each word but for the common log(sum lambda_0 / sum lambda_1), which comes
    /// second.
    fn log_odds(&self, view: &JaggedView) -> Vec<f32> {
        let sums = self.topics.each_ref().map(|topic| topic.iter().sum::<f64>());
        let common = (sums[0] / sums[1]).ln();
        let prior = if self.jets.iter().all(|&weight| weight > 0.0) {
            (self.jets[1] / self.jets[0]).ln()
        } else {
            0.0
        };
        let of_jet = |b: usize| {
            let of_word = |id: u32| (self.topics[1][id as usize] / self.topics[0][id as usize]).ln() + common;
            let sum: f64 = self.ids(view.jet(b)).into_iter().map(of_word).sum();
            (prior + sum) as f32
        };
        (0..view.len()).into_par_iter().map(of_jet).collect()
    }
}

pub(super) const FILE: &str = "weights.safetensors";

impl LdaLearner {
    pub(super) fn new(config: &LdaConfig) -> Self {
        Self {
            config: config.clone(),
            model: Self::empty(config),
        }
    }

    /// Without a word. The bins were checked.
    fn empty(config: &LdaConfig) -> Model {
        Model {
            vocabulary: LdaVocabulary::fit(
                &LdaWords {
                    config: config.words.clone(),
                    words: Vec::new(),
                    offsets: vec![0],
                    degenerate: 0,
                },
                0,
            ),
            topics: [Vec::new(), Vec::new()],
            jets: [0.0; 2],
            seen: 0.0,
        }
    }

    /// Expected words of each topic in a batch, `[V]` each.
    fn expected_words(&self, view: &JaggedView, batch: &Batch) -> [Vec<f64>; 2] {
        let mut words = self.model.topics.each_ref().map(|topic| vec![0.0; topic.len()]);
        let other = self.config.other_topic;
        if other == 0.0 {
            for (b, (class, weight)) in class_weights(batch).enumerate() {
                for id in self.model.ids(view.jet(b)) {
                    words[class][id as usize] += weight;
                }
            }
            return words;
        }
        let expectation = Expectation::of(&self.model.topics);
        let jets: Vec<(usize, f64)> = class_weights(batch).collect();
        let found: Vec<(Vec<u32>, Vec<f64>)> = (0..view.len())
            .into_par_iter()
            .map(|b| {
                let ids = self.model.ids(view.jet(b));
                let mut prior = [other; 2];
                prior[jets[b].0] = 1.0;
                let shares = topic_shares(&ids, &expectation, prior);
                (ids, shares)
            })
            .collect();
        // In the order of the jets, whoever found them.
        for ((ids, shares), (_, weight)) in found.into_iter().zip(jets) {
            for (id, signal) in ids.into_iter().zip(shares) {
                words[0][id as usize] += weight * (1.0 - signal);
                words[1][id as usize] += weight * signal;
            }
        }
        words
    }

    fn read(&self, dir: &Path) -> Result<Model, TaggerError> {
        let mut arrays = ArrayReader::open(&dir.join(FILE))?;
        let words: Vec<u64> = arrays.take("words")?;
        let count = words.len();
        if let Some(bad) = words.iter().find(|&&word| word >= self.config.spellable()) {
            let most = self.config.spellable();
            return Err(arrays.fault(format!("words holds {bad}; these bins spell {most} words")));
        }
        let vocabulary = LdaVocabulary::of_words(self.config.words.clone(), words)
            .map_err(|e| arrays.fault(format!("words: {e}")))?;
        let jets = arrays.take_exactly::<f64>("jets", 2)?;
        let model = Model {
            vocabulary,
            topics: [
                arrays.take_exactly("background_topic", count)?,
                arrays.take_exactly("signal_topic", count)?,
            ],
            jets: [jets[0], jets[1]],
            seen: arrays.take_exactly::<f64>("seen", 1)?[0],
        };
        let bad = model.topics.iter().flatten().find(|&&lambda| lambda <= 0.0);
        if let Some(bad) = bad {
            return Err(arrays.fault(format!("a topic holds the value {bad}; allowed: above 0")));
        }
        arrays.finish()?;
        Ok(model)
    }
}

impl Learner for LdaLearner {
    /// The vocabulary: the words of the training jets.
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), LearnerError> {
        const BATCH: usize = 4096;
        // By word: jets that have it.
        let mut jets_with: BTreeMap<u64, u32> = BTreeMap::new();
        let (mut jets, mut used) = ([0.0; 2], 0.0);
        let mut own = Vec::new();
        for batch in train.batches(Order::STORED, BATCH, 0) {
            let batch = batch.map_err(LearnerError::wrap)?;
            let view = jagged(NAME, &batch.view, 1).map_err(LearnerError::wrap)?;
            for (b, (class, weight)) in class_weights(&batch).enumerate() {
                jets[class] += weight;
                used += weight * view.jet(b).len() as f64;
                own.clear();
                own.extend(view.jet(b).iter().map(|&word| word as u64));
                own.sort_unstable();
                own.dedup();
                own.iter().for_each(|&word| *jets_with.entry(word).or_default() += 1);
            }
        }
        let known = jets_with.into_iter().filter(|(_, jets)| *jets >= self.config.min_jets);
        let words: Vec<u64> = known.map(|(word, _)| word).collect();
        if words.is_empty() {
            let reason = format!("no word is in {} training jets or more", self.config.min_jets.max(1));
            return Err(LearnerError::wrap(TaggerError::Fit { tagger: NAME, reason }));
        }
        self.model = Model::new(&self.config, words, jets, used).map_err(LearnerError::wrap)?;
        Ok(())
    }

    fn step(&mut self, batch: &Batch, _update: Update) -> Result<f64, LearnerError> {
        let view = jagged(NAME, &batch.view, 1).map_err(LearnerError::wrap)?;
        if !is_finite(batch) {
            return Ok(f64::NAN);
        }
        if self.model.vocabulary.is_empty() {
            return Err(LearnerError::new("a step before the preparation on the training jets"));
        }
        let loss = mean_cross_entropy(&self.model.log_odds(view), batch);
        let weight: f64 = class_weights(batch).map(|(_, weight)| weight).sum();
        if weight <= 0.0 {
            return Ok(loss);
        }
        let words = self.expected_words(view, batch);
        let LdaConfig {
            word_prior,
            delay,
            decay,
            ..
        } = self.config;
        // Hoffman et al., eq. 5 to 7, in time counted by jets, so that a short last batch does not count as a whole
        // one.
        let rate = (delay + self.model.seen / weight).powf(-decay);
        let all = self.model.jets.iter().sum::<f64>() / weight;
        for (topic, words) in self.model.topics.iter_mut().zip(words) {
            for (lambda, count) in topic.iter_mut().zip(words) {
                *lambda += rate * (word_prior + all * count - *lambda);
            }
        }
        self.model.seen += weight;
        Ok(loss)
    }

    fn score(&mut self, batch: &Batch) -> Result<Vec<f32>, LearnerError> {
        let view = jagged(NAME, &batch.view, 1).map_err(LearnerError::wrap)?;
        Ok(self.model.log_odds(view))
    }

    /// A probability a word and topic. Before the preparation, for all words that can be spelled.
    fn parameter_count(&self) -> usize {
        match self.model.vocabulary.len() {
            // Checked: at most 2^24.
            0 => 2 * self.config.spellable() as usize,
            words => 2 * words,
        }
    }

    fn save(&self, dir: &Path) -> Result<(), LearnerError> {
        let Model {
            vocabulary,
            topics: [background, signal],
            jets,
            seen,
        } = &self.model;
        let arrays = ArrayWriter::default()
            .with("words", vocabulary.words())
            .with("background_topic", background)
            .with("signal_topic", signal)
            .with("jets", jets)
            .with("seen", &[*seen]);
        arrays.write(&dir.join(FILE)).map_err(LearnerError::wrap)
    }

    fn load(&mut self, dir: &Path) -> Result<(), LearnerError> {
        self.model = self.read(dir).map_err(LearnerError::wrap)?;
        Ok(())
    }

    fn load_weights(&mut self, dir: &Path) -> Result<(), LearnerError> {
        self.load(dir)
    }
}
